"""An op such as a learner writes: a ``torch.autograd.Function`` of their own."""

from typing import Any

import torch
from torch import Tensor


class Double(torch.autograd.Function):
    """Twice its input."""

    @staticmethod
    def forward(_ctx: Any, x: Tensor) -> Tensor:
        """2 x."""
        return x * 2

    @staticmethod
    def backward(_ctx: Any, g: Tensor) -> Tensor:
        """2 times what arrives."""
        return g * 2
