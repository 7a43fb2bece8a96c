"""Driving one notebook in the real JupyterLab, as the tests and the screenshots need it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page

from tests.tools.lab import Lab

OPEN_SECONDS = 60
RUN_SECONDS = 180

KERNEL_IDLE = """
() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'
"""

STANDS_OPEN = """
(path) => {
  const session = window.jupyterapp?.shell?.currentWidget?.sessionContext;
  return session?.path === path && session.session?.kernel?.status === 'idle';
}
"""

SHUT_DOWN = "() => jupyterapp.shell.currentWidget.sessionContext.shutdown()"

# What JupyterLab logs when it looks for a kernel that is gone.
LOOKS_FOR_ITS_KERNEL = re.compile("Cannot send|status of 404")

CELL_IDS = "() => jupyterapp.shell.currentWidget.content.widgets.map(cell => cell.model.id)"

# A cell that fails without the tag that announces it stops the run; waiting on would be in vain.
HOW_THE_RUN_ENDED = """
() => {
  const panel = jupyterapp.shell.currentWidget;
  if (panel.sessionContext.session.kernel.status !== 'idle') return null;
  const cells = panel.content.widgets.map(cell => cell.model).filter(
    model => model.type === 'code' && model.sharedModel.getSource().trim());
  const failed = cells.find(model =>
    !model.getMetadata('tags')?.includes('raises-exception') &&
    model.outputs.toJSON().some(output => output.output_type === 'error'));
  if (failed) return 'failed: ' + failed.id;
  return cells.every(model => model.executionCount !== null) ? 'done' : null;
}
"""

# Widgets and MathJax arrive after the output that holds them.
ALL_IS_DRAWN = """
() => {
  const unset = node => {
    const prose = node.cloneNode(true);
    prose.querySelectorAll('code').forEach(code => code.remove());
    return /\\$[^$]+\\$/.test(prose.textContent);
  };
  const widgets = [...document.querySelectorAll('.jp-OutputArea-output')];
  return document.fonts.status === 'loaded'
    && !document.querySelector('.jp-OutputArea-output > .lm-Widget:empty')
    && !widgets.some(node => node.textContent === 'Loading widget...')
    && ![...document.querySelectorAll('.jp-RenderedMarkdown')].some(unset);
}
"""

# The height of the whole notebook has been the same for this many frames in a row.
STANDS_STILL = """
(frames) => new Promise(resolve => {
  const height = () => document.querySelector('.jp-WindowedPanel-inner').scrollHeight;
  let last = height(), still = 0;
  const look = () => {
    still = height() === last ? still + 1 : 0;
    last = height();
    still === frames ? resolve() : requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})
"""


class Theme(Enum):
    """The two looks that JupyterLab comes with, by the name that it gives them."""

    LIGHT = "JupyterLab Light"
    DARK = "JupyterLab Dark"


class NotebookPage:
    """A notebook in a browser page, with what the page complained of and whom it spoke to.

    Attributes
    ----------
    page: Playwright's page, for whatever is not said here.
    console_errors: each error in the console and each uncaught exception, as text.
    hosts: each host that a request or a web socket went to.
    """

    def __init__(self, page: Page, lab: Lab) -> None:
        self.page = page
        self.lab = lab
        self.console_errors: list[str] = []
        self.hosts: set[str] = set()
        page.on("console", self._note_message)
        page.on("pageerror", lambda error: self.console_errors.append(str(error)))
        page.on("request", lambda request: self._note_host(request.url))
        page.on("websocket", lambda socket: self._note_host(socket.url))

    def open(self, notebook: str) -> None:
        """Open a notebook of the lab's folder and wait for its kernel.

        One that stands open stays as it is: to load JupyterLab and to import torch takes seconds.
        """
        if self.page.evaluate(STANDS_OPEN, notebook):
            return
        self.page.goto(self.lab.address(notebook))
        self.page.wait_for_function(KERNEL_IDLE, timeout=OPEN_SECONDS * 1000)

    def reload(self) -> None:
        """Save, and load the page anew, as a learner does who pressed F5; the kernel lives on."""
        self.command("docmanager:save")
        self.page.reload()
        self.page.wait_for_function(KERNEL_IDLE, timeout=OPEN_SECONDS * 1000)
        self.settle()

    def run_all(self) -> None:
        """Run every cell from a clean slate, and wait until the last has run and is drawn.

        Raises
        ------
        AssertionError: a cell failed that is not tagged `raises-exception`.
        """
        self.command("notebook:clear-all-cell-outputs")
        self.page.evaluate("() => void jupyterapp.commands.execute('notebook:run-all-cells')")
        end = self.page.wait_for_function(HOW_THE_RUN_ENDED, timeout=RUN_SECONDS * 1000)
        assert end.json_value() == "done", f"the run ended with {end.json_value()}"
        self.settle()

    def set_theme(self, theme: Theme) -> None:
        """Change JupyterLab's theme and wait until it is in force."""
        self.command("apputils:change-theme", theme=theme.value)
        self.page.locator(f'body[data-jp-theme-name="{theme.value}"]').wait_for(state="attached")
        self.settle()

    def settle(self) -> None:
        """Wait until widgets and formulas are drawn and nothing moves any more."""
        self.page.wait_for_function(ALL_IS_DRAWN)
        self.page.evaluate(STANDS_STILL, 20)

    def command(self, name: str, **arguments: str) -> None:
        """Carry out one of JupyterLab's own commands, as its menus do."""
        self.page.evaluate(
            "([name, args]) => jupyterapp.commands.execute(name, args).then(() => null)",
            [name, arguments],
        )

    def cell_ids(self) -> list[str]:
        """Which cells does the notebook have, top to bottom?"""
        ids: list[str] = self.page.evaluate(CELL_IDS)
        return ids

    def cell(self, cell_id: str) -> Locator:
        """Where on the page is the cell with this id?"""
        index = self.cell_ids().index(cell_id)
        return self.page.locator(f'.jp-Notebook-cell[data-windowed-list-index="{index}"]')

    def output(self, cell_id: str) -> Locator:
        """Where on the page is the output of the cell with this id?"""
        return self.cell(cell_id).locator(".jp-Cell-outputArea")

    @contextmanager
    def without_kernel(self) -> Iterator[None]:
        """What a learner sees whose kernel is gone. After the block the page is empty."""
        self.page.evaluate(SHUT_DOWN)
        yield
        self.page.goto("about:blank")
        self.console_errors[:] = [
            error for error in self.console_errors if not LOOKS_FOR_ITS_KERNEL.search(error)
        ]

    def must_be_clean(self) -> None:
        """It has logged no error and called no other host.

        Raises
        ------
        AssertionError: it has. What it logged is forgotten: the next to look starts afresh.
        """
        logged, hosts = self.console_errors[:], self.hosts - {"127.0.0.1", "localhost"}
        self.console_errors.clear()
        self.hosts.clear()
        assert not logged, f"the page's console says {logged}"
        assert not hosts, f"the page spoke to {hosts}"

    def _note_message(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.console_errors.append(message.text)

    def _note_host(self, url: str) -> None:
        if host := urlsplit(url).hostname:
            self.hosts.add(host)


@contextmanager
def clean_page(browser: Browser, lab: Lab) -> Iterator[NotebookPage]:
    """A fresh page; at the end it must be clean."""
    with browser.new_context(reduced_motion="reduce") as context:
        page = NotebookPage(context.new_page(), lab)
        yield page
        page.must_be_clean()
