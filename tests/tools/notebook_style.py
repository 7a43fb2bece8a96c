"""What nbval lets through: the rules that every notebook of the course keeps.

Each rule is a function from a notebook to sentences, one for each place where the rule is broken.
"""

import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import nbformat
from nbformat import NotebookNode

from tests.tools.course import REPOSITORY
from tests.tools.normalise import CELL_METADATA, KERNEL, WIDGET_STATE, view

MEDIAN_LINES = 2
MOST_LINES = 10
START_PAGE = "00"
MOST_START_CELLS = 40
WORDS_PER_LINE = (15, 25)

# What a cell whose code is folded away asks; its options would give the answer away.
QUESTION = "seegrad.predict("

# Which items of the seed notes a chapter covers, first and last.
SEEDS = {
    "01": (1, 6),
    "02": (7, 12),
    "03": (13, 20),
    "04": (21, 23),
    "05": (24, 27),
    "06": (28, 41),
}

CELL_ID = re.compile(r"[a-z][a-z0-9-]+")
RANDOM_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){0,3}(-[0-9a-f]{12})?")  # as editors make them
IMAGE = re.compile(r"!\[(?P<alt>[^\]]*)\]\((?P<target>[^)\s]*)[^)]*\)")
HTML_IMAGE = re.compile(r"<img\b(?![^>]*\balt=[\"'][^\"'])[^>]*>")
LINK = re.compile(r"\]\((?P<target>[^)\s]+)[^)]*\)")
FENCED_CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
FORMULA = re.compile(r"\$\$.*?\$\$|\$[^$\n]+\$", re.DOTALL)
HTML_TAG = re.compile(r"<[a-z/!][^>]*>")
WORD = re.compile(r"\S*[^\W_]\S*")
MACHINE_PATHS = (
    re.escape(str(REPOSITORY)) + r"\b",
    re.escape(tempfile.gettempdir()) + r"/\w",
    r"/(?:tmp|home|Users|root)/\w",
    r"[A-Z]:\\Users\b",
    r"\bsite-packages\b",
)
VOLATILE = {
    "a memory address": re.compile(r"0x[0-9a-f]{6,}"),
    "a path of this machine": re.compile("|".join(MACHINE_PATHS)),
    "a time": re.compile(
        r"\b\d\d:\d\d:\d\d\b|\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d|\bWall time\b|\bper loop\b"
    ),
}

# A picture's bytes and a widget's own program are not what a run printed.
OPAQUE = {"image/png", "image/jpeg", "buffers", "_esm", "_css"}


@dataclass(frozen=True)
class Chapter:
    """A notebook, and where it lies."""

    path: Path
    notebook: NotebookNode

    @classmethod
    def read(cls, path: Path) -> "Chapter":
        """Which chapter stands in this file?"""
        return cls(path, nbformat.read(path, as_version=4))

    @property
    def number(self) -> str:
        """With which two digits does its name start? 00 is the page on how to use the course."""
        return self.path.stem[:2]

    @property
    def code(self) -> list[NotebookNode]:
        """Which cells hold code?"""
        return [cell for cell in self.notebook.cells if cell.cell_type == "code"]

    @property
    def markdown(self) -> list[NotebookNode]:
        """Which cells hold prose?"""
        return [cell for cell in self.notebook.cells if cell.cell_type == "markdown"]

    @property
    def states(self) -> dict[str, Any]:
        """Which widget models are kept, by name?"""
        kept = self.notebook.metadata.get("widgets", {}).get(WIDGET_STATE, {})
        return dict(kept.get("state", {}))


Complaints = Iterator[str]
Rule = Callable[[Chapter], Complaints]


def folded(cell: NotebookNode) -> bool:
    """Is the code of this cell folded away in JupyterLab, so that only its output is seen?"""
    return bool(cell.metadata.get("jupyter", {}).get("source_hidden"))


def code_lines(cell: NotebookNode) -> int:
    """How many lines to read does this cell have, blank ones apart?"""
    return 0 if folded(cell) else sum(1 for line in cell.source.splitlines() if line.strip())


def prose(chapter: Chapter) -> str:
    """What is there to read between the code, formulas and listings apart?"""
    text = "\n".join(cell.source for cell in chapter.markdown)
    for not_read in (FENCED_CODE, FORMULA, HTML_TAG):
        text = not_read.sub(" ", text)
    return LINK.sub("]", text)


def texts(part: Any) -> Iterator[str]:
    """Which texts does this part of a notebook hold, pictures and a widget's own code apart?"""
    if isinstance(part, str):
        yield part
    elif isinstance(part, list):
        for inner in part:
            yield from texts(inner)
    elif isinstance(part, dict):
        for key, inner in part.items():
            if key not in OPAQUE:
                yield from texts(inner)


def execution_counts(chapter: Chapter) -> Complaints:
    """The code cells were run once each, from top to bottom."""
    for number, cell in enumerate(chapter.code, start=1):
        if cell.execution_count != number:
            yield f"cell {cell.id!r} has execution count {cell.execution_count}, not {number}"


def announced_errors(chapter: Chapter) -> Complaints:
    """A cell shows an error exactly when its tag announces one."""
    for cell in chapter.code:
        announced = "raises-exception" in cell.metadata.get("tags", [])
        raised = any(output.output_type == "error" for output in cell.outputs)
        if raised and not announced:
            yield f"cell {cell.id!r} shows an error but is not tagged raises-exception"
        if announced and not raised:
            yield f"cell {cell.id!r} is tagged raises-exception but shows no error"


