"""A learner's function is called on copies, and whatever it does becomes a sentence."""

import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import torch

import seegrad
from seegrad.errors import InputError
from seegrad.functions.asking import ask, asking, fresh, require_finite
from seegrad.functions.time_limit import limited
from seegrad.recording import Recorder


def endless(x):
    while True:
        x = x


def endless_torch(x):
    while True:
        with suppress(Exception):
            x = x + 1


def unbound(x):
    return nothing_of_that_name * x  # noqa: F821


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (3.0, "x must be a tensor of floats, and is 3.0 (float)"),
        (torch.empty(0, 3), "x is empty, of shape (0, 3)"),
        (torch.tensor([1, 2]), "x holds integers (torch.int64)"),
        (torch.tensor([True]), "x holds True and False"),
        (torch.tensor([1j]), "torch.view_as_real(x)"),
        (torch.tensor([[1.0, 2.0], [float("nan"), 0.0]]), "x[1, 0] is nan"),
        (torch.tensor(float("-inf")), "x is -inf"),
        (torch.eye(2).to_sparse(), "x is sparse"),
        (torch.ones(2, device="meta"), "x is on the meta device"),
    ],
)
def test_an_input_that_cannot_be_used_is_named(x, says):
    with pytest.raises(InputError) as caught:
        ask(torch.sin, x)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("f", "says"),
    [
        (3, "f must be a function of x, and is 3 (int)"),
        (unbound, "f raised NameError: name 'nothing_of_that_name' is not defined. Call f(x)"),
        (lambda x: x @ torch.ones(5), "f raised RuntimeError"),
        (lambda _: None, "does f have a return?"),
        (lambda x: x.sum().item(), "f(x) must be a tensor, and is 3.0 (float)"),
        (lambda x: (x, x), "f(x) is a tuple of 2 things"),
        (lambda x: {"y": x}, "f(x) is a dict of 1 thing,"),
        (lambda x: x.detach() * 2, "f(x) does not require a gradient"),
        (lambda _: torch.ones(3), "f(x) does not require a gradient"),
        (lambda x: x.argmax(), "f(x) holds integers (torch.int64)"),
        (lambda x: x > 0, "f(x) holds True and False (torch.bool)"),
        (lambda x: x * 1j, "f(x) holds complex numbers"),
        (lambda x: x[:0], "f(x) is empty, of shape (0,)"),
        (lambda x: x.to_sparse(), "f(x) is sparse"),
        (lambda x: torch.log(x - 2), "f(x) is not finite: y[0] is nan"),
        (lambda x: 1 / (x - 1), "y[0] is inf"),
    ],
)
def test_what_a_function_does_wrong_is_said(f, says):
    with pytest.raises(InputError) as caught:
        ask(f, torch.tensor([1.0, 2.0]))
    assert says in str(caught.value)


@pytest.mark.parametrize("change", [lambda x: x.mul_(2), lambda x: x.data.mul_(2)])
@pytest.mark.parametrize("gradient", [True, False])
def test_a_function_that_changes_its_input_is_told_to_copy_it(change, gradient):
    def f(x):
        change(x)
        return (x**2).sum()

    x = torch.tensor([1.0, 2.0])
    told = r"f changes its own input x.*x = x\.clone\(\)"
    with pytest.raises(InputError, match=told), asking(f) as call:
        call(x.clone().requires_grad_(gradient))


def test_what_it_prints_is_not_shown(capsys):
    def f(x):
        print("called")
        return x

    ask(f, torch.ones(2))
    assert capsys.readouterr().out == ""


def test_a_value_that_cannot_be_used_is_told_in_one_line():
    with pytest.raises(InputError) as caught:
        ask(lambda _: list(range(10_000)), torch.ones(2))
    with pytest.raises(InputError) as array:
        ask(lambda x: x.detach().numpy().reshape(50, 50), torch.ones(2500))
    for told in map(str, (caught.value, array.value)):
        assert len(told) < 250 and "\n" not in told


def test_what_is_not_wanted_is_not_checked():
    x = torch.tensor([1.0, 2.0])
    answer = ask(lambda x: torch.log(x.detach() - 2), x, differentiable=False, finite=False)
    assert answer.output.isnan().any()


@pytest.mark.parametrize("f", [endless, endless_torch])
def test_a_function_that_never_ends_is_stopped(f):
    began = time.perf_counter()
    with pytest.raises(InputError, match=r"f took more than 0\.05 seconds.*loop"):
        ask(f, torch.ones(2), seconds=0.05)
    assert time.perf_counter() - began < 2


