"""What came back: the gradient on every edge of one backward pass, in the engine's order.

A pass is either *replayed* (autograd runs again on the graph that is still there, and nothing of
the learner's changes) or *remembered* (the learner's own ``backward()`` was recorded as it ran).
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import compress
from typing import NamedTuple, cast

import torch
from torch import Tensor
from torch.autograd.graph import Node, get_gradient_edge

from seegrad.collector import collector_waiting
from seegrad.errors import FreedError, InputError
from seegrad.formatting import shape as shape_text
from seegrad.recording import Op, recorder, unrecorded
from seegrad.recording.tape import Gradients, Links, Visit, is_accumulator, listen, walk


class Flow(NamedTuple):
    """The gradient on one edge, before it was summed with what others sent to the same place.

    ``place``: which of the sender's ``next_functions``; ``slot``: which output of ``target``.
    """

    place: int
    target: Node
    slot: int
    gradient: Tensor | None


class Step(NamedTuple):
    """One node's turn.

    Attributes
    ----------
    node: the autograd node; an ``AccumulateGrad`` at a leaf.
    op: the learner's op that made it; ``None`` at a leaf or if it was not recorded.
    incoming: the upstream gradient, one for each output of the node's forward op, summed.
    outgoing: what it sent on, one gradient for each of its ``next_functions``; empty at a leaf.
    leaf: the leaf, at a leaf; ``incoming[0]`` is then what is added to its ``.grad``.
    """

    node: Node
    op: Op | None
    incoming: Gradients
    outgoing: Gradients
    leaf: Tensor | None

    @property
    def sent(self) -> tuple[Flow, ...]:
        """What it sent on, edge by edge; empty at a leaf."""
        return tuple(
            Flow(place, target, slot, self.outgoing[place])
            for place, (target, slot) in enumerate(self.node.next_functions)
            if target is not None
        )


_step: Callable[[tuple[Node, Op | None, Gradients, Gradients, Tensor | None]], Step]
_step = partial(tuple.__new__, Step)
"""``Step(...)`` runs code in Python, for every node; this makes the same in C."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One backward pass: its seed (the v of v^T J) and its steps.

    ``remembered`` tells a pass that the learner's own ``backward()`` made from a replayed one.
    """

    seed: Tensor
    steps: tuple[Step, ...]
    remembered: bool = False

    def added(self, leaf: Tensor) -> Tensor | None:
        """What this pass adds to ``leaf.grad``; ``None`` if it never gets there."""
        for step in self.steps:
            if step.leaf is leaf:
                return step.incoming[0]
        return None


@unrecorded
def replay(y: Tensor, v: Tensor | None = None) -> Pass:
    """What would ``y.backward(v)`` do, step by step? Runs it and changes nothing.

    ``.grad``, values, version counters, hooks, random state and the graph stay as they are: the
    pass runs through ``torch.autograd.grad(..., retain_graph=True)``, listened to by hooks. For a
    graph that was not recorded from end to end it first looks through all that Python holds for
    tensors that retain their gradient, which takes some 30 ms even in a small program.

    Parameters
    ----------
    y: any tensor that requires a gradient, recorded or not.
    v: the upstream gradient, of y's shape; may be left out if y has exactly one element.

    Raises
    ------
    InputError: y is no tensor or needs no gradient; v is missing or does not fit; a tensor that
        the graph had saved was changed in place.
    FreedError: an earlier ``backward()`` freed the graph.

    >>> import torch
    >>> x = torch.arange(4.0, requires_grad=True)
    >>> run = replay(2 * torch.dot(x, x))
    >>> [step.node.name() for step in run.steps]
    ['MulBackward0', 'DotBackward0', 'torch::autograd::AccumulateGrad']
    >>> run.added(x), x.grad
    (tensor([ 0.,  4.,  8., 12.]), None)
    """
    require_gradient(y)
    seed = seed_for(y, v)
    root = get_gradient_edge(y).node
    # Autograd refuses to start at a leaf whose gradient it is also asked for by node: a leaf's own
    # pass has one step, and needs no engine.
    if is_accumulator(root):
        return Pass(seed, (Step(root, None, (seed,), (), y),))
    with collector_waiting():
        links = walk([root])
        leaves = dict.fromkeys(filter(is_accumulator, links))
        variables = [leaf.variable for leaf in leaves]  # type: ignore[attr-defined]
        owners = recorder().owners(node for node in links if node not in leaves)
        with _untouched(owners), listen(owners) as tape:
            totals = _differentiate(y, variables, seed)
        arrivals: dict[Node, Tensor | None] = dict(zip(leaves, totals, strict=True))
        return Pass(seed, tuple(_steps(tape.visits, links, arrivals, owners)))


def _differentiate(y: Tensor, variables: list[Tensor], seed: Tensor) -> tuple[Tensor | None, ...]:
    try:
        return torch.autograd.grad(y, variables, seed, retain_graph=True, allow_unused=True)
    except RuntimeError as error:
        if "second time" in str(error):
            raise FreedError from error
        if "modified by an inplace operation" in str(error):
            raise InputError(_OVERWRITTEN.format(str(error).partition(" Hint:")[0])) from error
        if "use_reentrant=True" in str(error):
            raise InputError(_REENTRANT) from error
        raise


_OVERWRITTEN = (
    "A tensor that this graph had saved for its backward pass was changed in place afterwards, so "
    "the pass cannot run. PyTorch says: {} Write y = y + 1 in place of y += 1 or y.add_(1), and "
    "run the forward cell once more."
)

_REENTRANT = (
    "y was computed through torch.utils.checkpoint with use_reentrant=True. Such a checkpoint "
    "starts a backward pass of its own that adds to .grad, so its pass cannot be tried out. "
    "Use use_reentrant=False, which PyTorch recommends; or call y.backward() in recorded code "
    "first, and look at the pass it made."
)


@unrecorded
def remembered(y: Tensor) -> list[Pass]:
    """The passes that the learner's own ``backward()`` calls on ``y`` made, oldest first."""
    watcher = recorder()
    passes = []
    for tape in watcher.tapes(y):
        arrivals = {v.node: v.incoming[0] for v in tape.visits if is_accumulator(v.node)}
        inner = [visit for visit in tape.visits if not is_accumulator(visit.node)]
        seed = inner[0].incoming[get_gradient_edge(y).output_nr] if inner else None
        if seed is not None:
            owners = watcher.owners([visit.node for visit in inner])
            links = {visit.node: visit.node.next_functions for visit in inner}
            steps = tuple(_steps(inner, links, arrivals, owners))
            passes.append(Pass(seed, steps, remembered=True))
    return passes


