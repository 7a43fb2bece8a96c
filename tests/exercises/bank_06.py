"""Answers to chapter 6's exercises."""

import torch
import torch.nn.functional as F
from torch import nn

from tests.exercises.bank import Answers

# 6.1


def weighed_by_hand(pred, target):
    losses = F.mse_loss(pred, target, reduction="none")
    return (losses * torch.full_like(losses, 1 / losses.numel())).sum()


def returns_a_number(pred, target):
    return F.mse_loss(pred, target, reduction="none").mean().item()


def under_no_grad(pred, target):
    with torch.no_grad():
        return ((pred - target) ** 2).mean()


# 6.2


def looked_up(logits, classes):
    logs = torch.log(torch.softmax(logits, dim=-1))
    return -logs[torch.arange(len(classes)), classes].mean()


def in_double(logits, classes):
    return nn.NLLLoss()(F.log_softmax(logits.double(), dim=1), classes)


# 6.3


def spelled_out(logits, truth):
    p = 1 / (1 + torch.exp(-logits))
    return -(truth * p.log() + (1 - truth) * (1 - p).log()).mean()


# 6.6


def keeps_a_clone(pred, target):
    F.mse_loss(pred, target).backward()
    first = pred.grad.clone()
    pred.grad.zero_()
    F.mse_loss(pred, target, reduction="sum").backward()
    return [first, pred.grad]


def without_grad_attribute(pred, target):
    losses = (pred - target) ** 2
    first = torch.autograd.grad(losses.mean(), pred, retain_graph=True)
    return first[0], torch.autograd.grad(losses.sum(), pred)[0]


def forgets_to_empty(pred, target):
    nn.MSELoss()(pred, target).backward()
    first = pred.grad.clone()
    nn.MSELoss(reduction="sum")(pred, target).backward()
    return first, pred.grad


def keeps_no_clone(pred, target):
    nn.MSELoss()(pred, target).backward()
    first = pred.grad
    nn.MSELoss(reduction="sum")(pred, target).backward()
    return first, pred.grad


def empties_what_it_kept(pred, target):
    nn.MSELoss()(pred, target).backward()
    first = pred.grad
    pred.grad.zero_()
    ((pred - target) ** 2).sum().backward()
    return first, pred.grad


def sum_first(pred, target):
    (by_sum,) = torch.autograd.grad(((pred - target) ** 2).sum(), pred)
    return by_sum, by_sum / pred.numel()


def forgets_the_reduction(pred, target):
    nn.MSELoss()(pred, target).backward()
    first = pred.grad
    pred.grad = None
    nn.MSELoss()(pred, target).backward()
    return first, pred.grad


# 6.7


def subtracts_at_the_class(logits, classes):
    gradient = logits.softmax(1)
    gradient[torch.arange(len(classes)), classes] -= 1
    return gradient / len(classes)


def by_backward(logits, classes):
    logits.requires_grad_()
    nn.CrossEntropyLoss()(logits, classes).backward()
    return logits.grad


def not_divided(logits, classes):
    return logits.softmax(1) - F.one_hot(classes, logits.shape[1])


def divided_by_numel(logits, classes):
    return not_divided(logits, classes) / logits.numel()


def true_minus_predicted(logits, classes):
    return (F.one_hot(classes, logits.shape[1]) - logits.softmax(1)) / len(logits)


def of_the_true_logit(logits, classes):
    gradient = torch.zeros_like(logits)
    gradient[range(len(classes)), classes] = -1 / len(classes)
    return gradient


def softmax_of_columns(logits, classes):
    one_hot = torch.eye(logits.shape[1])[classes]
    return (torch.softmax(logits, 0) - one_hot) / len(classes)


# 6.8


def weighed_and_cut(pred, target):
    losses = (pred - target) ** 2
    return (losses * losses.detach()).sum()


def runs_it(pred, target):
    losses = (pred - target) ** 2
    losses.backward(losses)
    return pred.grad


# 6.9


