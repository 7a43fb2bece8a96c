"""Answers to chapter 7's exercises."""

import numpy as np
import torch

from tests.exercises.bank import Answers

# 7.1


def loop_without_item(w, xs, ts):
    total = 0
    for x, t in zip(xs, ts, strict=True):
        total += (w @ x - t) ** 2
    return total


def stacked(w, xs, ts):
    return torch.stack([(torch.dot(w, x) - t) ** 2 for x, t in zip(xs, ts, strict=True)]).sum()


def asks_for_it(w, xs, ts):
    total = 0
    for x, t in zip(xs, ts, strict=True):
        total += ((w @ x - t) ** 2).item()
    return torch.tensor(total, requires_grad=True)


def sets_the_flag(w, xs, ts):
    loss = torch.tensor(float(((xs @ w - ts) ** 2).sum()))
    loss.requires_grad = True
    return loss


def watches_a_copy(w, xs, ts):
    copy = torch.tensor(w.tolist(), requires_grad=True)
    return ((xs @ copy - ts) ** 2).sum()


def left_as_it_was(w, xs, ts):
    total = 0
    for x, t in zip(xs, ts, strict=True):
        total += ((w @ x - t) ** 2).item()
    return torch.tensor(total)


def wraps_the_tensor(w, xs, ts):
    total = 0
    for x, t in zip(xs, ts, strict=True):
        total = total + (w @ x - t) ** 2
    return torch.tensor(total)


def detaches_each(w, xs, ts):
    return sum(((w @ x - t) ** 2).detach() for x, t in zip(xs, ts, strict=True))


def adds_up_numbers(w, xs, ts):
    return sum(float((w @ x - t) ** 2) for x, t in zip(xs, ts, strict=True))


def takes_it_out_at_the_end(w, xs, ts):
    return ((xs @ w - ts) ** 2).sum().item()


def overwrites_the_total(w, xs, ts):
    for x, t in zip(xs, ts, strict=True):
        total = (w @ x - t) ** 2
    return total


# 7.2


def weighted_sum(w, xs, ts, weights):
    (weights * (xs @ w - ts) ** 2).sum().backward()


def given_to_backward(w, xs, ts, weights):
    losses = (xs @ w - ts) ** 2
    losses.backward(gradient=weights)


def as_a_dot_product(w, xs, ts, weights):
    torch.dot(weights.double(), ((xs @ w - ts) ** 2).double()).backward()


def one_backward_each(w, xs, ts, weights):
    losses = (xs @ w - ts) ** 2
    for weight, loss in zip(weights, losses, strict=True):
        (weight * loss).backward(retain_graph=True)


def summed(w, xs, ts, weights):
    losses = (xs @ w - ts) ** 2
    losses.sum().backward()


def ones_for_v(w, xs, ts, weights):
    losses = (xs @ w - ts) ** 2
    losses.backward(torch.ones_like(losses))


def averaged(w, xs, ts, weights):
    torch.nn.functional.mse_loss(xs @ w, ts).backward()


def weighted_average(w, xs, ts, weights):
    losses = weights * (xs @ w - ts) ** 2
    losses.mean().backward()


def losses_for_v(w, xs, ts, weights):
    losses = (xs @ w - ts) ** 2
    losses.backward(losses)


def weights_in_both(w, xs, ts, weights):
    losses = weights * (xs @ w - ts) ** 2
    losses.backward(weights)


def retains(w, xs, ts, weights):
    losses = weights * (xs @ w - ts) ** 2
    losses.backward(retain_graph=True)


def left_a_vector(w, xs, ts, weights):
    losses = (xs @ w - ts) ** 2
    losses.backward()


# 7.3


def with_sigmoid(w, xs):
    z = xs @ w
    return (z * torch.sigmoid(z)).sum()


def with_torch_exp(w, xs):
    z = xs.double() @ w.double()
    return torch.sum(z / (1 + torch.exp(-z)))


def as_the_message_says(w, xs):
    z = xs @ w
    gate = 1 / (1 + np.exp(-z.detach().numpy()))
    return (z * torch.from_numpy(gate)).sum()


