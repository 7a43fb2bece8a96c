"""What is the matter with the gradient in ``.grad``: zero, NaN, a sum of several, or nothing."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from seegrad import formatting
from seegrad.backward import Pass, Step, remembered
from seegrad.clinic import nans
from seegrad.clinic.diagnosis import Diagnosis, Place
from seegrad.clinic.hidden_edits import edited_through_data
from seegrad.clinic.incident import Witness
from seegrad.clinic.spelling import code_at, code_of, is_name
from seegrad.recording import GradEvent, Op


def held(witness: Witness, tensor: Tensor, grad: Tensor) -> Diagnosis:
    """What should be known about the gradient that a tensor has? The most surprising first."""
    if not bool(grad.isfinite().all()):
        return _not_finite(witness, tensor, grad)
    if (edit := edited_through_data(witness, tensor)) is not None:
        return edit
    if not bool(grad.count_nonzero()):
        return _zero(witness, tensor)
    return (
        _several(witness, tensor)
        or _seeded_with_itself(witness, tensor)
        or _as_due(witness, tensor)
    )


def _passes(witness: Witness, leaf: Tensor) -> Iterator[tuple[Tensor, Pass]]:
    """The learner's own passes that reached the leaf, from results that are alive."""
    for root in witness.watcher.tensors():
        for run in remembered(root) if witness.watcher.tapes(root) else ():
            if run.added(leaf) is not None:
                yield root, run


def _not_finite(witness: Witness, tensor: Tensor, grad: Tensor) -> Diagnosis:
    name = witness.name(tensor, "x")
    for root, run in _passes(witness, tensor):
        step = nans.in_pass(run, torch.isnan) or nans.in_pass(run, torch.isinf)
        if step is not None and step.op is not None:
            upstream = next((g for g in step.incoming if g is not None), None)
            return nans.at_op(witness, step.op, None, root, upstream)
    what = "NaN" if bool(grad.isnan().any()) else "an infinity"
    return Diagnosis(
        kind=f"{what} in .grad",
        happened=f"`{name}.grad` holds {what}: {formatting.array(grad)}.",
        place=_last_call(witness, tensor),
        variable=name if is_name(name) else "",
        mend="with torch.autograd.set_detect_anomaly(True):\n    loss.backward()",
        because="PyTorch then stops at the op whose backward gave the first NaN; its panel "
        "names it.",
        rivals=("which op it came from: the result that backward() started from is gone.",),
    )


def _zero(witness: Witness, tensor: Tensor) -> Diagnosis:
    name = witness.name(tensor, "x")
    events = witness.watcher.grad_events(tensor)
    if events and events[-1].kind == "zeroed":
        code = code_at(events[-1].site) if events[-1].site is not None else "zero_()"
        return Diagnosis(
            kind=".grad was filled with zeros",
            happened=f"`{code}` filled `{name}.grad` with zeros, and no backward pass has come "
            "since.",
            place=witness.where(events[-1].site) if events[-1].site is not None else None,
            op=code,
            variable=name if is_name(name) else "",
            mend=f"{code}\nloss.backward()\nprint({name}.grad)",
            because="First take the old gradient away, then backward, then look: in that order.",
        )
    for root, run in _passes(witness, tensor):
        step = _where_it_died(run)
        if step is not None and step.op is not None:
            return _died_at(witness, name, step.op, root)
    return Diagnosis(
        kind="the gradient is zero",
        happened=f"A backward pass came to `{name}` and brought zeros.",
        place=_last_call(witness, tensor),
        variable=name if is_name(name) else "",
        rivals=("at which op it became zero: the result that backward() started from is gone.",),
    )


def _where_it_died(run: Pass) -> Step | None:
    """The step that sent zeros only, though something else had arrived."""
    for step in run.steps:
        arrived = [g for g in step.incoming if g is not None]
        left = [flow.gradient for flow in step.sent if flow.gradient is not None]
        if left and _any_nonzero(arrived) and not _any_nonzero(left):
            return step
    return None


def _any_nonzero(gradients: list[Tensor]) -> bool:
    return any(bool(g.count_nonzero()) for g in gradients if not g.is_meta)


_FLAT = frozenset({"round", "floor", "ceil", "trunc", "sign", "sgn", "heaviside", "zeros_like"})


