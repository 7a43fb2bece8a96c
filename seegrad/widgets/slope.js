import { answered, button, dial, floats, frame, html, listen, number, put, rounded, svg, typed } from "./common.js";

// slope(f, x): f with tangent and secant beside their error, or contours with the gradient.
// All values of f come from PyTorch: f around x once, f at x and its secants whenever x moves.

/**
 * @typedef {import("./common.js").Model} Model
 * @typedef {{code: string, count: number, along: number, shown: number[], names: string[], x: number[], at: string,
 *   moving: number, y: number, gradient: DataView, tangent: DataView, hs: number[], ends: DataView, secants: DataView,
 *   best: number}} Page
 * @typedef {{along: number, reach: number, ts: DataView, values: DataView}} Field
 * @typedef {{low: number, high: number, at(value: number): number, back(pixel: number): number}} Scale
 */

const CONTOURS = -1;
const LEVELS = 12;
const BUTTONS = 6; // up to so many elements of x have a button each
const LEFT = { width: 470, height: 320 };
const SQUARE = { width: 380, height: 380 };
const RIGHT = { width: 360, height: 320 };
const PAD = { left: 52, right: 12, top: 12, bottom: 40 };
const ARROW = 80; // px, the longest gradient

/** @param {number} low @param {number} high @param {number} from px @param {number} to px @returns {Scale} */
const scale = (low, high, from, to) => ({
  low,
  high,
  at: (value) => from + ((value - low) / (high - low)) * (to - from),
  back: (pixel) => low + ((pixel - from) / (to - from)) * (high - low),
});

/** Round numbers between low and high. @param {Scale} scale @param {number} most */
function ticks({ low, high }, most) {
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((one) => one * power >= rough) ?? 10) * power;
  const count = Math.floor(high / step) - Math.ceil(low / step) + 1;
  return Array.from({ length: count }, (_, i) => Number(((Math.ceil(low / step) + i) * step).toPrecision(8)));
}

/** The value below which that part of the numbers lies. @param {number[]} sorted @param {number} part */
const quantile = (sorted, part) => sorted[Math.round(part * (sorted.length - 1))];

/** @param {Iterable<number>} values */
const finite = (values) => [...values].filter(Number.isFinite).sort((a, b) => a - b);

/** A drawing with axes; `plot` is cut off at its borders. @param {{width: number, height: number}} size
 *  @param {string} label @param {[string, string]} names */
function chart({ width, height }, label, [across, up]) {
  const id = `clip-${crypto.getRandomValues(new Uint32Array(1))[0]}`;
  const box = { x: PAD.left, y: PAD.top, width: width - PAD.left - PAD.right, height: height - PAD.top - PAD.bottom };
  const axes = svg("g", { class: "axes" });
  const plot = svg("g", { "clip-path": `url(#${id})` });
  const canvas = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  const name = svg("text", { class: "name", x: box.x + box.width / 2, y: height - 6 }, across);
  const side = svg("text", { class: "name", transform: `translate(12 ${box.y + box.height / 2}) rotate(-90)` }, up);
  canvas.append(svg("clipPath", { id }, svg("rect", box)), axes, plot, name, side);
  /** @param {number[]} xs @param {Scale} x @param {number[]} ys @param {Scale} y @param {(value: number) => string} write */
  const rule = (xs, x, ys, y, write) => {
    axes.replaceChildren(
      ...xs.flatMap((value) => [
        svg("line", { x1: x.at(value), x2: x.at(value), y1: box.y, y2: box.y + box.height }),
        svg("text", { x: x.at(value), y: box.y + box.height + 15 }, write(value)),
      ]),
      ...ys.flatMap((value) => [
        svg("line", { x1: box.x, x2: box.x + box.width, y1: y.at(value), y2: y.at(value) }),
        svg("text", { class: "side", x: box.x - 5, y: y.at(value) }, write(value)),
      ]),
    );
  };
  return { canvas, plot, box, rule };
}

/** Calls `act` with the place in the drawing while it is pressed. @param {SVGSVGElement} canvas
 *  @param {(x: number, y: number) => void} act */
