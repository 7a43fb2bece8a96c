"""The four faces of ``seegrad.graph``, without a browser."""

import io
from contextlib import redirect_stdout

import pytest
import torch
from matplotlib.figure import Figure
from torch import nn

import seegrad
from tests.own_function import Double


@pytest.fixture
def dot():
    with seegrad.record():
        x = torch.arange(4.0, requires_grad=True)
        y = 2 * torch.dot(x, x)
    return x, y


def run_alone(code: str) -> str:
    """What a script prints in a namespace of its own."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(compile(code, "<code face>", "exec"), {})
    return printed.getvalue()


def test_the_title_names_what_is_drawn():
    with seegrad.record():
        loss = torch.ones(2, requires_grad=True).sum()
    assert seegrad.graph(loss).title == "graph(loss)"


def test_the_text_has_every_number(dot):
    _, y = dot
    text = repr(seegrad.graph(y))
    for part in ["x = [0, 1, 2, 3]", "torch.dot(x, x) = 14", "2 * … = 28", "3 steps"]:
        assert part in text
    assert text.count("[0, 2, 4, 6] goes to x") == 2
    assert "[0, 2, 4, 6] + [0, 2, 4, 6] = [0, 4, 8, 12] arrives" in text


def test_looking_leaves_grad_alone(dot):
    x, y = dot
    picture = seegrad.graph(y)
    picture.step = picture.steps
    picture.selected = "n0"
    assert x.grad is None
    y.backward()
    assert x.grad.tolist() == [0, 4, 8, 12]


def test_a_picture_in_a_recorded_block_records_nothing_itself():
    with seegrad.record() as recording:
        x = torch.arange(4.0, requires_grad=True)
        y = 2 * torch.dot(x, x)
        seegrad.graph(y)
        seegrad.ledger(x)
    assert [op.name for op in recording.ops] == ["arange", "dot", "mul"]


def test_the_code_prints_the_same_numbers(dot):
    _, y = dot
    printed = run_alone(seegrad.graph(y).code())
    assert printed == (
        "y tensor(28.) tensor(1.)\n"
        "dot tensor(14.) tensor(2.)\n"
        "x tensor([0., 1., 2., 3.]) tensor([ 0.,  4.,  8., 12.])\n"
    )


def in_place():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    z = x * 3
    z += x
    return (z * z).sum(), x


def several():
    x = torch.tensor([[0.5, -1.5], [2.5, 0.1]], dtype=torch.float64, requires_grad=True)
    a, b = x.chunk(2)
    return torch.stack([a.squeeze(), b.squeeze() ** 2]).std(dim=0).sum(), x


def cut():
    x = torch.tensor([1.0, 3.0], requires_grad=True)
    with torch.no_grad():
        u = x.exp()
    return nn.functional.mse_loss(u.detach() * x, torch.tensor([0.0, 1.0])), x


def helper():
    def f(a, power):
        return a**power

    x = torch.tensor([1.0, 3.0], requires_grad=True)
    return f(f(x, 2), 0.5).mean(), x


@pytest.mark.parametrize("case", [in_place, several, cut, helper])
def test_the_code_of_any_graph_gives_torchs_gradient(case):
    with seegrad.record():
        y, x = case()
    printed = run_alone(seegrad.graph(y).code())
    y.backward()
    assert printed.endswith(f"{x.grad}\n")


def test_the_picture_holds_the_real_flows(dot):
    _, y = dot
    picture = seegrad.graph(y).picture
    labels = [node["label"] for node in picture["nodes"]]
    assert labels == ["x", "torch.dot(x, x)", "2", "2 * …"]
    assert sorted(e["gradient"] for e in picture["edges"]) == [
        "",
        "2",
        "[0, 2, 4, 6]",
        "[0, 2, 4, 6]",
    ]
    assert picture["root"]["gradient"] == "1"
    assert [step["grad"] for step in picture["steps"]][-1] == {
        "name": "x.grad",
        "before": "None",
        "added": "[0, 4, 8, 12]",
        "after": "[0, 4, 8, 12]",
        "brief": ("[0, 4, 8, 12]",),
    }


def test_the_source_is_marked_where_the_op_stands(dot):
    _, y = dot
    picture = seegrad.graph(y).picture
    node = picture["nodes"][1]
    (span,) = node["spans"]
    line = picture["code"][span["line"]]["text"]
    assert line[span["start"] : span["end"]] == "torch.dot(x, x)"


def test_a_click_is_answered_with_saved_tensors_and_the_local_jacobian(dot):
    _, y = dot
    picture = seegrad.graph(y)
    picture.selected = "n1"
    rows = {row["term"]: row["text"] for row in picture.detail["rows"]}
    assert rows["autograd node"] == "DotBackward0"
    assert rows["saved: self"] == "[0, 1, 2, 3]"
    assert picture.detail["jacobian"]["cells"] == [["0", "1", "2", "3"] * 2]


def test_a_named_intermediate_bears_its_name():
    with seegrad.record():
        x = torch.ones(2, requires_grad=True)
        u = (x * x).detach()
        z = (u * x).sum()
    text = repr(seegrad.graph(z))
    assert "u = ….detach() = [1, 1]" in text
    assert "detach: no gradient goes from u = ….detach() to x * x" in text


def test_in_place_views_and_no_grad_are_marked():
    with seegrad.record():
        x = torch.ones(2, 2, requires_grad=True)
        z = x[0] * 3
        z += 1
        with torch.no_grad():
            w = x * 2
        y = (z * w.sum()).sum()
    marks = {node["label"]: node["marks"] for node in seegrad.graph(y).picture["nodes"]}
    assert marks["x[0]"] == ("view",)
    assert marks["z += 1"] == ("in-place",) or marks["z = z += 1"] == ("in-place",)
    assert marks["w = x * 2"] == ("no_grad",)


def test_every_op_of_a_leaf_used_often_gets_its_own_stub():
    with seegrad.record():
        w = torch.tensor(0.9, requires_grad=True)
        h = torch.tensor(1.0)
        for _ in range(6):
            h = torch.tanh(w * h)
    nodes = seegrad.graph(h).picture["nodes"]
    assert sum(node["kind"] == "leaf" for node in nodes) == 6
    assert len({node["id"] for node in nodes}) == len(nodes)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda _: (3,), "needs a tensor, and got 3 (int)"),
        (lambda x: (x.detach(),), "does not require a gradient"),
        (lambda x: (x.new_ones(2) * 2,), "does not require a gradient"),
    ],
)
def test_what_cannot_be_drawn_gets_a_sentence(make, says):
    picture = seegrad.graph(*make(torch.ones(3, requires_grad=True)))
    assert says in picture.problem
    assert says in repr(picture)
    assert isinstance(picture.figure(), Figure)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda x: (x * 2,), "v=torch.ones(3)"),
        (lambda x: (x * 2, torch.ones(4)), "v has shape (4,), but y has shape (3,)"),
        (lambda x: (x[:0] * 2,), "y is empty"),
    ],
)
def test_what_cannot_be_replayed_is_still_drawn(make, says):
    with seegrad.record():
        arguments = make(torch.ones(3, requires_grad=True))
    picture = seegrad.graph(*arguments)
    assert says in picture.remark
    assert picture.steps == 0
    assert "*" in picture.picture["nodes"][-1]["label"]


def test_a_freed_graph_shows_the_pass_that_ran():
    with seegrad.record():
        x = torch.arange(4.0, requires_grad=True)
        y = 2 * torch.dot(x, x)
        y.backward()
    picture = seegrad.graph(y)
    assert "freed this graph" in picture.remark
    assert "x.grad: None before, [0, 4, 8, 12] after" in repr(picture)


def test_a_graph_whose_saved_value_was_overwritten_says_so():
    with seegrad.record():
        x = torch.ones(2, requires_grad=True)
        e = torch.exp(x)
        y = e.sum()
        e.add_(1)
    picture = seegrad.graph(y)
    assert "changed in place" in picture.remark
    assert "output 0 of Exp" in picture.remark and "Hint" not in picture.remark
    assert "e = torch.exp(x) = [2.718, 2.718]" in repr(picture)


def test_a_graph_freed_unseen_shows_its_values():
    with seegrad.record():
        x = torch.arange(4.0, requires_grad=True)
        y = 2 * torch.dot(x, x)
    y.backward()
    picture = seegrad.graph(y)
    assert "cannot run again" in picture.remark
    assert picture.steps == 0
    assert "torch.dot(x, x) = 14" in repr(picture)


def test_the_first_nan_is_named():
    with seegrad.record():
        x = torch.tensor([-1.0, 2.0], requires_grad=True)
        y = torch.log(x).sum()
    assert "The first NaN is made by torch.log(x)" in seegrad.graph(y).remark


def test_unrecorded_code_is_drawn_and_says_so():
    x = torch.ones(2, requires_grad=True)
    y = (x * x).sum()
    picture = seegrad.graph(y)
    assert "%load_ext seegrad" in picture.remark
    assert picture.steps == 3


def test_with_v_the_pass_starts_from_it():
    with seegrad.record():
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        y = torch.stack([x[0] ** 2, x[1] ** 3])
    text = repr(seegrad.graph(y, torch.tensor([1.0, 1.0])))
    assert "x.grad: None before, [2, 12] after" in text


def test_the_still_picture_is_the_same_twice(dot):
    _, y = dot
    assert seegrad.graph(y)._png() == seegrad.graph(y)._png()


def test_the_still_picture_fills_the_slot_wherever_a_leaf_is_drawn():
    w = torch.tensor(1.0, requires_grad=True)
    with seegrad.record():
        state = torch.tensor(1.0)
        for _ in range(6):
            state = w * state
    figure = seegrad.graph(state).figure()
    said = [text.get_text() for text in figure.axes[0].texts]
    assert said.count(".grad after") == said.count("w") == 6


def test_the_bundle_has_a_view_a_still_and_the_text(dot):
    _, y = dot
    picture = seegrad.graph(y)
    bundle, _ = picture._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "image/png", "application/vnd.jupyter.widget-view+json"}
    assert bundle["text/plain"] == repr(picture)


def test_dollars_and_markup_in_the_source_are_only_text():
    with seegrad.record():
        x = torch.ones(2, requires_grad=True)
        table = {"<b>$a$</b>": x}
        y = (table["<b>$a$</b>"] * 2).sum()
    picture = seegrad.graph(y)
    assert isinstance(picture.figure(), Figure)
    picture._png()
    assert "<b>$a$</b>" in picture.picture["nodes"][1]["label"] or "<b>$a$</b>" in repr(picture)


def test_a_plain_number_is_a_low_box(dot):
    _, y = dot
    heights = {node["label"]: node["height"] for node in seegrad.graph(y).picture["nodes"]}
    assert heights["2"] < heights["x"] == heights["2 * …"]


def test_a_number_is_written_so_that_it_is_that_number():
    with seegrad.record():
        y = torch.ones(1, requires_grad=True) * 1.0001 * 0.5
    labels = [n["label"] for n in seegrad.graph(y).picture["nodes"] if n["kind"] == "constant"]
    assert labels == ["1.0001", "0.5"]


def test_what_ran_in_a_module_says_which():
    with seegrad.record():
        net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
        y = net(torch.ones(1, 2)).sum()
    nodes = {node["label"]: node for node in seegrad.graph(y).picture["nodes"]}
    assert nodes["linear"]["marks"] == ("0",)
    assert nodes["relu"]["marks"] == ("1",)
    assert nodes["net.0.weight"]["kind"] == "leaf"


def test_a_modules_buffers_have_names():
    with seegrad.record():
        norm = nn.BatchNorm1d(2)
        y = norm(torch.randn(3, 2)).sum()
    assert "norm.running_mean = " in repr(seegrad.graph(y))


def test_a_learners_own_function_is_called_so():
    with seegrad.record():
        x = torch.ones(2, requires_grad=True)
        y = Double.apply(x).sum()
    picture = seegrad.graph(y)
    assert picture.remark == ""
    assert any(node["label"] == "Double.apply(x)" for node in picture.picture["nodes"])


def test_a_tooltip_holds_no_large_tensor_and_the_detail_does():
    with seegrad.record():
        x = torch.linspace(0, 1, 200, requires_grad=True)
        y = x.exp().sum()
    picture = seegrad.graph(y)
    assert picture.picture["nodes"][0]["exact"] == ""
    picture.selected = "n0"
    assert picture.detail["rows"][0]["title"].startswith("tensor([0.0, 0.005")
