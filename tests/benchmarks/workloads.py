"""What is computed: five graphs, from two ops to ten thousand, each an ordinary PyTorch module."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seegrad.drawing.layout import Box, Link


@dataclass(frozen=True)
class Workload:
    """``module(*inputs)`` is a scalar that requires a gradient."""

    name: str
    module: nn.Module
    inputs: tuple[Tensor, ...]

    def forward(self) -> Tensor:
        """Run it, as plain PyTorch does."""
        y: Tensor = self.module(*self.inputs)
        return y


class Dot(nn.Module):
    """The notes' first example."""

    def forward(self, x: Tensor) -> Tensor:
        """x: (n,)."""
        return 2 * torch.dot(x, x)


class Classifier(nn.Module):
    """A perceptron of three layers and its loss."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 5)
        )

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """x: (batch, 20); target: (batch,) of class numbers."""
        return F.cross_entropy(self.layers(x), target)


class Recurrent(nn.Module):
    """An LSTM cell in a loop over time."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(8, 16)

    def forward(self, xs: Tensor) -> Tensor:
        """xs: (time, batch, 8)."""
        h = c = xs.new_zeros(xs.shape[1], 16)
        for x in xs:
            h, c = self.cell(x, (h, c))
        return h.sum()


class Encoder(nn.Module):
    """A Transformer's encoder of six layers."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(16, nhead=2, dim_feedforward=32, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 6, enable_nested_tensor=False)

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, time, 16)."""
        y: Tensor = self.encoder(x).sum()
        return y


class Chain(nn.Module):
    """Ten thousand multiplications, each of the last one's result."""

    def forward(self, x: Tensor) -> Tensor:
        """x: a scalar."""
        for _ in range(10_000):
            x = x * 1.0001
        return x


def workloads() -> list[Workload]:
    """All five, the same each time."""
    torch.manual_seed(0)
    x, scalar = torch.arange(4.0, requires_grad=True), torch.tensor(1.0, requires_grad=True)
    return [
        Workload("2\N{MULTIPLICATION SIGN}dot(x, x)", Dot(), (x,)),
        Workload("MLP, 3 layers", Classifier(), (torch.randn(8, 20), torch.randint(5, (8,)))),
        Workload("LSTM, 100 steps", Recurrent(), (torch.randn(100, 4, 8),)),
        Workload("Transformer, 6 layers", Encoder(), (torch.randn(2, 10, 16),)),
        Workload("chain of 10,000", Chain(), (scalar,)),
    ]


def unfolded_lstm(steps: int) -> tuple[list[Box], list[Link]]:
    """The picture of an LSTM written op by op, 14 boxes a step, its weights drawn at each use."""
    leaf, op, result = Box(160.0, 60.0, 58.0), Box(160.0, 60.0), Box(50.0, 20.0)
    boxes, ends = [leaf, leaf], list[tuple[int, int]]()
    h, c = 0, 1
    for last in range(1, 14 * steps, 14):
        x, w, u, b, gates, i, f, g, o, forget, enter, new, squashed, out = range(
            last + 1, last + 15
        )
        boxes += [op, leaf, leaf, leaf, *[op] * 10]
        ends += [(source, gates) for source in (h, x, w, u, b)]
        ends += [(gates, i), (gates, f), (gates, g), (gates, o)]
        ends += [(f, forget), (c, forget), (i, enter), (g, enter), (forget, new), (enter, new)]
        ends += [(new, squashed), (o, out), (squashed, out)]
        h, c = out, new
    ends.append((h, len(boxes)))
    return [*boxes, result], [Link(source, target, 60.0) for source, target in ends]
