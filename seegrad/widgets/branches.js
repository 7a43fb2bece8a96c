import { answered, frame, html, listen, number, svg, typed } from "./common.js";

// branches(f, a): the path that f takes at a, and f along a on log axes. The kernel runs f; here its numbers
// are placed on the axes.

/** @typedef {import("./common.js").Model} Model
 *  @typedef {{reach: [number, number], pieces: [number, number][][], kinks: {s: number, text: string}[]}} Curve
 *  @typedef {{text: string, times: number, note: string}} CodeLine
 *  @typedef {{term: string, text: string, exact: string, ink: string}} Reading
 *  @typedef {{name: string, result: string, place: string, symbol: string, s: number, value: number, at: string, exact: string,
 *    code: CodeLine[], numbers: Reading[], summary: string, why: string, crossed: string}} Page
 *  @typedef {{at(value: number): number, ticks: number[]}} Scale */

const WIDTH = 824; // px, until the drawing stands in its column
const HEIGHT = 236;
const SIDE = 62; // left for the numbers of each vertical axis
const FOOT = 26; // below the drawing, for the horizontal axis
const TOP = 22;
const GAP = 0.03; // of half the axis: around zero, which a logarithm never reaches
const STEPS = 1000; // of the slider, on each side of zero
const MOST_LINES = 60; // more kinks than this on a side get a short mark each
const DECADE = 52; // px that a power of ten needs below the axis
const HEADINGS = 490; // px that the words above the drawing need side by side

/** Places on the axis: -1 … -GAP for negative s, GAP … 1 for positive ones. @param {[number, number]} reach */
function axis([begin, end]) {
  return {
    /** @param {number} s */
    place(s) {
      if (Math.abs(s) < 0.99 * 10 ** begin) return 0; // too near to zero for the axis: in the gap
      const share = (Math.log10(Math.abs(s)) - begin) / (end - begin);
      return Math.sign(s) * (GAP + (1 - GAP) * Math.min(1, Math.max(0, share)));
    },
    /** Four digits will do; zero in the gap. @param {number} place */
    s(place) {
      const share = (Math.abs(place) - GAP) / (1 - GAP);
      if (share < 0) return 0;
      return Number((Math.sign(place) * 10 ** (begin + share * (end - begin))).toPrecision(4));
    },
  };
}

/** From a place on the axis to px in a drawing of this width, and back. @param {number} width */
const across = (width) => ({
  /** @param {number} place */
  px: (place) => width / 2 + place * (width / 2 - SIDE),
  /** @param {number} px */
  place: (px) => Math.max(-1, Math.min(1, (px - width / 2) / (width / 2 - SIDE))),
});

/** A symmetrical log scale for these values: a logarithm where they have one sign. @param {number[]} values @returns {Scale} */
function scale(values) {
  const sizes = values.map(Math.abs).filter(Boolean);
  if (!sizes.length) return { at: () => 0.5, ticks: values.length ? [0] : [] };
  const most = Math.max(...sizes);
  const crosses = values.some((value) => value <= 0) && values.some((value) => value >= 0);
  const least = Math.max(Math.min(...sizes), most / (crosses ? 1e4 : 1e12)); // below it the scale is linear
  /** @param {number} value */
  const bent = (value) => {
    const size = Math.abs(value);
    return size < least ? (0.4 * value) / least : Math.sign(value) * (0.4 + Math.log10(size / least));
  };
  const [low, high] = [Math.min(...values.map(bent)), Math.max(...values.map(bent))];
  const pad = 0.08 * (high - low) || 0.5;
  const decades = Math.ceil(Math.log10(most / least));
  const first = Math.floor(Math.log10(least));
  const every = Math.ceil((decades + 1) / 4);
  const powers = Array.from({ length: decades + 2 }, (_, i) => first + i).filter((_, i) => i % every === 0);
  const digits = decades <= 1 ? [1, 1.5, 2, 3, 5, 7] : [1];
  const round = powers.flatMap((power) => digits.map((digit) => Number(`${digit}e${power}`)));
  const ticks = [0, ...round, ...round.map((tick) => -tick)];
  return {
    at: (value) => (bent(value) - low + pad) / (high - low + 2 * pad),
    ticks: ticks.filter((tick) => bent(tick) >= low - pad / 2 && bent(tick) <= high + pad / 2),
  };
}

/** @param {number} share of the height, 0 at the bottom */
const down = (share) => TOP + (1 - share) * (HEIGHT - TOP);

/** A power of ten with its sign, as a label: the exponent is raised. @param {number} value */
function powerLabel(value) {
  if (!value) return ["0"];
  const exponent = Math.round(Math.log10(Math.abs(value)));
  const raised = svg("tspan", { dy: -5, class: "exponent" }, String(exponent).replace("-", "−"));
  return [`${value < 0 ? "−" : ""}10`, raised];
}