def by_data(w, xs):
    z = xs @ w
    gate = torch.from_numpy(1 / (1 + np.exp(-z.data.numpy())))
    gate.requires_grad_()
    return (z * gate).sum()


def under_no_grad(w, xs):
    z = xs @ w
    with torch.no_grad():
        gate = torch.sigmoid(z)
    return (z * gate).sum()


def cuts_the_other(w, xs):
    z = xs @ w
    gate = torch.sigmoid(z)
    return (z.detach() * gate).sum()


def all_in_numpy(w, xs):
    z = (xs @ w).detach().numpy()
    return torch.tensor((z / (1 + np.exp(-z))).sum())


def detached_z_first(w, xs):
    z = (xs @ w).detach()
    return (z * torch.sigmoid(z)).sum()


def all_in_numpy_and_asks(w, xs):
    z = (xs @ w).detach().numpy()
    return torch.tensor(float((z / (1 + np.exp(-z))).sum()), requires_grad=True)


def without_the_minus(w, xs):
    z = xs @ w
    return (z / (1 + torch.exp(z))).sum()


# 7.4


def clamped_elsewhere(x, limit):
    y = torch.exp(x)
    return y.clamp(max=limit)


def with_minimum(x, limit):
    return torch.minimum(torch.exp(x), torch.tensor(limit))


def with_where(x, limit):
    y = x.double().exp()
    return torch.where(y > limit, limit, y)


def copied_first(x, limit):
    y = torch.exp(x).clone()
    y.clamp_(max=limit)
    return y


def other_data(x, limit):
    y = torch.exp(x)
    y.data = y.data.clamp(max=limit)
    return y


def clamped_data_in_place(x, limit):
    y = torch.exp(x)
    y.data.clamp_(max=limit)
    return y


def masked_data(x, limit):
    y = torch.exp(x)
    y.data[y.data > limit] = limit
    return y


def clamped_under_no_grad(x, limit):
    y = torch.exp(x)
    with torch.no_grad():
        y.clamp_(max=limit)
    return y


def clamped_alias(x, limit):
    y = torch.exp(x)
    y.detach().clamp_(max=limit)
    return y


def copied_afterwards(x, limit):
    y = torch.exp(x)
    y[y > limit] = limit
    return y.clone()


def subtracts_the_excess(x, limit):
    y = torch.exp(x)
    with torch.no_grad():
        excess = torch.relu(y - limit)
    return y - excess


def clamps_x(x, limit):
    return torch.exp(torch.clamp(x, max=limit))


def detached_then_clamped(x, limit):
    y = torch.exp(x).detach()
    y.clamp_(max=limit)
    return y


def detached_and_watched(x, limit):
    y = torch.exp(x).detach().clamp_(max=limit)
    return y.requires_grad_()


# 7.5


def emptied_after_the_step(w, xs, ts, steps, rate):
    for _ in range(steps):
        ((xs @ w - ts) ** 2).sum().backward()
        with torch.no_grad():
            w -= rate * w.grad
        w.grad.zero_()


def with_an_optimizer(w, xs, ts, steps, rate):
    optimizer = torch.optim.SGD([w], lr=rate)
    for _ in range(steps):
        optimizer.zero_grad()
        ((xs @ w - ts) ** 2).sum().backward()
        optimizer.step()


def asked_for_it(w, xs, ts, steps, rate):
    for _ in range(steps):
        (gradient,) = torch.autograd.grad(((xs @ w - ts) ** 2).sum(), w)
        w.data.sub_(rate * gradient)


def never_emptied(w, xs, ts, steps, rate):
    for _ in range(steps):
        ((xs @ w - ts) ** 2).sum().backward()
        with torch.no_grad():
            w -= rate * w.grad


def never_emptied_by_data(w, xs, ts, steps, rate):
    for _ in range(steps):
        loss = ((xs @ w - ts) ** 2).sum()
        loss.backward()
        w.data -= rate * w.grad