def one_by_one(losses, weights):
    total = 0.0
    for loss, weight in zip(losses, weights, strict=True):
        total += weight * loss.sum() / loss.numel()
    return total


def concatenated(losses, weights):
    weighed = [weight * loss.flatten() for weight, loss in zip(weights, losses, strict=True)]
    return torch.cat(weighed).mean()


# 6.10


def row_by_row(w, samples, answers):
    w.requires_grad_()
    losses = (samples @ w - answers) ** 2
    rows = [torch.autograd.grad(loss, w, retain_graph=True)[0] for loss in losses]
    return torch.stack(rows)


def one_backward(w, samples, answers):
    w.requires_grad_()
    ((samples @ w - answers) ** 2).sum().backward()
    return w.grad


def one_backward_of_the_mean(w, samples, answers):
    w.requires_grad_()
    F.mse_loss(samples @ w, answers).backward()
    return w.grad


# 6.11


def guarded(losses, mask):
    count = mask.sum()
    return (losses * mask).sum() / (count if count > 0 else 1)


def chosen(losses, mask):
    kept = losses[mask.bool()]
    return kept.mean() if len(kept) else losses.sum() * 0.0


def plain_zero(losses, mask):
    if not mask.any():
        return torch.zeros(())
    return (losses * mask).sum() / mask.sum()


def python_zero(losses, mask):
    return (losses * mask).sum() / mask.sum() if mask.sum() > 0 else 0.0


def chosen_too_late(losses, mask):
    mean = (losses * mask).sum() / mask.sum()
    return torch.where(mask.sum() == 0, 0.0, mean)


# 6.12


def each_share(w, batches):
    count = sum(samples.shape[0] for samples, _ in batches)
    for samples, answers in batches:
        (F.mse_loss(samples @ w, answers) * len(answers) / count).backward()


def divides_at_the_end(w, batches):
    for samples, answers in batches:
        F.mse_loss(samples @ w, answers, reduction="sum").backward()
    w.grad /= sum(len(answers) for _, answers in batches)


def plain_loop(w, batches):
    for samples, answers in batches:
        F.mse_loss(samples @ w, answers).backward()


def over_the_number_of_batches(w, batches):
    for samples, answers in batches:
        loss = nn.MSELoss()(samples @ w, answers) / len(batches)
        loss.backward()


def losses_added_first(w, batches):
    torch.stack(
        [F.mse_loss(samples @ w, answers) for samples, answers in batches]
    ).mean().backward()


def adds_all(w, batches):
    for samples, answers in batches:
        ((samples @ w - answers) ** 2).sum().backward()


def empties_each_time(w, batches):
    for samples, answers in batches:
        w.grad = None
        F.mse_loss(samples @ w, answers).backward()


def empties_each_share(w, batches):
    count = sum(len(answers) for _, answers in batches)
    for samples, answers in batches:
        if w.grad is not None:
            w.grad.zero_()
        (((samples @ w - answers) ** 2).sum() / count).backward()


def only_returns(w, batches):
    count = sum(len(answers) for _, answers in batches)
    losses = [((samples @ w - answers) ** 2).sum() / count for samples, answers in batches]
    return sum(torch.autograd.grad(loss, w)[0] for loss in losses)


# 6.13


def by_cdist(points, same, margin):
    distance = torch.cdist(points, points)
    losses = torch.where(same, distance**2, (margin - distance).clamp(min=0) ** 2)
    weights = (1 - torch.eye(len(points))) / (len(points) * (len(points) - 1))
    return (losses * weights).sum()


def each_pair_once(points, same, margin):
    first, second = torch.triu_indices(len(points), len(points), 1)
    distance = (points[first] - points[second]).norm(dim=1)
    together = same[first, second].float()
    return (together * distance**2 + (1 - together) * F.relu(margin - distance) ** 2).mean()


def pair_losses(points, same, margin):
    distance = torch.cdist(points, points)
    return torch.where(same, distance**2, F.relu(margin - distance) ** 2)


