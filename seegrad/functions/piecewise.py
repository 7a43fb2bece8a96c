"""Which way a function goes through its own code, and where along a line that way changes.

``walk`` runs f once and writes down its *path*: the lines that ran, each yes or no that Python
asked a tensor for, and the piece that each piecewise op was on (``relu``, ``abs``, ``where``: see
``rules.pieces``). Between two kinks the path is one and the same, so a kink is found by bisection
on paths, down to two neighbouring floats.

An op may change its piece where f does not notice: in a test, under ``detach``, or in
``relu(a)**2``, whose slope has no jump. So where nothing but pieces changes, f and its slope on
both sides decide: it is a kink if one of them jumps by more than rounding can.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, pairwise
from math import log10
from types import CodeType, FrameType
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from seegrad import formatting
from seegrad.errors import InputError
from seegrad.functions.asking import asking, fresh
from seegrad.recording import unrecorded
from seegrad.recording.source import Site, Span, site, user_frame
from seegrad.rules.pieces import Piece, piece

Function = Callable[[Tensor], Any]

TURNS = 2_000
"""So often one place may ask its question in one run of f; then the loop is stopped."""

PIECES_KEPT = 10_000
"""So many calls of piecewise ops are written down in one run of f."""

SAMPLES = 40
"""So many values of a are tried on each side of zero before bisection."""

SCAN_LIMIT = 10.0
"""Seconds that following f along a range may take."""

MOST = 200
"""So many kinks are looked for in a range."""

JUMP = 64
"""A jump is a difference between neighbouring floats of so many eps of the values around: a smooth
f changes there by about one."""

NEAREST = 1e-6
"""In a range with zero in it, values are tried down to this fraction of its larger end."""


class EndlessError(InputError):
    """A loop of f was stopped: its test was asked ``TURNS`` times."""


@dataclass(frozen=True, slots=True)
class Question:
    """One place where Python asked a tensor for yes or no, and the answers in their order."""

    site: Site
    answers: tuple[bool, ...]

    @property
    def asked(self) -> str:
        """What was asked, as the learner wrote it."""
        return self.site.text

    @property
    def told(self) -> str:
        """The answers in words: ``True 23 times, then False``."""
        return _runs([str(answer) for answer in self.answers])


@dataclass(frozen=True, slots=True)
class Choice:
    """One place where f calls a piecewise op, and the piece it was on in each call."""

    site: Site
    op: str
    pieces: tuple[Piece, ...]

    @property
    def asked(self) -> str:
        """The call, as the learner wrote it; the op's name, if that is not at hand."""
        return self.site.text or self.op

    @property
    def told(self) -> str:
        """The pieces in words: ``input > 0 3 times, then input <= 0``."""
        return _runs([piece.told for piece in self.pieces])


def _runs(words: Sequence[str]) -> str:
    counted = [(word, len(list(same))) for word, same in groupby(words)]
    runs = [f"{word}{'' if count == 1 else f' {count} times'}" for word, count in counted]
    return ", then ".join(runs[:4] + (["…"] if len(runs) > 4 else []))


@dataclass(frozen=True, slots=True)
class Path:
    """What f did on its way.

    ``questions`` and ``choices`` stand in the order they were first met; ``lines`` says how often
    each line of f's own code ran, by its number in the file.
    """

    questions: tuple[Question, ...]
    choices: tuple[Choice, ...]
    lines: Mapping[int, int]

    def same_way(self, other: Path) -> bool:
        """Did Python do the same, whatever the ops chose: the same answers, the same lines?

        Lines count where both runs have them.
        """
        counted = bool(self.lines) and bool(other.lines)
        same_lines = not counted or list(self.lines.items()) == list(other.lines.items())
        return self.questions == other.questions and same_lines

    @property
    def decisions(self) -> tuple[Question | Choice, ...]:
        """The questions, then the choices."""
        return *self.questions, *self.choices

    @property
    def decided(self) -> tuple[Any, ...]:
        """All that was decided: what Python asked, and what the ops chose."""
        return self.questions, self.choices


@dataclass(frozen=True, slots=True)
class Breakpoint:
    """A kink: ``below`` and ``above`` are neighbouring floats, and take different paths."""

    below: float
    above: float
    before: Path
    after: Path

    @property
    def ops(self) -> frozenset[tuple[Site, str]]:
        """The ops whose piece makes the kink: none, if f takes another way through its code."""
        if not self.before.same_way(self.after):
            return frozenset()
        pairs = zip(self.before.choices, self.after.choices, strict=False)
        return frozenset((one.site, one.op) for one, other in pairs if one != other)

    @property
    def change(self) -> str:
        """What is decided differently: ``b.norm() < 1000: True 22 times, then False, …``."""
        after = {(d.site, d.asked): d for d in self.after.decisions}
        for decision in self.before.decisions:
            other = after.get((decision.site, decision.asked))
            if other != decision:
                told = "not asked" if other is None else other.told
                return f"{decision.asked}: {decision.told} below, {told} above"
        return "other lines run"


