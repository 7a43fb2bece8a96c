"""What a picture of f's branches says: the one source of a branches widget's four faces.

The paths come from ``piecewise``, what was rounded from ``rounding``; every number is PyTorch's.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import floor, log10
from typing import Literal

import torch
from torch import Tensor

from seegrad import formatting
from seegrad.errors import InputError
from seegrad.functions.asking import asking, fresh, require_differentiable, require_finite
from seegrad.functions.definition import define, first_parameter
from seegrad.functions.piecewise import (
    Breakpoint,
    Choice,
    Function,
    Path,
    Question,
    Scan,
    decades,
    ray,
    scan,
    walk,
)
from seegrad.functions.rounding import Rounding, decimal, roundings
from seegrad.functions.written import Written, written
from seegrad.recording import Recorder, unrecorded
from seegrad.recording.snapshot import COMPLETE
from seegrad.recording.source import Site

REACH = (1, 2)
"""The axis begins so many powers of ten below |a|, and ends so many above."""

SUMMED_UP = 2
"""So many piecewise ops are named in the few words about a path."""

MOST_LETTERS = 60
"""A direction that takes more letters to write is described instead."""

LARGEST_POWER = 37
"""Beyond ten to this power, up or down, a float32 has no room for the axis."""


@dataclass(frozen=True, slots=True)
class CodeLine:
    """A line of f: how often it ran, and what its test answered."""

    text: str
    times: int
    note: str


@dataclass(frozen=True, slots=True)
class Number:
    """One line of the readings; ``ink`` is that of a value, of a gradient, or none."""

    term: str
    text: str
    exact: str
    ink: Literal["value", "gradient", ""]


@dataclass(frozen=True, slots=True)
class Look:
    """f at one a.

    Attributes
    ----------
    s: where a is on the axis.
    a, d, gradient: a, f(a), and the gradient of f(a)'s sum.
    quotient: d / a; ``None`` where their shapes differ.
    path: which way f went.
    rounded: the ops on the way to f(a) that rounded.
    """

    s: float
    a: Tensor
    d: Tensor
    gradient: Tensor
    quotient: Tensor | None
    path: Path
    rounded: tuple[Rounding, ...]

    @property
    def equal(self) -> bool:
        """What ``(a.grad == d / a).all()`` says."""
        return self.quotient is not None and self.quotient.equal(self.gradient)

    @property
    def close(self) -> bool:
        """What ``torch.allclose(a.grad, d / a)`` says."""
        return self.quotient is not None and torch.allclose(self.gradient, self.quotient)


class Branches:
    """f along the line through zero and a, and f at the a that is looked at."""

    def __init__(self, f: Function, a: Tensor) -> None:
        self.f = f
        self.definition = define(f)
        self.written = written(f)
        self.name = first_parameter(f, "a")
        self.result = f"f({self.name})"
        (leaf,) = fresh(a, names=(self.name,))
        self.line = ray(leaf)
        self.dtype = leaf.dtype
        self.crossed = ""
        self.look = self._look(leaf.detach())
        self.reach = _reach(self.look.s)
        self.scan, self.warning = self._scan()

    @property
    def single(self) -> bool:
        """Whether a is one number."""
        return self.line.direction.numel() == 1

    # Moving

    def move(self, s: float) -> None:
        """Look at another a; the axis follows if it has to."""
        if s - s != 0:
            raise InputError(f"{self.name} must be a finite number, and is {s}.")
        before, self.look = self.look, self._look(self.line.at(s))
        begin, end = self.reach
        if self.look.s and not 10.0**begin <= abs(self.look.s) <= 10.0**end:
            self.reach = _reach(self.look.s)
            self.scan, self.warning = self._scan()
        self.crossed = self._crossed(before)

    def _look(self, a: Tensor) -> Look:
        """Run f once, watched, and its backward pass."""
        (leaf,) = fresh(a, names=(self.name,))
        with asking(self.f, names=(self.name,)) as call:
            _, path = walk(call, self.f, a, self.name)
            watcher = Recorder()
            with watcher.record():
                d = call(leaf)
            require_differentiable(d, (self.name,))
            require_finite(d, self.result, "d", f"Choose another {self.name}.")
            return self._read(leaf, d, path, watcher)

    @unrecorded
    def _read(self, leaf: Tensor, d: Tensor, path: Path, watcher: Recorder) -> Look:
        (gradient,) = torch.autograd.grad(d, leaf, torch.ones_like(d), materialize_grads=True)
        a, value = leaf.detach(), d.detach()
        fits = value.shape == a.shape and bool(a.all())
        return Look(
            s=self.line.place(a),
            a=a,
            d=value,
            gradient=gradient,
            quotient=value / a if fits else None,
            path=path,
            rounded=tuple(roundings(watcher.value(d))),
        )

    def _scan(self) -> tuple[Scan, str]:
        """F along the axis; without it the picture has no curve, and says so."""
        begin, end = (10.0**power for power in self.reach)
        up = decades(begin, end)
        try:
            return scan(self.f, self.line, [*(-s for s in reversed(up)), *up]), ""
        except InputError as problem:
            return Scan((), ()), f"The curve is left out. {problem}"

    def _crossed(self, before: Look) -> str:
        """What changed since the last a, if the path did."""
        now = self.look
        kinks = [k for k in self.scan.kinks if _lies_between(k, before.s, now.s)]
        if before.path.same_way(now.path) and (before.path == now.path or not kinks):
            return ""
        # Towards zero there may be kinks without end.
        counted = before.s * now.s > 0 and kinks
        crossed = "Another path was taken"
        if counted:
            crossed = f"{_count(len(kinks), 'kink')} {'was' if len(kinks) == 1 else 'were'} crossed"
        slopes = f"{_text(before.gradient)} to {_text(now.gradient)}"
        return f"{crossed}: {self.slope_name} went from {slopes}."

    @property
    def pieces(self) -> list[list[tuple[float, float]]]:
        """The curve as far as the axis goes: a kink at zero has its floats far inside the gap."""
        low, high = (10.0**power for power in self.reach)
        within = [
            [point for point in piece if 0.99 * low <= abs(point[0]) <= 1.01 * high]
            for piece in self.scan.pieces
        ]
        return [piece for piece in within if piece]

    # In words

    @property
    def slope_name(self) -> str:
        """What the derivative is called."""
        return f"f'({self.name})" if self.single else f"{self.name}.grad"

    @property
    def place_name(self) -> str:
        """What the axis is called."""
        if self.single:
            return self.name
        direction = formatting.array(self.line.direction, limit=4)
        if len(direction) > MOST_LETTERS:
            direction = f"a {formatting.shape(self.line.direction.shape)} of length 1"
        return f"s, where {self.name} = s · {direction}"

    def code(self) -> list[CodeLine]:
        """F's lines, with how often each ran and what its test answered."""
        function, path = self.written, self.look.path
        if function is None:
            return [CodeLine(line, 0, "") for line in self.definition.lines]
        notes: dict[int, list[str]] = {}
        for question in path.questions:
            if function.holds(question.site):
                notes.setdefault(question.site.line, []).append(_answered(function, question))
        for choice in self.choices():
            if function.holds(choice.site):
                notes.setdefault(choice.site.line, []).append(f"{choice.op}: {choice.told}")
        for line, turns in _for_turns(function, path):
            notes.setdefault(line, []).append(_turns(turns))
        first = function.first_line
        return [
            CodeLine(text, self._times(number, number == first), ", ".join(notes.get(number, [])))
            for number, text in enumerate(function.lines(), first)
        ]

    def _times(self, line: int, first: bool) -> int:
        """How often a line ran; the ``def`` itself did not."""
        own = self.written is not None and isinstance(self.written.node, ast.FunctionDef)
        return 0 if own and first else self.look.path.lines.get(line, 0)

    def decisions(self) -> list[str]:
        """Each question that was asked, with its answers, and each piece that an op was on."""
        path = self.look.path
        told = [_answered(self.written, q) if self.written else q.told for q in path.questions]
        told += [choice.told for choice in self.choices()]
        decisions: list[Question | Choice] = [*path.questions, *self.choices()]
        return [
            f"line {decision.site.line}, {decision.asked}: {words}"
            for decision, words in zip(decisions, told, strict=True)
        ]

    def choices(self) -> list[Choice]:
        """The pieces that ops are on, as far as they make a kink somewhere on the axis."""
        telling = frozenset[tuple[Site, str]]().union(*(kink.ops for kink in self.scan.kinks))
        return [c for c in self.look.path.choices if (c.site, c.op) in telling]

    def summary(self) -> str:
        """The path in a few words: ``23 turns · b.sum() > 0 is False``."""
        parts = []
        for question in self.look.path.questions:
            if _is_loop(self.written, question):
                parts.append(_turns(sum(question.answers)))
            elif len(question.answers) == 1:
                parts.append(f"{question.site.text} is {question.answers[0]}")
            else:
                parts.append(f"{question.site.text}: {question.told}")
        ops = self.choices()
        parts += [f"{choice.op}: {choice.told}" for choice in ops[:SUMMED_UP]]
        return " · ".join(parts + (["…"] if len(ops) > SUMMED_UP else [])) or "no decision"

    def why(self) -> str:
        """Why is ``a.grad == d / a`` what it is?"""
        look, x = self.look, self.name
        if look.quotient is None:
            if look.d.shape != look.a.shape:
                shapes = f"{self.result} {_shaped(look.d)} and {x} {_shaped(look.a)}"
                return f"{shapes}: there is no one quotient d / {x}."
            return f"{x} has a zero in it, so d / {x} is not defined there."
        if look.equal:
            return self._why_equal()
        place = int((look.gradient != look.quotient).flatten().nonzero()[0])
        slope, quotient = (t.flatten()[place].item() for t in (look.gradient, look.quotient))
        if not look.close:
            return (
                f"{self.slope_name} is {decimal(slope)} and d / {x} is {decimal(quotient)}: here f "
                f"is not k · {x}, so its slope is not f({x}) / {x}."
            )
        return " ".join(self._why_unequal(slope, quotient, place))

    def _why_equal(self) -> str:
        both = f"Both are exactly {_exact(self.look.gradient)}."
        if not self.look.rounded:
            return f"{both} No op on this path rounded."
        return f"{both} {_told(self.look.rounded[0])}, but d / {self.name} rounds back."

    def _why_unequal(self, slope: float, quotient: float, place: int) -> Iterator[str]:
        look, x = self.look, self.name
        a, d = (Fraction(t.flatten()[place].item()) for t in (look.a, look.d))
        dtype = _dtype(look.a)
        yield f"{x}.grad is exactly {decimal(slope)}, and d / {x} is {decimal(quotient)}."
        if look.rounded:
            yield f"{_told(look.rounded[0])}, so d is not exactly k · {x}:"
        yield (
            f"d / {x} is {decimal(d / a)}, of which {dtype} keeps {decimal(quotient)}. "
            f"The two differ by {formatting.number(abs(quotient - slope))}, one part in "
            f"{formatting.number(abs(slope / (quotient - slope)))}; torch.allclose lets one "
            "in 1e+05 pass."
        )

    def numbers(self) -> list[Number]:
        """What is read off at this a."""
        look, x, single = self.look, self.name, self.single
        d = f"{self.result} = d"
        rows = [] if single else [Number(x, _text(look.a), _exact(look.a), "value")]
        rows.append(Number(d, _text(look.d), _exact(look.d), "value"))
        if look.quotient is not None:
            k = f"k = d / {x}"
            rows.append(Number(k, _text(look.quotient), _exact(look.quotient), "value"))
        rows.append(
            Number(self.slope_name, _text(look.gradient), _exact(look.gradient), "gradient")
        )
        if look.quotient is not None:
            rows.append(Number(f"{x}.grad == d / {x}", str(look.equal), "", ""))
            rows.append(Number(f"torch.allclose({x}.grad, d / {x})", str(look.close), "", ""))
        return rows

    def kinks_told(self) -> list[str]:
        """How many kinks there are on the axis, and the nearest on each side of a."""
        begin, end = (f"1e{power:+03d}" for power in self.reach)
        below = sum(kink.above <= 0 for kink in self.scan.kinks)
        above = len(self.scan.kinks) - below
        size = f"|{self.name}|" if self.single else "|s|"
        told = [f"kinks with {size} from {begin} to {end}: {below} below zero, {above} above"]
        lower = [k for k in self.scan.kinks if k.above <= self.look.s]
        upper = [k for k in self.scan.kinks if k.below >= self.look.s]
        told += [f"  next below: {_kink(k)}" for k in lower[-1:]]
        return told + [f"  next above: {_kink(k)}" for k in upper[:1]]

    def listing(self) -> str:
        """Plain PyTorch that prints d, the gradient and the comparison."""
        look, x = self.look, self.name
        values = formatting.exact(look.a, limit=COMPLETE)
        if look.a.numel() > COMPLETE:
            values = f"torch.ones{tuple(look.a.shape)}  # too large to write out: put your own here"
        out = ["import torch", "from torch import tensor", "", *self.definition.script, ""]
        out += [f"{x} = {values}.requires_grad_()", f"d = {self.definition.name}({x})"]
        out += ["d.backward(torch.ones_like(d))", "print(d.detach())", f"print({x}.grad)"]
        if look.quotient is not None:
            out += [f"print((d / {x}).detach(), {x}.grad == d / {x})"]
            out += [f"print(torch.allclose({x}.grad, d / {x}))"]
        return "\n".join(out) + "\n"


