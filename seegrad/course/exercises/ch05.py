"""Exercises of chapter 5: the gradient of the path that was taken."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from seegrad.course.draw import Draw, Formula
from seegrad.course.exercise import Endless, Exercise, Mistake, differentiated

Slope = Callable[[Any], Tensor]


def _gradient(f: Slope, x: Tensor) -> Tensor:
    leaf = x.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(f(leaf).sum(), leaf)
    return gradient


# 5.1


def _each_by_itself(f: Formula, points: list[float]) -> list[float]:
    """Forward mode: no leaf, and no backward pass."""
    one = torch.tensor(1.0)
    return [torch.func.jvp(f, (torch.tensor(point),), (one,))[1].item() for point in points]


def _one_leaf_for_all(f: Formula, points: list[float]) -> list[float]:
    slopes = [_gradient(f, torch.tensor(point)) for point in points]
    return [float(total) for total in torch.stack(slopes).cumsum(0)]


def _value_by_point(f: Formula, points: list[float]) -> list[float]:
    return [float(f(torch.tensor(point))) / point for point in points]


_WITH_A_CHOICE = (
    "x**2 if x > 0 else 1 - 3 * x",
    "x.exp() if x < 0 else x**3 + 1",
    "5 * x + 1 if x.abs() < 1.5 else x**2",
)


def _points(draw: Draw) -> tuple[Formula, list[float]]:
    # Off by a hair from where a choice changes; one at least on either side.
    found = [draw.positive() + 0.03, -draw.positive() - 0.03]
    found += [draw.number() + 0.03 for _ in range(1 + draw.turn % 3)]
    draw.random.shuffle(found)
    return Formula(draw.choice(_WITH_A_CHOICE)), found


FOUR_STEPS = Exercise(
    number="5.1",
    title="Four steps, at several points",
    practises="the four steps to a gradient, for a function that chooses",
    seeds=("S24", "S27"),
    minutes=5,
    difficulty=1,
    oracle=_each_by_itself,
    against="forward mode, torch.func.jvp",
    draw=_points,
    mistakes=(
        Mistake(
            "accumulated",
            _one_leaf_for_all,
            "Each slope holds those before it, too: .grad was not emptied between the points. A "
            "fresh leaf for each point begins anew.",
        ),
        Mistake(
            "value divided by the point",
            _value_by_point,
            "f(a) / a is the slope of a line through zero. It served for the notes' function; "
            "yours is curved, or does not pass through zero.",
        ),
        Mistake(
            "the values",
            lambda f, points: [float(f(torch.tensor(point))) for point in points],
            "Those are the values of f. Their slopes are in .grad after backward().",
        ),
        Mistake(
            "all at once",
            lambda f, points: _gradient(f, torch.tensor(points)).tolist(),
            "You gave f all points in one tensor. The `if` in it can go only one way, so ask at "
            "one point after the other.",
        ),
        Mistake(
            "never watched",
            lambda f, points: [f(torch.tensor(point)).backward() for point in points],
            "Nobody asked for a derivative, so nothing was recorded. The first step is "
            "requires_grad.",
        ),
    ),
    hints=(
        "The summary of chapter 5 names four steps. They are the same with an `if` in f.",
        "For each point: make a leaf, call f, walk back, read. A new leaf for each.",
        "a = torch.tensor(point, requires_grad=True), f(a).backward(), and collect a.grad.item().",
    ),
    reason="At each point f takes one path, and backward() differentiates that one. A fresh leaf "
    "for each point has an empty .grad, so nothing of the last point is left in it.",
)

# 5.2


def _steps(a: Tensor) -> Tensor:
    b = a * 3
    while b.norm() < 500:
        b = b * 3
    return b


def _tripled(a: Tensor) -> Tensor:
    b = _steps(a)
    return b if b.sum() > 0 else -7 * b


def _either_sign(draw: Draw) -> float:
    """A number of any size, and of either sign: the turn decides. A positive one comes first."""
    a = draw.positive(0.5, 9.0) * 10.0 ** draw.integer(-3, 2)
    return round(-a if draw.turn % 2 else a, 6)


def _ends_where_positive(a: float) -> float:
    if a < 0:
        raise Endless
    return _gradient(_tripled, torch.tensor(a)).item()


SLOPE = Exercise(
    number="5.2",
    title="The slope of a saw by hand",
    practises="multiplying along the path that was taken",
    seeds=("S24", "S25"),
    minutes=7,
    difficulty=1,
    oracle=lambda a: _gradient(_tripled, torch.tensor(a)).item(),
    against="a backward pass through g",
    draw=lambda draw: (_either_sign(draw),),
    mistakes=(
        Mistake(
            "the value",
            lambda a: _tripled(torch.tensor(a)),
            "That is g(a) itself. Its slope k is g(a) / a.",
        ),
        Mistake(
            "the first line is forgotten",
            lambda a: _gradient(_tripled, torch.tensor(a)) / 3,
            "A factor of 3 is missing: the first line multiplies once before the loop begins.",
        ),
        Mistake(
            "one turn too many",
            lambda a: _gradient(_tripled, torch.tensor(a)) * 3,
            "A factor of 3 too many. The loop stops as soon as |b| has reached 500.",
        ),
        Mistake(
            "the branch is forgotten",
            lambda a: _gradient(_steps, torch.tensor(a)),
            "For a negative a the other branch runs, and multiplies by −7.",
        ),
        Mistake(
            "the sign of a is put in",
            lambda a: _tripled(torch.tensor(a)) / abs(a),
            "You divided by the size of a. The slope of a line through zero is g(a) / a, with "
            "the sign.",
        ),
        Mistake(
            "the branches are exchanged",
            lambda a: _gradient(lambda t: -7 * _steps(t) if a > 0 else _steps(t), torch.tensor(a)),
            "The factor −7 belongs to the other branch: it runs where the sum is not positive.",
        ),
        Mistake(
            "the size is not taken",
            _ends_where_positive,
            "For a negative a your loop never ends: b itself stays below 500 for good. norm() is "
            "the size, abs(b).",
        ),
    ),
    hints=(
        "Go through g with a finger, for one a. By which numbers is it multiplied?",
        "By 3 in the first line, by 3 in each turn, and perhaps by −7. The slope is the product.",
        "Start with b = 3 * a and k = 3; while abs(b) < 500 multiply both by 3; then the branch.",
    ),
    reason="On the path taken, g only multiplies by constants, so it is k · a there and its slope "
    "is k, the product of the constants. How many they are depends on a; the slope is not asked "
    "about that.",
)

# 5.3


def _before_the_loop_ends(a: float) -> int:
    """The smallest n for which |a| 2^(n + 1) is 1000 or more; powers of two are exact."""
    return next(n for n in range(1000) if abs(a) * 2.0 ** (n + 1) >= 1000)


def _turns_where_positive(a: float) -> int:
    if a < 0:
        raise Endless
    return _before_the_loop_ends(a)


def _logarithm(a: float) -> float:
    return math.log2(500 / abs(a))


def _at_and_off_the_kinks(draw: Draw) -> tuple[float]:
    a = draw.choice((draw.positive(0.6, 400), draw.positive(1050, 2000), 500 / 2**draw.turn))
    return (a if draw.turn < 3 else -a,)


TURNS_TAKEN = Exercise(
    number="5.3",
    title="How often does the loop turn?",
    practises="counting the turns, at a kink too",
    seeds=("S24", "S25"),
    minutes=5,
    difficulty=1,
    oracle=_before_the_loop_ends,
    against="the first power of two that is large enough",
    draw=_at_and_off_the_kinks,
    mistakes=(
        Mistake(
            "the first line is counted",
            lambda a: _before_the_loop_ends(a) + 1,
            "One too many: the first line doubles too, but it stands outside the loop.",
        ),
        Mistake(
            "the first line is forgotten",
            lambda a: _before_the_loop_ends(a / 2),
            "You began the loop with a itself. The first line has doubled it already.",
        ),
        Mistake(
            "goes on at 1000",
            lambda a: max(0, math.floor(_logarithm(a)) + 1),
            "Where b is exactly 1000 the loop ends, for 1000 < 1000 is false. That is at a kink.",
        ),
        Mistake(
            "rounded down",
            lambda a: max(0, math.floor(_logarithm(a))),
            "You rounded down. Where a part of a turn would do, the loop makes a whole one.",
        ),
        Mistake(
            "fewer than none",
            lambda a: math.ceil(_logarithm(a)),
            "A negative number of turns. Where 2a is past 1000 already, the loop does not turn.",
        ),
        Mistake(
            "the size is not taken",
            _turns_where_positive,
            "For a negative a your loop never ends: b itself stays below 1000 for good. norm() is "
            "the size, abs(b).",
        ),
    ),
    hints=(
        "Write the loop down with a counter in it. What does it start from?",
        "It starts from 2a, and asks for the size of b, not for b.",
        "b, n = 2 * a, 0; then while abs(b) < 1000: double b and add 1 to n.",
    ),
    reason="After n turns b is a · 2^(n+1). The loop asks before each turn, so it ends with the "
    "first n for which that has reached 1000 in size, and 1000 itself is reached.",
)

# 5.4


def _at_zero_by_pytorch(x: Tensor) -> Tensor:
    return _gradient(lambda t: torch.relu(t) + 2 * t.clamp(min=0) + 4 * t.abs(), x)


def _kinked(x: Tensor, at_zero: float) -> Tensor:
    return torch.where(x == 0, at_zero, torch.where(x > 0, 7.0, -4.0))


def _with_zeros(draw: Draw, least: int = 1) -> Tensor:
    """A vector with a zero or more, a positive and a negative number."""
    zeros = [0.0] * draw.integer(least, least + 1)
    others = [draw.positive(), -draw.positive(), draw.number()]
    numbers = zeros + others[: 2 + draw.turn % 2]
    draw.random.shuffle(numbers)
    return torch.tensor(numbers)


AT_ZERO = Exercise(
    number="5.4",
    title="What PyTorch says at zero",
    practises="the conventions at a kink",
    seeds=("S24",),
    minutes=6,
    difficulty=1,
    oracle=_at_zero_by_pytorch,
    against="torch.autograd.grad",
    draw=lambda draw: (_with_zeros(draw),),
    mistakes=(
        Mistake(
            "all flat at zero",
            lambda x: _kinked(x, 0),
            "At zero relu and abs give 0, but clamp counts its bound as inside the range: there "
            "its slope is 1.",
        ),
        Mistake(
            "the right side at zero",
            lambda x: _kinked(x, 7),
            "At zero you took the slopes of the right side. relu gives 0 there, and abs the "
            "middle, 0; only clamp gives 1.",
        ),
        Mistake(
            "the left side at zero",
            lambda x: _kinked(x, -4),
            "At zero you took the slopes of the left side. abs gives the middle there, 0, and "
            "clamp gives 1.",
        ),
        Mistake(
            "the middle at zero",
            lambda x: _kinked(x, 1.5),
            "You took the middle of both sides for all three. So does abs; relu gives 0, and clamp "
            "gives 1.",
        ),
        Mistake(
            "relu as clamp",
            lambda x: _kinked(x, 3),
            "relu and clamp(min=0) are the same function, but not at their kink: relu gives 0 "
            "there, and clamp 1.",
        ),
        Mistake(
            "relu and clamp exchanged",
            lambda x: _kinked(x, 1),
            "You exchanged the two: at zero relu gives 0 and clamp gives 1.",
        ),
    ),
    hints=(
        "There are three cases: right of zero, left of it, and at it. Section 5.3 has the last.",
        "Right of zero the slopes are 1, 2 and 4; left of it 0, 0 and −4. At zero?",
        "At zero they are 0 for relu, 2 · 1 for clamp and 4 · 0 for abs. torch.where twice.",
    ),
    reason="Off zero there is one derivative: 7 to the right, −4 to the left. At zero PyTorch "
    "takes a convention for each: relu is flat, abs takes the middle, clamp counts its bound as "
    "inside.",
)

# 5.5


def _gaps(low: float, high: float) -> list[float]:
    """All numbers 1000 / 2^n, from the smallest; those in between are kept."""
    found = [1000 * 0.5**n for n in range(40, 0, -1)]
    return [kink for kink in found if low < kink < high]


def _between(numbers: Any, low: float, high: float) -> list[float]:
    return sorted(number for number in numbers if low < number < high)


def _a_stretch(draw: Draw) -> tuple[float, float]:
    low = 10.0 * draw.positive(0.1, 1.5)
    return low, (300.0 + low, 700.0 + low, 1500.0 + low)[draw.turn % 3]


KINKS = Exercise(
    number="5.5",
    title="Where are the kinks?",
    practises="finding where the path changes",
    seeds=("S25",),
    minutes=8,
    difficulty=2,
    oracle=_gaps,
    against="the list of all kinks, cut to size",
    draw=_a_stretch,
    mistakes=(
        Mistake(
            "the first line is forgotten",
            lambda low, high: _between((1000 / 2**n for n in range(40)), low, high),
            "1000 is where b ends, not a. At the last kink a is 500: the first line doubles it.",
        ),
        Mistake(
            "the last kink is missing",
            lambda low, high: _between((500 / 2**n for n in range(1, 40)), low, high),
            "There is a kink at 500, too: left of it the loop turns once, right of it not at all.",
        ),
        Mistake(
            "falling",
            lambda low, high: _gaps(low, high)[::-1],
            "These are the kinks, but from the largest to the smallest. The smallest comes first.",
        ),
        Mistake(
            "all of them from low",
            lambda low, high: _between((low * 2**n for n in range(40)), low, high),
            "You doubled `low`. The kinks are the same for everybody: they come from 1000.",
        ),
        Mistake(
            "evenly spaced",
            lambda low, high: _between((500 / n for n in range(1, 1000)), low, high),
            "You divided 500 by 1, 2, 3, … The loop doubles, so each kink is half the next.",
        ),
        Mistake(
            "only the lower bound",
            lambda low, _high: _gaps(low, math.inf),
            "Some of these lie above `high`.",
        ),
    ),
    hints=(
        "For which a is b exactly 1000 when the loop ends? One of them is 500.",
        "After n turns b is a · 2^(n+1). Set that to 1000 and solve for a.",
        "Take 500, 250, 125, … while they are above low; keep those below high; turn them round.",
    ),
    reason="The count of turns changes where b lands exactly on 1000. After n turns b is "
    "a · 2^(n+1), so the kinks are 1000 / 2^(n+1): 500 and its halves.",
)

# 5.6


def _grown(v: Tensor) -> Tensor:
    b = v * 2
    while b.norm() < 100:
        b = b * 2
    return b if b.sum() > 0 else 5 * b


def _one_factor(v: Tensor, size: Callable[[Tensor], Any], weigh: Callable[[Tensor], Any]) -> Tensor:
    """The gradient if ``size`` decided on the turns, and ``weigh`` on the branch."""
    k, turns = 2.0, 0
    while size(v) * k < 100 and turns < 60:
        k, turns = k * 2, turns + 1
    return torch.full_like(v, k if weigh(v) > 0 else 5 * k)


def _each_chooses(v: Tensor) -> Tensor:
    return torch.stack([_gradient(_grown, element) for element in v])


def _sum_decides(v: Tensor) -> Tensor:
    if v.sum() < 0:
        raise Endless
    return _one_factor(v, torch.sum, torch.sum)


def _branch_for_each(v: Tensor) -> Tensor:
    k = _one_factor(v, Tensor.norm, lambda _: 1)
    return torch.where(v > 0, k, 5 * k)


def _mixed_vector(draw: Draw) -> tuple[Tensor]:
    """Both signs, and a norm with which the loop ends barely, or barely goes on."""
    v = draw.tensor(3 + draw.turn // 2)
    v[0], v[1] = v[0].abs(), -v[1].abs()
    if v.sum().abs() < 0.4:
        v[0] += 1.5
    barely = (101, 97)[draw.turn % 2] / 2 ** draw.integer(1, 4)
    # The sign of the sum chooses the branch: each of them in its turn.
    sign = v.sum().sign() * (-1 if draw.turn // 2 % 2 else 1)
    return (sign * v * barely / v.norm(),)


VECTOR = Exercise(
    number="5.6",
    title="One path for a whole vector",
    practises="a loop and a branch that look at all elements",
    seeds=("S24", "S25"),
    minutes=9,
    difficulty=2,
    oracle=lambda v: _gradient(_grown, v),
    against="a backward pass through h",
    draw=_mixed_vector,
    mistakes=(
        Mistake(
            "each element by itself",
            _each_chooses,
            "You let every element walk its own path. The norm and the sum are taken of all of "
            "them: one path, and one factor for the whole vector.",
        ),
        Mistake(
            "a branch for each element",
            _branch_for_each,
            "The turns are right, but the branch is chosen once, by the sum, and not by the sign "
            "of each element.",
        ),
        Mistake(
            "the branch is forgotten",
            lambda v: _one_factor(v, Tensor.norm, lambda _: 1),
            "Where the sum is not positive, the other branch runs, and multiplies by 5.",
        ),
        Mistake(
            "the largest decides",
            lambda v: _one_factor(v, lambda t: t.abs().max(), torch.sum),
            "You let the largest element decide on the turns. The norm is the root of the sum of "
            "all squares, and reaches 100 earlier.",
        ),
        Mistake(
            "the sum of sizes decides",
            lambda v: _one_factor(v, lambda t: t.abs().sum(), torch.sum),
            "You added up the sizes. The norm is the root of the sum of squares, and is smaller.",
        ),
        Mistake(
            "the sum decides on the turns",
            _sum_decides,
            "You let the sum of b decide on the turns, and where it is negative the loop has no "
            "end. The norm is the root of the sum of squares: negative elements count too.",
        ),
        Mistake(
            "the value",
            _grown,
            "That is h(v). Its gradient is the factor by which each element was multiplied.",
        ),
    ),
    hints=(
        "How many numbers does `b.norm() < 100` look at, and how many answers does it give?",
        "All elements are multiplied by the same factors. Find k from the norm and the sum.",
        "Double k from 2 on while (k * v).norm() < 100. Times 5? Then torch.full_like(v, k).",
    ),
    reason="The norm and the sum make one number of the whole vector, so one path is taken: h(v) "
    "is k · v with a single k, and each element's derivative is k.",
)

# 5.7


def _bands(income: Tensor) -> Tensor:
    return 0.2 * torch.relu(income - 10) + 0.2 * torch.relu(income - 40)


def _tax(income: Tensor, middle: Any, top: Any) -> Tensor:
    below = torch.where(income < 10, 0 * income, middle(income))
    return torch.where(income < 40, below, top(income))


def _incomes(draw: Draw) -> tuple[Tensor]:
    numbers = [draw.positive(1, 9), draw.positive(11, 39), draw.positive(41, 90)]
    numbers += [draw.positive(11, 39) for _ in range(draw.turn % 3)]
    draw.random.shuffle(numbers)
    return (torch.tensor(numbers, requires_grad=True),)


PIECES = Exercise(
    number="5.7",
    title="A function of your own with two kinks",
    practises="piecewise functions of a vector, element by element",
    seeds=("S24", "S25"),
    minutes=10,
    difficulty=2,
    oracle=_bands,
    against="a sum of two relus",
    draw=_incomes,
    observe=differentiated("income"),
    mistakes=(
        Mistake(
            "one rate for all of it",
            lambda income: _tax(income, lambda x: 0.2 * x, lambda x: 0.4 * x),
            "You took the higher rate of the whole income. The slopes are right, but the tax jumps "
            "at 10 and at 40: a rate is taken only of what lies in its own piece.",
        ),
        Mistake(
            "the middle piece is lost",
            lambda income: _tax(income, lambda x: 0.2 * (x - 10), lambda x: 0.4 * (x - 40)),
            "Above 40 the tax on the middle piece is missing: it is 0.2 · 30 = 6, and it stays.",
        ),
        Mistake(
            "the top piece starts at 10",
            lambda income: _tax(income, lambda x: 0.2 * (x - 10), lambda x: 0.4 * (x - 10)),
            "Above 40 you took 0.4 of all that is above 10. What lies between 10 and 40 is still "
            "taxed with 0.2.",
        ),
        Mistake(
            "money back",
            lambda income: torch.where(income < 40, 0.2 * (income - 10), 0.4 * income - 10),
            "Below 10 the tax is negative. There it is zero, and its slope, too.",
        ),
        Mistake(
            "an if for all",
            lambda income: _bands(income) if income < 10 else 6 + 0.4 * (income - 40),
            "One `if` cannot go several ways. Each element is to choose for itself: torch.where, "
            "relu or clamp.",
        ),
        Mistake(
            "cut off",
            lambda income: _bands(income.detach()),
            "The values are right, but nothing leads back to the incomes: the numbers were taken "
            "out of their tensor.",
        ),
    ),
    hints=(
        "Each element chooses by itself. Which functions choose for each element?",
        "Use torch.where twice, or add the pieces: what lies above 10, and what lies above 40.",
        "0.2 * torch.relu(income - 10), and for what is above 40 another 0.2 of it.",
    ),
    reason="At 10 the slope rises from 0 to 0.2, at 40 from 0.2 to 0.4. A relu is zero to the left "
    "of its kink and adds its slope to the right, so the sum of two gives both kinks, without a "
    "jump.",
)

# 5.8


def _in_so_many_turns(a: float, most: int) -> float | None:
    """The value if one of the first turns reaches 1000: all of them are looked at."""
    reached = [a * 2.0 ** (n + 1) for n in range(most + 1) if abs(a) * 2.0 ** (n + 1) >= 1000]
    return reached[0] if reached else None


def _guards(draw: Draw) -> tuple[float, int]:
    """Inputs that need fewer turns, as many, more, and turns without an end."""
    most = draw.integer(4, 9)
    # Zero comes early: a loop without a guard is stopped there, which takes its time.
    needs = (most - 2, None, most + 1, most, most + 3, most - 1)[draw.turn]
    if needs is None:
        return 0.0, most
    a = draw.positive(0.6, 0.9) * 1000 / 2**needs
    return draw.choice((a, -a)), most


def _ends_at_zero_only(a: float, most: int) -> float | None:
    return None if a == 0 else _in_so_many_turns(a, 1000)


def _ends_but_at_zero(a: float, most: int) -> float | None:
    if a == 0:
        raise Endless
    return _in_so_many_turns(a, 1000)


def _whatever_there_is(a: float, most: int) -> float:
    found = _in_so_many_turns(a, most)
    return a * 2.0 ** (most + 1) if found is None else found


GUARD = Exercise(
    number="5.8",
    title="A loop that always ends",
    practises="a guard against a loop without an end",
    seeds=("S26",),
    minutes=8,
    difficulty=2,
    oracle=_in_so_many_turns,
    against="a look at each of the turns",
    draw=_guards,
    mistakes=(
        Mistake(
            "no guard",
            _ends_but_at_zero,
            "For a = 0 your loop never ends: 0 doubled is 0. Count the turns, and give up after "
            "as many as are allowed.",
        ),
        Mistake(
            "only zero is guarded",
            _ends_at_zero_only,
            "a = 0 is caught, but not the numbers close to it: they too need more turns than are "
            "allowed. Count the turns, then both are caught.",
        ),
        Mistake(
            "returns what there is",
            _whatever_there_is,
            "When the turns are used up, you return b as it is, and nobody can tell that it is "
            "not the answer. Say so: return None.",
        ),
        Mistake(
            "one turn too few",
            lambda a, most: _in_so_many_turns(a, most - 1),
            "You gave up one turn early. After the last turn allowed b must be looked at once "
            "more.",
        ),
        Mistake(
            "one turn too many",
            lambda a, most: _in_so_many_turns(a, most + 1),
            "You allowed one turn too many. The first line is no turn.",
        ),
        Mistake(
            "the sign decides",
            lambda a, most: _in_so_many_turns(a, most) if a > 0 else None,
            "A negative a needs no more turns than a positive one, but you gave up on it. The "
            "norm asks for the size of b, without its sign.",
        ),
        Mistake(
            "stops at once",
            lambda a, most: 2 * a,
            "It returned after the first line. Look at b in each turn, and return once it is "
            "large enough.",
        ),
    ),
    hints=(
        "A `while` cannot promise to end. Which loop can?",
        "Count with `for turn in range(…)`, and return from inside it. What is left at its end?",
        "Look at b before each turn and after the last: so range(most + 1). Then return None.",
    ),
    reason="A `for` over a range ends, whatever the data. b is looked at most + 1 times: before "
    "each of the turns, and after the last. Whoever calls sees from None that there is no answer.",
)

# 5.9


def _by_python(p: Tensor, q: Tensor) -> bool:
    """Python's floats have twice the digits, and its own notion of close."""
    pairs = zip(p.tolist(), q.tolist(), strict=True)
    return all(math.isclose(one, other, rel_tol=1e-5, abs_tol=0.0) for one, other in pairs)


