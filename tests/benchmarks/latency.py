"""``python -m tests.benchmarks.latency [--write]``: from the hand's event to the painted frame."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

from tests.benchmarks.report import write
from tests.benchmarks.table import Target
from tests.browser.notebooks import SET_UP, write_notebook
from tests.tools.browser import launch
from tests.tools.lab import running_lab
from tests.tools.notebook_page import NotebookPage

HERE = Path(__file__).parent
ROUNDS, STEPS = 20, 5
SIZES = (4, 30)
FRAME = 1000 / 60

V, X, TEXT, ECHO, USUAL = (
    "dragging v", "dragging x", "bare text", "bare echo", "interact and matplotlib"
)  # fmt: skip

CELLS = {V: "v", X: "x", TEXT: "echo", ECHO: "echo", USUAL: "usual"}
"""Each contender's cell."""

Times = dict[str, list[float]]


@dataclass(frozen=True)
class Results:
    """One run; ``times`` are in milliseconds, by the size of the Jacobian and the contender."""

    date: str
    machine: str
    versions: dict[str, str]
    load: float
    times: dict[int, Times]


# Without a display's beat to wait for, a frame is painted as soon as it can be.
UNTHROTTLED = ("--disable-frame-rate-limit", "--disable-gpu-vsync")

FUNCTION = """
n = {n}
W = torch.linspace(-1, 1, n * n).reshape(n, n) / n

def f(x):
    return torch.tanh(W @ x**2)

x = torch.linspace(0.2, 1, n)
"""

JACOBIAN = "seegrad.jacobian(f, x)"

BARE = '''
import anywidget
import traitlets

class Echo(anywidget.AnyWidget):
    _esm = """
    function render({ model, el }) {
      const slider = document.createElement("input");
      slider.type = "range";
      slider.step = "any";
      const output = document.createElement("output");
      output.textContent = "0";
      slider.addEventListener("input", () => {
        model.set("asked", Number(slider.value));
        model.save_changes();
      });
      model.on("change:reply", () => { output.textContent = String(model.get("reply")); });
      el.append(slider, output);
    }
    export default { render };
    """
    asked = traitlets.Float().tag(sync=True)
    reply = traitlets.Float().tag(sync=True)

    @traitlets.observe("asked")
    def answer(self, change):
        self.reply = change["new"]

Echo()
'''

USUAL_WAY = """
import matplotlib.pyplot as plt
from ipywidgets import interact

def draw(x0=(-1.0, 1.0, 0.02)):
    moved = x.clone()
    moved[0] = x0
    J = torch.autograd.functional.jacobian(f, moved)
    plt.imshow(J, cmap="PuOr_r")
    if n <= 10:
        for i in range(n):
            for j in range(n):
                plt.text(j, i, f"{J[i, j]:.4g}", ha="center", va="center")
    plt.xticks(range(n), [f"x[{j}]" for j in range(n)], rotation=90)
    plt.yticks(range(n), [f"y[{i}]" for i in range(n)])
    plt.xlabel("v^T J = " + ", ".join(f"{s:.4g}" for s in J.sum(0)[:4]))
    plt.show()

_ = interact(draw)
"""


def cells(n: int) -> dict[str, str]:
    """The notebook's cells for an n × n Jacobian: one for each contender."""
    own = FUNCTION.format(n=n)
    return {
        "v": own + JACOBIAN,
        "x": own + JACOBIAN,
        "echo": BARE,
        "usual": own + USUAL_WAY,
    }


def measure(n: int, notebook: NotebookPage) -> Times:
    """The times of each contender, in milliseconds."""
    notebook.open(write_notebook(notebook.lab, f"latency_{n}.ipynb", setup=SET_UP, **cells(n)))
    notebook.run_all()
    notebook.page.add_script_tag(path=HERE / "latency.js")
    handles = {name: notebook.output(cell).element_handle() for name, cell in CELLS.items()}
    race = "([cells, rounds, steps]) => race(cells, rounds, steps)"
    times: Times = notebook.page.evaluate(race, [handles, ROUNDS, STEPS])
    return times


