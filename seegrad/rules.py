r"""What each op does to a gradient: in LaTeX, in a sentence, and as numbers if it is a product.

Symbols: a and b are the inputs in the order of the call, y the output, and a bar marks the gradient
of the final result: \bar y is the one that arrives, \bar a the one that is sent on. Where every
input is treated alike (add, mul, dot) one formula stands for all of them.

Formulas are those of PyTorch's ``tools/autograd/derivatives.yaml`` and ``FunctionsManual.cpp``,
kinks and ties included; for the idea behind them see Baydin et al., "Automatic differentiation in
machine learning: a survey" (JMLR 2018), and Goodfellow et al., "Deep Learning" (2016), section 6.5.

To add an op, add a line to a table. One that works element by element needs only its derivative:

    "sin": (r"\sin a", r"\cos a", torch.cos, "the gradient times cos a"),

Any other is a small function of the call's arguments, entered in `_RULES` under its name; it
returns a `_Local`, whose factors bear the names of the function's parameters (a parameter that
is there for its name only begins with an underscore):

    def _mul(a, b, **_):
        latex, words = r"\frac{\partial (a b)}{\partial a} = b", "mul: each input gets the other"
        return _local(latex, words, a=_of(_same, b), b=_of(_same, a))

and add a call of it to the table in ``tests/test_rules.py``, which compares it with autograd.
"""

from __future__ import annotations

import inspect
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from types import MappingProxyType
from typing import Any

import torch

from seegrad.formatting import number, shape


@dataclass(frozen=True, slots=True)
class Unknown:
    """A tensor argument whose values were not kept."""

    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)


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
    plain = _canonical(name)
    named = {_KEYWORDS.get(key, key): value for key, value in kwargs.items()}
    try:
        with torch.no_grad():
            local = _RULES[plain](*args, **named)
            factors = _factors(local, _appearances(_RULES[plain], args, named))
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError):
        tensors = list(_appearances(_generic, args, named))
        return Rule(_generic().latex, _GENERIC_WORDS.format(plain), (None,) * len(tensors), False)
    return Rule(local.latex, local.words, factors, True)


# ---- names and arguments -------------------------------------------------------------------

_ALIASES = {
    "absolute": "abs",
    "arccos": "acos",
    "arcsin": "asin",
    "arctan": "atan",
    "bmm": "matmul",
    "clip": "clamp",
    "concat": "cat",
    "concatenate": "cat",
    "divide": "div",
    "ger": "outer",
    "linalg_matmul": "matmul",
    "logsigmoid": "log_sigmoid",
    "mm": "matmul",
    "moveaxis": "movedim",
    "multiply": "mul",
    "mv": "matmul",
    "negative": "neg",
    "ravel": "flatten",
    "special_expit": "sigmoid",
    "subtract": "sub",
    "swapaxes": "transpose",
    "swapdims": "transpose",
    "true_divide": "div",
    "vdot": "dot",
    "__rdiv__": "rdiv",
    "__rtruediv__": "rdiv",
    "__rpow__": "rpow",
    "__rsub__": "rsub",
    "__radd__": "add",
    "__rmul__": "mul",
    "__truediv__": "div",
    "__floordiv__": "floor_divide",
    "__mod__": "remainder",
    "__bool__": "item",
    "__float__": "item",
    "__int__": "item",
    "__index__": "item",
}

_KEYWORDS = {
    "input": "a",
    "self": "a",
    "other": "b",
    "exponent": "b",
    "mat2": "b",
    "vec": "b",
    "vec2": "b",
    "tensor": "b",
    "target": "b",
    "axis": "dim",
    "keepdims": "keepdim",
    "min": "low",
    "max": "high",
    "ord": "p",
}
"""PyTorch's names for the arguments, and the ones used in this file."""


def _canonical(name: str) -> str:
    """The op's one name: ``multiply``, ``__imul__``, ``mul_`` and ``__rmul__`` are all ``mul``."""
    if name in _ALIASES:
        return _ALIASES[name]
    if name.startswith("__"):
        return _operator(name.strip("_")) or name
    plain = name.rstrip("_")
    return _ALIASES.get(plain, plain)


def _operator(bare: str) -> str:
    """The op behind ``__neg__``, ``__itruediv__``: empty when there is none."""
    for candidate in (bare, bare.removeprefix("i")):
        if f"__{candidate}__" in _ALIASES:
            return _ALIASES[f"__{candidate}__"]
        if candidate in _RULES:
            return candidate
    return ""


