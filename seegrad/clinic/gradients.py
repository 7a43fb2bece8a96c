"""What is the matter with this tensor's gradient: None, zero, NaN, a sum of several, or missing."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from seegrad import formatting
from seegrad.backward import Pass, Step, remembered
from seegrad.clinic import nans
from seegrad.clinic.cuts import Cut, cut_at, cuts
from seegrad.clinic.diagnosis import Diagnosis, Place
from seegrad.clinic.edits import rebinding
from seegrad.clinic.incident import Witness, assigned, code_at, is_name
from seegrad.clinic.lost import at_cut, how_lost, of_a_number, read_as_number
from seegrad.clinic.saved import saves_its_input, saves_its_result
from seegrad.recording import GradEvent, Op, Value, unrecorded


@unrecorded
def about(witness: Witness, tensor: Tensor) -> Diagnosis:
    """What should its owner know about this tensor's gradient? The most surprising thing first."""
    if not tensor.requires_grad:
        return how_lost(witness, tensor)
    if (wrapped := _wrapped_anew(witness, tensor)) is not None:
        return wrapped
    if not tensor.is_leaf and not tensor.retains_grad:
        return _of_a_result(witness, tensor)
    grad = tensor.grad
    if grad is None:
        return why_none(witness, tensor)
    if not bool(grad.isfinite().all()):
        return _not_finite(witness, tensor, grad)
    if (edit := _edited_through_data(witness, tensor)) is not None:
        return edit
    if not bool(grad.count_nonzero()):
        return _zero(witness, tensor)
    return (
        _several(witness, tensor)
        or _seeded_with_itself(witness, tensor)
        or _as_due(witness, tensor)
    )


# No .grad


def why_none(witness: Witness, tensor: Tensor, raised: Place | None = None) -> Diagnosis:
    """Why is there nothing in ``.grad``?"""
    if not tensor.requires_grad:
        return how_lost(witness, tensor, raised)
    if not tensor.is_leaf:
        return _of_a_result(witness, tensor, raised)
    name = witness.name(tensor, "x")
    events = witness.watcher.grad_events(tensor)
    if events and events[-1].kind == "None":
        return _taken_away(witness, name, events, raised)
    value = witness.watcher.value(tensor)
    used = list(_descendants(witness, value))
    lost = _cut_below(witness, used)
    if lost is not None:
        return at_cut(witness, [lost], "the result", raised)
    asked = next((op for op in reversed(used) if op.function is torch.autograd.grad), None)
    if asked is not None:
        return _given_not_stored(witness, name, asked, raised)
    if not used:
        return _not_used(witness, tensor, name, raised)
    last = used[-1]
    return Diagnosis(
        kind=".grad is None: no backward pass has come here",
        happened=f"`{name}` is a leaf and was used, last in `{last.text}`; but no recorded "
        f"backward() started from a result computed from it, and only that fills `{name}.grad`.",
        place=witness.of_op(last),
        raised=raised,
        op=last.text,
        variable=name if is_name(name) else "",
        mend=f"{assigned(last) or 'loss'}.backward()",
        because="A backward pass adds to `.grad`; until the first, it is None.",
        tempting=f"{name}.grad = torch.zeros_like({name})",
        consequence="The error goes, and the gradient is zero: nothing is learned.",
        fault=last,
    )


def _of_a_result(witness: Witness, tensor: Tensor, raised: Place | None = None) -> Diagnosis:
    value, name = witness.watcher.value(tensor), witness.name(tensor, "y")
    op = value.op
    statement = code_at(op.site) if op is not None and op.site is not None else ""
    written = op.text if op is not None else "a computation"
    hidden = _hidden_leaf(witness, value, name)
    if hidden is not None:
        kind, happened, mend, because = hidden
    else:
        kind = ".grad of a result is not kept"
        happened = (
            f"`{name}` is no leaf but the result of `{written}`: its gradient is computed, sent on "
            "and let go; only leaves keep one."
        )
        mend = f"{statement}\n{name}.retain_grad()" if statement else f"{name}.retain_grad()"
        because = "Say so before the backward pass, and this result keeps its gradient too."
    return Diagnosis(
        kind=kind,
        happened=happened,
        place=witness.of_op(op) or raised,
        raised=raised,
        op=op.text if op is not None else "",
        variable=name if is_name(name) else "",
        mend=mend,
        because=because,
        tempting=f"{name}.requires_grad_()",
        consequence="It changes nothing: a result requires a gradient already, and is still no "
        "leaf.",
        fault=op,
        result=tensor,
    )


