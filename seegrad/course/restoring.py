"""Bringing saved work back into the course, so that no answer is lost, here or there."""

from __future__ import annotations

import copy
from collections.abc import Iterator
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
    base = here or original or saved.notebook
    newer = here is None or saved.modified > path.stat().st_mtime
    result = merge(base, original, saved, newer)
    told = f"{path.name}: "
    if result.rivals and here is not None:
        aside = copy_aside(path, "yours") if newer else _keep_beside(path, saved.notebook)
    if result.taken or here is None:
        replace_text(path, text_of(result.notebook))
    if back := result.taken if here else saved.changed:
        told += f"{names_of(back)} brought back. "
    elif not result.rivals:
        told += "all that is in the file was here already. "
    if result.rivals and aside:
        which = "The file's is newer" if newer else "Yours here is newer"
        where = f"the other version is kept in {aside.name}"
        told += f"Both have {names_of(result.rivals)}. {which}, and stands there; {where}. "
    elif aside:
        told += f"What was here could not be read; it is kept in {aside.name}. "
    return told.strip()


def _read(path: Path) -> tuple[NotebookNode | None, Path | None]:
    """The notebook that is here, with its outputs; and where one is kept that was damaged."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return None, None
    except ValueError:
        return None, copy_aside(path, "yours")
    try:
        return parse(text), None
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
    made.cells = [
        cell
        for place, kept in enumerate([None, *made.cells], -1)
        for cell in ([] if kept is None else [kept]) + added.get(place, [])
    ]
    return Merged(made, tuple(taken), tuple(rivals))


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