def emptied_once(w, xs, ts, steps, rate):
    optimizer = torch.optim.SGD([w], lr=rate)
    optimizer.zero_grad()
    for _ in range(steps):
        ((xs @ w - ts) ** 2).sum().backward()
        optimizer.step()


def on_the_record(w, xs, ts, steps, rate):
    for _ in range(steps):
        loss = ((xs @ w - ts) ** 2).sum()
        loss.backward()
        w -= rate * w.grad
        w.grad.zero_()


def grad_detached_only(w, xs, ts, steps, rate):
    for _ in range(steps):
        ((xs @ w - ts) ** 2).sum().backward()
        w.sub_(rate * w.grad.detach())
        w.grad = None


def computed_anew(w, xs, ts, steps, rate):
    for _ in range(steps):
        ((xs @ w - ts) ** 2).sum().backward()
        w = w - rate * w.grad


def computed_anew_under_no_grad(w, xs, ts, steps, rate):
    for _ in range(steps):
        ((xs @ w - ts) ** 2).sum().backward()
        with torch.no_grad():
            w = w - rate * w.grad


def a_new_leaf_each_step(w, xs, ts, steps, rate):
    for _ in range(steps):
        ((xs @ w - ts) ** 2).sum().backward()
        w = (w - rate * w.grad).detach().requires_grad_()


def a_copy_moves(w, xs, ts, steps, rate):
    w = w.detach().clone().requires_grad_()
    emptied_after_the_step(w, xs, ts, steps, rate)


def emptied_before_the_step(w, xs, ts, steps, rate):
    for _ in range(steps):
        ((xs @ w - ts) ** 2).sum().backward()
        w.grad.zero_()
        with torch.no_grad():
            w -= rate * w.grad


def uphill(w, xs, ts, steps, rate):
    for _ in range(steps):
        w.grad = None
        ((xs @ w - ts) ** 2).sum().backward()
        with torch.no_grad():
            w += rate * w.grad


# 7.6


def chunk_loss(w, state, chunk):
    for x in chunk:
        state = torch.tanh(w * state + x)
    return ((state - 0.5) ** 2).sum(), state


def detached_after(w, chunks):
    state = torch.zeros_like(chunks[0][0])
    for chunk in chunks:
        loss, state = chunk_loss(w, state, chunk)
        loss.backward()
        state = state.detach()


def detached_before(w, chunks):
    state = 0.0 * chunks[0][0]
    for chunk in chunks:
        loss, state = chunk_loss(w, state.data, chunk)
        loss.backward()


def detached_in_place(w, chunks):
    state = torch.zeros_like(chunks[0][0])
    for chunk in chunks:
        loss, state = chunk_loss(w, state, chunk)
        loss.backward()
        state.detach_()


def one_backward_of_cut_chunks(w, chunks):
    state, losses = torch.zeros_like(chunks[0][0]), []
    for chunk in chunks:
        loss, state = chunk_loss(w, state.clone().detach(), chunk)
        losses.append(loss)
    torch.stack(losses).sum().backward()


def retains_the_graph(w, chunks):
    state = torch.zeros_like(chunks[0][0])
    for chunk in chunks:
        loss, state = chunk_loss(w, state, chunk)
        loss.backward(retain_graph=True)


def one_backward_for_all(w, chunks):
    state, total = torch.zeros_like(chunks[0][0]), 0
    for chunk in chunks:
        loss, state = chunk_loss(w, state, chunk)
        total = total + loss
    total.backward()


def state_left_as_it_was(w, chunks):
    state = torch.zeros_like(chunks[0][0])
    for chunk in chunks:
        loss, state = chunk_loss(w, state, chunk)
        loss.backward()


def throws_the_cut_away(w, chunks):
    state = torch.zeros_like(chunks[0][0])
    for chunk in chunks:
        loss, state = chunk_loss(w, state, chunk)
        loss.backward()
        state.detach()


def clones_the_state(w, chunks):
    state = torch.zeros_like(chunks[0][0])
    for chunk in chunks:
        loss, state = chunk_loss(w, state, chunk)
        loss.backward()
        state = state.clone()