@cache
def _parameters(function: Callable[..., Any]) -> tuple[tuple[str, ...], str]:
    """The names of a rule's positional parameters, and of the one that takes all the rest."""
    parameters = inspect.signature(function).parameters.values()
    named = [p.name.lstrip("_") for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    rest = [p.name for p in parameters if p.kind is p.VAR_POSITIONAL]
    return tuple(named), (rest or [""])[0]


def _appearances(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Iterator[tuple[str, int, torch.Tensor | Unknown]]:
    """Each tensor argument in order: its parameter, which one of that parameter's, the tensor."""
    names, rest = _parameters(function)
    seen: Counter[str] = Counter()
    values = [(names[k] if k < len(names) else rest, value) for k, value in enumerate(args)]
    for name, value in [*values, *kwargs.items()]:
        for tensor in _flat(value):
            yield name, seen[name], tensor
            seen[name] += 1


def _flat(value: Any) -> Iterator[torch.Tensor | Unknown]:
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, torch.Tensor | Unknown):
            yield value
        elif isinstance(value, list | tuple):
            waiting.extend(reversed(value))


# ---- local rules ---------------------------------------------------------------------------

_Factor = torch.Tensor | float | None


@dataclass(frozen=True, slots=True)
class _Local:
    latex: str
    words: str
    factors: Mapping[str, _Factor | Sequence[_Factor]]


_Function = Callable[..., _Local]


def _local(latex: str, words: str, **factors: _Factor | Sequence[_Factor]) -> _Local:
    return _Local(latex, words, factors)


_GENERIC_WORDS = "vector-Jacobian product of {}: PyTorch computes it without forming the Jacobian"


def _generic(*_args: Any, **_kwargs: Any) -> _Local:
    return _local(r"\bar a = \bar y^\top \frac{\partial y}{\partial a}", _GENERIC_WORDS)


def _factors(
    local: _Local, appearances: Iterator[tuple[str, int, torch.Tensor | Unknown]]
) -> tuple[torch.Tensor | None, ...]:
    """The factor of each tensor argument, as a tensor of a floating dtype."""
    tensors = list(appearances)
    if any(tensor.dtype.is_complex for _, _, tensor in tensors):
        return (None,) * len(tensors)
    found = []
    for name, position, tensor in tensors:
        factor = local.factors.get(name)
        if isinstance(factor, list | tuple):
            factor = factor[position]
        found.append(_as_tensor(factor, tensor.dtype))
    return tuple(found)


def _as_tensor(factor: Any, dtype: torch.dtype) -> torch.Tensor | None:
    if factor is None or isinstance(factor, complex) or not dtype.is_floating_point:
        return None
    if not isinstance(factor, torch.Tensor):
        return torch.tensor(factor, dtype=dtype)
    return (factor if factor.is_floating_point() else factor.to(dtype)).detach()


def _of(compute: Callable[..., Any], *values: Any) -> Any:
    """The factor `compute(*values)`; None when a value is not at hand, or PyTorch refuses it."""
    if any(_hidden(value) for value in values):
        return None
    try:
        return compute(*values)
    except (RuntimeError, IndexError):
        return None


def _hidden(value: Any) -> bool:
    return isinstance(value, Unknown) or (isinstance(value, torch.Tensor) and value.is_meta)


def _same(value: Any) -> Any:
    return value


def _is_tensor(value: Any) -> bool:
    return isinstance(value, torch.Tensor | Unknown)


def _copies(*inputs: Any) -> str:
    """What to add to the words when one input was broadcast to another's shape."""
    shapes = {tuple(value.shape) for value in inputs if _is_tensor(value)}
    return " (a broadcast input sums over its copies)" if len(shapes) > 1 else ""


# ---- LaTeX ---------------------------------------------------------------------------------


def _d(expression: str, derivative: str, by: str = "a") -> str:
    return rf"\frac{{\partial {expression}}}{{\partial {by}}} = {derivative}"


def _both(expression: str, by_a: str, by_b: str) -> str:
    return rf"{_d(expression, by_a)},\quad {_d(expression, by_b, 'b')}"


def _tex(value: Any) -> str:
    """A number as LaTeX."""
    text = number(int(value) if isinstance(value, bool) else value)
    if "j" in text:
        return f"({text})"
    if "e" in text:
        digits, power = text.split("e")
        leading = {"1": "", "-1": "-"}.get(digits, rf"{digits} \cdot ")
        return f"{leading}10^{{{int(power)}}}"
    return text.replace("inf", r"\infty").replace("nan", r"\mathrm{nan}")


def _name(value: Any, symbol: str) -> str:
    """A tensor's symbol or a constant's number, in brackets when it has a sign or a power."""
    if _is_tensor(value):
        return symbol
    text = _tex(value)
    return f"({text})" if text.startswith("-") or "^" in text else text


def _said(value: Any, symbol: str) -> str:
    """The same in words."""
    return symbol if _is_tensor(value) else number(value)


# ---- one element at a time -----------------------------------------------------------------

_Row = tuple[str, str, Callable[[torch.Tensor], Any], str]

_ROOT_PI = math.sqrt(math.pi)


def _silu_slope(a: torch.Tensor) -> torch.Tensor:
    s = a.sigmoid()
    return s * (1 + a * (1 - s))


_ELEMENTWISE: Mapping[str, _Row] = MappingProxyType(
    {
        "neg": ("(-a)", "-1", lambda _: -1.0, "the gradient with its sign changed"),
        "abs": (
            "|a|",
            r"\mathrm{sign}(a)",
            torch.sign,
            "the gradient times the sign of the input (PyTorch takes 0 at 0)",
        ),
        "square": ("a^2", "2a", lambda a: 2 * a, "the gradient times 2 a"),
        "sqrt": (
            r"\sqrt{a}",
            r"\frac{1}{2\sqrt{a}}",
            lambda a: 0.5 / a.sqrt(),
            "the gradient divided by 2 sqrt(a); infinite at 0",
        ),
        "rsqrt": (
            r"a^{-1/2}",
            r"-\frac{1}{2} a^{-3/2}",
            lambda a: -0.5 * a.rsqrt() ** 3,
            "the gradient times -1/2 a^(-3/2)",
        ),
        "reciprocal": (
            r"\frac{1}{a}",
            r"-\frac{1}{a^2}",
            lambda a: -(a.reciprocal() ** 2),
            "the gradient times -1 / a^2",
        ),
        "exp": ("e^{a}", "e^{a} = y", torch.exp, "the gradient times the output, e^a"),
        "exp2": (
            "2^{a}",
            r"2^{a} \ln 2",
            lambda a: a.exp2() * math.log(2),
            "the gradient times 2^a ln 2",
        ),
        "expm1": ("(e^{a} - 1)", "e^{a}", torch.exp, "the gradient times e^a"),
        "log": (
            r"\ln a",
            r"\frac{1}{a}",
            torch.reciprocal,
            "the gradient divided by a",
        ),
        "log2": (
            r"\log_2 a",
            r"\frac{1}{a \ln 2}",
            lambda a: 1 / (a * math.log(2)),
            "the gradient divided by a ln 2",
        ),
        "log10": (
            r"\log_{10} a",
            r"\frac{1}{a \ln 10}",
            lambda a: 1 / (a * math.log(10)),
            "the gradient divided by a ln 10",
        ),
        "log1p": (
            r"\ln(1 + a)",
            r"\frac{1}{1 + a}",
            lambda a: 1 / (1 + a),
            "the gradient divided by 1 + a",
        ),
        "sin": (r"\sin a", r"\cos a", torch.cos, "the gradient times cos a"),
        "cos": (r"\cos a", r"-\sin a", lambda a: -a.sin(), "the gradient times -sin a"),
        "tan": (
            r"\tan a",
            r"1 + \tan^2 a",
            lambda a: 1 + a.tan() ** 2,
            "the gradient times 1 + tan(a)^2",
        ),
        "asin": (
            r"\arcsin a",
            r"\frac{1}{\sqrt{1 - a^2}}",
            lambda a: (1 - a * a).rsqrt(),
            "the gradient divided by sqrt(1 - a^2)",
        ),
        "acos": (
            r"\arccos a",
            r"-\frac{1}{\sqrt{1 - a^2}}",
            lambda a: -(1 - a * a).rsqrt(),
            "the gradient divided by -sqrt(1 - a^2)",
        ),
        "atan": (
            r"\arctan a",
            r"\frac{1}{1 + a^2}",
            lambda a: 1 / (1 + a * a),
            "the gradient divided by 1 + a^2",
        ),
        "sinh": (r"\sinh a", r"\cosh a", torch.cosh, "the gradient times cosh a"),
        "cosh": (r"\cosh a", r"\sinh a", torch.sinh, "the gradient times sinh a"),
        "tanh": (
            r"\tanh a",
            "1 - y^2",
            lambda a: 1 - a.tanh() ** 2,
            "the gradient times 1 - y^2, small where y is near -1 or 1",
        ),
        "sigmoid": (
            r"\sigma(a)",
            "y(1 - y)",
            lambda a: a.sigmoid() * (1 - a.sigmoid()),
            "the gradient times y (1 - y), never more than a quarter",
        ),
        "log_sigmoid": (
            r"\ln \sigma(a)",
            r"\sigma(-a)",
            lambda a: (-a).sigmoid(),
            "the gradient times sigmoid(-a)",
        ),
        "relu": (
            r"\max(a, 0)",
            r"1\;\mathrm{if}\;a > 0,\;0\;\mathrm{otherwise}",
            lambda a: a > 0,
            "passes where the input was positive, 0 elsewhere (PyTorch takes 0 at 0)",
        ),
        "relu6": (
            r"\min(\max(a, 0), 6)",
            r"1\;\mathrm{if}\;0 < a < 6,\;0\;\mathrm{otherwise}",
            lambda a: (a > 0) & (a < 6),
            "passes where the input was between 0 and 6, 0 elsewhere",
        ),
        "silu": (
            r"(a\,\sigma(a))",
            r"\sigma(a)\left(1 + a(1 - \sigma(a))\right)",
            _silu_slope,
            "the gradient times s (1 + a (1 - s)), where s is sigmoid(a)",
        ),
        "erf": (
            r"\mathrm{erf}(a)",
            r"\frac{2}{\sqrt{\pi}} e^{-a^2}",
            lambda a: 2 / _ROOT_PI * torch.exp(-a * a),
            "the gradient times 2 / sqrt(pi) e^(-a^2)",
        ),
    }
)

_STEPS = ("sign", "floor", "ceil", "round", "trunc")


def _elementwise(name: str, row: _Row) -> _Function:
    """One row of the table as a rule (Baydin et al. 2018, section 3.2; derivatives.yaml)."""
    expression, derivative, slope, words = row
    latex = _d(expression, derivative)

    def local(a: Any, **_: Any) -> _Local:
        return _local(latex, f"{name}: {words}", a=_of(slope, a))

    return local


def _step(name: str) -> _Function:
    latex = _d("y", "0")

    def local(_a: Any = None, *_args: Any, **_: Any) -> _Local:
        return _local(latex, f"{name}: flat between its steps, so the gradient sent on is 0", a=0.0)

    return local


def _leaky_relu(a: Any, negative_slope: float = 0.01, *_args: Any, **_: Any) -> _Local:
    times = number(negative_slope)
    return _local(
        _d("y", rf"1\;\mathrm{{if}}\;a > 0,\;{_tex(negative_slope)}\;\mathrm{{otherwise}}"),
        f"leaky_relu: passes where the input was positive, times {times} elsewhere",
        a=_of(lambda a: torch.ones_like(a).masked_fill(a <= 0, negative_slope), a),
    )


def _elu(a: Any, alpha: float = 1.0, *_args: Any, **_: Any) -> _Local:
    scale, said = ("", "") if alpha == 1 else (rf"{_tex(alpha)}\,", f"{number(alpha)} ")
    return _local(
        _d("y", rf"1\;\mathrm{{if}}\;a > 0,\;{scale}e^{{a}}\;\mathrm{{otherwise}}"),
        f"elu: passes where the input was positive, times {said}e^a elsewhere",
        a=_of(lambda a: torch.where(a > 0, 1.0, alpha * a.exp()), a),
    )


def _gelu_slope(a: torch.Tensor) -> torch.Tensor:
    below = 0.5 * (1 + torch.erf(a / math.sqrt(2)))
    density = torch.exp(-a * a / 2) / math.sqrt(2 * math.pi)
    return below + a * density


def _gelu_tanh_slope(a: torch.Tensor) -> torch.Tensor:
    scale, cubic = math.sqrt(2 / math.pi), 0.044715
    t = torch.tanh(scale * (a + cubic * a**3))
    return 0.5 * (1 + t) + 0.5 * a * (1 - t * t) * scale * (1 + 3 * cubic * a * a)


def _gelu(a: Any, approximate: str = "none", **_: Any) -> _Local:
    """Hendrycks and Gimpel 2016: a times the normal distribution function of a."""
    slope = _gelu_slope if approximate == "none" else _gelu_tanh_slope
    relation = "=" if approximate == "none" else r"\approx"
    return _local(
        rf"\frac{{\partial\,a\,\Phi(a)}}{{\partial a}} {relation} \Phi(a) + a\,\varphi(a)",
        "gelu: the gradient times P(a) + a p(a), with P and p of the normal distribution",
        a=_of(slope, a),
    )


def _softplus(a: Any, beta: float = 1.0, threshold: float = 20.0, **_: Any) -> _Local:
    scaled = "a" if beta == 1 else rf"{_tex(beta)}\,a"
    words = "a" if beta == 1 else f"{number(beta)} a"
    return _local(
        _d("y", rf"\sigma({scaled})"),
        f"softplus: the gradient times sigmoid({words})",
        a=_of(lambda a: torch.where(a * beta > threshold, 1.0, (a * beta).sigmoid()), a),
    )


def _clamp(a: Any, low: Any = None, high: Any = None, **_: Any) -> _Local:
    """Both bounds count as inside; a bound that is a tensor gets what the input lost to it."""
    bounds = ["" if low is None else rf"{_name(low, 'l')} \leq "]
    bounds.append("" if high is None else rf" \leq {_name(high, 'h')}")
    low = -math.inf if low is None else low
    high = math.inf if high is None else high
    return _local(
        _d("y", rf"1\;\mathrm{{if}}\;{'a'.join(bounds)},\;0\;\mathrm{{otherwise}}"),
        "clamp: passes where the input was within the bounds (a bound itself counts), 0 elsewhere",
        a=_of(lambda a, low, high: (a >= low) & (a <= high), a, low, high),
        low=_of(lambda a, low, high: (a < low) & (low < high), a, low, high),
        high=_of(lambda a, low, high: (a > high) | (high < low), a, low, high),
    )


def _clamp_min(a: Any, low: Any = None, **_: Any) -> _Local:
    return _clamp(a, low)


def _clamp_max(a: Any, high: Any = None, **_: Any) -> _Local:
    return _clamp(a, None, high)


def _dropout(
    _a: Any = None, p: float = 0.5, training: bool = True, *_args: Any, **_: Any
) -> _Local:
    """Which elements were kept only the op knows, so there is a factor only without chance."""
    if not training or p == 0:
        return _local(_d("y", "1"), "dropout: passes unchanged (nothing is dropped)", a=1.0)
    if p == 1:
        return _local(_d("y", "0"), "dropout: everything was dropped, so 0 is sent on", a=0.0)
    scale = 1 / (1 - p)
    kept = rf"{_tex(scale)}\;\mathrm{{where\;kept}},\;0\;\mathrm{{where\;dropped}}"
    words = f"dropout: the elements kept get the gradient times {number(scale)}, the dropped get 0"
    return _local(_d("y", kept), words)


# ---- arithmetic of two ---------------------------------------------------------------------


def _times(alpha: Any, symbol: str) -> str:
    return symbol if alpha == 1 else f"{_name(alpha, symbol)}{symbol}"


def _add(a: Any, b: Any, *, alpha: Any = 1, **_: Any) -> _Local:
    if not _is_tensor(b):
        latex = _d(f"(a + {_name(b, 'b')})", "1")
        return _local(latex, "add: passes unchanged (a constant was added)", a=1.0)
    second = _times(alpha, "b")
    latex = _d(f"(a + {second})", "1")
    words = "add: each input gets the gradient that arrives"
    if alpha != 1:
        latex = _both(f"(a + {second})", "1", _tex(alpha))
        words = f"add: a gets the gradient that arrives, b gets it times {number(alpha)}"
    return _local(latex, words + _copies(a, b), a=1.0, b=alpha)


def _sub(a: Any, b: Any, *, alpha: Any = 1, **_: Any) -> _Local:
    if not _is_tensor(b):
        latex = _d(f"(a - {_name(b, 'b')})", "1")
        return _local(latex, "sub: passes unchanged (a constant was subtracted)", a=1.0)
    latex = _both(f"(a - {_times(alpha, 'b')})", "1", _tex(-alpha))
    by = "changes its sign" if alpha == 1 else f"is multiplied by {number(-alpha)}"
    words = f"sub: passes unchanged to a; for b it {by}"
    return _local(latex, words + _copies(a, b), a=1.0, b=-alpha)


def _rsub(a: Any, b: Any, alpha: Any = 1, **_: Any) -> _Local:
    latex = _d(f"({_name(b, 'b')} - {_times(alpha, 'a')})", _tex(-alpha))
    words = "rsub: a is what is subtracted, so the gradient changes its sign for it"
    return _local(latex, words + _copies(a, b), a=-alpha, b=1.0)


def _mul(a: Any, b: Any, **_: Any) -> _Local:
    if not _is_tensor(b):
        words = f"mul: the gradient times {number(b)}"
        return _local(_d(f"({_tex(b)}a)", _tex(b)), words, a=b)
    words = "mul: each input gets the gradient times the other" + _copies(a, b)
    return _local(_d(r"(a\,b)", "b"), words, a=_of(_same, b), b=_of(_same, a))


def _reciprocal_of(b: Any) -> Any:
    return 1 / b if _is_tensor(b) or b else math.copysign(math.inf, b)


def _div(a: Any, b: Any, *, rounding_mode: str | None = None, **_: Any) -> _Local:
    if rounding_mode is not None:
        words = "div: rounded to whole numbers, so the gradient sent on is 0"
        return _local(_d("y", "0"), words, a=0.0, b=0.0)
    if not _is_tensor(b):
        words = f"div: the gradient divided by {number(b)}"
        latex = _d(f"(a / {_name(b, 'b')})", rf"\frac{{1}}{{{_tex(b)}}}")
        return _local(latex, words, a=_reciprocal_of(b))
    words = "div: a gets the gradient divided by b; b gets it times -a / b^2" + _copies(a, b)
    latex = _both("(a / b)", r"\frac{1}{b}", r"-\frac{a}{b^2}")
    return _local(latex, words, a=_of(_reciprocal_of, b), b=_of(lambda a, b: -a / (b * b), a, b))


def _rdiv(a: Any, b: Any, **_: Any) -> _Local:
    slope, said = r"-\frac{b}{a^2}", "-b"
    if not _is_tensor(b):
        slope, said = rf"\frac{{{_tex(-b)}}}{{a^2}}", number(-b)
    return _local(
        _d(f"({_name(b, 'b')} / a)", slope),
        f"rdiv: a divides, so it gets the gradient times {said} / a^2" + _copies(a, b),
        a=_of(lambda a, b: -b / (a * a), a, b),
        b=_of(torch.reciprocal, a),
    )


def _floor_divide(*_args: Any, **_: Any) -> _Local:
    words = "floor_divide: PyTorch has no derivative for it; a backward pass through it raises"
    return _local(r"y = \lfloor a / b \rfloor", words)


def _remainder(a: Any, b: Any, **_: Any) -> _Local:
    """It is a - b floor(a / b), and floor is flat."""
    return _local(
        _d(rf"(a\;\mathrm{{mod}}\;{_name(b, 'b')})", "1"),
        "remainder: passes unchanged to a; a divisor gets it times -floor(a / b)" + _copies(a, b),
        a=1.0,
        b=_of(lambda a, b: -torch.floor(a / b), a, b),
    )


def _power_base_slope(a: torch.Tensor, b: Any) -> Any:
    """It is b a^(b-1), and 0 where b is 0, even at a = 0."""
    if not isinstance(b, torch.Tensor):
        return b * a ** (b - 1) if b else torch.zeros_like(a)
    return torch.where(b == 0, 0.0, b * a ** (b - 1))


def _power_exponent_slope(a: Any, b: torch.Tensor) -> torch.Tensor:
    """It is a^b ln a, and 0 where a is 0 and b is not negative."""
    a = torch.as_tensor(a, dtype=b.dtype)
    return torch.where((a == 0) & (b >= 0), 0.0, a**b * torch.log(a))


def _power_rule(n: Any) -> str:
    """The derivative of a^n as LaTeX that reads as by hand: 2a, 3a^{2}, -a^{-2}."""
    if n == 0:
        return "0"
    base = {1: "", 2: "a"}.get(n, f"a^{{{_tex(n - 1)}}}")
    coefficient = {1: "1" if not base else "", -1: "-"}.get(n, _tex(n))
    return coefficient + base


def _power_words(n: Any) -> str:
    """The same in words."""
    if n == 0:
        return "0, because a^0 is always 1"
    base = {1: "", 2: " a"}.get(n, f" a^{number(n - 1)}")
    return number(n) + base


def _pow(a: Any, b: Any, **_: Any) -> _Local:
    if not _is_tensor(a):
        turned = _rpow(b, a)
        return _local(turned.latex, turned.words, b=turned.factors["a"])
    if not _is_tensor(b):
        latex = _d(f"a^{{{_tex(b)}}}", _power_rule(b))
        words = f"pow: the gradient times {_power_words(b)}"
        return _local(latex, words, a=_of(_power_base_slope, a, b))
    return _local(
        _both("a^{b}", "b a^{b-1}", r"a^{b} \ln a"),
        "pow: the base gets b a^(b - 1), the exponent gets a^b ln a" + _copies(a, b),
        a=_of(_power_base_slope, a, b),
        b=_of(_power_exponent_slope, a, b),
    )


def _rpow(a: Any, b: Any, **_: Any) -> _Local:
    base = _name(b, "b")
    said = _said(b, "b")
    words = f"rpow: a is the exponent: the gradient times {said}^a ln {said}"
    return _local(
        _d(f"{base}^{{a}}", rf"{base}^{{a}} \ln {base}"),
        words,
        a=_of(_power_exponent_slope, b, a),
        b=_of(_power_base_slope, b, a),
    )


def _extremum(name: str, a: Any, b: Any) -> _Local:
    """PyTorch halves the gradient where both are equal."""
    first = torch.gt if name == "maximum" else torch.lt
    side, sign = ("larger", ">") if name == "maximum" else ("smaller", "<")
    return _local(
        _d("y", rf"1\;\mathrm{{if}}\;a {sign} b,\;0\;\mathrm{{if}}\;b {sign} a"),
        f"{name}: the {side} one gets the gradient, the other 0; equal ones get half each"
        + _copies(a, b),
        a=_of(lambda a, b: first(a, b) + 0.5 * (a == b), a, b),
        b=_of(lambda a, b: first(b, a) + 0.5 * (a == b), a, b),
    )


def _maximum(a: Any, b: Any, **_: Any) -> _Local:
    return _extremum("maximum", a, b)


def _minimum(a: Any, b: Any, **_: Any) -> _Local:
    return _extremum("minimum", a, b)


def _where(condition: Any, a: Any = None, b: Any = None, **_: Any) -> _Local:
    """``torch.where(condition, a, b)`` and ``a.where(condition, b)`` differ in their order."""
    taken = "a"
    if _is_tensor(a) and a.dtype == torch.bool and condition.dtype != torch.bool:
        condition, a, taken = a, condition, "condition"
    if a is None:
        return _local(_d("y", "0"), "where: positions carry no gradient")
    factors = {taken: _of(_same, condition), "b": _of(torch.logical_not, condition)}
    return _local(
        _d("y", r"1\;\mathrm{where\;it\;was\;taken},\;0\;\mathrm{elsewhere}"),
        "where: each place's gradient goes to the side it was taken from, the other side gets 0"
        + _copies(condition, a, b),
        **factors,
    )


def _masked_fill(_a: Any = None, mask: Any = None, _value: Any = None, **_: Any) -> _Local:
    return _local(
        _d("y", r"0\;\mathrm{where\;filled},\;1\;\mathrm{elsewhere}"),
        "masked_fill: the places that were filled get 0, the others pass",
        a=_of(torch.logical_not, mask),
        value=_of(_same, mask),
    )


# ---- sums over elements --------------------------------------------------------------------


def _dims(a: Any, dim: Any) -> tuple[int, ...]:
    """The dimensions a reduction removes, counted from the front; none named means all."""
    if dim is None or dim == () or dim == []:
        return tuple(range(a.ndim))
    wanted = [dim] if isinstance(dim, int) else dim
    return tuple(sorted(d % a.ndim for d in wanted)) if a.ndim else ()


def _aligned(factor: _Factor, dims: tuple[int, ...], keepdim: bool) -> _Factor:
    """The factor, if the output broadcasts against the input as it stands; else None."""
    return factor if keepdim or dims == tuple(range(len(dims))) else None


def _over(name: str, a: Any, dims: tuple[int, ...]) -> str:
    if len(dims) == a.ndim:
        return name
    along = ", ".join(str(d) for d in dims)
    return f"{name} along dimension{'s' if len(dims) > 1 else ''} {along}"


def _size(a: Any, dims: tuple[int, ...]) -> int:
    return math.prod(a.shape[d] for d in dims)


def _filled(a: Any, value: float) -> torch.Tensor:
    """A tensor of a's shape that stores one number; also for an `Unknown`."""
    device = None if _hidden(a) else a.device
    return torch.tensor(value, dtype=a.dtype, device=device).expand(tuple(a.shape))


def _real(a: Any, value: float) -> torch.Tensor | None:
    return _filled(a, value) if a.dtype.is_floating_point else None


def _sum(a: Any, dim: Any = None, keepdim: bool = False, **_: Any) -> _Local:
    dims = _dims(a, dim)
    return _local(
        r"\frac{\partial y}{\partial a_i} = 1",
        f"{_over('sum', a, dims)}: every element gets the gradient that arrives, copied",
        a=_aligned(_real(a, 1.0), dims, keepdim),
    )


def _mean(a: Any, dim: Any = None, keepdim: bool = False, **_: Any) -> _Local:
    dims = _dims(a, dim)
    n = _size(a, dims)
    part = {1: "all", 2: "a half", 3: "a third", 4: "a quarter"}.get(n, f"1/{n}")
    return _local(
        rf"\frac{{\partial y}}{{\partial a_i}} = \frac{{1}}{{{n}}}",
        f"{_over(f'mean of {n}', a, dims)}: every element gets {part} of the gradient that arrives",
        a=_aligned(_real(a, 1 / n), dims, keepdim),
    )


def _others_along(a: torch.Tensor, dims: tuple[int, ...]) -> torch.Tensor:
    """For each element the product of the others, right even where some are 0."""
    if len(dims) == a.ndim != 1:
        return _others_along(a.reshape(-1), (0,)).view(a.shape)
    dim = dims[0]
    one = torch.ones_like(a.narrow(dim, 0, 1))
    before = torch.cat([one, a.narrow(dim, 0, a.shape[dim] - 1)], dim).cumprod(dim)
    after = torch.cat([one, a.flip(dim).narrow(dim, 0, a.shape[dim] - 1)], dim).cumprod(dim)
    return before * after.flip(dim)


def _prod(a: Any, dim: int | None = None, keepdim: bool = False, **_: Any) -> _Local:
    dims = _dims(a, dim)
    others = _of(_others_along, a, dims)
    return _local(
        r"\frac{\partial y}{\partial a_i} = \prod_{j \neq i} a_j",
        f"{_over('prod', a, dims)}: every element gets the gradient times all the others",
        a=_aligned(others, dims, keepdim),
    )


def _norm_slope(a: torch.Tensor, p: float, dims: tuple[int, ...]) -> torch.Tensor:
    """0 at 0 for every p; the largest share p = infinity equally."""
    size = a.abs()
    norm = torch.linalg.vector_norm(a, p, dims, keepdim=True)
    if math.isinf(p):
        reached = size == norm
        return a.sign().mul(reached).div(reached.sum(dims, keepdim=True))
    slope = a.sign().mul(size.pow(p - 1)).div(norm.pow(p - 1))
    return slope.masked_fill(a == 0, 0)


def _norm_latex(p: float) -> str:
    if p == 2:
        return r"\frac{\partial y}{\partial a_i} = \frac{a_i}{y}"
    if p == 1:
        return r"\frac{\partial y}{\partial a_i} = \mathrm{sign}(a_i)"
    if math.isinf(p):
        return r"\frac{\partial y}{\partial a_i} = \mathrm{sign}(a_i)\;\mathrm{if}\;|a_i| = y"
    return (
        r"\frac{\partial y}{\partial a_i} = \mathrm{sign}(a_i)"
        rf"\left(\frac{{|a_i|}}{{y}}\right)^{{{_tex(p - 1)}}}"
    )


def _norm_words(p: float) -> str:
    if p == 2:
        return "norm: every element gets the gradient times itself divided by the norm (0 at 0)"
    if p == 1:
        return "norm with p=1: every element gets the gradient times its sign (0 at 0)"
    if math.isinf(p):
        return f"norm with p={number(p)}: only the elements that reach the norm get the gradient"
    return f"norm with p={number(p)}: every element gets sign(a) (|a| / norm)^{number(p - 1)}"


def _norm(a: Any, p: Any = 2, dim: Any = None, keepdim: bool = False, **_: Any) -> _Local:
    """The vector norm of the elements; ``torch.norm`` takes a matrix for a vector too."""
    if p == "nuc":
        return _matrix_norm("nuc")
    order = 2.0 if p in (None, "fro") else float(p)
    dims = _dims(a, dim)
    slope = _of(lambda a: _norm_slope(a, order, dims), a)
    return _local(_norm_latex(order), _norm_words(order), a=_aligned(slope, dims, keepdim))


def _linalg_norm(a: Any, p: Any = None, dim: Any = None, keepdim: bool = False, **_: Any) -> _Local:
    matrix = len(_dims(a, dim)) == 2
    return _matrix_norm(p) if matrix and p not in (None, "fro") else _norm(a, p, dim, keepdim)


def _matrix_norm(p: Any) -> _Local:
    latex = r"\bar A = \bar y\,\frac{\partial \Vert A \Vert}{\partial A}"
    return _local(latex, f"norm with p={p} of a matrix: through its singular values or sums")


def _var(a: Any, dim: Any = None, *args: Any, **kwargs: Any) -> _Local:
    return _spread_of("var", a, dim, *args, **kwargs)


def _std(a: Any, dim: Any = None, *args: Any, **kwargs: Any) -> _Local:
    return _spread_of("std", a, dim, *args, **kwargs)


def _spread_of(
    name: str,
    a: Any,
    dim: Any = None,
    unbiased: bool = True,
    keepdim: bool = False,
    correction: float | None = None,
    **_: Any,
) -> _Local:
    """`dim` may be left out, so that the first argument is ``unbiased``."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    dims = _dims(a, dim)
    n = _size(a, dims) - (correction if correction is not None else int(unbiased))
    latex = rf"\frac{{2}}{{{_tex(n)}}}(a_i - \mu)"
    words = f"the gradient times 2 (a - mean) / {number(n)}"
    slope = _of(lambda a: 2 * (a - a.mean(dims, keepdim=True)) / n, a)
    if name == "std":
        latex = rf"\frac{{a_i - \mu}}{{{_tex(n)}\,y}}"
        words = f"the gradient times (a - mean) / ({number(n)} std), 0 when std is 0"
        slope = _of(lambda a, slope: _halved_by_root(a, slope, dims, n), a, slope)
    return _local(
        rf"\frac{{\partial y}}{{\partial a_i}} = {latex}",
        f"{_over(name, a, dims)}: every element gets {words}",
        a=_aligned(slope, dims, keepdim),
    )


def _halved_by_root(
    a: torch.Tensor, slope: Any, dims: tuple[int, ...], n: float
) -> torch.Tensor | None:
    """The variance's slope divided by 2 std."""
    if slope is None:
        return None
    deviation = a - a.mean(dims, keepdim=True)
    root = (deviation.square().sum(dims, keepdim=True) / n).sqrt()
    halved: torch.Tensor = slope / (2 * root)
    return halved.masked_fill(root == 0, 0)


def _evenly(a: torch.Tensor, dims: tuple[int, ...], largest: bool) -> torch.Tensor:
    reached = a == (a.amax(dims, keepdim=True) if largest else a.amin(dims, keepdim=True))
    return reached / reached.sum(dims, keepdim=True, dtype=a.dtype)


def _first(a: torch.Tensor, dim: int, largest: bool) -> torch.Tensor:
    places = (a.max(dim, keepdim=True) if largest else a.min(dim, keepdim=True)).indices
    return torch.zeros_like(a).scatter(dim, places, 1.0)


_WINNER = r"\frac{\partial y}{\partial a_i} = 1\;\mathrm{if}\;a_i = y,\;0\;\mathrm{otherwise}"


def _winner(largest: bool, a: Any, dim: Any, keepdim: bool, b: Any) -> _Local:
    """All elements: those that tie share evenly. Along a dimension: the place returned gets it."""
    name, side = ("max", "largest") if largest else ("min", "smallest")
    if b is not None or _is_tensor(dim):
        pair = _extremum(f"{name}imum", a, dim if b is None else b)
        return _local(pair.latex, pair.words, **pair.factors, dim=pair.factors["b"])
    if dim is None:
        share = _of(lambda a: _evenly(a, tuple(range(a.ndim)), largest), a)
        words = f"{name}: the {side} element gets the gradient, the others 0 (ties share evenly)"
        return _local(_WINNER, words, a=share)
    dims = _dims(a, dim)
    words = f"{name} along dimension {dim}: the {side} element gets the gradient, the others 0"
    place = _of(lambda a: _first(a, dim, largest), a)
    return _local(_WINNER, words, a=_aligned(place, dims, keepdim))


def _max(a: Any, dim: Any = None, keepdim: bool = False, b: Any = None, **_: Any) -> _Local:
    return _winner(True, a, dim, keepdim, b)


def _min(a: Any, dim: Any = None, keepdim: bool = False, b: Any = None, **_: Any) -> _Local:
    return _winner(False, a, dim, keepdim, b)


def _even_winner(name: str, largest: bool) -> _Function:
    side = "largest" if largest else "smallest"

    def local(a: Any, dim: Any = None, keepdim: bool = False, **_: Any) -> _Local:
        dims = _dims(a, dim)
        words = f"the {side} element gets the gradient, the others 0 (ties share evenly)"
        share = _of(lambda a: _evenly(a, dims, largest), a)
        return _local(_WINNER, f"{_over(name, a, dims)}: {words}", a=_aligned(share, dims, keepdim))

    return local


def _logsumexp(a: Any, dim: Any, keepdim: bool = False, **_: Any) -> _Local:
    dims = _dims(a, dim)
    soft = _of(lambda a: (a - a.logsumexp(dims, keepdim=True)).exp(), a)
    return _local(
        r"\frac{\partial y}{\partial a_i} = \mathrm{softmax}(a)_i",
        "logsumexp: every element gets the gradient times its softmax",
        a=_aligned(soft, dims, keepdim),
    )


# ---- shapes and places ---------------------------------------------------------------------


def _reshaped(name: str) -> _Function:
    def local(a: Any, *_args: Any, **_: Any) -> _Local:
        words = f"{name}: the same numbers in another shape; the gradient is reshaped back to "
        latex = rf"\bar a = \mathrm{{reshape}}(\bar y,\,{_tex_shape(a)})"
        return _local(latex, words + shape(a.shape))

    return local


def _tex_shape(a: Any) -> str:
    return str(tuple(a.shape)).replace(" ", r"\,")


def _expanded(name: str) -> _Function:
    def local(_a: Any = None, *_args: Any, **_: Any) -> _Local:
        words = f"{name}: the gradients of the copies are added up"
        return _local(r"\bar a = \sum_{\mathrm{copies}} \bar y", words, a=1.0)

    return local


def _identity(name: str, words: str) -> _Function:
    def local(_a: Any = None, *_args: Any, **_: Any) -> _Local:
        return _local(_d("y", "1"), f"{name}: {words}", a=1.0)

    return local


_WHOLE_NUMBERS = ("int", "long", "short", "char", "byte", "bool")


def _cast(name: str) -> _Function:
    def local(a: Any, *args: Any, dtype: Any = None, **_: Any) -> _Local:
        wanted = [v for v in (*args, dtype) if isinstance(v, torch.dtype)]
        whole = any(not (w.is_floating_point or w.is_complex) for w in wanted)
        if whole or name in _WHOLE_NUMBERS:
            return _local(_d("y", "0"), f"{name}: whole numbers carry no gradient; it stops here")
        dtype_name = str(a.dtype).removeprefix("torch.")
        words = f"{name}: passes unchanged, as {dtype_name} again"
        return _local(_d("y", "1"), words, a=1.0)

    return local


def _stack(tensors: Any, dim: int = 0, **_: Any) -> _Local:
    """Along the first dimension, picking slice k is a product with a one-hot column."""
    n, inner = len(tensors), tensors[0].ndim
    columns = torch.eye(n, dtype=tensors[0].dtype).view(n, n, *[1] * inner)
    return _local(
        r"\bar a_k = (\bar y)_k",
        "stack: each input gets its own slice of the gradient",
        tensors=list(columns) if dim % (inner + 1) == 0 else None,
    )


def _only_integers(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return all(isinstance(part, int) and not isinstance(part, bool) for part in parts)


def _one_hot(a: torch.Tensor, index: Any) -> torch.Tensor:
    places = torch.zeros_like(a)
    places[index] = 1
    return places


def _getitem(a: Any, index: Any, **_: Any) -> _Local:
    """Integers take from the front dimensions, so the rest still lines up with the output."""
    return _local(
        r"\bar a[\mathrm{index}] = \bar y,\quad 0\;\mathrm{elsewhere}",
        "__getitem__: goes back to the place it was taken from; the others get 0",
        a=_of(_one_hot, a, index) if _only_integers(index) else None,
    )


def _select(a: Any, dim: int, index: int, **_: Any) -> _Local:
    taken = _getitem(a, index)
    words = "select: goes back to the place it was taken from; the others get 0"
    return _local(taken.latex, words, a=taken.factors["a"] if dim % a.ndim == 0 else None)


def _setitem(a: Any, index: Any, _value: Any = None, **_: Any) -> _Local:
    hidden = any(isinstance(part, Unknown) for part in _flat(index))
    return _local(
        r"\bar a[\mathrm{index}] = 0,\quad \overline{\mathrm{value}} = \bar y[\mathrm{index}]",
        "__setitem__: the places written over get 0; the value gets their gradient",
        a=None if hidden else _of(lambda a: 1 - _one_hot(a, index), a),
    )


def _triangle(name: str, part: Callable[..., torch.Tensor]) -> _Function:
    side = "above" if name == "triu" else "below"

    def local(a: Any, diagonal: int = 0, **_: Any) -> _Local:
        mask = _of(lambda a: part(torch.ones_like(a), diagonal), a)
        latex = _d("y", r"1\;\mathrm{where\;kept},\;0\;\mathrm{elsewhere}")
        return _local(latex, f"{name}: passes on and {side} the diagonal, 0 elsewhere", a=mask)

    return local


def _overwritten(name: str, source: str = "") -> _Function:
    words = f"{name}_: the old content was written over, so it gets 0"
    gets = f"; the {source} gets the gradient" if source else ""

    def local(_a: Any = None, _b: Any = None, *_args: Any, **_: Any) -> _Local:
        return _local(_d("y", "0"), words + gets, a=0.0, b=1.0)

    return local


# ---- matrices and layers -------------------------------------------------------------------


def _dot(a: Any, b: Any, **_: Any) -> _Local:
    latex = _d(r"(a \cdot b)", "b")
    words = "dot: each input gets the other, scaled by the gradient that arrives"
    return _local(latex, words, a=_of(_same, b), b=_of(_same, a))


_MATMUL = {
    (False, False): r"\bar A = \bar Y B^\top,\quad \bar B = A^\top \bar Y",
    (False, True): r"\bar A = \bar y\,b^\top,\quad \bar b = A^\top \bar y",
    (True, False): r"\bar a = B\,\bar y,\quad \bar B = a\,\bar y^\top",
}
"""Goodfellow et al. 2016, section 6.5.6; the keys say which side is a vector."""


def _matmul(a: Any, b: Any, **_: Any) -> _Local:
    if a.ndim == b.ndim == 1:
        return _dot(a, b)
    words = "matmul: A gets the gradient times B transposed, B gets A transposed times the gradient"
    batch = ", in each batch" if max(a.ndim, b.ndim) > 2 else ""
    return _local(_MATMUL[a.ndim == 1, b.ndim == 1], words + batch)


def _linear(_a: Any = None, _weight: Any = None, bias: Any = None, **_: Any) -> _Local:
    latex = r"\bar X = \bar Y W,\quad \bar W = \bar Y^\top X"
    words = "linear: the input gets the gradient times W, W gets it transposed times the input"
    if bias is None:
        return _local(latex, words)
    latex += r",\quad \bar b = \sum_i \bar y_i"
    return _local(latex, f"{words}, the bias gets its sum over the batch", bias=1.0)


def _einsum(equation: Any, *_operands: Any, **_: Any) -> _Local:
    latex = r"\bar A = \mathrm{einsum}(\bar Y, B)"
    if not isinstance(equation, str):
        return _local(latex, "einsum: each input gets the gradient contracted with the others")
    words = f'einsum "{equation}": each input gets the gradient contracted with the others'
    return _local(_einsum_latex(equation.replace(" ", "")) or latex, words)


def _einsum_latex(equation: str) -> str:
    """The gradient of the first operand, for a plain equation with an arrow."""
    inputs, arrow, output = equation.partition("->")
    first, *others = inputs.split(",")
    simple = arrow and "." not in equation and len(set(first)) == len(first) and len(others) < 3
    if not simple:
        return ""
    product = [_indexed(r"\bar Y", output)]
    product += [_indexed(name, index) for name, index in zip("BCD", others, strict=False)]
    summed = "".join(sorted(set(output + "".join(others)) - set(first)))
    total = rf"\sum_{{{summed}}} " if summed else ""
    return _indexed(r"\bar A", first) + f" = {total}" + r"\,".join(product)


def _indexed(symbol: str, index: str) -> str:
    return f"{symbol}_{{{index}}}" if index else symbol


_NORMALISED = (
    r"\bar a = \frac{1}{\sigma}\left(\bar z - \mathrm{mean}(\bar z)"
    r" - z\,\mathrm{mean}(\bar z z)\right)"
)
"""z = (a - mean) / sigma and \\bar z = weight times \\bar y; Ioffe and Szegedy 2015, section 3."""


def _standardised(a: torch.Tensor, count: int, eps: float) -> torch.Tensor:
    dims = tuple(range(a.ndim - count, a.ndim))
    centred = a - a.mean(dims, keepdim=True)
    return centred * (centred.square().mean(dims, keepdim=True) + eps).rsqrt()


def _layer_norm(
    a: Any,
    normalized_shape: Sequence[int],
    _weight: Any = None,
    _bias: Any = None,
    eps: float = 1e-5,
    *_args: Any,
    **_: Any,
) -> _Local:
    words = "layer_norm: in each sample the gradient's mean and its part along z are removed, "
    return _local(
        _NORMALISED,
        words + "then it is divided by the standard deviation",
        weight=_of(lambda a: _standardised(a, len(normalized_shape), eps), a),
        bias=1.0,
    )


def _batch_norm(*_args: Any, training: bool = False, **_: Any) -> _Local:
    if not training:
        words = "batch_norm in evaluation: a fixed scale, weight / sqrt(variance + eps)"
        return _local(_d("y", r"\frac{w}{\sqrt{\sigma^2 + \epsilon}}"), words)
    words = "batch_norm in training: in each channel the gradient's mean and its part along z are "
    return _local(_NORMALISED, words + "removed: every sample of the batch affects the others")


_STOPS = r"\frac{\partial\,\mathrm{detach}(a)}{\partial a} := 0"


def _detach(_a: Any = None, **_: Any) -> _Local:
    return _local(_STOPS, "detach: nothing passes; a gradient that arrives here stops", a=0.0)


def _data(_a: Any = None, **_: Any) -> _Local:
    latex = _STOPS.replace("detach", "data")
    return _local(latex, "data: the same memory, but nothing passes", a=0.0)


def _nothing(name: str, words: str) -> _Function:
    def local(*_args: Any, **_: Any) -> _Local:
        return _local(_d("y", "0"), f"{name}: {words}, so no gradient passes")

    return local


# ---- rules that are no product -------------------------------------------------------------

_TRANSPOSED = (r"\bar A = \bar Y^\top", "the gradient is transposed back")
_PIECE = r"\bar a[\mathrm{piece}_k] = \bar y_k"
_PIECES = (_PIECE, "each piece's gradient goes back to its own place")
_PLACED = (
    r"\bar a_i = \sum_{k : \mathrm{index}_k = i} \bar y_k",
    "goes back to the place it was taken from, added up if taken more than once",
)
_CONVOLVED = (
    r"\bar W = X \star \bar Y,\quad \bar X = \bar Y * W",
    "the kernel gets input times gradient, summed over places; the input gets it by the kernel",
)
_COPIES = (r"\bar a = \sum_{\mathrm{copies}} \bar y", "the gradients of the copies are added up")

_DESCRIBED: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("T", "mT", "t", "H", "mH", "transpose"), _TRANSPOSED),
        **dict.fromkeys(("split", "chunk", "unbind"), _PIECES),
        **dict.fromkeys(("index_select", "gather"), _PLACED),
        **dict.fromkeys(("conv1d", "conv2d", "conv3d"), _CONVOLVED),
        "repeat": _COPIES,
        "cumsum": (
            r"\bar a_i = \sum_{j \geq i} \bar y_j",
            "an element is in every later sum, so it gets the sum of the gradients from there on",
        ),
        "softmax": (
            r"\bar a_i = y_i\left(\bar y_i - \sum_j \bar y_j y_j\right)",
            "the gradient minus its average weighted by the output, times the output",
        ),
        "log_softmax": (
            r"\bar a_i = \bar y_i - \mathrm{softmax}(a)_i \sum_j \bar y_j",
            "the gradient minus softmax times the sum of the gradient",
        ),
        "permute": (
            r"\bar a = \mathrm{permute}^{-1}(\bar y)",
            "the dimensions of the gradient are put back in their old order",
        ),
        "movedim": (
            r"\bar a = \mathrm{movedim}^{-1}(\bar y)",
            "the dimensions of the gradient are put back in their old order",
        ),
        "cat": (
            r"\bar a_k = \bar y[\mathrm{piece}_k]",
            "each input gets its own piece of the gradient",
        ),
        "narrow": (_PIECE, "goes back to the place it was taken from; the others get 0"),
        "masked_select": (
            r"\bar a[\mathrm{mask}] = \bar y,\quad 0\;\mathrm{elsewhere}",
            "goes back to the places that were selected; the others get 0",
        ),
        "sort": (
            r"\bar a_{\mathrm{index}_k} = \bar y_k",
            "each gradient goes back to where its value stood before sorting",
        ),
        "topk": (
            r"\bar a_{\mathrm{index}_k} = \bar y_k,\quad 0\;\mathrm{elsewhere}",
            "each gradient goes back to where its value stood; the rest get 0",
        ),
        "outer": (
            r"\bar a = \bar Y b,\quad \bar b = \bar Y^\top a",
            "a gets the gradient times b, b gets the gradient transposed times a",
        ),
        "embedding": (
            r"\bar W_i = \sum_{k : \mathrm{index}_k = i} \bar y_k",
            "each row gets the sum of the gradients of the places that looked it up",
        ),
    }
)


