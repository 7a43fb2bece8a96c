"""What a picture of a graph says, and where: the one source of a graph widget's four faces.

Everything here is text and coordinates. The numbers were computed by PyTorch (``backward``),
worded by ``rules`` and ``formatting``, placed by ``layout``.
"""

from __future__ import annotations

import linecache
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from seegrad import formatting
from seegrad.backward import Pass
from seegrad.layout import Box, Layout, Link, Point, layout
from seegrad.names import Names, name_of
from seegrad.recording import GradEvent, Op, Value, recorder
from seegrad.rules import Rule, Unknown, rule
from seegrad.snapshot import keep
from seegrad.structure import Edge, Stop, Structure, Vertex, itinerary

CHARACTER = 8.43  # width of a monospaced character at 14 px
SMALL_CHARACTER = 7.23  # … at 12 px
PADDING = 14.0
LONGEST_LABEL = 36  # characters
LONGEST_VALUE = 34
LONGEST_EQUATION = 72
LONGEST_CODE = 40  # lines
BOX_HEIGHT = 60.0
SLOT_HEIGHT = 50.0
SLOT_GAP = 8.0
STUBS_FROM = 5
"""A leaf that so many ops use is drawn anew at each: its edges would cross all the rest."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the learner's code, in the cell it stands in."""

    cell: str
    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of code: index of its line, first column, column past its end."""

    line: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a leaf's ``.grad`` stands."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Node:
    """A box: what is written in it, and where it stands."""

    id: str
    kind: str
    label: str
    note: str
    value: str
    exact: str
    marks: tuple[str, ...]
    spans: tuple[Span, ...]
    text: str
    x: float
    y: float
    width: float
    height: float
    slot: Slot | None


@dataclass(frozen=True, slots=True)
class Arrow:
    """An edge: ``gradient`` travels it, right to left, at step ``step`` (0: never)."""

    id: str
    source: str
    target: str
    kind: str
    word: str
    gradient: str
    exact: str
    step: int
    points: tuple[Point, ...]
    label: Point


@dataclass(frozen=True, slots=True)
class Root:
    """The result's name at the right, and the upstream gradient the pass starts from."""

    name: str
    gradient: str
    exact: str
    step: int
    points: tuple[Point, ...]
    label: Point


@dataclass(frozen=True, slots=True)
class Arriving:
    """The upstream gradient of a step; ``terms`` are its parts where several paths meet.

    ``of`` is the derivative it is, in LaTeX; "" where there is no name to write it with.
    """

    text: str
    exact: str
    of: str
    terms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LocalRule:
    """What the op does to a gradient, in LaTeX and in words."""

    latex: str
    words: str


@dataclass(frozen=True, slots=True)
class Sent:
    """What one edge is sent, as an equation where the rule is a product."""

    edge: str
    to: str
    text: str
    exact: str


@dataclass(frozen=True, slots=True)
class Grad:
    """A leaf's ``.grad`` before and after the step, and what the step adds."""

    name: str
    before: str
    added: str
    after: str


@dataclass(frozen=True, slots=True)
class SceneStep:
    """One step of the backward pass: at an op ``rule`` and ``sent``, at a leaf ``grad``."""

    node: str
    name: str
    arriving: Arriving
    rule: LocalRule
    sent: tuple[Sent, ...]
    remark: str
    grad: Grad | None


@dataclass(frozen=True, slots=True)
class Scene:
    """A whole picture."""

    code: tuple[Line, ...]
    width: float
    height: float
    nodes: tuple[Node, ...]
    edges: tuple[Arrow, ...]
    root: Root
    steps: tuple[SceneStep, ...]


def compose(graph: Structure, run: Pass | None, names: Names) -> Scene:
    """The picture of a graph, with the steps of a backward pass through it if there is one."""
    return _Composer(graph, run, names).scene()