_FACTORS = (1, 1.001, 1.5, 1 + 2e-7, 0.7, 1.5)
_SIZES = (1e8, 1e6, 1e-9, 1e-9, 1, 1)


def _two_that_are_close(draw: Draw) -> tuple[Tensor, Tensor]:
    """A vector, and the same with one element a little or a lot away."""
    p = draw.tensor(draw.sizes(1)[0] + 1) * _SIZES[draw.turn]
    changed, other = draw.random.sample(range(len(p)), 2)
    p[changed] = p[changed].abs()
    if draw.turn == 5:
        p[other] *= 1e7
    q = p.clone()
    q[changed] *= _FACTORS[draw.turn]
    if draw.turn == 0:
        # Neighbours: no two floats are closer, and yet they are 4 or more apart at this size.
        q = torch.nextafter(p, q.new_tensor(math.inf))
    return p, q


ROUNDING = Exercise(
    number="5.9",
    title="A comparison that knows about rounding",
    practises="comparing floats of any size",
    seeds=("S26",),
    minutes=9,
    difficulty=2,
    oracle=_by_python,
    against="math.isclose, in double precision",
    draw=_two_that_are_close,
    mistakes=(
        Mistake(
            "equality",
            torch.equal,
            "Two floats that ought to be the same differ in their last digit, and you call them "
            "different. That is how the notes saw False.",
        ),
        Mistake(
            "the difference is bounded",
            lambda p, q: bool(((p - q).abs() < 1e-5).all()),
            "You bounded the difference itself. At 1e8 two neighbours differ by 8, and at 1e-9 "
            "everything differs by less. Compare it with the size of the numbers.",
        ),
        Mistake(
            "the slack at zero",
            lambda p, q: torch.allclose(p, q, rtol=1e-5),
            "allclose also allows a difference of 1e-8, whatever the size (its atol). Numbers as "
            "small as 1e-9 are then all the same. Say atol=0.",
        ),
        Mistake(
            "one is enough",
            lambda p, q: bool(((p - q).abs() <= 1e-5 * p.abs()).any()),
            "One pair that is close was enough for you. All of them must be.",
        ),
        Mistake(
            "the sign of the difference",
            lambda p, q: bool((p - q <= 1e-5 * q.abs()).all()),
            "A difference may be negative, and then it is smaller than any bound. Take its size.",
        ),
        Mistake(
            "too generous",
            lambda p, q: torch.allclose(p, q, rtol=1e-2, atol=0),
            "You let numbers differ by a hundredth. Rounding changes a float32 by less than one "
            "part in a million, and one part in 100,000 is the bound that is asked for.",
        ),
        Mistake(
            "measured by the largest",
            lambda p, q: bool((p - q).abs().max() <= 1e-5 * q.abs().max()),
            "You measured every difference by the largest number. Beside a large element a small "
            "one may then be wrong altogether: compare each pair by itself.",
        ),
    ),
    hints=(
        "How far are two neighbouring floats apart at 1e8, and at 1e-9? Is one bound enough?",
        "torch.allclose has two bounds: rtol, a part of the size, and atol, the same for all.",
        "Only the part counts: torch.allclose(p, q, rtol=1e-5, atol=0).",
    ),
    reason="Rounding changes a float by a part of its size, so the bound is a part of it, too. An "
    "absolute bound is too strict for large numbers and lets all small ones pass.",
)

