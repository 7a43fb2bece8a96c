"""What is said of a box that is looked at: its value, its code, what it saved for backward."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from seegrad import formatting
from seegrad.backward import local_jacobian
from seegrad.drawing.scene import Node
from seegrad.drawing.words import commonest, value_text
from seegrad.memory import Memory, Saved, saved_by, size, storages
from seegrad.recording.snapshot import keep
from seegrad.structure import Vertex

LARGEST_JACOBIAN = 256
"""A local Jacobian of up to this many entries is written out when its box is clicked."""

MOST_CODE = 6
"""A folded box quotes up to this many lines of code."""

Detail = dict[str, Any]
Row = dict[str, str]


def saved_message(weights: Memory, boxes: dict[str, tuple[Vertex, ...]]) -> dict[str, Any]:
    """Box by box the bytes that only the graph keeps, and what is to be said of the whole.

    The colours follow the root of the bytes: beside a hundred turns in one box, one turn is seen.
    """
    kept = {box: weights.kept(members) for box, members in boxes.items()}
    most = max(kept.values(), default=0)
    everything = [vertex for members in boxes.values() for vertex in members]
    return {
        "of": {
            box: {
                "share": (kept[box] / most) ** 0.5 if most else 0.0,
                "text": _saved_text(kept[box], weights.alive(members)),
            }
            for box, members in boxes.items()
            if any(vertex.kind == "op" for vertex in members)
        },
        "scale": [size(0), size(most // 4), size(most)],
        "total": _total_text(weights.kept(everything), weights.alive(everything)),
    }


def _saved_text(kept: int, alive: int) -> str:
    if not alive:
        return size(kept) if kept else "nothing saved"
    return f"{size(kept)} + {size(alive)}*" if kept else f"{size(alive)}*"


def _total_text(kept: int, alive: int) -> str:
    anyway = f"; {size(alive)} more (*) are leaves and inputs, alive anyway" if alive else ""
    return f"saved for backward: {size(kept)} that this graph keeps alive{anyway}"


def detail(node: Node, members: tuple[Vertex, ...], weights: Memory) -> Detail:
    """What there is to say of a box: of a vertex everything, of a folded box what is in it."""
    if node.folded:
        rows, jacobian = [*_group_rows(node, members), *_saved_total(members, weights)], None
    else:
        rows, jacobian = list(_rows(node, members[0], weights)), _jacobian(members[0])
    shown = [row for row in rows if row["text"]]
    return {"node": node.id, "heading": node.label, "rows": shown, "jacobian": jacobian}


def _group_rows(node: Node, members: tuple[Vertex, ...]) -> Iterator[Row]:
    ops = [vertex for vertex in members if vertex.kind == "op"]
    statements = [v.op.site.statement for v in ops if v.op is not None and v.op.site is not None]
    yield {"term": "stands for", "text": node.note}
    yield {"term": "ops", "text": commonest(ops)}
    yield {"term": "sends on", "text": node.value}
    yield from ({"term": "code", "text": text} for text in [*dict.fromkeys(statements)][:MOST_CODE])


def _rows(node: Node, vertex: Vertex, weights: Memory) -> Iterator[Row]:
    value = vertex.value
    exact = "" if value is None else formatting.exact(value.data, value.shape)
    text = node.value if value is None else value_text(value)
    yield {"term": "value", "text": text, "title": exact}
    if value is not None:
        yield {"term": "shape and dtype", "text": f"{formatting.shape(value.shape)}, {value.dtype}"}
    if vertex.op is not None and vertex.op.site is not None:
        yield {"term": "code", "text": vertex.op.site.statement}
    for autograd_node in vertex.nodes:
        yield {"term": "autograd node", "text": autograd_node.name()}
        yield from (_saved_row(saved, weights) for saved in saved_by(autograd_node))
    yield from _saved_total([vertex], weights)


def _saved_row(saved: Saved, weights: Memory) -> Row:
    """One thing that a node keeps for its turn in the backward pass."""
    row = {"term": f"saved: {saved.name}", "text": saved.text}
    if saved.tensor is not None:
        anyway = ", alive anyway" if weights.holds(saved.tensor) else ""
        row["text"] = formatting.array(keep(saved.tensor), saved.tensor.shape)
        row["aside"] = f"{size(sum(storages([saved.tensor]).values()))}{anyway}"
    return row


def _saved_total(vertices: Sequence[Vertex], weights: Memory) -> Iterator[Row]:
    kept, alive = weights.kept(vertices), weights.alive(vertices)
    if kept or alive:
        anyway = f", and {size(alive)} that are alive anyway" if alive else ""
        yield {"term": "saved in all", "text": f"{size(kept)}{anyway}"}


def _jacobian(vertex: Vertex) -> dict[str, Any] | None:
    """The op's own Jacobian, input beside input, if it is small enough to be read."""
    value, op = vertex.value, vertex.op
    if value is None or op is None or len(vertex.nodes) != 1:
        return None
    entries = sum(i.shape.numel() for i in op.inputs if i.requires_grad) * value.shape.numel()
    if not 0 < entries <= LARGEST_JACOBIAN or not value.dtype.is_floating_point:
        return None
    blocks = local_jacobian(vertex.nodes[0], value.shape, value.dtype)
    if not blocks:
        return None
    matrix = [
        [entry for block in blocks for entry in block[row].tolist()]
        for row in range(len(blocks[0]))
    ]
    return {
        "rows": [_entry_name("y", index, value.shape) for index in range(len(matrix))],
        "columns": [
            _entry_name("abcdefgh"[which % 8], index, block.shape[1:])
            for which, block in enumerate(blocks)
            for index in range(block.shape[1])
        ],
        "cells": [[formatting.number(entry) for entry in row] for row in matrix],
        "values": matrix,
    }


def _entry_name(letter: str, index: int, shape: Sequence[int]) -> str:
    """``y`` for the only element, ``y[2]`` in a vector, ``y[1, 0]`` in a matrix."""
    place = []
    for length in reversed(shape):
        index, within = divmod(index, length)
        place.append(str(within))
    return f"{letter}[{', '.join(reversed(place))}]" if place else letter
