"""The learner's function as text, and the same text with an edge of its graph cut in it.

A call that ran is found again in the syntax tree by its span; the tensor that an edge brings to it
is one of its operands. ``.detach()`` is written behind that operand, with brackets only where
Python needs them: each spelling is parsed and compared with the tree that is meant.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from inspect import getclosurevars, signature
from types import CodeType, FunctionType
from typing import Any, Literal

from seegrad.recording import Op, Value
from seegrad.recording.source import Site

ADDED, END = "\ue000", "\ue001"
"""Around what was written into a text; ``plain`` takes them out again."""

Definition = ast.Lambda | ast.FunctionDef
_DEFINITIONS = (ast.Lambda, ast.FunctionDef)
_NO_GRAD = "with torch.no_grad():"


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace ``text[start:end]``; of edits at one place the lower ``rank`` comes first."""

    start: int
    end: int
    text: str
    rank: int = 0


class Text:
    """Python source with its syntax tree, and where in it each node stands (in characters)."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tree = ast.parse(text)
        self._starts = [0]
        for line in text.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._lines = text.splitlines()

    def offset(self, line: int, byte: int) -> int:
        """Where a place of the syntax tree's (line from 1, column in bytes) is in the text."""
        return self._starts[line - 1] + len(self._lines[line - 1].encode()[:byte].decode())

    def line_start(self, line: int) -> int:
        """Where a line begins."""
        return self._starts[line - 1]

    def span(self, node: ast.AST) -> tuple[int, int]:
        """First character of a node, and the one past its last."""
        line, column, last, end = _position(node)
        return self.offset(line, column), self.offset(last, end)

    def of(self, node: ast.AST) -> str:
        """How a node is written."""
        start, end = self.span(node)
        return self.text[start:end]

    def at(self, site: Site) -> ast.expr | ast.AugAssign | None:
        """The outermost node that stands exactly at this place of the learner's code."""
        if site.span is None:
            return None
        first, last, start, end = site.span
        here = self._starts[first - 1] + start, self._starts[last - 1] + end
        kinds = ast.expr | ast.AugAssign
        return next((n for n in _nodes(self.tree, kinds) if self.span(n) == here), None)

    def around(self, node: ast.AST, kinds: Any) -> Iterator[ast.AST]:
        """The nodes of some kinds that contain this one, the outermost first."""
        start, end = self.span(node)
        for outer in _nodes(self.tree, kinds):
            first, last = self.span(outer)
            if first <= start and end <= last:
                yield outer


def _nodes(tree: ast.AST, kinds: Any) -> Iterator[Any]:
    return (node for node in ast.walk(tree) if isinstance(node, kinds))


def _position(node: Any) -> tuple[int, int, int, int]:
    first = min([node, *getattr(node, "decorator_list", [])], key=lambda part: part.lineno)
    if first is node:
        return node.lineno, node.col_offset, node.end_lineno, node.end_col_offset
    return first.lineno, node.col_offset, node.end_lineno, node.end_col_offset


@lru_cache(maxsize=64)
def _parsed(text: str) -> Text | None:
    try:
        return Text(text)
    except SyntaxError:
        return None


def text_of(filename: str) -> Text | None:
    """A file or a notebook's cell; ``None`` where its source is not to be had."""
    return _parsed("".join(linecache.getlines(filename)))


# The function


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """A function as the learner wrote it.

    ``file`` has its text, ``node`` is its definition there.
    """

    function: FunctionType
    file: Text
    node: Definition

    @property
    def filename(self) -> str:
        """The file, or what stands for a notebook's cell."""
        return self.function.__code__.co_filename

    @property
    def name(self) -> str:
        """What it is called in ``lines()``: "f" for a lambda."""
        return "f" if isinstance(self.node, ast.Lambda) else self.node.name

    def holds(self, site: Site) -> bool:
        """Does this place lie in the function?"""
        start, end = self.file.span(self.node)
        if site.filename != self.filename or site.span is None:
            return False
        first, last, begin, stop = site.span
        at = self.file.line_start(first) + begin, self.file.line_start(last) + stop
        return start <= at[0] and at[1] <= end

    @property
    def first_line(self) -> int:
        """The number, in its file, of the first of ``lines()``."""
        return _position(self.node)[0]

    def lines(self, edits: Iterable[Edit] = ()) -> list[str]:
        """The function's text with edits, not indented; a lambda is given its name."""
        start, end = self.file.span(self.node)
        changed = edited(self.file.text, edits, start, end)
        if isinstance(self.node, ast.Lambda):
            if changed.startswith(f"{ADDED}def "):
                return changed.split("\n")
            return f"f = {_bracketed(changed)}".split("\n")
        depth = self.node.col_offset
        first, *rest = changed.split("\n")
        return [first, *(_dedented(line, depth) for line in rest)]


