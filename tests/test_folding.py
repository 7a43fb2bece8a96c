"""What is drawn of a large graph: turns, modules and rows as one box each, unfolded on request."""

import gc
import json
import random
import weakref

import pytest
import torch
from torch import nn

import seegrad
from seegrad.drawing.folding import WHOLE, Group, fold, passages
from seegrad.drawing.stretches import in_order, loops, stretches
from seegrad.recording import recorder
from seegrad.structure import itinerary, structure

MOST_BOXES = 150
LARGEST_MESSAGE = 200_000


def lstm(turns=100, size=4):
    W = torch.randn(4 * size, size, requires_grad=True)
    U = torch.randn(4 * size, size, requires_grad=True)
    b = torch.zeros(4 * size, requires_grad=True)
    xs = torch.randn(turns, size)
    h, c = torch.zeros(size), torch.zeros(size)
    for t in range(turns):
        gates = W @ xs[t] + U @ h + b
        i, f, g, o = gates.chunk(4)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
    return (h**2).sum()


def encoder(layers=6):
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    return nn.TransformerEncoder(layer, layers)(torch.randn(2, 3, 8)).pow(2).mean()


def straight(ops=600):
    """A chain without a loop: no two of its ops stand at one place."""
    names = {"x": torch.tensor(1.0, requires_grad=True)}
    exec("y = x\n" + "y = y * 1.01\n" * ops, names)
    return names["y"]


def many_leaves(count=300):
    return torch.stack([torch.tensor(float(n), requires_grad=True) for n in range(count)]).sum()


def scalars(units=12):
    """A network of scalars: each weight is a leaf, each product an op."""
    xs = [torch.tensor(n / units) for n in range(units)]
    loss = torch.tensor(0.0)
    weights = [[torch.tensor(0.1 * n, requires_grad=True) for n in range(units)] for _ in xs]
    for _ in range(8):
        xs = [torch.tanh(sum(w * x for w, x in zip(row, xs, strict=True))) for row in weights]
        loss = loss + sum(xs)
    return loss


LARGE = [lstm, encoder, straight, many_leaves, scalars]


@pytest.fixture(scope="module")
def graphs():
    torch.manual_seed(0)
    made = {}
    with seegrad.record():
        for make in LARGE:
            made[make] = make()
    return made


def titles(picture):
    return [node["label"] for node in picture.picture["nodes"] if node["folded"]]


def box(picture, start):
    """The box whose label begins so."""
    return next(node for node in picture.picture["nodes"] if node["label"].startswith(start))


# Where there are loops


@pytest.mark.parametrize(
    ("keys", "turns"),
    [
        ("abc", []),
        ("xababy", [["ab", "ab"]]),
        ("aaa", [["a", "a", "a"]]),
        ("abbcabbc", [["abbc", "abbc"]]),  # a loop within the turn of a loop
        ("aabb", [["a", "a"], ["b", "b"]]),  # one after the other
        ("abacab", [["ab", "ac", "ab"]]),  # a branch
        ("afafbfbf", [["af", "af"], ["bf", "bf"]]),  # a helper that two loops use
    ],
)
def test_a_loop_turns_where_its_first_place_comes_again(keys, turns):
    found = [[keys[turn.start : turn.stop] for turn in loop] for loop in loops(keys)]
    assert found == turns


def test_nested_loops_are_turns_within_turns():
    with seegrad.record():
        y = torch.tensor(1.0, requires_grad=True)
        for _ in range(7):
            y = y + 1
            for _ in range(9):
                y = y * 1.01
    ran = in_order(structure(y))
    first = stretches(ran).parts[0]
    assert (first.kind, first.first, first.of, first.stop - first.start) == ("turn", 1, 7, 10)
    inner = first.parts[1]
    assert (inner.kind, inner.of) == ("loop", 9)
    assert [part.kind for part in inner.parts if not isinstance(part, int)] == ["turns"]


