"""What can be folded: the turns of loops, the calls of modules, long rows of ops.

The ops are put in the order they ran. In that order each turn of a loop and each call of a module
is a stretch without a gap, and only stretches are folded: every edge runs forwards in that order,
so no fold can close a cycle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal, TypeAlias

from seegrad.recording.scopes import Scope
from seegrad.structure import Structure, Vertex

LONGEST_LOOP = 6
"""A loop of more turns is drawn as its first, its last, and one box for those between."""

LONGEST_ROW = 24
"""The same for ops and modules that follow each other."""

ENDS_OF_LOOP, ENDS_OF_ROW = 2, 5
"""How many are drawn singly at either end of such a loop or row."""

BUNCH = 10
"""What lies between is gathered by tens, the tens by tens, and so on: each is a few clicks away."""


@dataclass(slots=True, eq=False)
class Fold:
    """A stretch of ops, in the order they ran, that can be drawn as one box.

    Attributes
    ----------
    kind: "module" is one call of a module; "loop" all turns of one, "turn" one of them, "turns"
        several in a row; "ops" are successive ops with nothing else in common.
    start, stop: the stretch: places in the order the ops ran.
    first, last, of: which turns, of how many; for "ops", which ops, from 1.
    module: the scope of the module that it is a call of (see ``Op``), ``()`` for none.
    parts: what it unfolds to: smaller stretches, and the places of single ops.
    """

    kind: Literal["module", "loop", "turn", "turns", "ops"]
    start: int
    stop: int
    first: int = 0
    last: int = 0
    of: int = 0
    module: Scope = ()
    parts: list[Part] = field(default_factory=list)

    @property
    def id(self) -> str:
        """A name that no other stretch of the same graph has."""
        return f"f{self.start}-{self.stop}"


Part: TypeAlias = Fold | int


def in_order(graph: Structure) -> tuple[Vertex, ...]:
    """The ops in the order they ran; where that is not to be known, some order of inputs first."""
    ops = tuple(vertex for vertex in graph.vertices if vertex.kind == "op")
    ran = tuple(sorted(ops, key=_when))
    place = {vertex: number for number, vertex in enumerate(ran)}
    # Nodes that several threads made are numbered in each.
    forwards = all(
        place[edge.source] < place[edge.target] for edge in graph.edges if edge.source.kind == "op"
    )
    return ran if forwards else ops


def _when(vertex: Vertex) -> int:
    if vertex.op is not None:
        return vertex.op.first_node
    return min(node._sequence_nr() for node in vertex.nodes)


def stretches(ran: Sequence[Vertex]) -> Fold:
    """The tree of all that can be folded: modules in modules, loops in loops, and long rows."""
    whole = Fold("ops", 0, len(ran))
    pending = [(whole, 0)]
    while pending:
        pending += _divide(*pending.pop(), ran)
    return whole


@dataclass(frozen=True, slots=True)
class _Strand:
    """A stretch that is one op, or one call of a module; ``key`` is the same when it runs again."""

    start: int
    stop: int
    key: Hashable
    module: Scope = ()


def _divide(fold: Fold, depth: int, ran: Sequence[Vertex]) -> list[tuple[Fold, int]]:
    """Find the parts of a fold within ``depth`` modules; return those to be divided in turn."""
    strands = _strands(ran, fold, depth)
    while len(strands) == 1 and strands[0].module:
        fold.module = fold.module or strands[0].module
        depth += 1
        strands = _strands(ran, fold, depth)
    row: list[Part] = []
    inner: list[tuple[Fold, int]] = []
    done = 0
    for turns in [*loops([strand.key for strand in strands]), None]:
        begin = turns[0].start if turns else len(strands)
        calls = [_call(strand) for strand in strands[done:begin]]
        inner += [(call, depth + 1) for call in calls if isinstance(call, Fold)]
        row += calls
        if turns:
            done = turns[-1].stop
            each = [_turn(strands[t.start : t.stop], n, len(turns)) for n, t in enumerate(turns, 1)]
            inner += [(turn, depth) for turn in each if isinstance(turn, Fold)]
            row.append(_loop(each))
    only = row[0] if len(row) == 1 else None
    fold.parts = only.parts if isinstance(only, Fold) else _shortened_row(row)
    return inner


def _strands(ran: Sequence[Vertex], fold: Fold, depth: int) -> list[_Strand]:
    """A fold's ops, those of one call of a module at ``depth`` joined."""
    strands = []
    seen: Counter[Hashable] = Counter()
    for call, run in groupby(
        range(fold.start, fold.stop), lambda place: _call_of(ran[place], depth)
    ):
        places = list(run)
        if call is None:
            strands += [_Strand(p, p + 1, _place_in_code(ran[p], seen)) for p in places]
        else:
            scope, _ = call
            strands.append(_Strand(places[0], places[-1] + 1, scope, scope))
    return strands


