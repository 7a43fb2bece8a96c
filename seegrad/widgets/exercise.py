"""How a check, a hint and the progress look: as text, and as HTML in the common look."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, tostring

import torch
from torch import Tensor

from seegrad.course.agreement import close
from seegrad.course.draw import TURNS, described
from seegrad.course.exercise import Exercise
from seegrad.course.judging import Case, Verdict
from seegrad.course.progress import Progress, Record
from seegrad.course.worksheets import notebook
from seegrad.errors import InputError
from seegrad.formatting import number
from seegrad.functions.asking import element
from seegrad.widgets.common import style

MOST_CELLS = 8
"""A matrix of more rows or columns than this is written, not drawn."""

WIDTH = 96


def html(tag: str, *children: Element | str, **attributes: str) -> Element:
    """An HTML element; text stays text."""
    made = Element(tag, {name.rstrip("_"): value for name, value in attributes.items()})
    for child in children:
        if isinstance(child, Element):
            made.append(child)
        elif len(made):
            made[-1].tail = (made[-1].tail or "") + child
        else:
            made.text = (made.text or "") + child
    return made


def prose(text: str) -> list[Element | str]:
    """Text in which `code` stands between backticks."""
    parts = text.split("`")
    return [html("code", part) if place % 2 else part for place, part in enumerate(parts)]


def framed(*children: Element, state: str = "") -> str:
    """A piece of a page in the common look, with its own style sheet."""
    root = html("div", *children, class_="seegrad", **{"data-widget": "exercise"})
    root.set("data-state", state)
    sheet = html("style")
    sheet.text = style("exercise")
    return f"<style>{sheet.text}</style>{tostring(root, encoding='unicode', method='html')}"


def _wrapped(text: str, first: str = "  ", rest: str = "  ") -> str:
    return textwrap.fill(text, WIDTH, initial_indent=first, subsequent_indent=rest)


# A check


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Checked:
    """What ``seegrad.check`` returns: the verdict, and a remark if progress could not be kept."""

    verdict: Verdict
    remark: str = ""

    @property
    def passed(self) -> bool:
        """Is the answer right?"""
        return self.verdict.state == "passed"

    def __repr__(self) -> str:
        """The text equivalent; for an answer that passed it does not depend on the inputs."""
        lines = [f"{self._title}: {self.verdict.state}", *map(_wrapped, self._sentences())]
        if case := self.verdict.case:
            lines += _case_lines(case)
        return "\n".join([*lines, *map(_wrapped, self._afterwards())])

    def _repr_html_(self) -> str:
        title = html("span", self._title, class_="title")
        state = html("strong", self.verdict.state, class_="state")
        parts = [html("p", title, state, class_="header")]
        parts += [html("p", *prose(told)) for told in self._sentences()]
        if case := self.verdict.case:
            parts += _case_parts(case)
        parts += [html("p", *prose(told), class_="remark") for told in self._afterwards()]
        return framed(*parts, state=self.verdict.state)

    @property
    def _title(self) -> str:
        return f"{self.verdict.exercise.number} {self.verdict.exercise.title}"

    def _sentences(self) -> Iterator[str]:
        exercise = self.verdict.exercise
        match self.verdict.state:
            case "passed":
                tried = f"Tried on {TURNS} fresh random inputs of several sizes"
                yield f"{tried}; compared with {exercise.against}."
                yield f"Why: {exercise.reason}"
            case "not started":
                yield "Write your answer in place of `...`. Run that cell, and then this one again."
            case "not yet":
                yield self.verdict.says

    def _afterwards(self) -> Iterator[str]:
        if self.verdict.state == "not yet":
            yield f'A hint: `seegrad.hint("{self.verdict.exercise.number}")`.'
        if self.remark:
            yield self.remark


def _case_lines(case: Case) -> Iterator[str]:
    yield _wrapped(f"For {', '.join(case.inputs)}" + (":" if case.what else "."), rest="      ")
    if case.what:
        what = "" if case.what == "result" else f"{case.what} "
        yield _wrapped(f"{what}yours     {described(case.yours)}", "    ", "      ")
        yield _wrapped(f"{what}expected  {described(case.expected)}", "    ", "      ")
        if places := _wrong_places(case):
            yield f"    wrong at  {', '.join(places)}"


def _wrong_places(case: Case) -> list[str]:
    """Which elements are wrong, the first few? None where all are, or where shapes differ."""
    if not _comparable(case.yours, case.expected) or case.yours.ndim == 0:
        return []
    wrong = (~close(case.yours, case.expected)).flatten().nonzero().flatten().tolist()
    if len(wrong) == case.yours.numel():
        return []
    return [element("", place, case.yours.shape) for place in wrong[:4]]


def _comparable(yours: Any, expected: Any) -> bool:
    both = isinstance(yours, Tensor) and isinstance(expected, Tensor)
    return both and yours.shape == expected.shape and not yours.is_complex()


def _case_parts(case: Case) -> Iterator[Element]:
    inputs = [part for text in case.inputs for part in (", ", html("code", text))]
    yield html("p", "For ", *inputs[1:], ":" if case.what else ".")
    if not case.what:
        return
    what = "" if case.what == "result" else f"{case.what}, "
    yours = case.yours
    if isinstance(yours, int | float) and isinstance(case.expected, Tensor):
        yours = torch.tensor(float(yours))  # beside a table, a table too
    agrees = close(yours, case.expected) if _comparable(yours, case.expected) else None
    yield html(
        "div",
        _shown(f"{what}yours", yours, agrees),
        _shown(f"{what}expected", case.expected, agrees),
        class_="pair",
    )


def _shown(caption: str, thing: Any, agrees: Tensor | None) -> Element:
    """A result as a table, its wrong entries marked where the two can be compared."""
    if not isinstance(thing, Tensor) or thing.ndim > 2 or max(thing.shape, default=1) > MOST_CELLS:
        return html(
            "p", html("span", f"{caption} ", class_="quiet"), html("code", described(thing))
        )
    rows = thing.detach().reshape(1, -1) if thing.ndim < 2 else thing.detach()
    marks = None if agrees is None else agrees.reshape(rows.shape)
    body = [
        html("tr", *(_entry(rows, marks, row, column) for column in range(rows.shape[1])))
        for row in range(rows.shape[0])
    ]
    return html("table", html("caption", caption), *body)


def _entry(rows: Tensor, marks: Tensor | None, row: int, column: int) -> Element:
    text = number(rows[row, column].item())
    if marks is None or bool(marks[row, column]):
        return html("td", text)
    return html("td", text, html("span", " differs", class_="unseen"), class_="wrong")


# A hint or a solution


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Note:
    """What ``hint``, ``solution`` and ``reset`` return: paragraphs, and perhaps code."""

    title: str
    paragraphs: Sequence[str]
    code: str = ""

    def __repr__(self) -> str:
        """The same as text."""
        code = textwrap.indent(self.code, "    ").splitlines()
        return "\n".join([self.title, *code, *(_wrapped(part) for part in self.paragraphs if part)])

    def _repr_markdown_(self) -> str:
        code = [f"```python\n{self.code}\n```"] if self.code else []
        return "\n\n".join([f"**{self.title}**", *code, *filter(None, self.paragraphs)])


# Progress


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Overview:
    """What ``seegrad.progress`` returns: the exercises, chapter by chapter, with their state."""

    exercises: Sequence[Exercise]
    progress: Progress

    def __repr__(self) -> str:
        """The text equivalent: a line a chapter, and what comes next."""
        lines = [f"progress: {self._summary()}"]
        for chapter, exercises in self._chapters():
            states = ", ".join(f"{one.number} {self._state(one)}" for one in exercises)
            lines.append(_wrapped(f"chapter {chapter}: {states}", rest="    "))
        return "\n".join([*lines, *map(_wrapped, self._afterwards())])

    def _repr_html_(self) -> str:
        rows = [
            part
            for chapter, exercises in self._chapters()
            for part in (
                html("dt", self._link(chapter)),
                html("dd", html("ul", *map(self._box, exercises))),
            )
        ]
        title = html("span", "Your progress", class_="title")
        return framed(
            html("p", title, html("span", self._summary()), class_="header"),
            html("dl", *rows, class_="progress"),
            *(html("p", *prose(told), class_="remark") for told in self._afterwards()),
        )

    def _chapters(self) -> Iterator[tuple[int, list[Exercise]]]:
        for chapter in sorted({exercise.chapter for exercise in self.exercises}):
            yield chapter, [one for one in self.exercises if one.chapter == chapter]

    def _summary(self) -> str:
        done = sum(self.progress.of(one.number).done for one in self.exercises)
        return f"{done} of {len(self.exercises)} exercises done"

    def _state(self, exercise: Exercise) -> str:
        return state_of(self.progress.of(exercise.number))

    def _afterwards(self) -> Iterator[str]:
        left = [one for one in self.exercises if self._state(one) != "done"]
        if left:
            yield f"Next: {left[0].number} {left[0].title}, {left[0].minutes} minutes."
        if self.progress.remark:
            yield self.progress.remark

    def _box(self, exercise: Exercise) -> Element:
        state = self._state(exercise)
        told = html("span", state, class_="word")
        return html("li", exercise.number, told, class_=state, title=exercise.title)

    def _link(self, chapter: int) -> Element:
        """The chapter's exercises, to be opened from the notebook that shows this."""
        try:
            path = os.path.relpath(notebook("exercises", chapter))
        except (InputError, ValueError):
            return html("span", f"Chapter {chapter}")
        return html("a", f"Chapter {chapter}", href=path.replace(os.sep, "/"))


def state_of(record: Record) -> str:
    """What one word says of a record.

    >>> state_of(Record()), state_of(Record(tries=2)), state_of(Record(tries=3, done=True))
    ('left', 'tried', 'done')
    """
    if record.done:
        return "done"
    return "tried" if record.tries else "left"
