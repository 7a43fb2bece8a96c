"""The plain PyTorch that makes a picture's numbers again: runs in a bare Python with only torch."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from torch import Tensor
from torch.overrides import resolve_name

from seegrad import formatting
from seegrad.recording import Op, Value
from seegrad.recording.names import Names, name_of
from seegrad.recording.snapshot import COMPLETE
from seegrad.recording.source import operands
from seegrad.structure import Structure, Vertex

_KNOWN = {"torch", "F"}


def listing(graph: Structure, seed: Tensor | None, names: Names) -> str:
    """A script that computes the graph's values and the gradient that arrives at each.

    Where a value is too large to write out, or an op was not recorded, the script says so in a
    comment at that place, and needs the learner's own tensor there.
    """
    writer = _Writer(names, graph.first_users())
    body = [line for vertex in graph.vertices for line in writer.lines(vertex)]
    if seed is not None:
        body += writer.backward(graph, seed)
    return "\n".join([*_imports(body), "", *body]) + "\n"


def _imports(body: Iterable[str]) -> Iterator[str]:
    text = "\n".join(body)
    if re.search(r"\b(nan|inf)\b", text):
        yield "from math import inf, nan"
        yield ""
    yield "import torch"
    if re.search(r"\bF\.", text):
        yield "import torch.nn.functional as F"
    yield "from torch import tensor"


class _Writer:
    """Gives every vertex a variable, and writes the line that makes it."""

    def __init__(self, names: Names, first_users: dict[Vertex, Op]):
        self.names = names
        self.first_users = first_users
        self.variable: dict[Vertex, str] = {}
        self.of_value: dict[Value, str] = {}
        self.of_op: dict[Op, str] = {}
        self.taken = {*_KNOWN, "tensor"}
        self.next_number: dict[str, int] = {}

    def lines(self, vertex: Vertex) -> list[str]:
        """The code that makes what ``vertex`` holds; none for a plain number."""
        if vertex.number is not None:
            return []
        name = self._fresh(self._wanted_name(vertex))
        self.variable[vertex] = name
        if vertex.op is not None:
            self.of_op[vertex.op] = name
        if vertex.value is not None:
            self.variable[vertex] = self.of_value[vertex.value] = self._output(vertex.value, name)
        if vertex.kind != "op":
            return [self._literal(name, vertex)]
        if vertex.op is None:
            return [f"{name} = ...  # {vertex.nodes[0].name()}: not recorded; put your tensor here"]
        return self._calculation(name, vertex.op)

    def backward(self, graph: Structure, seed: Tensor) -> list[str]:
        """Print the forward values, then the gradient that arrives at each of them."""
        wanted = [self.variable[vertex] for vertex in reversed(graph.vertices) if vertex.nodes]
        root = self.variable[graph.root]
        together = ", ".join(wanted)
        upstream = formatting.exact(seed, limit=COMPLETE)
        return [
            "",
            f"values = [{together}]",
            f"gradients = torch.autograd.grad({root}, values, {upstream}, allow_unused=True)",
            f"for name, value, gradient in zip({wanted}, values, gradients):",
            "    print(name, value.detach(), gradient)",
        ]

    def _wanted_name(self, vertex: Vertex) -> str:
        user = None if vertex.kind == "op" else self.first_users.get(vertex)
        name = name_of(vertex.value, self.names, user) if vertex.value is not None else ""
        name = name.replace(".", "_").replace("[", "_").replace("]", "")
        if name.isidentifier() and not (vertex.op is not None and vertex.op.several):
            return name
        return vertex.op.name.strip("_") if vertex.op is not None else vertex.kind

    def _fresh(self, name: str) -> str:
        if name in self.taken or not name.isidentifier():
            number = self.next_number.get(name, 1)
            while f"{name}_{number}" in self.taken:
                number += 1
            self.next_number[name] = number + 1
            name = f"{name}_{number}"
        self.taken.add(name)
        return name

    @staticmethod
    def _output(value: Value, name: str) -> str:
        """The value itself, where the op's variable holds a tuple of several."""
        several = value.op is not None and not value.leaf and value.op.several
        return f"{name}[{value.index}]" if several else name

    def _literal(self, name: str, vertex: Vertex) -> str:
        value = vertex.value
        if value is None or not value.complete:
            size = "" if value is None else f" of shape {formatting.shape(value.shape)}"
            return f"{name} = ...  # too large to write out: put your tensor{size} here"
        text = formatting.exact(value.data, limit=COMPLETE)
        return f"{name} = {text}.requires_grad_()" if value.requires_grad else f"{name} = {text}"

    def _calculation(self, name: str, op: Op) -> list[str]:
        call = self._as_written(op) or self._as_called(op)
        if op.name == "__setitem__":
            return [call, f"{name} = {self.of_value[op.inputs[0]]}"]
        line = f"{name} = {call}"
        return [line] if op.grad_enabled else ["with torch.no_grad():", f"    {line}"]

    def _as_written(self, op: Op) -> str:
        """The learner's own expression with our variables in it; "" if it needs any other name."""
        if not op.direct or op.changed:
            return ""
        try:
            tree = ast.parse(op.text, mode="eval")
        except SyntaxError:
            return ""
        slots = [slot for slot in operands(tree.body) if not isinstance(slot, ast.Constant)]
        if len(slots) != len(op.inputs):
            return ""
        replaced = {id(slot): value for slot, value in zip(slots, op.inputs, strict=True)}
        _Substitution({key: self._spelled(v) for key, v in replaced.items()}).visit(tree)
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        return ast.unparse(tree) if used <= self.taken and "tensor" not in used else ""

    def _as_called(self, op: Op) -> str:
        function = resolve_name(op.function) or op.name
        positional = [self._spelled(argument) for argument in op.args]
        named = [f"{key}={self._spelled(argument)}" for key, argument in op.kwargs.items()]
        return f"{function}({', '.join(positional + named)})"

    def _spelled(self, argument: object) -> str:
        if isinstance(argument, Value):
            if argument.op in self.of_op and argument not in self.of_value:
                return self._output(argument, self.of_op[argument.op])
            return self.of_value.get(argument) or formatting.exact(argument.data, limit=COMPLETE)
        if isinstance(argument, tuple):
            return f"[{', '.join(self._spelled(item) for item in argument)}]"
        return repr(argument)


class _Substitution(ast.NodeTransformer):
    """Puts a variable in the place of each operand."""

    def __init__(self, variables: dict[int, str]):
        self.variables = variables

    def visit(self, node: ast.AST) -> ast.AST:
        if id(node) in self.variables:
            return ast.parse(self.variables[id(node)], mode="eval").body
        return self.generic_visit(node)