class _Composer:
    """Writes and places one scene; used once."""

    def __init__(self, graph: Structure, run: Pass | None, names: Names):
        self.graph = graph
        self.run = run
        self.names = names
        self.stops = itinerary(graph, run) if run is not None else ()
        self.step_of = {stop.vertex: n for n, stop in enumerate(self.stops, 1)}
        self.gradient_of = {edge: g for stop in self.stops for edge, g in stop.sent}
        self.first_users = graph.first_users()
        self.root_name = self._root_name()
        self.code = _code(vertex.op for vertex in self._spelled())
        self.line_index = {key: index for index, key in enumerate(self.code)}
        self.boxes = self._boxes()
        self.box_of: dict[Vertex, int] = {}
        for index, (vertex, _) in enumerate(self.boxes):
            self.box_of.setdefault(vertex, index)
        self.ids = [self._id(index) for index in range(len(self.boxes))]

    def scene(self) -> Scene:
        places = self._layout()
        return Scene(
            code=tuple(_line(*key) for key in self.code),
            width=places.width,
            height=places.height,
            nodes=tuple(self._node(i, v, places) for i, (v, _) in enumerate(self.boxes)),
            edges=tuple(self._arrow(i, edge, places) for i, edge in enumerate(self.graph.edges)),
            root=self._root(places),
            steps=tuple(self._step(stop) for stop in self.stops),
        )

    # Which boxes there are, and what is written in them

    def _boxes(self) -> list[tuple[Vertex, Vertex | None]]:
        """A box a vertex; a leaf that many ops use gets one for each of them (the second item)."""
        users: dict[Vertex, dict[Vertex, None]] = {}
        for edge in self.graph.edges:
            users.setdefault(edge.source, {})[edge.target] = None
        boxes: list[tuple[Vertex, Vertex | None]] = []
        for vertex in self.graph.vertices:
            mine = users.get(vertex, {})
            if vertex.kind == "leaf" and len(mine) >= STUBS_FROM:
                boxes.extend((vertex, user) for user in mine)
            else:
                boxes.append((vertex, None))
        return boxes

    def _id(self, box: int) -> str:
        """``n3`` for the graph's vertex 3; ``n3.2`` for its third box, if it has several."""
        vertex = self.boxes[box][0]
        place, nth = self.graph.vertices.index(vertex), box - self.box_of[vertex]
        return f"n{place}.{nth}" if nth else f"n{place}"

    def _source_box(self, edge: Edge) -> int:
        for index in range(self.box_of[edge.source], len(self.boxes)):
            vertex, user = self.boxes[index]
            if vertex is edge.source and user in (None, edge.target):
                return index
        raise AssertionError(f"no box for {edge}")  # pragma: no cover

    def _root_name(self) -> str:
        value = self.graph.root.value
        return (name_of(value, self.names) if value is not None else "") or "result"

    def _name(self, vertex: Vertex) -> str:
        """How a sentence speaks of a vertex: the learner's name for it, else how it is written."""
        if vertex is self.graph.root:
            return self._label(vertex)
        if vertex.value is not None and (name := self._given_name(vertex)):
            return name
        return self._label(vertex)

    def _given_name(self, vertex: Vertex) -> str:
        if vertex.value is None:
            return ""
        used_by = None if vertex.kind == "op" else self.first_users.get(vertex)
        return name_of(vertex.value, self.names, used_by)

    def _label(self, vertex: Vertex) -> str:
        if vertex.number is not None:
            return formatting.number(vertex.number)
        name = self._given_name(vertex)
        if vertex.kind != "op":
            return _shortened(name or _created_by(vertex.value) or vertex.kind)
        text = self._expression(vertex)
        assigned = name and vertex is not self.graph.root and not (vertex.op and vertex.op.changed)
        return _shortened(f"{name} = {text}" if assigned else text)

    def _expression(self, vertex: Vertex) -> str:
        """The op as the learner wrote it, with what has a box of its own as an ellipsis."""
        if vertex.op is None:
            return f"{_bare(vertex.nodes[0].name())} (not recorded)"
        if not vertex.op.direct:
            return vertex.op.name
        text = vertex.op.text
        for value in vertex.op.inputs:
            if (
                value.op in self._drawn_ops()
                and value.op is not None
                and _inside(value.op, vertex.op)
            ):
                text = text.replace(value.op.text, "…", 1)
        return re.sub(r"(?<![\w)\]])\(…\)", "…", text)  # (…).sum() reads better without brackets

    def _drawn_ops(self) -> set[Op | None]:
        return {vertex.op for vertex in self.graph.vertices}

    def _node(self, index: int, vertex: Vertex, places: Layout) -> Node:
        x, y = places.corners[index]
        width, value = self._width(vertex), vertex.value
        written = _value_text(value)
        parts = [self._label(vertex), written and f"= {written}", self._note(vertex)]
        return Node(
            id=self.ids[index],
            kind=vertex.kind,
            label=self._label(vertex),
            note=self._note(vertex),
            value=written,
            exact="" if value is None else formatting.exact(value.data, value.shape),
            marks=_marks(vertex),
            spans=tuple(self._spans(vertex)),
            text=", ".join(part for part in parts if part),
            x=x,
            y=y,
            width=width,
            height=BOX_HEIGHT,
            slot=Slot(x, y + BOX_HEIGHT + SLOT_GAP, width, SLOT_HEIGHT)
            if _has_slot(vertex)
            else None,
        )

    def _note(self, vertex: Vertex) -> str:
        if vertex.kind == "leaf" and vertex.value is not None:
            return f"leaf · {formatting.shape(vertex.value.shape)}"
        if vertex.kind == "constant":
            return "constant"
        if not vertex.nodes:
            return "no gradient comes here"
        return vertex.nodes[0].name().removeprefix("torch::autograd::")

    def _width(self, vertex: Vertex) -> float:
        label, note = self._label(vertex), self._note(vertex)
        value = _value_text(vertex.value)
        if vertex.kind == "op":
            first = len(label) * CHARACTER
            second = len(value) * CHARACTER + 18 + len(note) * SMALL_CHARACTER
        else:
            first = len(label) * CHARACTER + 18 + len(note) * SMALL_CHARACTER
            second = len(value) * CHARACTER
        marks = sum(len(mark) * SMALL_CHARACTER + 16 for mark in _marks(vertex))
        slot = max(len(self._slot_text(vertex)) * CHARACTER, 20 * SMALL_CHARACTER)
        return max(first + marks, second, slot if _has_slot(vertex) else 0.0) + 2 * PADDING

    def _slot_text(self, vertex: Vertex) -> str:
        stop = next((stop for stop in self.stops if stop.vertex is vertex), None)
        return "" if stop is None or stop.total is None else _gradient_text(stop.total)

    # Where they stand

    def _layout(self) -> Layout:
        boxes = [
            Box(self._width(v), BOX_HEIGHT, SLOT_GAP + SLOT_HEIGHT if _has_slot(v) else 0.0)
            for v, _ in self.boxes
        ]
        links = [
            Link(
                self._source_box(edge),
                self.box_of[edge.target],
                len(self._edge_text(edge)) * CHARACTER,
            )
            for edge in self.graph.edges
        ]
        root = Box(len(self.root_name) * CHARACTER + 8, 20.0)
        seed = Link(self.box_of[self.graph.root], len(boxes), len(self._seed_text()) * CHARACTER)
        return layout([*boxes, root], [*links, seed])

    def _edge_text(self, edge: Edge) -> str:
        gradient = self.gradient_of.get(edge)
        return edge.word if gradient is None else _gradient_text(gradient)

    def _seed_text(self) -> str:
        return "" if self.run is None else _gradient_text(self.run.seed)

    def _arrow(self, index: int, edge: Edge, places: Layout) -> Arrow:
        gradient = self.gradient_of.get(edge)
        return Arrow(
            id=f"e{index}",
            source=self.ids[self._source_box(edge)],
            target=self.ids[self.box_of[edge.target]],
            kind=edge.kind,
            word=edge.word,
            gradient="" if gradient is None else _gradient_text(gradient),
            exact="" if gradient is None else _exact(gradient),
            step=0 if gradient is None else self.step_of.get(edge.target, 0),
            points=places.routes[index],
            label=places.labels[index],
        )

    def _root(self, places: Layout) -> Root:
        return Root(
            name=self.root_name,
            gradient=self._seed_text(),
            exact="" if self.run is None else _exact(self.run.seed),
            step=1 if self.stops else 0,
            points=places.routes[-1],
            label=places.labels[-1],
        )

    # The learner's code

    def _spelled(self) -> Iterable[Vertex]:
        """The vertices with a place in the code; of a leaf, where it was created."""
        created = [v.value.op for v in self.graph.vertices if v.op is None and v.value is not None]
        yield from (Vertex("op", op=op) for op in created if op is not None)
        yield from (vertex for vertex in self.graph.vertices if vertex.op is not None)

    def _spans(self, vertex: Vertex) -> Iterable[Span]:
        op = vertex.op or (vertex.value.op if vertex.value is not None else None)
        if op is None or op.site is None or op.site.span is None:
            return
        first, last, start, end = op.site.span
        for number in range(first, last + 1):
            index = self.line_index.get((op.recording.cell, op.site.filename, number))
            if index is not None:
                text = linecache.getline(op.site.filename, number).rstrip()
                begin = start if number == first else len(text) - len(text.lstrip())
                yield Span(index, begin, end if number == last else len(text))

    # The backward pass

    def _step(self, stop: Stop) -> SceneStep:
        vertex = stop.vertex
        local = _rule(vertex)
        return SceneStep(
            node=self.ids[self.box_of[vertex]],
            name=self._name(vertex),
            arriving=self._arriving(stop),
            rule=LocalRule(local.latex, local.words) if local else LocalRule("", ""),
            sent=tuple(self._sent(edge, g, stop, local) for edge, g in stop.sent),
            remark=self._remark(stop),
            grad=self._grad(stop) if vertex.kind == "leaf" else None,
        )

    def _arriving(self, stop: Stop) -> Arriving:
        terms = tuple(_gradient_text(gradient) for _, gradient in stop.arrived)
        if stop.total is None:
            return Arriving("nothing", "", "", terms)
        of = self._derivative(stop.vertex)
        text = _gradient_text(stop.total)
        return Arriving(text, _exact(stop.total), of, terms if len(terms) > 1 else ())

    def _derivative(self, vertex: Vertex) -> str:
        """The arriving gradient as a derivative in LaTeX, where the vertex has a name."""
        name = self.root_name if vertex is self.graph.root else self._given_name(vertex)
        value = self.graph.root.value
        if not name.isidentifier() or value is None:
            return ""
        top = self.root_name if value.shape.numel() == 1 else "L"
        return rf"\frac{{\partial {_symbol(top)}}}{{\partial {_symbol(name)}}}"

    def _sent(self, edge: Edge, gradient: Tensor, stop: Stop, local: Rule | None) -> Sent:
        text = _gradient_text(gradient)
        factor = _factor(local, edge)
        if factor is not None and stop.total is not None:
            product = f"{_gradient_text(stop.total)} · {_gradient_text(factor)}"
            if (stop.total * factor).shape != gradient.shape:
                product = f"sum of {product}"
            if len(product) + len(text) <= LONGEST_EQUATION:
                text = f"{product} = {text}"
        index = self.graph.edges.index(edge)
        return Sent(f"e{index}", self._name(edge.source), text, _exact(gradient))

    def _remark(self, stop: Stop) -> str:
        sources = [edge.source for edge, _ in stop.sent]
        twice = next((source for source in sources if sources.count(source) > 1), None)
        if twice is not None:
            return f"{self._name(twice)} is used {_times(sources.count(twice))}: these will add up"
        if len(stop.arrived) > 1:
            return f"{len(stop.arrived)} paths meet here: what they bring is added"
        return ""

    def _grad(self, stop: Stop) -> Grad:
        name = f"{self._name(stop.vertex)}.grad"
        leaf = stop.vertex.leaf
        before, after = self._grad_around(leaf, stop.total) if leaf is not None else (None, None)
        return Grad(name, _grad_text(before), _grad_text(stop.total), _grad_text(after))

    def _grad_around(
        self, leaf: Tensor, added: Tensor | None
    ) -> tuple[Tensor | None, Tensor | None]:
        """What ``leaf.grad`` holds before and after ``added`` is accumulated."""
        if self.run is not None and self.run.remembered:
            return _around_event(recorder().grad_events(leaf), added)
        before = None if leaf.grad is None else leaf.grad.detach()
        if before is None or added is None:
            return before, before if added is None else added
        return before, before + added


