import { answered, button, dial, frame, html, listen, number, put, rounded } from "./common.js";

// reduction(loss_fn, pred, target): above predictions, losses and weights; below what each way to add
// the losses up sends back. Weights are weighed here, with the Jacobian's entries that PyTorch sent.

/** @typedef {import("./common.js").Model} Model
 *  @typedef {{name: string, shape: number[], values: number[]}} Tensor
 *  @typedef {{code: string, value: number, gradient: number[]}} Reduced
 *  @typedef {{rows: number[], columns: number[], values: number[]}} Entries
 *  @typedef {{pred: Tensor & {own: number[]}, target: {name: string, texts: string[]},
 *    loss: Tensor & {tasks: string[]}, sum: Reduced, mean: Reduced, entries: Entries | null, mean_is: string, said: Record<string, string>}} Page
 *  @typedef {{preset: string, place: number, v: number[]}} Weights
 *  @typedef {{pred: number, loss: number}} Selected the element that is looked at, of each */

const LISTED = 8; // a vector of up to so many elements is a list of sliders
const WRAP = 16; // a longer one is a grid of rows this long, and of so many rows
const SIDE = 32; // of a larger image its corner is shown
const ROOM = 232; // px that a row of cells has in its card
const LETTER = 6.7; // px of a digit in a cell
const SPOKEN = 64; // so many numbers of a grid are in its label for a screen reader
const SPELLED = 6; // a weighted sum of up to so many terms is written out

const PRESETS = { ones: "ones: the sum", "1/N": "1/N: the mean", "one-hot": "one-hot", mask: "mask", loss: "the loss itself" };

// Names and places

/** @param {string} name @param {number} index @param {number[]} shape */
function element(name, index, shape) {
  const place = shape.map((size, dim) => Math.floor(index / shape.slice(dim + 1).reduce((a, b) => a * b, 1)) % size);
  return shape.length ? `${name}[${place.join(", ")}]` : name;
}

/** @param {string} name @param {number} plane @param {number[]} shape of an image or a stack of them */
const planeName = (name, plane, shape) => `${name}[${element("", plane, shape.slice(0, -2)).slice(1, -1)}, :, :]`;

