"""Ops that choose one of several: the chosen one gets the gradient."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from seegrad.rules.arguments import is_tensor
from seegrad.rules.dimensions import aligned, by_element, over, removed
from seegrad.rules.latex import cases, d
from seegrad.rules.local import Function, Local, copies, local, of, same

_WINNER = by_element(cases("1", "a_i = y"))


def _of_two(largest: bool, a: Any, b: Any, **_: Any) -> Local:
    """PyTorch halves the gradient where both are equal."""
    first = torch.gt if largest else torch.lt
    name, side, sign = ("maximum", "larger", ">") if largest else ("minimum", "smaller", "<")
    return local(
        d("y", rf"1\;\mathrm{{if}}\;a {sign} b,\;0\;\mathrm{{if}}\;b {sign} a"),
        f"{name}: the {side} one gets the gradient, the other 0; equal ones get half each"
        + copies(a, b),
        a=of(lambda a, b: first(a, b) + 0.5 * (a == b), a, b),
        b=of(lambda a, b: first(b, a) + 0.5 * (a == b), a, b),
    )


def _winner_gets(largest: bool) -> str:
    return f"the {'largest' if largest else 'smallest'} element gets the gradient, the others 0"


def _evenly(a: torch.Tensor, dims: tuple[int, ...], largest: bool) -> torch.Tensor:
    reached = a == (a.amax(dims, keepdim=True) if largest else a.amin(dims, keepdim=True))
    return reached / reached.sum(dims, keepdim=True, dtype=a.dtype)


def _all_winners(
    name: str, largest: bool, a: Any, dim: Any = None, keepdim: bool = False, **_: Any
) -> Local:
    dims = removed(a, dim)
    words = f"{over(name, a, dims)}: {_winner_gets(largest)} (ties share evenly)"
    return local(_WINNER, words, a=aligned(of(_evenly, a, dims, largest), dims, keepdim))


def _first(a: torch.Tensor, dim: int, largest: bool) -> torch.Tensor:
    places = (a.max(dim, keepdim=True) if largest else a.min(dim, keepdim=True)).indices
    return torch.zeros_like(a).scatter(dim, places, 1.0)


def _winner(
    largest: bool, a: Any, dim: Any = None, keepdim: bool = False, b: Any = None, **_: Any
) -> Local:
    """Of two tensors, of all elements, or along a dimension, where the place returned gets it."""
    if b is not None or is_tensor(dim):
        pair = _of_two(largest, a, dim if b is None else b)
        return local(pair.latex, pair.words, **pair.factors, dim=pair.factors["b"])
    name = "max" if largest else "min"
    if dim is None:
        return _all_winners(name, largest, a)
    words = f"{name} along dimension {dim}: {_winner_gets(largest)}"
    return local(_WINNER, words, a=aligned(of(_first, a, dim, largest), removed(a, dim), keepdim))


def _where(condition: Any, a: Any = None, b: Any = None, **_: Any) -> Local:
    """``torch.where(condition, a, b)`` and ``a.where(condition, b)`` differ in their order."""
    taken = "a"
    if is_tensor(a) and a.dtype == torch.bool and condition.dtype != torch.bool:
        condition, a, taken = a, condition, "condition"
    if a is None:
        return local(d("y", "0"), "where: positions carry no gradient")
    factors = {taken: of(same, condition), "b": of(torch.logical_not, condition)}
    return local(
        d("y", r"1\;\mathrm{where\;it\;was\;taken},\;0\;\mathrm{elsewhere}"),
        "where: each place's gradient goes to the side it was taken from, the other side gets 0"
        + copies(condition, a, b),
        **factors,
    )


def _masked_fill(_a: Any = None, mask: Any = None, _value: Any = None, **_: Any) -> Local:
    return local(
        d("y", r"0\;\mathrm{where\;filled},\;1\;\mathrm{elsewhere}"),
        "masked_fill: the places that were filled get 0, the others pass",
        a=of(torch.logical_not, mask),
        value=of(same, mask),
    )


RULES: dict[str, Function] = {
    "maximum": partial(_of_two, True),
    "minimum": partial(_of_two, False),
    "max": partial(_winner, True),
    "min": partial(_winner, False),
    "amax": partial(_all_winners, "amax", True),
    "amin": partial(_all_winners, "amin", False),
    "where": _where,
    "masked_fill": _masked_fill,
}
