"""``seegrad.cut(f, x)``: the graph of f(x) with scissors on every edge that carries a gradient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch import Tensor

from seegrad.drawing.boxes import PADDING, SLOT_GAP
from seegrad.drawing.cut_scene import (
    SPELLING,
    Arrival,
    Cutting,
    Drawing,
    Flow,
    Node,
    State,
    Wire,
)  # fmt: skip
from seegrad.drawing.layout import Point
from seegrad.errors import InputError
from seegrad.functions.severing import HOWS, Function, How
from seegrad.functions.written import pieces, plain
from seegrad.widgets.common import (
    GRADIENT_INK,
    GRADIENT_WASH,
    LINE_INK,
    QUIET_INK,
    TEXT_INK,
    VALUE_INK,
    VALUE_WASH,
    AnsweringPicture,
    script,
    style,
)
from seegrad.widgets.still import draw_label, draw_route, draw_texts, write


class Cut(AnsweringPicture):
    """The widget that ``seegrad.cut`` returns.

    ``picture`` is the graph, ``page`` what changes with the cuts. The page asks for the numbers of
    the edges to cut (``cuts``), and ``how``.
    """

    _esm = script("cut", "drawing")
    _css = style("cut", "drawing")

    picture = traitlets.Dict().tag(sync=True)
    page = traitlets.Dict().tag(sync=True)

    def __init__(self, cutting: Cutting | None = None, **traits: Any):
        self._cutting = cutting
        self._state: State | None = None
        if cutting is not None:
            traits["picture"] = asdict(cutting.picture)
        super().__init__(title=f"cut(f, {cutting.name if cutting else 'x'})", **traits)

    @property
    def cuts(self) -> tuple[int, ...]:
        """The numbers of the edges that are cut."""
        return () if self._state is None else self._state.numbers

    @property
    def how(self) -> How:
        """What cuts them."""
        return "detach" if self._state is None else self._state.how

    def snip(self, *edges: int, how: How | None = None) -> None:
        """Cut these edges too, by their numbers in the text; ``how`` is for all that are cut."""
        self._show([*self.cuts, *edges], how or self.how)

    def mend(self, *edges: int) -> None:
        """Restore these edges; all, if none is named."""
        self._show([n for n in self.cuts if edges and n not in edges], self.how)

    def answer(self, question: dict[str, Any]) -> None:
        """Show f with other edges cut, or in another way."""
        self._show(question["cuts"], question["how"])

    def words(self) -> str:
        """The text equivalent."""
        if self._cutting is None or self._state is None:
            return ""
        return "\n".join(_lines(self._cutting, self._state))

    def script(self) -> str:
        """The plain PyTorch that prints both gradients."""
        return "" if self._cutting is None else self._cutting.listing(self.cuts, self.how)

    def figure(self) -> Figure:
        """The code, the graph with its cuts and the gradients, as a matplotlib figure."""
        if self._cutting is None or self._state is None:
            return super().figure()
        return _figure(self._cutting.picture, self._state)

    def _show(self, edges: Sequence[int], how: str) -> None:
        """Run f with these cuts."""
        if self._cutting is not None:
            self._state = self._cutting.state(_known(edges, self._cutting), _known_way(how))
            self.page = _page(self._state)
            self.refresh()


def cut(f: Function, x: Tensor, edges: Sequence[int] = (), how: How = "detach") -> Cut:
    """Show the graph of f(x) with scissors on every edge along which a gradient comes back.

    A cut runs f again, with ``.detach()`` (or ``.data``, or ``no_grad``) at that very place: the
    gradients are PyTorch's. Your x, its ``.grad`` and the random state stay as they are.

    Parameters
    ----------
    f: a function of one tensor; if f(x) has several elements, the gradient is that of their sum.
    x: a tensor of floats, of any shape.
    edges: the edges that are cut at first, by their numbers in the text.
    how: "detach", "no_grad" or "data".

    A wrong input raises nothing: the widget says what was wrong and what to do.

    >>> import torch, seegrad
    >>> f = lambda x: ((x * x) * x).sum()
    >>> seegrad.cut(f, torch.arange(4.0), edges=[3])
    cut(f, x) at x = [0, 1, 2, 3]: f(x) = 36
    edges that carry a gradient
      1. x into x * x, input 1: [0, 1, 4, 9] uncut, nothing now
      2. x into x * x, input 2: [0, 1, 4, 9] uncut, nothing now
      3. x * x into (x * x) * x, input 1: [0, 1, 2, 3] uncut, cut by .detach()
      4. x into (x * x) * x, input 2: [0, 1, 4, 9]
      5. (x * x) * x into ((x * x) * x).sum(): [1, 1, 1, 1]
    gradient at x: [0, 3, 12, 27] uncut, [0, 1, 4, 9] now
    The gradient at x is [0, 1, 4, 9] instead of [0, 3, 12, 27]. That is x * x, number by number: \
