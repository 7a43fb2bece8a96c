"""One call of the learner's and the values it took and gave: how they are kept, how they are read.

They are kept as *rows*: plain tuples of numbers, names and other rows. Python's garbage collector
looks at every object of a class again and again; a tuple that holds nothing but numbers and such
tuples it soon leaves alone. That halves the cost of recording a long computation.

Rows own each other as the computation goes back: a value its op, an op the values it used. When
the last of them goes, so do all. A row is as deep as the computation is long: it may be compared
by ``is`` only, and never printed.

They are read through ``Value`` and ``Op``, which are made when somebody asks.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from seegrad.recording.scopes import Scope
from seegrad.recording.snapshot import restored
from seegrad.recording.source import Site
from seegrad.recording.tape import Tape

if TYPE_CHECKING:
    from seegrad.recording import Recording

Row = tuple[Any, ...]

VALUE = object()
"""The first field of a value's row: an op's arguments hold other tuples too."""

SLICE = object()
"""The first field of what is kept of a slice."""

# The fields of a value's row.
_, MADE_BY, INDEX, KEY, SERIAL, SHAPE, DTYPE, REQUIRES_GRAD, LEAF, VIEW, VERSION, CONTENT = range(
    12
)

# The fields of an op's row.
(
    NUMBER, RECORDING, PLACE, TURN, SCOPE, ARGS, KWARGS, CHANGED, SEVERAL, GRAD_ENABLED,
    FIRST_NODE, LAST_NODE,
) = range(12)  # fmt: skip


def is_value(argument: Any) -> bool:
    """Is this argument of an op the row of a value?"""
    return type(argument) is tuple and len(argument) > 0 and argument[0] is VALUE


def values_in(arguments: tuple[Any, ...]) -> Iterator[Row]:
    """The rows of the values among an op's arguments, in order, lists flattened."""
    for argument in arguments:
        if is_value(argument):
            yield argument
        elif type(argument) is tuple:
            yield from values_in(argument)


def inputs_of(op: Row) -> Iterator[Row]:
    """The rows of all values that an op was given."""
    yield from values_in(op[ARGS])
    yield from values_in(op[KWARGS])


class Hold(weakref.ref[Tensor]):
    """The recorder's hold on one living tensor: it does not keep it alive.

    ``row`` is what the tensor holds now, as far as was seen; ``version`` and ``requires_grad`` are
    the tensor's from then: when they no longer agree with it, something else happened.

    Seldom set: ``grad_of``, the leaf whose ``.grad`` the tensor is; ``source``, the hold on the
    tensor it is the ``.data`` of; ``tapes``, what the engine did in the learner's ``backward()``
    calls on it.
    """

    __slots__ = ("grad_of", "requires_grad", "row", "serial", "source", "tapes", "version")

    grad_of: weakref.ref[Tensor]
    requires_grad: bool
    row: Row
    serial: int
    source: Hold
    tapes: deque[Tape]
    version: int

    # A weak reference otherwise compares what it refers to, and tensors compare by element.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def leaf(self) -> Tensor | None:
        """The leaf whose ``.grad`` this is, if it is one's."""
        return self.grad_of() if hasattr(self, "grad_of") else None

    def shared_with(self) -> Tensor | None:
        """The tensor this is the ``.data`` of, if it is one's."""
        return self.source() if hasattr(self, "source") else None


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """What the turns of one op at one place in the code have in common.

    ``direct``: whether the expression at ``site`` is the op itself, not a module that led to it.
    ``tally``: what its turns are counted under; a ``while`` test is compiled to two places.
    """

    number: int
    tally: int
    site: Site | None
    function: Callable[..., Any]
    name: str
    direct: bool


class _Reading:
    """A row, and where to look up what it has by number. Two readings of one row are equal."""

    __slots__ = ("_recordings", "_row", "_tensor")

    def __init__(
        self,
        row: Row,
        recordings: Mapping[int, Recording],
        tensor: Callable[[Row], Tensor | None],
    ):
        self._row = row
        self._recordings = recordings
        self._tensor = tensor

    def _value(self, row: Row) -> Value:
        return Value(row, self._recordings, self._tensor)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reading) and self._row is other._row

    def __hash__(self) -> int:
        return id(self._row)


