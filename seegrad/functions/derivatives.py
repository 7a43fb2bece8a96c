"""The Jacobian of a function, row by row, column by column, and by finite differences.

For y = f(x), J[i, j] = ∂y[i]/∂x[j], x and y flattened. Reverse mode gives v^T J (a *vjp*) in a few
times what f takes, and forward mode gives J u (a *jvp*): a row of J costs one vjp with a one-hot v,
a column one jvp with a one-hot u. Several inputs stand beside each other in J, in their order.

Formulas: Griewank and Walther, *Evaluating Derivatives*, 2nd ed., SIAM 2008, chapter 3.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import torch
import torch.autograd.forward_ad as forward_ad
from torch import Tensor

from seegrad.errors import InputError
from seegrad.formatting import shape as shape_text
from seegrad.functions.asking import (
    LIMIT,
    Function,
    asking,
    described,
    element,
    fresh,
    require_differentiable,
    require_finite,
)

Inputs = Tensor | tuple[Tensor, ...] | list[Tensor]
"""One input, or several in a tuple or list."""

Method = Literal["auto", "reverse", "forward", "differences"]


@dataclass(frozen=True, slots=True)
class Point:
    """A function at one place: the leaves it was given and its output, with the graph between.

    ``columns`` is how many columns J has, ``rows`` how many rows.
    """

    leaves: tuple[Tensor, ...]
    output: Tensor

    @property
    def rows(self) -> int:
        """The number of elements of the output."""
        return self.output.numel()

    @property
    def columns(self) -> int:
        """The number of elements of all inputs."""
        return sum(leaf.numel() for leaf in self.leaves)

    def pull(self, v: Tensor) -> Tensor:
        """v^T J for a v of the output's shape: one vector of ``columns`` numbers."""
        parts = torch.autograd.grad(
            self.output, self.leaves, v, retain_graph=True, materialize_grads=True
        )
        return torch.cat([part.flatten() for part in parts])

    def pull_rows(self, rows: range) -> Tensor:
        """These rows of J, one below the other: v^T J for the one-hot v of each."""
        v = torch.zeros_like(self.output, memory_format=torch.contiguous_format)
        flat = v.view(-1)  # one v serves for all rows
        pulled = []
        for row in rows:
            flat[row] = 1
            pulled.append(self.pull(v))
            flat[row] = 0
        return torch.stack(pulled)


def evaluate(
    call: Callable[..., Tensor], leaves: tuple[Tensor, ...], names: Sequence[str] = ("x",)
) -> Point:
    """Call a stand-in for f (see ``asking``) on its leaves, for the derivatives there.

    Raises InputError if no gradient can come back, or if the output is NaN or infinite.
    """
    output = call(*leaves)
    require_differentiable(output, names)
    require_finite(output, f"f({', '.join(names)})", "y")
    return Point(leaves, output)


def jacobian_matrix(
    f: Function, x: Inputs, method: Method = "auto", seconds: float = LIMIT
) -> Tensor:
    """What is the Jacobian of f at x?

    Parameters
    ----------
    f: a function of one tensor, or of as many as x holds; returns one tensor of any shape.
    x: a tensor of any shape and float dtype, or several in a tuple.
    method: "reverse" makes rows, by one vjp for each element of y; "forward" makes columns, by one
        jvp for each element of x; "auto" takes the direction with fewer passes, and reverse where
        f has no forward mode; "differences" makes columns (f(x + h e) − f(x − h e)) / 2h.
    seconds: how long all of it may take.

    Returns
    -------
    Shape (elements of y, elements of x), x and y flattened in row-major order, dtype of y. Row i
    is the gradient of y[i]; several inputs stand beside each other.

    Raises
    ------
    InputError: x or what f returns cannot be used, f raised or took too long.

    >>> f = lambda x: torch.stack([x[0] ** 2, x[1] ** 3])
    >>> jacobian_matrix(f, torch.tensor([1.0, 2.0]))
    tensor([[ 2.,  0.],
            [ 0., 12.]])
    >>> jacobian_matrix(torch.dot, (torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])), "forward")
    tensor([[3., 4., 1., 2.]])
    """
    if method not in ("auto", "reverse", "forward", "differences"):
        raise InputError(
            f'method must be "auto", "reverse", "forward" or "differences", and is {method!r}.'
        )
    inputs, names = separate(x)
    leaves = fresh(*inputs, names=names)
    with asking(f, seconds, names) as call:
        if method == "differences":
            return _stacked(difference_columns(call, leaves))
        if method == "forward":
            return _stacked(_forward_columns(call, leaves))
        point = evaluate(call, leaves, names)
        if method == "auto" and point.columns < point.rows:
            try:
                return _stacked(_forward_columns(call, leaves))
            except _NoForwardModeError:
                pass
        return point.pull_rows(range(point.rows)).detach()


