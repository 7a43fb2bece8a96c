"""Every rule against autograd: real calls, seen as a recording sees them, on random tensors."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from latex2mathml.converter import convert
from matplotlib.mathtext import MathTextParser
from torch.overrides import TorchFunctionMode

from seegrad import rules
from seegrad.rules import Rule, Unknown, rule, table
from seegrad.rules.names import ALIASES, canonical
from seegrad.rules.table import RULES

pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.filterwarnings("ignore:.*target size.*different to the input size:UserWarning"),
    pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss:UserWarning"),
]


@dataclass
class Call:
    function: Callable[..., Any]
    name: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def rule(self) -> Rule:
        return rule(self.name, self.args, self.kwargs)


class Last(TorchFunctionMode):
    """Keeps the last call made, with copies of its tensors."""

    call: Call

    def __torch_function__(self, func, types, args=(), kwargs=None):
        owner = getattr(func, "__self__", None)
        name = owner.__name__ if func.__name__ == "__get__" else func.__name__
        copies = copied(args, lambda t: t.detach().clone())
        named = copied(kwargs or {}, lambda t: t.detach().clone())
        self.call = Call(func, name, copies, named)
        return func(*args, **(kwargs or {}))


def copied(value, copy):
    if isinstance(value, torch.Tensor):
        return copy(value)
    if isinstance(value, dict):
        return {key: copied(item, copy) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(copied(item, copy) for item in value)
    return value


def tensors(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    """Normal numbers under a, b, c; numbers between 0.1 and 0.9 under p, q, r."""
    draw = torch.Generator().manual_seed(sum(len(s) + sum(s) for s in shapes.values()))
    made = {}
    for name, size in shapes.items():
        normal = torch.randn(size, generator=draw, dtype=torch.float64)
        made[name] = 0.1 + 0.8 * normal.sigmoid() if name in "pqr" else normal
    return made


def call(code: str, **values: Any) -> Call:
    with Last() as last:
        exec(code, {"torch": torch, "F": F, **values})
    return last.call


def contributions(call: Call, wanted: str) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """An upstream gradient, and what autograd sends to each tensor argument marked 1."""
    leaves: list[torch.Tensor] = []

    def leaf(value: torch.Tensor) -> torch.Tensor:
        leaves.append(value.clone().requires_grad_(wanted[len(leaves)] == "1"))
        return leaves[-1].clone()

    args, kwargs = copied(call.args, leaf), copied(call.kwargs, leaf)
    out = call.function(*args, **kwargs)
    out = args[0] if call.name == "__setitem__" else out
    out = out if isinstance(out, torch.Tensor) else out[0]
    upstream = torch.randn(out.shape, generator=torch.Generator().manual_seed(7)).to(out.dtype)
    if out.requires_grad:
        out.backward(upstream)
    return upstream, [torch.zeros_like(x) if x.grad is None else x.grad for x in leaves]


def assert_factors_agree_with_autograd(call: Call, wanted: str) -> None:
    found = call.rule()
    assert found.known
    assert "".join("0" if factor is None else "1" for factor in found.factors) == wanted
    if "1" not in wanted:
        return
    upstream, gradients = contributions(call, wanted)
    for factor, gradient in zip(found.factors, gradients, strict=True):
        if factor is not None:
            assert factor.is_floating_point() and not factor.requires_grad
            sent = (upstream * factor).sum_to_size(gradient.shape).to(gradient.dtype)
            torch.testing.assert_close(sent, gradient, equal_nan=True)


POSITIVE = (
    "neg abs square sqrt rsqrt reciprocal exp exp2 expm1 log log2 log10 log1p sin cos tan asin "
    "acos atan sinh cosh tanh sigmoid erf sign floor ceil round trunc"
)

ANYWHERE = (
    "F.relu torch.relu F.leaky_relu F.gelu F.softplus F.silu F.logsigmoid F.elu F.relu6 "
    "torch.tanh F.sigmoid torch.abs torch.square torch.neg torch.sin torch.negative torch.exp "
    "torch.absolute"
)

V, M, N, T = (4,), (2, 3), (3, 5), (2, 3, 5)
ROW, COLUMN, ONE = (3,), (2, 1), ()

# A call, the shapes of its tensors, and for each tensor argument whether it has a factor.
CASES: list[tuple[str, dict[str, tuple[int, ...]], str]] = [
    # one element at a time
    *[(f"torch.{name}(p)", {"p": size}, "1") for name in POSITIVE.split() for size in (M, ONE)],
    *[(f"{name}(a)", {"a": T}, "1") for name in ANYWHERE.split()],
    ("-a", {"a": V}, "1"),
    ("abs(a)", {"a": V}, "1"),
    ("a.exp_()", {"a": V}, "1"),
    ("a.relu_()", {"a": V}, "1"),
    ("F.relu(a, inplace=True)", {"a": V}, "1"),
    ("F.relu6(9 * a)", {"a": M}, "1"),
    ("F.leaky_relu(a, 0.2)", {"a": M}, "1"),
    ("F.leaky_relu(a, negative_slope=1e-5)", {"a": M}, "1"),
    ("F.elu(a, alpha=0.5)", {"a": M}, "1"),
    ("F.gelu(a, approximate='tanh')", {"a": M}, "1"),
    ("F.softplus(a, beta=2)", {"a": M}, "1"),
    ("F.softplus(9 * a, 3, 5)", {"a": M}, "1"),
    ("torch.clamp(a, -0.5, 0.5)", {"a": M}, "1"),
    ("a.clamp(min=0)", {"a": M}, "1"),
    ("a.clamp_(max=0)", {"a": M}, "1"),
    ("a.clip(0, 1)", {"a": M}, "1"),
    ("a.clamp_min(0.1)", {"a": M}, "1"),
    ("a.clamp_max(max=0.1)", {"a": M}, "1"),
    ("torch.clamp(a, min=b, max=c)", {"a": M, "b": ROW, "c": COLUMN}, "111"),
    ("torch.clamp(a, max=c)", {"a": M, "c": ROW}, "11"),
    ("torch.clamp(a, b)", {"a": M, "b": ROW}, "11"),
    ("F.dropout(a)", {"a": M}, "0"),
    ("F.dropout(a, 0.0)", {"a": M}, "1"),
    ("F.dropout(a, 1.0)", {"a": M}, "1"),
    ("F.dropout(a, 0.3, training=False)", {"a": M}, "1"),
    # arithmetic
    *[
        (f"p {op} q", {"p": first, "q": second}, "11")
        for op in ("+", "-", "*", "/", "**", "%")
        for first, second in ((V, V), (M, ROW), (ROW, M), (M, COLUMN), (COLUMN, ROW), (ONE, M))
    ],
    *[(f"a {op} {n}", {"a": M}, "1") for op in "+-*/%" for n in ("3", "-2", "0.5", "1e-5")],
    ("a * True", {"a": M}, "1"),
    *[(f"{n} {op} p", {"p": M}, "1") for op in "+-*/" for n in ("3", "-2", "0.5", "1e-5")],
    *[(f"p ** {n}", {"p": M}, "1") for n in ("2", "3", "-1", "-2", "1", "0", "0.5", "2.5", "1e-5")],
    *[(f"{n} ** p", {"p": M}, "1") for n in ("2", "0.5", "1e-5", "1", "0")],
    ("a ** 2", {"a": M}, "1"),
    ("a ** 3", {"a": ONE}, "1"),
    ("a.pow(2.0)", {"a": M}, "1"),
    ("a.pow(exponent=2)", {"a": M}, "1"),
    ("torch.pow(2, a)", {"a": M}, "1"),
    ("a // 2", {"a": M}, "0"),
    ("a *= b", {"a": M, "b": ROW}, "11"),
    ("a += 1", {"a": M}, "1"),
    ("a -= b", {"a": M, "b": M}, "11"),
    ("a /= p", {"a": M, "p": M}, "11"),
    ("a **= 2", {"a": M}, "1"),
    ("a.add_(b, alpha=3)", {"a": M, "b": ROW}, "11"),
    ("torch.add(a, b, alpha=-2)", {"a": ROW, "b": M}, "11"),
    ("torch.sub(a, b, alpha=2)", {"a": ROW, "b": M}, "11"),
    ("torch.sub(a, 4, alpha=2)", {"a": ROW}, "1"),
    ("torch.rsub(a, b)", {"a": ROW, "b": M}, "11"),
    ("torch.rsub(a, b, alpha=2)", {"a": M, "b": ROW}, "11"),
    ("a.subtract(b)", {"a": M, "b": M}, "11"),
    ("a.multiply(b)", {"a": M, "b": M}, "11"),
    ("a.divide(p)", {"a": M, "p": M}, "11"),
    ("torch.mul(input=a, other=b)", {"a": M, "b": ROW}, "11"),
    ("torch.mul(other=a, input=b)", {"a": M, "b": ROW}, "11"),
    ("a.true_divide(2)", {"a": M}, "1"),
    ("torch.div(a, p, rounding_mode='floor')", {"a": M, "p": M}, "11"),
    ("torch.maximum(a, b)", {"a": M, "b": ROW}, "11"),
    ("torch.minimum(a, b)", {"a": COLUMN, "b": M}, "11"),
    ("torch.max(a, b)", {"a": ROW, "b": M}, "11"),
    ("torch.min(a, other=b)", {"a": ROW, "b": M}, "11"),
    ("torch.where(a > 0, b, c)", {"a": M, "b": ROW, "c": COLUMN}, "011"),
    ("torch.where(a > 0, b, 0.0)", {"a": M, "b": ROW}, "01"),
    ("torch.where(a > 0, 0.0, b)", {"a": M, "b": M}, "01"),
    ("torch.where(a > 0, input=b, other=c)", {"a": M, "b": M, "c": M}, "011"),
    ("b.where(a > 0, c)", {"a": M, "b": ROW, "c": COLUMN}, "101"),
    ("torch.where(a > 0)", {"a": M}, "0"),
    ("a.masked_fill(b > 0, 9.0)", {"a": ROW, "b": M}, "10"),
    ("a.masked_fill_(b > 0, c)", {"a": M, "b": M, "c": ONE}, "101"),
    # sums over elements
    *[
        (f"a.{name}({how})", {"a": T}, factor)
        for name in ("sum", "mean", "var", "std", "amax", "amin", "norm")
        for how, factor in {
            "": "1",
            "dim=0": "1",
            "dim=(0, 1)": "1",
            "dim=-1": "0",
            "dim=1": "0",
            "dim=(0, 2)": "0",
            "dim=-1, keepdim=True": "1",
            "dim=(0, 2), keepdim=True": "1",
        }.items()
    ],
    *[
        (f"a.{name}({how})", {"a": M}, factor)
        for name in ("sum", "mean", "prod", "max", "min")
        for how, factor in {"": "1", "0": "1", "1": "0", "1, True": "1", "dim=-2": "1"}.items()
    ],
    *[(f"a.{name}()", {"a": ONE}, "1") for name in ("sum", "mean", "prod", "max", "norm")],
    ("torch.sum(a, axis=0)", {"a": M}, "1"),
    ("torch.sum(input=a)", {"a": M}, "1"),
    ("a.sum(dim=[])", {"a": M}, "1"),
    ("a.sum(dtype=torch.float32)", {"a": M}, "1"),
    ("a.mean()", {"a": V}, "1"),
    ("a.mean()", {"a": (1,)}, "1"),
    ("a.var(unbiased=False)", {"a": M}, "1"),
    ("a.var(False)", {"a": M}, "1"),
    ("a.var(0, False)", {"a": N}, "1"),
    ("a.std(correction=0)", {"a": M}, "1"),
    ("a.var(dim=0, correction=0.5)", {"a": M}, "1"),
    *[(f"a.norm({p})", {"a": M}, "1") for p in ("1", "2", "3", "2.5", "p='fro'", "float('inf')")],
    ("a.norm(p=1, dim=1)", {"a": M}, "0"),
    ("a.norm(p='nuc')", {"a": M}, "0"),
    ("torch.norm(a)", {"a": M}, "1"),
    ("torch.linalg.norm(a)", {"a": M}, "1"),
    ("torch.linalg.norm(a)", {"a": V}, "1"),
    ("torch.linalg.norm(a, ord=1)", {"a": V}, "1"),
    ("torch.linalg.norm(a, ord=2)", {"a": M}, "0"),
    ("torch.linalg.vector_norm(a, ord=3)", {"a": M}, "1"),
    ("torch.logsumexp(a, 0)", {"a": M}, "1"),
    ("a.logsumexp(dim=(0, 1))", {"a": M}, "1"),
    ("a.logsumexp(dim=1)", {"a": M}, "0"),
    ("a.logsumexp(-1, keepdim=True)", {"a": M}, "1"),
    ("a.cumsum(0)", {"a": M}, "0"),
    ("F.softmax(a, dim=-1)", {"a": M}, "0"),
    ("a.softmax(0)", {"a": V}, "0"),
    ("a.log_softmax(1)", {"a": M}, "0"),
    # shapes and places
    *[
        (code, {"a": T}, "0")
        for code in (
            "a.view(6, 5)",
            "a.reshape(-1)",
            "a.flatten(1)",
            "a.ravel()",
            "a.squeeze()",
            "a.unsqueeze(0)",
            "a.unflatten(2, (5, 1))",
            "a.transpose(0, 1)",
            "a.swapaxes(0, 1)",
            "a.permute(2, 0, 1)",
            "a.movedim(0, 2)",
            "a.mT",
            "a.mH",
            "a.repeat(2, 1, 1)",
            "a.split(1)",
            "torch.split(a, [1, 1])",
            "a.chunk(2)",
            "a.unbind(1)",
            "x, *y = a",
            "a[:, 1:]",
            "a[..., 0]",
            "a[None]",
            "a[True]",
            "a[[0, 1]]",
            "a.narrow(1, 0, 2)",
            "a.select(1, 0)",
            "a.sort(0)",
            "a.topk(2)",
            "a.argmax()",
            "a.argmin(0)",
            "a.argsort()",
            "a.nonzero()",
            "a > 0",
            "a == 0",
            "a.isnan()",
            "a.isinf()",
            "a.isfinite()",
            "torch.zeros_like(a)",
            "torch.ones_like(a)",
            "torch.empty_like(a)",
            "torch.full_like(a, 2.0)",
            "torch.rand_like(a)",
            "torch.randn_like(a)",
            "a.to(torch.int64)",
            "a.long()",
            "a.bool()",
            "a.type(torch.int32)",
        )
    ],
    *[(f"a {op} 0", {"a": M}, "0") for op in (">", ">=", "<", "<=", "==", "!=")],
    *[(f"a.{kind}()", {"a": M}, "0") for kind in ("int", "short", "char", "byte")],
    ("a.T", {"a": M}, "0"),
    ("a.t()", {"a": M}, "0"),
    ("a.H", {"a": M}, "0"),
    ("a.view_as(b)", {"a": M, "b": (3, 2)}, "00"),
    ("a.reshape_as(b)", {"a": M, "b": (3, 2)}, "00"),
    ("a.expand(4, 2, 3)", {"a": COLUMN}, "1"),
    ("a.expand_as(b)", {"a": COLUMN, "b": T[:2]}, "10"),
    ("torch.broadcast_to(a, (2, 3))", {"a": ROW}, "1"),
    ("a.item()", {"a": ONE}, "0"),
    ("a.clone()", {"a": T}, "1"),
    ("a.contiguous()", {"a": T}, "1"),
    ("a.to(torch.float32)", {"a": M}, "1"),
    ("a.to('cpu')", {"a": M}, "1"),
    ("a.to(dtype=torch.float16)", {"a": M}, "1"),
    ("a.float()", {"a": M}, "1"),
    ("a.double()", {"a": M}, "1"),
    ("a.half()", {"a": M}, "1"),
    ("a.bfloat16()", {"a": M}, "1"),
    ("a.cpu()", {"a": M}, "1"),
    ("a.type(torch.float32)", {"a": M}, "1"),
    ("a.type_as(b)", {"a": M, "b": ROW}, "10"),
    ("a.detach()", {"a": M}, "1"),
    ("a.data", {"a": M}, "1"),
    ("torch.stack([a, b, c])", {"a": M, "b": M, "c": M}, "111"),
    ("torch.stack([a ** 2, b ** 3])", {"a": ONE, "b": ONE}, "11"),
    ("torch.stack((a, b), dim=-1)", {"a": ONE, "b": ONE}, "11"),
    ("torch.stack(tensors=[a, b], dim=1)", {"a": ROW, "b": ROW}, "00"),
    ("torch.cat([a, b])", {"a": M, "b": (3, 3)}, "00"),
    ("torch.concat([a, a], dim=1)", {"a": M}, "00"),
    ("a[1]", {"a": V}, "1"),
    ("a[-1]", {"a": T}, "1"),
    ("a[1, 2]", {"a": M}, "1"),
    ("a[1, 2]", {"a": T}, "1"),
    ("a[torch.tensor([0, 0, 1])]", {"a": M}, "00"),
    ("a[torch.tensor([0, 0]), torch.tensor([1, 1])]", {"a": M}, "000"),
    ("a[a > 0]", {"a": M}, "00"),
    ("a.select(0, 1)", {"a": T}, "1"),
    ("a[1] = 5.0", {"a": M}, "1"),
    ("a[:, 1:] = b", {"a": M, "b": (2, 2)}, "10"),
    ("a[c > 0] = 0.0", {"a": M, "c": M}, "10"),
    ("a.zero_()", {"a": M}, "1"),
    ("a.fill_(2.0)", {"a": M}, "1"),
    ("a.fill_(b)", {"a": M, "b": ONE}, "11"),
    ("a.copy_(b)", {"a": M, "b": ROW}, "11"),
    ("torch.index_select(a, 0, torch.tensor([0, 0]))", {"a": M}, "00"),
    ("torch.gather(a, 1, torch.tensor([[0], [2]]))", {"a": M}, "00"),
    ("a.masked_select(a > 0)", {"a": M}, "00"),
    ("torch.triu(a)", {"a": N}, "1"),
    ("torch.triu(a, 1)", {"a": T}, "1"),
    ("torch.tril(a, diagonal=-1)", {"a": N}, "1"),
    # matrices and layers
    ("torch.dot(a, b)", {"a": V, "b": V}, "11"),
    ("torch.dot(a, a)", {"a": V}, "11"),
    ("torch.dot(input=a, tensor=b)", {"a": V, "b": V}, "11"),
    ("torch.vdot(a, b)", {"a": V, "b": V}, "11"),
    ("a @ b", {"a": V, "b": V}, "11"),
    ("a @ b", {"a": M, "b": N}, "00"),
    ("a @ b", {"a": M, "b": ROW}, "00"),
    ("a @ b", {"a": ROW, "b": N}, "00"),
    ("torch.matmul(a, b)", {"a": (4, 2, 3), "b": N}, "00"),
    ("torch.mm(a, b)", {"a": M, "b": N}, "00"),
    ("torch.mm(a, mat2=b)", {"a": M, "b": N}, "00"),
    ("torch.mv(a, b)", {"a": M, "b": ROW}, "00"),
    ("torch.bmm(a, b)", {"a": (4, 2, 3), "b": (4, 3, 5)}, "00"),
    ("torch.outer(a, b)", {"a": V, "b": ROW}, "00"),
    ("torch.einsum('ij,jk->ik', a, b)", {"a": M, "b": N}, "00"),
    ("torch.einsum('i,i', a, b)", {"a": V, "b": V}, "00"),
    ("torch.einsum('i,i->', [a, b])", {"a": V, "b": V}, "00"),
    ("torch.einsum('ii->i', a)", {"a": (3, 3)}, "0"),
    ("torch.einsum('ij->j', a)", {"a": M}, "0"),
    ("torch.einsum('...i,i->...', a, b)", {"a": M, "b": ROW}, "00"),
    ("torch.einsum('bi, ij, bj -> b', a, b, c)", {"a": M, "b": N, "c": (2, 5)}, "000"),
    ("torch.einsum(a, [0, 1], b, [1, 2], [0, 2])", {"a": M, "b": N}, "00"),
    ("F.linear(a, b)", {"a": (4, 3), "b": (5, 3)}, "00"),
    ("F.linear(a, b, c)", {"a": (4, 3), "b": (5, 3), "c": (5,)}, "001"),
    ("F.linear(a, b, bias=c)", {"a": (2, 4, 3), "b": (5, 3), "c": (5,)}, "001"),
    ("F.embedding(torch.tensor([0, 2, 0]), a)", {"a": N}, "00"),
    ("F.layer_norm(a, (3,))", {"a": M}, "0"),
    ("F.layer_norm(a, (3, 5), b, c)", {"a": T, "b": N, "c": N}, "011"),
    ("F.layer_norm(a, (5,), weight=b, eps=0.1)", {"a": T, "b": (5,)}, "01"),
    ("F.batch_norm(a, None, None, training=True)", {"a": M}, "0"),
    ("F.batch_norm(a, b, p, weight=c)", {"a": M, "b": ROW, "p": ROW, "c": ROW}, "0000"),
    ("F.conv1d(a, b)", {"a": (1, 2, 5), "b": (3, 2, 2)}, "00"),
    ("F.conv2d(a, b, c)", {"a": (1, 2, 5, 4), "b": (3, 2, 2, 2), "c": ROW}, "000"),
    ("F.conv3d(a, b)", {"a": (1, 1, 3, 3, 3), "b": (1, 1, 2, 2, 2)}, "00"),
    # losses
    *[
        (f"F.{name}({shapes}, reduction='{reduction}'{option})", sizes, factors)
        for name, options in {
            "mse_loss": ("",),
            "l1_loss": ("",),
            "smooth_l1_loss": ("", ", beta=0.3", ", beta=0"),
            "huber_loss": ("", ", delta=0.3"),
        }.items()
        for option in options
        for reduction in ("mean", "sum", "none")
        for shapes, sizes, factors in (("a, b", {"a": M, "b": M}, "11"),)
    ],
    *[
        (f"F.{name}(p, q, reduction='{reduction}'{option})", {"p": M, "q": M}, "11")
        for name, options in {
            "binary_cross_entropy": ("",),
            "binary_cross_entropy_with_logits": ("",),
            "kl_div": ("", ", log_target=True"),
        }.items()
        for option in options
        for reduction in ("mean", "sum", "none")
    ],
    *[
        (f"F.{name}(p, q, weight=r, reduction='{reduction}')", {"p": M, "q": M, "r": M}, "110")
        for name in [
            "mse_loss",
            "huber_loss",
            "binary_cross_entropy",
            "binary_cross_entropy_with_logits",
        ]
        for reduction in ("mean", "sum", "none")
    ],
    ("F.mse_loss(a, b)", {"a": M, "b": ROW}, "11"),
    ("F.mse_loss(a, b)", {"a": ONE, "b": ONE}, "11"),
    ("F.mse_loss(input=a, target=b)", {"a": M, "b": M}, "11"),
    ("torch.nn.MSELoss()(a, b)", {"a": M, "b": M}, "11"),
    ("F.kl_div(p, q, reduction='batchmean')", {"p": M, "q": M}, "11"),
    (
        "F.binary_cross_entropy_with_logits(a, p, pos_weight=q)",
        {"a": M, "p": M, "q": ROW},
        "110",
    ),
    (
        "F.binary_cross_entropy_with_logits(a, p, q, pos_weight=r)",
        {"a": M, "p": M, "q": M, "r": ROW},
        "1100",
    ),
    *[
        (f"F.{name}(a, torch.tensor({target}){option})", sizes, factors)
        for name in ("cross_entropy", "nll_loss")
        for target, option, sizes, factors in (
            ("[0, 2]", "", {"a": M}, "10"),
            ("[0, 2]", ", reduction='sum'", {"a": M}, "10"),
            ("[0, 2]", ", reduction='none'", {"a": M}, "00"),
            ("[0, 2]", ", ignore_index=2", {"a": M}, "10"),
            ("[0, -100]", "", {"a": M}, "10"),
            ("[0, 2]", ", weight=p", {"a": M, "p": ROW}, "100"),
            ("[0, 2]", ", p, ignore_index=0", {"a": M, "p": ROW}, "100"),
            ("[[0, 2, 1, 0, 0], [1, 1, 2, 2, 0]]", "", {"a": T}, "10"),
            ("[[0, 2, 1, 0, 0], [1, 1, 2, 2, 0]]", ", p", {"a": T, "p": ROW}, "100"),
        )
    ],
    ("F.cross_entropy(a, torch.tensor(1))", {"a": ROW}, "10"),
    ("F.cross_entropy(a, torch.tensor(1), reduction='none')", {"a": ROW}, "10"),
    ("F.cross_entropy(a, torch.tensor([0, 2]), label_smoothing=0.1)", {"a": M}, "10"),
    (
        "F.cross_entropy(a, torch.tensor([0, -100]), p, label_smoothing=0.1)",
        {"a": M, "p": ROW},
        "100",
    ),
    ("F.cross_entropy(a, p)", {"a": M, "p": M}, "11"),
    ("F.cross_entropy(a, p)", {"a": T, "p": T}, "11"),
    ("F.cross_entropy(a, p)", {"a": ROW, "p": ROW}, "11"),
    ("F.cross_entropy(a, p, q, label_smoothing=0.2)", {"a": M, "p": M, "q": ROW}, "110"),
    ("F.cross_entropy(a, p, reduction='sum')", {"a": M, "p": M}, "11"),
]
IDS = [f"{code} {list(sizes.values())}" for code, sizes, _ in CASES]


@pytest.mark.parametrize(("code", "sizes", "expected"), CASES, ids=IDS)
def test_factors_are_what_autograd_multiplies_by(code, sizes, expected) -> None:
    assert_factors_agree_with_autograd(call(code, **tensors(sizes)), expected)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_weighted_l1_loss(reduction: str) -> None:
    """Called directly: under any torch function mode, torch 2.13's l1_loss loses its weight."""
    p, q, r = tensors({"p": M, "q": M, "r": M}).values()
    made = Call(F.l1_loss, "l1_loss", (p, q), {"weight": r, "reduction": reduction})
    assert_factors_agree_with_autograd(made, "110")


