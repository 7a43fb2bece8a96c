"""What recording puts between a learner's line and what PyTorch says of it, taken out again.

A call that is recorded goes through the recorder, and on the way through functions of torch that
would not have run: a traceback shows them all. Without them it is what it would be unrecorded.
And a warning names the frame that was called from, which is the recorder's.
"""

from __future__ import annotations

import dis
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import zip_longest
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import Any, TypeVar

import torch
from torch.nn import Module

from seegrad.recording.source import site

R = TypeVar("R")

_OURS = str(Path(__file__).parent)
_STAND_IN = "<from the learner's line>"
_HANDLER = torch.overrides.handle_torch_function.__code__
_CALL = Module._call_impl.__code__
_HOOKS = ("_backward_hooks", "_backward_pre_hooks", "_forward_hooks", "_forward_pre_hooks")


def hide(error: BaseException) -> None:
    """Take out of the error's traceback, and of those it came from, what recording put in.

    >>> import torch, traceback
    >>> from seegrad.recording import record
    >>> try:
    ...     with record():
    ...         torch.ones(2) @ torch.ones(3)
    ... except RuntimeError as error:
    ...     len(traceback.extract_tb(error.__traceback__))
    1
    """
    for each in _chain(error):
        frames = _as_unhooked(_unrecorded(list(_frames(each.__traceback__))))
        for frame, below in zip_longest(frames, frames[1:]):
            frame.tb_next = below
        each.__traceback__ = frames[0] if frames else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, and those that it was raised from or while handling."""
    pending, seen = [error], set[int]()
    while pending:
        top = pending.pop()
        if id(top) not in seen:
            seen.add(id(top))
            yield top
            pending += [other for other in (top.__cause__, top.__context__) if other is not None]


def _frames(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _unrecorded(frames: list[TracebackType]) -> list[TracebackType]:
    """The frames that would be there unrecorded; all, if what raised is a fault of ours."""
    if frames and _is_ours(frames[-1]) and not _passes_on(frames[-1]):
        return frames
    kept: list[TracebackType] = []
    for frame in frames:
        if not _is_ours(frame):
            kept.append(frame)
        elif kept and kept[-1].tb_frame.f_code is _HANDLER:
            del kept[-2:]  # a function of torch's that asked the recorder, to be called again
    return kept


def _is_ours(frame: TracebackType) -> bool:
    code = frame.tb_frame.f_code
    return code.co_filename.startswith(_OURS) or code.co_name == _STAND_IN


def _passes_on(frame: TracebackType) -> bool:
    """Was this frame calling what the learner called?"""
    if frame.tb_frame.f_code.co_name == _STAND_IN:
        return True
    return "(*args" in site(frame.tb_frame.f_code, frame.tb_lasti).text


def _as_unhooked(frames: list[TracebackType]) -> list[TracebackType]:
    """The same with each module's call as it goes without our hooks.

    A module with hooks runs its ``forward`` from a function within its call.
    """
    kept: list[TracebackType] = []
    for frame in frames:
        if kept and kept[-1].tb_frame.f_code is _CALL and _is_within(frame) and _unhooked(frame):
            kept[-1] = TracebackType(None, kept[-1].tb_frame, *_plain_call())
        else:
            kept.append(frame)
    return kept


def _is_within(frame: TracebackType) -> bool:
    return frame.tb_frame.f_code in _CALL.co_consts


def _unhooked(frame: TracebackType) -> bool:
    module = frame.tb_frame.f_locals.get("self")
    return isinstance(module, Module) and not any(getattr(module, name) for name in _HOOKS)


@lru_cache(maxsize=1)
def _plain_call() -> tuple[int, int]:
    """Where a module without hooks calls its ``forward``: the instruction and the line."""
    steps = dis.get_instructions(_CALL)
    call = next(step for step in steps if step.opname == "CALL_FUNCTION_EX")
    line = call.positions.lineno if call.positions else None
    return call.offset, line or _CALL.co_firstlineno


def caller_of(function: Callable[..., Any], frame: FrameType | None) -> FrameType | None:
    """The frame that called ``function``, a Python function under way above ``frame``."""
    code = getattr(function, "__code__", None)
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back
    return frame.f_back if frame is not None else None


def from_line(frame: FrameType, function: Callable[..., R], *args: Any, **kwargs: Any) -> R:
    """Call a function of PyTorch's as if the line that ``frame`` is on did.

    A warning names the line that called, and Python shows it once for each: it goes by the file,
    the line and the globals of the frame on top. Here these are the learner's.
    """
    call = _call_on(frame.f_code.co_filename, frame.f_lineno)
    given = {"function": function, "args": args, "kwargs": kwargs}
    result: R = eval(call, frame.f_globals, given)
    return result


@lru_cache(maxsize=256)
def _call_on(filename: str, line: int) -> CodeType:
    code = compile("function(*args, **kwargs)", filename, "eval")
    return code.replace(co_firstlineno=line, co_name=_STAND_IN)