def vjp(f: Function, x: Inputs, v: Tensor, seconds: float = LIMIT) -> Tensor | tuple[Tensor, ...]:
    """What is v^T J, the gradient that ``f(x).backward(v)`` sends to x? One backward pass.

    Parameters
    ----------
    x: the input, or several in a tuple.
    v: the upstream gradient: one weight for each element of y, of y's shape.

    Returns
    -------
    Of x's shape; a tuple, if x is several inputs.

    Raises
    ------
    InputError: as for ``jacobian_matrix``, or v has not y's shape.

    >>> f = lambda x: torch.stack([x[0] ** 2, x[1] ** 3])
    >>> vjp(f, torch.tensor([1.0, 2.0]), torch.tensor([1.0, 1.0]))
    tensor([ 2., 12.])
    """
    inputs, names = separate(x)
    leaves = fresh(*inputs, names=names)
    with asking(f, seconds, names) as call:
        point = evaluate(call, leaves, names)
        return _like(x, leaves, point.pull(weights(v, point.output)).detach())


def jvp(f: Function, x: Inputs, u: Inputs, seconds: float = LIMIT) -> Tensor:
    """What is J u, the rate at which y changes as x moves along u? One forward pass.

    Parameters
    ----------
    x: the input, or several in a tuple.
    u: the direction, of x's shape; a tuple, if x is one.

    Returns
    -------
    Of y's shape.

    Raises
    ------
    InputError: as for ``jacobian_matrix``, u has not x's shape, or f has no forward mode.

    >>> f = lambda x: torch.stack([x[0] ** 2, x[1] ** 3])
    >>> jvp(f, torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.0]))
    tensor([2., 0.])
    """
    inputs, names = separate(x)
    leaves = fresh(*inputs, names=names)
    directions, _ = separate(u)
    if [tuple(d.shape) for d in directions] != [tuple(leaf.shape) for leaf in leaves]:
        raise InputError(
            f"u has shape {_shapes(directions)}, but x has shape {_shapes(leaves)}: u says how far "
            "each element of x moves, so give it x's shape."
        )
    with asking(f, seconds, names) as call:
        moved = tuple(d.detach().to(leaf) for d, leaf in zip(directions, leaves, strict=True))
        return _push(call, leaves, moved)


def weights(v: object, y: Tensor) -> Tensor:
    """v, checked and detached; raises InputError unless it has y's shape and finite numbers.

    >>> weights(torch.ones(3), torch.zeros(2))
    Traceback (most recent call last):
    ...
    seegrad.errors.InputError: v has shape (3,), but y = f(x) has shape (2,): v holds one weight \
for each element of y, so give it y's shape.
    """
    if not isinstance(v, Tensor):
        size = "a scalar as y is" if y.dim() == 0 else f"of y's shape {shape_text(y.shape)}"
        raise InputError(
            f"v must be a tensor, {size}, and is {described(v)}. "
            f"Write, for example, v = torch.ones({list(y.shape)})."
        )
    if v.shape != y.shape:
        raise InputError(
            f"v has shape {shape_text(v.shape)}, but y = f(x) has shape {shape_text(y.shape)}: "
            "v holds one weight for each element of y, so give it y's shape."
        )
    if v.dtype.is_complex:
        raise InputError("v holds complex numbers, and y does not: give v real weights.")
    with torch._C.DisableTorchFunction():
        plain = v.detach().to(y)
        require_finite(plain, "v", "v", "NaN or infinity would spread to every product.")
    return plain


# Rows and columns


class _NoForwardModeError(InputError):
    """An op of f has a backward rule only."""


def _forward_columns(call: Callable[..., Tensor], leaves: tuple[Tensor, ...]) -> Iterator[Tensor]:
    for unit in _units(leaves):
        yield _push(call, leaves, unit).flatten()


def _push(call: Callable[..., Tensor], leaves: tuple[Tensor, ...], u: tuple[Tensor, ...]) -> Tensor:
    """J u by dual numbers: f of x + εu is y + ε J u."""
    _load_forward_mode()
    with forward_ad.dual_level():
        duals = [
            forward_ad.make_dual(leaf.detach(), direction)
            for leaf, direction in zip(leaves, u, strict=True)
        ]
        try:
            output = call(*duals)
        except InputError as error:
            if isinstance(error.__cause__, NotImplementedError):
                raise _NoForwardModeError(
                    "An op of f has no forward mode, so J u cannot be pushed through it: "
                    'use vjp, or method="reverse".'
                ) from error
            raise
        value, tangent = forward_ad.unpack_dual(output)
        return torch.zeros_like(value) if tangent is None else tangent.detach().clone()


