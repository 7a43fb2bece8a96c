"""Answers to chapter 5's exercises."""

import math

import torch

from tests.exercises.bank import Answers

# 5.1


def one_leaf_each(f, points):
    slopes = []
    for point in points:
        a = torch.tensor(point, requires_grad=True)
        f(a).backward()
        slopes.append(a.grad)
    return slopes


def one_leaf_emptied(f, points):
    a = torch.tensor(0.0, requires_grad=True)
    slopes = []
    for point in points:
        a.grad = None
        a.data.fill_(point)
        f(a).backward()
        slopes.append(a.grad.item())
    return slopes


def total_of_elements(f, points):
    a = torch.tensor(points, requires_grad=True)
    sum(f(element) for element in a).backward()
    return a.grad


def never_emptied(f, points):
    a = torch.tensor(0.0, requires_grad=True)
    slopes = []
    for point in points:
        with torch.no_grad():
            a.fill_(point)
        f(a).backward()
        slopes.append(a.grad.item())
    return slopes


def through_zero(f, points):
    return [(f(torch.tensor(point)) / point).item() for point in points]


def whole_tensor(f, points):
    a = torch.tensor(points, requires_grad=True)
    f(a).sum().backward()
    return a.grad.tolist()


def not_asked_for(f, points):
    slopes = []
    for point in points:
        a = torch.tensor(point)
        f(a).backward()
        slopes.append(a.grad.item())
    return slopes


# 5.2


def g(a):
    b = a * 3
    while b.norm() < 500:
        b = b * 3
    if b.sum() > 0:
        return b
    return -7 * b


def by_backward(a):
    a = torch.tensor(a, requires_grad=True)
    g(a).backward()
    return a.grad


def counted(a):
    k = 3
    while abs(k * a) < 500:
        k *= 3
    return k if a > 0 else -7 * k


def from_one(a):
    b, k = 3 * a, 1
    while abs(b) < 500:
        b, k = 3 * b, 3 * k
    return k if b > 0 else -7 * k


def past_the_end(a):
    k, reached = 3, False
    while not reached:
        reached = abs(k * a) >= 500
        k *= 3
    return k if a > 0 else -7 * k


def no_branch(a):
    k = 3
    while abs(k * a) < 500:
        k *= 3
    return k


def wrong_branch(a):
    k = no_branch(a)
    return -7 * k if a > 0 else k


# 5.3


def counter(a):
    b, turns = torch.tensor(a) * 2, 0
    while b.norm() < 1000:
        b = b * 2
        turns += 1
    return turns


def from_the_slope(a):
    a = torch.tensor(a, requires_grad=True)
    b = a * 2
    while b.norm() < 1000:
        b = b * 2
    b.backward()
    return torch.log2(a.grad) - 1


def doublings(a):
    b, n = abs(a), 0
    while b < 1000 or n == 0:
        b, n = 2 * b, n + 1
    return n


def starts_at_a(a):
    b, n = abs(a), 0
    while b < 1000:
        b, n = 2 * b, n + 1
    return n


def up_to_and_with(a):
    b, n = 2 * abs(a), 0
    while b <= 1000:
        b, n = 2 * b, n + 1
    return n


# 5.4


def kinks_by_backward(x):
    x = x.clone().requires_grad_()
    (torch.relu(x) + 2 * x.clamp(min=0) + 4 * x.abs()).sum().backward()
    return x.grad


def convention(relu, clamp, middle):
    def answer(x):
        at_zero = relu + 2 * clamp + 4 * middle
        return torch.tensor([7.0 if e > 0 else -4.0 if e < 0 else at_zero for e in x.tolist()])

    return answer


# 5.5


def halving(low, high):
    kink, found = 500.0, []
    while kink > low:
        if kink < high:
            found.insert(0, kink)
        kink /= 2
    return found


def from_a_thousand(low, high):
    kink, found = 1000.0, []
    while kink > low:
        if kink < high:
            found.append(kink)
        kink /= 2
    return sorted(found)


def begins_too_low(low, high):
    return sorted(250 / 2**n for n in range(30) if low < 250 / 2**n < high)


def not_turned_round(low, high):
    return [500 / 2**n for n in range(30) if low < 500 / 2**n < high]


def doubles_low(low, high):
    found, kink = [], 2 * low
    while kink < high:
        found.append(kink)
        kink *= 2
    return found


