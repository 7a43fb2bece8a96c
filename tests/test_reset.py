"""A reset puts the original back, and keeps the learner's version under a name of its own."""

import shutil
from pathlib import Path

import nbformat
import pytest

import seegrad
from seegrad.course.progress import FOLDER_VARIABLE
from seegrad.course.reset import main
from seegrad.errors import InputError
from tests.tools.course import EXERCISES, SOLUTIONS

NAME = "01_examples.ipynb"


@pytest.fixture(autouse=True)
def learner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the course in which the learner has written into two exercises of chapter 1."""
    shutil.copytree(SOLUTIONS, tmp_path / "solutions")
    shutil.copytree(EXERCISES, tmp_path / "exercises")
    monkeypatch.chdir(tmp_path / "exercises")
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "progress"))
    path = tmp_path / "exercises" / NAME
    made = nbformat.read(path, as_version=4)
    for cell in made.cells:
        if cell.id in ("answer-1-1", "answer-1-3"):
            cell.source = "def mine(x): return x"
    nbformat.write(made, path)
    return path


def sources(path):
    return {cell.id: cell.source for cell in nbformat.read(path, as_version=4).cells}


def test_one_exercise_is_as_at_first_and_the_others_are_left(learner):
    before, mine = sources(learner), learner.read_bytes()
    note = seegrad.reset("1.3")
    original = sources(EXERCISES / NAME)
    assert sources(learner) == {**before, "answer-1-3": original["answer-1-3"]}
    assert learner.with_name("01_examples.yours-1.ipynb").read_bytes() == mine
    assert "Exercise 1.3 is as at first" in repr(note) and "01_examples.yours-1" in repr(note)


@pytest.mark.parametrize("chapter", ["1", 1])
def test_a_whole_notebook_is_as_at_first(learner, chapter):
    seegrad.reset(chapter)
    assert learner.read_bytes() == (EXERCISES / NAME).read_bytes()


def test_no_version_is_ever_written_over(learner):
    mine = learner.read_bytes()
    for _ in range(3):
        learner.write_bytes(mine)
        seegrad.reset("1")
    kept = sorted(path.name for path in learner.parent.glob("*.yours-*"))
    assert kept == [f"01_examples.yours-{number}.ipynb" for number in (1, 2, 3)]
    assert "def mine" in (learner.parent / kept[0]).read_text("utf-8")


def test_where_nothing_was_changed_nothing_is_kept(learner):
    seegrad.reset("1"), seegrad.reset("1"), seegrad.reset("1.1")
    assert len(list(learner.parent.glob("*.yours-*"))) == 1


def test_a_deleted_notebook_comes_back(learner):
    learner.unlink()
    seegrad.reset("1")
    assert learner.read_bytes() == (EXERCISES / NAME).read_bytes()


def test_make_reset_resets_all(learner, capsys):
    main()
    assert learner.read_bytes() == (EXERCISES / NAME).read_bytes()
    assert "The exercises of chapter 1 are as at first." in capsys.readouterr().out


def test_a_deleted_cell_comes_back(learner):
    made = nbformat.read(learner, as_version=4)
    made.cells = [cell for cell in made.cells if cell.id != "answer-1-3"]
    nbformat.write(made, learner)
    seegrad.reset("1.3")
    assert sources(learner)["answer-1-3"] == sources(EXERCISES / NAME)["answer-1-3"]


def test_what_is_done_stays_done_and_the_hints_begin_anew():
    seegrad.check("1.1", lambda x: 6 * x + 1)
    seegrad.hint("1.1"), seegrad.hint("1.1")
    seegrad.reset("1.1")
    assert "1.1 done" in repr(seegrad.progress())
    assert "Hint 2" not in repr(seegrad.hint("1.1"))


def test_a_chapter_without_exercises_is_said():
    with pytest.raises(InputError, match="There are no exercises of a chapter 99"):
        seegrad.reset(99)
