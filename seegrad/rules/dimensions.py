"""What ops that remove dimensions have in common."""

from __future__ import annotations

from typing import Any

from seegrad.rules.latex import d
from seegrad.rules.local import Factor


def by_element(slope: str) -> str:
    """The derivative of the output by one of the elements, in LaTeX."""
    return d("y", slope, "a_i")


def removed(a: Any, dim: Any) -> tuple[int, ...]:
    """The dimensions that a reduction removes, counted from the front; none named means all."""
    if dim is None or dim == () or dim == []:
        return tuple(range(a.ndim))
    wanted = [dim] if isinstance(dim, int) else dim
    return tuple(sorted(d % a.ndim for d in wanted)) if a.ndim else ()


def aligned(factor: Factor, dims: tuple[int, ...], keepdim: bool) -> Factor:
    """The factor, if the output broadcasts against the input as it stands; else None."""
    return factor if keepdim or dims == tuple(range(len(dims))) else None


def over(name: str, a: Any, dims: tuple[int, ...]) -> str:
    """The reduction's name, with the dimensions that it removes if they are not all."""
    if len(dims) == a.ndim:
        return name
    along = ", ".join(str(d) for d in dims)
    return f"{name} along dimension{'s' if len(dims) > 1 else ''} {along}"
