"""Are two results the same, and if not, what is the difference in a sentence?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from seegrad.course.answers import observe
from seegrad.course.draw import described
from seegrad.course.predictions import compare
from seegrad.formatting import number, shape
from seegrad.functions.asking import element

CLOSE = 1e-3
"""Numbers that differ by this part of their size are the same: float32 and another order of sums
stay far below it, and a wrong rule far above."""

CLOSE_HALF = 2e-2
"""The same for float16 and bfloat16."""

_HALF = (torch.float16, torch.bfloat16)


def agree(yours: Any, expected: Any) -> bool:
    """Is this the expected result? By value: dtype, and list or tuple, do not count.

    >>> agree(torch.tensor([1.0, 2.0], dtype=torch.float64), torch.tensor([1.0, 2.0]))
    True
    >>> agree(3, torch.tensor(3.0)), agree(None, torch.zeros(2)), agree([True], (False,))
    (True, False, False)
    >>> agree(torch.ones(2, 3), [torch.ones(3), torch.ones(3)])
    True
    """
    if isinstance(expected, Tensor):
        actual = _as_tensor(yours, expected)
        return actual is not None and bool(close(actual, expected).all())
    if isinstance(expected, list | tuple):
        listed = list(yours) if isinstance(yours, Tensor) and yours.ndim else yours
        if not isinstance(listed, list | tuple) or len(listed) != len(expected):
            return False
        return all(map(agree, listed, expected))
    if isinstance(expected, bool) or expected is None or isinstance(expected, str):
        single = yours.item() if isinstance(yours, Tensor) and yours.ndim == 0 else yours
        return type(single) is type(expected) and bool(single == expected)
    return agree(yours, torch.tensor(float(expected)))


def _as_tensor(yours: Any, expected: Tensor) -> Tensor | None:
    """A tensor of the expected shape, or a number where that is a scalar; None otherwise."""
    if isinstance(yours, int | float) and not isinstance(yours, bool):
        yours = torch.tensor(float(yours))
    if not isinstance(yours, Tensor) or yours.shape != expected.shape or yours.is_complex():
        return None
    return yours.detach()


def close(yours: Tensor, expected: Tensor) -> Tensor:
    """Which elements are the same but for rounding? Two tensors of one shape; a bool for each.

    >>> close(torch.tensor([1.0, 9.0, torch.inf]), torch.tensor([torch.nan, 1.0, torch.inf]))
    tensor([False, False,  True])
    """
    part = CLOSE_HALF if yours.dtype in _HALF or expected.dtype in _HALF else CLOSE
    mine, right = yours.detach().double(), expected.detach().double()
    finite = right[right.isfinite()].abs()
    largest = float(finite.max()) if finite.numel() else 0.0
    return torch.isclose(mine, right, rtol=part, atol=part * largest / 10, equal_nan=True)


def difference(what: str, yours: Any, expected: Any) -> tuple[str, str]:
    """The name of a difference, and a sentence on it. ``what`` is what was looked at.

    >>> difference("result", torch.zeros(2), torch.tensor(3.0))[1]
    'The result has the shape (2,); expected is a scalar.'
    >>> difference("x.grad", torch.tensor(6.0), torch.tensor(3.0))
    ('another value', '`x.grad` is not right: yours is twice what PyTorch computes.')
    >>> difference("result", [1, 2, 3], [1, 0, 0])[1]
    'Of 3 parts, counted from 0, 1 and 2 differ.'
    >>> difference("result", [True, True, False], [True, False, False])[1]
    '`result[1]` is True; expected is False. The other parts are right.'
    """
    called = {"result": "The result", "gradient": "The gradient"}.get(what, f"`{what}`")
    if yours is None and expected is not None:
        return _nothing(what)
    if isinstance(expected, list | tuple):
        return _of_parts(what, called, yours, expected)
    if not isinstance(expected, Tensor):
        told = f"{described(yours)}; expected is {described(expected)}."
        return "another value", f"{called} is {told}"
    if isinstance(yours, int | float):
        yours = torch.tensor(float(yours))
    if not isinstance(yours, Tensor):
        needed = "tensor" if expected.ndim else "number"
        return "kind", f"{called} is a {type(yours).__name__}, and a {needed} is needed."
    if yours.is_complex():
        return "kind", f"{called} holds complex numbers, and real ones are needed."
    if yours.shape != expected.shape:
        told = f"{_sized('has', yours)}; expected {_sized('is', expected)}."
        return "shape", f"{called} {told}"
    if place := _not_finite(what, yours, expected):
        return "not a number", f"{called} is not finite: {place}."
    said = compare(observe(yours), observe(expected)).said
    if what == "result":
        return "another value", said
    return "another value", f"{called} is not right: {said[0].lower()}{said[1:]}"


def _of_parts(what: str, called: str, yours: Any, expected: Sequence[Any]) -> tuple[str, str]:
    """How a list or tuple differs from the one expected: its length, or which of its parts."""
    parts = list(yours) if isinstance(yours, Tensor) and yours.ndim else yours
    count = len(expected)
    if not isinstance(parts, list | tuple):
        kind = "tensor" if isinstance(yours, Tensor) else type(yours).__name__
        return "kind", f"{called} is a {kind}, and a list of {count} is needed."
    if len(parts) != count:
        return "shape", f"{called} has {_counted(len(parts))}; expected {_are(count)} {count}."
    wrong = [i for i, pair in enumerate(zip(parts, expected, strict=True)) if not agree(*pair)]
    if len(wrong) == count:
        told = "is not right" if count == 1 else "differs in both parts" if count == 2 else ""
        return "another value", f"{called} {told or f'differs in all {count} parts'}."
    if len(wrong) == 1:
        (i,) = wrong
        name, told = difference(f"{what}[{i}]", parts[i], expected[i])
        return name, f"{told} The other {'part is' if count == 2 else 'parts are'} right."
    places = f"{', '.join(map(str, wrong[:-1]))} and {wrong[-1]}"
    return "another value", f"Of {count} parts, counted from 0, {places} differ."


def _counted(parts: int) -> str:
    return f"{parts} part{'' if parts == 1 else 's'}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _nothing(what: str) -> tuple[str, str]:
    if what == "result":
        return "nothing returned", "It returned None. Does every path through it end in a return?"
    if what == "gradient":
        return "cut off", (
            "No gradient comes back: what it returns is cut off from the input. Look for detach(), "
            "item(), no_grad(), a comparison or a new tensor on the way."
        )
    return "nothing there", f"`{what}` is None: nothing was put there."


def _sized(verb: str, tensor: Tensor) -> str:
    return f"{verb} the shape {shape(tensor.shape)}" if tensor.ndim else "is a scalar"


def _not_finite(what: str, yours: Tensor, expected: Tensor) -> str:
    """Which element is NaN or infinite where a number is expected? "" for none."""
    odd = (~yours.isfinite() & expected.isfinite()).flatten()
    if not bool(odd.any()):
        return ""
    index = int(odd.nonzero()[0])
    value = number(yours.detach().flatten()[index].item())
    return f"{element(what, index, yours.shape)} is {value}"
