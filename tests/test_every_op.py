"""For each op of PyTorch: recording changes nothing, and a replay is autograd's own pass."""

from collections import Counter

import pytest
import torch
from torch import nn

import seegrad
from tests.op_table import calls, evaluated, tensors


def loss_of(outputs):
    """One number that depends on every element of every output, each with a weight of its own."""
    total = torch.zeros(())
    for output in outputs:
        real = torch.view_as_real(output.resolve_conj()) if output.is_complex() else output
        weights = torch.linspace(0.5, 1.5, real.numel()).reshape(real.shape)
        total = total + (real.float() * weights).sum()
    return total


def same(a, b):
    """Bit for bit, though one may be sparse."""
    if a is None or b is None:
        return a is b
    a, b = (t.to_dense() if t.is_sparse else t for t in (a.detach(), b.detach()))
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(bits(a), bits(b))


def bits(tensor):
    flat = torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor
    return flat.contiguous().view(torch.uint8) if flat.ndim else flat.reshape(1).view(torch.uint8)


def left_behind(leaves):
    """All that a run may leave behind besides its results."""
    return [(t._version, t.grad) for t in leaves], torch.get_rng_state()


def unsummed(run):
    """The nodes at which what came along the edges, in order, does not add up to what arrived."""
    came, wrong = {}, []
    for step in run.steps:
        for slot, total in enumerate(step.incoming):
            terms = came.get((step.node, slot), ())
            if terms and total is not None:
                summed = terms[0]
                for term in terms[1:]:
                    summed = summed + term
                if not same(summed, total):
                    wrong.append((step.node.name(), slot))
        for flow in step.sent:
            if flow.gradient is not None:
                came.setdefault((flow.target, flow.slot), []).append(flow.gradient)
    return wrong


def run_plain(compute, leaves):
    torch.manual_seed(0)
    outputs = compute()
    after = torch.get_rng_state()
    loss = loss_of(outputs)
    return outputs, after, torch.autograd.grad(loss, leaves, allow_unused=True)


def check(compute, leaves, plain):
    """``compute`` recorded gives what it gave unrecorded; its replay what autograd gave."""
    outputs, after, gradients = plain
    torch.manual_seed(0)
    with seegrad.record() as recording:
        recorded = compute()
        rng = torch.get_rng_state()
        loss = loss_of(recorded)
    assert torch.equal(rng, after), "the random state differs"
    assert all(same(a, b) for a, b in zip(outputs, recorded, strict=True)), "an output differs"
    before = left_behind(leaves)
    run = seegrad.replay(loss)
    now = left_behind(leaves)
    assert before[0] == now[0] and torch.equal(before[1], now[1]), "the replay left a trace"
    for leaf, gradient in zip(leaves, gradients, strict=True):
        assert same(run.added(leaf), gradient), "a gradient differs"
    assert unsummed(run) == [], "flows do not add up"
    unowned = [s.node.name() for s in run.steps if s.leaf is None and s.op is None]
    assert unowned == [], "a node has no op"
    assert recording.failed is None


CALLS = calls()


def test_the_table_is_long_and_names_each_call_once():
    assert len(CALLS) >= 300
    assert [call for call, times in Counter(CALLS).items() if times > 1] == []


@pytest.mark.filterwarnings("ignore")  # many of these calls are on their way out
@pytest.mark.parametrize("call", CALLS)
def test_call(call):
    def fresh():
        names = tensors()
        return names, [leaf for leaf in names.values() if leaf.requires_grad]

    names, leaves = fresh()
    plain = run_plain(lambda: evaluated(call, names), leaves)
    names, leaves = fresh()
    check(lambda: evaluated(call, names), leaves, plain)


class Net(nn.Module):
    """What ``forward`` computes from modules; its input is fixed, its target too."""

    def __init__(self, parts, forward):
        super().__init__()
        self.parts = nn.ModuleDict(parts)
        self.compute = forward

    def forward(self):
        return self.compute(**self.parts)


def mlp():
    net = nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7), nn.Dropout(0.3), nn.Linear(7, 3))
    x, target = torch.randn(6, 5), torch.tensor([0, 1, 2, 0, 1, 2])
    return Net({"net": net}, lambda net: nn.functional.cross_entropy(net(x), target))


def convolutional():
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(36, 3),
    )  # fmt: skip
    x = torch.randn(4, 1, 8, 8)
    return Net({"net": net}, lambda net: net(x).log_softmax(1)[:, 0])


def recurrent(kind):
    x = torch.randn(6, 3, 4)
    net = kind(4, 5, num_layers=2, dropout=0.2)
    return Net({"net": net, "out": nn.Linear(5, 2)}, lambda net, out: out(net(x)[0]))


def cells():
    x = torch.randn(6, 3, 4)

    def run(cell):
        h = c = torch.zeros(3, 5)
        for step in x:
            h, c = cell(step, (h, c))
        return h

    return Net({"cell": nn.LSTMCell(4, 5)}, run)


def encoder():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    net = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    x = torch.randn(2, 5, 8)
    return Net({"net": net}, lambda net: net(x))


def embedded(sparse):
    words = torch.tensor([[1, 2, 2], [0, 4, 1]])
    parts = {"words": nn.Embedding(6, 4, sparse=sparse), "out": nn.Linear(4, 2)}
    return Net(parts, lambda **parts: parts["out"](parts["words"](words).mean(1)))


MODELS = {
    "mlp": mlp,
    "convolutional": convolutional,
    "lstm": lambda: recurrent(nn.LSTM),
    "gru": lambda: recurrent(nn.GRU),
    "rnn": lambda: recurrent(nn.RNN),
    "lstm cells": cells,
    "encoder": encoder,
    "embedding": lambda: embedded(sparse=False),
    "sparse embedding": lambda: embedded(sparse=True),
}


@pytest.mark.parametrize("name", MODELS)
def test_model(name):
    def fresh():
        torch.manual_seed(1)
        model = MODELS[name]()
        return model, list(model.parameters())

    model, leaves = fresh()
    plain = run_plain(lambda: [model()], leaves)
    again, leaves = fresh()
    check(lambda: [again()], leaves, plain)
    for one, other in zip(model.buffers(), again.buffers(), strict=True):
        assert same(one, other)
    with seegrad.record():
        output = again()
    steps = seegrad.replay(output, torch.ones_like(output)).steps
    assert all(step.op.scope[:1] == ("Net",) for step in steps if step.leaf is None)
