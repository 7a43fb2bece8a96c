"""Where boxes, links and labels stand: nothing overlaps, and paths are straight."""

import doctest
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import seegrad.drawing.layout as module
from seegrad.drawing.layout import LABEL_HEIGHT, MIN_GAP, Box, Layout, Link, _spread, layout

CLOSE = 1e-6


@st.composite
def graphs(draw):
    """A directed acyclic graph: each link runs from an earlier box to a later one."""
    size, tail = st.floats(1, 300), st.one_of(st.just(0.0), st.floats(1, 90))
    boxes = draw(st.lists(st.builds(Box, size, size, tail), min_size=1, max_size=14))
    index = st.integers(0, len(boxes) - 1)
    ends = draw(
        st.lists(st.tuples(index, index).filter(lambda ends: len({*ends}) == 2), max_size=28)
    )
    width = st.one_of(st.just(0.0), st.floats(1, 200))
    height = st.sampled_from([LABEL_HEIGHT, 33.0])  # of one line, of two
    names = draw(st.permutations(range(len(boxes))))  # the order of boxes need not be the graph's
    links = [Link(names[min(pair)], names[max(pair)], draw(width), draw(height)) for pair in ends]
    return boxes, links


def box_areas(boxes, plan):
    return [
        (x, y, x + box.width, y + box.height)
        for (x, y), box in zip(plan.corners, boxes, strict=True)
    ]


def label_areas(links, plan):
    return [
        (
            x - link.label_width / 2,
            y - link.label_height / 2,
            x + link.label_width / 2,
            y + link.label_height / 2,
        )
        for (x, y), link in zip(plan.labels, links, strict=True)
        if link.label_width
    ]


def overlap(one, other):
    return all(
        min(one[axis + 2], other[axis + 2]) - max(one[axis], other[axis]) > CLOSE for axis in (0, 1)
    )


def curve(leg):
    """Areas that hold the cubic a caller draws for one leg of a route."""
    (x0, y0), (x3, y3) = leg
    points = []
    for step in range(9):
        t = step / 8
        middle = 3 * t * (1 - t)
        points.append(
            (
                x0 * (1 - t) ** 3 + middle * (x0 + x3) / 2 + x3 * t**3,
                y0 * (1 - t) ** 3 + middle * ((1 - t) * y0 + t * y3) + y3 * t**3,
            )
        )
    return [(a, min(b, d), c, max(b, d)) for (a, b), (c, d) in pairwise(points)]


@given(graphs())
@settings(derandomize=True, max_examples=120, deadline=None)
def test_nothing_overlaps_and_every_route_is_clear(graph):
    boxes, links = graph
    plan = layout(boxes, links)
    areas, labels = box_areas(boxes, plan), label_areas(links, plan)
    with_tails = [(*area[:3], area[3] + box.tail) for area, box in zip(areas, boxes, strict=True)]
    solid = with_tails + labels
    for place, area in enumerate(solid):
        assert not any(overlap(area, other) for other in solid[:place])
        assert area[0] >= -CLOSE
        assert area[1] >= -CLOSE
        assert area[2] <= plan.width + CLOSE
        assert area[3] <= plan.height + CLOSE
    for link, route in zip(links, plan.routes, strict=True):
        source, target = areas[link.source], areas[link.target]
        assert route[0][0] == pytest.approx(source[2])
        assert source[1] < route[0][1] < source[3]
        assert route[-1][0] == pytest.approx(target[0])
        assert target[1] < route[-1][1] < target[3]
        assert all(a[0] < b[0] for a, b in pairwise(route))
        assert all(-CLOSE <= y <= plan.height + CLOSE for _, y in route)
        legs = [area for leg in pairwise(route) for area in curve(leg)]
        assert not any(enters(leg, area) for leg in legs for area in with_tails)


def enters(leg, box):
    """Whether a piece of a curve, possibly level and so without height, gets into a box."""
    return (
        min(leg[2], box[2]) - max(leg[0], box[0]) > CLOSE
        and leg[3] > box[1] + CLOSE
        and leg[1] < box[3] - CLOSE
    )


@given(graphs())
@settings(derandomize=True, max_examples=60, deadline=None)
def test_links_share_no_port_and_lead_to_the_right(graph):
    boxes, links = graph
    plan = layout(boxes, links)
    for end in (0, -1):
        ports = [route[end] for route in plan.routes]
        assert len(set(ports)) == len(ports)
    for link in links:
        gap = plan.corners[link.target][0] - plan.corners[link.source][0]
        assert gap >= boxes[link.source].width + max(MIN_GAP, link.label_width) - CLOSE


@given(graphs())
@settings(derandomize=True, max_examples=20, deadline=None)
def test_the_same_graph_gets_the_same_layout(graph):
    assert layout(*graph) == layout(*graph)


@given(st.lists(st.tuples(st.floats(-99, 99), st.floats(1, 9), st.floats(0, 99)), min_size=1))
@settings(derandomize=True, max_examples=100, deadline=None)
def test_spreading_is_the_least_squares_answer(rows):
    """At a constrained minimum no feasible direction goes down: the variational inequality."""
    wanted, weights, others = map(list, zip(*rows, strict=True))
    offsets = [10.0 * place for place in range(len(rows))]
    best = _spread(wanted, offsets, weights)
    assert all(b - a >= 10 - CLOSE for a, b in pairwise(best))
    feasible = [offset + other for offset, other in zip(offsets, sorted(others), strict=True)]
    slopes = [
        weight * (place - want) * (other - place)
        for weight, place, want, other in zip(weights, best, wanted, feasible, strict=True)
    ]
    assert sum(slopes) >= -CLOSE * sum(map(abs, slopes)) - CLOSE


