import { REST, answered, button, dial, floats, frame, html, listen, number, put, rounded, say, typed } from "./common.js";

// jacobian(f, x): J as a heat map, v beside its rows, v^T J under its columns.
// J comes from PyTorch; while v is dragged, v^T J is summed here. A new x asks the kernel.

/**
 * @typedef {import("./common.js").Model} Model
 * @typedef {{weights: number[], product: DataView, sum: number}} Base a whole v, as far as the window goes
 * @typedef {{code: string, size: [number, number], top: number, left: number, rows: string[], columns: string[],
 *   inputs: {name: string, shape: string}[], shape: string, entrywise: boolean, remark: string}} Page what stands while x moves
 * @typedef {{x: number[], at: string, y: number[], y_text: string, y_exact: string, jacobian: DataView,
 *   bases: Record<string, Base>}} Numbers what moves with x
 * @typedef {{base: string, shown: number[]}} V its weights on the rows shown, and the name of the rest
 */

const WRITTEN = 10; // up to so many columns have room for their numbers
const BUTTONS = 4; // up to so many rows have a button each
const TERMS = 4; // of L = v · y so many are written out
const SIDES = 412; // px that x and the notes take at both sides of the table, as in the style sheet
const [CHARACTER, DIGIT] = [7.3, 7.9]; // px, of the table's names and of its numbers
const PITCH = { across: 19, down: 18 }; // px from one painted entry to the next, as in the style sheet
const COMMON_REACH = 2; // the sliders of v go from -2 to 2

/** v^T J and v · y: what v's base gives, and what the rows shown add to it.
 *  @param {Page} page @param {Numbers} numbers @param {Float64Array} J @param {V} v */
function product({ size, columns }, { y, bases }, J, { base, shown }) {
  const rest = shown.length === size[0] ? undefined : bases[base];
  const sums = rest?.product.byteLength ? floats(rest.product) : new Float64Array(columns.length);
  let total = rest?.sum ?? 0;
  shown.forEach((weight, i) => {
    const change = weight - (rest?.weights[i] ?? 0);
    if (!change) return; // a row that v leaves out cannot spoil the sum with its NaN
    total += change * y[i];
    for (let j = 0; j < sums.length; j++) sums[j] += change * J[i * sums.length + j];
  });
  return { sums, total };
}

/** L = 1·y[0] + 1·y[1], its middle left out when it is long. @param {Page} page @param {V} v @param {number} total */
function scalar({ rows, size }, { shown }, total) {
  const terms = shown.map((weight, i) => `${number(weight)}·${rows[i]}`).slice(0, TERMS);
  const more = size[0] > terms.length ? ["…"] : [];
  return `L = ${[...terms, ...more].join(" + ")} =\u00a0${number(total)}`;
}

/** Which v this is: "ones", "given", "row 3" or "custom". @param {Page} page @param {Numbers} numbers @param {V} v */
function kind({ top, size }, { bases }, { base, shown }) {
  const all = shown.length === size[0];
  const alike = (/** @type {number[] | undefined} */ w) => !!w && w.every((weight, i) => weight === shown[i]);
  if (alike(bases.given?.weights) && (all || base === "given")) return "given";
  if (shown.every((weight) => weight === 1) && (all || base === "ones") && size[0] > 1) return "ones";
  const hot = shown.indexOf(1);
  const others = shown.every((weight, i) => (i === hot ? weight === 1 : weight === 0));
  return hot >= 0 && others && (all || base === "zero") ? `row ${top + hot}` : "custom";
}

/** How far the sliders of x go: some way beyond its largest element. @param {number[]} x */
const reach = (x) => rounded(1.5 * Math.max(...x.map(Math.abs)) || 3);

/** @param {string} name @param {(Node | string)[]} heading @param {(Node | string)[]} children */
const section = (name, heading, ...children) =>
  html("div", { class: name }, html("div", { class: "heading" }, ...heading), ...children);

/** A transposed thing, without a glyph that a font may lack. */
const transposed = () => html("span", { "aria-label": "v transposed J", role: "img" }, "v", html("sup", {}, "T"), "J");

