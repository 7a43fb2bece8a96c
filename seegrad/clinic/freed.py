"""A second backward pass through a graph that the first one freed."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.graph import Node

from seegrad.clinic.diagnosis import Diagnosis
from seegrad.clinic.incident import Incident
from seegrad.clinic.saved import nodes_of, spoilt
from seegrad.clinic.spelling import code_at, code_of, is_name, spelled
from seegrad.recording import Op, Value
from seegrad.recording.source import Site
from seegrad.recording.tape import is_accumulator

MOST_LINES = 6
"""So many lines of the forward pass are written out, the last ones."""

MESSAGE = "backward through the graph a second time"


@dataclass(frozen=True, slots=True)
class _Earlier:
    """The pass that freed: where it was called, when, and how its root was written."""

    site: Site
    number: int
    root: str


def freed(incident: Incident) -> Diagnosis | None:
    """Which part was freed, by which call, and how does this pass come to need it?"""
    roots = [root for root in incident.roots if isinstance(root, Tensor)]
    nodes = nodes_of(roots)
    refusing = spoilt(nodes, MESSAGE)
    if not refusing:
        return None
    earlier = _earlier(incident, nodes)
    owners = incident.watcher.owners([one.node for one in refusing])
    found = [o for one in refusing if (o := owners[one.node]) is not None]
    # The pass that raised has freed what it went through before it did.
    op = next((o for o in found if earlier is None or o.number < earlier.number), None)
    root = roots[0]
    if earlier is None or op is None:
        return _unseen(incident, root, op)
    joint = _joint(incident.watcher.value(root), earlier.number)
    if joint is not None:
        return _carried_over(incident, *joint, op, earlier)
    return _same_graph(incident, root, op, earlier)


def _earlier(incident: Incident, nodes: Iterable[Node]) -> _Earlier | None:
    """The last recorded pass that reached a leaf of this graph."""
    leaves: list[Tensor] = [node.variable for node in nodes if is_accumulator(node)]  # type: ignore[attr-defined]
    found = [
        _Earlier(event.site, event.number, event.root)
        for leaf in leaves
        for event in incident.watcher.grad_events(leaf)
        if event.kind == "backward" and event.site is not None
    ]
    own = {op for root in incident.roots for op in _above(incident.watcher.value(root))}
    found += [
        _Earlier(op.site, op.number, _text(op.inputs[0].op))
        for op in incident.watcher.ops()
        if op.function is torch.autograd.grad
        and op.site is not None
        and not own.isdisjoint(_above(op.inputs[0]))
    ]
    return max(found, key=lambda one: one.number, default=None)


def _text(op: Op | None) -> str:
    return "" if op is None else op.text


def _above(value: Value) -> Iterator[Op]:
    """The ops a value was made by, each once, the nearest first."""
    values, seen = [value], set[Op]()
    for each in values:  # grows while it is read
        op = None if each.leaf else each.op
        if op is not None and op not in seen:
            seen.add(op)
            yield op
            values += op.inputs


def _joint(root: Value, earlier: int) -> tuple[Op, Value, bool] | None:
    """Where what ran after the earlier pass uses what ran before it: the op and what it was given.

    The third says whether the line that made it has run again since: a state carried from turn to
    turn. ``None`` if nothing of this graph ran since.
    """
    ops = list(_above(root))
    fresh = [op for op in ops if op.number > earlier]
    again = {_line(op) for op in fresh}
    joints = [
        (op, given, _line(given.op) in again)
        for op in fresh
        for given in op.inputs
        if given.op is not None
        and given.requires_grad
        and not given.leaf
        and given.op.number < earlier
    ]
    return max(joints, key=lambda joint: joint[0].number) if joints else None


def _line(op: Op | None) -> tuple[str, int] | None:
    return None if op is None or op.site is None else (op.site.filename, op.site.line)


def _carried_over(
    incident: Incident, user: Op, shared: Value, carried: bool, op: Op, earlier: _Earlier
) -> Diagnosis:
    name = _carried_name(shared.op) if carried else ""
    name = name or incident.value_name(shared, _text(shared.op), user)
    line = incident.line(earlier.site, incident.place)
    call = incident.site.text if incident.site is not None else "loss.backward()"
    made = _forward(shared)
    mend = _let_go(user, name)
    return Diagnosis(
        kind="a second backward pass reaches the graph of an earlier one",
        happened=f"`{spelled(user)}` uses `{name}`, which was computed before an earlier pass "
        f"(`{earlier.site.text}`, {line}) freed its graph; this pass goes back through "
        f"`{name}` to `{spelled(op)}`, whose saved values are gone.",
        place=incident.of_op(user),
        raised=incident.place,
        op=spelled(user),
        variable=name if is_name(name) else "",
        mend=mend if carried else f"{made}\n{_statement(user)}",
        because=f"`{name}` keeps its value and forgets how it came about: each turn's pass ends "
        "where that turn began."
        if carried
        else f"Compute `{name}` anew for each pass: its graph is then there again.",
        tempting=retaining(call),
        consequence="Each pass then goes back through all the turns before it, so time and memory "
        "grow with every turn; and once an optimizer has changed the weights in place, it raises."
        if carried
        else "It must stand in the earlier call, keeps the memory of every graph, and "
        "raises once an optimizer has changed the weights in place.",
        rivals=()
        if carried
        else (
            f"whether what computes `{name}` is to be trained: if not, `{name}.detach()` will do.",
        ),
        fault=user,
        result=next((r for r in incident.roots if isinstance(r, Tensor)), None),
    )


def carried_past(incident: Incident, root: Tensor, edit: Op) -> tuple[Op, str, str] | None:
    """A state that a loop carried from before an edit to after it.

    The op that uses it, its name, and the lines that let its past go; ``None`` if there is none.
    """
    joint = _joint(incident.watcher.value(root), edit.number)
    if joint is None or not joint[2]:
        return None
    user, shared, _ = joint
    name = _carried_name(shared.op) or incident.value_name(shared, _text(shared.op), user)
    return user, name, _let_go(user, name)


def _let_go(user: Op, name: str) -> str:
    """The line that carries a state over, after one that detaches it."""
    simple = name if is_name(name) else "h"
    line = f"\n{code_at(user.site)}" if user.site is not None else ""
    return f"{simple} = {simple}.detach(){line}"


def _carried_name(op: Op | None) -> str:
    """The name that the statement both uses and gives: ``h`` in ``out, h = rnn(x, h)``."""
    try:
        body = ast.parse(code_at(op.site)).body if op is not None and op.site is not None else []
    except SyntaxError:
        return ""
    match body:
        case [ast.Assign(targets=targets, value=value)]:
            used = {
                ast.unparse(n) for n in ast.walk(value) if isinstance(n, ast.Name | ast.Attribute)
            }
            given = [ast.unparse(part) for target in targets for part in _parts(target)]
            return next((name for name in given if name in used), "")
    return ""


def _parts(target: ast.expr) -> list[ast.expr]:
    return target.elts if isinstance(target, ast.Tuple | ast.List) else [target]


def _forward(value: Value) -> str:
    """The lines that compute a value from its leaves, as far as a gradient passes."""
    ops = [op for op in _above(value) if any(v.requires_grad for v in op.inputs)]
    ordered = sorted(ops, key=lambda op: op.number)
    written = dict.fromkeys(code_at(op.site) for op in ordered if op.site is not None)
    return "\n".join(list(written)[-MOST_LINES:])


def _statement(op: Op) -> str:
    return code_of(op)


def _same_graph(incident: Incident, root: Tensor, op: Op, earlier: _Earlier) -> Diagnosis:
    """Nothing of this graph ran since the earlier pass."""
    name = incident.name(root, "loss")
    made = incident.watcher.value(root).op
    line = incident.line(earlier.site, incident.place)
    same = _started_here(incident, root, earlier, made)
    call = incident.site.text if incident.site is not None else f"{name}.backward()"
    other = earlier.site.text.split(".backward")[0] if ".backward" in earlier.site.text else "first"
    op = op if same else _shared_op(incident, root, other) or op
    forward = _forward(incident.watcher.value(root))
    return Diagnosis(
        kind="a second backward pass through one graph"
        if same
        else "two results share a graph, and the first pass freed it",
        happened=f"`{earlier.site.text}` on {line} has gone through the graph of `{name}` "
        f"already and freed what `{spelled(op)}` had saved; nothing of it was computed again since."
        if same
        else f"`{name}` and the start of `{earlier.site.text}` ({line}) are computed "
        f"by way of `{spelled(op)}`, and that first pass freed what it had saved.",
        place=incident.place,
        raised=incident.place,
        op=spelled(op),
        variable=name if is_name(name) else "",
        mend=f"{forward}\n{call}" if same else f"({other} + {name}).backward()",
        because="Run the forward pass again before each backward pass: it makes a new graph."
        if same
        else "One pass from the sum gives the same gradients, for they add up anyway.",
        tempting=retaining(call),
        consequence="In the earlier call it lets the same pass run twice, and each adds to "
        "`.grad`: "
        "every gradient is then counted twice."
        if same
        else "It has to stand in the first call, and keeps the memory of the whole graph "
        "for a second pass over the shared part.",
        fault=op,
        result=root,
    )


def retaining(call: str) -> str:
    """The call with ``retain_graph=True``."""
    return f"{call[:-1]}{'' if call.endswith('()') else ', '}retain_graph=True)"


def _shared_op(incident: Incident, root: Tensor, other: str) -> Op | None:
    """The last op that both results come from."""
    first = incident.variable(other) if is_name(other) else None
    if not isinstance(first, Tensor):
        return None
    value = incident.watcher.value
    both = set(_above(value(root))) & set(_above(value(first)))
    wanted = [op for op in both if op.first_node < op.last_node]
    return max(wanted, key=lambda op: op.number, default=None)


def _started_here(incident: Incident, root: Tensor, earlier: _Earlier, made: Op | None) -> bool:
    """Did the earlier pass start from this very tensor?"""
    if incident.watcher.tapes(root):
        return True
    own = incident.site
    same_line = own is not None and (own.filename, own.line) == (
        earlier.site.filename,
        earlier.site.line,
    )
    return same_line or (made is not None and made.text == earlier.root)


def _unseen(incident: Incident, root: Tensor, op: Op | None) -> Diagnosis:
    name = incident.name(root, "loss")
    what = f"what `{op.text}` had saved" if op is not None else "what the graph had saved"
    return Diagnosis(
        kind="a second backward pass through one graph",
        happened=f"An earlier pass through the graph of `{name}` freed {what}.",
        place=incident.place,
        op=_text(op),
        variable=name if is_name(name) else "",
        mend=f"{_statement(made)}\n{name}.backward()"
        if (made := incident.watcher.value(root).op)
        else f"{name}.backward()",
        because="Run the forward pass again before each backward pass: it makes a new graph.",
        tempting=f"{name}.backward(retain_graph=True)",
        consequence="It has to stand in the earlier call, and the gradients of both passes add up.",
        rivals=("which call freed it: no recorded one did.",),
        fault=op,
        result=root,
    )