def hide(value: Any) -> Any:
    return copied(value, lambda t: Unknown(tuple(t.shape), t.dtype))


PARSER = MathTextParser("path")


@cache
def assert_renders(latex: str) -> None:
    PARSER.parse(f"${latex}$")
    assert "\\" not in convert(latex)
    assert not re.search(r"\\(text|begin|operatorname)\b", latex)


def assert_reads_well(found: Rule) -> None:
    assert_renders(found.latex)
    assert re.fullmatch(r"[\x21-\x7e][\x20-\x7e]*[\x21-\x7e]", found.words)
    assert "  " not in found.words and len(found.words) < 200


@pytest.mark.parametrize(("code", "sizes", "_factors"), CASES, ids=IDS)
def test_text_with_and_without_values(code, sizes, _factors) -> None:
    made = call(code, **tensors(sizes))
    seen, hidden = made.rule(), rule(made.name, hide(made.args), hide(made.kwargs))
    assert_reads_well(seen)
    assert_reads_well(hidden)
    assert hidden.known and len(hidden.factors) == len(seen.factors)
    for known, guess in zip(seen.factors, hidden.factors, strict=True):
        assert guess is None or (known is not None and torch.equal(known, guess))


def test_every_op_in_the_table_is_called_above() -> None:
    called = {canonical(call(code, **tensors(sizes)).name) for code, sizes, _ in CASES}
    only_elsewhere = {"cuda"}
    assert set(RULES) - called - only_elsewhere == set()


