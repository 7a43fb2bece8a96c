"""Fresh random inputs, small enough to be read and so mixed that no wrong rule passes by chance."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor

from seegrad.formatting import array, number

Choice = TypeVar("Choice")

TURNS = 6
"""So many inputs are tried in a check."""

SHORT = 8
"""A Python float of no more characters than this is written as Python writes it."""

Turn = tuple[int, int]
"""The seed of a check, and the number of one of its turns, from 0: they fix the inputs."""


@dataclass(slots=True)
class Draw:
    """Draws the inputs of one turn of a check: the same seed and turn draw the same.

    Sizes are all different from one another, so that a mixed-up axis cannot pass, and grow with the
    turn, so that a failure is shown on a small input. Numbers are of one decimal, positive and
    negative, and never within 0.5 of zero. torch's own random state is not touched.

    >>> Draw(seed=3).vector()
    tensor([-1.1000, -2.3000,  2.5000])
    >>> sorted(Draw(seed=3, turn=4).sizes(3))
    [5, 6, 7]
    """

    seed: int
    turn: int = 0
    random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(f"{self.seed}/{self.turn}")

    def sizes(self, count: int) -> list[int]:
        """So many sizes, all different, none of them 1."""
        least = 2 + self.turn * 3 // 4
        return self.random.sample(range(least, least + max(count, 2)), count)

    def number(self, low: float = 0.5, high: float = 3.0) -> float:
        """A number whose size lies between ``low`` and ``high``, of either sign."""
        return self.random.choice((-1, 1)) * self.positive(low, high)

    def positive(self, low: float = 0.5, high: float = 3.0) -> float:
        """A positive number between ``low`` and ``high``."""
        return self.random.randint(round(10 * low), round(10 * high)) / 10

    def integer(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both included."""
        return self.random.randint(low, high)

    def choice(self, options: Sequence[Choice]) -> Choice:
        """One of these, each in its turn."""
        return options[(self.seed + self.turn) % len(options)]

    def tensor(self, *sizes: int, requires_grad: bool = False) -> Tensor:
        """A tensor of float32 of these sizes; without sizes a scalar."""
        numbers = [self.number() for _ in range(torch.Size(sizes).numel())]
        # A clone, for a view would be called "a view of a leaf" in PyTorch's messages.
        return torch.tensor(numbers).reshape(sizes).clone().requires_grad_(requires_grad)

    def vector(self, requires_grad: bool = False) -> Tensor:
        """A vector of a size of its own choice."""
        return self.tensor(*self.sizes(1), requires_grad=requires_grad)


@dataclass(frozen=True, slots=True)
class Formula:
    """A function of x that can be shown to the learner when a check fails on it.

    >>> Formula("(x**2).sum()")(torch.tensor([1.0, 2.0]))
    tensor(5.)
    >>> Formula("(x**2).sum()")
    lambda x: (x**2).sum()
    """

    text: str

    def __call__(self, x: Tensor) -> Tensor:
        """Its value at x."""
        made: Callable[[Tensor], Tensor] = eval(f"lambda x: {self.text}", {"torch": torch})
        return made(x)

    def __repr__(self) -> str:
        return f"lambda x: {self.text}"


def described(thing: Any) -> str:
    """An input or a result in a few words: the numbers of a tensor, and what autograd knows of it.

    >>> described([torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True) * 2, None])
    '[[1, 1] (requires_grad), [2, 2] (grad_fn=MulBackward0), None]'
    >>> described((torch.Size([3]), torch.Size([3, 4])))
    '((3,), (3, 4))'
    >>> described([0.5, 3.90625, -1.1300000000000001])
    '[0.5, 3.90625, -1.13]'
    """
    if isinstance(thing, Tensor):
        return array(thing) + _marks(thing)
    if isinstance(thing, list):
        return f"[{', '.join(map(described, thing))}]"
    if isinstance(thing, tuple):  # and so a shape
        return f"({', '.join(map(described, thing))}{',' if len(thing) == 1 else ''})"
    if isinstance(thing, float) and len(repr(thing)) > SHORT:
        return number(thing)
    return repr(thing)


def _marks(tensor: Tensor) -> str:
    if tensor.grad_fn is not None:
        return f" (grad_fn={type(tensor.grad_fn).__name__})"
    if not tensor.requires_grad:
        return ""
    grad = tensor.grad
    return " (requires_grad)" if grad is None else f" (requires_grad, .grad {array(grad)})"
