import { frame, html, listen, reveal } from "./common.js";
import { drawing } from "./graph.js";

// explain(): a diagnosis in words, the mend as code, and the part of the graph it is about.

/** @typedef {{cell: string, number: number, text: string}} Place
 *  @typedef {{happened: string, op: string, variable: string, mend: string, because: string, tempting: string,
 *    consequence: string, rivals: string[], place: Place | null, raised: Place | null}} Said */

/** A sentence with what stands between backticks as code. @param {string} text */
function sentence(text) {
  const parts = text.split("`").map((part, i) => (i % 2 ? html("code", {}, part) : part));
  return html("p", {}, ...parts);
}

/** A line of the learner's, named. @param {string} what @param {Place | null} place */
function lineRow(what, place) {
  if (!place) return [];
  const where = html("span", { class: "where" }, `${place.cell}, line ${place.number}`);
  return [html("dt", {}, what), html("dd", {}, where, html("code", {}, place.text))];
}

/** @param {string} what @param {string} code */
const codeRow = (what, code) => (code ? [html("dt", {}, what), html("dd", {}, html("code", {}, code))] : []);

/** A block of code under a heading, with what it does.
 *  @param {string} kind @param {string} heading @param {string} code @param {string} words */
function advice(kind, heading, code, words) {
  if (!code) return [];
  const block = html("pre", { tabindex: 0, role: "group", "aria-label": heading }, code);
  return [html("div", { class: `advice ${kind}` }, html("div", { class: "heading" }, heading), block, sentence(words))];
}

/** The diagnosis in words. @param {Said} said */
function words({ happened, op, variable, mend, because, tempting, consequence, rivals, place, raised }) {
  const rows = [
    ...lineRow("at fault", place),
    ...lineRow("raised", raised),
    ...codeRow("op", op === place?.text ? "" : op),
    ...codeRow("variable", variable),
  ];
  const unknown = rivals.map((rival) => html("li", {}, sentence(rival)));
  const more = unknown.length ? [html("div", { class: "heading" }, "not known from this run"), html("ul", {}, ...unknown)] : [];
  return html(
    "div",
    { class: "said" },
    sentence(happened),
    ...(rows.length ? [html("dl", {}, ...rows)] : []),
    ...advice("mend", "what mends it", mend, because),
    ...advice("wrong", "tempting, and wrong", tempting, consequence),
    ...more,
  );
}

/** Fits the drawing into its column, and brings the op at fault into sight.
 *  @param {ReturnType<typeof drawing>} graph @param {string} fault */
function settle(graph, fault) {
  graph.fit(graph.element.clientWidth);
  const at = graph.box(fault);
  if (at) reveal(graph.element, at);
}

/** anywidget's entry. @param {{model: import("./common.js").Model, el: HTMLElement}} view */
function explanation({ model, el }) {
  const stage = frame("explain", model, el);
  const show = () => {
    const [said, picture, fault] = [model.get("said"), model.get("picture"), model.get("fault")];
    if (!said.happened) return;
    const parts = [words(said)];
    const idle = { fold() {}, unfold() {}, pick() {} };
    const graph = picture.nodes ? drawing({ code: [], steps: [], ...picture }, idle, () => {}) : null;
    if (graph) {
      const at = graph.box(fault);
      at?.classList.add("fault");
      if (at) at.setAttribute("aria-label", `${at.getAttribute("aria-label")}, at fault`);
      for (const node of graph.element.querySelectorAll("[data-node]")) {
        node.setAttribute("role", "img"); // nothing to press here
        node.removeAttribute("tabindex");
      }
      const caption = at ? "the part of the graph it is about; the op at fault has the thick frame" : "the part of the graph it is about";
      const scroller = graph.element;
      scroller.setAttribute("tabindex", "0");
      scroller.setAttribute("role", "group");
      scroller.setAttribute("aria-label", caption);
      parts.push(html("div", { class: "part" }, html("div", { class: "heading" }, caption), scroller));
    }
    stage.live.replaceChildren(...parts);
    if (graph) requestAnimationFrame(() => settle(graph, fault));
  };
  const deafen = listen(model, { said: show, picture: show });
  show();
  return () => {
    deafen();
    stage.close();
  };
}

export default { render: explanation };