def test_the_names_that_recording_gives() -> None:
    for name in [
        "add",
        "sub",
        "rsub",
        "mul",
        "div",
        "neg",
        "pow",
        "dot",
        "matmul",
        "mm",
        "mv",
        "bmm",
        "sum",
        "mean",
        "norm",
        "exp",
        "log",
    ]:
        assert canonical(name) in RULES
    for alias, plain in {
        "multiply": "mul",
        "__rmul__": "mul",
        "__imul__": "mul",
        "mul_": "mul",
        "multiply_": "mul",
        "__radd__": "add",
        "__iadd__": "add",
        "__rsub__": "rsub",
        "__rdiv__": "rdiv",
        "__rtruediv__": "rdiv",
        "__itruediv__": "div",
        "__rpow__": "rpow",
        "__ipow__": "pow",
        "__neg__": "neg",
        "__matmul__": "matmul",
        "__getitem__": "__getitem__",
        "clamp_": "clamp",
        "detach_": "detach",
        "__float__": "item",
        "__foo__": "__foo__",
    }.items():
        assert canonical(alias) == plain


def test_no_op_stands_in_two_families() -> None:
    families = [module.RULES for module in vars(table).values() if hasattr(module, "RULES")]
    assert len(families) == 14
    assert sum(map(len, families)) == len(RULES)