@dataclass(frozen=True, slots=True)
class Scan:
    """f along a range: pieces of its curve, each with one path, and the kinks between them."""

    pieces: tuple[tuple[tuple[float, float], ...], ...]
    kinks: tuple[Breakpoint, ...]


@dataclass(frozen=True, slots=True)
class Ray:
    """The line that a moves along: a = s · direction. For a number, s is a itself."""

    direction: Tensor

    @unrecorded
    def at(self, s: float) -> Tensor:
        """The a that stands at s."""
        return self.direction * s

    def place(self, a: Tensor) -> float:
        """The s that a stands at."""
        return float(a.item()) if a.numel() == 1 else _length(a)


@unrecorded
def ray(a: Tensor) -> Ray:
    """The line through zero and a.

    >>> ray(torch.tensor([3.0, 4.0])).direction
    tensor([0.6000, 0.8000])
    >>> ray(torch.tensor([3e30, 4e30])).direction
    tensor([0.6000, 0.8000])
    """
    a = a.detach()
    size = _length(a)
    return Ray(
        torch.ones_like(a) if a.numel() == 1 or not size else (a.double() / size).to(a.dtype)
    )


def _length(a: Tensor) -> float:
    """The Euclidean length, also where the squares of a's dtype would end in 0 or infinity."""
    size = float(a.norm().item())
    return size if 0 < size < float("inf") else float(a.double().norm().item())


# One run


class _Walk(TorchFunctionMode):
    """Writes down the decisions of one run, and stops a loop that has turned too often."""

    def __init__(self, code: CodeType | None, name: str, a: Tensor) -> None:
        super().__init__()
        self.code = code
        self.told_a = f"f({formatting.array(a.detach())})"
        self.name = name
        self.decisions: list[tuple[tuple[CodeType, int], bool]] = []
        self.count: Counter[tuple[CodeType, int]] = Counter()
        self.pieces: list[tuple[tuple[CodeType, int], Piece]] = []
        self.lines: Counter[int] = Counter()
        self.seen: dict[str, Tensor] = {}

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Any = None,
    ) -> Any:
        if func is not Tensor.__bool__:
            with torch._C.DisableTorchFunction():
                # Before the call: an op in place takes its input away.
                if found := piece(getattr(func, "__name__", ""), args, kwargs or {}):
                    self._choose(found)
                return func(*args, **(kwargs or {}))
        decision = func(*args)  # seen by the time limit as well
        frame, _ = user_frame()
        if frame is not None:
            self._note(frame, decision)
        return decision

    def _choose(self, found: Piece) -> None:
        frame, _ = user_frame()
        if frame is not None and len(self.pieces) < PIECES_KEPT:
            self.pieces.append(((frame.f_code, frame.f_lasti), found))

    def _note(self, frame: FrameType, decision: bool) -> None:
        place = (frame.f_code, frame.f_lasti)
        self.decisions.append((place, decision))
        self.count[place] += 1
        if self.count[place] >= TURNS:
            self._stop(frame, place, decision)

    @unrecorded
    def _stop(self, frame: FrameType, place: tuple[CodeType, int], decision: bool) -> None:
        """Let the loop turn once more, to see what it changes; then end it."""
        test = site(*place).text
        now = _tensors(test, frame)
        if self.count[place] == TURNS:
            self.seen = {name: tensor.detach().clone() for name, tensor in now.items()}
            return
        still = [n for n, tensor in now.items() if n in self.seen and tensor.equal(self.seen[n])]
        why = (
            f"{still[0]} is {formatting.array(now[still[0]])}, and a turn leaves it so, "
            "so the answer can never change."
            if still
            else "Does it ever change?"
        )
        raise EndlessError(
            f"{self.told_a} was stopped after {TURNS:,} turns: {test} was still {decision}. {why} "
            f"Choose another {self.name}."
        )

    def trace(self, frame: FrameType, event: str, _argument: Any) -> Any:
        """Count the lines of f's own code; what ``sys.settrace`` calls."""
        if frame.f_code is not self.code:
            return None
        if event == "line":
            self.lines[frame.f_lineno] += 1
        return self.trace

    def path(self) -> Path:
        """What was seen."""
        answers: dict[Site, list[bool]] = {}
        for place, decision in self.decisions:
            answers.setdefault(_asked_at(*place), []).append(decision)
        pieces: dict[tuple[Site, str], list[Piece]] = {}
        for place, taken in self.pieces:
            pieces.setdefault((_asked_at(*place), taken.op), []).append(taken)
        questions = tuple(Question(here, tuple(said)) for here, said in answers.items())
        choices = tuple(Choice(here, op, tuple(taken)) for (here, op), taken in pieces.items())
        return Path(questions, choices, dict(self.lines))


