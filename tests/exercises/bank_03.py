"""Answers to chapter 3's exercises."""

import torch

from tests.exercises.bank import Answers

# 3.2


def by_a_pass(f, x):
    x.requires_grad_()
    y = f(x)
    v = torch.ones(y.shape)
    y.backward(v)
    return list(v.shape), list(x.grad.shape)


# 3.3


def by_jacrev(c, x):
    return torch.func.jacrev(lambda x: c * x + x**3)(x)


def by_a_loop(c, x):
    J = torch.zeros(len(x), len(x), dtype=torch.float64)
    for i in range(len(x)):
        J[i, i] = c + 3 * x[i] ** 2
    return J


# 3.4


def slice_by_loops(x, k):
    J = torch.zeros(2 * len(x) - k, len(x))
    for row, column in enumerate(range(k, len(x))):
        J[row, column] = 1
    for column in range(len(x)):
        J[len(x) - k + column, column] = -1
    return J


def sliced_by_zeroing(x, k):
    J = torch.cat([torch.eye(len(x)), -torch.eye(len(x))])
    J[:k] = 0
    return J


# 3.5


def product_of_the_others(x):
    others = [torch.cat([x[:i], x[i + 1 :]]).prod() for i in range(len(x))]
    return torch.stack([torch.ones(len(x)) / len(x), torch.stack(others)])


def as_columns(x):
    return torch.stack([torch.full_like(x, 1 / len(x)), x.prod() / x], dim=1)


def by_backward_of_ones(x):
    x.requires_grad_()
    y = torch.stack([x.mean(), x.prod()])
    y.backward(torch.ones(2))
    return x.grad


# 3.6


def triangle_by_mask(x):
    places = torch.arange(len(x))
    return 2 * x * (places[:, None] >= places)


def triangle_times_diagonal(x):
    return torch.ones(len(x), len(x)).tril().double() @ torch.diag(2 * x.double())


# 3.7


def by_two_one_hots(y, i, j):
    identity = torch.eye(len(y), dtype=torch.float64)
    return identity[i] - identity[j]


def v_by_hand(y, i, j):
    return torch.tensor([int(place == i) - int(place == j) for place in range(len(y))])


# 3.8


def v_by_autograd(y, target, w):
    y.requires_grad_()
    (w * (y - target) ** 2).sum().backward()
    return y.grad


# 3.9


def by_the_jacobian(f, x):
    rows, columns = torch.func.jacrev(f)(x).shape
    return ["forward" if columns < rows else "reverse", min(rows, columns)]


def by_sizes(f, x):
    sizes = {"reverse": f(x).numel(), "forward": x.numel()}
    mode = min(sizes, key=sizes.get)
    return mode, torch.tensor(sizes[mode])


def modes_mixed_up(f, x):
    m, n = len(f(x)), len(x)
    return ("forward", m) if m < n else ("reverse", n)


# 3.10


def by_emptying(f, x):
    rows = []
    for i in range(len(f(x))):
        x.grad = None
        f(x)[i].backward()
        rows.append(x.grad)
    return torch.stack(rows)


def by_cloning(f, x):
    y = f(x)
    J = torch.zeros(len(y), len(x), dtype=torch.float64)
    for i, v in enumerate(torch.eye(len(y))):
        y.backward(v, retain_graph=True)
        J[i] = x.grad
        x.grad.zero_()
    return J


def in_one_batch(f, x):
    y = f(x)
    return torch.autograd.grad(y, x, torch.eye(len(y)), is_grads_batched=True)[0]


def cloned_never_emptied(f, x):
    y, rows = f(x), []
    for v in torch.eye(len(y)):
        y.backward(v, retain_graph=True)
        rows.append(x.grad.clone())
    return torch.stack(rows)


def kept_by_name(f, x):
    y, rows = f(x), []
    for v in torch.eye(len(y)):
        y.backward(v, retain_graph=True)
        rows.append(x.grad)
    return torch.stack(rows)


def kept_by_name_and_zeroed(f, x):
    y, rows = f(x), []
    for v in torch.eye(len(y)):
        if x.grad is not None:
            x.grad.zero_()
        y.backward(v, retain_graph=True)
        rows.append(x.grad)
    return torch.stack(rows)


