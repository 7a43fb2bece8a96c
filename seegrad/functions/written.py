"""The text of a learner's function: where it is written, and how it reads with edits.

A function is found again in the syntax tree of its file or notebook cell. (Python's own
``inspect.getsource`` takes a lambda's whole line for its source.)
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any

from seegrad.recording.source import Site

ADDED, END = "\ue000", "\ue001"
"""Around what was written into a text; ``plain`` takes them out again."""

FunctionNode = ast.Lambda | ast.FunctionDef
FUNCTIONS = (ast.Lambda, ast.FunctionDef)


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

    @property
    def last_line(self) -> int:
        """The number of the text's last line."""
        return len(self._lines)

    def line_start(self, line: int) -> int:
        """Where a line begins."""
        return self._starts[line - 1]

    def span(self, node: ast.AST) -> tuple[int, int]:
        """First character of a node, and the one past its last."""
        line, column, last, end = position(node)
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


def position(node: Any) -> tuple[int, int, int, int]:
    """A node's first line and column, and its last; a function's decorators are left out."""
    return node.lineno, node.col_offset, node.end_lineno, node.end_col_offset


@lru_cache(maxsize=64)
def _parsed(text: str) -> Text | None:
    try:
        return Text(text)
    except SyntaxError:
        return None


def text_of(filename: str) -> Text | None:
    """A file or a notebook's cell; ``None`` where its source is not to be had."""
    return _parsed("".join(linecache.getlines(filename)))


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """A function as the learner wrote it, without the decorators above it.

    A decorator that gave another function in its place is another function: it has its own source.

    Attributes
    ----------
    function: the function.
    file: the text that it stands in.
    node: its definition there.
    name: what it is called in ``lines()``: its own name; for a lambda, the one asked for.
    """

    function: FunctionType
    file: Text
    node: FunctionNode
    name: str

    @property
    def filename(self) -> str:
        """The file, or what stands for a notebook's cell."""
        return self.function.__code__.co_filename

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
        return self.node.lineno

    def lines(self, edits: Iterable[Edit] = ()) -> list[str]:
        """The function's text with edits, not indented; a lambda is given its name."""
        start, end = self.file.span(self.node)
        changed = edited(self.file.text, edits, start, end)
        if isinstance(self.node, ast.Lambda):
            if changed.startswith(f"{ADDED}def "):
                return changed.split("\n")
            return f"{self.name} = {bracketed(changed)}".split("\n")
        depth = self.node.col_offset
        first, *rest = changed.split("\n")
        return [first, *(_dedented(line, depth) for line in rest)]


def bracketed(expression: str) -> str:
    """On a line of its own, an expression that goes over several lines needs brackets."""
    return f"({expression})" if "\n" in expression else expression


def _dedented(line: str, depth: int) -> str:
    added = line.startswith(ADDED)
    bare = line.removeprefix(ADDED)
    return (ADDED if added else "") + (bare[depth:] if not bare[:depth].strip() else bare)


def written(f: Any, name: str = "f") -> Written | None:
    """Where is f written? ``None`` for what has no source: a builtin, a module, a partial.

    ``name`` is what to call it if it is a lambda.

    >>> written(len) is None
    True
    """
    if not isinstance(f, FunctionType):
        return None
    file = text_of(f.__code__.co_filename)
    if file is None:
        return None
    found = [n for n in _nodes(file.tree, FUNCTIONS) if _compiles_to(file, n, f.__code__)]
    if not found:
        return None
    node = found[-1]  # ``ast.walk`` goes from the outside inwards: of lambdas, the innermost
    return Written(f, file, node, name if isinstance(node, ast.Lambda) else node.name)


def _compiles_to(file: Text, node: FunctionNode, code: CodeType) -> bool:
    """Is it this definition that was compiled to the code, or a lambda around that one?

    The code is asked, not the function: that may have been given another name.
    """
    if isinstance(node, ast.FunctionDef):
        begins = min([node.lineno, *(each.lineno for each in node.decorator_list)])
        return (node.name, begins) == (code.co_name, code.co_firstlineno)
    places = _places(code)
    if code.co_name != "<lambda>" or not places or max(p[2] for p in places) > file.last_line:
        return False
    start, end = file.span(node.body)
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


# Edits


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
