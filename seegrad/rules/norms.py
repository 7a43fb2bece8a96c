"""Norms of vectors, and of matrices so far as they are one."""

from __future__ import annotations

import math
from typing import Any

import torch

from seegrad.formatting import number
from seegrad.rules.dimensions import aligned, by_element, removed
from seegrad.rules.latex import tex
from seegrad.rules.local import Function, Local, local, of


def _slope(a: torch.Tensor, p: float, dims: tuple[int, ...]) -> torch.Tensor:
    """0 at 0 for every p; the largest share p = infinity equally."""
    size = a.abs()
    norm = torch.linalg.vector_norm(a, p, dims, keepdim=True)
    if math.isinf(p):
        reached = size == norm
        return a.sign().mul(reached).div(reached.sum(dims, keepdim=True))
    slope = a.sign().mul(size.pow(p - 1)).div(norm.pow(p - 1))
    return slope.masked_fill(a == 0, 0)


def _text(p: float) -> tuple[str, str]:
    """The slope in LaTeX, and what the elements get in words."""
    every, sign = "every element gets", r"\mathrm{sign}(a_i)"
    if p == 2:
        words = f"norm: {every} the gradient times itself divided by the norm (0 at 0)"
        return r"\frac{a_i}{y}", words
    named = f"norm with p={number(p)}"
    if p == 1:
        return sign, f"{named}: {every} the gradient times its sign (0 at 0)"
    if math.isinf(p):
        words = f"{named}: only the elements that reach the norm get the gradient"
        return rf"{sign}\;\mathrm{{if}}\;|a_i| = y", words
    latex = rf"{sign}\left(\frac{{|a_i|}}{{y}}\right)^{{{tex(p - 1)}}}"
    return latex, f"{named}: {every} sign(a) (|a| / norm)^{number(p - 1)}"


def _norm(a: Any, p: Any = 2, dim: Any = None, keepdim: bool = False, **_: Any) -> Local:
    """The vector norm of the elements; ``torch.norm`` takes a matrix for a vector too."""
    if p == "nuc":
        return _matrix_norm(p)
    order = 2.0 if p in (None, "fro") else float(p)
    dims = removed(a, dim)
    latex, words = _text(order)
    return local(by_element(latex), words, a=aligned(of(_slope, a, order, dims), dims, keepdim))


def _linalg_norm(a: Any, p: Any = None, dim: Any = None, keepdim: bool = False, **_: Any) -> Local:
    matrix = len(removed(a, dim)) == 2
    return _matrix_norm(p) if matrix and p not in (None, "fro") else _norm(a, p, dim, keepdim)


def _matrix_norm(p: Any) -> Local:
    latex = r"\bar A = \bar y\,\frac{\partial \Vert A \Vert}{\partial A}"
    return local(latex, f"norm with p={p} of a matrix: through its singular values or sums")


RULES: dict[str, Function] = {
    "norm": _norm,
    "linalg_vector_norm": _norm,
    "linalg_norm": _linalg_norm,
}
