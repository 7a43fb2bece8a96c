"""What changes when an edge of a graph is cut: f runs again, severed there, and PyTorch tells.

A cut is carried out, not simulated. A ``TorchFunctionMode`` numbers the PyTorch calls of f; on the
next run it hands the call at the cut its input's ``.detach()`` or ``.data``, or makes the call that
computed that input under ``no_grad``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.autograd.graph import Node
from torch.overrides import TorchFunctionMode

from seegrad.backward import replay
from seegrad.errors import InputError
from seegrad.functions.asking import asking, fresh, require_differentiable
from seegrad.recording import Op, Recorder, unrecorded
from seegrad.structure import Edge, Link, Structure, Vertex, structure

Function = Callable[[Tensor], Any]
How = Literal["detach", "no_grad", "data"]
HOWS: tuple[How, ...] = ("detach", "no_grad", "data")


class Place(NamedTuple):
    """Where an edge enters an op: the op's number among f's calls, and which tensor input it is."""

    call: int
    input: int


@dataclass(frozen=True, slots=True)
class Run:
    """One run of f and its backward pass, from ones at every element of f(x).

    Attributes
    ----------
    y: f(x), detached.
    x: the leaf that f was given, a copy of the learner's.
    graph: what f(x) was computed from; ``None`` if nothing is left that requires a gradient.
    calls: the number of each op among f's calls.
    flows: the gradient on each edge that carries one.
    gradient: what arrives at x; ``None`` if nothing does.
    others: what arrives at each other leaf, by its ``id``.
    problem: what ``backward()`` raised, "" if it ran.
    """

    y: Tensor
    x: Tensor
    graph: Structure | None
    calls: Mapping[Op, int]
    flows: Mapping[Place, Tensor]
    gradient: Tensor | None
    others: Mapping[int, Tensor]
    problem: str

    def place(self, edge: Edge) -> Place | None:
        """Where this edge can be cut; ``None`` if no recorded call takes it in."""
        op = edge.target.op
        if edge.kind != "gradient" or edge.place is None or op is None or op not in self.calls:
            return None
        return Place(self.calls[op], edge.place)

    def edges(self) -> dict[Place, Edge]:
        """The edges that can be cut, in the order their ops ran."""
        found = {} if self.graph is None else {self.place(edge): edge for edge in self.graph.edges}
        return {place: found[place] for place in sorted(p for p in found if p is not None)}

    def paused_call(self, place: Place) -> int:
        """Which call must run under ``no_grad`` to sever this edge?

        The one that computed the input; where the input is a leaf, none did, so the one that
        uses it.
        """
        source = self.edges()[place].source
        return place.call if source.op is None else self.calls.get(source.op, place.call)


def severed(f: Function, x: Tensor, cuts: Collection[Place] = (), how: How = "detach",
            uncut: Run | None = None) -> Run:  # fmt: skip
    """Run f at x and its backward pass, with these edges cut.

    The learner's x, every ``.grad`` and the random state stay as they are, and each run starts
    from the same random state. If f(x) has several elements, the gradient is that of their sum.

    Parameters
    ----------
    f: a function of one tensor.
    x: any floating-point tensor; f is given a copy.
    cuts, how: which edges (places of the uncut run), and by what.
    uncut: the run without cuts; needed for "no_grad", to know which call computed what.

    Raises
    ------
    InputError: x or what f does with it cannot be used.

    >>> f = lambda x: ((x * x) * x).sum()
    >>> x = torch.arange(4.0)
    >>> whole = severed(f, x)
    >>> [tuple(place) for place in whole.edges()]
    [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]
    >>> whole.gradient, severed(f, x, [Place(1, 0)]).gradient
    (tensor([ 0.,  3., 12., 27.]), tensor([0., 1., 4., 9.]))
    """
    paused = {uncut.paused_call(place) for place in cuts} if how == "no_grad" and uncut else set()
    # A recorder of its own: the page's questions may be answered in another thread than the cells
    # run in, and autograd numbers the nodes of each thread anew.
    watcher, (leaf,) = Recorder(), fresh(x)
    calls = _Calls(watcher, () if paused else cuts, how, paused)
    with watcher.record(), asking(f) as call:
        with calls:
            y = call(leaf)
        if not cuts:
            require_differentiable(y)
        return _run_back(y, leaf, calls.numbers, watcher)


class _Calls(TorchFunctionMode):
    """Numbers the calls that reach it, severs some inputs, and pauses gradients for some calls.

    It hands each call to the recorder itself: the time limit of ``asking`` hides f from recorders
    that stand outside.
    """

    def __init__(
        self, watcher: Recorder, cuts: Collection[Place], how: How, paused: Collection[int]
    ) -> None:
        super().__init__()
        self.numbers: dict[Op, int] = {}
        self._watcher = watcher
        self._cuts = frozenset(cuts)
        self._cut_calls = {place.call for place in cuts}
        self._how = how
        self._paused = paused
        self._count = count()

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        number, kwargs = next(self._count), kwargs or {}
        if number in self._cut_calls:
            args, kwargs = self._without(number, args, kwargs)
        with torch.set_grad_enabled(torch.is_grad_enabled() and number not in self._paused):
            result = self._watcher.__torch_function__(func, types, args, kwargs)
        self._note(number, result, args)
        return result

    def _without(
        self, number: int, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with the inputs at the cuts severed, counted as the recorder counts."""
        inputs = count()

        def visited(argument: Any) -> Any:
            if isinstance(argument, Tensor):
                cut = Place(number, next(inputs)) in self._cuts
                return sever(argument, self._how) if cut else argument
            if type(argument) in (list, tuple):
                return type(argument)(map(visited, argument))
            return argument

        return tuple(map(visited, args)), {key: visited(arg) for key, arg in kwargs.items()}

    @unrecorded
    def _note(self, number: int, result: Any, args: tuple[Any, ...]) -> None:
        """Find the op that the recorder made of this call, through what it made or changed."""
        made = result if isinstance(result, list | tuple) else (result, *args[:1])
        for tensor in made:
            if isinstance(tensor, Tensor) and (op := self._watcher.value(tensor).op) is not None:
                self.numbers.setdefault(op, number)


