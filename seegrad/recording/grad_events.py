"""What happened to each leaf's ``.grad``: what was added, assigned, zeroed, and where."""

from __future__ import annotations

import weakref
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import Literal

from torch import Tensor

from seegrad.recording.snapshot import keep
from seegrad.recording.source import Site

LONGEST_LOG = 64
"""Of what happened to one leaf's ``.grad``, this many events are kept, the newest."""


@dataclass(frozen=True, slots=True)
class GradEvent:
    """Something happened to a leaf's ``.grad``.

    ``kind`` is "backward" (``added`` arrived), "zeroed", "None" or "changed" (assigned or edited);
    ``after`` is what ``.grad`` held then, ``site`` the code that did it, ``root`` how the result
    that a backward call started from was computed ("" if that was not seen), ``number`` when a
    backward call ran, as ops are numbered.
    """

    kind: Literal["backward", "zeroed", "None", "changed"]
    site: Site | None
    added: Tensor | None
    after: Tensor | None
    root: str = ""
    number: int = 0


class GradEvents:
    """The newest events of each leaf, as long as the leaf lives."""

    def __init__(self) -> None:
        self._logs: dict[int, tuple[weakref.ref[Tensor], deque[GradEvent]]] = {}

    def of(self, leaf: Tensor) -> list[GradEvent]:
        """What happened to ``leaf.grad``, oldest first."""
        _, events = self._logs.get(id(leaf), (None, ()))
        return list(events)

    def arrived(
        self, leaf: Tensor, added: Tensor | None, site: Site | None, root: str, number: int
    ) -> None:
        """A ``backward()`` added to it."""
        self._note(leaf, GradEvent("backward", site, added, _grad(leaf), root, number))

    def assigned(self, leaf: Tensor, site: Site | None) -> None:
        """``leaf.grad = …``."""
        after = _grad(leaf)
        self._note(leaf, GradEvent("None" if after is None else "changed", site, None, after))

    def edited(self, leaf: Tensor, site: Site | None) -> None:
        """An op changed it in place."""
        after = _grad(leaf)
        zeroed = after is not None and not after.is_meta and not bool(after.count_nonzero())
        self._note(leaf, GradEvent("zeroed" if zeroed else "changed", site, None, after))

    def _note(self, leaf: Tensor, event: GradEvent) -> None:
        key = id(leaf)
        if key not in self._logs:
            # Called with the dead reference too, ``pop`` takes it for what to return by default.
            forget = partial(self._logs.pop, key)
            self._logs[key] = (weakref.ref(leaf, forget), deque(maxlen=LONGEST_LOG))
        self._logs[key][1].append(event)


def _grad(leaf: Tensor) -> Tensor | None:
    return None if leaf.grad is None else keep(leaf.grad)
