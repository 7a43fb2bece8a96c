"""A layout too wide for a page, broken into lines like a paragraph: each reads left to right.

A line ends between two columns. A link that goes on in the next line leaves at the right, turns
back in the gutter between the lines, and comes in at the left; those that do so together run in
parallel tracks that never cross. Leaves and constants of a line's last column go to the next line,
where their users are: there they keep their column, and what came in from the left passes them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from math import inf

from seegrad.drawing.layout import Box, Layout, Link, Point

TRACK = 9.0  # between two links that turn back side by side
TURN = 16.0  # between the end of a line and the nearest of them
MOST_TRACKS = 12  # a thicker bundle would be followed by nobody: there the line goes on
GUTTER = 18.0  # between a line's lowest or highest thing and the nearest of them
_CLOSE = 1e-6

# What breaks a layout well, in units of the cost of one more line: few lines, few links broken, and
# lines of much the same width. A line wider than the page is to be avoided at almost any cost.
_TOO_WIDE, _BROKEN_LINK, _UNEVEN = 20.0, 0.06, 0.5


def broken(plan: Layout, boxes: Sequence[Box], links: Sequence[Link], page: float) -> Layout:
    """The layout in lines no wider than a page of so many pixels, as far as that can be.

    ``boxes`` and ``links`` are those that the plan was made of. The columns of the result are those
    of the plan.

    >>> from seegrad.drawing.layout import layout
    >>> boxes, links = [Box(60, 50)] * 3, [Link(0, 1), Link(1, 2)]
    >>> plan = broken(layout(boxes, links), boxes, links, page=200)
    >>> plan.corners
    ((0.0, 0.0), (96.0, 0.0), (52.0, 86.0))
    >>> plan.routes[1]
    ((156.0, 25.0), (172.0, 25.0), (172.0, 68.0), (0.0, 68.0), (0.0, 111.0), (16.0, 111.0), \
(52.0, 111.0))
    """
    if plan.width <= page:
        return plan
    return _Breaker(plan, boxes, links).broken(page)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line: its last column, its top and bottom in the plan, and by how much it is moved."""

    last: int
    top: float
    bottom: float
    dx: float
    dy: float


@dataclass(frozen=True, slots=True)
class _Piece:
    """What of a link is in one line, in the coordinates of the plan."""

    line: int
    points: list[Point]