def _hidden_leaf(witness: Witness, value: Value, name: str) -> tuple[str, str, str, str] | None:
    """Is the leaf a tensor that has lost its name to this result?"""
    op = value.op
    if op is None or op.site is None or assigned_to(op) != name:
        return None
    statement = code_at(op.site)
    for given in op.inputs:
        tensor = given.tensor
        if not given.leaf or (tensor is not None and id(tensor) in witness.names):
            continue
        made = given.op
        if (made is not None and made.site is op.site) or (
            made is not None and made.text in statement
        ):
            plain = statement.partition(" = ")[2].replace(", requires_grad=True", "")
            return (
                f"{name} is a result, not the leaf",
                (
                    f"`{made.text}` made a leaf, and `{op.text}` a result from it; `{name}` "
                    "names the result, and the leaf, where the gradient goes, has no name."
                ),
                f"{name} = ({plain}).requires_grad_()",
                "Compute first, then ask for the gradient: what has the name is then the leaf.",
            )
        for short, long in ((f"{name} - ", f"{name} -= "), (f"{name} + ", f"{name} += ")):
            right = statement.partition(" = ")[2]
            if right.startswith(short):
                return (
                    f"{name} was bound to a new tensor",
                    (
                        f"`{statement}` makes a new tensor and gives it the name `{name}`: a "
                        "result, "
                        "not the leaf that had the name before."
                    ),
                    f"with torch.no_grad():\n    {right.replace(short, long, 1)}",
                    f"This changes the tensor that `{name}` is, which stays a leaf.",
                )
    return None


def assigned_to(op: Op) -> str:
    """The name that the op's whole statement assigns to; "" if it does not."""
    name, equals, _ = code_at(op.site).partition(" = ") if op.site is not None else ("", "", "")
    return name if equals and is_name(name) else ""


def _taken_away(
    witness: Witness, name: str, events: list[GradEvent], raised: Place | None
) -> Diagnosis:
    event = events[-1]
    place = witness.where(event.site) if event.site is not None else None
    code = code_at(event.site) if event.site is not None else f"{name}.grad = None"
    before = [e for e in events if e.kind == "backward"]
    last = before[-1].site if before else None
    brought = f", which `{code_at(last)}` had filled" if last is not None else ""
    return Diagnosis(
        kind=".grad was set to None",
        happened=f"`{code}` set `{name}.grad` to None{brought}; no backward pass has come since.",
        place=place,
        raised=raised,
        op=code,
        variable=name if is_name(name) else "",
        mend=f"{code}\n{code_at(last) if last is not None else 'loss.backward()'}\n"
        f"print({name}.grad)",
        because="First take the old gradient away, then backward, then look: in that order.",
        fault=None,
    )


def _given_not_stored(witness: Witness, name: str, asked: Op, raised: Place | None) -> Diagnosis:
    return Diagnosis(
        kind="torch.autograd.grad returns gradients and stores none",
        happened=f"`{asked.text}` computed the gradient of `{name}` and returned it; only "
        f"backward() adds to `{name}.grad`.",
        place=witness.of_op(asked),
        raised=raised,
        op=asked.text,
        variable=name if is_name(name) else "",
        mend=code_at(asked.site) if asked.site is not None else asked.text,
        because="Use what this call returns; or call backward() where `.grad` is wanted.",
        fault=asked,
    )


def _not_used(witness: Witness, tensor: Tensor, name: str, raised: Place | None) -> Diagnosis:
    op = witness.watcher.value(tensor).op
    return Diagnosis(
        kind=".grad is None: nothing was computed from it",
        happened=f"No recorded op that is still to be seen was given `{name}`, so no gradient can "
        "come back to it.",
        place=witness.of_op(op) or raised,
        raised=raised,
        op=op.text if op is not None else "",
        variable=name if is_name(name) else "",
        mend=f"loss = …  # computed from {name}\nloss.backward()",
        because="A gradient comes back along what was computed.",
        rivals=(
            (
                f"whether an earlier tensor of the name `{name}` was used in its place: compare "
                f"`id({name})` before and after."
            ),
        ),
        fault=op,
    )


def _descendants(witness: Witness, value: Value) -> Iterator[Op]:
    """The recorded ops that were given a tensor, or what was computed from it, as they ran."""
    found: set[Op] = set()
    for op in witness.watcher.ops():
        if any(given == value or given.op in found for given in op.inputs):
            found.add(op)
            yield op