/** The sliders of x. @param {Page} page @param {number[]} x @param {(index: number, value: number) => void} act */
function inputs({ inputs, columns }, x, act) {
  const most = reach(x);
  const dials = columns.map((name, j) => dial(name, most, (value) => act(j, value)));
  const rows = dials.map(({ element, slider }, j) => {
    element.classList.add("value");
    slider.dataset.x = columns[j];
    return html("div", { class: "pair" }, html("span", { class: "value name" }, columns[j]), element);
  });
  const heading = inputs.map(({ name, shape }) => `${name} (input, ${shape})`).join(" · ");
  const element = section("inputs", [heading], html("div", { class: "dials" }, ...rows));
  return { element, show: (/** @type {number[]} */ values) => values.forEach((value, j) => dials[j].show(value)) };
}

/** J's entries where they stand in the table. `place` says which entry an event points at, `mark` outlines one.
 *  @typedef {{cells: HTMLTableCellElement[][], fill(J: Float64Array): void, mark(i: number, j: number, title: string): void,
 *    place(event: PointerEvent): [number, number]}} Entries */

/** Places for numbers that change as fast as the hand moves. They keep their size, so that the browser need not lay out
 *  the table anew and no column sways; `--digits` says how many characters have room. @param {number} width in columns */
function counters(width) {
  /** @type {{nodes: HTMLElement[], digits: number}[]} */
  const columns = Array.from({ length: width }, () => ({ nodes: [], digits: 0 }));
  return {
    row: () =>
      columns.map(({ nodes }) => {
        const node = html("span", { class: "counter" });
        nodes.push(node);
        return node;
      }),
    digits: () => columns.map(({ digits }) => digits),
    /** @param {HTMLElement[]} places one row or more @param {Float64Array} values */
    write(places, values) {
      places.forEach((node, k) => {
        const [text, column] = [number(values[k]), columns[k % width]];
        say(node, text);
        if (text.length <= column.digits) return;
        column.digits = text.length;
        for (const other of column.nodes) other.style.setProperty("--digits", String(text.length));
      });
    },
  };
}

/** How strong the colour of each entry is, from 0 to 1: its size beside the largest. @param {Float64Array} J */
function strengths(J) {
  const most = J.reduce((a, b) => (Number.isFinite(b) ? Math.max(a, Math.abs(b)) : a), Number.MIN_VALUE);
  return J.map((value) => (Number.isNaN(value) ? 0 : Math.min(1, Math.abs(value) / most)));
}

/** A cell with a number for each entry. @param {Page} page @param {ReturnType<typeof counters>} places @returns {Entries} */
function written({ rows }, { row, write }) {
  const numbers = rows.map(() => row());
  const cells = numbers.map((line) => line.map((node) => html("td", { class: "positive", "data-entry": "" }, node)));
  /** @type {Float64Array} */
  let coloured = new Float64Array(0);
  /** @type {HTMLTableCellElement | undefined} */
  let marked;
  return {
    cells,
    fill(J) {
      write(numbers.flat(), J);
      const strong = strengths(J);
      cells.flat().forEach((cell, k) => {
        cell.classList.toggle("negative", J[k] < 0);
        if (strong[k] !== coloured[k]) cell.style.setProperty("--size", `${100 * strong[k]}%`);
      });
      coloured = strong;
    },
    mark(i, j, title) {
      marked?.classList.remove("looked");
      marked = cells[i]?.[j];
      marked?.classList.add("looked");
      if (marked) marked.title = title;
    },
    place({ target }) {
      const cell = /** @type {Element} */ (target).closest("td");
      const i = cells.findIndex((line) => line.some((other) => other === cell));
      return [i, i < 0 ? -1 : cells[i].findIndex((other) => other === cell)];
    },
  };
}

/** The colours that the style sheet gives a canvas to paint with. To ask has the browser style the page: not at each
 *  step of a drag. @param {HTMLCanvasElement} canvas */
function paints(canvas) {
  const { color: positive, outlineColor: negative, caretColor: paper } = getComputedStyle(canvas);
  return { positive, negative, paper };
}

/** All entries in one picture: as cells, 900 of them would take the browser several frames.
 *  @param {Page} page @returns {Entries} */