def test_all_aliases_lead_to_a_rule() -> None:
    assert set(ALIASES.values()) <= set(RULES)
    assert not set(ALIASES) & set(RULES)


# ---- kinks, constants, words ---------------------------------------------------------------


def factor(code: str, **values: Any) -> list[float]:
    first = call(code, **values).rule().factors[0]
    assert first is not None
    return first.tolist()


KINKS = [
    ("torch.relu(a)", [-1.0, 0.0, 2.0], [0, 0, 1]),
    ("F.leaky_relu(a, 0.5)", [-1.0, 0.0, 2.0], [0.5, 0.5, 1]),
    ("F.relu6(a)", [0.0, 3.0, 6.0], [0, 1, 0]),
    ("a.abs()", [-3.0, 0.0, 2.0], [-1, 0, 1]),
    ("a ** 0", [0.0, 2.0], [0, 0]),
    ("a ** 0.0", [0.0, 2.0], [0, 0]),
    ("a ** 1", [0.0, 2.0], [1, 1]),
    ("a ** torch.tensor([0.0, 0.0])", [0.0, 2.0], [0, 0]),
    ("a.clamp(0, 1)", [-1.0, 0.0, 0.5, 1.0, 2.0], [0, 1, 1, 1, 0]),
    ("a.norm()", [0.0, 0.0], [0, 0]),
    ("a.norm(1)", [0.0, -2.0], [0, -1]),
    ("a.norm(float('inf'))", [1.0, -3.0, 3.0], [0, -0.5, 0.5]),
    ("a.max()", [1.0, 3.0, 3.0], [0, 0.5, 0.5]),
    ("a.min(dim=0)", [1.0, 1.0, 3.0], [1, 0, 0]),
    ("a.amax(dim=0)", [3.0, 3.0], [0.5, 0.5]),
    ("torch.maximum(a, torch.tensor([1.0, 2.0]))", [1.0, 1.0], [0.5, 0]),
    ("a.std()", [2.0, 2.0], [0, 0]),
    ("a.prod()", [0.0, 2.0, 3.0], [6, 0, 0]),
    ("a.prod()", [0.0, 0.0, 3.0], [0, 0, 0]),
    ("F.l1_loss(a, torch.zeros(2), reduction='sum')", [0.0, -1.0], [0, -1]),
    ("F.huber_loss(a, torch.zeros(2), reduction='sum')", [1.0, -1.0], [1, -1]),
    ("a / 0", [1.0], [float("inf")]),
    ("a / -0.0", [1.0], [float("-inf")]),
]


