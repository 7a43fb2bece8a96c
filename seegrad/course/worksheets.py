"""From a notebook with solutions to the learner's: what is cut out, and where both lie."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from seegrad.course.exercise import Exercise
from seegrad.course.files import copy_aside, replace_text
from seegrad.errors import InputError

STUB = "return ...  # your answer"
"""What stands in place of a solution. nbgrader is configured with the same line."""

_REGION = re.compile(
    r"^(?P<indent>[ \t]*)### BEGIN SOLUTION\n(?P<answer>.*?)^[ \t]*### END SOLUTION",
    re.MULTILINE | re.DOTALL,
)


def worksheet(solved: NotebookNode) -> NotebookNode:
    """The learner's notebook: each answer replaced by the stub, and nothing run."""
    made = without_outputs(solved)
    for cell in made.cells:
        if cell.cell_type == "code":
            cell.source = without_answer(cell.source)
    return made


def without_outputs(notebook: NotebookNode) -> NotebookNode:
    """The notebook as if nothing had been run."""
    made = copy.deepcopy(notebook)
    made.metadata.pop("widgets", None)
    for cell in made.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return made


def without_answer(source: str) -> str:
    r"""A cell's code with the stub where the answer stands.

    >>> answer = "    ### BEGIN SOLUTION\n    return x\n    ### END SOLUTION"
    >>> print(without_answer("def f(x):\n" + answer))
    def f(x):
        return ...  # your answer
    """
    return _REGION.sub(lambda found: found["indent"] + STUB, source)


def answer_in(source: str) -> str:
    """A cell's code as the learner would write it: the answer, without its markers."""
    return _REGION.sub(lambda found: found["answer"].rstrip("\n"), source)


def cell_names(number: str) -> tuple[str, str, str]:
    """The ids of an exercise's cells: the text, the answer, the check.

    >>> cell_names("1.3")
    ('text-1-3', 'answer-1-3', 'check-1-3')
    """
    place = number.replace(".", "-")
    return f"text-{place}", f"answer-{place}", f"check-{place}"


def solution_of(exercise: Exercise) -> str:
    """The code of the model answer. Raises InputError where the solutions are not at hand."""
    _, wanted, _ = cell_names(exercise.number)
    cells = nbformat.read(notebook("solutions", exercise.chapter), as_version=4).cells
    return next(answer_in(cell.source) for cell in cells if cell.id == wanted)


def notebook(folder: str, chapter: int) -> Path:
    """The file of a chapter in ``exercises`` or ``solutions``. Raises InputError without one.

    Both folders are looked for around the working directory, and where this package lies.
    """
    for parent in _places():
        found = sorted((parent / folder).glob(f"{chapter:02}_*.ipynb"))
        if own := [path for path in found if "." not in path.stem]:
            return own[0]
    raise InputError(
        f"The {folder} of chapter {chapter} are not here. They lie in the course's folder "
        f"{folder}/; where somebody gave you the exercises alone, ask them."
    )


def _places() -> tuple[Path, ...]:
    """Where the course's folders may lie, the likeliest place first."""
    return Path.cwd().parent, Path.cwd(), Path(__file__).resolve().parents[2]


def exercises_folder() -> Path:
    """Where the learner's notebooks lie. Raises InputError where there is no course around."""
    for parent in _places():
        for folder in ("exercises", "solutions"):
            if any((parent / folder).glob("[0-9][0-9]_*.ipynb")):
                return parent / "exercises"
    raise InputError(
        "The course's exercises are not here. Call this from a notebook in the course's folders "
        "chapters/ or exercises/."
    )


def original_of(path: Path) -> NotebookNode | None:
    """A notebook of exercises as it was at first; None where the solutions are not at hand."""
    solved = path.parent.parent / "solutions" / path.name
    return worksheet(nbformat.read(solved, as_version=4)) if solved.exists() else None


def restore(chapter: int, number: str = "") -> Path | None:
    """Make a chapter's exercises, or the one of this number, as they were at first.

    Returns where the learner's version is kept: beside it, under a name that was free; None where
    nothing had been changed.
    """
    solved = notebook("solutions", chapter)
    original = worksheet(nbformat.read(solved, as_version=4))
    path = solved.parent.parent / "exercises" / solved.name
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        replace_text(path, text_of(original))
        return None
    if number:
        current = nbformat.read(path, as_version=4)
        current.cells = list(_with_original_cells(current, original, cell_names(number)))
        original = current
    if path.read_text("utf-8") == text_of(original):
        return None
    yours = copy_aside(path, "yours")
    replace_text(path, text_of(original))
    return yours


def _with_original_cells(
    current: NotebookNode, original: NotebookNode, names: tuple[str, ...]
) -> Iterator[NotebookNode]:
    """The current cells with these put back; one that was deleted comes at the end."""
    fresh = {cell.id: cell for cell in original.cells if cell.id in names}
    for cell in current.cells:
        yield fresh.pop(cell.get("id"), cell)
    yield from fresh.values()


def text_of(made: NotebookNode) -> str:
    """What stands in the file of this notebook."""
    text: str = nbformat.writes(made)
    return text + "\n"
