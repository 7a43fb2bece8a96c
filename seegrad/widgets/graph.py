"""``seegrad.graph(y)``: the computational graph of y, and the backward pass travelling it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import traitlets
from matplotlib.figure import Figure
from torch import Tensor

from seegrad.backward import Pass, remembered, replay, require_gradient, seed_for
from seegrad.drawing.detail import Detail, detail, saved_message
from seegrad.drawing.folding import Folded, Group, Passage, fold, passages, step_of
from seegrad.drawing.listing import listing
from seegrad.drawing.narration import lines, saved_lines
from seegrad.drawing.scene import Node, Scene, compose
from seegrad.drawing.words import is_own_function
from seegrad.errors import FreedError, InputError
from seegrad.memory import Memory
from seegrad.recording import unrecorded
from seegrad.recording.names import ModuleNames, Names, module_names_in_reach, names_in_reach
from seegrad.structure import Stop, Structure, Vertex, itinerary, structure
from seegrad.widgets.common import Picture, mathml, script, style
from seegrad.widgets.graph_figure import figure_of


@dataclass(frozen=True, slots=True)
class _Subject:
    """What a picture is of, kept in the kernel to answer the page's questions from."""

    graph: Structure
    run: Pass | None
    names: Names
    module_names: ModuleNames
    stops: tuple[Stop, ...]
    remark: str


class Graph(Picture):
    """The widget that ``seegrad.graph`` returns.

    ``step`` says how far the backward pass has come: 0 before it, ``steps`` when it is over.
    ``selected`` is the id of the box whose detail is open, "" for none. ``opened`` lists the ids of
    the folded boxes that were unfolded. ``memory`` says whether boxes are coloured by the bytes
    that they saved for backward.
    """

    _esm = script("graph", "drawing")
    _css = style("graph", "drawing")

    picture = traitlets.Dict().tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)
    selected = traitlets.Unicode().tag(sync=True)
    detail = traitlets.Dict().tag(sync=True)
    opened = traitlets.List(traitlets.Unicode()).tag(sync=True)
    memory = traitlets.Bool(False).tag(sync=True)
    saved = traitlets.Dict().tag(sync=True)

    def __init__(self, subject: _Subject | None = None, **traits: Any):
        self._subject = subject
        self._scene: Scene | None = None
        self._folded: Folded | None = None
        self._groups: dict[str, Group] = {}
        self._passages: Sequence[Stop | Passage] = ()
        super().__init__(title="graph(y)", **traits)
        if subject is not None:
            self._compose(subject)

    @property
    def steps(self) -> int:
        """How many steps the backward pass has; 0 if it cannot run."""
        return 0 if self._scene is None else len(self._scene.steps)

    def figure(self) -> Figure:
        """The whole picture, every gradient on its edge, as a matplotlib figure."""
        if self._scene is None:
            return super().figure()
        return figure_of(self._scene, self.remark, self.saved.get("of", {}))

    def code(self) -> str:
        """The plain PyTorch that reproduces the numbers."""
        subject = self._subject
        if subject is not None and not self.listing:
            seed = subject.run.seed if subject.run else None
            self.listing = listing(subject.graph, seed, subject.names)
        return self.listing

    @unrecorded
    def _compose(self, subject: _Subject) -> None:
        """Draw what is to be drawn now, at the stop of the pass where the picture was."""
        before, over = self._passages, 0 < self.step == self.steps
        here = _vertex_at(before[self.step - 1]) if 0 < self.step <= len(before) else None
        self._folded = fold(subject.graph, self.opened)
        self._groups = {item.id: item for item in self._folded.items if isinstance(item, Group)}
        self._passages = passages(subject.stops, self._folded)
        self._scene = compose(
            subject.graph,
            subject.run,
            subject.names,
            self._folded,
            self._passages,
            subject.module_names,
        )
        ids = {node.id for node in self._scene.nodes}
        with self.hold_sync():
            self.title = f"graph({self._scene.root.name})"
            if here is not None:
                self.step = self.steps if over else step_of(here, self._passages, self._folded)
            self.selected = self.selected if self.selected in ids else ""
            self.still = ""
            self.picture = _as_message(self._scene)
            self._weigh(subject)
            if not self._folded.less:
                self.code()

    def _weigh(self, subject: _Subject) -> None:
        """Say what was saved for backward, if that is asked for; put all that is shown in words."""
        if self._scene is None or self._folded is None:
            return
        weights = Memory(subject.graph) if self.memory else None
        boxes = {node.id: self._members(subject, node) for node in self._scene.nodes}
        self.saved = {} if weights is None else saved_message(weights, boxes)
        text = [*lines(self._scene, subject.remark), *saved_lines(self._scene, self.saved)]
        self.remark, self.text, self.alt = subject.remark, "\n".join(text), "\n".join(text)

    @traitlets.observe("opened")
    def _open(self, _: Any) -> None:
        if self._subject is not None:
            self._compose(self._subject)

    @traitlets.observe("memory")
    def _colour(self, _: Any) -> None:
        if self._subject is not None:
            with self.hold_sync():
                self._weigh(self._subject)
                self.still = ""

    @traitlets.observe("face")
    def _write_code(self, change: dict[str, Any]) -> None:
        """The code of a large graph is written when it is first asked for."""
        if change["new"] == "code":
            self.code()

    @traitlets.observe("selected")
    def _answer(self, change: dict[str, Any]) -> None:
        if self._subject is not None and self._scene is not None and change["new"]:
            self.detail = self._detail(self._subject, self._scene, change["new"])

    @unrecorded
    def _detail(self, subject: _Subject, scene: Scene, node_id: str) -> Detail:
        node = next(node for node in scene.nodes if node.id == node_id)
        return detail(node, self._members(subject, node), Memory(subject.graph))

    def _members(self, subject: _Subject, node: Node) -> tuple[Vertex, ...]:
        """The vertices that a box stands for."""
        if not node.folded:
            return (subject.graph.vertices[int(node.id.removeprefix("n").split(".")[0])],)
        group = self._groups[node.folded]
        return group.ops + group.sources


