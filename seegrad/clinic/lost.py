"""Why a tensor has no graph behind it: the line where its gradient was lost."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from seegrad.clinic.cuts import Cut, cuts, operand, origins, switched_off_at, uncut
from seegrad.clinic.diagnosis import Diagnosis, Place
from seegrad.clinic.incident import (
    Incident,
    Witness,
    assigned,
    code_at,
    is_name,
    quoted,
    spelled,
    without_read,
)
from seegrad.recording import Exit, Op, Value, version
from seegrad.recording.source import Site

TEMPTING = "{name}.requires_grad = True"
CONSEQUENCE = (
    "The error goes, and so does the training: `{name}` becomes a leaf with nothing behind it, "
    "backward() fills `{name}.grad` with 1, and no parameter gets a gradient."
)


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


# An op that no gradient passes


def at_cut(witness: Witness, found: list[Cut], name: str, raised: Place | None) -> Diagnosis:
    """What was computed into ``name`` lost its gradient at these cuts; the first is the nearest."""
    cut, *others = found
    kind, happened, because = _WORDS[cut.cause]
    given = witness.value_name(cut.given, "its input", cut.op)
    written = spelled(cut.op)
    place = witness.of_op(cut.op)
    line, switch = switched_off_at(cut.op.site) if cut.cause == "no_grad" else (0, "")
    how = f"`{switch}` on line {line}" if switch else "torch.no_grad() or the like"
    mend, because = _mend(cut, given, because)
    if cut.cause == "no_grad" and _is_update(cut, given):
        kind, mend, because = _update(cut, kind, because)
    return Diagnosis(
        kind=kind,
        happened=happened.format(op=written, given=given, how=how, name=quoted(name)),
        place=place,
        raised=raised,
        op=written,
        variable=_subject(cut, given),
        mend=mend,
        because=because.format(op=written, given=given, how=how),
        tempting=TEMPTING.format(name=name) if is_name(name) else "",
        consequence=CONSEQUENCE.format(name=name) if is_name(name) else "",
        rivals=tuple(
            f"whether the cut at `{other.op.text}` ({witness.of_op(other.op)}) is meant: "
            "no gradient passes there either."
            for other in others
        ),
        fault=cut.op,
    )


_WORDS: dict[str, tuple[str, str, str]] = {
    "detach": (
        "the gradient was lost at a detach()",
        (
            "`{op}` gives the numbers of `{given}` without its graph, so no gradient passes it, "
            "and "
            "{name} has none behind it."
        ),
        "Without the detach, the gradient goes on to `{given}`.",
    ),
    "data": (
        "the gradient was lost at .data",
        (
            "`{op}` gives the numbers of `{given}` without its graph, so no gradient passes it, "
            "and "
            "{name} has none behind it."
        ),
        "Without .data, the gradient goes on to `{given}`.",
    ),
    "no_grad": (
        "gradients were switched off",
        (
            "`{op}` ran with gradients switched off ({how}), so autograd noted nothing, and "
            "{name} has no graph behind it."
        ),
        "Without {how}, autograd notes this line.",
    ),
    "copy": (
        "the gradient was lost in a new tensor",
        (
            "`{op}` makes a new tensor of the plain numbers of `{given}`: a copy without a "
            "graph, so "
            "{name} has none behind it."
        ),
        "The tensor itself has its graph; several are joined by torch.stack, which has a gradient.",
    ),
    "comparison": (
        "the gradient was lost in a comparison",
        (
            "`{op}` answers true or false: it is flat wherever it is defined, so it has no "
            "derivative, "
            "and {name} has no graph behind it."
        ),
        (
            "A loss has to change smoothly with `{given}`: compute it from the scores "
            "themselves, and "
            "keep the comparison for reporting."
        ),
    ),
    "integer": (
        "the gradient was lost in integers",
        (
            "`{op}` gives integers: they do not change as `{given}` changes a little, so there "
            "is no "
            "derivative, and {name} has no graph behind it."
        ),
        "Compute the loss from `{given}` itself, in floating point.",
    ),
    "no derivative": (
        "the gradient was lost at an op without a derivative",
        (
            "`{op}` was given `{given}`, which requires a gradient, and gave a result that does "
            "not: "
            "PyTorch has no derivative for it there, so {name} has no graph behind it."
        ),
        "Compute the loss without this op.",
    ),
    "grad": (
        "create_graph=True is missing",
        (
            "`{op}` computed a gradient, and without `create_graph=True` a gradient is a plain "
            "number "
            "with no graph of its own, so {name} cannot be differentiated again."
        ),
        "create_graph=True records the backward pass too, so that it can be differentiated.",
    ),
}


def _subject(cut: Cut, given: str) -> str:
    """What lost its gradient; under no_grad, where all of a line does, what the line makes."""
    name = assigned(cut.op)
    if cut.cause == "no_grad" and not name and cut.op.site is not None:
        name = code_at(cut.op.site).partition(" = ")[0]
    if cut.cause == "no_grad" and is_name(name):
        return name
    return given if is_name(given) else ""


def _mend(cut: Cut, given: str, because: str) -> tuple[str, str]:
    if cut.cause == "grad":
        written = cut.op.text
        statement = code_at(cut.op.site) if cut.op.site else written
        if written.endswith(")"):
            return statement.replace(written, f"{written[:-1]}, create_graph=True)", 1), because
    if mend := uncut(cut):
        smooth = cut.cause == "comparison"
        return mend, because + (
            " This is a smooth step in place of the hard one." if smooth else ""
        )
    if cut.cause in ("integer", "comparison"):
        return f"loss = torch.nn.functional.cross_entropy({given}, target)", (
            because + " cross_entropy is the usual one where the integers are classes; for numbers "
            "it is mse_loss."
        )
    return f"loss = …  # computed from {given} by ops that have a derivative", because


def _is_update(cut: Cut, given: str) -> bool:
    """Was a parameter bound to a new tensor where it was to be changed?"""
    return (assigned(cut.op) == given and cut.given.leaf) or _rebinds(cut.op)


def _rebinds(op: Op) -> bool:
    """Is it ``w = w - …``?"""
    name = assigned(op)
    return bool(name) and op.text.startswith((f"{name} - ", f"{name} + "))


def _update(cut: Cut, kind: str, because: str) -> tuple[str, str, str]:
    name, written = assigned(cut.op), cut.op.text
    if not written.startswith((f"{name} - ", f"{name} + ")):
        return kind, uncut(cut), because
    mend = written.replace(f"{name} - ", f"{name} -= ", 1).replace(f"{name} + ", f"{name} += ", 1)
    return (
        f"{name} was bound to a new tensor",
        mend,
        (
            f"This changes the tensor that `{name}` is, which stays a leaf; `{name} = …` makes "
            f"`{name}` the name of a new one, and inside no_grad that has requires_grad=False."
        ),
    )


# No op at fault


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
        tempting=TEMPTING.format(name=_simple(name)) if computed else "",
        consequence=CONSEQUENCE.format(name=_simple(name)) if computed else "",
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
        tempting=TEMPTING.format(name=_simple(name)),
        consequence=CONSEQUENCE.format(name=_simple(name)),
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
        variable=_simple(name) if is_name(name) else "",
        mend=code_at(value.op.site) if value.op is not None and value.op.site is not None else "",
        because="Run this line outside inference mode.",
        tempting=f"{_simple(name)}.requires_grad_()",
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
        tempting=TEMPTING.format(name=_simple(name)),
        consequence=CONSEQUENCE.format(name=_simple(name)),
        fault=value.op,
    )


def read_as_number(witness: Witness, value: Value) -> tuple[Op, Exit | None] | None:
    """The op that was given plain numbers, where such were read from a tensor with a gradient."""
    pending, seen = [value], {value}
    for each in pending:  # grows while it is read
        op = each.op
        if op is None:
            continue
        numbers = [n for n in _flat((op.args, *op.kwargs.values())) if isinstance(n, float)]
        for read in reversed(witness.watcher.exits):
            if read.site is None:
                continue
            if _stands_in(read.site, op.site):
                return op, read
            if op.name in ("tensor", "as_tensor") and read.number in numbers:
                return op, read
        pending += [given for given in op.inputs if given not in seen]
        seen.update(op.inputs)
    return None


def _stands_in(inner: Site, outer: Site | None) -> bool:
    """Is the one expression on a line of the other?"""
    if outer is None or not inner.text or inner.filename != outer.filename:
        return False
    return inner.text in code_at(outer) and inner.line in outer.lines


def _flat(arguments: tuple[object, ...]) -> list[object]:
    found: list[object] = []
    for argument in arguments:
        found += _flat(argument) if isinstance(argument, tuple) else [argument]
    return found


def of_a_number(
    witness: Witness, op: Op, read: Exit | None, name: str, raised: Place | None
) -> Diagnosis:
    """``op`` made a tensor of a number that was read from another."""
    written = read.site.text if read is not None and read.site is not None else ""
    place = witness.where(read.site) if read is not None and read.site is not None else None
    return Diagnosis(
        kind="the gradient was lost in a plain number",
        happened=f"`{op.text}` was given a plain number that `{written}` read from a tensor: a "
        f"number has no graph, so {quoted(name)} has none behind it.",
        place=place,
        raised=raised,
        op=written,
        variable=_simple(name) if is_name(name) else "",
        mend=_unread(op, read),
        because="Keep the tensor; read numbers for printing only.",
        tempting=TEMPTING.format(name=name) if is_name(name) else "",
        consequence=CONSEQUENCE.format(name=name) if is_name(name) else "",
        fault=op,
    )


def _unread(op: Op, read: Exit | None) -> str:
    """The lines without the reading, and without the making of a tensor from it."""
    if read is None or read.site is None or op.site is None:
        return ""
    kept = without_read(read.site.text, read.site.text)
    if _stands_in(read.site, op.site):
        return code_at(op.site).replace(op.text, kept, 1)
    first = code_at(read.site).replace(read.site.text, kept, 1)
    several = bool(op.args) and isinstance(op.args[0], tuple)
    given = operand(op.text)
    made = f"torch.stack({given})" if several else code_at(read.site).partition(" = ")[0]
    return f"{first}\n{code_at(op.site).replace(op.text, made, 1)}"


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


def _simple(name: str) -> str:
    return name if is_name(name) else "loss"