function draggable(canvas, act) {
  const follow = (/** @type {PointerEvent} */ event) => {
    const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(canvas.getScreenCTM()?.inverse());
    act(x, y);
  };
  canvas.classList.add("draggable");
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    follow(event);
  });
  canvas.addEventListener("pointermove", (event) => canvas.hasPointerCapture(event.pointerId) && follow(event));
}

/** A path through the points, broken where f is undefined, or leaps over the whole height as at a pole.
 *  @param {[number, number][]} points @param {number} [height] px */
function trace(points, height = Infinity) {
  let last = NaN;
  return points
    .map(([x, y]) => {
      const pen = Math.abs(y - last) < height;
      last = y;
      return Number.isFinite(y) ? `${pen ? "L" : "M"}${x.toFixed(2)} ${y.toFixed(2)}` : "";
    })
    .join("");
}

/** f with its tangent and secant. @param {Field} field @param {string} name @param {(value: number) => void} move */
function curvePlot({ reach, ts, values }, name, move) {
  const { canvas, plot, box, rule } = chart(LEFT, `f along ${name}, its tangent and a secant`, [name, "f"]);
  const x = scale(-reach, reach, box.x, box.x + box.width);
  const args = floats(ts);
  let heights = floats(values);
  let sorted = finite(heights);
  const [graph, tangent, secant] = [
    svg("path", { class: "graph" }),
    svg("line", { class: "tangent" }),
    svg("line", { class: "secant" }),
  ];
  const [here, end] = [svg("circle", { class: "here", r: 6 }), svg("circle", { class: "end", r: 5 })];
  plot.append(graph, secant, tangent, end, here);
  draggable(canvas, (pixel) => move(Math.max(-reach, Math.min(reach, x.back(pixel)))));
  let drawn = "";
  /** @param {Page} page @param {number} step */
  const show = ({ moving, y: height, tangent: bytes, hs, ends, secants }, step) => {
    const low = Math.min(quantile(sorted, 0.02) ?? height, height);
    const high = Math.max(quantile(sorted, 0.98) ?? height, height);
    const margin = 0.12 * (high - low) || 1;
    const y = scale(low - margin, high + margin, box.y + box.height, box.y);
    if (drawn !== `${low} ${high}`) {
      drawn = `${low} ${high}`;
      rule(ticks(x, 7), x, ticks(y, 6), y, number);
      graph.setAttribute(
        "d",
        trace(
          [...args].map((t, i) => [x.at(t), y.at(heights[i])]),
          box.height,
        ),
      );
    }
    /** @param {SVGElement} line @param {number} slope */
    const lay = (line, slope) => {
      line.toggleAttribute("hidden", !Number.isFinite(slope));
      if (!Number.isFinite(slope)) return;
      const ends = [x.low, x.high].map((t) => [x.at(t), y.at(height + slope * (t - moving))]);
      const [[x1, y1], [x2, y2]] = ends;
      for (const [key, value] of Object.entries({ x1, y1, x2, y2 })) line.setAttribute(key, String(value));
    };
    lay(tangent, floats(bytes)[0]);
    lay(secant, floats(secants)[step]);
    /** @param {SVGElement} dot @param {number} t @param {number} value */
    const put = (dot, t, value) => {
      dot.toggleAttribute("hidden", !Number.isFinite(value));
      if (!Number.isFinite(value)) return;
      dot.setAttribute("cx", String(x.at(t)));
      dot.setAttribute("cy", String(y.at(value)));
    };
    put(here, moving, height);
    put(end, moving + hs[step], floats(ends)[step]);
  };
  /** f with its other elements changed. @param {Field} field */
  const fill = ({ values }) => {
    [heights, drawn] = [floats(values), ""];
    sorted = finite(heights);
  };
  return { canvas, show, fill };
}

/** One contour: in each cell of the grid, the lines between the sides that it crosses.
 *  @param {Float64Array} values @param {number} n @param {number} level
 *  @param {(column: number, row: number) => string} place */