def _call_of(vertex: Vertex, depth: int) -> tuple[Scope, int] | None:
    """Which call of a module, within ``depth`` others, did this run in? ``None`` for none."""
    op = vertex.op
    return None if op is None or len(op.scope) <= depth else (op.scope[: depth + 1], op.turn)


def _place_in_code(vertex: Vertex, seen: Counter[Hashable]) -> Hashable:
    """What is the same when the same code runs again; what was not recorded stays alone.

    Of a library function's ops, of which the learner's code shows only the call, the first ``mul``
    is another place than the second.
    """
    op = vertex.op
    if op is None or op.site is None:
        return vertex
    if op.direct:
        return op.site, op.name
    seen[op.site, op.name, op.turn] += 1
    return op.site, op.name, seen[op.site, op.name, op.turn]


def _call(strand: _Strand) -> Part:
    if strand.stop - strand.start == 1:
        return strand.start
    return Fold("module", strand.start, strand.stop, module=strand.module)


def _turn(strands: Sequence[_Strand], number: int, of: int) -> Part:
    start, stop = strands[0].start, strands[-1].stop
    return start if stop - start == 1 else Fold("turn", start, stop, number, number, of)


def _loop(turns: list[Part]) -> Fold:
    count = len(turns)
    parts = turns
    if count > LONGEST_LOOP:
        numbers = [(n, n) for n in range(1, count + 1)]
        parts = _bunched(turns, numbers, "turns", count, ENDS_OF_LOOP)
    return Fold("loop", start_of(turns[0]), stop_of(turns[-1]), 1, count, count, parts=parts)


def _shortened_row(row: list[Part]) -> list[Part]:
    if len(row) <= LONGEST_ROW:
        return row
    numbers = [(start_of(part) + 1, stop_of(part)) for part in row]
    return _bunched(row, numbers, "ops", 0, ENDS_OF_ROW)


def _bunched(
    row: list[Part],
    numbers: list[tuple[int, int]],
    kind: Literal["turns", "ops"],
    of: int,
    ends: int,
) -> list[Part]:
    """The row with all but its ends in one fold; its parts have numbers from first to last."""
    middle = list(zip(row, numbers, strict=True))[ends:-ends]
    while len(middle) > 1:
        bunches = [middle[start : start + BUNCH] for start in range(0, len(middle), BUNCH)]
        middle = [bunch[0] if len(bunch) == 1 else _bunch(bunch, kind, of) for bunch in bunches]
    return [*row[:ends], middle[0][0], *row[-ends:]]


def _bunch(
    run: list[tuple[Part, tuple[int, int]]], kind: Literal["turns", "ops"], of: int
) -> tuple[Part, tuple[int, int]]:
    parts = [part for part, _ in run]
    first, last = run[0][1][0], run[-1][1][1]
    made = Fold(kind, start_of(parts[0]), stop_of(parts[-1]), first, last, of, parts=parts)
    return made, (first, last)


def loops(keys: Sequence[Hashable]) -> list[list[range]]:
    """Where do ``keys`` come again and again? For each loop, the stretches that are its turns.

    A loop lasts as long as anything in it is yet to come again; it turns where its first key does.
    Its last turn ends before the first key that no earlier turn had.

    >>> loops("xababaaby")
    [[range(1, 3), range(3, 5), range(5, 6), range(6, 8)]]
    >>> loops("abbabb"), loops("aabb")
    ([[range(0, 3), range(3, 6)]], [[range(0, 1), range(1, 2)], [range(2, 3), range(3, 4)]])
    """
    final = {key: place for place, key in enumerate(keys)}
    found: list[list[range]] = []
    begin = 0
    while begin < len(keys):
        end = begin
        place = begin
        while place <= end:
            end = max(end, final[keys[place]])
            place += 1
        if end == begin:
            begin += 1
            continue
        turns = _turns(keys, begin, end + 1)
        found.append(turns)
        begin = turns[-1].stop
    return found


def _turns(keys: Sequence[Hashable], begin: int, end: int) -> list[range]:
    starts = [place for place in range(begin, end) if keys[place] == keys[begin]]
    before = set(keys[begin : starts[-1]])
    stop = starts[-1]
    while stop < end and keys[stop] in before:
        stop += 1
    return [range(start, after) for start, after in zip(starts, [*starts[1:], stop], strict=True)]


def start_of(part: Part) -> int:
    """The place of its first op."""
    return part if isinstance(part, int) else part.start


def stop_of(part: Part) -> int:
    """The place after its last op."""
    return part + 1 if isinstance(part, int) else part.stop
