"""What is said of a Jacobian: its places, its size, its text equivalent."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from seegrad import formatting
from seegrad.functions.asking import element
from seegrad.functions.definition import Definition
from seegrad.functions.window import WHOLE, Look, size_in_words


def indices(part: slice) -> range:
    """The rows or columns of a part of J."""
    return range(part.start, part.stop)


def column_name(index: int, names: tuple[str, ...], leaves: tuple[Tensor, ...]) -> str:
    """The element of the inputs that column ``index`` belongs to."""
    for name, leaf in zip(names, leaves, strict=True):
        if index < leaf.numel():
            return element(name, index, leaf.shape)
        index -= leaf.numel()
    raise IndexError(index)


def place(names: tuple[str, ...], leaves: tuple[Tensor, ...]) -> str:
    """Where J is taken: ``x = [1, 2]``."""
    pairs = zip(names, leaves, strict=True)
    return ", ".join(f"{name} = {formatting.array(leaf.detach())}" for name, leaf in pairs)


def remark(shown: Look) -> str:
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


def agreement(differences: float | str) -> str:
    """How well finite differences agree, in one digit; or why there are none."""
    if isinstance(differences, str):
        return differences
    if not differences:
        return "agree to the last digit"
    return f"agree to {formatting.number(float(f'{differences:.1g}'))} of its largest entry"


def told(
    shown: Look,
    v: Tensor,
    names: tuple[str, ...],
    definition: Definition,
    differences: float | str,
) -> str:
    """The text equivalent.

    ``differences`` is by how much finite differences disagree, or the sentence why there are none.
    """
    lines = _lines(shown, v, names, definition)
    return "\n".join([*lines, _comparison(shown, differences)])


def _lines(shown: Look, v: Tensor, names: tuple[str, ...], definition: Definition) -> Iterator[str]:
    point, y = shown.point, shown.y
    inputs = ", ".join(names)
    shapes = ", ".join(formatting.shape(leaf.shape) for leaf in point.leaves)
    product = _parted(shown.pulled(v), point.leaves)
    size = f"{point.rows} × {point.columns}"
    yield f"jacobian of y = f({inputs}) at {place(names, point.leaves)}"
    yield from definition.lines
    yield f"y = {formatting.array(y)}, shape {formatting.shape(y.shape)}"
    if shown.whole:
        yield (
            f"J = {formatting.array(shown.block, limit=WHOLE)}, {size}: "
            f"a row for each element of y, a column for each of {inputs}"
        )
    else:
        yield remark(shown)
    for index, row in zip(indices(shown.window.rows), shown.block, strict=True):
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