def _cut_below(witness: Witness, used: list[Op]) -> Cut | None:
    """The last of these ops at which every gradient was lost."""
    made = {value.op: value for value in _values(witness)}
    for op in reversed(used):
        value = made.get(op)
        if op.changed or op.function is torch.autograd.grad or value is None:
            continue
        if (value.leaf or not value.requires_grad) and (cut := cut_at(op)) is not None:
            return cut
    return None


def _values(witness: Witness) -> Iterator[Value]:
    for op in witness.watcher.ops():
        yield from op.inputs
    yield from map(witness.watcher.value, witness.watcher.tensors())


# A leaf that should be a result


def _wrapped_anew(witness: Witness, tensor: Tensor) -> Diagnosis | None:
    """Was it made to require a gradient though it was cut off from what it came from?"""
    value = witness.watcher.value(tensor)
    op = value.op
    if (
        not tensor.is_leaf
        or op is None
        or op.changed
        or op.name in ("detach", "clone", "Parameter")
    ):
        return None
    name = witness.name(tensor, "loss")
    cut, read = cut_at(op), read_as_number(witness, value)
    if cut is not None and cut.cause != "no_grad":
        found = at_cut(witness, [cut], name, None)
    elif (inner := next(iter(cuts(value)), None)) is not None and inner.cause != "no_grad":
        found = at_cut(witness, [inner], name, None)
    elif read is not None:
        found = of_a_number(witness, *read, name, None)
    else:
        return None
    return _as_a_leaf(found, name)


def _as_a_leaf(found: Diagnosis, name: str) -> Diagnosis:
    from dataclasses import replace

    return replace(
        found,
        kind="a result that was made a leaf of its own",
        happened=f"`{name}` requires a gradient, but is a leaf: backward() from it reaches only "
        f"itself. {found.happened}",
        tempting=f"{name}.requires_grad = True",
    )


# What .grad holds


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
        mend=_code(op).replace(op.text, f"{inner} + ({op.text} - {inner}).detach()", 1)
        if always
        else _code(op).replace(op.text, f"torch.nn.functional.leaky_relu({inner})", 1)
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


def _edited_through_data(witness: Witness, tensor: Tensor) -> Diagnosis | None:
    """Were its numbers, or some on the way to it, changed unseen between use and backward?"""
    value, name = witness.watcher.value(tensor), witness.name(tensor, "x")
    ops = witness.watcher.ops()
    events = [e for e in witness.watcher.grad_events(tensor) if e.kind == "backward"]
    if not events:
        return None
    for edit in ops:
        shared = next(
            (v.op for v in edit.changed if v.op is not None and v.op.name == "data"), None
        )
        if shared is None or edit.number > events[-1].number:
            continue
        before = shared.inputs[0]
        user = next(
            (
                op
                for op in ops
                if op.number < edit.number
                and before in op.inputs
                and op.name not in ("data", "detach")
                and saves_its_input(op, before)
            ),
            None,
        )
        if user is None and _result_is_saved(before):
            user = before.op
        if user is None or not _reaches(before, value):
            continue
        changed = witness.value_name(before, name)
        plain = _code(edit).replace(".data", "", 1)
        how = "made and saved" if user == before.op else "used"
        return Diagnosis(
            kind="a value was changed through .data before backward()",
            happened=f"`{user.text}` {how} `{changed}`; then `{_code(edit)}` changed it through "
            ".data, which autograd is not told of: the pass computed with the new numbers, so "
            f"`{name}.grad` is not the gradient of what ran.",
            place=witness.of_op(edit),
            op=_code(edit),
            variable=changed if is_name(changed) else "",
            mend=rebinding(plain) or plain
            if before.leaf is False
            else f"with torch.no_grad():\n    {plain}",
            because="A new tensor: what was saved stays as it was."
            if before.leaf is False and rebinding(plain)
            else "After the backward pass it is an update; before it, PyTorch then says so.",
            fault=user,
        )
    return None


@unrecorded
def _result_is_saved(value: Value) -> bool:
    """Did the op that made it save it for its backward pass?"""
    node = value.tensor.grad_fn if value.tensor is not None else None
    return node is not None and saves_its_result(node)


def _reaches(before: Value, value: Value) -> bool:
    """Are the two one tensor, or is one computed from the other?"""
    if before.tensor is not None and before.tensor is value.tensor:
        return True
    values, seen = [before], {before}
    for each in values:
        if each == value or (each.tensor is not None and each.tensor is value.tensor):
            return True
        inner = each.op.inputs if each.op is not None else ()
        values += [given for given in inner if given not in seen]
        seen.update(inner)
    return False


def _code(op: Op) -> str:
    return code_at(op.site) if op.site is not None else op.text


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
