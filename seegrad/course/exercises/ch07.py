"""Exercises of chapter 7: broken functions to repair."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from seegrad.course.draw import Draw
from seegrad.course.exercise import Exercise, Inputs, Mistake, Observe, after


def _backward(by: str) -> Observe:
    """Observe what was returned, and what ``backward()`` from its sum brings to an input's .grad.

    An error that backward raises is the learner's to see: it is what the exercise is about.
    """

    def observe(inputs: Inputs, result: Any) -> dict[str, Any]:
        if not isinstance(result, Tensor):
            return {"result": result}
        result.sum().backward()
        return {"result": result.detach(), f"{by}.grad": inputs[by].grad}

    return observe


def _samples(draw: Draw) -> tuple[Tensor, Tensor, Tensor]:
    """A leaf of weights, a matrix with a sample in each row, and their targets."""
    rows, columns = draw.sizes(2)
    w = draw.tensor(columns).clone().requires_grad_()
    return w, draw.tensor(rows, columns), draw.tensor(rows)


def _errors(w: Tensor, xs: Tensor, ts: Tensor) -> Tensor:
    return (xs @ w - ts) ** 2


# 7.1


def _a_quadratic_form(w: Tensor, xs: Tensor, ts: Tensor) -> Tensor:
    return w @ (xs.T @ xs) @ w - 2 * (ts @ xs) @ w + ts @ ts


LOST = Exercise(
    number="7.1",
    title="Nothing behind the loss",
    practises="finding where a loss loses its graph",
    seeds=("S21",),
    minutes=4,
    difficulty=1,
    oracle=_a_quadratic_form,
    against="the loss multiplied out, as a quadratic form in w",
    draw=_samples,
    observe=_backward("w"),
    mistakes=(
        Mistake(
            "a new leaf",
            lambda w, xs, ts: _errors(w, xs, ts).sum().detach().requires_grad_(),
            "backward() runs, and w.grad stays None: the way back ends at another leaf. "
            "requires_grad on the loss, or on a copy of w, makes the message go away, and the way "
            "to w is missing as before.",
        ),
        Mistake(
            "wrapped anew",
            lambda w, xs, ts: _errors(w, xs, ts).sum().detach(),
            "The loss is still without a graph. item(), float(), detach() and torch.tensor(…) "
            "all keep the number and drop its history: do without them.",
        ),
        Mistake(
            "a number",
            lambda w, xs, ts: _errors(w, xs, ts).sum().item(),
            "You return a Python number, and a number has no backward(). Keep a tensor throughout.",
        ),
        Mistake(
            "only the last sample",
            lambda w, xs, ts: _errors(w, xs, ts)[-1],
            "You return the error of the last sample. Add it to those before it.",
        ),
        Mistake(
            "the mean",
            lambda w, xs, ts: _errors(w, xs, ts).mean(),
            "The graph is there again, but you take the mean. The sum is asked for.",
        ),
    ),
    hints=(
        "Print the loss: does it show a grad_fn? Then print what is added to it in the loop.",
        "item() hands out a plain number. Whatever is computed from it has no history.",
        "Leave out item(), and return total itself without torch.tensor.",
    ),
    reason="Each error is a tensor with a grad_fn, and adding tensors is recorded. So the total "
    "leads back to w through all samples.",
)

# 7.2


def _weighted_by_hand(w: Tensor, xs: Tensor, ts: Tensor, weights: Tensor) -> None:
    w.grad = 2 * xs.T @ (weights * (xs @ w - ts)).detach()


def _backward_of(reduce: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., None]:
    """A rule that takes a number of the errors and their weights, and goes back from it."""

    def rule(w: Tensor, xs: Tensor, ts: Tensor, weights: Tensor) -> None:
        reduce(_errors(w, xs, ts), weights).backward()

    return rule


def _with_weights(draw: Draw) -> tuple[Tensor, ...]:
    w, xs, ts = _samples(draw)
    return w, xs, ts, draw.tensor(len(ts)).abs()


WEIGHTS = Exercise(
    number="7.2",
    title="A loss for each sample",
    practises="going backward from a loss that is a vector",
    seeds=("S13", "S15", "S33"),
    minutes=4,
    difficulty=1,
    oracle=_weighted_by_hand,
    against="the gradient derived by hand",
    draw=_with_weights,
    observe=after("w.grad"),
    mistakes=(
        Mistake(
            "all weigh the same",
            _backward_of(lambda losses, _: losses.sum()),
            "The message is gone, and so are the weights: sum(), or a gradient= of ones, counts "
            "every sample once.",
        ),
        Mistake(
            "the mean",
            _backward_of(lambda losses, _: losses.mean()),
            "mean() gives every sample the same weight, one over their number. Yours are given.",
        ),
        Mistake(
            "divided by their number",
            _backward_of(lambda losses, weights: (weights * losses).mean()),
            "The weights are in, but mean() then divides by the number of samples. Sum.",
        ),
        Mistake(
            "weighted by itself",
            _backward_of(lambda losses, _: (losses * losses.detach()).sum()),
            "backward(losses) weights each sample by its own error, so large errors count twice. "
            "What stands in the parentheses is the weights.",
        ),
        Mistake(
            "weighted twice",
            _backward_of(lambda losses, weights: (weights**2 * losses).sum()),
            "The weights count twice: they are in the loss, and in gradient= again. Once is "
            "enough.",
        ),
        Mistake(
            "still a vector",
            _backward_of(lambda losses, weights: weights * losses),
            "What you call backward() on is still a vector. PyTorch does not choose for you how "
            "its elements count.",
        ),
    ),
    hints=(
        "What is the one number that the gradient is wanted of?",
        "Σ aᵢ lᵢ is a product of two vectors. Either compute it, or let backward() weight.",
        "losses.backward(weights), or (weights * losses).sum().backward().",
    ),
    reason="backward(v) brings the gradient of v · losses. With the weights for v that is the "
    "weighted sum, without computing it first.",
)

# 7.3


def _gated(w: Tensor, xs: Tensor) -> Tensor:
    z = xs @ w
    return (z * (1 + torch.tanh(z / 2)) / 2).sum()


def _half_gated(cut_gate: bool, cut_z: bool) -> Callable[[Tensor, Tensor], Tensor]:
    def rule(w: Tensor, xs: Tensor) -> Tensor:
        z = xs @ w
        gate = torch.sigmoid(z.detach() if cut_gate else z)
        return ((z.detach() if cut_z else z) * gate).sum()

    return rule


def _small_samples(draw: Draw) -> tuple[Tensor, Tensor]:
    """Samples for which the gate is neither quite open nor quite shut."""
    w, xs, _ = _samples(draw)
    return w, xs / 4


NUMPY = Exercise(
    number="7.3",
    title="A detour through NumPy",
    practises="not taking the advice of an error message too quickly",
    seeds=("S21", "S22"),
    minutes=5,
    difficulty=1,
    oracle=_gated,
    against="the same gate written with tanh",
    draw=_small_samples,
    observe=_backward("w"),
    mistakes=(
        Mistake(
            "the gate is cut",
            _half_gated(cut_gate=True, cut_z=False),
            "Nothing fails any more, and the value is right. But the gate has lost its graph: "
            "detached, as the message advises, it counts as a constant, and its part of the "
            "gradient is missing.",
        ),
        Mistake(
            "only the gate is left",
            _half_gated(cut_gate=False, cut_z=True),
            "The gate has its gradient now, but the z that it multiplies is cut. Both depend on w.",
        ),
        Mistake(
            "all is cut",
            _half_gated(cut_gate=True, cut_z=True),
            "The whole loss was computed without a record, so nothing leads back to w.",
        ),
        Mistake(
            "a new leaf",
            lambda w, xs: _gated(w, xs).detach().requires_grad_(),
            "The loss is a leaf of its own: backward() runs, and w.grad stays None.",
        ),
        Mistake(
            "the gate is reversed",
            lambda w, xs: ((xs @ w) * torch.sigmoid(-(xs @ w))).sum(),
            "The exponent has the wrong sign: your gate opens where z is negative.",
        ),
        Mistake(
            "the mean",
            lambda w, xs: _gated(w, xs) / len(xs),
            "That is the mean over the samples. The sum is asked for.",
        ),
    ),
    hints=(
        "Do what the message says, and compare the gradient with one that you trust.",
        "NumPy's functions are not recorded. Which function of torch does the same?",
        "gate = torch.sigmoid(z), and no NumPy at all.",
    ),
    reason="torch.sigmoid is recorded, NumPy is not. detach() would make the message go away, and "
    "leave a gradient in which only one of the two factors counts.",
)

# 7.4


def _kept_below(x: Tensor, limit: float) -> Tensor:
    return torch.stack([limit + 0 * one if one.exp() > limit else one.exp() for one in x])


def _edited(x: Tensor, limit: float) -> Tensor:
    return torch.exp(x).clamp_(max=limit)


def _edited_in_secret(x: Tensor, limit: float) -> Tensor:
    y = torch.exp(x)
    y.data.clamp_(max=limit)
    return y


def _edited_by_a_constant(x: Tensor, limit: float) -> Tensor:
    y = torch.exp(x)
    return y + (y.clamp(max=limit) - y).detach()


def _both_signs(draw: Draw) -> tuple[Tensor, float]:
    """Numbers of which some are clipped, and some are not."""
    x = draw.vector().abs()
    places = draw.random.sample(range(len(x)), len(x) // 2)
    x[places] *= -1
    return x.requires_grad_(), draw.choice((1.2, 1.5))


EDITED = Exercise(
    number="7.4",
    title="Somebody edits what backward needs",
    practises="mending an edit in place without hiding it",
    seeds=("S11", "S21"),
    minutes=6,
    difficulty=2,
    oracle=_kept_below,
    against="one element at a time, by an `if`",
    draw=_both_signs,
    observe=_backward("x"),
    mistakes=(
        Mistake(
            "edited in secret",
            _edited_in_secret,
            "`.data` hides the edit from PyTorch, so it no longer complains, and exp multiplies "
            "by the edited values. Where y was clipped the gradient should be 0; yours is the "
            "limit.",
        ),
        Mistake(
            "still edited",
            _edited,
            "exp keeps its result for the way back, and that result is still changed. no_grad() "
            "and detach() do not help: an alias has the same memory and the same version, and a "
            "clone() made after the edit comes too late.",
        ),
        Mistake(
            "the clip does not count",
            _edited_by_a_constant,
            "The values are right, but the clip was not recorded: your gradient is eˣ "
            "everywhere. A clipped element does not move with x, so its gradient is 0.",
        ),
        Mistake(
            "clipped too early",
            lambda x, limit: x.clamp(max=limit).exp(),
            "You clip x. It is eˣ that must not exceed the limit.",
        ),
        Mistake(
            "all is cut",
            lambda x, limit: torch.exp(x).clamp(max=limit).detach(),
            "The message is gone because the whole graph is: nothing leads back to x.",
        ),
        Mistake(
            "a new leaf",
            lambda x, limit: torch.exp(x).clamp(max=limit).detach().requires_grad_(),
            "You return a leaf of its own: backward() runs, and x.grad stays None.",
        ),
    ),
    hints=(
        "The message names an op whose output was changed. What does that op keep, and why?",
        "Leave the result of exp as it is, and put the clipped values into another tensor.",
        "The underscore in clamp_ means in place. y.clamp(max=limit) returns a new tensor.",
    ),
    reason="The derivative of exp is its own result, so exp keeps it. clamp() without the "
    "underscore writes elsewhere, and is recorded: it passes 0 where it clipped.",
)

# 7.5


@torch.no_grad()
def _by_formula(w: Tensor, xs: Tensor, ts: Tensor, steps: int, rate: float) -> None:
    for _ in range(steps):
        w -= rate * 2 * xs.T @ (xs @ w - ts)


Step = Callable[[Tensor, float], Tensor]


def _loop(step: Step, empty: bool = True) -> Callable[..., None]:
    """A training loop that steps in this way; ``step`` returns what is called w afterwards."""

    def rule(w: Tensor, xs: Tensor, ts: Tensor, steps: int, rate: float) -> None:
        for _ in range(steps):
            _errors(w, xs, ts).sum().backward()
            w = step(w, rate)
            if empty:
                w.grad = None

    return rule


def _minus(w: Tensor, rate: float) -> Tensor:
    assert w.grad is not None
    return w - rate * w.grad


@torch.no_grad()
def _in_place(w: Tensor, rate: float, sign: int = -1) -> Tensor:
    assert w.grad is not None
    w += sign * rate * w.grad
    return w


def _recorded_in_place(w: Tensor, rate: float) -> Tensor:
    w -= rate * w.grad  # type: ignore[operator]  # it raises before
    return w


def _no_leaf(w: Tensor, xs: Tensor, ts: Tensor, steps: int, rate: float) -> None:
    for _ in range(steps):
        _errors(w, xs, ts).sum().backward()
        w = w - rate * w.grad  # type: ignore[operator]  # None in the second step: it raises


LOOP = Exercise(
    number="7.5",
    title="Two faults in one loop",
    practises="the update of a leaf, and the fault that has no message",
    seeds=("S06", "S21"),
    minutes=8,
    difficulty=2,
    oracle=_by_formula,
    against="the same steps with the gradient derived by hand",
    draw=lambda draw: (*_samples(draw), draw.integer(2, 4), draw.choice((0.01, 0.02))),
    observe=after("w"),
    edits=("w",),
    mistakes=(
        Mistake(
            "the gradient grows",
            _loop(_in_place, empty=False),
            "The message is gone, and there is a fault that has none: backward() adds to .grad. "
            "From the second step on you follow old gradients too. Empty it in each step.",
        ),
        Mistake(
            "still recorded",
            _loop(_recorded_in_place),
            "The update still runs on the record, and a leaf must not be changed there. It is no "
            "part of the loss: put it under torch.no_grad().",
        ),
        Mistake(
            "w is no leaf any more",
            _no_leaf,
            "w = w - … gives the name w to a computed tensor. backward() fills the .grad of "
            "leaves alone, so in the second step there is none. Change w in place.",
        ),
        Mistake(
            "w asks for nothing any more",
            _loop(lambda w, rate: _minus(w, rate).detach()),
            "Under no_grad(), w = w - … makes a tensor that requires no gradient, and gives it "
            "the name w: the second loss has no graph. Change w in place, with -=.",
        ),
        Mistake(
            "nothing moved",
            lambda _w, _xs, _ts, _steps, _rate: None,
            "The w that was given is where it was. w = … only gives the name to another tensor, "
            "and a gradient that is emptied before the step moves nothing either.",
        ),
        Mistake(
            "climbs",
            _loop(lambda w, rate: _in_place(w, rate, sign=1)),
            "You added the gradient: it points uphill. Subtract it.",
        ),
    ),
    hints=(
        "Mend what the message names. Then print w.grad in each step: is it what you expect?",
        "The update belongs under torch.no_grad(), and in place. And what empties w.grad?",
        "with torch.no_grad(): w -= rate * w.grad, and after it w.grad = None.",
    ),
    reason="Under no_grad the leaf may be changed in place, so it stays the same leaf. backward() "
    "adds to .grad, so each step begins with an empty one.",
)

# 7.6


def _forward_mode(w: Tensor, chunks: list[Tensor]) -> None:
    """Carry the derivative of the state along, and let it begin at 0 in each chunk."""
    weight = w.detach()
    state, total = torch.zeros_like(chunks[0][0]), torch.zeros(())
    for chunk in chunks:
        slope = torch.zeros_like(state)
        for x in chunk:
            before, state = state, torch.tanh(weight * state + x)
            slope = (1 - state**2) * (before + weight * slope)
        total += (2 * (state - 0.5) * slope).sum()
    w.grad = total


def _recurrent(
    between: Callable[[Tensor], Tensor],
    every_step: bool = False,
    last_only: bool = False,
    retain: bool = True,
) -> Callable[..., None]:
    """A rule that does this to the state between two chunks, or after every step."""

    def rule(w: Tensor, chunks: list[Tensor]) -> None:
        state = torch.zeros_like(chunks[0][0])
        for number, chunk in enumerate(chunks, start=1):
            for x in chunk:
                state = torch.tanh(w * (state.detach() if every_step else state) + x)
            if number == len(chunks) or not last_only:
                ((state - 0.5) ** 2).sum().backward(retain_graph=retain)
            state = between(state)

    return rule


def _sequences(draw: Draw) -> tuple[Tensor, list[Tensor]]:
    width, *lengths = draw.sizes(3 + draw.turn % 2)
    # Small, for tanh is flat far out, and no gradient comes back from there.
    chunks = [draw.tensor(length, width) / 4 for length in lengths]
    return torch.tensor(draw.number(0.8, 1.5), requires_grad=True), chunks


HIDDEN = Exercise(
    number="7.6",
    title="A state that drags its graph along",
    practises="cutting a carried state instead of keeping graphs alive",
    seeds=("S21", "S22", "S24"),
    minutes=8,
    difficulty=2,
    oracle=_forward_mode,
    against="the derivative of the state carried forward by hand",
    draw=_sequences,
    observe=after("w.grad"),
    mistakes=(
        Mistake(
            "every graph is kept",
            _recurrent(lambda state: state),
            "Your gradient looks back through all chunks to the first. That is what "
            "retain_graph=True does, and one loss for all at the end too: no message, but "
            "memory and time that grow with every chunk. Here each looks back on its own.",
        ),
        Mistake(
            "the cut is lost",
            _recurrent(lambda state: state, retain=False),
            "The state still leads into the graph of the last chunk, which is freed. If you did "
            "call detach(): it returns a new tensor, and that one must be carried on.",
        ),
        Mistake(
            "the state is forgotten",
            _recurrent(torch.zeros_like),
            "Each chunk begins at zero again, so what the net had read is lost. Keep the state's "
            "numbers; it is only its graph that has to go.",
        ),
        Mistake(
            "cut in every step",
            _recurrent(torch.detach, every_step=True),
            "You cut after every step, so the gradient looks back on one step alone. Cut between "
            "two chunks.",
        ),
        Mistake(
            "only the last chunk",
            _recurrent(torch.detach, last_only=True),
            "w.grad holds the gradient of the last chunk's loss. Call backward() for each chunk, "
            "and let the gradients add up.",
        ),
    ),
    hints=(
        "The second backward() entered a graph that the first one freed. What led it there?",
        "The state comes from the chunk before. The next needs its numbers, and not its history.",
        "After backward(): state = state.detach().",
    ),
    reason="A detached state has the same numbers and no history. So each backward() walks its "
    "own chunk, which can be freed, and .grad adds up what they bring.",
)

# 7.7


def _lengths(rows: Tensor) -> Tensor:
    lengths: Tensor = torch.linalg.vector_norm(rows, dim=1)
    return lengths


def _roots_edited(rows: Tensor) -> Tensor:
    return rows.pow(2).sum(1).sqrt().mul_(1)


def _with_a_row_of_zeros(draw: Draw) -> tuple[Tensor]:
    rows = draw.tensor(*draw.sizes(2))
    rows[draw.integer(0, len(rows) - 1)] = 0
    return (rows.requires_grad_(),)


NORM = Exercise(
    number="7.7",
    title="The length of nothing",
    practises="a gradient where the derivative is infinite",
    seeds=("S11", "S24"),
    minutes=7,
    difficulty=2,
    oracle=_lengths,
    against="torch.linalg.vector_norm, whose gradient at zero is 0",
    draw=_with_a_row_of_zeros,
    observe=_backward("rows"),
    mistakes=(
        Mistake(
            "NaN in the gradient",
            lambda rows: rows.pow(2).sum(1).sqrt(),
            "The values are right, and the gradient of the row of zeros is NaN. The root has an "
            "infinite slope at 0, and 0 times infinity is NaN. What you do after the root comes "
            "too late: keep the 0 out of it.",
        ),
        Mistake(
            "rows are left out",
            lambda rows: rows[rows.pow(2).sum(1) > 0].pow(2).sum(1).sqrt(),
            "The row of zeros is gone from the result. Its length is 0, and it has a place.",
        ),
        Mistake(
            "all is cut",
            lambda rows: rows.pow(2).sum(1).sqrt().detach(),
            "No NaN, and no gradient either: nothing leads back to the rows.",
        ),
        Mistake(
            "the root is edited",
            _roots_edited,
            "sqrt keeps its result for the way back, and you changed that result in place. What "
            "you do after the root comes too late in any case: keep the 0 out of it.",
        ),
        Mistake(
            "another length",
            lambda rows: rows.abs().sum(1),
            "The sum of absolute values has no NaN, but it is another length. Keep the root.",
        ),
        Mistake(
            "the square",
            lambda rows: rows.pow(2).sum(1),
            "Without the root there is no NaN, but that is the square of the length.",
        ),
    ),
    hints=(
        "What is the slope of the root at 0, and what comes out of that times 0?",
        "Give the root something else than 0 in that row, and put the 0 back after it.",
        "safe = torch.where(squares > 0, squares, 1), and safe.sqrt() inside another where().",
    ),
    reason="In the row of zeros the root gets a 1, where its slope is finite. The outer choice "
    "brings the 0 back and passes no gradient to that row.",
)

# 7.8


def _one_by_one(totals: Tensor, counts: Tensor) -> Tensor:
    pairs = zip(totals, counts.tolist(), strict=True)
    return torch.stack([total / count if count else 0 * total for total, count in pairs])


def _chosen_after(totals: Tensor, counts: Tensor) -> Tensor:
    return torch.where(counts > 0, totals / counts, 0.0)


def _overwritten(totals: Tensor, counts: Tensor) -> Tensor:
    means = totals / counts
    means.data[counts == 0] = 0
    return means


def _some_empty(draw: Draw) -> tuple[Tensor, Tensor]:
    totals = draw.vector()
    counts = torch.tensor([float(draw.integer(2, 9)) for _ in totals])
    empty = draw.random.sample(range(len(totals)), max(1, len(totals) // 3))
    totals[empty], counts[empty] = 0, 0
    return totals.requires_grad_(), counts


EMPTY = Exercise(
    number="7.8",
    title="A class without samples",
    practises="the side of `where` that was not taken",
    seeds=("S11", "S24"),
    minutes=8,
    difficulty=2,
    oracle=_one_by_one,
    against="one class at a time, by an `if`",
    draw=_some_empty,
    observe=_backward("totals"),
    mistakes=(
        Mistake(
            "NaN in the gradient",
            _chosen_after,
            "The values are right, and the gradient of an empty class is NaN. where() and "
            "nan_to_num() pass a 0 to the side that was not taken, and the division by 0 makes "
            "0 / 0 of it. Mend the division, not its result.",
        ),
        Mistake(
            "the numbers are mended",
            _overwritten,
            "`.data` mended the numbers alone. The graph still holds the division by 0, and the "
            "gradient of an empty class is infinite.",
        ),
        Mistake(
            "an empty class learns",
            lambda totals, counts: totals / counts.clamp(min=1),
            "Values and gradients are finite, but an empty class gets a gradient of 1. It has no "
            "samples, so its total must get 0.",
        ),
        Mistake(
            "a tiny count",
            lambda totals, counts: totals / (counts + 1e-8),
            "The value looks right since 0 / 1e-8 is 0, but the gradient there is 1 / 1e-8, a "
            "hundred million. One step, and the weights are lost.",
        ),
        Mistake(
            "classes are left out",
            lambda totals, counts: totals[counts > 0] / counts[counts > 0],
            "The empty classes are gone from the result. Each keeps its place, with a 0.",
        ),
        Mistake(
            "all is cut",
            lambda totals, counts: _chosen_after(totals, counts).detach(),
            "No NaN, and no gradient either: nothing leads back to the totals.",
        ),
    ),
    hints=(
        "where() needs both sides, for every class. What does the division do in an empty one?",
        "Choose the number to divide by first, so that it is never 0; then choose the result.",
        "safe = torch.where(counts > 0, counts, 1), and totals / safe inside the other where().",
    ),
    reason="The division never meets a 0, so its local derivative is finite. The outer where() "
    "then passes a 0 to the empty classes, and 0 times something finite is 0.",
)

# 7.9


def _by_pytorch(X: Tensor, w: Tensor, scale: float, upstream: Tensor) -> tuple[Any, ...]:
    matrix, vector = X.clone().requires_grad_(), w.clone().requires_grad_()
    return *torch.autograd.grad(scale * (matrix @ vector), (matrix, vector), upstream), None


def _passed_on(inputs: Inputs, result: Any) -> dict[str, Any]:
    """Let PyTorch take what the learner's rule returned: what does it say, and what arrives?"""

    class Scaled(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, X: Tensor, w: Tensor, scale: float) -> Tensor:
            return scale * (X @ w)

        @staticmethod
        def backward(ctx: Any, upstream: Tensor) -> Any:
            return result

    X, w = (inputs[name].clone().requires_grad_() for name in ("X", "w"))
    apply: Any = Scaled.apply
    try:
        apply(X, w, inputs["scale"]).backward(inputs["upstream"])
    except (RuntimeError, TypeError) as error:
        return {"PyTorch says": str(error)}
    return {"PyTorch says": "nothing", "X.grad": X.grad, "w.grad": w.grad}


