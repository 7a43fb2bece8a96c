"""Make the learner's exercises from the notebooks with solutions (`make exercises`).

What an exercise's definition says stands in its notebook too: the heading, the items of the seed
notes, nbgrader's metadata. This writes it there. With `--check` nothing is written: the run fails
when a notebook is not what this would write.
"""

import copy
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from seegrad.course.exercise import Exercise
from seegrad.course.exercises import all_exercises
from seegrad.course.worksheets import cell_names, text_of, worksheet
from tests.tools.course import EXERCISES, REPOSITORY, solutions


def main() -> None:
    """Write the exercises, or check them."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only, write nothing")
    task = stale if parser.parse_args().check else write
    found = [complaint for path in solutions() for complaint in task(path)]
    print("\n".join(found) or f"exercise notebooks that are as they should be: {len(solutions())}")
    sys.exit(bool(found))


def write(path: Path) -> Iterator[str]:
    """Write what is made from this notebook with solutions; there is nothing to complain of."""
    EXERCISES.mkdir(exist_ok=True)
    for target, text in made_from(path).items():
        target.write_text(text, encoding="utf-8")
    yield from ()


def stale(path: Path) -> Iterator[str]:
    """Which files are not what `write` would make of this notebook with solutions?"""
    for target, text in made_from(path).items():
        if not target.exists() or target.read_text("utf-8") != text:
            yield f"{target.relative_to(REPOSITORY)} is not what `make exercises` makes"


def made_from(path: Path) -> dict[Path, str]:
    """The two files of a chapter, and what stands in them: the solutions, marked; the exercises."""
    solved = marked(nbformat.read(path, as_version=4))
    return {path: text_of(solved), EXERCISES / path.name: text_of(worksheet(solved))}


def marked(solved: NotebookNode) -> NotebookNode:
    """The notebook with what the exercises' definitions say in its headings and metadata."""
    made = copy.deepcopy(solved)
    cells = {cell.id: cell for cell in made.cells}
    for exercise in all_exercises():
        text, answer, check = cell_names(exercise.number)
        if answer in cells:
            introduce(cells[text], exercise)
            cells[answer].metadata["nbgrader"] = nbgrader(answer)
            cells[check].metadata["nbgrader"] = nbgrader(check, points=exercise.difficulty)
    return made


def introduce(cell: NotebookNode, exercise: Exercise) -> None:
    """Put the heading above the text of an exercise, and its items of the seed notes beside it."""
    lines = cell.source.split("\n")
    statement = "\n".join(lines[3:] if lines[0].startswith("## ") else lines).strip()
    cell.source = f"{exercise.heading}\n\n{statement}"
    cell.metadata["seed"] = list(exercise.seeds)


def nbgrader(name: str, points: int = 0) -> dict[str, object]:
    """How nbgrader knows the cell: one with points is graded and locked, else it is an answer."""
    graded = {"points": points} if points else {}
    return {
        "grade": bool(points),
        "grade_id": name,
        "locked": bool(points),
        **graded,
        "schema_version": 3,
        "solution": not points,
        "task": False,
    }


if __name__ == "__main__":
    main()