a constant now.
    code
      f = lambda x: ((x * x).detach() * x).sum()
    ways to cut x * x: .detach() | no_grad | .data
      written: (x * x).detach() | with torch.no_grad(): x * x | (x * x).data
      edges that carry no gradient: 3 of 5 | 3 of 5 | 3 of 5
      gradient at x: [0, 1, 4, 9] | [0, 1, 4, 9] | [0, 1, 4, 9]
      requires_grad of what goes on: False | False | False
      x * x keeps its own graph: yes | no | yes
      shares x * x’s storage: yes | one tensor only | yes
      shares its version counter: yes | one tensor only | no
      edited in place, then back: backward() raises | no graph to go back through \
| a wrong gradient, no error
    """
    try:
        picture = Cut(Cutting(f, x))
        picture.snip(*edges, how=how)
    except InputError as problem:
        return Cut(problem=str(problem), alt=str(problem))
    return picture


def _known(edges: Sequence[int], cutting: Cutting) -> list[int]:
    """The numbers, if each is that of an edge."""
    count = len(cutting.places)
    for edge in edges:
        if edge not in range(1, count + 1):
            raise InputError(
                f"edges has {edge!r}, and there are {count} edges to cut, numbered from 1: "
                "their numbers stand in the text of the picture."
            )
    return list(edges)


def _known_way(how: str) -> How:
    for way in HOWS:
        if how == way:
            return way
    raise InputError(f'how is {how!r}; an edge can be cut by "detach", "no_grad" or "data".')


def _page(state: State) -> dict[str, Any]:
    """The state as the page takes it: plain data, the code in pieces."""
    return asdict(state) | {
        "code": [pieces(line) for line in state.code],
        "ways": None if state.ways is None else asdict(state.ways) | {"hows": HOWS},
    }


# The text equivalent


def _lines(cutting: Cutting, state: State) -> Iterator[str]:
    x = next(a for a in state.arrivals.values() if a.name == cutting.name)
    value = next(node.value for node in cutting.picture.nodes if node.label == cutting.name)
    yield f"cut(f, {cutting.name}) at {cutting.name} = {value}: {state.value}"
    yield "edges that carry a gradient"
    for wire in sorted(cutting.picture.wires, key=lambda wire: wire.number):
        if wire.number:
            yield f"  {wire.number}. {wire.text}: {_flow_text(state.flows[wire.id], state.how)}"
    for arrival in (x, *(a for a in state.arrivals.values() if a is not x)):
        now = f" uncut, {arrival.now} now" if state.numbers else ""
        yield f"gradient at {arrival.name}: {arrival.uncut}{now}"
    if state.numbers or cutting.own_detach or x.uncut not in state.sentence:
        yield state.sentence
    yield "code"
    yield from (f"  {plain(line)}" for line in state.code)
    if state.note:
        yield state.note
    if state.ways is not None:
        yield f"ways to cut {state.ways.of}: {' | '.join(state.ways.heads)}"
        yield from (f"  {name}: {' | '.join(cells)}" for name, cells in state.ways.rows)


def _flow_text(flow: Flow, how: How) -> str:
    if flow.state == "severed":
        return f"{flow.uncut} uncut, cut by {SPELLING[how]}"
    if flow.state == "idle":
        return f"{flow.uncut} uncut, nothing now"
    return flow.gradient if flow.gradient == flow.uncut else f"{flow.uncut} uncut, {flow.gradient}"


# The still picture

_DPI = 96
_LINE = 20.0  # px
_MARGIN = 20.0


def _figure(scene: Drawing, state: State) -> Figure:
    """Code, graph and sentence, drawn by matplotlib at one unit a pixel."""
    head, foot = (len(state.code) + 1) * _LINE, 2.5 * _LINE
    longest = max(len(state.sentence) * 7.0, max(len(line) for line in state.code) * 8.5)
    width = max(scene.width + len(scene.root) * 8.5, longest) + 2 * _MARGIN
    height = scene.height + head + foot + 2 * _MARGIN
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(-_MARGIN, width - _MARGIN)
    axes.set_ylim(scene.height + foot + _MARGIN, -head - _MARGIN)
    axes.axis("off")
    for number, line in enumerate(state.code):
        _draw_code(axes, number * _LINE - head, pieces(line))
    for wire in scene.wires:
        _draw_wire(axes, wire, state.flows.get(wire.id))
    draw_route(axes, scene.root_points, GRADIENT_INK, True)
    write(axes, *_beyond(scene.root_points[-1]), scene.root, TEXT_INK)
    for node in scene.nodes:
        _draw_node(axes, node)
        if node.id in state.arrivals:
            _draw_slot(axes, node, state.arrivals[node.id], bool(state.numbers))
    write(axes, 0, scene.height + 1.5 * _LINE, state.sentence, TEXT_INK, 10)
    return figure


def _beyond(point: Point) -> Point:
    return point[0] + 6, point[1]


def _draw_code(axes: Axes, y: float, parts: Sequence[tuple[str, bool]]) -> None:
    column = 0
    for text, added in parts:
        ink = GRADIENT_INK if added else TEXT_INK
        write(axes, column * 8.05, y, text, ink, 10, weight="bold" if added else "normal")
        column += len(text)


def _draw_node(axes: Axes, node: Node) -> None:
    leaf = node.kind == "leaf"
    box = FancyBboxPatch(
        (node.x, node.y), node.width, node.height,
        boxstyle=f"round,pad=0,rounding_size={14 if leaf else 5}",
        facecolor=VALUE_WASH if leaf else "white", edgecolor=VALUE_INK if leaf else LINE_INK,
        linestyle="--" if node.kind == "constant" else "-", linewidth=1.5,
    )  # fmt: skip
    axes.add_patch(box)
    draw_texts(axes, (node.x, node.y), node.texts)


def _draw_slot(axes: Axes, node: Node, arrival: Arrival, cut_: bool) -> None:
    y = node.y + node.height + SLOT_GAP
    box = FancyBboxPatch(
        (node.x, y), node.width, node.slot, boxstyle="round,pad=0,rounding_size=8",
        facecolor=GRADIENT_WASH, edgecolor=GRADIENT_INK, linewidth=1.2,
    )  # fmt: skip
    axes.add_patch(box)
    before = f"uncut {arrival.uncut}" if cut_ else "gradient"
    row = (node.slot - 12) / (1 + len(arrival.lines))
    for number, line in enumerate([before, *arrival.lines]):
        middle = y + 6 + (number + 0.5) * row
        ink, size = (GRADIENT_INK, 9.5) if number else (QUIET_INK, 8.8)
        write(axes, node.x + PADDING, middle, line, ink, size)


def _draw_wire(axes: Axes, wire: Wire, flow: Flow | None) -> None:
    if flow is None:
        draw_route(axes, wire.points, LINE_INK, False, "-" if wire.kind == "constant" else ":")
        draw_label(axes, wire.label, (wire.word,), QUIET_INK)
    elif flow.state == "flowing":
        draw_route(axes, wire.points, GRADIENT_INK, True)
        draw_label(axes, wire.label, flow.lines, GRADIENT_INK)
    else:
        draw_route(axes, wire.points, LINE_INK, False, ":" if flow.state == "severed" else "-")
        draw_label(axes, wire.label, flow.lines, TEXT_INK)
