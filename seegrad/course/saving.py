"""Collecting a learner's work, and keeping it in one file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from nbformat import NotebookNode

from seegrad.course import progress as store
from seegrad.course.archive import (
    SUFFIX,
    Answers,
    Work,
    is_kept_beside,
    is_notebook_of_exercises,
    pack,
    parse,
    unpack,
)
from seegrad.course.exercises import all_exercises
from seegrad.course.progress import Record
from seegrad.course.worksheets import (
    STUB,
    cell_names,
    exercises_folder,
    original_of,
    without_outputs,
)
from seegrad.errors import InputError

_RANDOM_ID = re.compile(r"[0-9a-f-]{8,}")


def collect() -> Work:
    """The learner's work as it is on disk: what JupyterLab has not saved is not there.

    Raises InputError where there is no course around.
    """
    notebooks: dict[str, Answers] = {}
    beside: dict[str, NotebookNode] = {}
    kept = store.load()
    remarks = [kept.remark] if kept.remark else []
    for path in sorted(exercises_folder().glob("*.ipynb")):
        if not is_notebook_of_exercises(path.name):
            continue
        try:
            notebook = without_outputs(parse(path.read_text("utf-8")))
        except ValueError:
            remarks.append(f"{path.name} cannot be read as a notebook: it is not in the file.")
            continue
        if is_kept_beside(path.name):
            beside[path.name] = notebook
        elif changed := changed_cells(notebook, original_of(path)):
            notebooks[path.name] = Answers(notebook, changed, path.stat().st_mtime)
    records = {number: one for number, one in kept.records.items() if one != Record()}
    return Work(notebooks, beside, records, tuple(remarks))


def changed_cells(notebook: NotebookNode, original: NotebookNode | None) -> tuple[str, ...]:
    """The ids of the cells that are the learner's.

    Without the original at hand they are the answers in which the stub is no more, and the cells
    that JupyterLab named: those of the course have names that somebody chose.
    """
    if original is None:
        return tuple(
            cell.id
            for cell in notebook.cells
            if (cell.id.startswith("answer-") and STUB not in cell.source)
            or (_RANDOM_ID.fullmatch(cell.id) and cell.source.strip())
        )
    known = {cell.id: cell.source for cell in original.cells}
    return tuple(
        cell.id
        for cell in notebook.cells
        if cell.source != known.get(cell.id, "") and cell.source.strip()
    )


def folder() -> Path:
    """Where the files are kept: beside the folder of the exercises."""
    return exercises_folder().parent / "saved"


def keep(work: Work) -> Path:
    """Write the work into a file of its own, unless the newest one holds the same already.

    Raises OSError where it cannot be written.
    """
    place = folder()
    place.mkdir(exist_ok=True)
    if (newest := max(place.glob(f"seegrad-work-*{SUFFIX}"), default=None)) is not None:
        with suppress(InputError):
            if unpack(newest.read_bytes()) == work:
                return newest
    now = datetime.now(UTC)
    while (path := place / file_name(now)).exists():
        now += timedelta(seconds=1)
    path.write_bytes(pack(work, now))
    return path


def file_name(saved: datetime) -> str:
    """What a file saved at this time is called: names sort by time, on whichever machine.

    >>> file_name(datetime(2030, 1, 31, 9, 5, 2, tzinfo=UTC))
    'seegrad-work-2030-01-31-090502.seegrad'
    """
    return f"seegrad-work-{saved:%Y-%m-%d-%H%M%S}{SUFFIX}"


def described(work: Work) -> Iterator[str]:
    """What is in the file, a sentence a notebook, so that the learner sees what is missing."""
    for name, answers in work.notebooks.items():
        yield f"{name}: {names_of(answers.changed)}."
    if work.beside:
        yield f"Versions kept beside: {', '.join(work.beside)}."
    if work.records:
        yield counted(work.records.values())
    yield from work.remarks


def counted(records: Iterable[Record]) -> str:
    """How many exercises are done, and how many tried?

    >>> counted([Record(tries=1, done=True), Record(tries=2)])
    'Progress: 1 done, 1 tried.'
    """
    listed = list(records)
    done = sum(record.done for record in listed)
    tried = sum(record.tries > 0 and not record.done for record in listed)
    return f"Progress: {done} done, {tried} tried."


def names_of(cells: Iterable[str]) -> str:
    """What these cells are to the learner: answers by their numbers, and others.

    >>> names_of(["answer-1-1", "answer-1-3", "f3a9"])
    'answers to 1.1, 1.3, and 1 other cell'
    """
    ids = list(cells)
    numbers = [one.number for one in all_exercises() if cell_names(one.number)[1] in ids]
    others = len(ids) - len(numbers)
    answers = f"{'answers' if len(numbers) > 1 else 'answer'} to {', '.join(numbers)}"
    cells_of_yours = f"{others} other cell{'s' if others > 1 else ''}"
    return ", and ".join([answers] * bool(numbers) + [cells_of_yours] * bool(others))
