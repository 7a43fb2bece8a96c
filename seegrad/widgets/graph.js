import { button, formula, frame, html, keys, listen, matrix, put, reveal, svg, waiting } from "./common.js";
import { arrowHead, curve, elide, fitted, sheet, write, written } from "./drawing.js";

// graph(y): the computational graph, and the backward pass travelling it step by step.
// The kernel sends the picture once; a step only changes classes and text.

/** @typedef {import("./common.js").Model} Model
 *  @typedef {import("./common.js").Matrix} Matrix
 *  @typedef {{x: number, y: number, width: number, height: number}} Box
 *  @typedef {{line: number, start: number, end: number}} Span a stretch of code, in Python's columns
 *  @typedef {{cell: string, number: number, text: string}} Line
 *  @typedef {Box & {id: string, kind: string, folded: string, label: string, note: string, value: string, exact: string,
 *    marks: string[], spans: Span[], slot: (Box & {lines: string[]}) | null, text: string,
 *    texts: import("./drawing.js").Text[]}} GraphNode
 *  @typedef {{id: string, source: string, kind: string, points: number[][], label: number[] | null,
 *    lines: string[], gradient: string, exact: string, step: number, word: string}} Edge
 *  @typedef {Edge & {name: string}} Root of whose edge only points, label, lines, gradient, exact and step are given
 *  @typedef {{text: string, exact: string, of: string, terms: string[]}} Arriving
 *  @typedef {{edge: string, text: string, exact: string, to: string}} Sent
 *  @typedef {{name: string, before: string, added: string, after: string}} Grad
 *  @typedef {{node: string, arriving: Arriving, rule: {mathml: string, latex: string, words: string},
 *    sent: Sent[], remark: string, grad: Grad | null}} Step
 *  @typedef {{code: Line[], width: number, height: number, nodes: GraphNode[], edges: Edge[], root: Root | null,
 *    steps: Step[], unfolded: Unfolded[]}} Picture
 *  @typedef {{id: string, title: string, node: string}} Unfolded
 *  @typedef {{of: Record<string, {share: number, text: string}>, scale: string[], total: string}} Saved
 *  @typedef {{node: string, heading: string, rows: {term: string, text: string, title?: string, aside?: string}[],
 *    jacobian: Matrix | null}} Detail */

const EMPTY = { code: [], width: 0, height: 0, nodes: [], edges: [], root: null, steps: [], unfolded: [] };
const PAD = 9; // px between a box's border and its text
const CHARACTER = 7.53; // px that a quiet character takes

// The code above the picture

/** The line cut where spans begin and end, each piece in the inks of the spans that cover it.
 *  @param {string} text @param {(Span & {ink: string})[]} spans */
function inked(text, spans) {
  const letters = [...text]; // Python counts code points
  const cuts = [...new Set([0, letters.length, ...spans.flatMap(({ start, end }) => [start, end])])];
  cuts.sort((a, b) => a - b);
  return cuts.slice(1).map((end, i) => {
    const piece = letters.slice(cuts[i], end).join("");
    const inks = spans.filter((span) => span.start <= cuts[i] && end <= span.end).map(({ ink }) => ink);
    return inks.length ? html("mark", { class: inks.join(" ") }, piece) : piece;
  });
}

/** The learner's lines; `show` washes the expressions of the active node and of the one looked at.
 *  @param {Line[]} lines */
function codePanel(lines) {
  const texts = lines.map(({ text }) => html("code", {}, text));
  const cells = lines.map(({ cell }, i) => (cell === lines[i - 1]?.cell ? "" : cell));
  const rows = lines.map(({ number }, i) =>
    html("div", { class: "line", title: `line ${number}` }, html("span", { class: "gutter" }, cells[i]), texts[i]),
  );
  const long = lines.length > 8 ? { tabindex: 0 } : {}; // it scrolls, so the keyboard must reach it
  const element = html("div", { class: "source", role: "group", "aria-label": "source code", ...long }, ...rows);
  element.classList.toggle("unlabelled", !cells.some(Boolean));
  /** @param {GraphNode | undefined} active @param {GraphNode | undefined} looked */
  const show = (active, looked) => {
    const spans = Object.entries({ active, looked }).flatMap(([ink, node]) =>
      (node?.spans ?? []).map((span) => ({ ...span, ink })),
    );
    texts.forEach((code, i) => {
      const here = spans.filter(({ line }) => line === i);
      code.replaceChildren(...inked(lines[i].text, here));
    });
    const mark = element.querySelector("mark");
    if (mark) reveal(element, mark);
  };
  return { element, show };
}

