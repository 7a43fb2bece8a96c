"""A tensor's content at one moment, kept small enough to keep for every op of a cell."""

from __future__ import annotations

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

NUMBERS = frozenset(
    {
        torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
        torch.float16, torch.bfloat16, torch.float32, torch.float64,
        torch.complex64, torch.complex128,
    }
)  # fmt: skip
"""The types whose every number a Python number holds exactly."""

_PLAIN = frozenset({Tensor, Parameter})

Content = Tensor | complex
"""What is kept of a tensor; of a single number, that number."""


def content(tensor: Tensor) -> Content:
    """What does ``tensor`` hold? A plain number if it has no dimensions, else as ``keep`` does it.

    A Python number is a tenth of the cost of a tensor.
    """
    if tensor.ndim or tensor.dtype not in NUMBERS or not tensor.is_cpu:
        return keep(tensor)
    if type(tensor) not in _PLAIN or dispatch_modes():
        return keep(tensor)
    try:
        number: complex = tensor.item()
    except RuntimeError:  # inside vmap it stands for many numbers
        return keep(tensor)
    return number


def restored(kept: Content, dtype: torch.dtype) -> Tensor:
    """The tensor that ``content`` kept, as ``keep`` would have kept it."""
    if isinstance(kept, Tensor):
        return kept
    with torch._C.DisableTorchFunction():
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
    if not _is_plain(tensor):
        return _shown_to_nobody(tensor)
    return _copied(tensor.detach())


def _is_plain(tensor: Tensor) -> bool:
    """Is it a tensor like any other, that nobody's code watches being copied?"""
    return (
        type(tensor) in _PLAIN and not dispatch_modes() and not is_functorch_wrapped_tensor(tensor)
    )


def _copied(tensor: Tensor) -> Tensor:
    if tensor.numel() <= COMPLETE:
        return tensor.clone()
    if tensor.layout is not strided:
        return empty(tensor.shape, dtype=tensor.dtype, device="meta")
    return tensor[(slice(CORNER),) * tensor.ndim].clone()


def _shown_to_nobody(tensor: Tensor) -> Tensor:
    """A copy that a learner's dispatch mode or tensor class does not hear of."""
    with torch._C.DisableTorchFunction(), _disable_current_modes():
        if is_functorch_wrapped_tensor(tensor) or torch._C._dispatch_keys(tensor).has(
            torch._C.DispatchKey.Python
        ):
            return empty(tensor.shape, dtype=tensor.dtype, device="meta")
        return _copied(tensor.as_subclass(Tensor).detach())
