"""What the learner calls each tensor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor, nn

from seegrad.recording import Op, Value
from seegrad.source import argument_names, user_frame

Names = Mapping[int, str]
"""A tensor's ``id`` to its name."""


def names_in_reach() -> Names:
    """The tensors that the calling code can name: its own variables first, then its callers'.

    A module's parameters go by their path (``net.0.weight``). Names that begin with an underscore
    are left out; IPython keeps results under such names.
    """
    found: dict[int, str] = {}
    frame, _ = user_frame()
    while frame is not None:
        for namespace in (frame.f_locals, frame.f_globals):
            for name, tensor in _tensors(namespace):
                found.setdefault(id(tensor), name)
        frame = frame.f_back
    return found


def _tensors(namespace: Mapping[str, object]) -> Iterator[tuple[str, Tensor]]:
    for name, thing in list(namespace.items()):
        if name.startswith("_"):
            continue
        if isinstance(thing, Tensor):
            yield name, thing
        elif isinstance(thing, nn.Module):
            for path, parameter in thing.named_parameters():
                yield f"{name}.{path}", parameter


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