function painted({ rows, columns }) {
  const [width, height, scale] = [columns.length, rows.length, Math.ceil(devicePixelRatio)];
  const [across, down] = [PITCH.across * scale, PITCH.down * scale];
  const canvas = html("canvas", { width: width * across, height: height * down });
  const frame = html("span", { class: "looked" });
  const cell = html("td", { class: "painted", rowspan: height, colspan: width }, canvas, frame);
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  let shown = new Float64Array(0);
  /** @type {ReturnType<typeof paints> | undefined} */
  let colours;
  const draw = () => {
    const { positive, negative, paper } = (colours ??= paints(canvas));
    pen.globalAlpha = 1;
    pen.fillStyle = paper;
    pen.fillRect(0, 0, canvas.width, canvas.height);
    strengths(shown).forEach((strong, k) => {
      pen.globalAlpha = strong;
      pen.fillStyle = shown[k] < 0 ? negative : positive;
      pen.fillRect((k % width) * across, Math.floor(k / width) * down, across, down);
    });
    for (let j = 1; j <= width; j++) pen.clearRect(j * across - scale, 0, scale, canvas.height);
    for (let i = 1; i <= height; i++) pen.clearRect(0, i * down - scale, canvas.width, scale);
  };
  const recolour = () => {
    colours = undefined;
    draw();
  };
  // The theme has changed the colours.
  for (const moment of ["transitionend", "transitioncancel"]) canvas.addEventListener(moment, recolour);
  frame.hidden = true;
  return {
    cells: [[cell], ...rows.slice(1).map(() => [])],
    fill(J) {
      shown = J;
      if (canvas.isConnected) draw();
      else requestAnimationFrame(draw); // only what is in the page has its colours
    },
    mark(i, j, title) {
      frame.hidden = i < 0;
      Object.assign(frame.style, { left: `${j * PITCH.across}px`, top: `${i * PITCH.down}px` });
      cell.title = title;
    },
    place({ target, clientX, clientY }) {
      if (target !== canvas) return [-1, -1];
      const { left, top } = canvas.getBoundingClientRect();
      const [i, j] = [Math.floor((clientY - top) / PITCH.down), Math.floor((clientX - left) / PITCH.across)];
      return i >= 0 && i < height && j >= 0 && j < width ? [i, j] : [-1, -1];
    },
  };
}

/** The table: v, J and v^T J, each where it meets the others.
 *  @param {Page} page @param {(index: number, value: number, settled: boolean) => void} act
 *  @param {(text: string) => void} point says what the cell pointed at holds */
function table(page, act, point) {
  const { rows, columns } = page;
  const spelled = columns.length <= WRITTEN;
  const places = counters(columns.length);
  const entries = spelled ? written(page, places) : painted(page);
  const dials = rows.map((name, i) =>
    dial(`weight v of ${name}`, COMMON_REACH, (value, settled) => act(i, value, settled)),
  );
  dials.forEach(({ slider }, i) => (slider.dataset.v = rows[i]));
  const results = spelled ? places.row() : [];
  const sums = columns.map((name, j) => html("td", { "data-sum": name }, ...(spelled ? [results[j]] : [])));
  const head = html(
    "tr",
    {},
    html("th", { scope: "col", class: "gradient" }, `v (shape of y)`),
    html("td"),
    ...columns.map((name) => html("th", { scope: "col" }, html("span", {}, html("i", {}, "∂/∂"), name))),
  );
  const body = rows.map((name, i) =>
    html("tr", {}, html("td", {}, dials[i].element), html("th", { scope: "row" }, name), ...entries.cells[i]),
  );
  const names = page.inputs.map(({ name }) => `${name}.grad`).join(", ");
  const label = html("th", { scope: "row", colspan: 2, class: "gradient" }, transposed(), ` = ${names}`);
  const foot = html("tr", {}, label, ...sums);
  const grid = html("table", {}, html("thead", {}, head), html("tbody", {}, ...body), html("tfoot", {}, foot));
  const element = html("div", { class: "matrix", tabindex: 0, role: "group", "aria-label": "Jacobian" }, grid);
  element.classList.toggle("coloured", !spelled);
  element.classList.toggle("tight", spelled && columns.length > 8);
  element.classList.toggle("dense", rows.length > 8);
  let values = new Float64Array(0);
  let [row, column] = [-1, -1];

  /** @param {number} i @param {number} j */
  const look = (i, j) => {
    [row, column] = [i, j];
    const value = values[row * columns.length + column];
    const name = `∂${rows[row]}/∂${columns[column]}`;
    entries.mark(row, column, row < 0 ? "" : `${name} = ${value}`);
    const exact = String(value) === number(value) ? "" : ` (${value})`;
    point(row < 0 ? "" : `${name} = ${number(value)}${exact}`);
  };
  element.addEventListener("pointermove", (event) => {
    const [i, j] = entries.place(event);
    if (i !== row || j !== column) look(i, j);
  });
  element.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (event.target !== element || !step) return;
    event.preventDefault();
    const within = (/** @type {number} */ at, /** @type {number} */ count) => Math.max(0, Math.min(at, count - 1));
    look(within(row < 0 ? 0 : row + step[0], rows.length), within(row < 0 ? 0 : column + step[1], columns.length));
    element.querySelector(".looked")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  });

  return {
    element,
    digits: places.digits,
    /** @param {Float64Array} J */
    fill(J) {
      values = J;
      entries.fill(J);
      if (row >= 0) look(row, column);
    },
    /** @param {V} v @param {Float64Array} result */
    weigh({ shown }, result) {
      shown.forEach((weight, i) => dials[i].show(weight));
      if (spelled) places.write(results, result);
      const strong = strengths(result);
      result.forEach((sum, j) => {
        sums[j].title = `${columns[j]}: ${sum}`;
        if (spelled) return;
        sums[j].ariaLabel = number(sum);
        sums[j].classList.toggle("below", sum < 0);
        sums[j].style.setProperty("--size", `${100 * strong[j]}%`);
      });
    },
  };
}

