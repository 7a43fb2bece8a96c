"""Answers to chapter 2's exercises."""

import math
from itertools import chain, pairwise

import torch

from tests.exercises.bank import Answers

# 2.1


def by_backward(a, x):
    x.requires_grad_()
    ((a * x).sum() ** 2).backward()
    return x.grad


def each_square(a, x):
    x.requires_grad_()
    ((a * x) ** 2).sum().backward()
    return x.grad


# 2.2


def by_retained_gradients(x):
    x.requires_grad_()
    s = x**2
    t = s.sin()
    for tensor in (s, t):
        tensor.retain_grad()
    t.exp().backward()
    return t.grad, s.grad, x.grad


def written_out(x):
    x = x.double()
    y = math.e ** torch.sin(x * x)
    return y, y * torch.cos(x * x), y * torch.cos(x * x) * 2 * x


def cosine_of_x(x):
    at_t = x.exp()
    at_s = at_t * x.cos()
    return [at_t, at_s, at_s * x * 2]


def from_the_input(x):
    at_s = 2 * x
    at_t = at_s * torch.cos(x**2)
    return [at_s, at_t, at_t * torch.exp(torch.sin(x**2))]


def sums_on_the_way(x):
    s = x**2
    y = torch.exp(torch.sin(s))
    return [y, y + torch.cos(s), y + torch.cos(s) + 2 * x]


# 2.3


def by_loops(paths):
    total = 0.0
    for path in paths:
        contribution = 1.0
        for factor in path:
            contribution *= factor
        total += contribution
    return total


def one_long_path(paths):
    total = 1.0
    for path in paths:
        for factor in path:
            total *= factor
    return total


def mean_of_paths(paths):
    return torch.tensor([math.prod(path) for path in paths]).mean()


# 2.4


def by_partial_functions(x):
    fixed = x.detach()
    terms = (
        lambda x: torch.log(x**2) * torch.sin(fixed),
        lambda x: torch.log(fixed**2) * torch.sin(x),
        lambda x: 1 / x,
    )
    return [torch.func.grad(lambda x, f=f: f(x).sum())(fixed) for f in terms]


def simplified(x):
    return [2 * x.sin() / x, 2 * x.abs().log() * x.cos(), -(x.double() ** -2)]


def whole_derivative(x):
    x.requires_grad_()
    (torch.log(x**2) * torch.sin(x) + 1 / x).sum().backward()
    return x.grad


def log_of_any_square(x):
    return [x.sin() / (x * x), (x * x).log() * x.cos(), -1 / (x * x)]


# 2.5


def from_both_halves(f, x, h):
    return ((f(x + h) - f(x)) / h + (f(x) - f(x - h)) / h) / 2


def in_doubles(f, x, h):
    x = x.double()
    return (f(x + h) - f(x - h)) / h / 2


def by_backward_at(f, x, h):
    x.requires_grad_()
    f(x).backward()
    return x.grad


# 2.6


def retained(f, g, x):
    s = f(x)
    s.retain_grad()
    g(s).backward()
    return s.grad


def cut_in_two(f, g, x):
    s = f(x).detach().requires_grad_()
    g(s).backward()
    return s.grad


def read_from_computed(f, g, x):
    s = f(x)
    y = g(s)
    y.backward()
    s.retain_grad()
    return s.grad


def gradient_at_leaf(f, g, x):
    g(f(x)).backward()
    return x.grad


def inner_slope(f, g, x):
    f(x).sum().backward()
    return x.grad


def outer_at_leaf(f, g, x):
    g(x).backward()
    return x.grad


# 2.7


def by_backward_and_clone(f, x):
    s = f(x)
    s.sum().backward(retain_graph=True)
    first = x.grad.clone()
    x.grad = None
    (s**2).sum().backward()
    return [first, x.grad]


def by_two_v(f, x):
    s = f(x)
    first = torch.autograd.grad(s, x, torch.ones_like(s), retain_graph=True)[0]
    return first, torch.autograd.grad(s, x, 2 * s.detach())[0].double()


def nothing_retained(f, x):
    s = f(x)
    s.sum().backward()
    first = x.grad.clone()
    x.grad.zero_()
    s.square().sum().backward()
    return [first, x.grad]


def retained_too_late(f, x):
    s = f(x)
    losses = s.sum(), s.square().sum()
    first = torch.autograd.grad(losses[0], x)[0]
    return [first, torch.autograd.grad(losses[1], x, retain_graph=True)[0]]