def test_docstrings_are_true():
    assert doctest.testmod(module).failed == 0


def test_an_empty_graph_has_an_empty_layout():
    assert layout([], []) == Layout((), (), (), 0.0, 0.0, ())


def test_boxes_without_links_stand_in_one_column():
    plan = layout([Box(60, 40), Box(80, 40)], [])
    assert plan.width == 80
    assert plan.corners[0][1] + 40 < plan.corners[1][1]


def test_a_long_chain_is_one_straight_line():
    count = 20_000
    plan = layout([Box(60, 40 + i % 3 * 10) for i in range(count)], chain(count))
    assert {y for route in plan.routes for _, y in route} == {plan.height / 2}


def chain(count):
    return [Link(i, i + 1, 20.0) for i in range(count - 1)]


def test_the_notes_example_looks_like_the_mockup():
    boxes = [Box(255, 90), Box(315, 90), Box(195, 54), Box(225, 90)]  # x, dot, 2, mul
    plan = layout(boxes, [Link(0, 1, 135), Link(0, 1, 135), Link(1, 3, 10), Link(2, 3)])
    x, dot, two, mul = plan.corners
    assert x[1] == dot[1] == mul[1]
    assert x[0] < dot[0] < mul[0]
    assert two[0] + 195 == dot[0] + 315
    assert two[1] > dot[1] + 90
    first, second, main, _ = plan.routes
    assert len({y for _, y in main}) == 1
    assert plan.labels[0][1] < first[0][1] < second[0][1] < plan.labels[1][1]


def test_a_leaf_stands_just_before_the_earliest_op_that_uses_it():
    # 4 is a weight that the third op uses; 5 feeds the op 6, which the third op also uses
    boxes = [Box(60, 40)] * 7
    plan = layout(boxes, [*chain(4), Link(4, 3), Link(5, 6), Link(6, 3)])
    assert plan.corners[4][0] == plan.corners[6][0] == plan.corners[2][0]
    assert plan.corners[5][0] == plan.corners[1][0]


@pytest.mark.parametrize("label", [0.0, 30.0])
def test_the_main_path_stays_level_beside_leaves_and_skips(label):
    # x -> linear -> relu -> add, with x skipping to add, W and b joining linear
    links = [Link(0, 3, label), Link(1, 3, label), Link(2, 3, label), Link(3, 4, label)]
    links += [Link(0, 5, label), Link(4, 5, label)]
    plan = layout([Box(60, 40)] * 6, links)
    x, w, b, *ops = (y for _, y in plan.corners)
    assert [x] * 3 == ops
    assert x < w < b
    skip = plan.routes[4]
    assert max(y for _, y in skip[1:-1]) < x


def test_a_diamond_is_symmetric_and_does_not_cross():
    links = [Link(0, 1, 40), Link(0, 2, 40), Link(1, 3, 40), Link(2, 3, 40)]
    plan = layout([Box(60, 40)] * 4, links)
    top, upper, lower, last = (y for _, y in plan.corners)
    assert top == last == (upper + lower) / 2
    assert plan.routes[0][0][1] < plan.routes[1][0][1]
    assert plan.routes[2][-1][1] < plan.routes[3][-1][1]


def recurrence(steps):
    """An LSTM unrolled, and the boxes that all of it runs through: gates, c, tanh(c) and h."""
    boxes, links, spine = [Box(60, 40)] * 2, [], [0]
    h, c = 0, 1

    def box(*inputs):
        boxes.append(Box(80, 40))
        links.extend(Link(source, len(boxes) - 1, 30.0) for source in inputs)
        return len(boxes) - 1

    for _ in range(steps):
        gates = box(h, box(), box())  # with W and b
        forget, enter, new, out = (box(gates) for _ in range(4))
        c = box(box(forget, c), box(enter, new))
        squashed = box(c)
        h = box(out, squashed)
        spine += [gates, c, squashed, h]
    return boxes, links, spine


def test_an_unrolled_lstm_stays_level():
    boxes, links, spine = recurrence(30)
    plan = layout(boxes, links)
    assert len({plan.corners[box][1] for box in spine}) == 1


def test_a_link_that_skips_and_a_side_branch_go_round_the_main_path_on_two_sides():
    """In an LSTM c[t-1] skips to c[t], the output gate joins later, and their spans overlap."""
    boxes, links, _ = recurrence(5)
    plan = layout(boxes, links)
    legs = [leg for route in plan.routes for leg in pairwise(route)]
    for place, (start, end) in enumerate(legs):
        for other_start, other_end in legs[:place]:
            if (start[0], end[0]) == (other_start[0], other_end[0]):
                assert (start[1] - other_start[1]) * (end[1] - other_end[1]) >= 0


@pytest.mark.parametrize("link", [Link(0, 2), Link(-1, 0), Link(7, 1)])
def test_a_link_to_a_missing_box_is_named(link):
    with pytest.raises(ValueError, match=f"link 1 joins box {link.source} to box {link.target}"):
        layout([Box(60, 40)] * 2, [Link(0, 1), link])


@pytest.mark.parametrize("links", [[Link(0, 0)], [Link(0, 1), Link(1, 2), Link(2, 0)]])
def test_a_cycle_is_refused(links):
    with pytest.raises(ValueError, match="box 0 needs its own value first"):
        layout([Box(60, 40)] * 3, links)