// The picture

/** How far along a path the place above or below its label is: on its way to the op, in the op's own line.
 *  @param {SVGPathElement} path @param {number} x of the label */
function beside(path, x) {
  let at = path.getTotalLength();
  while (at > 0 && path.getPointAtLength(at).x > x) at -= 2;
  return at;
}

/** An edge, with the head of its gradient's arrow at the source, or where it is cut a gap with the word.
 *  @param {Edge} edge */
function wire({ id, kind, points, word, label }) {
  const path = svg("path", { class: "wire", d: curve(points) });
  const group = svg("g", { class: `edge ${kind}`, "data-edge": id }, path, arrowHead(points));
  if (word && label) {
    const [length, at, gap] = [path.getTotalLength(), beside(path, label[0]), CHARACTER * word.length + 12];
    const { x, y } = path.getPointAtLength(at);
    path.setAttribute("stroke-dasharray", `${Math.max(8, at - gap / 2)} ${gap} ${length}`);
    group.append(svg("text", { class: "word", x, y }, word));
  }
  return group;
}

/** The gradient that travels an edge, written beside it. @param {Edge} edge */
function carried({ label, lines, gradient, exact }) {
  const text = svg("text", { class: "carried gradient" });
  write(text, label ?? [0, 0], label && gradient ? lines : [], exact || gradient);
  return text;
}

/** The tags on a box's upper border, the last at its right end: in-place, view, no_grad. @param {GraphNode} node */
function tags({ marks, width }) {
  let right = width - 4;
  return marks.toReversed().map((mark) => {
    const wide = CHARACTER * mark.length + 10;
    right -= wide + 6;
    const plate = svg("rect", { x: right, y: -9, width: wide, height: 17, rx: 4 });
    return svg("g", { class: "tag" }, plate, svg("text", { x: right + wide / 2, y: 0 }, mark));
  });
}

/** The slot of a leaf's .grad. @param {Box & {lines: string[]}} place seen from the leaf's corner */
function gradSlot({ x, y, width, height, lines }) {
  const title = svg("title");
  const plate = svg("rect", { width, height, rx: 6 });
  const row = (height - 12) / (1 + lines.length);
  const middle = (/** @type {number} */ i) => 6 + (i + 0.5) * row;
  const before = svg("text", { class: "before", x: PAD });
  const after = lines.map((_, i) => svg("text", { class: "after gradient", x: PAD, y: middle(i + 1) }));
  const group = svg("g", { class: "slot", transform: `translate(${x} ${y})` }, title, plate, before, ...after);
  /** @param {{state: string, said: string, short: string, grad: string}} now as `slotState` says it */
  const show = ({ state, said, short, grad }) => {
    group.dataset.state = state;
    title.textContent = `${said} ${grad}`;
    before.setAttribute("y", String(grad ? middle(0) : height / 2));
    before.textContent = CHARACTER * said.length > width - 2 * PAD ? short : said;
    after.forEach((text, i) => (text.textContent = grad && lines[i]));
    for (const text of [before, ...after]) elide(text, width - 2 * PAD);
  };
  return { group, show };
}

/** What shows that a box stands for others: a plus, and the edges of those beneath. @param {GraphNode} node */
function pile({ width }, /** @type {number} */ middle) {
  const sheets = [8, 4].map((rise) =>
    svg("rect", { class: "sheet", x: rise, y: -rise, width: width - 2 * rise, height: 12, rx: 6 }),
  );
  const plus = svg("path", { class: "sign-of-fold", d: `M${width - PAD - 10} ${middle}h10m-5 -5v10` });
  return { sheets, plus };
}