def require_gradient(y: object) -> None:
    """Raise InputError, saying why, unless ``y`` is a tensor with a gradient to follow."""
    if not isinstance(y, Tensor):
        raise InputError(
            f"This needs a tensor, and got {y!r} ({type(y).__name__}). Give it the result of a "
            "computation on a tensor with requires_grad=True, for example y = 2 * torch.dot(x, x)."
        )
    if y.requires_grad:
        return
    op = recorder().value(y).op
    if op is None:
        reason = "nothing about it was recorded, and it"
    elif any(value.requires_grad for value in op.inputs):
        reason = f"{op.text} cut it off from what it was computed from: it"
    else:
        reason = f"it comes from {op.text}, which uses no tensor with requires_grad=True. It"
    raise InputError(
        f"This tensor has no graph behind it: {reason} does not require a gradient. "
        "Set requires_grad=True on a tensor you want a gradient for, compute from that one, "
        "and look at the result before any detach()."
    )


def seed_for(y: Tensor, v: Tensor | None) -> Tensor:
    """The upstream gradient that ``y.backward(v)`` starts from; ones for a one-element y.

    >>> seed_for(torch.tensor([[3.0]]), None)
    tensor([[1.]])
    """
    if v is None:
        if y.numel() == 1:
            return torch.ones_like(y)
        if y.numel() == 0:
            raise InputError(f"y is empty, of shape {shape_text(y.shape)}: it has no gradient.")
        sizes = ", ".join(str(size) for size in y.shape)
        raise InputError(
            f"y has shape {shape_text(y.shape)}, so there is no single gradient to send back: "
            f"give a v of the same shape, one weight for each element of y. v=torch.ones({sizes}) "
            "gives the gradient of y.sum()."
        )
    if not isinstance(v, Tensor):
        raise InputError(f"v must be a tensor of y's shape {shape_text(y.shape)}, and is {v!r}.")
    if v.shape != y.shape:
        raise InputError(
            f"v has shape {shape_text(v.shape)}, but y has shape {shape_text(y.shape)}: "
            "v holds one weight for each element of y, so give it y's shape."
        )
    return v.detach().to(y.dtype)


