"""Does each widget's ``code()``, in a bare Python with torch alone, print the numbers it shows?

``predict`` is not here: its code is made of the cells that ran (tests/test_predict.py, and for all
questions of the chapters tests/test_sections.py).
"""

import json
import random
import subprocess
import sys
from collections.abc import Callable

import pytest
import torch

import seegrad
from seegrad.formatting import number
from seegrad.functions.severing import HOWS
from seegrad.widgets.common import Picture

SETTINGS = 4

# Runs the scripts that it is given, each in a namespace of its own, where only torch can be had.
BARE = """
import contextlib, io, json, sys
sys.modules |= dict.fromkeys(("seegrad", "anywidget", "ipywidgets", "IPython", "matplotlib"))
printed = []
for script in json.load(sys.stdin):
    with contextlib.redirect_stdout(io.StringIO()) as said:
        exec(compile(script, "<code>", "exec"), {"__name__": "__main__"})
    printed.append(said.getvalue())
json.dump(printed, sys.stdout)
"""

Case = tuple[Picture, list[str]]
"""A widget at one setting, and what its code must print."""


def pair(x):
    return torch.stack([x[0] * x[1].sin(), x[0] ** 2, x.prod().exp()])


def doubled(a):
    b = a * 2
    while b.norm() < 1000:
        b = b * 2
    return b if b.sum() > 0 else 100 * b


def cubed(x):
    u = x * x
    return (u * x).sum()


def jacobian() -> Case:
    picture = seegrad.jacobian(pair, torch.randn(2))
    x = torch.randn(2)
    picture.asked = {"id": "1", "x": x.tolist(), "at": 0, "top": 0, "left": 0}
    v = torch.randn(3)
    picture.v = {"base": "zero", "shown": v.tolist()}
    J = torch.autograd.functional.jacobian(pair, x)
    return picture, [f"y = {pair(x)}", f"v^T J = {v @ J}", f"J = {J}"]


def slope() -> Case:
    picture = seegrad.slope(doubled_product, torch.randn(2))
    x = torch.randn(2).requires_grad_()
    picture.asked = {"id": "1", "shown": [0, 1], "x": x.tolist(), "along": 1}
    y = doubled_product(x)
    (gradient,) = torch.autograd.grad(y, x)
    return picture, [f"f(x) = {y.item()}", f"gradient = {gradient}"]


def doubled_product(x):
    return 2 * x[0] * x[1] + x[1].sin()


def branches() -> Case:
    picture = seegrad.branches(doubled, torch.tensor(1.0))
    picture.move(random.choice([-1, 1]) * 10 ** random.uniform(-3, 2))
    a = torch.tensor(picture.page["s"]).requires_grad_()
    d = doubled(a)
    d.backward()
    shown = next(n["text"] for n in picture.page["numbers"] if n["ink"] == "gradient")
    assert shown == number(a.grad.item())
    return picture, [f"{d.detach()!s} {a.grad!s} {(d / a).detach()!s} {(a.grad == d / a)!s}"]


def cut() -> Case:
    x, how, edge = torch.randn(3), random.choice(HOWS), random.choice([1, 2, 3])
    picture = seegrad.cut(cubed, x, [edge], how)
    gradient = picture._cutting.run([edge], how).gradient
    return picture, [str(cubed(x)), str(gradient)]


def reduction() -> Case:
    target = torch.randn(4)
    picture = seegrad.reduction(torch.nn.MSELoss(), torch.randn(4), target)
    pred = torch.randn(4).requires_grad_()
    picture.move(pred.detach())
    picture.choose("one-hot", random.randrange(4))
    loss = (pred - target) ** 2
    v = torch.tensor(picture.weights["v"])
    (gradient,) = torch.autograd.grad(loss, pred, v)
    return picture, [str(gradient)]


@pytest.mark.parametrize("widget", [jacobian, slope, branches, cut, reduction])
def test_the_code_prints_what_is_shown_at_random_settings(widget: Callable[[], Case]) -> None:
    random.seed(4)
    torch.manual_seed(4)
    cases = [widget() for _ in range(SETTINGS)]
    scripts = json.dumps([picture.code() for picture, _ in cases])
    command = [sys.executable, "-I", "-c", BARE]
    run = subprocess.run(command, input=scripts, capture_output=True, text=True, check=True)
    for printed, (_, expected) in zip(json.loads(run.stdout), cases, strict=True):
        for part in expected:
            assert " ".join(part.split()) in " ".join(printed.split())