def _around_event(
    events: list[GradEvent], added: Tensor | None
) -> tuple[Tensor | None, Tensor | None]:
    before = None
    for event in events:
        if event.kind == "backward" and event.added is added:
            return before, event.after
        before = event.after
    return None, added


def _has_slot(vertex: Vertex) -> bool:
    return vertex.kind == "leaf" and bool(vertex.nodes)


def _marks(vertex: Vertex) -> tuple[str, ...]:
    op, value = vertex.op, vertex.value
    if op is None:
        return ()
    marks = ["in-place"] if op.changed else []
    if value is not None and value.view and not op.changed:
        marks.append("view")
    if not op.grad_enabled:
        marks.append("no_grad")
    return tuple(marks)


def _created_by(value: Value | None) -> str:
    return "" if value is None or value.op is None else value.op.text


def _inside(inner: Op, outer: Op) -> bool:
    """Does the expression of ``inner`` stand within that of ``outer``?"""
    a, b = inner.site, outer.site
    if a is None or b is None or a.span is None or b.span is None or not inner.direct:
        return False
    starts_after = (b.span[0], b.span[2]) <= (a.span[0], a.span[2])
    ends_before = (a.span[1], a.span[3]) <= (b.span[1], b.span[3])
    return a.filename == b.filename and a is not b and starts_after and ends_before


