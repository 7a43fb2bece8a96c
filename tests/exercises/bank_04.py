"""Answers to chapter 4's exercises."""

import torch

from tests.exercises.bank import Answers

# 4.1


def ran_with_detach(x):
    x = x.clone().requires_grad_()
    u = (x * x * x).detach()
    (u * x * x).sum().backward()
    return x.grad


def ran_without_detach(x):
    x = x.clone().requires_grad_()
    u = x**3
    (u * x**2).sum().backward()
    return x.grad


def cut_the_square(x):
    x = x.clone().requires_grad_()
    (x**3 * (x**2).detach()).sum().backward()
    return x.grad


# 4.2


def both_passes(x):
    x = x.clone().requires_grad_()
    y = 3 * x * x
    u = y.detach()
    (u * x).sum().backward()
    y.sum().backward()
    return x.grad


def emptied_between(x):
    x = x.clone().requires_grad_()
    y = 3 * x**2
    (y.detach() * x).sum().backward()
    x.grad = None
    y.sum().backward()
    return x.grad


def without_detach(x):
    x = x.clone().requires_grad_()
    y = 3 * x**2
    ((y * x).sum() + y.sum()).backward()
    return x.grad


# 4.3


def a_total_of_detached(losses):
    total = 0.0
    for loss in losses:
        total += loss.detach()
    return total


def a_total(losses):
    total = 0.0
    for loss in losses:
        total += loss
    return total


def under_no_grad(losses):
    with torch.no_grad():
        return sum(losses)


def one_letter(losses):
    total = 0.0
    for loss in losses:
        loss.detach_()
        total += loss
    return total


def detached_and_forgotten(losses):
    total = torch.tensor(0.0)
    for loss in losses:
        loss.detach()
        total = total + loss
    return total


def asks_again(losses):
    total = torch.tensor(0.0, requires_grad=True)
    with torch.no_grad():
        for loss in losses:
            total += loss
    return total


def switches_off(losses):
    total = sum(losses)
    total.requires_grad_(False)
    return total


# 4.4


def norm_under_no_grad(x):
    with torch.no_grad():
        norm = torch.sqrt(torch.dot(x, x))
    return x / norm


def on_a_line_of_its_own(x):
    norm = x.norm()
    norm.detach()
    return x / norm


def all_under_no_grad(x):
    with torch.no_grad():
        return x / x.norm()


def asks_for_it_again(x):
    y = (x / x.norm()).data
    y.requires_grad = True
    return y


# 4.5


def by_trying(y, others):
    return [
        other.untyped_storage().data_ptr() == y.untyped_storage().data_ptr() for other in others
    ]


# 4.6


def with_sub(params, rate):
    with torch.no_grad():
        for p in params:
            p.sub_(p.grad, alpha=rate)


def with_an_optimizer(params, rate):
    torch.optim.SGD(params, lr=rate).step()


def detached_alias(params, rate):
    for p in params:
        p.detach().sub_(rate * p.grad)


def on_the_record(params, rate):
    for p in params:
        p.sub_(rate * p.grad)


def decay(params, rate):
    with torch.no_grad():
        for p in params:
            p.mul_(1 - rate)


def rebound(params, rate):
    for p in params:
        p = p - rate * p.grad


def a_detached_copy(params, rate):
    for p in params:
        q = p.detach().clone()
        q -= rate * p.grad


def maximized(params, rate):
    torch.optim.SGD(params, lr=rate, maximize=True).step()


def whole_gradient(params, rate):
    torch.optim.SGD(params, lr=1.0).step()


def switched_off_for_the_step(params, rate):
    for p in params:
        p.requires_grad_(False)
        p -= rate * p.grad


# 4.7


def freeze_first(body, head, x):
    body.requires_grad = False
    (head * torch.tanh(body @ x)).sum().backward()


def freeze_after_the_loss(body, head, x):
    loss = head @ torch.tanh(body @ x)
    body.requires_grad_(False)
    loss.backward()


def asked_for_one(body, head, x):
    body.requires_grad_(False)
    (head.grad,) = torch.autograd.grad(head @ (body @ x).tanh(), head)


def nothing_frozen(body, head, x):
    y = head @ torch.tanh(body @ x)
    y.backward()


def froze_the_head(body, head, x):
    head.requires_grad_(False)
    torch.dot(head, torch.tanh(body @ x)).backward()


def detached_hidden(body, head, x):
    hidden = torch.tanh(body @ x).detach()
    torch.dot(head, hidden).backward()


def hidden_under_no_grad(body, head, x):
    with torch.no_grad():
        hidden = torch.tanh(body @ x)
    torch.dot(head, hidden).backward()


def zeroed_afterwards(body, head, x):
    torch.dot(head, torch.tanh(body @ x)).backward()
    body.grad.zero_()


def emptied_afterwards(body, head, x):
    torch.dot(head, torch.tanh(body @ x)).backward()
    body.grad = None


