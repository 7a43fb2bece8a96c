"""``seegrad.slope(f, x)``: tangent and secant, or contours and the gradient that crosses them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from seegrad import formatting
from seegrad.errors import InputError
from seegrad.functions.asking import Function, element
from seegrad.functions.definition import Definition, define
from seegrad.functions.slopes import CURVE, GRID, STEPS_A_DECADE, Slope, curve, slope_at, surface
from seegrad.recording import unrecorded
from seegrad.recording.snapshot import COMPLETE
from seegrad.widgets.common import (
    GRADIENT_INK,
    QUIET_INK,
    TEXT_INK,
    VALUE_INK,
    AnsweringPicture,
    packed,
    script,
    style,
)

SLIDERS = 12
"""Up to this many elements of x have a slider each; of more, only the one that moves has."""

CONTOURS = -1
"""What ``along`` is when both elements of x are looked at, not one."""

LEVELS = 12
"""So many contours are drawn."""

Message = dict[str, Any]


class SlopeView(AnsweringPicture):
    """The widget that ``seegrad.slope`` returns.

    ``page`` has the numbers at the present x, ``field`` f around it, ``h`` says which of the steps
    the secant takes. A question has the new values ``x`` of the elements ``shown``, and ``along``:
    the element to move, or CONTOURS.
    """

    _esm = script("slope")
    _css = style("slope", "source")

    page = traitlets.Dict().tag(sync=True)
    field = traitlets.Dict().tag(sync=True)
    h = traitlets.Int(0).tag(sync=True)

    def __init__(self, *asked: Any, **traits: Any):
        """``asked`` is f and x, as ``slope`` got them; a widget without them is empty."""
        super().__init__(title="slope(f, x)", **traits)
        if not asked:
            return
        f, x = asked
        self._f: Function = f
        try:
            self._slope = slope_at(f, x)
            self._along = CONTOURS if x.numel() == 2 else 0
            self._field = _field(f, self._slope.x, self._along)
        except InputError as problem:
            self.problem = self.alt = str(problem)
            return
        self._definition = define(f)
        with self.hold_sync():
            self.field = self._field
            self.h = 2 * STEPS_A_DECADE // 4
            self._show()

    @unrecorded
    def answer(self, question: Message) -> None:
        """Show the slope at a new x, or along another element of it."""
        dtype, flat = self._slope.x.dtype, self._slope.x.flatten().double()
        for index, value in zip(question["shown"], question["x"], strict=True):
            flat[int(index)] = float(value)
        x = flat.to(dtype).reshape(self._slope.x.shape)  # what is beyond the dtype becomes inf
        along = int(question["along"])
        if along == CONTOURS and x.numel() != 2:
            raise InputError("Contours are for an x of two elements.")
        slope = slope_at(self._f, x, index=max(along, 0))
        field = self.field
        if not _covers(self._field, x, along):
            field = _field(self._f, x, along)
        self._slope, self._along, self._field = slope, along, field
        self.field = field
        self._show()

    @unrecorded
    def figure(self) -> Figure:
        """Tangent and secant beside their error, or contours with the gradient."""
        if self.problem:
            return super().figure()
        return _figure(self._slope, self._field, self._along, self.h)

    @unrecorded
    def words(self) -> str:
        """The text equivalent."""
        return "\n".join(_lines(self._slope, self.h, self._definition))

    @unrecorded
    def script(self) -> str:
        """The plain PyTorch that reproduces the numbers."""
        return "\n".join(_script(self._slope, self.h, self._definition)) + "\n"

    @traitlets.observe("h")
    def _stepped(self, _change: Message) -> None:
        self.refresh()

    def _show(self) -> None:
        self.page = _page(self._slope, self._along, self._definition)
        self.remark = self._field["problem"]
        self.refresh()


@unrecorded
def slope(f: Function, x: Tensor) -> SlopeView:
    """Show f with its tangent at x, and secants that close in on it as their step h shrinks.

    Where x has two elements, the contours of f and its gradient come first. Drag x (PyTorch
    computes anew) and h. Your x, its ``.grad`` and the random state stay as they are.

    Parameters
    ----------
    f: a function of one tensor that returns one number.
    x: a tensor of any shape and float dtype. Secants are computed in that dtype: rounding shows.

    A wrong input raises nothing: the widget says what was wrong and what to do.

    >>> import torch, seegrad
    >>> seegrad.slope(lambda x: x**2, torch.tensor(3.0, dtype=torch.float16))
    slope of f at x = 3
    f = lambda x: x**2
    f(x) = 9, tangent f'(x) = 6
    h = 1: secant 7, error 1
    h = 0.1: secant 6.094, error 0.09
    h = 0.01: secant 6.25, error 0.2
    h = 0.001: secant 15.62, error 10
    h = 0.0001: secant 0, error 6
    the secant drawn has h = 0.3162: secant 6.324, error 0.3
    best h = 0.03162: error 0.07
    above it truncation grows with h, below it rounding grows with 1/h: sqrt(eps) of float16 is 0.03
    """
    return SlopeView(f, x)


# What the page gets


def _page(here: Slope, along: int, definition: Definition) -> Message:
    flat = here.x.flatten()
    shown = range(flat.numel()) if flat.numel() <= SLIDERS else range(max(along, 0), along + 1)
    return {
        "code": "\n".join(definition.lines),
        "count": flat.numel(),
        "along": along,
        "shown": list(shown),
        "names": [element("x", index, here.x.shape) for index in shown],
        "x": [float(flat[index]) for index in shown],
        "at": f"x = {formatting.array(here.x)}",
        "moving": float(flat[here.index]),
        "y": here.y,
        "gradient": packed(here.gradient.flatten()[list(shown)]),
        "tangent": packed(torch.tensor([here.tangent], dtype=torch.float64)),
        "hs": list(here.hs),
        "ends": packed(torch.tensor(here.ends, dtype=torch.float64)),
        "secants": packed(torch.tensor(here.secants, dtype=torch.float64)),
        "best": here.best,
    }


def _field(f: Function, x: Tensor, along: int) -> Message:
    """Values of f around x: along one element, or on a grid of both."""
    flat = x.flatten()
    looked = flat if along == CONTOURS else flat[along : along + 1]
    reach = min(_reach(float(looked.abs().max())), torch.finfo(x.dtype).max)
    ts = torch.linspace(-reach, reach, GRID if along == CONTOURS else CURVE, dtype=torch.float64)
    values, problem = _values(f, x, along, ts)
    others = flat.tolist()
    others[max(along, 0)] = 0.0
    return {
        "along": along,
        "reach": reach,
        "others": [] if along == CONTOURS else others[:COMPLETE],
        "ts": packed(ts),
        "values": packed(values),
        "problem": problem,
    }


def _values(f: Function, x: Tensor, along: int, ts: Tensor) -> tuple[Tensor, str]:
    """The values of f; where they take too long the picture does without, and says so."""
    try:
        if along == CONTOURS:
            return torch.tensor(surface(f, x, ts.tolist(), ts.tolist()), dtype=torch.float64), ""
        return torch.tensor(curve(f, x, along, ts.tolist()), dtype=torch.float64), ""
    except InputError as problem:
        count = len(ts) ** 2 if along == CONTOURS else len(ts)
        missing = "The contours are" if along == CONTOURS else "The curve is"
        nothing = torch.full((count,), math.nan, dtype=torch.float64)
        return nothing, f"{missing} left out. {problem}"


def _covers(field: Message, x: Tensor, along: int) -> bool:
    """Is f around this x what ``field`` already shows?"""
    flat = x.flatten()
    if field["along"] != along:
        return False
    if along == CONTOURS:
        return bool(flat.abs().max() <= field["reach"])
    others = flat.tolist()
    others[along] = 0.0
    return bool(others[:COMPLETE] == field["others"] and flat[along].abs() <= field["reach"])


def _reach(most: float) -> float:
    """How far to look: the next of 1, 2, 3, 5, 10, … beyond x.

    >>> _reach(0.0), _reach(1.0), _reach(3.0)
    (3.0, 2.0, 5.0)
    """
    if most == 0:
        return 3.0
    power = 10.0 ** math.floor(math.log10(1.5 * most))
    return next(step * power for step in (1, 2, 3, 5, 10) if step * power >= 1.4999 * most)


# The text equivalent


def _decades(here: Slope) -> range:
    """Which steps are powers of ten?"""
    return range(0, len(here.hs), STEPS_A_DECADE)


def _secant(here: Slope, place: int) -> str:
    h, secant = formatting.number(here.hs[place]), formatting.number(here.secants[place])
    return f"h = {h}: secant {secant}, error {_rough(here.errors[place])}"


def _lines(here: Slope, step: int, definition: Definition) -> Iterator[str]:
    yield f"slope of f at x = {formatting.array(here.x)}"
    yield from definition.lines
    if here.x.numel() == 1:
        tangent = formatting.number(here.tangent)
        yield f"f(x) = {formatting.number(here.y)}, tangent f'(x) = {tangent}"
    else:
        gradient = formatting.array(here.gradient)
        yield f"f(x) = {formatting.number(here.y)}, gradient {gradient}: where f grows fastest"
        name = element("x", here.index, here.x.shape)
        yield f"along {name} the tangent has slope {formatting.number(here.tangent)}"
    for place in _decades(here):
        yield _secant(here, place)
    yield f"the secant drawn has {_secant(here, step)}"
    best, dtype = here.best, str(here.x.dtype).removeprefix("torch.")
    yield f"best h = {formatting.number(here.hs[best])}: error {_rough(here.errors[best])}"
    yield (
        "above it truncation grows with h, below it rounding grows with 1/h: sqrt(eps) of "
        f"{dtype} is {_rough(math.sqrt(torch.finfo(here.x.dtype).eps))}"
    )


def _rough(value: float) -> str:
    """An error's first digit: the others are chance."""
    return formatting.number(float(f"{value:.0e}"))


