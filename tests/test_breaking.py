"""A layout in lines: nothing overlaps, lines fit the page, links turn back in the gutter."""

import doctest
import random
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import seegrad.drawing.breaking as module
from seegrad.drawing.breaking import broken
from seegrad.drawing.layout import Box, Link, layout
from tests.test_layout import (
    CLOSE,
    box_areas,
    chain,
    curve,
    enters,
    graphs,
    label_areas,
    overlap,
    recurrence,
)

PAGES = st.sampled_from([300.0, 600.0, 900.0])


def is_straight(leg):
    """Whether it goes down, up or back, which only turning links do."""
    return leg[1][0] <= leg[0][0]


def area(leg):
    (x0, y0), (x1, y1) = leg
    return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)


def meet(one, other):
    """Whether two pieces of links, without any width, cross or touch."""
    return all(
        min(one[axis + 2], other[axis + 2]) >= max(one[axis], other[axis]) - CLOSE
        for axis in (0, 1)
    )


def check(boxes, links, plan):
    areas, labels = box_areas(boxes, plan), label_areas(links, plan)
    solid = [(*area[:3], area[3] + box.tail) for area, box in zip(areas, boxes, strict=True)]
    for one, other in combinations(solid + labels, 2):
        assert not overlap(one, other)
    for left, top, right, bottom in solid + labels:
        assert left >= -CLOSE and top >= -CLOSE
        assert right <= plan.width + CLOSE and bottom <= plan.height + CLOSE
    turns = []
    for number, (link, route) in enumerate(zip(links, plan.routes, strict=True)):
        source, target = areas[link.source], areas[link.target]
        assert route[0][0] == pytest.approx(source[2]) and source[1] < route[0][1] < source[3]
        assert route[-1][0] == pytest.approx(target[0]) and target[1] < route[-1][1] < target[3]
        assert all(-CLOSE <= x <= plan.width + CLOSE for x, _ in route)
        assert all(-CLOSE <= y <= plan.height + CLOSE for _, y in route)
        for leg in pairwise(route):
            pieces = [area(leg)] if is_straight(leg) else curve(leg)
            assert not any(enters(piece, box) for piece in pieces for box in solid)
            if is_straight(leg):
                assert leg[0][0] == leg[1][0] or leg[0][1] == leg[1][1]
                assert not any(overlap(area(leg), label) for label in labels)
                turns.append((number, area(leg)))
    for (one, a), (other, b) in combinations(turns, 2):
        assert one == other or not meet(a, b)


@given(graphs(), PAGES)
@settings(derandomize=True, max_examples=120, deadline=None)
def test_nothing_overlaps_and_links_turn_without_crossing(graph, page):
    boxes, links = graph
    check(boxes, links, broken(layout(boxes, links), boxes, links, page))


def computation(seed):
    """Boxes and links as a learner's code makes them: long, with leaves along the way."""
    draw = random.Random(seed)
    boxes = [
        Box(draw.choice([60, 110, 150]), draw.choice([40, 60, 90]), draw.choice([0, 0, 60]))
        for _ in range(draw.randint(5, 30))
    ]
    links = []
    for box in range(1, len(boxes)):
        for _ in range(draw.choice([0, 1, 1, 1, 2])):
            back = draw.choice([1, 1, 1, 2, 3, 5])
            label = draw.choice([0, 40, 120]), draw.choice([18, 33])
            links.append(Link(max(0, box - back), box, *label))
        if draw.random() < 0.3:
            boxes.append(Box(70, 60, 60))
            links.append(Link(len(boxes) - 1, box, 40))
    return boxes, links, draw.choice([500, 700, 900])


@pytest.mark.parametrize("seed", range(80))
def test_a_computation_with_leaves_on_its_way_is_clear(seed):
    boxes, links, page = computation(seed)
    check(boxes, links, broken(layout(boxes, links), boxes, links, page))


def test_a_chain_becomes_lines_that_fit_the_page():
    boxes, links = [Box(120, 60)] * 20, chain(20)
    plan = broken(layout(boxes, links), boxes, links, page=900)
    check(boxes, links, plan)
    assert 600 < plan.width <= 900
    tops = sorted({y for _, y in plan.corners})
    assert len(tops) == 4
    in_order = [(y, x) for x, y in plan.corners]
    assert in_order == sorted(in_order)  # as one reads


def test_an_unrolled_lstm_fits_the_page():
    boxes, links, _ = recurrence(12)
    plan = broken(layout(boxes, links), boxes, links, page=900)
    check(boxes, links, plan)
    assert plan.width <= 900


def test_leaves_go_to_the_line_of_the_op_that_uses_them():
    # x -> 1 -> 2 -> 3, and the leaves 4 and 5 join at 3
    boxes, links = [Box(200, 60)] * 6, [*chain(4), Link(4, 3, 40), Link(5, 3, 40)]
    plan = broken(layout(boxes, links), boxes, links, page=760)
    check(boxes, links, plan)
    ys = [y for _, y in plan.corners]
    assert ys[1] == ys[2]
    assert min(ys[4], ys[5]) > ys[2] + 60
    turning = [n for n, route in enumerate(plan.routes) if any(map(is_straight, pairwise(route)))]
    assert turning == [2]  # only what comes from an op turns back


def test_a_thick_bundle_of_links_is_not_broken():
    boxes = [Box(120, 60)] * 26
    links = [*chain(6), *(Link(0, box, 30) for box in range(6, 26))]
    links += [Link(box, 5, 30) for box in range(6, 26)]
    plan = broken(layout(boxes, links), boxes, links, page=300)
    check(boxes, links, plan)
    assert not any(is_straight(leg) for route in plan.routes[5:] for leg in pairwise(route))


def test_what_fits_the_page_stays_as_it_is():
    boxes, links = [Box(120, 60)] * 4, chain(4)
    plan = layout(boxes, links)
    assert broken(plan, boxes, links, page=900) is plan


def test_docstrings_are_true():
    assert doctest.testmod(module).failed == 0
