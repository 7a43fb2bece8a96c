"""What a bank of answers is made of: for each exercise, wrong answers with their diagnosis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from seegrad.course.exercise import Function


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers to one exercise: the wrong ones by the name of the diagnosis that the check owes.

    Those that never end on some input stand in ``endless``, for each has to be waited for.
    """

    number: str
    wrong: dict[str, Function | tuple[Function, ...]]
    right: tuple[Function, ...]
    endless: dict[str, Function] = field(default_factory=dict)

    def named(self) -> Iterator[tuple[str, Function]]:
        """Each wrong answer with its diagnosis; one diagnosis may have several answers."""
        for name, functions in self.wrong.items():
            for function in functions if isinstance(functions, tuple) else (functions,):
                yield name, function


def banks() -> list[Answers]:
    """The answers of all chapters, in order."""
    package: Any = import_module("tests.exercises")
    names = sorted(found.name for found in iter_modules(package.__path__))
    modules = [import_module(f"tests.exercises.{name}") for name in names if name[:5] == "bank_"]
    return [answers for module in modules for answers in module.BANK]
