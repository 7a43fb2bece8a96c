"""Calling a learner's function: on copies, within a time limit, every mishap said as a sentence.

``ask`` calls it once and gives back the leaves and the output; ``asking`` lends a safe stand-in for
several calls within one limit. Neither is seen by a recording that is under way.

What is left alone: the tensors given, their ``.grad``, torch's random state (every call sees the
same one, so a dropout drops the same), and signal handlers. What a function does to things of its
own, such as the running mean of a BatchNorm in training mode, it does here too. What it prints is
not shown: one picture can take a thousand calls.
"""

from __future__ import annotations

import io
import reprlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass
from functools import cache
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from seegrad.errors import InputError
from seegrad.formatting import number
from seegrad.formatting import shape as shape_text
from seegrad.functions.time_limit import LIMIT as LIMIT
from seegrad.functions.time_limit import limited, too_slow
from seegrad.recording import unrecorded

Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """The leaves that a function was given, and what it returned for them."""

    inputs: tuple[Tensor, ...]
    output: Tensor


def ask(
    f: Function,
    *inputs: Tensor,
    names: Sequence[str] = ("x",),
    seconds: float = LIMIT,
    watching: AbstractContextManager[Any] | None = None,
    differentiable: bool = True,
    finite: bool = True,
) -> Answer:
    """What is f of these inputs? Calls it once, on fresh leaves that require a gradient.

    Parameters
    ----------
    f: any function of as many tensors as there are inputs; it returns one tensor of floats.
    inputs: tensors of any shape and float dtype.
    names: what a sentence calls the inputs.
    seconds: how long f may take.
    watching: what f is to run in, such as ``Recorder().record()``. It sees f's calls; a recording
        that is under way outside does not.
    differentiable: whether an output that is cut off from the inputs is refused.
    finite: whether NaN and infinity in the output are refused.

    Raises
    ------
    InputError: an input or the output cannot be used, f raised, or it took too long.

    >>> answer = ask(lambda x: x**2, torch.tensor([1.0, 3.0]))
    >>> answer.output.tolist(), answer.inputs[0].requires_grad
    ([1.0, 9.0], True)
    >>> ask(lambda x: x.detach(), torch.tensor(3.0))
    Traceback (most recent call last):
    ...
    seegrad.errors.InputError: f(x) does not require a gradient: what f returns is cut off from x. \
Leave detach(), item(), tolist(), numpy() and no_grad() out of f, and let it use x.
    """
    leaves = fresh(*inputs, names=names)
    with asking(f, seconds, names) as call, watching or nullcontext():
        output = call(*leaves)
    if differentiable:
        require_differentiable(output, names)
    if finite:
        require_finite(output, f"f({', '.join(names)})", "y")
    return Answer(leaves, output)


@contextmanager
def asking(
    f: Function, seconds: float = LIMIT, names: Sequence[str] = ("x",)
) -> Iterator[Callable[..., Tensor]]:
    """Lend a stand-in for f whose calls, together, take no longer than ``seconds``.

    It passes on the very tensors it is given, gradients enabled, and returns one tensor of floats;
    whatever else f does becomes an InputError. Differentiate inside the block too: the limit holds
    for all of it.

    >>> with asking(torch.sin) as call:
    ...     [round(call(torch.tensor(x)).item(), 3) for x in (0.0, 1.0)]
    [0.0, 0.841]
    """
    if not callable(f):
        raise InputError(
            f"f must be a function of {' and '.join(names)}, and is {described(f)}. Give the "
            f"function itself, not its result: f, not f({', '.join(names)})."
        )
    _warm_up()
    with torch.random.fork_rng(devices=[]), torch.inference_mode(False), torch.enable_grad():
        state = torch.get_rng_state()
        calls = _Calls()

        def call(*inputs: Tensor) -> Tensor:
            torch.set_rng_state(state)
            kept = () if calls.count else _copies(inputs)
            calls.begin()
            try:
                with redirect_stdout(io.StringIO()):
                    output = f(*inputs)
            except InputError:
                raise
            except Exception as error:
                raise InputError(raised(error, names)) from error
            if not all(map(_equal, inputs, kept)):
                raise InputError(_CHANGES_ITS_INPUT.format(f="f", x=names[0]))
            return _usable(output, names)

        with limited(seconds, calls.too_slow):
            yield call


