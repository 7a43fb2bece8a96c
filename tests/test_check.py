"""A check says what is wrong in a sentence, whatever the answer does, and harms nothing."""

import re
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import seegrad
from seegrad.course import tutor
from seegrad.course.agreement import agree
from seegrad.course.draw import TURNS, Draw, Formula, described
from seegrad.course.exercises import find
from seegrad.course.judging import judge
from seegrad.course.progress import FOLDER_VARIABLE
from seegrad.course.trial import Overdue, run
from seegrad.errors import InputError
from seegrad.widgets.exercise import Checked, Note


@pytest.fixture(autouse=True)
def nothing_done_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))


def endless(x):
    while True:
        x = x + 0


def endless_without_torch(_x):
    while True:
        pass


def edits_its_input(x):
    gradient = 6 * x + 1
    x += 1
    return gradient


def leaves(_x):
    raise SystemExit


def nan(x):
    return (6 * x + 1) / (x - x)


def wrong_in_one_place(W, x, v):
    gradient = torch.outer(v, x)
    gradient[0, 1] += 1
    return gradient


# Exercise 1.1 takes one vector and wants its gradient.
MISHAPS = [
    (lambda x: x.nothing, "raised", "It raised AttributeError: 'Tensor' object has no attribute"),
    (lambda: 1, "raised", "It raised TypeError:"),
    (leaves, "raised", "It raised SystemExit"),
    (lambda x: None, "nothing returned", "It returned None. Does every path"),
    (lambda x: (6 * x + 1).tolist(), "kind", "The result is a list, and a tensor is needed."),
    (lambda x: (6 * x + 1).numpy(), "kind", "The result is a ndarray, and a tensor is needed."),
    (lambda x: "6x + 1", "kind", "The result is a str, and a tensor is needed."),
    (lambda x: 1, "shape", "The result is a scalar; expected is the shape ("),
    (lambda x: (6 * x + 1)[:, None], "shape", ", 1); expected is the shape ("),
    (lambda x: (6 * x + 1)[:0], "shape", "The result has the shape (0,); expected is the shape ("),
    (nan, "not a number", "The result is not finite: result[0] is "),
    (lambda x: 12 * x + 2, "another value", "Yours is twice what PyTorch computes, in every"),
    (lambda x: (6 * x + 1) * 1j, "kind", "The result holds complex numbers, and real ones are"),
    (lambda x: x > 0, "another value", "elements differ."),
    (edits_its_input, "input changed", "it changed its input x in place"),
    (torch.tensor([1.0, 2.0]), "not a function", "The answer is [1, 2], and a function is needed."),
    (None, "not a function", "The answer is None, and a function is needed."),
]


@pytest.mark.parametrize(("answer", "diagnosis", "says"), MISHAPS)
def test_a_mishap_is_a_sentence(answer, diagnosis, says):
    verdict = judge(find("1.1"), answer, seed=3)
    assert (verdict.state, verdict.diagnosis) == ("not yet", diagnosis)
    assert says in verdict.says and verdict.says.endswith((".", "?"))
    checked = Checked(verdict)
    assert verdict.says.split()[0] in repr(checked) and "hint" in checked._repr_html_()
    if diagnosis not in ("not a function",):
        assert "  For x = [" in repr(checked)


def calls_a_kernel_that_there_is_not(_x):
    return torch.softmax(torch.tensor([1, 2]), 0)


def edits_what_was_saved(x):
    y = torch.exp(x)
    y += 1
    return y