def test_what_is_folded_can_be_reached_in_a_few_clicks():
    with seegrad.record():
        y = torch.tensor(1.0, requires_grad=True)
        for _ in range(5000):
            y = y * 1.0001
    depth, front = 0, stretches(in_order(structure(y))).parts
    while folds := [part for part in front if not isinstance(part, int)]:
        assert len(front) <= 12
        depth, front = depth + 1, folds[len(folds) // 2].parts
    assert depth == 4


# What is drawn


def test_a_small_graph_is_drawn_whole():
    with seegrad.record():
        y = w = torch.tensor(0.9, requires_grad=True)
        for _ in range(10):
            y = torch.tanh(w * y)
    graph = structure(y)
    assert len(graph.vertices) <= WHOLE
    assert fold(graph).items == graph.vertices


@pytest.mark.parametrize("make", LARGE)
def test_a_large_graph_opens_on_few_boxes(graphs, make):
    picture = seegrad.graph(graphs[make])
    assert len(picture.picture["nodes"]) <= MOST_BOXES
    assert len(repr(picture)) < 20_000


def test_a_convolutional_nets_training_step_opens_on_few_boxes():
    torch.manual_seed(0)
    with seegrad.record():
        net = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(4, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(128, 10),
        )  # fmt: skip
        loss = nn.functional.cross_entropy(net(torch.randn(5, 1, 14, 14)), torch.arange(5))
    picture = seegrad.graph(loss)
    assert len(picture.picture["nodes"]) <= MOST_BOXES
    assert picture.steps == len(list(net.parameters())) + len(net) + 1


def test_a_chain_of_100_000_ops_is_drawn_folded_and_freed():
    def draw() -> weakref.ref[torch.Tensor]:
        with seegrad.record():
            y = torch.ones((), requires_grad=True)
            for _ in range(100_000):
                y = y * 1.0
        picture = seegrad.graph(y)
        assert "turns 3–99998 of 100000" in titles(picture)
        assert len(picture.picture["nodes"]) <= MOST_BOXES
        picture.close()
        return weakref.ref(y)

    gc.collect()
    before = len(recorder().ops())
    y = draw()
    gc.collect()
    assert y() is None
    assert len(recorder().ops()) <= before


def test_the_first_message_is_small(graphs):
    state = seegrad.graph(graphs[lstm]).get_state()
    state = {key: value for key, value in state.items() if key not in ("_esm", "_css")}
    assert len(json.dumps(state)) < LARGEST_MESSAGE


def test_a_loop_opens_on_its_first_and_last_turns(graphs):
    assert titles(seegrad.graph(graphs[lstm])) == [
        "turn 1 of 100 · h = torch.sigmoid(…",
        "turn 2 of 100 · h = torch.sigmoid(…",
        "turns 3–98 of 100",
        "turn 99 of 100 · h = torch.sigmoid(…",
        "turn 100 of 100 · h = torch.sigmoid…",
    ]


def test_an_encoder_opens_on_its_layers():
    with seegrad.record():
        net = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 6)
        y = net(torch.randn(2, 3, 8)).mean()
    assert titles(seegrad.graph(y)) == [
        f"layers.{number} · TransformerEncoderLayer" for number in range(6)
    ]


def test_a_module_in_a_loop_folds_by_turn():
    with seegrad.record():
        cell = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
        h = torch.ones(2)
        for _ in range(20):
            h = cell(h)
        y = h.sum()
    picture = seegrad.graph(y)
    assert "turn 2 of 20 · cell · Sequential" in titles(picture)
    assert box(picture, "cell.0.weight")["kind"] == "leaf"


def test_a_row_without_loops_is_folded_in_its_middle(graphs):
    picture = seegrad.graph(graphs[straight])
    assert titles(picture) == ["ops 6–595"]
    assert "its rule is the product of theirs" in str(picture.picture["steps"])


def test_many_leaves_of_one_op_are_one_box(graphs):
    (leaves,) = titles(picture := seegrad.graph(graphs[many_leaves]))
    assert leaves.endswith("and 299 more")
    picture.opened = [box(picture, leaves)["folded"]]
    assert sum(node["kind"] == "leaf" for node in picture.picture["nodes"]) == 300


@pytest.mark.parametrize("make", LARGE)
def test_every_vertex_is_in_one_box_and_no_fold_makes_a_cycle(graphs, make):
    graph, chance = structure(graphs[make]), random.Random(0)
    opened: list[str] = []
    for _ in range(6):
        folded = fold(graph, opened)
        members = [
            vertex
            for item in folded.items
            for vertex in (item.ops + item.sources if isinstance(item, Group) else (item,))
        ]
        assert len(members) == len(set(members)) == len(graph.vertices)
        place = {item: number for number, item in enumerate(folded.items)}
        assert all(
            place[folded.holder[edge.source]] <= place[folded.holder[edge.target]]
            for edge in graph.edges
        )
        groups = [item.id for item in folded.items if isinstance(item, Group)]
        opened += chance.sample(groups, min(2, len(groups)))


# Folding and unfolding


def test_one_box_unfolds_and_the_others_stay(graphs):
    picture = seegrad.graph(graphs[lstm])
    before = titles(picture)
    turn = box(picture, "turn 2 ")
    picture.opened = [turn["folded"]]
    assert titles(picture) == [title for title in before if not title.startswith("turn 2 ")]
    (mark,) = picture.picture["unfolded"]
    assert (mark["id"], mark["title"]) == (turn["folded"], "turn 2 of 100")
    assert mark["node"] in {node["id"] for node in picture.picture["nodes"]}
    picture.opened = []
    assert titles(picture) == before


def test_what_was_unfolded_inside_comes_back_with_what_is_around(graphs):
    picture = seegrad.graph(graphs[lstm])
    run = box(picture, "turns 3–98")["folded"]
    picture.opened = [run]
    tens = box(picture, "turns 13–22")["folded"]
    picture.opened = [run, tens]
    assert "turn 13 of 100 · h = torch.sigmoid(…" in titles(picture)
    picture.opened = [tens]
    assert "turns 3–98 of 100" in titles(picture)


