"""A network's layers: linear, convolutions, normalisations, softmax, embedding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from seegrad.rules.latex import d
from seegrad.rules.local import Function, Local, fixed, local, of

_KERNEL = (
    "the kernel gets input times gradient, summed over places; the input gets it by the kernel"
)


def _linear(_a: Any = None, _weight: Any = None, bias: Any = None, **_: Any) -> Local:
    latex = r"\bar X = \bar Y W,\quad \bar W = \bar Y^\top X"
    words = "linear: the input gets the gradient times W, W gets it transposed times the input"
    if bias is None:
        return local(latex, words)
    latex += r",\quad \bar b = \sum_i \bar y_i"
    return local(latex, f"{words}, the bias gets its sum over the batch", bias=1.0)


_NORMALISED = (
    r"\bar a = \frac{1}{\sigma}\left(\bar z - \mathrm{mean}(\bar z)"
    r" - z\,\mathrm{mean}(\bar z z)\right)"
)
"""z = (a - mean) / sigma and \\bar z = weight times \\bar y; Ioffe and Szegedy 2015, section 3."""


def _standardised(a: torch.Tensor, count: int, eps: float) -> torch.Tensor:
    dims = tuple(range(a.ndim - count, a.ndim))
    centred = a - a.mean(dims, keepdim=True)
    return centred * (centred.square().mean(dims, keepdim=True) + eps).rsqrt()


def _layer_norm(
    a: Any,
    normalized_shape: Sequence[int],
    _weight: Any = None,
    _bias: Any = None,
    eps: float = 1e-5,
    *_args: Any,
    **_: Any,
) -> Local:
    words = "layer_norm: in each sample the gradient's mean and its part along z are removed, "
    return local(
        _NORMALISED,
        words + "then it is divided by the standard deviation",
        weight=of(_standardised, a, len(normalized_shape), eps),
        bias=1.0,
    )


def _batch_norm(*_args: Any, training: bool = False, **_: Any) -> Local:
    if not training:
        words = "batch_norm in evaluation: a fixed scale, weight / sqrt(variance + eps)"
        return local(d("y", r"\frac{w}{\sqrt{\sigma^2 + \epsilon}}"), words)
    words = "batch_norm in training: in each channel the gradient's mean and its part along z are "
    return local(_NORMALISED, words + "removed: every sample of the batch affects the others")


RULES: dict[str, Function] = {
    "linear": _linear,
    "layer_norm": _layer_norm,
    "batch_norm": _batch_norm,
    **fixed(
        {
            "conv1d conv2d conv3d": (
                r"\bar W = X \star \bar Y,\quad \bar X = \bar Y * W",
                _KERNEL,
            ),
            "softmax": (
                r"\bar a_i = y_i\left(\bar y_i - \sum_j \bar y_j y_j\right)",
                "the gradient minus its average weighted by the output, times the output",
            ),
            "log_softmax": (
                r"\bar a_i = \bar y_i - \mathrm{softmax}(a)_i \sum_j \bar y_j",
                "the gradient minus softmax times the sum of the gradient",
            ),
            "embedding": (
                r"\bar W_i = \sum_{k : \mathrm{index}_k = i} \bar y_k",
                "each row gets the sum of the gradients of the places that looked it up",
            ),
        }
    ),
}
