"""In-place edits that autograd forbids, or notices in the backward pass."""

from __future__ import annotations

import re
from collections.abc import Iterator

from torch import Tensor, nn

from seegrad.clinic.diagnosis import Diagnosis
from seegrad.clinic.freed import carried_past, retaining
from seegrad.clinic.incident import Incident, Witness, code_at, is_name, spelled
from seegrad.clinic.saved import Spoilt, nodes_of, spoilt
from seegrad.recording import Op, Value

MESSAGE = "modified by an inplace operation"

_TARGET = r"^([\w.]+?)(?=\.\w+_\(|\[| [-+*/@|&^]*= )"
"""What a statement changes in place, at its beginning."""

_OPERATORS = {"+=": "+", "-=": "-", "*=": "*", "/=": "/", "**=": "**", "@=": "@"}


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
    yield from (each for each in _viewed(before) if each.op == saver)


def _same_memory(a: Value, b: Value) -> bool:
    """Is one of them the other, or a view of it?"""
    return not set(_viewed(a)).isdisjoint(_viewed(b))


def _viewed(value: Value) -> list[Value]:
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
    output = any(each.op == saver for each in _viewed(before))
    what = "its own result" if output else f"`{name}`"
    place = incident.of_op(edit)
    written = spelled(edit)
    of_optimizer = not edit.direct and before.leaf
    line = "" if saver.site is None else incident.line(saver.site, place)
    mend, because = _out_of_place(edit, name)
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
    base, taken = _viewed(before)[-1], before.op
    name = witness.value_name(base, "base")
    lines = [op.site for op in (taken, edit) if op is not None and op.site is not None]
    code = "\n".join([f"{name} = {name}.clone()", *map(code_at, lines)])
    return code, f"The view is then one of the clone, and the saved `{name}` stays as it was."


def _ordered(incident: Incident, step: str) -> str:
    call = code_at(incident.site) if incident.site is not None else "loss.backward()"
    return f"{call}\n{step}"


def _out_of_place(edit: Op, name: str) -> tuple[str, str]:
    """The edit as an op that makes a new tensor."""
    statement = code_at(edit.site) if edit.site is not None else edit.text
    because = (
        f"This makes a new tensor and leaves the saved one as it was; `{name}` names the new one."
    )
    for short, plain in _OPERATORS.items():
        left, operator, right = statement.partition(f" {short} ")
        if operator and "[" not in left:
            right = f"({right})" if plain != "+" and re.search(r" [-+] ", right) else right
            return f"{left} = {left} {plain} {right}", because
    target, equals, right = statement.partition(" = ")
    cloned = "The clone is changed, and the saved tensor stays as it was; `{}` names the clone."
    if found := re.fullmatch(
        r"([\w.]+)\[(.+)\]( [-+*/]+)?", target if equals else statement.split("=")[0].strip()
    ):
        new = f"{found[1]} = {found[1]}.clone()\n{statement}"
        return (
            new,
            cloned.format(found[1]),
        )
    found = re.match(r"([\w.]+)\.(\w+)_\((.*)\)$", edit.text)
    if found and (anew := _made_anew(found[1], found[2], found[3])):
        return anew, because
    if "inplace=True" in statement:
        return statement.replace("inplace=True", "inplace=False"), because
    if "relu_" in edit.name or "_(" in statement:
        return re.sub(r"(\w+)_\(", r"\1(", statement, count=1), because
    return (
        f"{name} = {name}.clone()\n{statement}",
        f"The clone is changed, and the saved tensor stays as it was; `{name}` names the clone.",
    )


def _through_data(edit: Op, name: str) -> str:
    statement = code_at(edit.site) if edit.site is not None else edit.text
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


# Edits that PyTorch refuses where they stand


def leaf_edited(incident: Incident) -> Diagnosis | None:
    """A leaf that requires a gradient was to be changed in place."""
    op = incident.failed
    name = _target(incident)
    statement = code_at(incident.site) if incident.site is not None else ""
    view = "view of a leaf" in incident.message
    what = (
        f"`{name}` is a view of a leaf"
        if view and not _is_leaf(incident, name)
        else f"`{name}` is a leaf"
    )
    return Diagnosis(
        kind="a leaf was to be changed in place",
        happened=f"{what} that requires a gradient, and `{statement}` would change it in place: "
        "the gradient of a leaf is that with respect to the value it had, which would be gone.",
        place=incident.place,
        op=op.text if op is not None else statement,
        variable=_root_of(incident, op, name),
        mend=f"with torch.no_grad():\n    {statement}",
        because="A new value that is no part of the computation, such as an update or an "
        "initialisation: autograd is not to see it.",
        tempting=rebinding(statement),
        consequence=""
        if not rebinding(statement)
        else "A module refuses it (TypeError): what is computed is no parameter."
        if isinstance(incident.variable(name), nn.Parameter) and "." in name
        else "It runs, and the name then belongs to a result, not to the leaf: its `.grad` "
        "stays None, and an optimizer goes on with the old tensor.",
        rivals=(
            (
                "whether the edit is part of the computation to be differentiated: if so, work on "
                f"`{name}.clone()` and use that one further on."
            ),
        ),
        fault=op,
    )