def _reach(s: float) -> tuple[int, int]:
    """The powers of ten that the axis goes from and to."""
    power = floor(log10(abs(s)) + 1e-6) if s else 0  # the float32 of 1e-5 is a little less
    begin = max(-LARGEST_POWER, min(power - REACH[0], LARGEST_POWER - sum(REACH)))
    return begin, begin + sum(REACH)


def _lies_between(kink: Breakpoint, one: float, other: float) -> bool:
    low, high = min(one, other), max(one, other)
    return low <= kink.below and kink.above <= high


def _kink(kink: Breakpoint) -> str:
    return f"between {decimal(kink.below)} and {decimal(kink.above)}, {kink.change}"


def _told(rounding: Rounding) -> str:
    """``100 * b is -151254.99267578125, of which float32 keeps -151255``."""
    turn = f" in turn {rounding.op.turn}" if rounding.op.turn > 1 else ""
    return (
        f"{rounding.op.text}{turn} is {decimal(rounding.exact)}, of which the tensor keeps "
        f"{decimal(rounding.stored)}"
    )


def _answered(function: Written | None, question: Question) -> str:
    """The answers; of a loop's test, the turns they make."""
    *turns, last = question.answers
    if not _is_loop(function, question):
        return question.told
    if all(turns):
        return f"{_turns(len(turns))}, then False" if not last else _turns(len(turns) + 1)
    return f"{question.told}: {_turns(sum(question.answers))}"


def _turns(count: int) -> str:
    return _count(count, "turn")


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _is_loop(function: Written | None, question: Question) -> bool:
    """Is this question the whole test of a ``while``?"""
    if function is None or not function.holds(question.site):
        return False
    test = function.file.at(question.site)
    return any(
        isinstance(node, ast.While) and node.test is test for node in ast.walk(function.node)
    )


def _for_turns(function: Written, path: Path) -> Iterator[tuple[int, int]]:
    """For each ``for`` that was reached: its line, and how often its body ran."""
    for node in ast.walk(function.node):
        if isinstance(node, ast.For) and node.lineno in path.lines:
            yield node.lineno, path.lines.get(node.body[0].lineno, 0)


def _shaped(tensor: Tensor) -> str:
    return f"has shape {formatting.shape(tensor.shape)}" if tensor.dim() else "is one number"


def _text(tensor: Tensor) -> str:
    return formatting.array(tensor, limit=4)


def _exact(tensor: Tensor) -> str:
    if tensor.numel() == 1:
        return decimal(tensor.item())
    return formatting.exact(tensor, limit=4)


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
