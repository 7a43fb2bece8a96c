"""``seegrad.branches(f, a)``: f against a on log axes, and the path that f takes at this a."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from seegrad import formatting
from seegrad.drawing.branch_scene import Branches
from seegrad.errors import InputError
from seegrad.functions.piecewise import Function
from seegrad.functions.rounding import decimal
from seegrad.widgets.common import (
    GRADIENT_INK,
    LINE_INK,
    QUIET_INK,
    TEXT_INK,
    VALUE_INK,
    AnsweringPicture,
    script,
    style,
)


class BranchesPicture(AnsweringPicture):
    """The widget that ``seegrad.branches`` returns.

    ``curve`` is f along the axis, ``page`` what f does at the present a. The page asks for another
    place on the axis, ``s``: a itself, or its signed length where a has several elements.
    """

    _esm = script("branches")
    _css = style("branches")

    curve = traitlets.Dict().tag(sync=True)
    page = traitlets.Dict().tag(sync=True)

    def __init__(self, scene: Branches | None = None, **traits: Any):
        self._scene = scene
        super().__init__(title=f"branches(f, {scene.name if scene else 'a'})", **traits)
        self._show()

    def move(self, s: float) -> None:
        """Look at another a, or at another length of it, as the slider does."""
        if self._scene is not None:
            self._scene.move(float(s))
            self._show()

    def answer(self, question: dict[str, Any]) -> None:
        """Look at the a that was asked for."""
        self.move(question["s"])

    def words(self) -> str:
        """The text equivalent."""
        return "" if self._scene is None else "\n".join(_lines(self._scene))

    def script(self) -> str:
        """The plain PyTorch that prints the numbers."""
        return "" if self._scene is None else self._scene.listing()

    def figure(self) -> Figure:
        """The curve with its kinks, and the code with the lines that ran, by matplotlib."""
        return super().figure() if self._scene is None else _figure(self._scene)

    def _show(self) -> None:
        if self._scene is None:
            return
        curve = _curve(self._scene)
        if curve != self.curve:
            self.curve = curve
        self.page = _page(self._scene)
        self.remark = self._scene.warning
        self.refresh()


def branches(f: Function, a: Tensor) -> BranchesPicture:
    """Show which way f goes through its code at a, and where along a that way changes.

    f is drawn against a on logarithmic axes, for both signs. Slide a across a kink and its slope
    jumps. Your a, its ``.grad`` and the random state stay as they are.

    Parameters
    ----------
    f: a function of one tensor, with ``if`` and ``while`` on tensors. A loop that has not ended
        after 2,000 turns is stopped.
    a: a float, as a tensor without dimensions; or a tensor of several, which is then made longer
        and shorter along its own direction.

    A wrong input raises nothing: the widget says what was wrong and what to do.

    >>> import torch, seegrad
    >>> f = lambda a: a if a > 0 else 100 * a
    >>> seegrad.branches(f, torch.tensor(-0.5))
    branches(f, a) at a = -0.5, exactly -0.5
    path: a > 0 is False
      line 1, a > 0: False
    f(a) = d: -50
    k = d / a: 100
    f'(a): 100
    a.grad == d / a: True
    torch.allclose(a.grad, d / a): True
    Both are exactly 100. No op on this path rounded.
    kinks with |a| from 1e-02 to 1e+01: 0 below zero, 1 above
      next above: between 0 and 1.4012984643248170709E-45…, a > 0: False below, True above
    code, and how often each line ran
      1 x  f = lambda a: a if a > 0 else 100 * a    # False
    """
    try:
        return BranchesPicture(Branches(f, a))
    except InputError as problem:
        return BranchesPicture(problem=str(problem), alt=str(problem))


def _curve(scene: Branches) -> dict[str, Any]:
    """F along the axis, as the page takes it."""
    return {
        "reach": list(scene.reach),
        "pieces": [[list(point) for point in piece] for piece in scene.pieces],
        "kinks": [
            {"s": kink.above if kink.above > 0 else kink.below, "text": kink.change}
            for kink in scene.scan.kinks
        ],
    }


def _page(scene: Branches) -> dict[str, Any]:
    look = scene.look
    return {
        "name": scene.name,
        "result": scene.result if look.d.numel() == 1 else f"sum of {scene.result}",
        "place": scene.place_name,
        "symbol": scene.name if scene.single else "s",
        "s": look.s,
        "value": float(look.d.double().sum().item()),
        "at": f"{scene.name} = {_a(scene)}",
        "exact": formatting.exact(look.a, limit=4),
        "code": [asdict(line) for line in scene.code()],
        "numbers": [asdict(number) for number in scene.numbers()],
        "summary": scene.summary(),
        "why": scene.why(),
        "crossed": scene.crossed,
    }


def _a(scene: Branches) -> str:
    return formatting.array(scene.look.a, limit=4)


# The text equivalent


def _lines(scene: Branches) -> Iterator[str]:
    look, x = scene.look, scene.name
    exact = decimal(look.s) if scene.single else formatting.exact(look.a, limit=8)
    yield f"branches(f, {x}) at {x} = {_a(scene)}, exactly {exact}"
    yield f"path: {scene.summary()}"
    yield from (f"  {decision}" for decision in scene.decisions() if scene.written)
    for row in scene.numbers():
        more = f", exactly {row.exact}" if row.exact not in ("", row.text) else ""
        yield f"{row.term}: {row.text}{more}"
    yield scene.why()
    if scene.crossed:
        yield scene.crossed
    yield from scene.kinks_told()
    yield "code, and how often each line ran"
    for line in scene.code():
        times = f"{line.times} x" if line.times else ""
        yield f"{times:>5}  {line.text}{f'    # {line.note}' if line.note else ''}"


# The still picture


def _figure(scene: Branches) -> Figure:
    """The code at the left; f below and above zero, each on log axes, at the right."""
    code = scene.code()
    height = max(3.4, 0.24 * len(code) + 1.6)
    figure = Figure(figsize=(11, height), layout="constrained")
    text, below, above = figure.subplots(1, 3, width_ratios=[1.3, 1, 1])
    text.axis("off")
    lines = [f"{f'{line.times} x' if line.times else '':>6}  {line.text}" for line in code]
    for number, (line, shown) in enumerate(zip(code, lines, strict=True)):
        text.text(
            0, 1 - number / max(len(code), 8), shown.replace("$", r"\$"), family="monospace",
            size=8.5, va="top", transform=text.transAxes,
            color=VALUE_INK if line.times else QUIET_INK,
        )  # fmt: skip
    text.set_title(f"{scene.name} = {_a(scene)}: {scene.summary()}", loc="left", size=9)
    for axes, positive in ((below, False), (above, True)):
        _draw_side(axes, scene, positive)
    slope = next(row for row in scene.numbers() if row.ink == "gradient")
    above.set_title(f"{slope.term} = {slope.text}", size=9, color=GRADIENT_INK, loc="right")
    return figure


def _draw_side(axes: Axes, scene: Branches, positive: bool) -> None:
    """One sign of a, on a symmetrical log scale."""
    pieces = [piece for piece in scene.pieces if (piece[0][0] > 0) is positive]
    sizes = [abs(value) for piece in pieces for _, value in piece if value]
    values = [value for piece in pieces for _, value in piece]
    axes.set_xscale("symlog", linthresh=10.0 ** scene.reach[0])
    axes.set_yscale("symlog", linthresh=min(sizes, default=1.0))
    for kink in scene.scan.kinks:
        if (kink.above > 0) is positive:
            axes.axvline(kink.above, color=LINE_INK, linewidth=0.6)
    for piece in pieces:
        axes.plot(*zip(*piece, strict=True), color=VALUE_INK, linewidth=1.6)
    if (scene.look.s > 0) is positive:
        axes.plot(scene.look.s, float(scene.look.d.double().sum().item()), "o", color=TEXT_INK)
    begin, end = (10.0**power for power in scene.reach)
    axes.set_xlim((begin, end) if positive else (-end, -begin))
    axes.set_xlabel(scene.place_name, size=8)
    axes.set_ylabel("" if positive else _page(scene)["result"], size=8)
    ends = sorted({min(values), max(values)}) if values else []
    axes.set_yticks(ends, labels=list(map(formatting.number, ends)))
    axes.tick_params(labelsize=7)
