"""Secants close in on the tangent until rounding wins, and the picture says so."""

import math

import pytest
import torch

import seegrad
from seegrad import InputError, secant_errors
from seegrad.functions.slopes import curve, slope_at, steps, surface
from tests.test_graph import run_alone


def cube(x):
    return x**3


def bowl(x):
    return x[0] ** 2 + 3 * x[1] ** 2


def test_the_error_falls_with_h_then_rises_with_rounding():
    x = torch.tensor(2.0, dtype=torch.float64)
    hs = [1e-1, 1e-2, 1e-3, 1e-8, 1e-12, 1e-15]
    errors = secant_errors(cube, x, hs)
    for h, error in zip(hs[:3], errors[:3].tolist(), strict=True):
        assert error == pytest.approx(6 * h + h * h, rel=1e-6)  # f(x) = x³: 3xh + h²
    assert errors[3] < errors[4] < errors[5]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_best_step_is_near_the_root_of_eps(dtype):
    here = slope_at(cube, torch.tensor(2.0, dtype=dtype))
    best = here.hs[here.best]
    assert 0.02 < best / math.sqrt(torch.finfo(dtype).eps) < 50
    assert here.hs == steps(dtype) and here.hs[-1] <= 1.01 * torch.finfo(dtype).eps


def test_a_step_too_small_to_count_gives_a_flat_secant():
    here = slope_at(cube, torch.tensor(2.0), [1e-9])
    assert here.secants == (0.0,) and here.errors == (12.0,)


def test_along_an_element_of_a_matrix():
    x = torch.arange(1.0, 5.0).reshape(2, 2)
    here = slope_at(lambda x: (x**2).sum(), x, [1.0], index=3)
    assert (here.tangent, here.secants) == (8.0, (9.0,))
    assert torch.equal(here.gradient, 2 * x)


def test_values_around_x():
    assert curve(lambda x: x.log(), torch.tensor(1.0), 0, [1.0, -1.0])[0] == 0
    assert math.isnan(curve(lambda x: x.log(), torch.tensor(1.0), 0, [-1.0])[0])
    assert surface(bowl, torch.zeros(2), [0.0, 1.0], [0.0, 1.0]) == [[0, 1], [3, 4]]


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (lambda: secant_errors(lambda x: x, torch.ones(2), [1.0]), "f(x) has shape (2,)"),
        (lambda: secant_errors(cube, torch.tensor(1.0), [0.0]), "A step h must be finite"),
        (lambda: secant_errors(cube, torch.tensor(1.0), [1.0], index=1), "index must be below"),
        (lambda: secant_errors(cube, torch.tensor(1), [1.0]), "x holds integers"),
    ],
)
def test_what_cannot_be_done_is_said(act, says):
    with pytest.raises(InputError) as caught:
        act()
    assert says in str(caught.value)


# The picture


@pytest.fixture
def picture():
    return seegrad.slope(cube, torch.tensor(2.0))


def test_the_text_has_tangent_and_secants(picture):
    text = repr(picture)
    assert "f(x) = 8, tangent f'(x) = 12" in text
    assert "h = 1: secant 19, error 7" in text
    assert "sqrt(eps) of float32 is 0.0003" in text
    assert "the secant drawn has h = 0.3162" in text


def test_a_question_moves_x_and_sends_f_around_it_once(picture):
    field = picture.field
    picture.asked = {"id": "1", "shown": [0], "x": [-1.5], "along": 0}
    assert picture.reply == {"id": "1", "problem": ""}
    assert picture.page["y"] == -3.375 and picture.field is field
    picture.asked = {"id": "2", "shown": [0], "x": [20.0], "along": 0}
    assert picture.field["reach"] == 30


def test_contours_come_first_for_two_elements():
    picture = seegrad.slope(bowl, torch.tensor([1.0, 0.5]))
    assert picture.page["along"] == -1 and len(picture.field["values"]) == 8 * 41 * 41
    assert "gradient [2, 3]" in repr(picture)
    picture.asked = {"id": "1", "shown": [0, 1], "x": [1.0, -1.0], "along": 1}
    assert picture.page["along"] == 1 and "along x[1] the tangent has slope -6" in repr(picture)


def test_the_last_good_picture_stays():
    picture = seegrad.slope(torch.log, torch.tensor(1.0))
    before = repr(picture)
    picture.asked = {"id": "1", "shown": [0], "x": [-1.0], "along": 0}
    assert "f(x) is nan" in picture.reply["problem"] and repr(picture) == before


@pytest.mark.parametrize(
    ("f", "x", "says"),
    [
        (lambda x: x * 2, torch.ones(3), "a slope is that of one number"),
        (cube, torch.tensor(float("nan")), "x is nan"),
        (cube, 3.0, "x must be a tensor"),
        (lambda x: x.tolist(), torch.tensor(1.0), "must be a tensor, and is 1.0"),
        (None, torch.tensor(1.0), "f must be a function of x, and is None (NoneType)"),
        (cube, None, "x must be a tensor of floats, and is None (NoneType)"),
        (torch.sqrt, torch.tensor(0.0), "The gradient of f is inf, not a finite number"),
        (lambda x: x.norm(), torch.tensor([3e38, 0.0]), "f(x) is inf"),
    ],
)
def test_bad_input_gets_a_sentence(f, x, says):
    picture = seegrad.slope(f, x)
    assert says in picture.problem and says in repr(picture)


def test_where_f_raises_near_x_the_curve_has_a_gap():
    def root(x):
        if (x < 0).any():
            raise ValueError("x must not be negative")
        return x.sqrt().sum()

    picture = seegrad.slope(root, torch.tensor(0.5))
    values = torch.frombuffer(bytearray(picture.field["values"]), dtype=torch.float64)
    assert not picture.problem and 0 < int(values.isnan().sum()) < len(values)
    assert not seegrad.slope(root, torch.tensor([0.5, 1.0])).problem


def test_a_curve_that_takes_too_long_is_left_out(monkeypatch):
    def refuse(*_):
        raise InputError("161 calls of f took more than 3 seconds.")

    monkeypatch.setattr("seegrad.widgets.slope.curve", refuse)
    picture = seegrad.slope(cube, torch.tensor(2.0))
    assert picture.remark.startswith("The curve is left out. 161 calls") and picture.page["y"] == 8
    assert picture._png()


@pytest.mark.parametrize(
    ("x", "dtype"), [(3e38, torch.float32), (6e4, torch.float16), (3e38, torch.bfloat16)]
)
def test_the_picture_ends_where_the_dtype_does(x, dtype):
    picture = seegrad.slope(lambda x: x, torch.tensor(x, dtype=dtype))
    assert not picture.problem and picture.field["reach"] <= torch.finfo(dtype).max
    picture.asked = {"id": "1", "shown": [0], "x": [1e39], "along": 0}
    assert "x is inf" in picture.reply["problem"]


def test_the_code_prints_the_same_numbers(picture):
    printed = run_alone(picture.code())
    assert "f(x) = 8.0" in printed and "gradient = tensor(12.)" in printed
    assert "h = 1.0 secant = 19.0 error = 7.0" in printed
    assert f"h = {picture.page['hs'][picture.h]}" in printed


@pytest.mark.parametrize("x", [torch.tensor(2.0), torch.tensor([1.0, 2.0]), torch.ones(3)])
def test_the_still_picture_is_drawn(x):
    picture = seegrad.slope(lambda x: (x**2).sum(), x)
    assert len(picture.figure().axes) == 2
    assert picture._repr_mimebundle_()[0]["image/png"]