def run() -> Results:
    """All sizes, in one JupyterLab and one browser."""
    with (
        TemporaryDirectory(prefix="seegrad-latency-") as root,
        running_lab(Path(root)) as lab,
        sync_playwright() as playwright,
        launch(playwright, *UNTHROTTLED) as browser,
    ):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        return Results(
            date=f"{datetime.now(UTC):%Y-%m-%d}",
            machine=f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
            versions={"Chromium": browser.version}
            | {name: version(name) for name in ("jupyterlab", "ipywidgets", "anywidget", "torch")},
            load=os.getloadavg()[0],
            times={n: measure(n, NotebookPage(page, lab)) for n in SIZES},
        )


def main() -> None:
    """Run the benchmark; with ``--write`` its table becomes a section of RESULTS.md."""
    report = markdown(run())
    if "--write" in sys.argv[1:]:
        write("latency", report)
    print(report, end="")


# The report


def markdown(results: Results) -> str:
    """The section."""
    return "\n".join(_lines(results)) + "\n"


def _lines(results: Results) -> Iterator[str]:
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    yield "# How soon a widget answers the hand"
    yield ""
    yield (
        f"Written by `make latency` on {results.date}: {results.machine}; {versions}. "
        f"The machine's load was {results.load:.1f} at the start."
    )
    yield ""
    yield (
        "Milliseconds from an event in JupyterLab to the painted frame that shows its answer: the "
        "event is dispatched, a MutationObserver sees the new number, and two animation frames "
        "later it has been painted. Frames are not held back for a display's 60 Hz, which would "
        "add 0 to 16.7 ms to each contender alike. The contenders take turns, in a new order each "
        f"of {ROUNDS} rounds; a turn is a drag of {STEPS} steps, as a hand makes it, and each step "
        "counts. Before it the page and the kernel come to rest. Dragging v and the bare text stay "
        "in the page; the others ask the kernel. The bare text is a script that writes a word into "
        "the page: what a frame costs here, whoever asks for it. The bare echo is an anywidget "
        "that sends one number back. "
        "interact draws the same Jacobian with matplotlib: a heat map, the names of its rows and "
        "columns, and its numbers where the widget writes them."
    )
    yield ""
    heads = [f"{n} × {n}: {what}" for n in results.times for what in ("median", "p95", "least")]
    yield f"| | {' | '.join(heads)} |"
    yield f"|---|{'---:|' * len(heads)}"
    for name in CELLS:
        cells = [
            f"{number:.1f}"
            for times in results.times.values()
            for number in (median(times[name]), _p95(times[name]), min(times[name]))
        ]
        yield f"| {name} | {' | '.join(cells)} |"
    yield ""
    yield "| target | measured | |"
    yield "|---|---|---|"
    for target in _targets(results.times):
        yield f"| {target.text} | {target.measured} | {'met' if target.met else '**not met**'} |"


def _targets(times: Mapping[int, Times]) -> Iterator[Target]:
    for n, most in zip(SIZES, (1.15, 1.5), strict=True):
        of, size = times[n], f"({n} × {n})"
        v, echo = _p95(of[V]), median(of[X]) / median(of[ECHO])
        usual = median(of[USUAL]) / median(of[X])
        yield Target(f"{V}: p95 in one frame of 60 Hz, 16.7 ms {size}", f"{v:.1f}", v <= FRAME)
        yield Target(f"{X}, at most {most:g} of {ECHO} {size}", f"{echo:.2f}", echo <= most)
        yield Target(f"{USUAL}, at least 3 of {X} {size}", f"{usual:.2f}", usual >= 3)


def _p95(times: list[float]) -> float:
    return quantiles(times, n=20)[-1]


if __name__ == "__main__":
    main()
