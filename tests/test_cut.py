"""Does a cut change what PyTorch's own detach, .data and no_grad change, and nothing of yours?"""

import random
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from threading import Thread

import pytest
import torch
import torch.nn.functional as F

import seegrad
from seegrad.drawing.cut_scene import Cutting
from seegrad.functions.rewriting import detached
from seegrad.functions.severing import HOWS, Place, facts, severed
from seegrad.functions.written import pieces, plain, written

weight = torch.tensor([0.5, -1.0, 2.0], requires_grad=True)
slope = 3.0


def cube(x):
    return ((x * x) * x).sum()


def several_paths(x):
    y = x * x
    z = torch.exp(y * 0.1) + 1 / y
    return torch.stack([z, -x, x**2]).sum()


def with_a_weight(x):
    u = torch.sigmoid(weight * x)
    return F.mse_loss(input=u - slope * x, target=torch.ones(3))


def with_a_loop(x):
    for _ in range(3):
        x = torch.tanh(x + 0.1) * x
    return x


def with_in_place(x):
    y = x * 2
    y += x
    return y.view(3, 1) @ torch.ones(1, 2)


FUNCTIONS = [cube, several_paths, with_a_weight, with_a_loop, with_in_place]


def printed_by(script):
    with redirect_stdout(StringIO()) as out:
        exec(script, {})
    return out.getvalue()


def test_the_example_of_the_notes_gives_u_beside_3x2():
    x = torch.arange(4.0)
    picture = seegrad.cut(cube, x, [3])
    u = x * x
    assert picture._cutting.uncut.gradient.equal(3 * x**2)
    assert picture._cutting.run([3], "detach").gradient.equal(u)
    assert picture._state.arrivals["n0"].now == "[0, 1, 4, 9]"
    assert "That is x * x, number by number" in picture._state.sentence
    assert plain(picture._state.code[1]) == "    return ((x * x).detach() * x).sum()"


def test_the_learners_own_detach_is_shown_beside_what_it_does():
    def f(x):
        u = (x * x).detach()
        return u * x

    text = repr(seegrad.cut(f, torch.tensor([1.0, 2.0, 3.0])))
    assert "of the sum of f(x), is [1, 4, 9]. That is x * x, number by number." in text
    assert "Without detach() it would be [3, 12, 27]." in text  # 3 x^2
    assert "Without detach()" not in repr(seegrad.cut(cube, torch.arange(4.0)))
    assert "Without detach()" not in repr(
        seegrad.cut(lambda x: x * x.detach().add_(1), torch.ones(1))
    )


@pytest.mark.parametrize("seed", range(10))
def test_the_code_shown_gives_the_gradient_shown(seed):
    chance = random.Random(seed)
    torch.manual_seed(seed)
    f, how, x = chance.choice(FUNCTIONS), chance.choice(HOWS), torch.rand(3) + 0.5
    cutting = Cutting(f, x)
    numbers = chance.sample(range(1, len(cutting.places) + 1), 2)
    run = cutting.run(numbers, how)
    expected = run.y.requires_grad if run.problem else run.gradient
    assert printed_by(cutting.listing(numbers, how)).endswith(
        f"{False if run.problem else expected}\n"
    )


def test_each_edge_of_the_cube_can_be_cut_by_hand():
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    by_hand = [
        lambda x: ((x.detach() * x) * x).sum(),
        lambda x: ((x * x.detach()) * x).sum(),
        lambda x: ((x * x).detach() * x).sum(),
        lambda x: ((x * x) * x.detach()).sum(),
    ]
    whole = severed(cube, x)
    for place, cut_f in zip(whole.edges(), by_hand, strict=False):
        (expected,) = torch.autograd.grad(cut_f(x), x)
        assert severed(cube, x, [place]).gradient.equal(expected)
    last = severed(cube, x, [Place(2, 0)])
    assert last.gradient is None and "does not require grad" in last.problem


def test_no_grad_severs_every_use_of_what_is_computed():
    x = torch.tensor([1.0, 2.0])
    whole = severed(several_paths, x)
    place = next(p for p, e in whole.edges().items() if e.source.op and e.source.op.text == "x * x")
    by_detach = severed(several_paths, x, [place])
    by_no_grad = severed(several_paths, x, [place], "no_grad", whole)
    assert by_no_grad.gradient.equal(2 * x - 1)
    assert not by_detach.gradient.equal(by_no_grad.gradient)
    assert len(by_no_grad.flows) < len(by_detach.flows)


