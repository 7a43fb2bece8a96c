"""Bringing saved work back into the course, so that no answer is lost, here or there."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from seegrad.course import progress as store
from seegrad.course.archive import Answers, Work, parse
from seegrad.course.files import copy_aside, replace_text, write_aside
from seegrad.course.saving import changed_cells, counted, names_of
from seegrad.course.worksheets import exercises_folder, original_of, text_of


def bring_back(work: Work) -> Iterator[str]:
    """Bring the work into this course, and say of each notebook what came of it.

    To do so twice changes nothing more. Raises InputError where there is no course around, and
    OSError where something cannot be written.
    """
    folder = exercises_folder()
    folder.mkdir(exist_ok=True)
    for name, saved in work.notebooks.items():
        yield _bring_back(folder / name, saved)
    for name, notebook in work.beside.items():
        _keep_version(folder / name, notebook)
    kept = store.merge(work.records) if work.records else store.load()
    yield f"{counted(kept.records.values())} {kept.remark}".strip()


def _bring_back(path: Path, saved: Answers) -> str:
    original = original_of(path)
    here, aside = _read(path)
    newer = here is None or saved.modified > path.stat().st_mtime
    result = merge(here or original or saved.notebook, original, saved, newer)
    if result.rivals:
        aside = copy_aside(path, "yours") if newer else _keep_beside(path, saved.notebook)
    if result.taken or here is None:
        replace_text(path, text_of(result.notebook))
    back = result.taken if here else saved.changed
    return f"{path.name}: {' '.join(_told(back, result.rivals, newer, aside))}"


def _told(
    back: Sequence[str], rivals: Sequence[str], newer: bool, aside: Path | None
) -> Iterator[str]:
    """What came of a notebook, in sentences."""
    if back:
        yield f"{names_of(back)} brought back."
    elif not rivals:
        yield "all that is in the file was here already."
    if rivals:
        yield f"Different here and in the file: {names_of(rivals)}."
        if newer:
            yield "The file's is newer, and stands in the notebook now; yours from here"
        else:
            yield "Yours here is newer, and stays in the notebook; the file's"
    elif aside:
        yield "What was here could not be read; it"
    if aside:
        yield f"is kept in {aside.name}."
    if back:
        yield "If it is open, choose File → Reload Notebook from Disk."


def _read(path: Path) -> tuple[NotebookNode | None, Path | None]:
    """The notebook that is here, with its outputs; and where one is kept that was damaged."""
    try:
        return parse(path.read_text("utf-8")), None
    except FileNotFoundError:
        return None, None
    except ValueError:
        return None, copy_aside(path, "yours")


@dataclass(frozen=True, slots=True)
class Merged:
    """Two notebooks as one.

    Attributes
    ----------
    notebook: what is to stand in the place.
    taken: the ids of the cells that came from the saved one.
    rivals: the ids of those that both had changed, each in its own way.
    """

    notebook: NotebookNode
    taken: tuple[str, ...]
    rivals: tuple[str, ...]


def merge(here: NotebookNode, original: NotebookNode | None, saved: Answers, newer: bool) -> Merged:
    """The notebook that is here with the cells that were changed in the saved one.

    Where both have changed a cell, the saved one's is taken if it is ``newer``. What was not
    changed is left as it is here: the course may have become another since.
    """
    made, own = copy.deepcopy(here), changed_cells(here, original)
    places = {cell.id: place for place, cell in enumerate(made.cells)}
    sources = {cell.source for cell in made.cells}
    taken, rivals = [], []
    added: dict[int, list[NotebookNode]] = {}
    last = -1
    for cell in saved.notebook.cells:
        place = last = places.get(cell.id, last)
        if cell.id not in saved.changed:
            continue
        if cell.id not in places:
            if cell.source not in sources:
                added.setdefault(place, []).append(cell)
                taken.append(cell.id)
        elif made.cells[place].source != cell.source:
            if cell.id in own:
                rivals.append(cell.id)
            if newer or cell.id not in own:
                made.cells[place] = cell
                taken.append(cell.id)
    made.cells = list(_with_added(made.cells, added))
    return Merged(made, tuple(taken), tuple(rivals))


def _with_added(
    cells: Sequence[NotebookNode], added: Mapping[int, Sequence[NotebookNode]]
) -> Iterator[NotebookNode]:
    """The cells, each followed by those to be added after its place; -1 is before the first."""
    yield from added.get(-1, ())
    for place, cell in enumerate(cells):
        yield cell
        yield from added.get(place, ())


def _keep_beside(path: Path, notebook: NotebookNode) -> Path:
    """Where this version of a notebook is kept beside it: one that is kept is not kept twice."""
    for other in sorted(path.parent.glob(f"{path.stem}.*-*.ipynb")):
        if _same(other, notebook):
            return other
    return write_aside(path, "saved", text_of(notebook).encode())


def _keep_version(path: Path, notebook: NotebookNode) -> None:
    """Keep a version that was beside a notebook, under its own name if that is free."""
    main = path.with_name(path.name.partition(".")[0] + path.suffix)
    if path.exists():
        _keep_beside(main, notebook)
    elif not any(_same(other, notebook) for other in path.parent.glob(f"{main.stem}.*-*.ipynb")):
        replace_text(path, text_of(notebook))


def _same(path: Path, notebook: NotebookNode) -> bool:
    """Does this file hold that notebook, outputs aside?"""
    try:
        other = parse(path.read_text("utf-8"))
    except ValueError:
        return False
    return [cell.source for cell in other.cells] == [cell.source for cell in notebook.cells]
