"""What came of the cell that the learner runs next."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from IPython.core.getipython import get_ipython


@dataclass(frozen=True, slots=True)
class Outcome:
    """A cell that ran: its code, the value that it showed, or the error that it raised.

    ``silent`` is true where it ended in a statement, so that there was no value to show.
    """

    code: str
    value: Any
    error: BaseException | None
    silent: bool


class NextCell:
    """Tells once what came of the first cell after the running one.

    Cells that end in something for which ``skip`` is true are passed over, for several questions
    may stand before the cell that answers them. Outside IPython there is no next cell: ``coming``
    is then false from the start.
    """

    def __init__(self, tell: Callable[[Outcome], None], skip: Callable[[Any], bool]):
        self._tell, self._skip = tell, skip
        self._shell = get_ipython()
        self._begun = False
        self.coming = self._shell is not None
        if self._shell is not None:
            self._shell.events.register("pre_run_cell", self._begin)
            self._shell.events.register("post_run_cell", self._end)

    def _begin(self, *_: Any) -> None:
        self._begun = True

    def _end(self, result: Any) -> None:
        if not self._begun or self._skip(result.result):
            return  # the cell that asked is over; or another question was asked
        if self._shell is not None:
            self._shell.events.unregister("pre_run_cell", self._begin)
            self._shell.events.unregister("post_run_cell", self._end)
        self.coming = False
        self._tell(outcome(result))


def outcome(result: Any) -> Outcome:
    """What came of a cell, from IPython's own record of it."""
    code = str(result.info.raw_cell)
    error = result.error_in_exec or result.error_before_exec
    silent = error is None and result.result is None and not _ends_in_value(code)
    return Outcome(code, result.result, error, silent)


def _ends_in_value(code: str) -> bool:
    """Does the last line give a value, be it None? ``print(…)`` gives none worth the name.

    >>> [_ends_in_value(code) for code in ("y = 1", "y", "print(y)", "y;")]
    [False, True, False, False]
    """
    try:
        last = ast.parse(code).body[-1:]
    except SyntaxError:  # a magic command
        return False
    if code.rstrip().endswith(";"):
        return False
    match last:
        case [ast.Expr(value=ast.Call(func=ast.Name(id="print")))]:
            return False
        case [ast.Expr()]:
            return True
    return False
