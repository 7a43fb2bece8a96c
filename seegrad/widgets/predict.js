import { asker, button, frame, html, listen, put } from "./common.js";

// predict(question): the learner answers before the cell is run; what PyTorch computed comes from the kernel.

/** @typedef {import("./common.js").Model} Model
 *  @typedef {{name: string, yours: string, actual: string, agrees: boolean}} Row
 *  @typedef {{stage: string, said: string[], yours?: string, actual?: string, right?: boolean,
 *    rows?: Row[], columns?: number, elements?: number}} Page */

/** Prose in which `code` stands between backticks. @param {string} text */
const prose = (text) => text.split("`").map((part, i) => (i % 2 ? html("code", {}, part) : part));

/** A name that no other part of the page has. */
const unique = () => `predict-${crypto.getRandomValues(new Uint32Array(2)).join("-")}`;

/** Where the answer is given, with what a screen reader calls it.
 *  @typedef {{element: HTMLElement, focus: () => void, show: (text: string) => void, refuse: (refused: boolean) => void}} Entry */

/** A field to type the answer in. @param {Model} model @param {string} asked the id of the question
 *  @param {() => void} commit @param {(text: string) => void} draft @returns {Entry} */
function field(model, asked, commit, draft) {
  const [id, hint] = [unique(), unique()];
  const input = html("input", { id, type: "text", autocomplete: "off", spellcheck: false, "aria-describedby": `${asked} ${hint}` });
  input.addEventListener("input", () => draft(input.value));
  input.addEventListener("keydown", ({ key, isComposing }) => key === "Enter" && !isComposing && commit());
  const label = html("label", { for: id }, "Your prediction");
  const example = html("span", { id: hint, class: "hint" }, "such as ", html("span", { class: "mono" }, model.get("hint")));
  return {
    element: html("div", { class: "entry" }, html("div", {}, label, " ", example), input),
    focus: () => input.focus(),
    show: (text) => input.matches(":focus") || (input.value = text),
    refuse: (refused) => (input.ariaInvalid = String(refused)),
  };
}

/** The options to choose from; Enter commits the one that is chosen, as it does in the field.
 *  @param {string[]} options @param {string} asked the id of the question
 *  @param {() => void} commit @param {(text: string) => void} draft @returns {Entry} */
function choice(options, asked, commit, draft) {
  const name = unique();
  const radios = options.map((value) => html("input", { type: "radio", name, value }));
  radios.forEach((radio) => radio.addEventListener("change", () => draft(radio.value)));
  const labels = options.map((text, i) => html("label", { class: "option" }, radios[i], html("span", {}, ...prose(text))));
  const element = html("div", { class: "options", role: "radiogroup", "aria-labelledby": asked }, ...labels);
  element.addEventListener("keydown", ({ key }) => key === "Enter" && commit());
  return {
    element,
    focus: () => (radios.find(({ checked }) => checked) ?? radios[0]).focus(),
    show: (text) => radios.forEach((radio) => (radio.checked = radio.value === text)),
    refuse: () => {},
  };
}

/** One of the learner's cells, or of PyTorch's. @param {Row} row @param {"yours" | "actual"} who */
const cell = (row, who) => html("td", { class: row.agrees || who === "actual" ? "same" : "other" }, row[who]);

/** One answer above the other, column by column. @param {Row[]} rows */
function lines(rows) {
  const line = (/** @type {string} */ name, /** @type {"yours" | "actual"} */ who) =>
    html("tr", {}, html("th", { scope: "row" }, name), ...rows.map((row) => cell(row, who)));
  const names = html("tr", {}, html("td"), ...rows.map(({ name }) => html("th", { scope: "col" }, name)));
  const marks = html("tr", { class: "marks" }, html("td"), ...rows.map(({ agrees }) => html("td", {}, agrees ? "" : "differs")));
  const named = rows.some(({ name }) => name);
  const differs = rows.some(({ agrees }) => !agrees);
  return html("table", {}, ...(named ? [names] : []), line("you", "yours"), line("PyTorch", "actual"), ...(differs ? [marks] : []));
}

/** One matrix beside the other. @param {Row[]} rows its elements, line by line @param {number} columns */
function matrices(rows, columns) {
  const starts = Array.from({ length: rows.length / columns }, (_, i) => i * columns);
  const differs = () => html("span", { class: "unseen" }, " differs");
  const grid = (/** @type {string} */ name, /** @type {"yours" | "actual"} */ who) => {
    const cells = rows.map((row) => cell(row, who));
    if (who === "yours") cells.forEach((node, i) => rows[i].agrees || node.append(differs()));
    const body = starts.map((start) => html("tr", {}, ...cells.slice(start, start + columns)));
    return html("table", {}, html("caption", {}, name), ...body);
  };
  return html("div", { class: "matrices" }, grid("you", "yours"), grid("PyTorch", "actual"));
}

