"""An edit in place, written as a line that makes a new tensor."""

from __future__ import annotations

import re

from torch import Tensor

from seegrad.clinic.spelling import code_of
from seegrad.recording import Op

_OPERATORS = {"+=": "+", "-=": "-", "*=": "*", "/=": "/", "**=": "**", "@=": "@"}


def out_of_place(edit: Op, name: str) -> tuple[str, str]:
    """The edit as an op that makes a new tensor."""
    statement = code_of(edit)
    because = (
        f"This makes a new tensor and leaves the saved one as it was; `{name}` names the new one."
    )
    for short, plain in _OPERATORS.items():
        left, operator, right = statement.partition(f" {short} ")
        if operator and "[" not in left:
            right = f"({right})" if plain != "+" and re.search(r" [-+] ", right) else right
            return f"{left} = {left} {plain} {right}", because
    target, equals, right = statement.partition(" = ")
    cloned = "The clone is changed, and the saved tensor stays as it was; `{}` names the clone."
    if found := re.fullmatch(
        r"([\w.]+)\[(.+)\]( [-+*/]+)?", target if equals else statement.split("=")[0].strip()
    ):
        new = f"{found[1]} = {found[1]}.clone()\n{statement}"
        return (
            new,
            cloned.format(found[1]),
        )
    found = re.match(r"([\w.]+)\.(\w+)_\((.*)\)$", edit.text)
    if found and (anew := _made_anew(found[1], found[2], found[3])):
        return anew, because
    if "inplace=True" in statement:
        return statement.replace("inplace=True", "inplace=False"), because
    if "relu_" in edit.name or "_(" in statement:
        return re.sub(r"(\w+)_\(", r"\1(", statement, count=1), because
    return (
        f"{name} = {name}.clone()\n{statement}",
        f"The clone is changed, and the saved tensor stays as it was; `{name}` names the clone.",
    )


def rebinding(statement: str) -> str:
    """An edit in place as a line that makes a new tensor; "" where there is no such line."""
    for short, plain in _OPERATORS.items():
        left, operator, right = statement.partition(f" {short} ")
        if operator:
            return f"{left} = {left} {plain} {right}"
    if found := re.match(r"([\w.]+)\.(\w+)_\((.*)\)$", statement):
        return _made_anew(found[1], found[2], found[3])
    return ""


def _made_anew(name: str, method: str, given: str) -> str:
    """``x = x.clamp(…)`` for ``x.clamp_(…)``; "" where there is no such method."""
    filled = {
        "zero": f"torch.zeros_like({name})",
        "fill": f"torch.full_like({name}, {given})",
    }
    if method not in filled and not hasattr(Tensor, method):
        return ""
    return f"{name} = {filled.get(method, f'{name}.{method}({given})')}"