# How it is told: the learner's own line, what came after it, and which parts are wrong.
TOLD = [
    ("1.1", lambda x: x.nothing, 'raised AttributeError in `("1.1", lambda x: x.nothing,'),
    (
        "1.1",
        calls_a_kernel_that_there_is_not,
        "raised NotImplementedError in `return torch.softmax(torch.tensor([1, 2]), 0)`: ",
    ),
    ("1.9", edits_what_was_saved, "It ran; the backward pass from what it returned raised"),
    (
        "5.11",
        lambda s, v, t: torch.softmax(s.detach() / t, 0) @ v,
        "No gradient comes back: what it returns is cut off",
    ),
    (
        "5.11",
        lambda s, v, t: 2 * (p := torch.softmax(s / t, 0) @ v) - p.detach(),
        "The gradient is not right: yours is twice what PyTorch computes, in every element.",
    ),
    ("1.1", lambda x: 6 * x + 3, "Yours is 2 more than what PyTorch computes, in every element."),
    ("1.1", lambda x: x**3, "Both elements differ."),
    ("2.2", lambda x: [0, 1, 2], "The result differs in all 3 parts."),
    ("2.2", lambda x: x, "The result is a tensor, and a list of 3 is needed."),
    ("2.2", lambda x: [0, 1], "The result has 2 parts; expected are 3."),
    ("2.3", lambda paths: paths[0], "The result is a list, and a number is needed."),
    ("3.9", lambda f, x: ("backward", 2), "The result differs in both parts."),
]


@pytest.mark.parametrize(("number", "answer", "says"), TOLD)
def test_what_is_wrong_is_told_precisely(number, answer, says):
    said = {judge(find(number), answer, seed).says for seed in range(8)}
    assert any(says in each for each in said), said


def test_what_is_drawn_is_called_a_leaf_by_pytorch():
    leaf = Draw(seed=1).vector(requires_grad=True)
    with pytest.raises(RuntimeError, match=r"^a leaf Variable that requires grad"):
        leaf += 1


def test_a_number_stands_beside_a_number_and_a_shape_is_written_as_one():
    page = Checked(judge(find("2.3"), lambda paths: 0.125, seed=1))._repr_html_()
    assert page.count("<table>") == 2
    shown = judge(find("3.2"), lambda f, x: (x.shape, f(x).shape), seed=1)
    assert "torch.Size" not in repr(Checked(shown))


@pytest.mark.parametrize("answer", [endless, endless_without_torch])
def test_an_endless_loop_is_stopped(answer):
    verdict = judge(find("1.1"), answer, seed=3, seconds=0.2)
    assert verdict.diagnosis == "endless"
    assert verdict.says.startswith("It took more than 0.2 seconds and was stopped.")


def test_an_answer_that_came_late_because_of_an_import_is_run_again(tmp_path, monkeypatch):
    (tmp_path / "slow_to_load.py").write_text("import time\ntime.sleep(0.4)\n")
    monkeypatch.syspath_prepend(tmp_path)

    def answer(x):
        import slow_to_load  # noqa: F401

        return 6 * x + 1

    assert not isinstance(run(find("1.1"), answer, (3, 0), seconds=0.2), Overdue)


@pytest.mark.parametrize("started", [lambda x: ..., ...])
def test_a_stub_is_not_started(started):
    checked = seegrad.check("1.1", started)
    assert repr(checked).startswith("1.1 A gradient by hand: not started\n")
    assert not checked.passed and seegrad.progress(1).progress.records == {}


def test_a_stub_that_raises_as_other_courses_do_is_not_started():
    def stub(x):
        raise NotImplementedError

    assert judge(find("1.1"), stub, seed=1).state == "not started"


def test_what_passed_says_the_same_whatever_was_drawn():
    passing = {repr(seegrad.check("1.1", lambda x: 6 * x + 1)) for _ in range(5)}
    assert len(passing) == 1
    assert f"Tried on {TURNS} fresh random inputs" in passing.pop()


def test_the_failing_input_is_small_and_its_wrong_entries_are_marked():
    verdict = judge(find("1.7"), wrong_in_one_place, seed=5)
    assert verdict.case is not None and verdict.case.expected.numel() <= 12
    text, page = repr(Checked(verdict)), Checked(verdict)._repr_html_()
    assert "    wrong at  [0, 1]" in text
    assert page.count('class="wrong"') == 2  # in the learner's matrix and in the true one
    assert re.search(r"<caption>yours</caption>.*<caption>expected</caption>", page)


def test_text_from_a_learner_is_never_markup():
    def answer(x):
        raise ValueError("<script>alert(1)</script>")

    page = seegrad.check("1.1", answer)._repr_html_()
    assert "<script>" not in page and "&lt;script&gt;" in page


