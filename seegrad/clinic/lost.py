"""Why a tensor has no graph behind it: where its gradient was lost, or was not asked for."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from seegrad.clinic.cuts import cuts, origins, switched_off_at
from seegrad.clinic.diagnosis import CONSEQUENCE, TEMPTING, Diagnosis, Place
from seegrad.clinic.incident import Incident, Witness
from seegrad.clinic.lost_at_op import at_cut
from seegrad.clinic.lost_in_number import of_a_number, read_as_number
from seegrad.clinic.spelling import code_at, is_name, simple
from seegrad.recording import Op, Value, version


def how_lost(witness: Witness, tensor: Tensor, raised: Place | None = None) -> Diagnosis:
    """Why does this tensor require no gradient?"""
    if isinstance(witness, Incident):
        raised = witness.place
    value = witness.watcher.value(tensor)
    return replace(_how_lost(witness, tensor, value, raised), last=value)


def _how_lost(witness: Witness, tensor: Tensor, value: Value, raised: Place | None) -> Diagnosis:
    name = witness.name(tensor, "the tensor")
    found = cuts(value)
    if version(tensor) < 0 and not found:
        return _inference(witness, value, name, raised)
    if found:
        return at_cut(witness, found, name, raised)
    leaf = _gradient_of(witness, origins(value))
    if leaf is not None:
        return _of_a_gradient(witness, leaf, name, raised, value)
    read = read_as_number(witness, value)
    if read is not None:
        return of_a_number(witness, *read, name, raised)
    return _never_asked(witness, value, name, raised)


def _never_asked(witness: Witness, value: Value, name: str, raised: Place | None) -> Diagnosis:
    """Nothing it was computed from requires a gradient."""
    from_ = [v for v in origins(value) if v.dtype.is_floating_point or v.dtype.is_complex]
    named = list(dict.fromkeys(witness.value_name(v, "", _user(value, v)) for v in from_))
    named = [text for text in named if text]
    frozen = [v for v in from_ if isinstance(v.tensor, nn.Parameter)]
    if frozen:
        return _frozen(witness, frozen, name, raised, value)
    wanted = next((text for text in named if is_name(text)), named[0] if named else name)
    alone = len(named) == 1
    origin = next((v for v in from_ if witness.value_name(v, "", _user(value, v)) == wanted), None)
    place = witness.of_op(origin.op) if origin is not None and alone else None
    made = (
        f"is computed from {_listed(named)}, and none of it was made with"
        if named and named != [name]
        else "was made without"
    )
    known, computed = value.op is not None, value.op is not None and bool(value.op.inputs)
    happened = (
        f"`{name}` {made} `requires_grad=True`: autograd notes only what is computed from a "
        "tensor that asks for it."
        if known
        else (
            f"`{name}` does not require a gradient, and nothing recorded says what it was made "
            "from."
        )
    )
    others = [text for text in named if text != wanted]
    return Diagnosis(
        kind="nothing asked for a gradient",
        happened=happened,
        place=place or witness.of_op(value.op) or raised,
        raised=raised,
        op=value.op.text if value.op is not None else "",
        variable=wanted if is_name(wanted) and (alone or not named) else "",
        mend=_asking(origin, wanted),
        because=f"Then run all that uses `{wanted}` again: the graph is made as the code runs.",
        tempting=TEMPTING.format(name=simple(name)) if computed else "",
        consequence=CONSEQUENCE.format(name=simple(name)) if computed else "",
        rivals=(f"which of {_listed(named)} you want the gradient for.",)
        if others
        else ()
        if known
        else (
            (
                "how it was made: no recorded PyTorch call made it (NumPy, a file, "
                "or code that ran before %load_ext seegrad)."
            ),
        ),
        fault=value.op,
    )


def _asking(origin: Value | None, name: str) -> str:
    """The line that makes a tensor, made to ask for a gradient."""
    op = origin.op if origin is not None else None
    if op is not None and op.site is not None and op.direct and not op.inputs:
        written = op.text
        if written.endswith(")") and op.name not in ("from_numpy",):
            more = "requires_grad=True)" if written.endswith("()") else ", requires_grad=True)"
            return code_at(op.site).replace(written, written[:-1] + more, 1)
    return f"{name}.requires_grad_()"


def _frozen(
    witness: Witness, frozen: list[Value], name: str, raised: Place | None, value: Value
) -> Diagnosis:
    names = [witness.value_name(v, "a parameter") for v in frozen]
    owner = names[0].replace("[", ".").split(".")[0]
    return Diagnosis(
        kind="every parameter is frozen",
        happened=f"`{name}` is computed from parameters that are frozen: {_listed(names)} "
        f"{'has' if len(names) == 1 else 'have'} requires_grad=False, so autograd noted nothing.",
        place=witness.of_op(value.op) or raised,
        raised=raised,
        op=value.op.text if value.op is not None else "",
        variable=owner if is_name(owner) else "",
        mend=f"{owner}.requires_grad_(True)",
        because="Then run the forward pass again. To train only a part, unfreeze that part.",
        tempting=TEMPTING.format(name=simple(name)),
        consequence=CONSEQUENCE.format(name=simple(name)),
        fault=value.op,
    )


def _inference(witness: Witness, value: Value, name: str, raised: Place | None) -> Diagnosis:
    line, switch = switched_off_at(value.op.site if value.op is not None else None)
    how = f"`{switch}` on line {line}" if switch else "torch.inference_mode()"
    return Diagnosis(
        kind="made in inference mode",
        happened=f"`{name}` was made in inference mode ({how}): autograd noted nothing, and never "
        "can for this tensor.",
        place=witness.of_op(value.op) or raised,
        raised=raised,
        op=value.op.text if value.op is not None else "",
        variable=simple(name) if is_name(name) else "",
        mend=code_at(value.op.site) if value.op is not None and value.op.site is not None else "",
        because="Run this line outside inference mode.",
        tempting=f"{simple(name)}.requires_grad_()",
        consequence="PyTorch refuses it for a tensor made in inference mode.",
        fault=value.op,
    )


def _gradient_of(witness: Witness, values: list[Value]) -> Tensor | None:
    """The leaf whose ``.grad`` one of these is."""
    tensors = [value.tensor for value in values]
    with torch._C.DisableTorchFunction():
        for leaf in witness.watcher.tensors():
            grad = _kept_gradient(leaf)
            if grad is not None and any(grad is tensor for tensor in tensors):
                return leaf
    return None


def _kept_gradient(tensor: Tensor) -> Tensor | None:
    try:
        return tensor.grad if tensor.is_leaf and tensor.requires_grad else None
    except RuntimeError:  # a view that PyTorch no longer lets anybody look at
        return None


def _of_a_gradient(
    witness: Witness, leaf: Tensor, name: str, raised: Place | None, value: Value
) -> Diagnosis:
    owner = witness.name(leaf, "x")
    event = next(
        (e for e in reversed(witness.watcher.grad_events(leaf)) if e.kind == "backward"), None
    )
    place = witness.where(event.site) if event is not None and event.site is not None else None
    call = event.site.text if event is not None and event.site is not None else "y.backward()"
    more = "create_graph=True)" if call.endswith("()") else ", create_graph=True)"
    return Diagnosis(
        kind="create_graph=True is missing",
        happened=f"`{name}` is computed from `{owner}.grad`, and without `create_graph=True` a "
        f"gradient is a plain number with no graph of its own.",
        place=place or raised,
        raised=raised,
        op=call,
        variable=owner if is_name(owner) else "",
        mend=call[:-1] + more,
        because="create_graph=True records the backward pass too, so that it can be "
        "differentiated.",
        tempting=TEMPTING.format(name=simple(name)),
        consequence=CONSEQUENCE.format(name=simple(name)),
        fault=value.op,
    )


def _user(result: Value, origin: Value) -> Op | None:
    """The op that was given ``origin`` on the way to ``result``."""
    pending, seen = [result], {result}
    for each in pending:
        op = each.op
        if op is None:
            continue
        if origin in op.inputs:
            return op
        pending += [given for given in op.inputs if given not in seen]
        seen.update(op.inputs)
    return None


def _listed(names: list[str]) -> str:
    shown = [f"`{name}`" for name in names[:3]]
    more = len(names) - len(shown)
    if more:
        return f"{', '.join(shown)} and {more} more"
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]])) if shown else "numbers"