# The code


def _script(here: Slope, step: int, definition: Definition) -> Iterator[str]:
    f = definition.name
    yield "import torch"
    yield ""
    yield from definition.script
    yield ""
    if here.x.numel() > COMPLETE:
        size = formatting.shape(here.x.shape)
        yield f"x = ...  # too large to write out: put your tensor of shape {size} here"
        yield "x.requires_grad_()"
    else:
        yield f"x = torch.{formatting.exact(here.x, limit=COMPLETE)}.requires_grad_()"
    yield f"y = {f}(x)"
    yield "y.backward()"
    yield 'print("f(x) =", y.item())'
    yield 'print("gradient =", x.grad)'
    yield ""
    yield f"tangent = x.grad.flatten()[{here.index}].item()"
    hs = [here.hs[place] for place in sorted({*_decades(here), step})]
    yield f"for h in {hs}:"
    yield "    moved = x.detach().clone()"
    yield f"    moved.view(-1)[{here.index}] += h"
    yield f"    secant = (({f}(moved) - y) / h).item()"
    yield '    print("h =", h, "secant =", secant, "error =", abs(secant - tangent))'


# The still picture


def _figure(here: Slope, field: Message, along: int, step: int) -> Figure:
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.2, 1])
    if along == CONTOURS:
        _draw_contours(left, here, field)
    else:
        _draw_curve(left, here, field, step)
    _draw_errors(right, here, step)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(colors=QUIET_INK, labelsize=8)
    return figure


