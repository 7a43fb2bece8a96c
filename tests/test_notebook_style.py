"""Does each rule of the notebooks' style let a good notebook pass, and stop a bad one?"""

from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tests.tools import notebook_style as style
from tests.tools.normalise import KERNEL, WIDGET_STATE, WIDGET_VIEW
from tests.tools.notebook_style import Chapter, Rule


def good_chapter(folder: Path) -> Chapter:
    """A small chapter that keeps every rule: prose, a value, an announced error and a widget."""
    (folder / "graph.png").touch()
    faces = {
        WIDGET_VIEW: {"model_id": "look-1", "version_major": 2, "version_minor": 0},
        "image/png": "iVBORw0x7f98c8108f50",
        "text/plain": "graph of 3 steps",
    }
    error = new_output("error", ename="RuntimeError", evalue="no", traceback=["RuntimeError: no"])
    picture = "A ![graph of one product](graph.png) and a [link](https://pytorch.org). "
    seeds = ["S01", "S02", "S03", "S04", "S05", "S06"]
    cells = [
        new_markdown_cell(picture + "word " * 60, id="title", metadata={"seed": seeds}),
        code("value", "2 * x", new_output("execute_result", {"text/plain": "tensor(28.)"})),
        code("refusal", "y.backward()", error, tags=["raises-exception"]),
        code("look", "seegrad.graph(y)", new_output("execute_result", faces)),
    ]
    for number, cell in enumerate(cells[1:], start=1):
        cell.execution_count = number
    state = {"look-1": {"model_name": "AnyModel", "state": {"_esm": "const ink = 0xff8800;"}}}
    widgets = {WIDGET_STATE: {"state": state, "version_major": 2, "version_minor": 0}}
    notebook = new_notebook(cells=cells, metadata=KERNEL | {"widgets": widgets})
    return Chapter(folder / "01_examples.ipynb", notebook)


def code(cell_id: str, source: str, output: NotebookNode, **metadata: list[str]) -> NotebookNode:
    """A code cell with one output."""
    return new_code_cell(source, id=cell_id, outputs=[output], metadata=metadata)


Change = Callable[[NotebookNode, NotebookNode], object]

