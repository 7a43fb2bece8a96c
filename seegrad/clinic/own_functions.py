"""A learner's own ``torch.autograd.Function`` that does not keep its side."""

from __future__ import annotations

import ast
import inspect
import linecache
import re
from typing import Any

import torch
from torch.autograd.function import BackwardCFunction
from torch.autograd.graph import Node

from seegrad.clinic.diagnosis import Diagnosis, Place
from seegrad.clinic.incident import Incident
from seegrad.clinic.saved import nodes_of
from seegrad.clinic.spelling import cell_of, code_at, is_name, parsed


def wrong_number(incident: Incident) -> Diagnosis | None:
    """``backward`` returned more or fewer gradients than ``forward`` took inputs."""
    found = re.search(
        r"function (\w+) returned an incorrect number .*expected (\d+), got (\d+)", incident.message
    )
    if found is None:
        return None
    node, name = _node(incident, found[1]), found[1].removesuffix("Backward")
    expected, got = int(found[2]), int(found[3])
    place, statement = _return(node, "backward")
    takes = _inputs(node)
    given = statement.removeprefix("return ").strip()
    parts = [given, *["None"] * (expected - got)] if got < expected else [given.split(",")[0]]
    return Diagnosis(
        kind="backward() of an own Function returns the wrong number of gradients",
        happened=f"`{name}.forward` takes {_count(expected, 'input')} after ctx"
        f"{f' ({takes})' if takes else ''}, and `{name}.backward` returned "
        f"{_count(got, 'gradient')}: it returns one for each input, in their order.",
        place=place or incident.place,
        raised=incident.place,
        op=f"{name}.apply",
        variable=name,
        mend=f"return {', '.join(parts)}",
        because="None stands for an input that needs no gradient; put the missing gradient in its "
        "place where one does."
        if got < expected
        else "No more gradients than inputs.",
        fault=incident.watcher.owner(node) if node is not None else None,
        result=_root(incident),
    )


def for_no_tensor(incident: Incident) -> Diagnosis | None:
    """``backward`` returned a gradient for an input that is no tensor."""
    found = re.search(r"function (\w+) returned .* at position (\d+)", incident.message)
    if found is None:
        return None
    node, name = _node(incident, found[1]), found[1].removesuffix("Backward")
    position = int(found[2])
    place, statement = _return(node, "backward")
    names = [*_inputs(node).split(", "), *[""] * position]
    taken = names[position - 1]
    return Diagnosis(
        kind="backward() of an own Function returns a gradient for what is no tensor",
        happened=f"Input {position} of `{name}.forward`{f' (`{taken}`)' if taken else ''} was no "
        f"tensor, and `{name}.backward` returned a gradient for it.",
        place=place or incident.place,
        raised=incident.place,
        op=f"{name}.apply",
        variable=name,
        mend=_with_none(statement, position),
        because="None keeps its place: only tensors have gradients.",
        fault=incident.watcher.owner(node) if node is not None else None,
        result=_root(incident),
    )


def _with_none(statement: str, position: int) -> str:
    """The statement that returns, with None in one place."""
    match parsed(statement.removeprefix("return ")):
        case ast.Tuple(elts=parts) if position <= len(parts):
            kept = [ast.unparse(part) for part in parts]
            kept[position - 1] = "None"
            return f"return {', '.join(kept)}"
    return "return …, None"


def wrong_shape(incident: Incident) -> Diagnosis | None:
    """``backward`` returned a gradient of another shape than its input's."""
    found = re.search(
        r"Function (\w+) returned an invalid gradient at index (\d+) - got \[(.*?)\] "
        r"but expected shape compatible with \[(.*?)\]",
        incident.message,
    )
    if found is None:
        return None
    node, name = _node(incident, found[1]), re.sub(r"Backward\d*$", "", found[1])
    own = isinstance(node, BackwardCFunction)
    place, statement = _return(node, "backward") if own else (None, "")
    owner = incident.watcher.owner(node) if node is not None else None
    place = place or incident.of_op(owner)
    if own:
        happened = (
            f"`{name}.backward` returned a gradient of shape ({found[3]}) for input {found[2]}, "
            "whose "
            f"shape is ({found[4]}): a gradient has the shape of what it is the gradient of."
        )
        mend, because = _as_its_input(statement, found[3], found[4])
    else:
        data = _data_edit(incident)
        written = owner.text if owner is not None else name
        happened = (
            f"The backward pass of `{written}` made a gradient of shape ({found[3]}) where shape "
            f"({found[4]}) is needed: a tensor's shape was changed behind autograd's back, through "
            ".data or set_."
        )
        place = data or place
        edit = re.sub(r"\.data\b", "", data.text, count=1) if data is not None else "y = …"
        mend, because = edit, "Bind the name to a new tensor; leave .data alone."
    return Diagnosis(
        kind="a gradient of the wrong shape",
        happened=happened,
        place=place or incident.place,
        raised=incident.place,
        op=f"{name}.apply" if own else (owner.text if owner is not None else ""),
        variable=name if own else "",
        mend=mend,
        because=because,
        fault=owner,
        result=_root(incident),
    )


