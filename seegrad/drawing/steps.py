"""What is said of each step of a backward pass: what arrives, the local rule, what is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from seegrad.backward import Pass
from seegrad.drawing.folding import WHOLE, Group, Item, Passage, together
from seegrad.drawing.words import (
    Words,
    bare,
    counted,
    exact_text,
    gradient_lines,
    gradient_text,
    short_title,
    symbol,
    times,
)
from seegrad.recording import GradEvent, Value, recorder
from seegrad.rules import Rule, Unknown, rule
from seegrad.structure import Edge, Stop, Vertex

LONGEST_EQUATION = 72  # characters
MOST_TERMS = 8
"""A sum of more terms than this is not written out."""

MOST_SENT = 8
"""In a large graph what a box sends is listed up to this many; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Arriving:
    """The upstream gradient of a step; ``terms`` are its parts where several paths meet.

    ``of`` is the derivative it is, in LaTeX; "" where there is no name to write it with.
    """

    text: str
    exact: str
    of: str
    terms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LocalRule:
    """What the op does to a gradient, in LaTeX and in words."""

    latex: str
    words: str


@dataclass(frozen=True, slots=True)
class Sent:
    """What one edge is sent, as an equation where the rule is a product."""

    edge: str
    to: str
    text: str
    exact: str


@dataclass(frozen=True, slots=True)
class Grad:
    """A leaf's ``.grad`` before and after the step, and what the step adds.

    ``brief`` is what it is after, in short lines, without the shape: it is the leaf's.
    """

    name: str
    before: str
    added: str
    after: str
    brief: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SceneStep:
    """One step of the backward pass: at an op ``rule`` and ``sent``, at a leaf ``grad``."""

    node: str
    name: str
    arriving: Arriving
    rule: LocalRule
    sent: tuple[Sent, ...]
    remark: str
    grad: Grad | None


