"""Where each node of a computational graph stands: forward reads left to right, in columns.

The method is Sugiyama's: give each box a layer, cut a link that spans several layers into segments
that meet in dummies, order each layer by barycentres, then choose coordinates. Nothing recurses, so
a chain of 100,000 boxes is as welcome as a product of two numbers.

    K. Sugiyama, S. Tagawa, M. Toda: Methods for visual understanding of hierarchical system
    structures. IEEE Trans. Systems, Man, and Cybernetics 11 (1981) 109-125.

Boxes and dummies together are the *cells*: boxes come first, and both take a place in a layer.
A box or link is *main* if it is on a longest path to a result. Main boxes are placed first and the
rest around them, so that the computation's main line is level.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, compress, pairwise
from math import inf
from operator import add, sub
from typing import NamedTuple

from seegrad.collector import collector_waiting

MIN_GAP = 36.0  # between two columns: room for a curve and its arrowhead
LABEL_MARGIN = 8.0  # left and right of a label
LABEL_HEIGHT = 18.0  # of a label with one line
LABEL_GAP = 4.0  # between two labels, one above the other
LABEL_LIFT = 5.0  # between the end of a link and a label beyond it
STEEP = 64.0  # a link that rises or falls by so much carries its label on itself
BOX_ROOM = 16.0  # left free above and below a box
DUMMY_ROOM = 8.0  # left free above and below a link that passes by
ABOVE, BELOW = 1, 2  # flags: see _Side.outward
LIGHT = 2.0**-110  # the weight of a cell that never moves one of weight 1: lost in rounding
# Cells that tie in a column, by how much of a rank they sink: a link that skips part of the main
# path goes above it; leaves, side branches and the links from there go below.
SKIP_SINK, SIDE_SINK = -0.1, 0.1

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
    ``label_height`` counts if there is such a label.
    """

    source: int
    target: int
    label_width: float = 0.0
    label_height: float = LABEL_HEIGHT


@dataclass(frozen=True, slots=True)
class Layout:
    """Places in CSS pixels, x to the right and y down from (0, 0).

    Draw each leg of a route as a cubic whose two control points stand half way in x, each at the
    height of its own end: such a curve keeps clear of the boxes. Give the labels a halo, because a
    label on a sloping link stands on the curve. Only ``breaking.broken`` makes legs that go
    straight down, or back to the left: draw these straight, and round their corners.
    """

    corners: tuple[Point, ...]  # top left of each box
    routes: tuple[tuple[Point, ...], ...]  # of each link, from right side to left side
    labels: tuple[Point, ...]  # centre of each link's label
    width: float
    height: float
    columns: tuple[tuple[float, float], ...]  # left and right edge of each


def layout(boxes: Sequence[Box], links: Sequence[Link]) -> Layout:
    """Place the boxes of a directed acyclic graph, its links, and the labels on them.

    An op's links are best given in the order of its arguments: ties are broken by it.
    Raises ValueError if a link names a box that is not there, or if the links form a cycle.

    >>> plan = layout([Box(60, 50), Box(80, 50)], [Link(0, 1, label_width=20)])
    >>> plan.corners
    ((0.0, 0.0), (96.0, 0.0))
    >>> plan.routes
    (((60.0, 25.0), (96.0, 25.0)),)
    >>> plan.labels
    ((78.0, 11.0),)
    """
    if not boxes:
        return Layout((), (), (), 0.0, 0.0, ())
    with collector_waiting():
        return _layout(boxes, links)


def _layout(boxes: Sequence[Box], links: Sequence[Link]) -> Layout:
    graph = _graph(len(boxes), links)
    order, depth = _depths(graph)
    main_boxes, main_links = _main(graph, order, depth)
    cells = _cells(graph, _layers(graph, order, depth), main_boxes)
    rank = _order(cells)
    heights = [box.height for box in boxes]
    left = _side(graph.incoming, [rank[path[-2]] for path in cells.paths], main_links, heights)
    right = _side(graph.outgoing, [rank[path[1]] for path in cells.paths], main_links, heights)
    middles = _place(boxes, graph, cells, left, right)
    return _measure(boxes, graph, cells, middles, left, right)


class _Graph(NamedTuple):
    """Link i runs from sources[i] to targets[i]; the lists of each box hold numbers of links."""

    sources: list[int]
    targets: list[int]
    labels: list[float]
    tall: list[float]
    incoming: list[list[int]]
    outgoing: list[list[int]]