/** Buttons that set v: ones, your v, one row, custom. @param {Page} page @param {boolean} given whether there is a v of yours
 *  @param {{ones(): void, given(): void, row(index: number): void, custom(): void}} acts */
function choice({ size }, given, acts) {
  /** @type {Map<string, HTMLButtonElement>} */
  const buttons = new Map();
  const add = (/** @type {string} */ name, /** @type {() => void} */ act, label = name) =>
    buttons.set(name, button(label, act, { "data-choice": name }));
  if (size[0] > 1) add("ones", acts.ones);
  if (given) add("given", acts.given, "your v");
  for (let i = 0; i < size[0] && size[0] <= BUTTONS; i++) add(`row ${i}`, () => acts.row(i));
  add("custom", acts.custom);
  const field = html("input", {
    type: "number",
    min: 0,
    max: size[0] - 1,
    step: 1,
    value: 0,
    "aria-label": "row that a one-hot v reads",
  });
  typed(field, acts.row);
  const again = () => acts.row(Number(field.value));
  const read = html("span", { class: "pick" }, button("row", again, { "data-choice": "row" }), field);
  const picker = size[0] > BUTTONS ? [read] : [];
  const group = html(
    "div",
    { class: "choices", role: "group", "aria-label": "choose v" },
    ...buttons.values(),
    ...picker,
  );
  const element = section("choice", ["choose v"], group);
  /** @param {string} now @param {boolean} dragged whether there is a custom v to go back to */
  const show = (now, dragged) => {
    for (const [name, node] of buttons) node.ariaPressed = String(name === now);
    const own = buttons.get("custom");
    if (own) own.ariaDisabled = String(now !== "custom" && !dragged);
    read.querySelector("button")?.setAttribute("aria-pressed", String(now.startsWith("row")));
    if (now.startsWith("row")) field.value = now.slice(4);
  };
  return { element, show };
}

/** Which part of a larger J is shown. @param {Page} page @param {(top: number, left: number) => void} go */
function pager({ size, top, left, rows, columns, remark }, go) {
  /** @param {string} noun @param {number} first @param {number} shown @param {number} count @param {(first: number) => void} act */
  const part = (noun, first, shown, count, act) => {
    if (shown === count) return [];
    const field = html("input", {
      type: "number",
      min: 0,
      max: count - 1,
      step: 1,
      value: first,
      "aria-label": `first ${noun} shown`,
    });
    typed(field, act);
    const back = button("back", () => act(Math.max(0, first - shown)), { "aria-label": `previous ${noun}s` });
    const next = button("next", () => act(Math.min(count - shown, first + shown)), { "aria-label": `next ${noun}s` });
    back.ariaDisabled = String(first === 0);
    next.ariaDisabled = String(first + shown >= count);
    return [html("span", { class: "part" }, `${noun}s from`, field, back, next)];
  };
  const parts = [
    ...part("row", top, rows.length, size[0], (first) => go(first, left)),
    ...part("column", left, columns.length, size[1], (first) => go(top, first)),
  ];
  const element = html("div", { class: "paging" }, html("p", {}, remark), ...parts);
  element.hidden = !remark;
  return element;
}

