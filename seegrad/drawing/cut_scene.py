"""What a picture of cuts says, and where: the one source of a cut widget's four faces.

The numbers come from ``severing``, the code from ``rewriting``, the places from ``layout``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from seegrad import formatting
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
from seegrad.drawing.layout import LABEL_MARGIN, Box, Layout, Link, Point, layout
from seegrad.errors import InputError
from seegrad.functions.asking import element
from seegrad.functions.definition import define, first_parameter
from seegrad.functions.rewriting import detached, paused
from seegrad.functions.severing import (
    HOWS,
    Facts,
    Function,
    How,
    Run,
    attached_gradient,
    facts,
    same_numbers,
    severed,
)  # fmt: skip
from seegrad.functions.written import Edit, plain, written
from seegrad.recording import Op
from seegrad.recording.names import name_of
from seegrad.recording.snapshot import COMPLETE, keep
from seegrad.structure import Edge, Vertex

MOST_EDGES = 300
"""A graph with more edges than this has too many to look for one to cut."""

MOST_COLUMNS = 8
"""So many elements of x have a column for their gradients; the text has more."""

SPELLING: dict[How, str] = {"detach": ".detach()", "no_grad": "no_grad", "data": ".data"}

SCISSORS = 30.0  # room for them on an edge, at the right of its label
STAGGER = 26.0  # more room where an op has several edges: see cut.js
LONGEST_LABEL = 26  # characters
LONGEST_VALUE = 28
LONGEST_SAID = 100


@dataclass(frozen=True, slots=True)
class Node:
    """A box; ``slot`` is the height of that for the gradient below a leaf, 0 if it has none."""

    id: str
    kind: str
    label: str
    value: str
    exact: str
    texts: tuple[Text, ...]
    x: float
    y: float
    width: float
    height: float
    slot: float


@dataclass(frozen=True, slots=True)
class Wire:
    """An edge; ``number`` is that of its scissors, 0 where nothing can be cut.

    ``room`` is how wide its label may be: a cut may bring longer numbers than there are uncut.
    """

    id: str
    number: int
    target: str
    kind: str
    text: str
    word: str
    points: tuple[Point, ...]
    label: Point
    room: float


@dataclass(frozen=True, slots=True)
class Drawing:
    """What stands still: the graph of f(x)."""

    width: float
    height: float
    nodes: tuple[Node, ...]
    wires: tuple[Wire, ...]
    root: str
    root_points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Flow:
    """What an edge does now: a gradient is "flowing", it is "severed", or "idle": nothing comes.

    ``lines`` are written on it.
    """

    state: Literal["flowing", "severed", "idle"]
    gradient: str
    lines: Lines
    exact: str
    uncut: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """The gradient at a leaf, uncut and now; ``lines`` say what it is now."""

    name: str
    uncut: str
    now: str
    lines: Lines
    exact: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """The two gradients at x, element by element: two rows of one matrix."""

    columns: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    values: tuple[tuple[float, ...], ...]
    more: int


@dataclass(frozen=True, slots=True)
class _Draft:
    """The picture in one manner."""

    close: bool
    boxes: list[Written]
    slots: list[float]
    plan: Layout


@dataclass(frozen=True, slots=True)
class Ways:
    """What each way of cutting does to the value at the last cut; ``rows`` have a cell a way."""

    of: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class State:
    """What changes when an edge is cut."""

    numbers: tuple[int, ...]
    how: How
    code: tuple[str, ...]
    note: str
    value: str
    flows: dict[str, Flow]
    arrivals: dict[str, Arrival]
    comparison: Comparison | None
    sentence: str
    ways: Ways | None


class Cutting:
    """f at x, its graph, and the same with any of its edges cut."""

    def __init__(self, f: Function, x: Tensor) -> None:
        self.f, self.x = f, x
        self.definition = define(f)
        self.written = written(f)
        self.name = first_parameter(f, "x")
        self.uncut = severed(f, x)
        assert self.uncut.graph is not None  # ``severed`` refuses an f that is cut off
        self.graph = self.uncut.graph
        if len(self.graph.edges) > MOST_EDGES:
            raise InputError(
                f"The graph of f({self.name}) has {len(self.graph.edges):,} edges, and up to "
                f"{MOST_EDGES} can be shown with scissors. Cut a smaller f, or fewer turns of it."
            )
        self.edges = self.uncut.edges()
        self.places = tuple(self.edges)
        self.number_of = {edge: n for n, edge in enumerate(self.edges.values(), 1)}
        self.result = f"f({self.name})"

    # What stands still

    @cached_property
    def picture(self) -> Drawing:
        """The graph of f(x), laid out once."""
        plan = self._draft.plan
        return Drawing(
            plan.width,
            plan.height,
            tuple(self._node(index) for index in range(len(self.graph.vertices))),
            tuple(self._wire(index, edge) for index, edge in enumerate(self.graph.edges)),
            self.result,
            plan.routes[-1],
        )

    @cached_property
    def _draft(self) -> _Draft:
        """The roomy manner, if it fits a page; else the close one, in lines if need be."""
        roomy = self._drafted(close=False)
        return roomy if roomy.plan.width <= PAGE else self._drafted(close=True)

    def _drafted(self, close: bool) -> _Draft:
        place = {vertex: index for index, vertex in enumerate(self.graph.vertices)}
        texts = [arranged(self._contents(vertex, close), close) for vertex in self.graph.vertices]
        slots = [self._slot(vertex, close) for vertex in self.graph.vertices]
        boxes = [
            Box(drawn.width, drawn.height, SLOT_GAP + slot if slot else 0.0)
            for drawn, slot in zip(texts, slots, strict=True)
        ]
        boxes.append(Box(len(self.result) * CHARACTER + 8, 20.0))
        links = [
            Link(place[edge.source], place[edge.target], *self._room(edge, close))
            for edge in self.graph.edges
        ]
        links.append(Link(place[self.graph.root], len(place), *label_size(("1",))))
        plan = layout(boxes, links)
        return _Draft(close, texts, slots, broken(plan, boxes, links, PAGE) if close else plan)

    def _room(self, edge: Edge, close: bool) -> tuple[float, float]:
        """The width and the height of what is written on an edge; a cut is named there too."""
        place = self.uncut.place(edge)
        gradient = None if place is None else self.uncut.flows.get(place)
        if gradient is None:
            return label_size((edge.word,))
        width, height = label_size(_lines(gradient, close))
        return max(width, len("no_grad") * CHARACTER) + self._scissors(edge), height

    def _scissors(self, edge: Edge) -> float:
        """The room that scissors take on an edge; those of an op's next edge stand farther out."""
        if edge not in self.number_of:
            return 0.0
        return SCISSORS + STAGGER * (self._cuttable_inputs[edge.target] > 1)

    @cached_property
    def _cuttable_inputs(self) -> Counter[Vertex]:
        return Counter(edge.target for edge in self.number_of)

    def _node(self, index: int) -> Node:
        draft, vertex = self._draft, self.graph.vertices[index]
        (x, y), drawn, value = draft.plan.corners[index], draft.boxes[index], vertex.value
        return Node(
            id=f"n{index}",
            kind=vertex.kind,
            label=self._label(vertex),
            value="" if value is None else _text(value.data, value.shape),
            exact="" if value is None else formatting.exact(value.data, value.shape),
            texts=drawn.texts,
            x=x,
            y=y,
            width=drawn.width,
            height=drawn.height,
            slot=draft.slots[index],
        )

    def _wire(self, index: int, edge: Edge) -> Wire:
        number, draft, scissors = self.number_of.get(edge, 0), self._draft, self._scissors(edge)
        x, y = draft.plan.labels[index]
        return Wire(
            id=f"e{index}",
            number=number,
            target=f"n{self.graph.vertices.index(edge.target)}",
            kind=edge.kind,
            text=self.told(number) if number else "",
            word=edge.word,
            points=draft.plan.routes[index],
            label=(x - scissors / 2, y),
            room=self._room(edge, draft.close)[0] - scissors + LABEL_MARGIN,
        )

    def _contents(self, vertex: Vertex, close: bool) -> Contents:
        value = vertex.value
        gradient = self._gradient_at(vertex, self.uncut)
        # "uncut " stands before it once something is cut
        slot = 0.0 if gradient is None else label_size(_lines(gradient, close))[0]
        return Contents(
            label=self._label(vertex),
            value="" if value is None else _text(value.data, value.shape),
            brief=() if value is None else formatting.glimpse(value.data, value.shape),
            note=self._note(vertex),
            beside_label=vertex.kind != "op",
            least=slot + len("uncut ") * SMALL_CHARACTER if _has_slot(vertex) else 0.0,
        )

    def _slot(self, vertex: Vertex, close: bool) -> float:
        """The height of the slot below a leaf; 0 for none."""
        if not _has_slot(vertex):
            return 0.0
        gradient = self._gradient_at(vertex, self.uncut)
        lines = 1 if gradient is None else len(_lines(gradient, close))
        return slot_height(lines, close)

    def _note(self, vertex: Vertex) -> str:
        if vertex.kind == "leaf" and vertex.value is not None:
            return f"leaf · {formatting.shape(vertex.value.shape)}"
        if vertex.kind == "constant":
            return "constant"
        return "" if vertex.nodes else "no gradient"

    # What things are called

    def vertex_name(self, vertex: Vertex) -> str:
        """How a sentence speaks of a vertex: its variable in f, else how it is written."""
        if vertex.leaf is self.uncut.x:
            return self.name
        if vertex.number is not None:
            return formatting.number(vertex.number)
        if vertex.op is None:
            user = self.graph.first_users().get(vertex)
            return self._spelled_operand(vertex, user) or vertex.kind
        return _assigned(vertex.op) or _shortened(vertex.op.text)

    def _spelled_operand(self, vertex: Vertex, user: Op | None) -> str:
        return "" if vertex.value is None else _shortened(name_of(vertex.value, {}, user))

    def _label(self, vertex: Vertex) -> str:
        """The first line of a box: what has a box of its own is an ellipsis in it."""
        op = vertex.op
        if op is None or not op.direct:
            return self.vertex_name(vertex) if op is None else op.name
        text = op.text
        for value in op.inputs:
            if value.op is not None and _inside(value.op, op):
                text = text.replace(value.op.text, "…", 1)
        text = re.sub(r"(?<![\w)\]])\(…\)", "…", text)
        variable = _assigned(op)
        return _shortened(f"{variable} = {text}" if variable else text)

    def told(self, number: int) -> str:
        """An edge in words: ``x * x into (x * x) * x, input 1``."""
        edge = self.edges[self.places[number - 1]]
        assert edge.target.op is not None
        turn = f", turn {edge.target.op.turn}" if self._turns(edge.target.op) > 1 else ""
        several = len([v for v in edge.target.op.inputs if v.requires_grad]) > 1
        which = f", input {(edge.place or 0) + 1}" if several else ""
        into = _shortened(edge.target.op.text)
        return f"{self.vertex_name(edge.source)} into {into}{which}{turn}"

    def _turns(self, op: Op) -> int:
        """How often the place of this op ran."""
        return len([other for other in self.uncut.calls if other.site and other.site is op.site])

    # What changes

    def state(self, numbers: Sequence[int] = (), how: How = "detach") -> State:
        """The picture's numbers with these edges (from 1) cut in this way."""
        numbers = tuple(dict.fromkeys(n for n in numbers if 1 <= n <= len(self.places)))
        run = self.run(numbers, how)
        code, note = self.code(numbers, how)
        return State(
            numbers=numbers,
            how=how,
            code=tuple(code),
            note=note,
            value=f"{self.result} = {_text(run.y)}",
            flows=dict(self._flows(run, numbers, how)),
            arrivals=dict(self._arrivals(run)),
            comparison=self._comparison(run) if numbers else None,
            sentence=self._sentence(run, numbers),
            ways=self._ways(numbers) if numbers else None,
        )

    def run(self, numbers: Sequence[int], how: How) -> Run:
        """One run with these edges cut."""
        if not numbers:
            return self.uncut
        return severed(self.f, self.x, [self.places[n - 1] for n in numbers], how, self.uncut)

    def _flows(self, run: Run, numbers: Sequence[int], how: How) -> Iterator[tuple[str, Flow]]:
        for index, edge in enumerate(self.graph.edges):
            number = self.number_of.get(edge)
            if number is None:
                continue
            place = self.places[number - 1]
            before, now = self.uncut.flows.get(place), run.flows.get(place)
            uncut = "" if before is None else _text(before)
            if number in numbers:
                word = SPELLING[how].strip(".()")
                yield f"e{index}", Flow("severed", "", (word,), "", uncut)
            elif now is None:
                yield f"e{index}", Flow("idle", "", (), "", uncut)
            else:
                lines = _lines(now, self._draft.close)
                yield f"e{index}", Flow("flowing", _text(now), lines, _exact(now), uncut)

    def _arrivals(self, run: Run) -> Iterator[tuple[str, Arrival]]:
        for index, vertex in enumerate(self.graph.vertices):
            if not _has_slot(vertex):
                continue
            before, now = self._gradient_at(vertex, self.uncut), self._gradient_at(vertex, run)
            exact = "None" if now is None else _exact(now)
            lines = ("None",) if now is None else _lines(now, self._draft.close)
            name = self.vertex_name(vertex)
            yield f"n{index}", Arrival(name, _maybe(before), _maybe(now), lines, exact)

    def _gradient_at(self, vertex: Vertex, run: Run) -> Tensor | None:
        """What arrives at a leaf in a run."""
        if vertex.leaf is None:
            return None
        return run.gradient if vertex.leaf is self.uncut.x else run.others.get(id(vertex.leaf))

    def _comparison(self, run: Run) -> Comparison | None:
        """The two gradients, as long as both are there."""
        before, now = self.uncut.gradient, run.gradient
        if before is None or now is None:
            return None
        rows = [gradient.flatten()[:MOST_COLUMNS].tolist() for gradient in (before, now)]
        return Comparison(
            tuple(element(self.name, i, before.shape) for i in range(len(rows[0]))),
            tuple(tuple(map(formatting.number, row)) for row in rows),
            tuple(map(tuple, rows)),
            before.numel() - len(rows[0]),
        )

    def _sentence(self, run: Run, numbers: Sequence[int]) -> str:
        """What the cuts did to the gradient at x."""
        x, uncut = self.name, self.uncut.gradient
        if not numbers:
            sum_of = "" if run.y.numel() == 1 else f", of the sum of {self.result},"
            return f"The gradient at {x}{sum_of} is {_said(uncut)}.{self.own_detach}"
        if run.problem:
            refused = f"backward() raises RuntimeError, “{run.problem}”."
            return f"Nothing leads back from {self.result}: {refused}"
        if run.gradient is None:
            return f"No gradient reaches {x}: {x}.grad would stay None."
        if uncut is not None and run.gradient.equal(uncut):
            return f"The gradient at {x} is what it was: nothing came to {x} along this edge."
        came = same_numbers(self.uncut, run.gradient)
        same = (
            f" That is {self.vertex_name(came)}, number by number: a constant now." if came else ""
        )
        return f"The gradient at {x} is {_said(run.gradient)} instead of {_said(uncut)}.{same}"

    @cached_property
    def own_detach(self) -> str:
        """What f's own ``detach()`` does to the gradient at x, if it has one."""
        now, attached = self.uncut.gradient, attached_gradient(self.f, self.x)
        if now is None or attached is None or attached.equal(now):
            return ""
        came = same_numbers(self.uncut, now)
        same = f" That is {self.vertex_name(came)}, number by number." if came else ""
        return f"{same} Without detach() it would be {_said(attached)}."

    # The ways to cut

    def _ways(self, numbers: Sequence[int]) -> Ways:
        """What each way does, for the value at the last cut."""
        place = self.places[numbers[-1] - 1]
        source, target = self.edges[place].source, self.edges[place].target
        name = self.vertex_name(source)
        runs = {how: self._tried(numbers, how) for how in HOWS}
        found = {how: facts(_sample(source), how) for how in HOWS}
        computed = source if source.op is not None else target
        written_as = {
            "detach": f"{_in_brackets(name)}.detach()",
            "data": f"{_in_brackets(name)}.data",
            "no_grad": f"with torch.no_grad(): {_statement(computed)}",
        }
        rows = [
            ("written", [written_as[how] for how in HOWS]),
            ("edges that carry no gradient", [self._silent(runs[how]) for how in HOWS]),
            (f"gradient at {self.name}", [_outcome(runs[how]) for how in HOWS]),
            *_fact_rows(name, source.op is None, [found[how] for how in HOWS]),
        ]
        return Ways(
            name, tuple(SPELLING[how] for how in HOWS), tuple((n, tuple(c)) for n, c in rows)
        )

    def _tried(self, numbers: Sequence[int], how: How) -> Run | None:
        """One run; ``None`` if f refuses this way of cutting, as it may one of the three."""
        try:
            return self.run(numbers, how)
        except InputError:
            return None

    def _silent(self, run: Run | None) -> str:
        if run is None:
            return "f raises"
        return f"{len(self.places) - len(run.flows)} of {len(self.places)}"

    # The code

    def code(self, numbers: Sequence[int], how: How) -> tuple[list[str], str]:
        """The lines of f with the cuts marked in them, and what the lines cannot say."""
        function = self.written
        if function is None:
            return list(self.definition.lines), self.definition.missing
        edits, notes = self._edits(numbers, how)
        return function.lines(edits), " ".join(notes)

    def _edits(self, numbers: Sequence[int], how: How) -> tuple[list[Edit], list[str]]:
        function, edits, notes = self.written, list[Edit](), list[str]()
        if function is None:
            return [], []
        ops = [self._severed_op(number, how) for number in numbers]
        if how == "no_grad":
            edits = paused(function, dict.fromkeys(ops)) if ops else []
            silent = ops and not edits
        else:
            each = [
                detached(function, op, self.places[n - 1].input, how)
                for n, op in zip(numbers, ops, strict=True)
            ]
            edits = [edit for cut in each for edit in cut]
            silent = not all(each)
        if silent:
            notes.append("A cut has no place of its own in this code: it is made as f runs.")
        turns = {op.turn: self._turns(op) for op in ops if self._turns(op) > 1}
        for turn, of in turns.items():
            notes.append(f"Cut in turn {turn} of {of} alone; the code, as it stands, cuts in each.")
        return edits, notes

    def _severed_op(self, number: int, how: How) -> Op:
        """The op at whose place in the code a cut is written."""
        place = self.places[number - 1]
        call = self.uncut.paused_call(place) if how == "no_grad" else place.call
        return next(op for op, n in self.uncut.calls.items() if n == call)

    def listing(self, numbers: Sequence[int], how: How) -> str:
        """Plain PyTorch: f, f cut, and both gradients."""
        lines, notes = self.code(numbers, how)
        cut_f = [] if not numbers else [plain(line) for line in lines]
        x, f = self.name, self.definition.name
        needs_torch = ["import torch", "from torch import tensor", ""]
        out = [*needs_torch, *self.definition.script, ""]
        out += [f"{x} = {_literal(self.x)}.requires_grad_()", f"y = {f}({x})"]
        out += ["print(y.detach())", f"print(torch.autograd.grad(y.sum(), {x})[0])  # uncut"]
        if not numbers:
            return "\n".join(out) + "\n"
        run = self.run(numbers, how)
        if notes or not cut_f:
            out += ["", *self._replayed(numbers, how), "", "with Cut():", f"    y = {f}({x})"]
        else:
            out += ["", *cut_f, "", f"y = {f}({x})"]
        if run.problem:
            out += ["print(y.requires_grad)  # nothing leads back"]
        else:
            asked = f"torch.autograd.grad(y.sum(), {x}, allow_unused=True)[0]"
            out += [f"print({asked})  # cut"]
        return "\n".join(out) + "\n"

    def _replayed(self, numbers: Sequence[int], how: How) -> list[str]:
        """A mode that makes the cuts while f runs, where its text has no place for them."""
        places = [self.places[n - 1] for n in numbers]
        if how == "no_grad":
            calls = {self.uncut.paused_call(place) for place in places}
            return _MODE_PAUSED.format(calls=calls).split("\n")
        cuts = {tuple(place) for place in places}
        return _MODE_SEVERED.format(cuts=cuts, suffix=SPELLING[how]).split("\n")