def computed_again(f, x):
    first = torch.autograd.grad(f(x).sum(), x)[0]
    return [first, torch.autograd.grad((f(x) ** 2).sum(), x)[0]]


def not_emptied(f, x):
    s = f(x)
    s.sum().backward(retain_graph=True)
    first = x.grad.clone()
    (s**2).sum().backward()
    return [first, x.grad]


def not_cloned(f, x):
    s = f(x)
    s.sum().backward(retain_graph=True)
    first = x.grad
    (s**2).sum().backward()
    second = x.grad
    return [first, second]


def squares_first(f, x):
    s = f(x)
    second = torch.autograd.grad((s**2).sum(), x, retain_graph=True)[0]
    return [second, torch.autograd.grad(s.sum(), x)[0]]


# 2.8


def by_hooks(op, x):
    """Which tensors are packed away while the op runs?"""
    packed = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: packed.append(t.data_ptr()) or t, lambda t: t
    ):
        y = op(x)
    if y.data_ptr() in packed:
        return "result"
    return "input" if x.data_ptr() in packed else "nothing"


def by_names(op, x):
    name = type(op(x).grad_fn).__name__
    if name in ("ExpBackward0", "SqrtBackward0", "SigmoidBackward0", "TanhBackward0"):
        return "result"
    return (
        "input"
        if name in ("LogBackward0", "SinBackward0", "CosBackward0", "PowBackward0")
        else "nothing"
    )


def by_second_pass(op, x):
    y = op(x).sum()
    y.backward()
    try:
        y.backward()
    except RuntimeError:
        return "input"
    return "nothing"


def by_second_pass_result(op, x):
    return "result" if by_second_pass(op, x) == "input" else "nothing"


def saved_self_is_the_result(op, x):
    saved = dir(op(x).grad_fn)
    if "_saved_self" in saved:
        return "result"
    return "input" if "_saved_result" in saved else "nothing"


# 2.9


def table_of_steps(x, dtype):
    return {torch.float32: 5e-3, torch.float64: 5e-6}[dtype]


def scaled_by_x(x, dtype):
    return torch.finfo(dtype).eps ** (1 / 3) * max(1.0, abs(x))


# 2.10


def by_relative_length(f, x, grad):
    x = x.double()
    measured = torch.zeros_like(x)
    for i in range(len(x)):
        step = torch.zeros_like(x)
        step[i] = 1e-6
        measured[i] = (f(x + step) - f(x - step)) / 2e-6
    return ((grad - measured).norm() / measured.norm()).item() < 1e-4


def forward_differences(f, x, grad):
    x, h = x.double(), 1e-7
    measured = [(f(x + h * row) - f(x)) / h for row in torch.eye(len(x)).double()]
    return torch.allclose(torch.stack(measured).float(), grad, rtol=1e-2, atol=0)


def compared_by_equal(f, x, grad):
    x, h = x.double(), 1e-5
    measured = [(f(x + h * row) - f(x - h * row)) / (2 * h) for row in torch.eye(len(x)).double()]
    return bool((torch.stack(measured) == grad).all())


def small_step_in_float32(f, x, grad):
    h = 1e-8
    measured = [(f(x + h * row) - f(x - h * row)) / (2 * h) for row in torch.eye(len(x))]
    return torch.allclose(torch.stack(measured), grad, rtol=1e-2)


def all_at_once_by_element(f, x, grad):
    x, h = x.double(), 1e-5
    return torch.allclose((f(x + h) - f(x - h)) / (2 * h), grad.double(), rtol=1e-3)


def all_at_once(f, x, grad):
    x, h = x.double(), 1e-5
    return bool(torch.isclose((f(x + h) - f(x - h)) / (2 * h), grad.double().sum(), rtol=1e-3))


def along_the_first(f, x, grad):
    step = torch.zeros_like(x.double())
    step[0] = 1e-5
    slope = (f(x.double() + step) - f(x.double() - step)) / 2e-5
    return abs(slope - grad[0]).item() <= 1e-3 * abs(slope).item()


def within_a_hundredth(f, x, grad):
    x, h = x.double(), 1e-5
    measured = [(f(x + h * row) - f(x - h * row)) / (2 * h) for row in torch.eye(len(x)).double()]
    return all(abs(m - g) < 1e-2 for m, g in zip(measured, grad, strict=True))


# 2.11


def by_forward_mode(f, x, n):
    if n == 0:
        return f(x)
    return torch.func.jvp(lambda x: by_forward_mode(f, x, n - 1), (x,), (torch.ones_like(x),))[1]


