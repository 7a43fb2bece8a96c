"""``seegrad.explain()``: why autograd failed, or gave what nobody expected, on one's lines."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any, NamedTuple

import traitlets
from matplotlib.figure import Figure
from torch import Tensor

from seegrad.clinic.diagnosis import Diagnosis, Place, lines
from seegrad.clinic.gradients import about
from seegrad.clinic.incident import Incident, Witness
from seegrad.clinic.table import diagnose
from seegrad.drawing.folding import Folded, Group, fold
from seegrad.drawing.scene import Node, Scene, compose
from seegrad.recording import Op, Recorder, recorder, unrecorded
from seegrad.recording.names import (
    ModuleNames,
    Names,
    module_names_in,
    module_names_in_reach,
    names_in_reach,
)
from seegrad.structure import Structure, around, recorded, structure
from seegrad.widgets.common import GRADIENT_INK, Picture, script, style
from seegrad.widgets.graph_figure import figure_of

MOST_BOXES = 40
"""A larger picture, folded as it is, tells nobody where to look: it is left out."""

_latest: Shown | None = None


class Shown(NamedTuple):
    """What an explanation shows: texts and places, and no tensor of the learner's."""

    diagnosis: Diagnosis
    scene: Scene | None
    fault: str


class Explanation(Picture):
    """The widget that ``seegrad.explain`` returns, and that stands below an error of autograd's.

    ``said`` is the diagnosis, ``picture`` the part of the graph it is about (empty if there is
    none), ``fault`` the id of the box of the op at fault.
    """

    _esm = script("explain", "drawing", "graph")
    _css = style("explain", "drawing", "graph")

    said = traitlets.Dict().tag(sync=True)
    picture = traitlets.Dict().tag(sync=True)
    fault = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        diagnosis: Diagnosis | None = None,
        scene: Scene | None = None,
        fault: str = "",
        **traits: Any,
    ):
        self.diagnosis = diagnosis
        self._scene = scene
        title = "explain" if diagnosis is None else f"why: {diagnosis.kind}"
        super().__init__(title=title, fault=fault, **traits)
        if diagnosis is not None:
            self.said = _as_message(diagnosis)
            self.listing = diagnosis.mend
            self.text = self.alt = "\n".join(lines(diagnosis))
        if scene is not None:
            self.picture = asdict(scene)

    def figure(self) -> Figure:
        """The part of the graph it is about, the op at fault marked; else the sentence."""
        if self._scene is None or self.diagnosis is None:
            said = self.diagnosis.happened if self.diagnosis is not None else self.problem
            return _sentence(self.title, said)
        scene = self._scene
        figure = figure_of(scene, "", {})
        for node in scene.nodes:
            if node.id == self.fault:
                _mark(figure, node)
        return figure


def _sentence(title: str, said: str) -> Figure:
    from seegrad.widgets.common import sentence_figure

    return sentence_figure(title, said.replace("$", r"\$"))


def _mark(figure: Figure, node: Node) -> None:
    """A second frame around the box of the op at fault, in the ink of gradients."""
    from matplotlib.patches import FancyBboxPatch

    figure.axes[0].add_patch(
        FancyBboxPatch(
            (node.x - 5, node.y - 5), node.width + 10, node.height + 10,
            boxstyle="round,pad=0,rounding_size=8",
            fill=False, edgecolor=GRADIENT_INK, linewidth=2.5,
        )
    )  # fmt: skip


def _as_message(diagnosis: Diagnosis) -> dict[str, Any]:
    """The diagnosis as the page takes it: texts only."""
    kept = ("happened", "op", "variable", "mend", "because", "tempting", "consequence", "rivals")
    message: dict[str, Any] = {name: getattr(diagnosis, name) for name in kept}
    message["place"] = _place(diagnosis.place)
    message["raised"] = _place(diagnosis.raised if diagnosis.raised != diagnosis.place else None)
    return message


def _place(place: Place | None) -> dict[str, Any] | None:
    return None if place is None else asdict(place)


@unrecorded
def explain(tensor: Tensor | None = None) -> Explanation:
    """Why did the last cell fail? Or, of a tensor: what is the matter with its gradient?

    What is said is proven by the recording, by the traceback, or by the graph that is still there;
    what none of them can tell is said to be unknown, with what would tell it. Nothing is changed,
    and nothing is sent anywhere.

    Parameters
    ----------
    tensor: any tensor. Its ``.grad`` is None, zero, NaN or twice what you expect; or it has no
        ``grad_fn``. Without it, the last error that got an explanation is explained again.

    >>> import torch, seegrad
    >>> with seegrad.record():
    ...     x = torch.arange(4.0, requires_grad=True)
    ...     y = (2 * x).detach().sum()
    >>> seegrad.explain(y).diagnosis.kind
    'the gradient was lost at a detach()'
    """
    if tensor is None:
        if _latest is None:
            return Explanation(problem=_NONE_YET, alt=_NONE_YET)
        return Explanation(*_latest)
    if not isinstance(tensor, Tensor):
        said = f"explain() takes a tensor, and got {tensor!r} ({type(tensor).__name__})."
        return Explanation(problem=said, alt=said)
    names = names_in_reach()
    found = about(Witness(recorder(), names), tensor)
    return Explanation(*_shown(found, recorder(), names, module_names_in_reach()))


_NONE_YET = (
    "No error of autograd's has been explained yet. Give explain() a tensor to ask about its "
    "gradient, or run the cell that failed again."
)


@unrecorded
def explained(error: BaseException) -> Explanation | None:
    """The explanation of an error that a recorded cell raised; None if it is not autograd's."""
    global _latest
    incident = Incident(error, recorder())
    found = diagnose(incident)
    if found is None:
        return None
    modules = module_names_in(incident.namespaces())
    _latest = _shown(found, incident.watcher, incident.names, modules)
    return Explanation(*_latest)


def _shown(found: Diagnosis, watcher: Recorder, names: Names, module_names: ModuleNames) -> Shown:
    graph, fault = _graph(found, watcher), found.fault
    found = replace(found, result=None, fault=None, last=None)  # it may be kept for long
    if graph is None:
        return Shown(found, None, "")
    part = around(graph, fault)
    for vertex in part.vertices:
        if vertex.kind == "leaf":
            vertex.nodes.clear()  # no pass is shown, so nothing is to be said of .grad
    folded = fold(part, ())
    scene = compose(part, None, names, folded, (), module_names)
    if not 1 < len(scene.nodes) <= MOST_BOXES:
        return Shown(found, None, "")
    return Shown(found, scene, _box_of(fault, part, folded))


def _box_of(op: Op | None, graph: Structure, folded: Folded) -> str:
    """The id of the box that stands for an op; "" if none does."""
    for place, vertex in enumerate(graph.vertices):
        if op is not None and vertex.op == op:
            holder = folded.holder[vertex]
            return holder.id if isinstance(holder, Group) else f"n{place}"
    return ""


def _graph(found: Diagnosis, watcher: Recorder) -> Structure | None:
    """The part of the graph to show: the result's own, or as far as the recording goes."""
    if found.result is not None and found.result.grad_fn is not None:
        return structure(found.result, watcher)
    if found.last is not None and found.last.op is not None:
        return recorded(found.last.op, found.last, watcher)
    return None if found.fault is None else recorded(found.fault, None, watcher)
