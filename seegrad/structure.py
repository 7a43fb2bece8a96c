"""How the ops of one result hang together: the graph that is drawn.

Autograd's graph says where gradients travel. The recording says what else there was: constants,
and the paths that ``detach`` or ``no_grad`` cut. This file joins the two, an op to a vertex, and
gathers the steps of a backward pass by vertex.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor
from torch.autograd.graph import Node, get_gradient_edge

from seegrad.backward import Pass, Step
from seegrad.recording import Op, Recorder, Value, recorder, unrecorded
from seegrad.recording.tape import Links, is_accumulator, walk

Link = tuple[Node, int]
"""One edge of autograd's graph: a node, and which of its ``next_functions``."""

_ARITHMETIC = frozenset(
    f"{prefix}{name}{suffix}"
    for name in ("add", "sub", "mul", "div", "truediv", "pow", "true_divide")
    for prefix, suffix in (("", ""), ("", "_"), ("__r", "__"))
)
"""Ops whose plain numbers are drawn as constants: those written as an operator between two."""


@dataclass(slots=True, eq=False)
class Vertex:
    """One box of the picture.

    Attributes
    ----------
    kind: "leaf" wants a gradient; "op" ran; "constant" is a tensor or number no gradient goes to.
    value: what it holds; ``None`` for a plain number, or where nothing was recorded.
    op: the op, at an op.
    nodes: the autograd nodes it stands for, the last one to run forward first; none if no
        gradient passes.
    leaf: the leaf tensor, at a leaf.
    number: the plain number, at a constant that is no tensor.
    """

    kind: Literal["leaf", "op", "constant"]
    value: Value | None = None
    op: Op | None = None
    nodes: list[Node] = field(default_factory=list)
    leaf: Tensor | None = None
    number: complex | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Edge:
    """``source`` was used to compute ``target``.

    Along a "gradient" edge a gradient comes back; ``link`` says which edge of autograd's it is,
    and ``place`` which of the target op's inputs it belongs to (``None`` if that is unknown).
    A "cut" edge is where one would, had ``word`` ("detach", "no_grad", …) not severed it.
    """

    source: Vertex
    target: Vertex
    kind: Literal["gradient", "constant", "cut"]
    link: Link | None = None
    place: int | None = None
    word: str = ""


@dataclass(frozen=True, slots=True)
class Structure:
    """The graph of one result. ``vertices`` come inputs first; ``root`` made the result."""

    vertices: tuple[Vertex, ...]
    edges: tuple[Edge, ...]
    root: Vertex

    def first_users(self) -> dict[Vertex, Op]:
        """For each vertex that an op uses, the first op that does."""
        users: dict[Vertex, Op] = {}
        for edge in self.edges:
            if edge.target.op is not None:
                users.setdefault(edge.source, edge.target.op)
        return users


@dataclass(frozen=True, slots=True)
class Stop:
    """One vertex's turn in a backward pass.

    Attributes
    ----------
    vertex: where the pass is.
    arrived: what came along each edge (``None``: the seed, at the root), in the order it came.
    total: their sum, as autograd made it.
    sent: what left along each edge.
    """

    vertex: Vertex
    arrived: tuple[tuple[Edge | None, Tensor], ...]
    total: Tensor | None
    sent: tuple[tuple[Edge, Tensor], ...]


@unrecorded
def structure(y: Tensor, watcher: Recorder | None = None) -> Structure:
    """What was ``y`` computed from? The graph behind any tensor that requires a gradient.

    ``watcher`` is the recorder that saw it made, if it was another than the learner's.

    >>> import torch, seegrad
    >>> with seegrad.record():
    ...     x = torch.arange(4.0, requires_grad=True)
    ...     y = 2 * torch.dot(x, x)
    >>> [vertex.op.text if vertex.op else vertex.kind for vertex in structure(y).vertices]
    ['leaf', 'torch.dot(x, x)', 'constant', '2 * torch.dot(x, x)']
    """
    return _Builder(watcher or recorder()).build(y)


@unrecorded
def recorded(op: Op, value: Value | None = None, watcher: Recorder | None = None) -> Structure:
    """What was ``op`` given, and what were those computed from? The recording's own account.

    It needs no graph of autograd's: the op may have raised (``value`` is then None), or its result
    may require no gradient.

    >>> import torch, seegrad
    >>> from seegrad.recording import recorder
    >>> with seegrad.record():
    ...     x = torch.arange(4.0, requires_grad=True)
    ...     best = (2 * x).argmax()
    >>> graph = recorded(recorder().value(best).op, recorder().value(best))
    >>> [(edge.kind, edge.word) for edge in graph.edges if edge.source.number is None]
    [('cut', 'not differentiable'), ('gradient', '')]
    """
    return _Reader(watcher or recorder()).read(op, value)


