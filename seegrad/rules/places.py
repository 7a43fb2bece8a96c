"""Ops that take from places, write to places, or put pieces together."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from seegrad.rules.arguments import tensors_in
from seegrad.rules.latex import d
from seegrad.rules.local import Function, Local, always, fixed, local, of

_BACK = "goes back to the place it was taken from; the others get 0"
_PIECE = r"\bar a[\mathrm{piece}_k] = \bar y_k"
_LOST = "the old content was written over, so it gets 0"


def _stack(tensors: Any, dim: int = 0, **_: Any) -> Local:
    """Along the first dimension, picking slice k is a product with a one-hot column."""
    n, inner = len(tensors), tensors[0].ndim
    columns = torch.eye(n, dtype=tensors[0].dtype).view(n, n, *[1] * inner)
    return local(
        r"\bar a_k = (\bar y)_k",
        "stack: each input gets its own slice of the gradient",
        tensors=list(columns) if dim % (inner + 1) == 0 else None,
    )


def _one_hot(a: torch.Tensor, index: Any) -> torch.Tensor:
    places = torch.zeros_like(a)
    places[index] = 1
    return places


def _getitem(a: Any, index: Any, **_: Any) -> Local:
    """Integers take from the front dimensions, so the rest still lines up with the output."""
    parts = index if isinstance(index, tuple) else (index,)
    integers = all(isinstance(part, int) and not isinstance(part, bool) for part in parts)
    return local(
        r"\bar a[\mathrm{index}] = \bar y,\quad 0\;\mathrm{elsewhere}",
        f"__getitem__: {_BACK}",
        a=of(_one_hot, a, index) if integers else None,
    )


def _select(a: Any, dim: int, index: int, **_: Any) -> Local:
    taken = _getitem(a, index)
    return local(
        taken.latex, f"select: {_BACK}", a=taken.factors["a"] if dim % a.ndim == 0 else None
    )


def _setitem(a: Any, index: Any, _value: Any = None, **_: Any) -> Local:
    return local(
        r"\bar a[\mathrm{index}] = 0,\quad \overline{\mathrm{value}} = \bar y[\mathrm{index}]",
        "__setitem__: the places written over get 0; the value gets their gradient",
        a=of(lambda a, *_: 1 - _one_hot(a, index), a, *tensors_in(index)),
    )


def _triangle(
    name: str, part: Callable[..., torch.Tensor], a: Any, diagonal: int = 0, **_: Any
) -> Local:
    side = "above" if name == "triu" else "below"
    return local(
        d("y", r"1\;\mathrm{where\;kept},\;0\;\mathrm{elsewhere}"),
        f"{name}: passes on and {side} the diagonal, 0 elsewhere",
        a=of(lambda a: part(torch.ones_like(a), diagonal), a),
    )


RULES: dict[str, Function] = {
    "stack": _stack,
    "__getitem__": _getitem,
    "__setitem__": _setitem,
    "select": _select,
    "triu": partial(_triangle, "triu", torch.triu),
    "tril": partial(_triangle, "tril", torch.tril),
    "zero": always(d("y", "0"), f"zero_: {_LOST}", a=0.0),
    "fill": always(d("y", "0"), f"fill_: {_LOST}; the value gets the gradient", a=0.0, b=1.0),
    "copy": always(d("y", "0"), f"copy_: {_LOST}; the source gets the gradient", a=0.0, b=1.0),
    **fixed(
        {
            "split chunk unbind": (_PIECE, "each piece's gradient goes back to its own place"),
            "narrow": (_PIECE, _BACK),
            "cat": (
                r"\bar a_k = \bar y[\mathrm{piece}_k]",
                "each input gets its own piece of the gradient",
            ),
            "index_select gather": (
                r"\bar a_i = \sum_{k : \mathrm{index}_k = i} \bar y_k",
                "goes back to the place it was taken from, added up if taken more than once",
            ),
            "masked_select": (
                r"\bar a[\mathrm{mask}] = \bar y,\quad 0\;\mathrm{elsewhere}",
                "goes back to the places that were selected; the others get 0",
            ),
            "sort": (
                r"\bar a_{\mathrm{index}_k} = \bar y_k",
                "each gradient goes back to where its value stood before sorting",
            ),
            "topk": (
                r"\bar a_{\mathrm{index}_k} = \bar y_k,\quad 0\;\mathrm{elsewhere}",
                "each gradient goes back to where its value stood; the rest get 0",
            ),
        }
    ),
}
