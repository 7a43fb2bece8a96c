"""What ``.grad`` is made of: the account of one leaf, an entry for each thing that happened to it.

Entries come from the recording. More can be made on a copy of the leaf: PyTorch itself then
accumulates, and the learner's ``.grad`` stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.autograd.graph import get_gradient_edge

from seegrad.backward import remembered, replay
from seegrad.errors import InputError
from seegrad.recording import GradEvent, Recorder, recorder, unrecorded
from seegrad.recording.names import Names
from seegrad.recording.snapshot import keep
from seegrad.recording.tape import walk

Kind = Literal["backward", "zeroed", "None", "changed"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the account.

    Attributes
    ----------
    kind: what happened: a backward call, zeroing, ``= None``, or any other change.
    code: the code that did it.
    root: what a backward call started from, where the code does not say it.
    added: what a backward call brought; ``None`` for the other kinds.
    after: what ``.grad`` held then; ``None`` if it was ``None``.
    tried: whether it was tried on the copy, not run by the learner.
    """

    kind: Kind
    code: str
    added: Tensor | None
    after: Tensor | None
    root: str = ""
    tried: bool = False


class Account:
    """The account of one leaf's ``.grad``.

    A large leaf is represented by its leading corner (``snapshot.keep``): accumulation is
    elementwise, so the corner's account is the corner of the account.

    >>> import torch, seegrad
    >>> with seegrad.record():
    ...     x = torch.arange(4.0, requires_grad=True)
    ...     torch.dot(x, x).backward()
    >>> account = Account(x, {id(x): "x"})
    >>> account.backward()
    >>> [entry.after for entry in account.entries]
    [tensor([0., 2., 4., 6.]), tensor([ 0.,  4.,  8., 12.])]
    >>> x.grad
    tensor([0., 2., 4., 6.])
    """

    @unrecorded
    def __init__(self, leaf: Tensor, names: Names):
        self.name = names.get(id(leaf), "x")
        self.shape = leaf.shape
        watcher = recorder()
        self._copy = keep(leaf).requires_grad_()
        self._copy.grad = None if leaf.grad is None else keep(leaf.grad)
        self.entries = [_entry(event) for event in watcher.grad_events(leaf)]
        if not _same(self.entries[-1].after if self.entries else None, self._copy.grad):
            where = "code that was not recorded"
            self.entries.append(Entry("changed", where, None, _content(self._copy)))
        self._recorded = len(self.entries)
        self.call, self.root, self.gradient = _next_backward(leaf, names, watcher)

    @property
    def grad(self) -> Tensor | None:
        """What ``.grad`` holds at the end of the account."""
        return self._copy.grad

    @property
    def parts(self) -> list[tuple[int, Tensor]]:
        """What ``.grad`` is the sum of now: entries still in it, by number (from 1).

        With each goes what it brought.
        """
        parts: list[tuple[int, Tensor]] = []
        for number, entry in enumerate(self.entries, 1):
            if entry.kind == "backward" and entry.added is not None:
                parts.append((number, entry.added))
            else:
                parts = []
                if entry.kind == "changed" and entry.after is not None:
                    parts.append((number, entry.after))
        return parts

    @unrecorded
    def backward(self) -> None:
        """Try one more backward call: PyTorch adds the gradient to the copy's ``.grad``."""
        if self.gradient is None:
            raise InputError(_NO_RESULT.format(name=self.name))
        self._copy.backward(self.gradient)
        self._try("backward", self.call, self.gradient, self.root)

    @unrecorded
    def zero(self) -> None:
        """Try ``.grad.zero_()``: the same memory, filled with zeros."""
        if self._copy.grad is None:
            raise InputError(f"{self.name}.grad is None: there is nothing to fill with zeros.")
        self._copy.grad.zero_()
        self._try("zeroed", f"{self.name}.grad.zero_()", None)

    @unrecorded
    def forget(self) -> None:
        """Try ``.grad = None``: the memory is given back, the next backward call makes new."""
        self._copy.grad = None
        self._try("None", f"{self.name}.grad = None", None)

    @unrecorded
    def reset(self) -> None:
        """Take back what was tried."""
        del self.entries[self._recorded :]
        after = self.entries[-1].after if self.entries else None
        self._copy.grad = None if after is None else after.clone()

    def _try(self, kind: Kind, code: str, added: Tensor | None, root: str = "") -> None:
        self.entries.append(Entry(kind, code, added, _content(self._copy), root, tried=True))


_NO_RESULT = (
    "No result computed from {name} was recorded, so there is nothing to call backward() on. "
    "Compute one in a cell after %load_ext seegrad, for example y = ({name} * {name}).sum()."
)


def _entry(event: GradEvent) -> Entry:
    code = event.site.statement if event.site is not None else event.kind
    root = "" if event.root in code else event.root
    return Entry(event.kind, code, event.added, event.after, root)


def _content(leaf: Tensor) -> Tensor | None:
    return None if leaf.grad is None else leaf.grad.detach().clone()


def _same(a: Tensor | None, b: Tensor | None) -> bool:
    if a is None or b is None:
        return a is b
    return a.shape == b.shape and torch.allclose(a, b, rtol=0, atol=0, equal_nan=True)


Call = tuple[str, str, Tensor | None]
"""A backward call to try, as code, what it starts from, and what it brings to the leaf."""


def _next_backward(leaf: Tensor, names: Names, watcher: Recorder) -> Call:
    """The backward call to try.

    That is the call on the newest one-element result computed from the leaf that has a name; if
    none is alive, the last call the learner made; if there is none, that on a nameless result.
    """
    results = _newest_results(watcher)
    named = [result for result in results if id(result) in names]
    return (
        _call_on(named, leaf, names, watcher)
        or _last_call(watcher.grad_events(leaf))
        or _call_on(results, leaf, names, watcher)
        or ("y.backward()", "", None)
    )


def _call_on(results: list[Tensor], leaf: Tensor, names: Names, watcher: Recorder) -> Call | None:
    edge = get_gradient_edge(leaf).node
    for result in results:
        if edge in walk([get_gradient_edge(result).node]):
            gradient = _gradient(result, leaf)
            if gradient is not None:
                op = watcher.value(result).op
                call = f"{names.get(id(result), 'y')}.backward()"
                return call, op.text if op is not None else "", keep(gradient)
    return None


def _last_call(events: list[GradEvent]) -> Call | None:
    for event in reversed(events):
        if event.kind == "backward" and event.added is not None and event.site is not None:
            return event.site.statement, event.root, event.added
    return None


def _newest_results(watcher: Recorder) -> list[Tensor]:
    results = [t for t in watcher.tensors() if t.grad_fn is not None and t.numel() == 1]
    return sorted(results, key=lambda t: t.grad_fn._sequence_nr() if t.grad_fn else 0, reverse=True)


def _gradient(result: Tensor, leaf: Tensor) -> Tensor | None:
    try:
        return replay(result).added(leaf)
    except InputError:
        passes = remembered(result)
        return passes[-1].added(leaf) if passes else None
