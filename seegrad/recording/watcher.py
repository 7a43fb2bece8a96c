"""What ran: the learner's PyTorch calls, as they were written, with the values they made.

One ``Recorder`` watches a thread. It is a ``TorchFunctionMode``, so ``dot``, ``cross_entropy`` or
``linear`` each reach it once, before PyTorch takes them apart. (``unseen`` tells it of the few
calls that pass such a mode by.) For every call it makes an ``Op``, and for every tensor that goes
in or comes out a ``Value``.

What is kept lives exactly as long as it can be asked for: a tensor owns its ``Value``, a ``Value``
its ``Op``, an ``Op`` the ``Value`` of each input. When the learner's last tensor of a computation
goes, so does its recording.
"""

from __future__ import annotations

import sys
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial, wraps
from itertools import count
from threading import get_ident
from types import FrameType
from typing import Any, ParamSpec, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, is_grad_enabled
from torch._C import _len_torch_function_stack as function_modes
from torch.autograd import _get_sequence_nr as sequence_number  # type: ignore[attr-defined]
from torch.autograd.graph import GradientEdge, Node, get_gradient_edge
from torch.overrides import TorchFunctionMode
from torch.utils._device import DeviceContext

from seegrad.recording import unseen
from seegrad.recording.arguments import flat, kept
from seegrad.recording.calls import MADE_BY, RECORDING, Hold, Op, Place, Row, Value
from seegrad.recording.grad_events import GradEvent, GradEvents
from seegrad.recording.holdings import OUT_OF_DATE, Holdings
from seegrad.recording.passage import caller_of, from_line, hide
from seegrad.recording.scopes import Scopes
from seegrad.recording.snapshot import keep
from seegrad.recording.source import Site
from seegrad.recording.tape import Tape, is_accumulator, listen, walk
from seegrad.recording.turns import Turns, name_of

P = ParamSpec("P")
R = TypeVar("R")

LARGEST_PASS = 2000
"""A learner's own ``backward()`` is written down edge by edge up to this many nodes."""

LATEST_PASSES = 16
"""Of the ``backward()`` calls on one tensor, this many are kept, the newest."""


@dataclass(frozen=True, slots=True)
class Branch:
    """Python asked a tensor for yes or no: an ``if``, a ``while``, an ``assert``."""

    site: Site | None
    turn: int
    decision: bool


@dataclass(frozen=True, slots=True)
class Exit:
    """A tensor with a gradient behind it was read as plain numbers: ``item``, ``tolist``, ….

    ``number`` is what came out, if that is one number.
    """

    site: Site | None
    name: str
    number: complex | None


class Recording:
    """What ran in one cell, or in one ``with seegrad.record()`` block.

    ``branches`` are the newest decisions that Python took on a tensor, ``failed`` is the op that
    raised, ``places`` are the places in the code that its ops go by.

    >>> import torch, seegrad
    >>> with seegrad.record() as recording:
    ...     x = torch.arange(4.0, requires_grad=True)
    ...     y = 2 * torch.dot(x, x)
    >>> [op.name for op in recording.ops]
    ['arange', 'dot', 'mul']
    """

    def __init__(self, recorder: Recorder, cell: str, number: int, places: list[Place]):
        self._recorder = recorder
        self.cell = cell
        self.number = number
        self.places = places
        self.branches: deque[Branch] = deque(maxlen=10_000)
        self.failed: Op | None = None

    @property
    def ops(self) -> list[Op]:
        """The calls whose results can still be asked for, in the order they ran."""
        return [op for op in self._recorder.ops() if op.recording is self]


def unrecorded(function: Callable[P, R]) -> Callable[P, R]:
    """Keep what ``function`` does to look at the learner's tensors out of their recording."""

    @wraps(function)
    def unseen(*args: P.args, **kwargs: P.kwargs) -> R:
        with torch._C.DisableTorchFunction():
            return function(*args, **kwargs)

    return unseen


