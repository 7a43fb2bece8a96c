"""A rule before it is tied to a call's tensors: the text, and a factor by parameter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from seegrad.rules.arguments import appearances, is_hidden, is_tensor

Factor = torch.Tensor | float | None
"""What a gradient is multiplied by; None when the rule is no product, or it is not at hand."""


@dataclass(frozen=True, slots=True)
class Local:
    """What a rule's function returns; a list of factors is for a parameter of several tensors."""

    latex: str
    words: str
    factors: Mapping[str, Factor | Sequence[Factor]]


Function = Callable[..., Local]
"""A rule as a function of the call's arguments, its parameters named as in ``names``."""


def local(latex: str, words: str, **factors: Factor | Sequence[Factor]) -> Local:
    """The rule with this text and these factors."""
    return Local(latex, words, factors)


def always(latex: str, words: str, **factors: Factor) -> Function:
    """The function of a rule that is the same for every call."""
    found = Local(latex, words, factors)

    def same_for_all(_a: Any = None, _b: Any = None, *_args: Any, **_: Any) -> Local:
        return found

    return same_for_all


def fixed(rows: Mapping[str, tuple[str, str]], **factors: Factor) -> dict[str, Function]:
    """A table of such rules: the names of one or more ops, then the LaTeX and the words."""
    return {
        name: always(latex, f"{name}: {words}", **factors)
        for names, (latex, words) in rows.items()
        for name in names.split()
    }


def of(compute: Callable[..., Any], *values: Any) -> Any:
    """The factor `compute(*values)`; None when a value is not at hand, or PyTorch refuses it."""
    if any(is_hidden(value) for value in values):
        return None
    try:
        return compute(*values)
    except (RuntimeError, IndexError):
        return None


def same(value: Any) -> Any:
    """The value itself, for `of`."""
    return value


def copies(*inputs: Any) -> str:
    """What to add to the words when one input was broadcast to another's shape."""
    shapes = {tuple(value.shape) for value in inputs if is_tensor(value)}
    return " (a broadcast input sums over its copies)" if len(shapes) > 1 else ""


def factors(
    found: Local, function: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[torch.Tensor | None, ...]:
    """The factor of each tensor argument of the call, as a tensor of a floating dtype."""
    arguments = list(appearances(function, args, kwargs))
    if any(argument.tensor.dtype.is_complex for argument in arguments):
        return (None,) * len(arguments)
    wanted = []
    for argument in arguments:
        factor = found.factors.get(argument.parameter)
        if isinstance(factor, list | tuple):
            factor = factor[argument.position]
        wanted.append(_as_tensor(factor, argument.tensor.dtype))
    return tuple(wanted)


def _as_tensor(factor: Any, dtype: torch.dtype) -> torch.Tensor | None:
    if factor is None or isinstance(factor, complex) or not dtype.is_floating_point:
        return None
    if not isinstance(factor, torch.Tensor):
        return torch.tensor(factor, dtype=dtype)
    return (factor if factor.is_floating_point() else factor.to(dtype)).detach()
