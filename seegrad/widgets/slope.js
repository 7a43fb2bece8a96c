import { asker, button, dial, floats, frame, html, listen, number, put, rounded, svg, typed } from "./common.js";

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
  const [args, heights] = [floats(ts), floats(values)];
  const sorted = finite(heights);
  const [graph, tangent, secant] = [svg("path", { class: "graph" }), svg("line", { class: "tangent" }), svg("line", { class: "secant" })];
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
      graph.setAttribute("d", trace([...args].map((t, i) => [x.at(t), y.at(heights[i])]), box.height));
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
  return { canvas, show };
}

/** One contour: in each cell of the grid, the lines between the sides that it crosses.
 *  @param {Float64Array} values @param {number} n @param {number} level
 *  @param {(column: number, row: number) => string} place */
function contour(values, n, level, place) {
  let path = "";
  for (let i = 0; i < n - 1; i++) {
    for (let j = 0; j < n - 1; j++) {
      const corners = [[j, i], [j + 1, i], [j + 1, i + 1], [j, i + 1]];
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
  const { canvas, plot, box, rule } = chart(SQUARE, `contours of f over ${names.join(" and ")}, and its gradient`, [names[0], names[1]]);
  const x = scale(-reach, reach, box.x, box.x + box.width);
  const y = scale(-reach, reach, box.y + box.height, box.y);
  const [n, heights] = [floats(ts).length, floats(values)];
  const sorted = finite(heights);
  const levels = [...new Set(Array.from({ length: LEVELS }, (_, i) => quantile(sorted, (i + 1) / (LEVELS + 1))))];
  const place = (/** @type {number} */ column, /** @type {number} */ row) =>
    `${x.at(-reach + (2 * reach * column) / (n - 1)).toFixed(2)} ${y.at(-reach + (2 * reach * row) / (n - 1)).toFixed(2)}`;
  rule(ticks(x, 6), x, ticks(y, 6), y, number);
  levels.forEach((level, i) => {
    const path = svg("path", { class: "contour", d: contour(heights, n, level, place) }, svg("title", {}, `f = ${number(level)}`));
    path.style.opacity = String(0.3 + (0.7 * i) / Math.max(1, levels.length - 1));
    plot.append(path);
  });
  const [arrow, head, here] = [svg("line", { class: "arrow" }), svg("path", { class: "head" }), svg("circle", { class: "here", r: 6 })];
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
    const length = Math.min(ARROW, Math.max(26, (ARROW * size) / steepest));
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
  const { canvas, plot, box, rule } = chart(RIGHT, "error of the secant against h, log scales", ["h", "|secant − tangent|"]);
  const dots = svg("g");
  const [line, best, now] = [svg("path", { class: "graph error" }), svg("line", { class: "best" }), svg("circle", { class: "now", r: 5.5 })];
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
    const low = Math.floor(Math.min(...logs, 0) - 0.5);
    const high = Math.ceil(Math.max(...logs, low + 1) + 0.2);
    x = scale(Math.log10(hs.at(-1) ?? 1) - 0.3, 0.3, box.x, box.x + box.width);
    const y = scale(low, high, box.y + box.height, box.y);
    const whole = (/** @type {Scale} */ s, /** @type {number} */ most) => ticks(s, most).filter(Number.isInteger);
    rule(whole(x, 7), x, whole(y, 7), y, power);
    // an error of 0 has no logarithm: it lies on the lowest line, and is hollow
    const at = (/** @type {number} */ i) => [x.at(Math.log10(hs[i])), errors[i] > 0 ? y.at(Math.log10(errors[i])) : errors[i] === 0 ? y.at(low) - 4 : NaN];
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
    for (const [key, value] of Object.entries({ x1: middle, x2: middle, y1: box.y, y2: box.y + box.height })) best.setAttribute(key, String(value));
    words.textContent = `best h = ${number(hs[least])}`;
    words.setAttribute("x", String(middle));
    words.style.textAnchor = middle > box.x + box.width / 2 ? "end" : "start";
    words.setAttribute("dx", middle > box.x + box.width / 2 ? "-6" : "6");
    const [cx, cy] = at(step);
    now.toggleAttribute("hidden", !Number.isFinite(cy));
    if (Number.isFinite(cy)) now.setAttribute("cx", String(cx)), now.setAttribute("cy", String(cy));
  };
  return { canvas, show };
}

/** Names and numbers, each number in its ink. @param {[string, string, string, string][]} rows name, number, ink, key */
function facts(rows) {
  return html(
    "dl",
    { class: "facts" },
    ...rows.flatMap(([name, text, ink, key]) => [html("dt", {}, name), html("dd", { class: ink, "data-fact": key }, text)]),
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
      ...names.map((name, i) => /** @type {[string, string, string, string]} */ ([`∂f/∂${name}`, number(parts[i]), "gradient", `gradient-${i}`])),
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
    "Along a contour f stays the same. The gradient crosses it at a right angle and points to where f grows fastest; minus the gradient is the way down.",
  along:
    "A secant goes through two points of f, the tangent through one. As h shrinks, the secant turns into the tangent and its error shrinks with h (truncation); then x + h and x are so close that rounding decides, and the error grows with 1/h.",
};

/** @param {{model: Model, el: HTMLElement}} view */
function render({ model, el }) {
  const stage = frame(model, el);
  const page = () => /** @type {Page} */ (model.get("page"));
  const field = () => /** @type {Field} */ (model.get("field"));
  const trouble = html("p", { class: "problem trouble", role: "status" });
  const { ask, busy, close } = asker(model, (sentence) => {
    trouble.textContent = sentence && `${sentence} The picture is for ${page().at}.`;
    trouble.hidden = !sentence;
  });
  trouble.hidden = true;
  const stand = html("div", { class: "page" });
  stage.live.append(trouble, stand);

  /** @type {number[]} */
  let x = [];
  const request = (along = page().along) => ask({ shown: page().shown, x, along });
  /** @param {number} place @param {number} value */
  const move = (place, value) => {
    x[place] = value;
    dials[place].show(value);
    request();
  };
  const step = () => Math.min(model.get("h"), page().hs.length - 1);
  const pick = (/** @type {number} */ next) => put(model, "h", next);

  /** @type {{show(value: number): void}[]} */
  let dials = [];
  let built = "";
  let [left, right] = [/** @type {{canvas: SVGSVGElement, show: Function} | null} */ (null), /** @type {ReturnType<typeof errorPlot> | null} */ (null)];
  /** @type {HTMLInputElement} */
  let slider;
  let numbers = html("div");
  let meaning = html("p", { class: "meaning" });

  /** The buttons that choose what moves. */
  const chooser = () => {
    const { count, along, shown, names } = page();
    if (count === 1) return [];
    if (shown.length < count || count > 6) {
      const field = html("input", { type: "number", min: 0, max: count - 1, value: along, "aria-label": "element of x that moves" });
      typed(field, request);
      return [html("div", { class: "choices" }, "along element", field)];
    }
    const options = [...(count === 2 ? [{ to: CONTOURS, label: "contours" }] : []), ...names.map((name, i) => ({ to: shown[i], label: `along ${name}` }))];
    const buttons = options.map(({ to, label }) => button(label, () => request(to), { "data-along": to, "aria-pressed": to === along }));
    return [html("div", { class: "choices", role: "group", "aria-label": "what is shown" }, ...buttons)];
  };
  const build = () => {
    const { code, names, shown, along, x: values } = page();
    const around = field();
    const contours = along === CONTOURS;
    const source = html("pre", { class: "source", tabindex: 0, role: "group", "aria-label": "f" }, html("code", {}, code));
    const made = names.map((name, place) => {
      const one = dial(name, contours || shown[place] === along ? around.reach : rounded(1.5 * Math.abs(values[place]) || 3), (value) => move(place, value));
      one.element.classList.add("value");
      one.slider.dataset.x = name;
      return { ...one, row: html("div", { class: "row" }, html("span", { class: "value name" }, name), one.element) };
    });
    dials = made;
    slider = html("input", { type: "range", min: 0, step: 1, "aria-label": "step h of the secant" });
    slider.addEventListener("input", () => pick(page().hs.length - 1 - Number(slider.value)));
    const size = html("span", { class: "size" });
    const h = html("div", { class: "row h" }, html("span", { class: "name" }, "h"), html("div", { class: "dial" }, slider, size));
    const place = shown.indexOf(along);
    left = contours
      ? contourPlot(around, names, (a, b) => {
          x[0] = a;
          move(1, b);
          dials[0].show(a);
        })
      : curvePlot(around, names[place], (value) => move(place, Number(value.toPrecision(4))));
    right = contours ? null : errorPlot(pick);
    numbers = html("div");
    meaning = html("p", { class: "meaning" }, contours ? MEANING.contours : MEANING.along);
    const controls = html("div", { class: "sliders" }, ...made.map(({ row }) => row), ...(contours ? [] : [h]));
    const text = html("div", { class: "told" }, controls, numbers, ...(contours ? [meaning] : []));
    const plots = html("div", { class: contours ? "plots contours" : "plots" }, left.canvas, ...(right ? [right.canvas] : [text]));
    const below = contours ? [] : [html("div", { class: "below" }, controls, numbers), meaning];
    stand.replaceChildren(source, ...chooser(), plots, ...below);
    x = [...values];
  };
  const show = () => {
    if (!page().hs) return;
    const structure = JSON.stringify([page().along, page().names, page().code, field().reach, ...[...floats(field().values)].slice(0, 400)]);
    if (structure !== built) {
      const focused = /** @type {HTMLElement | null} */ (stand.querySelector(":focus"));
      const [key, along] = [focused?.dataset.x, focused?.dataset.along];
      built = structure;
      build();
      const again = [...stand.querySelectorAll("[data-x], [data-along]")].find((node) => node instanceof HTMLElement && (key ? node.dataset.x === key : along && node.dataset.along === along));
      if (again instanceof HTMLElement) again.focus({ preventScroll: true });
    }
    if (!busy()) {
      x = [...page().x];
      x.forEach((value, i) => dials[i].show(value));
    }
    left?.show(page(), step());
    stepped();
  };
  const stepped = () => {
    if (!page().hs) return;
    const { hs, along } = page();
    left?.show(page(), step());
    right?.show(page(), step());
    slider.max = String(hs.length - 1);
    slider.value = String(hs.length - 1 - step()); // its right end is the largest h
    slider.ariaValueText = `h = ${number(hs[step()])}`;
    const size = slider.nextElementSibling;
    if (size) size.textContent = number(hs[step()]);
    const now = told(page(), step());
    numbers.replaceChildren(now);
    stage.state(along === CONTOURS ? "contours" : `h = ${number(hs[step()])}`);
    stage.announce([...now.children].map((node) => node.textContent).join(" "));
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
