"""``seegrad.graph(y)``: the computational graph of y, and the backward pass travelling it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path
from torch import Tensor

from seegrad import formatting
from seegrad.backward import Pass, local_jacobian, remembered, replay, require_gradient, seed_for
from seegrad.errors import FreedError, InputError
from seegrad.layout import Point
from seegrad.listing import listing
from seegrad.names import names_in_reach
from seegrad.recording import unrecorded
from seegrad.scene import Arrow, Node, Root, Scene, SceneStep, compose
from seegrad.snapshot import keep
from seegrad.structure import Structure, Vertex, structure
from seegrad.widgets.common import (
    GRADIENT_INK,
    GRADIENT_WASH,
    LINE_INK,
    QUIET_INK,
    TEXT_INK,
    VALUE_INK,
    VALUE_WASH,
    Picture,
    mathml,
    script,
    style,
)

LARGEST_JACOBIAN = 256
"""A local Jacobian of up to this many entries is written out when its box is clicked."""

Detail = dict[str, Any]


class Graph(Picture):
    """The widget that ``seegrad.graph`` returns.

    ``step`` says how far the backward pass has come: 0 before it, ``steps`` when it is over.
    ``selected`` is the id of the box whose detail is open, "" for none.
    """

    _esm = script("graph")
    _css = style("graph")

    picture = traitlets.Dict().tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)
    selected = traitlets.Unicode().tag(sync=True)
    detail = traitlets.Dict().tag(sync=True)

    def __init__(self, scene: Scene | None = None, graph: Structure | None = None, **traits: Any):
        self._scene = scene
        self._graph = graph
        if scene is not None:
            traits["picture"] = _as_message(scene)
        super().__init__(title="graph(y)", **traits)

    @property
    def steps(self) -> int:
        """How many steps the backward pass has; 0 if it cannot run."""
        return 0 if self._scene is None else len(self._scene.steps)

    def figure(self) -> Figure:
        """The whole picture, every gradient on its edge, as a matplotlib figure."""
        return super().figure() if self._scene is None else _figure(self._scene, self.remark)

    @traitlets.observe("selected")
    def _answer(self, change: dict[str, Any]) -> None:
        if self._graph is not None and self._scene is not None and change["new"]:
            self.detail = _detail(change["new"], self._graph, self._scene)


@unrecorded
def graph(y: Tensor, v: Tensor | None = None) -> Graph:
    """Show what y was computed from, and replay the backward pass through it step by step.

    Looking changes nothing: not ``.grad``, not the graph, not the random state.

    Parameters
    ----------
    y: any tensor that requires a gradient. Run its code after ``%load_ext seegrad`` (or inside
        ``with seegrad.record():``) and the picture has its values and source too.
    v: the upstream gradient to start from, of y's shape; needed if y has more than one element.

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
    names = names_in_reach()
    try:
        require_gradient(y)
    except InputError as problem:
        return Graph(problem=str(problem), alt=str(problem))
    run, remark = _pass(y, v)
    picture = structure(y)
    scene = compose(picture, run, names)
    remark = " ".join(part for part in (remark, *_remarks(picture)) if part)
    text = "\n".join(_lines(scene, remark))
    return Graph(
        scene,
        picture,
        remark=remark,
        text=text,
        listing=listing(picture, run.seed if run else None, names),
        alt=text,
    )


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
    if any(vertex.op is None for vertex in ops):
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
    value = vertex.value
    return value is not None and not value.data.is_meta and bool(value.data.isnan().any())


def _as_message(scene: Scene) -> dict[str, Any]:
    """The scene as the page takes it: plain data, formulas as MathML."""
    message = asdict(scene)
    for step in message["steps"]:
        step["rule"]["mathml"] = mathml(step["rule"]["latex"])
        step["arriving"]["of"] = mathml(step["arriving"]["of"])
    return message


# The text equivalent


def _lines(scene: Scene, remark: str) -> Iterator[str]:
    kinds = [node.kind for node in scene.nodes]
    result = scene.nodes[-1].value
    sizes = f"{_count(kinds.count('leaf'), 'leaf')}, {_count(kinds.count('op'), 'op')}"
    yield f"graph of {scene.root.name} = {result}, {sizes}"
    if remark:
        yield remark
    yield "forward"
    for node in scene.nodes:
        if node.kind != "constant" or node.value:
            tags = "".join(f" [{mark}]" for mark in node.marks)
            yield f"  {node.label} = {node.value or '?'}  {node.note}{tags}"
    yield from (f"  {edge.word}: {_names(scene, edge)}" for edge in scene.edges if edge.word)
    if scene.steps:
        yield f"backward, {_count(len(scene.steps), 'step')}"
    for number, step in enumerate(scene.steps, 1):
        yield from _step_lines(number, step)


