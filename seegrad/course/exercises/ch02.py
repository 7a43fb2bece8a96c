"""Exercises of chapter 2: the chain rule, walked in reverse, and derivatives that are measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise, product
from math import prod
from typing import Any

import torch
from torch import Tensor

from seegrad.course.draw import Draw, Formula
from seegrad.course.exercise import Exercise, Mistake

Of = Callable[[Tensor], Tensor]

# 2.1


def _square_by_autograd(a: Tensor, x: Tensor) -> Tensor:
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(torch.dot(a, leaf) ** 2, leaf)
    return gradient


def _two_vectors(draw: Draw) -> tuple[Tensor, Tensor]:
    (size,) = draw.sizes(1)
    return draw.tensor(size), draw.tensor(size)


SQUARE = Exercise(
    number="2.1",
    title="The square of a sum",
    practises="a gradient by hand, and checking it with numbers that nobody chose",
    seeds=("S07", "S08", "S09"),
    minutes=4,
    difficulty=1,
    oracle=_square_by_autograd,
    against="torch.autograd.grad",
    draw=_two_vectors,
    mistakes=(
        Mistake(
            "squared term by term",
            lambda a, x: 2 * a**2 * x,
            "You squared each term by itself. The square of a sum has mixed terms too, so every "
            "element of x meets all the others.",
        ),
        Mistake(
            "the inner derivative is lost",
            lambda a, x: 2 * torch.dot(a, x) * torch.ones_like(x),
            "That is the derivative with respect to the sum, the outer half of the chain rule. The "
            "sum changes a_i times as fast as x_i.",
        ),
        Mistake(
            "one number",
            lambda a, x: 2 * torch.dot(a, x),
            "That is the derivative with respect to the sum, and one number. The inner derivative "
            "is missing: the sum changes a_i times as fast as x_i.",
        ),
        Mistake(
            "by a",
            lambda a, x: 2 * torch.dot(a, x) * x,
            "That is the gradient with respect to a. The question is about x.",
        ),
        Mistake(
            "the power is not brought down",
            lambda a, x: torch.dot(a, x) * a,
            "The derivative of a square is twice its base: the 2 is missing.",
        ),
        Mistake(
            "the value",
            lambda a, x: torch.dot(a, x) ** 2,
            "That is y itself. Its gradient says how y changes with each element of x.",
        ),
    ),
    hints=(
        "Name the sum s. Then y = s^2, and there are two easy derivatives.",
        "dy/ds = 2 s, and ds/dx_i is what stands before x_i in the sum.",
        "Each element is 2 s a_i. In code s is torch.dot(a, x).",
    ),
    reason="With s for the sum, dy/ds = 2s and ds/dx_i = a_i. Their product is the derivative with "
    "respect to x_i, and the same s stands in all of them.",
)

# 2.2


def _arriving_by_autograd(x: Tensor) -> list[Tensor]:
    leaf = x.clone().requires_grad_()
    s = leaf**2
    t = torch.sin(s)
    return list(torch.autograd.grad(torch.exp(t), (t, s, leaf)))


def _local(x: Tensor) -> list[Tensor]:
    s = x**2
    return [torch.exp(torch.sin(s)), torch.cos(s), 2 * x]


def _multiplied(factors: list[Tensor]) -> list[Tensor]:
    return list(accumulate(factors, torch.mul))


ALONG = Exercise(
    number="2.2",
    title="Be autograd on one path",
    practises="gradient arriving times local rule, op by op",
    seeds=("S11",),
    minutes=6,
    difficulty=1,
    oracle=_arriving_by_autograd,
    against="torch.autograd.grad by t, s and x",
    draw=lambda draw: (draw.tensor(),),
    mistakes=(
        Mistake(
            "local, not multiplied",
            _local,
            "Those are the three local derivatives. What arrives at s and at x has passed the ops "
            "behind them too: multiply.",
        ),
        Mistake(
            "every rule at x",
            lambda x: _multiplied([torch.exp(x), torch.cos(x), 2 * x]),
            "You put x into every rule. Each op's rule is taken at that op's own input: exp at t, "
            "sin at s.",
        ),
        Mistake(
            "forward order",
            lambda x: _multiplied(_local(x))[::-1],
            "The three numbers are right, in the other order. Going backward, the gradient arrives "
            "at t first and at x last.",
        ),
        Mistake(
            "multiplied from x on",
            lambda x: _multiplied(_local(x)[::-1]),
            "You multiplied from x on. Those are the derivatives of s, of t and of y with respect "
            "to x; asked for are those of y with respect to t, s and x. Only the last is the same.",
        ),
        Mistake(
            "added along the path",
            lambda x: list(accumulate(_local(x))),
            "You added along the path. Factors on one path multiply; only different paths add.",
        ),
        Mistake(
            "the power is not brought down",
            lambda x: _multiplied([*_local(x)[:2], x]),
            "The first two are right. The derivative of x^2 is 2x: the 2 is missing.",
        ),
    ),
    hints=(
        "Begin at the end: with exp, whose input is t. What is its derivative there?",
        "Each number is the one before it times one local derivative, taken at that op's input.",
        "The local derivatives are e^t, cos s and 2x. Multiply as you go from y to x.",
    ),
    reason="Each op takes the number that arrives and multiplies it by its own derivative, at its "
    "own input. So the three answers are running products, from y back to x.",
)

# 2.3


def _sum_over_paths(paths: list[list[float]]) -> Tensor:
    leaf = torch.zeros((), requires_grad=True)
    ends = torch.stack([leaf * 1.0 for _ in paths])
    for place, path in enumerate(paths):
        for factor in path:
            ends = torch.where(torch.arange(len(paths)) == place, ends * factor, ends)
    (gradient,) = torch.autograd.grad(ends.sum(), leaf)
    return gradient


def _some_paths(draw: Draw) -> tuple[list[list[float]]]:
    longest, *others = [draw.integer(1, 3) for _ in range(2 + draw.turn // 2)]
    return ([[draw.number() for _ in range(length)] for length in (longest + 1, *others)],)


PATHS = Exercise(
    number="2.3",
    title="Several ways from x to y",
    practises="a product along each path, a sum over the paths",
    seeds=("S11",),
    minutes=4,
    difficulty=1,
    oracle=_sum_over_paths,
    against="a graph with these paths, and its backward pass",
    draw=_some_paths,
    mistakes=(
        Mistake(
            "everything multiplied",
            lambda paths: prod(prod(path) for path in paths),
            "You multiplied everything. That would be one long path; paths beside each other add.",
        ),
        Mistake(
            "everything added",
            lambda paths: sum(sum(path) for path in paths),
            "You added everything. Along one path a change is passed on from op to op, and each "
            "multiplies it.",
        ),
        Mistake(
            "sums multiplied",
            lambda paths: prod(sum(path) for path in paths),
            "The other way round: multiply along each path, and add the paths.",
        ),
        Mistake(
            "one path only",
            lambda paths: prod(paths[0]),
            "That is the first path alone. When x moves, all its uses move together.",
        ),
        Mistake(
            "the mean",
            lambda paths: sum(prod(path) for path in paths) / len(paths),
            "You took the mean of the paths. Their contributions add, and nothing divides them.",
        ),
    ),
    hints=(
        "What happens to a small change of x on its way along one path?",
        "Each edge multiplies it. Then all the changes arrive at y: how do they combine there?",
        "math.prod(path) is one contribution. Add those of all paths.",
    ),
    reason="The gradient is a sum over paths of products along each path: edges in a row pass a "
    "change on, so they multiply, and what arrives at y by several ways adds up.",
)

# 2.4


def _each_path(x: Tensor) -> list[Tensor]:
    """The three uses of x as three variables, so that each gradient is one path's."""
    a, b, c = (x.clone().requires_grad_() for _ in range(3))
    y = torch.log(a**2) * torch.sin(b) + 1 / c
    return list(torch.autograd.grad(y.sum(), (a, b, c)))