/** Whose shape v has, and whose the result. @param {string} shape y's @param {Page["inputs"]} inputs */
function shapesTold(shape, inputs) {
  const v = shape === "scalar" ? "v is a scalar like y" : `v has y's shape ${shape}`;
  const [{ name, shape: only }] = inputs;
  if (inputs.length === 1) return `${v}, the result ${only === "scalar" ? `is a scalar like ${name}` : `has ${name}'s ${only}`}.`;
  return `${v}, the result has a part for each input: ${inputs.map((x) => `${x.name} ${x.shape}`).join(", ")}.`;
}

/** What the numbers mean. @param {Page} page */
function notes({ entrywise, shape, inputs }) {
  const scalar = html("div", { class: "scalar" });
  const agreement = html("div", { class: "agreement" });
  const never = " never builds J: it computes this one row vector. ";
  const rule = html("p", { class: "rule" }, html("code", {}, "y.backward(v)"), never, shapesTold(shape, inputs));
  const same = section("same", ["the same gradient, said as a scalar"], scalar);
  const check = section("check", [entrywise ? "J beside finite differences" : "J u beside finite differences, u moving all of x alike"], agreement);
  const moving = "when x rests"; // they cost calls of f
  return {
    element: html("div", { class: "notes" }, same, rule, check),
    agree: (/** @type {string} */ text) => say(agreement, text || moving),
    weigh: (/** @type {string} */ text) => say(scalar, text),
  };
}

/** All numbers of a small J in one line. @param {Page} page @param {Float64Array} J @param {V} v @param {Float64Array} sums */
function sentence({ rows, columns, size }, J, { shown }, sums) {
  if (rows.length * columns.length > 16 || size[0] !== rows.length || size[1] !== columns.length) return "";
  const list = (/** @type {Iterable<number>} */ values) => `[${[...values].map(number).join(", ")}]`;
  const lines = rows.map((_, i) => list(J.slice(i * columns.length, (i + 1) * columns.length)));
  return `J (${size.join(" × ")}) = [${lines.join(", ")}]; v = ${list(shown)}; vᵀJ = ${list(sums)}`;
}

/** How wide the table is when it stands between x and the notes, in px: the sliders of v, the rows' names, the columns.
 *  @param {Page} page @param {number[]} digits each column's longest number */
function tableWidth({ rows, columns }, digits) {
  const text = (/** @type {string} */ name) => CHARACTER * name.length;
  const column = (/** @type {string} */ name, /** @type {number} */ j) =>
    Math.max(67, text(`∂/∂${name}`) + 20, DIGIT * (digits[j] ?? 0) + 22);
  return 140 + Math.max(...rows.map(text)) + columns.map(column).reduce((sum, width) => sum + width, 0);
}

/** One layout of the live view: it lasts as long as the rows and columns are the same.
 *  @param {Page} page @param {Numbers} numbers @param {{x(index: number, value: number): void, v(v: V, settled: boolean): void,
 *    row(index: number): void, go(top: number, left: number): void, v_now(): V}} acts */
function layout(page, numbers, acts) {
  /** @type {V | undefined} */
  let dragged;
  const readout = html("p", { class: "readout" });
  const code = html(
    "pre",
    { class: "source", tabindex: 0, role: "group", "aria-label": "f" },
    html("code", {}, page.code),
  );
  const x = inputs(page, numbers.x, acts.x);
  const y = html("div", { class: "value" });
  const output = section(
    "output",
    [`y = f(${page.inputs.map(({ name }) => name).join(", ")}) (output, ${page.shape})`],
    y,
  );
  const pick = choice(page, !!numbers.bases.given, {
    ones: () => acts.v({ base: "ones", shown: page.rows.map(() => 1) }, true),
    given: () => acts.v({ base: "given", shown: numbers.bases.given.weights }, true),
    custom: () => dragged && acts.v(dragged, true),
    row: acts.row,
  });
  const grid = table(
    page,
    (i, value, settled) => {
      const { base, shown } = acts.v_now();
      dragged = { base, shown: shown.with(i, value) };
      acts.v(dragged, settled);
    },
    (text) => say(readout, text),
  );
  const aside = notes(page);
  const summary = html("p", { class: "summary" });
  const left = html("div", { class: "left" }, x.element, output, pick.element);
  const middle = html("div", { class: "middle" }, pager(page, acts.go), grid.element, readout);
  const body = html("div", { class: "explorer" }, left, middle, aside.element);
  // A table too wide to stand between them stands below them.
  const fit = () => body.classList.toggle("stacked", tableWidth(page, grid.digits()) > body.clientWidth - SIDES);
  new ResizeObserver(fit).observe(body);
  let J = floats(numbers.jacobian);
  return {
    elements: [code, body, summary],
    /** @param {Numbers} now @param {boolean} moving whether a slider of x is ahead of it */
    fill(now, moving) {
      numbers = now;
      J = floats(now.jacobian);
      if (!moving) x.show(now.x);
      say(y, now.y_text);
      y.title = now.y_exact;
      grid.fill(J);
    },
    agree: aside.agree,
    /** @param {V} v */
    weigh(v) {
      const { sums, total } = product(page, numbers, J, v);
      grid.weigh(v, sums);
      aside.weigh(scalar(page, v, total));
      const now = kind(page, numbers, v);
      if (now === "custom") dragged = v;
      pick.show(now, dragged !== undefined);
      say(summary, sentence(page, J, v, sums));
      summary.hidden = !summary.textContent;
      return { now, sums };
    },
  };
}