class Value(_Reading):
    """What one tensor held at one moment."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Value({self.data!r})" if self.complete else f"Value(shape={tuple(self.shape)})"

    @property
    def op(self) -> Op | None:
        """The op that made it (created it, for a leaf); ``None`` if that was not seen."""
        row = self._row[MADE_BY]
        return None if row is None else Op(row, self._recordings, self._tensor)

    @property
    def index(self) -> int:
        """Which of the op's outputs it is."""
        index: int = self._row[INDEX]
        return index

    @property
    def shape(self) -> torch.Size:
        """The tensor's shape."""
        shape = self._row[SHAPE]
        return torch.Size(getattr(self._row[CONTENT], "shape", ()) if shape is None else shape)

    @property
    def dtype(self) -> torch.dtype:
        """The tensor's dtype."""
        dtype: torch.dtype = self._row[DTYPE]
        return dtype

    @property
    def requires_grad(self) -> bool:
        """Whether a gradient was to come back to it."""
        required: bool = self._row[REQUIRES_GRAD]
        return required

    @property
    def leaf(self) -> bool:
        """Whether it is a leaf that wants a gradient."""
        leaf: bool = self._row[LEAF]
        return leaf

    @property
    def view(self) -> bool:
        """Whether it shares its storage with the tensor it was made from."""
        view: bool = self._row[VIEW]
        return view

    @property
    def version(self) -> int:
        """The tensor's version counter; an in-place op raises it and makes a new ``Value``."""
        version: int = self._row[VERSION]
        return version

    @property
    def data(self) -> Tensor:
        """A copy of the content, or of its leading corner (see ``snapshot.keep``)."""
        return restored(self._row[CONTENT], self.dtype)

    @property
    def complete(self) -> bool:
        """Whether ``data`` is the whole content."""
        data = self.data
        return data.shape == self.shape and not data.is_meta

    @property
    def tensor(self) -> Tensor | None:
        """The learner's tensor, while it lives."""
        return self._tensor(self._row)


class Op(_Reading):
    """One PyTorch call of the learner's."""

    __slots__ = ("_inputs",)

    def __repr__(self) -> str:
        return f"Op({self.text!r})"

    @property
    def number(self) -> int:
        """Its place among all that was recorded: what ran later has a higher one."""
        number: int = self._row[NUMBER]
        return number

    @property
    def _place(self) -> Place:
        return self.recording.places[self._row[PLACE]]

    @property
    def name(self) -> str:
        """The function's name in PyTorch: ``dot``, ``mul`` (also for ``*``), ``__rsub__``.

        A learner's own ``torch.autograd.Function`` goes by its class.
        """
        return self._place.name

    @property
    def function(self) -> Callable[..., Any]:
        """What was called."""
        return self._place.function

    @property
    def site(self) -> Site | None:
        """Where in the learner's code; ``None`` if Python could not tell."""
        return self._place.site

    @property
    def direct(self) -> bool:
        """Whether the expression at ``site`` is this very call, not a module's that led to it."""
        return self._place.direct

    @property
    def turn(self) -> int:
        """How often this place had run in this call of its function, from 1 (a loop's turn).

        All that a module does in one ``net(x)`` is of one turn.
        """
        turn: int = self._row[TURN]
        return turn

    @property
    def scope(self) -> Scope:
        """The module it ran in, by name, outermost first; ``()`` outside modules."""
        scope: Scope = self._row[SCOPE]
        return scope

    @property
    def args(self) -> tuple[Any, ...]:
        """What with; each tensor is replaced by its ``Value``, each list by a tuple."""
        arguments: tuple[Any, ...] = self._read(self._row[ARGS])
        return arguments

    @property
    def kwargs(self) -> Mapping[str, Any]:
        """The same for what was given by name."""
        names_and_arguments = iter(self._row[KWARGS])
        return {name: self._read(next(names_and_arguments)) for name in names_and_arguments}

    @property
    def inputs(self) -> tuple[Value, ...]:
        """The ``Value`` of each tensor argument, in order, lists flattened."""
        if not hasattr(self, "_inputs"):
            self._inputs = tuple(map(self._value, inputs_of(self._row)))
        return self._inputs

    @property
    def changed(self) -> tuple[Value, ...]:
        """The inputs it changed in place, as they were before."""
        return tuple(map(self._value, self._row[CHANGED]))

    @property
    def several(self) -> bool:
        """Whether it returned a tuple or list of tensors."""
        several: bool = self._row[SEVERAL]
        return several

    @property
    def grad_enabled(self) -> bool:
        """Whether gradients were being recorded."""
        enabled: bool = self._row[GRAD_ENABLED]
        return enabled

    @property
    def first_node(self) -> int:
        """Autograd nodes have sequence numbers; those it made: ``first_node <= n < last_node``."""
        number: int = self._row[FIRST_NODE]
        return number

    @property
    def last_node(self) -> int:
        """The number after its last node's."""
        number: int = self._row[LAST_NODE]
        return number

    @property
    def recording(self) -> Recording:
        """The cell or block it belongs to."""
        return self._recordings[self._row[RECORDING]]

    @property
    def text(self) -> str:
        """The learner's own spelling of the call; the function's name where there is no source."""
        place = self._place
        written = place.site.text if place.site else ""
        if not place.direct and written:
            return f"{place.name} in {written}"
        return written or f"{place.name}(…)"

    def _read(self, kept: Any) -> Any:
        if is_value(kept):
            return self._value(kept)
        if type(kept) is not tuple:
            return kept
        read = tuple(map(self._read, kept))
        return slice(*read[1:]) if read and read[0] is SLICE else read
