"""What a reduction does to a loss: the losses one by one, and the gradient each way to add them up.

``none`` leaves a loss for each element; ``sum`` and ``mean`` make one number of them; so do weights
v, for ``loss.backward(v)`` is the gradient of v · loss. Nothing here touches the learner's tensors.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from seegrad import formatting
from seegrad.errors import InputError
from seegrad.functions.asking import (
    asking,
    described,
    element,
    fresh,
    raised,
    require_differentiable,
)
from seegrad.recording import unrecorded

Preset = Literal["ones", "1/N", "one-hot", "mask", "loss", "own"]
"""Ways to choose v; "own" is any other."""

MOST_ELEMENTS = 4096
"""Predictions, and losses, of up to this many elements are shown."""

DENSE = 128 * 128
"""The Jacobian of the losses is computed row by row up to this many entries."""

SHIPPED = 20_000
"""Up to this many non-zero entries of it go to the page, which then weighs them by itself."""

LossFn = Callable[..., Any] | Mapping[str, Callable[..., Any]] | Sequence[Callable[..., Any]]
"""A loss: a module, a function, or one function for each task, by name or in order."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """A loss function whose reduction can be chosen.

    Attributes
    ----------
    name: how it is called in a picture, such as ``MSELoss()``.
    loss_fn: what the learner gave.
    variants: the same loss with ``reduction`` set to none, sum and mean; empty where it has no
        such argument: its losses are then added up by ``.sum()`` and ``.mean()``.
    """

    name: str
    loss_fn: LossFn
    variants: Mapping[str, Callable[..., Any]]

    def made(self, pred: Tensor, target: Any) -> Any:
        """What loss_fn itself returns, unreduced: a tensor, or a list or dict of tasks' losses."""
        if callable(self.loss_fn):
            return _called(self.variants.get("none", self.loss_fn), pred, target)
        return self._each_task(self.loss_fn, pred, target)

    def losses(self, pred: Tensor, target: Any) -> Tensor:
        """A loss for each element, sample, pixel, pair or task, connected to ``pred``."""
        return self.one_by_one(self.made(pred, target), pred, target)

    def one_by_one(self, made: Any, pred: Tensor, target: Any) -> Tensor:
        """What loss_fn returned, as one tensor of losses."""
        losses = _as_tensor(made)
        if self._added_up(losses, pred, target):
            raise InputError(_IGNORES if self.variants else _ADDED_UP)
        if losses.numel() > MOST_ELEMENTS:
            raise InputError(_too_many("The loss", losses.numel()))
        return losses

    def _added_up(self, losses: Tensor, pred: Tensor, target: Any) -> bool:
        """Is this one number the sum or mean of what should be several losses?"""
        if losses.dim() or pred.numel() == 1:
            return False
        # The loss of a single sample, its class given without a batch, is one number rightly.
        return not self.variants or not isinstance(target, Tensor) or target.numel() > 1

    def reduced(self, reduction: str, pred: Tensor, target: Any) -> Tensor:
        """The one number that ``reduction`` ("sum" or "mean") makes of the losses."""
        if reduction in self.variants:
            number = _called(self.variants[reduction], pred, target)
            if not isinstance(number, Tensor) or number.numel() != 1:
                got = (
                    _kind(number) if not isinstance(number, Tensor) else f"{number.numel()} losses"
                )
                raise InputError(_NOT_ONE.format(name=self.name, reduction=reduction, got=got))
            return number
        losses = self.losses(pred, target)
        return losses.sum() if reduction == "sum" else losses.mean()

    def _each_task(
        self,
        functions: Mapping[str, Callable[..., Any]] | Sequence[Callable[..., Any]],
        pred: Tensor,
        target: Any,
    ) -> dict[str, Any] | list[Any]:
        """Each task's loss; a target that has an entry for each task is shared out."""
        if not isinstance(functions, Mapping):
            return [_called(function, pred, target) for function in functions]
        shared_out = isinstance(target, Mapping) and functions.keys() <= target.keys()
        return {
            str(task): _called(function, pred, target[task] if shared_out else target)
            for task, function in functions.items()
        }


