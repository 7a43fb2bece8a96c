"""Where floating-point arithmetic rounds: the ops of a computation again, with exact fractions."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from seegrad.recording import Op, Value

MOST_ELEMENTS = 64
"""Ops on more elements than this are not done again."""

_DIGITS = 20
"""An exact decimal number with more digits than this ends in an ellipsis."""

Arithmetic = Callable[..., Any]

_EXACT: dict[str, Arithmetic] = {
    "mul": operator.mul, "__rmul__": operator.mul, "add": operator.add, "__radd__": operator.add,
    "sub": operator.sub, "__rsub__": lambda a, b: b - a, "div": operator.truediv,
    "true_divide": operator.truediv, "__rtruediv__": lambda a, b: b / a, "neg": operator.neg,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rounding:
    """One op whose exact result is no float of its dtype.

    Attributes
    ----------
    op: what ran.
    operands: what went in, of the first element that was rounded.
    exact: its exact result, to be written by ``decimal``.
    stored: what the tensor holds instead.
    """

    op: Op
    operands: tuple[Fraction, ...]
    exact: Fraction
    stored: Fraction


def roundings(result: Value) -> list[Rounding]:
    """Which ops on the way to ``result`` rounded, in the order they ran? Sums and products alone.

    >>> import torch
    >>> from seegrad.recording import Recorder
    >>> watcher = Recorder()
    >>> with watcher.record():
    ...     a = torch.tensor(0.1, requires_grad=True)
    ...     d = 100 * (a * 2)
    >>> [rounding.op.text for rounding in roundings(watcher.value(d))]
    ['100 * (a * 2)']
    """
    values = reversed(list(_history(result)))
    return [found for value in values if (found := _rounding(value)) is not None]


def _history(result: Value) -> Iterator[Value]:
    """The values that carry a gradient back from ``result``, the last first, each once."""
    seen, pending = {result}, [result]
    while pending:
        value = pending.pop()
        yield value
        for source in value.op.inputs if value.op else ():
            if source.requires_grad and source not in seen:
                seen.add(source)
                pending.append(source)


def _rounding(value: Value) -> Rounding | None:
    op = value.op
    compute = _EXACT.get(op.name) if op is not None else None
    if op is None or compute is None or op.kwargs or value.data.numel() > MOST_ELEMENTS:
        return None
    if not all(_known(argument) for argument in (value, *op.args)):
        return None
    given = [torch.as_tensor(_content(a), dtype=torch.float64) for a in op.args]
    stored = value.data.double()
    columns = [tensor.expand(stored.shape).flatten().tolist() for tensor in given]
    for kept, *numbers in zip(stored.flatten().tolist(), *columns, strict=True):
        operands = tuple(Fraction(number) for number in numbers)
        if op.name.endswith(("div__", "div", "divide")) and 0 in operands:
            continue
        exact = compute(*operands)
        if exact != Fraction(kept):
            return Rounding(op, operands, exact, Fraction(kept))
    return None


def _known(argument: object) -> bool:
    """A finite number, or a tensor that was kept whole."""
    if isinstance(argument, Value):
        return argument.complete and bool(argument.data.isfinite().all())
    return isinstance(argument, int | float)


def _content(argument: Any) -> Tensor | float:
    return argument.data if isinstance(argument, Value) else argument


def decimal(number: Fraction | float) -> str:
    """A number in decimal digits, all of them up to ``_DIGITS``.

    >>> decimal(0.5), decimal(Fraction(1, 3)), decimal(torch.tensor(0.1).item())
    ('0.5', '0.33333333333333333333…', '0.10000000149011611938…')
    >>> decimal(-151255.0), decimal(2.0**80)
    ('-151255', '1208925819614629174706176')
    """
    fraction = Fraction(number)
    if fraction.denominator == 1:
        return str(fraction.numerator)
    with localcontext() as context:
        context.prec = 400
        digits = Decimal(fraction.numerator) / Decimal(fraction.denominator)
        if len(digits.as_tuple().digits) <= _DIGITS:
            return f"{digits:f}" if digits.adjusted() > -6 else str(digits)
        context.prec = _DIGITS
        rounded = Decimal(fraction.numerator) / Decimal(fraction.denominator)
        return f"{rounded:f}…" if rounded.adjusted() > -6 else f"{rounded}…"
