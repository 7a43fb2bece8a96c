"""Which ops are drawn as one box, so that a graph of any size can be read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor, nn

from seegrad.drawing.stretches import Fold, Part, in_order, start_of, stop_of, stretches
from seegrad.structure import Edge, Stop, Structure, Vertex

WHOLE = 40
"""A graph of up to this many vertices is drawn op by op."""

ROOMY = 60
"""What modules and loops consist of is drawn unasked while it makes no more boxes than this."""

OWN_SOURCES = 3
"""Of the leaves and constants that go to one folded box, up to this many are drawn beside it."""

OP_SOURCES = 8
"""The same for a single op."""


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Vertices that are drawn as one box.

    ``fold`` is the stretch it stands for; ``None`` where it only gathers leaves and constants.
    ``ops`` come in the order they ran; ``sources`` are the leaves and constants within.
    """

    id: str
    fold: Fold | None
    ops: tuple[Vertex, ...]
    sources: tuple[Vertex, ...]


Item: TypeAlias = Vertex | Group
"""What is drawn as a box."""


@dataclass(frozen=True, slots=True)
class Folded:
    """What is drawn of a graph.

    Attributes
    ----------
    items: the boxes, inputs first.
    holder: for each vertex, the item it is drawn as.
    opened: the groups that were unfolded on request, outermost first.
    """

    items: tuple[Item, ...]
    holder: dict[Vertex, Item]
    opened: tuple[Group, ...] = ()

    @property
    def less(self) -> bool:
        """Whether anything is drawn as less than it is."""
        return len(self.items) < len(self.holder)


@dataclass(frozen=True, slots=True)
class Passage:
    """A group's turn in a backward pass: what came into it, what left it.

    ``arrived`` and ``sent`` are as in a ``Stop``; what passes between its members is not among
    them. ``inside`` are the stops of its members, in the order the pass made them.
    """

    group: Group
    arrived: tuple[tuple[Edge | None, Tensor], ...]
    sent: tuple[tuple[Edge, Tensor], ...]
    inside: tuple[Stop, ...]


def fold(graph: Structure, opened: Collection[str] = ()) -> Folded:
    """What is drawn of ``graph`` once the groups whose ids are in ``opened`` were unfolded?

    >>> import torch, seegrad
    >>> from seegrad.structure import structure
    >>> with seegrad.record():
    ...     h = w = torch.tensor(0.9, requires_grad=True)
    ...     for _ in range(100):
    ...         h = torch.tanh(w * h)
    >>> groups = [item for item in fold(structure(h)).items if isinstance(item, Group)]
    >>> [(group.fold.kind, group.fold.first, group.fold.last) for group in groups]
    [('turn', 1, 1), ('turn', 2, 2), ('turns', 3, 98), ('turn', 99, 99), ('turn', 100, 100)]
    """
    if len(graph.vertices) <= WHOLE:
        return Folded(graph.vertices, {vertex: vertex for vertex in graph.vertices})
    return _Folder(graph, opened).folded()


def passages(stops: Sequence[Stop], folded: Folded) -> tuple[Stop | Passage, ...]:
    """The backward pass by what is drawn: a group's turn is over when its last member's is.

    A leaf's turn comes when all that sends to it is over, also where that is a group.
    """
    inside: dict[Item, list[Stop]] = {}
    over: dict[Item, int] = {}
    for number, stop in enumerate(stops):
        item = folded.holder[stop.vertex]
        inside.setdefault(item, []).append(stop)
        over[item] = number
    turn = dict(over)
    for item, its in inside.items():
        if its[0].vertex.kind == "leaf":
            edges = (edge for stop in its for edge, _ in stop.arrived if edge is not None)
            turn[item] = max([over[item], *(over[folded.holder[edge.target]] for edge in edges)])
    made = sorted(inside, key=lambda item: (turn[item], turn[item] > over[item], over[item]))
    return tuple(
        inside[item][0] if isinstance(item, Vertex) else _passage(item, inside[item], folded.holder)
        for item in made
    )


def _passage(group: Group, inside: list[Stop], holder: dict[Vertex, Item]) -> Passage:
    arrived = [
        (edge, gradient)
        for stop in inside
        for edge, gradient in stop.arrived
        if edge is None or holder[edge.target] is not group
    ]
    sent = [
        (edge, gradient)
        for stop in inside
        for edge, gradient in stop.sent
        if holder[edge.source] is not group
    ]
    return Passage(group, tuple(arrived), tuple(sent), tuple(inside))


def together(
    flows: Iterable[tuple[Edge | None, Tensor]],
) -> list[tuple[Edge | None, Tensor]]:
    """The flows with those to one and the same tensor added, as autograd would add them there."""
    sums: dict[Hashable, tuple[Edge | None, Tensor]] = {}
    for edge, gradient in flows:
        tensor = _destination(edge)
        before = sums.get(tensor)
        sums[tensor] = (
            (edge, gradient) if before is None else (before[0], _sum(before[1], gradient))
        )
    return list(sums.values())


def _destination(edge: Edge | None) -> Hashable:
    if edge is None or edge.link is None:
        return edge
    node, place = edge.link
    return node.next_functions[place]