def _graph(count: int, links: Sequence[Link]) -> _Graph:
    incoming: list[list[int]] = [[] for _ in range(count)]
    outgoing: list[list[int]] = [[] for _ in range(count)]
    sources, targets = [link.source for link in links], [link.target for link in links]
    for number, (source, target) in enumerate(zip(sources, targets, strict=True)):
        if not (0 <= source < count and 0 <= target < count):
            raise ValueError(
                f"link {number} joins box {source} to box {target}, "
                f"but there are {count} boxes, numbered from 0"
            )
        outgoing[source].append(number)
        incoming[target].append(number)
    labels, tall = [link.label_width for link in links], [link.label_height for link in links]
    return _Graph(sources, targets, labels, tall, incoming, outgoing)


# --- layers: which column, and which paths shape the picture --------------------------------------


def _depths(graph: _Graph) -> tuple[list[int], list[int]]:
    """The boxes, each after its inputs (Kahn's algorithm), and each's longest path from them."""
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


def _layers(graph: _Graph, order: list[int], depth: list[int]) -> list[int]:
    """The layer where each box stands: its depth, but for leaves and for what leaves alone feed.

    These, such as the x[t] or W.T that only a late step uses, stand just before the earliest box
    that uses them, for the sake of short links.
    """
    targets, outgoing = graph.targets, graph.outgoing
    movable = [True] * len(depth)
    for box in order:
        links = outgoing[box]
        if not movable[box] or (len(links) > 1 and len({targets[link] for link in links}) > 1):
            for link in links:
                movable[targets[link]] = False
    layer = depth.copy()
    for box in reversed(order):
        if movable[box] and outgoing[box]:
            layer[box] = min([layer[targets[link]] for link in outgoing[box]]) - 1
    return layer


def _main(graph: _Graph, order: list[int], depth: list[int]) -> tuple[list[bool], list[bool]]:
    """Which boxes, and which links, are on a longest path to a result.

    Of an op on leaves only the first counts, and of any inputs those that get a gradient: so x
    stands level with x @ W and with x * 2, and the other leaf below.
    """
    sources = graph.sources
    main_boxes = [not links for links in graph.outgoing]
    main_links = [False] * len(sources)
    for box in reversed(order):
        if main_boxes[box]:
            before = depth[box] - 1
            tight = [n for n in graph.incoming[box] if depth[sources[n]] == before]
            if len(tight) > 1:
                tight = [n for n in tight if graph.labels[n]] or tight
                if before == 0:
                    tight = [n for n in tight if sources[n] == sources[tight[0]]]
            for link in tight:
                main_links[link] = main_boxes[sources[link]] = True
    return main_boxes, main_links


class _Cells(NamedTuple):
    """Boxes and dummies, column by column and link by link."""

    columns: list[list[int]]  # from top to bottom
    layer: list[int]  # the column of each box
    main: list[bool]
    sink: list[float]  # see SIDE_SINK
    paths: list[tuple[int, ...]]  # the cells of each link: its source, its dummies, its target


def _cells(graph: _Graph, layer: list[int], main: list[bool]) -> _Cells:
    columns: list[list[int]] = [[] for _ in range(max(layer) + 1)]
    for box, column in enumerate(layer):
        columns[column].append(box)
    sink = [0.0 if box else SIDE_SINK for box in main]
    paths: list[tuple[int, ...]] = list(zip(graph.sources, graph.targets, strict=True))
    for link, (source, target) in enumerate(paths):
        if layer[target] - layer[source] > 1:
            passed = range(layer[source] + 1, layer[target])
            dummies = range(len(sink), len(sink) + len(passed))
            paths[link] = (source, *dummies, target)
            sink += [sink[source] or SKIP_SINK] * len(passed)
            for dummy, column in zip(dummies, passed, strict=True):
                columns[column].append(dummy)
    return _Cells(columns, layer, main + [False] * (len(sink) - len(main)), sink, paths)


# --- order within a column ------------------------------------------------------------------------


def _order(cells: _Cells) -> list[float]:
    """Sort the columns by barycentre, sweeping left, right, and left again; give the ranks.

    Ranks count from the middle of a column, for columns are centred on one another. The last sweep
    passes over columns that the one before it left as they were.
    """
    columns, sink = cells.columns, cells.sink
    before, after = _neighbours(cells)
    rank = [0.0] * len(sink)
    for column in columns:
        _rank(column, rank)
    crowded = [place for place, column in enumerate(columns) if len(column) > 1]
    for place in reversed(crowded):
        _sort(columns[place], after, sink, rank)
    moved = {place for place in crowded if _sort(columns[place], before, sink, rank)}
    for place in reversed(crowded):
        beside_moved = place in moved or place + 1 in moved
        if beside_moved and _sort(columns[place], after, sink, rank):
            moved.add(place)
    return rank