def criterion(loss_fn: LossFn) -> Criterion:
    """How can the reduction of this loss be chosen?

    >>> criterion(nn.MSELoss()).name, sorted(criterion(nn.MSELoss()).variants)
    ('MSELoss()', ['mean', 'none', 'sum'])
    >>> criterion(lambda pred, target: (pred - target) ** 2).variants
    {}
    """
    several = isinstance(loss_fn, Mapping | Sequence) and not isinstance(loss_fn, str)
    if several and loss_fn:
        return _criterion_of_tasks(loss_fn)
    if isinstance(loss_fn, type):
        name = loss_fn.__name__
        raise InputError(
            f"reduction got the class {name}, and needs a loss that is made of it: {name}()."
        )
    if not callable(loss_fn):
        raise InputError(
            f"reduction needs a loss function, and got {described(loss_fn)}. Give it a module such "
            "as nn.MSELoss(), a function such as F.cross_entropy, or one of your own that returns "
            "a loss for each sample."
        )
    return Criterion(_name(loss_fn), loss_fn, _variants(loss_fn))


def _criterion_of_tasks(functions: Any) -> Criterion:
    members = functions if isinstance(functions, Mapping) else dict(enumerate(functions))
    for task, function in members.items():
        if not callable(function):
            raise InputError(
                f"The loss of task {task!r} is {described(function)}, not a function. Give a "
                "function for each task: its losses are computed anew when you change pred."
            )
    names = (_task(task, function) for task, function in members.items())
    return Criterion(", ".join(names), functions, {})