def without_high(low, high):
    return sorted(500 / 2**n for n in range(30) if 500 / 2**n > low)


# 5.6


def h(v):
    b = v * 2
    while b.norm() < 100:
        b = b * 2
    if b.sum() > 0:
        return b
    return 5 * b


def h_backward(v):
    v = v.clone().requires_grad_()
    h(v).sum().backward()
    return v.grad


def h_factor(v):
    k = 2
    while math.sqrt(sum(e * e for e in v.tolist())) * k < 100:
        k *= 2
    return torch.ones(len(v)).double() * (k if v.sum() > 0 else 5 * k)


def h_of_each(v):
    return torch.tensor([(h(e) / e).item() for e in v])


def where_for_the_branch(v):
    k = 2
    while (k * v).norm() < 100:
        k *= 2
    return torch.tensor([k if e > 0 else 5 * k for e in v])


def only_the_loop(v):
    k = 2
    while (k * v).norm() < 100:
        k *= 2
    return torch.full(v.shape, k)


def any_element(v):
    k = 2
    while (k * v).abs().max() < 100:
        k *= 2
    return torch.full_like(v, k if v.sum() > 0 else 5 * k)


def one_norm(v):
    k = 2
    while (k * v).norm(p=1) < 100:
        k *= 2
    return torch.full_like(v, k if v.sum() > 0 else 5 * k)


# 5.7


def twice_where(income):
    middle = 0.2 * (income - 10)
    top = 6 + 0.4 * (income - 40)
    return torch.where(income < 10, 0.0, torch.where(income < 40, middle, top))


def each_with_if(income):
    def tax(x):
        if x < 10:
            return 0 * x
        if x < 40:
            return 0.2 * (x - 10)
        return 6 + 0.4 * (x - 40)

    return torch.stack([tax(x) for x in income])


def by_clamp(income):
    return 0.2 * (income.double().clamp(10, 40) - 10) + 0.4 * (income.clamp(min=40) - 40)


def whole_income(income):
    rate = torch.where(income < 10, 0.0, torch.where(income < 40, 0.2, 0.4))
    return rate * income


def forgets_six(income):
    top = 0.4 * torch.relu(income - 40)
    return torch.where(income > 40, top, 0.2 * torch.relu(income - 10))


def all_above_ten(income):
    rate = torch.where(income < 40, 0.2, 0.4)
    return rate * (income - 10).clamp(min=0)


def no_floor(income):
    return torch.where(income < 40, 0.2 * (income - 10), 6 + 0.4 * (income - 40))


def one_if(income):
    if income < 10:
        return 0 * income
    if income < 40:
        return 0.2 * (income - 10)
    return 6 + 0.4 * (income - 40)


def python_numbers(income):
    taxes = [0.2 * max(0, x - 10) + 0.2 * max(0, x - 40) for x in income.tolist()]
    return torch.tensor(taxes)


# 5.8


def counted_for(a, most):
    b = 2 * a
    for _ in range(most):
        if abs(b) >= 1000:
            return b
        b = 2 * b
    return b if abs(b) >= 1000 else None


def counted_while(a, most):
    b, turns = torch.tensor(2 * a), 0
    while b.norm() < 1000:
        if turns == most:
            return None
        b, turns = b * 2, turns + 1
    return b


def zero_apart(a, most):
    if a == 0:
        return None
    b = 2 * a
    while abs(b) < 1000:
        b = 2 * b
    return b


def no_verdict(a, most):
    b = 2 * a
    for _ in range(most):
        if abs(b) >= 1000:
            break
        b = 2 * b
    return b


def no_last_look(a, most):
    b = 2 * a
    for _ in range(most):
        if abs(b) >= 1000:
            return b
        b = 2 * b
    return None


def starts_with_a(a, most):
    b = 2 * a
    for _ in range(most + 2):
        if abs(b) >= 1000:
            return b
        b = 2 * b
    return None


def forgets_the_norm(a, most):
    b = 2 * a
    for _ in range(most + 1):
        if b >= 1000:
            return b
        b = 2 * b
    return None


def returns_inside(a, most):
    b = 2 * a
    for _ in range(most):
        if abs(b) < 1000:
            return b
        b = 2 * b
    return None


# 5.9


def relative(p, q):
    size = torch.maximum(p.abs(), q.abs())
    return ((p - q).abs() <= 1e-5 * size).all()