def _neighbours(cells: _Cells) -> tuple[list[list[int]], list[list[int]]]:
    """The cells to each cell's left, or to its right if it is a leaf; and those to its right."""
    before: list[list[int]] = [[] for _ in cells.main]
    after: list[list[int]] = [[] for _ in cells.main]
    for path in cells.paths:
        for cell, following in pairwise(path) if len(path) > 2 else (path,):
            after[cell].append(following)
            before[following].append(cell)
    for cell, (left, right) in enumerate(zip(before, after, strict=True)):
        if not right:
            right.append(cell)
        if not left:
            before[cell] = right
    return before, after


def _rank(column: list[int], rank: list[float]) -> None:
    for place, cell in enumerate(column):
        rank[cell] = place - (len(column) - 1) / 2


def _sort(column: list[int], beside: list[list[int]], sink: list[float], rank: list[float]) -> bool:
    """Sort one column by the mean rank of each cell's neighbours. Did that change it?"""
    means = []
    for cell in column:
        near = beside[cell]
        if len(near) == 1:
            means.append(rank[near[0]] + sink[cell])
        else:
            means.append(sum([rank[other] for other in near]) / len(near) + sink[cell])
    if means == sorted(means):
        return False
    column[:] = [column[place] for place in sorted(range(len(means)), key=means.__getitem__)]
    _rank(column, rank)
    return True


# --- ports ----------------------------------------------------------------------------------------


class _Side(NamedTuple):
    """The left or the right side of all boxes, and the links that end there."""

    ports: list[float]  # how far below the box's middle each link ends
    outward: list[int]  # ABOVE if the link is the topmost at its box, BELOW if the lowest
    pulling: list[tuple[int, int] | None]  # the middle two (perhaps equal) of each box's main links