def _sum(a: Tensor, b: Tensor) -> Tensor:
    return b + a if a.is_sparse else a + b  # a sparse tensor can be added to another, not to it


def step_of(vertex: Vertex, steps: Sequence[Stop | Passage], folded: Folded) -> int:
    """At which step (from 1) is the pass at this vertex, or at what it is folded in? 0 if never."""
    item = folded.holder[vertex]
    places = (
        number
        for number, step in enumerate(steps, 1)
        if (step.vertex if isinstance(step, Stop) else step.group) is item
    )
    return next(places, 0)


# What is drawn


class _Folder:
    """Decides what is drawn of one graph; used once."""

    def __init__(self, graph: Structure, opened: Collection[str]):
        self.vertices = graph.vertices
        self.wanted = frozenset(opened)
        self.ran = in_order(graph)
        self.place = {vertex: place for place, vertex in enumerate(self.ran)}
        self.users: dict[Vertex, dict[int, None]] = {}
        for edge in graph.edges:
            if edge.source.kind != "op":
                self.users.setdefault(edge.source, {})[self.place[edge.target]] = None
        self.opened: list[Group] = []

    def folded(self) -> Folded:
        front = self._front()
        within: list[list[Vertex]] = [[] for _ in front]
        before: list[list[Item]] = [[] for _ in front]
        for used_by, sources in self._alike(front).items():
            inside, drawn = self._divided(sources, [front[number] for number in used_by])
            within[used_by[0]] += inside
            before[used_by[0]] += drawn
        items: list[Item] = []
        for number, part in enumerate(front):
            items += [*before[number], self._item(part, within[number])]
        return Folded(tuple(items), _holders(items), tuple(self.opened))

    def _item(self, part: Part, sources: Iterable[Vertex] = ()) -> Item:
        if isinstance(part, int):
            return self.ran[part]
        return Group(part.id, part, self.ran[part.start : part.stop], tuple(sources))

    def _front(self) -> list[Part]:
        """The stretches and ops that are drawn, in order."""
        front = stretches(self.ran).parts
        while (wider := _unfolded(front, _wants_no_click)) != front and self._boxes(wider) <= ROOMY:
            front = wider
        while asked := [p for p in front if isinstance(p, Fold) and p.id in self.wanted]:
            self.opened += [Group(f.id, f, self.ran[f.start : f.stop], ()) for f in asked]
            front = _unfolded(front, lambda part: part.id in self.wanted)
        return front

    def _boxes(self, front: list[Part]) -> int:
        """How many boxes a picture of these parts has, each leaf drawn once for a user."""
        return len(front) + sum(
            len(used_by) * len(sources)
            for used_by, sources in self._alike(front).items()
            if len(used_by) > 1
        )

    def _alike(self, front: list[Part]) -> dict[tuple[int, ...], list[Vertex]]:
        """The leaves and constants, by which of the drawn parts use them."""
        number = [0] * len(self.ran)
        for place, part in enumerate(front):
            number[start_of(part) : stop_of(part)] = [place] * (stop_of(part) - start_of(part))
        alike: dict[tuple[int, ...], list[Vertex]] = {}
        for vertex in self.vertices:
            if vertex.kind != "op":
                used_by = sorted({number[user] for user in self.users[vertex]})
                alike.setdefault(tuple(used_by), []).append(vertex)
        return alike

    def _divided(
        self, sources: list[Vertex], users: list[Part]
    ) -> tuple[list[Vertex], Sequence[Item]]:
        """Which of these users' sources belong into the only one's box, and what else is drawn?"""
        folds = any(isinstance(user, Fold) for user in users)
        only = users[0] if len(users) == 1 and isinstance(users[0], Fold) else None
        within = {source for source in sources if only and _belongs_inside(source, only)}
        inside = [source for source in sources if source in within]
        outside = [source for source in sources if source not in within]
        if only and len(outside) > OWN_SOURCES:
            return sources, []
        if len(outside) <= (OWN_SOURCES if folds else OP_SOURCES):
            return inside, outside
        group = Group(f"s{self.vertices.index(outside[0])}", None, (), tuple(outside))
        if group.id in self.wanted:
            self.opened.append(group)
            return inside, outside
        return inside, [group]


def _wants_no_click(part: Fold) -> bool:
    return part.kind in ("module", "loop")


def _belongs_inside(source: Vertex, fold: Fold) -> bool:
    """Is this a module's own, made within the module, or a plain number?"""
    made_by = source.value.op if source.value is not None else None
    if made_by is not None and fold.module and made_by.scope[: len(fold.module)] == fold.module:
        return True
    return source.number is not None or isinstance(source.leaf, nn.Parameter)


def _unfolded(front: list[Part], which: Callable[[Fold], bool]) -> list[Part]:
    """The parts, where ``which`` picks one its own parts instead."""
    return [
        inner
        for part in front
        for inner in (part.parts if isinstance(part, Fold) and which(part) else (part,))
    ]


def _holders(items: Iterable[Item]) -> dict[Vertex, Item]:
    holder: dict[Vertex, Item] = {}
    for item in items:
        members = (item,) if isinstance(item, Vertex) else item.ops + item.sources
        holder.update(dict.fromkeys(members, item))
    return holder
