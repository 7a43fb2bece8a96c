"""Is an answer right, and if not, which misconception is behind it?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from seegrad.course.agreement import agree, difference
from seegrad.course.draw import TURNS, Turn, described
from seegrad.course.exercise import Exercise, Mistake
from seegrad.course.trial import NotStarted, Outcome, Overdue, Raised, Ran, inputs_of, run
from seegrad.formatting import number
from seegrad.functions.time_limit import LIMIT


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One input on which an answer is wrong, and what differs there.

    ``inputs`` holds a text for each. ``what`` names what was looked at ("result", "x.grad"); it is
    "" where there is nothing to compare.
    """

    inputs: tuple[str, ...]
    what: str = ""
    yours: Any = None
    expected: Any = None


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """What a check found.

    Attributes
    ----------
    diagnosis: the name of the misconception, or of what else is wrong; "" if nothing is.
    says: it in a sentence or two.
    case: the smallest input that failed, if the answer is wrong.
    """

    exercise: Exercise
    state: Literal["passed", "not yet", "not started"]
    diagnosis: str = ""
    says: str = ""
    case: Case | None = None


def judge(exercise: Exercise, answer: Any, seed: int, seconds: float = LIMIT) -> Verdict:
    """Run an answer on fresh inputs of this seed, and compare it with the oracle.

    >>> from seegrad.course.exercises import find
    >>> judge(find("1.1"), lambda x: 6 * x, seed=1).diagnosis
    'the linear term is lost'
    """
    if answer is ...:
        return Verdict(exercise, "not started")
    if not callable(answer):
        told = f"The answer is {described(answer)}, and a function is needed."
        says = f"{told} Give check the function itself, not its result."
        return Verdict(exercise, "not yet", "not a function", says)
    turns = [(seed, number) for number in range(TURNS)]
    outcomes: list[Outcome] = []
    for turn in turns:
        outcomes.append(run(exercise, answer, turn, seconds))
        if isinstance(outcomes[-1], NotStarted | Overdue):
            break
    if all(isinstance(outcome, NotStarted) for outcome in outcomes):
        return Verdict(exercise, "not started")
    return _compared(exercise, turns[: len(outcomes)], outcomes)


def _compared(exercise: Exercise, turns: Sequence[Turn], outcomes: Sequence[Outcome]) -> Verdict:
    expected = [_expected(exercise, turn) for turn in turns]
    right = [_is_right(*pair) for pair in zip(outcomes, expected, strict=True)]
    if all(right):
        return Verdict(exercise, "passed")
    first = right.index(False)
    inputs = _told(exercise, turns[first])
    name, says, case = _mishap(outcomes[first], expected[first], inputs)
    if mistake := _recognised(exercise, turns, outcomes, expected):
        # What PyTorch said stays with the diagnosis of it.
        raised = f" {says}" if isinstance(outcomes[first], Raised) else ""
        return Verdict(exercise, "not yet", mistake.name, mistake.says + raised, case)
    return Verdict(exercise, "not yet", name, says, case)


def _expected(exercise: Exercise, turn: Turn) -> Ran:
    outcome = run(exercise, exercise.oracle, turn)
    if not isinstance(outcome, Ran):
        raise RuntimeError(f"the oracle of exercise {exercise.number} failed: {outcome}")
    return outcome


def _is_right(outcome: Outcome, expected: Ran) -> bool:
    return isinstance(outcome, Ran) and not outcome.edited and _same_seen(outcome, expected)


def _same_seen(one: Ran, other: Ran) -> bool:
    return one.seen.keys() == other.seen.keys() and all(
        agree(one.seen[what], other.seen[what]) for what in other.seen
    )


def _told(exercise: Exercise, turn: Turn) -> tuple[str, ...]:
    inputs = inputs_of(exercise, turn)
    return tuple(f"{name} = {described(value)}" for name, value in inputs.items())


# Which misconception is it?


def _recognised(
    exercise: Exercise,
    turns: Sequence[Turn],
    outcomes: Sequence[Outcome],
    expected: Sequence[Ran],
) -> Mistake | None:
    """The first mistake whose rule does on every input what the answer did, and is wrong there."""
    for mistake in exercise.mistakes:
        followed = [run(exercise, mistake.rule, turn) for turn in turns]
        # Where only some inputs raise, which ones do tells enough, however the error is worded.
        telling = any(isinstance(outcome, Ran) for outcome in outcomes)
        pairs = zip(outcomes, followed, strict=True)
        same = all(_same_outcome(*pair, any_message=telling) for pair in pairs)
        if same and not all(map(_is_right, followed, expected)):
            return mistake
    return None


def _same_outcome(one: Outcome, other: Outcome, any_message: bool) -> bool:
    match one, other:
        case Raised(), Raised():
            return one.kind == other.kind and (any_message or _gist(one) == _gist(other))
        case Ran(), Ran():
            return _same_seen(one, other)
        case _, Overdue():
            return _never_ends(one)
    return False


def _never_ends(outcome: Outcome) -> bool:
    """Was it stopped, or only by whole numbers that grew until no float could hold them?"""
    match outcome:
        case Overdue():
            return True
        case Raised(kind, message):
            return kind == "OverflowError" or "overflow" in message
    return False


def _gist(raised: Raised) -> tuple[object, ...]:
    """What an error is about: the rest of its message depends on how the line was spelled.

    It is how the message begins, whether it speaks of None, the ranks of the shapes in it, and
    whether the function raised or the backward pass after it.

    >>> _gist(Raised("RuntimeError", "Mismatch in shape: grad_output[0] has a shape of [3, 4]."))
    (['mismatch', 'in', 'shape:'], False, [1, 2], False)
    """
    message = raised.message
    ranks = [shape.count(",") + 1 for shape in re.findall(r"\[([\d, ]+)\]", message)]
    return message.lower().split()[:3], "NoneType" in message, ranks, raised.after


# What else can be wrong


def _mishap(outcome: Outcome, expected: Ran, inputs: tuple[str, ...]) -> tuple[str, str, Case]:
    """The name of what is wrong on one input, a sentence on it, and the case to show."""
    match outcome:
        case Overdue(seconds):
            told = f"It took more than {number(float(seconds))} seconds and was stopped."
            return "endless", f"{told} Does a loop in it never end?", Case(inputs)
        case Raised():
            return "raised", _told_error(outcome), Case(inputs)
        case Ran(seen, edited):
            wrong = [
                what for what in expected.seen if not agree(seen.get(what), expected.seen[what])
            ]
            if not wrong:
                return "input changed", _changed(edited), Case(inputs)
            what = wrong[0]
            case = Case(inputs, what, seen.get(what), expected.seen[what])
            return *difference(what, case.yours, case.expected), case
    return "not started", "On this input it is still the stub.", Case(inputs)


def _told_error(raised: Raised) -> str:
    who = "It ran; the backward pass from what it returned" if raised.after else "It"
    where = f" in `{raised.line.rstrip(':')}`" if raised.line else ""
    message = f": {raised.message.rstrip('.')}" if raised.message else ""
    return f"{who} raised {raised.kind}{where}{message}."


def _changed(edited: Sequence[str]) -> str:
    names = " and ".join(edited)
    return (
        f"What it returns is right, but it changed its input {names} in place, for everybody who "
        "uses it. Compute a new tensor, or work on a clone()."
    )
