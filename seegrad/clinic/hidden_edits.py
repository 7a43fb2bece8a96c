"""A value that was changed through ``.data`` between its use and the backward pass."""

from __future__ import annotations

from torch import Tensor

from seegrad.clinic.diagnosis import Diagnosis
from seegrad.clinic.incident import Witness
from seegrad.clinic.out_of_place import rebinding
from seegrad.clinic.saved import saves_its_input, saves_its_result
from seegrad.clinic.spelling import code_of, is_name
from seegrad.recording import Value, unrecorded


def edited_through_data(witness: Witness, tensor: Tensor) -> Diagnosis | None:
    """Were its numbers, or some on the way to it, changed unseen between use and backward?"""
    value, name = witness.watcher.value(tensor), witness.name(tensor, "x")
    ops = witness.watcher.ops()
    events = [e for e in witness.watcher.grad_events(tensor) if e.kind == "backward"]
    if not events:
        return None
    for edit in ops:
        shared = next(
            (v.op for v in edit.changed if v.op is not None and v.op.name == "data"), None
        )
        if shared is None or edit.number > events[-1].number:
            continue
        before = shared.inputs[0]
        user = next(
            (
                op
                for op in ops
                if op.number < edit.number
                and before in op.inputs
                and op.name not in ("data", "detach")
                and saves_its_input(op, before)
            ),
            None,
        )
        if user is None and _result_is_saved(before):
            user = before.op
        if user is None or not _reaches(before, value):
            continue
        changed = witness.value_name(before, name)
        plain = code_of(edit).replace(".data", "", 1)
        how = "made and saved" if user == before.op else "used"
        return Diagnosis(
            kind="a value was changed through .data before backward()",
            happened=f"`{user.text}` {how} `{changed}`; then `{code_of(edit)}` changed it through "
            ".data, which autograd is not told of: the pass computed with the new numbers, so "
            f"`{name}.grad` is not the gradient of what ran.",
            place=witness.of_op(edit),
            op=code_of(edit),
            variable=changed if is_name(changed) else "",
            mend=rebinding(plain) or plain
            if before.leaf is False
            else f"with torch.no_grad():\n    {plain}",
            because="A new tensor: what was saved stays as it was."
            if before.leaf is False and rebinding(plain)
            else "After the backward pass it is an update; before it, PyTorch then says so.",
            fault=user,
        )
    return None


@unrecorded
def _result_is_saved(value: Value) -> bool:
    """Did the op that made it save it for its backward pass?"""
    node = value.tensor.grad_fn if value.tensor is not None else None
    return node is not None and saves_its_result(node)


def _reaches(before: Value, value: Value) -> bool:
    """Are the two one tensor, or is one computed from the other?"""
    if before.tensor is not None and before.tensor is value.tensor:
        return True
    values, seen = [before], {before}
    for each in values:
        if each == value or (each.tensor is not None and each.tensor is value.tensor):
            return True
        inner = each.op.inputs if each.op is not None else ()
        values += [given for given in inner if given not in seen]
        seen.update(inner)
    return False
