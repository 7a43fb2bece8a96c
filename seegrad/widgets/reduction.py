"""``seegrad.reduction(loss_fn, pred, target)``: a loss one by one, summed, averaged, weighted."""

from __future__ import annotations

import math
import textwrap
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import Any

import torch
import traitlets
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from torch import Tensor

from seegrad import formatting
from seegrad.drawing.reduction_listing import listing
from seegrad.errors import InputError
from seegrad.functions.reductions import (
    MOST_ELEMENTS,
    Criterion,
    LossFn,
    Preset,
    Reduced,
    criterion,
    reduce,
    weighted,
    weights,
)
from seegrad.recording import unrecorded
from seegrad.recording.names import names_in_reach
from seegrad.widgets.common import (
    GRADIENT_INK,
    QUIET_INK,
    TEXT_INK,
    VALUE_INK,
    AnsweringPicture,
    script,
    style,
)

MOST_COLUMNS = 6
"""Grids of up to this many columns have their numbers written in them in the still picture."""


class Reduction(AnsweringPicture):
    """The widget that ``seegrad.reduction`` returns.

    ``page`` is what it shows. The page sets ``weights`` (``preset``, ``place`` and the numbers
    ``v``), which it weighs the losses with by itself, and ``selected``, the elements that are
    looked at. It asks with new predictions; the answer is a new ``page``. Where the page cannot
    weigh by itself it asks with the weights too, and the answer is in ``weighted``.
    """

    _esm = script("reduction")
    _css = style("reduction")

    page = traitlets.Dict().tag(sync=True)
    weights = traitlets.Dict().tag(sync=True)
    weighted = traitlets.Dict().tag(sync=True)
    selected = traitlets.Dict().tag(sync=True)

    def __init__(self, scene: Scene | None = None, **traits: Any):
        self._scene = scene
        if scene is not None:
            traits["title"] = scene.title
            traits["page"] = scene.page()
            traits["weights"] = scene.weights()
        super().__init__(**({"title": "reduction(loss_fn, pred, target)"} | traits))
        self._tell()

    @unrecorded
    def figure(self) -> Figure:
        """Predictions, losses and weights above, the three gradients below."""
        return super().figure() if self._scene is None else _figure(self._scene)

    @unrecorded
    def choose(self, preset: Preset, place: int = 0) -> None:
        """Set v as a preset's button does; ``place`` is the loss that "one-hot" picks."""
        if self._scene is not None:
            v = weights(preset, self._scene.reduced.losses, place)
            self.weights = {"preset": preset, "place": place, "v": v.flatten().tolist()}

    def move(self, pred: Tensor) -> None:
        """Set the predictions, as the sliders do. Raises InputError where there is no loss."""
        self.answer({"pred": pred.detach().flatten().tolist()})
        if self._scene is not None:
            self.weights = self._scene.weights()

    @unrecorded
    def answer(self, question: dict[str, Any]) -> None:
        """Show the losses at other predictions.

        The trait ``weights`` is left to the page, where v may have been dragged on meanwhile.
        """
        if self._scene is not None:
            if "weights" in question:
                self._scene.weigh(question["weights"])
            self._scene.move(question["pred"])
            self.page = self._scene.page()
            self._tell()

    @traitlets.observe("weights")
    @unrecorded
    def _weigh(self, change: dict[str, Any]) -> None:
        if self._scene is not None and change["new"] != self._scene.weights():
            with suppress(InputError):  # the page sends what it shows, which has the right shape
                self._scene.weigh(change["new"])
                self._tell()

    @unrecorded
    def words(self) -> str:
        """The text equivalent."""
        return "" if self._scene is None else "\n".join(_lines(self._scene))

    @unrecorded
    def script(self) -> str:
        """The plain PyTorch that prints the numbers shown."""
        return "" if self._scene is None else self._scene.listing

    def _tell(self) -> None:
        """Weigh for a page that cannot do it alone, and let the other faces follow."""
        if self._scene is not None and self._scene.reduced.entries is None:
            total, gradient = self._scene.weighted
            self.weighted = {"value": total.item(), "gradient": gradient.flatten().tolist()}
        self.refresh()