def _variants(loss_fn: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    if isinstance(loss_fn, nn.Module) and hasattr(loss_fn, "reduction"):
        return {kind: _with_reduction(loss_fn, kind) for kind in ("none", "sum", "mean")}
    if not isinstance(loss_fn, nn.Module) and _takes_reduction(loss_fn):
        return {k: functools.partial(loss_fn, reduction=k) for k in ("none", "sum", "mean")}
    return {}


def _with_reduction(module: nn.Module, reduction: str) -> nn.Module:
    """A copy that shares the module's weights; the learner's module keeps its own reduction."""
    varied = copy.copy(module)
    varied.__dict__["reduction"] = reduction
    return varied


def _takes_reduction(function: Callable[..., Any]) -> bool:
    try:
        return "reduction" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # some functions written in C have no signature
        return False


def _name(loss_fn: Callable[..., Any]) -> str:
    if isinstance(loss_fn, nn.Module):
        return repr(loss_fn) if "\n" not in repr(loss_fn) else type(loss_fn).__name__
    inner = loss_fn.func if isinstance(loss_fn, functools.partial) else loss_fn
    name = getattr(inner, "__name__", type(inner).__name__)
    if name == "<lambda>":
        return "loss"
    return f"F.{name}" if inner is getattr(nn.functional, name, None) else name


def _task(task: str | int, function: Callable[..., Any]) -> str:
    """How is a task's loss called? By its key, where the function has no name of its own."""
    name = _name(function)
    return task if name == "loss" and isinstance(task, str) else name


def _called(function: Callable[..., Any], pred: Tensor, target: Any) -> Any:
    """What ``function`` returns; one that looks at ``pred`` alone has no target."""
    try:
        return function(pred) if target is None else function(pred, target)
    except InputError:
        raise
    except Exception as error:
        names = ("pred",) if target is None else ("pred", "target")
        told = raised(error, names, _name(function))
        raise InputError(f"{told} {_shapes(pred, target)}") from error


def _shapes(pred: Tensor, target: Any) -> str:
    shapes = f"pred has shape {tuple(pred.shape)}"
    if isinstance(target, Tensor):
        shapes += f", target has shape {tuple(target.shape)} and dtype {target.dtype}"
    return f"{shapes}."


def _as_tensor(made: Any) -> Tensor:
    """The losses as one tensor; those of several tasks are stacked."""
    if isinstance(made, Tensor):
        return made
    if not isinstance(made, Mapping | list | tuple) or not made:
        raise InputError(
            f"loss_fn returned {described(made)}, not a tensor. Let it return the losses: a tensor "
            "with one for each sample, or a list with one for each task."
        )
    tasks = made if isinstance(made, Mapping) else dict(enumerate(made))
    for task, loss in tasks.items():
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            what = f"has shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else _is(loss)
            raise InputError(
                f"Loss {task!r} of the {_kind(made)} {what}, and each task needs one number: take "
                ".mean() of its losses, or return all losses in one tensor."
            )
    return torch.stack([loss.reshape(()) for loss in tasks.values()])


def _is(loss: object) -> str:
    return f"is {described(loss)}"


def _kind(thing: Any) -> str:
    return "None" if thing is None else type(thing).__name__


_ADDED_UP = (
    "loss_fn returned one number: it has added the losses up already. Let it return them one by "
    "one (leave out .mean() or .sum(); pass reduction='none' inside), or give reduction the loss "
    "itself, such as nn.MSELoss() or F.mse_loss."
)

_IGNORES = (
    "loss_fn takes the argument reduction, but with reduction='none' it returned one number. Let "
    "it return the losses one by one then, or leave the argument out and return them always."
)

_NOT_ONE = (
    "{name} takes the argument reduction, but with reduction='{reduction}' it returned {got}, not "
    "one number. Let it use the argument, or leave it out: the losses are then added up for it."
)


def _too_many(what: str, count: int) -> str:
    return (
        f"{what} has {count:,} elements; the picture shows up to {MOST_ELEMENTS:,}. Give it a "
        "smaller batch or a crop, such as pred[:2, :, :16, :16], and the target that belongs to it."
    )


def leaf(pred: Tensor) -> Tensor:
    """A copy of the prediction to differentiate by. Raises InputError if there can be none."""
    (copied,) = fresh(pred, names=("pred",))
    if copied.numel() > MOST_ELEMENTS:
        raise InputError(_too_many("pred", copied.numel()))
    return copied


def _require_finite(numbers: Tensor, what: str, name: str) -> None:
    flat = numbers.detach().flatten()
    spoilt = flat.isfinite().logical_not().nonzero()
    if len(spoilt):
        place = int(spoilt[0])
        value = formatting.number(flat[place].item())
        raise InputError(
            f"{what} is {value} at {element(name, place, numbers.shape)}. Choose a pred where it "
            "is finite: log needs positive numbers, and sqrt has no slope at 0."
        )


def _require_reduced(total: Tensor, mean: Tensor, mean_gradient: Tensor) -> None:
    """Each loss is finite; their sum may overflow, and the mean of none is 0 / 0."""
    if not total.isfinite():
        raise InputError(
            f"The sum of the losses is {formatting.number(total.item())}: {total.dtype} ends at "
            f"{formatting.number(torch.finfo(total.dtype).max)}. Choose a pred with smaller losses."
        )
    if not (mean.isfinite() and mean_gradient.isfinite().all()):
        raise InputError(
            f"The mean of the losses is {formatting.number(mean.item())}: the loss leaves out "
            "every target (ignore_index), or its weights add up to 0. Keep one target at least."
        )


# The numbers


@dataclass(frozen=True, slots=True)
class Entries:
    """The non-zero entries of the losses' Jacobian, its two sides flattened.

    Entry k is the derivative of loss ``rows[k]`` by prediction ``columns[k]``.
    """

    rows: list[int]
    columns: list[int]
    values: list[float]


@dataclass(frozen=True, slots=True, eq=False)
class Reduced:
    """A loss at one prediction, each way it can be reduced.

    Attributes
    ----------
    pred: the prediction, detached.
    losses: one for each element; its shape is that of the loss.
    total, mean: the one number each reduction gives.
    total_gradient, mean_gradient: its gradient, of pred's shape.
    divisor: what mean divides the sum by: N, unless the loss itself has weights or leaves
        targets out (class weights, ``ignore_index``).
    entries: from which the gradient of any weighted sum follows; None where they are too many.
    tasks: the names of the losses, if they came in a dict.
    made: what loss_fn returned them in.
    """

    pred: Tensor
    losses: Tensor
    total: Tensor
    mean: Tensor
    total_gradient: Tensor
    mean_gradient: Tensor
    divisor: float
    entries: Entries | None
    tasks: tuple[str, ...]
    made: type[Tensor] | type[list[Any]] | type[dict[str, Any]]


@unrecorded
def reduce(loss: Criterion, pred: Tensor, target: Any = None) -> Reduced:
    """What are the losses at ``pred``, their sum and mean, and the gradients of those?

    >>> found = reduce(criterion(nn.MSELoss()), torch.tensor([1., 2, 3]), torch.tensor([1., 2, 1]))
    >>> found.losses, found.total, found.mean
    (tensor([0., 0., 4.]), tensor(4.), tensor(1.3333))
    >>> found.total_gradient, found.mean_gradient
    (tensor([0., 0., 4.]), tensor([0.0000, 0.0000, 1.3333]))
    """
    at = leaf(pred)
    made: Any = None

    def losses_at(at: Tensor) -> Tensor:
        nonlocal made
        made = loss.made(at, target)
        return loss.one_by_one(made, at, target)

    losses = _asked(losses_at, at)
    _require_finite(losses, "The loss", "loss")
    total = _asked(lambda at: loss.reduced("sum", at, target), at)
    mean = _asked(lambda at: loss.reduced("mean", at, target), at)
    total_gradient, mean_gradient = _gradient(total, at), _gradient(mean, at)
    _require_finite(total_gradient, "The gradient", "pred")
    _require_reduced(total, mean, mean_gradient)
    return Reduced(
        pred=at.detach(),
        losses=losses.detach(),
        total=total.detach(),
        mean=mean.detach(),
        total_gradient=total_gradient,
        mean_gradient=mean_gradient,
        divisor=_divisor(total.item(), mean.item(), losses.numel()),
        entries=_entries(losses, at),
        tasks=tuple(map(str, made)) if isinstance(made, Mapping) else (),
        made=dict if isinstance(made, Mapping) else Tensor if isinstance(made, Tensor) else list,
    )


def _asked(function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    with asking(function, names=("pred",)) as call:
        made = call(at)
    require_differentiable(made, ("pred",))
    return made


def _gradient(outputs: Tensor, at: Tensor, v: Tensor | None = None) -> Tensor:
    (gradient,) = torch.autograd.grad(
        outputs, at, v, retain_graph=True, allow_unused=True, materialize_grads=True
    )
    return gradient


def _divisor(total: float, mean: float, count: int) -> float:
    agrees = abs(total / count - mean) <= 1e-5 * abs(mean)
    return float(count) if agrees or mean == 0 else total / mean


@unrecorded
def weighted(loss: Criterion, pred: Tensor, target: Any, v: Tensor) -> tuple[Tensor, Tensor]:
    """What is v · loss, and the gradient that ``loss.backward(v)`` sends to pred?

    >>> here, there = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 2.0, 1.0])
    >>> weighted(criterion(nn.MSELoss()), here, there, torch.tensor([1.0, 1.0, 0.5]))
    (tensor(2.), tensor([0., 0., 2.]))
    """
    at = leaf(pred)
    losses = _asked(lambda at: loss.losses(at, target), at)
    return (v * losses.detach()).sum(), _gradient(losses, at, v)


@unrecorded
def per_sample_gradients(loss_fn: LossFn, pred: Tensor, target: Any = None) -> Tensor:
    """The gradient of each single loss with respect to the prediction.

    Parameters
    ----------
    loss_fn: an ``nn`` loss module or a function with a ``reduction`` argument (it is set to
        "none"); any function ``(pred, target)`` that returns losses one by one; or a dict or
        list of functions, one number for each task.
    pred: any floating-point tensor, which stays as it is.
    target: what loss_fn takes beside it; None for a loss of ``pred`` alone.

    Returns
    -------
    The Jacobian of the losses, of shape ``losses.shape + pred.shape``. Its sum over the losses is
    the gradient of ``sum``, that divided by N the gradient of ``mean``.

    Raises
    ------
    InputError: the losses cannot be computed or differentiated; the text says why.

    >>> here, there = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 2.0, 1.0])
    >>> per_sample_gradients(nn.MSELoss(), here, there)
    tensor([[0., 0., 0.],
            [0., 0., 0.],
            [0., 0., 4.]])
    """
    at, loss = leaf(pred), criterion(loss_fn)
    losses = _asked(lambda at: loss.losses(at, target), at)
    return _jacobian(losses, at).reshape(losses.shape + at.shape)


def _jacobian(losses: Tensor, at: Tensor) -> Tensor:
    """One backward pass for each loss: all at once, or in turn where an op cannot be batched."""
    one_hots = torch.eye(losses.numel(), dtype=losses.dtype).reshape(-1, *losses.shape)
    try:
        (rows,) = torch.autograd.grad(
            losses, at, one_hots, retain_graph=True, is_grads_batched=True, materialize_grads=True
        )
    except RuntimeError:
        rows = torch.stack([_gradient(losses, at, one_hot) for one_hot in one_hots])
    return rows.reshape(losses.numel(), at.numel())


def _entries(losses: Tensor, at: Tensor) -> Entries | None:
    if losses.numel() * at.numel() > DENSE:
        return _entries_of_one_loss_each(losses, at)
    jacobian = _jacobian(losses, at)
    rows, columns = jacobian.nonzero(as_tuple=True)
    if len(rows) > SHIPPED:
        return None
    return Entries(rows.tolist(), columns.tolist(), jacobian[rows, columns].tolist())


def _entries_of_one_loss_each(losses: Tensor, at: Tensor) -> Entries | None:
    """The Jacobian at the price of three backward passes, if each prediction enters one loss only.

    That is so for all losses per pixel and per sample. A column then has one entry: its value
    comes back with v = 1, and the number of its row when the losses are weighted by their own
    numbers. A third pass with random weights tells whether the column had just that entry.
    """
    numbers = torch.arange(1, losses.numel() + 1, dtype=losses.dtype).reshape(losses.shape)
    values = _gradient(losses, at, torch.ones_like(losses)).flatten()
    by_number = _gradient(losses, at, numbers).flatten()
    owners = (by_number / values).nan_to_num(1.0).round().long() - 1
    owners = owners.clamp(0, losses.numel() - 1)
    dice = torch.Generator().manual_seed(0)  # the learner's own random state stays as it is
    probe = torch.rand(losses.shape, generator=dice, dtype=losses.dtype) + 0.5
    expected = probe.flatten()[owners] * values
    if not torch.allclose(_gradient(losses, at, probe).flatten(), expected, rtol=1e-4, atol=1e-12):
        return None
    return Entries(owners.tolist(), list(range(at.numel())), values.tolist())


# Weights


def weights(preset: Preset, losses: Tensor, place: int = 0) -> Tensor:
    """The weights v of a preset, of the losses' shape.

    ``place`` is the loss that "one-hot" picks, counted in the flattened losses. "mask" leaves out
    the second half along the last dimension, as padding would be.

    >>> losses = torch.tensor([0.0, 0.0, 4.0])
    >>> weights("1/N", losses), weights("one-hot", losses, 2)
    (tensor([0.3333, 0.3333, 0.3333]), tensor([0., 0., 1.]))
    """
    v = torch.ones_like(losses)
    if preset == "1/N":
        v /= losses.numel()
    elif preset == "one-hot":
        v.zero_()
        v.view(-1)[min(place, losses.numel() - 1)] = 1.0
    elif preset == "mask" and losses.dim():
        v[..., (losses.shape[-1] + 1) // 2 :] = 0.0
    elif preset == "loss":
        v.copy_(losses)
    return v
