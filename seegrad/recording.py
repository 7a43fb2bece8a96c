"""What ran: the learner's PyTorch calls, as they were written, with the values they made.

One ``Recorder`` watches a thread. It is a ``TorchFunctionMode``, so ``dot``, ``cross_entropy`` or
``linear`` each reach it once, before PyTorch takes them apart. For every call it makes an ``Op``,
and for every tensor that goes in or comes out a ``Value``.

What is kept lives exactly as long as it can be asked for: a tensor owns its ``Value``, a ``Value``
its ``Op``, an ``Op`` the ``Value`` of each input. When the learner's last tensor of a computation
goes, so does its recording.
"""

from __future__ import annotations

import weakref
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial, wraps
from types import CodeType, FrameType
from typing import Any, Literal, ParamSpec, TypeVar

import torch
from torch import Tensor
from torch.autograd import _get_sequence_nr as sequence_number  # type: ignore[attr-defined]
from torch.autograd.graph import Node, get_gradient_edge
from torch.overrides import TorchFunctionMode

from seegrad.scopes import Scope, Scopes
from seegrad.snapshot import keep
from seegrad.source import Site, Span, site, user_frame
from seegrad.tape import Tape, is_accumulator, listen, walk

P = ParamSpec("P")
R = TypeVar("R")

LARGEST_PASS = 2000
"""A learner's own ``backward()`` is written down edge by edge up to this many nodes."""

GRAD_EVENTS = 64
"""Of what happened to one leaf's ``.grad``, this many events are kept, the newest."""


class Value:
    """What one tensor held at one moment.

    Attributes
    ----------
    op: the op that made it (created it, for a leaf); ``None`` if that was not seen.
    index: which of the op's outputs it is.
    shape, dtype, requires_grad: as the tensor's.
    leaf: whether it is a leaf that wants a gradient.
    view: whether it shares its storage with the tensor it was made from.
    data: a copy of the content, or of its leading corner (see ``snapshot.keep``).
    version: the tensor's version counter; an in-place op raises it and makes a new ``Value``.
    passes: what the engine did in each ``backward()`` the learner called on this very tensor.
    """

    __slots__ = (
        "__weakref__", "_tensor", "data", "dtype", "grad_of", "index", "leaf", "node", "op",
        "passes", "requires_grad", "shape", "version", "view",
    )  # fmt: skip

    def __init__(self, op: Op | None, index: int, tensor: Tensor, forget: Callable[..., Any]):
        self._tensor = weakref.ref(tensor, forget)
        self.op = op
        self.index = index
        self.shape = tensor.shape
        self.dtype = tensor.dtype
        self.requires_grad = tensor.requires_grad
        self.leaf = self.requires_grad and tensor.is_leaf
        self.view = tensor._base is not None
        self.version = version(tensor)
        self.data = keep(tensor)
        self.node: Node | None = None
        self.grad_of: weakref.ref[Tensor] | None = None
        self.passes: list[Tape] = []

    @property
    def tensor(self) -> Tensor | None:
        """The learner's tensor, while it lives."""
        return self._tensor()

    @property
    def complete(self) -> bool:
        """Whether ``data`` is the whole content."""
        return self.data.shape == self.shape and not self.data.is_meta