def zeros_for_each_chunk(w, chunks):
    for chunk in chunks:
        loss, _ = chunk_loss(w, torch.zeros_like(chunk[0]), chunk)
        loss.backward()


def detaches_in_the_inner_loop(w, chunks):
    state = torch.zeros_like(chunks[0][0])
    for chunk in chunks:
        for x in chunk:
            state = torch.tanh(w * state.detach() + x)
        ((state - 0.5) ** 2).sum().backward()


def empties_between(w, chunks):
    state = torch.zeros_like(chunks[0][0])
    for chunk in chunks:
        w.grad = None
        loss, state = chunk_loss(w, state.detach(), chunk)
        loss.backward()


def backward_after_the_loop(w, chunks):
    state = torch.zeros_like(chunks[0][0])
    for chunk in chunks:
        loss, state = chunk_loss(w, state.detach(), chunk)
    loss.backward()


# 7.7


def where_inside_and_outside(rows):
    squares = rows.pow(2).sum(1)
    safe = torch.where(squares > 0, squares, 1)
    return torch.where(squares > 0, safe.sqrt(), 0)


def written_into_zeros(rows):
    squares = (rows.double() ** 2).sum(1)
    lengths = torch.zeros_like(squares)
    lengths[squares > 0] = squares[squares > 0].sqrt()
    return lengths


def clamped_inside(rows):
    return rows.pow(2).sum(1).clamp(min=1e-24).sqrt()


def where_outside(rows):
    squares = (rows * rows).sum(dim=1)
    return torch.where(squares > 0, squares.sqrt(), 0.0)


def epsilon_outside(rows):
    return rows.pow(2).sum(1).sqrt() + 1e-8


def nan_to_zero_at_the_end(rows):
    return torch.nan_to_num(rows.pow(2).sum(1).sqrt())


def overwritten(rows):
    lengths = rows.pow(2).sum(1).sqrt()
    lengths[lengths == 0] = 0.0
    return lengths


def nonzero_rows(rows):
    return rows[(rows != 0).any(1)].norm(dim=1)


def lengths_under_no_grad(rows):
    with torch.no_grad():
        return rows.pow(2).sum(1).sqrt()


# 7.8


def where_inside(totals, counts):
    safe = torch.where(counts > 0, counts, 1)
    return torch.where(counts > 0, totals / safe, 0)


def only_the_full(totals, counts):
    means = torch.zeros_like(totals)
    full = counts > 0
    means[full] = totals[full] / counts[full]
    return means


def by_reciprocals(totals, counts):
    share = torch.nan_to_num(1 / counts.double(), posinf=0)
    return totals * share


def masked_total(totals, counts):
    return totals * (counts > 0) / counts.clamp(min=1)


def nan_to_zero(totals, counts):
    return torch.nan_to_num(totals / counts)


def assigned_zero(totals, counts):
    means = totals / counts
    means[counts == 0] = 0
    return means


def assigned_zero_under_no_grad(totals, counts):
    means = totals / counts
    with torch.no_grad():
        means[counts == 0] = 0
    return means


def at_least_one(totals, counts):
    return totals / torch.maximum(counts, torch.ones_like(counts))


def one_where_empty(totals, counts):
    return totals / torch.where(counts == 0, 1, counts)


def without_the_empty(totals, counts):
    full = counts.nonzero().squeeze(1)
    return (totals / counts)[full]


def mended_and_cut(totals, counts):
    return torch.tensor(torch.nan_to_num(totals / counts).tolist())


# 7.9


def outer_and_product(X, w, scale, upstream):
    return scale * torch.outer(upstream, w), scale * (upstream @ X), None


def broadcast(X, w, scale, upstream):
    grad_y = scale * upstream.double()
    return grad_y[:, None] * w, (grad_y[:, None] * X).sum(0), None


def from_forward_again(X, w, scale, upstream):
    def forward(X, w):
        return scale * (X @ w)

    return *torch.func.vjp(forward, X, w)[1](upstream), None


