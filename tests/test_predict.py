"""A prediction is read kindly, compared exactly, and answered by what was computed."""

import math
from types import SimpleNamespace

import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell

import seegrad
from seegrad.course.next_cell import outcome
from seegrad.course.predictions import compare, misconception, observe, parse
from seegrad.errors import InputError


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("[0, 4, 8, 12]", [0, 4, 8, 12]),
        ("0, 4, 8, 12", [0, 4, 8, 12]),
        ("0 4  8 12", [0, 4, 8, 12]),
        ("(0, 4)", [0, 4]),
        ("tensor([0., 4., 8., 12.])", [0, 4, 8, 12]),
        ("torch.tensor(28., grad_fn=<MulBackward0>)", 28),
        ("tensor([1.0], dtype=torch.float64)", [1]),
        ("[[1, 2], [3, 4]]", [[1, 2], [3, 4]]),
        ("4/3", 4 / 3),
        ("[1/2, −3]", [0.5, -3]),
        ("\uff3b1\uff0c2\uff3d", [1, 2]),  # as a Chinese keyboard writes them
        ("-1e-3", -1e-3),
        ("inf", math.inf),
        ("[True, False]", [1, 0]),
        ("`14`", 14),
    ],
)  # fmt: skip
def test_numbers_are_read_however_they_are_written(text, numbers):
    assert parse(text).numbers.tolist() == numbers


@pytest.mark.parametrize(
    ("text", "kind", "form", "written"),
    [
        ("None", "value", "none", "None"),
        ("none", "shape", "none", "None"),
        ("raises", "value", "raises", "it raises an error"),
        ("an error", "value", "raises", "it raises an error"),
        ("RuntimeError", "value", "raises", "raises RuntimeError"),
        ("raises a ValueError.", "raises", "raises", "raises ValueError"),
        ("yes", "raises", "raises", "it raises an error"),
        ("no", "raises", "runs", "it runs"),
        ("(4,)", "shape", "shape", "(4,)"),
        ("[2, 3]", "shape", "shape", "(2, 3)"),
        ("2 x 3", "shape", "shape", "(2, 3)"),
        ("torch.Size([4])", "shape", "shape", "(4,)"),
        ("()", "shape", "shape", "scalar"),
    ],
)
def test_other_answers_are_read_too(text, kind, form, written):
    answer = parse(text, kind)
    assert (answer.form, answer.text) == (form, written)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "value"),
        ("banana", "value"),
        ("[1, [2]]", "value"),
        ("[1, 'two']", "value"),
        ("{1: 2}", "value"),
        ("__import__('os').getcwd()", "value"),
        ("[" * 500, "value"),
        ("1" * 3000, "value"),
        ("9" * 400, "value"),
        ("four", "shape"),
        ("(2.5,)", "shape"),
        ("(-1,)", "shape"),
        ("maybe", "raises"),
    ],
)
def test_what_cannot_be_read_gets_a_sentence(text, kind):
    with pytest.raises(InputError, match=r"Write|longer|Answer"):
        parse(text, kind)


@pytest.mark.parametrize(
    ("yours", "actual", "right", "said"),
    [
        ("[0, 4]", torch.tensor([0.0, 4.0]), True, "That is what PyTorch computes"),
        ("0.33", torch.tensor(1 / 3), True, "That is"),
        ("0.3", torch.tensor(1 / 3), False, "another number"),
        ("1.333", torch.tensor(4 / 3), True, "That is"),
        ("[0, 2, 4, 6]", torch.tensor([0.0, 4, 8, 12]), False, "half of what PyTorch computes"),
        ("[0, 8]", torch.tensor([0.0, 4]), False, "twice what PyTorch computes"),
        ("-2", torch.tensor(2.0), False, "the sign is not"),
        ("[1, 2, 3]", torch.tensor([1.0, 2, 4]), False, "1 of 3 elements differ"),
        ("2", torch.tensor([2.0, 2.0]), False, "The shapes differ: yours has scalar"),
        ("nan", torch.tensor(math.nan), True, "That is"),
        ("0", None, False, "None is not the same as zero"),
        ("None", torch.zeros(2), False, "not None"),
        ("None", None, True, "That is"),
        ("3", RuntimeError(), False, "raises an error: there is no result"),
        ("ValueError", RuntimeError(), False, "of another kind: RuntimeError"),
        ("raises", RuntimeError(), True, "That is"),
        ("raises", torch.ones(1), False, "no error is raised"),
        ("[1, 0]", torch.tensor([True, False]), True, "That is"),
        ("2 3", (2, 3.0), True, "That is"),
        ("28 1", (torch.tensor(28.0), torch.tensor(1.0)), True, "That is"),
    ],
)
def test_answers_are_compared_and_the_difference_is_said(yours, actual, right, said):
    found = compare(parse(yours), observe(actual))
    assert found.right is right
    assert said in found.said


