"""Where in the learner's code something ran."""

import linecache

import pytest
import torch

import seegrad
from seegrad.recording import recorder


def run(code: str) -> dict[str, object]:
    """Run code as a notebook runs a cell: compiled under a name, its source in linecache."""
    filename = f"<cell {abs(hash(code))}>"
    linecache.cache[filename] = (len(code), None, code.splitlines(keepends=True), filename)
    namespace: dict[str, object] = {"torch": torch}
    with seegrad.record() as recording:
        exec(compile(code, filename, "exec"), namespace)
    namespace["recording"] = recording
    return namespace


def made(namespace: dict[str, object], name: str):
    return recorder().value(namespace[name]).op


@pytest.mark.parametrize(
    ("expression", "name"),
    [
        ("2 * torch.dot(x, x)", "mul"),
        ("x.mul(2)", "mul"),
        ("x ** 2", "pow"),
        ("2 ** x", "__rpow__"),
        ("1 - x", "__rsub__"),
        ("1 / x", "__rdiv__"),
        ("-x", "neg"),
        ("x @ x", "matmul"),
        ("x[1]", "__getitem__"),
        ("x[None].T", "T"),
        ("torch.nn.functional.softmax(x, dim=0)", "softmax"),
        ("torch.stack([x, x])", "stack"),
    ],
)
def test_an_op_is_spelled_as_the_learner_wrote_it(expression, name):
    namespace = run(f"x = torch.arange(4.0, requires_grad=True)\ny = {expression}\n")
    op = made(namespace, "y")
    assert (op.name, op.text, op.site.line) == (name, expression, 2)


def test_an_expression_over_several_lines_is_joined():
    namespace = run("x = torch.ones(2)\ny = (x +\n     x)\n")
    assert made(namespace, "y").text == "x + x"


def test_columns_count_characters_not_bytes():
    namespace = run("梯度 = torch.ones(2)\ny = 梯度 * 2\n")
    assert made(namespace, "y").text == "梯度 * 2"


def test_an_augmented_assignment_is_one_op():
    namespace = run("x = torch.ones(2)\nx += 1\n")
    op = made(namespace, "x")
    assert (op.name, op.text, len(op.changed)) == ("add_", "x += 1", 1)


def test_ops_inside_a_module_are_named_with_the_call_that_led_to_them():
    namespace = run("net = torch.nn.Linear(2, 1)\ny = net(torch.ones(1, 2))\n")
    op = made(namespace, "y")
    assert not op.direct
    assert op.text == "linear in net(torch.ones(1, 2))"


def test_turns_of_a_loop_are_counted_by_place():
    namespace = run("b = torch.ones(1)\nwhile b.norm() < 10:\n    b = b * 2\n")
    assert made(namespace, "b").turn == 4
    branches = namespace["recording"].branches
    assert [branch.turn for branch in branches] == [1, 2, 3, 4, 5]
    assert [branch.decision for branch in branches] == [True] * 4 + [False]


def test_turns_start_anew_with_each_call():
    code = "def f(b):\n    b = b * 2\n    return b\nx = torch.ones(1)\ny = f(x)\nz = f(y)\n"
    namespace = run(code)
    assert made(namespace, "y").turn == made(namespace, "z").turn == 1
    assert made(namespace, "y").site is made(namespace, "z").site
