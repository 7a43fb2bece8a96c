"""Each exercise rejects and names the wrong answers that people give, and takes any right one."""

import inspect

import nbformat
import pytest

from seegrad.course.exercises import all_exercises, find
from seegrad.course.judging import judge
from seegrad.course.worksheets import STUB, solution_of
from tests.exercises.bank import banks
from tests.tools.course import REPOSITORY, exercises, solutions
from tests.tools.make_exercises import made_from

SEEDS = (1, 2, 3)
BANKS = banks()
EXERCISES = pytest.mark.parametrize("exercise", all_exercises(), ids=lambda one: one.number)


def each(answers):
    """The answers of all banks as (exercise's number, what is expected, answer)."""
    return [
        pytest.param(bank.number, *entry, id=f"{bank.number}-{place}")
        for bank in BANKS
        for place, entry in enumerate(answers(bank))
    ]


@pytest.mark.parametrize(("number", "diagnosis", "answer"), each(lambda bank: bank.named()))
def test_a_wrong_answer_is_rejected_and_named(number, diagnosis, answer, record_property):
    record_property("bank", "wrong answers rejected and named")
    verdicts = [judge(find(number), answer, seed) for seed in SEEDS]
    assert {verdict.state for verdict in verdicts} == {"not yet"}
    assert [verdict.diagnosis for verdict in verdicts] == [diagnosis] * len(SEEDS)


@pytest.mark.parametrize(("number", "diagnosis", "answer"), each(lambda bank: bank.endless.items()))
def test_an_answer_that_never_ends_is_named_too(number, diagnosis, answer, record_property):
    record_property("bank", "wrong answers rejected and named")
    assert judge(find(number), answer, seed=1, seconds=0.3).diagnosis == diagnosis


@pytest.mark.parametrize(("number", "answer"), each(lambda bank: [(one,) for one in bank.right]))
def test_a_right_answer_passes_however_it_is_written(number, answer, record_property):
    record_property("bank", "right answers accepted")
    verdicts = [judge(find(number), answer, seed) for seed in SEEDS]
    assert [(verdict.state, verdict.says) for verdict in verdicts] == [("passed", "")] * len(SEEDS)


@EXERCISES
def test_an_exercise_has_a_bank_of_enough_answers(exercise):
    (bank,) = [bank for bank in BANKS if bank.number == exercise.number]
    assert len(bank.wrong) >= 4 and len(bank.right) >= 2
    named = bank.wrong.keys() | bank.endless.keys()
    assert {mistake.name for mistake in exercise.mistakes} <= named


@EXERCISES
def test_a_mistake_is_told_from_the_others(exercise):
    """The name that a rule is given is its own, also where two misconceptions are close."""
    for mistake in exercise.mistakes:
        assert judge(exercise, mistake.rule, seed=4).diagnosis == mistake.name


@EXERCISES
def test_an_exercise_keeps_to_the_form(exercise):
    assert 2 <= exercise.minutes <= 20 and exercise.difficulty in (1, 2, 3) and exercise.seeds
    assert len({mistake.name for mistake in exercise.mistakes}) == len(exercise.mistakes) >= 4
    assert all(text.endswith((".", "?")) for text in (*exercise.hints, exercise.reason))
    assert all(mistake.says.endswith(".") for mistake in exercise.mistakes)


@EXERCISES
def test_the_solution_passes_and_its_stub_is_not_started(exercise):
    answer = defined(solution_of(exercise))
    assert judge(exercise, answer, seed=5).state == "passed"
    assert list(inspect.signature(answer).parameters) == parameters(exercise)
    name = f"answer-{exercise.number.replace('.', '-')}"
    (stub,) = [cell.source for path in exercises() for cell in cells(path) if cell.id == name]
    assert stub.count(STUB) == 1 and judge(exercise, defined(stub), 5).state == "not started"


def test_exercises_rise_in_difficulty():
    for chapter in {exercise.chapter for exercise in all_exercises()}:
        levels = [one.difficulty for one in all_exercises() if one.chapter == chapter]
        assert levels == sorted(levels)


@pytest.mark.parametrize("path", solutions(), ids=lambda path: path.stem)
def test_the_exercises_are_the_solutions_without_the_answers(path):
    for target, text in made_from(path).items():
        assert target.read_text("utf-8") == text, (
            f"{target.relative_to(REPOSITORY)}: make exercises"
        )
    solved, stubs = cells(path), cells(exercises()[solutions().index(path)])
    for ours, theirs in zip(solved, stubs, strict=True):
        assert (ours.id, ours.metadata) == (theirs.id, theirs.metadata)
        if "### BEGIN SOLUTION" not in ours.source:
            assert ours.source == theirs.source
            continue
        before, rest = ours.source.split("    ### BEGIN SOLUTION\n")
        after = rest.partition("### END SOLUTION")[2]
        assert theirs.source == f"{before}    {STUB}{after}"


def defined(source):
    space = {}
    exec("import torch\n" + source, space)
    return [thing for name, thing in space.items() if inspect.isfunction(thing)][-1]


def parameters(exercise):
    found = inspect.signature(exercise.oracle).parameters.values()
    return [one.name for one in found if one.kind != one.KEYWORD_ONLY]


def cells(path):
    return nbformat.read(path, as_version=4).cells