class _Breaker:
    """Breaks one layout; used once."""

    def __init__(self, plan: Layout, boxes: Sequence[Box], links: Sequence[Link]):
        self.plan, self.boxes, self.links = plan, boxes, links
        self.lefts = [left for left, _ in plan.columns]
        self.rights = [right for _, right in plan.columns]
        self.column = [bisect_right(self.lefts, x + _CLOSE) - 1 for x, _ in plan.corners]
        used = {link.target for link in links}
        self.is_source = [box not in used for box in range(len(boxes))]
        self.sources, self.others = [0] * len(self.rights), [0] * len(self.rights)
        for column, is_source in zip(self.column, self.is_source, strict=True):
            (self.sources if is_source else self.others)[column] += 1
        self.crossing = self._crossing()

    def _crossing(self) -> list[int]:
        """How many links go on in the next line if one ends with this column."""
        change = [0] * (len(self.rights) + 1)
        for link in self.links:
            change[self.column[link.source] + self.is_source[link.source]] += 1
            change[self.column[link.target]] -= 1
        return [*accumulate(change[:-1])]

    def broken(self, page: float) -> Layout:
        plan, ends = self.plan, self._ends(page)
        lines = [bisect_left(ends, column) for column in self.column]
        # What is in the last line has its users there too.
        self.line_of = [
            line + (is_source and column == ends[line] and line + 1 < len(ends))
            for line, column, is_source in zip(lines, self.column, self.is_source, strict=True)
        ]
        pieces = [self._pieces(number, ends) for number in range(len(self.links))]
        self.tracks = self._tracks(pieces, len(ends))
        self.lines = self._lines(pieces, ends)
        corners = [
            self._moved(*place) for place in zip(self.plan.corners, self.line_of, strict=True)
        ]
        labels = [
            self._moved(place, self.line_of[link.target])
            for place, link in zip(plan.labels, self.links, strict=True)
        ]
        routes = [self._route(number, its) for number, its in enumerate(pieces)]
        width = max(self.rights[line.last] + line.dx + self._room(line.last) for line in self.lines)
        height = self.lines[-1].bottom + self.lines[-1].dy
        return Layout(tuple(corners), tuple(routes), tuple(labels), width, height, plan.columns)

    # Where to break

    def _ends(self, page: float) -> list[int]:
        """The last column of each line, by dynamic programming over the columns."""
        costs, first_of = {0: 0.0}, dict[int, int]()  # by the first column, by the last
        for last in range(len(self.rights)):
            if not self._may_end(last):
                continue
            best = inf
            for first in reversed(costs):
                width = self._width(first, last)
                if width > page and best < inf:
                    break
                cost = costs[first] + self._cost(width / page, last)
                if cost < best:
                    best, first_of[last] = cost, first
            costs[last + 1] = best
        ends = [len(self.rights) - 1]
        while first := first_of[ends[-1]]:
            ends.append(first - 1)
        return ends[::-1]

    def _may_end(self, last: int) -> bool:
        """A line may end with this column if few links go on, but not if all in it does."""
        if last + 1 == len(self.rights):
            return True
        return bool(self.others[last]) and self.crossing[last] <= MOST_TRACKS

    def _cost(self, width: float, last: int) -> float:
        """What a line costs that takes so much of a page, and ends with this column."""
        unused, beyond = max(0.0, 1 - width), max(0.0, width - 1)
        return (
            1 + _TOO_WIDE * beyond + _BROKEN_LINK * self.crossing[last] ** 2 + _UNEVEN * unused**2
        )

    def _width(self, first: int, last: int) -> float:
        inner = self.rights[last] - self._start(first)
        return self._room(first - 1) + inner + self._room(last)

    def _start(self, first: int) -> float:
        """Where a line begins: with the sources that the line before left to it, if there are."""
        if not first:
            return 0.0
        return (self.lefts if self.sources[first - 1] else self.rights)[first - 1]

    def _room(self, column: int) -> float:
        """The room that links need to turn after this column, or to come in after it."""
        crossing = self.crossing[column] if 0 <= column < len(self.rights) - 1 else 0
        return TURN + (crossing - 1) * TRACK if crossing else 0.0

    # The pieces of links

    def _pieces(self, number: int, ends: list[int]) -> list[_Piece]:
        """A link cut where its line ends: it is level there, for it bends between columns only."""
        link, points = self.links[number], self.plan.routes[number]
        pieces, done = [_Piece(self.line_of[link.source], [points[0]])], 1
        for line in range(self.line_of[link.source], self.line_of[link.target]):
            edge, start = self.rights[ends[line]], self._start(ends[line] + 1)
            here = pieces[-1].points
            while points[done][0] <= edge + _CLOSE:
                here.append(points[done])
                done += 1
            level = here[-1][1]
            here.append((edge, level))
            pieces.append(_Piece(line + 1, [(start, level), (edge, level)]))
        pieces[-1].points.extend(points[done:])
        return pieces

    def _tracks(self, pieces: list[list[_Piece]], count: int) -> list[dict[int, int]]:
        """After each line, which track each link takes; the topmost takes the last."""
        levels: list[dict[int, float]] = [{} for _ in range(count)]
        for number, its in enumerate(pieces):
            for piece in its[:-1]:
                levels[piece.line][number] = piece.points[-1][1]
        ordered = [sorted(level, key=level.__getitem__, reverse=True) for level in levels]
        return [{number: track for track, number in enumerate(links)} for links in ordered]

    # Where the lines stand

    def _lines(self, pieces: list[list[_Piece]], ends: list[int]) -> list[_Line]:
        lines: list[_Line] = []
        first, y = 0, 0.0
        reach = self._reach(pieces, len(ends))
        for end, (top, bottom), tracks in zip(ends, reach, self.tracks, strict=True):
            dx = self._room(first - 1) - self._start(first)
            lines.append(_Line(end, top, bottom, dx, y - top))
            y += bottom - top + 2 * GUTTER + (len(tracks) - 1) * TRACK
            first = end + 1
        return lines

    def _reach(self, pieces: list[list[_Piece]], count: int) -> list[tuple[float, float]]:
        """The top and the bottom of what is in each line."""
        heights: list[list[float]] = [[] for _ in range(count)]
        for (_, y), box, line in zip(self.plan.corners, self.boxes, self.line_of, strict=True):
            heights[line] += [y, y + box.height + box.tail]
        for link, (_, y), its in zip(self.links, self.plan.labels, pieces, strict=True):
            if link.label_width:
                half = link.label_height / 2
                heights[self.line_of[link.target]] += [y - half, y + half]
            for piece in its:
                heights[piece.line] += [level for _, level in piece.points]
        return [(min(ys), max(ys)) for ys in heights]

    def _moved(self, place: Point, line: int) -> Point:
        return place[0] + self.lines[line].dx, place[1] + self.lines[line].dy

    def _route(self, number: int, pieces: list[_Piece]) -> tuple[Point, ...]:
        """A link's pieces, with a turn back between them."""
        route: list[Point] = []
        for piece in pieces:
            if piece.line and route:
                route += self._turn(number, piece.line, piece.points[0][1])
            route += [self._moved(place, piece.line) for place in piece.points]
        return tuple(place for place, _ in groupby(route))

    def _turn(self, number: int, into: int, level: float) -> list[Point]:
        """Out at the end of the line before, back through the gutter, to the height in this one."""
        line, following, tracks = self.lines[into - 1], self.lines[into], self.tracks[into - 1]
        outward = tracks[number] * TRACK
        inward = (len(tracks) - 1) * TRACK - outward
        right = self.rights[line.last] + line.dx + TURN + outward
        left = self._start(line.last + 1) + following.dx - TURN - inward
        gutter = line.bottom + line.dy + GUTTER + outward
        return [
            (right, level + line.dy),
            (right, gutter),
            (left, gutter),
            (left, level + following.dy),
        ]