def in_another_thread(act):
    """Where JupyterLab has the page's questions answered. What act raises is raised here."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(act).result(timeout=10)


@pytest.mark.parametrize("f", [endless, endless_torch])
def test_outside_the_main_thread_it_is_stopped_too(f):
    with pytest.raises(InputError, match="took more than"):
        in_another_thread(lambda: ask(f, torch.ones(2), seconds=0.05))


def test_after_a_limit_nothing_is_stopped_any_more():
    def answer_and_go_on():
        answers = [ask(torch.sin, torch.ones(2), seconds=0.05).output for _ in range(20)]
        end = time.perf_counter() + 0.2
        while time.perf_counter() < end:
            pass
        return len(answers)

    assert in_another_thread(answer_and_go_on) == 20


def test_a_limit_inside_another_leaves_the_other_in_force():
    def both():
        with limited(0.1):
            with suppress(InputError):
                ask(endless, torch.ones(2), seconds=0.02)
            endless(None)

    with pytest.raises(InputError, match=r"0\.1 seconds"):
        in_another_thread(both)


SLOW_MODULE = """
import time
import torch

end = time.perf_counter() + 0.2  # four times the limit
while time.perf_counter() < end:
    torch.ones(1)
complete = True
"""


def import_it_and_never_end(x):
    import slow_to_import

    assert slow_to_import.complete
    return endless_torch(x)


@pytest.mark.parametrize("thread", ["main", "another"])
def test_an_import_is_not_cut_short_but_what_follows_it_is(thread, tmp_path, monkeypatch):
    """Half a module would stay behind, and break whatever imports it next."""
    (tmp_path / "slow_to_import.py").write_text(SLOW_MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    caught = []

    def run():
        with pytest.raises(InputError, match="took more than"):
            ask(import_it_and_never_end, torch.ones(2), seconds=0.05)
        caught.append(sys.modules.pop("slow_to_import"))

    if thread == "main":
        run()
    else:
        other = threading.Thread(target=run)
        other.start()
        other.join(10)
    assert [module.complete for module in caught] == [True]


def test_one_limit_holds_for_all_calls():
    def ask_on_and_on():
        with asking(torch.sin, 0.05) as call:
            while True:
                call(torch.ones(2))

    with pytest.raises(InputError, match=r"[\d,]+ calls of f took more than 0\.05 seconds"):
        ask_on_and_on()


def test_alarms_of_others_still_ring():
    rung = []
    handler = signal.signal(signal.SIGALRM, lambda *_: rung.append(True))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with limited(1.0):
            pass
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 0.05
        end = time.perf_counter() + 5
        while not rung and time.perf_counter() < end:
            pass
        assert rung
        with pytest.raises(InputError):
            ask(endless, torch.ones(1), seconds=0.01)
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
        assert signal.getsignal(signal.SIGALRM) is not None
    finally:
        signal.signal(signal.SIGALRM, handler)


def test_the_learners_things_stay_as_they_are():
    x = torch.ones(3, requires_grad=True)
    (2 * x).sum().backward()
    grad, version = x.grad.clone(), x._version
    torch.manual_seed(5)
    state = torch.get_rng_state()
    handler = signal.getsignal(signal.SIGALRM)
    answer = ask(lambda x: torch.rand(3) * x, x)
    answer.output.sum().backward()
    assert torch.equal(x.grad, grad) and x._version == version
    assert torch.equal(torch.get_rng_state(), state)
    assert signal.getsignal(signal.SIGALRM) is handler
    assert answer.inputs[0] is not x and answer.inputs[0].grad is not None


def test_every_call_sees_the_same_random_numbers():
    with asking(lambda x: x * torch.rand(3)) as call:
        assert torch.equal(call(torch.ones(3)), call(torch.ones(3)))


def test_a_recording_outside_sees_nothing_and_one_asked_for_sees_all():
    watcher = Recorder()
    with seegrad.record() as outside:
        x = torch.ones(3)
        answer = ask(lambda x: torch.dot(x, x) * 2, x, watching=watcher.record())
    assert [op.name for op in outside.ops] == ["ones"]
    assert [op.name for op in watcher.ops()] == ["dot", "mul"]
    assert watcher.value(answer.output).op.text == "torch.dot(x, x) * 2"


def test_it_works_inside_no_grad_and_inference_mode():
    with torch.no_grad():
        assert ask(torch.sin, torch.ones(2)).output.requires_grad
    with torch.inference_mode():
        x = torch.ones(2)
        assert ask(torch.sin, x).output.requires_grad


def test_several_inputs_are_named_in_what_is_said():
    x, w = torch.ones(2), torch.ones(3)
    with pytest.raises(InputError, match=r"Call f\(x, w\) in a cell"):
        ask(torch.dot, x, w, names=("x", "w"))
    with pytest.raises(InputError, match="w holds integers"):
        fresh(x, w.long(), names=("x", "w"))


def test_a_large_finite_half_is_finite():
    require_finite(torch.full((100,), 60_000.0, dtype=torch.float16), "x", "x")


def test_a_traced_function_runs_on_after_one_that_was_stopped():
    """A pending interrupt that was taken back would let a traced thread turn for ever."""

    def stop_one_and_trace_another():
        with pytest.raises(InputError):
            ask(endless, torch.ones(2), seconds=0.02)
        ask(torch.sin, torch.ones(2))
        sys.settrace(lambda *_: None)
        try:
            return ask(torch.sin, torch.ones(2), seconds=1.0).output.shape
        finally:
            sys.settrace(None)

    assert in_another_thread(stop_one_and_trace_another) == (2,)
