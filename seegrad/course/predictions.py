"""How a prediction is read, compared with what PyTorch computed, and explained.

Nothing that a learner types is run: it is read as a literal, or not at all.
"""

from __future__ import annotations

import ast
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from seegrad import formatting
from seegrad.errors import InputError
from seegrad.functions.asking import element

Kind = Literal["value", "shape", "raises", "choice"]
"""What is asked for: numbers (or None), a shape, whether an error is raised, or one of several."""

LONGEST = 2000
"""So many characters of an answer are read."""

CLOSE = 1e-4
"""Numbers that differ by this part of their size are the same."""

MOST_ROWS = 16
"""So many elements are compared one beside the other."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """An answer, the learner's or PyTorch's.

    Attributes
    ----------
    form: whether it is numbers, None, a shape, an error, the absence of one, or words.
    text: how it is written.
    numbers: for numbers, in double precision.
    sizes: for a shape.
    error: for an error, its name; "" for any.
    slack: how far apart numbers may be because the learner rounded them.
    """

    form: Literal["numbers", "none", "shape", "raises", "runs", "words"]
    text: str
    numbers: Tensor | None = None
    sizes: tuple[int, ...] = ()
    error: str = ""
    slack: float = 0.0


NONE = Answer("none", "None")
RUNS = Answer("runs", "it runs")


@dataclass(frozen=True, slots=True)
class Row:
    """One element of the answers, the learner's beside PyTorch's; "" where there is none."""

    name: str
    yours: str
    actual: str
    agrees: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """An answer beside PyTorch's: whether they agree, element by element, and a sentence on it."""

    right: bool
    yours: str
    actual: str
    rows: tuple[Row, ...]
    said: str


# Reading an answer


def parse(text: str, kind: Kind = "value") -> Answer:
    """What did the learner mean? Forgiving in spelling, strict in meaning.

    Numbers may stand in lists, in ``tensor(…)``, or bare with commas or spaces; fractions such as
    4/3 count; so do full-width signs. "None" and "raises RuntimeError" are answers too.

    Raises
    ------
    InputError: it cannot be read as what the question asks for.

    >>> [parse(text).text for text in ("[0, 4, 8, 12]", "0 4 8 12", "tensor([1., 4/3])", "none")]
    ['[0, 4, 8, 12]', '[0, 4, 8, 12]', '[1, 1.333]', 'None']
    >>> parse("4", "shape").text, parse("scalar", "shape").text, parse("yes", "raises").text
    ('(4,)', 'scalar', 'it raises an error')
    """
    plain = unicodedata.normalize("NFKC", text).replace("−", "-").replace("`", "").strip()
    if not plain:
        raise InputError("Write an answer first.")
    if len(plain) > LONGEST:
        raise InputError(f"That is longer than {LONGEST} characters. Write a shorter answer.")
    if kind == "choice":
        return Answer("words", text.strip())
    if error := _error(plain, kind):
        return error
    if kind == "raises":
        raise InputError("Answer yes, no, or the name of the error, such as RuntimeError.")
    if plain.lower() in ("none", "nothing"):
        return NONE
    return _shape(plain) if kind == "shape" else _numbers(plain)


_SOME_ERROR = re.compile(r"(it )?(raises?|fails?|)( ?an?)?( ?errors?)?", re.IGNORECASE)
_NAMED_ERROR = re.compile(
    r"(?:raises? )?(?:an? )?(\w*(?:Error|Exception|Interrupt|Warning))", re.IGNORECASE
)
_NO = {"no", "it runs", "runs", "no error", "does not raise", "false"}


def _error(plain: str, kind: Kind) -> Answer | None:
    words = plain.rstrip(".!").strip()
    if kind == "raises" and words.lower() in ("yes", "true"):
        return raised("")
    if kind == "raises" and words.lower() in _NO:
        return RUNS
    if _SOME_ERROR.fullmatch(words):
        return raised("")
    named = _NAMED_ERROR.fullmatch(words)
    return raised(named[1]) if named else None


def raised(error: str) -> Answer:
    """The answer that an error is raised; "" for any error."""
    return Answer("raises", f"raises {error}" if error else "it raises an error", error=error)


_HOW_SHAPE = "Write a shape as PyTorch does: (4,) or (2, 3), or scalar."


def _shape(plain: str) -> Answer:
    inner = re.sub(r"^torch\.Size\((.*)\)$", r"\1", plain)
    if inner.lower() in ("scalar", "()", "[]"):
        return _of_shape(())
    bare = inner.replace("x", ",").replace("×", ",")
    sizes = _literal(inner if inner[:1] in "([" else f"({bare},)", _HOW_SHAPE)
    if isinstance(sizes, int):
        sizes = (sizes,)
    if not isinstance(sizes, tuple | list) or not all(type(s) is int and s >= 0 for s in sizes):
        raise InputError(_HOW_SHAPE)
    return _of_shape(tuple(sizes))


def _of_shape(sizes: tuple[int, ...]) -> Answer:
    return Answer("shape", formatting.shape(sizes), sizes=sizes)