@unrecorded
def reduction(loss_fn: LossFn, pred: Tensor, target: Any = None) -> Reduction:
    """Show what a loss's reduction does: none, sum, mean and weights v, with their gradients.

    Drag predictions and weights; nothing of yours changes.

    Parameters
    ----------
    loss_fn: an ``nn`` loss module, whose reduction is varied on copies; a function that takes
        ``reduction=`` (``F.mse_loss``, ``F.cross_entropy``); your own function of (pred, target)
        that returns losses one by one: a vector, an image, a matrix of pairs, a list or dict of
        tasks; or a dict or list of functions, one number for each task.
    pred: floating-point predictions, up to 4096 elements.
    target: what loss_fn takes beside them; leave it out for a loss of pred alone.

    A wrong input raises nothing: the widget says what was wrong and what to do.

    >>> import torch, seegrad
    >>> y_pred, y_true = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 2.0, 1.0])
    >>> seegrad.reduction(torch.nn.MSELoss(), y_pred, y_true)
    reduction of MSELoss() at y_pred = [1, 2, 3], y_true = [1, 2, 1]
      none: loss = [0, 0, 4], shape (3,); loss.backward() alone raises, it needs weights v
      sum:  4, gradient [0, 0, 4]
      mean: 1.333, gradient [0, 0, 1.333]
      v = [1, 1, 1]: v · loss = 4, gradient [0, 0, 4]
    mean = sum / 3, and so is its gradient.
    v is all ones: backward(v) gives the gradient of the sum.
    """
    names = names_in_reach()
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            loss = criterion(loss_fn)
            reduced = reduce(loss, pred, target)
    except InputError as problem:
        return Reduction(problem=str(problem), alt=str(problem))
    # The predictions may be dragged long after the learner has changed theirs.
    kept = target.detach().clone() if isinstance(target, Tensor) else target
    called = (names.get(id(pred), "pred"), names.get(id(target), "target"))
    remark = f"PyTorch warns: {' '.join(str(warned[0].message).split())}" if warned else ""
    scene = Scene(loss, reduced, kept, called)
    return Reduction(scene, remark=remark or _broadcast(reduced, target, called))


def _broadcast(now: Reduced, target: Any, names: tuple[str, str]) -> str:
    """Were shapes that differ broadcast, which makes losses of pairs that perhaps nobody meant?"""
    if not isinstance(target, Tensor) or now.losses.numel() <= max(
        now.pred.numel(), target.numel()
    ):
        return ""
    if now.losses.shape != torch.broadcast_shapes(now.pred.shape, target.shape):
        return ""
    pred, shape = names[0], formatting.shape
    return (
        f"{pred} {shape(now.pred.shape)} and {names[1]} {shape(target.shape)} were broadcast to "
        f"{shape(now.losses.shape)}: each element of {pred} met several of {names[1]}. For one "
        "loss each, give both one shape."
    )


class Scene:
    """What is shown: the loss at the present predictions, and the present weights.

    ``reduced`` is the loss at these predictions, ``v`` the weights, ``preset`` how they were
    chosen, and ``place`` the loss that a one-hot v picks.
    """

    def __init__(self, loss: Criterion, reduced: Reduced, target: Any, names: tuple[str, str]):
        self.loss = loss
        self.reduced = reduced
        self.target = target
        self.pred_name, self.target_name = names
        self.preset: Preset = "ones"
        self.place = 0
        self.v = weights("ones", reduced.losses)
        self._own = reduced.pred

    @property
    def title(self) -> str:
        """The call that shows this."""
        given = [self.loss.name, self.pred_name]
        return (
            f"reduction({', '.join(given if self.target is None else [*given, self.target_name])})"
        )

    @property
    def weighted(self) -> tuple[Tensor, Tensor]:
        """The number v · loss, and the gradient of ``loss.backward(v)``."""
        with _warned_already():
            return weighted(self.loss, self.reduced.pred, self.target, self.v)

    @property
    def listing(self) -> str:
        """Plain PyTorch that prints the numbers shown."""
        names = self.pred_name, self.target_name
        return listing(self.loss, self.reduced, self.target, self.v, names)

    def move(self, values: Any) -> None:
        """Go to other predictions. Raises InputError, and stays, where they cannot be used."""
        own = self._own
        pred = torch.tensor(_numbers(values, own.numel(), "pred"), dtype=own.dtype)
        pred = pred.reshape(own.shape)
        if not torch.equal(pred, self.reduced.pred):
            with _warned_already():
                self.reduced = reduce(self.loss, pred, self.target)
        if self.preset == "loss":
            self.v = weights("loss", self.reduced.losses)

    def weigh(self, choice: Mapping[str, Any]) -> None:
        """Take other weights. Raises InputError, and keeps the old, where they cannot be used."""
        losses = self.reduced.losses
        numbers = _numbers(choice.get("v"), losses.numel(), "v")
        self.v = torch.tensor(numbers, dtype=losses.dtype).reshape(losses.shape)
        self.preset, self.place = choice["preset"], choice["place"]

    def weights(self) -> dict[str, Any]:
        """The weights, as the page takes them."""
        return {"preset": self.preset, "place": self.place, "v": self.v.flatten().tolist()}

    def page(self) -> dict[str, Any]:
        """Everything else, as the page takes it."""
        now = self.reduced
        return {
            "pred": _tensor(self.pred_name, now.pred) | {"own": self._own.flatten().tolist()},
            "target": _target(self.target_name, self.target),
            "loss": _tensor("loss", now.losses) | {"tasks": list(now.tasks)},
            "sum": _reduction(self.code("sum"), now.total, now.total_gradient),
            "mean": _reduction(self.code("mean"), now.mean, now.mean_gradient),
            "entries": None if now.entries is None else asdict(now.entries),
            "mean_is": _mean_is(now),
            "said": {preset: _said(preset, now) for preset in _SAID},
        }

    def code(self, reduction: str) -> str:
        """How is the loss with this reduction asked for its gradient?"""
        if "none" not in self.loss.variants:
            return f"loss.{reduction}()"
        return f'reduction="{reduction}"'


