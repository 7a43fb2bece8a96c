"""Ops that give the same numbers in another shape, order, dtype or memory."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from seegrad.formatting import shape
from seegrad.rules.latex import d
from seegrad.rules.local import Function, Local, fixed, local

_RESHAPES = "view view_as reshape reshape_as flatten unflatten squeeze unsqueeze"
_CASTS = "to type type_as float double half bfloat16 cpu cuda"
_WHOLE = (d("y", "0"), "whole numbers carry no gradient; it stops here")
_COPIES = (r"\bar a = \sum_{\mathrm{copies}} \bar y", "the gradients of the copies are added up")
_PUT_BACK = "the dimensions of the gradient are put back in their old order"


def _reshape(name: str, a: Any, *_args: Any, **_: Any) -> Local:
    old = str(tuple(a.shape)).replace(" ", r"\,")
    words = f"{name}: the same numbers in another shape; the gradient is reshaped back to "
    return local(rf"\bar a = \mathrm{{reshape}}(\bar y,\,{old})", words + shape(a.shape))


def _cast(name: str, a: Any, *args: Any, dtype: Any = None, **_: Any) -> Local:
    wanted = [v for v in (*args, dtype) if isinstance(v, torch.dtype)]
    if any(not (w.is_floating_point or w.is_complex) for w in wanted):
        latex, words = _WHOLE
        return local(latex, f"{name}: {words}")
    old = str(a.dtype).removeprefix("torch.")
    return local(d("y", "1"), f"{name}: passes unchanged, as {old} again", a=1.0)


RULES: dict[str, Function] = {
    **{name: partial(_reshape, name) for name in _RESHAPES.split()},
    **{name: partial(_cast, name) for name in _CASTS.split()},
    **fixed({"int long short char byte bool": _WHOLE, "repeat": _COPIES}),
    **fixed({"expand expand_as broadcast_to": _COPIES}, a=1.0),
    **fixed(
        {
            "clone": (d("y", "1"), "passes unchanged; only the memory is new"),
            "contiguous": (d("y", "1"), "passes unchanged; only the memory is in order"),
        },
        a=1.0,
    ),
    **fixed(
        {
            "T mT t H mH transpose": (r"\bar A = \bar Y^\top", "the gradient is transposed back"),
            "permute": (r"\bar a = \mathrm{permute}^{-1}(\bar y)", _PUT_BACK),
            "movedim": (r"\bar a = \mathrm{movedim}^{-1}(\bar y)", _PUT_BACK),
        }
    ),
}