def _a_layer(draw: Draw) -> tuple[Tensor, Tensor, float, Tensor]:
    rows, columns = draw.sizes(2)
    scale = draw.positive(1.5, 4.0)
    return draw.tensor(rows, columns), draw.tensor(columns), scale, draw.tensor(rows)


OWN = Exercise(
    number="7.9",
    title="The backward of your own Function",
    practises="the number, the order and the shapes of what backward returns",
    seeds=("S11", "S15"),
    minutes=12,
    difficulty=3,
    oracle=_by_pytorch,
    against="PyTorch's own gradients of scale · (X @ w)",
    draw=_a_layer,
    observe=_passed_on,
    mistakes=(
        Mistake(
            "one gradient for three inputs",
            lambda X, w, scale, upstream: scale * torch.outer(upstream, w),
            "forward has three inputs, so backward returns three things, one for each. You "
            "returned the gradient of X alone.",
        ),
        Mistake(
            "two gradients for three inputs",
            lambda X, w, scale, upstream: _by_pytorch(X, w, scale, upstream)[:2],
            "scale is an input of forward too. It has no gradient, but it has a place: None.",
        ),
        Mistake(
            "a gradient for a number",
            lambda X, w, scale, upstream: (
                *_by_pytorch(X, w, scale, upstream)[:2],
                upstream @ (X @ w),
            ),
            "scale is a Python number. It has no .grad that could take a gradient; return None.",
        ),
        Mistake(
            "in another order",
            lambda X, w, scale, upstream: (
                *reversed(_by_pytorch(X, w, scale, upstream)[:2]),
                None,
            ),
            "Both gradients are right, and each stands in the other's place. Their order is that "
            "of forward's inputs: X, w, scale.",
        ),
        Mistake(
            "upstream is lost",
            lambda X, w, scale, upstream: _by_pytorch(X, w, scale, torch.ones_like(upstream)),
            "The number and the shapes fit, so PyTorch says nothing. But upstream is not in them: "
            "backward multiplies it by the local Jacobian.",
        ),
        Mistake(
            "scale is lost",
            lambda X, w, scale, upstream: _by_pytorch(X, w, 1.0, upstream),
            "The number and the shapes fit, so PyTorch says nothing. But the factor scale is "
            "missing: it multiplies both gradients.",
        ),
        Mistake(
            "w gets nothing",
            lambda X, w, scale, upstream: (scale * torch.outer(upstream, w), None, None),
            "PyTorch takes None for an input without a gradient, and says nothing. But w requires "
            "one, and its .grad stays None.",
        ),
    ),
    hints=(
        "Count the arguments of forward without ctx. What belongs to each of them?",
        "The gradient of X has the shape of X, that of w the shape of w; scale gets None.",
        "scale * torch.outer(upstream, w), scale * (upstream @ X), None.",
    ),
    reason="yᵢ = scale · Σⱼ Xᵢⱼ wⱼ. So Xᵢⱼ gets upstreamᵢ · scale · wⱼ, and wⱼ gets "
    "Σᵢ upstreamᵢ · scale · Xᵢⱼ. A Python number takes no gradient, and None holds its place.",
)

