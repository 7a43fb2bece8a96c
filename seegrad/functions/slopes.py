"""Secants and tangents: what (f(x + h) − f(x)) / h does as h shrinks.

The error |secant − tangent| has two parts. Truncation, |f''(x)| h / 2, shrinks with h; rounding,
about eps |f(x)| / h, grows as h shrinks. They meet near h = sqrt(eps): see Press et al., *Numerical
Recipes*, 3rd ed., section 5.7.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from seegrad.errors import InputError
from seegrad.formatting import shape as shape_text
from seegrad.functions.asking import (
    Function,
    asking,
    element,
    fresh,
    require_finite,
)
from seegrad.functions.derivatives import evaluate
from seegrad.functions.time_limit import LIMIT

STEPS_A_DECADE = 4
"""So many h stand between 1 and 1/10."""

CURVE = 161
"""So many values of f make its curve."""

GRID = 41
"""So many values of f, both ways, make its contours."""


@dataclass(frozen=True, slots=True)
class Slope:
    """f at x, its gradient, and its secants along one element of x.

    Attributes
    ----------
    x: the leaf f was asked at.
    y: f(x), one number.
    gradient: of x's shape.
    index: which element of x, flattened, moves.
    hs: the steps, largest first.
    ends: f where the element is x + h, for each h; NaN where f is undefined.
    secants: (f(x + h) − f(x)) / h, for each h, computed in x's dtype.
    """

    x: Tensor
    y: float
    gradient: Tensor
    index: int
    hs: tuple[float, ...]
    ends: tuple[float, ...]
    secants: tuple[float, ...]

    @property
    def tangent(self) -> float:
        """The derivative along the element that moves."""
        return float(self.gradient.flatten()[self.index])

    @property
    def errors(self) -> tuple[float, ...]:
        """|secant − tangent|, for each h."""
        return tuple(abs(secant - self.tangent) for secant in self.secants)

    @property
    def best(self) -> int:
        """Which of the steps has the least error; of several the largest step."""
        errors = [error if error == error else math.inf for error in self.errors]
        return errors.index(min(errors))


def secant_errors(
    f: Function, x: Tensor, hs: Sequence[float], index: int = 0, seconds: float = LIMIT
) -> Tensor:
    """How far is the secant (f(x + h) − f(x)) / h from the tangent, for each h?

    Parameters
    ----------
    f: a function of one tensor that returns one number.
    x: a tensor of any shape and float dtype; the secant is computed in that dtype.
    hs: steps, none of them 0.
    index: which element of x, flattened, is moved.
    seconds: how long all of it may take.

    Returns
    -------
    |secant − tangent|, shape (len(hs),), float64.

    Raises
    ------
    InputError: x, a step or what f returns cannot be used, f raised or took too long.

    >>> x = torch.tensor(3.0, dtype=torch.float64)
    >>> errors = secant_errors(lambda x: x**2, x, [1.0, 0.5, 1e-8, 1e-15])
    >>> [round(error, 6) for error in errors.tolist()]
    [1.0, 0.5, 0.0, 0.670929]
    """
    return torch.tensor(slope_at(f, x, hs, index, seconds).errors, dtype=torch.float64)


def slope_at(
    f: Function,
    x: Tensor,
    hs: Sequence[float] | None = None,
    index: int = 0,
    seconds: float = LIMIT,
) -> Slope:
    """f, its gradient and its secants at x; for ``hs`` left out, from 1 down to where x + h is x.

    >>> here = slope_at(lambda x: x**2, torch.tensor(3.0), [1.0, 0.5])
    >>> here.y, here.tangent, here.secants, here.errors
    (9.0, 6.0, (7.0, 6.5), (1.0, 0.5))
    """
    (leaf,) = fresh(x)
    if not 0 <= index < leaf.numel():
        raise InputError(
            f"x has {leaf.numel()} elements: index must be below that, and is {index}."
        )
    hs = steps(leaf.dtype) if hs is None else tuple(float(h) for h in hs)
    if not all(h and math.isfinite(h) for h in hs):
        raise InputError("A step h must be finite and not 0: the secant goes through two points.")
    with asking(f, seconds) as call:
        point = evaluate(call, (leaf,))
        _require_one_number(point.output)
        gradient = point.pull(torch.ones_like(point.output)).reshape(leaf.shape).detach()
        require_finite(gradient, "The gradient of f", "it", _NO_TANGENT)
        with torch.no_grad():
            y = point.output.detach().flatten()[0]
            ends = torch.stack([_along(call, leaf, index, h) for h in hs])
            secants = (ends - y) / torch.tensor(hs, dtype=torch.float64).to(ends)
    return Slope(
        leaf.detach(),
        float(y),
        gradient,
        index,
        hs,
        tuple(ends.double().tolist()),
        tuple(secants.double().tolist()),
    )


_NO_TANGENT = "Without it there is no tangent: choose another x. sqrt, for one, has none at 0."


def steps(dtype: torch.dtype) -> tuple[float, ...]:
    """Steps from 1 to below the dtype's eps, four in each factor of ten.

    >>> [f"{h:.3g}" for h in steps(torch.float16)[:6]], len(steps(torch.float64))
    (['1', '0.562', '0.316', '0.178', '0.1', '0.0562'], 65)
    """
    decades = math.ceil(-math.log10(torch.finfo(dtype).eps))
    count = STEPS_A_DECADE * decades + 1
    return tuple(10 ** (-place / STEPS_A_DECADE) for place in range(count))


def curve(f: Function, x: Tensor, index: int, ts: Sequence[float]) -> list[float]:
    """Values of f along one element of x, at each of ``ts``; NaN where f is undefined.

    >>> curve(lambda x: x[0] * x[1], torch.tensor([2.0, 3.0]), 0, [0.0, 1.0])
    [0.0, 3.0]
    """
    (leaf,) = fresh(x)
    with asking(f) as call, torch.no_grad():
        moved = leaf.detach().clone()
        flat = moved.view(-1)
        values = []
        for t in ts:
            flat[index] = t
            values.append(float(_number_or_nan(call, moved.clone())))
    return values


def surface(
    f: Function, x: Tensor, across: Sequence[float], up: Sequence[float]
) -> list[list[float]]:
    """Values of f on a grid of an x with two elements: a row for each value of the second, ``up``.

    >>> surface(lambda x: x[0] - x[1], torch.zeros(2), [0.0, 1.0, 2.0], [0.0, 10.0])
    [[0.0, 1.0, 2.0], [-10.0, -9.0, -8.0]]
    """
    (leaf,) = fresh(x)
    with asking(f) as call, torch.no_grad():
        points = [[torch.tensor([a, b], dtype=leaf.dtype) for a in across] for b in up]
        return [[float(_number_or_nan(call, p.reshape(leaf.shape))) for p in row] for row in points]


def _along(call: Callable[..., Tensor], leaf: Tensor, index: int, h: float) -> Tensor:
    moved = leaf.detach().clone()
    moved.view(-1)[index] += h
    return _number_or_nan(call, moved)


def _number_or_nan(call: Callable[..., Tensor], x: Tensor) -> Tensor:
    """The value of f near the point that is looked at: where f raises, the picture has a gap."""
    try:
        return _number(call(x))
    except InputError:
        return torch.full((), math.nan, dtype=x.dtype)


def _number(output: Tensor) -> Tensor:
    _require_one_number(output)
    return output.detach().flatten()[0]


def _require_one_number(output: Tensor) -> None:
    if output.numel() != 1:
        raise InputError(
            f"f(x) has shape {shape_text(output.shape)}, and a slope is that of one number. Choose "
            f"an element, lambda x: f(x){element('', 0, output.shape)}, or take the sum; "
            "seegrad.jacobian(f, x) shows them all."
        )