/** A node: its box with what is written in it and tags, and below a leaf the slot. @param {GraphNode} node */
function box(node) {
  const { id, kind, x, y, width, height, texts } = node;
  const lines = written(texts);
  const note = texts.findIndex(({ ink }) => ink === "note"); // from here on, to the last
  const whole = [node.label, node.exact && `= ${node.exact}`, node.note].filter(Boolean).join("\n");
  const { sheets, plus } = node.folded ? pile(node, texts[0].y) : { sheets: [], plus: "" };
  const rx = kind === "leaf" || kind === "sources" ? 14 : 6;
  const ring = svg("rect", { class: "ring", x: -5, y: -5, width: width + 10, height: height + 10, rx: rx + 4 });
  const plate = svg("rect", { class: "box", width, height, rx });
  const slot = node.slot && gradSlot({ ...node.slot, x: node.slot.x - x, y: node.slot.y - y });
  const role = { tabindex: 0, role: "button", "aria-label": node.text, "data-node": id };
  const group = svg("g", { class: `node ${kind}`, transform: `translate(${x} ${y})`, ...role });
  group.append(svg("title", {}, whole), ring, ...sheets, plate, ...lines, plus, ...tags(node));
  if (slot) group.append(slot.group);
  /** Shortens what is too long. */
  const fit = () => lines.forEach((line, i) => elide(line, texts[i].room));
  /** Colours the box by what it saved for backward, and says that instead of the note.
   *  @param {{share: number, text: string} | undefined} saved */
  const weigh = (saved) => {
    group.classList.toggle("weighed", Boolean(saved));
    group.style.setProperty("--share", `${100 * (saved?.share ?? 0)}%`);
    lines.slice(note).forEach((line, i) => {
      line.textContent = saved ? (i ? "" : saved.text) : texts[note + i].text;
    });
    fit();
  };
  return { node, group, slot, fit, weigh };
}

/** What a leaf's slot says at a step: empty, pending once gradients travel to it, filled when they have come. What it
 *  says beside the gradient may be too long; then there is a short form of it.
 *  @param {Picture} picture @param {GraphNode} node @param {number} step */
function slotState({ steps, edges }, { id, label }, step) {
  const arrivals = steps.map(({ node, grad }, i) => ({ node, grad, at: i + 1 })).filter(({ grad }) => grad);
  const own = arrivals.filter(({ node }) => node === id);
  // a leaf that is drawn at each of its uses has its step at one of them
  const stops = own.length ? own : arrivals.filter(({ grad }) => grad?.name === `${label}.grad`);
  const filled = stops.findLast(({ at }) => at <= step)?.grad;
  const next = stops.find(({ at }) => at > step)?.grad;
  const was = (filled ?? next)?.before === "None" ? "" : ` was ${(filled ?? next)?.before}`;
  if (filled) return { state: "filled", said: `.grad${was}`, short: ".grad now", grad: filled.after };
  if (!next) return { state: "empty", said: "no gradient arrives", short: "no gradient", grad: "" };
  const travelling = edges.some((edge) => edge.source === id && edge.step > 0 && edge.step <= step);
  const now = `.grad ${next.before}`;
  if (!travelling) return { state: "empty", said: now, short: now, grad: "" };
  const said = was ? `.grad will be,${was}` : ".grad None, will be";
  return { state: "pending", said, short: ".grad will be", grad: next.after };
}

/** The id of the node an event is on, or "". @param {EventTarget | null} target */
function nodeAt(target) {
  const node = target instanceof Element ? target.closest("[data-node]") : null;
  return node?.getAttribute("data-node") ?? "";
}

/** The tag to fold a group again by, on the box where it ends; `before` it hang tags of others.
 *  @param {Unfolded} group @param {GraphNode} at @param {number} before */
function foldTag({ id, title }, { x, y }, before) {
  const width = CHARACTER * title.length + 24;
  const place = `translate(${x + 6 + before} ${y - 9})`;
  const role = { tabindex: 0, role: "button", "aria-label": `fold ${title} again`, "data-fold": id };
  const plate = svg("rect", { width, height: 17, rx: 4 });
  const minus = svg("path", { class: "sign-of-fold", d: "M6 8.5h8" });
  const text = svg("text", { x: 18, y: 9 }, title);
  const tag = svg(
    "g",
    { class: "tag fold", transform: place, ...role },
    svg("title", {}, `fold ${title} again`),
    plate,
    minus,
    text,
  );
  return { tag, width: width + 6 };
}