def one_and_a_comma(X, w, scale, upstream):
    return (scale * upstream[:, None] * w,)


def one_alone(X, w, scale, upstream):
    return scale * upstream[:, None] * w[None, :]


def two(X, w, scale, upstream):
    return scale * torch.outer(upstream, w), scale * X.T @ upstream


def with_one_for_scale(X, w, scale, upstream):
    return scale * torch.outer(upstream, w), scale * X.T @ upstream, torch.dot(upstream, X @ w)


def w_first(X, w, scale, upstream):
    return scale * X.T @ upstream, scale * torch.outer(upstream, w), None


def local_only(X, w, scale, upstream):
    return scale * w.expand_as(X), scale * X.sum(0), None


def forgets_scale(X, w, scale, upstream):
    return torch.outer(upstream, w), upstream @ X, None


def none_for_w(X, w, scale, upstream):
    return scale * torch.outer(upstream, w), None, None


# 7.10


def created_graph(W, x):
    (slope,) = torch.autograd.grad(torch.tanh(W @ x).sum(), x, create_graph=True)
    return (slope**2).sum()


def by_the_formula(W, x):
    slope = W.T @ (1 - torch.tanh(W @ x).square())
    return slope @ slope


def by_func(W, x):
    slope = torch.func.grad(lambda one: torch.tanh(W @ one).sum())(x)
    return slope.double().square().sum()


def retained(W, x):
    score = torch.tanh(W @ x).sum()
    (slope,) = torch.autograd.grad(score, x, retain_graph=True)
    return (slope**2).sum()


def read_from_grad(W, x):
    torch.tanh(W @ x).sum().backward()
    return x.grad.pow(2).sum()


def flag_on_the_penalty(W, x):
    score = torch.tanh(W @ x).sum()
    (slope,) = torch.autograd.grad(score, x)
    penalty = (slope**2).sum()
    penalty.requires_grad = True
    return penalty


def flag_on_the_slope(W, x):
    (slope,) = torch.autograd.grad(torch.tanh(W @ x).sum(), x)
    return (slope.requires_grad_() ** 2).sum()


def backward_with_a_graph(W, x):
    torch.tanh(W @ x).sum().backward(create_graph=True)
    return torch.dot(x.grad, x.grad)


def half_detached(W, x):
    (slope,) = torch.autograd.grad(torch.tanh(W @ x).sum(), x, create_graph=True)
    return slope @ slope.detach()


def with_respect_to_weights(W, x):
    (slope,) = torch.autograd.grad(torch.tanh(W @ x).sum(), W, create_graph=True)
    return (slope**2).sum()


def length_of_the_slope(W, x):
    (slope,) = torch.autograd.grad(torch.tanh(W @ x).sum(), x, create_graph=True)
    return slope.norm()


