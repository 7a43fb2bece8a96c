"""What a picture of a graph says, and where: the one source of a graph widget's four faces.

Everything here is text and coordinates. The numbers were computed by PyTorch (``backward``),
worded by ``words`` and ``steps``, placed by ``layout``.
"""

from __future__ import annotations

import linecache
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from seegrad.backward import Pass
from seegrad.drawing.boxes import (
    CHARACTER,
    PAGE,
    SLOT_GAP,
    SMALL_CHARACTER,
    Contents,
    Lines,
    Text,
    Written,
    arranged,
    label_size,
    slot_height,
)
from seegrad.drawing.breaking import broken
from seegrad.drawing.folding import Folded, Group, Item, Passage, together
from seegrad.drawing.layout import Box, Layout, Link, Point, layout
from seegrad.drawing.steps import SceneStep, Teller
from seegrad.drawing.words import (
    Words,
    exact_text,
    gradient_lines,
    gradient_text,
    short_title,
    value_text,
)
from seegrad.recording import Op
from seegrad.recording.names import ModuleNames, Names
from seegrad.structure import Edge, Stop, Structure, Vertex

LONGEST_CODE = 40  # lines
FOLD_MARK = 22.0  # the sign on a folded box that it can be unfolded
ROOMY_SLOT, CLOSE_SLOT = 19, 13  # characters of ".grad None, will be" and of ".grad will be"

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
    """Where a leaf's ``.grad`` stands, and the lines in which it is written there."""

    x: float
    y: float
    width: float
    height: float
    lines: Lines


@dataclass(frozen=True, slots=True)
class Node:
    """A box: what is written in it, and where it stands.

    ``texts`` are its label, value and note as they are drawn, perhaps in several lines each.
    ``kind`` is a vertex's ("leaf", "op", "constant"), or "group" for folded ops, "sources" for
    folded leaves and constants; ``folded`` is the id to unfold those by, else "".
    """

    id: str
    kind: str
    folded: str
    label: str
    note: str
    value: str
    exact: str
    marks: tuple[str, ...]
    spans: tuple[Span, ...]
    text: str
    texts: tuple[Text, ...]
    x: float
    y: float
    width: float
    height: float
    slot: Slot | None


@dataclass(frozen=True, slots=True)
class Arrow:
    """An edge: ``gradient`` travels it, right to left, at step ``step`` (0: never).

    ``lines`` say it, or the edge's word, around the point ``label``.
    """

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
    lines: Lines


@dataclass(frozen=True, slots=True)
class Root:
    """The result's name at the right, and the upstream gradient the pass starts from."""

    name: str
    value: str
    gradient: str
    exact: str
    step: int
    points: tuple[Point, ...]
    label: Point
    lines: Lines


@dataclass(frozen=True, slots=True)
class Unfolded:
    """A group that was unfolded: ``node`` is the box to fold it again by."""

    id: str
    title: str
    node: str


