"""The exercises, a module a chapter; each is one ``Exercise``."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from seegrad.course.exercise import Exercise
from seegrad.errors import InputError


@cache
def all_exercises() -> tuple[Exercise, ...]:
    """Every exercise of the course, in order.

    >>> [exercise.number for exercise in all_exercises()[:3]]
    ['1.1', '1.2', '1.3']
    """
    chapters = sorted(module.name for module in iter_modules(__path__))
    modules = [import_module(f"{__name__}.{name}") for name in chapters]
    return tuple(exercise for module in modules for exercise in module.EXERCISES)


def find(number: object) -> Exercise:
    """The exercise of this number. Raises InputError if there is none.

    >>> find("1.1").title
    'A gradient by hand'
    >>> find("9.9")
    Traceback (most recent call last):
    ...
    seegrad.errors.InputError: There is no exercise '9.9'. Write its number as text, such as "1.1".
    """
    for exercise in all_exercises():
        if exercise.number == number:
            return exercise
    raise InputError(
        f"There is no exercise {number!r}. Write its number as text, such as "
        f'"{all_exercises()[0].number}".'
    )