@unrecorded
def sever(tensor: Tensor, how: How) -> Tensor:
    """The same numbers without their history."""
    return tensor.data if how == "data" else tensor.detach()


@unrecorded
def _run_back(y: Tensor, x: Tensor, calls: Mapping[Op, int], watcher: Recorder) -> Run:
    if not y.requires_grad:
        return Run(y.detach(), x, None, calls, {}, None, {}, _refusal(y))
    graph = structure(y, watcher)
    sent, arrived = _pass_back(y, graph)
    run = Run(y.detach(), x, graph, calls, {}, arrived.pop(id(x), None), arrived, "")
    flows = {
        place: gradient
        for place, edge in run.edges().items()
        if edge.link is not None and (gradient := sent.get(edge.link)) is not None
    }
    return replace(run, flows=flows)


def _pass_back(y: Tensor, graph: Structure) -> tuple[dict[Link, Tensor | None], dict[int, Tensor]]:
    """A backward pass from ones: what was sent along each edge, and to each leaf by its ``id``."""
    if any(vertex.kind == "op" and vertex.op is None for vertex in graph.vertices):
        # Some of it f did not compute: a tensor there may retain its gradient, and must keep it.
        steps = replay(y, torch.ones_like(y)).steps
        arrived = {id(step.leaf): step.incoming[0] for step in steps if step.leaf is not None}
        sent = {(step.node, flow.place): flow.gradient for step in steps for flow in step.sent}
        return sent, _present(arrived)
    leaves = [vertex.leaf for vertex in graph.vertices if vertex.leaf is not None and vertex.nodes]
    if y.is_leaf:
        return {}, {id(y): torch.ones_like(y)}
    inner = [node for vertex in graph.vertices if vertex.kind == "op" for node in vertex.nodes]
    with _heard(inner) as heard:
        totals = torch.autograd.grad(
            y, leaves, torch.ones_like(y), retain_graph=True, allow_unused=True
        )
    return heard, _present(dict(zip(map(id, leaves), totals, strict=True)))


def _present(gradients: Mapping[int, Tensor | None]) -> dict[int, Tensor]:
    return {key: gradient for key, gradient in gradients.items() if gradient is not None}


