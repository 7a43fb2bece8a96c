"""Where in the learner's code something ran: the frame, the line, the exact expression."""

from __future__ import annotations

import ast
import linecache
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import CodeType, FrameType

import torch

_LIBRARIES = (str(Path(torch.__file__).parent), str(Path(__file__).parents[1]))

Span = tuple[int, int, int, int]
"""First line, last line (from 1), first column, column past the end (in characters)."""


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """One expression of the learner's code.

    ``span`` is ``None`` where Python kept no positions (compiled with ``-X no_debug_ranges``).
    """

    filename: str
    function: str
    line: int
    span: Span | None

    @property
    def text(self) -> str:
        """The source of the expression, on one line; "" where the source is not to be had."""
        if self.span is None:
            return linecache.getline(self.filename, self.line).strip()
        first, last, start, end = self.span
        lines = [linecache.getline(self.filename, n) for n in range(first, last + 1)]
        lines[-1] = lines[-1][:end]
        lines[0] = lines[0][start:]
        return " ".join(line.strip() for line in lines)

    @property
    def lines(self) -> range:
        """The numbers of the lines the expression stands on."""
        return range(self.line, self.line + 1) if self.span is None else _rows(self.span)

    @property
    def statement(self) -> str:
        """The whole line or lines the expression stands on, without their indentation."""
        return " ".join(linecache.getline(self.filename, n).strip() for n in self.lines)


def _rows(span: Span) -> range:
    return range(span[0], span[1] + 1)


@lru_cache(maxsize=256)
def _positions(code: CodeType) -> list[tuple[int | None, int | None, int | None, int | None]]:
    return list(code.co_positions())


def site(code: CodeType, instruction: int) -> Site:
    """Which expression does the bytecode at ``instruction`` (a frame's ``f_lasti``) come from?

    One expression may be compiled to several places (a ``while`` test is, to two): compare spans.
    """
    line, last, start, end = _positions(code)[instruction // 2]
    span = None
    if line is not None and last is not None and start is not None and end is not None:
        first_text = linecache.getline(code.co_filename, line)
        last_text = linecache.getline(code.co_filename, last)
        # Python counts columns in bytes of UTF-8; a learner's name may be written in any script.
        span = (line, last, _column(first_text, start), _column(last_text, end))
    return Site(code.co_filename, code.co_name, line or code.co_firstlineno, span)


def _column(text: str, offset: int) -> int:
    return len(text.encode()[:offset].decode(errors="ignore"))


@lru_cache(maxsize=4096)
def is_library(filename: str) -> bool:
    """Is this file torch's or ours?"""
    return filename.startswith(_LIBRARIES)


def user_frame(
    frame: FrameType | None = None,
) -> tuple[FrameType | None, FrameType | None]:
    """The nearest frame that is neither torch's nor ours, and the library's frame that it called.

    The second is ``None`` where the learner called a function written in C. The search begins
    with ``frame``; if that is not given, with the caller's.
    """
    called = None
    frame = frame or sys._getframe(1)
    while frame is not None and is_library(frame.f_code.co_filename):
        called = frame
        frame = frame.f_back
    return frame, called


def argument_names(text: str) -> list[str]:
    """How did the learner spell the operands of this expression, in order?

    >>> argument_names("torch.dot(a, b.detach())")
    ['a', 'b.detach()']
    >>> argument_names("2 * w")
    ['2', 'w']
    """
    try:
        expression = ast.parse(text, mode="eval").body
    except SyntaxError:
        return []
    return [ast.unparse(operand) for operand in operands(expression)]


def operands(expression: ast.expr) -> list[ast.expr]:
    """The parts of an expression that its outermost call or operator is applied to.

    A list of tensors (``torch.stack([a, b])``) counts as its members.
    """
    match expression:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="torch" | "F")), args=args):
            found = args
        case ast.Call(func=ast.Attribute(value=owner), args=args):
            found = [owner, *args]
        case ast.Call(args=args):
            found = args
        case ast.BinOp(left=left, right=right):
            found = [left, right]
        case ast.UnaryOp(operand=operand):
            found = [operand]
        case ast.Subscript(value=owner) | ast.Attribute(value=owner):
            found = [owner]
        case _:
            found = []
    flat: list[ast.expr] = []
    for item in found:
        flat.extend(item.elts if isinstance(item, ast.List | ast.Tuple) else [item])
    return flat
