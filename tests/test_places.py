"""What is written in pictures of graphs and cuts: no label covers a box or another, no text leaves
its box, and a picture is no wider than a page."""

import random
from itertools import combinations

import pytest
import torch

import seegrad
from seegrad.drawing.boxes import CHARACTER, PAGE, SMALL_CHARACTER, label_size
from seegrad.drawing.layout import LABEL_MARGIN
from tests.test_layout import overlap

ONE = (torch.sin, torch.exp, torch.tanh, torch.nn.functional.softplus)
TWO = (torch.add, torch.mul, torch.sub, torch.maximum)


def computed(leaves, draw, count):
    """Some function of the leaves, of so many ops."""
    values = [*leaves]
    for _ in range(count):
        if draw.random() < 0.5:
            values.append(draw.choice(ONE)(draw.choice(values[-2:])))
        else:
            values.append(
                draw.choice(TWO)(values[-1], draw.choice([*values[-6:], 0.5 * values[-1]]))
            )
    return sum(values).sum()


def drawn_at_random(seed):
    draw = random.Random(seed)
    torch.manual_seed(seed)
    shape = draw.choice([(), (2,), (3,), (40,), (3, 4), (2, 3, 4, 5)])
    with seegrad.record():
        leaves = [torch.randn(shape, requires_grad=True) for _ in range(draw.randint(1, 3))]
        y = computed(leaves, draw, draw.randint(1, 30))
    return seegrad.graph(y).picture


def area(thing):
    return thing["x"], thing["y"], thing["x"] + thing["width"], thing["y"] + thing["height"]


def label_area(edge):
    (x, y), (width, height) = edge["label"], label_size(edge["lines"])
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def text_area(text):
    width = len(text["text"]) * (SMALL_CHARACTER if text["ink"] == "note" else CHARACTER)
    left = text["x"] - width if text["at_end"] else text["x"]
    return left, text["y"] - 8, left + width, text["y"] + 8


def check(nodes, labels, page):
    solid = [area(node) for node in nodes] + labels
    solid += [area(node["slot"]) for node in nodes if isinstance(node["slot"], dict)]
    for one, other in combinations(solid, 2):
        assert not overlap(one, other)
    for node in nodes:
        texts = [text_area(text) for text in node["texts"]]
        for one, other in combinations(texts, 2):
            assert not overlap(one, other)
        for left, top, right, bottom in texts:
            assert left >= 0 and top >= 0
            assert right <= node["width"] and bottom <= node["height"]
    assert page["width"] <= PAGE


@pytest.mark.parametrize("seed", range(40))
def test_a_graph_is_legible(seed):
    picture = drawn_at_random(seed)
    carrying = [edge for edge in [*picture["edges"], picture["root"]] if any(edge["lines"])]
    check(picture["nodes"], [label_area(edge) for edge in carrying], picture)


@pytest.mark.parametrize("seed", range(12))
def test_a_graph_to_cut_is_legible(seed):
    def f(x):
        return computed([x], random.Random(seed), 1 + seed)

    torch.manual_seed(seed)
    picture = seegrad.cut(f, torch.randn(3, requires_grad=True))
    flows = picture.page["flows"]
    wires = [wire for wire in picture.picture["wires"] if wire["number"]]
    labels = [label_area(wire | {"lines": flows[wire["id"]]["lines"]}) for wire in wires]
    check(picture.picture["nodes"], labels, picture.picture)
    for wire, (left, _, right, _) in zip(wires, labels, strict=True):
        assert right - left <= wire["room"] + LABEL_MARGIN


def test_a_small_graph_is_roomy_and_a_long_one_is_in_lines():
    with seegrad.record():
        x = torch.arange(4.0, requires_grad=True)
        y = 2 * torch.dot(x, x)
        z = y.sin().cos().tanh().exp().sin().cos().tanh().exp()
    small, long = seegrad.graph(y).picture, seegrad.graph(z).picture
    assert [edge["lines"] for edge in small["edges"]].count(("[0, 2, 4, 6]",)) == 2
    assert len({node["y"] for node in small["nodes"] if node["kind"] == "op"}) == 1
    assert len({node["y"] for node in long["nodes"] if node["kind"] == "op"}) > 1


def test_a_wide_gradient_is_written_short_and_said_in_full():
    with seegrad.record():
        w = torch.full((16, 4), 0.5, requires_grad=True)
        y = (w.sin().cos() * 3).tanh().sum()
    picture = seegrad.graph(y).picture
    lines = [edge["lines"] for edge in picture["edges"] if edge["gradient"]]
    assert ("[[1, 1, 1, …]]", "(16, 4)") in lines
    assert all(len(line) <= 16 for label in lines for line in label)
    assert "tensor (16, 4)" in [edge["gradient"] for edge in picture["edges"]]
    assert picture["steps"][-1]["grad"]["after"] == "tensor (16, 4)"