def _asked_at(code: CodeType, instruction: int) -> Site:
    """The place of a question, one and the same each time."""
    # Code is equal to the same code in another file.
    return _found(code.co_filename, code, instruction)


@lru_cache(maxsize=1024)
def _found(filename: str, code: CodeType, instruction: int) -> Site:
    here = site(code, instruction)
    return _only(filename, here.function, here.line, here.span)


@lru_cache(maxsize=1024)
def _only(filename: str, function: str, line: int, span: Span | None) -> Site:
    """The one place with this span: a ``while`` test is compiled twice."""
    return Site(filename, function, line, span)


def _tensors(expression: str, frame: FrameType) -> dict[str, Tensor]:
    """The tensors that an expression names, by name."""
    try:
        tree = ast.parse(expression, mode="eval")
    except SyntaxError:
        return {}
    names = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
    found = {name: frame.f_locals.get(name) for name in names}
    return {name: thing for name, thing in found.items() if isinstance(thing, Tensor)}


@contextmanager
def _traced(walk_: _Walk) -> Iterator[None]:
    """Count lines as well; a debugger's own trace is put back."""
    before = sys.gettrace()
    sys.settrace(walk_.trace)
    try:
        yield
    finally:
        sys.settrace(before)


def walk(
    call: Function, f: Function, a: Tensor, name: str = "a", lines: bool = True
) -> tuple[Tensor, Path]:
    """Run ``call`` (f, or a stand-in for it) at a: what it returns, and f's path.

    To count ``lines`` too takes twice as long.

    Raises
    ------
    EndlessError: one place asked its question ``TURNS`` times.

    >>> def f(a):
    ...     while a < 100:
    ...         a = a * 2
    ...     return a
    >>> f_at_3, path = walk(f, f, torch.tensor(3.0))
    >>> f_at_3.item(), path.questions[0].told
    (192.0, 'True 6 times, then False')
    """
    step = _Walk(getattr(f, "__code__", None), name, a)
    with _traced(step) if lines else nullcontext(), step:
        output = call(a)
    return output, step.path()


# Along a range


def breakpoints(
    f: Function, low: float, high: float, dtype: torch.dtype = torch.float32
) -> tuple[Breakpoint, ...]:
    """Where between two numbers does f take another path through its code? In ascending order.

    Values are tried on a logarithmic scale on each side of zero; between two that differ, bisection
    goes down to neighbouring floats. Two kinks closer than the values tried may go unseen.

    Parameters
    ----------
    f: a function of one number, a tensor without dimensions.
    low, high: the range; with zero in it, values are tried down to ``NEAREST`` of its larger end.
    dtype: the floats that are neighbours.

    Raises
    ------
    InputError: the range is empty or not finite, or f cannot be used or takes too long.

    >>> f = lambda a: a if a > 0 else 100 * a
    >>> [(kink.below, kink.above > 0) for kink in breakpoints(f, -1.0, 1.0)]
    [(0.0, True)]
    """
    if not low < high or high - low == float("inf"):
        raise InputError(f"low must be less than high, both finite, and they are {low} and {high}.")
    return scan(f, Ray(torch.ones((), dtype=dtype)), _grid(low, high)).kinks


def _grid(low: float, high: float) -> list[float]:
    """Values to try, logarithmic on each side of zero."""
    least = NEAREST * max(abs(low), abs(high))
    sides = []
    if low < 0:
        sides.append([-s for s in reversed(decades(max(-high, least), -low))])
    if high > 0:
        sides.append(decades(max(low, least), high))
    return [s for side in sides for s in side]


def decades(low: float, high: float) -> list[float]:
    """``SAMPLES`` values from low to high, in equal ratios."""
    begin, end = log10(low), log10(high)
    inner = [10 ** (begin + (end - begin) * i / (SAMPLES - 1)) for i in range(1, SAMPLES - 1)]
    return [low, *inner, high]


def scan(f: Function, line: Ray, grid: Sequence[float]) -> Scan:
    """Follow f along a line, through the values of a grid and every kink between them."""
    fresh(line.direction)
    with asking(f, SCAN_LIMIT) as call:
        finder = _Finder(f, call, line)
        tried = [place for s in grid if (place := finder.at(_float(line, s))) is not None]
        kinks = finder.kinks(tried)
    ends = [place for kink in kinks for place in (kink.below, kink.above)]
    points = sorted({place.s: place for place in (*tried, *map(finder.known.__getitem__, ends))
                     if place is not None}.values())  # fmt: skip
    return Scan(tuple(_pieces(points)), tuple(kinks))


def _float(line: Ray, s: float) -> float:
    """The nearest s that the line's dtype can hold."""
    return float(torch.tensor(s, dtype=line.direction.dtype).item())


