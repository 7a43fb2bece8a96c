"""A prediction is read kindly, compared exactly, and answered by what was computed."""

import math
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell

import seegrad
from seegrad.course.answers import observe
from seegrad.course.next_cell import outcome
from seegrad.course.predictions import MOST_ROWS, compare, misconception
from seegrad.course.reading import parse
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
        ("[1 2 3]", [1, 2, 3]),  # as NumPy writes them
        ("[[1 -2] [3 4]]", [[1, -2], [3, 4]]),
        ("[true, FALSE]", [1, 0]),
        ("\u20133", -3),  # an en dash, as a word processor makes of a minus
        ("[-Infinity, \u221e]", [-math.inf, math.inf]),
        ("x.grad = [0, 4]", [0, 4]),
        ("tensor([1.], device='cuda:0')", [1]),
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
        ("3 4", "shape", "shape", "(3, 4)"),
        ("3 by 4", "shape", "shape", "(3, 4)"),
        ("4,", "shape", "shape", "(4,)"),
        ("a scalar", "shape", "shape", "scalar"),
        ("torch.size([2, 3])", "value", "shape", "(2, 3)"),
        ("raises an exception", "value", "raises", "it raises an error"),
        ("None.", "value", "none", "None"),
        ("true", "value", "numbers", "True"),
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
        ("", "raises"),
        ("", "choice"),
        ("...", "value"),
        ("a", "value"),
        ("2\u00b2", "value"),  # 2 squared is not 22
        ("3\u00bd", "value"),  # three and a half is not 31/2
        ("(3, 4]", "value"),
        ("1 - 2", "value"),
    ],
)
def test_what_cannot_be_read_gets_a_sentence(text, kind):
    with pytest.raises(InputError, match=r"Write|longer|Answer|Choose"):
        parse(text, kind)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[1, 2], [3]]", "rows of one length"),
        ("[0, 4, 8", "closing bracket"),
        ("9" * 400, "too large"),
        ("1e400", "too large"),
        ("4/0", "4/0 is no number"),
    ],
)
def test_the_sentence_says_what_was_wrong(text, says):
    with pytest.raises(InputError, match=says):
        parse(text)


@pytest.mark.parametrize(
    ("text", "number"),
    [("1,5", 1.5), ("0,33", 1 / 3), ("-1,5", -1.5), ("1,200", 1200), ("1 000", 1000)],
)
def test_a_comma_may_stand_in_one_number_where_one_is_asked_for(text, number):
    found = compare(parse(text), observe(torch.tensor(number)))
    assert found.right, found
    assert parse(text).text == text


def test_where_two_are_asked_for_a_comma_parts_them():
    found = compare(parse("1,5"), observe(torch.tensor([1.0, 5.0])))
    assert (found.right, found.yours) == (True, "[1, 5]")
    assert misconception(parse("1,5"), {"1.5": "one", "[1, 5]": "two"}) == "one"


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
        ("2", torch.tensor([2.0, 2.0]), False, "yours is scalar, PyTorch's is (2,)."),
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
        ("[1, 2]", torch.tensor([3.0, 7.0]), False, "Both elements differ."),
        ("[1, 2, 3]", torch.tensor([1.0, 3.0, 7.0]), False, "2 of 3 elements differ."),
        ("False", True, False, "PyTorch's answer is True."),
        ("True", torch.tensor(False), False, "PyTorch's answer is False."),
        ("7", True, False, "True or False, not a number."),
        ("1", True, True, "That is"),
        ("False", 7, False, "a number, not True or False."),
        ("[True, True]", torch.tensor([True, False]), False, "1 of 2 elements differs."),
        ("0", torch.tensor(math.nan), False, "nan: not a number."),
        ("nan", 3, False, "a number, not nan."),
        ("3", torch.tensor(math.inf), False, "another number"),
        ("3", None, False, "PyTorch's answer is None: nothing is there."),
        ("[0, 0]", None, False, "None is not the same as zero"),
        ("(2, 3)", torch.Size([2, 3]), True, "That is"),
        ("2.5", torch.Size([2, 3]), False, "A shape is asked for"),
        ("torch.Size([2])", torch.ones(2), False, "The numbers are asked for"),
        ("ArithmeticError", ZeroDivisionError(), True, "That is"),
        ("exception", ZeroDivisionError(), True, "That is"),
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
        ("(6,)", False, "Yours has 1 dimension, PyTorch's has 2 dimensions."),
        ("scalar", False, "Yours has no dimensions, PyTorch's has 2 dimensions."),
        ("(2, 4)", False, "one size is not"),
        ("(5, 4)", False, "2 sizes are not"),
    ],
)
def test_shapes_are_compared(yours, right, said):
    found = compare(parse(yours, "shape"), observe(torch.ones(2, 3), "shape"))
    assert (found.right, said in found.said) == (right, True)


