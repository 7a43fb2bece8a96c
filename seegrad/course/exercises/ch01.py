"""Exercises of chapter 1: a gradient, and where PyTorch keeps it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from seegrad.course.draw import Draw, Formula
from seegrad.course.exercise import Exercise, Mistake, after, differentiated

# 1.1


def _by_autograd(x: Tensor) -> Tensor:
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(3 * torch.dot(leaf, leaf) + leaf.sum(), leaf)
    return gradient


BY_HAND = Exercise(
    number="1.1",
    title="A gradient by hand",
    practises="deriving a gradient element by element",
    seeds=("S04", "S05"),
    minutes=3,
    difficulty=1,
    oracle=_by_autograd,
    against="torch.autograd.grad",
    draw=lambda draw: (draw.vector(),),
    mistakes=(
        Mistake(
            "the value",
            lambda x: 3 * torch.dot(x, x) + x.sum(),
            "That is y itself. Its gradient says how y changes with each element of x.",
        ),
        Mistake(
            "the linear term is lost",
            lambda x: 6 * x,
            "The derivative of the sum is missing: each element counts once in it, so it adds 1.",
        ),
        Mistake(
            "the power is not brought down",
            lambda x: 3 * x + 1,
            "The derivative of a square is twice its base: the dot product holds each x_i twice.",
        ),
        Mistake(
            "summed",
            lambda x: (6 * x + 1).sum(),
            "You added the derivatives up. Each element of x has one of its own: keep them apart.",
        ),
        Mistake(
            "the linear term keeps its x",
            lambda x: 7 * x,
            "The derivative of x_i with respect to x_i is 1, and not x_i.",
        ),
    ),
    hints=(
        "Write y out for a vector of two elements. Which terms hold x_0?",
        "Only 3 x_i^2 and x_i hold x_i. Differentiate these two, and leave the others alone.",
        (
            "The derivative with respect to x_i is 3 · 2 x_i + 1. Now write that for the whole "
            "vector at once."
        ),
    ),
    reason="By x_i only 3 x_i^2 + x_i matters, and its derivative is 6 x_i + 1. The same rule "
    "holds for each element, so one expression on the whole vector says them all.",
)

# 1.2


def _ready(numbers: list[int]) -> Tensor:
    return torch.tensor([float(number) for number in numbers], requires_grad=True)


def _what_autograd_needs(_inputs: Any, made: Any) -> dict[str, Any]:
    if not isinstance(made, Tensor):
        return {"result": made}
    return {
        "result": made,
        "result.requires_grad": made.requires_grad,
        "result.is_leaf": made.is_leaf,
        "result.is_floating_point()": made.is_floating_point(),
    }


READY = Exercise(
    number="1.2",
    title="Numbers that are ready for derivatives",
    practises="`requires_grad`, floating dtypes and leaves",
    seeds=("S02", "S03"),
    minutes=4,
    difficulty=1,
    oracle=_ready,
    against="a leaf of floats made at once",
    draw=lambda draw: ([draw.integer(-9, 9) for _ in range(draw.sizes(1)[0])],),
    observe=_what_autograd_needs,
    mistakes=(
        Mistake(
            "integers",
            lambda numbers: torch.tensor(numbers, requires_grad=True),
            "Without a dot or a dtype the numbers become integers, and integers have no slope.",
        ),
        Mistake(
            "not watched",
            lambda numbers: torch.tensor(numbers).float(),
            "The numbers are floats, but nobody asked for their derivatives: requires_grad is "
            "False.",
        ),
        Mistake(
            "computed, so no leaf",
            lambda numbers: torch.tensor(numbers, dtype=torch.float32, requires_grad=True) * 1,
            "An operation came after requires_grad, so its result is no leaf: PyTorch would store "
            "the gradient in the tensor before it. Convert first, then ask for derivatives.",
        ),
        Mistake(
            "integers left as they are",
            lambda numbers: torch.tensor(numbers),
            "These are integers, and nobody asked for their derivatives.",
        ),
    ),
    hints=(
        "Three things are asked: floats, requires_grad, and being a leaf. Print all three.",
        "No recorded operation makes a leaf. So what comes first, floats or requires_grad?",
        "torch.tensor takes both dtype= and requires_grad=.",
    ),
    reason="Only floats have derivatives, and only a leaf keeps them. When both are said as the "
    "tensor is made, no operation stands between the leaf and you.",
)

# 1.3


def _gradient_at(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    gradient: Tensor = torch.func.grad(f)(x)
    return gradient


def _without_requires_grad(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor | None:
    f(x).backward()
    return x.grad


def _without_backward(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor | None:
    f(x.requires_grad_())
    return x.grad


def _passed_to_backward(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor | None:
    y = f(x.requires_grad_())
    y.backward(y)
    return x.grad


def _of_ones(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return _gradient_at(f, torch.ones_like(x))


_FUNCTIONS = ("(x**3).sum()", "torch.dot(x, x) / 2", "x.exp().sum()", "(x * x.sin()).sum()")

BY_PYTORCH = Exercise(
    number="1.3",
    title="The gradient of any function",
    practises="`requires_grad`, `backward()` and `.grad` in their order",
    seeds=("S03", "S04"),
    minutes=5,
    difficulty=1,
    oracle=_gradient_at,
    against="torch.func.grad",
    draw=lambda draw: (Formula(draw.choice(_FUNCTIONS)), draw.vector()),
    mistakes=(
        Mistake(
            "not watched",
            _without_requires_grad,
            "Nobody asked for derivatives before y was computed, so nothing was recorded.",
        ),
        Mistake(
            "no backward",
            _without_backward,
            "The gradient was read before backward() ran: .grad is None until then.",
        ),
        Mistake(
            "the value",
            lambda f, x: f(x),
            "That is f(x), the value. Its gradient is in x.grad after backward().",
        ),
        Mistake(
            "y passed to backward",
            _passed_to_backward,
            "backward(y) multiplies the gradient by y. A scalar needs no argument: y.backward().",
        ),
        Mistake(
            "at another point",
            _of_ones,
            "That is the gradient at (1, …, 1). It belongs to the point x that you were given.",
        ),
    ),
    hints=(
        "Which of your lines makes PyTorch record, and does it come before f is called?",
        "Three steps: ask for derivatives with respect to x, compute f(x), walk back from it.",
        "After x.requires_grad_() and f(x).backward(), the gradient lies in x.grad.",
    ),
    reason="PyTorch records only what happens after requires_grad is set. backward() stores the "
    "gradient in the leaf it is taken with respect to, and that is x.",
)

# 1.4


def _who_is_given_one(tensors: list[Tensor]) -> list[bool]:
    total = sum((t.sum() for t in tensors), torch.zeros((), requires_grad=True))
    total.backward()
    return [t.is_leaf and t.grad is not None for t in tensors]


def _several_tensors(draw: Draw) -> tuple[list[Tensor]]:
    leaf, data = draw.vector(requires_grad=True), draw.vector()
    # At least one of each kind; the order and what is added are left to chance.
    tensors = [leaf, data, leaf * 2, leaf.detach(), data + 1]
    draw.random.shuffle(tensors)
    return (tensors,)


WHO = Exercise(
    number="1.4",
    title="Who is given a gradient?",
    practises="leaf or not, watched or not",
    seeds=("S01", "S03"),
    minutes=4,
    difficulty=1,
    oracle=_who_is_given_one,
    against="what backward() fills",
    draw=_several_tensors,
    mistakes=(
        Mistake(
            "requires_grad is enough",
            lambda tensors: [t.requires_grad for t in tensors],
            "A computed tensor requires a gradient too, but backward() only passes through it: "
            "gradients are stored in leaves.",
        ),
        Mistake(
            "every leaf",
            lambda tensors: [t.is_leaf for t in tensors],
            "Plain data is a leaf too. Without requires_grad nobody asked for its gradient.",
        ),
        Mistake(
            "where the graph ends",
            lambda tensors: [t.grad_fn is not None for t in tensors],
            "A grad_fn says that a tensor was computed. Gradients are stored in leaves, which have "
            "none.",
        ),
        Mistake(
            "all",
            lambda tensors: [True for _ in tensors],
            "Not every tensor is given a gradient: only leaves for which it was asked.",
        ),
        Mistake(
            "already there",
            lambda tensors: [t.grad is not None for t in tensors],
            "That says who has a gradient now. The question is who will after backward().",
        ),
    ),
    hints=(
        "Two questions decide: who made the tensor, and did somebody ask for its gradient?",
        "PyTorch has an attribute for each of the two. You met both in section 1.1.",
        "Both is_leaf and requires_grad must be True.",
    ),
    reason="is_leaf alone counts plain data, and requires_grad alone counts computed tensors. "
    "backward() fills .grad where both hold.",
)

# 1.5


def _as_pytorch_does(grad: Tensor | None, new: Tensor) -> Tensor | None:
    leaf = torch.zeros_like(new, requires_grad=True)
    leaf.grad = grad
    torch.dot(leaf, new).backward()
    return leaf.grad


def _once_there(draw: Draw) -> tuple[Tensor | None, Tensor]:
    new = draw.vector()
    return draw.choice((draw.tensor(*new.shape), None)), new


STORE = Exercise(
    number="1.5",
    title="What backward() does to .grad",
    practises="adding to a gradient, and the first one",
    seeds=("S03", "S06"),
    minutes=4,
    difficulty=1,
    oracle=_as_pytorch_does,
    against="a backward pass of PyTorch's",
    draw=_once_there,
    edits=("grad",),
    mistakes=(
        Mistake(
            "overwrites",
            lambda _grad, new: new,
            "You overwrote the gradient instead of adding to it.",
        ),
        Mistake(
            "adds to None",
            lambda grad, new: grad + new,
            "At first there is no gradient: grad is None, and None cannot be added to.",
        ),
        Mistake(
            "keeps the first",
            lambda grad, new: new if grad is None else grad,
            "You kept what was there and lost what arrived. backward() adds the two.",
        ),
        Mistake(
            "averages",
            lambda grad, new: new if grad is None else (grad + new) / 2,
            "That is the mean of the two. backward() adds them, and divides by nothing.",
        ),
        Mistake(
            "subtracts",
            lambda grad, new: new if grad is None else grad - new,
            "The new gradient is added. Subtracting it is the optimizer's work, and on x.",
        ),
    ),
    hints=(
        "There are two cases. What does x.grad hold before the very first backward()?",
        "Where nothing was, what arrives is all there is. Else the two belong together.",
        "If grad is None, return new; otherwise return their sum.",
    ),
    reason="backward() adds to .grad, so that the contributions of several passes, or of several "
    "uses of one tensor, come together. Only the first finds None, and takes its place.",
)

# 1.6


def _after_passes(x: Tensor, n: int) -> Tensor | None:
    leaf = x.clone().requires_grad_()
    for _ in range(n):
        (leaf**2).sum().backward()
    return leaf.grad


PASSES = Exercise(
    number="1.6",
    title="Ten passes without zeroing",
    practises="predicting an account that nobody empties",
    seeds=("S06",),
    minutes=5,
    difficulty=2,
    oracle=_after_passes,
    against="n backward passes of PyTorch's",
    draw=lambda draw: (draw.vector(), 10 if draw.turn == 0 else draw.integer(3, 9)),
    mistakes=(
        Mistake(
            "overwrites",
            lambda x, _n: 2 * x,
            "That is the gradient of one pass. Nobody emptied .grad, so the passes add up.",
        ),
        Mistake(
            "doubles each time",
            lambda x, n: 2**n * x,
            "Each pass adds the same 2x. You let each pass double what was there.",
        ),
        Mistake(
            "one too few",
            lambda x, n: 2 * (n - 1) * x,
            "One pass is missing: the first adds its gradient too, to nothing.",
        ),
        Mistake(
            "one too many",
            lambda x, n: 2 * (n + 1) * x,
            "One pass too many: before the first, .grad is None and counts for nothing.",
        ),
        Mistake(
            "the mean",
            lambda x, n: 2 * x / n,
            "You divided by the number of passes. backward() adds, and divides by nothing.",
        ),
    ),
    hints=(
        "What does one pass bring? And the second: does it see another x?",
        "x stays the same, so each pass brings the same gradient, 2x, and it is added.",
        "n times the same contribution 2x.",
    ),
    reason="x does not change, so every pass brings 2x. They add up, for nothing empties .grad in "
    "between: after n passes it holds n · 2x. It grows in step with n, and not as a power.",
)

# 1.7


def _by_the_matrix(W: Tensor, x: Tensor, v: Tensor) -> Tensor:
    leaf = W.clone().requires_grad_()
    torch.dot(v, leaf @ x).backward()
    assert leaf.grad is not None
    return leaf.grad


def _matrix_between_vectors(draw: Draw) -> tuple[Tensor, Tensor, Tensor]:
    rows, columns = draw.sizes(2)
    return draw.tensor(rows, columns), draw.tensor(columns), draw.tensor(rows)


SHAPE = Exercise(
    number="1.7",
    title="A gradient has the shape of its tensor",
    practises="differentiating with respect to a matrix, and checking the shape",
    seeds=("S03", "S05"),
    minutes=8,
    difficulty=2,
    oracle=_by_the_matrix,
    against="a backward pass to W",
    draw=_matrix_between_vectors,
    mistakes=(
        Mistake(
            "transposed",
            lambda W, x, v: torch.outer(x, v),
            "The numbers are right, but rows and columns are exchanged. A gradient has the shape "
            "of the tensor it is taken with respect to, and that is W's.",
        ),
        Mistake(
            "by x",
            lambda W, x, v: W.T @ v,
            "That is the gradient with respect to x. The question is about W.",
        ),
        Mistake(
            "v left out",
            lambda W, x, v: x.expand_as(W),
            "Each row is x: that would be so if v were all ones. Row i counts v_i times.",
        ),
        Mistake(
            "x left out",
            lambda W, x, v: v[:, None].expand_as(W),
            "Each column is v: that would be so if x were all ones. Column j counts x_j times.",
        ),
        Mistake(
            "collapsed",
            lambda W, x, v: torch.dot(v, v) * x,
            "A vector cannot be the gradient with respect to a matrix: each element of W needs one "
            "number.",
        ),
    ),
    hints=(
        "Which shape must the result have? And in how many terms of y does W_ij stand?",
        "In one only: v_i W_ij x_j. What is its derivative with respect to W_ij?",
        "Element (i, j) is v_i x_j. torch.outer makes such a matrix; mind the order.",
    ),
    reason="y is the sum of v_i W_ij x_j over i and j, and W_ij stands in one term of it. So the "
    "gradient is the outer product of v and x: rows from v and columns from x, as in W.",
)

# 1.8


def _emptied(params: list[Tensor]) -> None:
    for parameter in params:
        if parameter.grad is not None:
            parameter.grad = torch.zeros(parameter.shape)


def _none_for_all(params: list[Tensor]) -> None:
    for parameter in params:
        parameter.grad = None


def _zero_without_a_look(params: list[Any]) -> None:
    for parameter in params:
        parameter.grad.zero_()


def _times_zero(params: list[Any]) -> None:
    for parameter in params:
        parameter.grad *= 0


def _zeros_for_all(params: list[Tensor]) -> None:
    for parameter in params:
        parameter.grad = torch.zeros_like(parameter)


def _parameters_zeroed(params: list[Tensor]) -> None:
    for parameter in params:
        parameter.data.zero_()


def _both_zeroed(params: list[Tensor]) -> None:
    _parameters_zeroed(params)
    _emptied(params)


def _some_with_gradients(draw: Draw) -> tuple[list[Tensor]]:
    params = [draw.tensor(size, requires_grad=True) for size in draw.sizes(3)]
    for parameter in params[:2]:
        parameter.grad = draw.tensor(*parameter.shape)
    draw.random.shuffle(params)
    return (params,)


def _values_and_gradients(inputs: Any, _result: Any) -> dict[str, Any]:
    params = inputs["params"]
    return {"params": [p.detach() for p in params], "gradients": [p.grad for p in params]}


EMPTY = Exercise(
    number="1.8",
    title="Zeros beside None",
    practises="emptying `.grad`, and a parameter that has none",
    seeds=("S03", "S06"),
    minutes=6,
    difficulty=2,
    oracle=_emptied,
    against="fresh zeros where a gradient was",
    draw=_some_with_gradients,
    observe=_values_and_gradients,
    edits=("params",),
    mistakes=(
        Mistake(
            "None for all",
            _none_for_all,
            "You gave the memory back: .grad is None. Asked for are zeros where a gradient was.",
        ),
        Mistake(
            "zero_ on None",
            _zero_without_a_look,
            "A parameter that no backward pass reached has the gradient None, and None has no "
            "zero_().",
        ),
        Mistake(
            "arithmetic with None",
            _times_zero,
            "A parameter that no backward pass reached has the gradient None, and None cannot be "
            "multiplied.",
        ),
        Mistake(
            "zeros for all",
            _zeros_for_all,
            "You put zeros where there was None. None says that no backward pass came by; zeros "
            "say that the derivative is zero.",
        ),
        Mistake(
            "zeroes the parameters",
            _parameters_zeroed,
            "You zeroed the parameters themselves, so all that was learned is lost. Empty their "
            ".grad.",
        ),
        Mistake(
            "zeroes both",
            _both_zeroed,
            "The gradients are empty, but so are the parameters: all that was learned is lost.",
        ),
        Mistake(
            "only a name",
            lambda _params: None,
            "Nothing changed. An assignment to a name of your own, such as g = 0, leaves .grad as "
            "it is; change the tensor in place, or assign to parameter.grad.",
        ),
    ),
    hints=(
        "Not every parameter has a gradient. What does .grad hold where no backward pass came by?",
        "Look before you zero: leave alone what is None.",
        "For each parameter: if its .grad is not None, call .grad.zero_().",
    ),
    reason="zero_() fills the memory that is there, and leaves it in place for the next pass. "
    "Where "
    "there is None there is no memory to fill, so it is asked first.",
)

# 1.9


def _edited_in_place(x: Tensor) -> Tensor:
    y = torch.exp(x)
    y += 1
    return y


def _edited_unseen(x: Tensor) -> Tensor:
    y = torch.exp(x)
    y.data += 1
    return y


IN_PLACE = Exercise(
    number="1.9",
    title="An edit in place that breaks backward",
    practises="what backward still needs, and why `.data` is no cure",
    seeds=("S01", "S04"),
    minutes=8,
    difficulty=2,
    oracle=lambda x: torch.exp(x) + 1,
    against="the gradient of exp(x) + 1",
    draw=lambda draw: (draw.vector(requires_grad=True),),
    observe=differentiated("x"),
    mistakes=(
        Mistake(
            "edited in place",
            _edited_in_place,
            "exp keeps its result for the backward pass, and += changed that result in place.",
        ),
        Mistake(
            "hidden by .data",
            _edited_unseen,
            ".data hides the edit from PyTorch, so nothing is raised, and the gradient is silently "
            "wrong: exp's saved result is one too large.",
        ),
        Mistake(
            "cut off",
            lambda x: torch.exp(x).detach() + 1,
            "detach() takes the result out of the graph, so no gradient can come back to x.",
        ),
        Mistake(
            "the 1 is lost",
            lambda x: torch.exp(x),
            "Nothing is raised now, but the 1 is not added any more.",
        ),
        Mistake(
            "added before",
            lambda x: torch.exp(x + 1),
            "You added 1 before exp. That is another function: exp(x + 1) is e times exp(x).",
        ),
    ),
    hints=(
        "Read the message: which variable was modified, and which op had saved it?",
        "The derivative of exp is its result, so PyTorch keeps it. Where else could the sum go?",
        "Give the sum memory of its own: y + 1 makes a new tensor, and y += 1 changes the old one.",
    ),
    reason="exp saves its result, because that is its derivative. y + 1 leaves it alone and "
    "makes a new tensor; y += 1 overwrites it, and PyTorch notices by the tensor's version.",
)

# 1.10

RATE = 0.1


def _descend(
    x: Tensor,
    target: Tensor,
    steps: int,
    *,
    zero: Callable[[int], bool] = lambda step: True,
    sign: float = 1,
    rate: float = RATE,
) -> None:
    """Gradient descent by the closed form of the gradient, with the mistakes one can make in it."""
    with torch.no_grad():
        total = torch.zeros_like(x)
        for step in range(steps):
            new = 2 * (x - target)
            total = new if zero(step) else total + new
            x -= sign * rate * total


def _never_moves(_x: Tensor, _target: Tensor, _steps: int) -> None:
    """What rebinding the name x comes to, and emptying the gradient before it is used."""


def _recorded_update(x: Any, target: Tensor, steps: int) -> None:
    for _ in range(steps):
        ((x - target) ** 2).sum().backward()
        x -= RATE * x.grad


def _to_descend(draw: Draw) -> tuple[Tensor, Tensor, int]:
    x = draw.vector(requires_grad=True)
    return x, draw.tensor(*x.shape), draw.integer(3, 6)


LOOP = Exercise(
    number="1.10",
    title="A whole training loop",
    practises="forward, backward, step, empty: each at its place",
    seeds=("S04", "S06"),
    minutes=12,
    difficulty=3,
    oracle=_descend,
    against="the steps' closed form",
    draw=_to_descend,
    observe=after("x"),
    edits=("x",),
    mistakes=(
        Mistake(
            "never empties",
            lambda x, target, steps: _descend(x, target, steps, zero=lambda _: False),
            "The gradient is never emptied, so each step follows the sum of all gradients so far.",
        ),
        Mistake(
            "never moves",
            _never_moves,
            "x did not move. Either x = x - … gave the name to a new tensor and left the old one "
            "alone, or .grad was emptied before the step could use it.",
        ),
        Mistake(
            "climbs",
            lambda x, target, steps: _descend(x, target, steps, sign=-1),
            "You added the gradient: it points uphill. Subtract it to make the loss smaller.",
        ),
        Mistake(
            "no rate",
            lambda x, target, steps: _descend(x, target, steps, rate=1),
            "The step is the whole gradient. Multiply it by the learning rate, 0.1.",
        ),
        Mistake(
            "one step too few",
            lambda x, target, steps: _descend(x, target, steps - 1),
            "One step is missing. range(steps) gives that many turns.",
        ),
        Mistake(
            "the update is recorded",
            _recorded_update,
            "PyTorch refuses to record the update: x is a leaf that requires a gradient. Put the "
            "step under torch.no_grad().",
        ),
    ),
    hints=(
        "Four things happen in each turn. Which are they, and in which order?",
        "Compute the loss, call backward(), move x, empty x.grad. The move must not be recorded.",
        "Under `with torch.no_grad():` write x -= 0.1 * x.grad, and after it x.grad.zero_().",
    ),
    reason="Each turn needs the gradient of this turn alone, so .grad is emptied once it was used. "
    "The step changes x in place, so that everybody who holds x sees it, and it is no part of the "
    "function that is differentiated: no_grad keeps it out of the graph.",
)

EXERCISES = (BY_HAND, READY, BY_PYTORCH, WHO, STORE, PASSES, SHAPE, EMPTY, IN_PLACE, LOOP)
