"""What is written in a picture of a graph: what each box is called, and what stands in it.

Numbers are worded by ``formatting``, what the learner calls a tensor comes from ``names``.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction

from seegrad import formatting
from seegrad.drawing.folding import WHOLE, Folded, Group, Item
from seegrad.recording import Op, Value
from seegrad.recording.names import ModuleNames, Names, name_of, name_of_module
from seegrad.recording.scopes import Scope
from seegrad.recording.snapshot import keep
from seegrad.structure import Structure, Vertex

LONGEST_LABEL = 36  # characters
LONGEST_VALUE = 34
LONGEST_LITERAL = 10
LONGEST_EXACT = 64  # elements
LONGEST_LIST = 3
"""A sentence names so many things, and counts the rest."""


class Words:
    """How one picture speaks of what is in it."""

    def __init__(self, graph: Structure, folded: Folded, names: Names, module_names: ModuleNames):
        self.graph = graph
        self.names = names
        self.module_names = module_names
        self.first_users = graph.first_users()
        self.ops = {vertex.op for vertex in graph.vertices}
        self.root_name = self._root_name()
        self.outputs: dict[Item, dict[Vertex, None]] = {
            folded.holder[graph.root]: {graph.root: None}
        }
        for edge in graph.edges:
            source = folded.holder[edge.source]
            if source is not folded.holder[edge.target]:
                self.outputs.setdefault(source, {})[edge.source] = None

    def _root_name(self) -> str:
        value = self.graph.root.value
        if value is None and not self.graph.root.nodes:
            return ""  # an op that raised has no result
        return (name_of(value, self.names) if value is not None else "") or "result"

    # In a box

    def label(self, item: Item) -> str:
        """The first line of a box."""
        if isinstance(item, Group):
            return self.title(item)
        if item.number is not None:
            return _literal(item.number)
        name = self.given_name(item)
        if item.kind != "op":
            return shortened(name or _created_by(item.value) or item.kind)
        text = self._expression(item)
        if len(self.graph.vertices) > WHOLE:
            name = name or _assigned(item.op)  # a name may be the only thing to know a box by
        assigned = name and item is not self.graph.root and not (item.op and item.op.changed)
        return shortened(f"{name} = {text}" if assigned else text)

    def value(self, item: Item) -> str:
        """What it holds; of a group, what leaves it, if that is one tensor."""
        return value_text(self._shown(item))

    def _shown(self, item: Item) -> Value | None:
        if isinstance(item, Vertex):
            return item.value
        outputs = list(self.outputs.get(item, ()))
        return outputs[0].value if len(outputs) == 1 and item.fold else None

    def brief(self, item: Item) -> tuple[str, ...]:
        """The same in two short lines; without the shape, where a note says that."""
        value = self._shown(item)
        if value is None:
            return ()
        lines = formatting.glimpse(value.data, value.shape)
        return _without_shape(lines, value.shape) if _shape_of_leaf(item) else lines

    def note(self, item: Item) -> str:
        """The quiet words beside label or value."""
        if isinstance(item, Group):
            return _contents(item)
        if shape := _shape_of_leaf(item):
            return f"leaf · {shape}"
        if item.kind == "constant":
            return "constant"
        if not item.nodes:
            return _without_nodes(item)
        return item.nodes[0].name().removeprefix("torch::autograd::")

    # In a sentence

    def name(self, vertex: Vertex) -> str:
        """The learner's name for a vertex, else how it is written."""
        if vertex is not self.graph.root and (name := self.given_name(vertex)):
            return name
        return self.label(vertex)

    def given_name(self, vertex: Vertex) -> str:
        """What the learner calls it; "" where they do not."""
        if vertex.value is None:
            return ""
        used_by = None if vertex.kind == "op" else self.first_users.get(vertex)
        return name_of(vertex.value, self.names, used_by)

    def output_name(self, vertex: Vertex) -> str:
        """What an output of a folded box is called: as assigned there, else as it is written."""
        name = self.given_name(vertex) or _assigned(vertex.op)
        return name or shortened(vertex.op.text if vertex.op else _unrecorded(vertex))

    def listed(self, vertices: Sequence[Vertex]) -> str:
        """Some of their names, and how many more there are: ``w, b and 10 more``."""
        named = [self.name(vertex) for vertex in vertices[:LONGEST_LIST]]
        more = len(vertices) - len(named)
        if more:
            return f"{', '.join(named)} and {more} more"
        return " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)

    def title(self, group: Group) -> str:
        """What a group is called: ``turn 3 of 100 · h = torch.tanh(…)``."""
        if group.fold is None:
            more = len(group.sources) - 1
            return f"{shortened(self.name(group.sources[0]), LONGEST_LABEL - 14)} and {more} more"
        if group.fold.kind == "module":
            return self.module(group.fold.module)
        what = self._in_short(group) if group.fold.kind in ("turn", "loop") else ""
        return shortened(" · ".join(part for part in (short_title(group), what) if part))

    def _in_short(self, group: Group) -> str:
        """What happens in a turn: the module it calls, or the statement that it ends with."""
        if group.fold is not None and group.fold.module:
            return self.module(group.fold.module)
        last = group.ops[-1].op
        return _abridged(last.site.statement) if last is not None and last.site is not None else ""

    def module(self, scope: Scope) -> str:
        """A module's name and class: ``layers.0 · TransformerEncoderLayer``."""
        return " · ".join(part for part in name_of_module(scope, self.module_names) if part)

    def marks(self, item: Item) -> tuple[str, ...]:
        """The tags on an op's box: what it changes or shares, and the module that ran it."""
        if isinstance(item, Group) or item.op is None:
            return ()
        op, value = item.op, item.value
        tags = ["in-place"] if op.changed else []
        if value is not None and value.view and not op.changed:
            tags.append("view")
        if not op.grad_enabled:
            tags.append("no_grad")
        if op.scope and not op.direct:
            name, kind = name_of_module(op.scope, self.module_names)
            tags.append(name or kind)
        return tuple(tags)

    def _expression(self, vertex: Vertex) -> str:
        """The op as the learner wrote it, with what has a box of its own as an ellipsis."""
        if vertex.op is None:
            return _unrecorded(vertex)
        if not vertex.op.direct:
            return vertex.op.name
        text = vertex.op.text
        for value in vertex.op.inputs:
            if value.op in self.ops and value.op is not None and _inside(value.op, vertex.op):
                text = text.replace(value.op.text, "…", 1)
        return re.sub(r"(?<![\w)\]])\(…\)", "…", text)  # (…).sum() reads better without brackets