@pytest.mark.parametrize(("code", "values", "expected"), KINKS, ids=[k[0] for k in KINKS])
def test_kinks(code, values, expected) -> None:
    a = torch.tensor(values)
    made = call(code, a=a)
    assert torch.as_tensor(factor(code, a=a)).expand(a.shape).tolist() == expected
    assert_factors_agree_with_autograd(made, "1" * len(made.rule().factors))


def test_pow_of_zero_base_by_its_exponent() -> None:
    made = call("a ** b", a=torch.tensor([0.0, 0.0, 2.0]), b=torch.tensor([0.0, 2.0, 0.0]))
    assert_factors_agree_with_autograd(made, "11")


def test_the_side_that_where_does_not_take_gets_zero() -> None:
    mask = torch.tensor([True, False])
    found = rule("where", (mask, torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])), {})
    assert found.factors[0] is None
    assert [f.tolist() for f in found.factors[1:] if f is not None] == [[1, 0], [0, 1]]


def test_constants_are_named() -> None:
    a = torch.ones(2)
    assert rule("mul", (a, 2), {}).latex == r"\frac{\partial (2a)}{\partial a} = 2"
    assert rule("pow", (a, 2), {}).latex == r"\frac{\partial a^{2}}{\partial a} = 2a"
    assert rule("pow", (a, 3), {}).latex == r"\frac{\partial a^{3}}{\partial a} = 3a^{2}"
    assert rule("pow", (a, -1), {}).latex == r"\frac{\partial a^{-1}}{\partial a} = -a^{-2}"
    assert rule("div", (a, 4), {}).latex == r"\frac{\partial (a / 4)}{\partial a} = \frac{1}{4}"
    assert rule("__rsub__", (a, 5), {}).latex == r"\frac{\partial (5 - a)}{\partial a} = -1"
    assert r"10^{-5}" in rule("mul", (a, 1e-5), {}).latex
    assert rule("mul", (a, 2), {}).words == "mul: the gradient times 2"