def as_bool(p, q):
    return torch.isclose(p.double(), q.double(), rtol=1e-5, atol=0).all().item()


# 5.10


def two_choices(x):
    safe = torch.where(x > 0, x, torch.ones_like(x))
    return torch.where(x > 0, torch.sqrt(safe), torch.zeros_like(x))


def put_in_place(x):
    y = torch.zeros_like(x)
    y[x > 0] = x[x > 0].sqrt()
    return y


def element_by_element(x):
    return torch.stack([e.sqrt() if e > 0 else 0 * e for e in x])


def filled(x):
    return x.masked_fill(x <= 0, 1.0).double().sqrt() * (x > 0)


# Loops that never end on some input


def whole_numbers_without_size(a):
    k = 3
    while k * a < 500:
        k *= 3
    return k if a > 0 else -7 * k


def floats_without_size(a):
    b, k = 3 * a, 3
    while b < 500:
        b, k = 3 * b, 3.0 * k
    return k if a > 0 else -7 * k


def counter_without_size(a):
    b, n = 2 * a, 0
    while b < 1000:
        b, n = 2 * b, n + 1
    return n


def whole_factor_by_sum(v):
    k = 2
    while (k * v).sum() < 100:
        k = 2 * k
    return torch.full_like(v, k if v.sum() > 0 else 5 * k)


def the_loop_itself(a, most):
    b = 2 * a
    while abs(b) < 1000:
        b = 2 * b
    return b


# 5.11


def steady(scores, values, temperature):
    shifted = (scores - scores.max().detach()) / temperature
    weights = shifted.exp() / shifted.exp().sum()
    return torch.dot(weights, values)


def best_value(scores, values, temperature):
    _, place = (scores / temperature).max(0)
    return values[place]


def detached_weights(scores, values, temperature):
    weights = torch.softmax(scores / temperature, 0).detach()
    return weights @ values


