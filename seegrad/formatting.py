"""How numbers, tensors and shapes are written, in every picture and every text equivalent.

Nothing here depends on ``torch.set_printoptions``: the same value is always the same text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import torch

ELLIPSIS = "…"

_WHOLE = 1e6
"""Floats below this that are integers are written in full: 12345, not 1.234e+04."""

_INT64 = 2**63
"""Integers below this are exact in a tensor, so they are written exactly."""

_BREAKS = re.compile(r"(?<=.)(?: |\((?=[^)…])|(?=\.[^\W\d]))")
"""Where a text may go on in the next line: at a space, after a bracket, before a dot in a name."""

_HUMPS = re.compile(r"(?<=[a-z])(?=[A-Z])")
"""… and in a name that leaves no other place, before a word of it."""

_PLAIN = {torch.float32, torch.complex64, torch.int64, torch.bool}
"""What ``torch.tensor(...)`` makes of Python numbers: `exact` need not name these dtypes."""


def number(value: bool | int | float | complex) -> str:
    """How is one number written? With four significant digits; integers without a dot.

    >>> [number(v) for v in (14.0, 1 / 3, -9.0155e-05, 1_000_000.0, 1234.5, -0.0, True)]
    ['14', '0.3333', '-9.016e-05', '1e+06', '1234', '0', 'True']
    >>> number(1 - 0.5j), number(float("nan")), number(float("-inf"))
    ('1-0.5j', 'nan', '-inf')
    """
    if isinstance(value, complex):
        imaginary = number(value.imag)
        sign = "" if imaginary.startswith("-") else "+"
        return f"{number(value.real)}{sign}{imaginary}j"
    if isinstance(value, int):
        return str(value) if abs(value) < _INT64 else f"{Decimal(value):.4g}"
    if value.is_integer() and abs(value) < _WHOLE:
        return str(int(value))
    return f"{value:.4g}"


def shape(sizes: Sequence[int]) -> str:
    """How is a shape written? As PyTorch's tuple, and no dimensions as a word.

    >>> shape((4,)), shape((2, 3)), shape(())
    ('(4,)', '(2, 3)', 'scalar')
    """
    return str(tuple(int(size) for size in sizes)) if len(sizes) else "scalar"


def array(data: torch.Tensor, shape: Sequence[int] | None = None, limit: int = 8) -> str:
    """How is a tensor written? As nested lists on one line, its middle left out when it is long.

    A dimension of more than `limit` entries shows the first and the last few; the shape follows
    whenever something was left out, or when there is nothing to show.

    `shape` is the true shape when `data` holds only the leading corner of a larger tensor; each
    dimension that was cut then ends in an ellipsis. Raises ValueError when `data` is no corner
    of a tensor of that shape. Any dtype; a sparse or meta tensor is described, not listed.

    >>> array(torch.arange(4.0)), array(torch.tensor(14.0)), array(torch.tensor([[1, 2], [3, 4]]))
    ('[0, 1, 2, 3]', '14', '[[1, 2], [3, 4]]')
    >>> array(torch.arange(100))
    '[0, 1, 2, …, 97, 98, 99] (100,)'
    >>> array(torch.arange(3), shape=(5000,))
    '[0, 1, 2, …] (5000,)'
    >>> array(torch.empty(0))
    '[] (0,)'
    """
    listing, complete = _listing(data, shape, limit, number)
    return listing if complete else f"{listing} {_size(data, shape)}"


def glimpse(
    data: torch.Tensor, shape: Sequence[int] | None = None, longest: int = 16
) -> tuple[str, ...]:
    """How is a tensor written where there is room for two short lines only?

    Whole if two lines of up to `longest` characters hold it, else its first numbers and its shape.
    `data` and `shape` are as in `array`.

    >>> glimpse(torch.arange(4.0)), glimpse(torch.tensor([1.469, -3.075, -19.88]))
    (('[0, 1, 2, 3]',), ('[1.469, -3.075,', '-19.88]'))
    >>> glimpse(torch.full((3, 4), 0.25)), glimpse(torch.arange(100))
    (('[[0.25, …]]', '(3, 4)'), ('[0, 1, 2, 3, …]', '(100,)'))
    """
    true = tuple(data.shape) if shape is None else tuple(shape)
    if data.shape == true and data.numel() <= longest and not _opaque(data):
        lines = wrapped(array(data, true, limit=longest), longest)
        if max(map(len, lines)) <= longest:
            return lines
    if _opaque(data) or not data.numel():
        return (array(data, true),)
    row = data.detach()
    while row.ndim > 1:
        row = row[0]
    return _opening(row[:longest].tolist(), len(true), longest), _size(data, true)


def _opening(row: list[Any], dimensions: int, longest: int) -> str:
    """As many of the first numbers as fit; one in any case."""
    texts: list[str] = []
    for count in range(1, len(row) + 1):
        numbers = ", ".join(map(number, row[:count]))
        texts.append(f"{'[' * dimensions}{numbers}, {ELLIPSIS}{']' * dimensions}")
    return next((text for text in reversed(texts) if len(text) <= longest), texts[0])


def wrapped(text: str, longest: int) -> tuple[str, ...]:
    """A text in one line if that is short enough, else in two, broken where that is sensible.

    >>> wrapped("y = 2 * s", 20), wrapped("(pred.detach() - target) ** 2", 20)
    (('y = 2 * s',), ('(pred.detach()', '- target) ** 2'))
    >>> wrapped("torch.nn.functional.silu", 20)
    ('torch.nn', '.functional.silu')
    >>> wrapped("MaxPool2DWithIndicesBackward0", 20)
    ('MaxPool2DWith', 'IndicesBackward0')
    """
    if len(text) <= longest:
        return (text,)
    found = [*_BREAKS.finditer(text)] or _HUMPS.finditer(text)
    places = [match.end() for match in found]
    lines = [(text[:place].rstrip(), text[place:].lstrip()) for place in places]
    return min(reversed(lines), key=lambda two: max(map(len, two)), default=(text,))


def exact(data: torch.Tensor, shape: Sequence[int] | None = None, limit: int = 8) -> str:
    """What exactly does a tensor hold? Every digit, as the Python that makes it again.

    The dtype is named unless ``torch.tensor`` would choose it by default. Elided like `array`.

    >>> exact(torch.tensor([0.1, 2.0]))
    'tensor([0.10000000149011612, 2.0])'
    >>> exact(torch.tensor(0.1, dtype=torch.float64))
    'tensor(0.1, dtype=torch.float64)'
    >>> exact(torch.arange(100))
    'tensor([0, 1, 2, …, 97, 98, 99]) (100,)'
    """
    listing, complete = _listing(data, shape, limit, repr)
    if _opaque(data):
        return f"{listing} {_size(data, shape)}"
    dtype = "" if data.dtype in _PLAIN else f", dtype={data.dtype}"
    made = f"tensor({listing}{dtype})"
    return made if complete else f"{made} {_size(data, shape)}"


def _size(data: torch.Tensor, sizes: Sequence[int] | None) -> str:
    return shape(data.shape if sizes is None else sizes)


def _opaque(data: torch.Tensor) -> str:
    """Why can the numbers not be listed? One word, empty when they can."""
    if data.is_meta:
        return "meta"
    layout = str(data.layout).removeprefix("torch.")
    return "" if layout == "strided" else layout.split("_")[0]


def _listing(
    data: torch.Tensor, sizes: Sequence[int] | None, limit: int, write: Callable[[Any], str]
) -> tuple[str, bool]:
    """The text of the entries, and whether every entry is in it."""
    if opaque := _opaque(data):
        return opaque, False
    true = tuple(data.shape) if sizes is None else tuple(sizes)
    if len(true) != data.ndim or any(
        have > size for have, size in zip(data.shape, true, strict=True)
    ):
        raise ValueError(f"data of shape {tuple(data.shape)} is no corner of shape {true}")
    shown, gaps = _kept(data.detach(), true, limit)
    return _nested(shown.tolist(), gaps, write), 0 not in true and all(gap is None for gap in gaps)


def _kept(
    data: torch.Tensor, true: tuple[int, ...], limit: int
) -> tuple[torch.Tensor, list[int | None]]:
    """The entries to show, and for each dimension the place of its ellipsis."""
    edge = max(1, (limit - 1) // 2)
    gaps: list[int | None] = []
    for dim, size in enumerate(true):
        have = data.shape[dim]
        if have < size:
            data = data.narrow(dim, 0, min(have, limit))
            gaps.append(data.shape[dim])
        elif size > limit:
            ends = data.narrow(dim, 0, edge), data.narrow(dim, size - edge, edge)
            data = torch.cat(ends, dim)
            gaps.append(edge)
        else:
            gaps.append(None)
    return data, gaps


def _nested(entries: Any, gaps: Sequence[int | None], write: Callable[[Any], str]) -> str:
    """Nested lists as text; recursion is as deep as the tensor has dimensions."""
    if not gaps:
        return write(entries)
    gap, *inner = gaps
    parts = [_nested(entry, inner, write) for entry in entries]
    if gap is not None:
        parts.insert(gap, ELLIPSIS)
    return f"[{', '.join(parts)}]"
