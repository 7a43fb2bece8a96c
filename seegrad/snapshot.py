"""A tensor's content at one moment, kept small enough to keep for every op of a cell."""

from __future__ import annotations

from torch import Tensor, empty, strided

COMPLETE = 1024
"""Tensors of up to this many elements are copied whole."""

CORNER = 4
"""Of a larger tensor, this many leading entries of each dimension are copied."""


def keep(tensor: Tensor) -> Tensor:
    """What did ``tensor`` hold? A detached copy: the whole, or its leading corner when it is large.

    A large tensor in a layout that cannot be sliced (sparse) leaves only its shape, on the
    ``meta`` device. Whoever shows the copy compares its shape with the true one.

    >>> import torch
    >>> keep(torch.arange(3.0))
    tensor([0., 1., 2.])
    >>> keep(torch.zeros(5000, 2)).shape
    torch.Size([4, 2])
    """
    content = tensor.detach()
    if content.numel() <= COMPLETE:
        return content.clone()
    if content.layout is not strided:
        return empty(content.shape, dtype=content.dtype, device="meta")
    return content[(slice(CORNER),) * content.ndim].clone()