def mean_of_the_matrix(points, same, margin):
    return pair_losses(points, same, margin).mean()


def with_a_root(points, same, margin):
    distance = (points[:, None] - points[None]).pow(2).sum(2).sqrt()
    near = F.relu(margin - distance)
    losses = torch.where(same, distance.square(), near.square())
    return losses.sum() / (len(points) ** 2 - len(points))


def with_a_root_and_weights(points, same, margin):
    distance = torch.sqrt(((points[:, None] - points[None]) ** 2).sum(-1))
    losses = same * distance**2 + ~same * F.relu(margin - distance) ** 2
    weights = 1 - torch.eye(len(points))
    return (losses * weights).sum() / weights.sum()


def strangers_attract(points, same, margin):
    distance = torch.cdist(points, points)
    losses = torch.where(same, F.relu(margin - distance) ** 2, distance**2)
    weights = 1 - torch.eye(len(points))
    return (losses * weights).sum() / weights.sum()


def strangers_attract_also_themselves(points, same, margin):
    losses = pair_losses(points, ~same, margin)
    return losses.sum() / (len(points) * (len(points) - 1))


def without_relu(points, same, margin):
    distance = (points[:, None] - points).norm(dim=-1)
    losses = torch.where(same, distance**2, (margin - distance) ** 2)
    return losses.sum() / (len(points) * (len(points) - 1))


def upper_half(points, same, margin):
    count = len(points)
    return pair_losses(points, same, margin).triu(1).sum() / (count * (count - 1))


def squares(points, same, margin):
    squared = torch.cdist(points, points) ** 2
    losses = torch.where(same, squared, F.relu(margin - squared) ** 2)
    return losses.sum() / (len(points) * (len(points) - 1))


