"""How a learner's answer is read, and what it says once it is known what was asked for.

Nothing that a learner types is run: it is read as a literal, or not at all.
"""

from __future__ import annotations

import ast
import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from seegrad import formatting
from seegrad.course.answers import NONE, RUNS, Answer, Kind, of_shape, raised
from seegrad.errors import InputError

LONGEST = 2000
"""So many characters of an answer are read."""


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
    plain = _plain(text)
    if not plain:
        raise InputError("Write an answer first." if kind in ("value", "shape") else _CHOOSE)
    if len(plain) > LONGEST:
        raise InputError(f"That is longer than {LONGEST} characters. Write a shorter answer.")
    if kind == "choice":
        return Answer("words", text.replace("`", "").strip())
    if error := _error(plain, kind):
        return error
    if kind == "raises":
        raise InputError("Answer yes, no, or the name of the error, such as RuntimeError.")
    if plain.lower().rstrip(".") in ("none", "nothing"):
        return NONE
    if kind == "shape" or plain.lower().startswith(("torch.size", "size(")):
        return _shape(plain)
    return _numbers(plain)


_CHOOSE = "Choose an answer first."


def _plain(text: str) -> str:
    """The text with ordinary signs: a full-width 1 is 1, and each dash a minus.

    A raised or lowered digit stays as it is, and is refused later: 2² is not 22.
    """
    plain = re.sub("[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]", "-", text).replace("`", "")
    return "".join(c if _raised(c) else unicodedata.normalize("NFKC", c) for c in plain).strip()


def _raised(sign: str) -> bool:
    return unicodedata.decomposition(sign).startswith(("<super>", "<sub>", "<fraction>"))


_SOME_ERROR = re.compile(
    r"(it )?(raises?|fails?)( an? (error|exception))?|(an? )?(errors?|exceptions?)", re.IGNORECASE
)
_NAMED_ERROR = re.compile(
    r"(?:(?:it )?raises? )?(?:an? )?(\w*(?:Error|Exception|Interrupt|Warning))", re.IGNORECASE
)
NO = {"no", "it runs", "runs", "no error", "does not raise", "false"}
"""How else it may be said that no error is raised."""


def _error(plain: str, kind: Kind) -> Answer | None:
    words = plain.rstrip(".!").strip()
    if kind == "raises" and words.lower() in ("yes", "true"):
        return raised("")
    if kind == "raises" and words.lower() in NO:
        return RUNS
    if _SOME_ERROR.fullmatch(words):
        return raised("")
    named = _NAMED_ERROR.fullmatch(words)
    return raised(named[1]) if named else None


_SIZES = re.compile(r"\d+(?:(?:\s*(?:,|x|×|\*|by)\s*|\s+)\d+)*\s*,?", re.IGNORECASE)
_NAMED_SHAPE = re.compile(r"(?:shape|(?:torch\.)?size)\b\s*[:=]?", re.IGNORECASE)
_NO_SIZES = ("", "scalar", "a scalar", "number", "a number", "one number")


def _shape(plain: str) -> Answer:
    bare = _NAMED_SHAPE.sub("", plain, count=1).strip("()[] ")
    if bare.lower() in _NO_SIZES:
        return of_shape(())
    if not _SIZES.fullmatch(bare):
        raise InputError("Write a shape as PyTorch does: (4,) or (2, 3), or scalar.")
    return of_shape(tuple(int(size) for size in re.findall(r"\d+", bare)))


_NUMBER = r"\d+(?:\.\d*)?(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?"
_FRACTION = re.compile(rf"({_NUMBER})\s*/\s*({_NUMBER})", re.IGNORECASE)
_DECIMALS = re.compile(r"\.(\d\d+)(?!\d*e)", re.IGNORECASE)
_TENSOR = re.compile(
    r"(?:torch\.)?tensor\((.*?)(?:,\s*(?:dtype|device|grad_fn|requires_grad)\s*=.*)?\)", re.S
)
_TRUTHS = re.compile(r"[\s\[\](),]*(?:(?:True|False)[\s\[\](),]*)+")
_GAP = re.compile(r"(?<=[\w.\])'])\s+(?=[-+]?[\w.\[('])")

_HOW = "Write a number such as 14 or 4/3, a list such as [0, 1.5], None, or raises RuntimeError."
_CLOSE_BRACKETS = "Write a closing bracket for each that opens, as in [[1, 2], [3, 4]]."
_ONE_LENGTH = "Write rows of one length, as in [[1, 2], [3, 4]]."
_TOO_LARGE = "That number is too large for PyTorch. Write inf if you mean infinity."


