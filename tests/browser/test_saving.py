"""Can a learner carry the work of a Binder session to another machine, through the browser?"""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.browser.notebooks import SET_UP, write_notebook
from tests.tools.accessibility import violations
from tests.tools.course import EXERCISES, SOLUTIONS
from tests.tools.lab import Lab, running_lab
from tests.tools.notebook_page import NotebookPage, Theme, clean_page

NAME = "01_examples.ipynb"
RIGHT = "def gradient_by_hand(x):\n    return 6 * x + 1"
NEWER = "def gradient_by_hand(x):\n    return 1 + 6 * x"

WORK = {
    "setup": SET_UP,
    "progress": "seegrad.progress(1)",
    "save": "seegrad.save()",
    "restore": "seegrad.restore()",
}


class Machine:
    """A JupyterLab with a course, a progress and a browser of its own."""

    def __init__(self, lab: Lab, page: NotebookPage, **cells: str):
        (lab.root / "chapters").mkdir()
        self.exercises = lab.root / "exercises" / NAME
        self.page = page
        page.open(write_notebook(lab, "chapters/work.ipynb", **WORK, **cells))
        page.run_all()

    def write(self, answer: str) -> None:
        made = nbformat.read(self.exercises, as_version=4)
        next(cell for cell in made.cells if cell.id == "answer-1-1").source = answer
        nbformat.write(made, self.exercises)

    def widget(self, cell: str) -> Locator:
        return self.page.output(cell).locator(".seegrad")

    def upload(self, file: Path) -> Locator:
        """Choose a file with the button; return where it is said what came of it."""
        with self.page.page.expect_file_chooser() as chooser:
            self.widget("restore").get_by_role("button", name="Bring saved work back").click()
        chooser.value.set_files(file)
        return self.widget("restore").get_by_role("status")

    def answer(self, path: Path) -> str:
        cells = nbformat.read(path, as_version=4).cells
        return str(next(cell.source for cell in cells if cell.id == "answer-1-1"))

    def beside(self) -> list[Path]:
        return sorted(self.exercises.parent.glob("*.*-*.ipynb"))


@pytest.fixture
def machines(browser: Browser, tmp_path: Path) -> Iterator[tuple[Machine, Machine]]:
    """A session on Binder, in which exercise 1.1 is done; and a laptop with a fresh course."""
    done = "seegrad.check('1.1', lambda x: 6 * x + 1)"
    with ExitStack() as stack:

        def machine(name: str, **cells: str) -> Machine:
            for folder in (EXERCISES, SOLUTIONS):
                shutil.copytree(folder, tmp_path / name / folder.name)
            lab = stack.enter_context(running_lab(tmp_path / name))
            return Machine(lab, stack.enter_context(clean_page(browser, lab)), **cells)

        yield machine("binder", check=done), machine("laptop")


def test_work_is_downloaded_and_comes_back_on_another_machine(
    machines: tuple[Machine, Machine], tmp_path: Path
) -> None:
    binder, laptop = machines

    # On Binder: the widget was shown before the answer was written; the button looks anew.
    binder.write(RIGHT)
    with binder.page.page.expect_download() as download:
        binder.widget("save").get_by_role("button", name="Save my work").click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    assert file.suffix == ".seegrad"
    said = binder.widget("save").get_by_role("status")
    expect(said).to_contain_text(f"{NAME}: answer to 1.1.")
    expect(said).to_contain_text("Progress: 1 done")
    with binder.page.page.expect_download() as again:
        binder.widget("save").get_by_role("link", name="Download it again").click()
    assert Path(again.value.path()).read_bytes() == file.read_bytes()

    # On the laptop: what is no such file is refused, and the work comes back.
    expect(laptop.widget("progress")).to_contain_text("0 of 10 exercises done")
    (tmp_path / "holiday.jpg").write_bytes(b"JFIF")
    expect(laptop.upload(tmp_path / "holiday.jpg")).to_contain_text("not a file that seegrad saved")
    expect(laptop.upload(file)).to_contain_text("answer to 1.1 brought back")
    assert laptop.answer(laptop.exercises) == RIGHT
    assert laptop.beside() == []
    laptop.page.cell("progress").click()
    laptop.page.command("notebook:run-cell")
    expect(laptop.widget("progress")).to_contain_text("1 of 10 exercises done")

    # A newer answer stands, and the file's is kept beside it.
    laptop.write(NEWER)
    expect(laptop.upload(file)).to_contain_text("Yours here is newer")
    assert laptop.answer(laptop.exercises) == NEWER
    assert [laptop.answer(path) for path in laptop.beside()] == [RIGHT]

    # The file is not in the notebook that shows the buttons.
    binder.page.command("docmanager:save")
    assert (binder.page.lab.root / "chapters" / "work.ipynb").stat().st_size < 200_000
    for theme in Theme:
        laptop.page.set_theme(theme)
        assert violations(laptop.page.page, ".jp-OutputArea-output .seegrad") == []
    with laptop.page.without_kernel():
        laptop.widget("save").get_by_role("button", name="Save my work").click()
        expect(laptop.widget("save")).to_contain_text("No kernel has answered", timeout=15_000)
