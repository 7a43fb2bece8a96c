"""A traceback as a learner reads it: the lines that are the learner's own, then the message.

Between the two PyTorch shows where in its own code it raised, and seegrad, which looks on, would
add more of that.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from seegrad.recording import watcher

PYTORCH = str(Path(torch.__file__).parent)
SEEGRAD = str(Path(__file__).parents[1])
WATCHER = watcher.__file__
"""Every recorded call of PyTorch passes through it: what is raised there is PyTorch's own."""


def shorten(shell: Any) -> None:
    """Show tracebacks in this shell without the frames inside PyTorch and seegrad."""
    shell.set_custom_exc((Exception,), _show)


def restore(shell: Any) -> None:
    """Show tracebacks whole again."""
    shell.set_custom_exc((), None)


def own_part(traceback: TracebackType | None) -> TracebackType | None:
    """What is left of a traceback without PyTorch's frames and seegrad's?

    All of it, where the error was raised in seegrad: then those frames are what tells.

    >>> try:
    ...     torch.ones(2, requires_grad=True).backward()
    ... except RuntimeError as error:
    ...     parts = error.__traceback__, own_part(error.__traceback__)
    >>> len(list(frames(parts[0]))) > 1, len(list(frames(parts[1])))
    (True, 1)
    """
    chain = list(frames(traceback))
    if not chain or (_file(chain[-1]).startswith(SEEGRAD) and _file(chain[-1]) != WATCHER):
        return traceback
    kept: TracebackType | None = None
    for part in reversed(chain):
        if not _file(part).startswith((PYTORCH, SEEGRAD)):
            kept = TracebackType(kept, part.tb_frame, part.tb_lasti, part.tb_lineno)
    return kept


def frames(traceback: TracebackType | None) -> Iterator[TracebackType]:
    """The parts of a traceback, outermost first."""
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _file(part: TracebackType) -> str:
    return part.tb_frame.f_code.co_filename


def _show(
    shell: Any,
    kind: type[BaseException],
    error: BaseException,
    traceback: TracebackType | None,
    tb_offset: int | None = None,
) -> None:
    shell.showtraceback((kind, error, own_part(traceback)), tb_offset=tb_offset)
