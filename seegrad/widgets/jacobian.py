"""``seegrad.jacobian(f, x)``: the Jacobian, the v that meets it, and the row vector they make."""

from __future__ import annotations

from typing import Any

import torch
import traitlets
from matplotlib.figure import Figure
from torch import Tensor

from seegrad import formatting
from seegrad.drawing.jacobian_listing import listing
from seegrad.drawing.jacobian_words import agreement, column_name, indices, place, remark, told
from seegrad.errors import InputError
from seegrad.functions.asking import Function, element
from seegrad.functions.definition import Definition, define, parameter_names
from seegrad.functions.derivatives import Inputs, element_names, separate
from seegrad.functions.window import Look, disagreement, look
from seegrad.recording import unrecorded
from seegrad.recording.snapshot import COMPLETE
from seegrad.widgets.common import (
    AnsweringPicture,
    packed,
    script,
    style,
)
from seegrad.widgets.jacobian_figure import figure_of

Page = dict[str, Any]
"""A part of what the page gets, as JSON and bytes."""


class Jacobian(AnsweringPicture):
    """The widget that ``seegrad.jacobian`` returns.

    ``page`` is what stands while x moves: the names and the shapes; ``numbers`` is what moves with
    it. ``v`` is the upstream gradient: its weights on the rows ``shown``, and on all others those
    of its ``base``: "ones", "given" (your v) or "zero". A question has the new values ``x`` of the
    columns from ``at`` on, and the first row and column to show, ``top`` and ``left``.

    ``agreement`` says how well finite differences agree with J; "" while x moves, for they cost
    many calls of f. The page counts ``rests`` up when x rests, and they are taken.
    """

    _esm = script("jacobian")
    _css = style("jacobian", "source")

    page = traitlets.Dict().tag(sync=True)
    numbers = traitlets.Dict().tag(sync=True)
    v = traitlets.Dict().tag(sync=True)
    agreement = traitlets.Unicode().tag(sync=True)
    rests = traitlets.Int().tag(sync=True, echo_update=False)

    def __init__(self, *asked: Any, **traits: Any):
        """``asked`` is f, x and v, as ``jacobian`` got them; a widget without them is empty."""
        super().__init__(title="jacobian(f, x)", **traits)
        if not asked:
            return
        f, x, v = asked
        self._f: Function = f
        self._given = v
        try:
            self._inputs, names = separate(x)
            self._names = parameter_names(f, len(names)) if callable(f) and names[1:] else names
            self._look = look(f, self._inputs, self._names, v)
        except InputError as problem:
            self.problem = self.alt = str(problem)
            return
        self._definition = define(f)
        self.page = _page(self._look, self._names, self._definition)
        self._show(base="ones" if v is None else "given")
        self._compare()

    @unrecorded
    def answer(self, question: dict[str, Any]) -> None:
        """Show J at a new x, or another part of it."""
        inputs = self._moved(question["x"], int(question["at"]))
        top, left = int(question["top"]), int(question["left"])
        before = self._look
        self._look = now = look(self._f, inputs, self._names, self._given, top, left)
        self._inputs = inputs
        if (before.y.shape, before.window) != (now.y.shape, now.window):
            self.page = _page(now, self._names, self._definition)
        same_rows = (before.y.shape, before.window.rows) == (now.y.shape, now.window.rows)
        self._show(base=question.get("base", "" if same_rows else "ones"))

    @unrecorded
    def figure(self) -> Figure:
        """J as a heat map, v beside its rows, v^T J under its columns; a matplotlib figure."""
        return super().figure() if self.problem else figure_of(self._look, self._v(), self._names)

    @unrecorded
    def words(self) -> str:
        """The text equivalent."""
        v, differences = self._v(), self._differences()
        return told(self._look, v, self._names, self._definition, differences)

    @unrecorded
    def script(self) -> str:
        """The plain PyTorch that reproduces the numbers."""
        return listing(self._look, self._v(), self._names, self._definition)

    def _moved(self, x: list[float], at: int) -> tuple[Tensor, ...]:
        """The inputs, with the elements from ``at`` on replaced."""
        flat = self._look.x
        values = torch.tensor(x, dtype=torch.float64)
        if at < 0 or at + len(x) > flat.numel():
            raise InputError(f"x has {flat.numel()} elements, and these are not among them.")
        flat[at : at + len(x)] = values.to(flat.dtype)
        leaves = self._look.point.leaves
        parts = flat.split([leaf.numel() for leaf in leaves])
        pairs = zip(parts, leaves, strict=True)
        return tuple(part.reshape(leaf.shape).to(leaf.dtype) for part, leaf in pairs)

    def _show(self, base: str) -> None:
        """Set the numbers; a ``base`` other than "" is a new v."""
        self._compared: float | str | None = None
        with self.hold_sync():
            self.numbers = _numbers(self._look, self._names)
            self.agreement = ""
            if base:
                weights = _base(self._look, base).flatten()[self._look.window.rows]
                self.v = {"base": base, "shown": weights.tolist()}
            self.refresh()

    @traitlets.observe("rests")
    @unrecorded
    def _compare(self, _change: dict[str, Any] | None = None) -> None:
        self.agreement = agreement(self._differences())

    def _differences(self) -> float | str:
        """By how much finite differences disagree with J, or the sentence why there are none."""
        if self._compared is None:
            try:
                self._compared = disagreement(self._f, self._look, self._names)
            except InputError as problem:
                self._compared = str(problem)
        return self._compared

    @traitlets.observe("v")
    def _reweighed(self, _change: dict[str, Any]) -> None:
        self.refresh()

    def _v(self) -> Tensor:
        """The whole v, of y's shape."""
        whole = _base(self._look, self.v["base"]).flatten()
        whole[self._look.window.rows] = torch.tensor(self.v["shown"], dtype=whole.dtype)
        return whole.reshape(self._look.y.shape)


