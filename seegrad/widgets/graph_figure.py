"""The still picture of a graph: its scene, drawn by matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path

from seegrad.drawing.layout import Point
from seegrad.drawing.scene import Arrow, Node, Root, Scene
from seegrad.widgets.common import (
    GRADIENT_INK,
    GRADIENT_WASH,
    LINE_INK,
    QUIET_INK,
    TEXT_INK,
    VALUE_INK,
    VALUE_WASH,
)

MEMORY_INK = "#8fd0bd"  # as --memory in graph.css

_DPI = 96
_FOOT = 28.0  # pixels under the drawing, for the remark


def figure_of(scene: Scene, remark: str, saved: Mapping[str, Mapping[str, Any]]) -> Figure:
    """The scene at its last step, drawn by matplotlib at one unit a pixel.

    ``saved`` has what the boxes saved for backward (see ``detail.saved_message``), if that is asked
    for.
    """
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
        _draw_node(axes, node, saved.get(node.id))
        if node.slot is not None:
            grad = grads.get(node.id)
            _draw_slot(axes, node, grad.after if grad else "")
    if remark:
        axes.text(0, scene.height + 24, remark, size=8, color=QUIET_INK, va="top")
    return figure


def _draw_node(axes: Axes, node: Node, saved: Mapping[str, Any] | None) -> None:
    leaf, constant = node.kind in ("leaf", "sources"), node.kind == "constant"
    for rise in (8, 4) if node.folded else ():
        _draw_box(
            axes, node.x + rise, node.y - rise, node.width - 2 * rise, 16, 5, LINE_INK, "white"
        )
    _draw_box(
        axes,
        node.x,
        node.y,
        node.width,
        node.height,
        14 if leaf else 5,
        VALUE_INK if leaf else LINE_INK,
        _shade(saved["share"]) if saved else VALUE_WASH if leaf else "white",
        "--" if constant else "-",
    )
    left, right = node.x + 14, node.x + node.width - 14
    top, bottom = node.y + 21, node.y + node.height - 19
    note = saved["text"] if saved else node.note
    _write(axes, left, top, node.label, TEXT_INK)
    _write(axes, left, bottom if node.value else top, node.value, VALUE_INK)
    _write(axes, right, top if leaf or constant else bottom, note, QUIET_INK, 8, "right")
    tags = " ".join(node.marks)
    _write(axes, right, top, tags, QUIET_INK, 8, "right")


def _draw_box(
    axes: Axes,
    x: float,
    y: float,
    width: float,
    height: float,
    radius: float,
    edge: str,
    face: str,
    style: str = "-",
) -> None:
    axes.add_patch(
        FancyBboxPatch(
            (x, y),
            width,
            height,
            boxstyle=f"round,pad=0,rounding_size={radius}",
            facecolor=face,
            edgecolor=edge,
            linestyle=style,
            linewidth=1.5,
        )
    )


def _shade(share: float) -> str:
    """The colour of a share of the memory, between white and ``MEMORY_INK``."""
    full = [int(MEMORY_INK[at : at + 2], 16) for at in (1, 3, 5)]
    mixed = [round(255 + (colour - 255) * share) for colour in full]
    return "#" + "".join(f"{colour:02x}" for colour in mixed)


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
    _write(axes, slot.x + 14, slot.y + 16, ".grad after" if text else ".grad", QUIET_INK, 8)
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
