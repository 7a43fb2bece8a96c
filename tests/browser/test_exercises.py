"""Can a learner do exercises in JupyterLab: run all, answer, be corrected, and see the progress?"""

import shutil

import pytest
from playwright.sync_api import Locator, expect

from seegrad.course.exercises import all_exercises
from tests.browser.notebooks import SET_UP, write_notebook
from tests.tools.accessibility import violations
from tests.tools.course import EXERCISES
from tests.tools.lab import Lab
from tests.tools.notebook_page import NotebookPage, Theme

CHAPTER = [exercise for exercise in all_exercises() if exercise.chapter == 1]


@pytest.fixture
def untouched(page: NotebookPage, lab: Lab) -> NotebookPage:
    """The exercises of chapter 1 as a learner gets them, open in the lab."""
    (lab.root / "exercises").mkdir(exist_ok=True)
    shutil.copy(EXERCISES / "01_examples.ipynb", lab.root / "exercises")
    page.open("exercises/01_examples.ipynb")
    return page


def check(page: NotebookPage, number: str) -> Locator:
    """What the check of an exercise shows."""
    return page.output(f"check-{number.replace('.', '-')}").locator(".seegrad")


def answer(page: NotebookPage, number: str, source: str) -> Locator:
    """Write an answer in place of the one there, run it and its check, and see what that shows."""
    page.cell(f"answer-{number.replace('.', '-')}").locator(".cm-content").click()
    keyboard = page.page.keyboard
    keyboard.press("ControlOrMeta+A")
    keyboard.insert_text(source)
    keyboard.press("Shift+Enter")
    keyboard.press("Shift+Enter")
    return check(page, number)


def must_say(page: NotebookPage, states: dict[str, str]) -> None:
    """The notebook's overview has this word for each exercise, and counts those done."""
    overview = page.output("progress").locator(".seegrad")
    expect(overview.locator(".progress li")).to_have_text(
        [number + word for number, word in states.items()]
    )
    done = list(states.values()).count("done")
    expect(overview).to_contain_text(f"{done} of {len(states)} exercises done")


def test_exercises_are_run_answered_and_counted(untouched: NotebookPage, lab: Lab) -> None:
    page = untouched
    page.run_all()
    for exercise in CHAPTER:
        expect(check(page, exercise.number)).to_have_attribute("data-state", "not started")
    must_say(page, {exercise.number: "left" for exercise in CHAPTER})

    shown = answer(page, "1.1", "def gradient_by_hand(x):\n    return 6 * x")
    expect(shown).to_have_attribute("data-state", "not yet")
    expect(shown).to_contain_text("The derivative of the sum is missing")
    shown = answer(page, "1.1", "def gradient_by_hand(x):\n    return 6 * x + 1")
    expect(shown).to_have_attribute("data-state", "passed")
    shown = answer(page, "1.5", "def store(grad, new):\n    return new")
    expect(shown).to_contain_text("You overwrote the gradient instead of adding to it.")
    shown = answer(page, "1.7", "def gradient_by_matrix(W, x, v):\n    return torch.outer(v, x)")
    expect(shown).to_have_attribute("data-state", "passed")
    for theme in Theme:
        page.set_theme(theme)
        assert violations(page.page, ".jp-OutputArea-output .seegrad") == []

    # As the start page does, another notebook counts them, in a kernel of its own.
    page.command("docmanager:save")
    page.open(write_notebook(lab, "start.ipynb", setup=SET_UP, progress="seegrad.progress()"))
    page.run_all()
    states = {exercise.number: "left" for exercise in all_exercises()}
    must_say(page, states | {"1.1": "done", "1.5": "tried", "1.7": "done"})
