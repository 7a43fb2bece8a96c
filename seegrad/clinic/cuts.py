"""Where a gradient was lost: the ops whose result needs none though what they were given does."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch

from seegrad.clinic.spelling import code_at, parsed, source_of
from seegrad.recording import Op, Value
from seegrad.recording.source import Site

Cause = Literal[
    "detach", "data", "no_grad", "copy", "comparison", "integer", "no derivative", "grad"
]

_COPIES = frozenset({"tensor", "as_tensor", "new_tensor", "scalar_tensor", "asarray"})
_COMPARISONS = frozenset(
    {
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "isclose",
        "__eq__",
        "__ne__",
        "__lt__",
        "__le__",
        "__gt__",
        "__ge__",
        "logical_and",
        "logical_or",
        "logical_not",
        "less",
        "greater",
        "isnan",
    }
)
_SWITCHES = frozenset({"no_grad", "inference_mode", "set_grad_enabled"})


@dataclass(frozen=True, slots=True)
class Cut:
    """An op that a gradient cannot pass, and what it was given that needs one."""

    op: Op
    given: Value
    cause: Cause


def cuts(value: Value) -> list[Cut]:
    """Every op at which a gradient on its way back from ``value`` is lost, the nearest first.

    >>> import torch, seegrad
    >>> from seegrad.recording import recorder
    >>> with seegrad.record():
    ...     x = torch.ones(3, requires_grad=True)
    ...     y = (x * 2).argmax() + 1
    >>> [(cut.op.name, cut.cause) for cut in cuts(recorder().value(y))]
    [('argmax', 'integer')]
    """
    return list(_cuts(value))


def _cuts(value: Value) -> Iterator[Cut]:
    for op in _makers(value):
        if (cut := cut_at(op)) is not None:
            yield cut


def cut_at(op: Op) -> Cut | None:
    """Does an op whose result requires no gradient lose one?"""
    given = next((inner for inner in op.inputs if inner.requires_grad), None)
    return None if given is None else Cut(op, given, _cause(op))


def origins(value: Value) -> list[Value]:
    """What ``value`` was computed from: the tensors that no op was given a tensor to make."""
    found = dict.fromkeys(
        [given for op in _makers(value) for given in op.inputs if not _is_computed(given)]
    )
    return list(found) or [value]


def _is_computed(value: Value) -> bool:
    op = value.op
    return op is not None and bool(op.inputs) and not _edits_a_leaf(op)


def _edits_a_leaf(op: Op) -> bool:
    """Does it fill or update a parameter? That one stays a leaf, whatever it is given."""
    return any(before.leaf or not before.op or not before.op.inputs for before in op.changed)


def _makers(value: Value) -> Iterator[Op]:
    """The ops ``value`` was made by, the nearest first, none behind one that lost a gradient."""
    values, seen = [value], {value}
    for each in values:  # grows while it is read
        op = each.op
        if op is None or (each.leaf and each is not value) or not _is_computed(each):
            continue
        yield op
        if not any(given.requires_grad for given in op.inputs):
            values += [given for given in op.inputs if given not in seen]
            seen.update(op.inputs)


def _cause(op: Op) -> Cause:
    if op.name in ("detach", "detach_"):
        return "detach"
    if op.name == "data":
        return "data"
    if op.name in _COPIES:
        return "copy"
    if not op.grad_enabled:
        return "no_grad"
    if op.name in _COMPARISONS:
        return "comparison"
    if op.function is torch.autograd.grad:
        return "grad"
    return "integer" if _gives_integers(op) else "no derivative"


def _gives_integers(op: Op) -> bool:
    """Do its results count or name places, in an integer dtype?"""
    if op.name.startswith(("arg", "long", "int", "bool", "short", "byte", "char")):
        return True
    targets = [*op.args, *op.kwargs.values()]
    dtypes = [target for target in targets if isinstance(target, torch.dtype)]
    named = op.name in ("multinomial", "bincount", "searchsorted", "bucketize", "nonzero")
    return named or any(not (d.is_floating_point or d.is_complex) for d in dtypes)


def switched_off_at(site: Site | None) -> tuple[int, str]:
    """Which line switched gradients off for the code at ``site``, and how; (0, "") if none says so.

    A ``with torch.no_grad():`` around it, or a decorator of the function it stands in.
    """
    if site is None:
        return 0, ""
    try:
        tree = ast.parse(source_of(site.filename))
    except SyntaxError:  # a magic command
        return 0, ""
    found = (0, "")
    for node in ast.walk(tree):
        if not isinstance(node, ast.With | ast.FunctionDef):
            continue
        if not node.lineno <= site.line <= (node.end_lineno or 0):
            continue
        parts = node.decorator_list if isinstance(node, ast.FunctionDef) else node.items
        for part in parts:
            code = ast.unparse(part)
            if any(switch in code for switch in _SWITCHES) and node.lineno >= found[0]:
                found = (_line_of(part, node), code)
    return found


def _line_of(part: ast.expr | ast.withitem, node: ast.stmt) -> int:
    return part.lineno if isinstance(part, ast.expr) else node.lineno


def uncut(cut: Cut) -> str:
    """The learner's statement without the cut, as far as it is one that can be left out."""
    site = cut.op.site
    if site is None:
        return ""
    statement, written = code_at(site), site.text
    inner = operand(written)
    several = bool(cut.op.args) and isinstance(cut.op.args[0], tuple)
    match cut.cause:
        case "no_grad":
            return statement
        case "detach" | "data" if inner:
            return statement.replace(written, inner, 1)
        case "comparison" if smooth := _smooth(written):
            return statement.replace(written, smooth, 1)
        case "copy" if inner and not several:
            return statement.replace(written, inner, 1)
        case "copy" if inner:
            return statement.replace(written, f"torch.stack({inner})", 1)
        case "integer" if inner and not cut.op.name.startswith("arg"):
            return statement.replace(written, inner, 1) if cut.op.name in _CASTS else ""
    return ""


def _smooth(written: str) -> str:
    """A smooth step in place of ``a > b``; "" where there is none."""
    match parsed(written):
        case ast.Compare(left=left, ops=[ast.Gt() | ast.GtE()], comparators=[right]):
            return f"torch.sigmoid({_difference(left, right)})"
        case ast.Compare(left=left, ops=[ast.Lt() | ast.LtE()], comparators=[right]):
            return f"torch.sigmoid({_difference(right, left)})"
    return ""


def _difference(a: ast.expr, b: ast.expr) -> str:
    if isinstance(b, ast.Constant) and b.value == 0:
        return ast.unparse(a)
    return ast.unparse(ast.BinOp(a, ast.Sub(), b))


_CASTS = frozenset({"long", "int", "bool", "short", "byte", "char", "to", "type"})


def operand(written: str) -> str:
    """What a call is made on: ``h`` in ``h.detach()``, ``t`` in ``torch.tensor(t)``."""
    match parsed(written):
        case ast.Call(func=ast.Attribute(value=ast.Name(id="torch")), args=[first, *_]):
            return ast.unparse(first)
        case ast.Call(func=ast.Attribute(value=owner)) | ast.Attribute(value=owner):
            return ast.unparse(owner)
    return ""