_MODE_PAUSED = """\
from torch.overrides import TorchFunctionMode

class Cut(TorchFunctionMode):  # runs some of f's PyTorch calls, numbered from 0, under no_grad
    number = -1

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.number += 1
        with torch.set_grad_enabled(self.number not in {calls}):
            return func(*args, **(kwargs or {{}}))"""

_MODE_SEVERED = """\
from torch.overrides import TorchFunctionMode

class Cut(TorchFunctionMode):  # severs inputs of f's PyTorch calls: (call, input), from 0
    number = -1

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.number += 1
        number, place = self.number, iter(range(1000))

        def severed(argument):
            if isinstance(argument, torch.Tensor):
                return argument{suffix} if (number, next(place)) in {cuts} else argument
            if type(argument) in (list, tuple):
                return type(argument)(map(severed, argument))
            return argument

        named = {{key: argument for key, argument in (kwargs or {{}}).items()}}
        args = tuple(map(severed, args))
        return func(*args, **{{key: severed(argument) for key, argument in named.items()}})"""


def _fact_rows(name: str, leaf: bool, found: Sequence[Facts]) -> Iterator[tuple[str, list[str]]]:
    """The measured facts of each way; a leaf is no result of its own under ``no_grad``."""
    one = f"{name} goes on itself" if leaf else "one tensor only"
    edits = {
        "raises": "backward() raises",
        "goes wrong": "a wrong gradient, no error",
        "has no graph": "no graph to go back through",
    }
    if not leaf:
        yield "requires_grad of what goes on", [str(f.requires_grad) for f in found]
        yield f"{name} keeps its own graph", ["yes" if f.keeps_graph else "no" for f in found]
    yield f"shares {name}’s storage", [_shared(f.shares_storage, one) for f in found]
    yield "shares its version counter", [_shared(f.shares_version, one) for f in found]
    yield "edited in place, then back", [edits[f.after_edit] for f in found]


