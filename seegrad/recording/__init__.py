"""What ran: a ``Recorder`` watches the learner's PyTorch calls and keeps what they took and gave.

``watcher`` is where to begin; the other files beside it are its parts.
"""

from __future__ import annotations

from seegrad.recording.calls import Op, Value
from seegrad.recording.grad_events import GradEvent
from seegrad.recording.holdings import version
from seegrad.recording.watcher import (
    Branch,
    Exit,
    Recorder,
    Recording,
    record,
    recorder,
    unrecorded,
)

__all__ = [
    "Branch",
    "Exit",
    "GradEvent",
    "Op",
    "Recorder",
    "Recording",
    "Value",
    "record",
    "recorder",
    "unrecorded",
    "version",
]
