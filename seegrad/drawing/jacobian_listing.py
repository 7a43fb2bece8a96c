"""The plain PyTorch that prints what ``seegrad.jacobian`` shows."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from seegrad import formatting
from seegrad.functions.definition import Definition
from seegrad.functions.window import Look
from seegrad.recording.snapshot import COMPLETE


def listing(shown: Look, v: Tensor, names: tuple[str, ...], definition: Definition) -> str:
    """A script for a bare Python with only torch: y, v^T J, and J or the rows of it shown."""
    return "\n".join(_script(shown, v, names, definition)) + "\n"


def _script(
    shown: Look, v: Tensor, names: tuple[str, ...], definition: Definition
) -> Iterator[str]:
    point = shown.point
    inputs = ", ".join(names)
    yield "import torch"
    yield ""
    yield from definition.script
    yield ""
    for name, leaf in zip(names, point.leaves, strict=True):
        yield f"{name} = {_literal(leaf.detach())}.requires_grad_()"
    yield f"y = {definition.name}({inputs})"
    yield f"v = {_weights(v)}"
    yield "y.backward(v)"
    yield 'print("y =", y.detach())'
    for name in names:
        yield (
            f'print("v^T J =", {name}.grad)'
            if len(names) == 1
            else f'print("v^T J, {name}:", {name}.grad)'
        )
    yield ""
    yield from _rows(shown, names, definition.name)


def _rows(shown: Look, names: tuple[str, ...], f: str) -> Iterator[str]:
    inputs = ", ".join(names)
    if shown.whole and len(names) == 1:
        yield f"J = torch.autograd.functional.jacobian({f}, {inputs})"
        yield f'print("J =", J.reshape(y.numel(), {inputs}.numel()))'
    elif shown.whole:
        yield f"blocks = torch.autograd.functional.jacobian({f}, ({inputs}))"
        yield 'print("J =", torch.cat([block.reshape(y.numel(), -1) for block in blocks], 1))'
    else:
        rows, columns = shown.window.rows, shown.window.columns
        yield f"y = {f}({inputs})"
        yield f"for i in range({rows.start}, {rows.stop}):"
        yield f"    parts = torch.autograd.grad(y.flatten()[i], [{inputs}], retain_graph=True)"
        yield "    row = torch.cat([part.flatten() for part in parts])"
        yield f'    print("row", i, row[{columns.start}:{columns.stop}])'


def _literal(tensor: Tensor) -> str:
    if tensor.numel() > COMPLETE:
        return f"torch.zeros({tuple(tensor.shape)}, dtype={tensor.dtype})"
    return f"torch.{formatting.exact(tensor, limit=COMPLETE)}"


def _weights(v: Tensor) -> str:
    return "torch.ones_like(y)" if bool((v == 1).all()) else _literal(v)
