"""Does a walk see the path that f took, and does bisection find where it changes?"""

import math
import subprocess
import sys
from fractions import Fraction

import pytest
import torch

import seegrad
from seegrad.drawing.branch_scene import Branches
from seegrad.errors import InputError
from seegrad.functions.piecewise import EndlessError, breakpoints, ray, walk
from seegrad.functions.rounding import decimal, roundings
from seegrad.recording import Recorder


def f(a):
    b = a * 2
    while b.norm() < 1000:
        b = b * 2
    if b.sum() > 0:  # noqa: SIM108, it is the notes' own
        c = b
    else:
        c = 100 * b
    return c


def hat(a):
    if a > 1:
        return 2 - a
    return a if a > 0 else 0.5 * a


def by_number(a):
    total = a
    for _ in range(int(a.item())):
        total = total + a
    return total


def turns(a):
    return math.ceil(math.log2(1000 / (2 * abs(a))))


def test_the_notes_own_run_is_explained():
    picture = seegrad.branches(f, torch.tensor(-9.0155e-05))
    text = repr(picture)
    assert "path: 23 turns · b.sum() > 0 is False\n" in text
    assert "a.grad == d / a: False" in text
    assert "torch.allclose(a.grad, d / a): True" in text
    assert "a.grad is exactly 1677721600, and d / a is 1677721728" in text
    assert "100 * b is -151254.99267578125, of which the tensor keeps -151255" in text
    a = torch.tensor(-9.0155e-05, requires_grad=True)
    d = f(a)
    d.backward()
    assert (a.grad.item(), (d / a).item()) == (1677721600.0, 1677721728.0)
    assert bool(a.grad != d / a) and torch.allclose(a.grad, d / a)


@pytest.mark.parametrize("seed", range(10))
def test_every_number_is_torchs(seed):
    torch.manual_seed(seed)
    a = (torch.randn(()) * 10.0 ** torch.randint(-6, 3, ()).item()).requires_grad_()
    scene = Branches(f, a)
    look, (while_, if_) = scene.look, scene.look.path.questions
    d = f(a)
    d.backward()
    assert look.d.equal(d.detach()) and look.gradient.equal(a.grad)
    assert look.quotient.equal((d / a).detach())
    assert look.equal is bool(a.grad == d / a) and look.close is torch.allclose(a.grad, d / a)
    assert sum(while_.answers) == max(0, turns(a.item()))
    assert if_.answers == (a.item() > 0,)
    loop = scene.code()[3]
    assert loop.text == "        b = b * 2" and loop.times == sum(while_.answers)


def test_the_kinks_of_the_notes_f_are_the_halves_of_1000():
    kinks = breakpoints(f, 1e-3, 600.0)
    exact = [1000 / 2**n for n in range(1, 20)]
    expected = sorted(k for k in exact if 1e-3 < k < 600)
    assert [kink.above for kink in kinks] == pytest.approx(expected, rel=1e-6)
    for kink in kinks:
        below, above = torch.tensor([kink.below, kink.above])
        assert torch.nextafter(below, above) == above
        assert f(below) / below != f(above) / above


@pytest.mark.parametrize("sign", [-1, 1])
def test_both_signs(sign):
    low, high = sorted((sign * 0.5, sign * 3.0))
    at = [round(1000 / 2**n, 3) for n in (10, 9)]
    found = [abs(round(kink.above, 3)) for kink in breakpoints(f, low, high)]
    assert found == (at if sign > 0 else at[::-1])


def test_a_kink_at_zero_is_found_exactly():
    at_zero, at_one = breakpoints(hat, -2.0, 2.0)
    assert at_zero.below == 0 and at_zero.above > 0
    assert at_one.below == 1 and at_one.above == pytest.approx(1.0)
    assert at_one.change == "a > 1: False below, True above"
    assert breakpoints(hat, -2.0, 2.0, dtype=torch.float64)[1].above == math.nextafter(1, 2)


F = torch.nn.functional

