// What the page does to time one event: `await time(contender, size)` gives milliseconds.

/** An event's way: what is done, which part of the page answers, and what is read off there. */
const WAYS = {
  "dragging v": {
    act: (cell, step) => slide(cell.querySelector("[data-v]"), step),
    answer: (cell) => cell.querySelector("tfoot"),
    read: (cell) => reading(cell.querySelector("[data-sum]")),
  },
  "dragging x": {
    act: (cell, step) => slide(cell.querySelector("[data-x]"), step),
    answer: (cell) => cell.querySelector("tfoot"),
    read: (cell) => reading(cell.querySelector("[data-sum]")),
  },
  "bare echo": {
    act: (cell, step) => slide(cell.querySelector("input"), step),
    answer: (cell) => cell.querySelector("output"),
    read: (cell) => cell.querySelector("output").textContent,
  },
  "bare text": {
    act: (cell, step) => cell.querySelector("output").replaceChildren(`text ${step}`),
    answer: (cell) => cell.querySelector("output"),
    read: (cell) => cell.querySelector("output").textContent,
  },
  "interact and matplotlib": {
    act: (cell, step) => press(cell.querySelector(".noUi-handle"), step % 2 ? "ArrowLeft" : "ArrowRight"),
    answer: (cell) => cell,
    read: (cell) => cell.querySelector("img")?.src,
    ready: (cell) => cell.querySelector("img").decode(),
  },
};

/** What a cell of the table says, written or for a screen reader. */
const reading = (cell) => cell.textContent || cell.ariaLabel;

/** A step of the hand, each to another place. */
function slide(slider, step) {
  slider.value = String(0.3 + 0.02 * (step % 20));
  slider.dispatchEvent(new Event("input", { bubbles: true }));
}

function press(handle, key) {
  handle.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
}

const PATIENCE = 5000; // ms
const frame = () => new Promise(requestAnimationFrame);
/** Milliseconds from an event until the frame that shows its answer has been painted. */
async function time(contender, cell, step) {
  const { act, answer, read, ready } = WAYS[contender];
  const before = read(cell);
  if (before === undefined) throw new Error(`${contender} shows nothing`);
  const { promise: shown, resolve, reject } = Promise.withResolvers();
  const patience = setTimeout(() => reject(new Error(`${contender} did not answer`)), PATIENCE);
  const observer = new MutationObserver(() => {
    const now = read(cell);
    if (now !== undefined && now !== before) resolve();
  });
  observer.observe(answer(cell), { subtree: true, childList: true, characterData: true, attributes: true });
  const began = performance.now();
  act(cell, step);
  await shown;
  clearTimeout(patience);
  await ready?.(cell);
  await frame(); // the frame that will show it is about to be painted
  await frame(); // it has been painted
  observer.disconnect();
  return performance.now() - began;
}

const idle = () => new Promise(requestIdleCallback);

/** Waits for the kernel and for the page, which has scrolled to the cell, so that neither one contender's rest nor
 *  the way to the next delays what is timed. */
async function rest(cell) {
  cell.scrollIntoView({ block: "center" });
  const { kernel } = jupyterapp.shell.currentWidget.sessionContext.session;
  await frame();
  await idle();
  do await new Promise((resolve) => setTimeout(resolve, 25 + 10 * Math.random()));
  while (kernel.status !== "idle");
}

/** The same things in another order. What came just before matters: the server's socket holds a small message
 *  back, until the browser has confirmed the one before (Nagle's algorithm). */
const shuffled = (things) =>
  things.map((thing) => [Math.random(), thing]).sort(([a], [b]) => a - b).map(([, thing]) => thing);

/** The times of all contenders, taking turns. A turn is a drag of some steps, as a hand makes it. `cells` has an
 *  element for each. */
window.race = async (cells, rounds, steps) => {
  const times = Object.fromEntries(Object.keys(WAYS).map((name) => [name, []]));
  const warmUp = 1; // round
  for (let round = -warmUp; round < rounds; round++) {
    for (const [name, cell] of shuffled(Object.entries(cells))) {
      for (let step = 0; step < steps; step++) {
        await rest(cell);
        const spent = await time(name, cell, (round + warmUp) * steps + step);
        if (round >= 0) times[name].push(spent);
      }
    }
  }
  return times;
};