class Recorder(TorchFunctionMode):
    """Watches PyTorch calls while it is entered, and answers questions about tensors it saw.

    ``latest`` is the newest recording; ``exits`` are the newest reads of a tensor as plain numbers.
    """

    def __init__(self) -> None:
        super().__init__()
        self._numbers = count()
        self._holdings = Holdings(self._numbers)
        self._grad_events = GradEvents()
        self._scopes = Scopes()
        self._turns = Turns()
        self._recordings: dict[int, Recording] = {}
        self._prune_at = 64
        self._stack: list[Recording] = []
        self.latest: Recording | None = None
        self.exits: deque[Exit] = deque(maxlen=256)
        self._number = -1  # the recording's that an op made now would belong to
        self._thread = 0
        self._around = ExitStack()
        self._openly = (kept, self._settle)
        self._aside = (unrecorded(kept), unrecorded(self._settle))
        self._special: dict[Any, Callable[..., Any]] = {
            **dict.fromkeys(_QUESTIONS, _ask),
            **dict.fromkeys(_REPLACEMENTS, self._replace),
            **dict.fromkeys(_SHARES, self._share),
            **dict.fromkeys((Tensor.backward, torch.autograd.backward), self._backward),
            **dict.fromkeys(_EXITS, self._leave),
            **dict.fromkeys(_WARN_OF_SIZES, self._compare),
            Tensor.__bool__: self._branch,
            _getter("grad"): self._read_grad,
            _setter("grad"): self._assign_grad,
            _getter("grad_fn"): self._read_grad_fn,
        }

    # Starting and stopping

    @contextmanager
    def record(self, cell: str = "") -> Iterator[Recording]:
        """Watch the block."""
        recording = self.start(cell)
        try:
            yield recording
        except BaseException as error:
            hide(error)
            raise
        finally:
            self.stop()

    def start(self, cell: str = "") -> Recording:
        """Watch from here on, until ``stop``. Blocks nest; the innermost owns what runs."""
        if not self._stack:
            self._turns = Turns()
            self._thread = get_ident()
            self._around.enter_context(self._scopes.followed())
            self._around.enter_context(unseen.told(self))
            self._around.enter_context(self)
        if len(self._recordings) > self._prune_at:
            self._prune()
        recording = Recording(self, cell, next(self._numbers), self._turns.places)
        self._recordings[recording.number] = recording
        self._stack.append(recording)
        self.latest = recording
        self._number = recording.number
        return recording

    def stop(self) -> None:
        """Stop watching what the latest ``start`` began."""
        self._stack.pop()
        if self._stack:
            self._number = self._stack[-1].number
        else:
            self._around.close()
            self._turns = Turns()
            self._holdings.let_go()

    def _prune(self) -> None:
        """Let go of the recordings of which nothing can be asked any more."""
        used = {op[RECORDING] for op in self._holdings.ops()}
        used.update(recording.number for recording in self._stack)
        # A new dictionary: who reads an op from the old one goes on reading it.
        self._recordings = {number: self._recordings[number] for number in sorted(used)}
        self._prune_at = max(64, 2 * len(used))

    def listens(self) -> bool:
        """Would a call made here and now be recorded? A mode above may keep it from us."""
        if get_ident() != self._thread or not torch._C._is_torch_function_mode_enabled():
            return False
        modes = [torch._C._get_function_stack_at(i) for i in range(function_modes())]
        return [mode for mode in modes if not isinstance(mode, DeviceContext)][-1:] == [self]

    # What a learner's code runs through

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        special = self._special.get(func)
        if special is not None:
            return special(func, args, kwargs or {})
        # Another mode, or a tensor class with code of its own, is not to see us look at tensors.
        aside = types or function_modes()
        return self.op(func, func, args, kwargs or {}, sys._getframe(1), aside)

    def op(
        self,
        function: Callable[..., Any],
        run: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        frame: FrameType,
        aside: Any = True,
    ) -> Any:
        """Record that ``frame`` called ``function``, and do it, by calling ``run``."""
        held: list[Hold] = []
        holdings = self._holdings
        look, settle = self._aside if aside else self._openly
        given = look(args, holdings, held)
        by_name = look(flat(kwargs), holdings, held) if kwargs else ()
        first = sequence_number()
        try:
            result = run(*args, **kwargs)
        except Exception:
            self._stack[-1].failed = self._read(self._row(function, frame, given, by_name, first))
            raise
        if aside or type(result) is not Tensor or id(result) in holdings.known or _changed(held):
            settle(function, frame, given, by_name, first, held, result)
        else:  # Most ops make one tensor and change none: they take this shorter way.
            holdings.remember(self._row(function, frame, given, by_name, first), 0, result)
        return result

    def _settle(
        self,
        function: Callable[..., Any],
        frame: FrameType,
        given: Row,
        by_name: Row,
        first: int,
        held: list[Hold],
        result: Any,
    ) -> None:
        """Give every tensor that the op made or changed its new value."""
        holdings = self._holdings
        changed = _changed(held) or _changed_in_inference(held, function, result)
        outputs = list(_tensors_in(result))
        inputs = [hold() for hold in held]
        made = [
            not (id(t) in holdings.known and any(t is each for each in inputs)) for t in outputs
        ]
        if not any(made) and not changed:
            return
        before = tuple([hold.row for hold in changed])
        holdings.newest.append(before)
        row = self._row(
            function, frame, given, by_name, first, before, isinstance(result, tuple | list)
        )
        for hold in changed:
            self._change(row, hold)
        for index, tensor in enumerate(outputs):
            if made[index]:
                holdings.remember(row, index, tensor)

    def _change(self, row: Row, hold: Hold) -> None:
        self._holdings.change(row, hold)
        leaf = hold.leaf()
        if leaf is not None:
            self._grad_events.edited(leaf, self._read(row).site)

    def _row(
        self,
        function: Callable[..., Any],
        frame: FrameType,
        given: Row,
        by_name: Row,
        first: int,
        changed: Row = (),
        several: bool = False,
    ) -> Row:
        place, turn = self._turns.next(frame, function)
        row = (
            next(self._numbers), self._number, place, turn,
            self._scopes.current, given, by_name, changed, several,
            is_grad_enabled(), first, sequence_number(),
        )  # fmt: skip
        self._holdings.newest.append(row)
        return row

    def _here(self, function: Callable[..., Any]) -> tuple[Site | None, int]:
        """Where the learner called ``function``, one of the special ones below, and which time."""
        place, turn = self._turns.next(sys._getframe(1), function)
        return self._turns.places[place].site, turn

    # Calls that do more than compute

    def _branch(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> bool:
        decision: bool = func(*args, **kwargs)
        self._stack[-1].branches.append(Branch(*self._here(func), decision))
        return decision

    def _replace(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """``x.data = …`` and the like: they change a tensor and not its version counter."""

        def run(*args: Any, **kwargs: Any) -> Any:
            result = func(*args, **kwargs)
            hold = self._holdings.known.get(id(args[0]))
            if hold is not None:
                hold.version = OUT_OF_DATE
            return result

        return self.op(func, run, args, kwargs, sys._getframe(1))

    def _share(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Tensor:
        shared: Tensor = self.op(func, func, args, kwargs, sys._getframe(1))
        self._note_source(shared, args[0])
        return shared

    @unrecorded
    def _note_source(self, shared: Tensor, source: Tensor) -> None:
        self._holdings.hold(shared).source = self._holdings.hold(source)

    def _compare(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """A loss of sizes that may differ: it warns of that, on the line that called it."""
        if func in unseen.FORGETFUL:
            kwargs = unseen.reminded(func, kwargs, sys._getframe(1))
        caller = caller_of(func, sys._getframe(1))
        run = func if caller is None else partial(from_line, caller, func)
        return self.op(func, run, args, kwargs, sys._getframe(1))

    def _leave(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        result = self.op(func, func, args, kwargs, sys._getframe(1))
        if _wants_gradient(args[0]):
            number = result if isinstance(result, int | float | complex) else None
            site, _ = self._here(func)
            self.exits.append(Exit(site, name_of(func), number))
        return result

    def _read_grad_fn(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Node | None:
        self.value(args[0])  # of a view that has to be taken anew, this makes the node
        node: Node | None = func(*args, **kwargs)
        return node

    def _read_grad(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Tensor | None:
        # PyTorch may warn of this, once for each line that asks.
        asks = sys._getframe(2) if _keeps_no_grad(args[0]) else None
        grad: Tensor | None = from_line(asks, func, *args) if asks else func(*args, **kwargs)
        if grad is not None:
            self._note_grad(args[0], grad)
        return grad

    @unrecorded
    def _note_grad(self, leaf: Tensor, grad: Tensor) -> None:
        self._holdings.hold(grad).grad_of = weakref.ref(leaf)

    def _assign_grad(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        leaf, grad = args
        # Of ``x.grad += 1``. To look at what a result has there would give a warning.
        looked = grad is not None and not _keeps_no_grad(leaf)
        last_act_of_an_edit = looked and grad is _grad_of(leaf)
        func(*args, **kwargs)
        if not last_act_of_an_edit:
            unrecorded(self._grad_events.assigned)(leaf, self._here(func)[0])

    # The learner's own backward passes

    def _backward(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        roots = args[0] if isinstance(args[0], tuple) else args[:1]
        nodes = _reached(roots)
        small = len(nodes) <= LARGEST_PASS
        first = sequence_number()
        with listen(nodes if small else filter(is_accumulator, nodes), keep) as tape:
            func(*args, **kwargs)
        self._note_pass(func, sys._getframe(1), roots, tape, first)
        if small and len(roots) == 1 and isinstance(roots[0], Tensor):
            self._keep_tape(roots[0], tape)

    @unrecorded
    def _note_pass(
        self,
        func: Callable[..., Any],
        frame: FrameType,
        roots: tuple[Tensor | GradientEdge, ...],
        tape: Tape,
        first: int,
    ) -> None:
        """The pass is an op too: with ``create_graph=True`` it makes nodes, and each ``.grad``."""
        held: list[Hold] = []
        row = self._row(func, frame, kept(roots, self._holdings, held), (), first)
        pass_, root = self._read(row), ""
        if len(held) == 1 and (made_by := held[0].row[MADE_BY]) is not None:
            root = self._read(made_by).text
        for index, visit in enumerate(v for v in tape.visits if is_accumulator(v.node)):
            leaf: Tensor = visit.node.variable  # type: ignore[attr-defined]
            self._grad_events.arrived(leaf, visit.incoming[0], pass_.site, root, pass_.number)
            if leaf.grad is not None and leaf.grad.grad_fn is not None:
                self._holdings.remember(row, index, leaf.grad)

    @unrecorded
    def _keep_tape(self, root: Tensor, tape: Tape) -> None:
        hold = self._holdings.hold(root)
        if not hasattr(hold, "tapes"):
            hold.tapes = deque(maxlen=LATEST_PASSES)
        hold.tapes.append(tape)

    # What it can be asked

    def _read(self, op: Row) -> Op:
        return Op(op, self._recordings, self._holdings.tensor)

    @unrecorded
    def value(self, tensor: Tensor) -> Value:
        """What ``tensor`` holds now, and the op that made it if that was seen."""
        return Value(self._holdings.hold(tensor).row, self._recordings, self._holdings.tensor)

    @unrecorded
    def tapes(self, root: Tensor) -> list[Tape]:
        """What the engine did in each ``backward()`` the learner called on this very tensor."""
        return list(getattr(self._holdings.hold(root), "tapes", ()))

    def ops(self) -> list[Op]:
        """Every op whose result can still be asked for, in the order they ran."""
        return [self._read(op) for op in self._holdings.ops()]

    def tensors(self) -> list[Tensor]:
        """The learner's tensors that were seen and are alive."""
        return self._holdings.tensors()

    def owner(self, node: Node) -> Op | None:
        """Which op made this autograd node? ``None`` if no recorded one did."""
        return self.owners([node])[node]

    def owners(self, nodes: Iterable[Node]) -> dict[Node, Op | None]:
        """The same for many nodes."""
        rows = self._holdings.owners(nodes)
        ops = {id(row): row for row in rows.values()}
        read = {key: None if row is None else self._read(row) for key, row in ops.items()}
        return {node: read[id(row)] for node, row in rows.items()}

    def grad_events(self, leaf: Tensor) -> list[GradEvent]:
        """What happened to ``leaf.grad`` while the recorder watched, oldest first."""
        return self._grad_events.of(leaf)


def _changed(held: Iterable[Hold]) -> list[Hold]:
    """Those of an op's inputs that it changed in place."""
    try:
        return [hold for hold in held if hold()._version != hold.version]  # type: ignore[union-attr]
    except RuntimeError:  # an inference tensor: nobody counts its versions
        return []


def _changed_in_inference(
    held: list[Hold], function: Callable[..., Any], result: Any
) -> list[Hold]:
    """The input that an op changed in place, where versions are not counted: by the op's name."""
    if not held or held[0].version >= 0 or not name_of(function).endswith("_"):
        return []
    return held[:1] if result is None or result is held[0]() else []


def _tensors_in(result: Any) -> Iterator[Tensor]:
    """The tensors that an op returned, in order: in a tuple or list, or one in another."""
    if isinstance(result, Tensor):
        yield result
    elif isinstance(result, tuple | list):
        for item in result:
            yield from _tensors_in(item)


@unrecorded
def _reached(roots: Iterable[Tensor | GradientEdge]) -> list[Node]:
    """The nodes that a backward pass from these can reach."""
    edges = [
        get_gradient_edge(root) if isinstance(root, Tensor) else root
        for root in roots
        if not isinstance(root, Tensor) or root.requires_grad
    ]
    return list(walk([edge.node for edge in edges]))


@unrecorded
def _wants_gradient(tensor: Tensor) -> bool:
    return tensor.requires_grad


@unrecorded
def _keeps_no_grad(tensor: Tensor) -> bool:
    """Is it a result whose gradient is let go of?"""
    try:
        return not tensor.is_leaf and not tensor.retains_grad
    except RuntimeError:  # a view that may not be looked at: reading its .grad says so
        return False


@unrecorded
def _grad_of(leaf: Tensor) -> Tensor | None:
    return leaf.grad


def _ask(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return func(*args, **kwargs)


def _getter(attribute: str) -> Any:
    """What the mode is given when a learner reads this attribute of a tensor."""
    return getattr(Tensor, attribute).__get__


def _setter(attribute: str) -> Any:
    """What the mode is given when a learner assigns to it."""
    return getattr(Tensor, attribute).__set__


# Calls that answer a question about a tensor and make none: they are the commonest and cost least.
_QUESTIONS = (
    *map(_getter, ("shape", "dtype", "device", "layout", "ndim", "is_sparse", "is_cuda")),
    *map(_getter, ("is_leaf", "requires_grad", "_base")),
    Tensor.__repr__,
    Tensor.__len__,
    Tensor.dim,
    Tensor.size,
    Tensor.numel,
)

# Calls that change what a tensor is without counting its version up.
_REPLACEMENTS = (_setter("data"), Tensor.detach_, torch.detach_)

# Calls whose result shares its memory with a tensor that does not know of it.
_SHARES = (_getter("data"), Tensor.detach, torch.detach)

# Losses of Python's, which warn where the sizes of prediction and target differ.
_WARN_OF_SIZES = (F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss)

# Calls that give plain numbers, which no gradient can pass.
_EXITS = (Tensor.item, Tensor.tolist, Tensor.__float__, Tensor.__int__)

_recorder: Recorder | None = None


def recorder() -> Recorder:
    """The one recorder of this process, made when it is first asked for."""
    global _recorder
    if _recorder is None:
        _recorder = Recorder()
    return _recorder


@contextmanager
def record() -> Iterator[Recording]:
    """Record the PyTorch calls of a block, in a notebook or outside one.

    Values, gradients, version counters and random state come out as they would without it.

    >>> import torch
    >>> with record():
    ...     x = torch.arange(4.0, requires_grad=True)
    ...     y = 2 * torch.dot(x, x)
    >>> recorder().value(y).op.text
    '2 * torch.dot(x, x)'
    """
    with recorder().record() as recording:
        yield recording