def _names(scene: Scene, edge: Arrow) -> str:
    label = {node.id: node.label for node in scene.nodes}
    return f"no gradient goes from {label[edge.target]} to {label[edge.source]}"


def _step_lines(number: int, step: SceneStep) -> Iterator[str]:
    terms = " + ".join(step.arriving.terms)
    arriving = f"{terms} = {step.arriving.text}" if terms else step.arriving.text
    yield f"  {number}. {step.name}: {arriving} arrives"
    for sent in step.sent:
        yield f"     {sent.text} goes to {sent.to}"
    if step.grad is not None:
        yield f"     {step.grad.name}: {step.grad.before} before, {step.grad.after} after"


def _count(number: int, noun: str) -> str:
    plural = {"leaf": "leaves"}.get(noun, f"{noun}s")
    return f"{number} {noun if number == 1 else plural}"


# What a click on a box answers


def _detail(node_id: str, picture: Structure, scene: Scene) -> Detail:
    node = next(node for node in scene.nodes if node.id == node_id)
    vertex = picture.vertices[int(node_id.removeprefix("n").split(".")[0])]
    rows = [row for row in _rows(node, vertex) if row["text"]]
    return {"node": node_id, "heading": node.label, "rows": rows, "jacobian": _jacobian(vertex)}


def _rows(node: Node, vertex: Vertex) -> Iterator[dict[str, str]]:
    value = vertex.value
    yield {"term": "value", "text": node.value, "title": node.exact}
    if value is not None:
        yield {"term": "shape and dtype", "text": f"{formatting.shape(value.shape)}, {value.dtype}"}
    if vertex.op is not None and vertex.op.site is not None:
        yield {"term": "code", "text": vertex.op.site.statement}
    for autograd_node in vertex.nodes:
        yield {"term": "autograd node", "text": autograd_node.name()}
        yield from _saved(autograd_node)


def _saved(autograd_node: Any) -> Iterator[dict[str, str]]:
    """What the node keeps for its turn in the backward pass."""
    for attribute in sorted(name for name in dir(autograd_node) if name.startswith("_saved_")):
        try:
            saved = getattr(autograd_node, attribute)
        except RuntimeError:
            saved = "freed by backward()"
        if saved is None:
            continue
        text = (
            formatting.array(keep(saved), saved.shape) if isinstance(saved, Tensor) else str(saved)
        )
        yield {"term": f"saved: {attribute.removeprefix('_saved_')}", "text": text}


def _jacobian(vertex: Vertex) -> dict[str, Any] | None:
    """The op's own Jacobian, input beside input, if it is small enough to be read."""
    value, op = vertex.value, vertex.op
    if value is None or op is None or len(vertex.nodes) != 1:
        return None
    entries = sum(i.shape.numel() for i in op.inputs if i.requires_grad) * value.shape.numel()
    if not 0 < entries <= LARGEST_JACOBIAN or not value.dtype.is_floating_point:
        return None
    blocks = local_jacobian(vertex.nodes[0], value.shape, value.dtype)
    if not blocks:
        return None
    matrix = [
        [entry for block in blocks for entry in block[row].tolist()]
        for row in range(len(blocks[0]))
    ]
    return {
        "rows": [_entry_name("y", index, value.shape) for index in range(len(matrix))],
        "columns": [
            _entry_name("abcdefgh"[which % 8], index, block.shape[1:])
            for which, block in enumerate(blocks)
            for index in range(block.shape[1])
        ],
        "cells": [[formatting.number(entry) for entry in row] for row in matrix],
        "values": matrix,
    }


def _entry_name(letter: str, index: int, shape: Sequence[int]) -> str:
    """``y`` for the only element, ``y[2]`` in a vector, ``y[1, 0]`` in a matrix."""
    place = []
    for size in reversed(shape):
        index, within = divmod(index, size)
        place.append(str(within))
    return f"{letter}[{', '.join(reversed(place))}]" if place else letter


# The still picture

_DPI = 96
_FOOT = 28.0  # pixels under the drawing, for the remark