def emptied_each_time(f, x, n):
    y = f(x)
    for _ in range(n):
        x.grad = None
        y.backward(create_graph=True)
        y = x.grad
    return y.double()


def retained_not_recorded(f, x, n):
    y = f(x)
    for _ in range(n):
        y = torch.autograd.grad(y, x, retain_graph=True)[0]
    return y


def backward_again(f, x, n):
    y = f(x)
    y.backward()
    for _ in range(n - 1):
        x.grad.backward()
    return x.grad


def first_one_recorded(f, x, n):
    (y,) = torch.autograd.grad(f(x), x, create_graph=True)
    for _ in range(n - 1):
        (y,) = torch.autograd.grad(y, x)
    return y


def never_emptied(f, x, n):
    f(x).backward(create_graph=True)
    for _ in range(n - 1):
        x.grad.backward(create_graph=True)
    return x.grad


def passes_over_y(f, x, n):
    y = f(x)
    for _ in range(n):
        y.backward(retain_graph=True)
    return x.grad


def first_only(f, x, n):
    f(x).backward()
    return x.grad


def loop_from_one(f, x, n):
    y = f(x)
    for _ in range(1, n):
        (y,) = torch.autograd.grad(y, x, create_graph=True)
    return y


# 2.12


def by_meta_matrices(sizes):
    """The counts from the shapes of real products."""
    factors = [torch.empty(after, before) for before, after in pairwise(sizes)]
    forward, reverse, first, last = 0, 0, factors[0], factors[-1]
    for factor in factors[1:]:
        forward += factor.numel() * first.shape[1]
        first = factor @ first
    for factor in reversed(factors[:-1]):
        reverse += last.shape[0] * factor.numel()
        last = last @ factor
    return torch.tensor([forward, reverse])


def by_two_sums(sizes):
    n = sizes
    forward = sum(n[i] * n[i - 1] * n[0] for i in range(2, len(n)))
    return [forward, sum(n[-1] * n[i] * n[i - 1] for i in range(1, len(n) - 1))]


def started_at_the_wrong_end(sizes):
    return by_two_sums(sizes)[::-1]


def reverse_is_enough(sizes):
    return [by_two_sums(sizes)[1]] * 2


def with_the_first_matrix(sizes):
    n = sizes
    forward = sum(n[i] * n[i - 1] * n[0] for i in range(1, len(n)))
    return forward, sum(n[-1] * n[i] * n[i - 1] for i in range(1, len(n)))


def elements_of_factors(sizes):
    n = sizes
    forward = sum(n[i] * n[i - 1] for i in range(2, len(n)))
    return forward, sum(n[i] * n[i - 1] for i in range(1, len(n) - 1))


def elements_of_results(sizes):
    n = sizes
    return sum(n[i] * n[0] for i in range(2, len(n))), sum(m * n[-1] for m in n[:-2])