/** The tags to fold all groups again by. @param {Picture} picture */
function foldTags({ unfolded, nodes }) {
  /** @type {Map<string, number>} */
  const used = new Map();
  return unfolded.flatMap((group) => {
    const at = nodes.find(({ id }) => id === group.node);
    if (!at) return [];
    const { tag, width } = foldTag(group, at, used.get(at.id) ?? 0);
    used.set(at.id, (used.get(at.id) ?? 0) + width);
    return [tag];
  });
}

/** What a click or a key on the drawing can ask for: to fold a group, to unfold or to look at a box.
 *  @typedef {{fold(id: string): void, unfold(id: string): void, pick(id: string): void}} Acts
 *  @param {EventTarget | null} target @param {boolean} look rather than unfold @param {Picture} picture @param {Acts} acts
 *  @returns {boolean} whether it was a click on anything */
function act(target, look, { nodes }, { fold, unfold, pick }) {
  const tag = target instanceof Element ? target.closest("[data-fold]")?.getAttribute("data-fold") : null;
  const node = nodes.find(({ id }) => id === nodeAt(target));
  if (tag) fold(tag);
  else if (node?.folded && !look) unfold(node.folded);
  else if (node) pick(node.id);
  return Boolean(tag || node);
}

/** The drawing, built once. @param {Picture} picture
 *  @param {Acts} acts @param {(id: string) => void} hover called with "" for no node */
export function drawing(picture, acts, hover) {
  const { nodes, edges, root } = picture;
  const seed = root ? [{ ...root, id: "root", kind: "gradient", word: "" }] : [];
  const flows = [...edges, ...seed].map((edge) => ({ ...edge, wire: wire(edge), label: carried(edge) }));
  const boxes = nodes.map(box);
  const [x, y] = root?.points.at(-1) ?? [0, 0];
  const name = svg("text", { x: x + 6, y }, root?.name ?? "");
  const paper = sheet(picture);
  const canvas = svg("svg", { viewBox: paper.viewBox, role: "group", "aria-label": "computational graph" });
  canvas.append(...flows.map(({ wire }) => wire), ...boxes.map(({ group }) => group));
  canvas.append(...flows.map(({ label }) => label), name, ...foldTags(picture));
  const element = html("div", { class: "scroller" }, canvas);
  canvas.addEventListener("click", ({ target, shiftKey }) => void act(target, shiftKey, picture, acts));
  canvas.addEventListener("pointerover", ({ target }) => hover(nodeAt(target)));
  canvas.addEventListener("pointerleave", () => hover(""));
  return {
    element,
    box: (/** @type {string} */ id) => boxes.find(({ node }) => node.id === id)?.group,
    /** The labels of the gradients that are sent at a step, then of those that have come to its box.
     *  @param {number} now the step @param {string} active */
    labels(now, active) {
      const sent = flows.filter(({ step }) => step > 0 && step === now);
      const come = flows.filter(({ step, source }) => step > 0 && step < now && source === active);
      return [...sent, ...come].map(({ label }) => label);
    },
    /** Before it has a column on the page, a text has no width. @param {number} column px */
    fit(column) {
      boxes.forEach(({ fit }) => fit());
      fitted(canvas, paper, column);
    },
    /** @param {Saved["of"] | undefined} of what each box saved, where that is to be seen */
    weigh(of) {
      boxes.forEach(({ node, weigh }) => weigh(of?.[node.id]));
    },
    /** @param {number} now the step @param {string} active @param {string} selected */
    show(now, active, selected) {
      for (const { step, wire, label } of flows) {
        for (const { classList } of [wire, label]) {
          classList.toggle("travelled", step > 0 && step <= now);
          classList.toggle("now", step > 0 && step === now);
        }
      }
      for (const { node, group, slot } of boxes) {
        group.classList.toggle("active", node.id === active);
        group.ariaPressed = String(node.id === selected);
        slot?.show(slotState(picture, node, now));
      }
    },
  };
}

