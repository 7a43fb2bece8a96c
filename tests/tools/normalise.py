"""Bringing an executed notebook into the one form in which it is committed.

What differs from run to run or from machine to machine goes: times, random names of widget models,
the interpreter's version, and the frames of library code in a traceback. What a reader sees stays.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from nbformat import NotebookNode, from_dict

CELL_METADATA = frozenset({"tags", "seed", "slideshow", "jupyter"})
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"

KERNEL = {
    "kernelspec": {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python"},
}

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
MODEL_ID = re.compile(r"[0-9a-f]{32}")
REFERENCE = re.compile(r"IPY_MODEL_([\w-]+)")


def normalise(notebook: NotebookNode) -> NotebookNode:
    """What is this executed notebook without all that is volatile? The argument is not changed."""
    states = notebook.metadata.get("widgets", {}).get(WIDGET_STATE, {}).get("state", {})
    names = name_models(notebook, states)
    kept = {model: in_order(state) for model, state in states.items() if model in names}
    normal: NotebookNode = from_dict(
        {
            "nbformat": notebook.nbformat,
            "nbformat_minor": notebook.nbformat_minor,
            "metadata": KERNEL | widget_metadata(rename(kept, names)),
            "cells": [normal_cell(rename(cell, names)) for cell in notebook.cells],
        }
    )
    return normal


def in_order(state: dict[str, Any]) -> dict[str, Any]:
    """What is this state with its buffers by path? A kernel sends them in the order of a set."""
    if "buffers" not in state:
        return state
    return state | {"buffers": sorted(state["buffers"], key=lambda buffer: buffer["path"])}


def normal_cell(cell: dict[str, Any]) -> dict[str, Any]:
    """What is this cell without volatile metadata and without library code in tracebacks?"""
    metadata = {key: value for key, value in cell["metadata"].items() if key in CELL_METADATA}
    cell = cell | {"metadata": metadata}
    if "outputs" in cell:
        cell["outputs"] = [normal_output(output) for output in cell["outputs"]]
    return cell


def normal_output(output: dict[str, Any]) -> dict[str, Any]:
    """What is this output, showing of an error's traceback only the notebook's own lines?"""
    if output["output_type"] != "error":
        return output
    own = [frame for frame in output["traceback"] if not COLOUR.sub("", frame).startswith("File ")]
    return output | {"traceback": own}


def name_models(notebook: NotebookNode, states: dict[str, Any]) -> dict[str, str]:
    """Which lasting name does each model get that some output shows, directly or inside another?

    The name is that of the first cell which shows the model, with a number: `look-2`.
    """
    names: dict[str, str] = {}
    for cell in notebook.cells:
        shown = [model for model in reachable(views(cell), states) if model not in names]
        names |= {model: f"{cell.id}-{number}" for number, model in enumerate(shown, start=1)}
    return names


def views(cell: NotebookNode) -> list[str]:
    """Which models do the outputs of this cell display, top to bottom?"""
    return [model for output in cell.get("outputs", []) if (model := view(output))]


def view(output: NotebookNode) -> str | None:
    """Which model does this output display, if it displays a widget at all?"""
    model: str | None = output.get("data", {}).get(WIDGET_VIEW, {}).get("model_id")
    return model


def reachable(models: list[str], states: dict[str, Any]) -> Iterator[str]:
    """Which models make up these: themselves and all that their states refer to, breadth first?"""
    queue = list(dict.fromkeys(models))
    for model in queue:  # it grows while it is read
        yield model
        state = json.dumps(states.get(model), sort_keys=True)
        queue += dict.fromkeys(found for found in REFERENCE.findall(state) if found not in queue)


def rename(part: Any, names: dict[str, str]) -> Any:
    """What is this part of a notebook with each model called by its lasting name?"""
    text = json.dumps(part)
    return json.loads(MODEL_ID.sub(lambda found: names.get(found[0], found[0]), text))


def widget_metadata(states: dict[str, Any]) -> dict[str, Any]:
    """How does a notebook keep the states from which JupyterLab draws widgets before any run?"""
    if not states:
        return {}
    return {"widgets": {WIDGET_STATE: {"state": states, "version_major": 2, "version_minor": 0}}}