_NUMBER = r"\d+(?:\.\d*)?(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?"
_FRACTION = re.compile(rf"({_NUMBER})\s*/\s*({_NUMBER})", re.IGNORECASE)
_DECIMALS = re.compile(r"\.(\d\d+)(?!\d*e)", re.IGNORECASE)
_TENSOR = re.compile(
    r"(?:torch\.)?tensor\((.*?)(?:,\s*(?:dtype|grad_fn|requires_grad)\s*=.*)?\)", re.S
)


def _numbers(plain: str) -> Answer:
    inner = found[1] if (found := _TENSOR.fullmatch(plain)) else plain
    decimals = [len(digits[1]) for digits in _DECIMALS.finditer(inner)]
    listed = _FRACTION.sub(_quotient, inner)
    listed = re.sub(
        r"\binf(inity)?\b", "1e999", re.sub(r"\bnan\b", "None", listed, flags=re.I), flags=re.I
    )
    if not re.search(r"[\[(,]", listed) and len(listed.split()) > 1:
        listed = ",".join(listed.split())
    value = _literal(listed, _HOW)
    try:
        numbers = _tensor(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        raise InputError(_HOW) from None
    # Two decimals and more are taken for a rounded number: half a unit of the last is forgiven.
    slack = 0.5 * 10.0 ** -min(decimals) if decimals else 0.0
    return Answer("numbers", formatting.array(numbers), numbers=numbers, slack=slack)


_HOW = "Write a number such as 14 or 4/3, a list such as [0, 1.5], None, or raises RuntimeError."


def _quotient(fraction: re.Match[str]) -> str:
    above, below = float(fraction[1]), float(fraction[2])
    return repr(above / below) if below else "None"


def _literal(text: str, how: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise InputError(how) from None


def _tensor(value: Any) -> Tensor:
    """Nested lists of numbers as a tensor; None in them stands for nan."""
    if value is None:
        return torch.tensor(math.nan, dtype=torch.float64)
    if isinstance(value, list | tuple):
        rows = [_tensor(part) for part in value]
        return torch.stack(rows) if rows else torch.empty(0, dtype=torch.float64)
    if isinstance(value, bool | int | float):
        return torch.tensor(float(value), dtype=torch.float64)
    raise TypeError


# What PyTorch computed


def observe(thing: Any, kind: Kind = "value") -> Answer:
    """What PyTorch computed, as an answer to a question of this kind.

    ``thing`` is what the code gave: a tensor, None, a shape, a number, or the exception it raised.

    >>> observe(torch.arange(4.0)).text, observe(torch.arange(4.0), "shape").text
    ('[0, 1, 2, 3]', '(4,)')
    >>> observe(None).text, observe(RuntimeError("no"), "raises").text, observe(3, "raises").text
    ('None', 'raises RuntimeError', 'it runs')
    """
    if isinstance(thing, BaseException):
        return raised(type(thing).__name__)
    if kind == "raises":
        return RUNS
    if thing is None:
        return NONE
    if isinstance(thing, torch.Size):
        return _of_shape(tuple(thing))
    if kind == "shape":
        return _of_shape(tuple(thing.shape if isinstance(thing, Tensor) else thing))
    if isinstance(thing, Tensor):
        return Answer("numbers", formatting.array(thing), numbers=_real(thing))
    if isinstance(thing, bool | int | float):
        return Answer("numbers", str(thing), numbers=_tensor(thing))
    if isinstance(thing, list | tuple):
        return _observed_list(thing)
    return Answer("words", str(thing))


def _observed_list(things: Sequence[Any]) -> Answer:
    """Several results at once: numbers where they have one shape, else words."""
    try:
        parts = [_real(part) if isinstance(part, Tensor) else _tensor(part) for part in things]
        numbers = torch.stack(parts)
    except (TypeError, ValueError, RuntimeError):
        return Answer("words", str(things))
    return Answer("numbers", formatting.array(numbers), numbers=numbers)


def _real(tensor: Tensor) -> Tensor:
    return tensor.detach().to(torch.float64, copy=True)


# Comparing


def compare(yours: Answer, actual: Answer) -> Comparison:
    """The two answers side by side.

    >>> compare(parse("[0, 2, 4, 6]"), observe(torch.tensor([0.0, 4.0, 8.0, 12.0]))).said
    'Yours is half of what PyTorch computes, in every element.'
    >>> compare(parse("0.33"), observe(torch.tensor(1 / 3))).right
    True
    """
    right, said = _verdict(yours, actual)
    return Comparison(right, yours.text, actual.text, tuple(_rows(yours, actual)), said)


AGREES = "That is what PyTorch computes."


def _verdict(yours: Answer, actual: Answer) -> tuple[bool, str]:
    if yours.form != actual.form:
        return _of_different_forms(yours, actual)
    if yours.form == "numbers" and yours.numbers is not None and actual.numbers is not None:
        return _of_numbers(yours, actual.numbers)
    if yours.form == "shape":
        return _of_shapes(yours.sizes, actual.sizes)
    if yours.form == "raises":
        return _of_errors(yours.error, actual.error)
    if yours.form == "words" and _squeezed(yours.text) != _squeezed(actual.text):
        return False, "PyTorch's answer is another one."
    return True, AGREES


def _squeezed(words: str) -> str:
    return "".join(words.lower().removeprefix("torch.").split())


def _of_different_forms(yours: Answer, actual: Answer) -> tuple[bool, str]:
    if yours.form == "runs" and actual.form != "raises":
        return True, AGREES
    if yours.form == "none" and actual.form != "raises":
        return False, "There is something: not None."
    if actual.form == "none":
        return False, "There is nothing yet: None is not the same as zero."
    if actual.form == "raises":
        return False, "This raises an error: there is no result."
    if yours.form == "raises":
        return False, "This runs: no error is raised."
    # What a shape question and a number have in common: one may have been written for the other.
    if yours.form == "words" or actual.form == "words":
        same = _squeezed(yours.text) == _squeezed(actual.text)
        return same, AGREES if same else "PyTorch's answer is another one."
    return False, "One of the two is a shape, the other is numbers."


def _of_errors(yours: str, actual: str) -> tuple[bool, str]:
    if yours and yours.lower() != actual.lower():
        return False, f"It does raise an error, but of another kind: {actual}."
    return True, AGREES


def _of_shapes(yours: tuple[int, ...], actual: tuple[int, ...]) -> tuple[bool, str]:
    if yours == actual:
        return True, AGREES
    if len(yours) != len(actual):
        return False, f"The number of dimensions differs: {len(yours)}, and {len(actual)}."
    if sorted(yours) == sorted(actual):
        return False, "The sizes are right, their order is not."
    return False, "The number of dimensions is right, a size is not."


def _of_numbers(answer: Answer, actual: Tensor) -> tuple[bool, str]:
    yours = answer.numbers
    if yours is None or yours.shape != actual.shape:
        sizes = () if yours is None else yours.shape
        told = f"{formatting.shape(sizes)}, and PyTorch's has {formatting.shape(actual.shape)}"
        return False, f"The shapes differ: yours has {told}."
    agrees = _agrees(yours, actual, answer.slack)
    if bool(agrees.all()):
        return True, AGREES
    if factor := _factor(yours, actual):
        return False, factor
    if yours.numel() == 1:
        return False, "PyTorch computes another number."
    if offset := _offset(yours, actual):
        return False, offset
    wrong, count = int((~agrees).sum()), yours.numel()
    if wrong < count:
        return False, f"{wrong} of {count} elements differ."
    return False, f"{'Both' if count == 2 else f'All {count}'} elements differ."


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
    more = yours - actual
    if not torch.allclose(more, more[..., :1].flatten()[0], rtol=1e-3):
        return ""
    by = float(more.flatten()[0])
    told = f"{formatting.number(abs(by))} {'more' if by > 0 else 'less'}"
    return f"Yours is {told} than what PyTorch computes, in every element."


def _rows(yours: Answer, actual: Answer) -> Iterator[Row]:
    """Element by element where both are numbers, dimension by dimension where both are shapes."""
    if yours.numbers is not None and actual.numbers is not None:
        if yours.numbers.shape == actual.numbers.shape and actual.numbers.dim():
            agrees = _agrees(yours.numbers, actual.numbers, yours.slack).flatten().tolist()
            mine, theirs = yours.numbers.flatten().tolist(), actual.numbers.flatten().tolist()
            for index, pair in enumerate(zip(mine[:MOST_ROWS], theirs, agrees, strict=False)):
                name = element("", index, actual.numbers.shape)
                yield Row(name, formatting.number(pair[0]), formatting.number(pair[1]), pair[2])
    elif yours.form == actual.form == "shape" and len(yours.sizes) == len(actual.sizes):
        for dim, (my, their) in enumerate(zip(yours.sizes, actual.sizes, strict=True)):
            yield Row(f"dim {dim}", str(my), str(their), my == their)


def misconception(yours: Answer, mistakes: Mapping[str, str], kind: Kind = "value") -> str:
    """What does a known wrong answer come from? "" for one that is not known.

    >>> misconception(parse("1, 1"), {"[1, 1]": "It adds up, it does not replace."})
    'It adds up, it does not replace.'
    """
    for text, reason in mistakes.items():
        if _verdict(yours, parse(text, kind))[0]:
            return reason
    return ""


def option_meaning(option: Answer, actual: Answer) -> Answer:
    """What does an option that was chosen say? It is read as what was asked for, if it can be.

    >>> values = parse("1, 2"), parse("scalar", "shape")
    >>> [option_meaning(parse("(1, 2)", "choice"), actual).form for actual in values]
    ['numbers', 'shape']
    >>> option_meaning(parse("it adds", "choice"), values[0]).form
    'words'
    """
    try:
        meant = parse(option.text, "shape" if actual.form == "shape" else "value")
    except InputError:
        meant = RUNS if option.text.lower() in _NO else option
    return replace(meant, text=option.text)
