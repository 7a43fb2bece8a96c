"""What passes a mode by is recorded all the same, and recording leaves no change behind."""

import ast
import gc
import inspect
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vjp, vmap
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

import seegrad
from seegrad.backward import remembered
from seegrad.recording import recorder, unseen
from tests.own_function import Double

double = Double.apply


def spelled(recording):
    return [op.text for op in recording.ops]


def owned(y):
    """The op behind each node of a pass, in the pass's order; ``None`` if a node has none."""
    return [step.op and step.op.name for step in seegrad.replay(y).steps if step.leaf is None]


def test_a_learners_own_function_is_one_op():
    with seegrad.record() as recording:
        x = torch.ones(2, requires_grad=True)
        y = Double.apply(x * 3)
        z = double(y)
    assert spelled(recording)[1:] == ["x * 3", "Double.apply(x * 3)", "double(y)"]
    op = recorder().value(z).op
    assert (op.name, op.inputs[0].data.tolist(), op.direct) == ("Double", [6, 6], True)
    assert owned(z.sum()) == [None, "Double", "Double", "mul"]


def test_after_recording_every_change_is_undone():
    def state():
        patched = [getattr(module, name) for module, name, _ in unseen._TRANSFORMS]
        patched += [torch.compile, torch.overrides.has_torch_function]
        return [*patched, torch.autograd.Function.__mro__[1].__dict__.get("apply")]

    before = state()
    with seegrad.record():
        assert state() != before
    assert state() == before
    with pytest.raises(ZeroDivisionError), seegrad.record():
        1 / 0  # noqa: B018
    assert state() == before


def f(x):
    return (torch.sin(x) ** 2).sum()


TRANSFORMED = {
    "grad": lambda x: grad(f)(x),
    "grad of grad": lambda x: grad(lambda x: grad(f)(x).sum())(x),
    "vmap": lambda x: vmap(torch.sin)(x),
    "vmap of grad": lambda x: vmap(grad(f))(x[None]),
    "vjp": lambda x: vjp(torch.sin, x)[1](torch.ones(3))[0],
    "jvp": lambda x: jvp(torch.sin, (x,), (torch.ones(3),))[1],
    "jacrev": lambda x: jacrev(torch.sin)(x),
    "jacfwd": lambda x: jacfwd(torch.sin)(x),
    "hessian": lambda x: hessian(f)(x),
}


@pytest.mark.filterwarnings("ignore:.torch.jit.script")
@pytest.mark.parametrize("name", TRANSFORMED)
def test_transforms_work_recorded_and_own_their_nodes(name):
    transformed = TRANSFORMED[name]
    x = torch.rand(3, requires_grad=True)
    plain = transformed(x)
    (gradient,) = torch.autograd.grad(plain.sum(), x)
    with seegrad.record():
        y = transformed(x)
        total = y.sum()
    assert torch.equal(y, plain)
    assert torch.equal(seegrad.replay(total).added(x), gradient)
    assert None not in owned(total)


def test_what_a_transform_works_on_is_not_kept():
    def g(x):
        inside.append(recorder().value(x))
        return x * 2

    inside = []
    with seegrad.record():
        x = torch.rand(3)
        vmap(g)(x)
    assert inside[0].data.is_meta


def test_double_backward_nodes_belong_to_the_call_that_made_them():
    with seegrad.record():
        x = torch.rand(3, requires_grad=True)
        (g,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
        z = (g * g).sum()
    assert set(owned(z)) == {"sum", "mul", "grad"}
    with seegrad.record():
        y = torch.rand(3, requires_grad=True)
        torch.set_warn_always(True)  # else it warns once in a process
        with pytest.warns(UserWarning, match="create_graph"):
            (y**3).sum().backward(create_graph=True)
        torch.set_warn_always(False)
        z = (y.grad**2).sum()
    assert set(owned(z)) == {"sum", "pow", "backward"}
    y.grad = None


def test_several_roots_and_chosen_inputs():
    with seegrad.record():
        x, w = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
        torch.autograd.backward([(x * 2).sum(), (x * w).sum()])
        (x * w).sum().backward(inputs=[x])
    assert [event.added.tolist() for event in recorder().grad_events(x)] == [[3, 3], [1, 1]]
    assert [event.added.tolist() for event in recorder().grad_events(w)] == [[1, 1]]


@pytest.mark.parametrize("reentrant", [True, False])
def test_a_checkpoint_is_recorded_and_its_pass_remembered(reentrant):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5))
    x = torch.ones(3, requires_grad=True)

    def loss():
        torch.manual_seed(1)
        return checkpoint(net, x, use_reentrant=reentrant).sum()

    loss().backward()
    plain = [p.grad for p in (x, *net.parameters())]
    net.zero_grad()
    x.grad = None
    with seegrad.record():
        y = loss()
        y.backward(retain_graph=True)
    assert all(torch.equal(p.grad, g) for p, g in zip((x, *net.parameters()), plain, strict=True))
    assert torch.equal(remembered(y)[0].added(x), x.grad)
    if reentrant:
        with pytest.raises(seegrad.InputError, match="use_reentrant"):
            seegrad.replay(y)
    else:
        assert torch.equal(seegrad.replay(y).added(x), x.grad)


