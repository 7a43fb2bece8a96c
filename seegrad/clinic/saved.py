"""Which nodes of a graph can no longer use what they saved: it was freed, or edited since."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from torch import Tensor
from torch.autograd.function import BackwardCFunction
from torch.autograd.graph import Node, get_gradient_edge

from seegrad.recording import unrecorded
from seegrad.recording.tape import walk

LARGEST = 20_000
"""So many nodes are looked at, from the result backwards."""


@dataclass(frozen=True, slots=True)
class Spoilt:
    """A node that cannot have back what it saved; ``reason`` is PyTorch's own message."""

    node: Node
    reason: str


@unrecorded
def nodes_of(roots: Iterable[object]) -> list[Node]:
    """The nodes that a pass from these can reach, the nearest first."""
    edges = [get_gradient_edge(r) for r in roots if isinstance(r, Tensor) and r.requires_grad]
    return list(walk([edge.node for edge in edges]))[:LARGEST]


@unrecorded
def spoilt(nodes: Iterable[Node], message: str) -> list[Spoilt]:
    """The nodes that refuse with such a message, in the order the engine comes to them."""
    found = [Spoilt(node, reason) for node in nodes if message in (reason := _refusal(node))]
    return sorted(found, key=lambda one: one.node._sequence_nr(), reverse=True)


def saves_its_result(node: Node) -> bool:
    """Does a node of this kind save what its op gave, as that of ``exp`` does?"""
    return any(name.startswith(("_saved_result", "_saved_output")) for name in dir(type(node)))


def _refusal(node: Node) -> str:
    """What a node says when it is asked for what it saved; "" if it has it."""
    for name in _saved_names(node):
        try:
            getattr(node, name)
        except RuntimeError as error:
            return str(error)
    return ""


def _saved_names(node: Node) -> Iterator[str]:
    """What it saved that may be looked at: unpacking may run a hook of the learner's."""
    if isinstance(node, BackwardCFunction):
        raw = _raw(node, "_raw_saved_tensors")
        if not _hooked(raw):
            yield "saved_tensors"
        return
    for name in dir(type(node)):
        if name.startswith("_saved_") and not _hooked(_raw(node, f"_raw{name}")):
            yield name


def _raw(node: Node, name: str) -> object:
    try:
        return getattr(node, name, None)
    except RuntimeError:  # freed
        return None


def _hooked(raw: object) -> bool:
    parts = raw if isinstance(raw, tuple | list) else (raw,)
    return any(getattr(part, "unpack_hook", None) is not None for part in parts)
