"""Does an executed notebook come out the same from every run, with all that a reader sees?"""

import copy
import uuid

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tests.tools.normalise import KERNEL, WIDGET_STATE, WIDGET_VIEW, normalise


def executed() -> NotebookNode:
    """A notebook as a run leaves it: a slider in a box, shown twice, and a widget never shown."""
    box, slider, layout, unseen = (uuid.uuid4().hex for _ in range(4))
    states = {
        unseen: {"state": {}},
        layout: {"state": {"width": None}},
        slider: {"state": {"layout": f"IPY_MODEL_{layout}", "value": 3}},
        box: {"state": {"children": [f"IPY_MODEL_{slider}"], "layout": f"IPY_MODEL_{layout}"}},
    }
    error = new_output(
        "error",
        ename="RuntimeError",
        evalue="no",
        traceback=[
            "\x1b[36mCell\x1b[39m In[2], line 1",
            f"\x1b[36mFile \x1b[39m/{uuid.uuid4().hex}/torch/_tensor.py:623",
            "RuntimeError: no",
        ],
    )
    cells = [
        new_code_cell(
            "box",
            id="first",
            outputs=[shown(box)],
            metadata={"execution": {"shell.execute_reply": "now"}},
        ),
        new_code_cell("slider", id="again", outputs=[shown(slider)]),
        new_code_cell("fail()", id="fail", outputs=[error], metadata={"tags": ["keep"]}),
    ]
    metadata = {
        "language_info": {"name": "python", "version": "3.11.7"},
        "widgets": {WIDGET_STATE: {"state": states, "version_major": 2, "version_minor": 0}},
    }
    return new_notebook(cells=cells, metadata=metadata)


def shown(model: str) -> NotebookNode:
    return new_output("display_data", {WIDGET_VIEW: {"model_id": model}, "text/plain": "a widget"})


@pytest.fixture
def normal() -> NotebookNode:
    return normalise(executed())


def test_two_runs_come_out_the_same(normal: NotebookNode) -> None:
    assert normalise(executed()) == normal


def test_buffers_come_by_path_in_whatever_order_a_kernel_sends_them() -> None:
    notebook = executed()
    states = notebook.metadata["widgets"][WIDGET_STATE]["state"]
    one, two = ({"path": ["page", name], "data": name} for name in ("one", "two"))
    for state, buffers in zip(states.values(), ([two, one], [one, two]) * 2, strict=True):
        state["buffers"] = buffers
    kept = normalise(notebook).metadata["widgets"][WIDGET_STATE]["state"]
    assert [state["buffers"] for state in kept.values()] == [[one, two]] * 3


def test_what_is_normal_stays_as_it_is(normal: NotebookNode) -> None:
    assert normalise(normal) == normal


def test_the_argument_is_not_changed() -> None:
    notebook = executed()
    before = copy.deepcopy(notebook)
    normalise(notebook)
    assert notebook == before


def test_models_are_called_after_the_first_cell_that_shows_them(normal: NotebookNode) -> None:
    states = normal.metadata.widgets[WIDGET_STATE].state
    assert set(states) == {"first-1", "first-2", "first-3"}
    assert states["first-1"].state.children == ["IPY_MODEL_first-2"]
    assert states["first-2"].state.layout == states["first-1"].state.layout == "IPY_MODEL_first-3"
    assert normal.cells[1].outputs[0].data[WIDGET_VIEW].model_id == "first-2"


def test_a_traceback_keeps_the_notebooks_own_lines(normal: NotebookNode) -> None:
    own = ["\x1b[36mCell\x1b[39m In[2], line 1", "RuntimeError: no"]
    assert normal.cells[2].outputs[0].traceback == own


def test_only_chosen_metadata_stays(normal: NotebookNode) -> None:
    assert [cell.metadata for cell in normal.cells] == [{}, {}, {"tags": ["keep"]}]
    assert {key: normal.metadata[key] for key in KERNEL} == KERNEL


def test_the_code_of_a_question_is_folded_away(normal: NotebookNode) -> None:
    notebook = executed()
    notebook.cells[0].source = 'seegrad.predict("What is y?")'
    folded = [cell.metadata.get("jupyter") for cell in normalise(notebook).cells]
    assert folded == [{"source_hidden": True}, None, None]
    assert "jupyter" not in normal.cells[0].metadata
