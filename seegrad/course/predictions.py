"""How a prediction is compared with what PyTorch computed, and what is said of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from seegrad import formatting
from seegrad.course.answers import Answer, Kind
from seegrad.course.reading import meant, parse
from seegrad.functions.asking import element

CLOSE = 1e-4
"""Numbers that differ by this part of their size are the same."""

MOST_ROWS = 16
"""So many elements are compared one beside the other."""

AGREES = "That is what PyTorch computes."
ANOTHER = "PyTorch's answer is another one."


@dataclass(frozen=True, slots=True)
class Row:
    """One element of the answers, the learner's beside PyTorch's; "" where there is none."""

    name: str
    yours: str
    actual: str
    agrees: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """An answer beside PyTorch's: whether they agree, element by element, and a sentence on it.

    Attributes
    ----------
    rows: the elements; of many, the first that differ, or the first of all if none does.
    columns: how many elements a line of a matrix has; 0 for what is no matrix, or a large one.
    elements: how many elements there are, shown or not.
    """

    right: bool
    yours: str
    actual: str
    rows: tuple[Row, ...]
    columns: int
    elements: int
    said: str


def compare(yours: Answer, actual: Answer) -> Comparison:
    """The two answers side by side.

    >>> from seegrad.course.answers import observe
    >>> compare(parse("[0, 2, 4, 6]"), observe(torch.tensor([0.0, 4.0, 8.0, 12.0]))).said
    'Yours is half of what PyTorch computes, in every element.'
    >>> compare(parse("0.33"), observe(torch.tensor(1 / 3))).right
    True
    """
    yours = meant(yours, actual)
    right, said = _verdict(yours, actual)
    rows = list(_rows(yours, actual))
    shown = rows
    if len(rows) > MOST_ROWS:
        shown = [row for row in rows if right or not row.agrees][:MOST_ROWS]
    columns = _columns(yours, actual) if shown == rows else 0
    return Comparison(right, yours.text, actual.text, tuple(shown), columns, len(rows), said)


def misconception(yours: Answer, mistakes: Mapping[str, str], kind: Kind = "value") -> str:
    """What does a known wrong answer come from? "" for one that is not known.

    >>> misconception(parse("1, 1"), {"[1, 1]": "It adds up, it does not replace."})
    'It adds up, it does not replace.'
    """
    for text, reason in mistakes.items():
        mistake = parse(text, kind)
        if _verdict(meant(yours, mistake), mistake)[0]:
            return reason
    return ""


# Right or wrong, and in which way


def _verdict(yours: Answer, actual: Answer) -> tuple[bool, str]:
    if yours.form != actual.form:
        return _of_different_forms(yours, actual)
    if yours.form == "numbers" and yours.numbers is not None and actual.numbers is not None:
        return _of_numbers(yours, actual)
    if yours.form == "shape":
        return _of_shapes(yours.sizes, actual.sizes)
    if yours.form == "raises":
        return _of_errors(yours.error, actual)
    if yours.form == "words" and _squeezed(yours.text) != _squeezed(actual.text):
        return False, ANOTHER
    return True, AGREES


def _squeezed(words: str) -> str:
    return "".join(words.lower().replace("`", "").removeprefix("torch.").split())


def _of_different_forms(yours: Answer, actual: Answer) -> tuple[bool, str]:
    if yours.form == "runs" and actual.form != "raises":
        return True, AGREES
    # What a shape question and a number have in common: one may have been written for the other.
    if "words" in (yours.form, actual.form) and _squeezed(yours.text) == _squeezed(actual.text):
        return True, AGREES
    return False, _other_form(yours, actual)


def _other_form(yours: Answer, actual: Answer) -> str:
    match yours.form, actual.form:
        case "runs", _:
            return "It does not run: an error is raised."
        case _, "raises":
            return "This raises an error: there is no result."
        case "raises", _:
            return "This runs: no error is raised."
        case "none", _:
            return "It is not None: there is a value."
        case "numbers", "none" if yours.numbers is not None and not bool(yours.numbers.any()):
            return "None is not the same as zero: nothing is there."
        case _, "none":
            return "PyTorch's answer is None: nothing is there."
        case "shape", "numbers":
            return "The numbers are asked for, not their shape."
        case "numbers", "shape":
            return "A shape is asked for, such as (2, 3)."
    return ANOTHER


def _of_errors(yours: str, actual: Answer) -> tuple[bool, str]:
    called = [name.lower() for name in ("", actual.error, *actual.bases)]
    if yours.lower() in called:
        return True, AGREES
    return False, f"It does raise an error, but of another kind: {actual.error}."


def _of_shapes(yours: tuple[int, ...], actual: tuple[int, ...]) -> tuple[bool, str]:
    if yours == actual:
        return True, AGREES
    if len(yours) != len(actual):
        return False, f"Yours has {_dimensions(yours)}, PyTorch's has {_dimensions(actual)}."
    if sorted(yours) == sorted(actual):
        return False, "The sizes are right, their order is not."
    if len(actual) == 1:
        return False, "The number of dimensions is right, the size is not."
    wrong = sum(my != their for my, their in zip(yours, actual, strict=True))
    sizes = "one size is not" if wrong == 1 else f"{wrong} sizes are not"
    return False, f"The number of dimensions is right, {sizes}."


def _dimensions(sizes: tuple[int, ...]) -> str:
    return {0: "no dimensions", 1: "1 dimension"}.get(len(sizes), f"{len(sizes)} dimensions")


def _of_numbers(yours: Answer, actual: Answer) -> tuple[bool, str]:
    mine, theirs = _numbers(yours), _numbers(actual)
    if mine.shape != theirs.shape:
        sizes = formatting.shape(mine.shape), formatting.shape(theirs.shape)
        return False, f"The shapes differ: yours is {sizes[0]}, PyTorch's is {sizes[1]}."
    agrees = _agrees(mine, theirs, yours.slack)
    if bool(agrees.all()):
        return True, AGREES
    if mine.numel() == 1:
        return False, _of_one(yours, actual)
    if not yours.truth and (factor := _factor(mine, theirs)):
        return False, factor
    if not yours.truth and (offset := _offset(mine, theirs)):
        return False, offset
    wrong, count = int((~agrees).sum()), mine.numel()
    if wrong < count:
        return False, f"{wrong} of {count} elements {'differs' if wrong == 1 else 'differ'}."
    return False, f"{'Both' if count == 2 else f'All {count}'} elements differ."


def _of_one(yours: Answer, actual: Answer) -> str:
    """What is said of one wrong number, or of True for False."""
    mine, theirs = _numbers(yours), _numbers(actual)
    if yours.truth and actual.truth:
        return f"PyTorch's answer is {bool(theirs)}."
    if actual.truth:
        return "PyTorch's answer is True or False, not a number."
    if yours.truth:
        return "PyTorch's answer is a number, not True or False."
    if bool(theirs.isnan()):
        return "PyTorch's answer is nan: not a number."
    if bool(mine.isnan()):
        return "PyTorch's answer is a number, not nan."
    return _factor(mine, theirs) or "PyTorch computes another number."


def _numbers(answer: Answer) -> Tensor:
    assert answer.numbers is not None
    return answer.numbers


def _agrees(yours: Tensor, actual: Tensor, slack: float) -> Tensor:
    return torch.isclose(yours, actual, rtol=CLOSE, atol=1e-12 + slack, equal_nan=True)


def _factor(yours: Tensor, actual: Tensor) -> str:
    """Is one answer a simple multiple of the other? That often names what was forgotten."""
    both = (yours != 0) & (actual != 0)
    if not bool(both.any()) or not torch.equal(yours != 0, actual != 0):
        return ""
    ratios = yours[both] / actual[both]
    if not torch.allclose(ratios, ratios[0], rtol=1e-3):
        return ""
    where = ", in every element" if yours.numel() > 1 else ""
    ratio = float(ratios[0])
    if math.isclose(ratio, -1, rel_tol=1e-3):
        return f"The size is right, the sign is not{where}."
    for times in range(2, 11):
        if math.isclose(ratio, times, rel_tol=1e-3):
            told = "twice" if times == 2 else f"{times} times"
            return f"Yours is {told} what PyTorch computes{where}."
        if math.isclose(ratio, 1 / times, rel_tol=1e-3):
            told = "half of" if times == 2 else f"1/{times} of"
            return f"Yours is {told} what PyTorch computes{where}."
    return ""


def _offset(yours: Tensor, actual: Tensor) -> str:
    """Is one answer the other, and the same number more or less everywhere?"""
    more = (yours - actual).flatten()
    if not torch.allclose(more, more[0], rtol=1e-3):
        return ""
    by = float(more[0])
    told = f"{formatting.number(abs(by))} {'more' if by > 0 else 'less'}"
    return f"Yours is {told} than what PyTorch computes, in every element."


# Element by element


def _rows(yours: Answer, actual: Answer) -> Iterator[Row]:
    """Element by element where both are numbers, dimension by dimension where both are shapes."""
    if yours.form == actual.form == "shape" and len(yours.sizes) == len(actual.sizes):
        for dim, (mine, its) in enumerate(zip(yours.sizes, actual.sizes, strict=True)):
            yield Row(f"dim {dim}", str(mine), str(its), mine == its)
    elif _alike(yours, actual):
        numbers = _numbers(actual)
        agrees = _agrees(_numbers(yours), numbers, yours.slack).flatten().tolist()
        written = _written(yours), _written(actual)
        for index, (my, their, same) in enumerate(zip(*written, agrees, strict=True)):
            yield Row(element("", index, numbers.shape), my, their, same)


def _alike(yours: Answer, actual: Answer) -> bool:
    """Are both numbers of one shape, which is not that of a scalar?"""
    mine, theirs = yours.numbers, actual.numbers
    return mine is not None and theirs is not None and mine.shape == theirs.shape and mine.dim() > 0


def _written(answer: Answer) -> list[str]:
    values = _numbers(answer).flatten().tolist()
    return [formatting.number(bool(value) if answer.truth else value) for value in values]


def _columns(yours: Answer, actual: Answer) -> int:
    sizes = actual.numbers.shape if _alike(yours, actual) and actual.numbers is not None else ()
    return sizes[1] if len(sizes) == 2 else 0
