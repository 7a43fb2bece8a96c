"""Ops that work element by element and have one formula: the rule is the derivative.

Baydin et al. 2018, section 3.2; PyTorch's derivatives.yaml.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch

from seegrad.rules.latex import d
from seegrad.rules.local import Function, Local, local, of

_Slope = Callable[[torch.Tensor], Any]

_ROWS: Mapping[str, tuple[str, str, _Slope, str]] = {
    "neg": ("(-a)", "-1", lambda _: -1.0, "with its sign changed"),
    "abs": (
        "|a|",
        r"\mathrm{sign}(a)",
        torch.sign,
        "times the sign of the input (PyTorch takes 0 at 0)",
    ),
    "square": ("a^2", "2a", lambda a: 2 * a, "times 2 a"),
    "sqrt": (
        r"\sqrt{a}",
        r"\frac{1}{2\sqrt{a}}",
        lambda a: 0.5 / a.sqrt(),
        "divided by 2 sqrt(a); infinite at 0",
    ),
    "rsqrt": (
        r"a^{-1/2}",
        r"-\frac{1}{2} a^{-3/2}",
        lambda a: -0.5 * a.rsqrt() ** 3,
        "times -1/2 a^(-3/2)",
    ),
    "reciprocal": (
        r"\frac{1}{a}",
        r"-\frac{1}{a^2}",
        lambda a: -(a.reciprocal() ** 2),
        "times -1 / a^2",
    ),
    "exp": ("e^{a}", "e^{a} = y", torch.exp, "times the output, e^a"),
    "exp2": ("2^{a}", r"2^{a} \ln 2", lambda a: a.exp2() * math.log(2), "times 2^a ln 2"),
    "expm1": ("(e^{a} - 1)", "e^{a}", torch.exp, "times e^a"),
    "log": (r"\ln a", r"\frac{1}{a}", torch.reciprocal, "divided by a"),
    "log2": (
        r"\log_2 a",
        r"\frac{1}{a \ln 2}",
        lambda a: 1 / (a * math.log(2)),
        "divided by a ln 2",
    ),
    "log10": (
        r"\log_{10} a",
        r"\frac{1}{a \ln 10}",
        lambda a: 1 / (a * math.log(10)),
        "divided by a ln 10",
    ),
    "log1p": (r"\ln(1 + a)", r"\frac{1}{1 + a}", lambda a: 1 / (1 + a), "divided by 1 + a"),
    "sin": (r"\sin a", r"\cos a", torch.cos, "times cos a"),
    "cos": (r"\cos a", r"-\sin a", lambda a: -a.sin(), "times -sin a"),
    "tan": (r"\tan a", r"1 + \tan^2 a", lambda a: 1 + a.tan() ** 2, "times 1 + tan(a)^2"),
    "asin": (
        r"\arcsin a",
        r"\frac{1}{\sqrt{1 - a^2}}",
        lambda a: (1 - a * a).rsqrt(),
        "divided by sqrt(1 - a^2)",
    ),
    "acos": (
        r"\arccos a",
        r"-\frac{1}{\sqrt{1 - a^2}}",
        lambda a: -(1 - a * a).rsqrt(),
        "divided by -sqrt(1 - a^2)",
    ),
    "atan": (r"\arctan a", r"\frac{1}{1 + a^2}", lambda a: 1 / (1 + a * a), "divided by 1 + a^2"),
    "sinh": (r"\sinh a", r"\cosh a", torch.cosh, "times cosh a"),
    "cosh": (r"\cosh a", r"\sinh a", torch.sinh, "times sinh a"),
    "tanh": (
        r"\tanh a",
        "1 - y^2",
        lambda a: 1 - a.tanh() ** 2,
        "times 1 - y^2, small where y is near -1 or 1",
    ),
    "sigmoid": (
        r"\sigma(a)",
        "y(1 - y)",
        lambda a: a.sigmoid() * (1 - a.sigmoid()),
        "times y (1 - y), never more than a quarter",
    ),
    "log_sigmoid": (
        r"\ln \sigma(a)",
        r"\sigma(-a)",
        lambda a: (-a).sigmoid(),
        "times sigmoid(-a)",
    ),
    "silu": (
        r"(a\,\sigma(a))",
        r"\sigma(a)\left(1 + a(1 - \sigma(a))\right)",
        lambda a: a.sigmoid() * (1 + a * (1 - a.sigmoid())),
        "times s (1 + a (1 - s)), where s is sigmoid(a)",
    ),
    "erf": (
        r"\mathrm{erf}(a)",
        r"\frac{2}{\sqrt{\pi}} e^{-a^2}",
        lambda a: 2 / math.sqrt(math.pi) * torch.exp(-a * a),
        "times 2 / sqrt(pi) e^(-a^2)",
    ),
}
"""The op, its derivative, the same as a function, and what the gradient is sent on as."""


def _elementwise(name: str, op: str, derivative: str, slope: _Slope, words: str) -> Function:
    latex = d(op, derivative)

    def rule(a: Any, **_: Any) -> Local:
        return local(latex, f"{name}: the gradient {words}", a=of(slope, a))

    return rule


RULES = {name: _elementwise(name, *row) for name, row in _ROWS.items()}
