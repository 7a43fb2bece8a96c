"""seegrad: automatic differentiation you can see.

    import torch, seegrad
    %load_ext seegrad

    x = torch.arange(4.0, requires_grad=True)
    y = 2 * torch.dot(x, x)
    seegrad.graph(y)  # the graph of that very line, and its backward pass step by step

``graph`` and ``ledger`` are pictures; ``record``, ``replay`` and ``structure`` are what they are
made of, as data.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from seegrad.backward import Flow, Pass, Step, replay
from seegrad.errors import FreedError, InputError
from seegrad.functions.derivatives import jacobian_matrix, jvp, vjp
from seegrad.functions.piecewise import breakpoints
from seegrad.functions.reductions import per_sample_gradients
from seegrad.functions.slopes import secant_errors
from seegrad.recording import Recording, record

if TYPE_CHECKING:
    from seegrad.widgets.branches import branches
    from seegrad.widgets.cut import cut
    from seegrad.widgets.explain import explain
    from seegrad.widgets.graph import graph
    from seegrad.widgets.jacobian import jacobian
    from seegrad.widgets.ledger import ledger
    from seegrad.widgets.predict import predict
    from seegrad.widgets.reduction import reduction
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
    "cut",
    "explain",
    "graph",
    "jacobian",
    "jacobian_matrix",
    "jvp",
    "ledger",
    "load_ipython_extension",
    "per_sample_gradients",
    "predict",
    "record",
    "reduction",
    "replay",
    "secant_errors",
    "slope",
    "unload_ipython_extension",
    "vjp",
]

_PICTURES = {
    "branches": "seegrad.widgets.branches",
    "cut": "seegrad.widgets.cut",
    "explain": "seegrad.widgets.explain",
    "graph": "seegrad.widgets.graph",
    "jacobian": "seegrad.widgets.jacobian",
    "ledger": "seegrad.widgets.ledger",
    "predict": "seegrad.widgets.predict",
    "reduction": "seegrad.widgets.reduction",
    "slope": "seegrad.widgets.slope",
}


def __getattr__(name: str) -> Any:
    """Load a picture when it is first asked for: matplotlib and anywidget are slow to import."""
    if name in _PICTURES:
        return getattr(import_module(_PICTURES[name]), name)
    raise AttributeError(f"module 'seegrad' has no attribute {name!r}")


def load_ipython_extension(shell: Any) -> None:
    """What ``%load_ext seegrad`` calls: record every cell from this one on."""
    from seegrad.extension import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """What ``%unload_ext seegrad`` calls: record no further cells."""
    from seegrad.extension import unload

    unload(shell)