class Op:
    """One PyTorch call of the learner's.

    Attributes
    ----------
    name: the function's name as PyTorch gives it: ``dot``, ``mul`` (also for ``*``), ``__rsub__``.
    function: what was called.
    args, kwargs: what with; each tensor is replaced by its ``Value``.
    inputs: the ``Value`` of each tensor argument, in order, lists flattened.
    site: where in the learner's code; ``None`` if Python could not tell.
    direct: whether the expression at ``site`` is this very call, not a module's that led to it.
    turn: how often this place had run in this call of its function, from 1 (a loop's turn).
    grad_enabled: whether gradients were being recorded.
    first_node, last_node: sequence numbers of the autograd nodes it made: ``first <= n < last``.
    changed: the inputs it changed in place.
    several: whether it returned a tuple or list of tensors.
    recording: the cell or block it belongs to.
    scope: the module it ran in, by name, outermost first; ``()`` outside modules.
    """

    __slots__ = (
        "__weakref__", "args", "changed", "direct", "first_node", "function", "grad_enabled",
        "inputs", "kwargs", "last_node", "name", "recording", "scope", "several",
        "site", "turn",
    )  # fmt: skip

    args: tuple[Any, ...]
    changed: tuple[Value, ...]
    direct: bool
    first_node: int
    function: Callable[..., Any]
    grad_enabled: bool
    inputs: tuple[Value, ...]
    kwargs: Mapping[str, Any]
    last_node: int
    name: str
    recording: Recording
    scope: Scope
    several: bool
    site: Site | None
    turn: int

    def __repr__(self) -> str:
        return f"Op({self.text!r})"

    @property
    def text(self) -> str:
        """The learner's own spelling of the call; the function's name where there is no source."""
        written = self.site.text if self.site else ""
        if not self.direct and written:
            return f"{self.name} in {written}"
        return written or f"{self.name}(…)"


@dataclass(frozen=True, slots=True)
class Branch:
    """Python asked a tensor for yes or no: an ``if``, a ``while``, an ``assert``."""

    site: Site | None
    turn: int
    decision: bool


@dataclass(frozen=True, slots=True)
class GradEvent:
    """Something happened to a leaf's ``.grad``.

    ``kind`` is "backward" (``added`` arrived), "zeroed", "None" or "changed" (assigned or edited);
    ``after`` is what ``.grad`` held then, ``site`` the code that did it, ``root`` how the result
    that a backward call started from was computed ("" if that was not seen).
    """

    kind: Literal["backward", "zeroed", "None", "changed"]
    site: Site | None
    added: Tensor | None
    after: Tensor | None
    root: str = ""


class Recording:
    """What ran in one cell, or in one ``with seegrad.record()`` block.

    >>> import torch, seegrad
    >>> with seegrad.record() as recording:
    ...     x = torch.arange(4.0, requires_grad=True)
    ...     y = 2 * torch.dot(x, x)
    >>> [op.name for op in recording.ops]
    ['arange', 'dot', 'mul']
    """

    def __init__(self, recorder: Recorder, cell: str):
        self._recorder = recorder
        self.cell = cell
        self.branches: deque[Branch] = deque(maxlen=10_000)
        self.failed: Op | None = None

    @property
    def ops(self) -> list[Op]:
        """The calls whose results can still be asked for, in the order they ran."""
        return [op for op in self._recorder.ops() if op.recording is self]


