"""The still picture of a Jacobian, drawn by matplotlib."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from torch import Tensor

from seegrad import formatting
from seegrad.drawing.jacobian_words import column_name, indices, place
from seegrad.functions.asking import element
from seegrad.functions.window import Look
from seegrad.widgets.common import GRADIENT_INK, QUIET_INK, TEXT_INK, VALUE_INK

WRITTEN = 10
"""Up to this many columns have room for their numbers; beyond, the colour tells."""

NEGATIVE, POSITIVE = "#9a8bc9", "#e88f2f"


def figure_of(shown: Look, v: Tensor, names: tuple[str, ...]) -> Figure:
    """v, J and v^T J where they stand in the live view."""
    height, width = shown.block.shape
    figure = Figure(
        figsize=(min(11, 3.4 + 0.75 * width), min(9, 2 + 0.42 * height)), layout="constrained"
    )
    axes = figure.add_subplot()
    block = shown.block.double()
    most = float(block.abs().nan_to_num(0, 0, 0).max()) or 1.0
    scale = LinearSegmentedColormap.from_list("sign", [NEGATIVE, "white", POSITIVE])
    axes.imshow(block.numpy(), cmap=scale, norm=Normalize(-most, most), aspect="auto")
    _name(axes, shown, v, names)
    if width <= WRITTEN:
        for i, row in enumerate(block.tolist()):
            for j, entry in enumerate(row):
                axes.text(j, i, formatting.number(entry), ha="center", va="center", color=TEXT_INK)
    title = f"J at {place(names, shown.point.leaves)}, y = {formatting.array(shown.y)}"
    axes.set_title(title.replace("$", r"\$"), fontsize=10, color=TEXT_INK)
    return figure


def _name(axes: Axes, shown: Look, v: Tensor, names: tuple[str, ...]) -> None:
    """Outputs and v at the rows, inputs and v^T J at the columns."""
    rows, columns = indices(shown.window.rows), indices(shown.window.columns)
    v_shown = v.flatten()[shown.window.rows].tolist()
    product = shown.pulled(v)[shown.window.columns].tolist()
    at_rows = [
        f"v = {formatting.number(weight)}   {element('y', index, shown.y.shape)}"
        for index, weight in zip(rows, v_shown, strict=True)
    ]
    at_columns = [column_name(index, names, shown.point.leaves) for index in columns]
    turned = 90 if len(columns) > WRITTEN else 0
    axes.set_yticks(range(len(rows)), at_rows, color=GRADIENT_INK, fontsize=9)
    axes.set_xticks(
        range(len(columns)), [formatting.number(p) for p in product],
        color=GRADIENT_INK, fontsize=9, rotation=turned,
    )  # fmt: skip
    axes.set_xlabel(r"$v^T J$", color=GRADIENT_INK)
    axes.tick_params(length=0)
    axes.spines[:].set_color(QUIET_INK)
    top = axes.secondary_xaxis("top")
    top.set_xticks(range(len(columns)), at_columns, color=VALUE_INK, fontsize=9, rotation=turned)
    top.tick_params(length=0)