BANK = (
    Answers(
        "5.1",
        wrong={
            "accumulated": never_emptied,
            "value divided by the point": through_zero,
            "the values": lambda f, points: [f(torch.tensor(p)) for p in points],
            "all at once": whole_tensor,
            "never watched": not_asked_for,
        },
        right=(one_leaf_each, one_leaf_emptied, total_of_elements),
    ),
    Answers(
        "5.2",
        wrong={
            "the value": lambda a: g(torch.tensor(a)).item(),
            "the first line is forgotten": from_one,
            "one turn too many": past_the_end,
            "the branch is forgotten": no_branch,
            "the sign of a is put in": lambda a: g(torch.tensor(a)).item() / abs(a),
            "the branches are exchanged": wrong_branch,
            "the size is not taken": whole_numbers_without_size,
        },
        endless={"the size is not taken": floats_without_size},
        right=(by_backward, counted, lambda a: g(torch.tensor(a).double()) / a),
    ),
    Answers(
        "5.3",
        wrong={
            "the first line is counted": doublings,
            "the first line is forgotten": starts_at_a,
            "goes on at 1000": up_to_and_with,
            "rounded down": lambda a: max(0, int(math.log2(1000 / abs(a)) - 1)),
            "fewer than none": lambda a: math.ceil(math.log2(1000 / abs(a))) - 1,
        },
        endless={"the size is not taken": counter_without_size},
        right=(
            counter,
            from_the_slope,
            lambda a: max(0, math.ceil(math.log2(1000 / abs(a)) - 1)),
        ),
    ),
    Answers(
        "5.4",
        wrong={
            "all flat at zero": (
                convention(0, 0, 0),
                lambda x: (x > 0) + 2 * (x > 0) + 4 * x.sign(),
            ),
            "the right side at zero": convention(1, 1, 1),
            "the left side at zero": convention(0, 0, -1),
            "the middle at zero": convention(0.5, 0.5, 0),
            "relu as clamp": (
                convention(1, 1, 0),
                lambda x: 3.0 * (x >= 0) + 4 * x.sign(),
            ),
            "relu and clamp exchanged": convention(1, 0, 0),
        },
        right=(
            kinks_by_backward,
            convention(0, 1, 0),
            lambda x: (x > 0) + 2 * (x >= 0) + 4 * x.double().sign(),
        ),
    ),
    Answers(
        "5.5",
        wrong={
            "the first line is forgotten": from_a_thousand,
            "the last kink is missing": begins_too_low,
            "falling": not_turned_round,
            "all of them from low": doubles_low,
            "evenly spaced": lambda low, high: [
                500 / n for n in range(600, 0, -1) if low < 500 / n < high
            ],
            "only the lower bound": without_high,
        },
        right=(
            halving,
            lambda low, high: [k for n in range(30, 0, -1) if low < (k := 1000 / 2**n) < high],
            lambda low, high: torch.tensor(halving(low, high), dtype=torch.float64),
        ),
    ),
    Answers(
        "5.6",
        wrong={
            "each element by itself": h_of_each,
            "a branch for each element": where_for_the_branch,
            "the branch is forgotten": only_the_loop,
            "the largest decides": any_element,
            "the sum of sizes decides": one_norm,
            "the value": lambda v: h(v),
            "the sum decides on the turns": whole_factor_by_sum,
        },
        right=(h_backward, h_factor, lambda v: h(v) / v),
    ),
    Answers(
        "5.7",
        wrong={
            "one rate for all of it": whole_income,
            "the middle piece is lost": forgets_six,
            "the top piece starts at 10": all_above_ten,
            "money back": no_floor,
            "an if for all": one_if,
            "cut off": python_numbers,
        },
        right=(twice_where, each_with_if, by_clamp),
    ),
    Answers(
        "5.8",
        wrong={
            "only zero is guarded": zero_apart,
            "returns what there is": no_verdict,
            "one turn too few": no_last_look,
            "one turn too many": starts_with_a,
            "the sign decides": forgets_the_norm,
            "stops at once": returns_inside,
        },
        endless={"no guard": the_loop_itself},
        right=(counted_for, counted_while),
    ),
    Answers(
        "5.9",
        wrong={
            "equality": (torch.equal, lambda p, q: bool((p == q).all())),
            "the difference is bounded": lambda p, q: bool((p - q).abs().max() < 1e-6),
            "the slack at zero": torch.allclose,
            "one is enough": lambda p, q: bool(torch.isclose(p, q, atol=0).any()),
            "the sign of the difference": lambda p, q: bool(((p - q) / q.abs() < 1e-5).all()),
            "too generous": lambda p, q: bool(((p - q).abs() < 0.01 * p.abs()).all()),
            "measured by the largest": lambda p, q: bool((p - q).norm() < 1e-5 * p.norm()),
        },
        right=(relative, as_bool, lambda p, q: torch.allclose(p, q, atol=0)),
    ),
    Answers(
        "5.10",
        wrong={
            "the other branch is computed": (
                lambda x: torch.where(x <= 0, torch.zeros_like(x), torch.sqrt(x)),
                lambda x: torch.where(x > 0, x**0.5, 0),
            ),
            "clamped at zero": lambda x: torch.sqrt(x.clamp_min(0)),
            "NaN is swept away": lambda x: torch.nan_to_num(torch.sqrt(x)),
            "times a mask": lambda x: (x > 0).float() * torch.sqrt(x),
            "moved a little": lambda x: x.clamp(min=1e-6).sqrt(),
            "the harmless input stays in": lambda x: x.masked_fill(x <= 0, 1).sqrt(),
            "the size of x": lambda x: torch.sqrt(x.abs()),
        },
        right=(
            two_choices,
            put_in_place,
            element_by_element,
            filled,
            # relu's backward chooses, it does not multiply: the infinite slope meets no zero.
            lambda x: torch.relu(x).sqrt(),
        ),
    ),
    Answers(
        "5.11",
        wrong={
            "no way back to the scores": best_value,
            "cut off": detached_weights,
            "no temperature": lambda scores, values, t: scores.softmax(0) @ values,
            "times the temperature": lambda scores, values, t: (t * scores).softmax(0) @ values,
            "not normalized": lambda scores, values, t: ((scores / t).exp() * values).sum(),
            "the mean": lambda scores, values, t: (
                ((scores / t).softmax(0) * values).sum() / len(values)
            ),
            "the best score": lambda scores, values, t: scores.max(),
            "scores and values exchanged": lambda scores, values, t: torch.dot(
                torch.softmax(values / t, 0), scores
            ),
        },
        right=(
            steady,
            lambda scores, values, t: torch.softmax(scores / t, dim=0) @ values,
            lambda scores, values, t: torch.softmax(scores.double() / t, -1).dot(values.double()),
        ),
    ),
)
