"""Execute the notebooks and bring them into the form that is committed (`make notebooks`).

With `--check` nothing is written: the run fails when a notebook is not what this would write.
"""

import difflib
import json
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, DeadKernelError
from nbformat import NotebookNode

from tests.tools.course import REPOSITORY, notebooks
from tests.tools.normalise import normalise
from tests.tools.notebook_style import Chapter, volatile_outputs
from tests.tools.private_home import private_environment

CELL_SECONDS = 60
AT_ONCE = 2


def main() -> None:
    """Write or check the notebooks named on the command line, or else all."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only, write nothing")
    parser.add_argument("notebooks", nargs="*", type=Path, help="all of the course by default")
    arguments = parser.parse_args()
    task = check if arguments.check else write
    paths = [path.resolve() for path in arguments.notebooks] or notebooks()
    complaints = run_all(task, paths)
    print("\n".join(complaints) or f"notebooks that are as they should be: {len(paths)}")
    sys.exit(bool(complaints))


def run_all(task: Callable[[Path], list[str]], paths: list[Path]) -> list[str]:
    """What is there to complain of when this task is done for each notebook, two at a time?"""
    with ProcessPoolExecutor(AT_ONCE) as pool:
        return [complaint for found in pool.map(task, paths) for complaint in found]


def write(path: Path) -> list[str]:
    """Execute a notebook and write it in its normal form, unless something stands against it."""
    notebook, complaints = execute(path)
    if not complaints:
        path.write_text(text_of(notebook), encoding="utf-8")
    return complaints


def check(path: Path) -> list[str]:
    """Execute a notebook: is the file what `write` would make of it, byte for byte?"""
    notebook, complaints = execute(path)
    committed = path.read_text(encoding="utf-8")
    if not complaints and committed != text_of(notebook):
        where = first_difference(nbformat.reads(committed, as_version=4), notebook)
        complaints.append(f"{short(path)} is not what `make notebooks` makes: {where}")
    return complaints


def execute(path: Path) -> tuple[NotebookNode, list[str]]:
    """What does a notebook become in a fresh kernel, and why should that not be committed?"""
    notebook = nbformat.read(path, as_version=4)
    with TemporaryDirectory(prefix="seegrad-home-") as home:
        client = NotebookClient(
            notebook,
            timeout=CELL_SECONDS,
            kernel_name="python3",
            record_timing=False,
            coalesce_streams=True,
            resources={"metadata": {"path": str(path.parent)}},
            # The kernel warns on the terminal that it talks unencrypted, to this very process.
            extra_arguments=["--log-level=ERROR"],
        )
        try:
            client.execute(env=private_environment(Path(home)))
        except (CellControlSignal, DeadKernelError) as error:
            return notebook, [f"{short(path)}: a cell failed or took too long:\n{error}"]
    chapter = Chapter(path, normalise(notebook))
    complaints = [f"{short(path)}: {complaint}" for complaint in volatile_outputs(chapter)]
    return chapter.notebook, complaints


def first_difference(committed: NotebookNode, made: NotebookNode) -> str:
    """Which cell is the first that differs, and how?"""
    for ours, theirs in zip_longest(committed.cells, made.cells):
        if ours != theirs:
            return f"cell {(ours or theirs).id!r} differs\n" + "\n".join(diff(ours, theirs))
    if committed.metadata != made.metadata:
        difference = diff(committed.metadata, made.metadata)
        return "the metadata (the widgets' state is there) differs\n" + "\n".join(difference)
    return "only the layout of the file differs"


def diff(ours: NotebookNode, theirs: NotebookNode) -> Iterator[str]:
    """Which lines differ, the first ten of them, shortened to what fits a terminal?"""
    before, after = (
        json.dumps(part, indent=1, sort_keys=True).splitlines() for part in (ours, theirs)
    )
    lines = difflib.unified_diff(before, after, "committed", "made", n=0, lineterm="")
    return (line[:100] for line, _ in zip(lines, range(10), strict=False))


def text_of(notebook: NotebookNode) -> str:
    """What stands in the file of this notebook?"""
    text: str = nbformat.writes(notebook)
    return text + "\n"


def short(path: Path) -> str:
    """How is this notebook called in a message?"""
    return str(path.relative_to(REPOSITORY) if path.is_relative_to(REPOSITORY) else path)


if __name__ == "__main__":
    main()