def _unpacked(numbers: bytes) -> Tensor:
    return torch.frombuffer(bytearray(numbers), dtype=torch.float64)


def _draw_curve(axes: Axes, here: Slope, field: Message, step: int) -> None:
    ts, values = _unpacked(field["ts"]), _unpacked(field["values"])
    x = float(here.x.flatten()[here.index])
    h, secant = here.hs[step], here.secants[step]
    axes.plot(ts, values, color=VALUE_INK, label="f")
    axes.set_ylim(*_heights(values, here.y))
    axes.axline((x, here.y), slope=here.tangent, color=GRADIENT_INK, label="tangent")
    if math.isfinite(secant):
        axes.axline(
            (x, here.y), slope=secant, color=QUIET_INK, ls="--",
            label=f"secant, h = {formatting.number(h)}",
        )  # fmt: skip
    axes.plot([x], [here.y], "o", color=VALUE_INK)
    axes.plot([x + h], [here.ends[step]], "o", mfc="white", color=QUIET_INK)
    slope = formatting.number(here.tangent)
    axes.set_title(f"f(x) = {formatting.number(here.y)}, slope {slope}", fontsize=10)
    axes.set_xlabel(element("x", here.index, here.x.shape), color=TEXT_INK)
    axes.legend(frameon=False, fontsize=8)


