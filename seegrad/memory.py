"""What a graph keeps in memory for its backward pass: the saved tensors, and their bytes.

Several nodes may save one tensor, or views of one: what counts is the storage behind it, and that
counts once. Saved tensors are looked at where they lie. They are not unpacked, because unpacking
may run code of the learner's (``saved_tensors_hooks``, checkpoints).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import Node

from seegrad.structure import Structure, Vertex

Storages = dict[int, int]
"""Bytes of each storage, by an address that is its own while it lives."""


@dataclass(frozen=True, slots=True)
class Saved:
    """Something an autograd node keeps: ``tensor``, or ``text`` where there is no tensor to see."""

    name: str
    tensor: Tensor | None
    text: str = ""


class Memory:
    """The storages that a graph's nodes saved.

    Those of leaves, and of inputs that are still there, would be in memory without the graph: they
    are told apart.

    >>> import torch
    >>> from seegrad.structure import structure
    >>> x = torch.arange(4.0, requires_grad=True)
    >>> graph = structure(torch.exp(x).square().sum())
    >>> memory = Memory(graph)
    >>> memory.kept(graph.vertices), memory.alive(graph.vertices)
    (16, 0)
    """

    def __init__(self, graph: Structure):
        self._alive = set[int]()
        self._of: dict[Vertex, Storages] = {}
        for vertex in graph.vertices:
            tensor = vertex.leaf
            if vertex.kind == "constant" and vertex.value is not None:
                tensor = vertex.value.tensor
            if tensor is not None:
                self._alive.update(storages([tensor]))
            tensors = (saved.tensor for node in vertex.nodes for saved in saved_by(node))
            self._of[vertex] = storages(tensor for tensor in tensors if tensor is not None)

    def kept(self, vertices: Iterable[Vertex]) -> int:
        """The bytes that only the graph keeps, for these vertices' turns in the backward pass."""
        return sum(size for key, size in self._storages(vertices).items() if key not in self._alive)

    def alive(self, vertices: Iterable[Vertex]) -> int:
        """The bytes they saved that are in memory anyway."""
        return sum(size for key, size in self._storages(vertices).items() if key in self._alive)

    def holds(self, tensor: Tensor) -> bool:
        """Would this tensor be in memory without the graph?"""
        return not self._alive.isdisjoint(storages([tensor]))

    def _storages(self, vertices: Iterable[Vertex]) -> Storages:
        return {key: size for vertex in vertices for key, size in self._of[vertex].items()}


def saved_by(node: Node) -> Iterator[Saved]:
    """What a node keeps for its turn, by the names PyTorch gives it; what is undefined is left out.

    >>> import torch
    >>> x = torch.arange(3.0, requires_grad=True)
    >>> [(saved.name, saved.tensor.tolist()) for saved in saved_by(torch.dot(x, x + 1).grad_fn)]
    [('self', [0.0, 1.0, 2.0]), ('tensor', [1.0, 2.0, 3.0])]
    """
    for name, raw in _attributes(type(node)):
        try:
            saved = getattr(node, name)
        except RuntimeError:
            yield Saved(_plain(name), None, "freed by backward()")
            continue
        parts = saved if raw and isinstance(saved, tuple | list) else (saved,)
        for number, part in enumerate(parts):
            nth = f"{_plain(name)}[{number}]" if len(parts) > 1 else _plain(name)
            yield from _seen(nth, part, node) if raw else _spoken(nth, part)


@lru_cache(maxsize=1024)
def _attributes(kind: type[Node]) -> tuple[tuple[str, bool], ...]:
    """The attributes with what nodes of this kind saved, and whether each holds tensors."""
    names = dir(kind)
    raw = {name for name in names if name.startswith("_raw_saved_")}
    others = {name for name in names if name.startswith("_saved_") and f"_raw{name}" not in raw}
    return tuple((name, name in raw) for name in sorted(raw | others, key=_plain))


def _plain(name: str) -> str:
    return name.removeprefix("_raw").removeprefix("_saved_")


def _seen(name: str, saved: Any, node: Any) -> Iterator[Saved]:
    """A tensor as it lies there, packed or not."""
    if isinstance(saved.data, Tensor):
        number = _is_number(saved.data)
        yield Saved(name, None, str(saved.data.item())) if number else Saved(name, saved.data)
    elif saved.unpack_hook is not None:
        yield Saved(name, None, f"packed by a hook, as {type(saved.data).__name__}")
    elif _freed(node, name):
        yield Saved(name, None, "freed by backward()")


_SMALLEST = {
    torch.int64: torch.int8,
    torch.float64: torch.float16,
    torch.complex128: torch.complex32,
}


def _is_number(tensor: Tensor) -> bool:
    """Is this the tensor that PyTorch makes of a plain Python number? It counts as no saved one.

    PyTorch does not say, but a number never widens what it is computed with, and a tensor does.
    """
    smallest = _SMALLEST.get(tensor.dtype)
    if smallest is None or tensor.dim():
        return False
    return torch.result_type(tensor, torch.empty((), dtype=smallest)) is smallest


def _freed(node: Any, name: str) -> bool:
    """Is there nothing because ``backward()`` let go of it? Else nothing was ever there."""
    try:
        getattr(node, f"_saved_{name}", None)
    except RuntimeError:
        return True
    return False


def _spoken(name: str, saved: Any) -> Iterator[Saved]:
    if saved is not None:
        yield Saved(name, None, str(saved))


def storages(tensors: Iterable[Tensor]) -> Storages:
    """The storages behind some tensors; a sparse tensor has those of its indices and values."""
    found: Storages = {}
    pending = list(tensors)
    for tensor in pending:  # grows while it is read
        if tensor.layout is torch.strided:
            storage = tensor.untyped_storage()
            found[storage._cdata] = storage.nbytes()
        else:
            pending += _dense_parts(tensor.detach())
    return found


def _dense_parts(tensor: Tensor) -> tuple[Tensor, ...]:
    match tensor.layout:
        case torch.sparse_coo:
            return tensor._indices(), tensor._values()
        case torch.sparse_csr | torch.sparse_bsr:
            return tensor.crow_indices(), tensor.col_indices(), tensor.values()
        case torch.sparse_csc | torch.sparse_bsc:
            return tensor.ccol_indices(), tensor.row_indices(), tensor.values()
    return ()


def size(count: int) -> str:
    """A number of bytes as people say it; a kB is 1000.

    >>> size(1), size(16), size(1536), size(25_000_000)
    ('1 byte', '16 bytes', '1.54 kB', '25 MB')
    """
    if count < 1000:
        return f"{count} byte{'' if count == 1 else 's'}"
    amount, units = count / 1000, ["kB", "MB", "GB", "TB"]
    while amount >= 999.5 and len(units) > 1:
        amount, units = amount / 1000, units[1:]
    return f"{amount:.3g} {units[0]}"
