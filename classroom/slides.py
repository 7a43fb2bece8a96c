"""The chapters as slides (`make slides`): for a projector, also in a room without a network.

A chapter needs no metadata for this. A heading starts a slide; what a learner reads at leisure
becomes the speaker's notes (press S); each cell appears when you press a key. A cell that says
`slideshow.slide_type` for itself, as JupyterLab's property inspector writes it, is taken at its
word.
"""

import re
import shutil
import sys
from pathlib import Path

from latex2mathml.converter import convert
from nbconvert.exporters import SlidesExporter
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell
from traitlets.config import Config

from tests.tools.course import REPOSITORY, chapters

SLIDES = REPOSITORY / "build" / "slides"
REVEAL = Path(sys.prefix) / "share" / "reveal" / "sphinx_revealjs" / "_static" / "revealjs"

ROOM = 14
"""So many lines of text fit below a heading; a picture takes them all."""

QUESTION = 8
"""So many lines the picture of a question takes."""

FORMULA = re.compile(r"(`+).*?\1|\$\$(?P<display>.+?)\$\$|\$(?P<inline>[^$\n]+)\$", flags=re.S)
# Browsers draw this letter as a plain R unless it is the character itself.
REAL_NUMBERS = re.compile(r'(?<=mathvariant="double-struck">)R')
SET_ASIDE = re.compile("\ue000(\\d+)\ue001")
SHOWN = re.compile(r"#|\*\*|!\[|\$\$|\||>|```|[-\d]+\.? ")


def main() -> None:
    """Write each chapter's slides, and reveal.js beside them."""
    SLIDES.mkdir(parents=True, exist_ok=True)
    for part in ("dist", "plugin/notes"):
        shutil.copytree(REVEAL / part, SLIDES / "reveal.js" / part, dirs_exist_ok=True)
    for path in chapters():
        target = SLIDES / f"{path.stem}.slides.html"
        target.write_text(slides(path), encoding="utf-8")
        print(target.relative_to(REPOSITORY))


def slides(path: Path) -> str:
    """A notebook's slides as HTML, which find reveal.js in the folder `reveal.js` beside them."""
    settings = Config()
    settings.SlidesExporter.preprocessors = [StillPictures, SlideRule, SetFormulasAside]
    exporter = SlidesExporter(  # type: ignore[no-untyped-call]
        config=settings,
        template_name="slides_template",
        extra_template_basedirs=[str(Path(__file__).parent)],
        reveal_url_prefix="reveal.js",
        reveal_theme="white",
        embed_images=True,
    )
    html: str
    html, resources = exporter.from_filename(str(path))
    return SET_ASIDE.sub(lambda found: str(resources["formulas"][int(found[1])]), html)


class StillPictures(Preprocessor):
    """A widget is its still picture, of an error the last line is shown, of a question no code."""

    def preprocess(self, notebook: NotebookNode, resources: object) -> tuple[NotebookNode, object]:
        """Change the outputs of all cells, and leave out the state that live widgets need."""
        notebook.metadata.pop("widgets", None)
        for cell in filter(is_question, notebook.cells):
            cell.metadata["transient"] = {"remove_source": True}
        for output in (one for cell in notebook.cells for one in cell.get("outputs", [])):
            data = output.get("data", {})
            if "image/png" in data:
                output.data = {"image/png": data["image/png"]}
            if output.output_type == "error":
                output.traceback = [f"{output.ename}: {output.evalue.strip().splitlines()[0]}"]
        return notebook, resources


class SlideRule(Preprocessor):
    """Gives each cell the slide type that its content calls for."""

    def preprocess(self, notebook: NotebookNode, resources: object) -> tuple[NotebookNode, object]:
        """Divide the notebook into slides."""
        cells = [part for cell in notebook.cells for part in parts(cell)]
        free = 0
        for cell in cells:
            kind = cell.metadata.get("slideshow", {}).get("slide_type")
            if kind is None:
                kind, free = slide_type(cell, free)
                cell.metadata["slideshow"] = {"slide_type": kind}
        notebook.cells = cells
        return notebook, resources


class SetFormulasAside(Preprocessor):
    """Takes the formulas out of the prose, which would change them on its way to HTML.

    They become MathML, which browsers draw themselves, in the resource `formulas`.
    """

    def preprocess(
        self, notebook: NotebookNode, resources: dict[str, list[str]]
    ) -> tuple[NotebookNode, dict[str, list[str]]]:
        """Leave a number in place of each formula in the prose."""
        drawn: list[str] = []

        def number(found: re.Match[str]) -> str:
            latex = found["display"] or found["inline"]
            if latex is None:
                return found[0]  # it is code
            display = "block" if found["display"] else "inline"
            drawn.append(REAL_NUMBERS.sub("\u211d", convert(latex.strip(), display=display)))
            return f"\ue000{len(drawn) - 1}\ue001"

        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = FORMULA.sub(number, cell.source)
        return notebook, resources | {"formulas": drawn}


def is_question(cell: NotebookNode) -> bool:
    """Is this a cell whose code would tell the answer?"""
    folded = cell.metadata.get("jupyter", {}).get("source_hidden", False)
    return bool(folded) or cell.source.startswith("seegrad.predict(")


def parts(cell: NotebookNode) -> list[NotebookNode]:
    """A cell of prose in two: what is shown, and what the speaker says."""
    if cell.cell_type != "markdown" or "slideshow" in cell.metadata:
        return [cell]
    paragraphs = re.split(r"\n{2,}", cell.source)
    shown = [text for text in paragraphs if SHOWN.match(text)]
    said = [text for text in paragraphs if not SHOWN.match(text)]
    found = []
    if shown:
        found.append(new_markdown_cell("\n\n".join(shown), id=cell.id))
    if said:
        notes = {"slideshow": {"slide_type": "notes"}}
        found.append(new_markdown_cell("\n\n".join(said), id=f"{cell.id}-said", metadata=notes))
    return found


def slide_type(cell: NotebookNode, free: int) -> tuple[str, int]:
    """Of which type is this cell, where so many lines are free, and how many are free after it?

    >>> slide_type(new_markdown_cell("## 3.1 Which direction?"), 4)
    ('slide', 13)
    >>> slide_type(new_markdown_cell("**Predict.** What is x.grad?"), 4)
    ('fragment', 3)
    >>> slide_type(new_markdown_cell("**Predict.** What is x.grad?"), 0)
    ('subslide', 13)
    """
    lines = height(cell)
    if cell.source.startswith(("# ", "## ")):
        return "slide", ROOM - lines
    if cell.source.strip() == "" or cell.id.startswith("setup"):
        return "skip", free
    if lines > free:
        return "subslide", ROOM - lines
    return "fragment", free - lines


def height(cell: NotebookNode) -> int:
    """About how many lines does a cell take, its outputs included?

    >>> height(new_markdown_cell("$$y = x$$"))
    3
    """
    if cell.cell_type == "markdown":
        source: str = cell.source
        return max(1, len(source) // 90) + source.count("$$")
    if is_question(cell):
        return QUESTION
    pictures = [output for output in cell.outputs if "image/png" in output.get("data", {})]
    texts = [cell.source, *map(text_of, cell.outputs)]
    lines: list[str] = [line for text in texts for line in text.splitlines()]
    return 1 + sum(1 + len(line) // 90 for line in lines) + ROOM * len(pictures)


def text_of(output: NotebookNode) -> str:
    """What does an output say in words?"""
    spoken = output.get("data", {}).get("text/plain") or output.get("text") or output.get("evalue")
    return str(spoken or "")


if __name__ == "__main__":
    main()