def _bracketed(expression: str) -> str:
    """On a line of its own, an expression that goes over several lines needs brackets."""
    return f"({expression})" if "\n" in expression else expression


def _dedented(line: str, depth: int) -> str:
    added = line.startswith(ADDED)
    bare = line.removeprefix(ADDED)
    return (ADDED if added else "") + (bare[depth:] if not bare[:depth].strip() else bare)


def written(f: Any) -> Written | None:
    """Where is f written? ``None`` for what has no source: a builtin, a module, a partial.

    >>> written(len) is None
    True
    """
    if not isinstance(f, FunctionType):
        return None
    file = text_of(f.__code__.co_filename)
    if file is None:
        return None
    holds = [node for node in _nodes(file.tree, _DEFINITIONS) if _compiles_to(file, node, f)]
    if not holds:
        return None
    node = holds[-1]  # ``ast.walk`` goes from the outside inwards
    return Written(f, file, node)


def _compiles_to(file: Text, node: Definition, f: FunctionType) -> bool:
    """Does the code of f come from within this definition, and begin where it does?"""
    if isinstance(node, ast.FunctionDef):
        return node.name == f.__name__ and _position(node)[0] == f.__code__.co_firstlineno
    start, end = file.span(node.body)
    places = _places(f.__code__)
    if f.__name__ != "<lambda>" or not places or max(p[2] for p in places) > len(file._lines):
        return False
    return all(
        start <= file.offset(line, column) and file.offset(last, stop) <= end
        for line, column, last, stop in places
    )


def _places(code: CodeType) -> list[tuple[int, int, int, int]]:
    return [
        (line, column, last, end)
        for line, last, column, end in code.co_positions()
        if line is not None and last is not None and column is not None and end
    ]


# Cuts


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
    scopes = (*_DEFINITIONS, ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp)
    innermost = [None, *function.file.around(node, scopes)][-1]
    return innermost is function.node


def _within(file: Text, inner: ast.AST, outer: ast.AST) -> bool:
    (a, b), (c, d) = file.span(inner), file.span(outer)
    return c <= a and b <= d


def _variable(number: int) -> str:
    return "severed" if number == 0 else f"severed_{number + 1}"


def _paused_in_def(file: Text, node: ast.AST, variable: str) -> list[Edit]:
    statement = list(file.around(node, ast.stmt))[-1]
    line, indent, last, _ = _position(statement)
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
    above = f"{margin}{_NO_GRAD}\n{margin}    {variable} = {_bracketed(file.of(node))}\n"
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
        severed = _bracketed(file.of(part))
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


def edited(text: str, edits: Iterable[Edit], start: int = 0, end: int | None = None) -> str:
    """``text[start:end]`` with edits, each between marks."""
    parts, at = [], start
    for edit in sorted(set(edits), key=lambda edit: (edit.start, edit.rank)):
        if edit.start < at:
            continue  # inside what was replaced
        parts.append(text[at : edit.start])
        # A mark never spans a line's end: each line is shown on its own.
        parts.append(
            "\n".join(f"{ADDED}{line}{END}" if line else "" for line in edit.text.split("\n"))
        )
        at = edit.end
    return "".join([*parts, text[at:end]])


def plain(text: str) -> str:
    """The text without marks."""
    return text.replace(ADDED, "").replace(END, "")


def pieces(line: str) -> list[tuple[str, bool]]:
    """A line in parts: the text, and whether it was added."""
    parts = []
    for number, part in enumerate(line.split(ADDED)):
        added, end, rest = part.partition(END)
        if number and end:
            parts += [(added, True), (rest, False)]
        else:
            parts.append((part, False))
    return [(text, added) for text, added in parts if text]


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
