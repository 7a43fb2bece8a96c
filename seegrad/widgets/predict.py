"""``seegrad.predict(question)``: a question before a cell is run, compared with what came of it."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from types import EllipsisType
from typing import Any

import torch
import traitlets
from matplotlib.figure import Figure
from torch import Tensor

from seegrad.course.next_cell import NextCell, Outcome
from seegrad.course.predictions import (
    NONE,
    RUNS,
    Answer,
    Comparison,
    Kind,
    compare,
    misconception,
    observe,
    option_meaning,
    parse,
)
from seegrad.errors import InputError
from seegrad.functions.definition import define
from seegrad.functions.time_limit import limited
from seegrad.recording import unrecorded
from seegrad.widgets.common import (
    QUIET_INK,
    TEXT_INK,
    AnsweringPicture,
    script,
    style,
)

HINTS: dict[Kind, str] = {
    "value": "17, [7, 1.5], None, raises RuntimeError",
    "shape": "(7,), (6, 5), scalar",
    "raises": "",
    "choice": "",
}
"""What an answer may look like, in numbers that are nobody's answer."""


class Prediction(AnsweringPicture):
    """The widget that ``seegrad.predict`` returns.

    ``page`` says how far it has come: its ``stage`` is "open", "waiting" (committed; the cell that
    answers has not run), "compared", or "shown" (looked up without a prediction). ``draft`` is
    what stands in the field.
    """

    _esm = script("predict")
    _css = style("predict")

    question = traitlets.Unicode().tag(sync=True)
    kind = traitlets.Unicode("value").tag(sync=True)
    hint = traitlets.Unicode().tag(sync=True)
    options = traitlets.List(traitlets.Unicode()).tag(sync=True)
    draft = traitlets.Unicode().tag(sync=True)
    page = traitlets.Dict().tag(sync=True)

    def __init__(self, oracle: Oracle | None = None, because: str = "", **traits: Any):
        self._oracle = oracle
        self._because = because
        self._mistakes: Mapping[str, str] = traits.pop("mistakes", {})
        self._yours: Answer | None = None
        self._compared: Comparison | None = None
        super().__init__(title="predict", page={"stage": "open"}, **traits)
        if oracle is not None:
            oracle.ready = self._settle

    @unrecorded
    def commit(self, text: str) -> None:
        """Answer the question, as the button does. Raises InputError if it cannot be read."""
        self._yours = parse(text, _kind(self.kind))
        self.draft = text
        if self._oracle is not None and self._oracle.waits:
            self._show("waiting", yours=self._yours.text)
        else:
            self._settle()

    @unrecorded
    def reveal(self) -> None:
        """Show PyTorch's answer. Raises InputError while nothing is there that could give it."""
        if self._oracle is not None:
            self._oracle.look()
        self._settle(asked=True)

    def again(self) -> None:
        """Open the question anew."""
        self._yours = self._compared = None
        self._show("open")

    def answer(self, question: dict[str, Any]) -> None:
        """Do what a button of the page does."""
        match question.get("action"):
            case "commit":
                self.commit(str(question.get("text", "")))
            case "reveal":
                self.reveal()
            case "again":
                self.again()

    def words(self) -> str:
        """The text equivalent."""
        return "\n".join(self._lines())

    def script(self) -> str:
        """The code that gives the answer."""
        return "" if self._oracle is None else self._oracle.code

    def figure(self) -> Figure:
        """The question, and the answers as far as they are there."""
        return super().figure() if self.problem else _figure(list(self._lines()))

    @unrecorded
    def _settle(self, asked: bool = False) -> None:
        """Compare, if there is something to compare; show the answer alone if that was asked."""
        if self._oracle is None or (self._yours is None and not asked):
            return
        actual = self._oracle.answer(_kind(self.kind))
        if self._yours is None:
            self._show("shown", actual=actual.text, said=[self._because])
            return
        known = ""
        yours = option_meaning(self._yours, actual) if self.kind == "choice" else self._yours
        self._compared = compare(yours, actual)
        if not self._compared.right:
            known = misconception(self._yours, self._mistakes, _kind(self.kind))
        message = asdict(self._compared)
        said = [message.pop("said"), known, self._because]
        self._show("compared", **message, said=said)

    def _show(self, stage: str, **page: Any) -> None:
        said = [sentence for sentence in page.pop("said", ()) if sentence]
        self.page = {"stage": stage, "said": said, **page}
        self.refresh()

    def _lines(self) -> Iterator[str]:
        yield f"predict: {self.question}"
        if self.options:
            yield from (f"  - {option}" for option in self.options)
        page = self.page
        match page["stage"]:
            case "open":
                yield "  not answered yet"
            case "waiting":
                yield f"  you said {page['yours']}; the next cell will tell"
            case "compared":
                yield f"  you said {page['yours']}"
                yield f"  PyTorch: {page['actual']}"
            case "shown":
                yield f"  PyTorch: {page['actual']}"
        yield from (f"  {sentence}" for sentence in page.get("said", ()))


