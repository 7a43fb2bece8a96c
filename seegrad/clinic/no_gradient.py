"""Why a tensor has no gradient: its ``.grad`` is None."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from seegrad.clinic.cuts import Cut, cut_at
from seegrad.clinic.diagnosis import Diagnosis, Place
from seegrad.clinic.incident import Witness
from seegrad.clinic.lost import how_lost
from seegrad.clinic.lost_at_op import at_cut
from seegrad.clinic.spelling import assigned, code_at, code_of, is_name
from seegrad.recording import GradEvent, Op, Value


def why_none(witness: Witness, tensor: Tensor, raised: Place | None = None) -> Diagnosis:
    """Why is there nothing in ``.grad``?"""
    if not tensor.requires_grad:
        return how_lost(witness, tensor, raised)
    if not tensor.is_leaf:
        return of_a_result(witness, tensor, raised)
    name = witness.name(tensor, "x")
    events = witness.watcher.grad_events(tensor)
    if events and events[-1].kind == "None":
        return _taken_away(witness, name, events, raised)
    value = witness.watcher.value(tensor)
    used = list(_descendants(witness, value))
    lost = _cut_below(witness, used)
    if lost is not None:
        return at_cut(witness, [lost], "the result", raised)
    asked = next((op for op in reversed(used) if op.function is torch.autograd.grad), None)
    if asked is not None:
        return _given_not_stored(witness, name, asked, raised)
    if not used:
        return _not_used(witness, tensor, name, raised)
    last = used[-1]
    return Diagnosis(
        kind=".grad is None: no backward pass has come here",
        happened=f"`{name}` is a leaf and was used, last in `{last.text}`; but no recorded "
        f"backward() started from a result computed from it, and only that fills `{name}.grad`.",
        place=witness.of_op(last),
        raised=raised,
        op=last.text,
        variable=name if is_name(name) else "",
        mend=f"{assigned(last) or 'loss'}.backward()",
        because="A backward pass adds to `.grad`; until the first, it is None.",
        tempting=f"{name}.grad = torch.zeros_like({name})",
        consequence="The error goes, and the gradient is zero: nothing is learned.",
        fault=last,
    )


def of_a_result(witness: Witness, tensor: Tensor, raised: Place | None = None) -> Diagnosis:
    """Why does a result, which is no leaf, have nothing in ``.grad``?"""
    value, name = witness.watcher.value(tensor), witness.name(tensor, "y")
    op = value.op
    statement = code_at(op.site) if op is not None and op.site is not None else ""
    written = op.text if op is not None else "a computation"
    hidden = _hidden_leaf(witness, value, name)
    if hidden is not None:
        kind, happened, mend, because = hidden
    else:
        kind = ".grad of a result is not kept"
        happened = (
            f"`{name}` is no leaf but the result of `{written}`: its gradient is computed, sent on "
            "and let go; only leaves keep one."
        )
        mend = f"{statement}\n{name}.retain_grad()" if statement else f"{name}.retain_grad()"
        because = "Say so before the backward pass, and this result keeps its gradient too."
    return Diagnosis(
        kind=kind,
        happened=happened,
        place=witness.of_op(op) or raised,
        raised=raised,
        op=op.text if op is not None else "",
        variable=name if is_name(name) else "",
        mend=mend,
        because=because,
        tempting=f"{name}.requires_grad_()",
        consequence="It changes nothing: a result requires a gradient already, and is still no "
        "leaf.",
        fault=op,
        result=tensor,
    )


def _hidden_leaf(witness: Witness, value: Value, name: str) -> tuple[str, str, str, str] | None:
    """Is the leaf a tensor that has lost its name to this result?"""
    op = value.op
    if op is None or op.site is None or _assigned_to(op) != name:
        return None
    statement = code_at(op.site)
    for given in op.inputs:
        tensor = given.tensor
        if not given.leaf or (tensor is not None and id(tensor) in witness.names):
            continue
        made = given.op
        if (made is not None and made.site is op.site) or (
            made is not None and made.text in statement
        ):
            plain = statement.partition(" = ")[2].replace(", requires_grad=True", "")
            return (
                f"{name} is a result, not the leaf",
                (
                    f"`{made.text}` made a leaf, and `{op.text}` a result from it; `{name}` "
                    "names the result, and the leaf, where the gradient goes, has no name."
                ),
                f"{name} = ({plain}).requires_grad_()",
                "Compute first, then ask for the gradient: what has the name is then the leaf.",
            )
        for short, long in ((f"{name} - ", f"{name} -= "), (f"{name} + ", f"{name} += ")):
            right = statement.partition(" = ")[2]
            if right.startswith(short):
                return (
                    f"{name} was bound to a new tensor",
                    (
                        f"`{statement}` makes a new tensor and gives it the name `{name}`: a "
                        "result, "
                        "not the leaf that had the name before."
                    ),
                    f"with torch.no_grad():\n    {right.replace(short, long, 1)}",
                    f"This changes the tensor that `{name}` is, which stays a leaf.",
                )
    return None


def _assigned_to(op: Op) -> str:
    """The name that the op's whole statement assigns to; "" if it does not."""
    name, equals, _ = code_at(op.site).partition(" = ") if op.site is not None else ("", "", "")
    return name if equals and is_name(name) else ""