@pytest.mark.parametrize(
    ("yours", "right", "said"),
    [
        ("(2, 3)", True, "That is"),
        ("(3, 2)", False, "their order is not"),
        ("(6,)", False, "number of dimensions"),
        ("(2, 4)", False, "a size is not"),
    ],
)
def test_shapes_are_compared(yours, right, said):
    found = compare(parse(yours, "shape"), observe(torch.ones(2, 3), "shape"))
    assert (found.right, said in found.said) == (right, True)


def test_a_comparison_goes_element_by_element():
    rows = compare(parse("[[1, 2], [3, 5]]"), observe(torch.tensor([[1, 2], [3, 4]]))).rows
    assert [(row.name, row.yours, row.actual) for row in rows][-1] == ("[1, 1]", "5", "4")
    assert [row.agrees for row in rows] == [True, True, True, False]


def test_a_known_mistake_is_named():
    mistakes = {"None": "not yet", "[2, 2]": "you overwrote"}
    assert misconception(parse("2, 2.0"), mistakes) == "you overwrote"
    assert misconception(parse("3, 3"), mistakes) == ""


# The widget


@pytest.fixture
def shell(monkeypatch):
    """A notebook's kernel, without the notebook: its cells run and tell the widgets."""
    shell = InteractiveShell()
    monkeypatch.setattr("seegrad.course.next_cell.get_ipython", lambda: shell)
    shell.run_cell("import torch, seegrad\nx = torch.arange(4.0, requires_grad=True)")
    return shell


def ask(shell, call):
    """Run a cell that ends in a question."""
    return shell.run_cell(call).result


def test_the_next_cell_is_the_answer(shell):
    question = ask(shell, "seegrad.predict('x.grad?')")
    assert repr(question) == "predict: x.grad?\n  not answered yet"
    question.commit("[0, 1, 2, 3]")
    assert question.page["stage"] == "waiting"
    shell.run_cell("torch.dot(x, x).backward(); x.grad")
    assert question.page["stage"] == "compared"
    assert not question.page["right"]
    assert "you said [0, 1, 2, 3]\n  PyTorch: [0, 2, 4, 6]\n  Yours is half" in repr(question)
    assert question.code() == "torch.dot(x, x).backward(); x.grad\n"


def test_run_all_passes_by_and_the_answer_of_the_time_is_kept(shell):
    question = ask(shell, "seegrad.predict('x.grad?', lambda: x.grad)")
    other = ask(shell, "seegrad.predict('another before the same cell')")
    shell.run_cell("x.sum().backward(); x.grad")
    shell.run_cell("x.grad.zero_()")
    assert repr(question).endswith("not answered yet")
    question.commit("[1, 1, 1, 1]")
    other.commit("[1, 1, 1, 1]")
    assert question.page["right"] and other.page["right"]
    assert question.code() == "x.grad\n"


@pytest.mark.parametrize(
    ("cell", "answer", "right"),
    [
        ("(x * 2).backward()", "yes", True),
        ("(x * 2).backward()", "no", False),
        ("(x * 2).sum().backward()", "no", True),
        ("(x * 2).backward()", "ValueError", False),
    ],
)
def test_does_the_next_cell_raise(shell, cell, answer, right):
    question = ask(shell, "seegrad.predict('raises?', kind='raises')")
    question.commit(answer)
    shell.run_cell(cell)
    assert question.page["right"] is right


