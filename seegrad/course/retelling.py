"""Which of the cells that ran does an expression owe its value to? Those statements, as a script.

The statements are followed back by name. A name that is bound anew is another thing from there on.
What is given a name can be changed by whatever mentions it (``y.backward()`` fills ``x.grad``), so
a statement belongs to the script when a chain of shared names leads to the expression. Modules,
functions and constants are not changed by use: they come along, and lead no further.
"""

from __future__ import annotations

import ast
import builtins
import re
import textwrap
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Ran:
    """A cell that ran, as Python; ``failed`` is the line that raised, None if none did."""

    code: str
    failed: int | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that ran; ``failed`` says that it raised."""

    text: str
    node: ast.stmt
    failed: bool = False


RANDOM = "the random numbers"
"""Stands among the names for the state that every random number depends on, and changes."""

_DRAWS = re.compile(
    r"(?i:rand|seed|normal_|uniform|bernoulli|multinomial|dropout|shuffle)|Linear|Conv"
)
_CHANGES = re.compile(r"(backward|grad|manual_seed|set_\w+|step|\w*_)$")
_LOOKS = re.compile(
    r"(item|tolist|sum|mean|max|min|numel|size|dim|detach|clone|norm|abs|equal|allclose|all|any)$"
)
_SETTINGS = re.compile(r"torch\.(autograd\.)?(set_|use_)")


def retell(cells: Iterable[Ran], wanted: str) -> list[str]:
    """The statements, of those that ran, that ``wanted`` needs: an expression, or statements.

    A statement that raised stands in a ``try``. Names that no cell has bound are named at the
    beginning, in a comment.

    >>> cells = [Ran("x = [1]"), Ran("y = x"), Ran("y.append(2)"), Ran("z = 3"), Ran("x")]
    >>> retell(cells, "x")
    ['x = [1]', 'y = x', 'y.append(2)']
    >>> retell([Ran("for i in [1]: y = i"), Ran("for i in [2]: z = i")], "z")
    ['for i in [2]: z = i']
    >>> retell(cells, "w")
    ['# This also needs w, from cells that seegrad did not see.']
    """
    statements = [each for cell in cells for each in statements_of(cell)]
    story = _Story()
    for statement in statements:
        story.tell(statement.node)
    needed = story.needed_by(ast.parse(wanted))
    unknown = sorted(story.unknown)
    told = [f"# This also needs {', '.join(unknown)}, from cells that seegrad did not see."]
    lines = [_written(statements[place]) for place in sorted(needed)]
    return [*(told if unknown else []), *lines]


def statements_of(cell: Ran) -> Iterator[Statement]:
    """What ran of a cell and may have changed something; what only looked is left out."""
    try:
        tree = ast.parse(cell.code)
    except SyntaxError:
        return
    for node in tree.body:
        last = node.end_lineno or node.lineno
        if cell.failed is not None and cell.failed < node.lineno:
            return
        failed = cell.failed is not None and node.lineno <= cell.failed <= last
        if isinstance(node, ast.Import):  # one of several may be all that is needed
            alone = (ast.Import([name], lineno=node.lineno, col_offset=0) for name in node.names)
            yield from (Statement(ast.unparse(each), each) for each in alone)
        elif not _only_looks(node) and not is_magic(node):
            yield Statement(source_of(cell.code, node), node, failed)


def source_of(code: str, node: ast.stmt | ast.expr) -> str:
    """How a statement or an expression is written, decorators included."""
    decorators = getattr(node, "decorator_list", [])
    if decorators:
        return "\n".join(code.splitlines()[decorators[0].lineno - 1 : node.end_lineno])
    return ast.get_source_segment(code, node) or ""


def _written(statement: Statement) -> str:
    if not statement.failed:
        return statement.text
    body = textwrap.indent(statement.text, "    ")
    return f"try:\n{body}\nexcept Exception:\n    pass"


def is_magic(node: ast.stmt) -> bool:
    """Is it a command to the notebook, such as ``%time``?"""
    return any(isinstance(part, ast.Name) and part.id == "get_ipython" for part in ast.walk(node))


def _only_looks(node: ast.stmt) -> bool:
    """Does the statement but show something, such as ``x.grad`` or ``seegrad.graph(y)``?"""
    if not isinstance(node, ast.Expr):
        return False
    if isinstance(node.value, ast.Call) and ast.unparse(node.value.func).startswith("seegrad."):
        return True
    return all(_call_looks(call) for call in ast.walk(node) if isinstance(call, ast.Call))


def _call_looks(call: ast.Call) -> bool:
    path = ast.unparse(call.func)
    name = path.rsplit(".", 1)[-1]
    if re.match(r"seegrad\.[\w.]+$", path) or path in ("print", "len", "list", "str", "float"):
        return True
    if re.match(r"torch\.[\w.]+$", path):
        return not _CHANGES.match(name) and not any(word.arg == "out" for word in call.keywords)
    return isinstance(call.func, ast.Attribute) and bool(_LOOKS.match(name))


@dataclass
class _Story:
    """Who binds what, and who mentions it, statement by statement."""

    versions: dict[str, int] = field(default_factory=dict)
    count: int = 0
    touches: list[set[int]] = field(default_factory=list)
    needs: list[set[int]] = field(default_factory=list)
    fixed: dict[int, int] = field(default_factory=dict)
    inner: dict[int, set[str]] = field(default_factory=dict)
    settings: set[int] = field(default_factory=set)
    unbound: list[set[str]] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)

    def tell(self, node: ast.stmt) -> None:
        """Take note of the next statement that ran."""
        place, lasting = len(self.touches), _is_lasting(node)
        read, bound = _names_read(node), set(_names_bound(node))
        touched, needed, unbound = self._mention(set() if lasting else read)
        perhaps_bound = unbound & set(_stored(node))  # by a loop, in a branch
        self.touches.append(touched)
        self.needs.append(needed)
        self.unbound.append(unbound - bound - perhaps_bound)
        for name in bound | perhaps_bound:
            self.count += 1
            self.versions[name] = self.count
            if lasting:
                self.fixed[self.count] = place
                self.inner[self.count] = read - bound
            else:
                touched.add(self.count)
        if _SETTINGS.match(ast.unparse(node)):
            self.settings.add(place)

    def needed_by(self, wanted: ast.Module) -> set[int]:
        """The places of all statements that the value depends on."""
        read = {name for node in wanted.body for name in _names_read(node)}
        touched, needed, unbound = self._mention(read)
        members: dict[int, set[int]] = defaultdict(set)
        for place, versions in enumerate(self.touches):
            for version in versions:
                members[version].add(place)
        found: set[int] = set()
        waiting = deque([*needed, *self.settings, *_places(members, touched)])
        while waiting:
            place = waiting.popleft()
            if place not in found:
                found.add(place)
                waiting += [*self.needs[place], *_places(members, self.touches[place])]
        self.unknown = unbound.union(*(self.unbound[place] for place in found))
        return found

    def _mention(self, names: Iterable[str]) -> tuple[set[int], set[int], set[str]]:
        """The things that these names stand for now; what is fixed, by the statement that made it.

        A function's body is read when the function is used: what it names counts as named then.
        """
        touched: set[int] = set()
        needed: set[int] = set()
        unbound: set[str] = set()
        waiting, seen = deque(names), set(names)
        while waiting:
            name = waiting.popleft()
            version = self.versions.get(name)
            if version is None and name == RANDOM:
                version = self.versions[name] = self.count = self.count + 1
            if version is None:
                unbound |= set() if hasattr(builtins, name) else {name}
            elif version in self.fixed:
                needed.add(self.fixed[version])
                inner = self.inner[version] - seen
                seen |= inner
                waiting += inner
            else:
                touched.add(version)
        return touched, needed, unbound


def _places(members: dict[int, set[int]], versions: Iterable[int]) -> Iterator[int]:
    return (place for version in versions for place in members[version])


def _is_lasting(node: ast.stmt) -> bool:
    """Does it bind what use does not change: a module, a function, a constant?"""
    if isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef):
        return True
    if not isinstance(node, ast.Assign) or not all(isinstance(t, ast.Name) for t in node.targets):
        return False
    value = node.value.operand if isinstance(node.value, ast.UnaryOp) else node.value
    return isinstance(value, ast.Constant | ast.Lambda)


def _names_bound(node: ast.stmt) -> Iterator[str]:
    """The names that the statement certainly binds anew."""
    match node:
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            yield from ((alias.asname or alias.name).split(".")[0] for alias in names)
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.For(target=target):
            yield from _stored(target)
        case ast.Assign(targets=targets):
            yield from (name for target in targets for name in _stored(target))
        case ast.Expr(value=ast.Call(func=function)) if "manual_seed" in ast.unparse(function):
            yield RANDOM


def _stored(node: ast.AST) -> Iterator[str]:
    parts = ast.walk(node)
    return (p.id for p in parts if isinstance(p, ast.Name) and isinstance(p.ctx, ast.Store))


def _names_read(node: ast.AST) -> set[str]:
    """The names that the statement mentions; those that it may bind besides are among them."""
    bound = set(_names_bound(node)) if isinstance(node, ast.stmt) else set()
    own: set[str] = set()
    names: set[str] = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            names |= {part.id} if isinstance(part.ctx, ast.Load) or part.id not in bound else set()
        elif isinstance(part, ast.arg):
            own.add(part.arg)
        elif isinstance(part, ast.comprehension | ast.For):
            own |= set(_stored(part.target))
        elif isinstance(part, ast.FunctionDef):
            own |= set(_stored(part))
    words = {p.attr for p in ast.walk(node) if isinstance(p, ast.Attribute)} | names
    return (names - own) | ({RANDOM} if any(map(_DRAWS.search, words)) else set())
