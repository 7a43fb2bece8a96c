"""What a diagnosis says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import indent

from torch import Tensor

from seegrad.recording import Op, Value

# What suggests itself where a graph is missing, and what it would do.
TEMPTING = "{name}.requires_grad = True"
CONSEQUENCE = (
    "The error goes, and so does the training: `{name}` becomes a leaf with nothing behind it, "
    "backward() fills `{name}.grad` with 1, and no parameter gets a gradient."
)


@dataclass(frozen=True, slots=True)
class Place:
    """A line of the learner's: ``cell`` is what it stands in, such as ``cell [3]``."""

    cell: str
    number: int
    text: str

    def __str__(self) -> str:
        return f"{self.cell}, line {self.number}: {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """One error, or one surprising gradient, explained.

    Texts have code between backticks.

    Attributes
    ----------
    kind: which of the things that go wrong this is, in a few words.
    happened: what happened, in one sentence.
    place: the line at fault; ``None`` where nothing recorded says which.
    raised: the line where PyTorch noticed, if it is another.
    op: the op at fault as it is written, "" if it is none.
    variable: what the learner calls the tensor it is about, "" if it has no name.
    mend: code for the learner's cell.
    because: what the mend does.
    tempting: the mend that suggests itself and is wrong, as code.
    consequence: what it would do.
    rivals: what the recording cannot tell, and what would tell it.
    fault: the op to mark in the picture.
    result: the tensor whose graph is the picture.
    last: the op that the picture ends in where there is no such graph; else that is ``fault``.
    """

    kind: str
    happened: str
    place: Place | None = None
    raised: Place | None = None
    op: str = ""
    variable: str = ""
    mend: str = ""
    because: str = ""
    tempting: str = ""
    consequence: str = ""
    rivals: tuple[str, ...] = ()
    fault: Op | None = None
    result: Tensor | None = None
    last: Value | None = None


def lines(diagnosis: Diagnosis) -> Iterator[str]:
    """The diagnosis as text, line by line."""
    yield f"seegrad: {diagnosis.kind}"
    yield diagnosis.happened
    if diagnosis.place is not None:
        yield f"  at fault  {diagnosis.place}"
    if diagnosis.raised is not None and diagnosis.raised != diagnosis.place:
        yield f"  raised    {diagnosis.raised}"
    if diagnosis.op:
        yield f"  op        {diagnosis.op}"
    if diagnosis.variable:
        yield f"  variable  {diagnosis.variable}"
    if diagnosis.mend:
        yield "What mends it:"
        yield indent(diagnosis.mend, "    ")
        yield f"  {diagnosis.because}"
    if diagnosis.tempting:
        yield "Tempting, and wrong:"
        yield indent(diagnosis.tempting, "    ")
        yield f"  {diagnosis.consequence}"
    yield from (f"Not known: {rival}" for rival in diagnosis.rivals)