def _shape_of_leaf(item: Item) -> str:
    """The shape of a leaf, as the note at it says it; "" for anything else."""
    if isinstance(item, Vertex) and item.kind == "leaf" and item.value is not None:
        return formatting.shape(item.value.shape)
    return ""


def _without_nodes(vertex: Vertex) -> str:
    """The quiet words at an op of which no autograd node is known."""
    op, value = vertex.op, vertex.value
    if value is None:  # it raised, or what it returned is gone
        return "raised the error" if op is not None and op.recording.failed == op else ""
    return "" if value.requires_grad else "no gradient comes here"


def short_title(group: Group) -> str:
    """What a group is called in a sentence: ``turn 3``."""
    fold = group.fold
    if fold is None:
        return _contents(group)
    match fold.kind:
        case "turn":
            return f"turn {fold.first} of {fold.of}"
        case "turns":
            return f"turns {fold.first}–{fold.last} of {fold.of}"
        case "loop":
            return f"{fold.of} turns"
        case "ops":
            return f"ops {fold.first}–{fold.last}"
    return fold.module[-1]


def _contents(group: Group) -> str:
    """What is in a group, counted: ``12 ops, 4 leaves``."""
    counts = Counter[str](source.kind for source in group.sources)
    if group.fold:
        counts = Counter(op=len(group.ops), leaf=counts["leaf"])  # of constants no word is made
    return ", ".join(counted(number, kind) for kind, number in counts.items() if number)


def counted(number: int, noun: str) -> str:
    """``1 leaf``, ``2,000 ops``."""
    plural = {"leaf": "leaves", "box": "boxes"}.get(noun, f"{noun}s")
    return f"{number:,} {noun if number == 1 else plural}"


def value_text(value: Value | None) -> str:
    """What a value held, short enough for a box."""
    return "" if value is None else _fitted(value.data, value.shape)


def gradient_text(gradient: Tensor, longest: int = LONGEST_VALUE) -> str:
    """A gradient, in so many characters if that can be."""
    return _fitted(keep(gradient), gradient.shape, longest)