BANK = (
    Answers(
        "7.1",
        wrong={
            "a new leaf": (asks_for_it, sets_the_flag, watches_a_copy),
            "wrapped anew": (left_as_it_was, wraps_the_tensor, detaches_each),
            "a number": (adds_up_numbers, takes_it_out_at_the_end),
            "only the last sample": overwrites_the_total,
            "the mean": lambda w, xs, ts: torch.nn.functional.mse_loss(xs @ w, ts),
        },
        right=(
            loop_without_item,
            stacked,
            lambda w, xs, ts: torch.nn.functional.mse_loss(xs @ w, ts, reduction="sum"),
            lambda w, xs, ts: (xs.double() @ w.double() - ts).pow(2).sum(),
        ),
    ),
    Answers(
        "7.2",
        wrong={
            "all weigh the same": (summed, ones_for_v),
            "the mean": averaged,
            "divided by their number": weighted_average,
            "weighted by itself": losses_for_v,
            "weighted twice": weights_in_both,
            "still a vector": (retains, left_a_vector),
        },
        right=(weighted_sum, given_to_backward, as_a_dot_product, one_backward_each),
    ),
    Answers(
        "7.3",
        wrong={
            "the gate is cut": (as_the_message_says, by_data, under_no_grad),
            "only the gate is left": cuts_the_other,
            "all is cut": (all_in_numpy, detached_z_first),
            "a new leaf": all_in_numpy_and_asks,
            "the gate is reversed": without_the_minus,
            "the mean": lambda w, xs: torch.nn.functional.silu(xs @ w).mean(),
        },
        right=(
            with_sigmoid,
            with_torch_exp,
            lambda w, xs: torch.nn.functional.silu(xs @ w).sum(),
        ),
    ),
    Answers(
        "7.4",
        wrong={
            "edited in secret": (clamped_data_in_place, masked_data),
            "still edited": (clamped_under_no_grad, clamped_alias, copied_afterwards),
            "the clip does not count": (subtracts_the_excess, other_data),
            "clipped too early": clamps_x,
            "all is cut": detached_then_clamped,
            "a new leaf": detached_and_watched,
        },
        right=(clamped_elsewhere, with_minimum, with_where, copied_first),
    ),
    Answers(
        "7.5",
        wrong={
            "the gradient grows": (never_emptied, never_emptied_by_data, emptied_once),
            "still recorded": (on_the_record, grad_detached_only),
            "w is no leaf any more": computed_anew,
            "w asks for nothing any more": computed_anew_under_no_grad,
            "nothing moved": (a_new_leaf_each_step, a_copy_moves, emptied_before_the_step),
            "climbs": uphill,
        },
        right=(emptied_after_the_step, with_an_optimizer, asked_for_it),
    ),
    Answers(
        "7.6",
        wrong={
            "every graph is kept": (retains_the_graph, one_backward_for_all),
            "the cut is lost": (state_left_as_it_was, throws_the_cut_away, clones_the_state),
            "the state is forgotten": zeros_for_each_chunk,
            "cut in every step": detaches_in_the_inner_loop,
            "only the last chunk": (empties_between, backward_after_the_loop),
        },
        right=(detached_after, detached_before, detached_in_place, one_backward_of_cut_chunks),
    ),
    Answers(
        "7.7",
        wrong={
            "NaN in the gradient": (where_outside, epsilon_outside, nan_to_zero_at_the_end),
            "rows are left out": nonzero_rows,
            "all is cut": lengths_under_no_grad,
            "the root is edited": overwritten,
            "another length": lambda rows: torch.linalg.vector_norm(rows, ord=1, dim=1),
            "the square": lambda rows: (rows * rows).sum(-1),
        },
        right=(
            where_inside_and_outside,
            written_into_zeros,
            clamped_inside,
            lambda rows: rows.norm(dim=1),
        ),
    ),
    Answers(
        "7.8",
        wrong={
            "NaN in the gradient": (nan_to_zero, assigned_zero),
            "the numbers are mended": assigned_zero_under_no_grad,
            "an empty class learns": (at_least_one, one_where_empty),
            "a tiny count": lambda totals, counts: totals / counts.add(1e-8),
            "classes are left out": lambda totals, counts: (
                totals[counts != 0] / counts[counts != 0]
            ),
            "all is cut": mended_and_cut,
        },
        right=(where_inside, only_the_full, by_reciprocals, masked_total),
    ),
    Answers(
        "7.9",
        wrong={
            "one gradient for three inputs": (one_and_a_comma, one_alone),
            "two gradients for three inputs": two,
            "a gradient for a number": with_one_for_scale,
            "in another order": w_first,
            "upstream is lost": local_only,
            "scale is lost": forgets_scale,
            "w gets nothing": none_for_w,
        },
        right=(outer_and_product, broadcast, from_forward_again),
    ),
    Answers(
        "7.10",
        wrong={
            "the slope has no graph": (retained, read_from_grad),
            "a new leaf": (flag_on_the_penalty, flag_on_the_slope),
            "W has something already": backward_with_a_graph,
            "one factor is cut": half_detached,
            "the slope by W": with_respect_to_weights,
            "without the square": length_of_the_slope,
        },
        right=(created_graph, by_the_formula, by_func),
    ),
)