def test_the_facts_are_pytorchs():
    u = torch.tensor([1.0, 2.0])
    by = {how: facts(u, how) for how in HOWS}
    assert not any(fact.requires_grad for fact in by.values())
    assert by["detach"].shares_storage and by["data"].shares_storage
    assert by["detach"].shares_version and not by["data"].shares_version
    assert by["detach"].after_edit == "raises" and by["data"].after_edit == "goes wrong"
    assert by["no_grad"].shares_storage is None and not by["no_grad"].keeps_graph


def test_nothing_of_the_learners_changes():
    x = torch.rand(3, requires_grad=True)
    y = (x * weight).sum()
    y.backward(retain_graph=True)
    before = x.grad.clone(), weight.grad.clone(), x._version, torch.get_rng_state()
    with seegrad.record() as recording:
        picture = seegrad.cut(lambda x: F.dropout(x * weight).sum(), x, [1])
        picture.snip(2, how="data")
        picture.figure()
    assert x.grad.equal(before[0]) and weight.grad.equal(before[1]) and x._version == before[2]
    assert torch.get_rng_state().equal(before[3])
    assert recording.ops == []
    y.backward()


def test_a_gradient_that_is_retained_outside_of_f_stays():
    hidden = weight * 2
    hidden.retain_grad()
    picture = seegrad.cut(lambda x: (x * hidden).sum(), torch.rand(3), [1])
    assert hidden.grad is None and not picture.problem


def test_the_page_is_answered_in_any_thread():
    picture = seegrad.cut(cube, torch.arange(4.0))
    for turn in range(3):
        ask = {"id": str(turn), "cuts": [3], "how": "detach"}
        thread = Thread(target=setattr, args=(picture, "asked", ask))
        thread.start()
        thread.join()
        assert picture.page["arrivals"]["n0"]["now"] == "[0, 1, 4, 9]"
        assert len(seegrad.cut(cube, torch.arange(4.0))._cutting.places) == 5
        picture.mend()


def test_f_may_return_x_itself():
    assert seegrad.cut(lambda x: x, torch.ones(2)).page["arrivals"]["n0"]["now"] == "[1, 1]"


def test_a_dropout_drops_the_same_in_both_runs():
    picture = seegrad.cut(lambda x: F.dropout(x * 2).sum(), torch.ones(64))
    whole, again = (picture._cutting.run([1], "detach") for _ in range(2))
    assert whole.y.equal(again.y) and whole.y.equal(picture._cutting.uncut.y)


def test_a_loop_is_cut_in_one_turn_and_says_so():
    cutting = Cutting(with_a_loop, torch.rand(3))
    turns = [n for n, place in enumerate(cutting.places, 1) if place.call == 5]
    state = cutting.state(turns[:1])
    assert "Cut in turn 2 of 3 alone" in state.note
    x = cutting.x.clone().requires_grad_()
    h = torch.tanh(x + 0.1) * x
    h = torch.tanh(h + 0.1).detach() * h
    h = torch.tanh(h + 0.1) * h
    (expected,) = torch.autograd.grad(h.sum(), x)
    assert cutting.run(turns[:1], "detach").gradient.allclose(expected)


def test_other_leaves_get_their_gradient_too():
    state = Cutting(with_a_weight, torch.rand(3)).state()
    assert {arrival.name for arrival in state.arrivals.values()} == {"x", "weight"}


@pytest.mark.parametrize(
    ("number", "line"),
    [
        (1, "    y = x.detach() * x"),
        (3, "    z = torch.exp(y.detach() * 0.1) + 1 / y"),
        (4, "    z = torch.exp((y * 0.1).detach()) + 1 / y"),
        (6, "    z = torch.exp(y * 0.1).detach() + 1 / y"),
        (7, "    z = torch.exp(y * 0.1) + (1 / y).detach()"),
        (11, "    return torch.stack([z, (-x).detach(), x**2]).sum()"),
        (13, "    return torch.stack([z, -x, x**2]).detach().sum()"),
    ],
)
def test_detach_is_written_at_that_very_place(number, line):
    state = Cutting(several_paths, torch.tensor([1.0, 2.0])).state([number])
    assert line in [plain(shown) for shown in state.code]
    added = "".join(text for shown in state.code for text, new in pieces(shown) if new)
    assert added.strip("()") == ".detach"


def test_a_name_for_a_plain_number_is_not_taken_for_the_input():
    cutting = Cutting(with_a_weight, torch.rand(3))
    op = next(op for op in cutting.uncut.calls if op.text == "slope * x")
    function = written(with_a_weight)
    assert "slope * x.detach()" in plain(
        "\n".join(function.lines(detached(function, op, 0, "detach")))
    )


