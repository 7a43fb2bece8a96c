"""Losses of pairs: of each prediction and its target, then reduced."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from seegrad.formatting import number
from seegrad.rules.arguments import Unknown, is_hidden, is_tensor
from seegrad.rules.latex import tex
from seegrad.rules.local import Function, Local, local, of

_Slope = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def reduced(
    reduction: str, *, size_average: bool | None = None, reduce: bool | None = None, **_: Any
) -> str:
    """The reduction, also from the two flags that PyTorch took before it had one."""
    if size_average is None and reduce is None:
        return reduction
    if reduce is False:
        return "none"
    return "sum" if size_average is False else "mean"


@dataclass(frozen=True, slots=True)
class _Loss:
    """A loss of each pair (a_i, b_i): its slope by a in LaTeX, in words and as a function.

    The slope by b is the opposite, if it is not given.
    """

    latex: str
    words: str
    by_a: _Slope
    by_b: _Slope | None = None
    mean_of_weights: bool = False
    """Does a weighted mean divide by the sum of the weights, not by the number of pairs?"""


def _pairs(
    name: str,
    loss_with: Callable[..., _Loss],
    a: Any,
    b: Any,
    weight: Any = None,
    *,
    reduction: str = "mean",
    size_average: bool | None = None,
    reduce: bool | None = None,
    **options: Any,
) -> Local:
    """The rule of a loss, which `loss_with` makes of the call's own options."""
    if weight is not None and not is_tensor(weight):
        raise TypeError("the third argument was once the flag size_average: no rule for that")
    loss = loss_with(**options)
    reduction = reduced(reduction, size_average=size_average, reduce=reduce)
    # torch's own broadcast_shapes imports for a second when it is first called.
    shape = np.broadcast_shapes(tuple(a.shape), tuple(b.shape))
    divisor = _divisor(loss, reduction, a, shape, weight)
    values = (a, b, 1.0 if weight is None else weight, divisor, *options.values())

    def factor(slope: _Slope) -> Any:
        return of(lambda a, b, w, n, *_: slope(a, b).expand(shape) * w / n, *values)

    latex, share = _share(divisor)
    coefficient = latex + ("" if weight is None else "w_i")
    product = rf"{coefficient} \cdot {loss.latex}" if coefficient else loss.latex
    weighted = "" if weight is None else ", times its weight"
    opposite = "" if loss.by_b else "; the target gets the opposite"
    top = r"\ell_i" if reduction == "none" else "L"
    return local(
        rf"\frac{{\partial {top}}}{{\partial a_i}} = {product}",
        f"{name} with reduction={reduction}: each prediction gets {loss.words}{share}"
        f"{weighted}{opposite}",
        a=factor(loss.by_a),
        b=factor(loss.by_b or (lambda a, b: -loss.by_a(a, b))),
    )


def _divisor(loss: _Loss, reduction: str, a: Any, shape: tuple[int, ...], weight: Any) -> Any:
    """What the sum of the losses is divided by."""
    if reduction in ("none", "sum"):
        return 1
    if reduction == "batchmean":
        return a.shape[0]
    if weight is None or not loss.mean_of_weights:
        return math.prod(shape)
    return Unknown((), weight.dtype) if is_hidden(weight) else weight.sum()


def _share(divisor: Any) -> tuple[str, str]:
    """What a mean does to each slope, in LaTeX and in words."""
    if not isinstance(divisor, int):
        return r"\frac{1}{\sum_j w_j}", ", divided by the sum of the weights"
    return ("", "") if divisor == 1 else (rf"\frac{{1}}{{{divisor}}}", f", divided by {divisor}")


def _mse_loss() -> _Loss:
    words = "2 (prediction - target)"
    return _Loss("2(a_i - b_i)", words, lambda a, b: 2 * (a - b), mean_of_weights=True)


def _l1_loss() -> _Loss:
    latex, words = r"\mathrm{sign}(a_i - b_i)", "the sign of (prediction - target)"
    return _Loss(latex, words, lambda a, b: torch.sign(a - b), mean_of_weights=True)


def _smooth_l1_loss(beta: float = 1.0) -> _Loss:
    """Girshick 2015 (Fast R-CNN)."""
    if beta == 0:
        return _l1_loss()
    difference = "a_i - b_i" if beta == 1 else rf"\frac{{a_i - b_i}}{{{tex(beta)}}}"
    scaled = "" if beta == 1 else f" / {number(beta)}"
    return _Loss(
        rf"\min(1, \max(-1, {difference}))",
        f"(prediction - target){scaled} kept within -1 and 1",
        lambda a, b: ((a - b) / beta).clamp(-1, 1),
    )


def _huber_loss(delta: float = 1.0) -> _Loss:
    """Huber 1964."""
    return _Loss(
        rf"\min({tex(delta)}, \max(-{tex(delta)}, a_i - b_i))",
        f"(prediction - target) kept within -{number(delta)} and {number(delta)}",
        lambda a, b: (a - b).clamp(-delta, delta),
    )


def _binary_cross_entropy() -> _Loss:
    return _Loss(
        r"\frac{a_i - b_i}{a_i(1 - a_i)}",
        "(p - target) / (p (1 - p))",
        lambda a, b: (a - b) / (a * (1 - a)).clamp_min(1e-12),
        lambda a, _b: torch.log1p(-a) - torch.log(a),
    )


def _binary_cross_entropy_with_logits(pos_weight: Any = None) -> _Loss:
    """The loss is (1 - b) a + (1 + (w - 1) b) softplus(-a), w being the positives' weight."""
    latex, words = r"\left(\sigma(a_i) - b_i\right)", "sigmoid(score) - target"
    if pos_weight is not None:
        latex = r"\left((1 - b_i)\,\sigma(a_i) - w^{+} b_i\,\sigma(-a_i)\right)"
        words += ", the positives weighted"
    w = 1.0 if pos_weight is None else pos_weight
    return _Loss(
        latex,
        words,
        lambda a, b: (1 - b) - (1 + (w - 1) * b) * torch.sigmoid(-a),
        lambda a, _b: (w - 1) * torch.nn.functional.softplus(-a) - a,
    )


def _kl_div(log_target: bool = False) -> _Loss:
    """The input holds log-probabilities."""
    if log_target:
        return _Loss(
            "(-e^{b_i})",
            "minus e^target",
            lambda _a, b: -b.exp(),
            lambda a, b: b.exp() * (b - a + 1),
        )
    return _Loss("(-b_i)", "minus the target", lambda _a, b: -b, lambda a, b: b.log() + 1 - a)


_LOSSES: Mapping[str, Callable[..., _Loss]] = {
    "mse_loss": _mse_loss,
    "l1_loss": _l1_loss,
    "smooth_l1_loss": _smooth_l1_loss,
    "huber_loss": _huber_loss,
    "binary_cross_entropy": _binary_cross_entropy,
    "binary_cross_entropy_with_logits": _binary_cross_entropy_with_logits,
    "kl_div": _kl_div,
}

RULES: dict[str, Function] = {
    name: partial(_pairs, name, loss_with) for name, loss_with in _LOSSES.items()
}
