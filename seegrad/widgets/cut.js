import { answered, button, frame, html, listen, matrix, svg } from "./common.js";
import { arrowHead, curve, elide, fitted, sheet, write, written } from "./drawing.js";

// cut(f, x): the graph of f(x) with scissors on its edges. The kernel runs f with the cuts made; here they
// are asked for and shown.

/** @typedef {import("./common.js").Model} Model
 *  @typedef {{id: string, kind: string, label: string, value: string, exact: string, x: number, y: number,
 *    width: number, height: number, slot: number, texts: import("./drawing.js").Text[]}} GraphNode
 *  @typedef {{id: string, number: number, target: string, kind: string, text: string, word: string, points: number[][],
 *    label: number[], room: number}} Wire
 *  @typedef {{width: number, height: number, nodes: GraphNode[], wires: Wire[], root: string,
 *    root_points: number[][]}} Scene
 *  @typedef {"detach" | "no_grad" | "data"} How
 *  @typedef {{state: "flowing" | "severed" | "idle", gradient: string, lines: string[], exact: string, uncut: string}} Flow
 *  @typedef {{name: string, uncut: string, now: string, lines: string[], exact: string}} Arrival
 *  @typedef {{columns: string[], cells: string[][], values: number[][], more: number}} Comparison
 *  @typedef {{of: string, hows: How[], heads: string[], rows: [string, string[]][]}} Ways
 *  @typedef {{numbers: number[], how: How, code: [string, boolean][][], note: string, value: string,
 *    flows: Record<string, Flow>, arrivals: Record<string, Arrival>, comparison: Comparison | null,
 *    sentence: string, ways: Ways | null}} Page */

const PAD = 9; // px between a box's border and its text
const SEAT = 19; // px from the op to the scissors on an edge into it
const STAGGER = 26; // px more for the second edge, and again for the third
const GAP = 36; // px that a cut opens
const SLOT_GAP = 8; // px between a leaf and its slot
const HINT = " Click an edge, or press Tab and Enter, to cut it.";
const NO_EDGE = " There is no edge here that can be cut.";
/** @type {Record<How, string>} */
const WAYS = { detach: ".detach()", no_grad: "no_grad", data: ".data" };

/** A pair of scissors, 16 px wide, that cuts to the right; drawn, because a font may lack them. */
function scissors() {
  const blades = "M-5 -4L8 4M-5 4L8 -4";
  const ring = (/** @type {number} */ y) => svg("circle", { cx: -7, cy: y, r: 2.6 });
  return svg("g", { class: "scissors" }, svg("path", { d: blades }), ring(-5), ring(5));
}

/** An edge that can be cut: the whole curve is its button.
 *  @param {Wire} wire @param {number} nth of the edges into its op @param {() => void} act */