def widget_faces(chapter: Chapter) -> Complaints:
    """Each widget is there as a live view with its state, as a picture and as text."""
    for cell in chapter.code:
        for output in filter(view, cell.outputs):
            if view(output) not in chapter.states:
                yield f"cell {cell.id!r} shows a widget whose state is not kept: {view(output)}"
            for face in ("image/png", "text/plain"):
                if not output.data.get(face):
                    yield f"cell {cell.id!r} shows a widget without {face}"


def short_cells(chapter: Chapter) -> Complaints:
    """Code comes in bites."""
    lines = {cell.id: code_lines(cell) for cell in chapter.code if not folded(cell)}
    for cell_id, number in lines.items():
        if number > MOST_LINES:
            yield f"cell {cell_id!r} has {number} lines of code, more than {MOST_LINES}"
    if lines and median(lines.values()) > MEDIAN_LINES:
        yield f"the median cell has {median(lines.values())} lines, more than {MEDIAN_LINES}"


def prose_to_code(chapter: Chapter) -> Complaints:
    """There is as much to read as the code needs, and no more; the start page is just short."""
    if chapter.number == START_PAGE:
        if (cells := len(chapter.notebook.cells)) > MOST_START_CELLS:
            yield f"the start page has {cells} cells, more than {MOST_START_CELLS}"
        return
    words = len(WORD.findall(prose(chapter)))
    lines = sum(map(code_lines, chapter.code))
    least, most = WORDS_PER_LINE
    if not least * lines <= words <= most * lines:
        yield f"{words} words to {lines} lines of code: not {least} to {most} to a line"


def lasting_ids(chapter: Chapter) -> Complaints:
    """Each cell has a name of its own that somebody chose, so that a link to it lasts."""
    ids = [cell.id for cell in chapter.notebook.cells]
    for cell_id in ids:
        if not CELL_ID.fullmatch(cell_id) or RANDOM_ID.fullmatch(cell_id):
            yield f"the cell id {cell_id!r} is not a chosen name such as 'backward-twice'"
    for cell_id in sorted({cell_id for cell_id in ids if ids.count(cell_id) > 1}):
        yield f"the cell id {cell_id!r} stands more than once"


def lasting_metadata(chapter: Chapter) -> Complaints:
    """No metadata comes from one person's run or editor."""
    for cell in chapter.notebook.cells:
        for key in sorted(set(cell.metadata) - CELL_METADATA):
            yield f"cell {cell.id!r} has the metadata {key!r}"
    if {key: part for key, part in chapter.notebook.metadata.items() if key != "widgets"} != KERNEL:
        yield "the notebook's metadata is not the plain Python kernel's; run `make notebooks`"


def folded_questions(chapter: Chapter) -> Complaints:
    """Code is folded away where it is a question, and nowhere else."""
    for cell in chapter.code:
        if folded(cell) and QUESTION not in cell.source:
            yield f"the code of cell {cell.id!r} is folded away, and it is no question"


def seeds_covered(chapter: Chapter) -> Complaints:
    """The cells carry the ids of all the notes' items that the chapter covers, and no others."""
    first, last = SEEDS.get(chapter.number, (1, 0))
    due = {f"S{number:02}" for number in range(first, last + 1)}
    found = {seed for cell in chapter.notebook.cells for seed in cell.metadata.get("seed", [])}
    for seed in sorted(due - found):
        yield f"no cell covers {seed}"
    for seed in sorted(found - due):
        yield f"{seed} belongs to another chapter"


def described_images(chapter: Chapter) -> Complaints:
    """Who cannot see a picture can read what it shows."""
    for cell in chapter.markdown:
        for image in IMAGE.finditer(cell.source):
            if not image["alt"].strip():
                yield f"cell {cell.id!r} has an image without alt text: {image['target']}"
        for tag in HTML_IMAGE.findall(cell.source):
            yield f"cell {cell.id!r} has an image without alt text: {tag}"


def resolved_links(chapter: Chapter) -> Complaints:
    """A link into the repository leads to a file that is there."""
    for cell in chapter.markdown:
        for link in LINK.finditer(FENCED_CODE.sub("", cell.source)):
            target = link["target"].partition("#")[0]
            if target and ":" not in target and not (chapter.path.parent / target).exists():
                yield f"cell {cell.id!r} links to {target}, which is not there"


def volatile_outputs(chapter: Chapter) -> Complaints:
    """No output and no widget holds what differs from run to run or from machine to machine."""
    parts = {f"cell {cell.id!r}": cell.outputs for cell in chapter.code}
    parts |= {f"the state of widget {name!r}": state for name, state in chapter.states.items()}
    for where, part in parts.items():
        for text in texts(part):
            for what, pattern in VOLATILE.items():
                if found := pattern.search(text):
                    yield f"{where} holds {what}: {found[0]}"


RULES: tuple[Rule, ...] = (
    execution_counts,
    announced_errors,
    widget_faces,
    short_cells,
    prose_to_code,
    lasting_ids,
    lasting_metadata,
    folded_questions,
    seeds_covered,
    described_images,
    resolved_links,
    volatile_outputs,
)
