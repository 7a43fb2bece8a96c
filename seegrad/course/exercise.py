"""The form that every exercise has: what it asks, how it is checked, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch

from seegrad.course.draw import Draw

Function = Callable[..., Any]
"""An answer, the oracle or a wrong rule: all are functions of the same inputs."""

Inputs = Mapping[str, Any]
"""What a function is called with, by the names of its parameters."""

Observe = Callable[[Inputs, Any], dict[str, Any]]
"""What counts, when a function has run on its inputs and returned something."""


def returned(_inputs: Inputs, result: Any) -> dict[str, Any]:
    """What the function returned; the observation that most exercises make."""
    return {"result": result}


def after(*paths: str) -> Observe:
    """Observe what the inputs have become, for an answer that acts instead of returning.

    >>> import torch
    >>> after("x.grad")({"x": torch.zeros(2)}, None)
    {'x.grad': None}
    """

    def observe(inputs: Inputs, _result: Any) -> dict[str, Any]:
        return {path: _follow(inputs, path) for path in paths}

    return observe


def _follow(inputs: Inputs, path: str) -> Any:
    name, *attributes = path.split(".")
    found = inputs[name]
    for attribute in attributes:
        found = getattr(found, attribute)
    return found


def differentiated(by: str) -> Observe:
    """Observe what was returned, and the gradient of its sum that comes back to the input ``by``.

    None comes back from what is cut off, and so from a Python number.

    >>> import torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> differentiated("x")({"x": x}, 3 * x)["gradient"]
    tensor([3., 3.])
    >>> differentiated("x")({"x": x}, 3.0)
    {'result': tensor(3.), 'gradient': None, 'result.requires_grad': False}
    """

    def observe(inputs: Inputs, result: Any) -> dict[str, Any]:
        if isinstance(result, int | float) and not isinstance(result, bool):
            result = torch.tensor(float(result))
        if not isinstance(result, torch.Tensor):
            return {"result": result}
        gradient = _sent_back(result, inputs[by]) if result.requires_grad else None
        # What is cut off may still ask for a gradient: as a leaf of its own.
        asks = {"result.requires_grad": result.requires_grad}
        return {"result": result.detach(), "gradient": gradient} | asks

    return observe


def _sent_back(result: torch.Tensor, to: torch.Tensor) -> torch.Tensor | None:
    return torch.autograd.grad(result.sum(), to, allow_unused=True)[0]


class Endless(Exception):  # noqa: N818 - a result of the rule, and no error
    """What the rule of a mistake raises where an answer that follows it would never end."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """A misconception: the rule that somebody who holds it follows, and what to tell them.

    ``rule`` is a function of the same inputs as the answer. An answer that does on every input what
    ``rule`` does (be it an error that it raises), and not what is right, is diagnosed as this.
    Where the answer would never end, the rule raises Endless instead of being waited for.
    """

    name: str
    rule: Function
    says: str


@dataclass(frozen=True, slots=True)
class Exercise:
    """One exercise. Its mathematics, its stub and its solution stand in the solutions notebook.

    Attributes
    ----------
    number: chapter and place in it, such as "1.3"; check, hint and solution go by it.
    title: a few words.
    practises: what the learner practises, as the end of "Practises …".
    seeds: the items of the seed notes that it practises.
    minutes: how long it takes a learner, 2 to 20.
    difficulty: 1 to 3; also its points in a grade book.
    oracle: computes what is right, by another way than the solution does.
    against: what the oracle is, in words: "compared with …".
    draw: fresh random inputs, in the order of the oracle's parameters. It is called anew for each
        function that is run, so that all get equal inputs and none sees another's changes.
    mistakes: the misconceptions that are recognised.
    hints: a nudge, the idea, nearly the answer.
    reason: why the solution is right.
    observe: what is compared: by default what the answer returns.
    edits: the inputs that an answer may change in place.
    """

    number: str
    title: str
    practises: str
    seeds: tuple[str, ...]
    minutes: int
    difficulty: Literal[1, 2, 3]
    oracle: Function
    against: str
    draw: Callable[[Draw], tuple[Any, ...]]
    mistakes: tuple[Mistake, ...]
    hints: tuple[str, str, str]
    reason: str
    observe: Observe = returned
    edits: tuple[str, ...] = ()

    @property
    def chapter(self) -> int:
        """The chapter that it belongs to."""
        return int(self.number.partition(".")[0])

    @property
    def heading(self) -> str:
        """The lines with which the notebook introduces it."""
        minutes = f"{self.minutes} minutes · difficulty {self.difficulty} of 3"
        return f"## {self.number} {self.title}\n\n*{minutes} · practises {self.practises}*"
