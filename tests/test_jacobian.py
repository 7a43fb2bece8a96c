"""J by rows, by columns and by differences is torch's own; the picture says all of it."""

import re
import subprocess
import sys

import pytest
import torch
from torch.autograd.functional import jacobian as functional_jacobian
from torch.func import jacfwd, jacrev

import seegrad
from seegrad import InputError, jacobian_matrix, jvp, vjp
from seegrad.functions.definition import define
from seegrad.functions.window import look
from tests.test_graph import run_alone

torch.manual_seed(0)
A = torch.randn(5, 3, dtype=torch.float64)
W = torch.randn(2, 3, 2, 1, dtype=torch.float64)


def example(x):
    return torch.stack([x[0] ** 2, x[1] ** 3])


def mixed(x):
    return torch.tanh(A @ x) * x.sum()


def from_4d(x):
    return torch.einsum("abcd,abcd->cd", x, W).exp()


def to_4d(x):
    return (x * W).sin()


FUNCTIONS = [
    (mixed, torch.tensor([0.3, -1.2, 0.7], dtype=torch.float64)),
    (lambda x: (x**3).sum(), torch.randn(2, 4, dtype=torch.float64)),
    (lambda x: torch.stack([x.sin(), x * x, 1 / x]), torch.tensor(0.4, dtype=torch.float64)),
    (torch.exp, torch.tensor(0.4, dtype=torch.float64)),
    (from_4d, torch.randn(2, 3, 2, 1, dtype=torch.float64)),
    (to_4d, torch.tensor(0.2, dtype=torch.float64)),
    (lambda x: x if x.sum() > 0 else -x, torch.tensor([1.0, -3.0], dtype=torch.float64)),
]


@pytest.mark.parametrize(("f", "x"), FUNCTIONS)
@pytest.mark.parametrize("method", ["auto", "reverse", "forward", "differences"])
def test_every_method_gives_torchs_jacobian(f, x, method):
    J = jacobian_matrix(f, x, method)
    y = f(x)
    assert J.shape == (y.numel(), x.numel()) and not J.requires_grad
    tolerance = 1e-7 if method == "differences" else 1e-12
    expected = functional_jacobian(f, x).reshape(J.shape)
    torch.testing.assert_close(J, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("f", "x"), FUNCTIONS[:-1])
def test_torch_func_agrees(f, x):
    J = jacobian_matrix(f, x)
    for transform in (jacrev, jacfwd):
        torch.testing.assert_close(J, transform(f)(x).reshape(J.shape))


@pytest.mark.parametrize(("f", "x"), FUNCTIONS)
def test_products_from_both_sides(f, x):
    J, y = jacobian_matrix(f, x), f(x)
    v, u = torch.randn(y.shape, dtype=y.dtype), torch.randn(x.shape, dtype=x.dtype)
    torch.testing.assert_close(vjp(f, x, v), (v.flatten() @ J).reshape(x.shape))
    torch.testing.assert_close(jvp(f, x, u), (J @ u.flatten()).reshape(y.shape))


@pytest.mark.parametrize("method", ["auto", "reverse", "forward", "differences"])
def test_several_inputs_stand_beside_each_other(method):
    w, x = torch.randn(2, 3, dtype=torch.float64), torch.randn(3, dtype=torch.float64)

    def f(w, x):
        return (w @ x).tanh()

    blocks = functional_jacobian(f, (w, x))
    expected = torch.cat([block.reshape(2, -1) for block in blocks], 1)
    torch.testing.assert_close(jacobian_matrix(f, (w, x), method), expected, rtol=1e-7, atol=1e-7)
    v = torch.ones(2, dtype=torch.float64)
    for part, expected in zip(vjp(f, (w, x), v), torch.func.vjp(f, w, x)[1](v), strict=True):
        torch.testing.assert_close(part, expected)
    u = (torch.randn_like(w), torch.randn_like(x))
    torch.testing.assert_close(jvp(f, (w, x), u), torch.func.jvp(f, (w, x), u)[1])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_any_float_dtype(dtype):
    x = torch.tensor([1.0, 2.0], dtype=dtype)
    for method in ("reverse", "forward"):
        J = jacobian_matrix(example, x, method)
        assert J.dtype is dtype and J.tolist() == [[2, 0], [0, 12]]
    differences = jacobian_matrix(example, x, "differences").double()
    tolerance = 10 * torch.finfo(dtype).eps ** (2 / 3)
    torch.testing.assert_close(
        differences, torch.tensor([[2.0, 0.0], [0.0, 12.0]]).double(), rtol=0, atol=tolerance
    )


class Doubled(torch.autograd.Function):
    """An op with no forward mode."""

    @staticmethod
    def forward(_, x):
        return 2 * x

    @staticmethod
    def backward(_, grad):
        return 2 * grad


