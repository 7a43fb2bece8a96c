"""What each living tensor holds, and which op made it hold that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from operator import itemgetter

from torch import Tensor
from torch.autograd import _get_sequence_nr as sequence_number  # type: ignore[attr-defined]
from torch.autograd.graph import Node

from seegrad.recording.calls import (
    ARGS,
    FIRST_NODE,
    INDEX,
    KEY,
    LAST_NODE,
    MADE_BY,
    NUMBER,
    SERIAL,
    VALUE,
    VIEW,
    Hold,
    Row,
    inputs_of,
    is_value,
)
from seegrad.recording.ownership import Owners
from seegrad.recording.snapshot import COMPLETE, content

NEWEST = 4000
"""Of the newest rows, so many are held at most, and half as many at least."""


UNCOUNTED = -1
"""The version of an inference tensor."""

OUT_OF_DATE = -2
"""No tensor's version: a hold of this version is looked at anew."""


class Holdings:
    """The tensors that were seen and are alive, each with what it holds now.

    ``known`` has the hold on each, by the tensor's ``id``.

    ``newest`` are rows that are held until Python's garbage collector has been round; it comes
    every 700 objects. It goes through what is held from elsewhere in the order it was made, so
    it finds the values an op used before the op, and stops tracking the one after the other.
    Every row has to join as soon as it is made.
    """

    def __init__(self, numbers: Iterator[int]) -> None:
        self._numbers = numbers
        self.known: dict[int, Hold] = {}
        self.newest: list[Row] = []
        self._owners: Owners | None = None
        self._when_gone = self._forget

    def _forget(self, hold: Hold) -> None:
        self.known.pop(hold.row[KEY], None)
        self._owners = None

    def hold(self, tensor: Tensor) -> Hold:
        """The hold on any tensor, brought up to date."""
        hold = self.known.get(id(tensor))
        if hold is not None:
            try:
                if hold.version == tensor._version and hold.requires_grad is tensor.requires_grad:
                    return hold
            except RuntimeError:  # an inference tensor: nobody counts its versions
                return hold
        return self._adopt(tensor, hold)

    def remember(self, op: Row | None, index: int, tensor: Tensor) -> Hold:
        """Output ``index`` of ``op`` is what ``tensor`` holds from now on."""
        key = id(tensor)
        hold = self.known.get(key)
        if hold is None:
            hold = self.known[key] = Hold(tensor, self._when_gone)
            hold.serial = next(self._numbers)
        dtype = tensor.dtype
        kept = content(tensor, dtype)
        hold.requires_grad = wanted = tensor.requires_grad
        try:
            now = tensor._version
        except RuntimeError:
            now = UNCOUNTED
        hold.version = now
        hold.row = row = (
            VALUE, op, index, key, hold.serial,
            None if type(kept) is float else self._shape(tensor), dtype, wanted,
            wanted and tensor.is_leaf, tensor._is_view(), now, kept,
        )  # fmt: skip
        self._owners = None
        newest = self.newest
        newest.append(row)
        if len(newest) > NEWEST:
            del newest[: NEWEST // 2]
        return hold

    def _shape(self, tensor: Tensor) -> Row | None:
        """The shape, where what is kept of the content does not have it."""
        if tensor.numel() <= COMPLETE:
            return None
        shape = tuple(tensor.shape)
        self.newest.append(shape)
        return shape

    def let_go(self) -> None:
        """Hold no row any more but for the sake of a living tensor."""
        self.newest.clear()

    def change(self, op: Row, hold: Hold) -> None:
        """``op`` changed a tensor in place, and with it those that share its memory."""
        tensor = hold()
        if tensor is None:
            return
        if hasattr(hold, "tapes"):
            del hold.tapes
        for sharing in (tensor, *self._sharing(tensor, hold)):
            # A view made under no_grad and then edited can no longer be asked what it is.
            with suppress(RuntimeError):
                self.remember(op, 0, sharing)

    def _sharing(self, tensor: Tensor, hold: Hold | None) -> Iterator[Tensor]:
        """The tensor that ``tensor`` is a view of, and the one it is the ``.data`` of.

        Other views of that one are looked at when they are next used: autograd does so too.
        """
        base = tensor._base
        if base is not None and id(base) in self.known:
            yield base
        while hold is not None and (source := hold.shared_with()) is not None:
            yield source
            hold = self.known.get(id(source))

    # A tensor that changed, or came to be, where nobody could see it

    def _adopt(self, tensor: Tensor, hold: Hold | None) -> Hold:
        if hold is None:
            return self.remember(None, 0, tensor)
        made_by = hold.row[MADE_BY]
        if tensor.is_leaf and hold.version == version(tensor):  # requires_grad was switched
            return self.remember(made_by, hold.row[INDEX], tensor)
        if hold.row[VIEW] and made_by is not None and tensor._base is not None:
            made_by = self._viewed_anew(tensor, tensor._base, made_by)
            return self.remember(made_by, hold.row[INDEX], tensor)
        return self.remember(None, 0, tensor)

    def _viewed_anew(self, view: Tensor, base: Tensor, op: Row) -> Row:
        """The op that made ``view``, now that ``base`` was changed in place.

        Autograd too takes the view of the changed base anew: it gives the view a new ``grad_fn``
        when that is first asked for.
        """
        viewed = self.hold(base).row
        node = view.grad_fn
        first = sequence_number() if node is None else node._sequence_nr()
        anew = list(op)
        anew[ARGS] = tuple([viewed if is_value(argument) else argument for argument in op[ARGS]])
        anew[FIRST_NODE], anew[LAST_NODE] = first, first if node is None else first + 1
        anew[NUMBER] = next(self._numbers)
        return tuple(anew)

    # What can be asked

    def tensor(self, value: Row) -> Tensor | None:
        """The tensor whose value this is or was, while it lives."""
        hold = self.known.get(value[KEY])
        return hold() if hold is not None and hold.serial == value[SERIAL] else None

    def tensors(self) -> list[Tensor]:
        """The tensors that were seen and are alive."""
        return [tensor for hold in list(self.known.values()) if (tensor := hold()) is not None]

    def ops(self) -> list[Row]:
        """Every op whose result can still be asked for, in the order they ran."""
        found: dict[int, Row] = {}
        pending = [hold.row[MADE_BY] for hold in list(self.known.values())]
        while pending:
            op = pending.pop()
            if op is not None and id(op) not in found:
                found[id(op)] = op
                pending.extend(value[MADE_BY] for value in inputs_of(op))
        return sorted(found.values(), key=itemgetter(NUMBER))

    def owners(self, nodes: Iterable[Node]) -> dict[Node, Row | None]:
        """Which op made each of these autograd nodes? ``None`` if no recorded one did."""
        if self._owners is None:
            self._owners = Owners(self.ops())
        return self._owners.of(nodes)


def version(tensor: Tensor) -> int:
    """The tensor's version counter; ``UNCOUNTED`` for an inference tensor, which has none."""
    try:
        return tensor._version
    except RuntimeError:
        return UNCOUNTED