def test_checking_leaves_the_learner_s_things_alone(capsys):
    mine = torch.ones(2, requires_grad=True)
    mine.sum().backward()
    state = torch.get_rng_state()

    def answer(x):
        print("looking")
        torch.rand(3)
        return 6 * x + 1 + 0 * mine.sum()

    with seegrad.record() as recording, torch.no_grad():
        assert seegrad.check("1.1", answer).passed
    assert torch.equal(torch.get_rng_state(), state) and mine.grad.tolist() == [1, 1]
    assert capsys.readouterr().out == "" and len(recording.ops) == 0


def test_in_nbgrader_a_wrong_answer_and_a_stub_raise_and_count_for_nobody(monkeypatch):
    monkeypatch.setenv(tutor.GRADING_VARIABLE, "autograde")
    with pytest.raises(AssertionError, match="The derivative of the sum is missing"):
        seegrad.check("1.1", lambda x: 6 * x)
    with pytest.raises(AssertionError, match="not started"):
        seegrad.check("1.1", lambda x: ...)
    assert seegrad.check("1.1", lambda x: 6 * x + 1).passed
    assert seegrad.progress(1).progress.records == {}


@pytest.mark.parametrize("call", [seegrad.hint, seegrad.solution, seegrad.reset])
@pytest.mark.parametrize("number", ["7.99", 1.1, "one", None])
def test_a_number_that_is_none_is_said(call, number):
    with pytest.raises(InputError, match=r"There is no exercise .*as text, such as"):
        call(number)


def test_hints_come_one_by_one():
    shown = [seegrad.hint("1.4") for _ in range(4)]
    exercise = find("1.4")
    assert [sum(text in repr(note).replace("\n  ", " ") for text in exercise.hints)
            for note in shown] == [1, 2, 3, 3]  # fmt: skip
    assert "That was the last" in repr(shown[2]) and "That was the last" not in repr(shown[1])
    assert shown[0]._repr_markdown_().startswith("**1.4 Who is given a gradient?**")


def test_a_solution_asks_first():
    asked, shown = seegrad.solution("1.5"), seegrad.solution("1.5")
    assert "Are you sure?" in repr(asked) and asked.code == ""
    assert "grad + new" in shown.code and "SOLUTION" not in shown.code
    assert "    def store(grad, new):" in repr(shown) and find("1.5").reason[:40] in repr(shown)
    assert "```python\ndef store" in shown._repr_markdown_()


def test_a_solution_does_not_ask_who_is_sure_or_done():
    assert seegrad.solution("1.6", sure=True).code
    assert seegrad.check("1.5", lambda grad, new: new if grad is None else grad + new).passed
    assert seegrad.solution("1.5").code


def test_where_no_solutions_are_at_hand_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("seegrad.course.worksheets.__file__", str(tmp_path / "a" / "b" / "c.py"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="The solutions of chapter 1 are not here"):
        seegrad.solution("1.1", sure=True)


@given(st.integers(0, 2**32), st.integers(0, TURNS - 1))
def test_inputs_are_mixed(seed, turn):
    first, second, third = Draw(seed, turn).sizes(3)
    assert len({first, second, third}) == 3 and min(first, second, third) >= 2
    numbers = Draw(seed, turn).tensor(3, 4)
    assert torch.equal(numbers, Draw(seed, turn).tensor(3, 4))
    assert float(numbers.abs().min()) >= 0.5 and float(numbers.abs().max()) <= 3


def test_results_agree_by_value():
    ones = torch.ones(2)
    assert agree(ones.double(), ones) and agree(ones.half() + 1e-3, ones) and agree(1, ones[0])
    assert agree(ones[0], 1.0) and agree((True, False), [True, False]) and agree(None, None)
    assert not agree(ones + 1e-2, ones) and not agree(ones[None], ones) and not agree([1, 1], ones)
    assert not agree(1, True) and not agree([None], [ones]) and not agree("1", 1.0)


def test_an_input_is_described_with_what_autograd_knows():
    x = torch.ones(2, requires_grad=True)
    x.grad = torch.tensor([0.5, 2.0])
    assert described((x, Formula("x.sum()"), 3)) == (
        "([1, 1] (requires_grad, .grad [0.5, 2]), lambda x: x.sum(), 3)"
    )


def test_a_note_leaves_empty_paragraphs_out():
    assert repr(Note("title", ("one", ""))) == "title\n  one"
