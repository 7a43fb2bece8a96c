"""What may be an answer, the learner's or PyTorch's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from seegrad import formatting

Kind = Literal["value", "shape", "raises", "choice"]
"""What is asked for: numbers (or None), a shape, whether an error is raised, or one of several."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """An answer, the learner's or PyTorch's.

    Attributes
    ----------
    form: whether it is numbers, None, a shape, an error, the absence of one, or words.
    text: how it is written.
    numbers: for numbers, in double precision; True is 1.
    truth: whether the numbers were written as True and False.
    slack: how far apart numbers may be because the learner rounded them.
    single: what "1,5" and "1,200" say where one number is asked for; else they are two.
    sizes: for a shape.
    error: for an error, its name; "" for any.
    bases: for an error that was raised, what it may be called besides: the names of its bases.
    """

    form: Literal["numbers", "none", "shape", "raises", "runs", "words"]
    text: str
    numbers: Tensor | None = None
    truth: bool = False
    slack: float = 0.0
    single: tuple[Answer, ...] = ()
    sizes: tuple[int, ...] = ()
    error: str = ""
    bases: tuple[str, ...] = ()


NONE = Answer("none", "None")
RUNS = Answer("runs", "it runs")


def raised(error: str, bases: tuple[str, ...] = ()) -> Answer:
    """The answer that an error is raised; "" for any error."""
    text = f"raises {error}" if error else "it raises an error"
    return Answer("raises", text, error=error, bases=bases)


def of_shape(sizes: tuple[int, ...]) -> Answer:
    """The answer that is a shape."""
    return Answer("shape", formatting.shape(sizes), sizes=sizes)


def observe(thing: Any, kind: Kind = "value") -> Answer:
    """What PyTorch computed, as an answer to a question of this kind.

    ``thing`` is what the code gave: a tensor, None, a shape, a number, or the exception it raised.

    >>> observe(torch.arange(4.0)).text, observe(torch.arange(4.0), "shape").text
    ('[0, 1, 2, 3]', '(4,)')
    >>> observe(None).text, observe(RuntimeError("no"), "raises").text, observe(3, "raises").text
    ('None', 'raises RuntimeError', 'it runs')
    """
    if isinstance(thing, BaseException):
        return raised(type(thing).__name__, tuple(base.__name__ for base in type(thing).__mro__))
    if kind == "raises":
        return RUNS
    if thing is None:
        return NONE
    if isinstance(thing, torch.Size):
        return of_shape(tuple(thing))
    if kind == "shape":
        return of_shape(tuple(thing.shape if isinstance(thing, Tensor) else thing))
    if isinstance(thing, Tensor):
        return Answer("numbers", formatting.array(thing), _real(thing), _holds_truth(thing))
    if isinstance(thing, bool | int | float):
        return Answer("numbers", str(thing), _measured(thing), isinstance(thing, bool))
    if isinstance(thing, list | tuple):
        return _observed_list(thing)
    return Answer("words", str(thing))


def _observed_list(things: Sequence[Any]) -> Answer:
    """Several results at once: numbers where they have one shape, else words."""
    try:
        numbers = _measured(things)
    except (TypeError, ValueError, RuntimeError):
        return Answer("words", str(things))
    truth = all(isinstance(thing, bool) or _holds_truth(thing) for thing in things)
    return Answer("numbers", formatting.array(numbers.bool() if truth else numbers), numbers, truth)


def _measured(thing: Any) -> Tensor:
    """Numbers, tensors and lists of them as one tensor."""
    if isinstance(thing, Tensor):
        return _real(thing)
    if isinstance(thing, bool | int | float):
        return torch.tensor(float(thing), dtype=torch.float64)
    if isinstance(thing, list | tuple) and thing:
        return torch.stack([_measured(part) for part in thing])
    raise TypeError


def _holds_truth(thing: object) -> bool:
    return isinstance(thing, Tensor) and thing.dtype is torch.bool


def _real(tensor: Tensor) -> Tensor:
    return tensor.detach().to(torch.float64, copy=True)
