"""Running a function on inputs of its own, so that nothing it does can hurt: what came of it?"""

from __future__ import annotations

import contextlib
import inspect
import io
import linecache
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from seegrad.course.draw import Draw, Turn
from seegrad.course.exercise import Endless, Exercise, Function, Inputs
from seegrad.errors import InputError
from seegrad.functions.time_limit import LIMIT, limited
from seegrad.recording import unrecorded


@dataclass(frozen=True, slots=True, eq=False)
class Ran:
    """It ran to its end. ``seen`` is what counts; ``edited`` names inputs that it changed."""

    seen: dict[str, Any]
    edited: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Raised:
    """It raised an error of this kind, with this message (its first line).

    ``line`` is the line of the function that raised, "" if it cannot be read. ``after`` says that
    the function itself ran, and that the backward pass from what it returned raised.
    """

    kind: str
    message: str
    line: str = ""
    after: bool = False


@dataclass(frozen=True, slots=True)
class Overdue:
    """It was stopped after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class NotStarted:
    """It is still the stub: it returned ``...``, or raised NotImplementedError."""


Outcome = Ran | Raised | Overdue | NotStarted


@unrecorded
def inputs_of(exercise: Exercise, turn: Turn) -> dict[str, Any]:
    """The inputs of one turn, made anew, by the names that the oracle has for them."""
    parameters = inspect.signature(exercise.oracle).parameters.values()
    names = [parameter.name for parameter in parameters if parameter.kind != parameter.KEYWORD_ONLY]
    return dict(zip(names, exercise.draw(Draw(*turn)), strict=True))


def run(exercise: Exercise, function: Function, turn: Turn, seconds: float = LIMIT) -> Outcome:
    """What comes of a function on the inputs of this turn? It gets inputs that nobody else has.

    What it prints and warns of is swallowed: it is called many times. The random state is put back.
    """
    loaded = len(sys.modules)
    outcome = _run_once(exercise, function, turn, seconds)
    if isinstance(outcome, Overdue) and len(sys.modules) > loaded:
        # The time went into an import, such as torch's own when torch.func is first used.
        return _run_once(exercise, function, turn, seconds)
    return outcome


def _run_once(exercise: Exercise, function: Function, turn: Turn, seconds: float) -> Outcome:
    inputs, before = inputs_of(exercise, turn), inputs_of(exercise, turn)
    try:
        with _apart(), limited(seconds):
            return _outcome(exercise, function, inputs, before)
    except (InputError, Endless):
        return Overdue(seconds)


@contextmanager
def _apart() -> Iterator[None]:
    """In here neither output nor warnings nor random numbers nor grad modes of outside count."""
    with (
        torch.random.fork_rng(devices=[]),
        torch.inference_mode(False),
        torch.enable_grad(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(action="ignore"),
    ):
        yield


def _outcome(exercise: Exercise, function: Function, inputs: Inputs, before: Inputs) -> Outcome:
    try:
        result = function(*inputs.values())
    except Endless:
        raise
    except (Exception, SystemExit) as error:
        return _raised(error, function)
    if result is ...:
        return NotStarted()
    try:
        seen = exercise.observe(inputs, result)
    except Exception as error:
        return _raised(error, function, after=True)
    return Ran(seen, tuple(_edited(exercise, inputs, before)))


def _raised(
    error: Exception | SystemExit, function: Function, after: bool = False
) -> Raised | NotStarted:
    line = _line(error, function)
    # PyTorch raises this error too, where an op has no kernel for a dtype.
    if isinstance(error, NotImplementedError) and line.startswith("raise"):
        return NotStarted()
    message = str(error).strip().partition("\n")[0].partition(" Hint: ")[0]
    return Raised(type(error).__name__, message, line, after)


def _line(error: BaseException, function: Function) -> str:
    """The innermost line under way in the file or cell that the function stands in."""
    code = getattr(function, "__code__", None)
    numbers = [
        number
        for frame, number in traceback.walk_tb(error.__traceback__)
        if code is not None and frame.f_code.co_filename == code.co_filename
    ]
    return linecache.getline(code.co_filename, numbers[-1]).strip() if code and numbers else ""


def _edited(exercise: Exercise, inputs: Inputs, before: Inputs) -> Iterator[str]:
    """Which inputs does the function leave with other numbers than they had?"""
    for name, value in inputs.items():
        if name not in exercise.edits and not _same_numbers(value, before[name]):
            yield name


def _same_numbers(now: Any, then: Any) -> bool:
    if isinstance(now, Tensor) and isinstance(then, Tensor):
        return torch.equal(now, then)
    if isinstance(now, list | tuple) and isinstance(then, list | tuple):
        return len(now) == len(then) and all(map(_same_numbers, now, then))
    return True
