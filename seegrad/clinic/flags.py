"""``requires_grad``: who may have it, and who may change it."""

from __future__ import annotations

import re

from torch import Tensor

from seegrad.clinic.cuts import switched_off_at
from seegrad.clinic.diagnosis import Diagnosis
from seegrad.clinic.incident import Incident
from seegrad.clinic.lost import how_lost
from seegrad.clinic.no_gradient import why_none
from seegrad.clinic.spelling import code_at, is_name, parsed, quoted, spelled
from seegrad.recording import Op, Value


def of_integers(incident: Incident) -> Diagnosis | None:
    """``requires_grad`` for integers or truth values."""
    statement = code_at(incident.site) if incident.site is not None else ""
    value, name = _subject(incident)
    subject = quoted(name)
    dtype = f" is {value.dtype}: it" if value is not None else ""
    lost = None if value is None else value.op
    through = lost is not None and any(v.requires_grad for v in lost.inputs)
    return Diagnosis(
        kind="integers cannot require a gradient",
        happened=f"{subject[0].upper()}{subject[1:]}{dtype} holds no floating-point numbers, "
        "and a gradient needs small changes: integers and truth values have none between one and "
        "the next.",
        place=incident.of_op(lost) if through else incident.place,
        raised=incident.place,
        op=lost.text
        if lost is not None and through
        else incident.site.text
        if incident.site is not None
        else statement,
        variable=name if is_name(name) else "",
        mend=f"loss = torch.nn.functional.cross_entropy({_given(incident, lost)}, target)"
        if through
        else _as_floats(statement, name),
        because="Compute the loss from what has a gradient, not from integers made of it."
        if through
        else "Floating-point numbers can change a little.",
        tempting=f"{name} = {name}.float().requires_grad_()" if through else "",
        consequence=f"`{name}` becomes a leaf: no gradient goes back to what it was computed from."
        if through
        else "",
        fault=lost if through else incident.failed,
    )


def _subject(incident: Incident) -> tuple[Value | None, str]:
    """The tensor whose flag was to be set, and what the learner calls it."""
    op = incident.failed
    statement = code_at(incident.site) if incident.site is not None else ""
    target = re.match(r"([\w.]+?)\.requires_grad", statement)
    name = target[1] if target else statement.partition(" = ")[0].strip()
    found = incident.variable(name) if target else None
    if isinstance(found, Tensor):
        return incident.watcher.value(found), name
    value = op.inputs[0] if op is not None and op.inputs else None
    if value is not None:
        return value, incident.value_name(value, name, op)
    return None, name if is_name(name) else "this tensor"


def _given(incident: Incident, op: Op | None) -> str:
    """What an op was given that requires a gradient."""
    given = next((v for v in op.inputs if v.requires_grad), None) if op is not None else None
    return "scores" if given is None else incident.value_name(given, "scores", op)


def _as_floats(statement: str, name: str) -> str:
    if found := re.search(r"dtype=torch\.\w+", statement):
        return statement.replace(found[0], "dtype=torch.float32", 1)
    if "requires_grad=True" in statement and "(" in statement:
        return statement.replace("requires_grad=True", "dtype=torch.float32, requires_grad=True", 1)
    if found := re.search(r"nn\.Parameter\((.*)\)", statement):
        return statement.replace(found[1], f"{found[1]}.float()", 1)
    return f"{name} = {name}.float().requires_grad_()"


def of_a_result(incident: Incident) -> Diagnosis | None:
    """``requires_grad`` of a computed tensor was to be changed."""
    statement = code_at(incident.site) if incident.site is not None else ""
    value, name = _subject(incident)
    op = value.op if value is not None else None
    made = f", made by `{spelled(op)}`" if op is not None and spelled(op) != name else ""
    named = is_name(name)
    tensor = name if named else f"({name})"
    return Diagnosis(
        kind="requires_grad of a result is not to be changed",
        happened=f"`{name}` is no leaf but a result{made}: it requires a gradient because what it "
        "is computed from does, and that cannot be switched off here.",
        place=incident.place,
        raised=incident.place,
        op=spelled(op) if op is not None else statement,
        variable=name if is_name(name) else "",
        mend=f"{name} = {tensor}.detach()" if named else f"{tensor}.detach()",
        because=f"{f'From here on `{name}`' if named else 'This'} is a constant, with the same "
        "numbers; to spare the graph's memory as well, compute it inside torch.no_grad().",
        tempting=f"{tensor}.data.requires_grad = False",
        consequence=f"It runs and changes nothing: `.data` is another tensor, and `{name}` goes on "
        "requiring a gradient.",
        fault=op,
        result=value.tensor if value is not None and value.requires_grad else None,
    )