function contour(values, n, level, place) {
  let path = "";
  for (let i = 0; i < n - 1; i++) {
    for (let j = 0; j < n - 1; j++) {
      const corners = [
        [j, i],
        [j + 1, i],
        [j + 1, i + 1],
        [j, i + 1],
      ];
      const heights = corners.map(([a, b]) => values[b * n + a] - level);
      if (!heights.every(Number.isFinite)) continue;
      const crossings = corners.flatMap(([a, b], k) => {
        const [c, d] = corners[(k + 1) % 4];
        const [from, to] = [heights[k], heights[(k + 1) % 4]];
        if (from < 0 === to < 0) return [];
        const part = from / (from - to);
        return [place(a + part * (c - a), b + part * (d - b))];
      });
      for (let k = 0; k + 1 < crossings.length; k += 2) path += `M${crossings[k]}L${crossings[k + 1]}`;
    }
  }
  return path;
}

/** Contours of f, and the gradient at the point. @param {Field} field @param {string[]} names
 *  @param {(x: number, y: number) => void} move */
function contourPlot({ reach, ts, values }, names, move) {
  const { canvas, plot, box, rule } = chart(SQUARE, `contours of f over ${names.join(" and ")}, and its gradient`, [
    names[0],
    names[1],
  ]);
  const x = scale(-reach, reach, box.x, box.x + box.width);
  const y = scale(-reach, reach, box.y + box.height, box.y);
  const [n, heights] = [floats(ts).length, floats(values)];
  const sorted = finite(heights);
  const levels = [...new Set(Array.from({ length: LEVELS }, (_, i) => quantile(sorted, (i + 1) / (LEVELS + 1))))];
  const place = (/** @type {number} */ column, /** @type {number} */ row) =>
    `${x.at(-reach + (2 * reach * column) / (n - 1)).toFixed(2)} ${y.at(-reach + (2 * reach * row) / (n - 1)).toFixed(2)}`;
  rule(ticks(x, 6), x, ticks(y, 6), y, number);
  levels.forEach((level, i) => {
    const path = svg(
      "path",
      { class: "contour", d: contour(heights, n, level, place) },
      svg("title", {}, `f = ${number(level)}`),
    );
    path.style.opacity = String(0.3 + (0.7 * i) / Math.max(1, levels.length - 1));
    plot.append(path);
  });
  const [arrow, head, here] = [
    svg("line", { class: "arrow" }),
    svg("path", { class: "head" }),
    svg("circle", { class: "here", r: 6 }),
  ];
  plot.append(arrow, head, here);
  const within = (/** @type {number} */ value) => Math.max(-reach, Math.min(reach, value));
  draggable(canvas, (a, b) => move(within(x.back(a)), within(y.back(b))));
  const steepest = (quantile(sorted, 0.98) - quantile(sorted, 0.02)) / reach || 1;
  /** @param {Page} page */
  const show = ({ x: [a, b], gradient }) => {
    const [right, up] = floats(gradient);
    const [left, top] = [x.at(a), y.at(b)];
    here.setAttribute("cx", String(left));
    here.setAttribute("cy", String(top));
    const size = Math.hypot(right, up);
    // As long as the gradient, and no longer than what is left of the plot: its head must be seen.
    const wish = Math.min(ARROW, Math.max(26, (ARROW * size) / steepest));
    const room = (/** @type {number} */ from, /** @type {number} */ way, /** @type {number} */ low, /** @type {number} */ most) =>
      way > 0 ? (low + most - from) / way : way < 0 ? (low - from) / way : Infinity;
    const free = Math.min(
      room(left, right / size, box.x, box.width),
      room(top, -up / size, box.y, box.height),
    );
    const length = Math.min(wish, Math.max(free, 12));
    for (const part of [arrow, head]) part.toggleAttribute("hidden", !(size > 0 && size < Infinity));
    if (!(size > 0 && size < Infinity)) return;
    const [dx, dy] = [(right / size) * length, (-up / size) * length];
    for (const [key, value] of Object.entries({ x1: left, y1: top, x2: left + 0.9 * dx, y2: top + 0.9 * dy }))
      arrow.setAttribute(key, String(value));
    const angle = (Math.atan2(dy, dx) * 180) / Math.PI;
    head.setAttribute("transform", `translate(${left + dx} ${top + dy}) rotate(${angle})`);
    head.setAttribute("d", "M0 0L-11 -5.5V5.5Z");
  };
  return { canvas, show };
}

