"""Does every section of a chapter run after the set-up cells alone, and judge answers rightly?"""

import sys
import warnings
from collections.abc import Iterable, Iterator
from itertools import takewhile
from typing import Any

import matplotlib.pyplot as plt
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from ipywidgets import Widget
from nbformat import NotebookNode, read
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from traitlets.config import Config

import seegrad
from seegrad.course.answers import observe
from seegrad.widgets.predict import Prediction
from tests.tools.course import chapters


def is_heading(cell: NotebookNode) -> bool:
    return cell.cell_type == "markdown" and cell.source.startswith("## ")


def set_up(notebook: NotebookNode) -> list[NotebookNode]:
    """The cells that stand before the first section."""
    return list(takewhile(lambda cell: not is_heading(cell), notebook.cells))


def sections(notebook: NotebookNode) -> Iterator[tuple[str, list[NotebookNode]]]:
    """Each section that has code, by the id of its heading."""
    starts = [place for place, cell in enumerate(notebook.cells) if is_heading(cell)]
    for start, end in zip(starts, [*starts[1:], None], strict=True):
        cells = notebook.cells[start:end]
        if any(cell.cell_type == "code" for cell in cells):
            yield cells[0].id, cells


def surprises(shell: InteractiveShell, cells: list[NotebookNode]) -> Iterator[str]:
    """Run the code cells: which raise another error than the one that is committed, or none?"""
    for cell in cells:
        if cell.cell_type == "code":
            result = shell.run_cell(cell.source, store_history=True)
            error = result.error_before_exec or result.error_in_exec
            committed = [output.ename for output in cell.outputs if output.output_type == "error"]
            if committed != ([] if error is None else [type(error).__name__]):
                yield f"cell {cell.id!r}: {error!r}"


def misjudged(questions: Iterable[Prediction]) -> Iterator[str]:
    """Which known mistake passes for right, or is not explained; which right option does not?"""
    for question in questions:
        mistakes = question._mistakes
        for text in {*mistakes, *(question.options if question.kind == "choice" else ())}:
            question.commit(text)
            right, said = question.page.get("right"), question.page["said"]
            if right is not (text not in mistakes) or mistakes.get(text, "") not in ["", *said]:
                yield f"{question.question!r}: {text!r} is right: {right}, and is told {said}"


def unreproduced(questions: Iterable[Prediction]) -> Iterator[str]:
    """Whose code, run anew with nothing but itself, does not print the answer?"""
    for question in questions:
        question.again()
        question.reveal()
        script, actual = question.code(), question.page["actual"]
        if script.startswith("# The answer was given") or "seegrad" in script:
            continue
        printed = last_printed(script, question.kind)
        if printed != actual:
            yield f"{question.question!r}: {actual}, and not {printed}, by\n{script}"


def last_printed(script: str, kind: str) -> str:
    """How does an answer's text say what a script prints last? Its error, where it raises one."""
    told: list[tuple[Any, ...]] = [("nothing",)]
    try:
        exec(script, {"__name__": "__main__", "print": lambda *things: told.append(things)})
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    last = told[-1]
    if kind == "raises" or len(last) > 1:
        return " ".join(last)
    return observe(last[0], "choice" if kind == "choice" else "value").text


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Iterator[InteractiveShell]:
    """What runs a notebook's cells, with nothing in its namespace."""
    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # a notebook shows a warning, and goes on
        warnings.simplefilter("ignore", DeprecationWarning)  # as a kernel does for a library's
        yield shell
    shell.run_cell("%unload_ext seegrad")
    let_go(shell)
    InteractiveShell.clear_instance()
    capsys.readouterr()  # what the cells showed


def let_go(shell: InteractiveShell) -> None:
    """Leave nothing of the notebook behind: a tensor that lives keeps its recording."""
    shell.reset()
    Widget.close_all()
    plt.close("all")
    torch.set_warn_always(False)  # a cell of chapter 2 switches it on
    for name in ("last_exc", "last_value", "last_traceback"):
        sys.__dict__.pop(name, None)


SECTIONS = [
    pytest.param(set_up(notebook) + cells, id=f"{path.stem}-{heading}")
    for path in chapters()
    for notebook in [read(path, as_version=4)]
    for heading, cells in sections(notebook)
]


@pytest.mark.parametrize("cells", SECTIONS)
def test_a_section_runs_after_the_set_up_cells_alone(
    shell: InteractiveShell, cells: list[NotebookNode]
) -> None:
    assert list(surprises(shell, cells)) == []
    questions = [part for part in shell.user_ns["Out"].values() if isinstance(part, Prediction)]
    assert list(misjudged(questions)) == []
    assert list(unreproduced(questions)) == []


def test_a_section_that_leans_on_another_is_found(shell: InteractiveShell) -> None:
    error = [new_output("error", ename="ZeroDivisionError", evalue="", traceback=[])]
    notebook = new_notebook(
        cells=[
            new_code_cell("a = 1", id="set-up"),
            new_markdown_cell("## One", id="one"),
            new_code_cell("b = a", id="makes-b"),
            new_markdown_cell("## Two", id="two"),
            new_code_cell("a + b", id="needs-b"),
            new_code_cell("a / 0", id="committed", outputs=error),
            new_code_cell("a / 1", id="raises-no-more", outputs=error),
            new_code_cell("b / 0", id="raises-another", outputs=error),
            new_markdown_cell("## Three", id="three"),
        ]
    )
    _, (name, two) = sections(notebook)
    assert name == "two"
    assert list(surprises(shell, set_up(notebook) + two)) == [
        "cell 'needs-b': NameError(\"name 'b' is not defined\")",
        "cell 'raises-no-more': None",
        "cell 'raises-another': NameError(\"name 'b' is not defined\")",
    ]


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({"options": {"2": "", "3": "Too many."}}, ""),
        ({"options": {"2": "Too few.", "3": ""}}, "'2' is right: True"),
        ({"options": {"4": "", "3": "Too many."}}, "'4' is right: False"),
        ({"mistakes": {"2.0": "Too few."}}, "'2.0' is right: True"),
        ({"mistakes": {"3": "Too many.", "3.0": "Far too many."}}, "'3.0' is right: False"),
    ],
)
def test_a_question_that_judges_wrongly_is_found(asked: dict[str, Any], complaint: str) -> None:
    question = seegrad.predict("1 + 1?", 2, **asked)
    found = list(misjudged([question]))
    assert complaint in "".join(found)
    assert bool(found) is bool(complaint)
