"""What should be known about a tensor's gradient: whether it has one, and what that holds."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from seegrad.clinic.cuts import cut_at, cuts
from seegrad.clinic.diagnosis import Diagnosis
from seegrad.clinic.held_gradient import held
from seegrad.clinic.incident import Witness
from seegrad.clinic.lost import how_lost
from seegrad.clinic.lost_at_op import at_cut
from seegrad.clinic.lost_in_number import of_a_number, read_as_number
from seegrad.clinic.no_gradient import of_a_result, why_none
from seegrad.recording import unrecorded


@unrecorded
def about(witness: Witness, tensor: Tensor) -> Diagnosis:
    """What should its owner know about this tensor's gradient? The most surprising thing first."""
    if not tensor.requires_grad:
        return how_lost(witness, tensor)
    if (wrapped := _wrapped_anew(witness, tensor)) is not None:
        return wrapped
    if not tensor.is_leaf and not tensor.retains_grad:
        return of_a_result(witness, tensor)
    if tensor.grad is None:
        return why_none(witness, tensor)
    return held(witness, tensor, tensor.grad)


# A leaf that should be a result


def _wrapped_anew(witness: Witness, tensor: Tensor) -> Diagnosis | None:
    """Was it made to require a gradient though it was cut off from what it came from?"""
    value = witness.watcher.value(tensor)
    op = value.op
    if (
        not tensor.is_leaf
        or op is None
        or op.changed
        or op.name in ("detach", "clone", "Parameter")
    ):
        return None
    name = witness.name(tensor, "loss")
    cut, read = cut_at(op), read_as_number(witness, value)
    if cut is not None and cut.cause != "no_grad":
        found = at_cut(witness, [cut], name, None)
    elif (inner := next(iter(cuts(value)), None)) is not None and inner.cause != "no_grad":
        found = at_cut(witness, [inner], name, None)
    elif read is not None:
        found = of_a_number(witness, *read, name, None)
    else:
        return None
    return _as_a_leaf(found, name)


def _as_a_leaf(found: Diagnosis, name: str) -> Diagnosis:
    return replace(
        found,
        kind="a result that was made a leaf of its own",
        happened=f"`{name}` requires a gradient, but is a leaf: backward() from it reaches only "
        f"itself. {found.happened}",
        tempting=f"{name}.requires_grad = True",
    )