def test_a_cell_without_a_value_says_so(shell):
    question = ask(shell, "seegrad.predict('y?')")
    with pytest.raises(InputError, match="Run the next cell first"):
        question.reveal()
    shell.run_cell("y = 3")
    with pytest.raises(InputError, match="showed no value"):
        question.reveal()


@pytest.mark.parametrize(
    ("code", "silent"), [("x.grad", False), ("print(x)", True), ("y = 1", True)]
)
def test_none_is_a_value_only_where_it_was_asked_for(code, silent):
    info = SimpleNamespace(raw_cell=code)
    result = SimpleNamespace(info=info, result=None, error_in_exec=None, error_before_exec=None)
    assert outcome(result).silent is silent


def test_a_value_that_exists_is_compared_at_once():
    question = seegrad.predict("Which shape?", torch.ones(2, 3), kind="shape", because="So it is.")
    question.commit("(3, 2)")
    assert question.page["said"] == ["The sizes are right, their order is not.", "So it is."]
    question.again()
    assert (question.page["stage"], question.draft) == ("open", "(3, 2)")
    question.reveal()
    assert question.page["actual"] == "(2, 3)"


@pytest.mark.parametrize("answer", [True, False])
def test_true_and_false_can_be_chosen_between(answer):
    question = seegrad.predict("Equal?", torch.tensor(answer), options=["True", "False"])
    question.commit(str(answer))
    assert question.page["right"] and question.page["yours"] == str(answer)
    question.again()
    question.commit(str(not answer))
    assert not question.page["right"]


def test_a_choice_names_the_misconception_behind_a_wrong_option():
    options = {"[1, 1]": "It does not replace.", "[3, 3]": ""}
    question = seegrad.predict("x.grad?", lambda: torch.tensor([3.0, 3.0]), options=options)
    question.commit("[1, 1]")
    assert question.page["said"][-1] == "It does not replace."
    question.commit("[3, 3]")
    assert question.page["right"]


@pytest.mark.parametrize(
    ("answer", "option", "right"),
    [
        (torch.Size([2, 3]), "(2, 3)", True),
        (torch.Size([2, 3]), "(3, 2)", False),
        (torch.Size([]), "scalar", True),
        (True, "True", True),
        (True, "False", False),
        (None, "None", True),
        ("forward mode", "Forward mode", True),
        (RuntimeError(), "it raises an error", True),
        (torch.ones(2), "it raises an error", False),
    ],
)
def test_an_option_is_read_as_what_was_asked_for(answer, option, right):
    question = seegrad.predict("Which?", lambda: answer, options=[option, "another"])
    question.commit(option)
    assert question.page["right"] is right
    assert question.page["yours"] == option


def test_asking_leaves_the_learners_tensors_alone():
    x = torch.ones(2, requires_grad=True)
    x.sum().backward()
    before, state = x.grad, torch.get_rng_state()

    def answer():
        (x * torch.rand(2)).sum().backward()
        return x.grad

    question = seegrad.predict("x.grad?", answer)
    question.reveal()
    assert x.grad is before
    assert before.tolist() == [1, 1]
    assert torch.equal(torch.get_rng_state(), state)


def test_an_answer_that_raises_is_an_answer():
    question = seegrad.predict("y.backward()?", lambda: torch.ones(2).backward())
    question.commit("raises RuntimeError")
    assert question.page["right"]


@pytest.mark.parametrize(
    ("arguments", "options", "says"),
    [
        (("",), {}, "needs a question"),
        ((3,), {}, "needs a question"),
        (("q",), {"kind": "colour"}, "kind is one of"),
        (("q",), {"options": ["one"]}, "at least two options"),
        (("q",), {"mistakes": {"banana": "?"}}, "Write a number"),
    ],
)
def test_a_question_that_cannot_be_asked_says_why(arguments, options, says):
    question = seegrad.predict(*arguments, **options)
    assert says in question.problem
    assert says in repr(question)


def test_the_page_hears_why_an_answer_cannot_be_read():
    question = seegrad.predict("x.grad?", torch.ones(2))
    question.asked = {"id": "1", "action": "commit", "text": "banana"}
    assert question.reply["problem"].startswith("Write a number")
    assert question.page["stage"] == "open"
    assert question.figure().texts