def of_inference(incident: Incident) -> Diagnosis | None:
    """A tensor of inference mode was to require a gradient, or to be saved for backward."""
    op = incident.failed
    value = next((v for v in op.inputs if v.version < 0), None) if op is not None else None
    name = _subject(incident)[1] if value is None else incident.value_name(value, "a tensor", op)
    statement = code_at(incident.site) if incident.site is not None else ""
    made = value.op if value is not None else None
    line, switch = switched_off_at(made.site if made is not None else None)
    where = f" (`{switch}`, line {line})" if switch else ""
    saved = "saved for backward" in incident.message
    return Diagnosis(
        kind="a tensor made in inference mode",
        happened=f"`{name}` was made in inference mode{where}, where autograd keeps no account of "
        f"a tensor; `{spelled(op) if op is not None else statement}` would "
        f"{'save it for the backward pass' if saved else 'let it require a gradient'}.",
        place=incident.of_op(made) or incident.place,
        raised=incident.place,
        op=spelled(op) if op is not None else statement,
        variable=name if is_name(name) else "",
        mend=f"{name} = {name}.clone()\n{statement}",
        because="A clone made outside inference mode is a tensor like any other. Better still: "
        "make it under torch.no_grad() in place of inference_mode().",
        tempting=f"{name} = {name}.detach()",
        consequence="The same error: a detached view of it is of inference mode too.",
        fault=op,
    )


def nothing_to_retain(incident: Incident) -> Diagnosis | None:
    """``retain_grad()`` of a tensor that requires no gradient."""
    name = incident.receiver
    tensor = incident.variable(name) if name else None
    if not isinstance(tensor, Tensor):
        return None
    return how_lost(incident, tensor)


def not_a_leaf_to_optimize(incident: Incident) -> Diagnosis | None:
    """An optimizer was given a result."""
    call = parsed(incident.site.text) if incident.site is not None else None
    result = _first_result(incident)
    if call is None or result is None:
        return None
    op, name = incident.watcher.value(result).op, incident.name(result, "the parameter")
    statement = code_at(op.site) if op is not None and op.site is not None else ""
    return Diagnosis(
        kind="an optimizer changes leaves only",
        happened=f"`{name}` is no leaf but the result of "
        f"`{spelled(op) if op is not None else '…'}`: an "
        "optimizer changes a tensor from step to step, and a result is computed anew.",
        place=incident.of_op(op) or incident.place,
        raised=incident.place,
        op=spelled(op) if op is not None else "",
        variable=name if is_name(name) else "",
        mend=f"{statement}\n{name} = {name}.detach().requires_grad_()" if statement else "",
        because=f"`{name}` is then a leaf of its own, with those numbers to begin with.",
        fault=op,
        result=result,
    )


def _first_result(incident: Incident) -> Tensor | None:
    for name in re.findall(r"[A-Za-z_][\w.]*", incident.site.text if incident.site else ""):
        found = incident.variable(name)
        if isinstance(found, Tensor) and not found.is_leaf:
            return found
    return None


def grad_of_another_shape(incident: Incident) -> Diagnosis | None:
    """``x.grad = …`` of another shape or dtype."""
    statement = code_at(incident.site) if incident.site is not None else ""
    found = re.match(r"([\w.]+)\.grad = (.+)$", statement)
    if found is None:
        return None
    return Diagnosis(
        kind=".grad has its tensor's shape and dtype",
        happened=f"`{statement}` gives `{found[1]}` a gradient that does not fit: a gradient has "
        "one number for each of its tensor's, of the same dtype.",
        place=incident.place,
        op=statement,
        variable=found[1] if is_name(found[1]) else "",
        mend=f"{found[1]}.grad = ({found[2]}).to({found[1]}.dtype).reshape({found[1]}.shape)"
        if "dtype" in incident.message
        else f"{found[1]}.grad = torch.zeros_like({found[1]})",
        because="The new gradient then has the shape and dtype of its tensor.",
    )


def grad_is_none(incident: Incident) -> Diagnosis | None:
    """``x.grad`` was used, and is None."""
    statement = code_at(incident.site) if incident.site is not None else ""
    for name in re.findall(r"([A-Za-z_][\w.\[\]]*)\.grad\b", statement):
        tensor = incident.variable(name)
        if isinstance(tensor, Tensor) and _grad(tensor) is None:
            return why_none(incident, tensor, incident.place)
    return None


def _grad(tensor: Tensor) -> Tensor | None:
    return tensor.grad if tensor.is_leaf or tensor.retains_grad else None
