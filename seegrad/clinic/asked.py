"""What ``torch.autograd.grad`` is asked for, and cannot give."""

from __future__ import annotations

import re

from torch import Tensor

from seegrad.clinic.cuts import cut_at, cuts, uncut
from seegrad.clinic.diagnosis import Diagnosis
from seegrad.clinic.incident import Incident
from seegrad.clinic.lost import how_lost
from seegrad.clinic.spelling import code_at, is_name
from seegrad.recording import Op, Value
from seegrad.recording.source import argument_names


def unused(incident: Incident) -> Diagnosis | None:
    """A gradient for a tensor that the result was not computed from."""
    found = re.search(r"at index (\d+)", incident.message)
    place = int(found[1]) if found else 0
    if place >= len(incident.inputs) or not isinstance(incident.inputs[place], Tensor):
        return None
    wanted, root = incident.inputs[place], incident.roots[0]
    name, result = incident.name(wanted, f"input {place}"), incident.name(root, "the result")
    value = incident.watcher.value(root)
    lost = _lost_on_the_way(value, incident.watcher.value(wanted))
    call = incident.site.text if incident.site is not None else ""
    how = (
        f"the gradient on its way to it is lost at `{lost.text}`"
        if lost is not None
        else f"no recorded op on the way to `{result}` was given it"
    )
    rebound = _rebound(value, wanted, name) if lost is None else None
    if rebound is not None:
        how = f"`{rebound.text}` was given an earlier tensor of that name"
    return Diagnosis(
        kind="the result does not depend on what its gradient is asked for",
        happened=f"`{name}` is not part of the graph of `{result}`: {how}, so there is no gradient "
        "to give.",
        place=incident.of_op(lost) or incident.of_op(incident.watcher.value(wanted).op)
        if rebound is not None or lost is not None
        else incident.place,
        raised=incident.place,
        op=next((op.text for op in (lost, rebound) if op is not None), call),
        variable=name if is_name(name) else "",
        mend=_uncut(lost)
        or _again(incident, rebound, value)
        or _computed_from(incident, name, result),
        because="Compute the result from this very tensor, then ask.",
        tempting=f"{call[:-1]}, allow_unused=True)",
        consequence=f"It gives None for `{name}`, and the next op on that None fails; right only "
        f"if `{name}` is meant to play no part.",
        fault=lost or value.op,
        result=root if isinstance(root, Tensor) and root.requires_grad else None,
    )


def _computed_from(incident: Incident, name: str, result: str) -> str:
    """The call, below a line that the learner has to write: the result, computed from ``name``."""
    call = code_at(incident.site) if incident.site is not None else ""
    simple = result if is_name(result) else "y"
    return f"{simple} = …  # computed from {name}\n{call.replace(result, simple, 1)}"


def _lost_on_the_way(root: Value, wanted: Value) -> Op | None:
    """The op that used ``wanted`` and let no gradient pass, somewhere above ``root``."""
    values, seen = [root], {root}
    for each in values:  # grows while it is read
        op = each.op
        if op is None:
            continue
        if wanted in op.inputs and not each.requires_grad:
            return op
        if not each.requires_grad and any(cut.given == wanted for cut in cuts(each)):
            return cuts(each)[0].op
        values += [given for given in op.inputs if given not in seen]
        seen.update(op.inputs)
    return None


def _again(incident: Incident, rebound: Op | None, root: Value) -> str:
    """The line that made the result, to be run with the tensor that now has the name."""
    site = root.op.site if root.op is not None else None
    if rebound is None or site is None or incident.site is None:
        return ""
    return f"{code_at(site)}\n{code_at(incident.site)}"


def _uncut(lost: Op | None) -> str:
    """The line that lost the gradient, without what lost it."""
    cut = cut_at(lost) if lost is not None else None
    return uncut(cut) if cut is not None else ""


def _rebound(root: Value, wanted: Tensor, name: str) -> Op | None:
    """The op above ``root`` that was given another tensor, under the name ``wanted`` has now."""
    values, seen = [root], {root}
    for each in values:
        op = each.op
        if op is None:
            continue
        another = all(given.tensor is not wanted for given in op.inputs)
        if op.direct and another and name in argument_names(op.text):
            return op
        values += [given for given in op.inputs if given not in seen]
        seen.update(op.inputs)
    return None


def not_requiring(incident: Incident) -> Diagnosis | None:
    """A gradient for a tensor that does not require one."""
    wanted = next(
        (t for t in incident.inputs if isinstance(t, Tensor) and not t.requires_grad), None
    )
    return None if wanted is None else how_lost(incident, wanted)


def of_a_vector(incident: Incident) -> Diagnosis | None:
    """``torch.func.grad`` of a function that gives more than one number."""
    found = re.search(r"got tensor with (\d+) dims", incident.message)
    call = incident.site.text if incident.site is not None else ""
    dims = found[1] if found else "several"
    return Diagnosis(
        kind="torch.func.grad of more than one number",
        happened=f"The function gives a tensor of {dims} dimension{'' if dims == '1' else 's'}, "
        "and "
        "torch.func.grad differentiates functions that give one number.",
        place=incident.place,
        op=call,
        mend=call.replace("func.grad(", "func.jacrev(", 1),
        because="jacrev gives the whole Jacobian, a row for each output; or let the function end "
        "in .sum() or .mean().",
    )
