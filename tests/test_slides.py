"""Do the chapters divide into slides, and need nothing from another host?"""

import re
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from classroom.slides import ROOM, SlideRule, slides
from tests.tools.course import chapters

PROSE = "What a learner reads at leisure."


def types(*cells: NotebookNode) -> list[str]:
    notebook, _ = SlideRule().preprocess(new_notebook(cells=list(cells)), {})
    return [cell.metadata["slideshow"]["slide_type"] for cell in notebook.cells]


def test_a_heading_starts_a_slide_and_a_cell_is_a_step_on_it() -> None:
    assert types(new_markdown_cell("## 1.1 Why?"), new_code_cell("x")) == ["slide", "fragment"]


def test_prose_is_said_and_what_is_bold_or_a_formula_is_shown() -> None:
    cell = new_markdown_cell(f"**Predict.** Does it raise?\n\n{PROSE}\n\n$$y = x$$", id="why")
    assert types(new_markdown_cell("# 1"), cell) == ["slide", "fragment", "notes"]


def test_a_slide_that_is_full_goes_on_below() -> None:
    picture = new_output("display_data", {"image/png": "iVBO", "text/plain": "graph"})
    cells = [new_code_cell("seegrad.graph(y)", outputs=[picture]) for _ in range(2)]
    assert types(new_markdown_cell("# 1"), *cells) == ["slide", "subslide", "subslide"]
    lines = [new_code_cell("x") for _ in range(ROOM)]
    assert types(new_markdown_cell("# 1"), *lines).count("subslide") == 2


def test_a_question_shows_no_code_for_it_would_tell_the_answer(tmp_path: Path) -> None:
    source = 'seegrad.predict("What is x?", mistakes={"7": "a hint"})'
    cells = [new_markdown_cell("# 1"), new_code_cell(source), new_code_cell("x = 3")]
    nbformat.write(new_notebook(cells=cells), tmp_path / "n.ipynb")
    html = slides(tmp_path / "n.ipynb")
    assert "a hint" not in html
    assert ">3<" in html


def test_a_cell_that_says_its_type_has_it() -> None:
    told = {"slideshow": {"slide_type": "skip"}}
    assert types(new_markdown_cell("# 1", metadata=told), new_code_cell("x"))[0] == "skip"


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_a_chapters_slides_fetch_nothing(path: Path) -> None:
    html = slides(path)
    fetched = re.findall(r"<(?:script|img|link|iframe)[^>]+(?:src|href)=\"([^\"]+)", html)
    assert len(fetched) > 3
    assert [one[:60] for one in fetched if not one.startswith(("reveal.js/", "data:"))] == []
    assert "import(" not in html


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_a_chapters_formulas_are_drawn_and_its_code_is_kept(path: Path) -> None:
    html = slides(path)
    assert not re.search("[\ue000\ue001]", html)
    assert not re.search(r"\$\$|\\(mathbf|d?frac|sum|partial|top)\b", html)
    assert ("<math" in html) == (path.stem != "00_start")