def _contributions(x: Tensor) -> list[Tensor]:
    return [2 / x * torch.sin(x), torch.log(x**2) * torch.cos(x), -1 / x**2]


DRAWN = Exercise(
    number="2.4",
    title="Three paths through a formula",
    practises="drawing the graph of a formula and reading the chain rule off it",
    seeds=("S08", "S11"),
    minutes=10,
    difficulty=2,
    oracle=_each_path,
    against="autograd, with a variable of its own for each use of x",
    draw=lambda draw: (draw.vector(),),
    mistakes=(
        Mistake(
            "summed",
            lambda x: sum(_contributions(x)),
            "That is the whole derivative. Return its three contributions apart, as a list.",
        ),
        Mistake(
            "the inner derivative is lost",
            lambda x: [torch.sin(x) / x**2, *_contributions(x)[1:]],
            "On the first path log is followed back to x^2, but not further: x^2 changes 2x times "
            "as fast as x.",
        ),
        Mistake(
            "the logarithm's 2 is lost",
            lambda x: [torch.sin(x) / x, *_contributions(x)[1:]],
            "On the first path a 2 is missing: 1/x^2 times 2x is 2/x, and not 1/x.",
        ),
        Mistake(
            "the other factor is lost",
            lambda x: [2 / x, torch.cos(x), -1 / x**2],
            "In a product each side is passed on multiplied by the other. The factors sin x and "
            "log(x^2) are missing.",
        ),
        Mistake(
            "the derivatives are multiplied",
            lambda x: [2 / x * torch.cos(x), 2 / x * torch.cos(x), -1 / x**2],
            "A product's rule multiplies one side's derivative by the other side's value, not by "
            "its derivative.",
        ),
        Mistake(
            "the sign of 1/x",
            lambda x: [*_contributions(x)[:2], 1 / x**2],
            "The first two are right. 1/x falls where x grows, so its derivative is -1/x^2.",
        ),
    ),
    hints=(
        "Draw it: x is used three times. Which ops lie between each use and y?",
        "First path: square, log, times. Second: sin, times. Third: the reciprocal.",
        "The first is 1/x^2 · 2x · sin x, the second cos x · log(x^2), the third -1/x^2.",
    ),
    reason="x stands in y three times, and each use is a path. The product multiplies what comes "
    "to one side by the value of the other; the sum of the three is dy/dx.",
)