@contextmanager
def _warned_already() -> Iterator[None]:
    """The loss runs once more: what PyTorch warns of stands above the picture."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _numbers(values: Any, count: int, name: str) -> list[float]:
    """The numbers that the page sent, if they are what it should send."""
    if not isinstance(values, list) or len(values) != count:
        raise InputError(f"{name} needs {count} numbers.")
    numbers = [float(value) for value in values if isinstance(value, int | float)]
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise InputError(f"{name} needs finite numbers.")
    return numbers


def _tensor(name: str, tensor: Tensor) -> dict[str, Any]:
    return {"name": name, "shape": list(tensor.shape), "values": tensor.flatten().tolist()}


def _reduction(code: str, value: Tensor, gradient: Tensor) -> dict[str, Any]:
    return {"code": code, "value": value.item(), "gradient": gradient.flatten().tolist()}


def _target(name: str, target: Any) -> dict[str, Any]:
    """The target's numbers, to be shown where they belong to a prediction or a loss."""
    if not isinstance(target, Tensor) or target.numel() > MOST_ELEMENTS:
        return {"name": name, "texts": []}
    return {"name": name, "texts": [formatting.number(t) for t in target.flatten().tolist()]}


# What is said


def _mean_is(now: Reduced) -> str:
    count = now.losses.numel()
    if count == 1:
        return "There is one loss only: sum and mean are the same."
    if now.divisor == count:
        return f"mean = sum / {count}, and so is its gradient."
    return (
        f"mean = sum / {formatting.number(now.divisor)} here, not sum / {count}: this loss weighs "
        "its elements or leaves some out (class weights, ignore_index)."
    )


_SAID: dict[str, str] = {
    "ones": "v is all ones: backward(v) gives the gradient of the sum.",
    "1/N": "v is 1/N in each place: backward(v) gives the gradient of the mean.",
    "one-hot": "v is one-hot: one loss sends its gradient, the others send nothing.",
    "mask": (
        "v is a mask: a loss whose weight is 0 sends nothing. For the mean of the others, divide v "
        "by its sum."
    ),
    "loss": (
        "A mistake: each loss weighs itself. backward(loss) gives the gradient of "
        "(loss · loss) / 2, not of the loss: large ones count too much, small ones hardly."
    ),
    "own": "backward(v) gives the gradient of v · loss: each loss counts v times.",
}


def _said(preset: str, now: Reduced) -> str:
    if preset == "1/N" and now.divisor != now.losses.numel():
        return "v is 1/N in each place: the gradient of loss.mean(), not of this loss's own mean."
    return _SAID[preset]


