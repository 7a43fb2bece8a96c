"""What autograd's engine did in one backward pass: which nodes it ran, and what they were sent.

This file knows nodes and gradients only; it has never heard of ops, cells or pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.graph import Node

SHALLOW = 10_000
"""A graph of up to this many nodes is freed well within any stack."""

STACK = 120 * 2**20
"""What Linux leaves room for below the main thread's stack, in bytes, less a margin."""

Gradients = tuple[Tensor | None, ...]

Links = tuple[tuple[Node | None, int], ...]
"""A node's ``next_functions``: whom it sends to, and to which of their outputs."""

_Accumulator: type[Node] = torch._C._functions.AccumulateGrad  # type: ignore[attr-defined]


class Visit(NamedTuple):
    """The engine ran one node.

    ``incoming``: what arrived, one gradient for each output of its forward op, already summed;
    ``sent[i]``: what left for ``node.next_functions[i]``, not yet summed.
    """

    node: Node
    incoming: Gradients
    sent: Gradients


@dataclass(slots=True)
class Tape:
    """The visits of one backward pass, in the engine's order."""

    visits: list[Visit] = field(default_factory=list)


def is_accumulator(node: Node) -> bool:
    """Is this the node that adds to a leaf's ``.grad``? Then ``node.variable`` is the leaf."""
    return isinstance(node, _Accumulator)


def walk(roots: Iterable[Node]) -> dict[Node, Links]:
    """Which nodes can a backward pass from ``roots`` reach? The nearest first, with their links.

    The links are kept with the node because PyTorch makes them anew whenever they are asked for.

    >>> import torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> [(node.name(), len(links)) for node, links in walk([torch.dot(x, x).grad_fn]).items()]
    [('DotBackward0', 2), ('torch::autograd::AccumulateGrad', 0)]
    """
    nodes = list(dict.fromkeys(roots))
    seen = set(nodes)
    links: dict[Node, Links] = {}
    for node in nodes:  # the list grows while it is read: breadth first, and no recursion
        links[node] = node.next_functions
        for child, _ in links[node]:
            if child is not None and child not in seen:
                seen.add(child)
                nodes.append(child)
    if len(links) > SHALLOW:
        _deepen_stack()
    return links


def _deepen_stack() -> None:
    """Let the main thread's stack grow as far as the system allows, up to ``STACK`` bytes.

    PyTorch frees a graph without recursion until Python has seen its nodes; after that (2.13) each
    node's object frees the next one's, some 200 bytes deep. A chain of 30,000 then overflows 8 MB.
    """
    try:
        import resource
    except ImportError:  # Windows: its main thread's stack cannot grow
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    limit = STACK if hard == resource.RLIM_INFINITY else min(STACK, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_STACK, (limit, hard))


@contextmanager
def listen(nodes: Iterable[Node], keep: Callable[[Tensor], Tensor] | None = None) -> Iterator[Tape]:
    """Write down each visit the engine pays to one of ``nodes`` while the block runs.

    ``keep`` turns a gradient into what the tape holds of it, a copy or a summary; without it, the
    tape holds the engine's own. The hooks are gone when the block ends, however it ends.
    """
    tape = Tape()
    note = tape.visits.append

    def visit(node: Node, sent: Gradients, incoming: Gradients) -> None:
        if keep is not None:
            incoming, sent = _kept(incoming, keep), _kept(sent, keep)
        note(_visit((node, incoming, sent)))

    handles = [node.register_hook(partial(visit, node)) for node in nodes]
    try:
        yield tape
    finally:
        for handle in handles:
            handle.remove()


_visit: Callable[[tuple[Node, Gradients, Gradients]], Visit] = partial(tuple.__new__, Visit)
"""``Visit(...)`` runs code in Python, for every node; this makes the same in C."""


def _kept(gradients: Gradients, keep: Callable[[Tensor], Tensor]) -> Gradients:
    return tuple(None if gradient is None else keep(gradient) for gradient in gradients)