class Recorder(TorchFunctionMode):
    """Watches PyTorch calls while it is entered, and answers questions about tensors it saw."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[int, Value] = {}
        self._grad_events: dict[int, tuple[weakref.ref[Tensor], deque[GradEvent]]] = {}
        self._sequence: list[int] = []
        self._ops: list[weakref.ref[Op]] = []
        self._prune_at = 1024
        self._stack: list[Recording] = []
        self._sites: dict[tuple[CodeType, int], Site] = {}
        self._spans: dict[tuple[CodeType, Span | None], Site] = {}
        self._frame: FrameType | None = None
        self._turns: dict[FrameType, _Turns] = {}
        self._scopes = Scopes()
        self._following = ExitStack()
        self._special: dict[Any, Callable[..., Any]] = {
            **dict.fromkeys(_QUESTIONS, _call),
            Tensor.__bool__: self._branch,
            Tensor.backward: self._backward,
            _getter("grad"): self._read_grad,
            _setter("grad"): self._assign_grad,
        }

    # What a learner's code runs through

    @contextmanager
    def record(self, cell: str = "") -> Iterator[Recording]:
        """Watch the block."""
        recording = self.start(cell)
        try:
            yield recording
        finally:
            self.stop()

    def start(self, cell: str = "") -> Recording:
        """Watch from here on, until ``stop``. Blocks nest; the innermost owns what runs."""
        recording = Recording(self, cell)
        if not self._stack:
            self._following.enter_context(self._scopes.followed())
            self.__enter__()  # type: ignore[no-untyped-call]
        self._stack.append(recording)
        return recording

    def stop(self) -> None:
        """Stop watching what the latest ``start`` began."""
        self._stack.pop()
        self._frame = None
        self._turns.clear()
        if not self._stack:
            self._sites.clear()
            self._spans.clear()
            self.__exit__(None, None, None)  # type: ignore[no-untyped-call]
            self._following.close()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        return self._special.get(func, self._op)(func, args, kwargs or {})  # type: ignore[no-untyped-call]

    def _op(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        op = Op()
        inputs: list[Value] = []
        op.function = func
        op.name = _name(func)
        op.args = tuple([self._described(arg, inputs) for arg in args])
        op.kwargs = {k: self._described(arg, inputs) for k, arg in kwargs.items()} if kwargs else {}
        op.inputs = tuple(inputs)
        op.grad_enabled = torch.is_grad_enabled()
        op.recording = self._stack[-1]
        op.scope = self._scopes.current
        op.changed = ()
        op.several = False
        op.first_node = op.last_node = sequence_number()
        try:
            result = func(*args, **kwargs)
        except Exception:
            self._locate(op)
            op.recording.failed = op
            raise
        op.last_node = sequence_number()
        if isinstance(result, Tensor):
            self._settle(op, (result,))
        elif isinstance(result, tuple | list):
            op.several = True
            self._settle(op, tuple(item for item in result if isinstance(item, Tensor)))
        else:
            self._settle(op, ())
        return result

    def _described(self, argument: Any, inputs: list[Value]) -> Any:
        """The argument with each tensor replaced by its value, which joins ``inputs``."""
        if isinstance(argument, Tensor):
            value = self.value(argument)
            inputs.append(value)
            return value
        if type(argument) in (list, tuple):
            return tuple([self._described(item, inputs) for item in argument])
        return argument

    def _settle(self, op: Op, outputs: tuple[Tensor, ...]) -> None:
        """Give every tensor that the call made or changed its new value."""
        changed = [v for v in op.inputs if (t := v.tensor) is not None and version(t) != v.version]
        made = [t for t in outputs if (v := self._known.get(id(t))) is None or v not in op.inputs]
        if not changed and not made:
            return
        self._locate(op)
        op.changed = tuple(changed)
        for value in changed:
            tensor = value.tensor
            if tensor is not None and self._known[id(tensor)] is value:
                self._remember(op, 0, tensor).grad_of = value.grad_of
                self._note_edited_grad(op, value)
        for index, tensor in enumerate(outputs):
            if any(tensor is candidate for candidate in made):
                self._remember(op, index, tensor)
        self._sequence.append(op.first_node)
        self._ops.append(weakref.ref(op))
        if len(self._ops) > self._prune_at:
            self._prune()

    def _locate(self, op: Op) -> None:
        frame, called = user_frame()
        op.site, op.turn, op.direct = None, 1, _is_spelled_by(op, called)
        if frame is None:
            return
        if frame is not self._frame:
            self._enter(frame)
        op.site = self._site(frame)
        op.turn = self._turns[frame].turn(op.site, op.name, None if op.direct else called)

    def _enter(self, frame: FrameType) -> None:
        """Count turns for ``frame`` too, and no longer for the calls that have returned.

        The frames under way are held, outermost first: a frame that is held cannot be mistaken
        for a later one at the same address.
        """
        outer: FrameType | None = frame
        while outer is not None and outer not in self._turns:
            outer = outer.f_back
        while self._turns and next(reversed(self._turns)) is not outer:
            self._turns.popitem()
        self._turns.setdefault(frame, _Turns())
        self._frame = frame

    def _site(self, frame: FrameType) -> Site:
        key = (frame.f_code, frame.f_lasti)
        found = self._sites.get(key)
        if found is None:
            new = site(*key)
            found = self._sites[key] = self._spans.setdefault((frame.f_code, new.span), new)
        return found

    def _here(self) -> Site | None:
        frame, _ = user_frame()
        return None if frame is None else self._site(frame)

    def _remember(self, op: Op | None, index: int, tensor: Tensor) -> Value:
        key = id(tensor)
        # Called with the dead reference, ``pop(key)`` becomes ``pop(key, reference)``: no KeyError.
        value = self._known[key] = Value(op, index, tensor, partial(self._known.pop, key))
        return value

    def _prune(self) -> None:
        alive = [(n, ref) for n, ref in zip(self._sequence, self._ops, strict=True) if ref()]
        self._sequence = [n for n, _ in alive]
        self._ops = [ref for _, ref in alive]
        self._prune_at = max(1024, 2 * len(alive))

    # What else can happen to a tensor

    def _branch(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> bool:
        decision: bool = func(*args, **kwargs)
        op = Op()
        op.name = "bool"
        self._locate(op)
        self._stack[-1].branches.append(Branch(op.site, op.turn, decision))
        return decision

    def _backward(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        root: Tensor = args[0]
        if not root.requires_grad:
            func(*args, **kwargs)
            return
        nodes = walk([get_gradient_edge(root).node])
        leaves = [node for node in nodes if is_accumulator(node)]
        with listen(nodes if len(nodes) <= LARGEST_PASS else leaves, keep) as tape:
            func(*args, **kwargs)
        if len(nodes) <= LARGEST_PASS:
            self.value(root).passes.append(tape)
        here, made_by = self._here(), self.value(root).op
        computed = "" if made_by is None else made_by.text
        for visit in tape.visits:
            if is_accumulator(visit.node):
                leaf: Tensor = visit.node.variable  # type: ignore[attr-defined]
                added, after = visit.incoming[0], _grad(leaf)
                self._note_grad(leaf, GradEvent("backward", here, added, after, computed))

    def _read_grad(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Tensor | None:
        grad: Tensor | None = func(*args, **kwargs)
        if grad is not None:
            self.value(grad).grad_of = weakref.ref(args[0])
        return grad

    def _assign_grad(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        leaf, grad = args
        last_act_of_an_edit = grad is not None and grad is leaf.grad  # of ``x.grad += 1``
        func(*args, **kwargs)
        if last_act_of_an_edit:
            return
        kind: Literal["None", "changed"] = "None" if grad is None else "changed"
        self._note_grad(leaf, GradEvent(kind, self._here(), None, _grad(leaf)))

    def _note_edited_grad(self, op: Op, before: Value) -> None:
        """An in-place op changed a tensor; was it some leaf's ``.grad``?"""
        leaf = before.grad_of() if before.grad_of is not None else None
        if leaf is None:
            return
        after = _grad(leaf)
        zeroed = after is not None and not after.is_meta and not bool(after.count_nonzero())
        kind: Literal["zeroed", "changed"] = "zeroed" if zeroed else "changed"
        self._note_grad(leaf, GradEvent(kind, op.site, None, after))

    def _note_grad(self, leaf: Tensor, event: GradEvent) -> None:
        key = id(leaf)
        if key not in self._grad_events:
            forget = partial(self._grad_events.pop, key)
            self._grad_events[key] = (weakref.ref(leaf, forget), deque(maxlen=GRAD_EVENTS))
        self._grad_events[key][1].append(event)

    # What it can be asked

    def value(self, tensor: Tensor) -> Value:
        """What ``tensor`` holds now, and the op that made it if that was seen."""
        known = self._known.get(id(tensor))
        if known is None:
            return self._adopt(tensor, None)
        if known.version == version(tensor) and known.requires_grad == tensor.requires_grad:
            return known
        return self._adopt(tensor, known)

    def _adopt(self, tensor: Tensor, known: Value | None) -> Value:
        """A value for a tensor that changed, or came to be, where the recorder could not see it."""
        unchanged_leaf = known is not None and tensor.is_leaf and known.version == version(tensor)
        value = self._remember(known.op if known and unchanged_leaf else None, 0, tensor)
        value.node = tensor.grad_fn
        if known is not None:
            value.grad_of = known.grad_of
        return value

    def ops(self) -> list[Op]:
        """Every op whose result can still be asked for, in the order they ran."""
        return [op for ref in self._ops if (op := ref()) is not None]

    def tensors(self) -> list[Tensor]:
        """The learner's tensors that were seen and are alive."""
        return [t for value in self._known.copy().values() if (t := value.tensor) is not None]

    def owner(self, node: Node) -> Op | None:
        """Which op made this autograd node? ``None`` if no recorded one did."""
        number = node._sequence_nr()
        place = bisect_right(self._sequence, number) - 1
        op = self._ops[place]() if place >= 0 else None
        return op if op is not None and op.first_node <= number < op.last_node else None

    def grad_events(self, leaf: Tensor) -> list[GradEvent]:
        """What happened to ``leaf.grad`` while the recorder watched, oldest first."""
        _, events = self._grad_events.get(id(leaf), (None, ()))
        return list(events)


