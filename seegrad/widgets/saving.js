import { asker, button, frame, html, listen } from "./common.js";

// save() and restore(): one file with the learner's work, to the browser and back. The file's bytes come and go
// as messages, before the question or its answer: they are not part of the widget's state.

/** @typedef {import("./common.js").Model & {send(content: object, callbacks: undefined, buffers: ArrayBuffer[]): void,
 *    on(event: "msg:custom", act: (content: {name: string}, buffers: DataView[]) => void): void}} Model */

/** A link that downloads a file. @param {string} name @param {DataView<ArrayBuffer>} bytes */
function download(name, bytes) {
  const href = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" }));
  return html("a", { href, download: name }, "Download it again");
}

/** @param {{model: Model, el: HTMLElement}} here */
function render({ model, el }) {
  const view = frame("saving", model, el);
  const [problem, said] = [html("p", { class: "waiting" }), html("div", { class: "said" })];
  const spoken = html("div", { role: "status" }, problem, said);
  /** @type {HTMLAnchorElement | null} */
  let link = null;
  let wanted = false; // of several views of the widget, the one whose button was pressed downloads

  const tell = (/** @type {string} */ sentence) => {
    problem.textContent = sentence;
    problem.hidden = !sentence;
    said.hidden = !problem.hidden; // it is about what was asked before
  };
  const kernel = asker(model, (sentence) => {
    tell(sentence);
    if (!sentence && wanted) link?.click();
    if (!sentence) wanted = false;
  });
  const arrived = (/** @type {{name: string}} */ { name }, /** @type {DataView<ArrayBuffer>[]} */ [bytes]) => {
    if (link) URL.revokeObjectURL(link.href);
    link?.remove();
    link = download(name, bytes);
    actions.append(link);
  };

  const save = button("Save my work", () => {
    wanted = true;
    kernel.ask({ action: "save" });
  });
  save.className = "main";
  const chosen = html("input", { type: "file", hidden: "", "aria-label": "A saved file" });
  const restore = button("Bring saved work back…", () => chosen.click());
  chosen.addEventListener("change", async () => {
    const file = chosen.files?.[0];
    if (!file) return;
    if (file.size > model.get("most")) {
      tell(`${file.name} is too large to be a file that was saved here. Nothing was changed.`);
    } else {
      model.send({ name: file.name }, undefined, [await file.arrayBuffer()]);
      kernel.ask({ action: "restore" });
    }
    chosen.value = ""; // the same file may be chosen again
  });
  const actions = html("div", { class: "actions" }, save, restore, chosen);
  view.live.append(html("p", { class: "first" }, model.get("first")), actions, spoken);

  const show = () => said.replaceChildren(...model.get("said").map((/** @type {string} */ text) => html("p", {}, text)));
  const deafen = listen(model, { said: show });
  model.on("msg:custom", arrived);
  tell("");
  show();
  return () => {
    if (link) URL.revokeObjectURL(link.href);
    model.off("msg:custom", /** @type {any} */ (arrived));
    deafen();
    kernel.close();
    view.close();
  };
}

export default { render };