def _numbers(plain: str) -> Answer:
    named = re.sub(r"^[a-z_][\w.]*\s*=\s*", "", plain, flags=re.I)
    inner = found[1] if (found := _TENSOR.fullmatch(named)) else named
    listed = _listed(inner)
    if listed.count("[") != listed.count("]") or listed.count("(") != listed.count(")"):
        raise InputError(_CLOSE_BRACKETS)
    numbers = _read(listed)
    truth = bool(_TRUTHS.fullmatch(listed))
    single = tuple(_numbers(one) for one in _as_one(plain))
    text = plain if single else formatting.array(numbers.bool() if truth else numbers)
    # Two decimals and more are taken for a rounded number: half a unit of the last is forgiven.
    decimals = [len(digits[1]) for digits in _DECIMALS.finditer(inner)]
    slack = 0.5 * 10.0 ** -min(decimals) if decimals else 0.0
    return Answer("numbers", text, numbers, truth, slack, single)


def _as_one(plain: str) -> Iterator[str]:
    """How else may a bare 1,5 or 1,200 be read? With a decimal comma; with one for thousands."""
    if re.fullmatch(r"[-+]?\d+,\d+", plain):
        yield plain.replace(",", ".")
    if re.fullmatch(r"[-+]?[1-9]\d{0,2}([ ,]\d{3})+", plain):
        yield re.sub("[ ,]", "", plain)


def _listed(text: str) -> str:
    """The numbers as Python writes them: nan and inf quoted, commas where only spaces stand."""
    text = _FRACTION.sub(_quotient, text.replace("∞", "inf"))
    text = re.sub(r"([-+]?)\b(nan|inf(?:inity)?)\b", r"'\1\2'", text, flags=re.I)
    text = re.sub(r"\b(true|false)\b", lambda word: word[0].capitalize(), text, flags=re.I)
    return _GAP.sub(",", text)


def _quotient(fraction: re.Match[str]) -> str:
    above, below = float(fraction[1]), float(fraction[2])
    if not below:
        raise InputError(f"{fraction[0]} is no number. Write inf or nan, if you mean that.")
    return repr(above / below)


def _read(listed: str) -> Tensor:
    try:
        return _tensor(ast.literal_eval(listed))
    except OverflowError:
        raise InputError(_TOO_LARGE) from None
    except RuntimeError as error:  # from torch.stack, or too deep a nest
        raise InputError(_HOW if isinstance(error, RecursionError) else _ONE_LENGTH) from None
    except (ValueError, SyntaxError, TypeError, MemoryError):
        raise InputError(_HOW) from None


def _tensor(value: Any) -> Tensor:
    """Nested lists of numbers as a tensor; "nan" and "inf" may be among them."""
    if isinstance(value, list | tuple):
        rows = [_tensor(part) for part in value]
        return torch.stack(rows) if rows else torch.empty(0, dtype=torch.float64)
    if not isinstance(value, bool | int | float | str):
        raise TypeError
    number = float(value)
    if math.isinf(number) and isinstance(value, float):
        raise OverflowError
    return torch.tensor(number, dtype=torch.float64)


# What was meant


def meant(yours: Answer, actual: Answer) -> Answer:
    """What does a learner's answer say, once it is known what was asked for?

    An option that was chosen is read as the kind of thing that PyTorch's answer is; the numbers
    of a shape as a shape; "1,5" as one number or two.

    >>> values = parse("1, 2"), parse("scalar", "shape")
    >>> [meant(parse("(1, 2)", "choice"), actual).form for actual in values]
    ['numbers', 'shape']
    >>> meant(parse("it adds", "choice"), values[0]).form
    'words'
    >>> meant(parse("1,5"), parse("2")).text, meant(parse("1,5"), values[0]).text
    ('1.5', '[1, 5]')
    """
    if yours.form == "words":
        return _option(yours, actual)
    if yours.form != "numbers" or yours.numbers is None:
        return yours
    if actual.form == "shape":
        return _as_shape(yours)
    if actual.numbers is None or not yours.single:
        return yours
    if actual.numbers.dim():
        return replace(yours, text=formatting.array(yours.numbers))
    return _nearest(yours.single, actual.numbers)


def _option(option: Answer, actual: Answer) -> Answer:
    if actual.form == "words":
        return option
    if option.text.lower() in NO and actual.form in ("raises", "runs"):
        return replace(RUNS, text=option.text)
    try:
        read = parse(option.text, "shape" if actual.form == "shape" else "value")
    except InputError:
        return option
    return replace(meant(read, actual), text=option.text)


def _as_shape(yours: Answer) -> Answer:
    try:
        return _shape(yours.text)
    except InputError:
        return yours


def _nearest(answers: Sequence[Answer], number: Tensor) -> Answer:
    def distance(answer: Answer) -> float:
        return math.inf if answer.numbers is None else abs(float(answer.numbers - number))

    return min(answers, key=distance)