class _Turns:
    """How often each place in one call of a learner's function has run."""

    def __init__(self) -> None:
        self._counts: dict[tuple[Site, str], int] = {}
        self._called: FrameType | None = None

    def turn(self, site: Site, name: str, called: FrameType | None) -> int:
        """Which turn is it, at ``site``, of the op ``name``, or of the library call ``called``?

        However many ops ``net(x)`` runs, they are of one turn. The library's frame is held, so
        that it cannot be mistaken for a later one at the same address.
        """
        # A comparison and the yes-or-no it is asked for stand at one place: the name parts them.
        key = (site, name if called is None else "")
        if called is None or called is not self._called:
            self._counts[key] = self._counts.get(key, 0) + 1
            self._called = called or self._called
        return self._counts[key]


def _is_spelled_by(op: Op, called: FrameType | None) -> bool:
    """Did the learner call the op itself? ``called`` is the library's frame they called instead.

    ``**`` and the reflected operators go through a frame of torch's own, so do the functions
    that torch wrote in Python; what else leads to an op is a module, an optimizer and the like.
    """
    if called is None:
        return True
    name = called.f_code.co_name
    return name in (op.name, "wrapped") or name.startswith("__torch_function__")


def version(tensor: Tensor) -> int:
    """The tensor's version counter; an inference tensor has none, and counts as -1."""
    return -1 if tensor.is_inference() else tensor._version


