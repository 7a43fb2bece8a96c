"""The graph that is drawn: what the learner wrote, constants and cuts included."""

import torch
from torch import nn

import seegrad
from seegrad.structure import itinerary, structure
from tests.own_function import Double


def spelled(vertex):
    if vertex.number is not None:
        return vertex.number
    return vertex.op.text if vertex.op else vertex.kind


def edges(graph):
    return [(spelled(e.source), spelled(e.target), e.kind, e.word) for e in graph.edges]


def test_dot_of_a_vector_with_itself():
    with seegrad.record():
        x = torch.arange(4.0, requires_grad=True)
        y = 2 * torch.dot(x, x)
    graph = structure(y)
    assert sorted(map(str, edges(graph))) == sorted(
        map(
            str,
            [
                ("leaf", "torch.dot(x, x)", "gradient", ""),
                ("leaf", "torch.dot(x, x)", "gradient", ""),
                ("torch.dot(x, x)", "2 * torch.dot(x, x)", "gradient", ""),
                (2, "2 * torch.dot(x, x)", "constant", ""),
            ],
        )
    )
    stops = itinerary(graph, seegrad.replay(y))
    assert [spelled(stop.vertex) for stop in stops] == [
        "2 * torch.dot(x, x)",
        "torch.dot(x, x)",
        "leaf",
    ]
    assert [[g.tolist() for _, g in stop.sent] for stop in stops] == [[2], [[0, 2, 4, 6]] * 2, []]
    assert stops[-1].total.tolist() == [0, 4, 8, 12]


def test_detach_is_a_cut_and_what_lies_behind_it_is_drawn():
    with seegrad.record():
        x = torch.arange(4.0, requires_grad=True)
        y = x * x
        u = y.detach()
        z = (u * x).sum()
    assert ("x * x", "y.detach()", "cut", "detach") in edges(structure(z))
    assert ("y.detach()", "u * x", "constant", "") in edges(structure(z))


def test_no_grad_is_a_cut():
    with seegrad.record():
        x = torch.arange(4.0, requires_grad=True)
        with torch.no_grad():
            u = x * x
        z = (u * x).sum()
    assert ("leaf", "x * x", "cut", "no_grad") in edges(structure(z))


def test_an_op_without_a_derivative_is_a_cut():
    with seegrad.record():
        x = torch.arange(4.0, requires_grad=True)
        z = (x.argmax() * x).sum()
    assert ("leaf", "x.argmax()", "cut", "not differentiable") in edges(structure(z))


def test_a_tensor_that_wants_no_gradient_is_a_constant():
    with seegrad.record():
        x = torch.ones(2, requires_grad=True)
        target = torch.zeros(2) + 1
        loss = nn.functional.mse_loss(x, target)
    graph = structure(loss)
    assert [v.kind for v in graph.vertices] == ["leaf", "constant", "op"]


def test_an_op_of_several_nodes_is_one_vertex():
    with seegrad.record():
        x = torch.randn(3, 4, requires_grad=True)
        loss = nn.functional.cross_entropy(x, torch.tensor([0, 1, 2]))
    graph = structure(loss)
    op = graph.root
    assert [node.name() for node in op.nodes] == ["NllLossBackward0", "LogSoftmaxBackward0"]
    first, last = itinerary(graph, seegrad.replay(loss))
    assert first.vertex is op
    assert torch.equal(first.sent[0][1], last.total)


def test_edges_know_which_input_they_are():
    with seegrad.record():
        a = torch.tensor(2.0, requires_grad=True)
        b = torch.tensor(5.0, requires_grad=True)
        y = torch.sub(a * 1, b)
    graph = structure(y)
    place = {spelled(e.source): e.place for e in graph.edges if e.target is graph.root}
    assert place == {"a * 1": 0, "leaf": 1}


def test_code_that_was_not_recorded_is_drawn_by_node():
    x = torch.ones(2, requires_grad=True)
    graph = structure((x * x).sum())
    assert [v.nodes[0].name() for v in graph.vertices if v.kind == "op"] == [
        "MulBackward0",
        "SumBackward0",
    ]


def test_a_learners_own_function_joins_the_ops_around_it():
    with seegrad.record():
        x = torch.ones(2, requires_grad=True)
        z = x * 3
        y = Double.apply(z).sum()
    names = [
        v.op.name if v.op else v.nodes[0].name() for v in structure(y).vertices if v.kind == "op"
    ]
    assert names == ["mul", "Double", "sum"]