def _shared(fact: bool | None, otherwise: str) -> str:
    return otherwise if fact is None else "yes" if fact else "no"


def _outcome(run: Run | None) -> str:
    if run is None:
        return "f raises"
    return "backward() raises" if run.problem else _maybe(run.gradient)


def _sample(vertex: Vertex) -> Tensor:
    """The value of a vertex, or ones where it was too large to keep."""
    value = vertex.value
    if value is None or not value.complete or not value.dtype.is_floating_point:
        return torch.ones(2)
    return value.data


def _has_slot(vertex: Vertex) -> bool:
    return vertex.kind == "leaf" and bool(vertex.nodes)


def _assigned(op: Op) -> str:
    """The variable that the whole of this expression is assigned to; "" if it is part of one."""
    if op.site is None or not op.direct:
        return ""
    statement = re.fullmatch(r"(\w+) = (.*)", op.site.statement)
    return statement[1] if statement and statement[2] == op.text else ""


def _statement(vertex: Vertex) -> str:
    """The computation of a vertex, with the variable that it is assigned to."""
    if vertex.op is None:
        return vertex.kind
    variable = _assigned(vertex.op)
    return _shortened(f"{variable} = {vertex.op.text}" if variable else vertex.op.text)


def _inside(inner: Op, outer: Op) -> bool:
    """Does the expression of ``inner`` stand within that of ``outer``?"""
    a, b = inner.site, outer.site
    if a is None or b is None or a is b or a.span is None or b.span is None:
        return False
    begins = (b.span[0], b.span[2]) <= (a.span[0], a.span[2])
    ends = (a.span[1], a.span[3]) <= (b.span[1], b.span[3])
    return inner.direct and a.filename == b.filename and begins and ends


