"""Photograph the chapters in the real JupyterLab, light and dark, for people to look at.

`make screenshots` takes all chapters; `python -m tests.tools.take_screenshots 01_examples` takes
one. The pictures go to `screenshots/`: the whole chapter as `01_examples.light.png`, each widget as
`01_examples.<cell id>.light.png`, and one with a slider also part way, as `….stepped.light.png`.
"""

import shutil
from argparse import ArgumentParser
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Browser, Locator, ViewportSize, sync_playwright

from tests.tools.browser import launch
from tests.tools.course import CHAPTERS, REPOSITORY, chapters
from tests.tools.lab import Lab, running_lab
from tests.tools.normalise import WIDGET_VIEW
from tests.tools.notebook_page import NotebookPage, Theme

SCREENSHOTS = REPOSITORY / "screenshots"

# Chromium draws no picture higher than 16,384 pixels, so a chapter is photographed in strips.
VIEWPORT: ViewportSize = {"width": 1280, "height": 4000}

SCROLLER = ".jp-WindowedPanel-outer"

# JupyterLab leaves room to scroll past the last cell; the picture ends with that cell.
HEIGHTS = """
node => {
  const last = [...node.querySelectorAll('.jp-Notebook-cell')].at(-1).getBoundingClientRect();
  const end = last.bottom - node.getBoundingClientRect().top + node.scrollTop;
  return [Math.ceil(end), node.clientHeight];
}
"""

CELLS_WITH_WIDGETS = """
(view) => jupyterapp.shell.currentWidget.content.widgets
  .filter(cell => cell.model.type === 'code'
    && cell.model.outputs.toJSON().some(output => output.data && view in output.data))
  .map(cell => cell.model.id)
"""


def main() -> None:
    """Photograph the chapters named on the command line, or else all."""
    parser = ArgumentParser(description="Photograph chapters in JupyterLab, light and dark.")
    parser.add_argument("chapters", nargs="*", help="such as 01_examples; all by default")
    names = parser.parse_args().chapters or [path.stem for path in chapters()]
    SCREENSHOTS.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="seegrad-screenshots-") as folder:
        shutil.copytree(CHAPTERS, folder, dirs_exist_ok=True)
        with running_lab(Path(folder)) as lab, sync_playwright() as playwright:
            browser = launch(playwright)
            for name in names:
                photograph(browser, lab, name)
            browser.close()


def photograph(browser: Browser, lab: Lab, name: str) -> None:
    """Run one chapter and photograph it in both themes."""
    with browser.new_page(viewport=VIEWPORT, reduced_motion="reduce") as page:
        notebook = NotebookPage(page, lab)
        notebook.open(f"{name}.ipynb")
        notebook.run_all()
        for theme in Theme:
            notebook.set_theme(theme)
            look = theme.name.lower()
            save(whole(notebook), f"{name}.{look}.png")
            for cell_id in page.evaluate(CELLS_WITH_WIDGETS, WIDGET_VIEW):
                output = notebook.output(cell_id)
                save(photo(output), f"{name}.{cell_id}.{look}.png")
                if output.get_by_role("slider").count():
                    widget = output.locator(".seegrad")
                    widget.press("End")
                    widget.press("ArrowLeft")
                    save(photo(widget), f"{name}.{cell_id}.stepped.{look}.png")
                    widget.press("Home")


def photo(part: Locator) -> Image.Image:
    """What does this part of the page look like?"""
    return Image.open(BytesIO(part.screenshot()))


def whole(notebook: NotebookPage) -> Image.Image:
    """What does the notebook look like from its first cell to its last?"""
    scroller = notebook.page.locator(SCROLLER)
    height, window = scroller.evaluate(HEIGHTS)
    strips = []
    for top in range(0, height, window):
        reached = scroller.evaluate("(node, top) => (node.scrollTop = top, node.scrollTop)", top)
        strips.append((reached, Image.open(BytesIO(scroller.screenshot()))))
    picture = Image.new("RGB", (strips[0][1].width, height))
    for top, strip in strips:
        picture.paste(strip, (0, top))
    return picture


def save(picture: Image.Image, name: str) -> None:
    """Write a picture and say so."""
    picture.save(SCREENSHOTS / name)
    print(f"screenshots/{name}")


if __name__ == "__main__":
    main()