class Teller:
    """Words the steps of one pass; ``ids`` and ``arrows`` have what is called how in the scene."""

    def __init__(
        self,
        words: Words,
        run: Pass | None,
        holder: Mapping[Vertex, Item],
        ids: Mapping[Item, str],
        arrows: Mapping[Edge, str],
    ):
        self.words = words
        self.run = run
        self.holder = holder
        self.ids = ids
        self.arrows = arrows
        large = len(words.graph.vertices) > WHOLE
        self.most = MOST_SENT if large else None
        self.into: dict[Vertex, list[Edge]] = {}
        for edge in words.graph.edges:
            if edge.kind == "gradient":
                self.into.setdefault(edge.target, []).append(edge)

    def step(self, stop: Stop | Passage) -> SceneStep:
        """The step, worded."""
        return self._passage(stop) if isinstance(stop, Passage) else self._stop(stop)

    # At an op or a leaf

    def _stop(self, stop: Stop) -> SceneStep:
        vertex = stop.vertex
        local = _rule(vertex)
        return SceneStep(
            node=self.ids[vertex],
            name=self.words.name(vertex),
            arriving=self._arriving(stop),
            rule=LocalRule(local.latex, local.words) if local else LocalRule("", ""),
            sent=tuple(self._sent(edge, g, stop, local) for edge, g in stop.sent[: self.most]),
            remark=self._remark(stop),
            grad=self._grad(stop) if vertex.kind == "leaf" else None,
        )

    def _arriving(self, stop: Stop) -> Arriving:
        terms = tuple(gradient_text(gradient) for _, gradient in stop.arrived)
        if stop.total is None:
            return Arriving("nothing", "", "", terms)
        of = self._derivative(stop.vertex)
        text = gradient_text(stop.total)
        return Arriving(text, exact_text(stop.total, stop.total.shape), of, _few(terms))

    def _derivative(self, vertex: Vertex) -> str:
        """The arriving gradient as a derivative in LaTeX, where the vertex has a name."""
        root, root_name = self.words.graph.root, self.words.root_name
        name = root_name if vertex is root else self.words.given_name(vertex)
        if not name.isidentifier() or root.value is None:
            return ""
        top = root_name if root.value.shape.numel() == 1 else "L"
        return rf"\frac{{\partial {symbol(top)}}}{{\partial {symbol(name)}}}"

    def _sent(self, edge: Edge, gradient: Tensor, stop: Stop, local: Rule | None) -> Sent:
        text = gradient_text(gradient)
        factor = _factor(local, edge)
        if factor is not None and stop.total is not None:
            product = f"{gradient_text(stop.total)} · {gradient_text(factor)}"
            if (stop.total * factor).shape != gradient.shape:
                product = f"sum of {product}"
            if len(product) + len(text) <= LONGEST_EQUATION:
                text = f"{product} = {text}"
        return Sent(
            self.arrows[edge], self._receiver(edge), text, exact_text(gradient, gradient.shape)
        )

    def _receiver(self, edge: Edge) -> str:
        """What a gradient is sent to: a vertex, and where it is drawn if that is folded."""
        item = self.holder[edge.source]
        if isinstance(item, Vertex) or item.fold is None:
            return self.words.name(edge.source)
        title = short_title(item)
        several = len(self.words.outputs[item]) > 1
        return f"{self.words.output_name(edge.source)} in {title}" if several else title

    def _remark(self, stop: Stop) -> str:
        if self.most is not None and len(stop.sent) > self.most:
            return _and_others(len(stop.sent) - self.most)
        sources = [edge.source for edge, _ in stop.sent]
        twice = next((source for source in sources if sources.count(source) > 1), None)
        if twice is not None:
            used = times(sources.count(twice))
            return f"{self.words.name(twice)} is used {used}: these will add up"
        if len(stop.arrived) > 1:
            return f"{len(stop.arrived)} paths meet here: what they bring is added"
        return ""

    # At a leaf

    def _grad(self, stop: Stop) -> Grad:
        name = f"{self.words.name(stop.vertex)}.grad"
        leaf = stop.vertex.leaf
        before, after = self._grad_around(leaf, stop.total) if leaf is not None else (None, None)
        brief = ("None",) if after is None else gradient_lines(after, shape_is_known=True)
        return Grad(name, _grad_text(before), _grad_text(stop.total), _grad_text(after), brief)

    def _grad_around(
        self, leaf: Tensor, added: Tensor | None
    ) -> tuple[Tensor | None, Tensor | None]:
        """What ``leaf.grad`` holds before and after ``added`` is accumulated."""
        if self.run is not None and self.run.remembered:
            return _around_event(recorder().grad_events(leaf), added)
        before = None if leaf.grad is None else leaf.grad.detach()
        if before is None or added is None:
            return before, before if added is None else added
        return before, before + added

    # At a folded box

    def _passage(self, passage: Passage) -> SceneStep:
        group = passage.group
        sent = [(edge, g) for edge, g in together(passage.sent) if edge is not None]
        listed = tuple(
            Sent(self.arrows[edge], self._receiver(edge), gradient_text(g), exact_text(g, g.shape))
            for edge, g in sent[: self.most]
        )
        return SceneStep(
            node=self.ids[group],
            name=self.words.title(group),
            arriving=self._arriving_at(passage),
            rule=LocalRule("", self._stands_for(group)),
            sent=listed,
            remark=self._remark_inside(passage, len(sent) - len(listed)),
            grad=None,
        )

    def _stands_for(self, group: Group) -> str:
        """What a folded box does to a gradient, in one honest sentence."""
        if group.fold is None:
            return f"{self.words.note(group)}: each adds what arrives to its .grad"
        members = set(group.ops)
        inner = [
            e for vertex in group.ops for e in self.into.get(vertex, ()) if e.source in members
        ]
        joints = len(group.ops) - 1
        chain = len(inner) == len({e.source for e in inner}) == len({e.target for e in inner})
        how = "its rule is the product of theirs"
        if not chain or len(inner) != joints:
            how = "along each path through it their rules are multiplied, and the paths add up"
        return f"stands for {counted(len(group.ops), 'op')}: {how}"

    def _arriving_at(self, passage: Passage) -> Arriving:
        sums = together(passage.arrived)
        if len(sums) == 1:
            terms = tuple(gradient_text(gradient) for _, gradient in passage.arrived)
            total = sums[0][1]
            text = gradient_text(total)
            return Arriving(text, exact_text(total, total.shape), "", _few(terms))
        each = [f"{gradient_text(g)} at {self._output(edge)}" for edge, g in sums[:MOST_SENT]]
        more = [f"{len(sums) - MOST_SENT} more"] if len(sums) > MOST_SENT else []
        return Arriving("; ".join(each + more) or "nothing", "", "", ())

    def _output(self, edge: Edge | None) -> str:
        return self.words.output_name(self.words.graph.root if edge is None else edge.source)

    def _remark_inside(self, passage: Passage, unlisted: int) -> str:
        leaves = [stop.vertex for stop in passage.inside if stop.vertex.kind == "leaf"]
        remarks = []
        if unlisted:
            remarks.append(_and_others(unlisted))
        if leaves and passage.group.fold:
            remarks.append(f"inside, {self.words.listed(leaves)} get their .grad")
        return "; ".join(remarks)


def _and_others(unlisted: int) -> str:
    return f"and {counted(unlisted, 'more gradient')} to others"


def _few(terms: tuple[str, ...]) -> tuple[str, ...]:
    """The terms of a sum, if it is one that can be written out."""
    return terms if 1 < len(terms) <= MOST_TERMS else ()


def _around_event(
    events: Sequence[GradEvent], added: Tensor | None
) -> tuple[Tensor | None, Tensor | None]:
    before = None
    for event in events:
        if event.kind == "backward" and event.added is added:
            return before, event.after
        before = event.after
    return None, added


def _rule(vertex: Vertex) -> Rule | None:
    """The local rule of an op; for one that was not recorded, what can be said of any."""
    if vertex.kind != "op":
        return None
    if vertex.op is None:
        return rule(bare(vertex.nodes[0].name()), (), {})
    arguments = tuple(_real(argument) for argument in vertex.op.args)
    named = {name: _real(argument) for name, argument in vertex.op.kwargs.items()}
    return rule(vertex.op.name, arguments, named)


def _real(argument: Any) -> Any:
    """A recorded argument as ``rules`` wants it: a tensor, or a placeholder where too large."""
    if isinstance(argument, Value):
        return argument.data if argument.complete else Unknown(argument.shape, argument.dtype)
    if isinstance(argument, tuple):
        return tuple(_real(item) for item in argument)
    return argument


def _factor(local: Rule | None, edge: Edge) -> Tensor | None:
    """What the upstream gradient is multiplied by along ``edge``, if the rule is a product."""
    if local is None or edge.place is None or edge.place >= len(local.factors):
        return None
    return local.factors[edge.place]


def _grad_text(gradient: Tensor | None) -> str:
    return "None" if gradient is None else gradient_text(gradient)