@unrecorded
def jacobian(f: Function, x: Inputs, v: Tensor | None = None) -> Jacobian:
    """Show the Jacobian J of f at x, and the v^T J that ``f(x).backward(v)`` computes.

    Drag any element of x (PyTorch computes anew) or of v (a sum of rows). A one-hot v reads a row
    of J, ones sum its rows. Your x, its ``.grad`` and the random state stay as they are.

    Parameters
    ----------
    f: a function of one tensor, or of as many as x holds; returns one tensor.
    x: a tensor of any shape and float dtype, or several in a tuple. It need not require a gradient.
    v: the upstream gradient to begin with, of y's shape; ones, if left out.

    Up to 30 × 30 J is shown whole, else a part of it; the rows that are looked at are computed, and
    no others. A wrong input raises nothing: the widget says what was wrong and what to do.

    >>> import torch, seegrad
    >>> f = lambda x: torch.stack([x[0] ** 2, x[1] ** 3])
    >>> seegrad.jacobian(f, torch.tensor([1.0, 2.0]))
    jacobian of y = f(x) at x = [1, 2]
    f = lambda x: torch.stack([x[0] ** 2, x[1] ** 3])
    y = [1, 8], shape (2,)
    J = [[2, 0], [0, 12]], 2 × 2: a row for each element of y, a column for each of x
    v one-hot at y[0] reads its row [2, 0]
    v one-hot at y[1] reads its row [0, 12]
    v = [1, 1], shape (2,) as y
    v^T J = [2, 12], shape (2,) as x: what y.backward(v) adds to x.grad
    L = v · y = 9 is the scalar that it is the gradient of
    finite differences agree with J to 1e-05 of its largest entry
    """
    return Jacobian(f, x, v)


def _base(shown: Look, base: str) -> Tensor:
    """A whole v by its name."""
    if base == "given" and shown.given is not None:
        return shown.given.clone()
    return torch.zeros_like(shown.y) if base == "zero" else torch.ones_like(shown.y)


# What the page gets


def _page(shown: Look, names: tuple[str, ...], definition: Definition) -> Page:
    point, window = shown.point, shown.window
    columns = element_names(names, point.leaves) if point.columns <= COMPLETE else None
    return {
        "code": "\n".join(definition.lines),
        "size": [point.rows, point.columns],
        "top": window.top,
        "left": window.left,
        "rows": [element("y", index, shown.y.shape) for index in indices(window.rows)],
        "columns": [
            columns[index] if columns else column_name(index, names, point.leaves)
            for index in indices(window.columns)
        ],
        "inputs": [
            {"name": name, "shape": formatting.shape(leaf.shape)}
            for name, leaf in zip(names, point.leaves, strict=True)
        ],
        "shape": formatting.shape(shown.y.shape),
        "entrywise": shown.entrywise,
        "remark": remark(shown),
    }


def _numbers(shown: Look, names: tuple[str, ...]) -> Page:
    window = shown.window
    return {
        "x": shown.x[window.columns].tolist(),
        "at": place(names, shown.point.leaves),
        "y": shown.y.flatten()[window.rows].tolist(),
        "y_text": formatting.array(shown.y),
        "y_exact": formatting.exact(shown.y),
        "jacobian": packed(shown.block),
        "bases": _bases(shown),
    }


def _bases(shown: Look) -> dict[str, Page]:
    """What each v that is not zero outside the window gives there: its weights, v^T J and v · y."""
    bases = {} if shown.given is None else {"given": shown.given}
    if not shown.whole:
        bases["ones"] = torch.ones_like(shown.y)
    rows, columns = shown.window.rows, shown.window.columns
    return {
        name: {
            "weights": v.flatten()[rows].tolist(),
            "product": packed(shown.pulled(v)[columns]),
            "sum": float((v * shown.y).sum()),
        }
        for name, v in bases.items()
    }
