"""Letting Python's garbage collector wait while many objects are made and none form a cycle."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_waiting() -> Iterator[None]:
    """Let the collector wait in the block; if it was switched off before, it stays so.

    Thousands of new objects would set it off time and again, and torch gives it much to read: it
    took half of a layout's time at 10,000 boxes.

    >>> with collector_waiting():
    ...     gc.isenabled()
    False
    >>> gc.isenabled()
    True
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
