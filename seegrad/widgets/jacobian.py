"""``seegrad.jacobian(f, x)``: the Jacobian, the v that meets it, and the row vector they make."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import traitlets
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from torch import Tensor

from seegrad import formatting
from seegrad.errors import InputError
from seegrad.functions.asking import Function, element
from seegrad.functions.definition import Definition, define, parameter_names
from seegrad.functions.derivatives import Inputs, element_names, separate
from seegrad.functions.window import WHOLE, Look, disagreement, look, size_in_words
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

WRITTEN = 10
"""Up to this many columns have room for their numbers; beyond, colour and tooltips tell."""

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
        return super().figure() if self.problem else _figure(self._look, self._v(), self._names)

    @unrecorded
    def words(self) -> str:
        """The text equivalent."""
        lines = _lines(self._look, self._v(), self._names, self._definition)
        return "\n".join([*lines, _comparison(self._look, self._differences())])

    @unrecorded
    def script(self) -> str:
        """The plain PyTorch that reproduces the numbers."""
        lines = _script(self._look, self._v(), self._names, self._definition)
        return "\n".join(lines) + "\n"

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
        self.agreement = _agreement(self._differences())

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
        "rows": [element("y", index, shown.y.shape) for index in _indices(window.rows)],
        "columns": [
            columns[index] if columns else _column(index, names, point.leaves)
            for index in _indices(window.columns)
        ],
        "inputs": [
            {"name": name, "shape": formatting.shape(leaf.shape)}
            for name, leaf in zip(names, point.leaves, strict=True)
        ],
        "shape": formatting.shape(shown.y.shape),
        "entrywise": shown.entrywise,
        "remark": _size(shown),
    }


def _numbers(shown: Look, names: tuple[str, ...]) -> Page:
    window = shown.window
    return {
        "x": shown.x[window.columns].tolist(),
        "at": _at(names, shown.point.leaves),
        "y": shown.y.flatten()[window.rows].tolist(),
        "y_text": formatting.array(shown.y),
        "y_exact": formatting.exact(shown.y),
        "jacobian": packed(shown.block),
        "bases": _bases(shown),
    }


def _indices(part: slice) -> range:
    return range(part.start, part.stop)


def _column(index: int, names: tuple[str, ...], leaves: tuple[Tensor, ...]) -> str:
    for name, leaf in zip(names, leaves, strict=True):
        if index < leaf.numel():
            return element(name, index, leaf.shape)
        index -= leaf.numel()
    raise IndexError(index)


def _agreement(differences: float | str) -> str:
    """How well finite differences agree, in one digit; or why there are none."""
    if isinstance(differences, str):
        return differences
    if not differences:
        return "agree to the last digit"
    return f"agree to {formatting.number(float(f'{differences:.1g}'))} of its largest entry"


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


def _at(names: tuple[str, ...], leaves: tuple[Tensor, ...]) -> str:
    pairs = zip(names, leaves, strict=True)
    return ", ".join(f"{name} = {formatting.array(leaf.detach())}" for name, leaf in pairs)


def _size(shown: Look) -> str:
    """How much of a large Jacobian is shown; "" if all of it is."""
    if shown.whole:
        return ""
    point, window = shown.point, shown.window
    rows = _range("row", window.rows, point.rows)
    columns = _range("column", window.columns, point.columns)
    size = size_in_words(point.rows, point.columns, shown.y.dtype)
    return f"{size}. It is never built: shown are {rows} and {columns}."


def _range(noun: str, part: slice, count: int) -> str:
    if part.stop - part.start == count:
        return f"all {count:,} {noun}s" if count > 1 else f"the only {noun}"
    if part.stop - part.start == 1:
        return f"{noun} {part.start:,}"
    return f"{noun}s {part.start:,} to {part.stop - 1:,}"


# The text equivalent


def _lines(shown: Look, v: Tensor, names: tuple[str, ...], definition: Definition) -> Iterator[str]:
    point, y = shown.point, shown.y
    inputs = ", ".join(names)
    shapes = ", ".join(formatting.shape(leaf.shape) for leaf in point.leaves)
    product = _parted(shown.pulled(v), point.leaves)
    size = f"{point.rows} × {point.columns}"
    yield f"jacobian of y = f({inputs}) at {_at(names, point.leaves)}"
    yield from definition.lines
    yield f"y = {formatting.array(y)}, shape {formatting.shape(y.shape)}"
    if shown.whole:
        yield (
            f"J = {formatting.array(shown.block, limit=WHOLE)}, {size}: "
            f"a row for each element of y, a column for each of {inputs}"
        )
    else:
        yield _size(shown)
    for index, row in zip(_indices(shown.window.rows), shown.block, strict=True):
        numbers = formatting.array(row, limit=WHOLE)
        yield f"v one-hot at {element('y', index, y.shape)} reads its row {numbers}"
    yield f"v = {formatting.array(v)}, shape {formatting.shape(v.shape)} as y"
    total = formatting.number(float((v * y).sum()))
    grads = ", ".join(f"{name}.grad" for name in names)
    yield f"v^T J = {product}, shape {shapes} as {inputs}: what y.backward(v) adds to {grads}"
    yield f"L = v · y = {total} is the scalar that it is the gradient of"


def _comparison(shown: Look, differences: float | str) -> str:
    if isinstance(differences, str):
        return f"finite differences could not be taken: {differences}"
    compared = "J" if shown.entrywise else "J u, u moving all of x alike,"
    return f"finite differences agree with {compared} to {_order(differences)}"


def _parted(flat: Tensor, leaves: tuple[Tensor, ...]) -> str:
    """v^T J in the shapes of the inputs."""
    parts = flat.split([leaf.numel() for leaf in leaves])
    pairs = zip(parts, leaves, strict=True)
    return ", ".join(
        formatting.array(part.reshape(leaf.shape), limit=WHOLE) for part, leaf in pairs
    )


def _order(difference: float) -> str:
    """The next power of ten: the digits of a rounding error differ from processor to processor.

    >>> _order(3.2e-4), _order(0.0)
    ('1e-03 of its largest entry', 'the last digit')
    """
    if difference == 0:
        return "the last digit"
    if difference != difference or difference == float("inf"):
        return formatting.number(difference)
    return f"1e{int(f'{difference:e}'.split('e')[1]) + 1:+03d} of its largest entry"


# The code


def _script(
    shown: Look, v: Tensor, names: tuple[str, ...], definition: Definition
) -> Iterator[str]:
    point = shown.point
    inputs = ", ".join(names)
    yield "import torch"
    yield ""
    yield from definition.script
    yield ""
    for name, leaf in zip(names, point.leaves, strict=True):
        yield f"{name} = {_literal(leaf.detach())}.requires_grad_()"
    yield f"y = {definition.name}({inputs})"
    yield f"v = {_weights(v)}"
    yield "y.backward(v)"
    yield 'print("y =", y.detach())'
    for name in names:
        yield (
            f'print("v^T J =", {name}.grad)'
            if len(names) == 1
            else f'print("v^T J, {name}:", {name}.grad)'
        )
    yield ""
    yield from _rows(shown, names, definition.name)


def _rows(shown: Look, names: tuple[str, ...], f: str) -> Iterator[str]:
    inputs = ", ".join(names)
    if shown.whole and len(names) == 1:
        yield f"J = torch.autograd.functional.jacobian({f}, {inputs})"
        yield f'print("J =", J.reshape(y.numel(), {inputs}.numel()))'
    elif shown.whole:
        yield f"blocks = torch.autograd.functional.jacobian({f}, ({inputs}))"
        yield 'print("J =", torch.cat([block.reshape(y.numel(), -1) for block in blocks], 1))'
    else:
        rows, columns = shown.window.rows, shown.window.columns
        yield f"y = {f}({inputs})"
        yield f"for i in range({rows.start}, {rows.stop}):"
        yield f"    parts = torch.autograd.grad(y.flatten()[i], [{inputs}], retain_graph=True)"
        yield "    row = torch.cat([part.flatten() for part in parts])"
        yield f'    print("row", i, row[{columns.start}:{columns.stop}])'


def _literal(tensor: Tensor) -> str:
    if tensor.numel() > COMPLETE:
        return f"torch.zeros({tuple(tensor.shape)}, dtype={tensor.dtype})"
    return f"torch.{formatting.exact(tensor, limit=COMPLETE)}"


def _weights(v: Tensor) -> str:
    return "torch.ones_like(y)" if bool((v == 1).all()) else _literal(v)


# The still picture

NEGATIVE, POSITIVE = "#9a8bc9", "#e88f2f"


def _figure(shown: Look, v: Tensor, names: tuple[str, ...]) -> Figure:
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
    title = f"J at {_at(names, shown.point.leaves)}, y = {formatting.array(shown.y)}"
    axes.set_title(title.replace("$", r"\$"), fontsize=10, color=TEXT_INK)
    return figure


def _name(axes: Axes, shown: Look, v: Tensor, names: tuple[str, ...]) -> None:
    """Outputs and v at the rows, inputs and v^T J at the columns."""
    rows, columns = _indices(shown.window.rows), _indices(shown.window.columns)
    v_shown = v.flatten()[shown.window.rows].tolist()
    product = shown.pulled(v)[shown.window.columns].tolist()
    at_rows = [
        f"v = {formatting.number(weight)}   {element('y', index, shown.y.shape)}"
        for index, weight in zip(rows, v_shown, strict=True)
    ]
    at_columns = [_column(index, names, shown.point.leaves) for index in columns]
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
