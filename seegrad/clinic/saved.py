"""Which nodes of a graph can no longer use what they saved: it was freed, or edited since."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction
from torch.autograd.graph import Node, get_gradient_edge

from seegrad.recording import Op, Value, unrecorded
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


@unrecorded
def saves_its_input(op: Op, value: Value) -> bool:
    """Does this op save this input for its backward pass? It is done again, on copies, and asked.

    An op that cannot be done again, or that would run the learner's own code, counts as one that
    does not: nothing is claimed of it.
    """
    if isinstance(getattr(op.function, "__self__", None), type) or any(map(callable, op.args)):
        return False
    copies = {each: _copy_of(each) for each in op.inputs}
    state = torch.get_rng_state()
    try:
        with torch.enable_grad():
            kwargs = {name: _filled(given, copies) for name, given in op.kwargs.items()}
            made = op.function(*_filled(op.args, copies), **kwargs)
        return any(_saves(node, copies[value]) for node in nodes_of([made]))
    except Exception:
        return False
    finally:
        torch.set_rng_state(state)


def _copy_of(value: Value) -> Tensor:
    data = value.data if value.complete else torch.ones(value.shape, dtype=value.dtype)
    return data.clone().requires_grad_(value.requires_grad)


def _filled(kept: Any, copies: dict[Value, Tensor]) -> Any:
    """What an op was given, with copies in place of its tensors."""
    if isinstance(kept, Value):
        return copies[kept]
    return tuple(_filled(each, copies) for each in kept) if isinstance(kept, tuple) else kept


def _saves(node: Node, tensor: Tensor) -> bool:
    saved = (getattr(node, name) for name in _saved_names(node))
    return any(isinstance(t, Tensor) and t.data_ptr() == tensor.data_ptr() for t in saved)


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
