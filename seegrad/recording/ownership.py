"""Which op made an autograd node: nodes are numbered in the order they are made."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from torch.autograd.graph import Node

from seegrad.recording.calls import FIRST_NODE, LAST_NODE, Row


class Owners:
    """The ops that made nodes, by the numbers of those nodes.

    An op's range may lie within another's: the inner one owns it.

    >>> import torch
    >>> node = torch.ones(2, requires_grad=True).exp().grad_fn
    >>> Owners([]).of([node]) == {node: None}
    True
    """

    def __init__(self, ops: Iterable[Row]):
        self._starts: list[int] = []
        self._owners: list[Row | None] = [None]  # the first is of the numbers before any start
        enclosing: list[Row] = []
        for op in sorted((op for op in ops if _makes_nodes(op)), key=_outermost_first):
            self._close(enclosing, op[FIRST_NODE])
            self._begin(op[FIRST_NODE], op)
            enclosing.append(op)
        self._close(enclosing, None)

    def _close(self, enclosing: list[Row], number: int | None) -> None:
        """End the ranges that end before ``number``; what encloses them goes on."""
        while enclosing and (number is None or enclosing[-1][LAST_NODE] <= number):
            ended = enclosing.pop()
            self._begin(ended[LAST_NODE], enclosing[-1] if enclosing else None)

    def _begin(self, number: int, owner: Row | None) -> None:
        self._starts.append(number)
        self._owners.append(owner)

    def of(self, nodes: Iterable[Node]) -> dict[Node, Row | None]:
        """The op that made each node; ``None`` if no recorded one did."""
        starts, owners = self._starts, self._owners
        return {node: owners[bisect_right(starts, node._sequence_nr())] for node in nodes}


def _makes_nodes(op: Row) -> bool:
    makes: bool = op[FIRST_NODE] < op[LAST_NODE]
    return makes


def _outermost_first(op: Row) -> tuple[int, int]:
    return op[FIRST_NODE], -op[LAST_NODE]
