"""Losses of scores for classes: cross_entropy and nll_loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from seegrad.formatting import number
from seegrad.rules.local import Factor, Function, Local, local, of
from seegrad.rules.losses import reduced


@dataclass(frozen=True, slots=True)
class _Targets:
    """The weight of each class in each sample, as the scores are shaped; what a mean divides by."""

    weights: torch.Tensor
    divisor: torch.Tensor | int


def _class_dim(a: Any) -> int:
    return 0 if a.ndim == 1 else 1


def _class_weights(a: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    dim = _class_dim(a)
    weight = a.new_ones(a.shape[dim]) if weight is None else weight
    return weight.view(-1, *[1] * (a.ndim - dim - 1))


def _targets(
    a: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor | None,
    ignored: int,
    smoothing: float,
) -> _Targets:
    """Class numbers become one-hot rows; an ignored sample's row is 0 and is not counted."""
    dim, weights = _class_dim(a), _class_weights(a, weight)
    count = a.shape[dim]
    if target.is_floating_point():
        chosen = target * (1 - smoothing) + smoothing / count
        return _Targets(chosen * weights, a.numel() // count)
    counted = (target != ignored).unsqueeze(dim)
    places = target.unsqueeze(dim).where(counted, 0)
    one_hot = torch.zeros_like(a).scatter(dim, places, 1.0) * counted
    chosen = one_hot * (1 - smoothing) + counted * (smoothing / count)
    return _Targets(chosen * weights, (one_hot * weights).sum())


def _factor(
    reduction: str, a: Any, targets: _Targets | None, slope: Callable[[_Targets], torch.Tensor]
) -> Factor:
    """One number out: the slope is the factor. One number a sample does not line up with (N, C)."""
    if targets is None or (reduction == "none" and a.ndim > 1):
        return None
    divisor = targets.divisor if reduction == "mean" else 1
    factor: Factor = of(lambda: slope(targets) / divisor)
    return factor


def _share(reduction: str, targets: _Targets | None, weight: Any) -> tuple[str, str]:
    """What a mean does to each sample's slope, in LaTeX and in words."""
    if reduction != "mean":
        return "", ""
    if weight is not None:
        return r"\frac{1}{\sum w}", ", divided by the sum of the weights"
    n = "N" if targets is None else number(float(targets.divisor))
    return ("", "") if n == "1" else (rf"\frac{{1}}{{{n}}}", f", divided by {n}")


def _cross_entropy(
    a: Any,
    b: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    **flags: Any,
) -> Local:
    """Softmax minus target (Goodfellow et al. 2016, section 6.2.2.3); weights scale each class."""
    reduction, dim = reduced(reduction, **flags), _class_dim(a)
    targets = of(_targets, a, b, weight, ignore_index, label_smoothing)
    part, share = _share(reduction, targets, weight)
    difference = "p_j - t_j" if weight is None else r"p_j \sum_k w_k t_k - w_j t_j"
    target = "the target" if b.dtype.is_floating_point else "the one-hot target"
    smoothed = f" smoothed by {number(label_smoothing)}" if label_smoothing else ""
    weighted = "" if weight is None else ", weighted by class"
    latex = rf"\frac{{\partial L}}{{\partial a_j}} = {part}({difference})"
    return local(
        latex + r",\quad p = \mathrm{softmax}(a)",
        f"cross_entropy with reduction={reduction}: the scores get softmax minus {target}"
        f"{smoothed}{weighted}{share}",
        a=_factor(
            reduction,
            a,
            targets,
            lambda t: a.softmax(dim) * t.weights.sum(dim, keepdim=True) - t.weights,
        ),
        b=_factor(
            reduction,
            a,
            targets,
            lambda _: a.log_softmax(dim) * _class_weights(a, weight) * (label_smoothing - 1),
        ),
    )


def _nll_loss(
    a: Any,
    b: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    **flags: Any,
) -> Local:
    reduction = reduced(reduction, **flags)
    targets = of(_targets, a, b, weight, ignore_index, 0.0)
    part, share = _share(reduction, targets, weight)
    scaled, weighted = ("t_j", "") if weight is None else ("w_j t_j", " times its weight")
    return local(
        rf"\frac{{\partial L}}{{\partial a_j}} = -{part}{scaled}",
        f"nll_loss with reduction={reduction}: the target's log-probability gets -1{weighted}"
        f"{share}; the other classes get 0",
        a=_factor(reduction, a, targets, lambda t: -t.weights),
    )


RULES: dict[str, Function] = {"cross_entropy": _cross_entropy, "nll_loss": _nll_loss}