/** What you said beside what PyTorch computed, element by element where they have the same shape. @param {Page} page */
function comparison({ yours = "", actual = "", right = false, rows = [], columns = 0, elements = 0 }) {
  const shown = rows.length ? rows : [{ name: "", yours, actual, agrees: right }];
  const table = columns ? matrices(rows, columns) : lines(shown);
  const count = `${rows.length} of ${elements} elements`;
  const told = right ? `Shown: the first ${count}.` : `Shown: ${count}, where the two differ.`;
  const more = elements > rows.length ? [html("p", { class: "more" }, told)] : [];
  const region = html("div", { class: "comparison", tabindex: 0, role: "group", "aria-label": "comparison" }, table);
  return [region, ...more];
}

/** What stands below the question at each stage. @param {Page} page @returns {Node[]} */
function outcome(page) {
  const said = (page.said ?? []).map((sentence, i) => {
    const verdict = page.stage === "compared" && !i;
    return html("p", { class: verdict ? "verdict" : "why" }, ...prose(sentence));
  });
  if (page.stage === "waiting") {
    const words = html("p", {}, "You said ", html("strong", {}, page.yours ?? ""), ". Now run the next cell: it will stand here beside PyTorch's answer.");
    return [words];
  }
  if (page.stage === "compared") return [...comparison(page), ...said];
  if (page.stage === "shown") return [html("p", {}, "PyTorch's answer: ", html("strong", {}, page.actual ?? "")), ...said];
  return [];
}

/** The outcome as it is spoken. @param {Page} page */
function spoken({ stage, yours, actual, said = [] }) {
  const next = stage === "waiting" && "Now run the next cell.";
  const answers = [yours && `You said ${yours}.`, next, actual && `PyTorch's answer is ${actual}.`];
  return [...answers, ...said].filter(Boolean).join(" ").replaceAll("`", "");
}

/** How far the question has come, in the header. @param {Page} page */
function standing({ stage, right }) {
  if (stage === "compared") return right ? "as predicted" : "not as predicted";
  return { open: "before you run", waiting: "committed", shown: "looked up" }[stage] ?? "";
}

/** @param {{model: Model, el: HTMLElement}} here */
function render({ model, el }) {
  const view = frame("predict", model, el);
  const asked = unique();
  const note = html("p", { class: "waiting" });
  let committing = false;
  /** @param {string} sentence */
  const complain = (sentence) => {
    note.textContent = sentence;
    note.hidden = !sentence;
    own.refuse(committing && Boolean(sentence) && sentence === model.get("reply").problem);
    if (sentence) view.announce(sentence);
  };
  const kernel = asker(model, complain);
  const page = () => /** @type {Page} */ (model.get("page"));
  const ask = (/** @type {{action: string, text?: string}} */ question) => {
    committing = question.action === "commit";
    kernel.ask(question);
  };
  const commit = () => ask({ action: "commit", text: model.get("draft") });
  const draft = (/** @type {string} */ text) => {
    put(model, "draft", text);
    complain("");
    view.announce(""); // the same complaint is news the next time
  };
  const options = /** @type {string[]} */ (model.get("options"));
  const own = options.length ? choice(options, asked, commit, draft) : field(model, asked, commit, draft);
  const say = button("commit", commit, { class: "commit" });
  const reveal = button("show PyTorch's answer", () => ask({ action: "reveal" }));
  const again = button("try again", () => ask({ action: "again" }));
  const form = html("div", { class: "form" }, own.element, say);
  const below = html("div", { class: "outcome", tabindex: -1, role: "group", "aria-label": "outcome" });
  const question = html("p", { class: "question", id: asked }, ...prose(model.get("question")));
  view.live.append(question, form, below, note, html("div", { class: "actions" }, again, reveal));
  complain("");

  let before = "";
  const show = () => {
    const { stage, right } = page();
    const focused = view.root.contains(document.activeElement) && document.activeElement;
    own.show(model.get("draft"));
    form.hidden = stage !== "open";
    again.hidden = stage === "open";
    again.textContent = stage === "waiting" ? "change it" : "try again";
    reveal.hidden = stage === "compared" || stage === "shown";
    below.hidden = stage === "open";
    below.replaceChildren(...outcome(page()));
    Object.assign(view.root.dataset, { stage, right: String(right ?? "") });
    view.state(standing(page()));
    if (before && stage !== before) {
      view.announce(spoken(page()));
      // Enter again must not undo what Enter did: the focus goes to the outcome, and to no button.
      if (focused && (!focused.isConnected || focused.closest("[hidden]"))) (stage === "open" ? own : below).focus();
    }
    before = stage;
  };
  const deafen = listen(model, { page: show, draft: () => own.show(model.get("draft")) });
  show();
  return () => {
    deafen();
    kernel.close();
    view.close();
  };
}

export default { render };
