"""The scripts that print the answer to a question, in a bare Python with only torch."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Sequence

from seegrad.course.retelling import Ran, is_magic, retell, source_of


def printing(cells: Sequence[Ran], expression: str) -> str:
    """A script that prints what an expression gives after these cells.

    >>> print(printing([Ran("x = 2")], "x * x"), end="")
    x = 2
    print(x * x)
    """
    return "\n".join([*retell(cells, expression), f"print({expression})", ""])


def raising(cells: Sequence[Ran]) -> str:
    """A script that prints whether the last of these cells raises, and what.

    >>> print(raising([Ran("x = 0"), Ran("1 / x", failed=1)]), end="")
    x = 0
    try:
        1 / x
    except Exception as error:
        print("raises", type(error).__name__)
    else:
        print("it runs")
    """
    code = cells[-1].code
    body = "\n".join(source_of(code, node) for node in ast.parse(code).body if not is_magic(node))
    if not body:
        return "# Python could not read the cell.\n"
    lines = [
        *retell(cells[:-1], body),
        "try:",
        textwrap.indent(body, "    "),
        "except Exception as error:",
        '    print("raises", type(error).__name__)',
        "else:",
        '    print("it runs")',
        "",
    ]
    return "\n".join(lines)


def ending(cell: Ran) -> tuple[Ran, str]:
    """A cell without the expression that it ends in, and that expression; "" for none.

    >>> ending(Ran("y = 2; y + 1"))
    (Ran(code='y = 2; ', failed=None), 'y + 1')
    """
    *_, last = [None, *ast.parse(cell.code).body]
    if not isinstance(last, ast.Expr):
        return cell, ""
    lines = cell.code.splitlines(keepends=True)
    before = "".join(lines[: last.lineno - 1]) + lines[last.lineno - 1][: last.col_offset]
    return Ran(before, cell.failed), source_of(cell.code, last.value)


def asked_for(cell: Ran, question: str) -> str:
    """What stands as the answer in the cell that calls ``predict(question, …)``; "" for nothing.

    >>> asked_for(Ran('seegrad.predict("And now?", lambda: x.grad)'), "And now?")
    'x.grad'
    """
    for call in ast.walk(ast.parse(cell.code)):
        if isinstance(call, ast.Call) and ast.unparse(call.func).split(".")[-1] == "predict":
            given = [word.value for word in call.keywords if word.arg == "answer"]
            answer = next(iter(call.args[1:2] or given), None)
            texts = [part.value for part in call.args[:1] if isinstance(part, ast.Constant)]
            if texts == [question] and answer is not None:
                body = answer.body if isinstance(answer, ast.Lambda) else answer
                return source_of(cell.code, body)
    return ""