def everything_under_no_grad(body, head, x):
    with torch.no_grad():
        torch.dot(head, torch.tanh(body @ x)).backward()


def switched_the_hidden_off(body, head, x):
    hidden = body @ x
    hidden.requires_grad = False
    torch.dot(head, torch.tanh(hidden)).backward()


# 4.8


def target_under_no_grad(w, now, later, reward):
    with torch.no_grad():
        target = reward + 0.9 * torch.dot(w, later)
    return torch.square(torch.dot(w, now) - target)


def only_the_later_value(w, now, later, reward):
    return (w @ now - reward - 0.9 * (w @ later).item()) ** 2


def another_w(w, now, later, reward):
    return ((w @ now) - reward - 0.9 * (w.clone().detach() @ later)).pow(2)


def detached_the_reward(w, now, later, reward):
    target = torch.tensor(reward).detach() + 0.9 * (w @ later)
    return (w @ now - target) ** 2


def cloned_the_target(w, now, later, reward):
    target = (reward + 0.9 * (w @ later)).clone()
    return (w @ now - target) ** 2


def detached_the_prediction(w, now, later, reward):
    return ((w @ now).detach() - (reward + 0.9 * (w @ later))) ** 2


def detached_the_error(w, now, later, reward):
    error = (w @ now - (reward + 0.9 * (w @ later))).detach()
    return error**2


def detached_the_error_and_asked(w, now, later, reward):
    loss = ((w @ now - (reward + 0.9 * (w @ later))) ** 2).detach()
    loss.requires_grad = True
    return loss


def forgot_the_discount(w, now, later, reward):
    target = (reward + w @ later).detach()
    return (w @ now - target) ** 2


# 4.9


def two_loops(w, xs, k):
    state = 1.0
    with torch.no_grad():
        for x in xs[:-k]:
            state = w * state + x
    for x in xs[-k:]:
        state = w * state + x
    return state


def w_detached_at_first(w, xs, k):
    state = torch.tensor(1.0)
    for step in range(len(xs)):
        factor = w if step >= len(xs) - k else w.detach()
        state = factor * state + xs[step]
    return state


def after_the_step(w, xs, k):
    state = torch.tensor(1.0)
    for step, x in enumerate(xs, start=1):
        state = w * state + x
        if step == len(xs) - k:
            state = state.detach()
    return state


def no_cut(w, xs, k):
    state = torch.tensor(1.0)
    for x in xs:
        state = w * state + x
    return state


def cut_thrown_away(w, xs, k):
    state = torch.tensor(1.0)
    for step, x in enumerate(xs):
        if step == len(xs) - k:
            state.detach()
        state = state * w + x
    return state


def starts_late(w, xs, k):
    state = 1.0
    for t in range(len(xs) - k, len(xs)):
        state = w * state + xs[t]
    return state


def cut_after_k(w, xs, k):
    state = torch.tensor(1.0)
    for step, x in enumerate(xs, start=1):
        state = w * state + x
        if step == k:
            state = state.detach()
    return state


def cut_again_and_again(w, xs, k):
    state = torch.tensor(1.0)
    for step, x in enumerate(xs):
        if step > 0 and step % k == 0:
            state = state.detach()
        state = w * state + x
    return state


def cut_one_late(w, xs, k):
    state = torch.tensor(1.0)
    for step, x in enumerate(xs):
        state = w * state + x
        if step == len(xs) - k:
            state = state.detach()
    return state


def cut_one_early(w, xs, k):
    state = torch.tensor(1.0)
    for step, x in enumerate(xs, start=1):
        if step == len(xs) - k:
            state = state.detach()
        state = w * state + x
    return state


def cut_always(w, xs, k):
    state = torch.tensor(1.0)
    for x in xs:
        state = w * state.detach() + x
    return state


def cut_at_the_end(w, xs, k):
    state = torch.tensor(1.0)
    for x in xs:
        state = w * state + x
    return state.detach()


# 4.10


def difference_under_no_grad(hard, soft, x):
    with torch.no_grad():
        gap = hard(x) - soft(x)
    return soft(x) + gap


def hard_first(hard, soft, x):
    y = soft(x)
    return hard(x).detach() + y - y.detach()


class Through(torch.autograd.Function):
    @staticmethod
    def forward(ctx, soft_values, hard_values):
        return hard_values.clone()

    @staticmethod
    def backward(ctx, upstream):
        return upstream, None


def own_function(hard, soft, x):
    return Through.apply(soft(x), hard(x).detach())


def assigned_to_data(hard, soft, x):
    y = soft(x) * 1
    y.data = hard(x).data
    return y


def forgot_detach(hard, soft, x):
    difference = hard(x) - soft(x)
    return soft(x) + difference


def wrong_way_round(hard, soft, x):
    return hard(x) + soft(x).detach() - hard(x).detach()