@dataclass(frozen=True, slots=True)
class Scene:
    """A whole picture of a graph with so many ``leaves`` and ``ops``, some of them folded."""

    code: tuple[Line, ...]
    width: float
    height: float
    nodes: tuple[Node, ...]
    edges: tuple[Arrow, ...]
    root: Root
    steps: tuple[SceneStep, ...]
    unfolded: tuple[Unfolded, ...]
    leaves: int
    ops: int


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A box: ``user`` tells those apart that are drawn of one item; ``low`` is a one-line box."""

    item: Item
    user: Item | None
    low: bool


@dataclass(frozen=True, slots=True)
class _Wire:
    """What is drawn as one edge: from a box to a box, by their numbers."""

    source: int
    target: int
    edges: list[Edge]


@dataclass(frozen=True, slots=True)
class _Draft:
    """The picture in one manner: what is written in the boxes and on the edges, and the places."""

    close: bool
    boxes: list[Written]
    slots: list[Lines]
    labels: list[Lines]
    places: Layout


def compose(
    graph: Structure,
    run: Pass | None,
    names: Names,
    folded: Folded,
    steps: Sequence[Stop | Passage],
    module_names: ModuleNames,
) -> Scene:
    """The picture of a graph, folded so, with the steps of a backward pass if there is one."""
    return _Composer(graph, run, names, folded, steps, module_names).scene()


class _Composer:
    """Writes and places one scene; used once."""

    def __init__(
        self,
        graph: Structure,
        run: Pass | None,
        names: Names,
        folded: Folded,
        steps: Sequence[Stop | Passage],
        module_names: ModuleNames,
    ):
        self.graph = graph
        self.run = run
        self.folded = folded
        self.steps = steps
        self.holder = folded.holder
        self.words = Words(graph, folded, names, module_names)
        self.step_at = {_where(step): number for number, step in enumerate(steps, 1)}
        self.gradient_of = {edge: g for step in steps for edge, g in step.sent}
        self.arrived = {
            step.vertex: step.total
            for step in steps
            if isinstance(step, Stop) and step.total is not None
        }
        self.code = _code(self._spelled())
        self.line_index = {key: index for index, key in enumerate(self.code)}
        self.place = {vertex: place for place, vertex in enumerate(graph.vertices)}
        self.boxes = self._boxes()
        self.box_of: dict[tuple[Item, Item | None], int] = {}
        self.first_box: dict[Item, int] = {}
        for number, box in enumerate(self.boxes):
            self.box_of[box.item, box.user] = number
            self.first_box.setdefault(box.item, number)
        self.ids = [self._id(number) for number in range(len(self.boxes))]
        self.wires = self._wires()
        self.told = self._told()
        self.grad_of = {_where(step): t.grad for step, t in zip(steps, self.told, strict=True)}

    def scene(self) -> Scene:
        draft = self._draft()
        places = draft.places
        kinds = [vertex.kind for vertex in self.graph.vertices]
        return Scene(
            code=tuple(_line(*key) for key in self.code),
            width=places.width,
            height=places.height,
            nodes=tuple(self._node(number, draft) for number in range(len(self.boxes))),
            edges=tuple(self._arrow(number, draft) for number in range(len(self.wires))),
            root=self._root(draft),
            steps=self.told,
            unfolded=tuple(self._unfolded(group) for group in self.folded.opened),
            leaves=kinds.count("leaf"),
            ops=kinds.count("op"),
        )

    def _told(self) -> tuple[SceneStep, ...]:
        ids = {item: self.ids[number] for item, number in self.first_box.items()}
        arrows = {edge: self._wire_id(wire) for wire in self.wires for edge in wire.edges}
        teller = Teller(self.words, self.run, self.holder, ids, arrows)
        return tuple(teller.step(step) for step in self.steps)

    def _unfolded(self, group: Group) -> Unfolded:
        at = self.holder[group.ops[-1] if group.ops else group.sources[0]]
        return Unfolded(group.id, short_title(group), self.ids[self.first_box[at]])

    # Which boxes there are, and what is written in them

    def _boxes(self) -> list[_Drawn]:
        """A box an item; a leaf that many use gets one for each of them."""
        users: dict[Item, dict[Item, None]] = {}
        for edge in self.graph.edges:
            source, target = self.holder[edge.source], self.holder[edge.target]
            users.setdefault(source, {})[target] = None
        number = {item: place for place, item in enumerate(self.folded.items)}
        boxes: list[_Drawn] = []
        for item in self.folded.items:
            mine = list(users.get(item, ()))
            if len(mine) >= STUBS_FROM and self._may_be_stubs(item):
                if self.folded.less:
                    mine.sort(key=number.__getitem__)
                boxes += [
                    _Drawn(item, user, self._is_low(item, nth)) for nth, user in enumerate(mine)
                ]
            else:
                boxes.append(_Drawn(item, None, self._is_low(item, 0)))
        return boxes

    def _may_be_stubs(self, item: Item) -> bool:
        if isinstance(item, Group):
            return item.fold is None
        return item.kind == "leaf" or (item.kind == "constant" and self.folded.less)

    def _is_low(self, item: Item, nth: int) -> bool:
        """Has the box one line? So have numbers, and in a large graph a leaf's later boxes."""
        if isinstance(item, Group):
            return item.fold is None
        return item.number is not None or (nth > 0 and self.folded.less)

    def _id(self, number: int) -> str:
        """``n3`` for the graph's vertex 3; ``n3.2`` for its third box, if it has several."""
        item = self.boxes[number].item
        nth = number - self.first_box[item]
        name = item.id if isinstance(item, Group) else f"n{self.place[item]}"
        return f"{name}.{nth}" if nth else name

    def _node(self, number: int, draft: _Draft) -> Node:
        box, item = self.boxes[number], self.boxes[number].item
        (x, y), drawn = draft.places.corners[number], draft.boxes[number]
        value, group = self._value(box), item if isinstance(item, Group) else None
        label, note = self.words.label(item), self.words.note(item)
        parts = [label, value and f"= {value}", note, group and "folded"]
        return Node(
            id=self.ids[number],
            kind=item.kind if isinstance(item, Vertex) else "group" if item.fold else "sources",
            folded=group.id if group else "",
            label=label,
            note=note,
            value=value,
            exact=self._exact_value(item),
            marks=self.words.marks(item),
            spans=tuple(self._spans(item)),
            text=", ".join(part for part in parts if part),
            texts=drawn.texts,
            x=x,
            y=y,
            width=drawn.width,
            height=drawn.height,
            slot=self._slot(number, draft),
        )

    def _slot(self, number: int, draft: _Draft) -> Slot | None:
        if not _has_slot(self.boxes[number]):
            return None
        (x, y), drawn = draft.places.corners[number], draft.boxes[number]
        lines = draft.slots[number]
        height = slot_height(len(lines), draft.close)
        return Slot(x, y + drawn.height + SLOT_GAP, drawn.width, height, lines)

    def _value(self, box: _Drawn) -> str:
        return "" if box.low else self.words.value(box.item)

    def _exact_value(self, item: Item) -> str:
        """Every digit; of a large graph only when a box is looked at."""
        value = item.value if isinstance(item, Vertex) and not self.folded.less else None
        return "" if value is None else exact_text(value.data, value.shape)

    def _contents(self, box: _Drawn, slot: Lines, close: bool) -> Contents:
        item, words = box.item, self.words
        quiet = CLOSE_SLOT if close else ROOMY_SLOT  # characters of the quiet row
        slot_width = max(label_size(slot)[0], quiet * SMALL_CHARACTER) if _has_slot(box) else 0.0
        marks = sum(len(mark) * SMALL_CHARACTER + 16 for mark in words.marks(item))
        return Contents(
            label=words.label(item),
            value=self._value(box),
            brief=() if box.low else words.brief(item),
            note=words.note(item),
            beside_label=box.low or (isinstance(item, Vertex) and item.kind != "op"),
            sign=FOLD_MARK if isinstance(item, Group) else 0.0,
            least=max(slot_width, marks),
        )

    def _slot_lines(self, box: _Drawn, close: bool) -> Lines:
        """How the ``.grad`` of a leaf is written below it."""
        grad = self.grad_of.get(box.item) if _has_slot(box) else None
        return ("",) if grad is None else grad.brief if close else (grad.after,)

    # What joins them

    def _wires(self) -> list[_Wire]:
        """The edges between boxes; those alike to or from a folded box are one."""
        wires: dict[object, _Wire] = {}
        for edge in self.graph.edges:
            source, target = self.holder[edge.source], self.holder[edge.target]
            if source is target:
                continue
            start, end = self._source_box(source, target), self.first_box[target]
            folded = isinstance(source, Group) or isinstance(target, Group)
            key = (start, end, edge.kind, edge.word) if folded else edge
            wires.setdefault(key, _Wire(start, end, [])).edges.append(edge)
        return list(wires.values())

    def _source_box(self, source: Item, target: Item) -> int:
        return self.box_of.get((source, target), self.first_box[source])

    @cached_property
    def _edge_numbers(self) -> dict[Edge, int]:
        return {edge: number for number, edge in enumerate(self.graph.edges)}

    def _wire_id(self, wire: _Wire) -> str:
        return f"e{self._edge_numbers[wire.edges[0]]}"

    def _flows(self, wire: _Wire) -> list[tuple[Edge | None, Tensor]]:
        return together((e, self.gradient_of[e]) for e in wire.edges if e in self.gradient_of)

    def _wire_lines(self, wire: _Wire, close: bool) -> Lines:
        flows = self._flows(wire)
        if len(flows) == 1:
            gradient = flows[0][1]
            return gradient_lines(gradient) if close else (gradient_text(gradient),)
        return (self._wire_text(flows) if flows else wire.edges[0].word,)

    def _wire_text(self, flows: list[tuple[Edge | None, Tensor]]) -> str:
        return gradient_text(flows[0][1]) if len(flows) == 1 else f"{len(flows)} gradients"

    def _seed_lines(self, close: bool) -> Lines:
        if self.run is None:
            return ("",)
        return gradient_lines(self.run.seed) if close else (gradient_text(self.run.seed),)

    # Where they stand

    def _draft(self) -> _Draft:
        """The roomy manner, if it fits a page; else the close one, in lines if need be."""
        if not self.folded.less:
            roomy = self._drafted(close=False)
            if roomy.places.width <= PAGE:
                return roomy
        return self._drafted(close=True)

    def _drafted(self, close: bool) -> _Draft:
        slots = [self._slot_lines(box, close) for box in self.boxes]
        texts = [
            arranged(self._contents(box, slot, close), close)
            for box, slot in zip(self.boxes, slots, strict=True)
        ]
        labels = [self._wire_lines(wire, close) for wire in self.wires]
        tails = [
            SLOT_GAP + slot_height(len(slot), close) if _has_slot(box) else 0.0
            for box, slot in zip(self.boxes, slots, strict=True)
        ]
        boxes = [Box(t.width, t.height, tail) for t, tail in zip(texts, tails, strict=True)]
        boxes.append(Box(len(self.words.root_name) * CHARACTER + 8, 20.0))
        links = [
            Link(wire.source, wire.target, *label_size(lines))
            for wire, lines in zip(self.wires, labels, strict=True)
        ]
        labels.append(self._seed_lines(close))
        top = self.first_box[self.holder[self.graph.root]]
        links.append(Link(top, len(self.boxes), *label_size(labels[-1])))
        places = layout(boxes, links)
        if close:
            places = broken(places, boxes, links, PAGE)
        return _Draft(close, texts, slots, labels, places)

    def _arrow(self, number: int, draft: _Draft) -> Arrow:
        wire, flows = self.wires[number], self._flows(self.wires[number])
        edge = wire.edges[0]
        exact = "" if self.folded.less or not flows else exact_text(flows[0][1], flows[0][1].shape)
        return Arrow(
            id=self._wire_id(wire),
            source=self.ids[wire.source],
            target=self.ids[wire.target],
            kind=edge.kind,
            word=edge.word,
            gradient=self._wire_text(flows) if flows else "",
            exact=exact,
            step=self.step_at.get(self.holder[edge.target], 0) if flows else 0,
            points=draft.places.routes[number],
            label=draft.places.labels[number],
            lines=draft.labels[number],
        )

    def _root(self, draft: _Draft) -> Root:
        return Root(
            name=self.words.root_name,
            value=value_text(self.graph.root.value),
            gradient="" if self.run is None else gradient_text(self.run.seed),
            exact="" if self.run is None else exact_text(self.run.seed, self.run.seed.shape),
            step=1 if self.steps else 0,
            points=draft.places.routes[-1],
            label=draft.places.labels[-1],
            lines=draft.labels[-1],
        )

    # The learner's code

    def _spelled(self) -> Iterator[Op]:
        """The ops with a place in the code; of a leaf, the one that created it."""
        for vertex in self.graph.vertices:
            op = _spelling(vertex)
            if op is not None:
                yield op

    def _spans(self, item: Item) -> Iterator[Span]:
        """The stretches of code a box stands for, each once."""
        vertices = (item,) if isinstance(item, Vertex) else item.ops or item.sources
        places = {
            (op.recording.cell, op.site.filename, op.site.span)
            for vertex in vertices
            if (op := _spelling(vertex)) and op.site and op.site.span
        }
        for cell, filename, (first, last, start, end) in sorted(places):
            for number in range(first, last + 1):
                index = self.line_index.get((cell, filename, number))
                if index is not None:
                    text = linecache.getline(filename, number).rstrip()
                    begin = start if number == first else len(text) - len(text.lstrip())
                    yield Span(index, begin, end if number == last else len(text))


