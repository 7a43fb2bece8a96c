"""A gradient that was lost where a tensor was read as a plain number, and a new one made of it."""

from __future__ import annotations

from seegrad.clinic.cuts import operand
from seegrad.clinic.diagnosis import CONSEQUENCE, TEMPTING, Diagnosis, Place
from seegrad.clinic.incident import Witness
from seegrad.clinic.spelling import code_at, is_name, quoted, simple, without_read
from seegrad.recording import Exit, Op, Value
from seegrad.recording.source import Site


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
        variable=simple(name) if is_name(name) else "",
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