/** Labels that do not cover each other. @param {{tick: number, y: number}[]} labels */
function apart(labels) {
  /** @type {{tick: number, y: number}[]} */
  const kept = [];
  for (const label of labels) if (kept.every(({ y }) => Math.abs(y - label.y) > 15)) kept.push(label);
  return kept;
}

/** One sign of s: its vertical axis, kinks and curve. @param {Curve} curve @param {1 | -1} sign @param {number} width px */
function side(curve, sign, width) {
  const { place } = axis(curve.reach);
  const { px } = across(width);
  const pieces = curve.pieces.filter(([[s]]) => Math.sign(s || 1) === sign);
  const heights = scale(pieces.flat().map(([, value]) => value));
  const kinks = curve.kinks.filter(({ s }) => s !== 0 && Math.sign(s) === sign);
  const foot = kinks.length > MOST_LINES ? HEIGHT - 8 : TOP;
  const marks = kinks.map(({ s, text }) => {
    const x = px(place(s));
    const line = svg("line", { class: "kink", x1: x, x2: x, y1: foot, y2: HEIGHT });
    line.append(svg("title", {}, `kink at ${number(s)}: ${text}`));
    return line;
  });
  const lines = pieces.map((piece) => {
    const points = piece.map(([s, value]) => `${px(place(s))},${down(heights.at(value))}`);
    return svg("polyline", { class: "f", points: points.join(" ") });
  });
  const [edge, anchor] = sign < 0 ? [SIDE - 8, "end"] : [width - SIDE + 8, "start"];
  const labels = apart(heights.ticks.map((tick) => ({ tick, y: down(heights.at(tick)) }))).map(({ tick, y }) =>
    svg("text", { class: "tick", x: edge, y, "text-anchor": anchor }, number(tick)),
  );
  const [begin, end] = curve.reach;
  const [from, to] = [px(sign * GAP), px(sign)].sort((a, b) => a - b);
  const every = Math.ceil((end - begin) / Math.max(1, Math.min(5, Math.floor((to - from) / DECADE))));
  const powers = Array.from({ length: end - begin + 1 }, (_, i) => begin + i).filter((_, i) => i && i % every === 0);
  const decades = powers.map((power) => {
    const s = sign * 10 ** power;
    return svg("text", { class: "tick", x: px(place(s)), y: HEIGHT + 16, "text-anchor": "middle" }, ...powerLabel(s));
  });
  const plate = { class: "plate", x: from, y: TOP, width: to - from, height: HEIGHT - TOP };
  const nothing = svg("text", { class: "tick", x: (from + to) / 2, y: (TOP + HEIGHT) / 2, "text-anchor": "middle" });
  if (curve.pieces.length && !pieces.length) nothing.textContent = "no finite value here";
  return { heights, parts: [svg("rect", plate), ...marks, ...lines, nothing, ...labels, ...decades] };
}

/** f along the axis. @param {Curve} curve @param {string} result @param {string} place @param {number} width px
 *  @param {(s: number) => void} go */
function plot(curve, result, place, width, go) {
  const sides = { [-1]: side(curve, -1, width), [1]: side(curve, 1, width) };
  const axes = across(width);
  const [left, right] = width < HEADINGS + 2 * SIDE ? [0, width] : [SIDE, width - SIDE];
  const viewBox = `0 0 ${width} ${HEIGHT + FOOT}`;
  const canvas = svg("svg", { viewBox, role: "img" });
  const guide = svg("line", { class: "guide", y1: TOP, y2: HEIGHT });
  const dot = svg("circle", { class: "here", r: 5.5 });
  const zero = svg("text", { class: "tick", x: axes.px(0), y: HEIGHT + 16, "text-anchor": "middle" }, "0");
  const name = svg("text", { class: "tick", x: left, y: 10 }, `${result}, logarithmic in both directions`);
  const kinks = svg("text", { class: "tick", x: right, y: 10, "text-anchor": "end" }, "dotted: kinks");
  canvas.append(...sides[-1].parts, ...sides[1].parts, zero, name, kinks, guide, dot);
  canvas.addEventListener("click", ({ clientX }) => {
    const box = canvas.getBoundingClientRect();
    go(axis(curve.reach).s(axes.place(((clientX - box.left) / box.width) * width)));
  });
  /** @param {Page} page */
  const show = ({ s, value, at, summary, result }) => {
    const x = axes.px(axis(curve.reach).place(s));
    const y = down(sides[s < 0 ? -1 : 1].heights.at(value));
    for (const end of ["x1", "x2"]) guide.setAttribute(end, String(x));
    dot.setAttribute("cx", String(x));
    dot.setAttribute("cy", String(y));
    canvas.ariaLabel = `${result} against ${place}, with ${curve.kinks.length} kinks. Now ${at}, ${result} = ${number(value)}: ${summary}`;
  };
  return { element: canvas, show };
}