def _where(step: Stop | Passage) -> Item:
    return step.vertex if isinstance(step, Stop) else step.group


def _spelling(vertex: Vertex) -> Op | None:
    """The op whose expression is the vertex's; of a leaf, that which created it.

    Those that a module filled its parameters with are passed over.
    """
    if vertex.op is not None:
        return vertex.op
    made_by = vertex.value.op if vertex.value is not None else None
    return made_by if made_by is not None and made_by.direct else None


def _has_slot(box: _Drawn) -> bool:
    item = box.item
    return isinstance(item, Vertex) and item.kind == "leaf" and bool(item.nodes) and not box.low


def _code(ops: Iterable[Op]) -> dict[tuple[str, str, int], None]:
    """The lines these ops stand on, as (cell, file, number), in the order the cells ran."""
    order: dict[tuple[str, str], int] = {}
    lines: set[tuple[str, str, int]] = set()
    for op in ops:
        if op.site is None or not linecache.getline(op.site.filename, op.site.line):
            continue
        key = (op.recording.cell, op.site.filename)
        order[key] = min(order.get(key, op.first_node), op.first_node)
        lines.update((*key, number) for number in op.site.lines)
    ordered = sorted(lines, key=lambda line: (order[line[:2]], line[0], line[1], line[2]))
    return dict.fromkeys(ordered[:LONGEST_CODE])


def _line(cell: str, filename: str, number: int) -> Line:
    return Line(cell, number, linecache.getline(filename, number).rstrip())