@unrecorded
def predict(
    question: str,
    answer: Any = ...,
    *,
    kind: Kind | None = None,
    options: Sequence[Any] | Mapping[str, str] = (),
    because: str = "",
    mistakes: Mapping[str, str] | None = None,
) -> Prediction:
    """Ask the learner to predict, before a cell is run, what will come of it.

    The answer is never written down beforehand: it is what the next cell shows, or raises. A run
    of all cells passes by without waiting; who comes back to the question then still finds the
    answer of the time.

    Parameters
    ----------
    question: any language; `code` may stand in backticks.
    answer: leave it out, and the value of the next cell is the answer. Where that cell shows
        something else, or nothing, give a function such as ``lambda: x.grad``: it is called when
        the next cell has run, and your tensors stay as they are. A tensor or any other value that
        exists already is compared at once.
    kind: "value" (numbers, None, an error), "shape", "raises" (does the next cell raise?) or
        "choice"; by default "choice" where there are options, else "value".
    options: to choose from; the right one is the one that equals the answer. As a dict: each
        option with the misconception behind it, "" for none.
    because: the explanation that follows the comparison.
    mistakes: known wrong answers, each with the misconception behind it.

    A wrong input raises nothing: the widget says what was wrong and what to do.

    >>> import torch, seegrad
    >>> x = torch.tensor([1.0, 3.0], requires_grad=True)
    >>> question = seegrad.predict("What is the gradient of x·x?", lambda: 2 * x)
    >>> question
    predict: What is the gradient of x·x?
      not answered yet
    >>> question.commit("[1, 3]")
    >>> question
    predict: What is the gradient of x·x?
      you said [1, 3]
      PyTorch: [2, 6]
      Yours is half of what PyTorch computes, in every element.
    """
    reasons = dict(options) if isinstance(options, Mapping) else {}
    texts = [option if isinstance(option, str) else observe(option).text for option in options]
    kind = kind or ("choice" if texts else "value")
    try:
        _require_question(question, kind, texts)
        mistakes = {**(mistakes or {}), **{text: why for text, why in reasons.items() if why}}
        for text in mistakes:
            parse(text, kind)
    except InputError as problem:
        return Prediction(problem=str(problem), alt=str(problem))
    return Prediction(
        Oracle(answer),
        because,
        mistakes=mistakes,
        question=question,
        kind=kind,
        hint=HINTS[kind],
        options=["it raises an error", "it runs"] if kind == "raises" else texts,
    )


def _require_question(question: object, kind: str, options: Sequence[str]) -> None:
    if not isinstance(question, str) or not question.strip():
        raise InputError(
            "predict needs a question as its first argument, such as "
            'seegrad.predict("What will x.grad hold?").'
        )
    if kind not in HINTS:
        raise InputError(f"kind is one of {', '.join(HINTS)}, and not {kind!r}.")
    if kind == "choice" and len(set(options)) < 2:
        raise InputError("A choice needs at least two options that differ.")


def _kind(name: str) -> Kind:
    return next(kind for kind in HINTS if kind == name)


class Oracle:
    """Where PyTorch's answer comes from: the next cell, a function, or a value that is there.

    ``ready`` is called when the next cell has run; ``waits`` says that it has not, and that the
    answer is to come from then.
    """

    def __init__(self, answer: Any | EllipsisType):
        self._given = answer
        self._found: Any = ...
        self._outcome: Outcome | None = None
        self._next = None if self._exists else NextCell(self._hear, _is_prediction)
        self.ready: Callable[[], None] = lambda: None

    @property
    def _exists(self) -> bool:
        return self._given is not ... and not callable(self._given)

    @property
    def waits(self) -> bool:
        """Is the answer still to come?"""
        return self._next is not None and self._next.coming and self._found is ...

    def look(self) -> None:
        """Find the answer now, if the next cell need not be waited for."""
        if callable(self._given) and self._outcome is None:
            self._found = _evaluate(self._given)

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

    @property
    def code(self) -> str:
        """The code that gives the answer, as far as it is known."""
        if callable(self._given):
            lines = "\n".join(define(self._given).lines)
            return lines.removeprefix("f = lambda: ") + "\n"
        if self._exists:
            return f"# The answer is a value that was there: {observe(self._given).text}\n"
        if self._outcome is None:
            return "# The answer is what the next cell shows.\n"
        return self._outcome.code.rstrip() + "\n"

    @unrecorded
    def _hear(self, outcome: Outcome) -> None:
        self._outcome = outcome
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


def _is_prediction(thing: Any) -> bool:
    return isinstance(thing, Prediction)


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


def _figure(sentences: list[str]) -> Figure:
    lines = [line for said in sentences for line in textwrap.wrap(said, 110)]
    figure = Figure(figsize=(9, 0.5 + 0.26 * len(lines)))
    for number, line in enumerate(lines):
        place = 1 - (number + 0.7) / (len(lines) + 0.6)
        weight, ink = ("bold", TEXT_INK) if number == 0 else ("normal", QUIET_INK)
        text = line.removeprefix("predict: ").replace("$", r"\$").replace("`", "")
        figure.text(0.02, place, text, size=10, weight=weight, color=ink, va="center")
    return figure