def around(graph: Structure, op: Op | None) -> Structure:
    """The part of a graph that leads from an op to the result, and what that op was given.

    Without such an op in it: what made the result, and what that was given.
    """
    centre = next((vertex for vertex in graph.vertices if vertex.op == op and op), graph.root)
    users: dict[Vertex, list[Vertex]] = {}
    for edge in graph.edges:
        users.setdefault(edge.source, []).append(edge.target)
    found, pending = {centre}, [centre]
    for vertex in pending:  # grows while it is read
        new = [user for user in users.get(vertex, ()) if user not in found]
        found.update(new)
        pending += new
    found |= {edge.source for edge in graph.edges if edge.target is centre}
    edges = tuple(edge for edge in graph.edges if edge.source in found and edge.target in found)
    return Structure(tuple(v for v in graph.vertices if v in found), edges, graph.root)


class _Builder:
    """Gathers vertices and edges from ``y`` backwards; used once."""

    def __init__(self, watcher: Recorder):
        self.watcher = watcher
        self.edges: list[Edge] = []
        self.of_op: dict[Op | None, Vertex] = {}
        self.of_leaf: dict[int, Vertex] = {}
        self.taken: set[tuple[Vertex, int]] = set()
        self.of_node: dict[Node, Vertex] = {}
        self.of_value: dict[Value, Vertex] = {}
        self.unread: list[Vertex] = []
        self.wants: dict[Value, bool] = {}

    def build(self, y: Tensor) -> Structure:
        nodes = walk([get_gradient_edge(y).node])
        leaves = dict.fromkeys(filter(is_accumulator, nodes))
        owners = self.watcher.owners(node for node in nodes if node not in leaves)
        for leaf in leaves:
            self._place_leaf(leaf)
        for node, op in owners.items():
            self._place(node, op)
        root = self.of_node[next(iter(nodes))]
        if root.value is None or root.kind == "op":
            root.value = self.watcher.value(y)
        for node, links in nodes.items():
            self._connect(node, links)
        while self.unread:
            self._read_inputs(self.unread.pop())
        return Structure(_inputs_first(root, self.edges), tuple(self.edges), root)

    def _place_leaf(self, node: Node) -> None:
        leaf: Tensor = node.variable  # type: ignore[attr-defined]
        vertex = Vertex("leaf", self.watcher.value(leaf), nodes=[node], leaf=leaf)
        self.of_node[node] = self.of_leaf[id(leaf)] = vertex

    def _place(self, node: Node, op: Op | None) -> None:
        """Find the vertex of the op that made ``node``, or make one."""
        owner = Vertex("op") if op is None else self._vertex_of(op)
        owner.nodes.append(node)
        self.of_node[node] = owner

    def _vertex_of(self, op: Op) -> Vertex:
        if op not in self.of_op:
            self.of_op[op] = Vertex("op", op=op)
            self.unread.append(self.of_op[op])
        return self.of_op[op]

    def _connect(self, node: Node, links: Links) -> None:
        """Add the edges along which ``node`` sends gradients to other vertices."""
        target = self.of_node[node]
        for link, (child, _) in enumerate(links):
            if child is not None and self.of_node[child] is not target:
                source = self.of_node[child]
                place = self._input_place(source, target)
                self.edges.append(Edge(source, target, "gradient", (node, link), place))

    def _input_place(self, source: Vertex, target: Vertex) -> int | None:
        """Which input of the op is this edge: the first one from ``source`` not taken yet.

        Autograd's own order will not do: ``1 - x`` swaps its operands on the way.
        """
        for place, value in enumerate(target.op.inputs if target.op else ()):
            if (target, place) not in self.taken and self._holder(value) is source:
                self.taken.add((target, place))
                return place
        return None

    def _holder(self, value: Value) -> Vertex | None:
        """The vertex that ``value`` comes from, if gradients travel to it."""
        return self.of_leaf.get(id(value.tensor)) if value.leaf else self.of_op.get(value.op)

    def _read_inputs(self, vertex: Vertex) -> None:
        """Add what the recording knows of an op's inputs: values, constants, cuts."""
        op = vertex.op
        if op is None:
            return
        for place, value in enumerate(op.inputs):
            holder = self._holder(value)
            if holder is not None and holder.value is None:
                holder.value = value
            if (vertex, place) not in self.taken:
                self._add_still_input(vertex, value)
        if op.name in _ARITHMETIC:
            for number in op.args:
                if isinstance(number, int | float | complex) and not isinstance(number, bool):
                    self.edges.append(Edge(Vertex("constant", number=number), vertex, "constant"))

    def _add_still_input(self, vertex: Vertex, value: Value) -> None:
        """An input along which no gradient comes back: a cut, a step above one, or a constant."""
        if value.leaf:
            source = self.of_leaf.setdefault(
                id(value.tensor), Vertex("leaf", value, leaf=value.tensor)
            )
        elif value.op is not None and (value.requires_grad or self._wants_gradient_above(value)):
            source = self._vertex_of(value.op)
            source.value = source.value or value
        else:
            source = self.of_value.setdefault(value, Vertex("constant", value))
        severed = value.requires_grad and not (vertex.value and vertex.value.requires_grad)
        word = _severed_by(vertex.op) if severed and vertex.op else ""
        self.edges.append(Edge(source, vertex, "cut" if word else "constant", word=word))

    def _wants_gradient_above(self, value: Value) -> bool:
        """Was ``value`` computed from anything that requires a gradient?

        Each value is looked into once, however many of those computed from it are asked about.
        """
        entered: set[Value] = set()
        pending = [value]
        while pending:
            top = pending[-1]
            above = top.op.inputs if top.op and top not in self.wants else ()
            if top not in entered:
                entered.add(top)
                pending.extend(v for v in above if v not in entered)
            else:
                wants = any(v.requires_grad or self.wants.get(v, False) for v in above)
                self.wants.setdefault(pending.pop(), wants)
        return self.wants[value]