# 5.10


def _root_where_there_is_one(x: Tensor) -> Tensor:
    chosen = x > 0
    return torch.zeros_like(x).masked_scatter(chosen, x[chosen].sqrt())


def _signs_and_zeros(draw: Draw) -> tuple[Tensor]:
    return (_with_zeros(draw).requires_grad_(),)


ROOT = Exercise(
    number="5.10",
    title="A root that is safe at zero",
    practises="`torch.where`, and the branch that was not chosen",
    seeds=("S24",),
    minutes=10,
    difficulty=3,
    oracle=_root_where_there_is_one,
    against="the root of the positive elements alone",
    draw=_signs_and_zeros,
    observe=differentiated("x"),
    mistakes=(
        Mistake(
            "the other branch is computed",
            lambda x: torch.where(x > 0, x.sqrt(), 0.0),
            "The values are right, but the root is still taken at zero or below, and its slope "
            "there is infinite or NaN. A zero arrives, and 0 · ∞ is NaN. Choose a harmless input "
            "before the root is taken.",
        ),
        Mistake(
            "clamped at zero",
            lambda x: x.clamp(min=0).sqrt(),
            "The values are right, and below zero the gradient is. At zero itself clamp lets "
            "through what comes back, and the slope of the root is infinite there.",
        ),
        Mistake(
            "NaN is swept away",
            lambda x: x.sqrt().nan_to_num(0.0),
            "nan_to_num mends the values and comes too late for the gradient: the root has been "
            "taken at zero and below.",
        ),
        Mistake(
            "times a mask",
            lambda x: x.sqrt() * (x > 0),
            "Zero times NaN is NaN: a mask that is multiplied takes nothing away. Choose the input "
            "before the root.",
        ),
        Mistake(
            "moved a little",
            lambda x: (torch.relu(x) + 1e-6).sqrt(),
            "A small number under the root keeps it away from zero. Nothing is NaN now, but at "
            "zero and below the result is not 0.",
        ),
        Mistake(
            "the harmless input stays in",
            lambda x: torch.where(x > 0, x, 1.0).sqrt(),
            "The input is harmless, but its root, 1, is still in the result where 0 belongs. "
            "Choose a second time, after the root.",
        ),
        Mistake(
            "the size of x",
            lambda x: x.abs().sqrt(),
            "That is the root of the size of x, and below zero the result is to be 0. At zero the "
            "slope is infinite still.",
        ),
    ),
    hints=(
        "torch.where computes both sides, and then chooses. At which inputs was the root taken?",
        "Choose twice: a harmless input before the root, and the right result after it.",
        "safe = torch.where(x > 0, x, 1.0), then torch.where(x > 0, safe.sqrt(), 0.0).",
    ),
    reason="The inner choice lets the root see only positive numbers, so all its slopes are "
    "finite. The outer one sends zero to those that were not chosen, and zero times a finite slope "
    "is zero.",
)