def _vertex_at(step: Stop | Passage) -> Vertex:
    """Where the pass was last when this step was over."""
    return step.vertex if isinstance(step, Stop) else step.inside[-1].vertex


@unrecorded
def graph(y: Tensor, v: Tensor | None = None, memory: bool = False) -> Graph:
    """Show what y was computed from, and replay the backward pass through it step by step.

    Looking changes nothing: not ``.grad``, not the graph, not the random state.

    Parameters
    ----------
    y: any tensor that requires a gradient. Run its code after ``%load_ext seegrad`` (or inside
        ``with seegrad.record():``) and the picture has its values and source too.
    v: the upstream gradient to start from, of y's shape; needed if y has more than one element.
    memory: colour the boxes by the bytes they saved for backward, and say how many those are.

    A large graph is drawn folded: the turns of a loop, the calls of a module and long rows of ops
    are one box each, and a click unfolds it.

    A wrong input raises nothing: the widget says what was wrong and what to do.

    >>> import torch, seegrad
    >>> with seegrad.record():
    ...     x = torch.arange(4.0, requires_grad=True)
    ...     y = 2 * torch.dot(x, x)
    >>> seegrad.graph(y)
    graph of y = 28, 1 leaf, 2 ops
    forward
      x = [0, 1, 2, 3]  leaf · (4,)
      torch.dot(x, x) = 14  DotBackward0
      2 * … = 28  MulBackward0
    backward, 3 steps
      1. 2 * …: 1 arrives
         1 · 2 = 2 goes to torch.dot(x, x)
      2. torch.dot(x, x): 2 arrives
         2 · [0, 1, 2, 3] = [0, 2, 4, 6] goes to x
         2 · [0, 1, 2, 3] = [0, 2, 4, 6] goes to x
      3. x: [0, 2, 4, 6] + [0, 2, 4, 6] = [0, 4, 8, 12] arrives
         x.grad: None before, [0, 4, 8, 12] after
    """
    names, module_names = names_in_reach(), module_names_in_reach()
    try:
        require_gradient(y)
    except InputError as problem:
        return Graph(problem=str(problem), alt=str(problem))
    run, remark = _pass(y, v)
    picture = structure(y)
    remark = " ".join(part for part in (remark, *_remarks(picture)) if part)
    stops = itinerary(picture, run) if run is not None else ()
    return Graph(_Subject(picture, run, names, module_names, stops, remark), memory=memory)


def _pass(y: Tensor, v: Tensor | None) -> tuple[Pass | None, str]:
    """The pass to show, and what must be said about it."""
    try:
        return replay(y, v), ""
    except FreedError as freed:
        passes = remembered(y)
        if not passes or (v is not None and not seed_for(y, v).equal(passes[-1].seed)):
            return None, f"{freed} The values below are those that were recorded."
        return passes[-1], (
            "backward() has run and freed this graph, so it cannot run again: "
            "these are the gradients it computed then."
        )
    except InputError as problem:
        return None, str(problem)


def _remarks(picture: Structure) -> Iterator[str]:
    """What a learner should know about these values before reading the picture."""
    ops = [vertex for vertex in picture.vertices if vertex.kind == "op"]
    if any(vertex.op is None and not is_own_function(vertex) for vertex in ops):
        yield (
            "Some of this ran while nothing was recorded, so only PyTorch's own names for it are "
            "known: put %load_ext seegrad in the first cell and run the cells after it again."
        )
    if not ops:
        yield "This is a leaf: nothing was computed yet, so a gradient would go straight to .grad."
    spoilt = next((vertex for vertex in picture.vertices if _has_nan(vertex)), None)
    if spoilt is not None:
        where = f"made by {spoilt.op.text}" if spoilt.op is not None else f"in this {spoilt.kind}"
        yield f"The first NaN is {where}: a gradient that passes there may be NaN too."


def _has_nan(vertex: Vertex) -> bool:
    data = None if vertex.value is None else vertex.value.data
    return data is not None and not data.is_meta and bool(data.isnan().any())


def _as_message(scene: Scene) -> dict[str, Any]:
    """The scene as the page takes it: plain data, formulas as MathML."""
    message = asdict(scene)
    for step in message["steps"]:
        step["rule"]["mathml"] = mathml(step["rule"]["latex"])
        step["arriving"]["of"] = mathml(step["arriving"]["of"])
    return message