// The overview of a drawing that is wider than its column

/** A strip with all of the drawing on it, squeezed to the column's width, and a frame around what is in view. Drag or
 *  click it, or give it the arrow keys, to look elsewhere. Boxes where the pass has been are in the gradient's ink.
 *  @param {Picture} picture @param {HTMLElement} scroller */
function overview(picture, scroller) {
  const { x, y, width, height, viewBox } = sheet(picture);
  const marks = picture.nodes.map(({ id, kind, x, y, width, height }) => {
    return { id, mark: svg("rect", { class: `mark ${kind}`, x, y, width, height }) };
  });
  const port = svg("rect", { class: "port", rx: 4 });
  const canvas = svg("svg", { viewBox, preserveAspectRatio: "none" }, ...marks.map(({ mark }) => mark), port);
  scroller.id ||= `graph-${crypto.getRandomValues(new Uint32Array(1))[0]}`;
  const role = { role: "scrollbar", "aria-orientation": "horizontal", "aria-controls": scroller.id };
  const name = { "aria-label": "part of the graph in view", title: "drag to look at another part of the graph" };
  const element = html("div", { class: "overview", tabindex: 0, ...role, ...name }, canvas);
  const most = () => scroller.scrollWidth - scroller.clientWidth;
  /** @param {number} left px */
  const look = (left) => scroller.scrollTo({ left, behavior: "instant" });
  /** Puts the place that the pointer is at into the middle of the view. @param {PointerEvent} event */
  const follow = ({ clientX }) => {
    const { left, width } = element.getBoundingClientRect();
    look(((clientX - left) / width) * scroller.scrollWidth - scroller.clientWidth / 2);
  };
  element.addEventListener("pointerdown", (event) => {
    element.setPointerCapture(event.pointerId);
    follow(event);
  });
  element.addEventListener("pointermove", (event) => {
    if (element.hasPointerCapture(event.pointerId)) follow(event);
  });
  element.addEventListener("keydown", (event) => {
    const part = scroller.clientWidth / 2;
    const { scrollLeft } = scroller;
    const places = { ArrowLeft: scrollLeft - part, ArrowRight: scrollLeft + part, Home: 0, End: most() };
    if (!Object.hasOwn(places, event.key)) return;
    look(places[/** @type {keyof typeof places} */ (event.key)]);
    event.preventDefault();
    event.stopPropagation(); // elsewhere in the widget these keys step the pass
  });
  const fit = () => {
    element.hidden = most() < 1;
    if (element.hidden) return; // and where nothing is shown, nothing has a size
    const { scrollLeft, scrollTop, clientWidth, clientHeight, scrollWidth, scrollHeight } = scroller;
    const [across, down] = [width / scrollWidth, height / scrollHeight];
    for (const [key, value] of Object.entries({
      x: scrollLeft * across + x,
      y: scrollTop * down + y,
      width: clientWidth * across,
      height: clientHeight * down,
    }))
      port.setAttribute(key, String(value));
    element.ariaValueNow = String(Math.round((100 * scrollLeft) / most()));
  };
  scroller.addEventListener("scroll", fit);
  return {
    element,
    fit,
    /** @param {number} now the step */
    show(now) {
      const reached = new Set(picture.steps.slice(0, now).map(({ node }) => node));
      for (const { id, mark } of marks) {
        mark.classList.toggle("reached", reached.has(id));
        mark.classList.toggle("active", id === picture.steps[now - 1]?.node);
      }
    },
  };
}

// The controls

/** The row first, back, slider, next, last. @param {number} count of steps @param {(step: number) => void} go */
function controls(count, go) {
  const slider = html("input", { type: "range", min: 0, max: count, "aria-label": "step of the backward pass" });
  slider.addEventListener("input", () => go(now()));
  const now = () => Number(slider.value);
  const first = button("first", () => go(0));
  const back = button("back", () => go(now() - 1), { class: "back" });
  const next = button("next", () => go(now() + 1), { class: "next" });
  const last = button("last", () => go(count));
  const element = html("div", { class: "controls" }, first, back, slider, next, last);
  element.hidden = !count;
  /** @param {number} step @param {string} words */
  const show = (step, words) => {
    slider.value = String(step);
    slider.ariaValueText = words;
    for (const node of [first, back]) node.ariaDisabled = String(step === 0);
    for (const node of [next, last]) node.ariaDisabled = String(step === count);
  };
  return { element, show };
}

