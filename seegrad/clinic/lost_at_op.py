"""A gradient that was lost at an op which lets none pass: what it was, and what mends it."""

from __future__ import annotations

from seegrad.clinic.cuts import Cut, switched_off_at, uncut
from seegrad.clinic.diagnosis import CONSEQUENCE, TEMPTING, Diagnosis, Place
from seegrad.clinic.incident import Witness
from seegrad.clinic.spelling import assigned, code_at, is_name, quoted, spelled
from seegrad.recording import Op


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
