"""nbgrader releases what `make exercises` makes, and gives each answer the points it deserves."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from seegrad.course.exercises import all_exercises
from tests.tools.course import EXERCISES, REPOSITORY, SOLUTIONS, solutions
from tests.tools.private_home import private_environment

ASSIGNMENT = "exercises"
NAME = "01_examples"
OVERWRITES = "def store(grad, new):\n    return new"
ENDLESS = "def after_passes(x, n):\n    while True:\n        pass"
RAISES = "def gradient_by_hand(x):\n    return x.nothing"
OTHER = "def gradient_by_matrix(W, x, v):\n    print('by the rows')\n    return v[:, None] * x"

# What each student changes in the release: the answers, by the ids of their cells.
STUDENTS = {
    "nobody": {},
    "some": {
        "answer-1-1": RAISES,
        "answer-1-5": OVERWRITES,
        "answer-1-6": ENDLESS,
        "answer-1-7": OTHER,
    },
    "all": {
        cell.id: cell.source
        for cell in nbformat.read(SOLUTIONS / f"{NAME}.ipynb", as_version=4).cells
        if cell.id.startswith("answer-")
    },
    "cheat": {"check-1-1": "'the check is gone'"},
}


def nbgrader(course: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "nbgrader", *arguments]
    # As when the environment is activated: nbgrader calls other commands by their bare names.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = private_environment(course / "home") | {"PATH": path}
    done = subprocess.run(command, cwd=course, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course in which nbgrader made the release, and graded what the students handed in."""
    course = tmp_path_factory.mktemp("course")
    shutil.copy(REPOSITORY / "nbgrader_config.py", course)
    shutil.copytree(SOLUTIONS, course / "grading" / "source" / ASSIGNMENT)
    nbgrader(course, "generate_assignment", ASSIGNMENT)
    for student, answers in STUDENTS.items():
        hand_in(course / "grading", student, answers)
    nbgrader(course, "autograde", ASSIGNMENT, "--notebook", NAME)
    return course


def hand_in(grading: Path, student: str, answers: dict[str, str]) -> None:
    notebook = nbformat.read(grading / "release" / ASSIGNMENT / f"{NAME}.ipynb", as_version=4)
    for cell in notebook.cells:
        cell.source = answers.get(cell.id, cell.source)
    folder = grading / "submitted" / student / ASSIGNMENT
    folder.mkdir(parents=True)
    nbformat.write(notebook, folder / f"{NAME}.ipynb")


def points(course: Path, student: str) -> dict[str, float]:
    """The points that a student was given, by the number of the exercise."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course / 'grading' / 'gradebook.db'}") as gradebook:
        graded = gradebook.find_submission_notebook(NAME, ASSIGNMENT, student).grades
        return {
            grade.name.removeprefix("check-").replace("-", "."): grade.auto_score
            for grade in graded
        }


@pytest.mark.parametrize("path", solutions(), ids=lambda path: path.stem)
def test_the_release_is_what_make_exercises_makes(course, path):
    release = course / "grading" / "release" / ASSIGNMENT / path.name
    released, ours = (nbformat.read(one, as_version=4) for one in (release, EXERCISES / path.name))
    assert [cell.source for cell in released.cells] == [cell.source for cell in ours.cells]


# SQLAlchemy's pool closes its connections when it is collected.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("student", "solved"),
    [("nobody", set()), ("some", {"1.7"}), ("all", "every one"), ("cheat", set())],
)
def test_points_are_what_the_answers_deserve(course, student, solved):
    chapter = [exercise for exercise in all_exercises() if exercise.chapter == 1]
    deserved = {
        one.number: one.difficulty if solved == "every one" or one.number in solved else 0
        for one in chapter
    }
    assert points(course, student) == deserved


def test_the_feedback_names_the_misconception(course):
    path = course / "grading" / "autograded" / "some" / ASSIGNMENT / f"{NAME}.ipynb"
    assert "You overwrote the gradient instead of adding to it." in path.read_text("utf-8")
