"""What every widget has in common: four faces, one frame."""

from __future__ import annotations

import base64
import io
import re
import textwrap
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import traitlets
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from seegrad.errors import InputError

_FOLDER = Path(__file__).parent


def script(name: str, *shared: str) -> str:
    """The one ES module of widget ``name``: ``common.js``, the shared files, its own, joined.

    A widget's module is loaded from memory, where a relative import has nothing to be relative to.
    """
    parts = [_exported(_module(part)) for part in ("common", *shared)]
    return "".join([*parts, _module(name)])


def _module(name: str) -> str:
    """A file without its imports from those it is joined to."""
    code = (_FOLDER / f"{name}.js").read_text("utf-8")
    return re.sub(r'^import \{[^}]*\} from "\./\w+\.js";\n', "", code, flags=re.M)


def _exported(code: str) -> str:
    """A module's code with what it exports as plain names."""
    return re.sub(r"^export (default .*\n)?", "", code, flags=re.M)


def style(name: str, *shared: str) -> str:
    """The style sheet of widget ``name``: ``common.css``, then the shared sheets, then its own.

    A page holds the sheets of all its widgets at once, so each is made to hold for its own widget
    alone. ``:where`` keeps a rule's weight as it was written.
    """
    parts = ("common", *shared, name)
    sheet = "".join((_FOLDER / f"{part}.css").read_text("utf-8") for part in parts)
    return re.sub(r"\.seegrad\b", f'.seegrad:where([data-widget="{name}"])', sheet)


@lru_cache(maxsize=512)
def mathml(latex: str) -> str:
    """A formula as MathML, which browsers draw natively; "" for no formula.

    >>> mathml("a^2")[:48]
    '<math xmlns="http://www.w3.org/1998/Math/MathML"'
    """
    from latex2mathml.converter import convert

    return convert(latex) if latex else ""


def packed(numbers: Tensor) -> bytes:
    """Numbers as float64, for ``floats`` in common.js: JSON has no NaN and no infinity."""
    data: bytes = numbers.detach().double().contiguous().numpy().tobytes()
    return data


class Picture(anywidget.AnyWidget):
    """A widget with four faces: live, text (its ``repr``), still (``figure()``) and ``code()``.

    A subclass sets the traits and draws ``figure``. ``problem`` holds a sentence when the input
    could not be used; it then stands in place of the live view and of the text.
    """

    title = traitlets.Unicode().tag(sync=True)
    problem = traitlets.Unicode().tag(sync=True)
    remark = traitlets.Unicode().tag(sync=True)
    face = traitlets.Enum(["live", "still", "code", "text"], "live").tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)
    listing = traitlets.Unicode().tag(sync=True)
    still = traitlets.Unicode().tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)

    _shown_as: ClassVar[str] = "application/vnd.jupyter.widget-view+json"

    def figure(self) -> Figure:
        """The still picture, as a matplotlib figure."""
        return sentence_figure(self.title, self.problem)

    def code(self) -> str:
        """The plain PyTorch that reproduces the numbers."""
        return self.listing

    def __repr__(self) -> str:
        """The text equivalent: deterministic, with the numbers."""
        return f"{self.title}: {self.problem}" if self.problem else self.text

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The live view, with the still picture and the text where that cannot be shown."""
        view = {"version_major": 2, "version_minor": 1, "model_id": self.model_id}
        return {"text/plain": repr(self), "image/png": self._png(), self._shown_as: view}, {}

    def _png(self) -> str:
        figure = self.figure()
        FigureCanvasAgg(figure)
        buffer = io.BytesIO()
        # No "Software" entry: the same picture is the same bytes, whoever draws it.
        figure.savefig(buffer, format="png", dpi=96, metadata={"Software": None})
        return base64.b64encode(buffer.getvalue()).decode("ascii")

    @traitlets.observe("face")
    def _fill_still(self, change: dict[str, Any]) -> None:
        """The still picture is drawn when it is first asked for."""
        if change["new"] == "still" and not self.still:
            self.still = self._png()


class AnsweringPicture(Picture):
    """A picture that asks the kernel for new numbers while something is dragged.

    The page sets ``asked``; ``answer`` computes, and ``reply`` says that it is done, or with a
    sentence why not. What is shown then stays as it was. Both carry the question's ``id``.

    Numbers change as fast as the hand moves, so the other faces are made when they are looked at:
    a subclass gives ``words`` and ``script``, and calls ``refresh`` after a change.
    """

    # The page knows what it asked: it need not be told.
    asked = traitlets.Dict().tag(sync=True, echo_update=False)
    reply = traitlets.Dict().tag(sync=True)

    def answer(self, question: dict[str, Any]) -> None:
        """Set the traits that answer a question of the page's, or raise InputError."""
        raise NotImplementedError

    def words(self) -> str:
        """The text equivalent."""
        raise NotImplementedError

    def script(self) -> str:
        """The plain PyTorch that reproduces the numbers."""
        raise NotImplementedError

    def code(self) -> str:
        """The plain PyTorch that reproduces the numbers."""
        return "" if self.problem else self.script()

    def __repr__(self) -> str:
        """The text equivalent: deterministic, with the numbers."""
        return f"{self.title}: {self.problem}" if self.problem else self.words()

    def refresh(self) -> None:
        """Forget the other faces, and make anew the one that is looked at."""
        with self.hold_sync():
            self.text = self.listing = self.still = ""
            self._fill_face()

    def _fill_face(self) -> None:
        if self.face == "text":
            self.text = repr(self)
        elif self.face == "code":
            self.listing = self.code()
        elif self.face == "still":
            self.alt, self.still = repr(self), self._png()

    @traitlets.observe("face")
    def _fill_still(self, _change: dict[str, Any]) -> None:
        self._fill_face()

    @traitlets.observe("asked")
    def _reply(self, change: dict[str, Any]) -> None:
        question, problem = change["new"], ""
        # All that an answer changes goes to the page in one message.
        with self.hold_sync():
            try:
                self.answer(question)
            except InputError as error:
                problem = str(error)
            except Exception as error:  # without a reply the page would say that no kernel answers
                problem = f"This raised {type(error).__name__}: {' '.join(str(error).split())}"
            self.reply = {"id": question.get("id", ""), "problem": problem}


VALUE_INK = "#0b5ca8"
GRADIENT_INK = "#b8470a"
VALUE_WASH = "#e8f1fb"
GRADIENT_WASH = "#fdeee3"
TEXT_INK = "#1f2328"
QUIET_INK = "#5b6270"
LINE_INK = "#c9ced6"


def sentence_figure(title: str, sentence: str) -> Figure:
    """A figure that says one sentence."""
    figure = Figure(figsize=(9, 1.4))
    figure.text(0.02, 0.75, title, weight="bold", color=TEXT_INK)
    figure.text(0.02, 0.1, textwrap.fill(sentence, 110), color=TEXT_INK, size=9, va="bottom")
    return figure
