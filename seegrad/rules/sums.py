"""Sums, means, products and variances over elements."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch

from seegrad.formatting import number
from seegrad.rules.arguments import is_hidden
from seegrad.rules.dimensions import aligned, by_element, over, removed
from seegrad.rules.latex import tex
from seegrad.rules.local import Function, Local, fixed, local, of

_LATER = "an element is in every later sum, so it gets the sum of the gradients from there on"


def _count(a: Any, dims: tuple[int, ...]) -> int:
    return math.prod(a.shape[d] for d in dims)


def _filled(a: Any, value: float) -> torch.Tensor:
    """A tensor of a's shape that stores one number; also for an `Unknown`."""
    device = None if is_hidden(a) else a.device
    return torch.tensor(value, dtype=a.dtype, device=device).expand(tuple(a.shape))


def _sum(a: Any, dim: Any = None, keepdim: bool = False, **_: Any) -> Local:
    dims = removed(a, dim)
    return local(
        by_element("1"),
        f"{over('sum', a, dims)}: every element gets the gradient that arrives, copied",
        a=aligned(_filled(a, 1.0), dims, keepdim),
    )


def _mean(a: Any, dim: Any = None, keepdim: bool = False, **_: Any) -> Local:
    dims = removed(a, dim)
    n = _count(a, dims)
    part = {1: "all", 2: "a half", 3: "a third", 4: "a quarter"}.get(n, f"1/{n}")
    return local(
        by_element(rf"\frac{{1}}{{{n}}}"),
        f"{over(f'mean of {n}', a, dims)}: every element gets {part} of the gradient that arrives",
        a=aligned(_filled(a, 1 / n), dims, keepdim),
    )


def _others(a: torch.Tensor, dims: tuple[int, ...]) -> torch.Tensor:
    """For each element the product of the others, right even where some are 0."""
    if len(dims) == a.ndim != 1:
        return _others(a.reshape(-1), (0,)).view(a.shape)
    dim = dims[0]
    one = torch.ones_like(a.narrow(dim, 0, 1))
    before = torch.cat([one, a.narrow(dim, 0, a.shape[dim] - 1)], dim).cumprod(dim)
    after = torch.cat([one, a.flip(dim).narrow(dim, 0, a.shape[dim] - 1)], dim).cumprod(dim)
    return before * after.flip(dim)


def _prod(a: Any, dim: int | None = None, keepdim: bool = False, **_: Any) -> Local:
    dims = removed(a, dim)
    return local(
        by_element(r"\prod_{j \neq i} a_j"),
        f"{over('prod', a, dims)}: every element gets the gradient times all the others",
        a=aligned(of(_others, a, dims), dims, keepdim),
    )


def _var_slope(a: torch.Tensor, dims: tuple[int, ...], n: float) -> torch.Tensor:
    return 2 * (a - a.mean(dims, keepdim=True)) / n


def _std_slope(a: torch.Tensor, dims: tuple[int, ...], n: float) -> torch.Tensor:
    deviation = a - a.mean(dims, keepdim=True)
    std = (deviation.square().sum(dims, keepdim=True) / n).sqrt()
    return (deviation / (n * std)).masked_fill(std == 0, 0)


def _spread(
    name: str,
    a: Any,
    dim: Any = None,
    unbiased: bool = True,
    keepdim: bool = False,
    correction: float | None = None,
    **_: Any,
) -> Local:
    """`dim` may be left out, so that the first argument is ``unbiased``."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    dims = removed(a, dim)
    n = _count(a, dims) - (correction if correction is not None else int(unbiased))
    if name == "var":
        slope, latex = _var_slope, rf"\frac{{2}}{{{tex(n)}}}(a_i - \mu)"
        words = f"2 (a - mean) / {number(n)}"
    else:
        slope, latex = _std_slope, rf"\frac{{a_i - \mu}}{{{tex(n)}\,y}}"
        words = f"(a - mean) / ({number(n)} std), 0 when std is 0"
    return local(
        by_element(latex),
        f"{over(name, a, dims)}: every element gets the gradient times {words}",
        a=aligned(of(slope, a, dims, n), dims, keepdim),
    )


def _logsumexp(a: Any, dim: Any, keepdim: bool = False, **_: Any) -> Local:
    dims = removed(a, dim)
    soft = of(lambda a: (a - a.logsumexp(dims, keepdim=True)).exp(), a)
    return local(
        by_element(r"\mathrm{softmax}(a)_i"),
        "logsumexp: every element gets the gradient times its softmax",
        a=aligned(soft, dims, keepdim),
    )


RULES: dict[str, Function] = {
    "sum": _sum,
    "mean": _mean,
    "prod": _prod,
    "var": partial(_spread, "var"),
    "std": partial(_spread, "std"),
    "logsumexp": _logsumexp,
    **fixed({"cumsum": (r"\bar a_i = \sum_{j \geq i} \bar y_j", _LATER)}),
}
