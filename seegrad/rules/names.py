"""One name for each op and each argument, where PyTorch has several."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from seegrad.rules.table import RULES


def _by_other_name(table: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType(
        {other: name for name, others in table.items() for other in others.split()}
    )


ALIASES = _by_other_name(
    {
        "abs": "absolute",
        "acos": "arccos",
        "add": "__radd__",
        "asin": "arcsin",
        "atan": "arctan",
        "cat": "concat concatenate",
        "clamp": "clip",
        "div": "divide true_divide __truediv__",
        "dot": "vdot",
        "flatten": "ravel",
        "floor_divide": "__floordiv__",
        "item": "__bool__ __float__ __int__ __index__",
        "log_sigmoid": "logsigmoid",
        "matmul": "bmm linalg_matmul mm mv",
        "movedim": "moveaxis",
        "mul": "multiply __rmul__",
        "neg": "negative",
        "outer": "ger",
        "rdiv": "__rdiv__ __rtruediv__",
        "remainder": "__mod__",
        "rpow": "__rpow__",
        "rsub": "__rsub__",
        "sigmoid": "special_expit",
        "sub": "subtract",
        "transpose": "swapaxes swapdims",
    }
)
"""The rules' name for an op by each other name that PyTorch has for it."""

_ARGUMENTS = _by_other_name(
    {
        "a": "input self",
        "b": "other exponent mat2 vec vec2 tensor target",
        "dim": "axis",
        "keepdim": "keepdims",
        "low": "min",
        "high": "max",
        "p": "ord",
    }
)


def argument(keyword: str) -> str:
    """What do the rules call the argument that PyTorch calls `keyword`?

    >>> [argument(keyword) for keyword in ("input", "other", "axis", "alpha")]
    ['a', 'b', 'dim', 'alpha']
    """
    return _ARGUMENTS.get(keyword, keyword)


def canonical(name: str) -> str:
    """What do the rules call the op that PyTorch calls `name`?

    >>> [canonical(name) for name in ("multiply", "__imul__", "mul_", "__rmul__")]
    ['mul', 'mul', 'mul', 'mul']
    >>> canonical("erfinv_"), canonical("__foo__")
    ('erfinv', '__foo__')
    """
    plain = name.rstrip("_")
    candidates = [name, plain]
    if name.startswith("__"):
        plain, bare = name, name.strip("_")
        not_in_place = bare.removeprefix("i")
        candidates = [name, bare, f"__{not_in_place}__", not_in_place]
    resolved = (ALIASES.get(candidate, candidate) for candidate in candidates)
    return next((name for name in resolved if name in RULES), plain)
