"""What the learner calls each tensor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from torch import Tensor, nn

from seegrad.recording import Op, Value
from seegrad.recording.scopes import Scope
from seegrad.recording.source import argument_names, user_frame

Names = Mapping[int, str]
"""A tensor's ``id`` to its name."""

ModuleNames = Mapping[tuple[str, str], tuple[str, str]]
"""The class of an outermost module and a path in it, to the name and class of what is there."""


def names_in_reach() -> Names:
    """The tensors that the calling code can name: its own variables first, then its callers'.

    A module's parameters and buffers go by their path (``net.0.weight``). Names that begin with an
    underscore are left out; IPython keeps results under such names.
    """
    return names_in(_namespaces_in_reach())


def _namespaces_in_reach() -> Iterator[Mapping[str, object]]:
    """The variables of the calling code, then those of its callers."""
    frame, _ = user_frame()
    while frame is not None:
        yield frame.f_locals
        yield frame.f_globals
        frame = frame.f_back


def names_in(namespaces: Iterable[Mapping[str, object]]) -> Names:
    """The tensors that these namespaces name; where several do, the first counts."""
    found: dict[int, str] = {}
    for namespace in namespaces:
        for name, tensor in _tensors(namespace):
            found.setdefault(id(tensor), name)
    return found


def module_names_in_reach() -> ModuleNames:
    """What the calling code calls its modules, and their classes.

    An op knows the outermost module it ran in by class only, so a variable's name is not told where
    two modules of one class are in reach.
    """
    return module_names_in(_namespaces_in_reach())


def module_names_in(namespaces: Iterable[Mapping[str, object]]) -> ModuleNames:
    """The same for the modules that these namespaces name."""
    found: dict[tuple[str, str], tuple[str, str]] = {}
    roots: dict[str, dict[int, str]] = {}
    for namespace in namespaces:
        for name, thing in list(namespace.items()):
            if isinstance(thing, nn.Module) and not name.startswith("_"):
                root = type(thing).__name__
                roots.setdefault(root, {}).setdefault(id(thing), name)
                for path, module in thing.named_modules():
                    found.setdefault((root, path), (path, type(module).__name__))
    for root, names in roots.items():
        found[root, ""] = (next(iter(names.values())) if len(names) == 1 else "", root)
    return found


def name_of_module(scope: Scope, names: ModuleNames) -> tuple[str, str]:
    """The name and the class of the module that ops of this scope ran in; "" for what is unknown.

    >>> name_of_module(("Net", "features", "0"), {("Net", "features.0"): ("features.0", "Conv2d")})
    ('features.0', 'Conv2d')
    >>> name_of_module(("Net", "features", "0"), {}), name_of_module(("Net",), {})
    (('features.0', ''), ('', 'Net'))
    """
    root, path = scope[0], ".".join(scope[1:])
    return names.get((root, path), (path, "" if path else root))


def _tensors(namespace: Mapping[str, object]) -> Iterator[tuple[str, Tensor]]:
    for name, thing in list(namespace.items()):
        if name.startswith("_"):
            continue
        if isinstance(thing, Tensor):
            yield name, thing
        elif isinstance(thing, nn.Module):
            for path, tensor in [*thing.named_parameters(), *thing.named_buffers()]:
                yield f"{name}.{path}", tensor


def name_of(value: Value, names: Names, used_by: Op | None = None) -> str:
    """The learner's name for a value; else its spelling where it is used; else ""."""
    tensor = value.tensor
    if tensor is not None and id(tensor) in names:
        return names[id(tensor)]
    return "" if used_by is None else _spelling(value, used_by)


def _spelling(value: Value, op: Op) -> str:
    operands = [text for text in argument_names(op.text) if not _is_number(text)]
    if len(operands) != len(op.inputs):
        return ""
    return operands[op.inputs.index(value)]


def _is_number(text: str) -> bool:
    try:
        complex(text)
    except ValueError:
        return False
    return True