def test_a_comparison_goes_element_by_element():
    rows = compare(parse("[[1, 2], [3, 5]]"), observe(torch.tensor([[1, 2], [3, 4]]))).rows
    assert [(row.name, row.yours, row.actual) for row in rows][-1] == ("[1, 1]", "5", "4")
    assert [row.agrees for row in rows] == [True, True, True, False]


def test_a_matrix_says_how_long_its_rows_are():
    comparison = compare(parse("[[1, 2, 3], [4, 5, 6]]"), observe(torch.ones(2, 3)))
    assert comparison.columns == 3
    assert compare(parse("[1, 2]"), observe(torch.ones(2))).columns == 0


def test_of_many_elements_those_that_differ_are_shown():
    actual = torch.arange(40.0)
    yours = parse(str([0.5 if index == 33 else index for index in range(40)]))
    comparison = compare(yours, observe(actual))
    assert [row.name for row in comparison.rows] == ["[33]"]
    assert comparison.elements == 40
    right = compare(parse(str(list(range(40)))), observe(actual))
    assert [row.name for row in right.rows][-1] == f"[{MOST_ROWS - 1}]"


def test_truth_values_are_written_as_such_beside_each_other():
    found = compare(parse("[true, true]"), observe(torch.tensor([True, False])))
    assert (found.yours, found.actual) == ("[True, True]", "[True, False]")
    assert [(row.yours, row.actual) for row in found.rows][-1] == ("True", "False")


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
    monkeypatch.setattr("seegrad.course.oracle.get_ipython", lambda: shell)
    shell.run_cell(
        "import torch, seegrad\n%load_ext seegrad\nx = torch.arange(4.0, requires_grad=True)"
    )
    yield shell
    shell.run_cell("%unload_ext seegrad")


SET_UP = "import torch\nx = torch.arange(4.0, requires_grad=True)\n"


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
    assert question.code() == SET_UP + "torch.dot(x, x).backward()\nprint(x.grad)\n"


def test_run_all_passes_by_and_the_answer_of_the_time_is_kept(shell):
    question = ask(shell, "seegrad.predict('x.grad?', lambda: x.grad)")
    other = ask(shell, "seegrad.predict('another before the same cell')")
    shell.run_cell("x.sum().backward(); x.grad")
    shell.run_cell("x.grad.zero_()")
    assert repr(question).endswith("not answered yet")
    question.commit("[1, 1, 1, 1]")
    other.commit("[1, 1, 1, 1]")
    assert question.page["right"] and other.page["right"]
    assert question.code() == SET_UP + "x.sum().backward()\nprint(x.grad)\n"


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


def printed(script):
    """What a bare Python with only torch prints last."""
    bare = "import sys; sys.modules['seegrad'] = None; exec(sys.stdin.read())"
    command = [sys.executable, "-I", "-c", bare]
    run = subprocess.run(command, input=script, capture_output=True, text=True, check=True)
    return run.stdout.splitlines()[-1]