def _heights(values: Tensor, y: float) -> tuple[float, float]:
    """From where to where the picture of f goes: a pole must not flatten the rest."""
    finite = values[values.isfinite()]
    if not finite.numel():
        return y - 1, y + 1
    low = min(float(finite.quantile(0.02)), y)
    high = max(float(finite.quantile(0.98)), y)
    margin = 0.12 * (high - low) or 1.0
    return low - margin, high + margin


def _levels(values: Tensor) -> list[float]:
    """Heights of the contours: each between equally many values of f."""
    finite = values[values.isfinite()]
    if not finite.numel():
        return []
    places = torch.arange(1, LEVELS + 1, dtype=torch.float64) / (LEVELS + 1)
    return sorted(set(finite.quantile(places).tolist()))


def _draw_contours(axes: Axes, here: Slope, field: Message) -> None:
    ts = _unpacked(field["ts"])
    values = _unpacked(field["values"]).reshape(len(ts), len(ts))
    levels: Sequence[float] = _levels(values.flatten())
    if len(levels) > 1:
        lines = axes.contour(ts, ts, values, levels=levels, colors=VALUE_INK, linewidths=0.8)
        axes.clabel(lines, fmt=formatting.number, fontsize=7)
    x, up = here.x.flatten().tolist()
    gradient = here.gradient.flatten().double()
    size = float(gradient.norm())
    axes.plot([x], [up], "o", color=VALUE_INK)
    if 0 < size < math.inf:
        right, above = (gradient / size * 0.25 * field["reach"]).tolist()
        axes.annotate(
            "", (x + right, up + above), (x, up),
            arrowprops={"arrowstyle": "-|>", "color": GRADIENT_INK, "lw": 2},
        )  # fmt: skip
    names = [element("x", index, here.x.shape) for index in (0, 1)]
    axes.set_xlabel(names[0], color=TEXT_INK)
    axes.set_ylabel(names[1], color=TEXT_INK)
    axes.set_aspect("equal")
    axes.set_title(f"gradient {formatting.array(here.gradient)}", fontsize=10)


def _draw_errors(axes: Axes, here: Slope, step: int) -> None:
    pairs = [(h, e) for h, e in zip(here.hs, here.errors, strict=True) if 0 < e < math.inf]
    axes.set_title(f"best h = {formatting.number(here.hs[here.best])}", fontsize=10)
    axes.set_xlabel("h", color=TEXT_INK)
    axes.set_ylabel("|secant − tangent|", color=TEXT_INK)
    if pairs:
        axes.loglog(*zip(*pairs, strict=True), "o-", color=GRADIENT_INK, markersize=3, lw=0.8)
        axes.axvline(here.hs[here.best], color=QUIET_INK, ls=":")
        axes.axvline(here.hs[step], color=QUIET_INK, lw=0.8)
