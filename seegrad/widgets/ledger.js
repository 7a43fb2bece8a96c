import { button, frame, html, listen, put, svg } from "./common.js";

// ledger(x): the account of x.grad. Every number was computed by PyTorch; here they are only stacked.

/**
 * @typedef {{number: number, code: string, root: string, added: string, after: string, exact: string, tried: boolean}} Row
 * @typedef {{name: string, total: number, text: string, parts: {number: number, value: number, text: string}[]}} Bar
 * @typedef {{name: string, rows: Row[], parts: number[], bars: Bar[], hidden: number, grad: string, summary: string,
 *   actions: {action: string, label: string, ready: boolean}[]}} Page
 */

const COLUMN = 76; // px from bar to bar
const BAR = 56; // px; holds the words "entry 12"
const HEIGHT = 150; // px that the tallest stack takes
const MARGIN = 24; // px above and below, for the totals and the names
const CHARACTER = 7.3; // px, of their monospaced font: long names need wider columns

/** The account: a line for each thing that happened to `.grad`. @param {Page} page */
function account({ name, rows, parts }) {
  const head = html("tr", {}, ...["entry", "code that ran", "brought", `${name}.grad after`].map((text) => html("th", { scope: "col" }, text)));
  const before = html("tr", {}, html("td", {}, "0"), html("td", {}, "before any backward"), html("td"), html("td", {}, "None"));
  const lines = rows.map((row) => {
    const kind = [row.tried && "tried", row.added && !parts.includes(row.number) && "gone"].filter(Boolean).join(" ");
    const origin = row.root ? [html("small", {}, ` from ${row.root}`)] : [];
    const trial = row.tried ? [html("small", {}, " · tried on a copy")] : [];
    const code = html("td", {}, html("code", {}, row.code), ...origin, ...trial);
    const after = html("td", { class: "gradient", title: row.exact }, row.after);
    return html("tr", { class: kind, "data-entry": row.number }, html("td", {}, String(row.number)), code, html("td", { class: "gradient" }, row.added), after);
  });
  return html("div", { class: "account", tabindex: 0, role: "group", "aria-label": "account" }, html("table", {}, html("thead", {}, head), html("tbody", {}, before, ...lines)));
}

/** The reach of the stacks above and below zero. @param {Bar[]} bars */
function reach(bars) {
  const sums = (/** @type {(value: number) => number} */ side) =>
    bars.map(({ parts }) => parts.reduce((sum, { value }) => sum + side(value), 0));
  return { top: Math.max(0, ...sums((v) => Math.max(v, 0))), bottom: Math.min(0, ...sums((v) => Math.min(v, 0))) };
}

/** A bar for each element of x, a block in it for each contribution. @param {Page} page */
function stacks({ name, bars, summary }) {
  const { top, bottom } = reach(bars);
  const scale = HEIGHT / (top - bottom || 1);
  const longest = Math.max(...bars.flatMap(({ name, text }) => [name.length, text.length]));
  const column = Math.max(COLUMN, Math.ceil((longest + 2) * CHARACTER));
  const width = bars.length * column;
  const zero = MARGIN + top * scale;
  const height = zero - bottom * scale + (bottom < 0 ? 2 : 1.2) * MARGIN;
  const drawing = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${name}.grad, stacked: ${summary}` });
  bars.forEach(({ name: element, parts, text, total }, i) => {
    const left = i * column + (column - BAR) / 2;
    let [up, down] = [zero, zero];
    for (const { number, value, text: brought } of parts) {
      const size = Math.abs(value) * scale;
      const y = value >= 0 ? (up -= size) : down;
      if (value < 0) down += size;
      const shade = parts.findIndex((part) => part.number === number) % 2 ? "block other" : "block";
      drawing.append(svg("rect", { class: shade, x: left, y, width: BAR, height: size }, svg("title", {}, `entry ${number}: ${brought}`)));
      if (size > 16) drawing.append(svg("text", { class: "entry", x: left + BAR / 2, y: y + size / 2 }, `entry ${number}`));
    }
    drawing.append(
      svg("text", { class: "total", x: left + BAR / 2, y: total >= 0 ? up - 10 : down + 12, "data-total": element }, text),
      svg("text", { class: "element", x: left + BAR / 2, y: height - 10 }, element),
    );
  });
  drawing.append(svg("line", { class: "zero", x1: 0, x2: width, y1: zero, y2: zero }));
  return html("div", { class: "stacks", tabindex: 0, role: "group", "aria-label": "stacked contributions" }, drawing);
}

/** @param {{model: import("./common.js").Model, el: HTMLElement}} view */
function render({ model, el }) {
  const view = frame("ledger", model, el);
  let presses = 0;
  /** @param {string} action */
  const press = (action) => put(model, "press", { action, number: `${Date.now()}-${(presses += 1)}` });

  const bar = html("div", { class: "actions", role: "group", "aria-label": "try on a copy" });
  const body = html("div", { class: "page" });
  view.live.append(bar, body);
  /** @type {Map<string, HTMLButtonElement>} */
  const buttons = new Map();

  const show = () => {
    const page = /** @type {Page} */ (model.get("page"));
    if (!page.rows) return;
    for (const { action, label, ready } of page.actions) {
      if (!buttons.has(action)) {
        const node = button(label, () => press(action), { "data-action": action });
        buttons.set(action, node);
        bar.append(node);
      }
      buttons.get(action).ariaDisabled = String(!ready);
    }
    const hidden = page.hidden ? [html("p", { class: "remark" }, `${page.hidden} more elements have no bar here.`)] : [];
    body.replaceChildren(account(page), html("p", { class: "summary" }, page.summary), ...(page.bars.length ? [stacks(page)] : []), ...hidden);
    view.state(`${page.name}.grad is ${page.grad}`);
    view.announce(page.summary);
  };
  const deafen = listen(model, { page: show });
  show();
  return () => {
    deafen();
    view.close();
  };
}

export default { render };
