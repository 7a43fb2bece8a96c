"""What is kept of an op's arguments.

Nothing that Python's garbage collector would have to visit with every op (see ``calls``), and
nothing that might hold the op's own result, such as a function: that result would then never go.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from types import EllipsisType, NoneType
from typing import Any

import torch
from torch import Tensor

from seegrad.recording.calls import SLICE, Hold, Row
from seegrad.recording.holdings import Holdings

LONGEST_LIST = 1000
"""A longer list without tensors is not kept."""

_AS_THEY_ARE = frozenset(
    {
        int, float, complex, bool, str, NoneType, EllipsisType, type(SLICE),
        torch.dtype, torch.device, torch.layout, torch.memory_format,
    }
)  # fmt: skip


def kept(arguments: Iterable[Any], holdings: Holdings, held: list[Hold]) -> Row:
    """The arguments with each tensor replaced by what it holds, each list by a tuple.

    The holds on the tensors join ``held``, in order.
    """
    found: list[Any] = []
    for argument in arguments:
        if type(argument) in _AS_THEY_ARE:
            found.append(argument)
        elif isinstance(argument, Tensor):
            hold = holdings.hold(argument)
            held.append(hold)
            found.append(hold.row)
        else:
            found.append(_kept(argument, holdings, held))
    row = tuple(found)
    holdings.newest.append(row)
    return row


def _kept(argument: Any, holdings: Holdings, held: list[Hold]) -> Any:
    """What is kept of anything else; of a function or the like, a word: ``<function>``."""
    if isinstance(argument, int | float | complex):
        return argument
    if isinstance(argument, slice):
        parts = (SLICE, argument.start, argument.stop, argument.step)
        return kept(parts, holdings, held)
    word = f"<{type(argument).__name__}>"
    if not isinstance(argument, list | tuple):
        return word
    if len(argument) > LONGEST_LIST and not any(isinstance(item, Tensor) for item in argument):
        return word
    return kept(argument, holdings, held)


def flat(by_name: dict[str, Any]) -> Iterable[Any]:
    """Arguments given by name, as they are kept: name, argument, name, argument, …."""
    return chain.from_iterable(by_name.items())