def gradient_lines(gradient: Tensor, shape_is_known: bool = False) -> tuple[str, ...]:
    """A gradient in two short lines, for an edge that is to be short."""
    lines = formatting.glimpse(keep(gradient), gradient.shape)
    return _without_shape(lines, gradient.shape) if shape_is_known else lines


def _without_shape(lines: tuple[str, ...], shape: torch.Size) -> tuple[str, ...]:
    return lines[:1] if lines[1:] == (formatting.shape(shape),) else lines


def exact_text(data: Tensor, shape: torch.Size) -> str:
    """Every digit of it, for a tooltip; of what is too long for that there is the detail."""
    return formatting.exact(keep(data), shape) if shape.numel() <= LONGEST_EXACT else ""


def _fitted(data: Tensor, shape: torch.Size, longest: int = LONGEST_VALUE) -> str:
    """The tensor's text, elided until it fits a box; its shape alone if nothing does."""
    for limit in (8, 4, 2):
        entries = math.prod(min(size, limit) for size in shape)
        if len("0, ") * (entries - 1) > longest:
            continue
        text = formatting.array(data, shape, limit)
        if len(text) <= longest:
            return text
    return f"tensor {formatting.shape(shape)}"


def shortened(text: str, longest: int = LONGEST_LABEL) -> str:
    """The text, cut where it is too long for a box."""
    return text if len(text) <= longest else text[: longest - 1].rstrip(" …") + "…"


def _abridged(code: str) -> str:
    """A statement without the arguments of its calls: ``h = torch.tanh(…) * torch.exp(…)``."""
    kept, depth = [], 0
    for place, letter in enumerate(code):
        if depth:
            depth += (letter in "([{") - (letter in ")]}")
        elif letter == "(" and re.match(r"[\w)\]]\([^)]", code[place - 1 : place + 2]):
            depth = 1
            kept.append("(…")
            continue
        if not depth:
            kept.append(letter)
    return "".join(kept)


def bare(node_name: str) -> str:
    """The op's name in that of its autograd node: ``Mul`` in ``MulBackward0``."""
    return node_name.removeprefix("torch::autograd::").rstrip("0123456789").removesuffix("Backward")


def _unrecorded(vertex: Vertex) -> str:
    """What to call an op that nothing is known of but its autograd node."""
    if is_own_function(vertex):
        return f"{bare(vertex.nodes[0].name())}.apply(…)"
    return f"{bare(vertex.nodes[0].name())} (not recorded)"


def is_own_function(vertex: Vertex) -> bool:
    """Is this a ``torch.autograd.Function`` of the learner's own? Its call is not PyTorch's."""
    return vertex.op is None and isinstance(vertex.nodes[0], BackwardCFunction)


def _assigned(op: Op | None) -> str:
    """The name that the learner's statement gives to what this op made, "" if it gives none."""
    if op is None or op.site is None:
        return ""
    name, _, expression = op.site.statement.partition(" = ")
    return name if name.isidentifier() and expression == op.text else ""


def _literal(number: complex) -> str:
    """A number of the learner's code: 1.0001 is no 1, though four digits of it are."""
    text, whole = formatting.number(number), repr(number)
    return text if complex(text) == number or len(whole) > LONGEST_LITERAL else whole


def _created_by(value: Value | None) -> str:
    return "" if value is None or value.op is None else value.op.text


def _inside(inner: Op, outer: Op) -> bool:
    """Does the expression of ``inner`` stand within that of ``outer``?"""
    a, b = inner.site, outer.site
    if a is None or b is None or a.span is None or b.span is None or not inner.direct:
        return False
    starts_after = (b.span[0], b.span[2]) <= (a.span[0], a.span[2])
    ends_before = (a.span[1], a.span[3]) <= (b.span[1], b.span[3])
    return a.filename == b.filename and a is not b and starts_after and ends_before


def symbol(name: str) -> str:
    """A name of the learner's in LaTeX."""
    return rf"\mathit{{{name}}}".replace("_", r"\_")


def times(count: int) -> str:
    """``twice``, ``three times``, ``4 times``."""
    return {2: "twice", 3: "three times"}.get(count, f"{count} times")


def commonest(ops: Iterable[Vertex]) -> str:
    """Which ops these are, the commonest first: ``mul (4), sigmoid (3)``."""
    names = [vertex.op.name if vertex.op else bare(vertex.nodes[0].name()) for vertex in ops]
    counts = Counter(names).most_common()
    return ", ".join(f"{name} ({count})" if count > 1 else name for name, count in counts)
