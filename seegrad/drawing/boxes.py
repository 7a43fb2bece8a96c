"""What is written in a box and on an edge, line by line, and how much room that takes.

There are two manners. The roomy one has the label in one line and the value with the note in the
next. The close one, for a picture that would be wider than a page, has narrow boxes instead: short
lines, one below the other. All sizes are in CSS pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from seegrad.drawing.layout import LABEL_HEIGHT
from seegrad.formatting import wrapped

PAGE = 905.0
"""So wide may a picture be. A notebook 900 pixels wide shows all of that at 0.84 times its size;
then the smallest text has 10.5 pixels."""

CHARACTER = 7.83  # width of a monospaced character at 13 px
SMALL_CHARACTER = 7.53  # … at 12.5 px
PADDING = 9.0
SLOT_GAP = 8.0
LABEL_LINE = 15.0  # between two lines of a label on an edge
LONGEST_LINE = 20  # characters of a label, in the close manner
LONGEST_NOTE = 20
_SPACE = 16.0  # between a text and the note at the right of it
_ROW, _CLOSE_ROW = 22.0, 18.0
_MARGIN = 8.0  # above the first row and below the last

Lines: TypeAlias = tuple[str, ...]
Ink: TypeAlias = Literal["name", "value", "note"]


@dataclass(frozen=True, slots=True)
class Text:
    """One line in a box, ``room`` pixels wide at most.

    ``x`` is its left end, or its right if it is ``at_end``; ``y`` is its middle. Both are seen from
    the box's corner.
    """

    ink: Ink
    text: str
    x: float
    y: float
    room: float
    at_end: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """A box and the texts in it."""

    texts: tuple[Text, ...]
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Contents:
    """What is to be written in a box.

    Attributes
    ----------
    label: the first row.
    value, brief: what it holds, in one line and in short lines.
    note: the quiet words at the right, of the first row if ``beside_label``, else of the last.
    sign: room for a sign at the right end of the first row.
    least: what the box must have room for anyway.
    """

    label: str
    value: str
    brief: Lines
    note: str
    beside_label: bool
    sign: float = 0.0
    least: float = 0.0


def arranged(contents: Contents, close: bool) -> Written:
    """Write it, in the close manner or the roomy one.

    >>> x = Contents("w * value", "7.5", ("7.5",), "MulBackward0", beside_label=False)
    >>> [(text.text, text.y) for text in arranged(x, close=False).texts]
    [('w * value', 19.0), ('7.5', 41.0), ('MulBackward0', 41.0)]
    >>> [(text.text, text.y) for text in arranged(x, close=True).texts]
    [('w * value', 17.0), ('7.5', 35.0), ('MulBackward0', 53.0)]
    """
    rows = _rows(contents, close)
    notes = wrapped(contents.note, LONGEST_NOTE) if close else (contents.note,)
    widths = [len(line) * CHARACTER for _, line in rows]
    widths[0] += contents.sign
    note = max(map(len, notes)) * SMALL_CHARACTER
    at = _note_row(contents, widths, note, len(notes), close)
    taken = [0.0] * (at + len(notes) + len(rows))  # of each row, by sign and note
    taken[0] = contents.sign
    inner = max(*widths, note, contents.least)
    if beside := at < len(rows):
        inner = max(inner, widths[at] + _beside(note))
        taken[at] += _beside(note)
    height = _CLOSE_ROW if close else _ROW
    middles = [_MARGIN + (row + 0.5) * height for row in range(max(len(rows), at + len(notes)))]
    texts = [
        Text(ink, line, PADDING, middles[row], inner - taken[row])
        for row, (ink, line) in enumerate(rows)
    ]
    end = PADDING + inner - contents.sign * (at == 0) if beside else PADDING
    room = max(0.0, inner - widths[at] - _SPACE) if beside else inner
    texts += [
        Text("note", line, end, middles[at + n], room, beside) for n, line in enumerate(notes)
    ]
    return Written(tuple(texts), inner + 2 * PADDING, len(middles) * height + 2 * _MARGIN)


def _note_row(contents: Contents, widths: list[float], note: float, lines: int, close: bool) -> int:
    """The row where the note stands: one of the others, or a row of its own below them.

    A narrow box has a row more rather than a wider one.
    """
    at = 0 if contents.beside_label else len(widths) - 1
    if close:
        fits = widths[at] + _beside(note) <= max(*widths, note, contents.least)
        return at if fits and lines == 1 else len(widths)
    return at if contents.beside_label or at > 0 else len(widths)


def _beside(note: float) -> float:
    """What a note of such a width takes of the row where it stands."""
    return _SPACE + note if note else 0.0


def _rows(contents: Contents, close: bool) -> list[tuple[Ink, str]]:
    label = wrapped(contents.label, LONGEST_LINE) if close else (contents.label,)
    value: Lines = contents.brief if close else (contents.value,)
    rows: list[tuple[Ink, str]] = [("name", line) for line in label]
    return rows + [("value", line) for line in value if line]


def slot_height(lines: int, close: bool) -> float:
    """The height of a slot below a leaf: a quiet row, and so many for a gradient."""
    return (1 + lines) * (_CLOSE_ROW if close else 19.0) + 12.0


def label_size(lines: Lines) -> tuple[float, float]:
    """Width and height of a label on an edge; no text has no width."""
    return max(map(len, lines), default=0) * CHARACTER, (len(lines) - 1) * LABEL_LINE + LABEL_HEIGHT