# 2.5


def _mean_slope(f: Of, x: Tensor, h: float) -> Tensor:
    """The mean of the derivative between x - h and x + h, by the trapezoidal rule."""
    at = torch.linspace(x.item() - h, x.item() + h, 2001, dtype=torch.float64, requires_grad=True)
    (slopes,) = torch.autograd.grad(f(at).sum(), at)
    return torch.trapezoid(slopes, at.detach()) / (2 * h)


_CURVES = ("x**3", "x.exp()", "x * x.sin()", "x**2 / 2 + x**3")

CENTRAL = Exercise(
    number="2.5",
    title="Measure a slope from both sides",
    practises="the central difference",
    seeds=("S09",),
    minutes=4,
    difficulty=2,
    oracle=_mean_slope,
    against="the mean of the derivative between x - h and x + h",
    draw=lambda draw: (
        Formula(draw.choice(_CURVES)),
        draw.tensor(),
        draw.positive(0.3, 0.9),
    ),
    mistakes=(
        Mistake(
            "forward only",
            lambda f, x, h: (f(x + h) - f(x)) / h,
            "That looks to one side only, so the curve's bend stays in it. Step to both sides.",
        ),
        Mistake(
            "backward only",
            lambda f, x, h: (f(x) - f(x - h)) / h,
            "That looks to the left only, so the curve's bend stays in it. Step to both sides.",
        ),
        Mistake(
            "divided by h",
            lambda f, x, h: (f(x + h) - f(x - h)) / h,
            "The two points lie 2h apart. Divided by h alone, the slope comes out twice too large.",
        ),
        Mistake(
            "not divided",
            lambda f, x, h: f(x + h) - f(x - h),
            "That is the rise. A slope is the rise divided by the distance, and that is 2h.",
        ),
        Mistake(
            "precedence",
            lambda f, x, h: (f(x + h) - f(x - h)) / 2 * h,
            "Python reads a / 2 * h from left to right, so you multiplied by h. Write / (2 * h).",
        ),
        Mistake(
            "the derivative itself",
            lambda f, x, h: torch.func.grad(f)(x),
            "That is the derivative, where h goes to 0. Asked for is what is measured with this h.",
        ),
    ),
    hints=(
        "At which two places is f looked at, and how far apart are they?",
        "At x - h and at x + h. The slope is the rise between them over the distance.",
        "The rise is f(x + h) - f(x - h), and the distance is 2 * h. Mind the parentheses.",
    ),
    reason="The secant through x - h and x + h has this slope. To both sides the curve bends "
    "alike, so the bend cancels: the error shrinks with h², and one-sided only with h.",
)

# 2.6


def _at_the_middle(f: Of, g: Of, x: Tensor) -> Tensor:
    gradient: Tensor = torch.func.grad(g)(f(x).detach())
    return gradient


def _not_retained(f: Of, g: Of, x: Tensor) -> Tensor | None:
    s = f(x)
    g(s).backward()
    return s.grad