BANK = (
    Answers(
        "6.1",
        wrong={
            "the sum": (
                lambda pred, target: F.mse_loss(pred, target, reduction="none").sum(),
                lambda pred, target: nn.MSELoss(reduction="sum")(pred, target),
            ),
            "divided by the samples only": (
                lambda pred, target: (pred - target).pow(2).sum() / pred.shape[0],
                lambda pred, target: ((pred - target) ** 2).flatten(1).sum(1).mean(),
            ),
            "a mean for each column": lambda pred, target: F.mse_loss(
                pred, target, reduction="none"
            ).mean(dim=0),
            "none": lambda pred, target: nn.MSELoss(reduction="none")(pred, target),
            "cut off": (
                under_no_grad,
                returns_a_number,
                lambda pred, target: F.mse_loss(pred.detach(), target),
            ),
            "the errors are not squared": lambda pred, target: F.l1_loss(pred, target),
        },
        right=(
            weighed_by_hand,
            lambda pred, target: ((pred - target) ** 2).sum() / pred.numel(),
            lambda pred, target: F.mse_loss(pred.double(), target.double(), reduction="mean"),
        ),
    ),
    Answers(
        "6.2",
        wrong={
            "logits": lambda logits, classes: nn.NLLLoss()(logits, classes),
            "probabilities": lambda logits, classes: nn.NLLLoss()(
                torch.softmax(logits, dim=1), classes
            ),
            "along the samples": (
                lambda logits, classes: nn.NLLLoss()(logits.log_softmax(0), classes),
                lambda logits, classes: F.nll_loss(logits.softmax(0).log(), classes),
            ),
            "softmax twice": (
                lambda logits, classes: nn.NLLLoss()(logits.softmax(1).log_softmax(1), classes),
                lambda logits, classes: nn.CrossEntropyLoss()(logits.softmax(1), classes),
            ),
            "the sum": lambda logits, classes: nn.NLLLoss(reduction="sum")(
                logits.log_softmax(1), classes
            ),
            "the sign": lambda logits, classes: nn.NLLLoss()(-logits.log_softmax(1), classes),
        },
        right=(looked_up, in_double),
    ),
    Answers(
        "6.3",
        wrong={
            "no probabilities": (
                lambda logits, truth: nn.BCELoss()(logits, truth),
                lambda logits, truth: nn.BCELoss()(F.logsigmoid(logits), truth),
            ),
            "softmax": lambda logits, truth: nn.BCELoss()(torch.softmax(logits, dim=0), truth),
            "sigmoid twice": (
                lambda logits, truth: nn.BCEWithLogitsLoss()(torch.sigmoid(logits), truth),
                lambda logits, truth: nn.BCELoss()(logits.sigmoid().sigmoid(), truth),
            ),
            "exchanged": lambda logits, truth: nn.BCELoss()(truth, torch.sigmoid(logits)),
            "the probability of no": (
                lambda logits, truth: nn.BCELoss()(1 - logits.sigmoid(), truth),
                lambda logits, truth: nn.BCELoss()(1 / (1 + torch.exp(logits)), truth),
            ),
            "decided": lambda logits, truth: nn.BCELoss()(logits.sigmoid().round(), truth),
        },
        right=(
            spelled_out,
            lambda logits, truth: nn.BCEWithLogitsLoss()(logits, truth),
            lambda logits, truth: nn.BCELoss()(logits.double().sigmoid(), truth.double()),
        ),
    ),
    Answers(
        "6.4",
        wrong={
            "ones": lambda losses: torch.ones(losses.shape),
            "one number": (
                lambda losses: 1 / losses.numel(),
                lambda losses: torch.tensor(1.0) / losses.numel(),
            ),
            "counts the rows": (
                lambda losses: torch.full_like(losses, 1 / losses.shape[0]),
                lambda losses: torch.ones_like(losses) / len(losses),
            ),
            "the losses": lambda losses: losses.clone(),
            "the losses divided": lambda losses: losses / losses.nelement(),
            "shares of the losses": lambda losses: losses / torch.sum(losses),
        },
        right=(
            lambda losses: torch.ones_like(losses) / losses.numel(),
            lambda losses: torch.full(losses.shape, 1 / losses.shape.numel(), dtype=torch.float64),
        ),
    ),
    Answers(
        "6.5",
        wrong={
            "the same rate": lambda rate, losses: rate,
            "the wrong way": lambda rate, losses: losses.numel() * rate,
            "counts the rows": lambda rate, losses: rate / losses.shape[0],
            "a root": lambda rate, losses: rate / torch.tensor(losses.numel()).sqrt(),
            "divided by the sum": lambda rate, losses: rate / losses.sum(),
        },
        right=(
            lambda rate, losses: rate * losses.mean() / losses.sum(),
            lambda rate, losses: torch.tensor(rate / losses.shape.numel(), dtype=torch.float64),
        ),
    ),
    Answers(
        "6.6",
        wrong={
            "accumulated": forgets_to_empty,
            "one tensor, accumulated": keeps_no_clone,
            "one tensor, zeroed in place": empties_what_it_kept,
            "exchanged": sum_first,
            "twice the mean": forgets_the_reduction,
        },
        right=(keeps_a_clone, without_grad_attribute),
    ),
    Answers(
        "6.7",
        wrong={
            "the sum's": not_divided,
            "divided by all elements": divided_by_numel,
            "uphill and downhill": true_minus_predicted,
            "softmax alone": lambda logits, classes: logits.softmax(1) / len(classes),
            "the true class alone": of_the_true_logit,
            "along the samples": softmax_of_columns,
        },
        right=(subtracts_at_the_class, by_backward),
    ),
    Answers(
        "6.8",
        wrong={
            "the sum of the losses": lambda pred, target: F.mse_loss(pred, target, reduction="sum"),
            "the half is missing": lambda pred, target: (
                F.mse_loss(pred, target, reduction="none") ** 2
            ).sum(),
            "the square of the sum": lambda pred, target: (
                0.5 * torch.dot(pred - target, pred - target) ** 2
            ),
            "the mean": lambda pred, target: 0.5 * ((pred - target) ** 2).square().mean(),
            "not one number": (
                lambda pred, target: ((pred - target) ** 2) ** 2 / 2,
                lambda pred, target: 2 * (pred - target) ** 3,
            ),
            "the gradient": runs_it,
        },
        right=(
            weighed_and_cut,
            lambda pred, target: 0.5 * (pred - target).pow(4).sum() + 7,
            lambda pred, target: (pred.double() - target).pow(4).sum() / 2,
        ),
    ),
    Answers(
        "6.9",
        wrong={
            "sums": lambda losses, weights: sum(
                w * loss.sum() for w, loss in zip(weights, losses, strict=True)
            ),
            "all losses in one mean": concatenated,
            "not weighed": lambda losses, weights: sum(loss.mean() for loss in losses),
            "divided by the tasks": lambda losses, weights: one_by_one(losses, weights) / 3,
            "divided by the weights": lambda losses, weights: (
                one_by_one(losses, weights) / sum(weights)
            ),
        },
        right=(
            one_by_one,
            lambda losses, weights: (
                torch.stack([loss.double().mean() for loss in losses])
                @ torch.tensor(weights, dtype=torch.float64)
            ),
        ),
    ),
    Answers(
        "6.10",
        wrong={
            "added up": (
                one_backward,
                lambda w, samples, answers: 2 * samples.T @ (samples @ w - answers),
            ),
            "averaged": one_backward_of_the_mean,
            "rows of the mean": lambda w, samples, answers: (
                row_by_row(w, samples, answers) / len(answers)
            ),
            "transposed": lambda w, samples, answers: 2 * (samples @ w - answers) * samples.T,
            "the power is not brought down": lambda w, samples, answers: (
                torch.diag(samples @ w - answers) @ samples
            ),
            "the inner derivative is lost": lambda w, samples, answers: (
                2 * samples @ w - 2 * answers
            ),
        },
        right=(
            row_by_row,
            lambda w, samples, answers: torch.diag(2 * (samples @ w - answers)) @ samples,
        ),
    ),
    Answers(
        "6.11",
        wrong={
            "divided by all pixels": (
                lambda losses, mask: (losses * mask).mean(),
                lambda losses, mask: losses.masked_fill(mask == 0, 0).sum() / losses.numel(),
            ),
            "only added": (
                lambda losses, mask: (mask * losses).sum(),
                lambda losses, mask: losses[mask.bool()].sum(),
            ),
            "nothing masked": lambda losses, mask: losses.sum() / mask.numel(),
            "the mean of the images' means": lambda losses, mask: torch.stack(
                [
                    (one * m).sum() / m.sum().clamp(min=1)
                    for one, m in zip(losses, mask, strict=True)
                ]
            ).mean(),
            "divided by zero": lambda losses, mask: torch.sum(mask * losses) / torch.sum(mask),
            "the mean of nothing": (
                lambda losses, mask: losses[mask.bool()].mean(),
                lambda losses, mask: losses.masked_select(mask > 0).mean(),
            ),
            "where comes too late": chosen_too_late,
            "cut off where nothing counts": (plain_zero, python_zero),
        },
        right=(guarded, chosen),
    ),
    Answers(
        "6.12",
        wrong={
            "the sum of the means": plain_loop,
            "the mean of the means": (over_the_number_of_batches, losses_added_first),
            "the sum": adds_all,
            "only the last batch": empties_each_time,
            "only the last batch's share": empties_each_share,
            "nothing stored": only_returns,
        },
        right=(each_share, divides_at_the_end),
    ),
    Answers(
        "6.13",
        wrong={
            "the diagonal counted": mean_of_the_matrix,
            "the root of zero": (with_a_root, with_a_root_and_weights),
            "roles exchanged": strangers_attract,
            "roles exchanged, the diagonal too": strangers_attract_also_themselves,
            "no end to the margin": without_relu,
            "half of the pairs": upper_half,
            "squared distances against the margin": squares,
            "the sum": lambda points, same, margin: pair_losses(points, same, margin).sum(),
        },
        right=(by_cdist, each_pair_once),
    ),
)
