import { asker, button, frame, html, listen, put } from "./common.js";

// predict(question): the learner answers before the cell is run; what PyTorch computed comes from the kernel.

/** @typedef {import("./common.js").Model} Model
 *  @typedef {{name: string, yours: string, actual: string, agrees: boolean}} Row
 *  @typedef {{stage: string, said: string[], yours?: string, actual?: string, right?: boolean, rows?: Row[]}} Page */

/** Prose in which `code` stands between backticks. @param {string} text */
const prose = (text) => text.split("`").map((part, i) => (i % 2 ? html("code", {}, part) : part));

/** A field to type the answer in, or buttons to choose it with.
 *  @param {Model} model @param {() => void} commit @param {(text: string) => void} draft */
function entry(model, commit, draft) {
  const options = /** @type {string[]} */ (model.get("options"));
  if (!options.length) {
    const field = html("input", { type: "text", placeholder: model.get("hint"), autocomplete: "off", spellcheck: false });
    field.addEventListener("input", () => draft(field.value));
    field.addEventListener("keydown", ({ key, isComposing }) => key === "Enter" && !isComposing && commit());
    const label = html("label", { class: "entry" }, html("span", {}, "Your prediction"), field);
    return { element: label, focus: () => field.focus(), show: (/** @type {string} */ text) => field.matches(":focus") || (field.value = text) };
  }
  const name = `predict-${model.get("_model_name") ?? ""}-${crypto.getRandomValues(new Uint32Array(1))[0]}`;
  const radios = options.map((value) => html("input", { type: "radio", name, value }));
  radios.forEach((radio) => radio.addEventListener("change", () => draft(radio.value)));
  const labels = options.map((text, i) => html("label", { class: "option" }, radios[i], html("span", {}, ...prose(text))));
  return {
    element: html("fieldset", {}, html("legend", { class: "unseen" }, "Your prediction"), ...labels),
    focus: () => (radios.find(({ checked }) => checked) ?? radios[0]).focus(),
    show: (/** @type {string} */ text) => radios.forEach((radio) => (radio.checked = radio.value === text)),
  };
}

/** One answer beside the other, element by element where they have the same shape. @param {Page} page */
function comparison({ yours = "", actual = "", right = false, rows = [] }) {
  const alone = [{ name: "", yours, actual, agrees: right }];
  const columns = rows.length ? rows : alone;
  const line = (/** @type {string} */ name, /** @type {"yours" | "actual"} */ who) =>
    html("tr", {}, html("th", { scope: "row" }, name), ...columns.map((row) => html("td", { class: row.agrees ? "same" : "other" }, row[who])));
  const names = html("tr", {}, html("td"), ...columns.map(({ name }) => html("th", { scope: "col" }, name)));
  const marks = html("tr", { class: "marks" }, html("td"), ...columns.map(({ agrees }) => html("td", {}, agrees ? "" : "differs")));
  const parts = [...(rows.length ? [names] : []), line("you", "yours"), line("PyTorch", "actual"), ...(right ? [] : [marks])];
  return html("div", { class: "comparison", tabindex: 0, role: "group", "aria-label": "comparison" }, html("table", {}, ...parts));
}

/** What stands below the question at each stage. @param {Page} page @returns {Node[]} */
function outcome(page) {
  const said = (page.said ?? []).map((sentence, i) => html("p", { class: i ? "why" : "verdict" }, ...prose(sentence)));
  if (page.stage === "waiting") {
    const words = html("p", {}, "You said ", html("strong", {}, page.yours ?? ""), ". Now run the next cell: it will stand here beside PyTorch's answer.");
    return [words];
  }
  if (page.stage === "compared") return [comparison(page), ...said];
  if (page.stage === "shown") return [html("p", {}, "PyTorch's answer: ", html("strong", {}, page.actual ?? "")), ...said];
  return [];
}

/** The outcome as it is spoken. @param {Page} page */
const spoken = ({ yours, actual, said = [] }) =>
  [yours && `You said ${yours}.`, actual && `PyTorch's answer is ${actual}.`, ...said].filter(Boolean).join(" ").replaceAll("`", "");

/** @param {{model: Model, el: HTMLElement}} here */
function render({ model, el }) {
  const view = frame("predict", model, el);
  const note = html("p", { class: "waiting", role: "status" });
  const kernel = asker(model, (sentence) => {
    note.textContent = sentence;
    note.hidden = !sentence;
  });
  note.hidden = true;
  const page = () => /** @type {Page} */ (model.get("page"));
  const commit = () => kernel.ask({ action: "commit", text: model.get("draft") });
  const own = entry(model, commit, (text) => put(model, "draft", text));
  const say = button("commit", commit, { class: "commit" });
  const reveal = button("show PyTorch's answer", () => kernel.ask({ action: "reveal" }));
  const again = button("try again", () => kernel.ask({ action: "again" }));
  const form = html("div", { class: "form" }, own.element, say);
  const below = html("div", { class: "outcome" });
  const question = html("p", { class: "question" }, ...prose(model.get("question")));
  view.live.append(question, form, below, note, html("div", { class: "actions" }, again, reveal));

  let before = "";
  const show = () => {
    const { stage } = page();
    own.show(model.get("draft"));
    form.hidden = stage !== "open";
    again.hidden = stage === "open";
    again.textContent = stage === "waiting" ? "change it" : "try again";
    reveal.hidden = stage === "compared" || stage === "shown";
    below.replaceChildren(...outcome(page()));
    view.root.dataset.stage = stage;
    view.state(stage === "open" ? "before you run" : stage === "waiting" ? "committed" : "");
    if (before && stage !== before) {
      view.announce(spoken(page()));
      if (stage === "open") own.focus();
      else if (before === "open" || document.activeElement === document.body) again.focus({ preventScroll: true });
    }
    before = stage;
  };
  const deafen = listen(model, { page: show, draft: () => own.show(model.get("draft")) });
  show();
  return () => {
    deafen();
    kernel.close();
    view.close();
  };
}

export default { render };
