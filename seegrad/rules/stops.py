"""Ops through which no gradient passes."""

from __future__ import annotations

from seegrad.rules.latex import d
from seegrad.rules.local import Function, fixed

_NOTHING = d("y", "0")
_STEPPED = "flat between its steps, so the gradient sent on is 0"
_COMPARED = "a comparison gives True or False, so no gradient passes"
_POSITION = "a position is a whole number, so no gradient passes"
_SHAPED = "only the shape was used, so no gradient passes"
_LEFT = "it leaves PyTorch for a Python number, so no gradient passes"

RULES: dict[str, Function] = {
    **fixed(
        {
            "sign floor ceil round trunc": (_NOTHING, _STEPPED),
            "detach": (
                r"\frac{\partial\,\mathrm{detach}(a)}{\partial a} := 0",
                "nothing passes; a gradient that arrives here stops",
            ),
            "data": (
                r"\frac{\partial\,\mathrm{data}(a)}{\partial a} := 0",
                "the same memory, but nothing passes",
            ),
        },
        a=0.0,
    ),
    **fixed(
        {
            "gt ge lt le eq ne isnan isinf isfinite": (_NOTHING, _COMPARED),
            "argmax argmin argsort nonzero": (_NOTHING, _POSITION),
            "zeros_like ones_like empty_like full_like rand_like randn_like": (_NOTHING, _SHAPED),
            "item": (_NOTHING, _LEFT),
        }
    ),
}