def _figure(scene: Scene, remark: str) -> Figure:
    """The scene at its last step, drawn by matplotlib at one unit a pixel."""
    width, height = scene.width + 40, scene.height + 40 + (_FOOT if remark else 0)
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(-20, scene.width + 20)
    axes.set_ylim(height - 20, -20)
    axes.axis("off")
    for edge in scene.edges:
        _draw_edge(axes, edge)
    _draw_root(axes, scene.root)
    grads = {step.node: step.grad for step in scene.steps}
    for node in scene.nodes:
        _draw_node(axes, node)
        if node.slot is not None:
            grad = grads.get(node.id)
            _draw_slot(axes, node, f"will be {grad.after}" if grad else "")
    if remark:
        axes.text(0, scene.height + 24, remark, size=8, color=QUIET_INK, va="top")
    return figure


def _draw_node(axes: Axes, node: Node) -> None:
    leaf, constant = node.kind == "leaf", node.kind == "constant"
    axes.add_patch(
        FancyBboxPatch(
            (node.x, node.y),
            node.width,
            node.height,
            boxstyle=f"round,pad=0,rounding_size={14 if leaf else 5}",
            facecolor=VALUE_WASH if leaf else "white",
            edgecolor=VALUE_INK if leaf else LINE_INK,
            linestyle="--" if constant else "-",
            linewidth=1.5,
        )
    )
    left, right = node.x + 14, node.x + node.width - 14
    top, bottom = node.y + 21, node.y + node.height - 19
    _write(axes, left, top, node.label, TEXT_INK)
    _write(axes, left, bottom if node.value else top, node.value, VALUE_INK)
    _write(axes, right, top if leaf or constant else bottom, node.note, QUIET_INK, 8, "right")
    tags = " ".join(node.marks)
    _write(axes, right, top, tags, QUIET_INK, 8, "right")


def _draw_slot(axes: Axes, node: Node, text: str) -> None:
    slot = node.slot
    if slot is None:
        return
    axes.add_patch(
        FancyBboxPatch(
            (slot.x, slot.y),
            slot.width,
            slot.height,
            boxstyle="round,pad=0,rounding_size=8",
            facecolor=GRADIENT_WASH if text else "white",
            edgecolor=GRADIENT_INK,
            linestyle="--",
            linewidth=1.2,
        )
    )
    _write(axes, slot.x + 14, slot.y + 16, ".grad", QUIET_INK, 8)
    _write(axes, slot.x + 14, slot.y + 35, text, GRADIENT_INK)


def _draw_edge(axes: Axes, edge: Arrow) -> None:
    ink = GRADIENT_INK if edge.gradient else LINE_INK
    _draw_route(axes, edge.points, ink, bool(edge.gradient))
    _label(
        axes, edge.label, edge.gradient or edge.word, GRADIENT_INK if edge.gradient else QUIET_INK
    )


def _draw_root(axes: Axes, root: Root) -> None:
    ink = GRADIENT_INK if root.gradient else LINE_INK
    _draw_route(axes, root.points, ink, bool(root.gradient))
    _label(axes, root.label, root.gradient, GRADIENT_INK)
    x, y = root.points[-1]
    _write(axes, x + 6, y, root.name, TEXT_INK)


def _draw_route(axes: Axes, points: Sequence[Point], ink: str, travelled: bool) -> None:
    """A smooth curve through the points; an arrow head at its left end once it is travelled."""
    vertices, codes = [points[0]], [Path.MOVETO]
    for (x0, y0), (x1, y1) in pairwise(points):
        middle = (x0 + x1) / 2
        vertices += [(middle, y0), (middle, y1), (x1, y1)]
        codes += [Path.CURVE4] * 3
    axes.add_patch(
        PathPatch(
            Path(vertices, codes), fill=False, edgecolor=ink, linewidth=2 if travelled else 1.2
        )
    )
    if travelled:
        x, y = points[0]
        axes.fill([x, x + 10, x + 10], [y, y - 5, y + 5], color=ink)


def _label(axes: Axes, place: Point, text: str, ink: str) -> None:
    axes.text(*place, text, color=ink, size=9.5, family="monospace", ha="center", va="center")


def _write(
    axes: Axes, x: float, y: float, text: str, ink: str, size: float = 10.0, side: str = "left"
) -> None:
    # Dollar signs would begin a formula: the text is the learner's own code.
    plain = text.replace("$", r"\$")
    axes.text(x, y, plain, color=ink, size=size, family="monospace", ha=side, va="center")
