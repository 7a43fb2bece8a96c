"""Products of vectors and matrices."""

from __future__ import annotations

from typing import Any

from seegrad.rules.latex import d
from seegrad.rules.local import Function, Local, fixed, local, of, same


def _dot(a: Any, b: Any, **_: Any) -> Local:
    words = "dot: each input gets the other, scaled by the gradient that arrives"
    return local(d(r"(a \cdot b)", "b"), words, a=of(same, b), b=of(same, a))


_MATMUL = {
    (False, False): r"\bar A = \bar Y B^\top,\quad \bar B = A^\top \bar Y",
    (False, True): r"\bar A = \bar y\,b^\top,\quad \bar b = A^\top \bar y",
    (True, False): r"\bar a = B\,\bar y,\quad \bar B = a\,\bar y^\top",
}
"""Goodfellow et al. 2016, section 6.5.6; the keys say which side is a vector."""


def _matmul(a: Any, b: Any, **_: Any) -> Local:
    if a.ndim == b.ndim == 1:
        return _dot(a, b)
    words = "matmul: A gets the gradient times B transposed, B gets A transposed times the gradient"
    batch = ", in each batch" if max(a.ndim, b.ndim) > 2 else ""
    return local(_MATMUL[a.ndim == 1, b.ndim == 1], words + batch)


def _einsum(equation: Any, *_operands: Any, **_: Any) -> Local:
    latex, named = r"\bar A = \mathrm{einsum}(\bar Y, B)", "einsum"
    if isinstance(equation, str):
        latex = _einsum_latex(equation.replace(" ", "")) or latex
        named = f'einsum "{equation}"'
    return local(latex, f"{named}: each input gets the gradient contracted with the others")


def _einsum_latex(equation: str) -> str:
    """The gradient of the first operand, for a plain equation with an arrow."""
    inputs, arrow, output = equation.partition("->")
    first, *others = inputs.split(",")
    simple = arrow and "." not in equation and len(set(first)) == len(first) and len(others) < 3
    if not simple:
        return ""
    product = [_indexed(r"\bar Y", output)]
    product += [_indexed(name, index) for name, index in zip("BCD", others, strict=False)]
    summed = "".join(sorted(set(output + "".join(others)) - set(first)))
    total = rf"\sum_{{{summed}}} " if summed else ""
    return _indexed(r"\bar A", first) + f" = {total}" + r"\,".join(product)


def _indexed(symbol: str, index: str) -> str:
    return f"{symbol}_{{{index}}}" if index else symbol


RULES: dict[str, Function] = {
    "dot": _dot,
    "matmul": _matmul,
    "einsum": _einsum,
    **fixed(
        {
            "outer": (
                r"\bar a = \bar Y b,\quad \bar b = \bar Y^\top a",
                "a gets the gradient times b, b gets the gradient transposed times a",
            )
        }
    ),
}
