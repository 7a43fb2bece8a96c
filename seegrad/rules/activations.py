"""Activations with cases or settings of their own, and clamp, which works like one."""

from __future__ import annotations

import math
from typing import Any

import torch

from seegrad.formatting import number
from seegrad.rules.latex import cases, d, tex, written
from seegrad.rules.local import Function, Local, local, of


def _relu(a: Any, **_: Any) -> Local:
    words = "relu: passes where the input was positive, 0 elsewhere (PyTorch takes 0 at 0)"
    return local(d(r"\max(a, 0)", cases("1", "a > 0")), words, a=of(lambda a: a > 0, a))


def _relu6(a: Any, **_: Any) -> Local:
    return local(
        d(r"\min(\max(a, 0), 6)", cases("1", "0 < a < 6")),
        "relu6: passes where the input was between 0 and 6, 0 elsewhere",
        a=of(lambda a: (a > 0) & (a < 6), a),
    )


def _leaky_relu(a: Any, negative_slope: float = 0.01, *_args: Any, **_: Any) -> Local:
    times = number(negative_slope)
    return local(
        d("y", cases("1", "a > 0", tex(negative_slope))),
        f"leaky_relu: passes where the input was positive, times {times} elsewhere",
        a=of(lambda a: torch.ones_like(a).masked_fill(a <= 0, negative_slope), a),
    )


def _elu(a: Any, alpha: float = 1.0, *_args: Any, **_: Any) -> Local:
    scale, said = ("", "") if alpha == 1 else (rf"{tex(alpha)}\,", f"{number(alpha)} ")
    return local(
        d("y", cases("1", "a > 0", f"{scale}e^{{a}}")),
        f"elu: passes where the input was positive, times {said}e^a elsewhere",
        a=of(lambda a: torch.where(a > 0, 1.0, alpha * a.exp()), a),
    )


def _gelu_slope(a: torch.Tensor) -> torch.Tensor:
    below: torch.Tensor = torch.special.ndtr(a)
    return below + a * torch.exp(-a * a / 2) / math.sqrt(2 * math.pi)


def _gelu_tanh_slope(a: torch.Tensor) -> torch.Tensor:
    scale, cubic = math.sqrt(2 / math.pi), 0.044715
    t = torch.tanh(scale * (a + cubic * a**3))
    return 0.5 * (1 + t) + 0.5 * a * (1 - t * t) * scale * (1 + 3 * cubic * a * a)


def _gelu(a: Any, approximate: str = "none", **_: Any) -> Local:
    """Hendrycks and Gimpel 2016: a times the normal distribution function of a."""
    slope, relation = (
        (_gelu_slope, "=") if approximate == "none" else (_gelu_tanh_slope, r"\approx")
    )
    return local(
        rf"\frac{{\partial\,a\,\Phi(a)}}{{\partial a}} {relation} \Phi(a) + a\,\varphi(a)",
        "gelu: the gradient times P(a) + a p(a), with P and p of the normal distribution",
        a=of(slope, a),
    )


def _softplus(a: Any, beta: float = 1.0, threshold: float = 20.0, **_: Any) -> Local:
    scaled, words = ("a", "a") if beta == 1 else (rf"{tex(beta)}\,a", f"{number(beta)} a")
    return local(
        d("y", rf"\sigma({scaled})"),
        f"softplus: the gradient times sigmoid({words})",
        a=of(lambda a: torch.where(a * beta > threshold, 1.0, (a * beta).sigmoid()), a),
    )


def _clamp(a: Any, low: Any = None, high: Any = None, **_: Any) -> Local:
    """Both bounds count as inside; a bound that is a tensor gets what the input lost to it."""
    below = "" if low is None else rf"{written(low, 'l')} \leq "
    above = "" if high is None else rf" \leq {written(high, 'h')}"
    low = -math.inf if low is None else low
    high = math.inf if high is None else high
    return local(
        d("y", cases("1", f"{below}a{above}")),
        "clamp: passes where the input was within the bounds (a bound itself counts), 0 elsewhere",
        a=of(lambda a, low, high: (a >= low) & (a <= high), a, low, high),
        low=of(lambda a, low, high: (a < low) & (low < high), a, low, high),
        high=of(lambda a, low, high: (a > high) | (high < low), a, low, high),
    )


def _clamp_max(a: Any, high: Any = None, **_: Any) -> Local:
    return _clamp(a, None, high)


def _dropout(_a: Any = None, p: float = 0.5, training: bool = True, *_args: Any, **_: Any) -> Local:
    """Which elements were kept only the op knows, so there is a factor only without chance."""
    if not training or p == 0:
        return local(d("y", "1"), "dropout: passes unchanged (nothing is dropped)", a=1.0)
    if p == 1:
        return local(d("y", "0"), "dropout: everything was dropped, so 0 is sent on", a=0.0)
    scale = 1 / (1 - p)
    kept = rf"{tex(scale)}\;\mathrm{{where\;kept}},\;0\;\mathrm{{where\;dropped}}"
    words = f"dropout: the elements kept get the gradient times {number(scale)}, the dropped get 0"
    return local(d("y", kept), words)


RULES: dict[str, Function] = {
    "relu": _relu,
    "relu6": _relu6,
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "gelu": _gelu,
    "softplus": _softplus,
    "clamp": _clamp,
    "clamp_min": _clamp,
    "clamp_max": _clamp_max,
    "dropout": _dropout,
}
