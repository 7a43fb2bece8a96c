"""Where each node of a computational graph stands: forward reads left to right, in columns.

The method is Sugiyama's: give each box a layer, cut a link that spans several layers into segments
that meet in dummies, order each layer by barycentres, then choose coordinates. Nothing recurses, so
a chain of 100,000 boxes is as welcome as a product of two numbers.

    K. Sugiyama, S. Tagawa, M. Toda: Methods for visual understanding of hierarchical system
    structures. IEEE Trans. Systems, Man, and Cybernetics 11 (1981) 109-125.

Boxes and dummies together are the *cells*: boxes come first, and both take a place in a layer.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import inf
from operator import add, sub
from typing import NamedTuple

MIN_GAP = 48.0  # between two columns: room for a curve and its arrowhead
LABEL_MARGIN = 22.0  # left and right of a label, so that it touches no arrowhead
LABEL_HEIGHT = 18.0
LABEL_PITCH = LABEL_HEIGHT + 2.0
LABEL_LIFT = 14.0  # from the end of a link to the middle of a label beyond it
STEEP = 64.0  # a link that rises or falls by so much carries its label on itself
BOX_ROOM = 16.0  # left free above and below a box
DUMMY_ROOM = 8.0  # left free above and below a link that passes by
ORDER_ROUNDS = 2  # each a sweep to the right and one to the left
ABOVE, BELOW = 1, 2  # flags: see _Side.outward
PATH, BRANCH, STRAY = 2, 1, 0  # how strongly a link pulls at its ends: see _strengths
# A lighter cell never moves a heavier one: 2**-55 beside 1 is lost in rounding.
WEIGHTS = {PATH: 1.0, BRANCH: 2.0**-55, STRAY: 2.0**-110}
# Cells that tie in a column, by how much of a rank they sink: a link that passes by goes above the
# main path, and the leaves that join it below.
SINK = {PATH: 0.0, BRANCH: 0.1, STRAY: 0.2}
DUMMY_SINK = -0.1

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """The outline of a node, in CSS pixels.

    ``tail`` is room kept free below it, for what hangs there and no link leads to.
    """

    width: float
    height: float
    tail: float = 0.0


@dataclass(frozen=True, slots=True)
class Link:
    """A value on its way from the box that made it to a box that uses it (indices of boxes).

    ``label_width``: pixels that the gradient written on it takes, 0 if no gradient comes back.
    """

    source: int
    target: int
    label_width: float = 0.0


@dataclass(frozen=True, slots=True)
class Layout:
    """Places in CSS pixels, x to the right and y down from (0, 0).

    Draw each leg of a route as a cubic whose two control points stand half way in x, each at the
    height of its own end: such a curve keeps clear of the boxes. Give the labels a halo, because a
    label on a sloping link stands on the curve.
    """

    corners: tuple[Point, ...]  # top left of each box
    routes: tuple[tuple[Point, ...], ...]  # of each link, from right side to left side
    labels: tuple[Point, ...]  # centre of each link's label
    width: float
    height: float


def layout(boxes: Sequence[Box], links: Sequence[Link]) -> Layout:
    """Place the boxes of a directed acyclic graph, its links, and the labels on them.

    An op's links are best given in the order of its arguments: ties are broken by it.
    Raises ValueError if a link names a box that is not there, or if the links form a cycle.

    >>> plan = layout([Box(60, 50), Box(80, 50)], [Link(0, 1, label_width=20)])
    >>> plan.corners
    ((0.0, 0.0), (124.0, 0.0))
    >>> plan.routes
    (((60.0, 25.0), (124.0, 25.0)),)
    >>> plan.labels
    ((92.0, 11.0),)
    """
    _check_indices(len(boxes), links)
    if not boxes:
        return Layout((), (), (), 0.0, 0.0)
    graph = _graph(len(boxes), ((link.source, link.target) for link in links))
    depth, layer = _layers(graph)
    columns, chains, cells = _thread(graph, layer)
    strengths = _strengths(graph, links, depth, chains, len(cells.sources))
    pulls = [max([strengths[s] for s in onward], default=PATH) for onward in cells.outgoing]
    dummies = len(pulls) - len(boxes)

    sink = [SINK[pull] for pull in pulls[: len(boxes)]] + [DUMMY_SINK] * dummies
    rank = _order(columns, cells, sink)
    heights = [box.height for box in boxes] + [0.0] * dummies
    left = _side(cells.incoming, cells.sources, rank, strengths, heights)
    right = _side(cells.outgoing, cells.targets, rank, strengths, heights)
    above = _rooms(boxes, links) + [DUMMY_ROOM] * dummies
    tails = [box.tail for box in boxes] + [0.0] * dummies
    below = list(map(add, above, tails))
    middles = _place(columns, above, below, [WEIGHTS[pull] for pull in pulls], left, right)
    return _measure(boxes, links, layer, chains, middles, left, right)


def _check_indices(count: int, links: Sequence[Link]) -> None:
    for number, link in enumerate(links):
        if not (0 <= link.source < count and 0 <= link.target < count):
            raise ValueError(
                f"link {number} joins box {link.source} to box {link.target}, "
                f"but there are {count} boxes, numbered from 0"
            )


class _Graph(NamedTuple):
    """Link i runs from sources[i] to targets[i]; the lists of each node hold numbers of links."""

    sources: list[int]
    targets: list[int]
    incoming: list[list[int]]
    outgoing: list[list[int]]


def _graph(count: int, ends: Iterable[tuple[int, int]]) -> _Graph:
    graph = _Graph([], [], [[] for _ in range(count)], [[] for _ in range(count)])
    for number, (source, target) in enumerate(ends):
        graph.sources.append(source)
        graph.targets.append(target)
        graph.outgoing[source].append(number)
        graph.incoming[target].append(number)
    return graph


# --- layers: which column, and which links shape the picture ------------------------------------


def _layers(graph: _Graph) -> tuple[list[int], list[int]]:
    """Each box's depth (its longest path from the inputs) and the layer where it stands.

    They differ for leaves and for what leaves alone feed, such as the x[t] or W.T that only a late
    step uses: these stand just before the earliest box that uses them, for the sake of short links.
    """
    order, depth = _depths(graph)
    users = [{graph.targets[link] for link in links} for links in graph.outgoing]
    movable = [True] * len(depth)
    for box in order:
        if not movable[box] or len(users[box]) > 1:
            for user in users[box]:
                movable[user] = False
    layer = depth.copy()
    for box in reversed(order):
        if movable[box] and users[box]:
            layer[box] = min([layer[user] for user in users[box]]) - 1
    return depth, layer


def _depths(graph: _Graph) -> tuple[list[int], list[int]]:
    """The boxes, each after its inputs (Kahn's algorithm), and the depth of each."""
    waiting = [len(links) for links in graph.incoming]
    depth = [0] * len(waiting)
    order = [box for box, missing in enumerate(waiting) if not missing]
    for box in order:  # grows while it is read
        below = depth[box] + 1
        for link in graph.outgoing[box]:
            target = graph.targets[link]
            if depth[target] < below:
                depth[target] = below
            waiting[target] -= 1
            if not waiting[target]:
                order.append(target)
    if len(order) < len(waiting):
        stuck = next(box for box, missing in enumerate(waiting) if missing)
        raise ValueError(
            f"the links form a cycle: box {stuck} needs its own value first, or that of a box that "
            "does; a graph of computed values has no cycle"
        )
    return order, depth


def _thread(graph: _Graph, layer: list[int]) -> tuple[list[list[int]], list[range], _Graph]:
    """The cells of each layer, the segments of each link, and the graph of cells and segments."""
    columns: list[list[int]] = [[] for _ in range(max(layer) + 1)]
    for box, column in enumerate(layer):
        columns[column].append(box)
    dummy = len(layer)
    segments: list[tuple[int, int]] = []
    chains = []
    for source, target in zip(graph.sources, graph.targets, strict=True):
        start, cell = len(segments), source
        for column in range(layer[source] + 1, layer[target]):
            columns[column].append(dummy)
            segments.append((cell, dummy))
            cell, dummy = dummy, dummy + 1
        segments.append((cell, target))
        chains.append(range(start, len(segments)))
    return columns, chains, _graph(dummy, segments)


def _strengths(
    graph: _Graph, links: Sequence[Link], depth: list[int], chains: list[range], count: int
) -> list[int]:
    """How strongly each segment pulls at its ends.

    PATH: it is on a longest path to a result; BRANCH: to a box that joins one; STRAY: neither.
    Of an op on leaves only the first counts, and of any inputs those that get a gradient: so x
    stands level with x @ W and with x * 2, and the other leaf below.
    """
    strengths = [STRAY] * count
    for target in sorted(range(len(depth)), key=depth.__getitem__, reverse=True):
        if not graph.incoming[target]:
            continue
        tight = [n for n in graph.incoming[target] if depth[links[n].source] == depth[target] - 1]
        tight = [n for n in tight if links[n].label_width] or tight
        if depth[target] == 1:
            tight = [n for n in tight if links[n].source == links[tight[0]].source]
        onward = [strengths[chains[n].start] for n in graph.outgoing[target]]
        for number in tight:
            strengths[chains[number].start] = PATH if PATH in onward or not onward else BRANCH
    return strengths


# --- order within a column ------------------------------------------------------------------------


def _order(columns: list[list[int]], cells: _Graph, sink: list[float]) -> list[float]:
    """Sort the columns by barycentre, sweeping right and left until they settle; give the ranks.

    Ranks count from the middle of a column, for columns are centred on one another.
    """
    rank = [0.0] * len(sink)
    for column in columns:
        _rank(column, rank)
    before = [[cells.sources[s] for s in segments] for segments in cells.incoming]
    after = [[cells.targets[s] for s in segments] for segments in cells.outgoing]
    crowded = [column for column in columns if len(column) > 1]
    for _ in range(ORDER_ROUNDS):
        old = rank.copy()
        for column in crowded:
            _sort(column, before, after, sink, rank)
        for column in reversed(crowded):
            _sort(column, after, before, sink, rank)
        if rank == old:
            break
    return rank


def _rank(column: list[int], rank: list[float]) -> None:
    for place, cell in enumerate(column):
        rank[cell] = place - (len(column) - 1) / 2


def _sort(
    column: list[int],
    near: list[list[int]],
    far: list[list[int]],
    sink: list[float],
    rank: list[float],
) -> None:
    """Sort one column by the mean rank of each cell's neighbours."""
    means = []
    for cell in column:
        beside = near[cell] or far[cell] or (cell,)
        total = rank[beside[0]] if len(beside) == 1 else sum([rank[other] for other in beside])
        means.append(total / len(beside) + sink[cell])
    if means != sorted(means):
        column[:] = [column[place] for place in sorted(range(len(means)), key=means.__getitem__)]
        _rank(column, rank)


# --- ports ----------------------------------------------------------------------------------------


class _Side(NamedTuple):
    """The left or the right side of all cells, and the segments that end there."""

    beside: list[int]  # the cell at each segment's other end
    ports: list[float]  # how far below the cell's middle each segment ends
    outward: list[int]  # ABOVE if the segment is the topmost at its cell, BELOW if the lowest
    pulling: list[tuple[int, int] | None]  # the middle two (perhaps equal) of each cell's strongest


def _side(
    segments_at: list[list[int]],
    beside: list[int],
    rank: list[float],
    strengths: list[int],
    heights: list[float],
) -> _Side:
    """Spread the ports of each side evenly, in the order of the cells they lead to.

    Those that pull stand around the middle, so that a path runs through the middles of its boxes.
    """
    side = _Side(beside, [0.0] * len(beside), [ABOVE | BELOW] * len(beside), [])
    for segments, height in zip(segments_at, heights, strict=True):
        if len(segments) < 2:
            side.pulling.append((segments[0], segments[0]) if segments else None)
            continue
        ordered = sorted(segments, key=lambda s: rank[beside[s]])
        most = max([strengths[s] for s in ordered])
        strong = [place for place, s in enumerate(ordered) if strengths[s] == most]
        above, below = strong[(len(strong) - 1) // 2], strong[len(strong) // 2]
        side.pulling.append((ordered[above], ordered[below]))
        pivot = (above + below) / 2
        pitch = height / (2 * max(pivot, len(ordered) - 1 - pivot) + 2)
        for place, segment in enumerate(ordered):
            side.ports[segment] = (place - pivot) * pitch
            side.outward[segment] = 0
        side.outward[ordered[0]], side.outward[ordered[-1]] = ABOVE, BELOW
    return side


class _Pulls(NamedTuple):
    """Each cell wants to stand half way between two others, or level with one, plus a drift."""

    ups: list[int]
    downs: list[int]
    drifts: list[float]  # makes the ports level, not the middles


def _pulls(side: _Side, other: _Side) -> _Pulls:
    """What the segments on one side want, or those on the other of a cell that has none there."""
    count = len(side.pulling)
    ups, downs, drifts = list(range(count)), list(range(count)), [0.0] * count
    for cell, (near, far) in enumerate(zip(side.pulling, other.pulling, strict=True)):
        here, there = (side, other) if near else (other, side)
        ends = near or far
        if ends:
            up, down = ends
            ups[cell], downs[cell] = here.beside[up], here.beside[down]
            drops = there.ports[up] - here.ports[up], there.ports[down] - here.ports[down]
            drifts[cell] = sum(drops) / 2
    return _Pulls(ups, downs, drifts)


# --- heights --------------------------------------------------------------------------------------


def _rooms(boxes: Sequence[Box], links: Sequence[Link]) -> list[float]:
    """Half the height that each box claims, for itself or for the labels at its left."""
    labels = [0.0] * len(boxes)
    for link in links:
        if link.label_width:
            labels[link.target] += LABEL_PITCH
    heights = [box.height for box in boxes]
    return [height / 2 + BOX_ROOM for height in map(max, heights, labels)]


def _place(
    columns: list[list[int]],
    above: list[float],
    below: list[float],
    weights: list[float],
    left: _Side,
    right: _Side,
) -> list[float]:
    """The height of each cell's middle: level with its neighbours as far as there is room.

    The last sweep moves light cells only, to where the heavy ones have come to stand.
    """
    leftward = _pulls(right, left)
    settled = _Pulls(leftward.ups.copy(), leftward.downs.copy(), leftward.drifts.copy())
    for cell, weight in enumerate(weights):
        if weight == 1.0:
            settled.ups[cell], settled.downs[cell], settled.drifts[cell] = cell, cell, 0.0
    stacks = [
        (column, _offsets(column, above, below), [weights[c] for c in column]) for column in columns
    ]
    middles = [0.0] * len(weights)
    for visited, (ups, downs, drifts) in (
        (stacks[::-1], leftward),
        (stacks, _pulls(left, right)),
        (stacks[::-1], settled),
    ):
        for column, offsets, masses in visited:
            wanted = [(middles[ups[c]] + middles[downs[c]]) / 2 + drifts[c] for c in column]
            for cell, middle in zip(column, _spread(wanted, offsets, masses), strict=True):
                middles[cell] = middle
    return middles


def _offsets(column: list[int], above: list[float], below: list[float]) -> list[float]:
    """Where the middles are when cells stand as close as they may."""
    rooms_above = [above[cell] for cell in column]
    return list(accumulate(map(add, rooms_above, [0.0, *(below[cell] for cell in column)])))


def _spread(wanted: list[float], offsets: list[float], weights: list[float]) -> list[float]:
    """The places nearest to those wanted (least squares) at least as far apart as the offsets.

    Less the offsets, the places need only not decrease. That is isotonic regression: pool adjacent
    violators until there are none.

        M. Ayer et al.: An empirical distribution function for sampling with incomplete
        information. Annals of Mathematical Statistics 26 (1955) 641-647.

    >>> _spread([0.0, 0.0, 9.0], offsets=[0.0, 2.0, 4.0], weights=[1.0, 1.0, 1.0])
    [-1.0, 1.0, 9.0]
    """
    if len(wanted) < 2:
        return wanted
    pools: list[tuple[float, float, int]] = []  # mean, weight, how many places
    for mean, weight in zip(map(sub, wanted, offsets), weights, strict=True):
        count = 1
        while pools and pools[-1][0] >= mean:
            above, mass, size = pools.pop()
            mean = (above * mass + mean * weight) / (mass + weight)
            weight += mass
            count += size
        pools.append((mean, weight, count))
    if len(pools) == len(wanted):
        return wanted
    means: list[float] = []
    for mean, _, count in pools:
        means += [mean] * count
    return list(map(add, means, offsets))


# --- from cells to pixels -------------------------------------------------------------------------


def _measure(
    boxes: Sequence[Box],
    links: Sequence[Link],
    layer: list[int],
    chains: list[range],
    middles: list[float],
    left: _Side,
    right: _Side,
) -> Layout:
    """Corners, routes and labels, moved down so that the highest of all touches 0."""
    starts = [middles[cell] + port for cell, port in zip(left.beside, right.ports, strict=True)]
    ends = [middles[cell] + port for cell, port in zip(right.beside, left.ports, strict=True)]
    aims = [_label_aim(starts[s], ends[s], left, right, s) for s in [chain[-1] for chain in chains]]
    heights = _label_heights(links, layer, aims)

    dummies = [0.0] * (len(middles) - len(boxes))
    halves = [box.height / 2 for box in boxes] + dummies
    feet = map(add, map(add, middles, halves), [box.tail for box in boxes] + dummies)
    shown = [height for height, link in zip(heights, links, strict=True) if link.label_width]
    top = min(min(map(sub, middles, halves)), min(shown, default=inf) - LABEL_HEIGHT / 2)
    bottom = max(max(feet), max(shown, default=-inf) + LABEL_HEIGHT / 2)
    starts = [start - top for start in starts]
    ends = [end - top for end in ends]

    widths, rights = _edges(boxes, links, layer)
    lefts = list(map(sub, rights, widths))
    corners, far_sides = [], []
    for cell, (box, column) in enumerate(zip(boxes, layer, strict=True)):
        slack = widths[column] - box.width
        behind = slack / 2 if left.pulling[cell] else 0.0  # a leaf stands close to its user
        corners.append((lefts[column] + slack - behind, middles[cell] - halves[cell] - top))
        far_sides.append(rights[column] - behind)
    routes = []
    for link, chain in zip(links, chains, strict=True):
        points = [(far_sides[link.source], starts[chain[0]])]
        for column, segment in enumerate(chain, layer[link.source]):
            start, end = starts[segment], ends[segment]
            if start != end:  # a bend, all of it between two columns
                points += (rights[column], start), (lefts[column + 1], end)
        points.append((corners[link.target][0], ends[chain[-1]]))
        routes.append(tuple(dict.fromkeys(points)))  # a bend may begin or end at a box: one point
    gaps = [(before + after) / 2 for before, after in zip([0.0, *rights], lefts, strict=False)]
    labels = [
        (gaps[layer[link.target]], height - top)
        for link, height in zip(links, heights, strict=True)
    ]
    return Layout(tuple(corners), tuple(routes), tuple(labels), rights[-1], bottom - top)


def _edges(
    boxes: Sequence[Box], links: Sequence[Link], layer: list[int]
) -> tuple[list[float], list[float]]:
    """The width and the right edge of each column, with room before it for its labels."""
    widths = [0.0] * (max(layer) + 1)
    gaps = [0.0] + [MIN_GAP] * (len(widths) - 1)
    for box, column in zip(boxes, layer, strict=True):
        widths[column] = max(widths[column], box.width)
    for link in links:
        column = layer[link.target]
        gaps[column] = max(gaps[column], link.label_width + 2 * LABEL_MARGIN)
    return widths, list(accumulate(map(add, gaps, widths)))


def _label_aim(start: float, end: float, left: _Side, right: _Side, segment: int) -> float:
    """Where a label is clear of all links: beyond its own if that is the outermost, or else on it.

    A level link is never covered, and from a steep one the space beyond would be too far away.
    """
    slope = abs(end - start)
    outermost = left.outward[segment] & right.outward[segment] if slope < STEEP else 0
    low = left.ports[segment] + right.ports[segment] > 0
    if outermost & ABOVE or (slope < LABEL_HEIGHT and not low):
        return min(start, end) - LABEL_LIFT
    if outermost & BELOW or slope < LABEL_HEIGHT:
        return max(start, end) + LABEL_LIFT
    return (start + end) / 2


def _label_heights(links: Sequence[Link], layer: list[int], aims: list[float]) -> list[float]:
    """The middle of each label: as aimed at, but apart from the others in the same gap.

    A label stands in the gap before its link's target, where no box can be in its way.
    """
    gaps: list[list[int]] = [[] for _ in range(max(layer) + 1)]
    for number, link in enumerate(links):
        if link.label_width:
            gaps[layer[link.target]].append(number)
    heights = aims.copy()
    for labels in gaps:
        labels.sort(key=aims.__getitem__)
        offsets = [LABEL_PITCH * place for place in range(len(labels))]
        spread = _spread([aims[number] for number in labels], offsets, [1.0] * len(labels))
        for number, height in zip(labels, spread, strict=True):
            heights[number] = height
    return heights
