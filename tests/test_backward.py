"""A replayed pass is PyTorch's own, and leaves no trace."""

import pytest
import torch
from torch import nn

import seegrad
from seegrad.backward import local_jacobian, remembered, seed_for
from seegrad.errors import FreedError, InputError


def mlp():
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))
    loss = nn.functional.cross_entropy(net(torch.randn(6, 4)), torch.tensor([0, 1, 2, 0, 1, 2]))
    return loss, list(net.parameters())


def two_paths():
    x = torch.tensor([0.5, 1.5, -2.0], requires_grad=True)
    return (x * x * torch.sin(x) + x).sum(), [x]


def broadcast():
    a, b = torch.rand(3, 1, requires_grad=True), torch.rand(1, 4, requires_grad=True)
    return (a * b / (a + b)).mean(), [a, b]


def double():
    x = torch.rand(3, dtype=torch.float64, requires_grad=True)
    (g,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
    return (g * g).sum(), [x]


CASES = [mlp, two_paths, broadcast, double]


@pytest.mark.parametrize("case", CASES)
def test_a_replay_adds_what_backward_would(case):
    y, leaves = case()
    run = seegrad.replay(y)
    y.backward()
    for leaf in leaves:
        assert torch.equal(run.added(leaf), leaf.grad)


@pytest.mark.parametrize("case", CASES)
def test_flows_sum_bit_for_bit_to_what_arrives(case):
    y, _ = case()
    run = seegrad.replay(y)
    arrived = {}
    for step in run.steps:
        for slot, total in enumerate(step.incoming):
            flows = arrived.get((step.node, slot))
            if flows:
                summed = flows[0]
                for flow in flows[1:]:
                    summed = summed + flow
                assert torch.equal(summed, total)
        for flow in step.sent:
            if flow.gradient is not None:
                arrived.setdefault((flow.target, flow.slot), []).append(flow.gradient)
    assert arrived


def test_the_steps_come_in_the_engines_order():
    y, _ = two_paths()
    run = seegrad.replay(y)
    order = []
    handles = [
        step.node.register_prehook(lambda _, n=step.node: order.append(n)) for step in run.steps
    ]
    y.backward()
    assert order == [step.node for step in run.steps]
    del handles


def test_a_replay_agrees_with_finite_differences():
    x = torch.tensor([0.3, 1.1, 2.0], dtype=torch.float64, requires_grad=True)

    def f(x):
        return (torch.exp(-x) * torch.cos(x)).sum()

    added = seegrad.replay(f(x)).added(x)
    h = 1e-6
    for i in range(3):
        step = torch.zeros(3, dtype=torch.float64)
        step[i] = h
        difference = (f(x.detach() + step) - f(x.detach() - step)) / (2 * h)
        assert abs(difference - added[i]) < 1e-8


def test_looking_changes_nothing():
    torch.manual_seed(2)
    x = torch.rand(4, requires_grad=True)
    x.grad = torch.ones(4)
    hidden = torch.dropout(x, 0.5, train=True)
    hidden.retain_grad()
    y = (hidden * 2).sum()
    hidden.grad = torch.full((4,), 7.0)
    before = (x.grad.clone(), hidden.grad.clone(), x._version, torch.get_rng_state())
    with seegrad.record():
        assert seegrad.replay(y).added(x) is not None
    assert torch.equal(x.grad, before[0])
    assert torch.equal(hidden.grad, before[1])
    assert x._version == before[2]
    assert torch.equal(torch.get_rng_state(), before[3])
    y.backward()  # the graph is still there
    assert torch.equal(x.grad, 1 + 4.0 * (hidden.detach() != 0))


def test_a_replay_sees_the_recorded_dropout_mask():
    torch.manual_seed(3)
    x = torch.ones(50, requires_grad=True)
    y = torch.dropout(x, 0.5, train=True)
    added = seegrad.replay(y.sum()).added(x)
    assert torch.equal(added, y.detach())


def test_a_seed_weighs_the_rows():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = torch.stack([x[0] ** 2, x[1] ** 3])
    assert seegrad.replay(y, torch.tensor([1.0, 1.0])).added(x).tolist() == [2, 12]
    assert seegrad.replay(y, torch.tensor([0.0, 1.0])).added(x).tolist() == [0, 12]


def test_a_leaf_has_a_pass_of_one_step():
    x = torch.tensor(3.0, requires_grad=True)
    run = seegrad.replay(x)
    assert len(run.steps) == 1
    assert run.added(x).item() == 1


def test_one_element_is_enough():
    assert seed_for(torch.zeros(1, 1), None).tolist() == [[1.0]]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda _: (3, None), "needs a tensor, and got 3 (int)"),
        (lambda x: (x.detach(), None), "does not require a gradient"),
        (lambda x: (x * 2, None), "v=torch.ones(4)"),
        (lambda x: (x * 2, torch.ones(3)), "v has shape (3,), but y has shape (4,)"),
        (lambda x: (x * 2, [1, 1]), "v must be a tensor"),
        (lambda x: (x[:0], None), "y is empty"),
    ],
)
def test_bad_input_gets_a_sentence(make, says):
    y, v = make(torch.arange(4.0, requires_grad=True))
    with pytest.raises(InputError) as raised:
        seegrad.replay(y, v)
    assert says in str(raised.value)


def test_the_sentence_names_the_op_that_cut_the_graph():
    with seegrad.record():
        x = torch.arange(4.0, requires_grad=True)
        y = (2 * x).detach()
    with pytest.raises(InputError, match=r"\(2 \* x\)\.detach\(\) cut it off"):
        seegrad.replay(y)


def test_a_freed_graph_says_so_and_its_recorded_pass_is_remembered():
    with seegrad.record():
        x = torch.arange(4.0, requires_grad=True)
        y = 2 * torch.dot(x, x)
        y.backward()
    with pytest.raises(FreedError, match="retain_graph"):
        seegrad.replay(y)
    (run,) = remembered(y)
    assert run.remembered
    assert [step.node.name() for step in run.steps][:2] == ["MulBackward0", "DotBackward0"]
    assert run.added(x).tolist() == [0, 4, 8, 12]


def test_a_chain_of_100_000_nodes_is_replayed():
    x = torch.ones((), requires_grad=True)
    y = x
    for _ in range(100_000):
        y = y * 1.0
    assert len(seegrad.replay(y).steps) == 100_001


def test_a_local_jacobian_is_the_ops_own():
    a, b = torch.rand(2, 3, requires_grad=True), torch.rand(3, 2, requires_grad=True)
    y = a @ b
    blocks = local_jacobian(y.grad_fn, y.shape, y.dtype)
    expected = torch.autograd.functional.jacobian(torch.matmul, (a.detach(), b.detach()))
    for block, true in zip(blocks, expected, strict=True):
        assert torch.equal(block, true.reshape(4, -1))


def test_a_freed_node_has_no_local_jacobian():
    x = torch.rand(3, requires_grad=True)
    y = (x * x).sum()
    node = y.grad_fn.next_functions[0][0]
    y.backward()
    assert local_jacobian(node, x.shape, x.dtype) is None