/** @param {{model: Model, el: HTMLElement}} view */
function render({ model, el }) {
  const stage = frame("jacobian", model, el);
  const { ask, busy, close, trouble } = answered(model, () => `The picture is for ${numbers().at}.`);
  const stand = html("div", { class: "page" });
  stage.live.append(stand, trouble); // below: what is dragged must not move away under the hand
  const page = () => /** @type {Page} */ (model.get("page"));
  const numbers = () => /** @type {Numbers} */ (model.get("numbers"));
  const v = () => /** @type {V} */ (model.get("v"));
  /** @type {ReturnType<typeof layout> | undefined} */
  let current;
  /** @type {Page | undefined} */
  let built;
  /** @type {number[]} */
  let x = [];

  let rest = 0;
  /** Once x rests, J is compared with finite differences. */
  const compare = () => {
    const agreement = model.get("agreement");
    current?.agree(agreement);
    clearTimeout(rest);
    if (!agreement) rest = setTimeout(() => busy() || put(model, "rests", model.get("rests") + 1), REST);
  };

  /** @param {{top?: number, left?: number, base?: string}} wish */
  const request = (wish = {}) => ask({ x, at: page().left, top: page().top, left: page().left, ...wish });
  /** @param {V} next @param {boolean} settled */
  const reweigh = (next, settled) => {
    model.set("v", next);
    if (settled) model.save_changes();
  };
  /** @param {number} index */
  const read = (index) => {
    const { top, rows } = page();
    if (index < top || index >= top + rows.length) {
      wanted = index;
      return request({ top: index, base: "zero" });
    }
    reweigh({ base: "zero", shown: rows.map((_, i) => Number(top + i === index)) }, true);
  };
  let wanted = -1; // the row that v is to read when the kernel has sent it

  const weigh = () => {
    const { rows, columns } = page();
    if (!current || v().shown?.length !== rows.length) return;
    const { now, sums } = current.weigh(v());
    if (sums.length <= WRITTEN) stage.announce(`v is ${now}: v transposed J is ${[...sums].map(number).join(", ")}`);
    else stage.announce(`v is ${now}, over ${columns.length} columns`);
  };
  const show = () => {
    const { rows, size, top } = page();
    if (!rows) return;
    const anew = page() !== built;
    if (!busy() || anew) x = [...numbers().x];
    if (anew) {
      built = page();
      current = layout(built, numbers(), {
        x(index, value) {
          x[index] = value;
          request();
        },
        v: reweigh,
        v_now: v,
        row: read,
        go: (top, left) => request({ top, left }),
      });
      stand.replaceChildren(...current.elements);
    }
    current?.fill(numbers(), busy());
    stage.state(`J is ${size.map((count) => count.toLocaleString("en")).join(" × ")}`);
    weigh();
    if (wanted >= 0) {
      const index = wanted;
      wanted = -1;
      if (index >= top && index < top + rows.length) read(index);
    }
  };
  const moved = () => {
    show();
    compare();
  };
  const deafen = listen(model, { page: show, numbers: moved, v: weigh, agreement: compare, reply: compare });
  show();
  current?.agree(model.get("agreement"));
  return () => {
    clearTimeout(rest);
    deafen();
    close();
    stage.close();
  };
}

export default { render };