/** |secant − tangent| against h, both on log scales. @param {(step: number) => void} pick */
function errorPlot(pick) {
  const { canvas, plot, box, rule } = chart(RIGHT, "error of the secant against h, log scales", [
    "h",
    "|secant − tangent|",
  ]);
  const dots = svg("g");
  const [line, best, now] = [
    svg("path", { class: "graph error" }),
    svg("line", { class: "best" }),
    svg("circle", { class: "now", r: 5.5 }),
  ];
  const words = svg("text", { class: "note", y: box.y + 12 });
  plot.append(best, line, dots, now, words);
  /** @type {Scale} */
  let x = scale(-1, 0, 0, 1);
  /** @type {number[]} */
  let steps = [];
  draggable(canvas, (pixel) => {
    const log = x.back(pixel);
    const near = steps.map((h, i) => ({ i, far: Math.abs(Math.log10(h) - log) }));
    pick(near.reduce((a, b) => (b.far < a.far ? b : a)).i);
  });
  const power = (/** @type {number} */ log) => (log === 0 ? "1" : `1e${log}`);
  /** @param {Page} page @param {number} step */
  const show = ({ hs, secants, tangent, best: least }, step) => {
    steps = hs;
    const slope = floats(tangent)[0];
    const errors = [...floats(secants)].map((secant) => Math.abs(secant - slope));
    const logs = errors.filter((error) => error > 0 && error < Infinity).map(Math.log10);
    if (!logs.length) logs.push(0);
    const low = Math.floor(Math.min(...logs) - 0.5);
    const most = Math.ceil(Math.max(...logs, low + 1) + 0.2);
    const high = most + 0.1 * (most - low); // room for the words above
    x = scale(Math.log10(hs.at(-1) ?? 1) - 0.3, 0.3, box.x, box.x + box.width);
    const y = scale(low, high, box.y + box.height, box.y);
    const whole = (/** @type {Scale} */ s, /** @type {number} */ most) => ticks(s, most).filter(Number.isInteger);
    rule(whole(x, 7), x, whole(y, 7), y, power);
    // an error of 0 has no logarithm: it lies on the lowest line, and is hollow
    const at = (/** @type {number} */ i) => [
      x.at(Math.log10(hs[i])),
      errors[i] > 0 ? y.at(Math.log10(errors[i])) : errors[i] === 0 ? y.at(low) - 6 : NaN,
    ];
    line.setAttribute("d", trace(hs.map((_, i) => /** @type {[number, number]} */ (at(i)))));
    dots.replaceChildren(
      ...hs.flatMap((h, i) => {
        const [cx, cy] = at(i);
        if (!Number.isFinite(cy)) return [];
        const title = svg("title", {}, `h = ${number(h)}: error ${number(errors[i])}`);
        return [svg("circle", { class: errors[i] ? "dot" : "dot zero", cx, cy, r: 2.5 }, title)];
      }),
    );
    const middle = x.at(Math.log10(hs[least]));
    for (const [key, value] of Object.entries({ x1: middle, x2: middle, y1: box.y, y2: box.y + box.height }))
      best.setAttribute(key, String(value));
    words.textContent = `best h = ${number(hs[least])}`;
    words.setAttribute("x", String(middle));
    words.style.textAnchor = middle > box.x + box.width / 2 ? "end" : "start";
    words.setAttribute("dx", middle > box.x + box.width / 2 ? "-6" : "6");
    const [cx, cy] = at(step);
    now.toggleAttribute("hidden", !Number.isFinite(cy));
    if (Number.isFinite(cy)) (now.setAttribute("cx", String(cx)), now.setAttribute("cy", String(cy)));
  };
  return { canvas, show };
}

/** Names and numbers, each number in its ink. @param {[string, string, string, string][]} rows name, number, ink, key */
function facts(rows) {
  return html(
    "dl",
    { class: "facts" },
    ...rows.flatMap(([name, text, ink, key]) => [
      html("dt", {}, name),
      html("dd", { class: ink, "data-fact": key }, text),
    ]),
  );
}