def test_the_dot_of_the_mockup() -> None:
    x = torch.arange(4.0)
    found = rule("dot", (x, x), {})
    assert found.latex == r"\frac{\partial (a \cdot b)}{\partial a} = b"
    assert found.words.startswith("dot: each input gets the other")
    assert all(f is not None and torch.equal(f, x) for f in found.factors)


WORDS = {
    "a.sum()": "sum: every element gets the gradient that arrives, copied",
    "a.mean()": "mean of 4: every element gets a quarter of the gradient that arrives",
    "a.relu()": "relu: passes where the input was positive, 0 elsewhere (PyTorch takes 0 at 0)",
    "a[0]": "__getitem__: goes back to the place it was taken from; the others get 0",
    "a.detach()": "detach: nothing passes; a gradient that arrives here stops",
    "a.view(2, 2)": (
        "view: the same numbers in another shape; the gradient is reshaped back to (4,)"
    ),
    "a ** 2": "pow: the gradient times 2 a",
    "a ** 3": "pow: the gradient times 3 a^2",
    "-2 / a": "rdiv: a divides, so it gets the gradient times 2 / a^2",
    "F.kl_div(a, a, reduction='batchmean')": (
        "kl_div with reduction=batchmean: each prediction gets minus the target, divided by 4"
    ),
    "a * a[:1]": (
        "mul: each input gets the gradient times the other (a broadcast input sums over its copies)"
    ),
    "F.mse_loss(a, a)": (
        "mse_loss with reduction=mean: each prediction gets 2 (prediction - target), divided by 4; "
        "the target gets the opposite"
    ),
    "F.mse_loss(a, a, reduction='none')": (
        "mse_loss with reduction=none: each prediction gets 2 (prediction - target); "
        "the target gets the opposite"
    ),
    "F.cross_entropy(a, torch.tensor(1), reduction='sum')": (
        "cross_entropy with reduction=sum: the scores get softmax minus the one-hot target"
    ),
    "a.zero_()": "zero_: the old content was written over, so it gets 0",
}