def rebinding(statement: str) -> str:
    """An edit in place as a line that makes a new tensor; "" where there is no such line."""
    for short, plain in _OPERATORS.items():
        left, operator, right = statement.partition(f" {short} ")
        if operator:
            return f"{left} = {left} {plain} {right}"
    if found := re.match(r"([\w.]+)\.(\w+)_\((.*)\)$", statement):
        return _made_anew(found[1], found[2], found[3])
    return ""


def _made_anew(name: str, method: str, given: str) -> str:
    """``x = x.clamp(…)`` for ``x.clamp_(…)``; "" where there is no such method."""
    filled = {
        "zero": f"torch.zeros_like({name})",
        "fill": f"torch.full_like({name}, {given})",
    }
    if method not in filled and not hasattr(Tensor, method):
        return ""
    return f"{name} = {filled.get(method, f'{name}.{method}({given})')}"


def _is_leaf(incident: Incident, name: str) -> bool:
    tensor = incident.variable(name)
    return isinstance(tensor, Tensor) and tensor.is_leaf


def _target(incident: Incident) -> str:
    """What the failing statement would change."""
    statement = code_at(incident.site) if incident.site is not None else ""
    op = incident.failed
    left = (
        re.split(r" [-+*/@|&^]*= ", statement)[0] if re.search(r" [-+*/@|&^]*= ", statement) else ""
    )
    if left and "_(" not in left:
        return re.sub(r"\[.*$", "", left)
    if found := re.match(r"(.+?)\.\w+_\(", op.text if op is not None and op.direct else statement):
        return found[1].removeprefix("torch.nn.init").strip(".") or statement
    if op is not None and op.inputs:
        return incident.value_name(op.inputs[0], "the tensor", op)
    return left or "the tensor"


def _root_of(incident: Incident, op: Op | None, name: str) -> str:
    """The leaf's own name, if it is a view that was to be changed."""
    if op is not None and op.inputs:
        leaf = next((v for v in _viewed(op.inputs[0]) if v.leaf), None)
        if leaf is not None:
            name = incident.value_name(leaf, name)
    return name if is_name(name) else ""


def view_edited(incident: Incident) -> Diagnosis | None:
    """One of several views was to be changed in place, or one made under no_grad."""
    op, name = incident.failed, _target(incident)
    statement = code_at(incident.site) if incident.site is not None else ""
    view = op.inputs[0].op if op is not None and op.inputs else None
    written = view.text if view is not None else "the op that made it"
    no_grad = "no_grad mode" in incident.message
    mend, because = _out_of_place(op, name) if op is not None else ("", "")
    return Diagnosis(
        kind="a view that may not be changed in place",
        happened=f"`{name}` is a view made by `{written}` under no_grad, and `{statement}` would "
        "change it, and so what it is a view of, where gradients are noted."
        if no_grad
        else f"`{name}` is one of several views that `{written}` made at once; autograd cannot "
        "note a change of one of them in place.",
        place=incident.place,
        op=op.text if op is not None else statement,
        variable=name if is_name(name) else "",
        mend=f"{_taken(view)}\n{statement}" if no_grad else mend,
        because="A view that is taken where gradients are noted may be edited there."
        if no_grad
        else because,
        fault=op,
    )


def _taken(view: Op | None) -> str:
    """The line that took a view."""
    return code_at(view.site) if view is not None and view.site is not None else "view = …"


def out_given(incident: Incident) -> Diagnosis | None:
    """``out=`` where a gradient is required."""
    op = incident.failed
    call = incident.site.text if incident.site is not None else ""
    statement = code_at(incident.site) if incident.site is not None else ""
    kept = re.sub(r",\s*out\s*=\s*([\w.]+)", "", call)
    found = re.search(r"out\s*=\s*([\w.]+)", call)
    name = found[1] if found else ""
    mend = statement.replace(call, kept, 1)
    return Diagnosis(
        kind="out= where a gradient is required",
        happened=f"`{call}` writes its result into `{name}`, and one of its arguments requires a "
        "gradient: such a call cannot be differentiated.",
        place=incident.place,
        op=call,
        variable=name if is_name(name) else "",
        mend=mend if " = " in mend else f"{name} = {mend}",
        because="A new tensor for the result; autograd notes how it came about.",
        fault=op,
    )


def inference_edited(incident: Incident) -> Diagnosis | None:
    """A tensor of inference mode was to be changed in place outside it."""
    name = _target(incident)
    statement = code_at(incident.site) if incident.site is not None else ""
    return Diagnosis(
        kind="a tensor made in inference mode",
        happened=f"`{name}` was made in inference mode, and `{statement}` would change it in place "
        "outside: nobody counts such a tensor's versions, so autograd could not notice.",
        place=incident.place,
        op=incident.failed.text if incident.failed is not None else statement,
        variable=name if is_name(name) else "",
        mend=f"{name} = {name}.clone()\n{statement}",
        because="The clone is a tensor like any other.",
        tempting=f"with torch.no_grad():\n    {statement}",
        consequence="The same error: what matters is where the tensor was made.",
        fault=incident.failed,
    )
