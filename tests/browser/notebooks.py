"""Small notebooks for tests to run."""

from collections.abc import Collection

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from tests.tools.lab import Lab

SET_UP = "import torch\nimport seegrad\n%load_ext seegrad"


def write_notebook(lab: Lab, name: str, raising: Collection[str] = (), **sources: str) -> str:
    """Put a notebook into the lab's folder, with a cell for each id and source.

    Those whose ids are in `raising` raise on purpose.
    """
    cells = [new_code_cell(source, id=cell_id) for cell_id, source in sources.items()]
    for cell in cells:
        if cell.id in raising:
            cell.metadata["tags"] = ["raises-exception"]
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    notebook = new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, lab.root / name)
    return name
