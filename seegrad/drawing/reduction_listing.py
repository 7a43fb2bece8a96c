"""The plain PyTorch that prints what ``seegrad.reduction`` shows."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from seegrad import formatting
from seegrad.functions.definition import define
from seegrad.functions.reductions import MOST_ELEMENTS, Criterion, Reduced


def listing(
    loss: Criterion, reduced: Reduced, target: Any, v: Tensor, names: tuple[str, str]
) -> str:
    """A script for a bare Python with only torch: the losses, their sum, their mean and v · loss.

    ``names`` are the learner's for the prediction and the target.
    """
    given = [name.replace(".", "_") for name in (names if target is not None else names[:1])]
    return "\n".join(_lines(loss, reduced, target, v, given)) + "\n"


def _lines(
    loss: Criterion, reduced: Reduced, target: Any, v: Tensor, names: list[str]
) -> Iterator[str]:
    pred = names[0]
    yield "import torch"
    yield "from torch import nn, tensor"
    yield "from torch.nn import functional as F"
    yield ""
    for name, function in _functions(loss).items():
        yield from _definition(name, function)
    yield f"{pred} = {_literal(reduced.pred)}.requires_grad_()"
    if target is not None:
        yield f"{names[1]} = {_literal(target)}"
    yield f"v = {_literal(v)}"
    yield ""
    none, total, mean = _expressions(loss, reduced, target, names)
    yield f"loss = {none}"
    yield f"total = {total}"
    yield f"mean = {mean}"
    yield ""
    yield 'print("none:", loss.detach())'
    yield f'print("sum:", total.item(), *torch.autograd.grad(total, {pred}, retain_graph=True))'
    yield f'print("mean:", mean.item(), *torch.autograd.grad(mean, {pred}, retain_graph=True))'
    yield "# what loss.backward(v) adds to .grad:"
    yield f'print("v:", (v * loss).sum().item(), *torch.autograd.grad(loss, {pred}, v))'


def _functions(loss: Criterion) -> dict[str, Callable[..., Any]]:
    """The functions that make the losses, by the name they have in the code."""
    loss_fn: Any = loss.loss_fn
    if isinstance(loss_fn, nn.Module) and loss.variants:
        return {}
    if isinstance(loss_fn, functools.partial):
        return {_called(loss_fn.func): loss_fn.func}
    if callable(loss_fn):
        return {_called(loss_fn): loss_fn}
    members = loss_fn.values() if isinstance(loss_fn, Mapping) else loss_fn
    return {_called(member, f"loss_{place}"): member for place, member in enumerate(members)}


def _called(function: Callable[..., Any], otherwise: str = "loss_fn") -> str:
    """The name of a function in the code; a lambda and a module have none of their own."""
    name = getattr(function, "__name__", "<lambda>")
    if function is getattr(nn.functional, name, None):
        return f"F.{name}"
    return otherwise if name == "<lambda>" else name


def _definition(name: str, function: Callable[..., Any]) -> Iterator[str]:
    if not name.startswith("F."):
        definition = define(function)
        yield from definition.script
        if definition.name != name:
            yield f"{name} = {definition.name}"
        yield ""


def _expressions(
    loss: Criterion, reduced: Reduced, target: Any, names: list[str]
) -> tuple[str, str, str]:
    """The losses, their sum and their mean, as code."""
    if loss.variants:
        kinds = ("none", "sum", "mean")
        none, total, mean = (_varied(loss.loss_fn, kind, ", ".join(names)) for kind in kinds)
        return none, total, mean
    return _losses(loss, reduced, target, names), "loss.sum()", "loss.mean()"


def _varied(loss_fn: Any, reduction: str, arguments: str) -> str:
    """The call with its reduction set."""
    if isinstance(loss_fn, nn.Module):
        settings = ", ".join([*_settings(loss_fn), f'reduction="{reduction}"'])
        return f"nn.{type(loss_fn).__name__}({settings})({arguments})"
    bound, function = "", loss_fn
    if isinstance(loss_fn, functools.partial):
        bound = "".join(f"{key}={_literal(value)}, " for key, value in loss_fn.keywords.items())
        function = loss_fn.func
    return f'{_called(function)}({arguments}, {bound}reduction="{reduction}")'


def _settings(module: nn.Module) -> Iterator[str]:
    """What the module was made with, where that is not the default."""
    for name, parameter in inspect.signature(type(module)).parameters.items():
        value = getattr(module, name, parameter.default)
        given = isinstance(value, Tensor) or value != parameter.default
        if given and name not in ("reduction", "size_average", "reduce"):
            yield f"{name}={_literal(value)}"


def _losses(loss: Criterion, reduced: Reduced, target: Any, names: list[str]) -> str:
    """The losses as one tensor."""
    functions, arguments = list(_functions(loss)), ", ".join(names)
    if callable(loss.loss_fn):
        call = f"{functions[0]}({arguments})"
        if reduced.made is Tensor:
            return call
        return f"torch.stack([*{call}{'.values()' if reduced.made is dict else ''}])"
    calls = [f"{name}({arguments})" for name in functions]
    if isinstance(target, Mapping) and reduced.tasks:
        pred, shared = names
        tasks = zip(functions, reduced.tasks, strict=True)
        calls = [f"{name}({pred}, {shared}[{task!r}])" for name, task in tasks]
    return f"torch.stack([{', '.join(calls)}])"


def _literal(value: Any) -> str:
    """The expression that makes a value again: a number, a tensor, a list or a dict of them."""
    if isinstance(value, Tensor):
        return formatting.exact(value.detach(), limit=MOST_ELEMENTS)
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key!r}: {_literal(item)}' for key, item in value.items())}}}"
    if isinstance(value, list | tuple):
        listed = ", ".join(map(_literal, value))
        return f"[{listed}]" if isinstance(value, list) else f"({listed},)"
    return repr(value)
