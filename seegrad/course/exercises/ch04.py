"""Exercises of chapter 4: moving a computation out of the graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from seegrad.course.draw import Draw, Formula
from seegrad.course.exercise import Exercise, Mistake, differentiated

# 4.1


def _u_held_still(x: Tensor) -> Tensor:
    leaf = x.clone().requires_grad_()
    u = (leaf**3).detach()
    (gradient,) = torch.autograd.grad((u * leaf**2).sum(), leaf)
    return gradient


BY_HAND = Exercise(
    number="4.1",
    title="The gradient that is left",
    practises="differentiating with a part held constant",
    seeds=("S21", "S22"),
    minutes=4,
    difficulty=1,
    oracle=_u_held_still,
    against="torch.autograd.grad with detach()",
    draw=lambda draw: (draw.vector(),),
    mistakes=(
        Mistake(
            "u is differentiated too",
            lambda x: 5 * x**4,
            "That is the gradient of x⁵: it counts the way through u too. detach() closed that "
            "way, so u is a constant.",
        ),
        Mistake(
            "only u is differentiated",
            lambda x: 3 * x**4,
            "That came through u, which is cut. Hold u still, and differentiate x² instead.",
        ),
        Mistake(
            "u alone",
            lambda x: x**3,
            "u is the gradient of u · x. Here u multiplies x², whose derivative is 2x.",
        ),
        Mistake(
            "u is lost",
            lambda x: 2 * x,
            "A constant factor stays in the derivative: that of u · x² is u · 2x.",
        ),
        Mistake(
            "the value",
            lambda x: x**5,
            "That is z itself. Its gradient says how z changes with x while u stays the same.",
        ),
    ),
    hints=(
        "If u were given as plain numbers, how would you differentiate u · x²?",
        "u is a constant factor, and a constant factor stays. Put its numbers in at the end.",
        "It is u · 2x, and the numbers of u are x³.",
    ),
    reason="u asks for no gradient, so z is u · x² with a constant u: the derivative is u · 2x. "
    "Only then are the numbers of u put in, which gives 2x⁴ and not 5x⁴.",
)

# 4.2


def _two_passes(x: Tensor) -> Tensor | None:
    leaf = x.clone().requires_grad_()
    y = 3 * leaf**2
    (y.detach() * leaf).sum().backward()
    y.sum().backward()
    return leaf.grad


KEEPS = Exercise(
    number="4.2",
    title="Is y still itself?",
    practises="what detach() leaves as it was",
    seeds=("S22", "S23"),
    minutes=5,
    difficulty=1,
    oracle=_two_passes,
    against="both backward passes of PyTorch's",
    draw=lambda draw: (draw.vector(),),
    mistakes=(
        Mistake(
            "y has lost its graph",
            lambda x: 3 * x**2,
            "You counted the pass from z alone. detach() changes nothing in y: from y.sum() there "
            "is still a way back to x.",
        ),
        Mistake(
            "u has kept its graph",
            lambda x: 9 * x**2 + 6 * x,
            "You let the pass from z go through u as well. u is a constant there: that pass "
            "brings u, and not 9x².",
        ),
        Mistake(
            "the second pass overwrites",
            lambda x: 6 * x,
            "Both passes came by, and nobody emptied .grad between them: what they bring adds up.",
        ),
        Mistake(
            "x is lost in the second pass",
            lambda x: 3 * x**2 + 6,
            "The derivative of 3x² is 6x, and not 6.",
        ),
        Mistake(
            "the value is added",
            lambda x: 6 * x**2,
            "The second pass brings the derivative of y, which is 6x, and not y itself.",
        ),
    ),
    hints=(
        "Take the two passes one by one. What does each of them bring to x?",
        "In the first, u is a constant factor. In the second u plays no part at all.",
        "The first brings u = 3x², the second the derivative of 3x². Add them.",
    ),
    reason="detach() returns a second tensor and leaves y alone. So the pass from z brings u, "
    "which is 3x², the pass from y brings 6x as ever, and .grad adds them.",
)

# 4.3


def _from_numbers(losses: list[Tensor]) -> float:
    return sum(float(loss) for loss in losses)


def _all_cut_in_place(losses: list[Tensor]) -> Tensor:
    return sum((loss.detach_() for loss in losses), torch.tensor(0.0))


def _a_sum(losses: list[Tensor]) -> Tensor:
    return torch.stack(losses).sum()


def _several_losses(draw: Draw) -> tuple[list[Tensor]]:
    p = draw.vector(requires_grad=True)
    return ([((p - draw.tensor(*p.shape)) ** 2).sum() for _ in range(3 + draw.turn % 3)],)


def _what_is_kept(inputs: Any, result: Any) -> dict[str, Any]:
    return {
        "result": result,
        "result.grad_fn is None": getattr(result, "grad_fn", None) is None,
        "result.requires_grad": getattr(result, "requires_grad", False),
        "losses that can go backward": sum(loss.requires_grad for loss in inputs["losses"]),
    }


REPORT = Exercise(
    number="4.3",
    title="A loss for the report",
    practises="keeping a number without keeping its graph",
    seeds=("S21", "S23"),
    minutes=4,
    difficulty=1,
    oracle=_from_numbers,
    against="the sum of the plain numbers",
    draw=_several_losses,
    observe=_what_is_kept,
    mistakes=(
        Mistake(
            "the graphs are kept",
            _a_sum,
            "The number is right, but it has a grad_fn: with it the graphs of all losses stay in "
            "memory for as long as the total does.",
        ),
        Mistake(
            "the losses are spoiled",
            _all_cut_in_place,
            "The underscore in detach_() means in place: the losses themselves are cut, and "
            "nobody can call backward() on them any more. detach() leaves them alone.",
        ),
        Mistake(
            "a new leaf",
            lambda losses: _a_sum(losses).detach().requires_grad_(),
            "The graphs are gone, and then you asked for a gradient again. The total is only to "
            "be read: leave requires_grad off.",
        ),
        Mistake(
            "switched off",
            lambda losses: _a_sum(losses).requires_grad_(False),
            "Only leaves can be switched off, and a sum of losses is computed. PyTorch names the "
            "way to go: detach().",
        ),
        Mistake(
            "the mean",
            lambda losses: _from_numbers(losses) / len(losses),
            "That is their mean. The total is asked for.",
        ),
    ),
    hints=(
        "What does the total remember, if you only add the losses up? Look at its grad_fn.",
        "Take the number out of each loss, and leave the loss as it is.",
        "Sum loss.detach(), or loss.item(), over all losses.",
    ),
    reason="A detached loss is a plain number: the sum has nothing behind it, and each graph can "
    "be freed as soon as its loss is done with. The losses themselves keep theirs.",
)

# 4.4


def _by_a_number(x: Tensor) -> Tensor:
    length = sum(element**2 for element in x.tolist()) ** 0.5
    return x / float(length)


def _not_all_equal(draw: Draw) -> tuple[Tensor]:
    x = draw.vector()
    # Of equal elements the whole gradient without a cut is zero, and rounding is all one sees.
    x[0] += 0.3 if bool((x == x[0]).all()) else 0
    return (x.requires_grad_(),)


SCALED = Exercise(
    number="4.4",
    title="Detach in the right place",
    practises="cutting one way and leaving the other open",
    seeds=("S21", "S22"),
    minutes=5,
    difficulty=1,
    oracle=_by_a_number,
    against="a division by a plain Python number",
    draw=_not_all_equal,
    observe=differentiated("x"),
    mistakes=(
        Mistake(
            "nothing is cut",
            lambda x: x / x.norm(),
            "The value is right, but a gradient still comes back through the norm. If you did "
            "call detach(): it returns a new tensor, and that one must be used.",
        ),
        Mistake(
            "the wrong one is cut",
            lambda x: x.detach() / x.norm(),
            "You cut the numerator. There x counts; the norm is what is to stand still.",
        ),
        Mistake(
            "all is cut",
            lambda x: x.detach() / x.detach().norm(),
            "Nothing leads from your result to x any more. Only the norm is to be cut.",
        ),
        Mistake(
            "a leaf of its own",
            lambda x: (x / x.norm()).detach().requires_grad_(),
            "The result asks for a gradient again, but as a leaf of its own: the way to x is gone.",
        ),
        Mistake(
            "the norm is not divided by",
            lambda x: x.detach().norm() * x,
            "You multiplied by the norm. x is to be divided by it.",
        ),
    ),
    hints=(
        "x is used twice here. Which of the two uses is to count as a constant?",
        "Compute the norm, then detach it, then divide.",
        "x / x.norm().detach(): the x above stays as it is.",
    ),
    reason="Only the norm is cut, so with s = ‖x‖ held still each element is x_i / s, and its "
    "derivative is 1/s. Without the cut, the norm would answer for a part of the gradient.",
)

# 4.5


def _writing_tells(y: Tensor, others: list[Tensor]) -> list[bool]:
    """Write into each, and look whether y has changed."""
    found = []
    with torch.no_grad():
        for other in others:
            before, kept = y.tolist(), other.clone()
            other.fill_(-99.0)
            found.append(y.tolist() != before)
            other.copy_(kept)
    return found


def _some_that_share(draw: Draw) -> tuple[Tensor, list[Tensor]]:
    y = torch.exp(draw.vector(requires_grad=True))
    # An edit, so that y's version counter is not at zero, as that of every new tensor is.
    y.detach().add_(1)
    others = [y.detach(), y.data, y.clone(), y.detach().clone(), 1 * y, y.detach()]
    draw.random.shuffle(others)
    return y, others


SHARES = Exercise(
    number="4.5",
    title="Who shares memory with y?",
    practises="telling the history of a tensor from its memory",
    seeds=("S21", "S23"),
    minutes=6,
    difficulty=2,
    oracle=_writing_tells,
    against="writing into each, and looking at y",
    draw=_some_that_share,
    mistakes=(
        Mistake(
            "the same numbers",
            lambda y, others: [torch.equal(y, other) for other in others],
            "They all hold the same numbers; a copy does, too. The question is whether it is the "
            "same memory.",
        ),
        Mistake(
            "the same object",
            lambda y, others: [other is y for other in others],
            "Each of them is a tensor of its own, and yet two tensors can look at one memory.",
        ),
        Mistake(
            "what is cut shares",
            lambda y, others: [not other.requires_grad for other in others],
            "No history does not mean shared memory: y.detach().clone() has neither.",
        ),
        Mistake(
            "what has a history shares",
            lambda y, others: [other.requires_grad for other in others],
            "A result that was computed from y, such as a clone, has memory of its own; detach() "
            "makes no copy.",
        ),
        Mistake(
            "the version counter",
            lambda y, others: [other._version == y._version for other in others],
            "The counter says who would notice an edit. `.data` shares the memory and not the "
            "counter: that is what makes it dangerous.",
        ),
    ),
    hints=(
        "Which attribute of a tensor tells where its first number lies?",
        "Two tensors share memory if their addresses are the same. Section 4.3 asks for them.",
        "Compare other.data_ptr() with y.data_ptr(), for each of the others.",
    ),
    reason="data_ptr() is the address of the first number. detach() and .data give the same "
    "numbers a second name; clone() and arithmetic put theirs elsewhere. Whether there is a "
    "history plays no part.",
)

# 4.6


def _by_numbers(params: tuple[Tensor, ...], rate: float) -> None:
    for p in params:
        assert p.grad is not None
        pairs = zip(p.tolist(), p.grad.tolist(), strict=True)
        p.data.copy_(torch.tensor([value - rate * slope for value, slope in pairs]))


@torch.no_grad()
def _stepped(params: Any, by: float) -> None:
    for p in params:
        p += by * p.grad


def _recorded(params: Any, rate: float) -> None:
    for p in params:
        p -= rate * p.grad


@torch.no_grad()
def _shrunk(params: tuple[Tensor, ...], rate: float) -> None:
    for p in params:
        p -= rate * p


def _switched_off(params: tuple[Tensor, ...], rate: float) -> None:
    _stepped(params, -rate)
    for p in params:
        p.requires_grad_(False)


def _with_gradients(draw: Draw) -> tuple[tuple[Tensor, ...], float]:
    # Copies, for a tensor that was reshaped is a view, and PyTorch's message would speak of one.
    params = [draw.tensor(size).clone().requires_grad_() for size in draw.sizes(2)]
    for p in params:
        p.grad = draw.tensor(*p.shape)
    return tuple(params), draw.choice((0.1, 0.25))


def _what_became_of_them(inputs: Any, _result: Any) -> dict[str, Any]:
    params = inputs["params"]
    return {
        "params": [p.detach() for p in params],
        "params.requires_grad": [p.requires_grad for p in params],
        "params.is_leaf": [p.is_leaf for p in params],
    }


STEP = Exercise(
    number="4.6",
    title="The step of an optimizer",
    practises="`no_grad` around an update",
    seeds=("S21",),
    minutes=8,
    difficulty=2,
    oracle=_by_numbers,
    against="the same step in plain Python numbers",
    draw=_with_gradients,
    observe=_what_became_of_them,
    edits=("params",),
    mistakes=(
        Mistake(
            "the update is recorded",
            _recorded,
            "PyTorch refuses to record a change of a leaf. The step is no part of the function "
            "that is differentiated: put it under torch.no_grad().",
        ),
        Mistake(
            "the value in place of the gradient",
            _shrunk,
            "You took off a part of p itself, which only makes it smaller. Its gradient is in "
            "p.grad.",
        ),
        Mistake(
            "only a name",
            lambda _params, _rate: None,
            "Nothing moved. p = p - … makes a new tensor and gives it the name p; the parameter "
            "itself stays. Change it in place, with -=.",
        ),
        Mistake(
            "climbs",
            _stepped,
            "You added the gradient: it points uphill. Subtract it.",
        ),
        Mistake(
            "no rate",
            lambda params, _rate: _stepped(params, -1),
            "The step is the whole gradient. Multiply it by the rate.",
        ),
        Mistake(
            "switched off",
            _switched_off,
            "The parameters moved, but requires_grad is off now: the next backward pass will not "
            "reach them. no_grad needs no such switch.",
        ),
    ),
    hints=(
        "A new tensor under the old name is not enough: whoever holds p has to see it move.",
        "Change p in place. PyTorch would record that, so tell it not to.",
        "With torch.no_grad() around the loop: for each p, p -= rate * p.grad.",
    ),
    reason="Under no_grad the change is not recorded, so the parameter stays a leaf that requires "
    "a gradient. In place it is the same tensor as before, and whoever holds it sees it move.",
)

# 4.7


def _head_by_hand(body: Tensor, head: Tensor, x: Tensor) -> None:
    body.requires_grad_(False)
    head.grad = torch.tanh(body.detach() @ x)


def _loss(body: Tensor, head: Tensor, x: Tensor) -> Tensor:
    return torch.dot(head, torch.tanh(body @ x))


def _both_learn(body: Tensor, head: Tensor, x: Tensor) -> None:
    _loss(body, head, x).backward()


def _head_frozen(body: Tensor, head: Tensor, x: Tensor) -> None:
    _loss(body, head.requires_grad_(False), x).backward()


def _this_use_only(body: Tensor, head: Tensor, x: Tensor) -> None:
    _loss(body.detach(), head, x).backward()


def _zeros_after_all(body: Tensor, head: Tensor, x: Tensor) -> None:
    _both_learn(body, head, x)
    body.grad = torch.zeros_like(body)


def _nothing_recorded(body: Tensor, head: Tensor, x: Tensor) -> None:
    with torch.no_grad():
        loss = _loss(body, head, x)
    loss.backward()


def _hidden_switched_off(body: Tensor, head: Tensor, x: Tensor) -> None:
    torch.dot(head, torch.tanh(body @ x).requires_grad_(False)).backward()


def _layers(draw: Draw) -> tuple[Tensor, Tensor, Tensor]:
    rows, columns = draw.sizes(2)
    body = draw.tensor(rows, columns, requires_grad=True)
    return body, draw.tensor(rows, requires_grad=True), draw.tensor(columns)


def _who_learned(inputs: Any, _result: Any) -> dict[str, Any]:
    body, head = inputs["body"], inputs["head"]
    return {
        "head.grad": head.grad,
        "body.grad": body.grad,
        "body.requires_grad": body.requires_grad,
    }


FROZEN = Exercise(
    number="4.7",
    title="Freeze the body, train the head",
    practises="`requires_grad_(False)` on a leaf",
    seeds=("S21",),
    minutes=7,
    difficulty=2,
    oracle=_head_by_hand,
    against="the head's gradient, derived by hand",
    draw=_layers,
    observe=_who_learned,
    mistakes=(
        Mistake(
            "both learn",
            _both_learn,
            "The body was given a gradient, too: the next step would move it.",
        ),
        Mistake(
            "the head is frozen",
            _head_frozen,
            "You froze the head. It is the one that is to learn.",
        ),
        Mistake(
            "not for good",
            _this_use_only,
            "The body has no gradient now, but it still asks for one: the next pass may fill it. "
            "detach() cuts one use, and emptying .grad undoes one pass. Switch off the leaf "
            "itself.",
        ),
        Mistake(
            "zeros in place of none",
            _zeros_after_all,
            "You computed the body's gradient and then wiped it out. A frozen leaf has None: "
            "nothing is computed for it, and the work is saved.",
        ),
        Mistake(
            "nothing is recorded",
            _nothing_recorded,
            "Under no_grad nothing is recorded, so the head learns nothing either.",
        ),
        Mistake(
            "a computed tensor is switched off",
            _hidden_switched_off,
            "Only leaves can be switched off, and that tensor was computed. Switch off the body "
            "before you use it.",
        ),
    ),
    hints=(
        "Who has to be told that the body does not learn, and before or after the loss is made?",
        "A leaf has a switch. Turn the body's off, and compute the loss as if nothing were.",
        "body.requires_grad_(False), then torch.dot(head, torch.tanh(body @ x)).backward().",
    ),
    reason="A leaf that is switched off gets nothing, wherever it is used. The loss still depends "
    "on the head, which asks for its gradient as before.",
)

# 4.8


def _only_the_prediction(w: Tensor, now: Tensor, later: Tensor, reward: float) -> Tensor:
    """The value and the slope that are wanted, as a straight line through this very w."""
    at = w.detach()
    error = torch.dot(at, now) - reward - 0.9 * torch.dot(at, later)
    return error**2 + torch.dot(w - at, 2 * error * now)


def _td(
    w: Tensor, now: Tensor, later: Tensor, reward: float, prediction: Any, target: Any
) -> Tensor:
    """The loss, with what is done to the prediction and to the target."""
    made: Tensor = (prediction(w @ now) - target(reward + 0.9 * (w @ later))) ** 2
    return made


def _as_it_is(tensor: Tensor) -> Tensor:
    return tensor


def _two_moments(draw: Draw) -> tuple[Tensor, Tensor, Tensor, float]:
    w = draw.vector(requires_grad=True)
    return w, draw.tensor(*w.shape), draw.tensor(*w.shape), draw.number(4.0, 9.0)


TARGET = Exercise(
    number="4.8",
    title="A target that stands still",
    practises="stopping the gradient of a target",
    seeds=("S21", "S22"),
    minutes=8,
    difficulty=2,
    oracle=_only_the_prediction,
    against="the gradient derived by hand",
    draw=_two_moments,
    observe=differentiated("w"),
    mistakes=(
        Mistake(
            "the target moves",
            lambda w, now, later, reward: _td(w, now, later, reward, _as_it_is, _as_it_is),
            "The value is right, but the gradient counts the target, too: the loss could be made "
            "small by moving the target. Cut all of it that depends on w.",
        ),
        Mistake(
            "the prediction is cut",
            lambda w, now, later, reward: _td(w, now, later, reward, Tensor.detach, _as_it_is),
            "You cut the prediction, and the target moves towards it. It should be the other way "
            "round.",
        ),
        Mistake(
            "all is cut",
            lambda w, now, later, reward: _td(w, now, later, reward, Tensor.detach, Tensor.detach),
            "Nothing leads from the loss to w any more: w would learn nothing. Cut the target "
            "alone.",
        ),
        Mistake(
            "a leaf of its own",
            lambda w, now, later, reward: _td(
                w, now, later, reward, Tensor.detach, Tensor.detach
            ).requires_grad_(),
            "The error message is gone, and so is the purpose: the loss is a leaf of its own now, "
            "and no gradient comes to w.",
        ),
        Mistake(
            "no discount",
            lambda w, now, later, reward: (w @ now - reward - (w @ later).detach()) ** 2,
            "The factor 0.9 in the target is missing.",
        ),
    ),
    hints=(
        "Which of the two terms is to move towards the other?",
        "Compute the target, detach it, and write the loss as usual.",
        "target = (reward + 0.9 * (w @ later)).detach(), then (w @ now - target) ** 2.",
    ),
    reason="With the target t held still the gradient is 2 (w·now − t) now: only the prediction "
    "moves. Both use the same w, so without the cut the target would move with it.",
)

# 4.9


def _last_steps_by_hand(w: Tensor, xs: Tensor, k: int) -> Tensor:
    """The last k steps written out as one polynomial in w, from a plain number."""
    first = 1.0
    for x in xs.tolist()[: len(xs) - k]:
        first = w.item() * first + x
    powers = [xs[-1 - j] * w**j for j in range(k)]
    total: Tensor = first * w**k + sum(powers)
    return total


def _walk(w: Tensor, xs: Tensor, cut: Callable[[int], bool]) -> Tensor:
    """The last state, detached before each step for which ``cut`` says so."""
    state = torch.tensor(1.0)
    for step, x in enumerate(xs):
        if cut(step):
            state = state.detach()
        state = w * state + x
    return state


_LENGTHS = ((5, 2), (8, 5), (6, 4), (7, 3), (7, 4), (8, 3))
"""How many steps, and how many of them count. The first two tell all mistakes apart, and nowhere
does k divide the length: there a cut after each k steps would be right."""


def _a_sequence(draw: Draw) -> tuple[Tensor, Tensor, int]:
    length, k = _LENGTHS[draw.turn]
    # All positive: nothing cancels, and no gradient is made of rounding alone.
    w = torch.tensor(draw.positive(0.5, 1.5), requires_grad=True)
    return w, draw.tensor(length).abs(), k


TRUNCATED = Exercise(
    number="4.9",
    title="Look back k steps, and no further",
    practises="truncated backpropagation through time",
    seeds=("S21", "S22"),
    minutes=12,
    difficulty=3,
    oracle=_last_steps_by_hand,
    against="the last k steps as a polynomial in w",
    draw=_a_sequence,
    observe=differentiated("w"),
    mistakes=(
        Mistake(
            "never forgets",
            lambda w, xs, _k: _walk(w, xs, lambda _: False),
            "The value is right, but the gradient looks back on all steps. The state is nowhere "
            "detached, or the detached one was not used.",
        ),
        Mistake(
            "the first steps are left out",
            lambda w, xs, k: _walk(w, xs[-k:], lambda _: False),
            "You took the last k steps alone, from s_0 = 1. The steps before them are to be taken, "
            "too; only their gradient is cut.",
        ),
        Mistake(
            "forgets the last k",
            lambda w, xs, k: _walk(w, xs, lambda step: step == k),
            "You detached after the first k steps. Those that count are the last k: detach when k "
            "steps are left.",
        ),
        Mistake(
            "forgets every k steps",
            lambda w, xs, k: _walk(w, xs, lambda step: step % k == 0),
            "You detached again and again, after each k steps. The last piece is shorter than k "
            "then. Detach once, when k steps are left.",
        ),
        Mistake(
            "one step too few",
            lambda w, xs, k: _walk(w, xs, lambda step: step == len(xs) - k + 1),
            "Only k − 1 steps count. Detach before the first of the last k steps, and not after "
            "it.",
        ),
        Mistake(
            "one step too many",
            lambda w, xs, k: _walk(w, xs, lambda step: step == len(xs) - k - 1),
            "k + 1 steps count: the detached state is used one step too early.",
        ),
        Mistake(
            "forgets each step",
            lambda w, xs, _k: _walk(w, xs, lambda _: True),
            "You detached before every step, so that only the last one counts.",
        ),
        Mistake(
            "all is cut",
            lambda w, xs, _k: _walk(w.detach(), xs, lambda _: False),
            "Nothing leads from the result to w any more. The last k steps are to be recorded.",
        ),
    ),
    hints=(
        "Number the steps from 0 to n − 1. Which is the first that may count?",
        "It is step n − k. Just before it the state is to become a plain number.",
        "In the loop, at its beginning: if step == len(xs) - k, state = state.detach().",
    ),
    reason="What was computed before the cut is a plain number for the rest. The last k steps are "
    "recorded as ever, and in each of them w is used once.",
)

# 4.10


def _numbers_of_one(hard: Formula, soft: Formula, x: Tensor) -> Tensor:
    """Soft plus a plain number that makes up the difference."""
    gap = torch.tensor(hard(x.detach()).tolist()) - torch.tensor(soft(x.detach()).tolist())
    return soft(x) + gap


def _through_a_hard_one(draw: Draw) -> tuple[Formula, Formula, Tensor]:
    hard = draw.choice(("x.round()", "x.sign()", "x.floor()"))
    soft = draw.choice(("2 * x.tanh()", "x.sigmoid()", "x + x**3 / 9", "3 * x.sin()"))
    return Formula(hard), Formula(soft), draw.vector(requires_grad=True)


def _values_and_slopes(inputs: Any, result: Any) -> dict[str, Any]:
    seen = differentiated("x")(inputs, result)
    if isinstance(seen.get("gradient"), Tensor):
        # Two that cancel may leave a rounding error where another spelling leaves zero.
        seen["gradient"] = seen["gradient"].round(decimals=4)
    return seen


THROUGH = Exercise(
    number="4.10",
    title="The values of one, the gradient of another",
    practises="the straight-through estimator",
    seeds=("S21", "S22"),
    minutes=10,
    difficulty=3,
    oracle=_numbers_of_one,
    against="a shift by plain numbers",
    draw=_through_a_hard_one,
    observe=_values_and_slopes,
    mistakes=(
        Mistake(
            "nothing is cut",
            lambda hard, soft, x: soft(x) + (hard(x) - soft(x)),
            "The values are right, but the gradient is flat. Where soft is added and taken off "
            "again on the record, its gradients cancel, too: detach the whole difference.",
        ),
        Mistake(
            "the roles are exchanged",
            lambda hard, soft, x: hard(x) + (soft(x) - hard(x)).detach(),
            "These are the values of soft with the gradient of hard. It should be the other way "
            "round.",
        ),
        Mistake(
            "the soft values",
            lambda hard, soft, x: soft(x),
            "The gradient is right, but the values are those of soft.",
        ),
        Mistake(
            "all is cut",
            lambda hard, soft, x: hard(x).detach(),
            "Nothing leads from your result to x any more: no gradient comes back.",
        ),
        Mistake(
            "the soft ones are counted twice",
            lambda hard, soft, x: soft(x) + hard(x).detach(),
            "The gradient is right, but the values are hard plus soft. Take the soft ones off "
            "again, where no gradient sees it.",
        ),
    ),
    hints=(
        "Begin with soft(x): its gradient is the right one. What must be added to its values?",
        "The difference hard(x) − soft(x) must be added as a constant.",
        "Return soft(x) + (hard(x) - soft(x)).detach().",
    ),
    reason="In the values soft is added and taken off again, and hard is left. For the gradient "
    "the difference is a constant, so only the first soft(x) counts.",
)

EXERCISES = (
    BY_HAND,
    KEEPS,
    REPORT,
    SCALED,
    SHARES,
    STEP,
    FROZEN,
    TARGET,
    TRUNCATED,
    THROUGH,
)
