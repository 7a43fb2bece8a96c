"""Which piece of a piecewise op its input lies on: where that changes, the slope may jump.

``relu`` has a piece for a ≤ 0 and one for a > 0, ``clamp`` three, ``max`` one for each element that
can be the largest, ``round`` one for each whole number. A border belongs to one of its two sides.

Ops that are smooth everywhere have no entry; nor have those whose slope is continuous (``elu`` with
alpha 1, ``huber_loss``), and those that draw random numbers (``rrelu``, ``dropout``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from seegrad import formatting
from seegrad.rules.names import argument, canonical

_MOST = 2
"""So many different pieces are told by number of elements; more are only counted."""


@dataclass(frozen=True, slots=True)
class Piece:
    """The piece that each element of an op's input lies on.

    Two calls of ``op`` lie on the same pieces if their ``key`` is equal; ``told`` says it in words.
    """

    op: str
    key: bytes
    told: str


Words = Callable[[int], str]
Taken = tuple[Tensor, Words]
"""The number of the piece of each element, and what a piece is called."""


def piece(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Piece | None:
    """Which piece of the op ``name`` do these arguments lie on? None, if it has but one.

    >>> piece("relu", (torch.tensor([3.0, -1.0, -2.0]),), {}).told
    'input > 0 at 1 of 3, input <= 0 at 2 of 3'
    >>> piece("clamp", (torch.tensor(7.0),), {"max": 5}).told
    'input > 5'
    >>> piece("max", (torch.tensor([3.0, 9.0]),), {}).told
    'element 1 is chosen'
    >>> piece("sin", (torch.tensor(3.0),), {}) is None
    True
    """
    op = canonical(name).strip("_")
    find = PIECES.get(op)
    if find is None:
        return None
    named = {argument(key): value for key, value in kwargs.items()}
    try:
        with torch.no_grad():
            taken = find(*args, **named)
    except (TypeError, ValueError, AttributeError, RuntimeError):
        return None  # a call that PyTorch itself will refuse, or a form of it without pieces
    return None if taken is None else Piece(op, *_told(*taken))


def _told(index: Tensor, words: Words) -> tuple[bytes, str]:
    if index.numel() == 1:
        number = int(index.item())
        return number.to_bytes(8, "little", signed=True), words(number)
    numbers = index.to(torch.int64).flatten()
    key = numbers.cpu().numpy().tobytes()
    found, counts = (t.tolist() for t in numbers.unique(return_counts=True))
    if len(found) > _MOST:
        return key, f"{len(found)} different pieces at {numbers.numel()} elements"
    pairs = sorted(zip(found, counts, strict=True), reverse=True)
    told = [f"{words(number)} at {count} of {numbers.numel()}" for number, count in pairs]
    return key, ", ".join(told)


# Borders


def _side(a: Tensor, threshold: Any = 0, *_: Any, **__: Any) -> Taken:
    text = _number(threshold)
    return (a > threshold).long(), lambda i: f"input > {text}" if i else f"input <= {text}"


def _between(a: Tensor, low: Any = None, high: Any = None, **_: Any) -> Taken:
    """Below low, from low to high, or above high; either may be left out."""
    nowhere = torch.zeros_like(a, dtype=torch.long)
    below = nowhere if low is None else (a < low).long()
    above = nowhere if high is None else (a > high).long()
    lower, upper = _number(low), _number(high)
    inside = f"{lower and f'{lower} <= '}input{upper and f' <= {upper}'}"
    return above - below, [inside, f"input > {upper}", f"input < {lower}"].__getitem__


def _outside(a: Tensor, lambd: float = 0.5, **_: Any) -> Taken:
    return _between(a, -lambd, lambd)


def _hardtanh(a: Tensor, min_val: float = -1, max_val: float = 1, **named: Any) -> Taken:
    return _between(a, named.get("low", min_val), named.get("high", max_val))


def _elu(a: Tensor, alpha: float = 1, **_: Any) -> Taken | None:
    return None if alpha == 1 else _side(a)


def _number(border: Any) -> str:
    if isinstance(border, Tensor):
        return formatting.array(border)
    return formatting.number(float(border)) if border is not None else ""


# Choices


def _of_two(a: Tensor, b: Tensor, **_: Any) -> Taken:
    return (a > b).long(), lambda i: "first > second" if i else "first <= second"


def _chosen(places: Tensor) -> Taken:
    return places, lambda i: f"element {i} is chosen"


def _extreme(
    find: Callable[..., Tensor],
    a: Tensor,
    dim: Any = None,
    _keepdim: bool = False,
    b: Any = None,
    **_: Any,
) -> Taken | None:
    """The largest or smallest element: of all, along a dimension, or of two tensors."""
    other = dim if isinstance(dim, Tensor) else b
    if other is not None:
        return _of_two(a, other)
    if isinstance(dim, tuple | list):
        dims = [d % a.ndim for d in dim]
        kept = [d for d in range(a.ndim) if d not in dims]
        return _chosen(find(a.permute(*kept, *dims).flatten(len(kept)), dim=-1))
    return _chosen(find(a, dim=dim))


def _order(find: Callable[..., Any], *args: Any, **named: Any) -> Taken:
    """Ops that give the places of what they chose beside the values."""
    plain = {"input" if key == "a" else key: value for key, value in named.items()}
    return _chosen(find(*args, **plain)[1])


def _median(a: Tensor, dim: int | None = None, *_: Any, **__: Any) -> Taken:
    found = a.flatten().median(0) if dim is None else a.median(dim)
    return _chosen(found.indices)


def _pool(find: Callable[..., Any], a: Tensor, *args: Any, **named: Any) -> Taken:
    return _chosen(find(a, *args, **{**named, "return_indices": True})[1])


def _where(condition: Tensor, a: Any = None, b: Any = None, **_: Any) -> Taken | None:
    if isinstance(a, Tensor) and a.dtype == torch.bool and condition.dtype != torch.bool:
        condition, b = a, condition  # condition is `self` of `self.where(condition, other)`
    if a is None or b is None:
        return None
    return condition.long(), lambda i: "condition is True" if i else "condition is False"


# Steps and distances


def _steps(find: Callable[[Tensor], Tensor], a: Tensor, *_: Any, **__: Any) -> Taken:
    return find(a), lambda i: f"its whole number is {i}"


def _quotient(a: Any, b: Any, **_: Any) -> Taken:
    return torch.floor(torch.as_tensor(a / b)), lambda i: f"the whole quotient is {i}"


def _distance(a: Tensor, b: Tensor, *_: Any, **__: Any) -> Taken:
    return (a > b).long(), lambda i: "input > target" if i else "input <= target"


def _each(names: str, find: Callable[..., Taken | None]) -> Mapping[str, Callable[..., Any]]:
    return dict.fromkeys(names.split(), find)


_POOLS = [f"{kind}max_pool{n}d" for kind in ("", "adaptive_") for n in (1, 2, 3)]

PIECES: Mapping[str, Callable[..., Taken | None]] = MappingProxyType(
    {
        **_each("relu leaky_relu prelu selu abs sign sgn", lambda a, *_, **__: _side(a)),
        **_each("norm linalg_norm linalg_vector_norm", lambda a, *_, **__: _side(a)),
        "threshold": _side,
        "elu": _elu,
        "relu6": lambda a, **_: _between(a, 0, 6),
        **_each("hardsigmoid hardswish", lambda a, **_: _between(a, -3, 3)),
        "hardtanh": _hardtanh,
        **_each("hardshrink softshrink", _outside),
        "clamp": _between,
        "clamp_min": lambda a, low, **_: _between(a, low),
        "clamp_max": lambda a, high, **_: _between(a, None, high),
        **_each("maximum minimum fmax fmin", _of_two),
        **_each("max amax", partial(_extreme, torch.argmax)),
        **_each("min amin", partial(_extreme, torch.argmin)),
        "median": _median,
        **{
            name: partial(_order, getattr(torch, name))
            for name in ("sort", "topk", "kthvalue", "cummax", "cummin")
        },
        **{name: partial(_pool, getattr(F, name)) for name in _POOLS},
        "where": _where,
        **{name: partial(_steps, getattr(torch, name)) for name in ("floor", "ceil", "round")},
        **_each("trunc frac", partial(_steps, torch.trunc)),
        **_each("remainder floor_divide fmod", _quotient),
        "l1_loss": _distance,
    }
)
"""For each op with pieces, what tells them apart."""