/** What the numbers are. @param {Page} page @param {number} step */
function told({ y, along, names, shown, gradient, tangent, hs, secants, best }, step) {
  const slope = floats(tangent)[0];
  const secant = floats(secants)[step];
  /** @type {[string, string, string, string]} */
  const value = ["f(x)", number(y), "value", "y"];
  if (along === CONTOURS) {
    const parts = [...floats(gradient)];
    return facts([
      value,
      ...names.map(
        (name, i) =>
          /** @type {[string, string, string, string]} */ ([
            `∂f/∂${name}`,
            number(parts[i]),
            "gradient",
            `gradient-${i}`,
          ]),
      ),
      ["length of the gradient", number(Math.hypot(...parts)), "gradient", "length"],
    ]);
  }
  const name = names[shown.indexOf(along)];
  return facts([
    value,
    [`tangent: ∂f/∂${name}`, number(slope), "gradient", "tangent"],
    [`secant: (f(x + h) − f(x)) / h`, number(secant), "", "secant"],
    ["error: |secant − tangent|", number(Math.abs(secant - slope)), "", "error"],
    ["h with the least error", number(hs[best]), "", "best"],
  ]);
}

const MEANING = {
  contours:
    "Along a contour f stays the same. The gradient crosses it at a right angle and points to where f grows " +
    "fastest; minus the gradient is the way down.",
  along:
    "A secant goes through two points of f, the tangent through one. As h shrinks, the secant turns into the tangent " +
    "and its error shrinks with h (truncation); then x + h and x are so close that rounding decides, and the error " +
    "grows with 1/h.",
};

/** The buttons, or the field, that choose which elements of x move. @param {Page} page @param {(along: number) => void} go */
function chooser({ count, along, shown, names }, go) {
  if (count === 1) return [];
  if (count > BUTTONS) {
    const label = { "aria-label": "element of x that moves" };
    const field = html("input", { type: "number", min: 0, max: count - 1, step: 1, value: along, ...label });
    typed(field, go);
    return [html("div", { class: "choices" }, "along element", field)];
  }
  const elements = names.map((name, i) => ({ to: shown[i], label: `along ${name}` }));
  const options = count === 2 ? [{ to: CONTOURS, label: "contours" }, ...elements] : elements;
  const buttons = options.map(({ to, label }) =>
    button(label, () => go(to), { "data-along": to, "aria-pressed": to === along }),
  );
  return [html("div", { class: "choices", role: "group", "aria-label": "what is shown" }, ...buttons)];
}

/** A slider with its name before it. @param {string} name @param {HTMLElement} control @param {string} kind */
const row = (name, control, kind) =>
  html("div", { class: `pair ${kind}` }, html("span", { class: `name ${kind}` }, name), control);

/** The slider of h, the largest at its right end. @param {(step: number) => void} pick */
function stepper(pick) {
  const slider = html("input", { type: "range", min: 0, step: 1, "aria-label": "step h of the secant" });
  const size = html("span", { class: "size" });
  slider.addEventListener("input", () => pick(Number(slider.max) - Number(slider.value)));
  /** @param {number[]} hs @param {number} step */
  const show = (hs, step) => {
    slider.max = String(hs.length - 1);
    slider.value = String(hs.length - 1 - step);
    slider.ariaValueText = `h = ${number(hs[step])}`;
    size.textContent = number(hs[step]);
  };
  return { element: row("h", html("div", { class: "dial" }, slider, size), "h"), show };
}

/** One layout of the live view: it lasts as long as f around x is the same.
 *  @param {Page} page @param {Field} field
 *  @param {{move(values: Record<number, number>): void, pick(step: number): void, go(along: number): void}} acts */
