"""What a learner has done, tried and left: kept for each user, outside the course's folder.

The file is replaced whole, under a lock: a crash or a second kernel loses nothing. A file that
cannot be read is kept aside under another name, and a remark says so.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, astuple, dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock
from platformdirs import user_data_path

from seegrad.course.files import copy_aside, replace_text

FOLDER_VARIABLE = "SEEGRAD_PROGRESS"
"""Names the folder to keep progress in, for tests and for a hub that wants it elsewhere."""

LOCK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Record:
    """What was done about one exercise.

    ``tries`` counts checks of an answer; ``hints`` the hints that were shown; ``asked`` says that
    the solution was asked for once.
    """

    tries: int = 0
    done: bool = False
    hints: int = 0
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """All records, by the exercise's number; and a sentence if something is amiss with them."""

    records: Mapping[str, Record] = field(default_factory=dict)
    remark: str = ""

    def of(self, number: str) -> Record:
        """The record of one exercise."""
        return self.records.get(number, Record())


def file() -> Path:
    """Where the progress of this user is kept."""
    folder = os.environ.get(FOLDER_VARIABLE)
    return (Path(folder) if folder else user_data_path("seegrad", False)) / "progress.json"


def load() -> Progress:
    """What the learner has done so far. Where nothing was kept, or nothing can be read: nothing."""
    try:
        return Progress(_read(file()))
    except OSError as error:
        return Progress(remark=f"Your progress could not be read: {_cause(error)}.")
    except ValueError:
        return Progress(remark="Your progress could not be read: its file is damaged.")


def change(number: str, update: Callable[[Record], Record]) -> Progress:
    """Bring one record up to date, and return all of them as they then are.

    Never raises because of the file: where it cannot be written, the remark says so.
    """
    return _change({number: update})


def merge(records: Mapping[str, Record]) -> Progress:
    """Join these with what is kept: what was done on either machine is done.

    To join the same records twice changes nothing more. Never raises because of the file.
    """
    return _change({number: partial(joined, record) for number, record in records.items()})


def joined(one: Record, other: Record) -> Record:
    """The more of each, of two records of one exercise.

    >>> joined(Record(tries=3, hints=1), Record(tries=1, done=True))
    Record(tries=3, done=True, hints=1, asked=False)
    """
    return Record(
        tries=max(one.tries, other.tries),
        done=one.done or other.done,
        hints=max(one.hints, other.hints),
        asked=one.asked or other.asked,
    )


def _change(updates: Mapping[str, Callable[[Record], Record]]) -> Progress:
    path = file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock"), timeout=LOCK_SECONDS):
            records, remark = _read_or_set_aside(path)
            records |= _updated(records, updates)
            replace_text(path, text_of(records))
            return Progress(records, remark)
    except (OSError, NotImplementedError) as error:
        return Progress(_updated({}, updates), f"It could not be kept: {_cause(error)}.")


def _updated(
    records: Mapping[str, Record], updates: Mapping[str, Callable[[Record], Record]]
) -> dict[str, Record]:
    return {number: update(records.get(number, Record())) for number, update in updates.items()}


def _read_or_set_aside(path: Path) -> tuple[dict[str, Record], str]:
    try:
        return _read(path), ""
    except ValueError:
        aside = copy_aside(path, "damaged")
        told = f"The file of your progress was damaged. It is kept as {aside.name}"
        return {}, f"{told}, and a new one was begun."


def _read(path: Path) -> dict[str, Record]:
    try:
        return records_in(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}


def records_in(text: str) -> dict[str, Record]:
    """The records in a file's text. Raises ValueError if it is not what ``text_of`` made."""
    known = {entry.name for entry in fields(Record)}
    try:
        exercises: dict[str, dict[str, Any]] = json.loads(text)["exercises"]
        records = {
            number: Record(**{name: record[name] for name in known & record.keys()})
            for number, record in exercises.items()
        }
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not a file of progress: {error}") from error
    if not all(type(value) in (bool, int) for one in records.values() for value in astuple(one)):
        raise ValueError("not a file of progress: a count that is no number")
    return records


def text_of(records: Mapping[str, Record]) -> str:
    """What stands in the file of these records."""
    kept = {number: asdict(record) for number, record in records.items()}
    return json.dumps({"version": 1, "exercises": kept}, indent=1, sort_keys=True) + "\n"


def _cause(error: BaseException) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