def _described(name: str, row: tuple[str, str]) -> _Function:
    latex, words = row

    def local(*_args: Any, **_: Any) -> _Local:
        return _local(latex, f"{name}: {words}")

    return local


# ---- losses --------------------------------------------------------------------------------


def _reduced(reduction: str, *, size_average: Any = None, reduce: Any = None, **_: Any) -> str:
    """The reduction, also from the two flags that PyTorch took before it had one."""
    if size_average is None and reduce is None:
        return reduction
    if reduce is False:
        return "none"
    return "sum" if size_average is False else "mean"


def _count(*inputs: Any) -> int:
    return math.prod(_broadcast(*inputs))


def _broadcast(*inputs: Any) -> tuple[int, ...]:
    shapes = {tuple(value.shape) for value in inputs}
    return shapes.pop() if len(shapes) == 1 else tuple(torch.broadcast_shapes(*shapes))


@dataclass(frozen=True, slots=True)
class _Loss:
    """A loss of each pair (a_i, b_i): its slope by a, by b, in LaTeX and in words."""

    name: str
    latex: str
    words: str
    by_a: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    by_b: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    rest: str = ""


def _pointwise(
    loss: _Loss, a: Any, b: Any, reduction: str, weight: Any = None, divisor: Any = None
) -> _Local:
    """A loss of pairs, weighted, then summed; a mean divides by `divisor`, else by their count."""
    if reduction in ("none", "sum"):
        divisor = 1
    elif divisor is None:
        divisor = _count(a, b)
    weights = 1.0 if weight is None else weight
    latex, share = _share(divisor)
    coefficient = latex + ("" if weight is None else "w_i")
    product = rf"{coefficient} \cdot {loss.latex}" if coefficient else loss.latex
    top = r"\ell_i" if reduction == "none" else "L"
    by_weight = "" if weight is None else ", times its weight"
    words = f"{loss.name} with reduction={reduction}: each prediction gets {loss.words}{share}"
    return _local(
        rf"\frac{{\partial {top}}}{{\partial a_i}} = {product}",
        words + by_weight + loss.rest,
        a=_of(lambda a, b, w, n: loss.by_a(a, b) * w / n, a, b, weights, divisor),
        b=_of(lambda a, b, w, n: loss.by_b(a, b) * w / n, a, b, weights, divisor),
    )


