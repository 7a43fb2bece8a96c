"""The one file in which a learner's work is kept: what stands in it, and what is refused.

It is a zip file: renamed to .zip, it can be looked into without seegrad. Its own name keeps
browsers from unpacking it at once.

    seegrad.json             what this is, and which cells are the learner's
    progress.json            what was done, as it is kept on the machine
    exercises/*.ipynb        the notebooks, without outputs; and the versions kept beside them
"""

from __future__ import annotations

import io
import json
import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import nbformat
from nbformat import NotebookNode

from seegrad.course.progress import Record, records_in
from seegrad.course.progress import text_of as text_of_progress
from seegrad.course.worksheets import text_of, without_outputs
from seegrad.errors import InputError

FORMAT = 1

SUFFIX = ".seegrad"

MOST_BYTES = 8_000_000
"""A Jupyter server takes no message over 10 MiB from a browser."""

MOST_UNPACKED = 64_000_000

_MANIFEST, _PROGRESS, _FOLDER = "seegrad.json", "progress.json", "exercises/"

_NOTEBOOK = re.compile(r"\d\d_\w+(?P<beside>\.(?:yours|saved)-\d+)?\.ipynb", re.ASCII)


@dataclass(frozen=True, slots=True)
class Answers:
    """A learner's notebook of exercises.

    Attributes
    ----------
    notebook: without outputs.
    changed: the ids of the cells that are the learner's: those that the original has otherwise, or
        has not.
    modified: when the notebook was last written, in seconds since 1970.
    """

    notebook: NotebookNode
    changed: tuple[str, ...]
    modified: float = field(compare=False)


@dataclass(frozen=True, slots=True)
class Work:
    """All that a learner would miss: the notebooks, the versions kept beside, what was done.

    ``remarks`` says what could not be taken along.
    """

    notebooks: Mapping[str, Answers] = field(default_factory=dict)
    beside: Mapping[str, NotebookNode] = field(default_factory=dict)
    records: Mapping[str, Record] = field(default_factory=dict)
    remarks: tuple[str, ...] = field(default=(), compare=False)

    @property
    def empty(self) -> bool:
        """Has nothing been written and nothing been tried?"""
        return not (self.notebooks or self.beside or self.records)


def is_notebook_of_exercises(name: str) -> bool:
    """Is this the name of a chapter's exercises, or of a version kept beside them?

    >>> [is_notebook_of_exercises(n) for n in ("01_examples.ipynb", "01_examples.yours-2.ipynb")]
    [True, True]
    >>> is_notebook_of_exercises("../01_examples.ipynb")
    False
    """
    return _NOTEBOOK.fullmatch(name) is not None


def is_kept_beside(name: str) -> bool:
    """Is this the name of a version that was kept beside a notebook of exercises?"""
    found = _NOTEBOOK.fullmatch(name)
    return found is not None and found["beside"] is not None


# Reading a notebook, whoever wrote it


def parse(text: str) -> NotebookNode:
    """A notebook, each cell with an id. Raises ValueError if the text is none."""
    problems: dict[str, Any] = {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # older tools write cells without ids
            read = nbformat.reads(text, as_version=4, capture_validation_error=problems)
            made: NotebookNode = nbformat.v4.upgrade(read)
    except Exception as error:  # nbformat raises what it stumbles over
        raise ValueError("not a notebook") from error
    if problems:
        raise ValueError("not a valid notebook")
    return made


# Packing


def pack(work: Work, saved: datetime) -> bytes:
    """The file's bytes; the same work at the same time gives the same."""
    own = {name: answers.notebook for name, answers in work.notebooks.items()}
    notebooks = {**own, **work.beside}
    about = {
        name: {"changed": list(answers.changed), "modified": answers.modified}
        for name, answers in work.notebooks.items()
    }
    manifest = {"format": FORMAT, "saved": saved.isoformat(timespec="seconds"), "notebooks": about}
    members = {
        _MANIFEST: json.dumps(manifest, indent=1, sort_keys=True) + "\n",
        _PROGRESS: text_of_progress(work.records),
        **{_FOLDER + name: text_of(notebook) for name, notebook in sorted(notebooks.items())},
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, text in members.items():
            entry = zipfile.ZipInfo(name, saved.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            made.writestr(entry, text)
    return buffer.getvalue()


# Unpacking: nothing is believed that was not looked at


def unpack(data: bytes) -> Work:
    """The work in a file. Nothing is written anywhere.

    Raises InputError if the file is damaged, is none of seegrad's, or is of a newer release's.
    """
    members = _members(data)
    try:
        manifest = json.loads(members[_MANIFEST])
        release = manifest["format"]
        if type(release) is int and release > FORMAT:
            raise InputError(
                f"This file was saved by a newer seegrad: its format is {release}, and this one "
                f"reads {FORMAT}. Get the newest course, and restore the file there."
            )
        about = {name: _about(entry) for name, entry in manifest["notebooks"].items()}
        notebooks = {name: _bare(members[_FOLDER + name]) for name in about}
        return Work(
            {name: Answers(notebooks[name], *about[name]) for name in about},
            {
                path.removeprefix(_FOLDER): _bare(content)
                for path, content in members.items()
                if is_kept_beside(path.removeprefix(_FOLDER))
            },
            records_in(members[_PROGRESS].decode()),
        )
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise _refused("what stands in it is not what seegrad writes") from error


def _bare(content: bytes) -> NotebookNode:
    return without_outputs(parse(content.decode()))


def _about(entry: Mapping[str, Any]) -> tuple[tuple[str, ...], float]:
    changed = entry["changed"]
    if not isinstance(changed, list) or not all(isinstance(name, str) for name in changed):
        raise TypeError("ids are text")
    return tuple(changed), float(entry["modified"])


def _members(data: bytes) -> dict[str, bytes]:
    """All that is in the zip file, if nothing is in it that seegrad would not have put there."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            entries = packed.infolist()
            for entry in entries:
                own = entry.filename in (_MANIFEST, _PROGRESS)
                name = entry.filename.removeprefix(_FOLDER)
                if not own and (name == entry.filename or not is_notebook_of_exercises(name)):
                    raise _refused(f"it holds {entry.filename[:80]!r}")
            if sum(entry.file_size for entry in entries) > MOST_UNPACKED:
                raise _refused(f"unpacked it is larger than {MOST_UNPACKED // 10**6} MB")
            return {entry.filename: packed.read(entry) for entry in entries}
    except InputError:
        raise
    except Exception as error:  # zipfile raises many kinds for a damaged file
        raise _refused("it is damaged, or of another kind") from error


def _refused(why: str) -> InputError:
    return InputError(
        f"This is not a file that seegrad saved: {why}. Nothing was changed. Choose one whose name "
        f"begins with seegrad-work and ends with {SUFFIX}; if it is one, download it once more."
    )