BANK = (
    Answers(
        "2.1",
        wrong={
            "squared term by term": (each_square, lambda a, x: a**2 * x * 2),
            "the inner derivative is lost": lambda a, x: (2 * (a @ x)).repeat(len(x)),
            "one number": lambda a, x: (a * x).sum() * 2,
            "by a": lambda a, x: x * (a @ x) * 2,
            "the power is not brought down": lambda a, x: a * (a * x).sum(),
            "the value": lambda a, x: (a * x).sum().square(),
            "shape": lambda a, x: torch.outer(a, x),
        },
        right=(
            by_backward,
            lambda a, x: 2 * torch.outer(a, a) @ x,
            lambda a, x: a.double() * (a.double() @ x.double()) * 2,
        ),
    ),
    Answers(
        "2.2",
        wrong={
            "local, not multiplied": lambda x: [x.square().sin().exp(), (x * x).cos(), x + x],
            "every rule at x": cosine_of_x,
            "forward order": lambda x: by_retained_gradients(x)[::-1],
            "multiplied from x on": from_the_input,
            "added along the path": sums_on_the_way,
            "the power is not brought down": lambda x: [
                *written_out(x)[:2],
                x * written_out(x)[1],
            ],
        },
        right=(by_retained_gradients, written_out),
    ),
    Answers(
        "2.3",
        wrong={
            "everything multiplied": one_long_path,
            "everything added": lambda paths: sum(chain(*paths)),
            "sums multiplied": lambda paths: math.prod(map(sum, paths)),
            "one path only": lambda paths: next(math.prod(path) for path in paths),
            "the mean": mean_of_paths,
        },
        right=(by_loops, lambda paths: torch.stack([torch.tensor(p).prod() for p in paths]).sum()),
    ),
    Answers(
        "2.4",
        wrong={
            "summed": (whole_derivative, lambda x: torch.stack(simplified(x)).sum(0)),
            "the inner derivative is lost": log_of_any_square,
            "the logarithm's 2 is lost": lambda x: [x.sin() / x, *simplified(x)[1:]],
            "the other factor is lost": lambda x: [2 / x, x.cos(), -(x**-2)],
            "the derivatives are multiplied": lambda x: [2 * x.cos() / x] * 2 + [-1 / x / x],
            "the sign of 1/x": lambda x: [*simplified(x)[:2], x**-2],
        },
        right=(by_partial_functions, simplified, lambda x: tuple(simplified(x.half()))),
    ),
    Answers(
        "2.5",
        wrong={
            "forward only": lambda f, x, h: (f(x + h) - f(x)) / h,
            "backward only": lambda f, x, h: f(x) / h - f(x - h) / h,
            "divided by h": lambda f, x, h: (f(x + h) - f(x - h)) / h,
            "not divided": lambda f, x, h: f(x.double() + h) - f(x.double() - h),
            "precedence": lambda f, x, h: 0.5 * (f(x + h) - f(x - h)) * h,
            "the derivative itself": by_backward_at,
        },
        right=(from_both_halves, in_doubles),
    ),
    Answers(
        "2.6",
        wrong={
            "not kept": read_from_computed,
            "as far as x": gradient_at_leaf,
            "the other half": inner_slope,
            "at x": outer_at_leaf,
            "the value": lambda f, g, x: f(x).detach(),
        },
        right=(retained, cut_in_two, lambda f, g, x: torch.func.grad(g)(f(x.double()))),
    ),
    Answers(
        "2.7",
        wrong={
            "the graph is gone": (nothing_retained, retained_too_late),
            "f is called twice": computed_again,
            "the second holds both": not_emptied,
            "one tensor twice": not_cloned,
            "the wrong way round": squares_first,
        },
        right=(by_backward_and_clone, by_two_v),
    ),
    Answers(
        "2.8",
        wrong={
            "always the input": lambda op, x: "input",
            "always the result": lambda op, x: "result",
            "always nothing": lambda op, x: "nothing",
            "every curve keeps its input": by_second_pass,
            "every curve keeps its result": by_second_pass_result,
            "exchanged": saved_self_is_the_result,
        },
        right=(by_hooks, by_names),
    ),
    Answers(
        "2.9",
        wrong={
            "as small as can be": (lambda x, dtype: 1e-15, lambda x, dtype: torch.finfo(dtype).eps),
            "too large": (lambda x, dtype: 0.1, lambda x, dtype: 1.0),
            "too small": lambda x, dtype: 10 * torch.finfo(dtype).eps ** 0.75,
            "the one-sided step": lambda x, dtype: math.sqrt(torch.finfo(dtype).eps),
            "float64's step for all": lambda x, dtype: 3e-6,
            "float32's step for all": lambda x, dtype: 1e-2,
            "a small step for all": (lambda x, dtype: 1e-9, lambda x, dtype: 1e-8),
        },
        right=(
            table_of_steps,
            scaled_by_x,
            lambda x, dtype: torch.tensor(torch.finfo(dtype).eps).pow(1 / 3),
        ),
    ),
    Answers(
        "2.10",
        wrong={
            "never satisfied": (compared_by_equal, small_step_in_float32, all_at_once_by_element),
            "never wrong": lambda f, x, grad: len(grad) == len(x),
            "an absolute tolerance": within_a_hundredth,
            "the sums agree": all_at_once,
            "the first element only": along_the_first,
        },
        right=(by_relative_length, forward_differences),
    ),
    Answers(
        "2.11",
        wrong={
            "not recorded": (retained_not_recorded, backward_again),
            "recorded once": first_one_recorded,
            "collected in .grad": never_emptied,
            "the first, n times": passes_over_y,
            "the first, to the power n": lambda f, x, n: first_only(f, x, n) ** n,
            "only the first": first_only,
            "one too few": loop_from_one,
        },
        right=(by_forward_mode, emptied_each_time),
    ),
    Answers(
        "2.12",
        wrong={
            "exchanged": started_at_the_wrong_end,
            "the same for both": reverse_is_enough,
            "one product too many": with_the_first_matrix,
            "sizes of the matrices": elements_of_factors,
            "only the elements of the products": elements_of_results,
        },
        right=(by_meta_matrices, by_two_sums),
    ),
)