def as_columns_of_passes(f, x):
    y = f(x)
    rows = [torch.autograd.grad(y, x, v, retain_graph=True)[0] for v in torch.eye(len(y))]
    return torch.stack(rows, dim=1)


def all_ones(f, x):
    y = f(x)
    y.backward(torch.ones_like(y))
    return x.grad


def not_retained(f, x):
    y, rows = f(x), []
    for v in torch.eye(len(y)):
        x.grad = None
        y.backward(v)
        rows.append(x.grad)
    return torch.stack(rows)


def one_hots_of_x(f, x):
    y, rows = f(x), []
    for v in torch.eye(x.numel()):
        x.grad = None
        y.backward(gradient=v, retain_graph=True)
        rows.append(x.grad)
    return torch.stack(rows)


def without_v(f, x):
    return torch.autograd.grad(f(x), x)[0]


# 3.11


def rows_erased(W, x):
    J = W.clone()
    J[W @ x < 0] = 0
    return J


def row_by_row(W, x):
    rows = [row if row @ x > 0 else torch.zeros_like(x) for row in W]
    return torch.stack(rows)


# 3.12


def by_kronecker(X):
    a, b = X.shape
    return torch.kron(torch.eye(a), torch.full((1, b), 1 / b))


def blocks_by_hand(X):
    a, b = X.shape
    J = torch.zeros(a, a * b, dtype=torch.float64)
    for i in range(a):
        J[i, i * b : (i + 1) * b] = 1 / b
    return J


def blocks_of(X, value):
    return torch.block_diag(*[torch.full((1, X.shape[1]), value) for _ in X])


# 3.13


def sum_less_what_came_before(v):
    return v.sum() - v.cumsum(0) + v


def by_a_loop_from_the_end(v):
    result, running = [], 0.0
    for weight in reversed(v.double()):
        running = running + weight
        result.insert(0, running)
    return torch.stack(result)


# 3.14


def by_einsum(X, W, V):
    return torch.einsum("ik,jk->ij", V, W), torch.einsum("ij,ik->jk", X, V).double()


def by_backward(X, W, V):
    X.requires_grad_()
    W.requires_grad_()
    (X @ W).backward(V)
    return [X.grad, W.grad]