def test_auto_goes_the_way_that_has_fewer_passes():
    calls = []

    def f(x):
        calls.append(1)
        return torch.cat([x, x])

    jacobian_matrix(f, torch.ones(3))
    assert len(calls) == 1 + 3  # once to see that y is larger, then a column a call
    calls.clear()
    jacobian_matrix(f, torch.ones(3), "reverse")
    assert len(calls) == 1


def test_without_forward_mode_auto_takes_reverse():
    def f(x):
        return torch.cat([Doubled.apply(x), x])

    x = torch.ones(2)
    assert jacobian_matrix(f, x).tolist() == [[2, 0], [0, 2], [1, 0], [0, 1]]
    with pytest.raises(InputError, match="no forward mode"):
        jvp(f, x, x)


def test_an_input_that_f_ignores_has_a_column_of_zeros():
    x, w = torch.ones(2), torch.ones(1)
    for method in ("reverse", "forward", "differences"):
        J = jacobian_matrix(lambda x, _: x * 3, (x, w), method)
        torch.testing.assert_close(J, torch.tensor([[3.0, 0, 0], [0, 3, 0]]), rtol=0, atol=1e-4)


def test_looking_leaves_the_learners_tensor_alone():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    state = torch.get_rng_state()
    seegrad.jacobian(example, x)
    assert x.grad is None and torch.equal(torch.get_rng_state(), state)


# The picture


@pytest.fixture
def picture():
    return seegrad.jacobian(example, torch.tensor([1.0, 2.0]), torch.tensor([1.0, 1.0]))


def test_the_text_says_all_of_the_stated_example(picture):
    text = repr(picture)
    for part in [
        "J = [[2, 0], [0, 12]], 2 × 2",
        "v one-hot at y[0] reads its row [2, 0]",
        "v one-hot at y[1] reads its row [0, 12]",
        "v = [1, 1]",
        "v^T J = [2, 12], shape (2,)",
        "L = v · y = 9",
        "y = [1, 8]",
    ]:
        assert part in text
    assert repr(seegrad.jacobian(example, torch.tensor([1.0, 2.0]))) == text


def test_v_reads_rows_and_weighs_them(picture):
    picture.v = {"base": "zero", "shown": [0.0, 1.0]}
    assert "v^T J = [0, 12]" in repr(picture)
    picture.v = {"base": "zero", "shown": [3.0, -2.0]}
    assert "v^T J = [6, -24]" in repr(picture)


def test_a_question_moves_x(picture):
    picture.asked = {"id": "1", "x": [3.0, -1.0], "at": 0, "top": 0, "left": 0}
    assert picture.reply == {"id": "1", "problem": ""}
    assert picture.numbers["x"] == [3.0, -1.0]
    assert "J = [[6, 0], [0, 3]]" in repr(picture)


def test_finite_differences_are_taken_when_x_rests():
    calls = []
    picture = seegrad.jacobian(lambda x: calls.append(1) or x**3, torch.tensor([1.0, 2.0]))
    assert agreement(picture) < 1e-3
    calls.clear()
    picture.asked = {"id": "1", "x": [3.0, -1.0], "at": 0, "top": 0, "left": 0}
    assert picture.agreement == "" and len(calls) == 1
    picture.rests += 1
    assert agreement(picture) < 1e-3 and len(calls) == 1 + 4


def test_finite_differences_that_cannot_be_taken_say_why():
    def f(x):
        if x > 1:
            raise ValueError("x is too large")
        return x**2

    picture = seegrad.jacobian(f, torch.tensor(1.0))
    assert "x is too large" in picture.agreement
    assert "finite differences could not be taken: f raised ValueError" in repr(picture)


def test_finite_differences_drop_out_what_was_dropped_out():
    picture = seegrad.jacobian(lambda x: torch.dropout(x, 0.5, train=True), torch.ones(8))
    picture.asked = {"id": "1", "x": [2.0] * 8, "at": 0, "top": 0, "left": 0}
    torch.rand(3)  # the random state moves on
    picture.rests += 1
    assert picture.agreement == "agree to the last digit"


def test_differences_are_in_parts_of_the_largest_entry():
    picture = seegrad.jacobian(lambda x: 1e8 * x**2, torch.tensor([1.0, 2.0]))
    assert agreement(picture) < 1e-3


def agreement(picture):
    found = re.fullmatch(r"agree to (\S+) of its largest entry", picture.agreement)
    assert found is not None, picture.agreement
    return float(found[1])


def test_the_last_good_picture_stays():
    picture = seegrad.jacobian(torch.log, torch.tensor([1.0, 2.0]))
    before = repr(picture)
    picture.asked = {"id": "7", "x": [1.0, -2.0], "at": 0, "top": 0, "left": 0}
    assert picture.reply["id"] == "7" and "y[1] is nan" in picture.reply["problem"]
    assert repr(picture) == before and not picture.problem


