"""Answers to chapter 1's exercises."""

import torch

from tests.exercises.bank import Answers

# 1.1


def by_autograd(x):
    x.requires_grad_()
    y = 3 * torch.dot(x, x) + x.sum()
    y.backward()
    return x.grad


def sum_of_squares(x):
    return sum(3 * element**2 + element for element in x)


# 1.2


def converted_then_asked(numbers):
    x = torch.tensor(numbers).double()
    x.requires_grad = True
    return x


def asked_then_converted(numbers):
    x = torch.tensor(numbers, dtype=torch.float64, requires_grad=True)
    return x.to(torch.float32)


# 1.3


def one_after_the_other(f, x):
    leaf = x.clone().requires_grad_(True)
    y = f(leaf)
    y.backward()
    return leaf.grad


def asked_too_late(f, x):
    y = f(x)
    x.requires_grad = True
    y.backward()
    return x.grad


def read_too_early(f, x):
    x.requires_grad = True
    y = f(x)
    gradient = x.grad
    y.backward()
    return gradient


def with_the_value_as_argument(f, x):
    leaf = x.detach().requires_grad_()
    y = f(leaf)
    return torch.autograd.grad(y, leaf, grad_outputs=y)[0]


def at_ones(f, x):
    x = torch.ones(len(x), requires_grad=True)
    f(x).backward()
    return x.grad


# 1.5


def in_place(grad, new):
    if grad is None:
        return new.clone()
    grad += new
    return grad


def falls_back_to_zero(grad, new):
    return (0 if grad is None else grad) + new


def in_place_without_a_look(grad, new):
    grad += new
    return grad


# 1.6


def run_it(x, n):
    x.requires_grad = True
    for _ in range(n):
        y = (x * x).sum()
        y.backward()
    return x.grad


def run_it_and_zero(x, n):
    x.requires_grad = True
    for _ in range(n):
        x.grad = None
        (x * x).sum().backward()
    return x.grad


def doubling(x, n):
    grad = 2 * x
    for _ in range(n - 1):
        grad = grad + grad
    return grad


# 1.7


def rows_of_x(W, x, v):
    return torch.stack([weight * x for weight in v])


# 1.8


def fill(params):
    for p in params:
        if p.grad is None:
            continue
        p.grad.fill_(0.0)


def new_zeros(params):
    for p in params:
        p.grad = None if p.grad is None else torch.zeros_like(p.grad, dtype=torch.float32)


def optimizer_keeps_memory(params):
    torch.optim.SGD(params).zero_grad(set_to_none=False)


def optimizer_default(params):
    torch.optim.SGD(params).zero_grad()


def multiply_by_zero(params):
    for p in params:
        p.grad *= 0


def a_local_name(params):
    for p in params:
        gradient = p.grad
        gradient = 0  # noqa: F841


def put_zeros(params):
    for p in params:
        p.grad = p.detach() * 0


@torch.no_grad()
def zero_parameters(params):
    for p in params:
        p.zero_()


@torch.no_grad()
def zero_everything(params):
    for p in params:
        p.fill_(0)
        if p.grad is not None:
            p.grad.fill_(0)


# 1.9


def edited_under_no_grad(x):
    y = x.exp()
    with torch.no_grad():
        y += 1
    return y


def edited_by_add(x):
    return torch.exp(x).add_(1)


def edited_data(x):
    y = x.exp()
    y.data.add_(1)
    return y


def edited_a_copy(x):
    y = torch.exp(x).clone()
    y += 1
    return y


def rebuilt(x):
    return torch.tensor(torch.exp(x).tolist()) + 1


# 1.10


def with_zero_(x, target, steps):
    for _ in range(steps):
        torch.sum((x - target).square()).backward()
        with torch.no_grad():
            x.sub_(x.grad, alpha=0.1)
            x.grad.zero_()


