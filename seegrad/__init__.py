"""seegrad: automatic differentiation you can see.

    import torch, seegrad
    %load_ext seegrad

    x = torch.arange(4.0, requires_grad=True)
    y = 2 * torch.dot(x, x)
    seegrad.graph(y)  # the graph of that very line, and its backward pass step by step

``graph`` and ``ledger`` are pictures; ``record``, ``replay`` and ``structure`` are what they are
made of, as data. ``check``, ``hint``, ``solution``, ``progress`` and ``reset`` are for exercises;
``save`` and ``restore`` carry what was done there to another machine.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from seegrad.backward import Flow, Pass, Step, replay
from seegrad.errors import FreedError, InputError
from seegrad.recording import Recording, record

if TYPE_CHECKING:
    from seegrad.course.tutor import check, hint, progress, reset, solution
    from seegrad.functions.derivatives import jacobian_matrix, jvp, vjp
    from seegrad.functions.piecewise import breakpoints
    from seegrad.functions.reductions import per_sample_gradients
    from seegrad.functions.slopes import secant_errors
    from seegrad.widgets.branches import branches
    from seegrad.widgets.cut import cut
    from seegrad.widgets.explain import explain
    from seegrad.widgets.graph import graph
    from seegrad.widgets.jacobian import jacobian
    from seegrad.widgets.ledger import ledger
    from seegrad.widgets.predict import predict
    from seegrad.widgets.reduction import reduction
    from seegrad.widgets.saving import restore, save
    from seegrad.widgets.slope import slope

__all__ = [
    "Flow",
    "FreedError",
    "InputError",
    "Pass",
    "Recording",
    "Step",
    "branches",
    "breakpoints",
    "check",
    "cut",
    "explain",
    "graph",
    "hint",
    "jacobian",
    "jacobian_matrix",
    "jvp",
    "ledger",
    "load_ipython_extension",
    "per_sample_gradients",
    "predict",
    "progress",
    "record",
    "reduction",
    "replay",
    "reset",
    "restore",
    "save",
    "secant_errors",
    "slope",
    "solution",
    "unload_ipython_extension",
    "vjp",
]

_LOADED_LATER = {
    "branches": "seegrad.widgets.branches",
    "breakpoints": "seegrad.functions.piecewise",
    "check": "seegrad.course.tutor",
    "cut": "seegrad.widgets.cut",
    "explain": "seegrad.widgets.explain",
    "graph": "seegrad.widgets.graph",
    "hint": "seegrad.course.tutor",
    "jacobian": "seegrad.widgets.jacobian",
    "jacobian_matrix": "seegrad.functions.derivatives",
    "jvp": "seegrad.functions.derivatives",
    "ledger": "seegrad.widgets.ledger",
    "per_sample_gradients": "seegrad.functions.reductions",
    "predict": "seegrad.widgets.predict",
    "progress": "seegrad.course.tutor",
    "reduction": "seegrad.widgets.reduction",
    "reset": "seegrad.course.tutor",
    "restore": "seegrad.widgets.saving",
    "save": "seegrad.widgets.saving",
    "secant_errors": "seegrad.functions.slopes",
    "slope": "seegrad.widgets.slope",
    "solution": "seegrad.course.tutor",
    "vjp": "seegrad.functions.derivatives",
}
"""What is not needed to record: matplotlib and anywidget, above all, are slow to import."""


def __getattr__(name: str) -> Any:
    """Load a picture, a check or what is asked of a function when it is first asked for."""
    if name not in _LOADED_LATER:
        raise AttributeError(f"module 'seegrad' has no attribute {name!r}")
    globals()[name] = found = getattr(import_module(_LOADED_LATER[name]), name)
    return found


def __dir__() -> list[str]:
    """What Tab completes after ``seegrad.``, loaded or not."""
    return list(__all__)


def load_ipython_extension(shell: Any) -> None:
    """What ``%load_ext seegrad`` calls: record every cell from this one on."""
    from seegrad.extension import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """What ``%unload_ext seegrad`` calls: record no further cells."""
    from seegrad.extension import unload

    unload(shell)
