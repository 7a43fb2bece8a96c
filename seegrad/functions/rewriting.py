"""The text of a learner's function with an edge of its graph cut in it.

A call that ran is found again in the syntax tree by its span; the tensor that an edge brings to it
is one of its operands. ``.detach()`` is written behind that operand, with brackets only where
Python needs them: each spelling is parsed and compared with the tree that is meant.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from inspect import getclosurevars, signature
from typing import Any, Literal

from seegrad.functions.written import (
    FUNCTIONS,
    Edit,
    Text,
    Written,
    bracketed,
    edited,
    plain,
    position,
)
from seegrad.recording import Op, Value

_NO_GRAD = "with torch.no_grad():"


def detached(
    function: Written, op: Op, place: int, attribute: Literal["detach", "data"]
) -> list[Edit]:
    """Write ``.detach()`` or ``.data`` behind an input of an op; no edits if it has no place."""
    slot, file = operand(function, op, place), function.file
    if slot is None:
        return []
    suffix = ".data" if attribute == "data" else ".detach()"
    wanted = _dump_with(file, slot, lambda tree: _selected(tree, attribute))
    start, end = file.span(slot)
    closed = _after_bracket(file.text, end)
    for begin, stop, opening in ((start, end, ""), (start, closed, ""), (start, end, "(")):
        closing = Edit(stop, stop, (")" if opening else "") + suffix, -begin)
        edits = [*([Edit(begin, begin, opening)] if opening else []), closing]
        if stop and _dump(edited(file.text, edits)) == wanted:
            return edits
    return []


def _selected(slot: ast.expr, attribute: str) -> ast.expr:
    selected = ast.Attribute(slot, attribute, ast.Load())
    return selected if attribute == "data" else ast.Call(selected, [], [])


def paused(function: Written, ops: Iterable[Op]) -> list[Edit]:
    """Compute these ops under ``no_grad``; no edits if that cannot be said in the code."""
    file = function.file
    found = [file.at(op.site) if op.site is not None and op.direct else None for op in ops]
    nodes = list(dict.fromkeys(node for node in found if node is not None))
    if None in found or not all(_runs_in(function, node) for node in nodes):
        return []
    outer = [n for n in nodes if not any(_within(file, n, o) for o in nodes if o is not n)]
    if isinstance(function.node, ast.Lambda):
        return _paused_in_lambda(function, function.node, outer)
    edits: list[Edit] = []
    for number, node in enumerate(outer):
        more = _paused_in_def(file, node, _variable(number))
        if not more:
            return []
        edits += more
    return edits


def _runs_in(function: Written, node: ast.AST) -> bool:
    """Is this computed by a statement of the function, not within a lambda or a comprehension?"""
    scopes = (*FUNCTIONS, ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp)
    innermost = [None, *function.file.around(node, scopes)][-1]
    return innermost is function.node


def _within(file: Text, inner: ast.AST, outer: ast.AST) -> bool:
    (a, b), (c, d) = file.span(inner), file.span(outer)
    return c <= a and b <= d


def _variable(number: int) -> str:
    return "severed" if number == 0 else f"severed_{number + 1}"


def _paused_in_def(file: Text, node: ast.AST, variable: str) -> list[Edit]:
    statement = list(file.around(node, ast.stmt))[-1]
    line, indent, last, _ = position(statement)
    start = file.line_start(line)
    alone = not file.text[start : file.offset(line, indent)].strip()
    if not alone or hasattr(statement, "body"):
        return []
    margin = " " * indent
    if statement is node or (isinstance(statement, ast.Assign) and statement.value is node):
        inside = [file.line_start(n) for n in range(line, last + 1)]
        return [
            Edit(start, start, f"{margin}{_NO_GRAD}\n"),
            *(Edit(at, at, "    ", 1) for at in inside),
        ]
    above = f"{margin}{_NO_GRAD}\n{margin}    {variable} = {bracketed(file.of(node))}\n"
    return [Edit(start, start, above), _replaced(file, node, variable)]


def _paused_in_lambda(
    function: Written, node: ast.Lambda, paused_nodes: Sequence[ast.AST]
) -> list[Edit]:
    """A lambda has no statements: it is written as a def."""
    file = function.file
    start, _ = file.span(node)
    body, _ = file.span(node.body)
    before = [f"def {function.name}({ast.unparse(node.args)}):"]
    edits = []
    for number, part in enumerate(paused_nodes):
        severed = bracketed(file.of(part))
        before += [f"    {_NO_GRAD}", f"        {_variable(number)} = {severed}"]
        edits.append(_replaced(file, part, _variable(number)))
    _, end = file.span(node)
    opening, closing = ("(", ")") if "\n" in file.of(node.body) else ("", "")
    head = "\n".join([*before, f"    return {opening}"])
    return [Edit(start, body, head), *edits, *([Edit(end, end, closing)] if closing else [])]


def _replaced(file: Text, node: ast.AST, variable: str) -> Edit:
    """The node, with the brackets around it if they only held it together."""
    start, end = file.span(node)
    opening = len(file.text[:start].rstrip()) - 1
    closed = _after_bracket(file.text, end)
    if closed and file.text[opening] == "(":
        edit = Edit(opening, closed, variable)
        if _dump(edited(file.text, [edit])) == _dump_with(
            file, node, lambda _: ast.Name(variable, ast.Load())
        ):
            return edit
    return Edit(start, end, variable)


def _after_bracket(text: str, end: int) -> int:
    """Past the bracket that closes right after ``end``; 0 if none does."""
    close = end + len(text[end:]) - len(text[end:].lstrip())
    return close + 1 if text[close : close + 1] == ")" else 0


def _dump(text: str) -> str:
    try:
        return ast.dump(ast.parse(plain(text)))
    except SyntaxError:
        return ""


def _dump_with(file: Text, node: ast.AST, change: Callable[[Any], ast.expr]) -> str:
    """The tree in which a node is changed."""
    memo: dict[int, Any] = {}
    tree = deepcopy(file.tree, memo)
    target = memo[id(node)]

    class Change(ast.NodeTransformer):
        def visit(self, visited: ast.AST) -> Any:
            return change(visited) if visited is target else self.generic_visit(visited)

    return ast.dump(Change().visit(tree))


# Which part of an expression an input is


def operand(function: Written, op: Op, place: int) -> ast.expr | None:
    """The expression that an input of this op is written as; ``None`` if it cannot be told."""
    if op.site is None or not op.direct or not function.holds(op.site):
        return None
    match function.file.at(op.site):
        case ast.Call(func=called, args=args, keywords=keywords):
            return _keyword(keywords, op, place) or _argument(called, args, op, place)
        case ast.BinOp(left=left, right=right):
            return _side(left, right, op, place, function)
        case ast.UnaryOp(operand=only):
            return only
        case ast.Subscript(value=owner) | ast.Attribute(value=owner):
            return owner if place == 0 else None
        case ast.AugAssign(value=right):
            return right if place == 1 else None
    return None


def _flat(arguments: Iterable[Any]) -> list[Any]:
    flat: list[Any] = []
    for argument in arguments:
        flat.extend(argument if isinstance(argument, list | tuple) else [argument])
    return flat


def _keyword(keywords: list[ast.keyword], op: Op, place: int) -> ast.expr | None:
    """The input that is given by name; torch may pass it on by position."""
    try:
        names = list(signature(op.function).parameters)
    except (TypeError, ValueError):
        names = []
    passed = {**dict(zip(names, op.args, strict=False)), **op.kwargs}
    value = op.inputs[place]
    return next((k.value for k in keywords if k.arg and passed.get(k.arg) is value), None)


def _argument(called: ast.expr, args: list[ast.expr], op: Op, place: int) -> ast.expr | None:
    given = _flat(op.args)
    inputs = [index for index, argument in enumerate(given) if isinstance(argument, Value)]
    slots = _flat(a.elts if isinstance(a, ast.List | ast.Tuple) else a for a in args)
    if isinstance(called, ast.Attribute) and len(slots) + 1 == len(given):
        slots = [called.value, *slots]
    if len(slots) != len(given) or place >= len(inputs):
        return None
    slot = slots[inputs[place]]
    return None if isinstance(slot, ast.Starred) else slot


def _side(
    left: ast.expr, right: ast.expr, op: Op, place: int, function: Written
) -> ast.expr | None:
    if len(op.inputs) == 2:
        sides = (right, left) if op.name.startswith("__r") else (left, right)
        return sides[place]
    numbers = [_is_number(side, function) for side in (left, right)]
    if numbers[0] == numbers[1]:
        return None
    return right if numbers[0] else left


def _is_number(node: ast.expr, function: Written) -> bool:
    """Is this a plain number? Told by how it is written, or by what its name stands for."""
    match node:
        case ast.Constant():
            return True
        case ast.UnaryOp(operand=operand):
            return _is_number(operand, function)
        case ast.Name(id=name):
            known = getclosurevars(function.function)
            return isinstance({**known.globals, **known.nonlocals}.get(name), int | float)
    return False