def test_a_compiled_function_runs_as_it_was_written():
    compiled = torch.compile(f, backend="eager", fullgraph=True)
    x = torch.rand(3, requires_grad=True)
    plain = compiled(x)
    with seegrad.record():
        y = compiled(x)
        inside = torch.compile(f, backend="eager", fullgraph=True)(x)
    assert torch.equal(plain, y) and torch.equal(plain, inside)
    assert owned(y) == ["sum", "pow", "sin"]
    assert torch.equal(compiled(x), plain)


def test_l1_loss_keeps_its_weight():
    x, y, w = torch.rand(3), torch.rand(3), torch.tensor([1.0, 2.0, 3.0])
    plain = nn.functional.l1_loss(x, y, weight=w)
    with seegrad.record():
        assert torch.equal(nn.functional.l1_loss(x, y, weight=w), plain)
        assert torch.equal(nn.functional.l1_loss(x, y), (x - y).abs().mean())


def withheld(module):
    """The functions of a module that withhold one of their parameters from a mode, and which."""
    found = set()
    for function in ast.walk(ast.parse(Path(inspect.getfile(module)).read_text())):
        if not isinstance(function, ast.FunctionDef):
            continue
        for call in ast.walk(function):
            name = getattr(call, "func", None)
            if isinstance(name, ast.Name) and name.id == "handle_torch_function":
                passed_on = [*call.args[2:], *(word.value for word in call.keywords)]
                given = {n.id for a in passed_on for n in ast.walk(a) if isinstance(n, ast.Name)}
                arguments = function.args.args + function.args.kwonlyargs
                found |= {(function.name, a.arg) for a in arguments if a.arg not in given}
    return found


def test_no_other_function_withholds_an_argument():
    known = {(function.__name__, name) for function, name in unseen.FORGETFUL.items()}
    assert withheld(nn.functional) == known
    # Where results go is no argument of a mode's; ``chain_matmul`` is deprecated.
    assert withheld(torch.functional) == {("chain_matmul", "out")}


@pytest.mark.filterwarnings("ignore:.*nested tensors")
def test_the_fast_path_of_an_encoder_stays_what_it_is():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    net = nn.TransformerEncoder(layer, 2).eval()
    x = torch.randn(2, 5, 8)
    with torch.no_grad():
        plain = net(x)
        with seegrad.record() as recording:
            y = net(x)
    assert torch.equal(plain, y)
    assert "_transformer_encoder_layer_fwd" in [op.name for op in recording.ops]


def test_hooks_run_as_often_as_without_us_and_shape_the_replay():
    ran = []
    net = nn.Linear(2, 2)
    net.register_forward_hook(lambda *_: ran.append("forward"))
    net.register_full_backward_hook(lambda *_: ran.append("backward"))
    with seegrad.record():
        x = torch.ones(2, requires_grad=True)
        h = x * 2
        h.register_hook(lambda g: g * 10)
        x.register_post_accumulate_grad_hook(lambda _: ran.append("accumulated"))
        y = net(h).sum()
        y.backward(retain_graph=True)
    assert ran == ["forward", "backward", "accumulated"]
    assert torch.equal(seegrad.replay(y).added(x), x.grad)
    assert ran.count("accumulated") == 1


class Logged(torch.Tensor):
    seen = 0

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        cls.seen += 1
        return super().__torch_function__(func, types, args, kwargs)


class CountFunctions(TorchFunctionMode):
    def __init__(self):
        super().__init__()
        self.seen = 0

    def __torch_function__(self, func, _types, args=(), kwargs=None):
        self.seen += 1
        return func(*args, **(kwargs or {}))


class CountKernels(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.seen = 0

    def __torch_dispatch__(self, func, _types, args=(), kwargs=None):
        self.seen += 1
        return func(*args, **(kwargs or {}))


def seen_by(others, make):
    """How many calls ``others`` sees of a computation, unrecorded and recorded."""

    def work():
        x = make()
        y = x * 2
        y.add_(1)
        return y.reshape(2, 2)[0].sum()

    counts = []
    for record in (False, True):
        before = others.seen
        with seegrad.record() if record else nullcontext():
            work()
        counts.append(others.seen - before)
    return counts


def test_a_tensor_class_does_not_see_us_look():
    plain, recorded = seen_by(Logged, lambda: torch.arange(4.0).as_subclass(Logged))
    assert plain == recorded > 0


@pytest.mark.parametrize("kind", [CountFunctions, CountKernels])
def test_a_mode_does_not_see_us_look(kind):
    with kind() as mode:
        plain, recorded = seen_by(mode, lambda: torch.arange(4.0))
    assert plain == recorded > 0


def test_no_cell_leaves_anything_behind():
    net = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 1))
    net[2].register_full_backward_hook(lambda *_: None)

    def cells(count):
        for _ in range(count):
            with seegrad.record() as recording:
                loss = double(net(torch.ones(2, 3))).sum()
                loss.backward()
                if loss > 1e9:
                    recording.clear()
                seegrad.replay(net(torch.ones(3)))
        del loss, recording
        gc.collect()
        return len(gc.get_objects())

    cells(150)
    # Up to 64 cells that are over wait to be forgotten together: fewer than 2500 objects.
    assert cells(3000) - cells(150) < 2500


def test_what_an_op_was_given_does_not_keep_its_result():
    def cell():
        results = []

        def doubled(x):
            return x * 2 if results == [] else x

        results.append(vmap(doubled)(torch.rand(3)))

    with seegrad.record():
        cell()
    gc.collect()
    assert not [op for op in recorder().ops() if op.name == "vmap"]
