"""Draw the pictures that stand in the chapters' prose: `python -m tests.tools.draw_stills`.

They are what one would draw on paper. The ground is transparent and each ink is legible on white
and on black, for a notebook's prose cannot ask which theme is in force.
"""

from collections.abc import Callable

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from tests.tools.course import CHAPTERS

GREY, BLUE, ORANGE = "#7a818c", "#2f7fd0", "#d06a1e"
Point = tuple[float, float]


def main() -> None:
    """Draw each picture into chapters/images."""
    for name, draw, size in (("paths", paths, (8, 3)), ("shapes", shapes, (7.7, 2.6))):
        figure = sheet(draw, size)
        figure.savefig(CHAPTERS / "images" / f"{name}.png", metadata={"Software": None})
        print(f"chapters/images/{name}.png")


def sheet(draw: Callable[[Axes], None], size: tuple[float, float]) -> Figure:
    """A figure of this size in inches, whose units are inches too."""
    figure = Figure(figsize=size, dpi=100, facecolor="none")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, size[0])
    axes.set_ylim(0, size[1])
    axes.axis("off")
    draw(axes)
    return figure


def paths(axes: Axes) -> None:
    """Which two paths lead from x to y = x · x², and what does each carry at x = 2?"""
    box(axes, (1, 1.6), "$x = 2$", BLUE)
    box(axes, (3.6, 0.9), "$x^2 = 4$", GREY)
    box(axes, (6.6, 1.6), "$y = x\\cdot x^2$", GREY)
    arrow(axes, (5.7, 1.8), (1.65, 1.8), bend=0.22)
    arrow(axes, (5.7, 1.4), (4.45, 0.95))
    arrow(axes, (2.75, 0.95), (1.65, 1.4))
    write(axes, (3.6, 2.6), "direct:  $x^2 = 4$", ORANGE)
    write(axes, (5.4, 0.8), "$x = 2$", ORANGE)
    write(axes, (1.85, 0.8), "$2x = 4$", ORANGE)
    write(axes, (4, 0.25), "$dy/dx = 4 + 2\\cdot 4 = 12$", ORANGE)


def shapes(axes: Axes) -> None:
    """Which sides of v, J and v^T J have the same length?"""
    grid(axes, (0.4, 1.2), (3, 1), ORANGE, "$\\mathbf{v}^\\top$")
    grid(axes, (3, 0.8), (4, 3), GREY, "$J$")
    write(axes, (5.2, 1.4), "=", GREY)
    grid(axes, (5.7, 1.2), (4, 1), ORANGE, "$\\mathbf{v}^\\top J$")
    span(axes, (0.4, 1.05), (1.6, 1.05), (1, 0.75), "$m$, as y")
    span(axes, (2.85, 0.8), (2.85, 2), (2.4, 1.4), "$m$")
    span(axes, (3, 0.65), (4.6, 0.65), (3.8, 0.35), "$n$")
    span(axes, (5.7, 1.05), (7.3, 1.05), (6.5, 0.75), "$n$, as x")


def box(axes: Axes, centre: Point, text: str, ink: str) -> None:
    """A rounded box around a formula."""
    half = 0.32 + 0.055 * len(text.replace("\\cdot", ""))
    corner = (centre[0] - half, centre[1] - 0.26)
    style = "round,pad=0,rounding_size=0.12"
    axes.add_patch(
        FancyBboxPatch(corner, 2 * half, 0.52, boxstyle=style, fill=False, edgecolor=ink, lw=1.8)
    )
    write(axes, centre, text, ink)


def arrow(axes: Axes, start: Point, end: Point, bend: float = 0.0) -> None:
    """The way of a gradient along one edge."""
    curve = f"arc3,rad={bend}"
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            connectionstyle=curve,
            arrowstyle="-|>",
            mutation_scale=16,
            linewidth=2.2,
            color=ORANGE,
        )
    )


def grid(axes: Axes, corner: Point, size: tuple[int, int], ink: str, name: str) -> None:
    """A matrix as its empty cells, with its name above."""
    side = 0.4
    for column in range(size[0]):
        for row in range(size[1]):
            place = (corner[0] + side * column, corner[1] + side * row)
            axes.add_patch(Rectangle(place, side, side, fill=False, edgecolor=ink, lw=1.6))
    write(axes, (corner[0] + side * size[0] / 2, corner[1] + side * size[1] + 0.25), name, ink)


def span(axes: Axes, start: Point, end: Point, place: Point, name: str) -> None:
    """How long one side of a matrix is: a line along it with a stop at each end, and a name."""
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="|-|,widthA=0.25,widthB=0.25",
            mutation_scale=18,
            shrinkA=0,
            shrinkB=0,
            linewidth=1.4,
            color=GREY,
        )
    )
    write(axes, place, name, GREY)


def write(axes: Axes, place: Point, text: str, ink: str) -> None:
    """Text with its centre here."""
    axes.text(*place, text, color=ink, size=15, ha="center", va="center")


if __name__ == "__main__":
    main()
