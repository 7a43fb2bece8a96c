"""Does every notebook keep the rules that nbval does not look at?"""

from pathlib import Path

import pytest
from nbformat import NotebookNode

from tests.tools.course import chapters, exercises, solutions
from tests.tools.execute_notebooks import execute
from tests.tools.notebook_style import EXERCISE_RULES, RULES, Chapter, Rule, execution_counts


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_a_chapter_keeps_the_rule(path: Path, rule: Rule) -> None:
    assert list(rule(Chapter.read(path))) == []


@pytest.mark.parametrize("rule", EXERCISE_RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", solutions(), ids=lambda path: path.stem)
def test_solutions_keep_the_rule(path: Path, rule: Rule) -> None:
    assert list(rule(Chapter.read(path))) == []


@pytest.mark.parametrize("rule", EXERCISE_RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", exercises(), ids=lambda path: path.stem)
def test_exercises_keep_the_rule(path: Path, rule: Rule) -> None:
    if rule is not execution_counts:  # the learner runs them first
        assert list(rule(Chapter.read(path))) == []


@pytest.mark.parametrize("path", exercises(), ids=lambda path: path.stem)
def test_untouched_exercises_run_to_their_end_and_count_as_not_started(path: Path) -> None:
    notebook, complaints = execute(path)
    assert complaints == []
    said = {cell.id: text(cell) for cell in notebook.cells if cell.id.startswith("check-")}
    assert said and all("not started" in shown for shown in said.values())
    assert text(notebook.cells[-1]).startswith("progress: 0 of ")


def text(cell: NotebookNode) -> str:
    """The text equivalent of what a cell shows."""
    (output,) = cell.outputs
    shown: str = output.data["text/plain"]
    return shown
