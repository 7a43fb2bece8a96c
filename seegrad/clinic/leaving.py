"""Leaving PyTorch, or copying, with a graph still attached."""

from __future__ import annotations

import re

from torch import Tensor, nn

from seegrad.clinic.diagnosis import Diagnosis
from seegrad.clinic.incident import Incident
from seegrad.clinic.spelling import code_at, is_name, spelled


def to_numpy(incident: Incident) -> Diagnosis | None:
    """``numpy()``, or a NumPy function, of a tensor that requires a gradient."""
    op = incident.failed
    value = op.inputs[0] if op is not None and op.inputs else None
    call = incident.site.text if incident.site is not None else ""
    statement = code_at(incident.site) if incident.site is not None else ""
    name = incident.receiver if call.endswith(".numpy()") else ""
    name = name or (incident.value_name(value, "the tensor") if value is not None else "the tensor")
    tensor = value.tensor if value is not None else None
    made = value.op if value is not None else None
    return Diagnosis(
        kind="numpy() of a tensor that requires a gradient",
        happened=f"`{name}` requires a gradient and `{call}` hands its numbers to NumPy, where "
        "autograd cannot follow: PyTorch asks you to say that the graph ends here.",
        place=incident.place,
        op=call,
        variable=name if is_name(name) else "",
        mend=_detached(statement, name),
        because="The same numbers, without the graph: right for plots, prints and files.",
        tempting=f"torch.from_numpy({name}.detach().numpy())",
        consequence="Right numbers, and no graph: where this goes into a loss, the gradient ends "
        "here, and PyTorch says nothing.",
        rivals=(
            (
                "whether the result is used in the loss: if so, detaching ends the gradient "
                "here, and "
                "the NumPy step has to be written with torch instead."
            ),
        ),
        fault=op or made,
        result=tensor
        if tensor is not None and tensor.requires_grad and not tensor.is_leaf
        else None,
    )


def _detached(statement: str, name: str) -> str:
    if f"{name}.numpy()" in statement:
        return statement.replace(f"{name}.numpy()", f"{name}.detach().numpy()", 1)
    if f"{name}.cpu().numpy()" in statement:
        return statement.replace(f"{name}.cpu()", f"{name}.detach().cpu()", 1)
    place = re.search(rf"(?<=[(,\s]){re.escape(name)}(?=[),\s.\[]|$)", statement)
    if place is None:
        return f"{name}.detach().numpy()"
    return f"{statement[: place.end()]}.detach().numpy(){statement[place.end() :]}"


def deepcopied(incident: Incident) -> Diagnosis | None:
    """``copy.deepcopy`` of a result, or of a module that holds one."""
    tensor = incident.deepcopied
    if tensor is None:
        return None
    call = incident.site.text if incident.site is not None else ""
    owner = _holder(incident, call, tensor)
    name = owner or incident.name(tensor, "the tensor")
    made = incident.watcher.value(tensor).op
    statement = code_at(incident.site) if incident.site is not None else ""
    return Diagnosis(
        kind="deepcopy of a tensor that is no leaf",
        happened=f"`{name}` is the result of "
        f"`{spelled(made) if made is not None else 'a computation'}`, "
        f"and `{call}` would copy it: a copy of a result would need a copy of its whole graph, "
        "which PyTorch does not make.",
        place=incident.of_op(made) if owner else incident.place,
        raised=incident.place,
        op=spelled(made) if made is not None else call,
        variable=name if is_name(name) or owner else "",
        mend=f"{owner} = {owner}.detach()\n{statement}"
        if owner
        else statement.replace(call, f"{name}.detach().clone()", 1),
        because="Only the numbers are kept, or copied. clone() without detach() stays in the "
        "graph.",
        fault=made,
        result=tensor,
    )


def _holder(incident: Incident, call: str, tensor: Tensor) -> str:
    """The attribute of a module that holds the tensor: ``net.hidden``."""
    for name in re.findall(r"[A-Za-z_][\w.]*", call):
        module = incident.variable(name)
        if isinstance(module, nn.Module):
            for path, part in module.named_modules():
                for attribute, thing in vars(part).items():
                    if thing is tensor:
                        return ".".join(filter(None, [name, path, attribute]))
    return ""
