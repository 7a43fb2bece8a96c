r"""What each op does to a gradient: in LaTeX, in a sentence, and as numbers if it is a product.

Symbols: a and b are the inputs in the order of the call, y the output, and a bar marks the gradient
of the final result: \bar y is the one that arrives, \bar a the one that is sent on. Where every
input is treated alike (add, mul, dot) one formula stands for all of them.

Formulas are those of PyTorch's ``tools/autograd/derivatives.yaml`` and ``FunctionsManual.cpp``,
kinks and ties included; for the idea behind them see Baydin et al., "Automatic differentiation in
machine learning: a survey" (JMLR 2018), and Goodfellow et al., "Deep Learning" (2016), section 6.5.

To add an op, add a line to a table. One that works element by element needs only its derivative,
in ``elementwise.py``:

    "sin": (r"\sin a", r"\cos a", torch.cos, "times cos a"),

One whose text is the same for every call is a line under `fixed` in the module of its like. Any
other is a small function of the call's arguments, entered under its name in the `RULES` at the end
of that module; the factors that it gives to `local` bear the names of its parameters (a parameter
that is there for its name only begins with an underscore):

    def _mul(a, b, **_):
        latex, words = d("(ab)", "b"), "mul: each input gets the gradient times the other"
        return local(latex, words, a=of(same, b), b=of(same, a))

Then add a call of it to the table in ``tests/test_rules.py``, which compares it with autograd.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from seegrad.rules.arguments import Unknown, tensors_in
from seegrad.rules.local import factors
from seegrad.rules.names import argument, canonical
from seegrad.rules.table import RULES

__all__ = ["Rule", "Unknown", "rule"]


@dataclass(frozen=True, slots=True)
class Rule:
    """What one call does to the gradient that arrives at its output.

    ``factors`` has an entry for each tensor argument in order of appearance (lists and tuples
    flattened, positional before keyword). An entry F broadcasts against the output and means

        contribution = (upstream * F).sum_to_size(argument.shape)

    It is None when the rule is no such product (matmul, softmax, sum over the last dimension),
    when values are not at hand, and for integer, boolean and complex arguments.
    """

    latex: str
    words: str
    factors: tuple[torch.Tensor | None, ...]
    known: bool


def rule(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Rule:
    r"""What does this call do to a gradient?

    `name` is the torch function's name without its class (``mul``, ``__rsub__``, ``add_``, ``T``);
    `args` and `kwargs` are those of the call, with `Unknown` for tensors that were not kept.
    An op without an entry, or a call that PyTorch itself would refuse, gets the generic text.

    >>> r = rule("dot", (torch.arange(4.0), torch.arange(4.0)), {})
    >>> print(r.latex)
    \frac{\partial (a \cdot b)}{\partial a} = b
    >>> r.words
    'dot: each input gets the other, scaled by the gradient that arrives'
    >>> r.factors[0]
    tensor([0., 1., 2., 3.])
    >>> print(rule("mul", (torch.ones(3), 2), {}).latex)
    \frac{\partial (2a)}{\partial a} = 2
    >>> rule("erfinv", (torch.ones(3),), {}).words
    'vector-Jacobian product of erfinv: PyTorch computes it without forming the Jacobian'
    """
    plain = canonical(name)
    named = {argument(key): value for key, value in kwargs.items()}
    try:
        with torch.no_grad():
            found = RULES[plain](*args, **named)
            return Rule(found.latex, found.words, factors(found, RULES[plain], args, named), True)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError):
        return Rule(
            r"\bar a = \bar y^\top \frac{\partial y}{\partial a}",
            f"vector-Jacobian product of {plain}: PyTorch computes it without forming the Jacobian",
            tuple(None for _ in tensors_in((*args, *named.values()))),
            False,
        )