ONE_OP = {
    "relu": (lambda a: torch.relu(a - 1), [1]),
    "in place": (lambda a: F.relu(a - 1, inplace=True), [1]),
    "leaky_relu": (lambda a: F.leaky_relu(a + 0.5), [-0.5]),
    "elu": (lambda a: F.elu(a - 1, alpha=2.0), [1]),
    "abs": (lambda a: (a - 0.25).abs(), [0.25]),
    "clamp": (lambda a: a.clamp(-1, 2), [-1, 2]),
    "clamp by tensor": (lambda a: a.clamp(max=torch.tensor(0.5)), [0.5]),
    "hardtanh": (lambda a: F.hardtanh(a, -0.5, 2.5), [-0.5, 2.5]),
    "softshrink": (F.softshrink, [-0.5, 0.5]),
    "threshold": (lambda a: F.threshold(a, 0.75, 0.0), [0.75]),
    "maximum": (lambda a: torch.maximum(a, 2 * a - 1), [1]),
    "max of two": (lambda a: torch.max(a, 2 * a - 1), [1]),
    "max of all": (lambda a: torch.stack([a, 2 - a, a * 0 - 3]).max(), [1]),
    "max along": (lambda a: torch.stack([a, 2 - a]).max(0).values, [1]),
    "amin": (lambda a: torch.stack([a, -a, a * 0 - 2]).amin(dim=(0,)), [-2, 2]),
    "sort": (lambda a: torch.stack([a, 2 - a, a * 0 + 5]).sort().values[0], [1]),
    "median": (lambda a: torch.stack([a, a * 0 + 1, a * 0 - 1]).median(), [-1, 1]),
    "max_pool": (lambda a: F.max_pool1d(torch.stack([a, 2 - a])[None, None], 2), [1]),
    "where": (lambda a: torch.where(a > 1, a * a, a), [1]),
    "its method": (lambda a: (a * a).where(a > 1, a), [1]),
    "floor": (lambda a: a + a.floor() if a > 0.5 else a, [0.5, 1, 2]),
    "remainder": (lambda a: (a + 0.5) % 2, [-2.5, -0.5, 1.5]),
    "l1_loss": (lambda a: F.l1_loss(a, a.detach() * 0 + 1), [1]),
    "norm": (lambda a: (a - 1).norm(), [1]),
    "vector": (lambda a: torch.relu(a - torch.tensor([0.5, 1.5])).sum(), [0.5, 1.5]),
}


@pytest.mark.parametrize("name", ONE_OP)
def test_a_kink_inside_one_op_is_found_between_neighbouring_floats(name):
    function, expected = ONE_OP[name]
    kinks = breakpoints(function, -2.75, 2.75)
    assert [kink.above for kink in kinks] == pytest.approx(expected, abs=1e-6)
    for kink in kinks:
        below, above = torch.tensor([kink.below, kink.above])
        assert torch.nextafter(below, above) == above
        assert " below, " in kink.change


@pytest.mark.parametrize(
    "smooth",
    [
        lambda a: torch.relu(a) ** 2,
        lambda a: torch.relu(a) - torch.relu(-a),
        lambda a: a * a if a.abs() < 100 else a,
        lambda a: a + torch.relu(a - 1).detach() * 0,
        lambda a: torch.where(a > 1, a * 2, a + a),
        lambda a: torch.exp(4 * a) + F.elu(a),
        lambda a: torch.max(a * a, -a * a),
    ],
)
def test_where_neither_f_nor_its_slope_jumps_there_is_no_kink(smooth):
    assert breakpoints(smooth, -2.75, 2.75) == ()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_a_kink_inside_one_op_in_each_dtype(dtype):
    (kink,) = breakpoints(lambda a: torch.relu(a - 1), -3.0, 3.0, dtype)
    assert kink.below == 1 < kink.above < 1.01


def test_an_op_on_another_piece_is_said_in_the_picture():
    picture = seegrad.branches(lambda a: torch.relu(a - 1) + a.clamp(max=5), torch.tensor(2.0))
    assert "path: relu: input > 0 · clamp: input <= 5" in repr(picture)
    picture.move(7.0)
    assert picture.page["crossed"] == "1 kink was crossed: f'(a) went from 2 to 1."
    assert [kink["text"].split(":")[0] for kink in picture.curve["kinks"]] == [
        "torch.relu(a - 1)",
        "a.clamp(max=5)",
    ]


def test_a_path_that_no_tensor_decided_is_told_by_its_lines():
    assert [round(kink.above) for kink in breakpoints(by_number, 0.5, 3.5)] == [1, 2, 3]


def test_a_loop_that_never_ends_is_stopped_with_the_reason():
    with pytest.raises(EndlessError, match=r"2,000 turns: b\.norm\(\) < 1000 was still True"):
        walk(f, f, torch.tensor(0.0))
    problem = seegrad.branches(f, torch.tensor(0.0)).problem
    assert "b is 0, and a turn leaves it so" in problem


def test_a_range_must_be_one():
    with pytest.raises(InputError, match="low must be less than high"):
        breakpoints(f, 1.0, 1.0)


def test_crossing_a_kink_makes_the_slope_jump():
    picture = seegrad.branches(f, torch.tensor(1.5))
    assert not picture.page["crossed"]
    picture.move(2.5)
    assert picture.page["crossed"] == "1 kink was crossed: f'(a) went from 1024 to 512."
    picture.move(2.6)
    assert not picture.page["crossed"]


def test_a_that_cannot_be_leaves_the_last_good_picture():
    picture = seegrad.branches(f, torch.tensor(1.5))
    before = dict(picture.page)
    picture.asked = {"id": "1", "s": 0.0}
    assert "was stopped after 2,000 turns" in picture.reply["problem"] and picture.page == before
    picture.asked = {"id": "2", "s": 3.0}
    assert picture.reply == {"id": "2", "problem": ""} and picture.page["s"] == 3


def test_the_axis_follows_an_a_beyond_it():
    picture = seegrad.branches(f, torch.tensor(1.5))
    assert picture.curve["reach"] == [-1, 2]
    picture.move(1e-5)
    assert picture.curve["reach"] == [-6, -3]


