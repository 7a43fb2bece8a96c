"""Powers: of a base, of an exponent, or of both."""

from __future__ import annotations

from typing import Any

import torch

from seegrad.formatting import number
from seegrad.rules.arguments import is_tensor
from seegrad.rules.latex import both, d, tex, written
from seegrad.rules.local import Function, Local, copies, local, of


def _base_slope(a: torch.Tensor, b: Any) -> Any:
    """It is b a^(b-1), and 0 where b is 0, even at a = 0."""
    if not isinstance(b, torch.Tensor):
        return b * a ** (b - 1) if b else torch.zeros_like(a)
    return torch.where(b == 0, 0.0, b * a ** (b - 1))


def _exponent_slope(a: Any, b: torch.Tensor) -> torch.Tensor:
    """It is a^b ln a, and 0 where a is 0 and b is not negative."""
    a = torch.as_tensor(a, dtype=b.dtype)
    return torch.where((a == 0) & (b >= 0), 0.0, a**b * torch.log(a))


def _base_latex(n: Any) -> str:
    """The derivative of a^n as LaTeX that reads as by hand: 2a, 3a^{2}, -a^{-2}."""
    if n == 0:
        return "0"
    base = {1: "", 2: "a"}.get(n, f"a^{{{tex(n - 1)}}}")
    coefficient = {1: "1" if not base else "", -1: "-"}.get(n, tex(n))
    return coefficient + base


def _base_words(n: Any) -> str:
    """The same in words."""
    if n == 0:
        return "0, because a^0 is always 1"
    return number(n) + {1: "", 2: " a"}.get(n, f" a^{number(n - 1)}")


def _pow(a: Any, b: Any, **_: Any) -> Local:
    if not is_tensor(a):
        turned = _rpow(b, a)
        return local(turned.latex, turned.words, b=turned.factors["a"])
    if not is_tensor(b):
        words = f"pow: the gradient times {_base_words(b)}"
        return local(d(f"a^{{{tex(b)}}}", _base_latex(b)), words, a=of(_base_slope, a, b))
    return local(
        both("a^{b}", "b a^{b-1}", r"a^{b} \ln a"),
        "pow: the base gets b a^(b - 1), the exponent gets a^b ln a" + copies(a, b),
        a=of(_base_slope, a, b),
        b=of(_exponent_slope, a, b),
    )


def _rpow(a: Any, b: Any, **_: Any) -> Local:
    base, said = written(b, "b"), "b" if is_tensor(b) else number(b)
    return local(
        d(f"{base}^{{a}}", rf"{base}^{{a}} \ln {base}"),
        f"rpow: a is the exponent: the gradient times {said}^a ln {said}",
        a=of(_exponent_slope, b, a),
        b=of(_base_slope, b, a),
    )


RULES: dict[str, Function] = {"pow": _pow, "rpow": _rpow}