// What is folded, and what is saved

/** A row of buttons that fold again what was unfolded. @param {Unfolded[]} unfolded @param {(id: string) => void} fold */
function foldRow(unfolded, fold) {
  const buttons = unfolded.map(({ id, title }) => button(`fold ${title}`, () => fold(id)));
  const element = html("div", { class: "folds", role: "group", "aria-label": "unfolded" }, ...buttons);
  element.hidden = !unfolded.length;
  return element;
}

/** The switch that colours boxes by the bytes they saved, with the scale. @param {(on: boolean) => void} turn */
function memoryRow(turn) {
  const toggle = button("colour by memory", () => turn(toggle.ariaPressed !== "true"));
  const total = html("span", { class: "total" });
  const ticks = html("span", { class: "ticks" });
  const scale = html("span", { class: "scale" }, html("span", { class: "shades" }), ticks);
  const element = html("div", { class: "memory" }, toggle, scale, total);
  /** @param {boolean} on @param {Saved} saved */
  const show = (on, saved) => {
    toggle.ariaPressed = String(on);
    scale.hidden = total.hidden = !on;
    ticks.replaceChildren(...(saved.scale ?? []).map((bytes) => html("span", {}, bytes)));
    total.textContent = saved.total ?? "asking the kernel…";
  };
  return { element, show };
}

// The equation below the picture

/** A term of the equation: what it is, and lines that say it. @param {string} heading @param {Node[]} lines */
const term = (heading, ...lines) =>
  html("div", { class: "term" }, html("div", { class: "heading" }, heading), ...lines);

/** @param {string} symbol */
const sign = (symbol) => html("div", { class: "sign" }, symbol);

/** @param {string | Node} words */
const aside = (words) => html("div", { class: "aside" }, words);

/** A gradient's numbers, exact in the tooltip. @param {string} text @param {string} [exact] */
const numbers = (text, exact = text) => html("div", { class: "gradient", title: exact || text }, text);

/** What arrives: a sum where several paths met. @param {Arriving} arriving */
const arrives = ({ text, exact, terms }) => numbers(terms.length > 1 ? `${terms.join(" + ")} = ${text}` : text, exact);

/** What an op sends; gradients that are alike are said once. @param {Sent[]} sent */
function sends(sent) {
  if (!sent.length) return [aside("none of its inputs needs one")];
  const alike = Map.groupBy(sent, ({ to, text }) => `${text} to ${to}`);
  return [...alike.values()].flatMap(([{ text, exact, to }, ...more]) => {
    const times = more.length > 1 ? `, ${more.length + 1} times` : more.length ? ", twice" : "";
    return sent.length > 1 ? [numbers(text, exact), aside(`to ${to}${times}`)] : [numbers(text, exact)];
  });
}

/** What stands in the equation's place before the pass. @param {Picture} picture */
function invitation({ steps, root }) {
  if (!steps.length) return html("p", {}, "There is no backward pass to step through here.");
  const values = html("span", { class: "value" }, "values stand in blue");
  const gradients = html("span", { class: "gradient" }, "gradients");
  const from = root ? ` backwards from ${root.name}.` : " backwards.";
  return html("p", {}, "The forward pass is done: ", values, ". Press next to send the ", gradients, from);
}

/** gradient arriving × local rule = gradient sent; at a leaf, .grad before + what arrives = .grad after.
 *  @param {Step} step @param {Node[]} more what belongs to its rule @returns {Node[]} */
