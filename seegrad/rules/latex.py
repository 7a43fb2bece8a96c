"""Pieces of LaTeX that many rules share: derivatives, cases, numbers."""

from __future__ import annotations

from typing import Any

from seegrad.formatting import number
from seegrad.rules.arguments import is_tensor


def d(expression: str, derivative: str, by: str = "a") -> str:
    r"""A derivative.

    >>> print(d("a^2", "2a"))
    \frac{\partial a^2}{\partial a} = 2a
    """
    return rf"\frac{{\partial {expression}}}{{\partial {by}}} = {derivative}"


def both(expression: str, by_a: str, by_b: str) -> str:
    """The derivatives by a and by b."""
    return rf"{d(expression, by_a)},\quad {d(expression, by_b, 'b')}"


def cases(value: str, condition: str, otherwise: str = "0") -> str:
    """A derivative that is `value` under a condition."""
    return rf"{value}\;\mathrm{{if}}\;{condition},\;{otherwise}\;\mathrm{{otherwise}}"


def tex(value: Any) -> str:
    r"""A number.

    >>> print(tex(0.25), tex(1e-5), tex(-2e9), tex(float("-inf")), tex(1j))
    0.25 10^{-5} -2 \cdot 10^{9} -\infty (0+1j)
    """
    text = number(int(value) if isinstance(value, bool) else value)
    if "j" in text:
        return f"({text})"
    if "e" in text:
        digits, power = text.split("e")
        leading = {"1": "", "-1": "-"}.get(digits, rf"{digits} \cdot ")
        return f"{leading}10^{{{int(power)}}}"
    return text.replace("inf", r"\infty").replace("nan", r"\mathrm{nan}")


def written(value: Any, symbol: str) -> str:
    """A tensor's symbol or a constant's number, in brackets when it has a sign or a power."""
    if is_tensor(value):
        return symbol
    text = tex(value)
    return f"({text})" if text.startswith("-") or "^" in text else text
