"""Who runs a workload: PyTorch, seegrad, and three other drawers of graphs.

A contender is a context manager: it prepares what is not its own work, and yields what is timed.
Peers are imported where they are used: they come with the extra ``bench`` and with nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

import seegrad
from seegrad.structure import structure
from tests.benchmarks.workloads import Workload

Timed = Callable[[], object]
Contender = Callable[[Workload], AbstractContextManager[Timed]]


class Empty(TorchFunctionMode):
    """Sees every call and does nothing: what any recorder of this kind must cost."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Pass the call on."""
        return func(*args, **(kwargs or {}))


@contextmanager
def forward(work: Workload) -> Iterator[Timed]:
    """Plain PyTorch."""
    yield work.forward


@contextmanager
def forward_backward(work: Workload) -> Iterator[Timed]:
    """Plain PyTorch, with the backward pass."""
    yield lambda: work.forward().backward()


@contextmanager
def empty_mode(work: Workload) -> Iterator[Timed]:
    """Forward under a mode that does nothing."""

    def run() -> Tensor:
        with Empty():
            return work.forward()

    yield run


@contextmanager
def record(work: Workload) -> Iterator[Timed]:
    """Forward, recorded."""

    def run() -> Tensor:
        with seegrad.record():
            return work.forward()

    yield run


@contextmanager
def record_replay(work: Workload) -> Iterator[Timed]:
    """Forward, recorded, and the backward pass replayed with the gradient on every edge."""

    def run() -> object:
        with seegrad.record():
            y = work.forward()
        return seegrad.replay(y)

    yield run


@contextmanager
def graph_data(work: Workload) -> Iterator[Timed]:
    """The graph of what was recorded, as data."""
    y = _recorded(work)
    yield lambda: structure(y)


@contextmanager
def graph_and_gradients(work: Workload) -> Iterator[Timed]:
    """The same, and the gradient on every edge."""
    y = _recorded(work)
    yield lambda: (structure(y), seegrad.replay(y))


@contextmanager
def graph_picture(work: Workload) -> Iterator[Timed]:
    """The whole picture of what was recorded: graph, replay, layout, texts."""
    y = _recorded(work)
    yield lambda: seegrad.graph(y).close()


def _recorded(work: Workload) -> Tensor:
    with seegrad.record():
        return work.forward()


@contextmanager
def torchviz(work: Workload) -> Iterator[Timed]:
    """The graph of what ran, as DOT; it is not laid out."""
    make_dot = import_module("torchviz").make_dot
    y = work.forward()
    yield lambda: make_dot(y)


@contextmanager
def torchview(work: Workload) -> Iterator[Timed]:
    """Forward and its graph of modules, as DOT; it is not laid out."""
    draw_graph = import_module("torchview").draw_graph
    yield lambda: draw_graph(work.module, input_data=work.inputs, device="cpu", mode="train")


@contextmanager
def torchlens(work: Workload) -> Iterator[Timed]:
    """Forward and a log of every op and value; nothing is drawn. It patches torch meanwhile."""
    trace = import_module("torchlens").trace
    with import_module("torchlens.backends.torch.wrappers").wrapped():
        yield lambda: trace(work.module, work.inputs)


CONTENDERS: dict[str, Contender] = {
    "forward": forward,
    "forward and backward": forward_backward,
    "empty TorchFunctionMode": empty_mode,
    "seegrad: record": record,
    "seegrad: record and replay": record_replay,
    "seegrad: structure": graph_data,
    "seegrad: structure and replay": graph_and_gradients,
    "seegrad: graph": graph_picture,
    "torchviz: make_dot": torchviz,
    "torchview: draw_graph": torchview,
    "torchlens: trace": torchlens,
}

PEERS = (torchviz, torchview, torchlens)
"""They may give up, and the table says how."""