def _call(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return func(*args, **kwargs)


def _grad(leaf: Tensor) -> Tensor | None:
    return None if leaf.grad is None else keep(leaf.grad)


def _name(func: Callable[..., Any]) -> str:
    """``dot`` for ``torch.dot``; a property's own name (``T``) for its getter."""
    name: str = getattr(func, "__name__", type(func).__name__)
    return getattr(func, "__self__", func).__name__ if name in ("__get__", "__set__") else name


def _getter(attribute: str) -> Any:
    """What the mode is given when a learner reads this attribute of a tensor."""
    return getattr(Tensor, attribute).__get__


def _setter(attribute: str) -> Any:
    """What the mode is given when a learner assigns to it."""
    return getattr(Tensor, attribute).__set__


# Calls that answer a question about a tensor and make none: they are the commonest and cost least.
_QUESTIONS = (
    *map(_getter, ("shape", "dtype", "device", "layout", "ndim", "is_sparse", "is_cuda")),
    *map(_getter, ("grad_fn", "is_leaf", "requires_grad")),
    Tensor.__repr__,
    Tensor.__len__,
    Tensor.dim,
    Tensor.size,
    Tensor.numel,
)

_recorder: Recorder | None = None


def recorder() -> Recorder:
    """The one recorder of this process, made when it is first asked for."""
    global _recorder
    if _recorder is None:
        _recorder = Recorder()
    return _recorder


def unrecorded(function: Callable[P, R]) -> Callable[P, R]:
    """Keep what ``function`` does to look at the learner's tensors out of their recording."""

    @wraps(function)
    def unseen(*args: P.args, **kwargs: P.kwargs) -> R:
        with torch._C.DisableTorchFunction():
            return function(*args, **kwargs)

    return unseen


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
