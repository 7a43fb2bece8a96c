"""Small notebooks for tests to run."""

from collections.abc import Collection
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from tests.tools.lab import Lab

SET_UP = "import torch\nimport seegrad\n%load_ext seegrad"


def write_notebook(lab: Lab, name: str, raising: Collection[str] = (), **sources: str) -> str:
    """Put a notebook into the lab's folder, with a cell for each id and source.

    Those whose ids are in `raising` raise on purpose. One of these cells that is there stays: it
    may stand open, and was perhaps saved.
    """
    if (path := lab.root / name).exists() and _sources(path) == sources:
        return name
    cells = [new_code_cell(source, id=cell_id) for cell_id, source in sources.items()]
    for cell in cells:
        if cell.id in raising:
            cell.metadata["tags"] = ["raises-exception"]
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    notebook = new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, path)
    return name


def _sources(path: Path) -> dict[str, str]:
    return {cell.id: cell.source for cell in nbformat.read(path, as_version=4).cells}
