"""The still picture of a graph: its scene, drawn by matplotlib."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from seegrad.drawing.boxes import PADDING, SMALL_CHARACTER
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
from seegrad.widgets.still import draw_label, draw_route, draw_texts, write

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
    steps = {step.node: step.grad for step in scene.steps}
    # a leaf that is drawn at each of its uses has its step at one of them
    names = {grad.name: grad for grad in steps.values() if grad}
    for node in scene.nodes:
        _draw_node(axes, node, saved.get(node.id))
        if node.slot is not None:
            grad = steps.get(node.id) or names.get(f"{node.label}.grad")
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
    note = saved["text"] if saved else None
    draw_texts(axes, (node.x, node.y), node.texts, note)
    right = node.x + node.width - 6
    for mark in reversed(node.marks):
        _draw_tag(axes, right, node.y, mark)
        right -= SMALL_CHARACTER * len(mark) + 16


def _draw_tag(axes: Axes, right: float, y: float, mark: str) -> None:
    width = SMALL_CHARACTER * len(mark) + 10
    _draw_box(axes, right - width, y - 8, width, 16, 4, QUIET_INK, "white")
    write(axes, right - width / 2, y, mark, QUIET_INK, 8.8, "center")


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
    row = (slot.height - 12) / (1 + len(slot.lines))
    rows = [".grad after", *slot.lines] if text else ["no gradient"]
    for number, line in enumerate(rows):
        middle = slot.y + 6 + (number + 0.5) * row
        ink, size = (GRADIENT_INK, 9.5) if number else (QUIET_INK, 8.8)
        write(axes, slot.x + PADDING, middle, line, ink, size)


def _draw_edge(axes: Axes, edge: Arrow) -> None:
    ink = GRADIENT_INK if edge.gradient else LINE_INK
    draw_route(axes, edge.points, ink, bool(edge.gradient))
    draw_label(axes, edge.label, edge.lines, ink if edge.gradient else QUIET_INK)


def _draw_root(axes: Axes, root: Root) -> None:
    ink = GRADIENT_INK if root.gradient else LINE_INK
    draw_route(axes, root.points, ink, bool(root.gradient))
    draw_label(axes, root.label, root.lines, GRADIENT_INK)
    x, y = root.points[-1]
    write(axes, x + 6, y, root.name, TEXT_INK)