function layout(page, field, { move, pick, go }) {
  const { code, names, shown, along, x } = page;
  const contours = along === CONTOURS;
  const dials = names.map((name, place) => {
    const reach = contours || shown[place] === along ? field.reach : rounded(1.5 * Math.abs(x[place]) || 3);
    const one = dial(name, reach, (value) => move({ [place]: value }));
    one.element.classList.add("value");
    one.slider.dataset.x = name;
    return one;
  });
  const h = stepper(pick);
  const place = shown.indexOf(along);
  const drawing = contours
    ? contourPlot(field, names, (a, b) => move({ 0: a, 1: b }))
    : curvePlot(field, names[place], (value) => move({ [place]: Number(value.toPrecision(4)) }));
  const errors = contours ? null : errorPlot(pick);
  const source = html(
    "pre",
    { class: "source", tabindex: 0, role: "group", "aria-label": "f" },
    html("code", {}, code),
  );
  const rows = dials.map(({ element }, i) => row(names[i], element, "value"));
  const sliders = html("div", { class: "sliders" }, ...rows, ...(contours ? [] : [h.element]));
  const numbers = html("div");
  const meaning = html("p", { class: "meaning" }, contours ? MEANING.contours : MEANING.along);
  const body = errors
    ? [
        html("div", { class: "plots" }, drawing.canvas, errors.canvas),
        html("div", { class: "below" }, sliders, numbers),
        meaning,
      ]
    : [
        html(
          "div",
          { class: "plots contours" },
          drawing.canvas,
          html("div", { class: "told" }, sliders, numbers, meaning),
        ),
      ];
  return {
    elements: [source, ...chooser(page, go), ...body],
    fits: (/** @type {Field} */ other) => other.along === field.along && other.reach === field.reach,
    fill: (/** @type {Field} */ other) => "fill" in drawing && drawing.fill(other),
    /** @param {number[]} values */
    dial: (values) => values.forEach((value, i) => dials[i].show(value)),
    /** @param {Page} now @param {number} step */
    show(now, step) {
      drawing.show(now, step);
      errors?.show(now, step);
      h.show(now.hs, step);
      const list = told(now, step);
      numbers.replaceChildren(list);
      return [...list.children].map((node) => node.textContent).join(" ");
    },
  };
}

/** Fills `stand` anew and gives the focus back to the control that had it.
 *  @param {HTMLElement} stand @param {Node[]} elements */
function refill(stand, elements) {
  const { x, along } = /** @type {HTMLElement | null} */ (stand.querySelector(":focus"))?.dataset ?? {};
  stand.replaceChildren(...elements);
  const again = x ? `[data-x="${CSS.escape(x)}"]` : along ? `[data-along="${CSS.escape(along)}"]` : "";
  const control = again ? stand.querySelector(again) : null;
  if (control instanceof HTMLElement) control.focus({ preventScroll: true });
}

/** @param {{model: Model, el: HTMLElement}} view */
function render({ model, el }) {
  const stage = frame("slope", model, el);
  const page = () => /** @type {Page} */ (model.get("page"));
  const { ask, busy, close, trouble } = answered(model, () => `The picture is for ${page().at}.`);
  const stand = html("div", { class: "page" });
  stage.live.append(stand, trouble); // below: what is dragged must not move away under the hand

  /** @type {number[]} */
  let x = [];
  /** @type {ReturnType<typeof layout> | undefined} */
  let current;
  /** @type {Field | undefined} */
  let around;
  const request = (along = page().along) => ask({ shown: page().shown, x, along });
  const acts = {
    /** @param {Record<number, number>} values */
    move(values) {
      x = x.map((value, i) => values[i] ?? value);
      current?.dial(x);
      request();
    },
    pick: (/** @type {number} */ step) => put(model, "h", step),
    go: request,
  };
  const stepped = () => {
    const { hs, along } = page();
    if (!hs || !current) return;
    const step = Math.min(model.get("h"), hs.length - 1);
    stage.announce(current.show(page(), step));
    stage.state(along === CONTOURS ? "contours" : `h = ${number(hs[step])}`);
  };
  const show = () => {
    if (!page().hs) return;
    const field = /** @type {Field} */ (model.get("field"));
    if (field.along !== page().along) return; // its other half has not arrived
    const anew = !current?.fits(field);
    if (anew || !busy()) x = [...page().x];
    if (anew) {
      current = layout(page(), field, acts);
      refill(stand, current.elements);
    } else if (field !== around) current?.fill(field);
    around = field;
    if (anew || !busy()) current?.dial(x);
    stepped();
  };
  const deafen = listen(model, { page: show, field: show, h: stepped });
  show();
  return () => {
    deafen();
    close();
    stage.close();
  };
}

export default { render };