def test_the_code_prints_the_answer_in_a_bare_python(shell):
    """All that a chapter does between a tensor and its gradient, in one session."""
    torch.set_grad_enabled(True)
    for cell in (
        "unrelated = torch.zeros(7)\nscale = 3.0",
        "def twice(t):\n    return scale * t * t",
        "seegrad.graph(twice(x).sum())\nx.grad",
        "y = twice(x)",
        "y.backward()",  # raises
        "torch.manual_seed(7)\nnoise = torch.rand(4)",
        "for _ in range(2):\n    twice(x).sum().backward()",
    ):
        shell.run_cell(cell)
    value = ask(shell, "seegrad.predict('grad?', x.grad + noise)")
    later = ask(shell, "seegrad.predict('sum?', lambda: x.grad.sum())")
    shape = ask(shell, "seegrad.predict('shape?', kind='shape')")
    shell.run_cell("x.grad[0] += 1\nx.grad * 2")
    raises = ask(shell, "seegrad.predict('raises?', kind='raises')")
    shell.run_cell("%precision 4\ny.backward()")
    for question in (value, later, shape, raises):
        question.reveal()
    assert "unrelated" not in value.code()
    assert "for _ in range(2):\n    twice(x).sum().backward()" in value.code()
    assert "try:\n    y.backward()\nexcept Exception:\n    pass" in value.code()
    assert parse(printed(value.code())).text == value.page["actual"]
    assert parse(printed(later.code())).text == later.page["actual"]
    assert parse(printed(shape.code()), "shape").text == shape.page["actual"]
    assert printed(raises.code()) == raises.page["actual"] == "raises RuntimeError"


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("y = 3", "# The next cell showed no value.\n"),
        ("%time pass", "# The next cell showed no value.\n"),
        ("def (", "# Python could not read the cell.\n"),
    ],
)
def test_the_code_of_a_cell_without_a_value_says_so(shell, cell, code):
    question = ask(shell, "seegrad.predict('y?')")
    shell.run_cell(cell)
    assert question.code() == code


def test_the_code_does_not_give_a_word_away_and_says_what_it_does_not_know(shell):
    words = ask(shell, "seegrad.predict('Which line?', 'y', options=['x', 'y'])")
    assert words.code() == "# The answer was given with the question.\n"
    shell.user_ns["z"] = torch.ones(2)
    question = ask(shell, "seegrad.predict('z?')")
    question.face = "code"
    assert question.listing == "# The answer is what the next cell shows.\n"
    shell.run_cell("z + 1")
    told = "# This also needs z, from cells that seegrad did not see.\nprint(z + 1)\n"
    assert question.listing == question.code() == told


def test_without_the_extension_the_code_says_what_it_does_not_know(shell):
    shell.run_cell("%unload_ext seegrad")
    question = ask(shell, "seegrad.predict('x?')")
    shell.run_cell("%precision 4\nx + 1")
    told = "# This also needs x, from cells that seegrad did not see.\nprint(x + 1)\n"
    assert question.code() == told


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
    assert question.page["said"] == [f"PyTorch's answer is {answer}."]


def test_a_choice_names_the_misconception_behind_a_wrong_option():
    options = {"[1, 1]": "It does not replace.", "[3, 3]": ""}
    question = seegrad.predict("x.grad?", lambda: torch.tensor([3.0, 3.0]), options=options)
    question.commit("[1, 1]")
    assert question.page["said"][-1] == "It does not replace."
    question.commit("[3, 3]")
    assert question.page["right"]


def test_an_option_of_code_may_stand_in_backticks():
    options = {"`loss.backward()`": "", "`y.detach()`": "It cuts."}
    question = seegrad.predict("Which line raises?", "loss.backward()", options=options)
    question.commit("`loss.backward()`")
    assert question.page["right"]
    question.commit("`y.detach()`")
    assert question.page["said"] == ["PyTorch's answer is another one.", "It cuts."]


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
        (
            ("q",),
            {"mistakes": {"banana": "?"}},
            "The mistake 'banana' is no answer. Write a number",
        ),
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


def test_the_figure_says_what_the_text_does():
    long = "Does the question `x.grad` go on, over more than one line of the picture? " * 3
    question = seegrad.predict(long, torch.ones(2), because="It costs 1$, or 2$. " * 10)
    question.commit("[2, 2]")
    texts = question.figure().texts
    written = " ".join(" ".join(text.get_text().split()) for text in texts)
    assert written.replace("\\$", "$") == " ".join(
        repr(question).removeprefix("predict: ").replace("`", "").split()
    )
    weights = [text.get_weight() for text in texts]
    assert weights == sorted(weights)  # bold first: the question, all of it
    assert weights.count("bold") > 1


def test_the_text_says_where_long_answers_differ():
    question = seegrad.predict("Counted?", torch.arange(40.0))
    question.commit(str([*range(39), 7]))
    assert "  differs at [39]: 7, PyTorch: 39\n  1 of 40 elements differs." in repr(question)
