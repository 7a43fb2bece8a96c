"""The tensors among a call's arguments, in order, also those whose values were not kept."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch


@dataclass(frozen=True, slots=True)
class Unknown:
    """A tensor argument whose values were not kept."""

    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)


@dataclass(frozen=True, slots=True)
class Appearance:
    """A tensor argument, the rule's parameter that it belongs to, and which one of that it is."""

    parameter: str
    position: int
    tensor: torch.Tensor | Unknown


def is_tensor(value: Any) -> bool:
    """Is it a tensor, with or without its values?"""
    return isinstance(value, torch.Tensor | Unknown)


def is_hidden(value: Any) -> bool:
    """Is it a tensor without its values?"""
    return isinstance(value, Unknown) or (isinstance(value, torch.Tensor) and value.is_meta)


def tensors_in(value: Any) -> Iterator[torch.Tensor | Unknown]:
    """Which tensors are in this value? Lists and tuples count as what they hold."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, torch.Tensor | Unknown):
            yield value
        elif isinstance(value, list | tuple):
            waiting.extend(reversed(value))


def appearances(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Iterator[Appearance]:
    """Which tensors are passed on in the call ``function(*args, **kwargs)``, and as what?"""
    names = _positional(function)
    unnamed = [""] * (len(args) - len(names))
    values = [*zip((*names, *unnamed), args, strict=False), *kwargs.items()]
    seen: Counter[str] = Counter()
    for name, value in values:
        for tensor in tensors_in(value):
            yield Appearance(name, seen[name], tensor)
            seen[name] += 1


@cache
def _positional(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of a rule's positional parameters, without the underscore of an unused one."""
    parameters = inspect.signature(function).parameters.values()
    return tuple(p.name.lstrip("_") for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD)