def with_an_optimizer(x, target, steps):
    optimizer = torch.optim.SGD([x], lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        ((x - target) ** 2).sum().backward()
        optimizer.step()


def without_grad_attribute(x, target, steps):
    for _ in range(steps):
        (gradient,) = torch.autograd.grad(((x - target) ** 2).sum(), x)
        x.data -= 0.1 * gradient


def forgets_to_empty(x, target, steps):
    for _ in range(steps):
        ((x - target) ** 2).sum().backward()
        with torch.no_grad():
            x -= 0.1 * x.grad


def rebinds(x, target, steps):
    for _ in range(steps):
        ((x - target) ** 2).sum().backward()
        x = (x - 0.1 * x.grad).detach().requires_grad_()


def empties_too_early(x, target, steps):
    for _ in range(steps):
        ((x - target) ** 2).sum().backward()
        x.grad.zero_()
        with torch.no_grad():
            x -= 0.1 * x.grad


def uphill(x, target, steps):
    optimizer = torch.optim.SGD([x], lr=0.1, maximize=True)
    for _ in range(steps):
        optimizer.zero_grad()
        ((x - target) ** 2).sum().backward()
        optimizer.step()


def whole_gradient(x, target, steps):
    for _ in range(steps):
        ((x - target) ** 2).sum().backward()
        with torch.no_grad():
            x -= x.grad
        x.grad = None


def range_from_one(x, target, steps):
    for _ in range(1, steps):
        ((x - target) ** 2).sum().backward()
        with torch.no_grad():
            x -= 0.1 * x.grad
        x.grad = None


def update_in_the_graph(x, target, steps):
    for _ in range(steps):
        ((x - target) ** 2).sum().backward()
        x.sub_(0.1 * x.grad)


BANK = (
    Answers(
        "1.1",
        wrong={
            "the value": sum_of_squares,
            "the linear term is lost": lambda x: 3 * 2 * x,
            "the power is not brought down": lambda x: 3 * x + torch.ones_like(x),
            "summed": lambda x: 6 * x.sum() + len(x),
            "the linear term keeps its x": lambda x: 6 * x + x,
        },
        right=(by_autograd, lambda x: torch.add(1, x, alpha=6), lambda x: x.double() * 6 + 1),
    ),
    Answers(
        "1.2",
        wrong={
            "integers": lambda numbers: torch.tensor(numbers).requires_grad_(),
            "not watched": lambda numbers: torch.tensor([1.0 * n for n in numbers]),
            "computed, so no leaf": asked_then_converted,
            "integers left as they are": torch.as_tensor,
        },
        right=(
            converted_then_asked,
            lambda numbers: torch.tensor([float(n) for n in numbers], requires_grad=True),
            lambda numbers: torch.nn.Parameter(torch.tensor(numbers).half()),
        ),
    ),
    Answers(
        "1.3",
        wrong={
            "not watched": asked_too_late,
            "no backward": read_too_early,
            "the value": lambda f, x: f(x).detach(),
            "y passed to backward": with_the_value_as_argument,
            "at another point": at_ones,
        },
        right=(
            one_after_the_other,
            lambda f, x: torch.func.jacrev(f)(x),
            lambda f, x: torch.autograd.functional.jacobian(f, x.double()),
        ),
    ),
    Answers(
        "1.4",
        wrong={
            "requires_grad is enough": lambda ts: [bool(t.requires_grad) for t in ts],
            "every leaf": lambda ts: [t.grad_fn is None for t in ts],
            "where the graph ends": lambda ts: [not t.is_leaf for t in ts],
            "all": lambda ts: [True] * len(ts),
            "already there": lambda ts: [False] * len(ts),
        },
        right=(
            lambda ts: [t.requires_grad and t.grad_fn is None for t in ts],
            lambda ts: (
                torch.tensor([t.is_leaf for t in ts]) & torch.tensor([t.requires_grad for t in ts])
            ),
        ),
    ),
    Answers(
        "1.5",
        wrong={
            "overwrites": lambda grad, new: new.clone(),
            "adds to None": (in_place_without_a_look, lambda grad, new: torch.add(new, grad)),
            "keeps the first": lambda grad, new: grad if grad is not None else new,
            "averages": lambda grad, new: new if grad is None else torch.stack([grad, new]).mean(0),
            "subtracts": lambda grad, new: new if grad is None else grad.sub(new),
        },
        right=(in_place, falls_back_to_zero, lambda grad, new: new.double() + (grad or 0))[:2],
    ),
    Answers(
        "1.6",
        wrong={
            "overwrites": run_it_and_zero,
            "doubles each time": doubling,
            "one too few": lambda x, n: sum(2 * x for _ in range(1, n)),
            "one too many": lambda x, n: sum(2 * x for _ in range(n + 1)),
            "the mean": lambda x, n: 2 * x / n,
        },
        right=(run_it, lambda x, n: sum(2 * x for _ in range(n)), lambda x, n: x.double() * 2 * n),
    ),
    Answers(
        "1.7",
        wrong={
            "transposed": lambda W, x, v: x[:, None] * v,
            "by x": lambda W, x, v: v @ W,
            "v left out": lambda W, x, v: torch.outer(torch.ones_like(v), x),
            "x left out": lambda W, x, v: torch.outer(v, torch.ones_like(x)),
            "collapsed": lambda W, x, v: (v * v).sum() * x,
            "shape": lambda W, x, v: v.sum() * x.sum(),
        },
        right=(
            rows_of_x,
            lambda W, x, v: v[:, None] * x,
            lambda W, x, v: torch.einsum("i,j->ij", v.double(), x.double()),
            lambda W, x, v: torch.func.grad(lambda W: v @ W @ x)(W),
        ),
    ),
    Answers(
        "1.8",
        wrong={
            "None for all": optimizer_default,
            "zero_ on None": lambda params: [p.grad.zero_() for p in params],
            "arithmetic with None": multiply_by_zero,
            "zeros for all": put_zeros,
            "zeroes the parameters": zero_parameters,
            "zeroes both": zero_everything,
            "only a name": a_local_name,
        },
        right=(fill, new_zeros, optimizer_keeps_memory),
    ),
    Answers(
        "1.9",
        wrong={
            "edited in place": (edited_under_no_grad, edited_by_add),
            "hidden by .data": edited_data,
            "cut off": rebuilt,
            "the 1 is lost": lambda x: x.exp(),
            "added before": lambda x: (x + 1).exp(),
        },
        right=(edited_a_copy, lambda x: 1 + torch.e**x, lambda x: x.double().exp() + 1),
    ),
    Answers(
        "1.10",
        wrong={
            "never empties": forgets_to_empty,
            "never moves": (rebinds, empties_too_early),
            "climbs": uphill,
            "no rate": whole_gradient,
            "one step too few": range_from_one,
            "the update is recorded": update_in_the_graph,
        },
        right=(with_zero_, with_an_optimizer, without_grad_attribute),
    ),
)