def _in_brackets(text: str) -> str:
    return text if re.fullmatch(r"[\w.]+(\(.*\))?", text) else f"({text})"


def _text(data: Tensor, shape: Sequence[int] | None = None) -> str:
    """A tensor, elided until it fits a box or an edge."""
    data, shape = (keep(data), data.shape) if shape is None else (data, shape)
    for limit in (8, 4, 2):
        text = formatting.array(data, shape, limit)
        if len(text) <= LONGEST_VALUE:
            return text
    return f"tensor {formatting.shape(shape)}"


def _lines(gradient: Tensor, close: bool) -> Lines:
    """How a gradient is written on an edge."""
    if close:
        return formatting.glimpse(keep(gradient), gradient.shape)
    return (_text(gradient),)


def _exact(data: Tensor) -> str:
    return formatting.exact(keep(data), data.shape)


def _maybe(gradient: Tensor | None) -> str:
    return "None" if gradient is None else _text(gradient)


def _said(gradient: Tensor | None) -> str:
    """A gradient in a sentence, which has more room than an edge."""
    text = _maybe(gradient)
    if gradient is None or not text.startswith("tensor"):
        return text
    longer = formatting.array(gradient, limit=4)
    return longer if len(longer) <= LONGEST_SAID else f"a {text}"


def _literal(x: Tensor) -> str:
    if x.numel() > COMPLETE:
        return f"torch.ones{tuple(x.shape)}"
    return formatting.exact(x.detach(), limit=COMPLETE)


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_LABEL else text[: LONGEST_LABEL - 1] + "…"