def test_a_vector_is_made_longer_and_shorter():
    a = torch.tensor([3e-3, 4e-3])
    scene = Branches(f, a)
    assert scene.look.a.equal(a) and scene.look.s == pytest.approx(5e-3)
    assert scene.look.gradient.equal(torch.full((2,), 262144.0)) and scene.look.equal
    scene.move(-1e-2)
    assert scene.look.a.allclose(torch.tensor([-6e-3, -8e-3]))
    assert ray(a).at(5e-3).allclose(a)


def test_what_rounded_is_found_with_exact_fractions():
    watcher = Recorder()
    with watcher.record():
        a = torch.tensor(0.1, requires_grad=True)
        d = (a * 4 - 1) * 3 / 7
    found = {rounding.op.text: rounding for rounding in roundings(watcher.value(d))}
    assert "a * 4" not in found and "(a * 4 - 1) * 3 / 7" in found
    last = found["(a * 4 - 1) * 3 / 7"]
    assert last.exact == last.operands[0] / 7 != last.stored == Fraction(d.item())


def test_decimals_are_exact_or_say_that_they_go_on():
    assert decimal(0.1) == "0.10000000000000000555…"
    assert decimal(-0.375) == "-0.375" and decimal(1e22) == "1" + 22 * "0"


def test_nothing_of_the_learners_changes():
    a = torch.tensor(0.5, requires_grad=True)
    f(a).backward()
    before = a.grad.clone(), torch.get_rng_state(), sys.gettrace()
    with seegrad.record() as recording:
        seegrad.branches(f, a).move(0.7)
    assert a.grad.equal(before[0]) and torch.get_rng_state().equal(before[1])
    assert sys.gettrace() is before[2] and recording.ops == [] and not recording.branches


def test_the_code_runs_in_a_bare_python():
    code = seegrad.branches(f, torch.tensor(-9.0155e-05)).code()
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert printed.splitlines() == [
        "tensor(-151255.)",
        "tensor(1.6777e+09)",
        "tensor(1.6777e+09) tensor(False)",
        "True",
    ]


def test_the_text_is_deterministic_and_the_figure_draws():
    one, other = (seegrad.branches(f, torch.tensor(-9.0155e-05)) for _ in range(2))
    assert repr(one) == repr(other)
    assert len(one.figure().axes) == 3


@pytest.mark.parametrize("size", [1e30, 1e-30])
def test_a_vector_whose_squares_leave_the_dtype_has_a_length(size):
    picture = seegrad.branches(lambda a: a * 2, torch.tensor([3.0, 4.0]) * size)
    assert picture.page["s"] == pytest.approx(5 * size)
    assert picture._scene.line.direction.tolist() == pytest.approx([0.6, 0.8])


def test_a_kink_at_zero_does_not_stretch_the_axes():
    """Its floats are next to zero, far inside the gap that a logarithm never crosses."""
    picture = seegrad.branches(lambda a: a if a > 0 else 100 * a, torch.tensor(2.0).double())
    begin, end = (10.0**power for power in picture.curve["reach"])
    drawn = [abs(s) for piece in picture.curve["pieces"] for s, _ in piece]
    assert 0.99 * begin <= min(drawn) and max(drawn) <= 1.01 * end
    assert [kink["s"] for kink in picture.curve["kinks"]] == [5e-324]
    assert picture._png()  # a warning of matplotlib's would fail this test


def test_what_has_no_name_for_its_argument_is_shown_with_a():
    assert seegrad.branches(torch.log, torch.tensor(1.0)).title == "branches(f, a)"


def test_a_long_direction_is_described():
    assert (
        "a (2, 2, 2, 2) of length 1"
        in seegrad.branches(lambda a: a, torch.arange(16.0).reshape(2, 2, 2, 2)).page["place"]
    )


@pytest.mark.parametrize(
    ("function", "a", "sentence"),
    [
        (f, torch.tensor(3), "a holds integers"),
        (f, torch.empty(0), "a is empty"),
        (f, torch.tensor(float("nan")), "a is nan"),
        (f, 2.0, "a must be a tensor"),
        (lambda a: (a, a), torch.tensor(1.0), "is a tuple of 2 things"),
        (lambda a: a.item(), torch.tensor(1.0), "must be a tensor"),
        (lambda a: a / 0, torch.tensor(1.0), "f(a) is inf, not a finite number"),
        (lambda w: w / 0, torch.ones(2), "f(w) is not finite: d[0] is inf. Choose another w."),
        (3, torch.tensor(1.0), "f must be a function of a, and is 3 (int)"),
        (lambda a: a.detach(), torch.tensor(1.0), "does not require a gradient"),
        (lambda a: a * (1 / len([])), torch.tensor(1.0), "f raised ZeroDivisionError"),
    ],
)
def test_bad_input_gets_a_sentence(function, a, sentence):
    picture = seegrad.branches(function, a)
    assert sentence in picture.problem and sentence in repr(picture)