# 7.10


def _slope_by_hand(W: Tensor, x: Tensor) -> Tensor:
    return (1 - torch.tanh(W @ x) ** 2) @ W


def _score(W: Tensor, x: Tensor) -> Tensor:
    return torch.tanh(W @ x).sum()


def _after_a_backward(W: Tensor, x: Tensor) -> Tensor:
    _score(W, x).backward(create_graph=True)
    assert x.grad is not None
    return (x.grad**2).sum()


def _slope_by_weights(W: Tensor, x: Tensor) -> Tensor:
    (slope,) = torch.autograd.grad(_score(W, x), W, create_graph=True)
    return (slope**2).sum()


def _a_critic(draw: Draw) -> tuple[Tensor, Tensor]:
    rows, columns = draw.sizes(2)
    W = draw.tensor(rows, columns) / 4
    return W.requires_grad_(), (draw.tensor(columns) / 4).requires_grad_()


PENALTY = Exercise(
    number="7.10",
    title="A penalty on the gradient",
    practises="differentiating a gradient, with `create_graph`",
    seeds=("S11", "S21"),
    minutes=10,
    difficulty=3,
    oracle=lambda W, x: (_slope_by_hand(W, x) ** 2).sum(),
    against="the slope derived by hand",
    draw=_a_critic,
    observe=_backward("W"),
    mistakes=(
        Mistake(
            "the slope has no graph",
            lambda W, x: (_slope_by_hand(W, x).detach() ** 2).sum(),
            "The slope came out as plain numbers. retain_graph=True keeps the graph of the score; "
            "it is create_graph=True that records how the slope is computed.",
        ),
        Mistake(
            "a new leaf",
            lambda W, x: (_slope_by_hand(W, x).detach() ** 2).sum().requires_grad_(),
            "You asked for a gradient after the way back was lost: backward() runs, and W.grad "
            "stays None. The slope itself must be recorded.",
        ),
        Mistake(
            "W has something already",
            _after_a_backward,
            "The penalty is right, but backward(create_graph=True) has filled W.grad with the "
            "gradient of the score, and that of the penalty comes on top. "
            "torch.autograd.grad hands the slope out and touches no .grad.",
        ),
        Mistake(
            "one factor is cut",
            lambda W, x: (_slope_by_hand(W, x).detach() * _slope_by_hand(W, x)).sum(),
            "The value is right, and the gradient is half of what it should be: in slope · slope "
            "you cut one of the two.",
        ),
        Mistake(
            "the slope by W",
            _slope_by_weights,
            "That is the slope with respect to W. The penalty is on the slope with respect to x; "
            "W comes in when the penalty is differentiated.",
        ),
        Mistake(
            "without the square",
            lambda W, x: _slope_by_hand(W, x).norm(),
            "That is the length of the slope. The penalty is its square.",
        ),
    ),
    hints=(
        "Print slope. Does it have a grad_fn?",
        "By default a gradient is handed out as numbers. Which option has it recorded?",
        "torch.autograd.grad(score, x, create_graph=True); nothing else changes.",
    ),
    reason="With create_graph=True the backward pass is recorded like any other computation. So "
    "the slope depends on W, and the penalty can be differentiated with respect to it.",
)

EXERCISES = (LOST, WEIGHTS, NUMPY, EDITED, LOOP, HIDDEN, NORM, EMPTY, OWN, PENALTY)