class _Calls:
    """How often f was called so far, and since when its last call runs."""

    def __init__(self) -> None:
        self.count = 0
        self._began = 0.0

    def begin(self) -> None:
        self.count += 1
        self._began = perf_counter()

    def too_slow(self, seconds: float) -> str:
        """What is said when the time is up: is one call to blame, or are all of them?"""
        if self.count < 2 or perf_counter() - self._began > seconds / 2:
            return too_slow(seconds)
        return (
            f"{self.count:,} calls of f took more than {number(float(seconds))} seconds, so they "
            "were stopped: the picture needs many. Make f do less, or give it a smaller input."
        )


@unrecorded
def _copies(inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(x.detach().clone() for x in inputs)


@unrecorded
def _equal(x: Tensor, kept: Tensor) -> bool:
    return x.equal(kept)


@cache
def _warm_up() -> None:
    """Run the engine once: torch imports much for its first pass, which f must not answer for."""
    with torch._C.DisableTorchFunction(), torch.inference_mode(False), torch.enable_grad():
        leaf = torch.zeros(1, requires_grad=True)
        torch.autograd.grad(leaf * 2, leaf, torch.ones(1), materialize_grads=True)


# What can be wrong with what goes in and what comes out


def fresh(*inputs: Tensor, names: Sequence[str] = ("x",)) -> tuple[Tensor, ...]:
    """A copy of each input, a leaf that requires a gradient. Raises InputError if one is unfit.

    >>> fresh(torch.tensor([1, 2]))
    Traceback (most recent call last):
    ...
    seegrad.errors.InputError: x holds integers (torch.int64), and only floats have derivatives. \
Write 1.0 for 1, or x.float().
    """
    return tuple(_leaf(x, name) for x, name in zip(inputs, names, strict=True))


def _leaf(x: Tensor, name: str) -> Tensor:
    if not isinstance(x, Tensor):
        raise InputError(
            f"{name} must be a tensor of floats, and is {described(x)}. "
            f"Write, for example, {name} = torch.tensor([1.0, 2.0])."
        )
    with torch._C.DisableTorchFunction(), torch.inference_mode(False):
        _require_plain(x, name)
        if x.numel() == 0:
            raise InputError(
                f"{name} is empty, of shape {shape_text(x.shape)}: there is nothing to take a "
                "derivative by. Give it at least one element."
            )
        if not x.dtype.is_floating_point:
            raise InputError(
                f"{name} holds {_kind(x.dtype)} ({x.dtype}), and only floats have derivatives. "
                f"{_mend(x.dtype, name)}"
            )
        require_finite(x, name, name, f"Give {name} finite numbers.")
        return x.detach().clone().requires_grad_()


def _require_plain(tensor: Tensor, name: str) -> None:
    if tensor.layout is not torch.strided or tensor.is_meta:
        raise InputError(
            f"{name} is {'on the meta device' if tensor.is_meta else 'sparse'}, and its numbers "
            "cannot be read one by one. Use an ordinary tensor, such as "
            f"{f'torch.rand({list(tensor.shape)})' if tensor.is_meta else f'{name}.to_dense()'}."
        )


def _kind(dtype: torch.dtype) -> str:
    if dtype.is_complex:
        return "complex numbers"
    return "True and False" if dtype is torch.bool else "integers"


def _mend(dtype: torch.dtype, name: str) -> str:
    if dtype.is_complex:
        return f"Give its real and imaginary parts, torch.view_as_real({name})."
    return f"Write 1.0 for {'True' if dtype is torch.bool else '1'}, or {name}.float()."


def require_finite(
    tensor: Tensor, whole: str, name: str, mend: str = "Choose an x where it is finite."
) -> None:
    """Raise InputError, naming the element, if one is NaN or infinite.

    >>> require_finite(torch.tensor([[0.0, 1.0], [float("nan"), 3.0]]), "f(x)", "y")
    Traceback (most recent call last):
    ...
    seegrad.errors.InputError: f(x) is not finite: y[1, 0] is nan. Choose an x where it is finite.
    """
    with torch._C.DisableTorchFunction():
        values = tensor.detach()
        # One number tells for most tensors, at a fraction of the price.
        if bool(values.sum().isfinite()) or bool(values.isfinite().all()):
            return
        flat = values.flatten()
        place = int(flat.isfinite().logical_not().nonzero()[0])
        bad = number(flat[place].item())
    if not tensor.dim():
        raise InputError(f"{whole} is {bad}, not a finite number. {mend}")
    told = f"{element(name, place, tensor.shape)} is {bad}"
    raise InputError(f"{whole} is not finite: {told}. {mend}")


def require_differentiable(output: Tensor, names: Sequence[str] = ("x",)) -> None:
    """Raise InputError if no gradient can come back from ``output``."""
    if not output.requires_grad:
        listed = " and ".join(names)
        raise InputError(
            f"f({', '.join(names)}) does not require a gradient: what f returns is cut off from "
            f"{listed}. Leave detach(), item(), tolist(), numpy() and no_grad() out of f, and let "
            f"it use {listed}."
        )


def _usable(output: object, names: Sequence[str]) -> Tensor:
    """What f returned, if it is one tensor of floats."""
    called = f"f({', '.join(names)})"
    if isinstance(output, tuple | list | dict):
        count = f"{len(output)} thing{'' if len(output) == 1 else 's'}"
        raise InputError(
            f"{called} is a {type(output).__name__} of {count}, and one tensor is needed. "
            "Return one of them, or put them together with torch.stack([…]) or torch.cat([…])."
        )
    if not isinstance(output, Tensor):
        if output is None:
            raise InputError(f"{called} is None: does f have a return? It must return a tensor.")
        raise InputError(
            f"{called} must be a tensor, and is {described(output)}. Compute with torch "
            "throughout, and leave out item(), tolist(), numpy() and float()."
        )
    _require_plain(output, called)
    if output.numel() == 0:
        raise InputError(
            f"{called} is empty, of shape {shape_text(output.shape)}: it has no derivative. "
            "Let f return at least one element."
        )
    if not output.dtype.is_floating_point:
        raise InputError(
            f"{called} holds {_kind(output.dtype)} ({output.dtype}), and only floats have "
            f"derivatives. {_mend_output(output.dtype)}"
        )
    return output


def _mend_output(dtype: torch.dtype) -> str:
    if dtype.is_complex:
        return "Let f return its real part, its imaginary part or its abs()."
    return "Leave casts, comparisons, round and argmax out of what f returns."


def described(thing: object) -> str:
    """A value and its kind, in one short line whatever it holds.

    >>> described(None), described(list(range(1000)))
    ('None (NoneType)', '[0, 1, 2, 3, 4, 5, ...] (list)')
    """
    line = " ".join(reprlib.repr(thing).split())
    return f"{line if len(line) <= 60 else f'{line[:59]}…'} ({type(thing).__name__})"


_CHANGES_ITS_INPUT = (
    "{f} changes its own input {x} in place, so what it returns does not belong to the {x} that "
    "you gave. Let it begin with {x} = {x}.clone(), or leave out what ends in an underscore, such "
    "as add_."
)

_LEAF_IN_PLACE = "leaf Variable that requires grad is being used in an in-place operation"


def raised(error: Exception, names: Sequence[str], f: str = "f") -> str:
    """What a function raised, in one line, and where to look.

    >>> raised(ValueError("x is wrong"), ("x", "w"))
    'f raised ValueError: x is wrong. Call f(x, w) in a cell of its own to see where.'
    """
    if _LEAF_IN_PLACE in str(error):
        return _CHANGES_ITS_INPUT.format(f=f, x=names[0])
    told = " ".join(str(error).split())
    sentence = told if len(told) <= 300 else f"{told[:300]}…"
    return (
        f"{f} raised {type(error).__name__}{f': {sentence}' if sentence else ''}"
        f"{'' if sentence.endswith(('.', '…', '!', '?')) else '.'} "
        f"Call {f}({', '.join(names)}) in a cell of its own to see where."
    )


def element(name: str, index: int, shape: Sequence[int]) -> str:
    """The name of the element at a flat index.

    >>> element("x", 5, (2, 3)), element("x", 2, (4,)), element("x", 0, ())
    ('x[1, 2]', 'x[2]', 'x')
    """
    place: list[str] = []
    for size in reversed(shape):
        index, within = divmod(index, size)
        place.append(str(within))
    return f"{name}[{', '.join(reversed(place))}]" if place else name
