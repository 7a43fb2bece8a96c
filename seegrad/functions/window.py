"""The part of a Jacobian that one picture shows, computed without the rest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from seegrad import formatting
from seegrad.functions.asking import Function, asking, fresh
from seegrad.functions.derivatives import (
    Point,
    difference_along,
    difference_columns,
    evaluate,
    weights,
)

WHOLE = 30
"""Up to this many rows and columns are shown at once."""

LARGE = 1_000_000
"""Above this many entries, rows are made one at a time."""


COMPARED = 12
"""Up to this many columns each is compared with a finite difference; more are compared along one
direction, for which two calls of f suffice."""


@dataclass(frozen=True, slots=True)
class Window:
    """Which rows and columns of a Jacobian are shown: the first of each, and how many."""

    top: int
    left: int
    height: int
    width: int

    @property
    def columns(self) -> slice:
        """The columns, as an index."""
        return slice(self.left, self.left + self.width)

    @property
    def rows(self) -> slice:
        """The rows, as an index."""
        return slice(self.top, self.top + self.height)


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """J at one x, as far as the window goes.

    Attributes
    ----------
    point: the leaves, y, and the graph between: any v^T J can still be asked of it.
    window: what of J is in ``block``, of shape (height, width).
    given: the learner's own v, of y's shape; None if there was none.
    pulled_rows: the window's rows of J in their whole length, of shape (height, columns).
    random: torch's random state that f was called with.
    """

    point: Point
    window: Window
    given: Tensor | None
    pulled_rows: Tensor
    random: Tensor

    @property
    def block(self) -> Tensor:
        """The entries of J in the window."""
        return self.pulled_rows[:, self.window.columns]

    @property
    def entrywise(self) -> bool:
        """Is each entry compared with finite differences, or J u for one u?"""
        return self.whole and self.point.columns <= COMPARED

    @property
    def whole(self) -> bool:
        """Whether all of J is in the window."""
        return (self.window.height, self.window.width) == (self.point.rows, self.point.columns)

    @property
    def x(self) -> Tensor:
        """All elements of all inputs, one after the other."""
        return torch.cat([leaf.detach().flatten() for leaf in self.point.leaves])

    @property
    def y(self) -> Tensor:
        """What f returned."""
        return self.point.output.detach()

    def pulled(self, v: Tensor) -> Tensor:
        """v^T J, all of it, for a v of y's shape."""
        return self.point.pull(v).detach()


def look(
    f: Function,
    inputs: Sequence[Tensor],
    names: Sequence[str],
    v: Tensor | None = None,
    top: int = 0,
    left: int = 0,
) -> Look:
    """What does the window whose first row and column are ``top`` and ``left`` show at this x?

    A row costs one vjp, so a Jacobian of 10,000 × 10,000 costs no more than the rows asked for.
    Raises InputError, as ``jacobian_matrix`` does, and if v has not y's shape.

    >>> shown = look(lambda x: x**2, [torch.arange(100.0)], ["x"], top=40, left=42)
    >>> shown.window, shown.block[2, 0].item()
    (Window(top=40, left=42, height=30, width=30), 84.0)
    """
    leaves, random = fresh(*inputs, names=names), torch.get_rng_state()
    with asking(f, names=names) as call:
        point = evaluate(call, leaves, names)
        given = None if v is None else weights(v, point.output)
        window = frame(point.rows, point.columns, top, left)
        rows = point.pull_rows(range(window.rows.start, window.rows.stop)).detach()
        return Look(point, window, given, rows, random)


def disagreement(f: Function, shown: Look, names: Sequence[str]) -> float:
    """By how much do finite differences disagree with what is shown, at most?

    In parts of its largest entry: what is large is rounded coarsely. Calls f twice for each column,
    or, where J is not compared entry by entry, twice in all. Raises InputError if f cannot be used
    a step beside x.

    >>> shown = look(lambda x: x**2, [torch.arange(3.0)], ["x"])
    >>> disagreement(lambda x: x**2, shown, ["x"]) < 1e-3
    True
    """
    leaves = shown.point.leaves
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(shown.random)  # what was dropped out there is dropped here
        with asking(f, names=names) as call:
            if shown.entrywise:
                known = shown.block
                error = known - torch.stack(list(difference_columns(call, leaves)), dim=1)
            else:
                known = shown.pulled_rows.sum(1) / math.sqrt(shown.point.columns)
                error = known - difference_along(call, leaves)[shown.window.rows]
    return float(error.abs().max() / (known.abs().max() or 1))


def frame(rows: int, columns: int, top: int, left: int) -> Window:
    """The window at this place, moved inside the Jacobian.

    >>> frame(3, 2, 5, 5)
    Window(top=0, left=0, height=3, width=2)
    >>> frame(10_000, 10_000, 9_999, 9_999)
    Window(top=9999, left=9970, height=1, width=30)
    """
    height = 1 if rows * columns > LARGE else min(rows, WHOLE)
    width = min(columns, WHOLE)
    return Window(_within(top, rows - height), _within(left, columns - width), height, width)


def _within(place: int, last: int) -> int:
    return max(0, min(place, last))


def size_in_words(rows: int, columns: int, dtype: torch.dtype) -> str:
    """How large is the whole Jacobian?

    >>> size_in_words(10_000, 10_000, torch.float32)
    'J is 10,000 × 10,000: 100,000,000 numbers, 400 MB in float32'
    """
    entries = rows * columns
    unit, size = "bytes", float(entries * dtype.itemsize)
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:
            break
        unit, size = larger, size / 1000
    name = str(dtype).removeprefix("torch.")
    memory = f"{formatting.number(size)} {unit} in {name}"
    return f"J is {rows:,} × {columns:,}: {entries:,} numbers, {memory}"