def test_an_unknown_id_unfolds_nothing(graphs):
    picture = seegrad.graph(graphs[lstm])
    before = titles(picture)
    picture.opened = ["f7-7", "nonsense"]
    assert titles(picture) == before


def test_the_step_stays_at_its_stop(graphs):
    picture = seegrad.graph(graphs[lstm])
    turn = box(picture, "turn 100")
    picture.step = next(
        number
        for number, step in enumerate(picture.picture["steps"], 1)
        if step["node"] == turn["id"]
    )
    before = picture.step
    picture.opened = [turn["folded"]]
    assert picture.step > before
    picture.opened = []
    assert picture.step == before
    picture.step = picture.steps
    picture.opened = [turn["folded"]]
    assert picture.step == picture.steps


def test_the_selection_goes_with_its_box(graphs):
    picture = seegrad.graph(graphs[lstm])
    turn = box(picture, "turn 2 ")
    picture.selected = turn["id"]
    rows = {row["term"]: row["text"] for row in picture.detail["rows"]}
    assert rows["stands for"] == "14 ops"
    assert rows["ops"].startswith("mul (3), sigmoid (3)") or "sigmoid (3)" in rows["ops"]
    picture.opened = [turn["folded"]]
    assert picture.selected == ""


# The backward pass through what is drawn


@pytest.mark.parametrize("make", LARGE)
def test_what_enters_and_leaves_a_box_is_what_autograd_sent(graphs, make):
    y = graphs[make]
    graph = structure(y)
    stops = itinerary(graph, seegrad.replay(y))
    folded = fold(graph)
    steps = passages(stops, folded)
    assert len({id(step) for step in steps}) == len({folded.holder[s.vertex] for s in stops})
    crossing = {
        edge
        for edge in graph.edges
        if edge.kind == "gradient" and folded.holder[edge.source] is not folded.holder[edge.target]
    }
    sent = [edge for step in steps for edge, _ in step.sent]
    arrived = [edge for step in steps for edge, _ in step.arrived if edge is not None]
    assert set(sent) == set(arrived) == crossing & {edge for s in stops for edge, _ in s.sent}
    assert len(sent) == len(set(sent))


def test_a_leaf_is_reached_after_all_that_sends_to_it(graphs):
    picture = seegrad.graph(graphs[lstm])
    at = {step["node"]: number for number, step in enumerate(picture.picture["steps"], 1)}
    for edge in picture.picture["edges"]:
        source = edge["source"].split(".")[0]
        if edge["step"] and source in at:
            assert edge["step"] < at[source]


def test_a_box_sends_the_sum_of_what_its_ops_send():
    torch.manual_seed(0)
    with seegrad.record():
        w = torch.tensor(0.9, requires_grad=True)
        h = torch.tensor(0.5)
        for _ in range(30):
            h = torch.tanh(w * h) + torch.sin(w)
        y = h * 1
    picture = seegrad.graph(y)
    (grad,) = torch.autograd.grad(y, w, retain_graph=True)
    parts = [
        float(sent["text"])
        for step in picture.picture["steps"]
        for sent in step["sent"]
        if sent["to"] == "w"
    ]
    assert len(parts) == 5
    assert sum(parts) == pytest.approx(float(grad), rel=1e-3)


def test_a_folded_box_stands_for_its_ops(graphs):
    steps = seegrad.graph(graphs[lstm]).picture["steps"]
    told = [step["rule"]["words"] for step in steps if step["name"].startswith("turn 100")]
    how = "along each path through it their rules are multiplied, and the paths add up"
    assert told == [f"stands for 14 ops: {how}"]
    sent = {
        part["to"] for step in steps if step["name"].startswith("turn 100") for part in step["sent"]
    }
    assert {"W", "U", "b", "h in turn 99 of 100", "c in turn 99 of 100"} == sent


# The other faces


def test_the_code_of_a_large_graph_is_written_when_asked_for(graphs):
    picture = seegrad.graph(graphs[lstm])
    assert picture.listing == ""
    picture.face = "code"
    assert picture.listing.count("torch.tanh") == 200


def test_the_text_says_how_much_is_folded(graphs):
    text = repr(seegrad.graph(graphs[lstm]))
    assert "3 leaves, 1,402 ops" in text
    assert "folded into" in text
    assert "  turns 3–98 of 100  1,344 ops" in text


def test_the_still_picture_shows_what_is_unfolded(graphs):
    picture = seegrad.graph(graphs[encoder])
    narrow = picture.figure().get_size_inches()[0]
    picture.opened = [box(picture, "layers.1")["folded"]]
    assert picture.figure().get_size_inches()[0] > narrow
    picture._png()