function equation({ arriving, rule, sent, remark, grad }, more) {
  const remarks = remark ? [aside(remark)] : [];
  if (grad) {
    const before = term(`${grad.name} before`, numbers(grad.before));
    const after = term(`${grad.name} after`, numbers(grad.after), ...remarks);
    return [before, sign("+"), term("what arrives", arrives(arriving)), sign("="), after];
  }
  const of = arriving.of ? [aside(formula(arriving.of, ""))] : [];
  const law = rule.mathml || rule.latex ? [html("div", { class: "law" }, formula(rule.mathml, rule.latex))] : [];
  return [
    term(`gradient arriving at this ${more.length ? "box" : "op"}`, arrives(arriving), ...of),
    sign("×"),
    term("its local rule", ...law, aside(rule.words), ...more),
    sign("="),
    term("gradient sent to each input", ...sends(sent), ...remarks),
  ];
}

/** A step as it is spoken. @param {Step} step */
function spoken({ arriving, rule, sent, remark, grad }) {
  if (grad) return `${grad.name} was ${grad.before} and is now ${grad.after}. ${remark}`;
  const parts = sent.map(({ text, to }) => `${text} to ${to}`).join("; ");
  return `${arriving.text} arrives. ${rule.words}. Sent: ${parts || "nothing"}. ${remark}`;
}

// The detail of a selected node

/** The panel about the selected node, filled when the kernel answers. @param {() => void} close */
function detailPanel(close) {
  const heading = html("div", { class: "title" });
  const header = html("div", { class: "header" }, heading, button("close", close));
  const body = html("div");
  const element = html("div", { class: "detail", role: "group", "aria-label": "selected node" }, header, body);
  /** @param {GraphNode | undefined} node @param {Detail} detail @param {Node[]} more buttons for it */
  const show = (node, detail, more) => {
    element.hidden = !node;
    const come = detail.node === node?.id;
    heading.textContent = (come ? detail.heading : node?.label) ?? "";
    if (!node) return body.replaceChildren();
    if (!come) return body.replaceChildren(waiting("asking the kernel…"));
    const rows = detail.rows.flatMap(({ term, text, title, aside }) => [
      html("dt", {}, term),
      html("dd", { title: title ?? text }, text, ...(aside ? [html("span", { class: "bytes" }, aside)] : [])),
    ]);
    body.replaceChildren(
      html("dl", {}, ...rows),
      ...(detail.jacobian ? [matrix("local Jacobian", detail.jacobian)] : []),
      ...more,
    );
  };
  return { element, show };
}

// The whole

/** What this view asked to fold or unfold: where to look, and where the keyboard is, once it is done.
 *  @typedef {{id: string, focus: boolean, left: number, top: number}} Asked */

/** One picture in one view, shown at the model's step and selection; returns what takes it away.
 *  @param {Model} model @param {HTMLElement} el @param {Asked | null} asked */
