"""A picture of a graph in words: what ``repr`` shows, and what a screen reader reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from seegrad.drawing.scene import Arrow, Node, Scene
from seegrad.drawing.steps import SceneStep
from seegrad.drawing.words import counted


def lines(scene: Scene, remark: str) -> Iterator[str]:
    """The text equivalent of a picture, line by line."""
    sizes = f"{counted(scene.leaves, 'leaf')}, {counted(scene.ops, 'op')}"
    yield f"graph of {scene.root.name} = {scene.root.value}, {sizes}"
    if remark:
        yield remark
    if any(node.folded for node in scene.nodes):
        yield f"folded into {counted(len(scene.nodes), 'box')}"
    yield "forward"
    yield from (_node_line(node) for node in scene.nodes if _is_told(node))
    yield from (f"  {edge.word}: {_names(scene, edge)}" for edge in scene.edges if edge.word)
    if scene.steps:
        yield f"backward, {counted(len(scene.steps), 'step')}"
    for number, step in enumerate(scene.steps, 1):
        yield from _step_lines(number, step)


def _is_told(node: Node) -> bool:
    """Has the box anything new to say? Not so a plain number, nor a leaf that is drawn again."""
    return "." not in node.id and (node.kind != "constant" or bool(node.value))


def _node_line(node: Node) -> str:
    tags = "".join(f" [{mark}]" for mark in node.marks)
    holds = f" = {node.value or '?'}" if node.value or not node.folded else ""
    return f"  {node.label}{holds}  {node.note}{tags}"


def _names(scene: Scene, edge: Arrow) -> str:
    label = {node.id: node.label for node in scene.nodes}
    return f"no gradient goes from {label[edge.target]} to {label[edge.source]}"


def _step_lines(number: int, step: SceneStep) -> Iterator[str]:
    terms = " + ".join(step.arriving.terms)
    arriving = f"{terms} = {step.arriving.text}" if terms else step.arriving.text
    yield f"  {number}. {step.name}: {arriving} arrives"
    for sent in step.sent:
        yield f"     {sent.text} goes to {sent.to}"
    if step.grad is not None:
        yield f"     {step.grad.name}: {step.grad.before} before, {step.grad.after} after"


def saved_lines(scene: Scene, saved: dict[str, Any]) -> Iterator[str]:
    """What was saved for backward, if that was asked for: see ``detail.saved_message``."""
    if saved:
        yield saved["total"]
        yield from (
            f"  {node.label}: {saved['of'][node.id]['text']}"
            for node in scene.nodes
            if node.id in saved["of"]
        )