class _Reader(_Builder):
    """Gathers vertices and edges from an op backwards, from the recording alone."""

    def read(self, op: Op, value: Value | None) -> Structure:
        root = self._vertex_of(op)
        root.value = value
        while self.unread:
            self._read_inputs(self.unread.pop())
        return Structure(_inputs_first(root, self.edges), tuple(self.edges), root)

    def _add_still_input(self, vertex: Vertex, value: Value) -> None:
        super()._add_still_input(vertex, value)
        edge = self.edges[-1]
        raised = vertex.value is None
        if value.requires_grad and (raised or edge.kind != "cut"):
            self.edges[-1] = Edge(edge.source, edge.target, "gradient", None, edge.place)


def _severed_by(op: Op) -> str:
    """Why does no gradient pass from this op's output to its inputs?"""
    if op.name in ("detach", "detach_", "data"):
        return op.name
    if not op.grad_enabled:
        return "no_grad"
    return "not differentiable"


def _inputs_first(root: Vertex, edges: Iterable[Edge]) -> tuple[Vertex, ...]:
    """The vertices in an order that puts every input before what it is used for."""
    sources: dict[Vertex, list[Vertex]] = {}
    for edge in edges:
        sources.setdefault(edge.target, []).append(edge.source)
    done: dict[Vertex, None] = {}
    opened: set[Vertex] = set()
    pending = [root]
    while pending:
        vertex = pending[-1]
        if vertex in opened:
            done[pending.pop()] = None
        else:
            opened.add(vertex)
            pending.extend(v for v in reversed(sources.get(vertex, [])) if v not in opened)
    return tuple(done)


def itinerary(graph: Structure, run: Pass) -> tuple[Stop, ...]:
    """The pass by vertex: an op's turn is over when the last of its nodes has run.

    A vertex may stand for several nodes (``cross_entropy`` has two); what passes between them is
    not shown, what enters and leaves is.
    """
    vertex_of = {node: vertex for vertex in graph.vertices for node in vertex.nodes}
    edge_of = {edge.link: edge for edge in graph.edges if edge.link is not None}
    remaining = {vertex: len(vertex.nodes) for vertex in graph.vertices}
    arrived: dict[Vertex, list[tuple[Edge | None, Tensor]]] = {graph.root: [(None, run.seed)]}
    totals: dict[Vertex, Tensor | None] = {}
    sent: dict[Vertex, list[tuple[Edge, Tensor]]] = {}
    stops = []
    for step in run.steps:
        vertex = vertex_of[step.node]
        remaining[vertex] -= 1
        totals.setdefault(vertex, _only(step))
        for place, gradient in enumerate(step.outgoing):
            edge = edge_of.get((step.node, place))
            if edge is not None and gradient is not None:
                sent.setdefault(vertex, []).append((edge, gradient))
                arrived.setdefault(edge.source, []).append((edge, gradient))
        if not remaining[vertex]:
            came, left = tuple(arrived.get(vertex, ())), tuple(sent.get(vertex, ()))
            stops.append(Stop(vertex, came, totals[vertex], left))
    return tuple(stops)


def _only(step: Step) -> Tensor | None:
    """The upstream gradient of a node whose op has one output that was used."""
    return next((gradient for gradient in step.incoming if gradient is not None), None)
