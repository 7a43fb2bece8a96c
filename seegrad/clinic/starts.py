"""What a backward pass starts from: one number, or a weight for each; and a graph behind it."""

from __future__ import annotations

import math
import re

import numpy as np
from torch import Tensor

from seegrad import formatting
from seegrad.clinic.diagnosis import Diagnosis
from seegrad.clinic.incident import Incident
from seegrad.clinic.lost import how_lost
from seegrad.clinic.spelling import code_at, is_name, spelled, without_read


def not_one_number(incident: Incident) -> Diagnosis | None:
    """``backward()`` of more than one element, without ``gradient=``."""
    seeds = (*incident.seeds, *[None] * len(incident.roots))
    pairs = zip(incident.roots, seeds, strict=False)
    root = next(
        (r for r, v in pairs if isinstance(r, Tensor) and v is None and r.numel() != 1), None
    )
    if root is None:
        return None
    value = incident.watcher.value(root)
    name, shape = incident.name(root, "the result"), formatting.shape(root.shape)
    op = value.op
    unreduced = op is not None and op.kwargs.get("reduction") == "none"
    mend, because = _reduced(
        incident, name, root, spelled(op) if op is not None and unreduced else ""
    )
    call = incident.site.text if incident.site else ""
    return Diagnosis(
        kind="backward() from more than one number",
        happened=f"`{name}` has shape {shape}: without `gradient=`, a backward pass starts from "
        "exactly one number, for there is no single slope of several.",
        place=incident.place,
        op=spelled(op) if op is not None else "",
        variable=name if is_name(name) else "",
        mend=mend,
        because=because,
        tempting=_with_argument(call, name),
        consequence=f"This weights each element by its own value: the gradient is that of "
        f"`0.5 * ({name} ** 2).sum()`, not of `{name}.sum()`.",
        rivals=(
            (
                f"whether you mean the mean or the sum. The sum's gradient is {root.numel()} times "
                f"the mean's; `{name}.backward(torch.ones_like({name}))` gives the sum's."
            ),
        ),
        fault=op,
        result=root if root.requires_grad else None,
    )


def _reduced(incident: Incident, name: str, root: Tensor, unreduced: str) -> tuple[str, str]:
    call = incident.site.text if incident.site else ""
    owner = incident.receiver
    subject = f"({owner})" if not re.fullmatch(r"[\w.\[\]()]+", owner) else owner
    if incident.in_grad or not owner or owner.startswith("torch"):
        simple = re.fullmatch(r"[\w.\[\]]+", name)
        mean = f"{name}.mean()" if simple else f"({name}).mean()"
        asked = call.replace(name, mean, 1) if name in call else f"{mean}.backward()"
        statement = code_at(incident.site) if incident.site else call
        mend = statement.replace(call, asked, 1)
    else:
        mend = call.replace(f"{owner}.backward", f"{subject}.mean().backward", 1)
    of = f'Or leave out `reduction="none"` in `{unreduced}`. ' if unreduced else ""
    return mend, f"{of}The mean of the {root.numel()} elements is one number, and has one gradient."


def _with_argument(call: str, name: str) -> str:
    if call.endswith(".backward()"):
        return f"{call[:-1]}{call.removesuffix('.backward()')})"
    return f"{name}.backward({name})"


def seed_of_another_shape(incident: Incident) -> Diagnosis | None:
    """``gradient=`` of another shape than the result's."""
    pairs = zip(incident.roots, incident.seeds, strict=False)
    pair = next(
        (
            (r, v)
            for r, v in pairs
            if isinstance(r, Tensor) and isinstance(v, Tensor) and r.shape != v.shape
        ),
        None,
    )
    if pair is None:
        return None
    root, seed = pair
    name, given = incident.name(root, "the result"), incident.name(seed, "the gradient given")
    scalar = root.numel() == 1
    return Diagnosis(
        kind="gradient= of another shape than the result's",
        happened=f"`{name}` {_shaped(root)}, and the upstream gradient "
        f"`{given}` {_shaped(seed)}: it holds one weight for each "
        "element of the result, so the two shapes are the same.",
        place=incident.place,
        op=_op_text(incident, root),
        variable=name if is_name(name) else "",
        mend=f"{name}.backward()" if scalar else f"{name}.backward(torch.ones_like({name}))",
        because="One number needs no weight."
        if scalar
        else (
            f"Put your own weights in place of the ones; they give the gradient of `{name}.sum()`."
        ),
        tempting=f"{name}.backward({given}.sum())" if not scalar else "",
        consequence="One weight for several elements raises the same error: nothing is broadcast."
        if not scalar
        else "",
        fault=incident.watcher.value(root).op,
        result=root if root.requires_grad else None,
    )


def _shaped(tensor: Tensor) -> str:
    return f"has shape {formatting.shape(tensor.shape)}" if tensor.dim() else "is a single number"


def seed_of_another_dtype(incident: Incident) -> Diagnosis | None:
    """``gradient=`` complex and the result real, or the other way."""
    pairs = zip(incident.roots, incident.seeds, strict=False)
    pair = next(((r, v) for r, v in pairs if isinstance(r, Tensor) and isinstance(v, Tensor)), None)
    if pair is None:
        return None
    root, seed = pair
    name = incident.name(root, "the result")
    return Diagnosis(
        kind="gradient= of another dtype than the result's",
        happened=f"`{name}` is {root.dtype} and the upstream gradient is {seed.dtype}: where one "
        "of the two is complex, both must be of one dtype.",
        place=incident.place,
        op=_op_text(incident, root),
        variable=name if is_name(name) else "",
        mend=f"{name}.backward(torch.ones_like({name}))",
        because="ones_like takes shape and dtype from the result.",
        fault=incident.watcher.value(root).op,
        result=root if root.requires_grad else None,
    )


