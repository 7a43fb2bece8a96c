"""Numbers, shapes and tensors as text: exact strings, and round trips."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

import pytest
import torch

from seegrad.formatting import array, exact, number, shape

pytestmark = pytest.mark.filterwarnings("error")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (14, "14"),
        (1234567, "1234567"),
        (2**63 - 1, "9223372036854775807"),
        (10**40, "1.000e+40"),
        (True, "True"),
        (False, "False"),
        (14.0, "14"),
        (28.0, "28"),
        (-3.0, "-3"),
        (12345.0, "12345"),
        (999_999.0, "999999"),
        (1_000_000.0, "1e+06"),
        (1234.5, "1234"),
        (12345.6, "1.235e+04"),
        (1 / 3, "0.3333"),
        (0.1, "0.1"),
        (-9.0155e-05, "-9.016e-05"),
        (1e-45, "1e-45"),
        (-0.0, "0"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (1 + 2j, "1+2j"),
        (0.5 - 1j / 3, "0.5-0.3333j"),
        (complex(-0.0, -0.0), "0+0j"),
        (complex(math.nan, -math.inf), "nan-infj"),
    ],
)
def test_number(value: complex, text: str) -> None:
    assert number(value) == text


def test_number_keeps_four_digits_of_any_float() -> None:
    draw = random.Random(0)
    for _ in range(500):
        value = draw.uniform(-1, 1) * 10 ** draw.randint(-300, 300)
        assert float(number(value)) == pytest.approx(value, rel=6e-4)


def test_shape() -> None:
    assert [shape(s) for s in ((), (4,), (2, 3), (0,), [2, 1])] == [
        "scalar",
        "(4,)",
        "(2, 3)",
        "(0,)",
        "(2, 1)",
    ]
    assert shape(torch.zeros(2, 3).shape) == "(2, 3)"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (torch.tensor(14.0), "14"),
        (torch.arange(4.0) * 2, "[0, 2, 4, 6]"),
        (torch.tensor([[1, 2], [3, 4]]), "[[1, 2], [3, 4]]"),
        (torch.arange(8), "[0, 1, 2, 3, 4, 5, 6, 7]"),
        (torch.arange(9), "[0, 1, 2, …, 6, 7, 8] (9,)"),
        (torch.arange(100), "[0, 1, 2, …, 97, 98, 99] (100,)"),
        (
            torch.arange(20).view(2, 10),
            "[[0, 1, 2, …, 7, 8, 9], [10, 11, 12, …, 17, 18, 19]] (2, 10)",
        ),
        (torch.arange(10).view(10, 1), "[[0], [1], [2], …, [7], [8], [9]] (10, 1)"),
        (torch.empty(0), "[] (0,)"),
        (torch.empty(2, 0), "[[], []] (2, 0)"),
        (torch.empty(0, 3), "[] (0, 3)"),
        (torch.tensor([True, False]), "[True, False]"),
        (torch.tensor([1, 255], dtype=torch.uint8), "[1, 255]"),
        (torch.tensor([0.1, 2], dtype=torch.float16), "[0.09998, 2]"),
        (torch.tensor([0.1, 2], dtype=torch.bfloat16), "[0.1001, 2]"),
        (torch.tensor([0.1, 2], dtype=torch.float64), "[0.1, 2]"),
        (torch.tensor([1 + 2j, -1j]), "[1+2j, 0-1j]"),
        (torch.tensor([1 + 2j]).conj(), "[1-2j]"),
        (torch.tensor([-0.0, math.nan, math.inf]), "[0, nan, inf]"),
        (torch.arange(4.0).requires_grad_(), "[0, 1, 2, 3]"),
        (torch.nn.Parameter(torch.arange(2.0)), "[0, 1]"),
        (torch.arange(6).view(2, 3).t(), "[[0, 3], [1, 4], [2, 5]]"),
        (torch.eye(3).to_sparse(), "sparse (3, 3)"),
        (torch.empty(3, 3, device="meta"), "meta (3, 3)"),
    ],
)
def test_array(data: torch.Tensor, text: str) -> None:
    assert array(data) == text


def test_array_of_a_corner_ends_each_cut_dimension_in_an_ellipsis() -> None:
    assert array(torch.arange(3), shape=(5000,)) == "[0, 1, 2, …] (5000,)"
    assert array(torch.arange(4).view(2, 2), (90, 90)) == "[[0, 1, …], [2, 3, …], …] (90, 90)"
    assert array(torch.arange(4).view(2, 2), (90, 2)) == "[[0, 1], [2, 3], …] (90, 2)"
    assert array(torch.arange(50), (5000,)) == "[0, 1, 2, 3, 4, 5, 6, 7, …] (5000,)"
    assert array(torch.empty(0), (5,)) == "[…] (5,)"
    assert array(torch.arange(3), (3,)) == "[0, 1, 2]"
    assert array(torch.empty(2, device="meta"), (70, 70)) == "meta (70, 70)"


@pytest.mark.parametrize("wrong", [(2,), (3, 3), ()])
def test_array_refuses_data_that_is_no_corner(wrong: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="no corner"):
        array(torch.arange(3), wrong)


def test_limit() -> None:
    assert array(torch.arange(5), limit=4) == "[0, …, 4] (5,)"
    assert array(torch.arange(5), limit=1) == "[0, …, 4] (5,)"
    assert array(torch.arange(9), limit=9) == "[0, 1, 2, 3, 4, 5, 6, 7, 8]"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (torch.tensor(14.0), "tensor(14.0)"),
        (torch.tensor([0.1, -0.0]), "tensor([0.10000000149011612, -0.0])"),
        (torch.tensor([1, 2]), "tensor([1, 2])"),
        (torch.tensor([True]), "tensor([True])"),
        (torch.tensor([1j]), "tensor([1j])"),
        (torch.tensor([1 / 3], dtype=torch.float64), f"tensor([{1 / 3!r}], dtype=torch.float64)"),
        (torch.tensor([1], dtype=torch.int8), "tensor([1], dtype=torch.int8)"),
        (torch.arange(9), "tensor([0, 1, 2, …, 6, 7, 8]) (9,)"),
        (torch.empty(0), "tensor([]) (0,)"),
        (torch.eye(3).to_sparse(), "sparse (3, 3)"),
    ],
)
def test_exact(data: torch.Tensor, text: str) -> None:
    assert exact(data) == text


DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.int16)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_exact_round_trips(dtype: torch.dtype) -> None:
    data = (torch.randn(3, 4, generator=torch.Generator().manual_seed(0)) * 100).to(dtype)
    again = eval(exact(data), {"tensor": torch.tensor, "torch": torch})
    assert again.dtype == dtype and torch.equal(again, data)


@pytest.fixture
def odd_print_options() -> Iterator[None]:
    torch.set_printoptions(precision=1, threshold=1, sci_mode=True)
    yield
    torch.set_printoptions(profile="default")


@pytest.mark.usefixtures("odd_print_options")
def test_print_options_change_nothing() -> None:
    assert array(torch.tensor([1 / 3, 100.0])) == "[0.3333, 100]"
    assert exact(torch.tensor([0.1])) == "tensor([0.10000000149011612])"


def test_looking_changes_nothing() -> None:
    x = torch.arange(100.0, requires_grad=True)
    version, state = x._version, torch.get_rng_state()
    array(x), exact(x)
    assert x._version == version and x.grad is None and torch.equal(torch.get_rng_state(), state)
