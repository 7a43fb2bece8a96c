"""What the still pictures of graph and cut share: edges, labels and texts, drawn by matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from seegrad.drawing.boxes import LABEL_LINE, Text
from seegrad.drawing.layout import Point
from seegrad.widgets.common import QUIET_INK, TEXT_INK, VALUE_INK

_INKS = {"name": TEXT_INK, "value": VALUE_INK, "note": QUIET_INK}


def draw_route(
    axes: Axes, points: Sequence[Point], ink: str, travelled: bool, line: str = "-"
) -> None:
    """A curve through the points; an arrow head at its left end once a gradient travels it."""
    vertices, codes = [points[0]], [Path.MOVETO]
    for (x0, y0), (x1, y1) in pairwise(points):
        if x1 <= x0:  # on its way to the next line
            vertices.append((x1, y1))
            codes.append(Path.LINETO)
            continue
        middle = (x0 + x1) / 2
        vertices += [(middle, y0), (middle, y1), (x1, y1)]
        codes += [Path.CURVE4] * 3
    width = 2.0 if travelled else 1.2
    axes.add_patch(
        PathPatch(
            Path(vertices, codes),
            fill=False,
            edgecolor=ink,
            linestyle=line,
            linewidth=width,
            joinstyle="round",
        )
    )
    if travelled:
        x, y = points[0]
        axes.fill([x, x + 10, x + 10], [y, y - 5, y + 5], color=ink)


def draw_label(axes: Axes, place: Point, lines: Sequence[str], ink: str) -> None:
    """Lines around a place, on a ground that hides an edge behind them."""
    halo = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
    top = place[1] - (len(lines) - 1) * LABEL_LINE / 2
    for row, line in enumerate(lines):
        if line:
            write(axes, place[0], top + row * LABEL_LINE, line, ink, 9.5, "center", halo)


def draw_texts(axes: Axes, corner: Point, texts: Sequence[Text], note: str | None = None) -> None:
    """What is written in a box; perhaps another note."""
    for text in texts:
        if note is not None and text.ink == "note":
            said, note = note, ""
        else:
            said = text.text
        side = "right" if text.at_end else "left"
        size = 8.8 if text.ink == "note" else 9.5
        write(axes, corner[0] + text.x, corner[1] + text.y, said, _INKS[text.ink], size, side)


def write(
    axes: Axes,
    x: float,
    y: float,
    text: str,
    ink: str,
    size: float = 9.5,
    side: str = "left",
    ground: dict[str, object] | None = None,
    weight: str = "normal",
) -> None:
    """A line of the learner's code or numbers: its dollar signs begin no formula."""
    axes.text(
        x,
        y,
        text.replace("$", r"\$"),
        color=ink,
        size=size,
        family="monospace",
        ha=side,
        va="center",
        bbox=ground,
        weight=weight,
    )
