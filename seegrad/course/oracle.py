"""Where PyTorch's answer to a question comes from, and the code that gives it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import EllipsisType
from typing import Any

import torch
from IPython.core.getipython import get_ipython
from IPython.core.inputtransformer2 import TransformerManager
from torch import Tensor

from seegrad.course.answers import NONE, RUNS, Answer, Kind, observe
from seegrad.course.next_cell import NextCell, Outcome
from seegrad.course.retelling import Ran
from seegrad.course.scripts import asked_for, ending, printing, raising
from seegrad.errors import InputError
from seegrad.extension import history
from seegrad.functions.definition import define
from seegrad.functions.time_limit import limited
from seegrad.recording import unrecorded


class Oracle:
    """Where PyTorch's answer comes from: the next cell, a function, or a value that is there.

    Cells that end in something for which ``skip`` is true are not the next cell: they ask, too.
    ``ready`` is called when the next cell has run; ``waits`` says that it has not, and that the
    answer is to come from then.
    """

    def __init__(self, answer: Any | EllipsisType, skip: Callable[[Any], bool]):
        self._given = answer
        self._found: Any = ...
        self._outcome: Outcome | None = None
        self._asked_in = len(self._history)
        self._ran: list[Ran] = []
        self._next = None if self._exists else NextCell(self._hear, skip)
        self.ready: Callable[[], None] = lambda: None

    @property
    def _exists(self) -> bool:
        return self._given is not ... and not callable(self._given)

    @property
    def waits(self) -> bool:
        """Is the answer still to come?"""
        return self._next is not None and self._next.coming and self._found is ...

    @property
    def _history(self) -> list[Ran]:
        return history(get_ipython())

    def look(self) -> None:
        """Find the answer now, if the next cell need not be waited for."""
        if callable(self._given) and self._outcome is None:
            self._found, self._ran = _evaluate(self._given), self._history[:]

    def answer(self, kind: Kind) -> Answer:
        """What PyTorch computed. Raises InputError while that is not to be had."""
        if callable(self._given) and self._found is ...:
            self.look()
        elif self._exists:
            self._found = self._given
        if self._outcome is None and self._found is ...:
            raise InputError("Run the next cell first: what it shows is the answer.")
        if kind == "raises" and self._outcome is not None:
            return RUNS if self._outcome.error is None else observe(self._outcome.error)
        if self._found is ...:
            raise InputError("The next cell showed no value to compare with. Look at it yourself.")
        try:
            return NONE if self._found is None and kind != "raises" else observe(self._found, kind)
        except (TypeError, ValueError, RuntimeError) as error:
            raise InputError(f"The answer cannot be read as a {kind}: {error}.") from error

    def code(self, kind: Kind, question: str) -> str:
        """The script that gives the answer, as far as it is known."""
        if self._given is ...:
            return self._code_of_the_next_cell(kind)
        expression = "" if isinstance(self._given, str) else self._wording(question)
        if not expression:
            return "# The answer was given with the question.\n"
        if callable(self._given) and self._found is ...:
            return "# The answer is read when the next cell has run.\n"
        ran = self._history[: self._asked_in + 1] if self._exists else self._ran
        return printing(ran, self._shown(expression, kind))

    def _wording(self, question: str) -> str:
        """The expression whose value the answer is, as the cell that asks has it."""
        asking = self._history[self._asked_in : self._asked_in + 1]
        expression = asked_for(asking[0], question) if asking else ""
        if not callable(self._given):
            return expression
        if not expression:
            return _called(self._given)
        is_lambda = getattr(self._given, "__name__", "") == "<lambda>"
        return expression if is_lambda else f"{expression}()"

    def _code_of_the_next_cell(self, kind: Kind) -> str:
        if self._outcome is None:
            return "# The answer is what the next cell shows.\n"
        if self._outcome.silent and kind != "raises":
            return "# The next cell showed no value.\n"
        *before, last = self._ran or [_without_extension(self._outcome.code)]
        if kind == "raises" or self._outcome.error is not None:
            return raising([*before, last])
        body, expression = ending(last)
        return printing([*before, body], self._shown(expression, kind))

    def _shown(self, expression: str, kind: Kind) -> str:
        """The expression whose value is the answer: where a shape is asked for, the shape."""
        value = self._given if self._exists else self._found
        if kind != "shape" or not isinstance(value, Tensor):
            return expression
        plain = re.fullmatch(r"[\w.]+", expression)
        return f"{expression}.shape" if plain else f"({expression}).shape"

    @unrecorded
    def _hear(self, outcome: Outcome) -> None:
        self._outcome, self._ran = outcome, self._history[:]
        if callable(self._given):
            self._found = _evaluate(self._given)
        elif outcome.error is not None:
            self._found = outcome.error
        elif not outcome.silent:
            self._found = _copied(outcome.value)
        try:
            self.ready()
        except InputError:
            return  # it is said when the learner asks


def _without_extension(code: str) -> Ran:
    """A cell by itself: without the extension, what ran before it is not known."""
    return Ran(TransformerManager().transform_cell(code))  # type: ignore[no-untyped-call]


def _called(thunk: Callable[[], Any]) -> str:
    """The expression that calls a function which was not written in a cell."""
    definition = define(thunk)
    lines = "\n".join(definition.lines)
    return lines.removeprefix("f = lambda: ") if "lambda" in lines else f"{definition.name}()"


def _copied(thing: Any) -> Any:
    """A tensor as it is now: later cells may change it in place."""
    if isinstance(thing, Tensor):
        return thing.detach().clone()
    if isinstance(thing, list | tuple) and not isinstance(thing, torch.Size):
        return [_copied(part) for part in thing]
    return thing


@unrecorded
def _evaluate(thunk: Callable[[], Any]) -> Any:
    """What the function gives, or the error it raises; the learner's tensors stay as they are."""
    with torch.random.fork_rng(devices=[]), _grads_kept(thunk), limited():
        try:
            return _copied(thunk())
        except Exception as error:
            return error


@contextmanager
def _grads_kept(thunk: Callable[[], Any]) -> Iterator[None]:
    """Put back the ``.grad`` of each tensor that the function names, should it have changed it."""
    known: Mapping[str, Any] = {}
    if inspect.isfunction(thunk):
        used = inspect.getclosurevars(thunk)
        known = {**used.globals, **used.nonlocals}
    leaves = [thing for thing in known.values() if isinstance(thing, Tensor) and thing.is_leaf]
    before = [(x, x.grad, None if x.grad is None else x.grad.detach().clone()) for x in leaves]
    try:
        yield
    finally:
        for x, grad, content in before:
            if grad is not None and content is not None and not torch.equal(grad, content):
                grad.detach().copy_(content)
            if x.grad is not grad:
                x.grad = grad