def _died_at(witness: Witness, name: str, op: Op, root: Tensor) -> Diagnosis:
    given = op.inputs[0] if op.inputs else None
    held = formatting.array(given.data, given.shape) if given is not None else ""
    inner = witness.value_name(given, "its input", op) if given is not None else "its input"
    always = op.name in _FLAT
    reason = (
        "it is flat between its steps, so its derivative is 0 everywhere"
        if always
        else f"at what it was given ({held}) its derivative is 0"
    )
    return Diagnosis(
        kind="the gradient became zero on its way",
        happened=f"A gradient arrived at `{op.text}` and zeros left it: {reason}.",
        place=witness.of_op(op),
        op=op.text,
        variable=inner if is_name(inner) else "",
        mend=code_of(op).replace(op.text, f"{inner} + ({op.text} - {inner}).detach()", 1)
        if always
        else code_of(op).replace(op.text, f"torch.nn.functional.leaky_relu({inner})", 1)
        if "relu" in op.name
        else "",
        because="The value is that of the flat op, and the gradient passes as if it were not there "
        "(a straight-through estimate)."
        if always
        else "It lets a little gradient pass where relu lets none.",
        rivals=()
        if always
        else (
            (
                f"whether other data would bring `{name}` a gradient: this is "
                "said of the numbers of this pass."
            ),
        ),
        fault=op,
        result=root,
    )


def _several(witness: Witness, tensor: Tensor) -> Diagnosis | None:
    """Is it the sum of several passes?"""
    name = witness.name(tensor, "x")
    since: list[GradEvent] = []
    for event in witness.watcher.grad_events(tensor):
        since = [*since, event] if event.kind == "backward" else []
    if len(since) < 2:
        return None
    last = since[-1].site
    code = code_at(last) if last is not None else "loss.backward()"
    brought = [formatting.array(event.added, limit=4) for event in since if event.added is not None]
    shown = " + ".join(brought[:4]) + (" + …" if len(brought) > 4 else "")
    lines = sorted({witness.where(e.site).number for e in since if e.site is not None})
    return Diagnosis(
        kind=f".grad is the sum of {len(since)} backward passes",
        happened=f"`{name}.grad` is {shown}: each backward() adds to what is there, and nothing "
        f"took it away in between ({_numbered(lines)}).",
        place=witness.where(last) if last is not None else None,
        op=last.text if last is not None else "",
        variable=name if is_name(name) else "",
        mend=f"{name}.grad = None\n{code}",
        because="Take the old gradient away before each pass; an optimizer's zero_grad() does it "
        "for all parameters.",
        tempting=f"{name}.grad / {len(since)}",
        consequence="Right only if all passes brought the same.",
        rivals=("whether the sum is meant, as for a batch that is computed in parts.",),
    )


def _numbered(lines: list[int]) -> str:
    return f"line {lines[0]}" if len(lines) == 1 else f"lines {', '.join(map(str, lines))}"


def _seeded_with_itself(witness: Witness, tensor: Tensor) -> Diagnosis | None:
    """Was the result itself given as ``gradient=``?"""
    for root, run in _passes(witness, tensor):
        same = run.seed.shape == root.shape and torch.equal(run.seed, root.detach())
        if not same or bool((run.seed == 1).all()):
            continue
        name, result = witness.name(tensor, "x"), witness.name(root, "y")
        op = witness.watcher.value(root).op
        return Diagnosis(
            kind="the result itself was given as gradient=",
            happened=f"The pass from `{result}` started with `{result}`'s own values as upstream "
            f"gradient: `{name}.grad` is the gradient of `0.5 * ({result} ** 2).sum()`.",
            place=_last_call(witness, tensor),
            op=op.text if op is not None else "",
            variable=result if is_name(result) else "",
            mend=f"{result}.backward(torch.ones_like({result}))",
            because=f"Ones give the gradient of `{result}.sum()`.",
            fault=op,
            result=root,
        )
    return None


def _as_due(witness: Witness, tensor: Tensor) -> Diagnosis:
    """Nothing is the matter."""
    name = witness.name(tensor, "x")
    events = witness.watcher.grad_events(tensor)
    last = next((e for e in reversed(events) if e.kind == "backward"), None)
    site = last.site if last is not None else None
    brought = (
        f"is what one backward pass brought (`{site.text}`), and nothing else"
        if site is not None
        else "was not filled by a recorded backward pass"
    )
    return Diagnosis(
        kind="nothing is the matter with this gradient",
        happened=f"`{name}.grad` {brought}.",
        place=witness.where(site) if site is not None else None,
        variable=name if is_name(name) else "",
        mend=f"seegrad.ledger({name})",
        because="The ledger shows what it is made of, entry by entry.",
    )


def _last_call(witness: Witness, tensor: Tensor) -> Place | None:
    """The line of the last pass that came here."""
    for event in reversed(witness.watcher.grad_events(tensor)):
        if event.kind == "backward" and event.site is not None:
            return witness.where(event.site)
    return None
