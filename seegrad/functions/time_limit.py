"""A time limit for what a learner's function does, in whatever thread it runs.

In the main thread an alarm stops it, also while it sleeps. In any other it is stopped between two
Python instructions: JupyterLab asks the kernel in a thread of its own while something is dragged.
"""

from __future__ import annotations

import ctypes
import math
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from time import perf_counter
from types import FrameType
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from seegrad.errors import InputError
from seegrad.formatting import number

LIMIT = 3.0
"""Seconds that a question may take. The page waits a little longer before it asks for a kernel."""

_AGAIN = 0.1  # seconds after which it rings anew, if Python swallowed it in a __del__


def too_slow(seconds: float) -> str:
    """What is said of one call that was stopped."""
    return (
        f"f took more than {number(float(seconds))} seconds, so it was stopped. Does a loop in "
        "it never end? Otherwise give it a smaller input, or make it do less."
    )


@contextmanager
def limited(seconds: float = LIMIT, told: Callable[[float], str] = too_slow) -> Iterator[None]:
    """Stop what runs in the block after ``seconds``, and hide it from a recording outside.

    One torch call that takes long is waited for, and so is an import.

    Parameters
    ----------
    told: gives the sentence that is said then.

    Raises
    ------
    InputError: it took longer.
    """
    try:
        with _clock(seconds), _Deadline(seconds):
            yield
    except _Overdue:
        raise InputError(told(seconds)) from None


class _Overdue(BaseException):
    """Time is up. No Exception: a learner's ``except Exception`` must not swallow it."""


class _Deadline(TorchFunctionMode):
    """Looks at the clock before each torch call, and passes the call on to PyTorch alone."""

    def __init__(self, seconds: float):
        super().__init__()
        self._end = perf_counter() + seconds

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if perf_counter() > self._end and not _importing(sys._getframe()):
            raise _Overdue
        with torch._C.DisableTorchFunction():
            return func(*args, **(kwargs or {}))


def _clock(seconds: float) -> AbstractContextManager[None]:
    """What raises _Overdue in this thread when the time is up."""
    main = threading.current_thread() is threading.main_thread()
    return _alarm(seconds) if main and hasattr(signal, "setitimer") else _watchdog().watch(seconds)


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise _Overdue in the block, in the main thread, by a signal: it also ends a sleep."""
    running = True

    def ring(_signal: int, frame: FrameType | None) -> None:
        if running and not _importing(frame):  # else it rings again
            raise _Overdue

    began = perf_counter()
    handler = signal.signal(signal.SIGALRM, ring)
    delay, interval = signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)
    try:
        try:
            yield
        finally:
            running = False
    finally:  # also if the alarm rang between the block's end and the line above
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler or signal.SIG_DFL)
        if delay:  # somebody else's alarm was set: it still rings when it should
            left = max(1e-3, delay - (perf_counter() - began))
            signal.setitimer(signal.ITIMER_REAL, left, interval)


class _Watchdog:
    """A thread that raises _Overdue in other threads when their time is up.

    It wakes at the earliest end only, so that a question that is answered in time costs no switch
    between threads.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._ends: dict[int, float] = {}
        self._interrupted: set[int] = set()
        self._wakes = math.inf
        threading.Thread(target=self._run, name="seegrad time limit", daemon=True).start()

    @contextmanager
    def watch(self, seconds: float) -> Iterator[None]:
        """Raise _Overdue in the block, which runs in the calling thread, after ``seconds``."""
        thread = threading.get_ident()
        outer = self._ends.get(thread)  # of a limit that stands around this one
        self._set(thread, perf_counter() + seconds)
        try:
            yield
        finally:
            while not self._done(thread, outer):
                pass

    def _set(self, thread: int, end: float) -> None:
        with self._changed:
            self._ends[thread] = end
            if end < self._wakes:
                self._changed.notify()

    def _done(self, thread: int, outer: float | None) -> bool:
        """Watch this block no more; false if time was up while this was being said."""
        try:
            with self._changed:
                if outer is None:
                    self._ends.pop(thread, None)
                else:
                    self._set(thread, outer)
                if thread in self._interrupted:
                    _let_arrive(thread)
                    self._interrupted.discard(thread)
        except _Overdue:
            return False
        return True

    def _run(self) -> None:
        with self._changed:
            while True:
                now = perf_counter()
                for thread in [thread for thread, end in self._ends.items() if end <= now]:
                    self._ends[thread] = now + _AGAIN
                    if not _importing(sys._current_frames().get(thread)):
                        self._interrupted.add(thread)
                        _interrupt(thread)
                self._wakes = min(self._ends.values(), default=math.inf)
                self._changed.wait(None if self._wakes == math.inf else self._wakes - now)


@cache
def _watchdog() -> _Watchdog:
    """The one of this process, made when it is first needed."""
    return _Watchdog()


def _interrupt(thread: int) -> None:
    """Raise _Overdue in a thread, before its next Python instruction."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(_Overdue))


def _let_arrive(thread: int) -> None:
    """Catch an _Overdue that is still on its way to this, the calling, thread.

    A new one takes the place of the old. To take it back (by NULL) would leave CPython 3.11's note
    that one is pending, on which a traced thread then turns for ever.
    """
    try:
        _interrupt(thread)
        while True:
            pass
    except _Overdue:
        return


def _importing(frame: FrameType | None) -> bool:
    """Is a module being imported? Cut short, half of it would stay behind and break what follows.

    torch imports hundreds of modules when torch.func is first used.
    """
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False