@cache
def _load_forward_mode() -> None:
    """Let torch load the forward rules it has in Python, and keep its own warnings about them."""
    with warnings.catch_warnings(action="ignore"), forward_ad.dual_level():
        forward_ad.make_dual(torch.zeros(()), torch.zeros(()))


def difference_columns(call: Callable[..., Tensor], leaves: tuple[Tensor, ...]) -> Iterator[Tensor]:
    """Each column of J as a central difference, with the best step for its dtype.

    The error has a part that shrinks with h² (truncation) and one that grows with eps/h
    (rounding); their sum is least near h = eps^(1/3) max(|x|, 1). See Press et al., *Numerical
    Recipes*, 3rd ed., section 5.7. The step taken is the one that x + h and x − h, once rounded,
    are really apart.
    """
    with torch.no_grad():
        for which, leaf in enumerate(leaves):
            flat = leaf.detach().flatten()
            for index in range(leaf.numel()):
                above, below = flat.clone(), flat.clone()
                step = best_step(flat[index])
                above[index] += step
                below[index] -= step
                ends = [
                    call(*leaves[:which], end.reshape(leaf.shape), *leaves[which + 1 :])
                    for end in (above, below)
                ]
                yield ((ends[0] - ends[1]) / (above[index] - below[index])).flatten()


def difference_along(call: Callable[..., Tensor], leaves: tuple[Tensor, ...]) -> Tensor:
    """J u for the u of length 1 that moves all of x alike, as one central difference."""
    columns = sum(leaf.numel() for leaf in leaves)
    with torch.no_grad():
        length = max(best_step(leaf.abs().max()) for leaf in leaves)
        step = length / math.sqrt(columns)
        above = call(*[leaf + step for leaf in leaves])
        below = call(*[leaf - step for leaf in leaves])
        return ((above - below) / (2 * length)).flatten()


def best_step(x: Tensor) -> float:
    """The step with the least error in a central difference at the one number x.

    >>> [f"{best_step(torch.tensor(1.0, dtype=d)):.1e}" for d in (torch.float64, torch.float32)]
    ['6.1e-06', '4.9e-03']
    """
    return float(torch.finfo(x.dtype).eps ** (1 / 3) * max(1.0, abs(float(x))))


def _units(leaves: tuple[Tensor, ...]) -> Iterator[tuple[Tensor, ...]]:
    """Each one-hot direction: one element of one input moves."""
    for which, leaf in enumerate(leaves):
        for index in range(leaf.numel()):
            unit = [torch.zeros_like(other, requires_grad=False) for other in leaves]
            unit[which].view(-1)[index] = 1
            yield tuple(unit)


def _stacked(columns: Iterator[Tensor]) -> Tensor:
    return torch.stack(list(columns), dim=1).detach()


# One input or several


def separate(x: Inputs) -> tuple[tuple[Tensor, ...], tuple[str, ...]]:
    """The inputs one by one, and what a sentence calls them. Raises InputError if there are none.

    >>> separate((torch.zeros(1), torch.zeros(2)))[1]
    ('x0', 'x1')
    """
    if not isinstance(x, tuple | list):
        return (x,), ("x",)
    if not x:
        raise InputError("x is an empty tuple: give f at least one input.")
    if all(isinstance(number, int | float) for number in x):
        raise InputError(f"x must be a tensor, and is {described(x)}. Write torch.tensor({[*x]}).")
    names = [f"x{index}" for index in range(len(x))] if len(x) > 1 else ["x"]
    return tuple(x), tuple(names)


def _like(x: Inputs, leaves: tuple[Tensor, ...], flat: Tensor) -> Tensor | tuple[Tensor, ...]:
    sizes = [leaf.numel() for leaf in leaves]
    parts = [p.reshape(leaf.shape) for p, leaf in zip(flat.split(sizes), leaves, strict=True)]
    return tuple(parts) if isinstance(x, tuple | list) else parts[0]


def _shapes(tensors: Sequence[Tensor]) -> str:
    return " and ".join(shape_text(tensor.shape) for tensor in tensors)


def element_names(names: Sequence[str], tensors: Sequence[Tensor]) -> list[str]:
    """The name of each element of each tensor, in the order of J's columns.

    >>> element_names(["x", "w"], [torch.zeros(2), torch.zeros(())])
    ['x[0]', 'x[1]', 'w']
    """
    return [
        element(name, index, tensor.shape)
        for name, tensor in zip(names, tensors, strict=True)
        for index in range(tensor.numel())
    ]