function view(model, el, asked) {
  /** @type {Picture} */
  const picture = { ...EMPTY, ...model.get("picture") };
  const { steps, nodes, unfolded } = picture;
  const node = (/** @type {string | undefined} */ id) => nodes.find((one) => one.id === id);
  const clamped = (/** @type {number} */ step) => Math.max(0, Math.min(step, steps.length));
  const at = () => clamped(model.get("step"));
  const active = () => node(steps[at() - 1]?.node);
  const selected = () => node(model.get("selected"));
  const go = (/** @type {number} */ step) => put(model, "step", clamped(step));
  const pick = (/** @type {string} */ id) => put(model, "selected", id === selected()?.id ? "" : id);
  const close = () => {
    graph.box(model.get("selected"))?.focus({ preventScroll: true });
    put(model, "selected", "");
  };
  let hovered = "";
  const hover = (/** @type {string} */ id) => {
    if (id === hovered) return;
    hovered = id;
    showCode();
  };
  /** Asks the kernel for the picture with other boxes. @param {string} id @param {string[]} opened @param {string} doing */
  const ask = (id, opened, doing) => {
    const { scrollLeft: left, scrollTop: top } = graph.element;
    wish = { id, left, top, focus: stage.root.contains(document.activeElement) };
    graph.element.after(waiting(doing));
    put(model, "opened", opened);
  };
  /** @type {Asked | null} */
  let wish = null;
  const opened = () => /** @type {string[]} */ (model.get("opened"));
  const unfold = (/** @type {string} */ id) => ask(id, [...opened(), id], "unfolding…");
  const fold = (/** @type {string} */ id) =>
    ask(
      id,
      opened().filter((one) => one !== id),
      "folding…",
    );
  const unfoldButton = (/** @type {GraphNode | undefined} */ one) =>
    one?.folded ? [button("unfold", () => unfold(one.folded))] : [];

  const stage = frame("graph", model, el);
  const code = codePanel(picture.code);
  const acts = { fold, unfold, pick };
  const graph = drawing(picture, acts, hover);
  const strip = overview(picture, graph.element);
  const folds = foldRow(unfolded, fold);
  const row = controls(steps.length, go);
  const sentence = html("div", { class: "equation" });
  const memory = memoryRow((on) => put(model, "memory", on));
  const detail = detailPanel(close);
  stage.live.append(code.element, graph.element, strip.element, folds, row.element, sentence, detail.element, memory.element);

  const showCode = () => code.show(active(), node(hovered) ?? selected());
  const showDetail = () => detail.show(selected(), model.get("detail"), unfoldButton(selected()));
  const showMemory = () => {
    const [on, saved] = [model.get("memory"), model.get("saved")];
    memory.show(on, saved);
    graph.weigh(on ? saved.of : undefined);
  };
  const show = () => {
    const step = at();
    const count = `step ${step} of ${steps.length}`;
    stage.root.dataset.step = String(step);
    stage.state(steps.length ? `${step ? "backward" : "forward"} pass · ${count}` : "forward pass");
    graph.show(step, active()?.id ?? "", selected()?.id ?? "");
    strip.show(step);
    row.show(step, `${count}: ${active()?.label ?? "the forward pass is done"}`);
    const now = step ? equation(steps[step - 1], unfoldButton(active())) : [invitation(picture)];
    sentence.replaceChildren(...now);
    showCode();
  };
  const follow = () => {
    const id = active()?.id ?? "";
    const group = graph.box(id);
    if (group) reveal(graph.element, group, ...graph.labels(at(), id));
  };
  /** Back to where the reader was when they folded or unfolded something. @param {Asked} was */
  const settle = ({ id, focus, left, top }) => {
    graph.element.scrollTo({ left, top, behavior: "instant" });
    const group = graph.box(unfolded.find((one) => one.id === id)?.node ?? id);
    if (!group) return;
    if (focus) group.focus({ preventScroll: true });
    reveal(graph.element, group);
  };
  const announce = () => {
    const said = at() ? `${active()?.label}. ${spoken(steps[at() - 1])}` : invitation(picture).textContent;
    stage.announce(`Step ${at()} of ${steps.length}. ${said}`);
  };

  show();
  showDetail();
  const observer = new ResizeObserver(([{ contentRect }]) => {
    graph.fit(contentRect.width);
    strip.fit();
    showMemory();
    show();
    if (asked) settle(asked);
    else follow();
    asked = null;
  });
  observer.observe(graph.element);
  const deafen = listen(model, {
    detail: showDetail,
    memory: showMemory,
    saved: showMemory,
    selected() {
      show();
      showDetail();
    },
    step() {
      show();
      if (at()) follow();
      else graph.element.scrollTo({ left: 0, top: 0, behavior: "instant" });
      announce();
    },
  });
  keys(stage, {
    ArrowLeft: () => go(at() - 1),
    ArrowRight: () => go(at() + 1),
    Home: () => go(0),
    End: () => go(steps.length),
    Escape: () => (selected() ? close() : false),
    Enter: (target) => act(target, false, picture, acts),
    " ": (target) => act(target, true, picture, acts),
  });
  return {
    /** @returns {Asked | null} what was asked for here */
    wish: () => wish,
    close() {
      observer.disconnect();
      deafen();
      stage.close();
    },
  };
}

/** anywidget's entry: shows the graph in `el`, and returns what takes it away.
 *  @param {{model: Model, el: HTMLElement}} here */
function render({ model, el }) {
  let shown = view(model, el, null);
  const deafen = listen(model, {
    picture() {
      const asked = shown.wish();
      shown.close();
      shown = view(model, el, asked);
    },
  });
  return () => {
    deafen();
    shown.close();
  };
}

export default { render };