/** f's lines: how often each ran, what its test answered; those that did not run are quiet. @param {Page} page */
function codeLines({ code }) {
  return code.map(({ text, times, note }) =>
    html(
      "div",
      { class: times ? "line ran" : "line", "data-times": times },
      html("span", { class: "times" }, times ? `${times}×` : ""),
      html("code", {}, text),
      html("span", { class: "note" }, note),
    ),
  );
}

/** @param {Page} page */
function readings({ numbers }) {
  return numbers.flatMap(({ term, text, exact, ink }) => [
    html("dt", {}, term),
    html("dd", { class: ink || text.toLowerCase(), title: exact || text }, text),
  ]);
}

/** The fewest digits that make this number again, in single precision or in double. @param {number} s */
function shortest(s) {
  const digits = Array.from({ length: 16 }, (_, i) => Number(s.toPrecision(i + 1)));
  const least = digits.find((near) => Math.fround(near) === s || near === s) ?? s;
  return s && (Math.abs(s) < 1e-3 || Math.abs(s) >= 1e12) ? least.toExponential() : String(least);
}

/** The slider, with the same places as the plot's axis, and a field to type the exact number.
 *  @param {(s: number) => void} go */
function control(go) {
  const slider = html("input", { type: "range", min: -STEPS, max: STEPS, step: 1 });
  const field = html("input", { type: "number", step: "any" });
  const label = html("label", {}, html("span"), field);
  const unit = /** @type {HTMLElement} */ (label.firstChild);
  /** @type {[number, number]} */
  let reach = [0, 1];
  const tell = (/** @type {number} */ s) => {
    slider.ariaValueText = number(s);
    field.value = shortest(s);
  };
  slider.addEventListener("input", () => {
    const s = axis(reach).s(Number(slider.value) / STEPS);
    tell(s);
    go(s);
  });
  typed(field, (s) => {
    tell(s);
    go(s);
  });
  /** @param {Curve} curve @param {Page} page */
  const show = (curve, { s, place, symbol, exact }) => {
    reach = curve.reach;
    slider.value = String(Math.round(STEPS * axis(reach).place(s)));
    tell(s);
    unit.textContent = `${symbol} =`;
    slider.ariaLabel = place;
    field.ariaLabel = `${symbol}, exactly`;
    field.title = exact;
  };
  return { slider: html("div", { class: "slide" }, slider), label, show };
}

/** @param {{model: Model, el: HTMLElement}} view */
function render({ model, el }) {
  const stage = frame("branches", model, el);
  const page = () => /** @type {Page} */ (model.get("page"));
  const curve = () => /** @type {Curve} */ (model.get("curve"));
  if (!page().code) return () => stage.close();

  const kernel = answered(model, () => `The picture shows the last ${page().name} that worked.`);
  const go = (/** @type {number} */ s) => kernel.ask({ s });

  const code = html("div", { class: "source", role: "group", "aria-label": "source code", tabindex: 0 });
  const list = html("dl");
  const row = control(go);
  const drawing = html("div", { class: "plot" });
  const place = html("p", { class: "place" }, page().place);
  const [why, crossed] = [html("p", { class: "why" }), html("p", { class: "crossed" })];
  const readout = html("div", { class: "readout" }, row.label, list);
  stage.live.append(html("div", { class: "top" }, code, readout), drawing, place, row.slider, kernel.trouble, crossed, why);

  let width = WIDTH;
  let graph = plot(curve(), page().result, page().place, width, go);
  const draw = () => {
    graph = plot(curve(), page().result, page().place, width, go);
    drawing.replaceChildren(graph.element);
  };
  // One unit of the drawing is one px, so that its words stay readable in a narrow column.
  const observer = new ResizeObserver(([{ contentRect }]) => {
    const column = Math.round(contentRect.width);
    if (!column || column === width) return;
    width = column;
    draw();
    graph.show(page());
  });
  observer.observe(drawing);
  const show = () => {
    const now = page();
    code.replaceChildren(...codeLines(now));
    list.replaceChildren(...readings(now));
    graph.show(now);
    why.textContent = now.why;
    crossed.textContent = now.crossed;
    crossed.hidden = !now.crossed;
    stage.state(now.summary);
    if (!kernel.busy()) row.show(curve(), now);
  };
  const deafen = listen(model, {
    curve() {
      draw();
      show();
    },
    page() {
      show();
      stage.announce(`${page().at}: ${page().summary}. ${page().crossed}`);
    },
    // a refused a stays where it was typed, beside the sentence that refuses it
    reply: () => !model.get("reply").problem && !kernel.busy() && row.show(curve(), page()),
  });
  draw();
  show();
  return () => {
    observer.disconnect();
    deafen();
    kernel.close();
    stage.close();
  };
}

export default { render };