def _as_far_as_x(f: Of, g: Of, x: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad(g(f(x)), x)
    return gradient


def _second_half(f: Of, _g: Of, x: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad(f(x).sum(), x)
    return gradient


def _two_functions(draw: Draw) -> tuple[Formula, Formula, Tensor]:
    inner = Formula(draw.choice(("x**2", "x.exp()", "2 - x.sin()")))
    outer = Formula(draw.random.choice(("(x**3).sum()", "(x * x.cos()).sum()", "x.prod()")))
    return inner, outer, draw.vector(requires_grad=True)


MIDDLE = Exercise(
    number="2.6",
    title="The gradient that passes through",
    practises="the gradient of a computed tensor",
    seeds=("S10", "S11"),
    minutes=5,
    difficulty=2,
    oracle=_at_the_middle,
    against="torch.func.grad of g, at s",
    draw=_two_functions,
    mistakes=(
        Mistake(
            "not kept",
            _not_retained,
            "You returned None. A computed tensor is no leaf, so its gradient is passed on and not "
            "kept in s.grad, unless somebody asks for it before backward().",
        ),
        Mistake(
            "as far as x",
            _as_far_as_x,
            "That is dy/dx, the gradient at the leaf: one local rule too far. Stop at s.",
        ),
        Mistake(
            "the other half",
            _second_half,
            "That is how s changes with x. Asked for is how y changes with s.",
        ),
        Mistake(
            "at x",
            lambda f, g, x: torch.func.grad(g)(x.detach()),
            "You differentiated g at x. On its way g was called on s, so its slope is taken there.",
        ),
        Mistake(
            "the value",
            lambda f, g, x: f(x),
            "That is s itself. Its gradient says how y changes with each element of s.",
        ),
    ),
    hints=(
        "What is s: a leaf, or computed? Where does PyTorch keep gradients?",
        "Either ask for the gradient of s to be kept, or ask autograd for it by name.",
        "Give s = f(x) a name. Then torch.autograd.grad(g(s), s) is a tuple with one entry.",
    ),
    reason="The gradient arrives at s on its way to x, whether anybody looks or not. "
    "torch.autograd.grad returns it, and s.retain_grad() has it kept in s.grad.",
)

# 2.7


@dataclass(slots=True)
class Counted:
    """A function that counts how often it is called, and looks like the function it stands for."""

    f: Formula
    calls: int = 0

    def __call__(self, x: Tensor) -> Tensor:
        """Its value at x; the call is counted."""
        self.calls += 1
        return self.f(x)

    def __repr__(self) -> str:
        return repr(self.f)


def _gradients_and_calls(inputs: Any, result: Any) -> dict[str, Any]:
    return {"result": result, "number of calls of f": inputs["f"].calls}


def _by_the_jacobian(f: Of, x: Tensor) -> list[Tensor]:
    s = f(x)
    # Of a scalar function on each element: the Jacobian is diagonal.
    factors = torch.autograd.grad(s, x, torch.ones_like(s))[0]
    return [factors, 2 * s.detach() * factors]


def _not_kept(f: Of, x: Tensor) -> list[Tensor]:
    s = f(x)
    return [torch.autograd.grad(loss, x)[0] for loss in (s.sum(), (s**2).sum())]


def _called_twice(f: Of, x: Tensor) -> list[Tensor]:
    f(x)
    return _by_the_jacobian(f, x)


def _added_up(f: Of, x: Tensor) -> list[Tensor]:
    first, second = _by_the_jacobian(f, x)
    return [first, first + second]


def _one_tensor_twice(f: Of, x: Tensor) -> list[Tensor]:
    total = _added_up(f, x)[1]
    return [total, total]


def _wrong_way_round(f: Of, x: Tensor) -> list[Tensor]:
    return _by_the_jacobian(f, x)[::-1]


TWICE = Exercise(
    number="2.7",
    title="Two losses, one graph",
    practises="backward twice, and what has to survive the first pass",
    seeds=("S10", "S11"),
    minutes=8,
    difficulty=2,
    oracle=_by_the_jacobian,
    against="the two gradients' closed form, with one call of f",
    draw=lambda draw: (
        Counted(Formula(draw.choice(("x.exp()", "x.sin() * x", "x**3")))),
        draw.vector(requires_grad=True),
    ),
    observe=_gradients_and_calls,
    mistakes=(
        Mistake(
            "the graph is gone",
            _not_kept,
            "Both losses go through the graph of s, and the first pass freed what f had saved in "
            "it. The first pass has to be told to leave it.",
        ),
        Mistake(
            "f is called twice",
            _called_twice,
            "The gradients are right, but f was called more than once. That builds a second graph "
            "at the price of a second forward pass; keep the first one instead.",
        ),
        Mistake(
            "the second holds both",
            _added_up,
            "The first is right. The second has the first in it: x.grad was not emptied between.",
        ),
        Mistake(
            "one tensor twice",
            _one_tensor_twice,
            "You returned one tensor twice, and it holds the sum of both. x.grad was not emptied "
            "between, and first = x.grad is a name, not a copy: the second pass added to it.",
        ),
        Mistake(
            "the wrong way round",
            _wrong_way_round,
            "Both are right, in the other order. First comes the gradient of the sum of s.",
        ),
    ),
    hints=(
        "Which part of the graph do the two losses share, and who frees it?",
        "A pass frees what was saved as it goes, unless you say retain_graph=True.",
        "torch.autograd.grad(s.sum(), x, retain_graph=True)[0], and nothing is left in x.grad.",
    ),
    reason="Both losses lead back through the same s. retain_graph=True keeps for the second pass "
    "what f saved; the last pass may free it.",
)

# 2.8


def _by_experiment(op: Of, x: Tensor) -> str:
    """Nothing was saved if a second pass runs; the result was, if an edit of it is noticed."""
    y = op(x)
    y.backward(torch.ones_like(y))
    if _runs(lambda: y.backward(torch.ones_like(y))):
        return "nothing"
    edited = op(x)
    edited *= 2
    return "input" if _runs(lambda: edited.sum().backward()) else "result"


def _runs(step: Callable[[], object]) -> bool:
    try:
        step()
    except RuntimeError:
        return False
    return True


def _if_curved(kept: str) -> Callable[[Of, Tensor], str]:
    def rule(op: Of, x: Tensor) -> str:
        straight = torch.allclose(op(x + 1) - op(x), op(x + 2) - op(x + 1))
        return "nothing" if straight else kept

    return rule


def _the_other(op: Of, x: Tensor) -> str:
    return {"input": "result", "result": "input"}.get(kept := _by_experiment(op, x), kept)


# Any three neighbours are of three kinds, so that every check meets all.
_OPS = (
    *("x.exp()", "x.log()", "x + 1"),
    *("x.sqrt()", "x.sin()", "-x"),
    *("x.sigmoid()", "x.cos()", "x - 3"),
    *("x.tanh()", "x.square()", "5 - x"),
)

KEPT = Exercise(
    number="2.8",
    title="What does an op keep?",
    practises="saved tensors: why some graphs survive, and which edits in place are noticed",
    seeds=("S10", "S11"),
    minutes=10,
    difficulty=2,
    oracle=_by_experiment,
    against="two experiments: backward twice, and an edit of the result",
    draw=lambda draw: (
        Formula(draw.choice(_OPS)),
        draw.tensor(*draw.sizes(1)).abs().requires_grad_(),
    ),
    mistakes=(
        Mistake(
            "always the input",
            lambda op, x: "input",
            "You said input for every op. Where the slope is the same everywhere, as of x + 1, "
            "nothing is needed; and the derivative of exp is its result.",
        ),
        Mistake(
            "always the result",
            lambda op, x: "result",
            "You said result for every op. Where the slope is the same everywhere, as of x + 1, "
            "nothing is needed; and the derivative of sin is cos of its input.",
        ),
        Mistake(
            "always nothing",
            lambda op, x: "nothing",
            "You said nothing for every op. Then backward could not know the slope of a curve at "
            "the place where you were.",
        ),
        Mistake(
            "every curve keeps its input",
            _if_curved("input"),
            "The straight ones are right. But not each curve keeps its input: where the derivative "
            "is easily had from the result, as that of exp, the result is kept.",
        ),
        Mistake(
            "every curve keeps its result",
            _if_curved("result"),
            "The straight ones are right. But not each curve keeps its result: from sin x alone "
            "cos x cannot be had, as its sign is lost.",
        ),
        Mistake(
            "exchanged",
            _the_other,
            "You exchanged input and result. _saved_self is what the op was called on, its input.",
        ),
    ),
    hints=(
        "Look at op(x).grad_fn: the names of what it saved begin with _saved.",
        "_saved_result is the result, _saved_self the input. An op with neither kept no tensor.",
        'saved = dir(op(x).grad_fn) lists the names. Ask whether "_saved_result" is in it.',
    ),
    reason="An op keeps what its local rule needs, and no more. Where that is nothing, a second "
    "backward() runs; where it is the result, an edit of the result in place is noticed.",
)

# 2.9


def _relative_error(x: float, dtype: torch.dtype, h: float) -> float:
    """How wrong is the measured slope of exp around x? The median of 101 points near it."""
    points = torch.linspace(x - 0.2, x + 0.2, 101, dtype=torch.float64).to(dtype)
    measured = ((points + h).exp() - (points - h).exp()) / (2 * h)
    error = (measured.double() / points.double().exp() - 1).abs().median()
    return float(error.nan_to_num(1.0))


def _best_of_many(x: float, dtype: torch.dtype) -> float:
    steps = [10 ** (-exponent / 8) for exponent in range(8, 80)]
    return min(steps, key=lambda h: _relative_error(x, dtype, h))


def _what_spoils_it(inputs: Any, step: Any) -> dict[str, Any]:
    """Measure slopes with the step, and compare their error with the best that can be reached."""
    h, dtype = float(step), inputs["dtype"]
    eps = torch.finfo(dtype).eps
    error = _relative_error(inputs["x"], dtype, h)
    # At the best step the error is about eps^(2/3). A step three times off is still good.
    if error < 10 * eps ** (2 / 3):
        spoiled = "nothing"
    elif abs(h) > eps ** (1 / 3):
        spoiled = "truncation, as h is too large"
    else:
        spoiled = "rounding, as h is too small"
        spoiled += ": no digit is left" if error > 0.055 else ""
    return {"what spoils the slope": spoiled}


BEST = Exercise(
    number="2.9",
    title="The best step",
    practises="truncation against rounding, and what the dtype has to do with it",
    seeds=("S09",),
    minutes=8,
    difficulty=2,
    oracle=_best_of_many,
    against="the best of many steps, found by trying",
    draw=lambda draw: (
        draw.number(1.0, 3.0),
        draw.choice((torch.float32, torch.float64)),
    ),
    observe=_what_spoils_it,
    mistakes=(
        Mistake(
            "as small as can be",
            lambda x, dtype: torch.finfo(dtype).eps,
            "Such a step is lost in rounding: x + h and x - h are nearly the same float, or quite, "
            "and no digit of the slope is right.",
        ),
        Mistake(
            "too large",
            lambda x, dtype: 0.1,
            "In both dtypes this step is too large: the curve's bend is in the slope (truncation).",
        ),
        Mistake(
            "too small",
            lambda x, dtype: torch.finfo(dtype).eps ** (2 / 3),
            "In both dtypes this step is too small: rounding, divided by 2h, costs digits.",
        ),
        Mistake(
            "the one-sided step",
            lambda x, dtype: torch.finfo(dtype).eps ** 0.5,
            "It is too small in float64, by rounding. The square root of eps is best for one-sided "
            "differences. Two-sided, truncation is smaller, so h may be larger.",
        ),
        Mistake(
            "float64's step for all",
            lambda x, dtype: 1e-5,
            "This step is good in float64. In float32 it costs digits by rounding: ask dtype.",
        ),
        Mistake(
            "float32's step for all",
            lambda x, dtype: 5e-3,
            "This step is good in float32. In float64 it is too large: there is less rounding to "
            "fear, so h can shrink further. Ask dtype.",
        ),
        Mistake(
            "a small step for all",
            lambda x, dtype: 1e-8,
            "This step is too small for both dtypes, and in float32 no digit is left.",
        ),
    ),
    hints=(
        "Two errors compete. Which grows with h, and which shrinks with it?",
        "Truncation is about h^2, rounding about eps / h. The best h makes them alike.",
        "h^2 = eps / h gives h^3 = eps. torch.finfo(dtype).eps is eps.",
    ),
    reason="Two-sided, truncation is about h² and rounding about eps/h. They are alike where "
    "h³ = eps: the cube root of eps, about 0.005 in float32 and 6e-6 in float64.",
)

# 2.10


def _true_but_for_rounding(f: Of, x: Tensor, grad: Tensor) -> bool:
    true = torch.func.grad(f)(x.double())
    return bool((grad.double() - true).norm() < 1e-3 * true.norm())


def _measured(f: Of, x: Tensor) -> Tensor:
    h = 1e-5
    steps = h * torch.eye(len(x), dtype=x.dtype)
    return torch.stack([(f(x + step) - f(x - step)) / (2 * h) for step in steps])


_CLAIMS = (
    ("1e6 * ", "right"),
    ("1e-5 * ", "wrong, but not in the sum"),
    ("", "right"),
    ("1e6 * ", "wrong in the first"),
    ("", "wrong in the last"),
    ("1e-5 * ", "right"),
)


def _claimed(draw: Draw) -> tuple[Formula, Tensor, Tensor]:
    """A function, a point and its gradient there: large or small, right but for rounding or not."""
    scale, kind = draw.choice(_CLAIMS)
    f = Formula(scale + draw.random.choice(("x.exp().sum()", "(x**3).sum()", "x.prod()")))
    x = draw.tensor(draw.sizes(1)[0] + 1)
    grad: Tensor = torch.func.grad(f)(x)
    wrong = torch.zeros_like(x)
    if kind != "right":
        wrong[0 if kind == "wrong in the first" else -1] = 0.2
    if kind == "wrong, but not in the sum":
        wrong[-2] = -0.2
    return f, x, grad + wrong * grad.norm()


def _near(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one.double(), other.double(), rtol=1e-3, atol=0)


CHECKED = Exercise(
    number="2.10",
    title="A gradient check that knows about rounding",
    practises="comparing a gradient with what is measured, by the size of the numbers",
    seeds=("S09", "S12"),
    minutes=15,
    difficulty=3,
    oracle=_true_but_for_rounding,
    against="the true gradient, to a thousandth of its length",
    draw=_claimed,
    mistakes=(
        Mistake(
            "never wrong",
            lambda f, x, grad: True,
            "You accepted every gradient, also a wrong one. A check that cannot fail says nothing.",
        ),
        Mistake(
            "an absolute tolerance",
            lambda f, x, grad: bool((grad - _measured(f, x.double())).abs().max() < 1e-3),
            "You compare with one fixed number. Where gradients are 1e4 it refuses mere rounding, "
            "and where they are 1e-5 it accepts what is quite wrong. Compare with their size.",
        ),
        Mistake(
            "the sums agree",
            lambda f, x, grad: _near(grad.sum(), _measured(f, x.double()).sum()),
            "You compare sums, or step along all elements at once, which comes to the same. Two "
            "wrong elements can cancel in a sum: compare each of them.",
        ),
        Mistake(
            "the first element only",
            lambda f, x, grad: _near(grad[0], _measured(f, x.double())[0]),
            "The first element alone does not tell: others may be wrong. Step along each of them.",
        ),
        Mistake(
            "never satisfied",
            lambda f, x, grad: False,
            "You refused every gradient, also right ones. Either you ask for equal floats, though "
            "both are rounded, or a small step in float32 left nothing but rounding, or you "
            "compare each element with a step along all of them at once.",
        ),
    ),
    hints=(
        "Move one element at a time, to both sides. In which dtype do you measure?",
        "In x.double() there is little rounding. Compare element by element, by their size.",
        "A row of h * torch.eye(len(x)) moves one element. Compare by torch.allclose(…, atol=0).",
    ),
    reason="In float64 with h = 1e-5 what is measured has some ten digits, more than grad has in "
    "float32. So a part of a thousandth forgives all rounding and no mistake, at any scale.",
)

# 2.11


def _nested(f: Of, x: Tensor, n: int) -> Tensor:
    derivative: Of = f
    for _ in range(n):
        derivative = torch.func.grad(derivative)
    return derivative(x.detach())


def _unrecorded(f: Of, x: Tensor, n: int, recorded: int = 0) -> Tensor:
    y = f(x)
    for order in range(n):
        (y,) = torch.autograd.grad(y, x, create_graph=order < recorded)
    return y


def _collected(f: Of, x: Tensor, n: int) -> Tensor | None:
    y: Any = f(x)
    for _ in range(n):
        y.backward(create_graph=True)
        y = x.grad
    return x.grad


_SMOOTH = ("x**5", "x * x.sin()", "(x / 2).exp() + x**4", "x.sin().exp()")

HIGHER = Exercise(
    number="2.11",
    title="The n-th derivative",
    practises="`create_graph`: differentiating a derivative",
    seeds=("S11",),
    minutes=8,
    difficulty=3,
    oracle=_nested,
    against="torch.func.grad of torch.func.grad of …",
    draw=lambda draw: (
        Formula(draw.choice(_SMOOTH)),
        draw.tensor(requires_grad=True),
        2 + draw.turn % 3,
    ),
    mistakes=(
        Mistake(
            "not recorded",
            _unrecorded,
            "The first derivative came back as a bare number, with nothing behind it. Say "
            "create_graph=True, and its own computation is recorded.",
        ),
        Mistake(
            "recorded once",
            lambda f, x, n: _unrecorded(f, x, n, recorded=1),
            "The second derivative is right, but it was not recorded, so there is no third. Each "
            "order that you want to differentiate needs create_graph=True.",
        ),
        Mistake(
            "collected in .grad",
            _collected,
            "backward() adds to x.grad, so the lower derivatives are in your answer. Empty it in "
            "between, or take torch.autograd.grad, which stores nothing.",
        ),
        Mistake(
            "the first, n times",
            lambda f, x, n: n * _nested(f, x, 1),
            "n passes over the graph of y add the first derivative n times. Differentiate what "
            "the pass gave, not y again.",
        ),
        Mistake(
            "the first, to the power n",
            lambda f, x, n: _nested(f, x, 1) ** n,
            "That is the first derivative, to the power n. The second is the derivative of the "
            "first.",
        ),
        Mistake(
            "only the first",
            lambda f, x, n: _nested(f, x, 1),
            "That is the first derivative. Asked for is the n-th.",
        ),
        Mistake(
            "one too few",
            lambda f, x, n: _nested(f, x, n - 1),
            "One derivative is missing: f itself counts as the zeroth.",
        ),
    ),
    hints=(
        "The first derivative is a tensor. What must it have so that you can go on from it?",
        "create_graph=True records the pass too. Do it n times, each time to what came out.",
        "y = f(x), then n times: (y,) = torch.autograd.grad(y, x, create_graph=True).",
    ),
    reason="With create_graph=True the backward pass is recorded like any ops, so its result can "
    "be differentiated again. Each graph holds the one before, which is what an order costs.",
)

# 2.12


def _counted_one_by_one(sizes: list[int]) -> tuple[int, int]:
    """Multiply the Jacobians' shapes from either end, counting the products of single numbers."""
    shapes = [(after, before) for before, after in pairwise(sizes)]
    return _counted(shapes), _counted([shape[::-1] for shape in reversed(shapes)])


def _counted(shapes: list[tuple[int, int]]) -> int:
    def products() -> Iterator[tuple[int, int, int]]:
        columns = shapes[0][1]
        for rows, inner in shapes[1:]:
            yield from product(range(rows), range(inner), range(columns))

    return sum(1 for _ in products())


def _pairs(sizes: list[int]) -> list[int]:
    return [before * after for before, after in pairwise(sizes)]


def _layers(draw: Draw) -> tuple[list[int]]:
    count = 3 + draw.turn // 2
    return ([*draw.random.sample(range(4, 12), count), draw.choice((3, 1, 2))],)


ORDER = Exercise(
    number="2.12",
    title="Why in reverse?",
    practises="counting the work of the chain rule from either end",
    seeds=("S11",),
    minutes=12,
    difficulty=3,
    oracle=_counted_one_by_one,
    against="all products, counted one by one",
    draw=_layers,
    mistakes=(
        Mistake(
            "exchanged",
            lambda sizes: _counted_one_by_one(sizes)[::-1],
            "You exchanged the two. Forward starts at the inputs, with the Jacobian of the first "
            "layer, so each product keeps a column for every input.",
        ),
        Mistake(
            "the same for both",
            lambda sizes: (_counted_one_by_one(sizes)[1],) * 2,
            "The results are the same, whichever pair you multiply first. The work is not.",
        ),
        Mistake(
            "one product too many",
            lambda sizes: (sizes[0] * sum(_pairs(sizes)), sizes[-1] * sum(_pairs(sizes))),
            "One product too many: k Jacobians are joined by k - 1 products. The one you start "
            "with is not multiplied by anything.",
        ),
        Mistake(
            "sizes of the matrices",
            lambda sizes: (sum(_pairs(sizes)[1:]), sum(_pairs(sizes)[:-1])),
            "You counted the elements of the matrices that are added on the way. Each of them is "
            "used once for every column (forward) or row (reverse) of what it is multiplied by.",
        ),
        Mistake(
            "only the elements of the products",
            lambda sizes: (sizes[0] * sum(sizes[2:]), sizes[-1] * sum(sizes[:-2])),
            "You counted the elements of the products. Each element is itself a sum of products, "
            "as many as the two matrices share.",
        ),
    ),
    hints=(
        "An a × b matrix times a b × c one: how many elements come out, and what is in each?",
        "a · b · c. Forward, each product has n_0 columns; in reverse, each has n_k rows.",
        "Take all n_i · n_(i+1). Forward: n_0 times their sum, without the first. Reverse?",
    ),
    reason="Forward, every product drags along a column for each input; in reverse, a row for "
    "each output. A loss has one output and a model millions of inputs.",
)

EXERCISES = (
    SQUARE,
    ALONG,
    PATHS,
    DRAWN,
    CENTRAL,
    MIDDLE,
    TWICE,
    KEPT,
    BEST,
    CHECKED,
    HIGHER,
    ORDER,
)
