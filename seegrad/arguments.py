"""What is kept of an op's arguments."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import EllipsisType, NoneType
from typing import Any

import torch
from torch import Tensor

from seegrad.calls import Hold, Row
from seegrad.holdings import Holdings

LONGEST_LIST = 1000
"""A longer list without tensors is not kept."""

_AS_THEY_ARE = frozenset(
    {
        int, float, complex, bool, str, NoneType, EllipsisType, slice,
        torch.Size, torch.dtype, torch.device, torch.layout, torch.memory_format,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Other:
    """Stands for an argument that is not kept: no tensor, number or name.

    The thing itself (a function, say) might hold the op's own result, which would then never go.
    """

    kind: str

    def __repr__(self) -> str:
        return f"<{self.kind}>"


def kept(arguments: Iterable[Any], holdings: Holdings, held: list[Hold]) -> Row:
    """The arguments with each tensor replaced by what it holds, each list by a tuple.

    The holds on the tensors join ``held``, in order.
    """
    row: list[Any] = []
    for argument in arguments:
        if isinstance(argument, Tensor):
            hold = holdings.hold(argument)
            held.append(hold)
            row.append(hold.row)
        elif type(argument) in _AS_THEY_ARE:
            row.append(argument)
        elif type(argument) not in (list, tuple):
            row.append(Other(type(argument).__name__))
        elif len(argument) > LONGEST_LIST and not any(isinstance(a, Tensor) for a in argument):
            row.append(Other(f"{type(argument).__name__} of {len(argument)}"))
        else:
            row.append(kept(argument, holdings, held))
    return tuple(row)


def kept_by_name(arguments: dict[str, Any], holdings: Holdings, held: list[Hold]) -> Row:
    """The same for arguments given by name: pairs of a name and what is kept."""
    values = kept(arguments.values(), holdings, held)
    return tuple(zip(arguments, values, strict=True))