BANK = (
    Answers(
        "4.1",
        wrong={
            "u is differentiated too": (ran_without_detach, lambda x: 5 * x.pow(4)),
            "only u is differentiated": (cut_the_square, lambda x: 3 * x**2 * x**2),
            "u alone": lambda x: x * x * x,
            "u is lost": lambda x: x + x,
            "the value": lambda x: x**3 * x**2,
        },
        right=(ran_with_detach, lambda x: 2 * x**4, lambda x: x.double() ** 3 * 2 * x),
    ),
    Answers(
        "4.2",
        wrong={
            "y has lost its graph": lambda x: 3 * x * x,
            "u has kept its graph": (without_detach, lambda x: 3 * x * (3 * x + 2)),
            "the second pass overwrites": emptied_between,
            "x is lost in the second pass": lambda x: 3 * x * x + 6,
            "the value is added": lambda x: 2 * 3 * x**2,
        },
        right=(both_passes, lambda x: 3 * x * (x + 2), lambda x: (x.double() + 1) ** 2 * 3 - 3),
    ),
    Answers(
        "4.3",
        wrong={
            "the graphs are kept": (a_total, detached_and_forgotten, sum),
            "the losses are spoiled": one_letter,
            "a new leaf": asks_again,
            "switched off": switches_off,
            "the mean": lambda losses: torch.stack(losses).mean().item(),
        },
        right=(
            a_total_of_detached,
            under_no_grad,
            lambda losses: torch.stack(losses).sum().item(),
            lambda losses: sum(losses).detach().double(),
        ),
    ),
    Answers(
        "4.4",
        wrong={
            "nothing is cut": (on_a_line_of_its_own, lambda x: x / (x * x).sum().sqrt()),
            "the wrong one is cut": lambda x: x.data / torch.sqrt(torch.dot(x, x)),
            "all is cut": (all_under_no_grad, lambda x: (x / x.norm()).detach()),
            "a leaf of its own": asks_for_it_again,
            "the norm is not divided by": lambda x: x * x.norm().item(),
        },
        right=(
            norm_under_no_grad,
            lambda x: x / x.detach().norm(),
            lambda x: x.double() * (1 / x.norm().item()),
        ),
    ),
    Answers(
        "4.5",
        wrong={
            "the same numbers": lambda y, others: [bool((y == t).all()) for t in others],
            "the same object": lambda y, others: [id(t) == id(y) for t in others],
            "what is cut shares": lambda y, others: [t.grad_fn is None for t in others],
            "what has a history shares": lambda y, others: [not t.is_leaf for t in others],
            "the version counter": lambda y, others: [t._version > 0 for t in others],
        },
        right=(
            by_trying,
            lambda y, others: [y.data_ptr() == t.data_ptr() for t in others],
            lambda y, others: torch.tensor([y.data_ptr() == t.data_ptr() for t in others]),
        ),
    ),
    Answers(
        "4.6",
        wrong={
            "the update is recorded": on_the_record,
            "the value in place of the gradient": decay,
            "only a name": (rebound, a_detached_copy),
            "climbs": maximized,
            "no rate": whole_gradient,
            "switched off": switched_off_for_the_step,
        },
        right=(with_sub, with_an_optimizer, detached_alias),
    ),
    Answers(
        "4.7",
        wrong={
            "both learn": nothing_frozen,
            "the head is frozen": froze_the_head,
            "not for good": (detached_hidden, hidden_under_no_grad, emptied_afterwards),
            "zeros in place of none": zeroed_afterwards,
            "nothing is recorded": everything_under_no_grad,
            "a computed tensor is switched off": switched_the_hidden_off,
        },
        right=(freeze_first, freeze_after_the_loss, asked_for_one),
    ),
    Answers(
        "4.8",
        wrong={
            "the target moves": (detached_the_reward, cloned_the_target),
            "the prediction is cut": detached_the_prediction,
            "all is cut": detached_the_error,
            "a leaf of its own": detached_the_error_and_asked,
            "no discount": forgot_the_discount,
        },
        right=(target_under_no_grad, only_the_later_value, another_w),
    ),
    Answers(
        "4.9",
        wrong={
            "never forgets": (no_cut, cut_thrown_away),
            "the first steps are left out": starts_late,
            "forgets the last k": cut_after_k,
            "forgets every k steps": cut_again_and_again,
            "one step too few": cut_one_late,
            "one step too many": cut_one_early,
            "forgets each step": cut_always,
            "all is cut": cut_at_the_end,
        },
        right=(two_loops, w_detached_at_first, after_the_step),
    ),
    Answers(
        "4.10",
        wrong={
            "nothing is cut": (
                forgot_detach,
                lambda hard, soft, x: hard(x),
                lambda hard, soft, x: soft(x) - soft(x) + hard(x).detach(),
            ),
            "the roles are exchanged": wrong_way_round,
            "the soft values": lambda hard, soft, x: 1 * soft(x),
            "all is cut": lambda hard, soft, x: torch.tensor(hard(x).tolist()),
            "the soft ones are counted twice": lambda hard, soft, x: hard(x).data + soft(x),
        },
        right=(difference_under_no_grad, hard_first, own_function, assigned_to_data),
    ),
)