@pytest.mark.parametrize(
    ("f", "x", "v", "says"),
    [
        (example, torch.tensor([1, 2]), None, "x holds integers"),
        (example, torch.tensor([1.0, 2.0]), torch.ones(3), "v has shape (3,), but y = f(x)"),
        (
            example,
            torch.tensor([1.0, 2.0]),
            [1, 1],
            "v must be a tensor, of y's shape (2,), and is [1, 1] (list)",
        ),
        (
            example,
            torch.tensor([1.0, 2.0]),
            torch.tensor([1.0, torch.inf]),
            "v is not finite: v[1] is inf",
        ),
        (lambda x: x.detach(), torch.ones(2), None, "does not require a gradient"),
        (example, (), None, "x is an empty tuple"),
        (None, torch.ones(2), None, "f must be a function of x, and is None"),
        (None, (torch.ones(2), torch.ones(2)), None, "f must be a function of x0 and x1"),
        (example, [1.0, 2.0], None, "Write torch.tensor([1.0, 2.0])"),
        (torch.sum, torch.ones(2), 1.0, "v must be a tensor, a scalar as y is, and is 1.0 (float)"),
    ],
)
def test_bad_input_gets_a_sentence(f, x, v, says):
    picture = seegrad.jacobian(f, x, v)
    assert says in picture.problem and says in repr(picture)
    picture._repr_mimebundle_()


def test_a_given_v_is_what_it_begins_with():
    picture = seegrad.jacobian(example, torch.tensor([1.0, 2.0]), torch.tensor([5.0, 0.5]))
    assert picture.v == {"base": "given", "shown": [5.0, 0.5]}
    assert "v^T J = [10, 6]" in repr(picture)


def test_the_code_prints_the_same_numbers(picture):
    printed = run_alone(picture.code())
    assert "y = tensor([1., 8.])" in printed
    assert "v^T J = tensor([ 2., 12.])" in printed
    assert "J = tensor([[ 2.,  0.],\n        [ 0., 12.]])" in printed


def test_the_code_runs_in_a_bare_python(tmp_path):
    factor = 1.5
    picture = seegrad.jacobian(
        lambda a, b: helper(a) * b * factor, (torch.tensor([1.0, 2.0]), torch.tensor(3.0))
    )
    script = tmp_path / "code.py"
    script.write_text(picture.code())
    run = subprocess.run([sys.executable, "-I", script], capture_output=True, text=True, check=True)
    assert "v^T J, a: tensor([ 9., 18.])" in run.stdout
    assert "v^T J, b: tensor(7.5000)" in run.stdout
    assert "a[0], a[1], b" not in repr(picture) and "a = [1, 2], b = 3" in repr(picture)


def helper(x):
    return x * x


def test_what_f_needs_is_written_or_named():
    net = torch.nn.Linear(2, 2)
    assert "needs net, which cannot be written out" in define(lambda x: net(x)).missing
    assert define(lambda x: helper(x) + A.sum()).needs[0].startswith("A = torch.tensor")


def test_a_large_jacobian_is_shown_in_part():
    shown = look(torch.sin, [torch.arange(100.0)], ["x"], None, top=65, left=80)
    assert (shown.window.top, shown.window.left) == (65, 70)
    expected = torch.diag(torch.arange(100.0).cos())[65:95, 70:100]
    torch.testing.assert_close(shown.block, expected)


def test_a_huge_jacobian_is_never_built():
    picture = seegrad.jacobian(torch.sin, torch.linspace(0, 1, 10_000))
    assert "10,000 × 10,000: 100,000,000 numbers, 400 MB in float32" in repr(picture)
    assert picture.page["size"] == [10_000, 10_000]
    assert picture.page["rows"] == ["y[0]"] and len(picture.page["columns"]) == 30
    x = picture.numbers["x"]
    picture.asked = {"id": "1", "x": x, "at": 0, "top": 9_990, "left": 9_980, "base": "zero"}
    assert picture.page["rows"] == ["y[9990]"]
    assert picture.v == {"base": "zero", "shown": [0.0]}
    run_alone(picture.code().replace("x = torch.zeros", "x = torch.ones"))


@pytest.mark.parametrize("size", [2, 14, 40])
def test_the_still_picture_is_drawn(size):
    picture = seegrad.jacobian(torch.sin, torch.ones(size))
    assert len(picture.figure().axes) == 1
    assert picture._repr_mimebundle_()[0]["image/png"]


def test_faces_are_made_when_they_are_looked_at(picture):
    assert picture.text == picture.listing == picture.still == ""
    picture.face = "text"
    assert picture.text == repr(picture)
    picture.v = {"base": "zero", "shown": [0.0, 1.0]}
    assert "v^T J = [0, 12]" in picture.text
    picture.face = "code"
    assert picture.listing == picture.code() and picture.text