@contextmanager
def _heard(nodes: Collection[Node]) -> Iterator[dict[Link, Tensor | None]]:
    """What each node sends along each of its edges while the block runs."""
    sent: dict[Link, Tensor | None] = {}

    def hear(node: Node, gradients: Sequence[Tensor | None], _incoming: Any) -> None:
        sent.update(((node, place), gradient) for place, gradient in enumerate(gradients))

    handles = [node.register_hook(partial(hear, node)) for node in nodes]
    try:
        yield sent
    finally:
        for handle in handles:
            handle.remove()


def _refusal(y: Tensor) -> str:
    """What PyTorch says to ``backward()`` from a result that nothing leads back from."""
    try:
        y.sum().backward()
    except RuntimeError as error:
        return str(error)
    raise AssertionError("backward() ran without a graph")  # pragma: no cover


class _Attached(TorchFunctionMode):
    """Makes each ``detach()`` give back the tensor itself, history and all."""

    detaches = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func in (Tensor.detach, torch.detach):
            self.detaches += 1
            return args[0]
        return func(*args, **(kwargs or {}))


def attached_gradient(f: Function, x: Tensor) -> Tensor | None:
    """What would the gradient of f(x)'s sum be without f's own ``detach()``? None if it has none.

    None too if f cannot run so, for example because it edits a detached tensor in place.

    >>> attached_gradient(lambda x: x.detach() * x, torch.tensor(3.0))
    tensor(6.)
    """
    (leaf,) = fresh(x)
    mode = _Attached()
    try:
        with asking(f) as call, mode:
            y = call(leaf)
    except InputError:
        return None
    if not mode.detaches or not y.requires_grad:
        return None
    with torch._C.DisableTorchFunction():
        return torch.autograd.grad(y, leaf, torch.ones_like(y), materialize_grads=True)[0]


@dataclass(frozen=True, slots=True)
class Facts:
    """What one way of cutting does to a value u that was computed with a graph: all measured.

    Attributes
    ----------
    requires_grad: whether what goes on, s, requires a gradient.
    keeps_graph: whether u itself still has its graph.
    shares_storage: whether s lies in u's memory (``data_ptr``); ``None`` where s is u.
    shares_version: whether an in-place edit of s moves u's version counter; ``None`` where s is u.
    after_edit: what a backward pass through u's graph does once s was edited in place:
        "raises", "goes wrong" (a wrong gradient, and no error), or "has no graph".
    """

    requires_grad: bool
    keeps_graph: bool
    shares_storage: bool | None
    shares_version: bool | None
    after_edit: Literal["raises", "goes wrong", "has no graph"]


@unrecorded
def facts(data: Tensor, how: How) -> Facts:
    """What does cutting by ``how`` do? Tried out on a copy of ``data``.

    >>> facts(torch.ones(2), "detach").after_edit, facts(torch.ones(2), "data").after_edit
    ('raises', 'goes wrong')
    """
    leaf = torch.ones_like(data, requires_grad=True)
    with torch.set_grad_enabled(how != "no_grad"):
        u = data.detach() * leaf
    if how == "no_grad":
        return Facts(u.requires_grad, u.grad_fn is not None, None, None, "has no graph")
    with torch.enable_grad():
        squared = (u * u).sum()  # its backward pass needs u as it is now
    s, version = sever(u, how), u._version
    shares = s.data_ptr() == u.data_ptr()
    s.add_(1)
    moved = u._version != version
    try:
        torch.autograd.grad(squared, leaf)
    except RuntimeError:
        return Facts(s.requires_grad, u.grad_fn is not None, shares, moved, "raises")
    return Facts(s.requires_grad, u.grad_fn is not None, shares, moved, "goes wrong")


def same_numbers(run: Run, gradient: Tensor | None) -> Vertex | None:
    """Which value of the graph does this gradient equal, number by number? The first, if any."""
    if gradient is None or run.graph is None or not gradient.any():
        return None
    values = ((v, v.value) for v in run.graph.vertices if v.kind == "op")
    return next((v for v, u in values if u and u.complete and u.data.equal(gradient)), None)