def _lines(scene: Scene) -> Iterator[str]:
    now, (total, gradient) = scene.reduced, scene.weighted
    given = f"{scene.pred_name} = {_text(now.pred)}"
    if isinstance(scene.target, Tensor):
        given += f", {scene.target_name} = {_text(scene.target)}"
    alone = "" if now.losses.numel() == 1 else "; loss.backward() alone raises, it needs weights v"
    yield f"reduction of {scene.loss.name} at {given}"
    if scene.reduced.tasks:
        yield f"  tasks: {', '.join(scene.reduced.tasks)}"
    shape, losses = formatting.shape(now.losses.shape), _text(now.losses)
    said = losses if losses.endswith(shape) else f"{losses}, shape {shape}"
    yield f"  none: loss = {said}{alone}"
    yield f"  sum:  {_text(now.total)}, gradient {_text(now.total_gradient)}"
    yield f"  mean: {_text(now.mean)}, gradient {_text(now.mean_gradient)}"
    yield f"  v = {_text(scene.v)}: v · loss = {_text(total)}, gradient {_text(gradient)}"
    yield _mean_is(now)
    yield _said(scene.preset, now)


def _text(tensor: Tensor) -> str:
    # Four of a dimension are enough in an image; the live view has them all.
    return formatting.array(tensor, limit=8 if tensor.numel() <= 64 else 4)


# The still picture

_SCALE = LinearSegmentedColormap.from_list("sign and size", ["#9a8bc9", "#ffffff", "#e88f2f"])
_VALUES = LinearSegmentedColormap.from_list("value", ["#ffffff", "#7fb0e0"])
_SIDE = 32  # of a larger image the corner is drawn


def _figure(scene: Scene) -> Figure:
    """Above what goes in and which losses come out, below what each way to add them sends back."""
    now, (total, gradient) = scene.reduced, scene.weighted
    rows = max(len(_plane(now.pred)), len(_plane(now.losses)))
    figure = Figure(figsize=(9, 5.2 if rows > 1 else 2.4), layout="constrained")
    above, below = figure.subplots(2, 3)
    _draw(above[0], f"{scene.pred_name} {formatting.shape(now.pred.shape)}", now.pred)
    _draw(above[1], f"loss {formatting.shape(now.losses.shape)}", now.losses)
    _draw(above[2], "weights v", scene.v, _largest(scene.v))
    gradients = now.total_gradient, now.mean_gradient, gradient
    most = max(map(_largest, gradients))
    named = zip(("sum", "mean", "v · loss"), (now.total, now.mean, total), gradients, strict=True)
    for axes, (name, value, sent) in zip(below, named, strict=True):
        _draw(axes, f"{name} = {formatting.number(value.item())}, gradient", sent, most)
    said = textwrap.fill(f"{_mean_is(now)} {_said(scene.preset, now)}", 130)
    figure.supxlabel(said, size=8, color=QUIET_INK)
    return figure


def _draw(axes: Axes, title: str, tensor: Tensor, most: float | None = None) -> None:
    """A tensor as cells: values by size; with `most`, gradients and weights by sign and size."""
    plane = _plane(tensor)
    rows, columns = plane.shape
    axes.set_title(title, size=9.5, color=VALUE_INK if most is None else GRADIENT_INK)
    axes.axis("off")
    if most is None:
        cells, scale, lowest, most = plane.abs(), _VALUES, 0.0, _largest(plane)
    else:
        cells, scale, lowest = plane, _SCALE, -most
    axes.pcolormesh(
        cells.numpy(), cmap=scale, vmin=lowest, vmax=most, edgecolors="#dde1e6", linewidth=0.8
    )
    axes.invert_yaxis()
    if columns <= MOST_COLUMNS and rows <= 2 * MOST_COLUMNS:
        for row, numbers in enumerate(plane.tolist()):
            for column, number in enumerate(numbers):
                place = column + 0.5, row + 0.5
                text = formatting.number(number)
                axes.text(*place, text, size=8, color=TEXT_INK, ha="center", va="center")


def _largest(tensor: Tensor) -> float:
    return float(tensor.abs().max()) or 1.0


def _plane(tensor: Tensor) -> Tensor:
    """The first plane of a tensor; a vector is a row. Double precision, for every dtype."""
    flat = tensor.detach().double()
    while flat.dim() > 2:
        flat = flat[0]
    plane = flat if flat.dim() == 2 else flat.reshape(1, -1)
    return plane[:_SIDE, :_SIDE]