def _share(divisor: Any) -> tuple[str, str]:
    """What a mean does to each slope, in LaTeX and in words."""
    if not isinstance(divisor, int):
        return r"\frac{1}{\sum_j w_j}", ", divided by the sum of the weights"
    return ("", "") if divisor == 1 else (rf"\frac{{1}}{{{divisor}}}", f", divided by {divisor}")


def _distance(loss: _Loss) -> _Function:
    """mse_loss and l1_loss; with weights, their mean divides by the sum of the weights."""

    def local(
        a: Any,
        b: Any,
        *,
        reduction: str = "mean",
        weight: Any = None,
        **flags: Any,
    ) -> _Local:
        total = None if weight is None else _of(torch.sum, weight)
        divisor = Unknown((), torch.float32) if isinstance(weight, Unknown) else total
        return _pointwise(loss, a, b, _reduced(reduction, **flags), weight, divisor)

    return local


def _opposite(slope: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    return lambda a, b: -slope(a, b)


def _symmetric(name: str, latex: str, words: str, slope: Callable[..., torch.Tensor]) -> _Loss:
    """A loss of the difference a - b: the target gets the opposite of the prediction."""
    return _Loss(name, latex, words, slope, _opposite(slope), "; the target gets the opposite")


def _mse_slope(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return 2 * (a - b)


def _l1_slope(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return torch.sign(a - b)


def _huber_slope(a: torch.Tensor, b: torch.Tensor, *, delta: float) -> torch.Tensor:
    return (a - b).clamp(-delta, delta)


def _smooth_l1_slope(a: torch.Tensor, b: torch.Tensor, *, beta: float) -> torch.Tensor:
    return _l1_slope(a, b) if beta == 0 else _huber_slope(a, b, delta=beta) / beta


def _smooth_l1_loss(
    a: Any,
    b: Any,
    *,
    reduction: str = "mean",
    beta: float = 1.0,
    **flags: Any,
) -> _Local:
    """Girshick 2015 (Fast R-CNN)."""
    latex, words = r"\mathrm{sign}(a_i - b_i)", "the sign of (prediction - target)"
    if beta:
        difference = "a_i - b_i" if beta == 1 else rf"\frac{{a_i - b_i}}{{{_tex(beta)}}}"
        scaled = "" if beta == 1 else f" / {number(beta)}"
        latex = rf"\min(1, \max(-1, {difference}))"
        words = f"(prediction - target){scaled} kept within -1 and 1"
    slope = partial(_smooth_l1_slope, beta=beta)
    loss = _symmetric("smooth_l1_loss", latex, words, slope)
    return _pointwise(loss, a, b, _reduced(reduction, **flags))


def _huber_loss(
    a: Any, b: Any, *, reduction: str = "mean", delta: float = 1.0, weight: Any = None, **_: Any
) -> _Local:
    """Huber 1964."""
    bound = _tex(delta)
    latex = rf"\min({bound}, \max(-{bound}, a_i - b_i))"
    words = f"(prediction - target) kept within -{number(delta)} and {number(delta)}"
    loss = _symmetric("huber_loss", latex, words, partial(_huber_slope, delta=delta))
    return _pointwise(loss, a, b, reduction, weight)


_BCE = _Loss(
    "binary_cross_entropy",
    r"\frac{a_i - b_i}{a_i(1 - a_i)}",
    "(p - target) / (p (1 - p))",
    lambda a, b: (a - b) / (a * (1 - a)).clamp_min(1e-12),
    lambda a, _b: torch.log1p(-a) - torch.log(a),
)


def _binary_cross_entropy(
    a: Any,
    b: Any,
    weight: Any = None,
    *,
    reduction: str = "mean",
    **flags: Any,
) -> _Local:
    return _pointwise(_BCE, a, b, _reduced(reduction, **flags), weight)


def _logits_loss(pos_weight: Any) -> _Loss:
    """The slopes of (1 - b) a + (1 + (w - 1) b) softplus(-a), w being the positives' weight."""
    extra = 0.0 if pos_weight is None else pos_weight - 1
    latex, words = r"\left(\sigma(a_i) - b_i\right)", "sigmoid(score) - target"
    if pos_weight is not None:
        latex = r"\left((1 - b_i)\,\sigma(a_i) - w^{+} b_i\,\sigma(-a_i)\right)"
        words += ", the positives weighted"
    return _Loss(
        "binary_cross_entropy_with_logits",
        latex,
        words,
        lambda a, b: (1 - b) - (1 + extra * b) * torch.sigmoid(-a),
        lambda a, _b: extra * torch.nn.functional.softplus(-a) - a,
    )


def _binary_cross_entropy_with_logits(
    a: Any,
    b: Any,
    weight: Any = None,
    *,
    reduction: str = "mean",
    pos_weight: Any = None,
    **flags: Any,
) -> _Local:
    if isinstance(pos_weight, Unknown):
        pos_weight, b = torch.ones(()), Unknown(tuple(b.shape), b.dtype)
    loss = _logits_loss(pos_weight)
    return _pointwise(loss, a, b, _reduced(reduction, **flags), weight)


_KL = _Loss(
    "kl_div",
    "(-b_i)",
    "minus the target",
    lambda a, b: -b.expand(_broadcast(a, b)),
    lambda a, b: torch.log(b) + 1 - a,
)
_KL_LOG = _Loss(
    "kl_div",
    "(-e^{b_i})",
    "minus e^target",
    lambda a, b: -b.exp().expand(_broadcast(a, b)),
    lambda a, b: b.exp() * (b - a + 1),
)


def _kl_div(
    a: Any,
    b: Any,
    *,
    reduction: str = "mean",
    log_target: bool = False,
    **flags: Any,
) -> _Local:
    """The input holds log-probabilities; "batchmean" divides by the first dimension only."""
    reduction = _reduced(reduction, **flags)
    divisor = a.shape[0] if reduction == "batchmean" else None
    loss = _KL_LOG if log_target else _KL
    return _pointwise(loss, a, b, reduction, divisor=divisor)


@dataclass(frozen=True, slots=True)
class _Classes:
    """Targets as weights on the classes, with the class dimension as in the scores."""

    chosen: torch.Tensor
    weighted: torch.Tensor
    divisor: Any


def _class_dim(a: Any) -> int:
    return 0 if a.ndim == 1 else 1


def _class_weights(a: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    dim = _class_dim(a)
    weight = a.new_ones(a.shape[dim]) if weight is None else weight
    return weight.view(-1, *[1] * (a.ndim - dim - 1))


def _classes(
    a: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor | None,
    ignored: int,
    smoothing: float,
) -> _Classes:
    """Class numbers become one-hot rows; an ignored sample's row is 0 and is not counted."""
    dim, weights = _class_dim(a), _class_weights(a, weight)
    count = a.shape[dim]
    if target.is_floating_point():
        chosen = target * (1 - smoothing) + smoothing / count
        return _Classes(chosen, chosen * weights, a.numel() // count)
    counted = (target != ignored).unsqueeze(dim)
    places = target.unsqueeze(dim).where(counted, 0)
    one_hot = torch.zeros_like(a).scatter(dim, places, 1.0) * counted
    chosen = one_hot * (1 - smoothing) + counted * (smoothing / count)
    return _Classes(chosen, chosen * weights, (one_hot * weights).sum())


def _class_loss(reduction: str, a: Any, slope: Any, classes: Any) -> _Factor:
    """One number out: the slope is the factor. One number a sample does not line up with (N, C)."""
    if slope is None or (reduction == "none" and a.ndim > 1):
        return None
    factor: torch.Tensor = slope / classes.divisor if reduction == "mean" else slope
    return factor


def _samples(reduction: str, classes: Any, weight: Any) -> tuple[str, str]:
    """The share each sample has in the loss, as LaTeX and in words."""
    if reduction != "mean":
        return "", ""
    if weight is not None:
        return r"\frac{1}{\sum w}", ", divided by the sum of the weights"
    n = "N" if classes is None else number(float(classes.divisor))
    return ("", "") if n == "1" else (rf"\frac{{1}}{{{n}}}", f", divided by {n}")


def _softmax_slope(a: torch.Tensor, classes: _Classes) -> torch.Tensor:
    dim = _class_dim(a)
    return a.softmax(dim) * classes.weighted.sum(dim, keepdim=True) - classes.weighted


def _cross_entropy(
    a: Any,
    b: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    **flags: Any,
) -> _Local:
    """Softmax minus target (Goodfellow et al. 2016, section 6.2.2.3); weights scale each class."""
    reduction = _reduced(reduction, **flags)
    classes = _of(_classes, a, b, weight, ignore_index, label_smoothing)
    slope = None if classes is None else _of(_softmax_slope, a, classes)
    by_b = None
    if classes is not None and b.is_floating_point():
        log_p = -a.log_softmax(_class_dim(a)) * _class_weights(a, weight)
        by_b = log_p * (1 - label_smoothing)
    part, share = _samples(reduction, classes, weight)
    difference = "p_j - t_j" if weight is None else r"p_j \sum_k w_k t_k - w_j t_j"
    target = "the target" if b.dtype.is_floating_point else "the one-hot target"
    smoothed = f" smoothed by {number(label_smoothing)}" if label_smoothing else ""
    weighted = "" if weight is None else ", weighted by class"
    latex = rf"\frac{{\partial L}}{{\partial a_j}} = {part}({difference})"
    return _local(
        latex + r",\quad p = \mathrm{softmax}(a)",
        f"cross_entropy with reduction={reduction}: the scores get softmax minus {target}"
        f"{smoothed}{weighted}{share}",
        a=_class_loss(reduction, a, slope, classes),
        b=_class_loss(reduction, a, by_b, classes),
    )


def _nll_loss(
    a: Any,
    b: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    **flags: Any,
) -> _Local:
    reduction = _reduced(reduction, **flags)
    classes = _of(_classes, a, b, weight, ignore_index, 0.0)
    part, share = _samples(reduction, classes, weight)
    scaled, weighted = ("t_j", "") if weight is None else ("w_j t_j", " times its weight")
    return _local(
        rf"\frac{{\partial L}}{{\partial a_j}} = -{part}{scaled}",
        f"nll_loss with reduction={reduction}: the target's log-probability gets -1{weighted}"
        f"{share}; the other classes get 0",
        a=_class_loss(reduction, a, None if classes is None else -classes.weighted, classes),
    )


# ---- the table -----------------------------------------------------------------------------

_RESHAPED = (
    "view",
    "view_as",
    "reshape",
    "reshape_as",
    "flatten",
    "unflatten",
    "squeeze",
    "unsqueeze",
)
_CASTS = ("to", "type", "type_as", "float", "double", "half", "bfloat16", "cpu", "cuda")
_COMPARED = ("gt", "ge", "lt", "le", "eq", "ne", "isnan", "isinf", "isfinite")
_POSITIONS = ("argmax", "argmin", "argsort", "nonzero")
_SHAPED = ("zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like")

_RULES: Mapping[str, _Function] = MappingProxyType(
    {
        **{name: _elementwise(name, row) for name, row in _ELEMENTWISE.items()},
        **{name: _described(name, row) for name, row in _DESCRIBED.items()},
        **{name: _step(name) for name in _STEPS},
        **{name: _reshaped(name) for name in _RESHAPED},
        **{name: _expanded(name) for name in ("expand", "expand_as", "broadcast_to")},
        **{name: _cast(name) for name in (*_CASTS, *_WHOLE_NUMBERS)},
        **{name: _nothing(name, "a comparison gives True or False") for name in _COMPARED},
        **{name: _nothing(name, "a position is a whole number") for name in _POSITIONS},
        **{name: _nothing(name, "only the shape was used") for name in _SHAPED},
        "floor_divide": _floor_divide,
        "leaky_relu": _leaky_relu,
        "elu": _elu,
        "gelu": _gelu,
        "softplus": _softplus,
        "clamp": _clamp,
        "clamp_min": _clamp_min,
        "clamp_max": _clamp_max,
        "dropout": _dropout,
        "add": _add,
        "sub": _sub,
        "rsub": _rsub,
        "mul": _mul,
        "div": _div,
        "rdiv": _rdiv,
        "remainder": _remainder,
        "pow": _pow,
        "rpow": _rpow,
        "maximum": _maximum,
        "minimum": _minimum,
        "where": _where,
        "masked_fill": _masked_fill,
        "sum": _sum,
        "mean": _mean,
        "prod": _prod,
        "norm": _norm,
        "linalg_vector_norm": _norm,
        "linalg_norm": _linalg_norm,
        "var": _var,
        "std": _std,
        "max": _max,
        "min": _min,
        "amax": _even_winner("amax", True),
        "amin": _even_winner("amin", False),
        "logsumexp": _logsumexp,
        "clone": _identity("clone", "passes unchanged; only the memory is new"),
        "contiguous": _identity("contiguous", "passes unchanged; only the memory is in order"),
        "stack": _stack,
        "__getitem__": _getitem,
        "__setitem__": _setitem,
        "select": _select,
        "triu": _triangle("triu", torch.triu),
        "tril": _triangle("tril", torch.tril),
        "zero": _overwritten("zero"),
        "fill": _overwritten("fill", "value"),
        "copy": _overwritten("copy", "source"),
        "dot": _dot,
        "matmul": _matmul,
        "einsum": _einsum,
        "linear": _linear,
        "layer_norm": _layer_norm,
        "batch_norm": _batch_norm,
        "detach": _detach,
        "data": _data,
        "item": _nothing("item", "it leaves PyTorch for a Python number"),
        "mse_loss": _distance(
            _symmetric("mse_loss", "2(a_i - b_i)", "2 (prediction - target)", _mse_slope)
        ),
        "l1_loss": _distance(
            _symmetric(
                "l1_loss",
                r"\mathrm{sign}(a_i - b_i)",
                "the sign of (prediction - target)",
                _l1_slope,
            )
        ),
        "smooth_l1_loss": _smooth_l1_loss,
        "huber_loss": _huber_loss,
        "cross_entropy": _cross_entropy,
        "nll_loss": _nll_loss,
        "binary_cross_entropy": _binary_cross_entropy,
        "binary_cross_entropy_with_logits": _binary_cross_entropy_with_logits,
        "kl_div": _kl_div,
    }
)
"""Every op this file knows, by its plain name."""