def no_tensor(incident: Incident) -> Diagnosis | None:
    """``backward`` returned a plain number."""
    found = re.search(r"expected Variable or None \(got (\w+)\)", incident.message)
    node = _first_own(incident)
    if found is None or node is None:
        return None
    name, (place, statement) = node.name().removesuffix("Backward"), _return(node, "backward")
    given = statement.removeprefix("return ").strip()
    return Diagnosis(
        kind="backward() of an own Function returns no tensor",
        happened=f"`{name}.backward` returned a {found[1]} where a gradient, a tensor, is due; or "
        "None, where none is needed.",
        place=place or incident.place,
        raised=incident.place,
        op=f"{name}.apply",
        variable=name,
        mend=f"return grad_output * {given}" if given else "",
        because="The upstream gradient times the local derivative is what goes on.",
        tempting=f"return torch.tensor({given})" if given else "",
        consequence="It has no upstream gradient in it, so it is wrong as soon as anything "
        "follows; "
        "and its shape is not the input's.",
        fault=incident.watcher.owner(node),
        result=_root(incident),
    )


def no_backward_written(incident: Incident) -> Diagnosis | None:
    """A Function without ``backward``."""
    node = _first_own(incident)
    if node is None:
        return None
    kind = getattr(node, "_forward_cls")  # noqa: B009 it is in no stub
    place, _ = _return(node, "forward")
    name = kind.__name__
    inputs = max(len(node.next_functions), 1)
    returned = ", ".join(["grad_output * …"] * inputs)
    return Diagnosis(
        kind="an own Function has no backward()",
        happened=f"`{name}` says how to compute forward, and not how its gradient goes back.",
        place=place or incident.place,
        raised=incident.place,
        op=f"{name}.apply",
        variable=name,
        mend=f"@staticmethod\ndef backward(ctx, grad_output):\n    return {returned}",
        because="One gradient for each input of forward.",
        fault=incident.watcher.owner(node),
        result=_root(incident),
    )


def legacy(incident: Incident) -> Diagnosis | None:
    """A Function whose ``forward`` is no static method."""
    call = incident.site.text if incident.site is not None else ""
    name = call.split("(")[0].removesuffix(".apply")
    return Diagnosis(
        kind="forward and backward of a Function are static methods",
        happened=f"`{call}` calls an object of the class `{name}`: since PyTorch 1.5 a Function "
        "has "
        "static methods and is called by `apply`.",
        place=incident.place,
        op=call,
        variable=name if is_name(name) else "",
        mend=f"{name}.apply(…)",
        because="Put @staticmethod above both forward and backward, and call apply on the class.",
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _root(incident: Incident) -> Any:
    return next((root for root in incident.roots if getattr(root, "requires_grad", False)), None)


def _node(incident: Incident, name: str) -> Node | None:
    return next((node for node in nodes_of(incident.roots) if node.name() == name), None)


def _first_own(incident: Incident) -> Node | None:
    """The node of the first Function of the learner's that the pass comes to."""
    own: type = BackwardCFunction
    return next((node for node in nodes_of(incident.roots) if isinstance(node, own)), None)


def _inputs(node: Node | None) -> str:
    """The names of what ``forward`` takes, the context apart."""
    kind = getattr(node, "_forward_cls", None)
    if kind is None:
        return ""
    parameters = list(inspect.signature(kind.forward).parameters)
    return ", ".join(p for p in parameters if p != "ctx")


def _return(node: Node | None, method: str) -> tuple[Place | None, str]:
    """The line on which the learner's method returns, if it is one; else where it begins."""
    function = getattr(getattr(node, "_forward_cls", None), method, None)
    code = getattr(function, "__code__", None)
    if code is None:
        return None, ""
    numbers = sorted({line for _, _, line in code.co_lines() if line is not None})
    returns = [
        n for n in numbers if linecache.getline(code.co_filename, n).strip().startswith("return")
    ]
    one_line = re.search(r":\s*(return .*)$", linecache.getline(code.co_filename, numbers[-1]))
    number = returns[0] if len(returns) == 1 else numbers[-1] if one_line else code.co_firstlineno
    text = linecache.getline(code.co_filename, number).strip()
    statement = one_line[1] if one_line and not returns else text
    return Place(
        cell_of(code.co_filename), number, text
    ), statement if "return" in statement else ""


def _as_its_input(statement: str, got: str, expected: str) -> tuple[str, str]:
    """A gradient of the input's shape: summed where that was broadcast, else put in its place."""
    given = statement.removeprefix("return ").strip()
    try:
        broadcast = str(list(torch.broadcast_shapes(_sizes(got), _sizes(expected))))[1:-1]
    except RuntimeError:
        broadcast = ""
    if broadcast == got:
        return f"return ({given}).sum_to_size({expected})", "Sum over what forward broadcast."
    code = f"grad_input = torch.zeros({expected})\ngrad_input[…] = {given}\nreturn grad_input"
    return code, "Zeros for what forward left out, and what arrived in the places that it took."


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(size) for size in text.split(",") if size.strip())


def _data_edit(incident: Incident) -> Place | None:
    """A recorded assignment to ``.data``."""
    edits = [
        op
        for op in incident.watcher.ops()
        if op.name == "data"
        and op.site is not None
        and re.search(r"\.data\s*=[^=]", code_at(op.site))
    ]
    return incident.of_op(edits[-1]) if edits else None