function cuttable({ number, points, label, room }, nth, act) {
  const d = curve(points);
  const path = svg("path", { class: "wire", d });
  const length = path.getTotalLength();
  const at = length - SEAT - (nth % 3) * STAGGER; // neighbours would cover each other
  const { x, y } = path.getPointAtLength(Math.max(at, length / 2));
  const seat = svg("g", { transform: `translate(${x} ${y})` }, svg("circle", { class: "plate", r: 12 }), scissors());
  const text = svg("text");
  const role = { tabindex: 0, role: "button", "data-edge": number };
  const group = svg("g", { class: "edge", ...role }, svg("path", { class: "reach", d }), path, arrowHead(points), seat);
  group.addEventListener("click", act);
  group.addEventListener("keydown", (event) => {
    if (!["Enter", " "].includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  });
  /** @param {boolean} cut */
  const part = (cut) => path.setAttribute("stroke-dasharray", cut ? `${at - GAP / 2} ${GAP} ${length}` : "none");
  /** @param {string[]} lines @param {string} title @param {string} ink */
  const carry = (lines, title, ink) => {
    text.setAttribute("class", `carried ${ink}`);
    write(text, label, lines, title);
    for (const line of text.querySelectorAll("tspan")) elide(line, room);
  };
  return { group, part, text, carry };
}

/** What cannot be cut: a constant's edge, or one that f itself severs. @param {Wire} wire */
function still({ kind, points, word, label }) {
  const path = svg("path", { class: "wire", d: curve(points) });
  const said = svg("text", { class: "carried word", x: label[0], y: label[1] }, word);
  return svg("g", { class: `edge still ${kind}` }, path, ...(word ? [said] : []));
}

/** A box; a leaf's slot holds the gradient that arrives. @param {GraphNode} node */
function box(node) {
  const { kind, x, y, width, height, texts } = node;
  const lines = written(texts);
  const plate = svg("rect", { class: "box", width, height, rx: kind === "leaf" ? 14 : 6 });
  const title = svg("title", {}, [node.label, node.exact].filter(Boolean).join(" = "));
  const group = svg("g", { class: `node ${kind}`, transform: `translate(${x} ${y})` });
  group.append(title, plate, ...lines);
  const slot = svg("g", { class: "slot", transform: `translate(0 ${height + SLOT_GAP})` });
  if (node.slot) group.append(slot);
  /** @param {Arrival} arrival @param {boolean} cut */
  const show = ({ uncut, now, lines, exact }, cut) => {
    const row = (node.slot - 12) / (1 + lines.length);
    const middle = (/** @type {number} */ i) => 6 + (i + 0.5) * row;
    const before = svg("text", { class: "before", x: PAD, y: middle(0) }, cut ? `uncut ${uncut}` : "gradient");
    const after = svg("text", { class: "gradient", "data-leaf": node.label }, svg("title", {}, exact));
    after.append(...lines.map((line, i) => svg("tspan", { x: PAD, y: middle(i + 1) }, line)));
    slot.replaceChildren(svg("rect", { width, height: node.slot, rx: 6 }), before, after);
    for (const text of [before, ...after.querySelectorAll("tspan")]) elide(text, width - 2 * PAD);
    group.classList.toggle("none", now === "None");
  };
  /** Shortens what is too long. */
  const fit = () => lines.forEach((line, i) => elide(line, texts[i].room));
  return { node, group, show, fit };
}

/** What an edge does now. @param {Flow} flow @param {How} how */
function told({ state, gradient }, how) {
  if (state === "severed") return `severed by ${WAYS[how]}`;
  return state === "idle" ? "carries no gradient now" : `carries ${gradient}`;
}

/** The drawing, built once. @param {Scene} scene @param {(number: number) => void} snip */
function drawing(scene, snip) {
  const boxes = scene.nodes.map(box);
  const cuttables = scene.wires
    .filter(({ number }) => number)
    .sort((a, b) => a.number - b.number) // the order in which Tab visits them
    .map((wire, i, all) => {
      const before = all.slice(0, i).filter(({ target }) => target === wire.target);
      return { wire, ...cuttable(wire, before.length, () => snip(wire.number)) };
    });
  const others = scene.wires.filter(({ number }) => !number).map(still);
  const root = svg("g", { class: "edge flowing" }, svg("path", { class: "wire", d: curve(scene.root_points) }));
  root.append(arrowHead(scene.root_points));
  const [left] = scene.root_points[0];
  const [x, y] = scene.root_points[scene.root_points.length - 1];
  const name = svg("text", { x: x + 6, y }, scene.root);
  const one = svg("text", { class: "carried gradient", x: (left + x) / 2, y: y - 14 }, "1");
  const paper = sheet(scene);
  const canvas = svg("svg", { viewBox: paper.viewBox, role: "group", "aria-label": `graph of ${scene.root}` });
  canvas.append(...others, root, ...boxes.map(({ group }) => group));
  canvas.append(...cuttables.map(({ group }) => group), ...cuttables.map(({ text }) => text), one, name);
  const element = html("div", { class: "scroller" }, canvas);
  return {
    element,
    /** @param {number} column px */
    fit(column) {
      boxes.forEach(({ fit }) => fit());
      fitted(canvas, paper, column);
    },
    /** @param {Page} page */
    show({ flows, arrivals, numbers, how }) {
      for (const { wire, group, part, carry } of cuttables) {
        const { state, gradient, lines, exact, uncut } = flows[wire.id];
        const changed = state === "flowing" && gradient !== uncut ? " changed" : "";
        group.setAttribute("class", `edge ${state}${changed}`);
        group.ariaPressed = String(state === "severed");
        group.ariaLabel = `cut edge ${wire.number}, ${wire.text}: ${told(flows[wire.id], how)}`;
        part(state === "severed");
        const title = `${exact || "no gradient"}, uncut ${uncut || "none"}`;
        carry(lines, title, `${state === "severed" ? "word" : "gradient"}${changed}`);
      }
      for (const { node, show } of boxes) if (arrivals[node.id]) show(arrivals[node.id], numbers.length > 0);
    },
  };
}

/** f's lines, with what a cut adds to them washed. @param {Page} page */
function codeLines({ code }) {
  return code.map((parts) => {
    const pieces = parts.map(([text, added]) => (added && text.trim() ? html("ins", {}, text) : text));
    return html("div", { class: "line" }, html("code", {}, ...pieces));
  });
}

/** The two gradients at x, one below the other. @param {string} name @param {Page} page */
function comparison(name, { comparison, arrivals }) {
  if (comparison) {
    const { columns, cells, values, more } = comparison;
    const table = matrix(`gradient at ${name}`, { rows: ["uncut", "cut"], columns, cells, values });
    return [table, ...(more ? [html("p", { class: "aside" }, `and ${more} elements more`)] : [])];
  }
  const lost = Object.values(arrivals).filter(({ now, uncut }) => now !== uncut);
  return lost.map(({ name, uncut, now }) =>
    html("p", {}, `gradient at ${name}: `, html("s", { class: "gradient" }, uncut), ` ${now}`),
  );
}

/** What each way to cut does; the chosen one stands out. @param {Page} page */
function table({ ways, how }) {
  if (!ways) return [];
  const { of, hows, heads, rows } = ways;
  const chosen = (/** @type {number} */ i) => (hows[i] === how ? { class: "chosen" } : {});
  const head = html("tr", {}, html("td"), ...heads.map((text, i) => html("th", { scope: "col", ...chosen(i) }, text)));
  const body = rows.map(([name, cells]) => {
    const alike = new Set(cells).size === 1;
    const row = cells.map((text, i) => html("td", chosen(i), text));
    return html("tr", { class: alike ? "alike" : "differs" }, html("th", { scope: "row" }, name), ...row);
  });
  const caption = html("caption", {}, `three ways to cut ${of}, as PyTorch does them`);
  const scroller = { class: "ways", tabindex: 0, role: "group", "aria-label": "three ways to cut" };
  return [html("div", scroller, html("table", {}, caption, html("thead", {}, head), html("tbody", {}, ...body)))];
}

/** The choice of what cuts, and what restores. @param {(how: How) => void} choose @param {() => void} mend */
function controls(choose, mend) {
  const group = `how-${crypto.getRandomValues(new Uint32Array(1))[0]}`;
  const choices = /** @type {How[]} */ (Object.keys(WAYS)).map((how) => {
    const radio = html("input", { type: "radio", name: group, value: how });
    radio.addEventListener("change", () => choose(how));
    return { how, radio, label: html("label", {}, radio, html("code", {}, WAYS[how])) };
  });
  const ways = html("fieldset", {}, html("legend", {}, "cut by"), ...choices.map(({ label }) => label));
  const restore = button("restore all edges", mend, { "data-action": "mend" });
  /** @param {Page} page */
  const show = ({ how, numbers }) => {
    for (const choice of choices) choice.radio.checked = choice.how === how;
    restore.ariaDisabled = String(!numbers.length);
  };
  return { element: html("div", { class: "controls" }, ways, restore), show };
}

/** @param {{model: Model, el: HTMLElement}} view */
function render({ model, el }) {
  const stage = frame("cut", model, el);
  const scene = /** @type {Scene} */ (model.get("picture"));
  if (!scene.nodes) return () => stage.close();

  const page = () => /** @type {Page} */ (model.get("page"));
  // What was asked for last: a second click does not wait for the answer to the first.
  let wish = { cuts: page().numbers, how: page().how };
  const kernel = answered(model);
  /** @param {Partial<{cuts: number[], how: How}>} change */
  const ask = (change) => kernel.ask((wish = { ...wish, ...change }));
  /** @param {number} number */
  const snip = (number) => {
    const rest = wish.cuts.filter((one) => one !== number);
    ask({ cuts: rest.length < wish.cuts.length ? rest : [...wish.cuts, number] });
  };

  const code = html("div", { class: "source", role: "group", "aria-label": "source code", tabindex: 0 });
  const note = html("p", { class: "aside" });
  const graph = drawing(scene, snip);
  const row = controls((how) => ask({ how }), () => ask({ cuts: [] }));
  const sentence = html("p", { class: "sentence" });
  const [before, outcome] = [html("div"), html("div")];
  stage.live.append(code, note, graph.element, row.element, kernel.trouble, sentence, before, outcome);

  const show = () => {
    const now = page();
    const cut = now.numbers.length;
    code.replaceChildren(...codeLines(now));
    note.textContent = now.note;
    note.hidden = !now.note;
    graph.show(now);
    row.show(now);
    const hint = cut ? "" : scene.wires.some(({ number }) => number) ? HINT : NO_EDGE;
    sentence.textContent = now.sentence + hint;
    const x = scene.nodes.find(({ id }) => now.arrivals[id])?.label ?? "x";
    before.replaceChildren(...(cut ? comparison(x, now) : []));
    outcome.replaceChildren(...table(now));
    stage.state(`${now.value}${cut ? `, cut or not · ${cut} cut` : ""}`);
  };
  const refresh = () => {
    if (!kernel.busy()) wish = { cuts: page().numbers, how: page().how };
    show();
  };
  const observer = new ResizeObserver(([{ contentRect }]) => graph.fit(contentRect.width));
  observer.observe(graph.element);
  const deafen = listen(model, {
    page() {
      refresh();
      stage.announce(page().sentence);
    },
    reply: refresh,
  });
  show();
  return () => {
    observer.disconnect();
    deafen();
    kernel.close();
    stage.close();
  };
}

export default { render };