@dataclass(frozen=True, slots=True, order=True)
class _Place:
    """f at one s."""

    s: float
    value: float
    path: Path


class _Finder:
    """Runs f at places of a line, each once, and finds where its path changes."""

    def __init__(self, f: Function, call: Function, line: Ray) -> None:
        self.f, self.call, self.line = f, call, line
        self.known: dict[float, _Place | None] = {}

    def at(self, s: float, lines: bool = True) -> _Place | None:
        """F at s; ``None`` where it cannot be used."""
        if s not in self.known:
            self.known[s] = self._run(s, lines)
        return self.known[s]

    def _run(self, s: float, lines: bool) -> _Place | None:
        try:
            output, path = walk(self.call, self.f, self.line.at(s), lines=lines)
        except InputError:
            return None
        with torch._C.DisableTorchFunction():
            value = float(output.detach().sum().item())
        return _Place(s, value, path) if value - value == 0 else None

    def kinks(self, tried: Sequence[_Place]) -> list[Breakpoint]:
        """The kinks between places, in ascending order."""
        dtype = self.line.direction.dtype
        found: list[Breakpoint] = []
        # With each pair goes the pair of places that were tried, for the size of things there.
        pending = [(pair, pair) for pair in pairwise(tried) if _differ(*pair)]
        while pending and len(found) < MOST:
            (low, high), around = pending.pop()
            middle = _between(low.s, high.s, dtype)
            if middle in (low.s, high.s):
                if not low.path.same_way(high.path) or self._jumps(low, high, around):
                    found.append(Breakpoint(low.s, high.s, low.path, high.path))
                continue
            # Where the decisions tell the two apart, lines need not be counted.
            alike = low.path.decided == high.path.decided
            place = self.at(middle, lines=alike)
            if place is not None:
                halves = ((low, place), (place, high))
                pending += [(half, around) for half in halves if _differ(*half)]
        return sorted(found, key=lambda kink: kink.below)

    def _jumps(self, low: _Place, high: _Place, around: tuple[_Place, _Place]) -> bool:
        """Does f or its slope jump between neighbours, measured by those of the places around?

        Slopes are taken one float further out: at the border itself an op may have any.
        """
        eps = torch.finfo(self.line.direction.dtype).eps
        values = abs(high.value - low.value), *(abs(place.value) for place in around)
        dtype = self.line.direction.dtype
        near = [self._slope(_next(low.s, -1, dtype)), self._slope(_next(high.s, 1, dtype))]
        slopes = abs(near[1] - near[0]), *(abs(self._slope(place.s)) for place in around)
        return any(jump > JUMP * eps * max(*sizes, jump) for jump, *sizes in (values, slopes))

    def _slope(self, s: float) -> float:
        """The derivative of f's sum by s; NaN where there is none."""
        try:
            (leaf,) = fresh(self.line.at(s))
            output = self.call(leaf)
        except InputError:
            return float("nan")
        if not output.requires_grad:
            return 0.0
        with torch._C.DisableTorchFunction(), torch.enable_grad():
            (gradient,) = torch.autograd.grad(output.sum(), leaf, materialize_grads=True)
            return float((gradient * self.line.direction).sum().item())


def _differ(one: _Place, other: _Place) -> bool:
    return one.path.choices != other.path.choices or not one.path.same_way(other.path)


@unrecorded
def _between(low: float, high: float, dtype: torch.dtype) -> float:
    """The float half way between two, counted in floats; ``low`` if they are neighbours."""
    return _ranked((_rank(low, dtype) + _rank(high, dtype)) // 2, dtype)


@unrecorded
def _next(s: float, step: int, dtype: torch.dtype) -> float:
    """The neighbour above or below."""
    return _ranked(_rank(s, dtype) + step, dtype)


_BITS = {8: torch.int64, 4: torch.int32, 2: torch.int16}


def _rank(value: float, dtype: torch.dtype) -> int:
    """How many floats lie between zero and this one: an order without gaps."""
    magnitude = int(torch.tensor(abs(value), dtype=dtype).view(_BITS[dtype.itemsize]).item())
    return -magnitude if value < 0 else magnitude


def _ranked(rank: int, dtype: torch.dtype) -> float:
    """The float of this rank."""
    bits = _BITS[dtype.itemsize]
    magnitude = torch.tensor(abs(rank), dtype=bits).view(dtype).item()
    return float(-magnitude if rank < 0 else magnitude)


def _pieces(places: Sequence[_Place]) -> Iterator[tuple[tuple[float, float], ...]]:
    """The curve, cut where its path changes and at zero, where a logarithmic axis breaks."""
    for _, same in groupby(places, key=lambda place: (place.s > 0, place.path.decided)):
        yield tuple((place.s, place.value) for place in same)
