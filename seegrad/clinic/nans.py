"""Where a NaN or an infinity came into a gradient."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

import torch
from torch import Tensor

from seegrad import formatting
from seegrad.backward import Pass, Step
from seegrad.clinic.cuts import operand
from seegrad.clinic.diagnosis import Diagnosis, Place
from seegrad.clinic.incident import Incident, Witness
from seegrad.clinic.saved import nodes_of
from seegrad.clinic.spelling import code_of, is_name, parsed
from seegrad.recording import Op, Value

Test = Callable[[Tensor], Tensor]


def found_by_anomaly_mode(incident: Incident) -> Diagnosis | None:
    """``Function 'SqrtBackward0' returned nan values``: which of the learner's ops is that?"""
    found = re.search(r"Function '(\w+)' returned nan values", incident.message)
    named = [n for n in nodes_of(incident.roots) if found is not None and n.name() == found[1]]
    owners = [op for node in named if (op := incident.watcher.owner(node)) is not None]
    singular = [op for op in owners if _singular_at(op) is not None] or owners
    if not singular:
        return None
    op = singular[0]
    root = next((r for r in incident.roots if isinstance(r, Tensor)), None)
    sure = len(set(singular)) == 1
    return at_op(incident, op, incident.place, root, upstream=None, sure=sure)


def in_pass(run: Pass, test: Test) -> Step | None:
    """The step that sent the first NaN (or infinity) though none had arrived at it."""
    for step in run.steps:
        arrived = [g for g in step.incoming if g is not None]
        left = [flow.gradient for flow in step.sent if flow.gradient is not None]
        if _any(left, test) and not _any(arrived, lambda g: ~torch.isfinite(g)):
            return step
    return None


def _any(gradients: list[Tensor], test: Test) -> bool:
    return any(bool(test(g).any()) for g in gradients if not g.is_meta)


def at_op(
    witness: Witness,
    op: Op,
    raised: Place | None,
    root: Tensor | None,
    upstream: Tensor | None,
    sure: bool = True,
) -> Diagnosis:
    """The op whose local derivative is infinite, or NaN, at what it was given."""
    given = op.inputs[0] if op.inputs else None
    name = witness.value_name(given, "its input", op) if given is not None else "its input"
    at = _singular_at(op)
    chosen = _chosen_by(witness, op)
    masked = chosen is not None or (upstream is not None and bool((upstream == 0).any()))
    why = (
        f"at {at} the derivative of `{op.name}` is infinite or undefined"
        if at
        else f"`{op.name}` sent back NaN from what had arrived as plain numbers"
    )
    where = (
        f" `{chosen.text}` takes the other side there, so the upstream gradient is 0; but 0 times "
        "infinity is NaN, and where() does not stop it."
        if chosen is not None
        else " The upstream gradient is 0 there, and 0 times infinity is NaN."
        if masked and at
        else ""
    )
    mend, because = _guarded(op, name, chosen)
    return Diagnosis(
        kind="a NaN from the untaken side of where()"
        if chosen is not None
        else f"a NaN from {op.name}() where it has no derivative",
        happened=f"`{op.text}` was given {_content(given)}: {why}.{where}",
        place=witness.of_op(op),
        raised=raised,
        op=op.text,
        variable=name if is_name(name) else "",
        mend=mend,
        because=because,
        tempting=_masked_afterwards(op, name, chosen),
        consequence="The values are right, and the gradient stays NaN: it is made in the backward "
        f"pass, which still goes through `{op.name}` at the bad point.",
        rivals=() if sure else ("which of several such ops it is: PyTorch gives only its kind.",),
        fault=op,
        result=root,
    )


def _content(value: Value | None) -> str:
    return "nothing" if value is None else formatting.array(value.data, value.shape)


def _singular_at(op: Op) -> str | None:
    """The point in what the op was given where its derivative is infinite or undefined."""
    if not op.inputs or op.inputs[0].data.is_meta:
        return None
    data = op.inputs[0].data
    last = op.inputs[-1].data
    match op.name:
        case "sqrt" | "rsqrt" | "log" | "log2" | "log10" | "reciprocal" if bool((data == 0).any()):
            return "0"
        case "norm" | "vector_norm" | "cdist" | "pairwise_distance" | "dist" if _zero_rows(op):
            return "the zero vector"
        case "pow" | "__pow__" if bool((data == 0).any()):
            return "0"
        case "div" | "true_divide" | "__rdiv__" | "divide" if bool((last == 0).any()):
            return "a divisor of 0"
        case "acos" | "asin" | "arccos" | "arcsin" if bool((data.abs() >= 1).any()):
            return "1 or -1"
        case "atan2" if bool(((data == 0) & (last == 0)).any()):
            return "(0, 0)"
        case "std" if data.numel() < 2 or bool((data == data.flatten()[0]).all()):
            return "equal numbers"
    return None


def _zero_rows(op: Op) -> bool:
    data = op.inputs[0].data
    rows = data.reshape(-1, data.shape[-1]) if data.dim() > 1 else data.reshape(1, -1)
    return bool((data == 0).all()) or bool((rows == 0).all(1).any())


def _chosen_by(witness: Witness, op: Op) -> Op | None:
    """A ``where`` further on that does not take the op's result everywhere."""
    descended = {op}
    for later in witness.watcher.ops():
        if later.number > op.number and any(v.op in descended for v in later.inputs):
            descended.add(later)
            if later.name == "where":
                return later
    return None


def _guarded(op: Op, name: str, chosen: Op | None) -> tuple[str, str]:
    """The op kept away from the bad point: by a safe input where its result is not taken."""
    code, written = code_of(op), op.text
    given = operand(written) or name
    if chosen is not None and chosen.direct:
        safe = f"safe = torch.where({_condition(chosen)}, {given}, 1.0)"
        called = written.replace(f"({given})", "(safe)", 1)
        guarded = called if called != written else written.replace(given, "safe", 1)
        return f"{safe}\n{code.replace(written, guarded, 1)}", (
            f"`{op.name}` is then given a harmless number where its result is not taken, so it has "
            "a finite derivative there."
        )
    if op.name in ("norm", "vector_norm"):
        mend = code.replace(written, f"({given}.square().sum() + 1e-12).sqrt()", 1)
        return mend, "A small number under the root keeps its derivative finite at zero."
    if " / " in written:
        above, below = written.rsplit(" / ", 1)
        return code.replace(written, f"{above} / ({below} + 1e-12)", 1), (
            "A small number in the divisor keeps the quotient finite."
        )
    within = f"({given})" in written
    shifted = f"({given} + 1e-12)"
    guarded = written.replace(f"({given})" if within else given, shifted, 1)
    return code.replace(written, guarded, 1), (
        "A small number keeps the derivative finite; how small is yours to choose."
    )


def _condition(chosen: Op) -> str:
    call = parsed(chosen.text)
    arguments = getattr(call, "args", [])
    if arguments:
        return ast.unparse(arguments[0])
    return "mask"


def _masked_afterwards(op: Op, name: str, chosen: Op | None) -> str:
    if chosen is not None:
        return f"{chosen.text}.nan_to_num()"
    return f"torch.where({operand(op.text) or name} > 0, {op.text}, 0.0)"
