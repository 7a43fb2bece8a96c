// What every widget shares: elements, formulas, keys, and the frame with its four faces.

const SVG = "http://www.w3.org/2000/svg";
const MATHML = "http://www.w3.org/1998/Math/MathML";
const PATIENCE = 5000; // ms to wait for the kernel before saying that one is needed
export const REST = 300; // ms without a change after which the hand is said to rest
const UNANSWERED =
  "No kernel has answered for 5 seconds: it is busy, or gone. What is shown is its last answer; run the cell again for a new one.";
const FIELD = 9; // characters that a field for numbers has room for
const FACES = { live: "live", still: "still picture", code: "code", text: "text" };
const TEXT_FIELD = "input:not([type=range]), textarea, select, [contenteditable]";

/** @typedef {{get(trait: string): any, set(trait: string, value: any): void, save_changes(): void,
 *    on(event: string, act: () => void): void, off(event: string, act: () => void): void}} Model
 *  @typedef {Record<string, any>} Attributes */

/** @template {Element} E @param {E} node @param {Attributes} attributes @param {(Node | string)[]} children */
function dress(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

/** An HTML element; strings among the children become text, never markup.
 *  @template {keyof HTMLElementTagNameMap} T
 *  @param {T} tag @param {Attributes} [attributes] @param {(Node | string)[]} children */
export function html(tag, attributes = {}, ...children) {
  return dress(document.createElement(tag), attributes, children);
}

/** An SVG element. @template {keyof SVGElementTagNameMap} T
 *  @param {T} tag @param {Attributes} [attributes] @param {(Node | string)[]} children */
export function svg(tag, attributes = {}, ...children) {
  return dress(document.createElementNS(SVG, tag), attributes, children);
}

/** A button that keeps the focus when `ariaDisabled` switches it off, as `disabled` would not.
 *  @param {string} label @param {() => void} act @param {Attributes} [attributes] */
export function button(label, act, attributes = {}) {
  const node = html("button", { type: "button", ...attributes }, label);
  node.addEventListener("click", () => node.ariaDisabled !== "true" && act());
  return node;
}

/** MathML as elements, or its LaTeX as text when the source is anything but plain MathML.
 *  @param {string} mathml @param {string} latex @returns {Node} */
export function formula(mathml, latex) {
  const math = new DOMParser().parseFromString(mathml, "application/xml").documentElement;
  const plain = [math, ...math.querySelectorAll("*")].every(
    ({ namespaceURI, attributes }) =>
      namespaceURI === MATHML && ![...attributes].some(({ name }) => /^on|href$/i.test(name)),
  );
  return plain ? document.importNode(math, true) : html("span", { class: "latex" }, latex);
}

/** Replaces the text only if it changed: a screen reader and the layout are left alone. A text that stands there is
 *  changed in place, which spares the browser a new box.
 *  @param {Element} node @param {string} text */
export function say(node, text) {
  const { firstChild, childNodes } = node;
  if (!(firstChild instanceof Text) || childNodes.length > 1) node.textContent = text;
  else if (firstChild.data !== text) firstChild.data = text;
}

/** Sets a trait here and in the kernel. @param {Model} model @param {string} trait @param {any} value */
export function put(model, trait, value) {
  model.set(trait, value);
  model.save_changes();
}

/** Calls `acts[trait]` when that trait changes, until the returned function is called.
 *  @param {Model} model @param {Record<string, () => void>} acts */
export function listen(model, acts) {
  for (const [trait, act] of Object.entries(acts)) model.on(`change:${trait}`, act);
  return () => {
    for (const [trait, act] of Object.entries(acts)) model.off(`change:${trait}`, act);
  };
}

/** Binds keys for the live view, text fields excepted; an act that returns false leaves the key alone.
 *  @param {{root: HTMLElement, live: HTMLElement}} stage
 *  @param {Record<string, (target: Element) => boolean | void>} acts */
export function keys({ root, live }, acts) {
  root.addEventListener("keydown", (event) => {
    const target = /** @type {Element} */ (event.target);
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (live.hidden || target.matches(TEXT_FIELD)) return;
    if (!Object.hasOwn(acts, event.key) || acts[event.key](target) === false) return;
    event.preventDefault();
    event.stopPropagation();
  });
}

/** Scrolls `scroller`, never the page, until the first of `targets` stands clear of its edges, with those of the others
 *  that have room in it too. @param {Element} scroller @param {Element[]} targets */
export function reveal(scroller, ...targets) {
  const port = scroller.getBoundingClientRect();
  const [first, ...others] = targets.map((target) => target.getBoundingClientRect());
  const box = others.reduce(({ left, right, top, bottom }, other) => {
    const both = {
      left: Math.min(left, other.left),
      right: Math.max(right, other.right),
      top: Math.min(top, other.top),
      bottom: Math.max(bottom, other.bottom),
    };
    const room = both.right - both.left <= port.width - 48 && both.bottom - both.top <= port.height;
    return room ? both : { left, right, top, bottom };
  }, first);
  const across = box.left < port.left + 24 || box.right > port.right - 24;
  const down = box.top < port.top || box.bottom > port.bottom;
  if (!across && !down) return;
  scroller.scrollTo({
    left: scroller.scrollLeft + (across ? (box.left + box.right - port.left - port.right) / 2 : 0),
    top: scroller.scrollTop + (down ? (box.top + box.bottom - port.top - port.bottom) / 2 : 0),
    behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth",
  });
}

/** A note on what the kernel was asked for; it owns up when no kernel answers. @param {string} doing */
export function waiting(doing) {
  const note = html("p", { class: "waiting", role: "status" }, doing);
  setTimeout(() => (note.textContent = "This needs a running kernel, and none has answered."), PATIENCE);
  return note;
}

/** Asks the kernel through the traits `asked` and `reply`. One question is under way at a time; of those
 *  that come meanwhile only the newest is kept. `tell` hears each answer's problem, "" for none, and owns
 *  up when no kernel answers. `Picture`'s Python side is `AnsweringPicture`.
 *  @param {Model} model @param {(sentence: string) => void} tell */
export function asker(model, tell) {
  let [current, timer] = ["", 0];
  /** @type {Attributes | null} */
  let newest = null;
  const send = (/** @type {Attributes} */ question) => {
    current = crypto.getRandomValues(new Uint32Array(2)).join("-");
    clearTimeout(timer);
    timer = setTimeout(() => tell(UNANSWERED), PATIENCE);
    put(model, "asked", { ...question, id: current });
  };
  const hear = () => {
    const { id, problem } = model.get("reply");
    if (!current || id !== current) return;
    clearTimeout(timer);
    const next = newest;
    [current, newest] = ["", null];
    if (next) send(next);
    else tell(problem);
  };
  const deafen = listen(model, { reply: hear });
  return {
    ask: (/** @type {Attributes} */ question) => void (current ? (newest = question) : send(question)),
    busy: () => current !== "",
    close() {
      clearTimeout(timer);
      deafen();
    },
  };
}

/** An asker with a place for its sentences, `trouble`, that is not seen while all is well.
 *  @param {Model} model @param {() => string} [still] what the picture still shows when an answer has a problem */
export function answered(model, still) {
  const trouble = html("p", { class: "problem trouble", role: "status" });
  const tell = (/** @type {string} */ sentence) => {
    say(trouble, sentence && still ? `${sentence} ${still()}` : sentence);
    trouble.hidden = !sentence;
  };
  tell("");
  return { trouble, ...asker(model, tell) };
}

/** A number as Python's `formatting.number` writes it: four significant digits. @param {number} value */
export function number(value) {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value < 0 ? "-inf" : "inf";
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value);
  const [digits, exponent] = fourDigits(value).split("e");
  const power = Number(exponent);
  if (power >= -4 && power < 4) return String(Number(`${digits}e${power}`));
  return `${Number(digits)}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
}

/** Like toExponential(3), but a tie goes to the even digit, as in Python. @param {number} value */
function fourDigits(value) {
  const tie = value.toExponential(40).match(/^(.*([0-9]))50+(e.*)$/); // so many digits tell a true tie
  const even = tie?.[1].match(/^-?\d\.\d{3}$/) && "02468".includes(tie[2]);
  return even ? tie[1] + tie[3] : value.toExponential(3);
}

/** The float64 numbers of a trait of bytes. @param {DataView} bytes */
export function floats({ buffer, byteOffset, byteLength }) {
  return new Float64Array(buffer.slice(byteOffset, byteOffset + byteLength));
}

/** A slider and a field to type the exact number; `act` hears the number, and whether it stands.
 *  @param {string} label @param {number} reach the slider goes from -reach to reach
 *  @param {(value: number, settled: boolean) => void} act */
export function dial(label, reach, act) {
  const slider = html("input", { type: "range", step: "any", "aria-label": label });
  const field = html("input", { type: "number", step: "any", "aria-label": `${label}, exactly` });
  const element = html("div", { class: "dial" }, slider, field);
  const usual = reach;
  let [written, shown] = ["", NaN];
  /** @param {number} value @param {boolean} [confirmed] */
  const show = (value, confirmed) => {
    if (value === shown && field.value === written) return;
    shown = value;
    // An answer that arrives meanwhile must not take away what is half typed.
    const typing = !confirmed && document.activeElement === field && field.value !== written;
    if (confirmed) reach = usual; // one number that was much too large must not spoil the slider for the next
    while (Math.abs(value) > reach) reach = rounded(2 * Math.abs(value));
    if (slider.max !== String(reach)) {
      // about a hundred steps each way, and round numbers among them
      const steps = /^[0.]*3/.test(String(reach)) ? 120 : 100;
      Object.assign(slider, {
        min: String(-reach),
        max: String(reach),
        step: String(Number((reach / steps).toPrecision(3))),
      });
    }
    slider.value = String(value);
    slider.ariaValueText = number(value);
    if (!typing) field.value = written = short(value);
    field.title = String(value);
  };
  const moved = (/** @type {boolean} */ settled) => () => {
    const value = Number(slider.value);
    act(value, settled); // first, for the kernel has the longer way
    show(value);
  };
  slider.addEventListener("input", moved(false));
  slider.addEventListener("change", moved(true));
  typed(field, (value) => {
    show(value, true);
    act(value, true);
  });
  return { element, slider, show: (/** @type {number} */ value) => show(value) };
}

/** Four digits, or as many as the field has room for: half an exponent would be another number. @param {number} value */
function short(value) {
  const spelled = [4, 3, 2].map((digits) => {
    const near = Number(value.toPrecision(digits));
    const plain = near === 0 || (Math.abs(near) >= 1e-3 && Math.abs(near) < 1e7);
    return plain ? String(near) : near.toExponential().replace("+", "");
  });
  return spelled.find((text) => text.length <= FIELD) ?? spelled[2];
}

/** Calls `act` with a number that was typed and left, or confirmed by Enter, which JupyterLab would keep.
 *  Escape takes back what was typed, and so does leaving what is no number.
 *  @param {HTMLInputElement} field @param {(value: number) => void} act */
export function typed(field, act) {
  let [edited, before] = [false, ""];
  const restore = () => {
    if (edited) field.value = before;
    edited = false;
  };
  const commit = () => {
    const value = field.value.trim() && field.checkValidity() ? Number(field.value) : NaN;
    if (!edited || !Number.isFinite(value)) return;
    edited = false;
    act(value);
  };
  field.addEventListener("beforeinput", () => edited || (before = field.value));
  field.addEventListener("input", () => (edited = true));
  field.addEventListener("change", commit);
  field.addEventListener("blur", restore);
  field.addEventListener("keydown", ({ key }) => {
    if (key === "Escape") restore();
    if (key !== "Enter") return;
    commit();
    if (edited && field.reportValidity()) restore(); // the browser says what is wrong, unless it is empty
  });
}

/** The next of 1, 2, 3, 5, 10, 20, … @param {number} value */
export function rounded(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return Number((([1, 2, 3, 5].find((step) => step * power >= value * 0.999999) ?? 10) * power).toPrecision(3));
}

/** A matrix of derivatives with named rows and columns, its cells coloured by sign and size.
 *  @typedef {{rows: string[], columns: string[], cells: string[][], values: number[][]}} Matrix
 *  @param {string} name @param {Matrix} matrix */
export function matrix(name, { rows, columns, cells, values }) {
  const most = Math.max(...values.flat().map(Math.abs).filter(Number.isFinite), Number.MIN_VALUE);
  /** @param {string} text @param {number} value */
  const cell = (text, value) => {
    const td = html("td", { class: value < 0 ? "negative" : "positive" }, text);
    td.style.setProperty("--size", `${Math.min(100, (100 * Math.abs(value)) / most) || 0}%`);
    return td;
  };
  const head = html("tr", {}, html("td"), ...columns.map((column) => html("th", { scope: "col" }, column)));
  const body = rows.map((row, i) =>
    html("tr", {}, html("th", { scope: "row" }, row), ...cells[i].map((text, j) => cell(text, values[i][j]))),
  );
  const table = html("table", {}, html("caption", {}, name), head, ...body);
  return html("div", { class: "matrix", tabindex: 0, role: "group", "aria-label": name }, table);
}

/** Text to read and to copy. @param {string} name @param {string} text */
function listing(name, text) {
  const pre = html("pre", { tabindex: 0, role: "group", "aria-label": name }, text);
  const copy = button("copy", async () => {
    try {
      await navigator.clipboard.writeText(text);
      copy.textContent = "copied";
    } catch {
      getSelection()?.selectAllChildren(pre); // a page without https has no clipboard
      copy.textContent = "selected";
    }
  });
  return html("div", { class: "listing" }, pre, copy);
}

/** What stands in place of the live view. @param {Model} model @param {string} face */
function panel(model, face) {
  if (face === "problem") return html("p", { class: "problem", role: "note" }, model.get("problem"));
  const said = { code: model.get("listing"), text: model.get("text") }[face];
  if (said) return listing(face, said);
  if (face !== "still" || !model.get("still")) return waiting(face === "still" ? "drawing…" : "writing…");
  return html("img", { src: `data:image/png;base64,${model.get("still")}`, alt: model.get("alt") });
}

/** The frame a widget stands in: title, status, face switch, remark, faces. The widget fills `live`,
 *  says its `state` beside the faces, and `announce`s what a screen reader should hear once the hand rests.
 *  @param {string} widget its name, which its style sheet goes by @param {Model} model @param {HTMLElement} el */
export function frame(widget, model, el) {
  const [title, status] = [html("div", { class: "title" }), html("span", { class: "status" })];
  const faces = Object.entries(FACES).map(([face, label]) =>
    button(label, () => put(model, "face", face), { "data-face": face }),
  );
  const switches = html("div", { class: "faces", role: "group", "aria-label": "view" }, status, ...faces);
  const header = html("div", { class: "header" }, title, switches);
  const remark = html("p", { class: "remark" });
  const [live, other] = [html("div", { class: "live" }), html("div")];
  const voice = html("div", { class: "unseen", "aria-live": "polite" });
  let calm = 0;
  const hold = { class: "seegrad", "data-widget": widget, role: "group", tabindex: -1, "data-lm-suppress-shortcuts": true };
  const root = html("div", hold, header, remark, live, other, voice);
  // JupyterLab takes the arrow keys from whatever has the focus, unless that very element says no
  root.addEventListener("focusin", ({ target }) => {
    if (target instanceof Element) target.setAttribute("data-lm-suppress-shortcuts", "true");
  });

  const show = () => {
    const face = model.get("problem") ? "problem" : model.get("face");
    title.textContent = root.ariaLabel = model.get("title");
    remark.textContent = model.get("remark");
    remark.hidden = !model.get("remark");
    switches.hidden = face === "problem";
    for (const node of faces) node.ariaPressed = String(node.dataset.face === face);
    live.hidden = face !== "live";
    other.replaceChildren(...(live.hidden ? [panel(model, face)] : []));
  };
  const traits = ["title", "problem", "remark", "face", "still", "listing", "text", "alt"];
  const deafen = listen(model, Object.fromEntries(traits.map((trait) => [trait, show])));
  show();
  el.append(root);
  return {
    root,
    live,
    state: (/** @type {string} */ text) => say(status, text),
    announce(/** @type {string} */ text) {
      clearTimeout(calm);
      calm = setTimeout(() => say(voice, text), REST);
    },
    close() {
      clearTimeout(calm);
      deafen();
      root.remove();
    },
  };
}
