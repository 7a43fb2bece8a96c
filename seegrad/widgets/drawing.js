import { svg } from "./common.js";

// What the drawings of graph and cut share: edges, what is written on them and in boxes, and the fit into a column.

/** @typedef {{ink: string, text: string, x: number, y: number, room: number, at_end: boolean}} Text a line in a box */

const BEND = 10; // px, the radius of the corners where an edge turns back to the next line
const LINE = 15; // px between two lines of a label
const [BESIDE, ABOVE] = [8, 12]; // px around a drawing, for rings and tags
const LEAST = 0.84; // down to this scale a drawing shrinks to fit: its smallest text, of 12.5 px, has 10.5 px then

/** The way from one point to another: which way, and how far. @param {number[]} from @param {number[]} to */
function way([x0, y0], [x1, y1]) {
  return { x: Math.sign(x1 - x0), y: Math.sign(y1 - y0), length: Math.abs(x1 - x0) + Math.abs(y1 - y0) };
}

/** An edge through the points, level at each of them; where it goes straight down, to go on in the next line, its
 *  corners are rounded. @param {number[][]} points */
export function curve(points) {
  const down = (/** @type {number} */ i) => points[i]?.[0] === points[i + 1]?.[0];
  const legs = points.slice(1).map(([x, y], i) => {
    const [from, level] = points[i];
    const middle = (from + x) / 2;
    const last = i + 2 === points.length;
    if (last || !(down(i) || down(i + 1))) return `C${middle} ${level} ${middle} ${y} ${x} ${y}`;
    const [before, after] = [way(points[i], points[i + 1]), way(points[i + 1], points[i + 2])];
    const radius = Math.min(BEND, before.length / 2, after.length / 2);
    const end = `${x + after.x * radius} ${y + after.y * radius}`;
    return `L${x - before.x * radius} ${y - before.y * radius}Q${x} ${y} ${end}`;
  });
  return `M${points[0].join(" ")}${legs.join("")}`;
}

/** The head of a gradient's arrow, at the left end of its edge. @param {number[][]} points */
export const arrowHead = (points) => svg("path", { class: "head", d: `M${points[0].join(" ")}m2 0l9 -4.5v9z` });

/** Writes a label, one line below the other, around its place; the title says it in full.
 *  @param {SVGTextElement} text @param {number[]} place @param {string[]} lines @param {string} title */
export function write(text, [x, y], lines, title) {
  const top = y - ((lines.length - 1) * LINE) / 2;
  const rows = lines.map((line, i) => svg("tspan", { x, y: top + i * LINE }, line));
  text.replaceChildren(svg("title", {}, title), ...rows);
}

/** Shortens a text that is wider than its room; a title has the whole. @param {SVGTextElement} text @param {number} room */
export function elide(text, room) {
  const [letters, width] = [[...(text.textContent ?? "")], text.getComputedTextLength()];
  const kept = Math.max(0, Math.floor((letters.length * room) / width) - 1);
  if (width > room + 0.5) text.textContent = letters.slice(0, kept).join("") + "…";
}

/** The lines of a box. @param {Text[]} texts */
export function written(texts) {
  return texts.map(({ ink, text, x, y, at_end }) => svg("text", { class: at_end ? `${ink} end` : ink, x, y }, text));
}

/** The paper that a drawing is on. @param {{width: number, height: number}} size */
export function sheet(size) {
  const [width, height] = [size.width + 2 * BESIDE, size.height + 2 * ABOVE];
  return { x: -BESIDE, y: -ABOVE, width, height, viewBox: `${-BESIDE} ${-ABOVE} ${width} ${height}` };
}

/** Fits a drawing into its scroller: as large as it is, or smaller as far as it stays legible; then it scrolls.
 *  @param {SVGSVGElement} canvas @param {{width: number, height: number}} size @param {number} column px */
export function fitted(canvas, { width, height }, column) {
  const tallest = canvas.parentElement ? parseFloat(getComputedStyle(canvas.parentElement).maxHeight) : NaN;
  const scale = Math.min(1, column / width, (tallest || Infinity) / height);
  canvas.style.width = `${Math.max(LEAST, scale) * width}px`;
}