# What breaks each rule. A change gets the notebook and its first code cell.
BREACHES: list[tuple[Rule, str, Change]] = [
    (style.execution_counts, "count None", lambda _, cell: cell.update(execution_count=None)),
    (style.execution_counts, "count 7, not 1", lambda _, cell: cell.update(execution_count=7)),
    (
        style.announced_errors,
        "shows no error",
        lambda _, cell: cell.metadata.update(tags=["raises-exception"]),
    ),
    (
        style.announced_errors,
        "not tagged",
        lambda notebook, _: notebook.cells[2].metadata.clear(),
    ),
    (
        style.widget_faces,
        "without image/png",
        lambda notebook, _: notebook.cells[3].outputs[0].data.pop("image/png"),
    ),
    (
        style.widget_faces,
        "without text/plain",
        lambda notebook, _: notebook.cells[3].outputs[0].data.pop("text/plain"),
    ),
    (
        style.widget_faces,
        "state is not kept",
        lambda notebook, _: notebook.metadata.pop("widgets"),
    ),
    (style.short_cells, "11 lines", lambda _, cell: cell.update(source="x\n" * 11)),
    (
        style.short_cells,
        "median cell has 3 lines",
        lambda notebook, _: [cell.update(source="x\n\ny\nz") for cell in notebook.cells[1:]],
    ),
    (style.prose_to_code, "to 8 lines", lambda _, cell: cell.update(source="x\n" * 6)),
    (
        style.prose_to_code,
        "to 3 lines",
        lambda notebook, _: notebook.cells[0].update(source="word " * 76),
    ),
    (
        style.prose_to_code,
        "44 words",
        lambda notebook, _: notebook.cells[0].update(
            source="word " * 44 + "$a b$ <b>\n```\nnot prose\n```\n$$c d$$ - |"
        ),
    ),
    (style.lasting_ids, "'8f3a01bc'", lambda _, cell: cell.update(id="8f3a01bc")),
    (style.lasting_ids, "'afbc0123'", lambda _, cell: cell.update(id="afbc0123")),
    (
        style.lasting_ids,
        "chosen name",
        lambda _, cell: cell.update(id="c0ffee00-1234-4abc-8def-0123456789ab"),
    ),
    (style.lasting_ids, "more than once", lambda _, cell: cell.update(id="title")),
    (
        style.lasting_metadata,
        "'execution'",
        lambda _, cell: cell.metadata.update(execution={"iopub.status.busy": "today"}),
    ),
    (
        style.lasting_metadata,
        "plain Python kernel",
        lambda notebook, _: notebook.metadata.update(language_info={"version": "3.11.7"}),
    ),
    (
        style.folded_questions,
        "'value' is folded away",
        lambda _, cell: cell.metadata.update(jupyter={"source_hidden": True}),
    ),
    (
        style.seeds_covered,
        "no cell covers S01",
        lambda notebook, _: notebook.cells[0].metadata.clear(),
    ),
    (
        style.seeds_covered,
        "S07 belongs to another chapter",
        lambda _, cell: cell.metadata.update(seed=["S07"]),
    ),
    (
        style.described_images,
        "without alt text: graph.png",
        lambda notebook, _: notebook.cells[0].update(source="![ ](graph.png)"),
    ),
    (
        style.described_images,
        "without alt text: <img",
        lambda notebook, _: notebook.cells[0].update(source='<img src="graph.png">'),
    ),
    (
        style.resolved_links,
        "links to 07_more.ipynb",
        lambda notebook, _: notebook.cells[0].update(source="[next](07_more.ipynb#title)"),
    ),
    (
        style.volatile_outputs,
        "a memory address: 0x7f98c8108f50",
        lambda _, cell: cell.outputs[0].data.update({"text/plain": "<Node at 0x7f98c8108f50>"}),
    ),
    (
        style.volatile_outputs,
        "a path of this machine: /home/a",
        lambda notebook, _: notebook.cells[2].outputs[0].update(traceback=["File /home/ada/x.py"]),
    ),
    (
        style.volatile_outputs,
        "a time: 12:34:56",
        lambda _, cell: cell.outputs[0].data.update({"text/html": "<b>at 12:34:56</b>"}),
    ),
    (
        style.volatile_outputs,
        "the state of widget 'look-1' holds a path",
        lambda notebook, _: notebook.metadata.widgets[WIDGET_STATE]["state"]["look-1"].update(
            state={"file": "/tmp/ipykernel_7/1.py"}
        ),
    ),
]


@pytest.fixture
def chapter(tmp_path: Path) -> Chapter:
    return good_chapter(tmp_path)


@pytest.mark.parametrize("rule", style.RULES)
def test_a_good_chapter_keeps_every_rule(rule: Rule, chapter: Chapter) -> None:
    nbformat.validate(chapter.notebook)
    assert list(rule(chapter)) == []


@pytest.mark.parametrize(("rule", "complaint", "change"), BREACHES)
def test_a_breach_is_named(rule: Rule, complaint: str, change: Change, chapter: Chapter) -> None:
    change(chapter.notebook, chapter.notebook.cells[1])
    assert complaint in "\n".join(rule(chapter))


def test_the_code_of_a_folded_question_is_not_there_to_be_read(chapter: Chapter) -> None:
    cell = chapter.notebook.cells[3]
    cell.update(source='seegrad.predict("?")\n' * 11)
    cell.metadata["jupyter"] = {"source_hidden": True}
    assert style.code_lines(cell) == 0
    rules = (style.short_cells, style.folded_questions, style.lasting_metadata)
    assert [complaint for rule in rules for complaint in rule(chapter)] == []


def test_every_rule_can_be_broken() -> None:
    assert {rule for rule, _, _ in BREACHES} == set(style.RULES)


def test_the_start_page_needs_no_ratio_but_has_an_end(chapter: Chapter) -> None:
    start = Chapter(chapter.path.with_name("00_start.ipynb"), chapter.notebook)
    start.notebook.cells[0].source = "word " * 500
    assert list(style.prose_to_code(start)) == []
    start.notebook.cells *= 20
    assert "80 cells" in "\n".join(style.prose_to_code(start))