BANK = (
    Answers(
        "3.1",
        wrong={
            "zero dimensions": lambda ts: [t.shape == () for t in ts],
            "autograd always copes": lambda ts: [t.requires_grad for t in ts],
            "never without v": lambda ts: [t.is_leaf for t in ts],
            "one row is enough": lambda ts: [t.shape[:1] in ((), (1,)) for t in ts],
            "no matrix": lambda ts: [t.dim() <= 1 for t in ts],
        },
        right=(
            lambda ts: [t.nelement() == 1 for t in ts],
            lambda ts: torch.tensor([len(t.flatten()) for t in ts]) == 1,
        ),
    ),
    Answers(
        "3.2",
        wrong={
            "exchanged": lambda f, x: by_a_pass(f, x)[::-1],
            "v like x": lambda f, x: (torch.ones_like(x).shape, x.shape),
            "the result like y": lambda f, x: [f(x).size()] * 2,
            "the Jacobian's shape": lambda f, x: (
                f(x).shape,
                torch.func.jacrev(f)(x).reshape(f(x).numel(), -1).shape,
            ),
            "as long vectors": lambda f, x: (f(x).flatten().shape, x.flatten().shape),
        },
        right=(by_a_pass, lambda f, x: [list(f(x).size()), list(x.size())]),
    ),
    Answers(
        "3.3",
        wrong={
            "only the diagonal": lambda c, x: 3 * x * x + c,
            "every row the same": lambda c, x: torch.stack([3 * x * x + c] * len(x)),
            "the scale everywhere": lambda c, x: torch.diag(3 * x**2) + c,
            "the scale is lost": lambda c, x: torch.eye(len(x)) * 3 * x**2,
            "the values": lambda c, x: torch.eye(len(x)) * (c * x + x**3),
            "the power is not brought down": lambda c, x: c * torch.eye(len(x)) + torch.diag(x**2),
        },
        right=(
            by_jacrev,
            by_a_loop,
            lambda c, x: c * torch.eye(len(x)) + torch.diag(3 * x**2),
        ),
    ),
    Answers(
        "3.4",
        wrong={
            "transposed": lambda x, k: slice_by_loops(x, k).T,
            "the values": lambda x, k: torch.cat([torch.diag(x)[k:], -torch.diag(x)]),
            "the minus is lost": lambda x, k: slice_by_loops(x, k).abs(),
            "nothing is left out": lambda x, k: torch.cat([torch.eye(len(x)), -torch.eye(len(x))]),
            "the head": lambda x, k: torch.cat([torch.eye(len(x))[:k], -torch.eye(len(x))]),
            "rows of zeros": sliced_by_zeroing,
        },
        right=(
            slice_by_loops,
            lambda x, k: torch.func.jacrev(lambda x: torch.cat([x[k:], -x]))(x),
            lambda x, k: torch.vstack([torch.eye(len(x)).long()[k:], -torch.eye(len(x)).long()]),
        ),
    ),
    Answers(
        "3.5",
        wrong={
            "the mean is not divided": lambda x: torch.stack([x / x, x.prod() / x]),
            "the product itself": lambda x: torch.stack([x / x / len(x), x / x * x.prod()]),
            "ones for the product": lambda x: torch.stack([x / x / len(x), x / x]),
            "the sum of the others": lambda x: torch.stack([x / x / len(x), x.sum() - x]),
            "transposed": as_columns,
            "added": by_backward_of_ones,
        },
        right=(
            product_of_the_others,
            lambda x: torch.func.jacrev(lambda x: torch.stack([x.mean(), x.prod()]))(x.double()),
        ),
    ),
    Answers(
        "3.6",
        wrong={
            "transposed": lambda x: torch.triu((2 * x)[:, None].expand(-1, len(x))),
            "the wrong triangle": lambda x: torch.ones(len(x), len(x)).triu() * 2 * x,
            "the output's own input": lambda x: (
                torch.diag(2 * x) @ torch.ones(len(x), len(x)).tril()
            ),
            "only the diagonal": lambda x: torch.eye(len(x)) * 2 * x,
            "the last one is left out": lambda x: triangle_by_mask(x) - torch.diag(2 * x),
            "no zeros": lambda x: torch.stack([2 * x] * len(x)),
            "the squares are forgotten": lambda x: torch.ones(len(x), len(x)).tril(),
        },
        right=(
            triangle_by_mask,
            triangle_times_diagonal,
            lambda x: torch.diag(2 * x).cumsum(0),
        ),
    ),
    Answers(
        "3.7",
        wrong={
            "ones": lambda y, i, j: torch.ones(y.shape),
            "one row only": lambda y, i, j: torch.nn.functional.one_hot(torch.tensor(i), len(y)),
            "added": lambda y, i, j: v_by_hand(y, i, j).abs(),
            "the other way round": lambda y, i, j: v_by_hand(y, j, i),
            "the values of y": lambda y, i, j: y * v_by_hand(y, i, j),
            "one number": lambda y, i, j: (v_by_hand(y, i, j) * y).sum(),
        },
        right=(by_two_one_hots, v_by_hand),
    ),
    Answers(
        "3.8",
        wrong={
            "the weights alone": lambda y, target, w: w.clone(),
            "the weights are lost": lambda y, target, w: 2 * y - 2 * target,
            "the power is not brought down": lambda y, target, w: w * y - w * target,
            "the loss of each": lambda y, target, w: (y - target).square() * w,
            "the sign": lambda y, target, w: -2 * w * (y - target),
            "the mean": lambda y, target, w: 2 / len(w) * w * (y - target),
        },
        right=(v_by_autograd, lambda y, target, w: (y.double() - target) * (w + w)),
    ),
    Answers(
        "3.9",
        wrong={
            "the dearer one": lambda f, x: (
                ("forward", len(x)) if len(x) > len(f(x)) else ("reverse", len(f(x)))
            ),
            "modes exchanged": modes_mixed_up,
            "always reverse": lambda f, x: ("reverse", f(x).numel()),
            "one pass": lambda f, x: (by_the_jacobian(f, x)[0], 1),
            "the entries": lambda f, x: (by_sizes(f, x)[0], torch.func.jacrev(f)(x).numel()),
            "the other number": lambda f, x: (by_sizes(f, x)[0], max(len(x), len(f(x)))),
        },
        right=(by_the_jacobian, by_sizes),
    ),
    Answers(
        "3.10",
        wrong={
            "the rows add up": cloned_never_emptied,
            "one tensor many times, never emptied": kept_by_name,
            "one tensor many times": kept_by_name_and_zeroed,
            "transposed": as_columns_of_passes,
            "added": all_ones,
            "the graph is gone": not_retained,
            "as many v as inputs": one_hots_of_x,
            "no v": without_v,
        },
        right=(by_emptying, by_cloning, in_one_batch, lambda f, x: torch.func.jacrev(f)(x)),
    ),
    Answers(
        "3.11",
        wrong={
            "relu is forgotten": lambda W, x: W.clone(),
            "asked of x": lambda W, x: W @ torch.diag((x > 0).float()),
            "the values of relu": lambda W, x: torch.diag(torch.relu(W @ x)) @ W,
            "only relu": lambda W, x: torch.diag(torch.heaviside(W @ x, torch.zeros(()))),
            "transposed": lambda W, x: W.T * (W @ x > 0),
            "the other half": lambda W, x: W - rows_erased(W, x),
            "relu of W": lambda W, x: W.clamp(min=0),
        },
        right=(rows_erased, row_by_row, lambda W, x: ((W @ x).sign() + 1)[:, None] / 2 * W),
    ),
    Answers(
        "3.12",
        wrong={
            "not divided": lambda X: blocks_of(X, 1.0),
            "divided by the rows": lambda X: blocks_of(X, 1 / len(X)),
            "divided by all": lambda X: blocks_of(X, 1 / X.numel()),
            "read column by column": lambda X: (
                torch.cat([torch.eye(len(X))] * X.shape[1], 1) / X.shape[1]
            ),
            "no zeros": lambda X: torch.ones(len(X), X.numel()) / X.shape[1],
            "the means of the columns": lambda X: torch.func.jacrev(lambda X: X.mean(0))(X).reshape(
                X.shape[1], -1
            ),
            "transposed": lambda X: by_kronecker(X).T,
            "shape": lambda X: torch.func.jacrev(lambda X: X.mean(1))(X),
        },
        right=(by_kronecker, blocks_by_hand, lambda X: blocks_of(X, 1 / X.shape[1])),
    ),
    Answers(
        "3.13",
        wrong={
            "from the other side": lambda v: torch.tril(torch.ones(len(v), len(v))) @ v,
            "its own output only": lambda v: v.clone(),
            "all outputs": lambda v: torch.ones_like(v) * v.sum(),
            "the first one is left out": lambda v: v.flip(0).cumsum(0).flip(0) - v,
            "v left out": lambda v: torch.ones_like(v).cumsum(0).flip(0),
            "in reverse order": lambda v: torch.cumsum(torch.flip(v, (0,)), 0),
        },
        right=(sum_less_what_came_before, by_a_loop_from_the_end),
    ),
    Answers(
        "3.14",
        wrong={
            "the shapes do not fit": (
                lambda X, W, V: [V @ W, X.T @ V],
                lambda X, W, V: [W.T @ V, V @ X.T],
            ),
            "exchanged": lambda X, W, V: [X.T @ V, V @ W.T],
            "each transposed": lambda X, W, V: [W @ V.T, V.T @ X],
            "V left out": lambda X, W, V: [
                W.sum(1).expand_as(X),
                X.sum(0)[:, None].expand_as(W),
            ],
            "the other factors alone": lambda X, W, V: (W.T, X.T),
            "by X only": lambda X, W, V: V @ W.T,
        },
        right=(by_einsum, by_backward),
    ),
)