def test_no_grad_stands_around_the_statement_or_takes_the_expression_out():
    cutting = Cutting(several_paths, torch.tensor([1.0, 2.0]))
    around = [plain(line) for line in cutting.state([3], "no_grad").code]
    assert around[1:3] == ["    with torch.no_grad():", "        y = x * x"]
    out = [plain(line) for line in cutting.state([4], "no_grad").code]
    assert out[2:5] == [
        "    with torch.no_grad():",
        "        severed = y * 0.1",
        "    z = torch.exp(severed) + 1 / y",
    ]
    as_def = Cutting(lambda x: ((x * x) * x).sum(), torch.rand(2)).state([3], "no_grad").code
    assert [plain(line) for line in as_def] == [
        "def f(x):",
        "    with torch.no_grad():",
        "        severed = x * x",
        "    return (severed * x).sum()",
    ]


def test_the_code_runs_in_a_bare_python():
    picture = seegrad.cut(cube, torch.arange(4.0), [3])
    bare = [sys.executable, "-c", picture.code()]
    printed = subprocess.run(bare, capture_output=True, text=True, check=True).stdout
    assert printed == "tensor(36.)\ntensor([ 0.,  3., 12., 27.])\ntensor([0., 1., 4., 9.])\n"


def test_snip_and_mend_and_the_other_faces():
    picture = seegrad.cut(cube, torch.arange(4.0))
    uncut = repr(picture)
    picture.snip(3)
    picture.snip(1)
    assert picture.cuts == (3, 1)
    picture.mend(3)
    assert picture.cuts == (1,)
    picture.mend()
    assert repr(picture) == uncut == repr(seegrad.cut(cube, torch.arange(4.0)))
    assert picture.figure().get_size_inches()[0] > 5


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("shape", [(), (1,), (2, 3), (2, 1, 2, 2)])
def test_any_float_dtype_and_shape(dtype, shape):
    picture = seegrad.cut(cube, torch.ones(shape, dtype=dtype), [3])
    assert not picture.problem and picture._cutting.run([3], "detach").gradient.shape == shape


def test_a_way_that_f_refuses_does_not_forbid_the_others():
    def severe(x):
        y = x * x
        if not y.requires_grad:
            raise ValueError("y was cut off")
        return (y * x).sum()

    picture = seegrad.cut(severe, torch.tensor([1.0, 2.0]), [1])
    assert not picture.problem
    rows = dict(picture.page["ways"]["rows"])
    assert list(rows["gradient at x"]) == ["[2, 8]", "f raises", "[2, 8]"]
    assert "y was cut off" in seegrad.cut(severe, torch.ones(2), [1], how="no_grad").problem


def test_the_gradient_of_four_dimensions_is_written_out():
    picture = seegrad.cut(lambda x: x**2, torch.arange(16.0).reshape(2, 2, 2, 2))
    assert "is [[[[0, 2], [4, 6]], [[8, 10], [12, 14]]], [[[16, 18]" in picture.page["sentence"]
    assert picture.page["sentence"] in repr(picture)


@pytest.mark.parametrize(
    ("f", "x", "sentence"),
    [
        (cube, torch.arange(3), "x holds integers"),
        (cube, torch.empty(0), "x is empty"),
        (cube, torch.tensor([1.0, float("nan")]), "x[1] is nan"),
        (cube, 3, "x must be a tensor"),
        (3, torch.ones(2), "f must be a function"),
        (lambda x: (x, x), torch.ones(2), "is a tuple of 2 things"),
        (lambda x: x.sum().item(), torch.ones(2), "must be a tensor"),
        (lambda x: x.detach(), torch.ones(2), "does not require a gradient"),
        (lambda x: x * (1 / len([])), torch.ones(2), "f raised ZeroDivisionError"),
        (lambda x: sum(x + i for i in range(400)), torch.ones(2), "edges, and up to 300"),
    ],
)
def test_bad_input_gets_a_sentence(f, x, sentence):
    picture = seegrad.cut(f, x)
    assert sentence in picture.problem and sentence in repr(picture)
    assert picture.figure() and picture.code() == ""


def test_a_wrong_edge_or_way_gets_a_sentence_and_leaves_the_picture():
    assert "there are 5 edges" in seegrad.cut(cube, torch.ones(2), [9]).problem
    assert '"no_grad"' in seegrad.cut(cube, torch.ones(2), [1], how="scissors").problem
    picture = seegrad.cut(cube, torch.ones(2), [3])
    before = dict(picture.page)
    picture.asked = {"id": "1", "cuts": [9], "how": "detach"}
    assert "there are 5 edges" in picture.reply["problem"] and picture.page == before
