"""A tensor's content at one moment, kept small enough to keep for every op of a cell."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, empty, strided
from torch._C import _len_torch_dispatch_stack as dispatch_modes
from torch._C._functorch import is_functorch_wrapped_tensor
from torch.nn import Parameter
from torch.utils._python_dispatch import _disable_current_modes

COMPLETE = 1024
"""Tensors of up to this many elements are copied whole."""

CORNER = 4
"""Of a larger tensor, this many leading entries of each dimension are copied."""

Content = complex | np.ndarray[Any, Any] | Tensor
"""What is kept of a tensor. Numbers and arrays cost Python's garbage collector nothing."""

_PLAIN = frozenset({Tensor, Parameter})

_IN_NUMPY = frozenset(
    {
        torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
        torch.float16, torch.float32, torch.float64, torch.complex64, torch.complex128,
    }
)  # fmt: skip


def content(tensor: Tensor, dtype: torch.dtype) -> Content:
    """What ``keep`` keeps, as a number if the tensor has no dimensions, else as an array.

    It stays a tensor where NumPy has no such type, or nobody may look inside.
    """
    if type(tensor) in _PLAIN and dtype in _IN_NUMPY and tensor.is_cpu and not dispatch_modes():
        try:
            return tensor.item() if not tensor.ndim else _array(tensor)
        except (RuntimeError, TypeError):  # inside vmap; sparse
            pass
    return keep(tensor)


def _array(tensor: Tensor) -> np.ndarray[Any, Any]:
    array: np.ndarray[Any, Any] = _whole_or_corner(tensor.detach()).numpy()
    return array.copy()


def restored(kept: Content, dtype: torch.dtype) -> Tensor:
    """The tensor that ``keep`` would have kept."""
    if isinstance(kept, Tensor):
        return kept
    with torch._C.DisableTorchFunction():
        if isinstance(kept, np.ndarray):
            return torch.from_numpy(kept)
        return torch.tensor(kept, dtype=dtype, device="cpu")


def keep(tensor: Tensor) -> Tensor:
    """What did ``tensor`` hold? A detached copy: the whole, or its leading corner when it is large.

    Some tensors leave only their shape, on the ``meta`` device: a large one in a layout that
    cannot be sliced (sparse); one that stands for others inside ``vmap`` or ``torch.func.grad``,
    and is void outside; one of a class whose own code would run to copy it. Whoever shows the
    copy compares its shape with the true one.

    >>> import torch
    >>> keep(torch.arange(3.0))
    tensor([0., 1., 2.])
    >>> keep(torch.zeros(5000, 2)).shape
    torch.Size([4, 2])
    """
    if _is_plain(tensor):
        return _copied(tensor.detach())
    with torch._C.DisableTorchFunction(), _disable_current_modes():
        if _is_closed(tensor):
            return empty(tensor.shape, dtype=tensor.dtype, device="meta")
        return _copied(tensor.as_subclass(Tensor).detach())


def _copied(tensor: Tensor) -> Tensor:
    if tensor.numel() > COMPLETE and tensor.layout is not strided:
        return empty(tensor.shape, dtype=tensor.dtype, device="meta")
    return _whole_or_corner(tensor).clone()


def _whole_or_corner(tensor: Tensor) -> Tensor:
    return tensor if tensor.numel() <= COMPLETE else tensor[(slice(CORNER),) * tensor.ndim]


def _is_plain(tensor: Tensor) -> bool:
    """Is it a tensor like any other, that nobody's code watches being copied?"""
    return (
        type(tensor) in _PLAIN and not dispatch_modes() and not is_functorch_wrapped_tensor(tensor)
    )


def _is_closed(tensor: Tensor) -> bool:
    """May nobody look inside: does it stand for others, or does its class run code of its own?"""
    runs_code = torch._C._dispatch_keys(tensor).has(torch._C.DispatchKey.Python)
    return runs_code or is_functorch_wrapped_tensor(tensor)