def seed_no_tensor(incident: Incident) -> Diagnosis | None:
    """``gradient=`` a number or a list."""
    seed = next((v for v in incident.seeds if v is not None and not isinstance(v, Tensor)), None)
    root = next((r for r in incident.roots if isinstance(r, Tensor)), None)
    if (call := incident.arguments_of_backward) is not None:
        root, seed = call
    if root is None or seed is None:
        return None
    name = incident.name(root, "the result")
    return Diagnosis(
        kind="gradient= that is no tensor",
        happened=f"The upstream gradient for `{name}` is a {type(seed).__name__}; PyTorch takes a "
        f"tensor of its shape, {formatting.shape(root.shape)}.",
        place=incident.place,
        op=_op_text(incident, root),
        variable=name if is_name(name) else "",
        mend=f"{name}.backward({_as_tensor(root, seed)})",
        because="One weight for each element, of the result's own dtype.",
        fault=incident.watcher.value(root).op,
        result=root if root.requires_grad else None,
    )


def _as_tensor(root: Tensor, seed: object) -> str:
    if isinstance(seed, int | float):
        return (
            f"torch.full({tuple(root.shape)}, {float(seed)})"
            if root.dim()
            else f"torch.tensor({float(seed)})"
        )
    if isinstance(seed, list | tuple) and len(seed) == math.prod(root.shape) == root.numel() <= 8:
        return f"torch.tensor({seed!r})"
    return "torch.ones_like(…)"


def fewer_seeds(incident: Incident) -> Diagnosis | None:
    """Several results, and another number of upstream gradients."""
    found = re.search(r"got (\d+) tensors and (\d+) gradients", incident.message)
    if found is None:
        return None
    return Diagnosis(
        kind="as many gradients as results are needed",
        happened=f"The pass starts from {found[1]} tensors and was given {found[2]} upstream "
        "gradients: each tensor needs one of its own, None where it is a single number.",
        place=incident.place,
        mend=f"torch.autograd.backward(results, [None] * {found[1]})",
        because="None stands for 1 where a result is one number; give a tensor of its shape "
        "where it is not.",
    )


def no_graph(incident: Incident) -> Diagnosis | None:
    """A root that does not require a gradient: where was it lost?"""
    found = re.search(r"element (\d+) of", incident.message)
    roots = incident.roots
    place = int(found[1]) if found else 0
    if place >= len(roots) or not isinstance(roots[place], Tensor):
        return None
    return how_lost(incident, roots[place])


def no_backward(incident: Incident) -> Diagnosis | None:
    """``.backward()`` of something that is no tensor: a number that was read from one."""
    thing, name = getattr(incident.error, "obj", None), incident.receiver
    if isinstance(thing, Tensor) or not isinstance(thing, _NUMBERS_AND_LISTS):
        return None
    left = incident.exit_of(thing, name)
    what = type(thing).__name__
    place = (
        incident.where(left.site) if left is not None and left.site else incident.assignment(name)
    )
    wrapped = "torch.stack" if isinstance(thing, list | tuple) else ""
    mend = f"{wrapped}({name}).sum().backward()" if wrapped else ""
    written = left.site.text if left is not None and left.site else ""
    if left is not None and left.site is not None and not wrapped:
        kept = without_read(code_at(left.site), written)
        mend = f"{kept}\n{name}.backward()" if kept != written else f"{kept}.backward()"
    elif place is not None and not wrapped:
        mend = f"{_unread(place.text)}\n{name}.backward()"
    how = f"`{written}` read it from a tensor" if written else f"it is no tensor but a {what}"
    return Diagnosis(
        kind=f"a {what} has no backward()",
        happened=f"`{name}` is a plain {what}: {how}, and what is no tensor has no graph behind it."
        if written
        else f"`{name}` is a plain {what}, and what is no tensor has no graph behind it.",
        place=place or incident.place,
        raised=incident.place,
        op=written,
        variable=name,
        mend=mend,
        because="One tensor joins them all, and its backward() reaches each."
        if wrapped
        else "Call backward() on the tensor, and read the number afterwards, for printing.",
        tempting="" if wrapped else f"torch.tensor({name}, requires_grad=True).backward()",
        consequence=""
        if wrapped
        else "It runs, and reaches nothing: a tensor made of a number "
        "remembers nothing of how the number came about.",
        rivals=()
        if written or wrapped or place
        else ("where it was made a plain number: no recorded line read it from a tensor.",),
    )


_NUMBERS_AND_LISTS = (int, float, complex, list, tuple, np.generic, np.ndarray)


def _unread(code: str) -> str:
    """A line without what reads numbers from tensors."""
    return re.sub(r"(\.cpu\(\))?(\.detach\(\))?\.(item|tolist|numpy)\(\)", "", code)


def _op_text(incident: Incident, tensor: Tensor) -> str:
    op = incident.watcher.value(tensor).op
    return op.text if op is not None else ""