def _side(
    links_at: list[list[int]], rank: list[float], main: list[bool], heights: list[float]
) -> _Side:
    """Spread the ports of each side evenly, in the order of the cells they lead to.

    The main links stand around the middle, so that a path runs through the middles of its boxes. At
    a box without any, all links count as main.
    """
    ports, outward = [0.0] * len(rank), [ABOVE | BELOW] * len(rank)
    pulling: list[tuple[int, int] | None] = []
    for links, height in zip(links_at, heights, strict=True):
        if len(links) < 2:
            pulling.append((links[0], links[0]) if links else None)
            continue
        ordered = sorted(links, key=rank.__getitem__)
        strong = [p for p, link in enumerate(ordered) if main[link]] or range(len(ordered))
        above, below = strong[(len(strong) - 1) // 2], strong[len(strong) // 2]
        pulling.append((ordered[above], ordered[below]))
        pivot = (above + below) / 2
        pitch = height / (2 * max(pivot, len(ordered) - 1 - pivot) + 2)
        for place, link in enumerate(ordered):
            ports[link] = (place - pivot) * pitch
            outward[link] = 0
        outward[ordered[0]], outward[ordered[-1]] = ABOVE, BELOW
    return _Side(ports, outward, pulling)


# --- heights --------------------------------------------------------------------------------------

# The cells of a column from top to bottom, their middles when as close as they may be, and weights.
_Stack = tuple[list[int], list[float], list[float]]
# A cell wants to stand half way between two others, or level with one, plus a drift that makes the
# ports level, not the middles.
_Wish = tuple[int, int, float]


def _place(
    boxes: Sequence[Box], graph: _Graph, cells: _Cells, left: _Side, right: _Side
) -> list[float]:
    """The height of each cell's middle: level with its neighbours as far as there is room.

    From left to right the main boxes are placed: one that is alone in its column stands at 0, for
    all main paths run through it. Then the rest, from right to left, since it all leads there.
    """
    stacks = _stacks(boxes, graph, cells)
    wishes = _wishes(cells, left, right)
    middles = [0.0] * len(cells.main)
    for column, offsets, weights in stacks:
        if weights.count(1.0) > 1:
            main = [weight == 1.0 for weight in weights]
            apart, chosen = [*compress(offsets, main)], [*compress(column, main)]
            _settle((chosen, apart, [1.0] * len(chosen)), wishes, middles)
    for cell in compress(range(len(middles)), cells.main):
        wishes[cell] = (cell, cell, 0.0)
    for stack in reversed(stacks):
        _settle(stack, wishes, middles)
    return middles


def _stacks(boxes: Sequence[Box], graph: _Graph, cells: _Cells) -> list[_Stack]:
    labels = [0.0] * len(boxes)
    for target, height in compress(zip(graph.targets, graph.tall, strict=True), graph.labels):
        labels[target] += height + LABEL_GAP
    # A box claims room for itself, or for the labels at its left.
    heights = [b.height if b.height > room else room for b, room in zip(boxes, labels, strict=True)]
    dummies = [DUMMY_ROOM] * (len(cells.main) - len(boxes))
    above = [height / 2 + BOX_ROOM for height in heights] + dummies
    below = [room + box.tail for room, box in zip(above, boxes, strict=False)] + dummies
    weights = [1.0 if main else LIGHT for main in cells.main]
    stacks = []
    for column in cells.columns:
        bottom, offsets = 0.0, []
        for cell in column:
            offset = bottom + above[cell]
            bottom = offset + below[cell]
            offsets.append(offset)
        stacks.append((column, offsets, [weights[cell] for cell in column]))
    return stacks


def _wishes(cells: _Cells, left: _Side, right: _Side) -> list[_Wish]:
    """What each cell wants: a main box looks to its left, and all else to its right."""
    starts, ends, paths, main = right.ports, left.ports, cells.paths, cells.main
    nexts = [port if len(path) == 2 else 0.0 for port, path in zip(ends, paths, strict=True)]
    wishes = []
    for box, (into, out) in enumerate(zip(left.pulling, right.pulling, strict=True)):
        if into and main[box]:
            one, other = into
            drift = (starts[one] - ends[one] + starts[other] - ends[other]) / 2
            wishes.append((paths[one][-2], paths[other][-2], drift))
        elif out:
            one, other = out
            drift = (nexts[one] - starts[one] + nexts[other] - starts[other]) / 2
            wishes.append((paths[one][1], paths[other][1], drift))
        else:
            wishes.append((box, box, 0.0))
    for path, port in zip(paths, ends, strict=True):
        if len(path) > 2:
            wishes += [(dummy, dummy, 0.0) for dummy in path[2:-1]]
            wishes.append((path[-1], path[-1], port))
    return wishes


def _settle(stack: _Stack, wishes: list[_Wish], middles: list[float]) -> None:
    """Give the cells of one column what they want, as far as there is room."""
    column, offsets, weights = stack
    wanted = [
        (middles[up] + middles[down]) / 2 + drift
        for up, down, drift in map(wishes.__getitem__, column)
    ]
    for cell, middle in zip(column, _spread(wanted, offsets, weights), strict=True):
        middles[cell] = middle


def _spread(wanted: list[float], offsets: list[float], weights: list[float]) -> list[float]:
    """The places nearest to those wanted (least squares) at least as far apart as the offsets.

    Less the offsets, the places need only not decrease. That is isotonic regression: pool adjacent
    violators until there are none.

        M. Ayer et al.: An empirical distribution function for sampling with incomplete
        information. Annals of Mathematical Statistics 26 (1955) 641-647.

    >>> _spread([0.0, 0.0, 9.0], offsets=[0.0, 2.0, 4.0], weights=[1.0, 1.0, 1.0])
    [-1.0, 1.0, 9.0]
    """
    places = list(map(sub, wanted, offsets))
    if places == sorted(places):
        return wanted
    pools: list[tuple[float, float, int]] = []  # mean, weight, how many places
    mean, mass, size = places[0], 0.0, 0  # of the last pool
    for place, weight in zip(places, weights, strict=True):
        if place > mean:
            pools.append((mean, mass, size))
            mean, mass, size = place, weight, 1
            continue
        mean = (mean * mass + place * weight) / (mass + weight)
        mass += weight
        size += 1
        while pools and pools[-1][0] >= mean:
            above, more, count = pools.pop()
            mean = (above * more + mean * mass) / (more + mass)
            mass += more
            size += count
    pools.append((mean, mass, size))
    means: list[float] = []
    for level, _, count in pools:
        means += [level] * count
    return list(map(add, means, offsets))


# --- from cells to pixels -------------------------------------------------------------------------


def _measure(
    boxes: Sequence[Box],
    graph: _Graph,
    cells: _Cells,
    middles: list[float],
    left: _Side,
    right: _Side,
) -> Layout:
    """Corners, routes and labels, moved down so that the highest of all touches 0."""
    layer = cells.layer
    starts = [middles[box] + port for box, port in zip(graph.sources, right.ports, strict=True)]
    ends = [middles[box] + port for box, port in zip(graph.targets, left.ports, strict=True)]
    heights = _label_heights(graph, cells, middles, starts, ends, left, right)
    tops = [middle - box.height / 2 for middle, box in zip(middles, boxes, strict=False)]
    feet = [top + box.height + box.tail for top, box in zip(tops, boxes, strict=True)]
    passing = middles[len(boxes) :]
    shown = [*compress(zip(heights, graph.tall, strict=True), graph.labels)]
    top = min(*tops, *passing, min([middle - tall / 2 for middle, tall in shown], default=inf))
    bottom = max(*feet, *passing, max([middle + tall / 2 for middle, tall in shown], default=-inf))

    widths, rights = _edges(boxes, graph, layer)
    lefts = list(map(sub, rights, widths))
    corners, far_sides = [], []
    for box, column, height, used in zip(boxes, layer, tops, graph.incoming, strict=True):
        slack = widths[column] - box.width
        behind = slack / 2 if used else 0.0  # a leaf stands close to its user
        corners.append((lefts[column] + slack - behind, height - top))
        far_sides.append(rights[column] - behind)
    routes = []
    for path, start, end in zip(cells.paths, starts, ends, strict=True):
        source, target = path[0], path[-1]
        x, y, column = far_sides[source], start - top, layer[source]
        points = [(x, y)]
        for height in [*[middles[dummy] for dummy in path[1:-1]], end] if len(path) > 2 else (end,):
            if height - top != y:  # a bend, all of it between two columns
                if x != rights[column]:
                    points.append((rights[column], y))
                x, y = lefts[column + 1], height - top
                points.append((x, y))
            column += 1
        if x != corners[target][0]:
            points.append((corners[target][0], y))
        routes.append(tuple(points))
    gaps = [(before + after) / 2 for before, after in zip([0.0, *rights], lefts, strict=False)]
    xs = [gaps[layer[target]] for target in graph.targets]
    labels = tuple((x, height - top) for x, height in zip(xs, heights, strict=True))
    columns = tuple(zip(lefts, rights, strict=True))
    return Layout(tuple(corners), tuple(routes), labels, rights[-1], bottom - top, columns)


def _edges(
    boxes: Sequence[Box], graph: _Graph, layer: list[int]
) -> tuple[list[float], list[float]]:
    """The width and the right edge of each column, with room before it for its labels."""
    widths = [0.0] * (max(layer) + 1)
    gaps = [0.0] + [MIN_GAP] * (len(widths) - 1)
    for box, column in zip(boxes, layer, strict=True):
        if box.width > widths[column]:
            widths[column] = box.width
    for target, label in zip(graph.targets, graph.labels, strict=True):
        if label + 2 * LABEL_MARGIN > gaps[layer[target]]:
            gaps[layer[target]] = label + 2 * LABEL_MARGIN
    return widths, list(accumulate(map(add, gaps, widths)))


def _label_heights(
    graph: _Graph,
    cells: _Cells,
    middles: list[float],
    starts: list[float],
    ends: list[float],
    left: _Side,
    right: _Side,
) -> list[float]:
    """The middle of each label, apart from the others in the same gap.

    A label stands in the gap before its link's target, where no box can be in its way; beyond its
    link if that is the outermost, or else on it. A level link is never covered, and from a steep
    one the space beyond would be too far away.
    """
    gaps: list[list[int]] = [[] for _ in cells.columns]
    heights, layer = ends.copy(), cells.layer
    right_ports, right_outward, _ = right
    legs = zip(cells.paths, starts, ends, left.ports, left.outward, strict=True)
    for link, (path, start, end, low, outward) in compress(enumerate(legs), graph.labels):
        gaps[layer[path[-1]]].append(link)
        if len(path) > 2:
            start = middles[path[-2]]
        else:
            low += right_ports[link]
            outward &= right_outward[link]
        top, bottom = (start, end) if start < end else (end, start)
        level, steep = bottom - top < LABEL_HEIGHT, bottom - top >= STEEP
        if (outward & ABOVE and not steep) or (level and low <= 0):
            heights[link] = top - LABEL_LIFT - graph.tall[link] / 2
        elif (outward & BELOW and not steep) or level:
            heights[link] = bottom + LABEL_LIFT + graph.tall[link] / 2
        else:
            heights[link] = (top + bottom) / 2
    for labels in gaps:
        if len(labels) > 1:
            labels.sort(key=heights.__getitem__)
            wanted = [heights[link] for link in labels]
            tall = [graph.tall[link] + LABEL_GAP for link in labels]
            offsets = [*accumulate([(a + b) / 2 for a, b in pairwise(tall)], initial=0.0)]
            spread = _spread(wanted, offsets, [1.0] * len(labels))
            if spread is not wanted:
                for link, height in zip(labels, spread, strict=True):
                    heights[link] = height
    return heights
