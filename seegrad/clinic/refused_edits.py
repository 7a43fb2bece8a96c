"""In-place edits that PyTorch refuses where they stand."""

from __future__ import annotations

import re

from torch import Tensor, nn

from seegrad.clinic.diagnosis import Diagnosis
from seegrad.clinic.edits import viewed
from seegrad.clinic.incident import Incident
from seegrad.clinic.out_of_place import out_of_place, rebinding
from seegrad.clinic.spelling import code_at, is_name
from seegrad.recording import Op


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
        leaf = next((v for v in viewed(op.inputs[0]) if v.leaf), None)
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
    mend, because = out_of_place(op, name) if op is not None else ("", "")
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