def _taken_away(
    witness: Witness, name: str, events: list[GradEvent], raised: Place | None
) -> Diagnosis:
    event = events[-1]
    place = witness.where(event.site) if event.site is not None else None
    code = code_at(event.site) if event.site is not None else f"{name}.grad = None"
    before = [e for e in events if e.kind == "backward"]
    last = before[-1].site if before else None
    brought = f", which `{code_at(last)}` had filled" if last is not None else ""
    return Diagnosis(
        kind=".grad was set to None",
        happened=f"`{code}` set `{name}.grad` to None{brought}; no backward pass has come since.",
        place=place,
        raised=raised,
        op=code,
        variable=name if is_name(name) else "",
        mend=f"{code}\n{code_at(last) if last is not None else 'loss.backward()'}\n"
        f"print({name}.grad)",
        because="First take the old gradient away, then backward, then look: in that order.",
        fault=None,
    )


def _given_not_stored(witness: Witness, name: str, asked: Op, raised: Place | None) -> Diagnosis:
    return Diagnosis(
        kind="torch.autograd.grad returns gradients and stores none",
        happened=f"`{asked.text}` computed the gradient of `{name}` and returned it; only "
        f"backward() adds to `{name}.grad`.",
        place=witness.of_op(asked),
        raised=raised,
        op=asked.text,
        variable=name if is_name(name) else "",
        mend=code_of(asked),
        because="Use what this call returns; or call backward() where `.grad` is wanted.",
        fault=asked,
    )


def _not_used(witness: Witness, tensor: Tensor, name: str, raised: Place | None) -> Diagnosis:
    op = witness.watcher.value(tensor).op
    return Diagnosis(
        kind=".grad is None: nothing was computed from it",
        happened=f"No recorded op that is still to be seen was given `{name}`, so no gradient can "
        "come back to it.",
        place=witness.of_op(op) or raised,
        raised=raised,
        op=op.text if op is not None else "",
        variable=name if is_name(name) else "",
        mend=f"loss = …  # computed from {name}\nloss.backward()",
        because="A gradient comes back along what was computed.",
        rivals=(
            (
                f"whether an earlier tensor of the name `{name}` was used in its place: compare "
                f"`id({name})` before and after."
            ),
        ),
        fault=op,
    )


def _descendants(witness: Witness, value: Value) -> Iterator[Op]:
    """The recorded ops that were given a tensor, or what was computed from it, as they ran."""
    found: set[Op] = set()
    for op in witness.watcher.ops():
        if any(given == value or given.op in found for given in op.inputs):
            found.add(op)
            yield op


def _cut_below(witness: Witness, used: list[Op]) -> Cut | None:
    """The last of these ops at which every gradient was lost."""
    made = {value.op: value for value in _values(witness)}
    for op in reversed(used):
        value = made.get(op)
        if op.changed or op.function is torch.autograd.grad or value is None:
            continue
        if (value.leaf or not value.requires_grad) and (cut := cut_at(op)) is not None:
            return cut
    return None


def _values(witness: Witness) -> Iterator[Value]:
    for op in witness.watcher.ops():
        yield from op.inputs
    yield from map(witness.watcher.value, witness.watcher.tensors())
