"""What passes a ``TorchFunctionMode`` by in PyTorch 2.13, and how a recorder learns of it anyway.

``torch.autograd.Function.apply`` and the transforms of ``torch.func`` do not ask for the mode:
while something is recorded, they are led past the recorder, each as one op of the learner's.

``torch.compile`` would compile the recorder with the learner's function: while something is
recorded, a compiled function runs as it was written, op by op. Its numbers are then those of
the function itself, which a compiler may change in the last digit.

``nn.MultiheadAttention`` and ``nn.TransformerEncoder`` give up their fast path for inference when
they see a mode, whoever's: they are not shown the recorder.

``nn.functional.l1_loss`` does not tell the mode of its argument ``weight``: it is looked up. It
is the only one: ``tests/test_unseen.py`` looks through PyTorch's own code for others.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial, wraps
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Any

import torch
from torch._C import _len_torch_function_stack as function_modes
from torch._functorch import apis, eager_transforms
from torch.autograd import Function
from torch.nn.functional import l1_loss

if TYPE_CHECKING:
    from seegrad.recording import Recorder

FORGETFUL: dict[Callable[..., Any], str] = {l1_loss: "weight"}
"""Functions that keep one argument from a mode, and which."""

_TRANSFORMS: tuple[tuple[ModuleType, str, Callable[..., Any]], ...] = (
    (eager_transforms, "grad_impl", torch.func.grad),
    (eager_transforms, "grad_and_value_impl", torch.func.grad_and_value),
    (eager_transforms, "_vjp_with_argnums", torch.func.vjp),
    (eager_transforms, "_jvp_with_argnums", torch.func.jvp),
    (apis, "vmap_impl", torch.func.vmap),
)
"""What does the work of which function of ``torch.func``."""

_FAST_PATHS = frozenset({"torch.nn.modules.activation", "torch.nn.modules.transformer"})


@contextmanager
def told(recorder: Recorder) -> Iterator[None]:
    """Tell the recorder of what it cannot see while the block runs; undo that afterwards."""
    with ExitStack() as changes:
        _lead_own_functions_past(recorder, changes)
        for module, name, function in _TRANSFORMS:
            transform = getattr(module, name)
            _replace(changes, module, name, partial(_one_op, recorder, function, transform))
        _run_as_written(changes)
        _keep_fast_paths(recorder, changes)
        yield


def reminded(
    function: Callable[..., Any], kwargs: dict[str, Any], frame: FrameType | None
) -> dict[str, Any]:
    """The arguments by name, with the one that ``function``, called in ``frame``, kept back."""
    name = FORGETFUL[function]
    while frame is not None and frame.f_code is not function.__code__:
        frame = frame.f_back
    if frame is None or name in kwargs:
        return kwargs
    return {**kwargs, name: frame.f_locals[name]}


def _lead_own_functions_past(recorder: Recorder, changes: ExitStack) -> None:
    # ``Function.apply`` goes on to that of the class below. A learner may hold ``Double.apply``
    # from earlier, so it is the class below that is given an ``apply`` of its own.
    below: Any = Function.__mro__[1]
    another_recorders = below.__dict__.get("apply")

    def apply(cls: Any, *args: Any, **kwargs: Any) -> Any:
        if another_recorders is None:
            run = super(below, cls).apply
        else:
            run = another_recorders.__get__(None, cls)
        return _one_op(recorder, cls.apply, run, *args, **kwargs)

    if another_recorders is None:
        changes.callback(delattr, below, "apply")
    else:
        changes.callback(setattr, below, "apply", another_recorders)
    below.apply = classmethod(apply)


def _run_as_written(changes: ExitStack) -> None:
    def set_stance() -> None:
        changes.enter_context(torch.compiler.set_stance("force_eager"))

    if "torch._dynamo" in sys.modules:
        set_stance()
        return
    original = torch.compile

    @wraps(original)
    def compile_later(*args: Any, **kwargs: Any) -> Any:
        compiled = original(*args, **kwargs)
        set_stance()  # not earlier: the compiler takes seconds to load
        return compiled

    _replace(changes, torch, "compile", compile_later)


def _keep_fast_paths(recorder: Recorder, changes: ExitStack) -> None:
    original = torch.overrides.has_torch_function

    @wraps(original)
    def has_torch_function(relevant: Any) -> bool:
        if sys._getframe(1).f_globals.get("__name__") not in _FAST_PATHS:
            return original(relevant)
        with _without(recorder):
            return original(relevant)

    _replace(changes, torch.overrides, "has_torch_function", has_torch_function)


def _replace(changes: ExitStack, owner: Any, name: str, new: Any) -> None:
    changes.callback(setattr, owner, name, getattr(owner, name))
    setattr(owner, name, new)


def _one_op(
    recorder: Recorder,
    function: Callable[..., Any],
    run: Callable[..., Any],
    /,
    *args: Any,
    **kwargs: Any,
) -> Any:
    """Record a call of ``function`` as one op, and nothing of what happens within it."""
    if not recorder.listens():
        return run(*args, **kwargs)

    def run_unheard(*args: Any, **kwargs: Any) -> Any:
        with _without(recorder):
            return run(*args, **kwargs)

    return recorder.op(function, run_unheard, args, kwargs, sys._getframe(1))


@contextmanager
def _without(recorder: Recorder) -> Iterator[None]:
    """Take the recorder out of the stack of modes while the block runs."""
    modes = [torch._C._pop_torch_function_stack() for _ in range(function_modes())]
    _push(mode for mode in reversed(modes) if mode is not recorder)
    try:
        yield
    finally:
        for _ in range(function_modes()):
            torch._C._pop_torch_function_stack()
        _push(reversed(modes))


def _push(modes: Iterable[Any]) -> None:
    for mode in modes:
        torch._C._push_on_torch_function_stack(mode)