@pytest.mark.parametrize("code", WORDS)
def test_words(code: str) -> None:
    assert call(code, a=torch.ones(4)).rule().words == WORDS[code]


@pytest.mark.parametrize(
    ("reduction", "flags"),
    [
        ("mean", {"size_average": True}),
        ("sum", {"size_average": False}),
        ("none", {"reduce": False}),
        ("mean", {"reduce": True}),
    ],
)
def test_the_flags_that_came_before_reduction(reduction, flags) -> None:
    a, b = tensors({"a": M, "b": M}).values()
    old, new = rule("mse_loss", (a, b), flags), rule("mse_loss", (a, b), {"reduction": reduction})
    assert (old.latex, old.words) == (new.latex, new.words)
    assert all(torch.equal(x, y) for x, y in zip(old.factors, new.factors, strict=True))


# ---- what is not known, and other dtypes ---------------------------------------------------


@pytest.mark.parametrize("name", ["erfinv", "__foo__", "some_op_", ""])
def test_generic_text(name: str) -> None:
    found = rule(name, (torch.ones(2), [torch.ones(3), Unknown((4,), torch.float32)]), {"k": 1})
    assert not found.known and found.factors == (None, None, None)
    assert_reads_well(found)
    assert rule("erfinv", (torch.ones(2),), {}).words == (
        "vector-Jacobian product of erfinv: PyTorch computes it without forming the Jacobian"
    )


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("mul", (), {}),
        ("mul", (torch.ones(2), "two"), {}),
        ("stack", ([],), {}),
        ("sum", ("text",), {}),
        ("norm", (torch.ones(2), "odd"), {}),
        ("matmul", (torch.ones(2), None), {}),
        ("mse_loss", (torch.ones(2), torch.ones(3)), {}),
        ("cross_entropy", (torch.ones(2, 3), torch.tensor([0, 7])), {}),
        ("sum", (torch.ones(2), 5), {}),
        ("__getitem__", (torch.ones(2), 9), {}),
    ],
)
def test_a_call_that_failed_still_has_a_text(name, args, kwargs) -> None:
    found = rule(name, args, kwargs)
    assert len(found.factors) == len([a for a in args if isinstance(a, torch.Tensor)])
    assert_reads_well(found)