def _code(ops: Iterable[Op | None]) -> dict[tuple[str, str, int], None]:
    """The lines these ops stand on, as (cell, file, number), in the order the cells ran."""
    order: dict[tuple[str, str], int] = {}
    lines: set[tuple[str, str, int]] = set()
    for op in ops:
        if op is None or op.site is None or not linecache.getline(op.site.filename, op.site.line):
            continue
        key = (op.recording.cell, op.site.filename)
        order[key] = min(order.get(key, op.first_node), op.first_node)
        lines.update((*key, number) for number in op.site.lines)
    ordered = sorted(lines, key=lambda line: (order[line[:2]], line[0], line[1], line[2]))
    return dict.fromkeys(ordered[:LONGEST_CODE])


def _line(cell: str, filename: str, number: int) -> Line:
    return Line(cell, number, linecache.getline(filename, number).rstrip())


def _rule(vertex: Vertex) -> Rule | None:
    """The local rule of an op; for one that was not recorded, what can be said of any."""
    if vertex.kind != "op":
        return None
    if vertex.op is None:
        return rule(_bare(vertex.nodes[0].name()), (), {})
    arguments = tuple(_real(argument) for argument in vertex.op.args)
    named = {name: _real(argument) for name, argument in vertex.op.kwargs.items()}
    return rule(vertex.op.name, arguments, named)


