"""Sums, differences, products and quotients of two."""

from __future__ import annotations

import math
from typing import Any

import torch

from seegrad.formatting import number
from seegrad.rules.arguments import is_tensor
from seegrad.rules.latex import both, d, tex, written
from seegrad.rules.local import Function, Local, always, copies, local, of, same


def _times(alpha: Any, symbol: str) -> str:
    return symbol if alpha == 1 else f"{written(alpha, symbol)}{symbol}"


def _add(a: Any, b: Any, *, alpha: Any = 1, **_: Any) -> Local:
    if not is_tensor(b):
        latex = d(f"(a + {written(b, 'b')})", "1")
        return local(latex, "add: passes unchanged (a constant was added)", a=1.0)
    total = f"(a + {_times(alpha, 'b')})"
    latex, words = d(total, "1"), "add: each input gets the gradient that arrives"
    if alpha != 1:
        latex = both(total, "1", tex(alpha))
        words = f"add: a gets the gradient that arrives, b gets it times {number(alpha)}"
    return local(latex, words + copies(a, b), a=1.0, b=alpha)


def _sub(a: Any, b: Any, *, alpha: Any = 1, **_: Any) -> Local:
    if not is_tensor(b):
        latex = d(f"(a - {written(b, 'b')})", "1")
        return local(latex, "sub: passes unchanged (a constant was subtracted)", a=1.0)
    latex = both(f"(a - {_times(alpha, 'b')})", "1", tex(-alpha))
    by = "changes its sign" if alpha == 1 else f"is multiplied by {number(-alpha)}"
    words = f"sub: passes unchanged to a; for b it {by}"
    return local(latex, words + copies(a, b), a=1.0, b=-alpha)


def _rsub(a: Any, b: Any, alpha: Any = 1, **_: Any) -> Local:
    latex = d(f"({written(b, 'b')} - {_times(alpha, 'a')})", tex(-alpha))
    words = "rsub: a is what is subtracted, so the gradient changes its sign for it"
    return local(latex, words + copies(a, b), a=-alpha, b=1.0)


def _mul(a: Any, b: Any, **_: Any) -> Local:
    if not is_tensor(b):
        words = f"mul: the gradient times {number(b)}"
        return local(d(f"({tex(b)}a)", tex(b)), words, a=b)
    words = "mul: each input gets the gradient times the other" + copies(a, b)
    return local(d(r"(a\,b)", "b"), words, a=of(same, b), b=of(same, a))


def _div(a: Any, b: Any, *, rounding_mode: str | None = None, **_: Any) -> Local:
    if rounding_mode is not None:
        words = "div: rounded to whole numbers, so the gradient sent on is 0"
        return local(d("y", "0"), words, a=0.0, b=0.0)
    if not is_tensor(b):
        latex = d(f"(a / {written(b, 'b')})", rf"\frac{{1}}{{{tex(b)}}}")
        inverse = 1 / b if b else math.copysign(math.inf, b)
        return local(latex, f"div: the gradient divided by {number(b)}", a=inverse)
    words = "div: a gets the gradient divided by b; b gets it times -a / b^2" + copies(a, b)
    latex = both("(a / b)", r"\frac{1}{b}", r"-\frac{a}{b^2}")
    return local(latex, words, a=of(torch.reciprocal, b), b=of(lambda a, b: -a / (b * b), a, b))


def _rdiv(a: Any, b: Any, **_: Any) -> Local:
    slope, said = r"-\frac{b}{a^2}", "-b"
    if not is_tensor(b):
        slope, said = rf"\frac{{{tex(-b)}}}{{a^2}}", number(-b)
    return local(
        d(f"({written(b, 'b')} / a)", slope),
        f"rdiv: a divides, so it gets the gradient times {said} / a^2" + copies(a, b),
        a=of(lambda a, b: -b / (a * a), a, b),
        b=of(torch.reciprocal, a),
    )


def _remainder(a: Any, b: Any, **_: Any) -> Local:
    """It is a - b floor(a / b), and floor is flat."""
    return local(
        d(rf"(a\;\mathrm{{mod}}\;{written(b, 'b')})", "1"),
        "remainder: passes unchanged to a; a divisor gets it times -floor(a / b)" + copies(a, b),
        a=1.0,
        b=of(lambda a, b: -torch.floor(a / b), a, b),
    )


RULES: dict[str, Function] = {
    "add": _add,
    "sub": _sub,
    "rsub": _rsub,
    "mul": _mul,
    "div": _div,
    "rdiv": _rdiv,
    "remainder": _remainder,
    "floor_divide": always(
        r"y = \lfloor a / b \rfloor",
        "floor_divide: PyTorch has no derivative for it; a backward pass through it raises",
    ),
}
