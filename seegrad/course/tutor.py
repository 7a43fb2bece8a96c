"""What a learner calls while doing exercises: check, hint, solution, progress, reset."""

from __future__ import annotations

import os
import secrets
from dataclasses import replace
from typing import Any

from seegrad.course import progress as store
from seegrad.course.exercises import all_exercises, find
from seegrad.course.judging import judge
from seegrad.course.progress import Record
from seegrad.course.worksheets import restore, solution_of
from seegrad.errors import InputError
from seegrad.widgets.exercise import Checked, Note, Overview

GRADING_VARIABLE = "NBGRADER_EXECUTION"
"""nbgrader sets it while it grades or validates: a wrong answer must then fail its cell."""


def check(number: str, answer: Any) -> Checked:
    """Is this answer to exercise ``number`` right, and if not, what is behind it?

    The answer, a function, is run on fresh random inputs and compared with an oracle that computes
    the result by another way; how it is written does not matter. What it prints is not shown. Your
    tensors and the random state are not touched.

    Parameters
    ----------
    number: the exercise's, as text, such as "1.3".
    answer: your function. While it still returns ``...`` it counts as not started.

    Raises
    ------
    InputError: there is no such exercise.
    AssertionError: only while nbgrader grades: the answer is not right.

    >>> import seegrad
    >>> seegrad.check("1.1", lambda x: ...)
    1.1 A gradient by hand: not started
      Write your answer in place of `...`. Run that cell, and then this one again.
    """
    verdict = judge(find(number), answer, seed=secrets.randbits(32))
    if GRADING_VARIABLE in os.environ:
        if verdict.state != "passed":
            raise AssertionError(repr(Checked(verdict)))
        return Checked(verdict)
    if verdict.state == "not started":
        return Checked(verdict)
    passed = verdict.state == "passed"
    kept = store.change(
        number, lambda record: replace(record, tries=record.tries + 1, done=record.done or passed)
    )
    return Checked(verdict, kept.remark)


def hint(number: str) -> Note:
    """The next of an exercise's three hints, below those that you had.

    Raises InputError if there is no such exercise.
    """
    exercise = find(number)
    kept = store.change(number, lambda record: replace(record, hints=min(3, record.hints + 1)))
    shown = kept.of(number).hints
    hints = [f"Hint {place}: {text}" for place, text in enumerate(exercise.hints[:shown], 1)]
    last = f'That was the last. `seegrad.solution("{number}")` shows a solution.'
    more = [last] if shown == len(exercise.hints) else []
    return Note(f"{number} {exercise.title}", (*hints, *more, kept.remark))


def solution(number: str, sure: bool = False) -> Note:
    """A solution and its reason. The first call asks whether you are sure; call again if you are.

    Raises InputError if there is no such exercise, or if the solutions are not at hand.
    """
    exercise = find(number)
    before = store.load().of(number)
    title = f"{number} {exercise.title}"
    if not (sure or before.asked or before.done):
        kept = store.change(number, lambda record: replace(record, asked=True))
        asks = (
            "Are you sure? Once you have seen a solution you cannot find your own any more.",
            f'`seegrad.hint("{number}")` helps without giving it away.',
            "If you are sure, run this cell again.",
        )
        return Note(title, (*asks, kept.remark))
    return Note(title, (exercise.reason,), solution_of(exercise))


def progress(chapter: int | None = None) -> Overview:
    """Which exercises have you done, tried and left, in the course or in one chapter?

    >>> import seegrad
    >>> [exercise.number for exercise in seegrad.progress(1).exercises[:2]]
    ['1.1', '1.2']
    """
    listed = [one for one in all_exercises() if chapter in (None, one.chapter)]
    return Overview(listed, store.load())


def reset(number: str | int) -> Note:
    """Put back the original of an exercise ("1.3"), or of a chapter's whole notebook ("1").

    Your version is kept beside it. What you have done stays done; the hints begin anew.

    Raises InputError if there is no such exercise, or if the originals are not at hand.
    """
    whole = str(number).isdecimal()
    one = "" if whole else find(number).number
    chapter = int(number) if whole else find(number).chapter
    asked_for = [
        e.number for e in all_exercises() if e.chapter == chapter and one in ("", e.number)
    ]
    if not asked_for:
        raise InputError(f"There are no exercises of a chapter {number}.")
    yours = restore(chapter, one)
    for each in asked_for:
        if store.load().of(each) != Record():
            store.change(each, lambda record: replace(record, hints=0, asked=False))
    what = f"Exercise {one} is" if one else f"The exercises of chapter {chapter} are"
    kept = f" Your version is kept as {yours.name}." if yours else ""
    reload = "If the notebook is open, choose *File → Reload Notebook from Disk*."
    return Note("reset", (f"{what} as at first.{kept}", reload))