def _real(argument: Any) -> Any:
    """A recorded argument as ``rules`` wants it: a tensor, or a placeholder where too large."""
    if isinstance(argument, Value):
        return argument.data if argument.complete else Unknown(argument.shape, argument.dtype)
    if isinstance(argument, tuple):
        return tuple(_real(item) for item in argument)
    return argument


def _factor(local: Rule | None, edge: Edge) -> Tensor | None:
    """What the upstream gradient is multiplied by along ``edge``, if the rule is a product."""
    if local is None or edge.place is None or edge.place >= len(local.factors):
        return None
    return local.factors[edge.place]


def _bare(node_name: str) -> str:
    return node_name.removeprefix("torch::autograd::").rstrip("0123456789").removesuffix("Backward")


def _value_text(value: Value | None) -> str:
    return "" if value is None else _fitted(value.data, value.shape)


def _gradient_text(gradient: Tensor) -> str:
    copy = keep(gradient)
    return _fitted(copy, gradient.shape)


def _grad_text(gradient: Tensor | None) -> str:
    return "None" if gradient is None else _gradient_text(gradient)


def _exact(gradient: Tensor) -> str:
    return formatting.exact(keep(gradient), gradient.shape)


def _fitted(data: Tensor, shape: torch.Size) -> str:
    """The tensor's text, elided until it fits a box; its shape alone if nothing does."""
    for limit in (8, 4, 2):
        text = formatting.array(data, shape, limit)
        if len(text) <= LONGEST_VALUE:
            return text
    return f"tensor {formatting.shape(shape)}"


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_LABEL else text[: LONGEST_LABEL - 1] + "…"


def _symbol(name: str) -> str:
    return rf"\mathit{{{name}}}".replace("_", r"\_")


def _times(count: int) -> str:
    return {2: "twice", 3: "three times"}.get(count, f"{count} times")