/** @param {number[]} shape */
const sizes = (shape) => `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;

/** @param {number[]} shape */
const spelled = (shape) => (shape.length ? `shape ${sizes(shape)}` : "a scalar");

/** @param {number[]} values */
const length = (values) => Math.hypot(...values);

/** How a tensor lies in rows and columns: a plane of an image, a matrix, a vector in lines.
 *  @param {number[]} shape */
function layout(shape) {
  const total = shape.reduce((a, b) => a * b, 1);
  const flat = shape.length < 2;
  const [height, width] = flat ? [Math.ceil(total / WRAP), Math.min(total, WRAP)] : shape.slice(-2);
  const [rows, columns] = [Math.min(height, flat ? WRAP : SIDE), Math.min(width, SIDE)];
  const plane = flat ? total : height * width;
  const cells = Array.from({ length: rows * columns }, (_, i) => Math.floor(i / columns) * width + (i % columns));
  return {
    listed: flat && total <= LISTED,
    flat,
    columns,
    planes: total / plane,
    clipped: rows < height || columns < width,
    cells: cells.filter((cell) => cell < plane),
    /** The first element of the plane that `index` lies in. @param {number} index */
    start: (index) => Math.floor(index / plane) * plane,
    plane,
  };
}

// Weighing

/** v · loss, and its gradient, from the entries of the losses' Jacobian. @param {Page} page @param {number[]} v */
function weigh({ loss, pred, entries }, v) {
  if (!entries) return null;
  const gradient = new Array(pred.values.length).fill(0);
  entries.rows.forEach((row, k) => (gradient[entries.columns[k]] += v[row] * entries.values[k]));
  return { value: loss.values.reduce((sum, one, i) => sum + v[i] * one, 0), gradient };
}

/** The weights of a preset, as `reductions.weights` has them. @param {string} preset @param {Tensor} loss @param {number} place */
function chosen(preset, { shape, values }, place) {
  const last = shape.at(-1) ?? 1;
  if (preset === "1/N") return values.map(() => 1 / values.length);
  if (preset === "one-hot") return values.map((_, i) => Number(i === place));
  if (preset === "mask" && shape.length) return values.map((_, i) => Number(i % last < Math.ceil(last / 2)));
  return preset === "loss" ? [...values] : values.map(() => 1);
}

/** What weights that were set by hand are called. @param {number[]} v */
const kind = (v) => (v.every((weight) => weight === 0 || weight === 1) ? "mask" : "own");

// Sliders and cells

/** A number to drag or to type, with its name, and beside it what it should be.
 *  @param {string} ink @param {number} reach @param {(value: number, settled: boolean) => void} act */
function field(ink, reach, act) {
  const name = html("span", { class: "name" });
  const beside = html("span", { class: "beside" });
  const { element, slider, show } = dial("", reach, act);
  const exact = /** @type {HTMLInputElement} */ (element.querySelector("input[type=number]"));
  element.classList.add(ink);
  return {
    element: html("div", { class: "field" }, name, element, beside),
    /** @param {string} called @param {number} value @param {string} note */
    show(called, value, note) {
      name.textContent = slider.ariaLabel = called;
      exact.ariaLabel = `${called}, exactly`;
      show(value);
      beside.textContent = note;
      beside.hidden = !note;
    },
  };
}

/** Colours a cell: gradients and weights by sign and size, values by size alone.
 *  @param {HTMLElement} cell @param {number} value @param {number} most */
function paint(cell, value, most) {
  cell.classList.toggle("negative", value < 0);
  cell.style.setProperty("--size", `${Math.min(100, (100 * Math.abs(value)) / most) || 0}%`);
}

/** What a grid's cells say: the numbers with as many digits as fit, or nothing.
 *  @param {number[]} values @param {number} columns */
function inCells(values, columns) {
  const room = Math.min(58, ROOM / columns - 4) / LETTER;
  const spellings = [number, (/** @type {number} */ value) => number(Number(value.toPrecision(2)))];
  const texts = spellings.map((spell) => values.map(spell));
  return texts.find((some) => some.every((text) => text.length <= room)) ?? values.map(() => "");
}

/** @param {number[]} values */
const largest = (values) => Math.max(...values.map(Math.abs), Number.MIN_VALUE);

/** Numbers to look at, a cell each. @param {string} ink @param {string} name @param {number[]} shape */
function cells(ink, name, shape) {
  const { listed, columns, cells, planes, plane, start } = layout(shape);
  const boxes = cells.map(() => html("div", { class: "cell" }));
  const which = html("div", { class: "plane" });
  which.hidden = planes === 1;
  const spot = html("p", { class: "spot" });
  spot.hidden = listed;
  const names = listed ? cells.map((index) => html("span", { class: "name" }, element(name, index, shape))) : [];
  const children = listed ? boxes.flatMap((box, i) => [html("div", { class: "entry" }, names[i], box)]) : boxes;
  const grid = html("div", { class: `cells ${ink} ${listed ? "listed" : "grid"}`, role: "img" }, ...children);
  grid.style.setProperty("--columns", String(columns));
  /** @type {any[]} */
  let shown = [];
  return {
    element: html("div", {}, which, grid, spot),
    /** @param {string} label @param {number[]} values @param {number} at the element that is looked at
     *  @param {number} most @param {string[]} names */
    show(label, values, at, most, names = []) {
      const now = [values, at, most];
      if (now.every((part, i) => part === shown[i])) return; // while v is dragged, only its gradient changes
      shown = now;
      const first = start(at);
      const shownValues = cells.map((cell) => values[first + cell]);
      const texts = listed ? shownValues.map(number) : inCells(shownValues, columns);
      const called = (/** @type {number} */ index) => names[index] ?? element(name, index, shape);
      which.textContent = planeName(name, first / plane, shape);
      spot.textContent = `${called(at)}: ${number(values[at])}`;
      boxes.forEach((box, i) => {
        paint(box, shownValues[i], most);
        box.textContent = texts[i];
        box.title = `${called(first + cells[i])}: ${shownValues[i]}`;
        box.classList.toggle("selected", !listed && first + cells[i] === at);
      });
      grid.ariaLabel = label;
    },
    names,
  };
}

/** Numbers to set: a slider each, or a grid of cells with a slider for the one that is selected.
 *  @param {string} ink @param {string} name @param {number[]} shape @param {number} reach of the sliders
 *  @param {boolean} toggles whether a cell is pressed on and off
 *  @param {{move: (index: number, value: number, settled: boolean) => void, done: () => void, select: (index: number) => void}} acts */
function editor(ink, name, shape, reach, toggles, { move, done, select }) {
  const { listed, flat, columns, cells, start, plane, planes, clipped } = layout(shape);
  let [at, values] = [0, /** @type {number[]} */ ([])];
  if (listed) {
    const fields = cells.map((index) => field(ink, reach, (value, settled) => move(index, value, settled)));
    return {
      element: html("div", { class: "fields" }, ...fields.map((one) => one.element)),
      /** @param {number[]} values @param {number} _at @param {string[]} notes @param {string[]} names */
      show(values, _at, notes, names = []) {
        fields.forEach((one, i) => one.show(names[i] ?? element(name, i, shape), values[i], notes[i] ?? ""));
      },
    };
  }
  const boxes = cells.map((cell) => html("button", { type: "button", class: "cell", "data-cell": cell }));
  const grid = html("div", { class: `cells ${ink} grid`, role: "group" }, ...boxes);
  grid.style.setProperty("--columns", String(columns));
  const one = field(ink, reach, (value, settled) => move(at, value, settled));
  const choices = Array.from({ length: planes }, (_, i) => html("option", { value: i * plane }, planeName(name, i, shape)));
  const choice = html("select", { "aria-label": `plane of ${name}` }, ...choices);
  choice.addEventListener("change", () => select(Number(choice.value) + at - start(at)));
  choice.hidden = planes === 1;
  const corner = html("p", { class: "quiet" }, flat ? `the first ${cells.length} of ${sizes(shape)}` : `the corner of ${sizes(shape)}`);
  corner.hidden = !clipped;

  const indexOf = (/** @type {Element | null} */ target) => {
    const cell = target?.closest("[data-cell]");
    return cell instanceof HTMLElement && grid.contains(cell) ? start(at) + Number(cell.dataset.cell) : -1;
  };
  const toggle = (/** @type {number} */ index, /** @type {number} */ value) => {
    select(index);
    if (toggles && values[index] !== value) move(index, value, false);
  };
  // The pointer paints all cells that it crosses the way it changed the first.
  let brush = NaN;
  grid.addEventListener("pointerdown", (event) => {
    const index = indexOf(/** @type {Element} */ (event.target));
    if (index < 0 || event.button) return;
    brush = values[index] ? 0 : 1;
    toggle(index, brush);
    const over = ({ clientX, clientY }) => {
      const next = indexOf(document.elementFromPoint(clientX, clientY));
      if (toggles && next >= 0 && next !== at) toggle(next, brush);
    };
    const up = () => {
      removeEventListener("pointermove", over);
      if (toggles) done();
    };
    addEventListener("pointermove", over);
    addEventListener("pointerup", up, { once: true });
  });
  grid.addEventListener("click", (event) => {
    const index = indexOf(/** @type {Element} */ (event.target));
    if (index < 0 || event.detail) return; // a pointer's press was seen already; this is a key's
    toggle(index, values[index] ? 0 : 1);
    if (toggles) done();
  });
  grid.addEventListener("keydown", (event) => {
    const here = cells.indexOf(at - start(at));
    const last = cells.length - 1;
    const goal = { ArrowLeft: here - 1, ArrowRight: here + 1, ArrowUp: here - columns, ArrowDown: here + columns, Home: 0, End: last };
    const next = goal[/** @type {keyof goal} */ (event.key)];
    if (next === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    if (next < 0 || next > last) return;
    select(start(at) + cells[next]);
    boxes[next].focus();
  });
  return {
    element: html("div", {}, choice, grid, corner, one.element),
    /** @param {number[]} now @param {number} selected @param {string[]} notes @param {string[]} names */
    show(now, selected, notes, names = []) {
      [values, at] = [now, selected];
      const first = start(at);
      const most = largest(values);
      const texts = inCells(cells.map((cell) => values[first + cell]), columns);
      boxes.forEach((box, i) => {
        const index = first + cells[i];
        const called = names[index] ?? element(name, index, shape);
        paint(box, values[index], most);
        box.textContent = texts[i];
        box.title = box.ariaLabel = `${called}: ${number(values[index])}`;
        box.tabIndex = index === at ? 0 : -1;
        box.ariaPressed = String(toggles ? values[index] !== 0 : index === at);
        box.classList.toggle("selected", index === at);
      });
      choice.value = String(first);
      grid.ariaLabel = toggles ? `${name}, press a cell to switch it between 0 and 1` : `${name}, choose an element`;
      one.show(names[at] ?? element(name, at, shape), values[at], notes[at] ?? "");
    },
  };
}

/** A panel: a heading with the code that it stands for, a quiet line, the numbers.
 *  @param {string} kind @param {string} ink @param {Node | string} code @param {Node} body */
function card(kind, ink, code, body) {
  const heading = html("h3");
  const note = html("p", { class: "quiet" });
  const head = html("div", { class: "head" }, heading, typeof code === "string" ? html("code", {}, code) : code);
  return {
    element: html("section", { class: `card ${ink}`, "data-card": kind }, head, note, body),
    /** @param {(Node | string)[]} title @param {string} quiet */
    say(title, quiet) {
      heading.replaceChildren(...title);
      note.textContent = quiet;
    },
  };
}

const blue = (/** @type {number} */ value) => html("span", { class: "value" }, number(value));

// The whole

/** The cards for one page's shapes; `show` fills them.
 *  @param {Page} page @param {{pred: any, v: any}} acts @param {Node} own the button that takes predictions back */
function stage(page, acts, own) {
  const { pred, loss, sum, mean } = page;
  const parts = {
    pred: editor("value", pred.name, pred.shape, rounded(1.5 * largest(pred.own)), false, acts.pred),
    loss: cells("value", "loss", loss.shape),
    v: editor("gradient", "v", loss.shape, rounded(Math.max(2, ...loss.values)), true, acts.v),
    sum: cells("gradient", pred.name, pred.shape),
    mean: cells("gradient", pred.name, pred.shape),
    weighted: cells("gradient", pred.name, pred.shape),
  };
  const none = sum.code.replace("sum", "none");
  const cards = {
    pred: card("pred", "value", own, parts.pred.element),
    loss: card("loss", "value", none.startsWith("loss") ? "loss" : none, parts.loss.element),
    v: card("v", "gradient", "", parts.v.element),
    sum: card("sum", "gradient", sum.code, parts.sum.element),
    mean: card("mean", "gradient", mean.code, parts.mean.element),
    weighted: card("weighted", "gradient", "backward(v)", parts.weighted.element),
  };
  const count = loss.values.length;
  const labels = loss.tasks.length ? loss.tasks : loss.values.map((_, i) => element("loss", i, loss.shape));
  parts.loss.names.forEach((node, i) => (node.textContent = labels[i]));

  /** What each of `size` elements should be. @param {Page} page @param {number} size */
  const wanted = ({ target }, size) => (target.texts.length === size ? target.texts : []);

  /** @param {Page} page @param {number[]} predictions @param {Weights} weights @param {Selected} selected */
  const showAbove = (page, predictions, { v }, selected) => {
    const { loss, target } = page;
    const beside = wanted(page, predictions.length);
    parts.pred.show(predictions, selected.pred, beside);
    cards.pred.say([pred.name], `${spelled(pred.shape)}${beside.length ? `, beside it ${target.name}` : ""}`);

    const said = `losses: ${loss.values.slice(0, SPOKEN).map(number).join(", ")}`;
    parts.loss.show(said, loss.values, selected.loss, largest(loss.values), labels);
    const alone = count === 1 ? "" : ": backward() needs v";
    cards.loss.say([count === 1 ? "one loss" : `${count} losses`], `${spelled(loss.shape)}${alone}`);

    const classes = beside.length || loss.tasks.length ? [] : wanted(page, count);
    parts.v.show(v, selected.loss, classes, loss.tasks.map((task) => `v of ${task}`));
    const told = classes.length ? `, beside it ${target.name}` : "";
    cards.v.say(["weights v"], `${spelled(loss.shape)}, sum ${number(v.reduce((a, b) => a + b, 0))}${told}`);
  };
  /** @param {Page} page @param {Selected} selected @param {Reduced | null} weighted */
  const showBelow = ({ sum, mean }, selected, weighted) => {
    const results = { sum, mean, ...(weighted ? { weighted } : {}) };
    const most = largest(Object.values(results).flatMap(({ gradient }) => gradient));
    for (const [kind, { value, gradient }] of Object.entries(results)) {
      const name = kind === "weighted" ? "v · loss" : kind;
      const said = `gradient of ${name} at ${pred.name}: ${gradient.slice(0, SPOKEN).map(number).join(", ")}`;
      parts[/** @type {"sum"} */ (kind)].show(said, gradient, selected.pred, most);
      cards[/** @type {"sum"} */ (kind)].say([`${name} = `, blue(value)], `gradient of length ${number(length(gradient))}`);
    }
  };
  return {
    above: html("div", { class: "cards" }, cards.pred.element, cards.loss.element, cards.v.element),
    below: html("div", { class: "cards" }, cards.sum.element, cards.mean.element, cards.weighted.element),
    /** @param {Page} page @param {number[]} predictions @param {Weights} weights @param {Selected} selected @param {Reduced | null} weighted */
    show(page, predictions, weights, selected, weighted) {
      showAbove(page, predictions, weights, selected);
      showBelow(page, selected, weighted);
    },
  };
}

/** v · loss written out. @param {number[]} v @param {number[]} losses @param {number} value */
function product(v, losses, value) {
  const terms = v.map((weight, i) => [html("span", { class: "gradient" }, number(weight)), " · ", blue(losses[i])]);
  const sum = v.length <= SPELLED ? terms.flatMap((term, i) => (i ? [" + ", ...term] : term)) : [`Σ of ${v.length} products`];
  return [html("span", {}, "v · loss"), " = ", ...sum, " = ", blue(value)];
}

/** @param {{model: Model, el: HTMLElement}} here */
function render({ model, el }) {
  const view = frame("reduction", model, el);
  const page = () => /** @type {Page} */ (model.get("page"));
  if (!page().pred) return () => view.close();

  let predictions = [...page().pred.values];
  let weights = /** @type {Weights} */ (structuredClone(model.get("weights")));
  let selected = /** @type {Selected} */ ({ pred: 0, loss: 0, ...model.get("selected") });
  const kernel = answered(model, () => `Losses and gradients are those of the last ${page().pred.name} that worked.`);

  const ask = () => kernel.ask(page().entries ? { pred: predictions } : { pred: predictions, weights });
  /** Losses that weigh themselves change with the predictions. */
  const follow = () => {
    if (weights.preset === "loss") weights = { ...weights, v: [...page().loss.values] };
  };
  const save = () => put(model, "weights", structuredClone(weights));
  const weigh_ = () => weigh(page(), weights.v) ?? (model.get("weighted").gradient ? model.get("weighted") : null);
  const take = (/** @type {string} */ preset, /** @type {number[]} */ v) => {
    weights = { preset, place: selected.loss, v };
    show();
  };
  const keep = () => (page().entries ? save() : ask());
  const choose = (/** @type {string} */ preset) => {
    const count = weights.v.length;
    if (preset === "one-hot" && weights.preset === preset) selected = { ...selected, loss: (selected.loss + 1) % count };
    put(model, "selected", selected);
    take(preset, chosen(preset, page().loss, selected.loss));
    keep();
    view.announce(page().said[preset]);
  };
  const select = (/** @type {Partial<Selected>} */ change) => {
    selected = { ...selected, ...change };
    put(model, "selected", selected);
    show();
  };
  const acts = {
    pred: {
      move(/** @type {number} */ index, /** @type {number} */ value) {
        predictions = predictions.with(index, value);
        show();
        ask();
      },
      done() {},
      select: (/** @type {number} */ index) => select({ pred: index }),
    },
    v: {
      move(/** @type {number} */ index, /** @type {number} */ value, /** @type {boolean} */ settled) {
        const v = weights.v.with(index, value);
        take(kind(v), v);
        if (settled) keep();
        else if (!page().entries) ask();
      },
      done: () => keep(),
      select: (/** @type {number} */ index) => select({ loss: index }),
    },
  };

  const presets = Object.entries(PRESETS).map(([preset, label]) => button(label, () => choose(preset), { "data-preset": preset }));
  const divide = button("v / sum(v)", () => {
    const total = weights.v.reduce((a, b) => a + b, 0);
    if (!total) return;
    take("own", weights.v.map((weight) => weight / total));
    keep();
  });
  const own = button("start over", () => {
    predictions = [...page().pred.own];
    show();
    ask();
  }, { class: "own" });
  const bar = html("div", { class: "presets", role: "group", "aria-label": "choose v" }, html("span", { class: "quiet" }, "choose v"), ...presets, divide);
  const panels = stage(page(), acts, own);
  const equation = html("p", { class: "product" });
  const said = html("p", { class: "said" });
  const meaning = html("p", { class: "quiet" });
  view.live.append(panels.above, bar, panels.below, html("div", { class: "sentence" }, equation, said, meaning), kernel.trouble);

  const show = () => {
    const weighted = weigh_();
    panels.show(page(), predictions, weights, selected, weighted);
    for (const node of presets) node.ariaPressed = String(node.dataset.preset === weights.preset);
    const moved = page().pred.own.some((value, i) => value !== predictions[i]);
    own.ariaDisabled = String(!moved);
    if (weighted) equation.replaceChildren(...product(weights.v, page().loss.values, weighted.value));
    said.textContent = page().said[weights.preset];
    said.classList.toggle("mistake", weights.preset === "loss");
    meaning.textContent = `${page().mean_is} The three gradients share one colour scale.`;
  };
  const refresh = () => {
    if (!kernel.busy()) predictions = [...page().pred.values];
    follow();
    show();
  };
  const deafen = listen(model, {
    page: refresh,
    weighted: show,
    weights() {
      weights = structuredClone(model.get("weights"));
      show();
    },
    // predictions that were refused stay where they were put, beside the sentence that refuses them
    reply: () => (model.get("reply").problem ? show() : refresh()),
  });
  follow();
  show();
  return () => {
    deafen();
    kernel.close();
    view.close();
  };
}

export default { render };
