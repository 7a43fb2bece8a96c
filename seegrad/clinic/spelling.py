"""How the learner's own code is quoted: names, expressions, lines, cells."""

from __future__ import annotations

import ast
import linecache
import re
import tokenize
from io import StringIO
from pathlib import Path

from IPython.core.getipython import get_ipython

from seegrad.recording import Op
from seegrad.recording.source import Site


def spelled(op: Op) -> str:
    """An op as it is written: the whole call of a module, the whole of ``a[0] = 1``."""
    if op.site is None:
        return op.text
    if op.name == "__setitem__":
        return code_at(op.site)
    return op.text if op.direct else op.site.text


def quoted(name: str) -> str:
    """Code between backticks; words as they are."""
    return f"`{name}`" if parsed(name) is not None else name


def as_code(name: str) -> str:
    """A parameter's path as it is written: ``net[0].weight`` for ``net.0.weight``."""
    return re.sub(r"\.(\d+)\b", r"[\1]", name)


def is_name(text: str) -> bool:
    """Does it name a tensor, rather than compute one?

    >>> [is_name(text) for text in ("w", "net[0].weight", "x + 1", "f(x)")]
    [True, True, False, False]
    """
    return re.fullmatch(r"[^\W\d][\w.]*(\[\w+\][\w.]*)*", text) is not None


def simple(name: str) -> str:
    """The name; ``loss`` for what has none."""
    return name if is_name(name) else "loss"


def parsed(code: str) -> ast.expr | None:
    """An expression's tree; ``None`` if it is none."""
    try:
        return ast.parse(code.strip(), mode="eval").body
    except SyntaxError:
        return None


def assigned(op: Op) -> str:
    """The name that the op's statement gives to what it made; "" if it gives none."""
    if op.site is None:
        return ""
    try:
        body = ast.parse(code_at(op.site)).body
    except SyntaxError:
        return ""
    match body:
        case [ast.Assign(targets=[ast.Name(id=name)], value=value)]:
            written = parsed(op.text)
            same = written is not None and ast.unparse(written) == ast.unparse(value)
            return name if same else ""
    return ""


def code_at(site: Site) -> str:
    """The line or lines an expression stands on, without what a comment says.

    >>> from seegrad.recording.source import Site
    >>> code_at(Site("", "", 0, None))
    ''
    """
    code = site.statement
    try:
        tokens = list(tokenize.generate_tokens(StringIO(code).readline))
    except (tokenize.TokenError, SyntaxError):  # a part of a longer statement
        return code
    remark = next((token for token in tokens if token.type == tokenize.COMMENT), None)
    return code if remark is None else code[: remark.start[1]].rstrip()


def code_of(op: Op) -> str:
    """The line or lines an op stands on; how it is written where nobody knows them."""
    return code_at(op.site) if op.site is not None else op.text


def without_read(statement: str, written: str) -> str:
    """The learner's statement with the tensor itself in place of the number read from it."""
    match parsed(written):
        case ast.Call(func=ast.Attribute(value=owner, attr="item" | "tolist" | "numpy")):
            return statement.replace(written, ast.unparse(owner), 1)
        case ast.Call(func=ast.Name(id="float" | "int"), args=[owner]):
            return statement.replace(written, ast.unparse(owner), 1)
    return statement


def cell_of(filename: str) -> str:
    """What a learner calls a source file: ``cell [3]``, else the file's own name."""
    shell = get_ipython()
    label = shell.compile.format_code_name(filename) if shell is not None else None
    if label is not None:
        return f"cell {label[1].removeprefix('In')}"
    return Path(filename).name


def source_of(filename: str) -> str:
    """The whole text of the cell or file."""
    return "".join(linecache.getlines(filename))
