"""How a learner's function is written: its source, and what else that source needs to run."""

from __future__ import annotations

import builtins
import dis
import inspect
import sys
import textwrap
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

from torch import Size, Tensor, strided
from torch import dtype as torch_dtype
from torch.nn import Module
from torch.overrides import resolve_name

from seegrad import formatting
from seegrad.functions.written import written
from seegrad.recording.snapshot import COMPLETE


@dataclass(frozen=True, slots=True)
class Definition:
    """The Python that makes a function anew.

    Attributes
    ----------
    name: what the function is called in ``lines``: its own name, "f" for a lambda.
    lines: its definition alone.
    needs: lines to stand before it: imports, constants and functions that it uses.
    missing: a sentence for each thing that could not be written out; "" for none.
    """

    name: str
    lines: tuple[str, ...]
    needs: tuple[str, ...] = ()
    missing: str = ""

    @property
    def script(self) -> list[str]:
        """The definition with all that it needs."""
        warning = textwrap.wrap(self.missing, 96, initial_indent="# ", subsequent_indent="# ")
        return [*self.needs, *([""] if self.needs else []), *warning, *self.lines]


def define(f: Callable[..., Any]) -> Definition:
    """How would a bare Python with only torch make f again?

    Constants, small tensors, functions and imports that f uses are written out; what cannot be,
    ``missing`` names.

    >>> import torch
    >>> define(torch.sin).script
    ['f = torch.sin']
    >>> define(eval("lambda x: x + 1")).script
    ['# The source of f is not to be had: put your own f here.', 'f = ...']
    """
    if not isinstance(f, FunctionType):
        return _named(f)
    function = written(f)
    if function is None:
        return Definition("f", ("f = ...",), (), _no_source("f"))
    return Definition(function.name, tuple(function.lines()), *_surroundings(f, function.name))


def first_parameter(f: Callable[..., Any], otherwise: str) -> str:
    """What f calls its first argument; ``otherwise`` where it does not say.

    >>> import torch
    >>> first_parameter(lambda w: w, "x"), first_parameter(torch.log, "x")
    ('w', 'x')
    """
    return (_parameters(f, 1) or (otherwise,))[0]


def parameter_names(f: Callable[..., Any], count: int) -> tuple[str, ...]:
    """What f calls its first ``count`` arguments; x0, x1, … where it does not say.

    >>> parameter_names(lambda x, w: x * w, 2), parameter_names(max, 2)
    (('x', 'w'), ('x0', 'x1'))
    """
    names = _parameters(f, count)
    return names if len(names) == count else tuple(f"x{index}" for index in range(count))


def _parameters(f: Callable[..., Any], count: int) -> tuple[str, ...]:
    """The names of up to ``count`` arguments that f takes by their place."""
    try:
        parameters = list(inspect.signature(f).parameters.values())[:count]
    except (TypeError, ValueError):
        return ()
    return tuple(p.name for p in parameters if p.kind <= p.POSITIONAL_OR_KEYWORD)


def _named(f: object) -> Definition:
    """A function without Python source, by the name torch has for it."""
    path = resolve_name(f) if callable(f) else None
    if path and path.startswith("torch."):
        return Definition("f", (f"f = {path}",))
    kind = type(f).__name__
    told = f"f is a {kind}, which cannot be written out: put your own there."
    described = f"  # {f!r}" if isinstance(f, Module) and "\n" not in repr(f) else ""
    return Definition("f", (f"f = ...{described}",), (), told)


def _no_source(name: str) -> str:
    return f"The source of {name} is not to be had: put your own {name} here."


# What it uses


def _surroundings(f: FunctionType, name: str) -> tuple[tuple[str, ...], str]:
    """The lines that f needs before it, and what could not be written."""
    imports: list[str] = []
    others: list[str] = []
    missing: list[str] = []
    waiting = deque(_used(f).items())
    seen = {name}
    while waiting:
        used, thing = waiting.popleft()
        if used in seen:
            continue
        seen.add(used)
        if isinstance(thing, FunctionType) and not _installed(thing) and (own := _own(used, thing)):
            others[:0] = own  # what it uses in turn comes before it
            waiting += _used(thing).items()
        elif imported := _import(used, thing):
            imports.append(imported)
        elif literal := _literal(thing):
            others.insert(0, f"{used} = {literal}")
        else:
            missing.append(used)
    lines = sorted(line for line in imports if line != "import torch")
    return (*lines, *others), _not_written(name, missing)


def _not_written(name: str, missing: list[str]) -> str:
    if not missing:
        return ""
    things = ", ".join(missing)
    return f"{name} also needs {things}, which cannot be written out: put your own before it."


def _used(f: FunctionType) -> dict[str, object]:
    """The names from outside that f uses, and what they stand for; builtins left out."""
    code = f.__code__
    cells = dict(zip(code.co_freevars, f.__closure__ or (), strict=True))
    found = {name: _content(cell) for name, cell in cells.items()}
    for name in _globals(code):
        if name in f.__globals__:
            found[name] = f.__globals__[name]
        elif not hasattr(builtins, name):
            found[name] = _UNBOUND
    return found


_UNBOUND = object()
"""Stands for what a name is bound to that is bound to nothing."""


def _content(cell: CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:
        return _UNBOUND


def _globals(code: CodeType) -> Iterator[str]:
    """The global names that the code, and the functions defined in it, read."""
    waiting = [code]
    while waiting:
        this = waiting.pop()
        waiting += [constant for constant in this.co_consts if isinstance(constant, CodeType)]
        yield from (
            instruction.argval
            for instruction in dis.get_instructions(this)
            if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME")
        )


def _own(name: str, f: FunctionType) -> list[str]:
    """The definition of a function of the learner's that f calls by ``name``."""
    function = written(f, name)
    return function.lines() if function is not None and function.name == name else []


def _installed(thing: object) -> bool:
    """Does it come with Python or torch?"""
    root = str(getattr(thing, "__module__", "")).split(".")[0]
    return root == "torch" or root in sys.stdlib_module_names - {"__main__", "builtins"}


def _import(name: str, thing: object) -> str:
    """The import that binds ``name``, "" if none does."""
    if isinstance(thing, ModuleType):
        path = thing.__name__
        return f"import {path}" if path == name else f"import {path} as {name}"
    attribute = str(getattr(thing, "__qualname__", ""))
    if not _installed(thing) or not attribute.isidentifier():
        return ""
    module = str(getattr(thing, "__module__", ""))
    there = getattr(sys.modules.get(module), attribute, None) is thing
    alias = "" if attribute == name else f" as {name}"
    return f"from {module} import {attribute}{alias}" if there else ""


def _literal(thing: object) -> str:
    """The expression that makes a constant again, "" if there is none."""
    if isinstance(thing, Tensor):
        plain = thing.numel() <= COMPLETE and thing.layout is strided and not thing.is_meta
        content = thing.detach()
        finite = plain and bool(content.isfinite().all())
        return f"torch.{formatting.exact(content, limit=COMPLETE)}" if finite else ""
    if isinstance(thing, float) and not isfinite(thing):
        return f'float("{thing}")'
    if isinstance(thing, bool | int | float | str | torch_dtype) or thing is None:
        return repr(thing)
    if isinstance(thing, tuple | list | Size) and all(isinstance(e, int | float) for e in thing):
        return repr(thing) if not isinstance(thing, Size) else repr(tuple(thing))
    path = resolve_name(thing) if callable(thing) else None
    return path if path and path.startswith("torch.") else ""
