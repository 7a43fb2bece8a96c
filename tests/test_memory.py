"""What a graph keeps for its backward pass, beside what PyTorch itself says that it saves."""

import pytest
import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks

import seegrad
from seegrad.memory import Memory, saved_by, storages
from seegrad.structure import structure


def packed(make):
    """The bytes of the distinct storages that autograd saves while ``make`` runs."""
    kept = []

    def pack(tensor):
        kept.append(tensor.detach())
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        result = make()
    total = sum(storages(kept).values())
    return total, result


def dot():
    x = torch.arange(4.0, requires_grad=True)
    return 2 * torch.dot(x, x)


def chain():
    x = torch.linspace(0, 1, 50, requires_grad=True)
    return torch.tanh(torch.exp(x).sin()).square().sum()


def mlp():
    net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
    return nn.functional.cross_entropy(net(torch.randn(5, 8)), torch.tensor([0, 1, 2, 3, 0]))


def cnn():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2))
    return net(torch.randn(2, 1, 8, 8)).square().mean()


def loop():
    w = torch.randn(3, 3, requires_grad=True)
    h = torch.ones(3)
    for _ in range(30):
        h = torch.tanh(w @ h)
    return h.sum()


def encoder():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    return nn.TransformerEncoder(layer, 2)(torch.randn(2, 3, 8)).pow(2).mean()


def views():
    """Two views of one tensor are saved, and it counts once."""
    x = torch.randn(100, requires_grad=True)
    y = x * 2
    return (y[:50] * y[50:]).sum()


def sparse():
    table = nn.Embedding(10, 3, sparse=True)
    return table(torch.tensor([1, 2, 2])).square().sum()


@pytest.mark.parametrize("make", [dot, chain, mlp, cnn, loop, encoder, views, sparse])
@pytest.mark.parametrize("recorded", [True, False])
def test_the_total_is_what_autograd_packs(make, recorded):
    torch.manual_seed(0)
    wanted, _ = packed(make)
    torch.manual_seed(0)
    if recorded:
        with seegrad.record():
            y = make()
    else:
        y = make()
    graph = structure(y)
    memory = Memory(graph)
    assert memory.kept(graph.vertices) + memory.alive(graph.vertices) == wanted


def test_leaves_are_told_from_what_only_the_graph_keeps():
    with seegrad.record():
        x = torch.ones(10, requires_grad=True)
        y = (x.exp() * x).sum()
    graph = structure(y)
    memory = Memory(graph)
    assert (memory.kept(graph.vertices), memory.alive(graph.vertices)) == (40, 40)


def test_a_tensor_that_two_save_counts_once_in_the_total():
    x = torch.ones(10, requires_grad=True)
    e = x.exp()
    graph = structure((e.sin() + e.cos()).sum())
    memory = Memory(graph)
    each = [memory.kept([vertex]) for vertex in graph.vertices]
    assert sum(each) == 120
    assert memory.kept(graph.vertices) == 40


def test_a_saved_tensor_is_not_unpacked():
    def unpack(_):
        raise AssertionError("this is the learner's code, and looking must not run it")

    with seegrad.record(), saved_tensors_hooks(lambda tensor: ("packed", tensor), unpack):
        x = torch.ones(3, requires_grad=True)
        y = x.exp()
    (saved,) = saved_by(y.grad_fn)
    assert (saved.tensor, saved.text) == (None, "packed by a hook, as tuple")


def test_what_backward_freed_is_said_to_be_gone():
    x = torch.ones(3, requires_grad=True)
    y = x.exp()
    y.sum().backward()
    (saved,) = saved_by(y.grad_fn)
    assert saved.text == "freed by backward()"


def test_a_learners_own_function_saves_too():
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x, x * 2)
            return x * 2

        @staticmethod
        def backward(_ctx, g):
            return g * 2

    x = torch.ones(3, requires_grad=True)
    saved = list(saved_by(Double.apply(x).grad_fn))
    assert [part.name for part in saved] == ["tensors[0]", "tensors[1]"]
    assert saved[1].tensor.tolist() == [2, 2, 2]


def test_the_detail_says_the_bytes():
    with seegrad.record():
        x = torch.arange(4.0, requires_grad=True)
        y = (x.exp() * x).sum()
    picture = seegrad.graph(y)
    picture.selected = next(
        node["id"] for node in picture.picture["nodes"] if node["label"] == "… * x"
    )
    rows = {row["term"]: row for row in picture.detail["rows"]}
    assert rows["saved: self"]["aside"] == "16 bytes"
    assert rows["saved: other"]["aside"] == "16 bytes, alive anyway"
    assert rows["saved in all"]["text"] == "16 bytes, and 16 bytes that are alive anyway"


def test_memory_is_shown_when_asked_for_and_not_before():
    with seegrad.record():
        x = torch.arange(4.0, requires_grad=True)
        y = (x.exp() * x).sum()
    plain = seegrad.graph(y)
    assert "saved" not in repr(plain)
    assert plain.saved == {}
    coloured = seegrad.graph(y, memory=True)
    anyway = "16 bytes more (*) are leaves and inputs, alive anyway"
    assert repr(coloured).splitlines()[-4:] == [
        f"saved for backward: 16 bytes that this graph keeps alive; {anyway}",
        "  x.exp(): 16 bytes",
        "  … * x: 16 bytes + 16 bytes*",
        "  ….sum(): nothing saved",
    ]
    assert coloured.saved["of"]["n1"] == {"share": 1.0, "text": "16 bytes"}
    coloured.memory = False
    assert repr(coloured) == repr(plain)
    coloured._png()
