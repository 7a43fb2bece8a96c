"""In-place edits that autograd notices in the backward pass: of what an op had saved for it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from torch import Tensor

from seegrad.clinic.diagnosis import Diagnosis
from seegrad.clinic.freed import carried_past, retaining
from seegrad.clinic.incident import Incident, Witness
from seegrad.clinic.out_of_place import out_of_place
from seegrad.clinic.saved import Spoilt, nodes_of, spoilt
from seegrad.clinic.spelling import code_at, code_of, is_name, spelled
from seegrad.recording import Op, Value

MESSAGE = "modified by an inplace operation"


_TARGET = r"^([\w.]+?)(?=\.\w+_\(|\[| [-+*/@|&^]*= )"
"""What a statement changes in place, at its beginning."""


def edited_since(incident: Incident) -> Diagnosis | None:
    """A value that was saved for backward was changed in place before backward."""
    refusing = spoilt(nodes_of(incident.roots), MESSAGE)
    told = [one for one in refusing if _facts(one.reason) == _facts(incident.message)]
    for one in told or refusing:
        saver = incident.watcher.owner(one.node)
        if saver is not None and (edit := _edit(incident.watcher.ops(), saver)) is not None:
            return _saved_and_edited(incident, saver, *edit)
    return _edit_not_seen(incident, next(iter(told or refusing), None))


def _facts(message: str) -> str:
    """The part of the message that tells tensors apart: type, shape, versions."""
    found = re.search(r"\[torch.*?version \d+; expected version \d+", message)
    return found[0] if found else ""


def _edit(ops: list[Op], saver: Op) -> tuple[Op, Value] | None:
    """The first edit after ``saver`` of something that it was given or made, and of what."""
    for op in ops:
        if op.number > saver.number:
            for before in op.changed:
                if any(_same_memory(before, held) for held in _held(saver, before)):
                    return op, before
    return None


def _held(saver: Op, before: Value) -> Iterator[Value]:
    yield from saver.inputs
    yield from (each for each in viewed(before) if each.op == saver)


def _same_memory(a: Value, b: Value) -> bool:
    """Is one of them the other, or a view of it?"""
    return not set(viewed(a)).isdisjoint(viewed(b))


def viewed(value: Value) -> list[Value]:
    """The value, what it is a view of or was detached from, and so on.

    All of them share their memory and its version counter, so an edit of one is noticed by all.
    """
    found = [value]
    while (op := found[-1].op) is not None and op.inputs and (found[-1].view or _detaches(op)):
        found.append(op.inputs[0])
    return found


def _detaches(op: Op) -> bool:
    return op.name == "detach"


def _saved_and_edited(incident: Incident, saver: Op, edit: Op, before: Value) -> Diagnosis:
    witness: Witness = incident
    used_by = saver if before in saver.inputs else None
    name = witness.value_name(before, "", used_by) or witness.value_name(before, "its tensor")
    output = any(each.op == saver for each in viewed(before))
    what = "its own result" if output else f"`{name}`"
    place = incident.of_op(edit)
    written = spelled(edit)
    of_optimizer = not edit.direct and before.leaf
    line = "" if saver.site is None else incident.line(saver.site, place)
    mend, because = out_of_place(edit, name)
    if before.view:
        mend, because = _base_cloned(incident, edit, before)
    elif _sharing(witness, before) and not is_name(name):
        mend = f"copy = {name}.clone()\n{written.replace(name, 'copy', 1)}"
        because = "The copy has memory of its own."
    elif not edit.direct and edit.site is not None:
        mend = code_at(edit.site).replace(f"({name})", f"({name}.clone())", 1)
        because = "The clone is changed; or make the module with inplace=False."
    if of_optimizer:
        mend = _ordered(incident, written)
        because = f"All backward passes first, then `{written}`: it changes the weights in place."
    shared = _sharing(witness, before)
    happened = (
        f"`{spelled(saver)}` ({line}) saved {what} for its backward pass; then `{written}` changed "
        f"`{name}` in place{shared}, so the saved numbers are not those that were used."
    )
    root = next((r for r in incident.roots if isinstance(r, Tensor)), None)
    if of_optimizer and root is not None and (state := carried_past(incident, root, edit)):
        user, name, mend = state
        place = incident.of_op(user)
        happened += f" `{name}` carries that earlier turn's graph into this one."
        because = f"`{name}` keeps its value and forgets how it came about: the pass ends there."
    call = incident.site.text if incident.site is not None else ""
    kept = "retain_graph" in call
    return Diagnosis(
        kind="a saved value was changed in place before backward()",
        happened=happened,
        place=place,
        raised=incident.place,
        op=written,
        variable=name if is_name(name) else "",
        mend=mend,
        because=because,
        tempting=_through_data(edit, name)
        if not of_optimizer
        else retaining(call)
        if call and not kept
        else "",
        consequence="It keeps the graph, and the graph needs the weights as they were: it raises "
        "the same error."
        if of_optimizer and not kept
        else ""
        if of_optimizer
        else "No error any more, and a wrong gradient: the pass computes with the new numbers as "
        "if they had been there in the forward pass.",
        fault=edit if edit.direct else saver,
        result=root,
    )


def _sharing(witness: Witness, before: Value) -> str:
    """Of a detached tensor, which looks like one of its own: whose memory it shares."""
    taken = before.op
    if taken is None or not _detaches(taken) or not taken.inputs:
        return ""
    return f" (`{witness.value_name(taken.inputs[0], 'its source')}` shares its memory)"


def _base_cloned(witness: Witness, edit: Op, before: Value) -> tuple[str, str]:
    """The lines with a copy of what the edited tensor is a view of, made before the view."""
    base, taken = viewed(before)[-1], before.op
    name = witness.value_name(base, "base")
    lines = [op.site for op in (taken, edit) if op is not None and op.site is not None]
    code = "\n".join([f"{name} = {name}.clone()", *map(code_at, lines)])
    return code, f"The view is then one of the clone, and the saved `{name}` stays as it was."


def _ordered(incident: Incident, step: str) -> str:
    call = code_at(incident.site) if incident.site is not None else "loss.backward()"
    return f"{call}\n{step}"


def _through_data(edit: Op, name: str) -> str:
    statement = code_of(edit)
    changed = re.sub(_TARGET, r"\1.data", statement, count=1)
    if changed == statement:
        changed = statement.replace(name, f"{name}.data", 1)
    return changed if changed != statement else f"{name}.data"


def _edit_not_seen(incident: Incident, one: Spoilt | None) -> Diagnosis:
    """The edit was not recorded: what the message itself proves."""
    facts = re.search(
        r"\[torch\.(\w+) \[(.*?)\]\](?:, which is output (\d+) of (\w+?),)?", incident.message
    )
    shape = f" of shape ({facts[2]})" if facts else ""
    made = f", made by {facts[4]}" if facts and facts[4] else ""
    owner = incident.watcher.owner(one.node) if one is not None else None
    return Diagnosis(
        kind="a saved value was changed in place before backward()",
        happened=f"A tensor{shape}{made} was saved for the backward pass"
        + (f" by `{owner.text}`" if owner is not None else "")
        + " and changed in place after that.",
        place=incident.of_op(owner) or incident.place,
        raised=incident.place,
        op=owner.text if owner is not None else "",
        mend="a = a + 1  # for a += 1: a new tensor, and the saved one stays as it was",
        because="Write the edit so that it makes a new tensor.",
        rivals=("which line changed it: that edit was not recorded.",),
        fault=owner,
        result=next((r for r in incident.roots if isinstance(r, Tensor)), None),
    )