def test_a_meta_tensor_is_as_good_as_unknown() -> None:
    big = torch.empty(2, 3, device="meta")
    assert rule("mul", (torch.ones(3), big), {}).factors[0] is None
    spread = rule("sum", (big,), {}).factors[0]
    assert spread is not None and torch.equal(spread, torch.ones(2, 3))


def test_one_hidden_argument_hides_only_what_depends_on_it() -> None:
    a, big = torch.arange(3.0), Unknown((2, 3), torch.float32)
    first, second = rule("mul", (a, big), {}).factors
    assert first is None and second is not None and torch.equal(second, a)
    assert [f is None for f in rule("add", (big, a), {}).factors] == [False, False]
    spread = rule("sum", (Unknown((5000, 5000), torch.float32),), {}).factors[0]
    assert spread is not None and spread.untyped_storage().nbytes() == 4


def test_integers_and_complex_numbers_have_no_factor() -> None:
    whole, real = torch.arange(3), torch.ones(3)
    assert rule("mul", (whole, real), {}).factors[0] is None
    scaled = rule("mul", (real, whole), {}).factors[0]
    assert scaled is not None and scaled.is_floating_point()
    assert rule("mul", (real, 1j), {}).factors == (None,)
    assert rule("mul", (real, real.to(torch.complex64)), {}).factors == (None, None)
    for found in (rule("mul", (real, 1j), {}), rule("exp", (real * 1j,), {})):
        assert found.known
        assert_reads_well(found)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_factors_keep_the_dtype(dtype: torch.dtype) -> None:
    a, b = torch.tensor([0.25, 0.5], dtype=dtype), torch.tensor([0.5, 2.0], dtype=dtype)
    for name, args in {
        "mul": (a, b),
        "add": (a, b),
        "relu": (a,),
        "sum": (a,),
        "mean": (a,),
        "max": (a,),
        "where": (a > 0, a, b),
    }.items():
        for found in rule(name, args, {}).factors:
            assert found is None or found.dtype == dtype
    tenth = rule("mul", (a, 0.1), {}).factors[0]
    assert tenth is not None and tenth.dtype == dtype


def test_asking_changes_nothing() -> None:
    a = torch.randn(3, requires_grad=True, generator=torch.Generator().manual_seed(0))
    before, state, version = a.detach().clone(), torch.get_rng_state(), a._version
    for name in ("dropout", "relu", "mul", "__getitem__", "__setitem__", "zero_"):
        rule(name, (a, 1) if "item" in name or name == "mul" else (a,), {})
    assert torch.equal(a.detach(), before) and a._version == version and a.grad is None
    assert torch.equal(torch.get_rng_state(), state)


def test_the_recipe_in_the_docstring_runs() -> None:
    recipe = rules.__doc__ or ""
    lines = [line for line in recipe.splitlines() if line.startswith("    ")]
    row = ast.parse("{" + lines[0].strip() + "}", mode="eval")
    assert isinstance(row.body, ast.Dict)
    ast.parse("\n".join(line[4:] for line in lines[1:]))