# 5.11


def _weighted_by_hand(scores: Tensor, values: Tensor, temperature: float) -> Tensor:
    top = scores.detach().max()
    parts = [torch.exp((score - top) / temperature) for score in scores]
    total = sum(part * value for part, value in zip(parts, values.tolist(), strict=True))
    return torch.as_tensor(total) / torch.stack(parts).sum()


def _scored(draw: Draw) -> tuple[Tensor, Tensor, float]:
    scores = draw.tensor(draw.sizes(1)[0] + 1, requires_grad=True)
    return scores, draw.tensor(*scores.shape), draw.choice((0.5, 2.0, 3.0))


SOFT = Exercise(
    number="5.11",
    title="A choice that can learn",
    practises="a soft replacement for argmax",
    seeds=("S24",),
    minutes=12,
    difficulty=3,
    oracle=_weighted_by_hand,
    against="the weights computed one by one",
    draw=_scored,
    observe=differentiated("scores"),
    mistakes=(
        Mistake(
            "no way back to the scores",
            lambda scores, values, temperature: values[scores.argmax()],
            "argmax gives a whole number that jumps, and nothing flows back through it: the scores "
            "get no gradient.",
        ),
        Mistake(
            "no temperature",
            lambda scores, values, temperature: torch.softmax(scores, 0) @ values,
            "The temperature is missing: the scores are to be divided by it.",
        ),
        Mistake(
            "times the temperature",
            lambda scores, values, temperature: torch.softmax(scores * temperature, 0) @ values,
            "You multiplied by the temperature. A high one is to make the choice softer, so the "
            "scores are divided by it.",
        ),
        Mistake(
            "not normalized",
            lambda scores, values, temperature: torch.exp(scores / temperature) @ values,
            "Your weights do not add up to 1. Divide each of them by the sum of all.",
        ),
        Mistake(
            "the mean",
            lambda scores, values, temperature: (
                torch.softmax(scores / temperature, 0) * values
            ).mean(),
            "The weights add up to 1 already: add the weighted values, and divide by nothing more.",
        ),
        Mistake(
            "the best score",
            lambda scores, values, temperature: scores.max(),
            "That is the best score. Wanted is the value that belongs to it, softly.",
        ),
        Mistake(
            "scores and values exchanged",
            lambda scores, values, temperature: torch.softmax(values / temperature, 0) @ scores,
            "You weighted the scores by the values. It is the scores that choose.",
        ),
    ),
    hints=(
        "A hard choice gives one value the weight 1, and all others 0. What would be softer?",
        "softmax makes weights of scores: positive, and they add up to 1.",
        "Weigh the values: torch.softmax(scores / temperature, dim=0) @ values.",
    ),
    reason="The softmax weights change smoothly with every score, so each score gets a gradient. "
    "As the temperature falls to zero the weight of the best goes to 1: that is the hard choice.",
)

EXERCISES = (
    FOUR_STEPS,
    SLOPE,
    TURNS_TAKEN,
    AT_ZERO,
    KINKS,
    VECTOR,
    PIECES,
    GUARD,
    ROUNDING,
    ROOT,
    SOFT,
)