def _steps(
    visits: list[Visit],
    links: dict[Node, Links],
    arrivals: dict[Node, Tensor | None],
    owners: dict[Node, Op | None],
) -> Iterator[Step]:
    """The visits as steps; each leaf right after the last node that sends to it, as in the engine.

    The engine takes the ready node with the highest sequence number, and a leaf's is the highest.
    """
    last_of = _last_senders(visits, links, set(arrivals))
    for n, (node, incoming, sent) in enumerate(visits):
        yield _step((node, owners[node], _detached(incoming), _detached(sent), None))
        for leaf in last_of.get(n, ()):
            variable: Tensor = leaf.variable  # type: ignore[attr-defined]
            yield Step(leaf, None, (arrivals[leaf],), (), variable)


def _last_senders(
    visits: list[Visit], links: dict[Node, Links], leaves: set[Node]
) -> dict[int, list[Node]]:
    """The leaves that a visit is the last to send to, by the visit's place."""
    last: dict[int, list[Node]] = {}
    for n in reversed(range(len(visits))):
        for target, _ in links[visits[n].node]:
            if target in leaves:
                leaves.remove(target)
                last.setdefault(n, []).append(target)
    return last


def _detached(gradients: Gradients) -> Gradients:
    """A learner's own backward or hook may send what hangs on a graph of its own."""
    for gradient in gradients:
        if gradient is not None and gradient.requires_grad:
            return tuple(None if each is None else each.detach() for each in gradients)
    return gradients


def local_jacobian(node: Node, output: torch.Size, dtype: torch.dtype) -> list[Tensor] | None:
    """What is the Jacobian of one op, for each of its inputs?

    ``node`` is given one-hot upstream gradients, one for each element of its output, and sends
    back a row for each.

    Returns
    -------
    One matrix (elements of the output x elements of the input) for each input a gradient goes to;
    ``None`` where the node cannot be asked: its graph was freed, or it is a learner's own Function
    whose code should not run unasked.
    """
    if isinstance(node, torch.autograd.function.BackwardCFunction):
        return None
    run = cast(Callable[[Tensor], Tensor | tuple[Tensor | None, ...]], node)
    rows: list[tuple[Tensor, ...]] = []
    with torch.no_grad():
        for one_hot in torch.eye(output.numel(), dtype=dtype):
            try:
                sent = run(one_hot.reshape(output))
            except RuntimeError:
                return None
            sent = (sent,) if isinstance(sent, Tensor) else sent
            rows.append(tuple(gradient.flatten() for gradient in sent if gradient is not None))
    return [torch.stack(matrix) for matrix in zip(*rows, strict=True)]


@contextmanager
def _untouched(owners: dict[Node, Op | None]) -> Iterator[None]:
    """Undo what a pass does beside computing gradients: random state, and retained gradients."""
    everything_recorded = None not in owners.values()
    retained = [(tensor, tensor.grad) for tensor in _retaining(everything_recorded)]
    random_state = torch.get_rng_state()
    try:
        yield
    finally:
        torch.set_rng_state(random_state)
        for tensor, grad in retained:
            tensor.grad = grad


def _retaining(everything_recorded: bool) -> list[Tensor]:
    """The inner tensors of a graph that the learner called ``retain_grad()`` on.

    Autograd cannot list them, and nothing on their nodes tells. The recorder knows those it saw; if
    part of the graph was not recorded, the rest is looked for among everything Python holds.
    """
    tensors = recorder().tensors() if everything_recorded else _all_tensors()
    return [tensor for tensor in tensors if tensor.retains_grad]


def _all_tensors() -> Iterator[Tensor]:
    """Every tensor that Python holds.

    There may be millions of other things: they are passed over by type, and without running any
    code in Python. (Not by ``isinstance``: some things answer that with code of their own.)
    """
    things = gc.get_objects()
    return compress(things, map(_tensor_types().__contains__, map(type, things)))


def _tensor_types() -> set[type]:
    """Tensor and all classes that are made from it."""
    types = [Tensor]
    for each in types:  # the list grows while it is read
        types.extend(type.__subclasses__(each))
    return set(types)
