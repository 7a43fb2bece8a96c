"""Exercises of chapter 6: losses of one number, and of many."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from seegrad.course.draw import Draw
from seegrad.course.exercise import Exercise, Mistake, after, differentiated

# 6.1


def _pictures(draw: Draw) -> tuple[Tensor, Tensor]:
    sizes = draw.sizes(draw.choice((2, 3)))
    return draw.tensor(*sizes, requires_grad=True), draw.tensor(*sizes)


MEAN_FROM_NONE = Exercise(
    number="6.1",
    title="The mean, from none",
    practises='what `reduction="none"` leaves out',
    seeds=("S28", "S30", "S31", "S33", "S34"),
    minutes=3,
    difficulty=1,
    oracle=lambda pred, target: F.mse_loss(pred, target),
    against="MSELoss() and the gradient that it sends to pred",
    draw=_pictures,
    observe=differentiated("pred"),
    mistakes=(
        Mistake(
            "the sum",
            lambda pred, target: ((pred - target) ** 2).sum(),
            "You added the losses. The mean is their sum, divided by how many there are.",
        ),
        Mistake(
            "divided by the samples only",
            lambda pred, target: ((pred - target) ** 2).sum() / len(pred),
            "You divided by the number of samples, len(pred). MSELoss() has a loss for every "
            "element, and divides by the number of elements.",
        ),
        Mistake(
            "a mean for each column",
            lambda pred, target: ((pred - target) ** 2).mean(0),
            "mean(0) averages over the samples alone, and several losses are left. The mean of all "
            "is one number.",
        ),
        Mistake(
            "none",
            lambda pred, target: (pred - target) ** 2,
            "Those are the losses, one for each element. They wait for somebody to aggregate them.",
        ),
        Mistake(
            "cut off",
            lambda pred, target: ((pred - target) ** 2).mean().detach(),
            "The value is right, but it is cut off from pred: no gradient comes back. Leave out "
            "detach(), item() and no_grad().",
        ),
        Mistake(
            "the errors are not squared",
            lambda pred, target: (pred - target).abs().mean(),
            "That is the mean of the distances. MSELoss squares them first.",
        ),
    ),
    hints=(
        "Print the shape of the losses. How many numbers does MSELoss() leave of them?",
        "All elements count alike, in whatever dimension they lie.",
        "The losses have a method that takes the mean of all of them, if it is given no dimension.",
    ),
    reason='MSELoss() takes one step more than reduction="none": the mean over all elements. It is '
    "an operation as any other, so the gradient comes back through it.",
)

# 6.2


def _scores(draw: Draw) -> tuple[Tensor, Tensor]:
    samples, classes = draw.sizes(2)
    named = [draw.integer(0, classes - 1) for _ in range(samples)]
    return draw.tensor(samples, classes), torch.tensor(named)


LOG_PROBABILITIES = Exercise(
    number="6.2",
    title="What NLLLoss expects",
    practises="giving a loss the right kind of number",
    seeds=("S28", "S29"),
    minutes=4,
    difficulty=1,
    oracle=lambda logits, classes: F.cross_entropy(logits, classes),
    against="CrossEntropyLoss()",
    draw=_scores,
    mistakes=(
        Mistake(
            "logits",
            lambda logits, classes: F.nll_loss(logits, classes),
            "NLLLoss was given the logits. It takes what it gets for log-probabilities, and does "
            "not complain.",
        ),
        Mistake(
            "probabilities",
            lambda logits, classes: F.nll_loss(logits.softmax(1), classes),
            "NLLLoss was given probabilities, and averaged them with a minus. It expects their "
            "logarithms.",
        ),
        Mistake(
            "along the samples",
            lambda logits, classes: F.nll_loss(logits.log_softmax(0), classes),
            "Your softmax runs over the samples. The classes of one sample must add up to 1: that "
            "is dimension 1.",
        ),
        Mistake(
            "softmax twice",
            lambda logits, classes: F.cross_entropy(logits.softmax(1), classes),
            "Softmax was taken of probabilities, so it was taken twice. log_softmax, and "
            "CrossEntropyLoss too, want the logits.",
        ),
        Mistake(
            "the sum",
            lambda logits, classes: F.cross_entropy(logits, classes, reduction="sum"),
            "You added the losses of the samples. Both losses take the mean by default.",
        ),
        Mistake(
            "the sign",
            lambda logits, classes: -F.cross_entropy(logits, classes),
            "The sign is wrong: the loss is minus the log-probability of the true class.",
        ),
    ),
    hints=(
        "NLLLoss complains of nothing. What are its numbers to be: logits, probabilities, or …?",
        "It wants the logarithm of each probability, and the probabilities of a row add up to 1.",
        "log_softmax makes log-probabilities of logits. Along which dimension lie the classes?",
    ),
    reason="CrossEntropyLoss is log_softmax over the classes, and then NLLLoss. NLLLoss looks up "
    "the entry of the true class, negates it, and takes the mean.",
)

# 6.3


def _yes_or_no(draw: Draw) -> tuple[Tensor, Tensor]:
    logits = draw.vector()
    logits[0] = draw.positive(1.5, 3.0)  # no probability
    return logits, torch.tensor([float(draw.integer(0, 1)) for _ in logits])


PROBABILITIES = Exercise(
    number="6.3",
    title="What BCELoss expects",
    practises="probabilities for a yes or no",
    seeds=("S29",),
    minutes=3,
    difficulty=1,
    oracle=lambda logits, truth: F.binary_cross_entropy_with_logits(logits, truth),
    against="BCEWithLogitsLoss()",
    draw=_yes_or_no,
    mistakes=(
        Mistake(
            "no probabilities",
            lambda logits, truth: F.binary_cross_entropy(logits, truth),
            "BCELoss expects probabilities, from 0 to 1. What it was given leaves that range, as "
            "logits do, and logarithms.",
        ),
        Mistake(
            "softmax",
            lambda logits, truth: F.binary_cross_entropy(logits.softmax(0), truth),
            "Softmax makes the samples share one probability. Each is a yes or no of its own, so "
            "each is made a probability by itself.",
        ),
        Mistake(
            "sigmoid twice",
            lambda logits, truth: F.binary_cross_entropy_with_logits(logits.sigmoid(), truth),
            "BCEWithLogitsLoss takes the sigmoid itself, and you had taken it before: that makes "
            "two.",
        ),
        Mistake(
            "exchanged",
            lambda logits, truth: F.binary_cross_entropy(truth, logits.sigmoid()),
            "Prediction and truth are exchanged: the prediction comes first.",
        ),
        Mistake(
            "the probability of no",
            lambda logits, truth: F.binary_cross_entropy((-logits).sigmoid(), truth),
            "You gave the probability of no. BCELoss wants the probability of yes, where the truth "
            "is 1.",
        ),
        Mistake(
            "decided",
            lambda logits, truth: F.binary_cross_entropy((logits > 0).float(), truth),
            "You rounded to yes or no before the loss. Then nothing is left to be surprised by, "
            "and no gradient comes back.",
        ),
    ),
    hints=(
        "Between which numbers does a probability lie, and where do your logits lie?",
        "A logit s stands for the probability 1 / (1 + exp(-s)), sample by sample.",
        "That function is called sigmoid. Give BCELoss the sigmoid of the logits, then the truth.",
    ),
    reason="The sigmoid makes of each logit the probability of yes, which BCELoss expects. "
    "BCEWithLogitsLoss does both at once, and is safer where logits are large.",
)

# 6.4


def _losses(draw: Draw) -> Tensor:
    return draw.tensor(*draw.sizes(draw.choice((2, 3)))).abs()


def _what_the_mean_sends(losses: Tensor) -> Tensor:
    leaf = losses.clone().requires_grad_()
    return torch.autograd.grad(leaf.mean(), leaf)[0]


WEIGHTS_OF_THE_MEAN = Exercise(
    number="6.4",
    title="The weights of the mean",
    practises="choosing v for `backward(v)`",
    seeds=("S33", "S35"),
    minutes=4,
    difficulty=1,
    oracle=_what_the_mean_sends,
    against="the gradient of the mean with respect to each loss",
    draw=lambda draw: (_losses(draw),),
    mistakes=(
        Mistake(
            "ones",
            lambda losses: torch.ones_like(losses),
            "Ones add the losses: that gives the gradient of the sum.",
        ),
        Mistake(
            "one number",
            lambda losses: torch.tensor(1 / losses.numel()),
            "The number is right, but backward(v) wants a weight for each loss: v has the shape "
            "of losses.",
        ),
        Mistake(
            "counts the rows",
            lambda losses: torch.ones_like(losses) / len(losses),
            "You divided by len(losses), the number of rows. The mean divides by the number of "
            "elements, numel().",
        ),
        Mistake(
            "the losses",
            lambda losses: losses,
            "The losses themselves have the right shape and no reason: each loss would be weighed "
            "by its own size.",
        ),
        Mistake(
            "the losses divided",
            lambda losses: losses / losses.numel(),
            "The weights of a mean are all equal. You weigh each loss by its own size too.",
        ),
        Mistake(
            "shares of the losses",
            lambda losses: losses / losses.sum(),
            "These weights add up to 1, but a large loss has a large one. In a mean all count "
            "alike.",
        ),
    ),
    hints=(
        "Write the mean of two losses as a weighted sum. Which weight has each?",
        "The mean of N losses is 1/N times each of them, added up. v holds these factors.",
        "A tensor with the shape of losses, full of 1 / losses.numel().",
    ),
    reason="backward(v) gives the gradient of the sum of v_i · loss_i. With 1/N everywhere, that "
    "sum is the mean.",
)

# 6.5


def _rate_by_slopes(rate: float, losses: Tensor) -> Tensor:
    leaf = losses.flatten().clone().requires_grad_()
    (of_mean,) = torch.autograd.grad(leaf.mean(), leaf)
    (of_sum,) = torch.autograd.grad(leaf.sum(), leaf)
    return rate * of_mean[0] / of_sum[0]


SAME_STEP = Exercise(
    number="6.5",
    title="The same step from the sum",
    practises="what `sum` and `mean` do to the size of a step",
    seeds=("S36",),
    minutes=4,
    difficulty=1,
    oracle=_rate_by_slopes,
    against="the ratio of the two gradients",
    draw=lambda draw: (draw.positive(0.1, 2.0), _losses(draw)),
    mistakes=(
        Mistake(
            "the same rate",
            lambda rate, losses: rate,
            "With the same rate, the step of the sum is as many times too long as there are "
            "losses.",
        ),
        Mistake(
            "the wrong way",
            lambda rate, losses: rate * losses.numel(),
            "You made the rate larger. The gradient of the sum is the larger one, so its rate must "
            "be the smaller one.",
        ),
        Mistake(
            "counts the rows",
            lambda rate, losses: rate / len(losses),
            "len(losses) counts the rows. The mean divides by the number of elements.",
        ),
        Mistake(
            "a root",
            lambda rate, losses: rate / losses.numel() ** 0.5,
            "You took a root. The sum is N times the mean, so its gradient is N times as large, "
            "with no root in it.",
        ),
        Mistake(
            "divided by the sum",
            lambda rate, losses: rate / losses.sum(),
            "You divided by the sum of the losses. The step depends on how many there are, and not "
            "on how large they are now.",
        ),
    ),
    hints=(
        "A step is the rate times the gradient. Which of the two gradients is the larger?",
        "For N losses the gradient of the sum is N times that of the mean.",
        "The product must stay the same: N times the gradient, so the rate divided by N.",
    ),
    reason="The gradient of the sum of N losses is N times that of their mean. Rate times gradient "
    "stays the same if the rate is divided by N.",
)

# 6.6


def _both_alone(pred: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    error = 2 * (pred - target).detach()
    return error / error.numel(), error


def _added_up(pred: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    of_mean, of_sum = _both_alone(pred, target)
    return of_mean, of_mean + of_sum


def _twice_the_same(pred: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    _, both = _added_up(pred, target)
    return both, both


def _twice_the_last(pred: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    _, of_sum = _both_alone(pred, target)
    return of_sum, of_sum


def _the_other_way_round(pred: Tensor, target: Tensor) -> tuple[Tensor, ...]:
    return _both_alone(pred, target)[::-1]


TWO_LOSSES = Exercise(
    number="6.6",
    title="Two losses on one tensor",
    practises="comparing two gradients that share one `.grad`",
    seeds=("S30", "S36", "S37"),
    minutes=6,
    difficulty=2,
    oracle=_both_alone,
    against="the derivatives by hand",
    draw=_pictures,
    mistakes=(
        Mistake(
            "accumulated",
            _added_up,
            "The second gradient was added to the first, which still lay in pred.grad.",
        ),
        Mistake(
            "one tensor, accumulated",
            _twice_the_same,
            "Both that you return are one and the same tensor: backward() adds to pred.grad in "
            "place, so your first gradient changed with it.",
        ),
        Mistake(
            "one tensor, zeroed in place",
            _twice_the_last,
            "zero_() emptied the very tensor that you had kept as the first gradient, and the "
            "second was then added to it. Keep a clone(), or say pred.grad = None.",
        ),
        Mistake(
            "exchanged",
            _the_other_way_round,
            "Both are right, but exchanged: the mean's comes first.",
        ),
        Mistake(
            "twice the mean",
            lambda pred, target: (_both_alone(pred, target)[0],) * 2,
            "Both are the gradient of the mean. The default reduction is the mean: say "
            'reduction="sum" for the second.',
        ),
    ),
    hints=(
        "What does pred.grad hold before the second backward()?",
        "Begin a new account in between. Then ask whether what you kept is still what it was.",
        "Keep pred.grad under a name, say pred.grad = None, and only then compute the second loss.",
    ),
    reason="backward() adds to what is in .grad, and does so in place. With pred.grad = None the "
    "second pass makes a new tensor, and the first stays as you kept it.",
)

# 6.7


def _sent_back(logits: Tensor, classes: Tensor) -> Tensor:
    leaf = logits.clone().requires_grad_()
    return torch.autograd.grad(F.cross_entropy(leaf, classes), leaf)[0]


SOFTMAX_MINUS_ONE_HOT = Exercise(
    number="6.7",
    title="What cross-entropy sends back",
    practises="the gradient of cross-entropy by hand",
    seeds=("S29", "S34"),
    minutes=8,
    difficulty=2,
    oracle=_sent_back,
    against="a backward pass through cross_entropy",
    draw=_scores,
    mistakes=(
        Mistake(
            "the sum's",
            lambda logits, classes: _sent_back(logits, classes) * len(logits),
            "That is the gradient of the sum. The default takes the mean over the samples.",
        ),
        Mistake(
            "divided by all elements",
            lambda logits, classes: _sent_back(logits, classes) / logits.shape[1],
            "You divided by the number of logits. Cross-entropy has one loss for each sample, and "
            "the mean divides by the number of samples.",
        ),
        Mistake(
            "uphill and downhill",
            lambda logits, classes: -_sent_back(logits, classes),
            "The sign is wrong. More of the true class's logit makes the loss smaller, so its "
            "derivative is negative.",
        ),
        Mistake(
            "softmax alone",
            lambda logits, classes: logits.softmax(1) / len(logits),
            "Those are the probabilities, divided by the number of samples. The true class does "
            "not occur in them yet.",
        ),
        Mistake(
            "the true class alone",
            lambda logits, classes: -F.one_hot(classes, logits.shape[1]) / len(logits),
            "Only the true class is pushed here. The probabilities are missing: the logarithm of "
            "the softmax's denominator brings them in.",
        ),
        Mistake(
            "along the samples",
            lambda logits, classes: (
                (logits.softmax(0) - F.one_hot(classes, logits.shape[1])) / len(logits)
            ),
            "Your softmax runs over the samples. The probabilities of one sample add up to 1: that "
            "is dimension 1.",
        ),
    ),
    hints=(
        "Begin with one sample: its loss is log(sum of exp(s_j)) - s_c. Differentiate by s_j.",
        "The first term gives the softmax, the second subtracts 1 at the true class.",
        "Subtract one_hot(classes, number of classes), and divide by the number of samples.",
    ),
    reason="The logarithm of the sum of exponentials has the softmax as its gradient, and the true "
    "logit is subtracted once: softmax minus one-hot. The mean divides it by the samples.",
)

# 6.8


def _gradient_of_the_scalar(inputs: Any, result: Any) -> dict[str, Any]:
    """What the returned loss would send back. Its value is free: a constant does not matter."""
    if not isinstance(result, Tensor):
        return {"gradient": result}
    return {"gradient": torch.autograd.grad(result, inputs["pred"])[0]}


def _as_backward_loss_does(pred: Tensor, target: Tensor) -> Tensor:
    losses = (pred - target) ** 2
    (sent,) = torch.autograd.grad(losses, pred, losses.detach())
    return (sent * pred).sum()  # has this gradient


LOSS_LOSS = Exercise(
    number="6.8",
    title="What loss.backward(loss) minimises",
    practises="weights that nobody can give a reason for",
    seeds=("S33", "S35"),
    minutes=7,
    difficulty=2,
    oracle=_as_backward_loss_does,
    against="what losses.backward(losses) sends to pred",
    draw=lambda draw: (draw.tensor(n := draw.sizes(1)[0], requires_grad=True), draw.tensor(n)),
    observe=_gradient_of_the_scalar,
    mistakes=(
        Mistake(
            "the sum of the losses",
            lambda pred, target: ((pred - target) ** 2).sum(),
            "That is what ones as weights minimise. Here each loss is weighed by its own size, and "
            "a large one counts more.",
        ),
        Mistake(
            "the half is missing",
            lambda pred, target: ((pred - target) ** 4).sum(),
            "Twice too much: the derivative of loss^2 is 2 · loss · its derivative, and the weight "
            "is loss alone.",
        ),
        Mistake(
            "the square of the sum",
            lambda pred, target: ((pred - target) ** 2).sum() ** 2 / 2,
            "You squared the sum. Then each loss would be weighed by the sum of all; here it is "
            "weighed by itself.",
        ),
        Mistake(
            "the mean",
            lambda pred, target: ((pred - target) ** 4).mean() / 2,
            "You took a mean. backward(v) adds, and divides by nothing.",
        ),
        Mistake(
            "not one number",
            lambda pred, target: (pred - target) ** 4 / 2,
            "A loss that is minimised is one number. You returned one for each sample.",
        ),
        Mistake(
            "the gradient",
            lambda pred, target: 2 * (pred.detach() - target) ** 3,
            "What you returned is cut off from pred. Return a loss computed from pred, not a "
            "gradient of it.",
        ),
    ),
    hints=(
        "Each sample sends back its loss times the derivative of its loss. Whose derivative is it?",
        "u · u' is the derivative of u^2 / 2. Here u is the loss of one sample.",
        "Square each loss, halve it, and add them up.",
    ),
    reason="With v_i = loss_i, the sum of loss_i · loss_i' is the derivative of half the sum of "
    "loss_i^2. So the squared error is squared once more, and outliers rule.",
)

# 6.9


def _several_tasks(draw: Draw) -> tuple[list[Tensor], list[float]]:
    samples, edges, rows = draw.sizes(3)
    shapes = ((samples,), (samples, edges), (samples, rows))
    return [draw.tensor(*shape).abs() for shape in shapes], [draw.positive(0.2) for _ in shapes]


def _weighed_means(losses: list[Tensor], weights: list[float]) -> Tensor:
    return torch.dot(torch.tensor(weights), torch.stack([loss.mean() for loss in losses]))


def _weighed_sums(losses: list[Tensor], weights: list[float]) -> Tensor:
    return torch.dot(torch.tensor(weights), torch.stack([loss.sum() for loss in losses]))


TASKS = Exercise(
    number="6.9",
    title="Several tasks, one loss",
    practises="weighing tasks that have different numbers of losses",
    seeds=("S38",),
    minutes=6,
    difficulty=2,
    oracle=_weighed_means,
    against="the dot product of the weights and the means",
    draw=_several_tasks,
    mistakes=(
        Mistake(
            "sums",
            _weighed_sums,
            "You added the losses within each task. Then a task with many losses, such as one for "
            "every pixel, outvotes the others, whatever its weight.",
        ),
        Mistake(
            "all losses in one mean",
            lambda losses, weights: (
                _weighed_sums(losses, weights) / sum(loss.numel() for loss in losses)
            ),
            "You put all losses into one mean. Then a task counts by how many losses it has; take "
            "the mean of each task first.",
        ),
        Mistake(
            "not weighed",
            lambda losses, weights: _weighed_means(losses, [1.0] * len(losses)),
            "The weights were left out, so every task counts once.",
        ),
        Mistake(
            "divided by the tasks",
            lambda losses, weights: _weighed_means(losses, weights) / len(losses),
            "You divided by the number of tasks. A weighted sum is asked for.",
        ),
        Mistake(
            "divided by the weights",
            lambda losses, weights: _weighed_means(losses, weights) / sum(weights),
            "You divided by the sum of the weights, which makes a weighted mean. A weighted sum is "
            "asked for.",
        ),
    ),
    hints=(
        "One task has a loss for each sample, another many for each. Should it count more for it?",
        "First make one number of each task, then weigh these numbers and add them.",
        "The sum of weight * loss.mean(), over zip(weights, losses).",
    ),
    reason="The mean of each task does not depend on how many losses it has, so the weight alone "
    "says how much it counts.",
)

# 6.10


def _line(draw: Draw) -> tuple[Tensor, Tensor, Tensor]:
    count, features = draw.sizes(2)
    return draw.tensor(features), draw.tensor(count, features), draw.tensor(count)


def _rows(w: Tensor, samples: Tensor, answers: Tensor) -> Tensor:
    rows: Tensor = torch.func.jacrev(lambda w: (samples @ w - answers) ** 2)(w)
    return rows


PER_SAMPLE = Exercise(
    number="6.10",
    title="Which sample pulls which way",
    practises="gradients sample by sample",
    seeds=("S31", "S33"),
    minutes=8,
    difficulty=2,
    oracle=_rows,
    against="torch.func.jacrev",
    draw=_line,
    mistakes=(
        Mistake(
            "added up",
            lambda w, samples, answers: _rows(w, samples, answers).sum(0),
            "You added the gradients. Then nobody sees which sample pulled: keep a row for each.",
        ),
        Mistake(
            "averaged",
            lambda w, samples, answers: _rows(w, samples, answers).mean(0),
            "That is the gradient of the mean, one arrow. Keep a row for each sample.",
        ),
        Mistake(
            "rows of the mean",
            lambda w, samples, answers: _rows(w, samples, answers) / len(answers),
            "You divided by the number of samples: those are the shares in the mean. Asked for is "
            "the gradient of each loss itself.",
        ),
        Mistake(
            "transposed",
            lambda w, samples, answers: _rows(w, samples, answers).T,
            "The numbers are right, but rows and columns are exchanged: a row for each sample, a "
            "column for each parameter.",
        ),
        Mistake(
            "the power is not brought down",
            lambda w, samples, answers: _rows(w, samples, answers) / 2,
            "The derivative of a square is twice its base.",
        ),
        Mistake(
            "the inner derivative is lost",
            lambda w, samples, answers: 2 * (samples @ w - answers),
            "That is the derivative with respect to the prediction. The prediction depends on w: "
            "multiply by its derivative, which is the sample.",
        ),
    ),
    hints=(
        "How many losses are there, and how many parameters? So which shape has the result?",
        (
            "One sample x with answer t: the derivative of (x · w - t)^2 with respect to w is 2 (x "
            "· w - t) x."
        ),
        "Multiply each row of samples by its own 2 (x · w - t); [:, None] makes a column of them.",
    ),
    reason="Loss i has the gradient 2 (x_i · w - t_i) x_i: the row of the sample, scaled by twice "
    "its error. These rows are the Jacobian of the losses; backward(v) would only add them.",
)

# 6.11


def _mean_of_what_counts(losses: Tensor, mask: Tensor) -> Tensor:
    kept = [loss for loss, counts in zip(losses.flatten(), mask.flatten(), strict=True) if counts]
    return torch.stack(kept).mean() if kept else 0 * losses.sum()


def _masked_sum(losses: Tensor, mask: Tensor) -> Tensor:
    return (losses * mask).sum()


def _image_by_image(losses: Tensor, mask: Tensor) -> Tensor:
    return ((losses * mask).sum((1, 2)) / mask.sum((1, 2)).clamp(min=1)).mean()


def _where_too_late(losses: Tensor, mask: Tensor) -> Tensor:
    mean = _masked_sum(losses, mask) / mask.sum()
    return torch.where(mask.sum() > 0, mean, torch.zeros(()))


def _labelled(draw: Draw) -> tuple[Tensor, Tensor]:
    """Of each image another number of pixels counts; in one turn, none."""
    images, rows, columns = draw.sizes(3)
    counts = draw.random.sample(range(1, rows * columns), images)
    mask = torch.zeros(images, rows * columns)
    for image, count in enumerate(counts if draw.turn != 1 else ()):
        mask[image, draw.random.sample(range(rows * columns), count)] = 1.0
    losses = draw.tensor(images, rows, columns).abs().requires_grad_()
    return losses, mask.reshape(losses.shape)


MASKED = Exercise(
    number="6.11",
    title="Only the pixels that count",
    practises="a masked mean, and the case where nothing counts",
    seeds=("S31", "S39"),
    minutes=10,
    difficulty=3,
    oracle=_mean_of_what_counts,
    against="the mean over a list of the pixels that count",
    draw=_labelled,
    observe=differentiated("losses"),
    mistakes=(
        Mistake(
            "divided by all pixels",
            lambda losses, mask: (losses * mask).mean(),
            "mean() still divides by all pixels, also by those that do not count. Divide by the "
            "number of those that do.",
        ),
        Mistake(
            "only added",
            _masked_sum,
            "You added the losses that count, and divided by nothing.",
        ),
        Mistake(
            "nothing masked",
            lambda losses, mask: losses.mean(),
            "Every pixel counts here: the mask was not used.",
        ),
        Mistake(
            "the mean of the images' means",
            _image_by_image,
            "You took a mean for each image, and then the mean of these. A pixel of an image with "
            "few labels then counts more than others; all pixels are to count alike.",
        ),
        Mistake(
            "divided by zero",
            lambda losses, mask: _masked_sum(losses, mask) / mask.sum(),
            "Right, except where nothing counts: there you divide zero by zero.",
        ),
        Mistake(
            "the mean of nothing",
            lambda losses, mask: losses[mask == 1].mean(),
            "Right, except where nothing counts: the mean of no numbers is nan.",
        ),
        Mistake(
            "where comes too late",
            _where_too_late,
            "The value is right, and the gradient is nan where nothing counts: torch.where sends 0 "
            "back to the quotient that it did not take, and there it is divided by the count: 0/0.",
        ),
        Mistake(
            "cut off where nothing counts",
            lambda losses, mask: losses[mask == 1].mean() if mask.sum() > 0 else torch.tensor(0.0),
            "Right, except where nothing counts: your zero was made anew and has no graph, so that "
            "backward() on it raises. Compute it from losses.",
        ),
    ),
    hints=(
        "By what should you divide? And what is that number if nobody labelled anything?",
        "Add the losses that count, and divide by how many they are, but never by zero.",
        "mask.sum().clamp(min=1) is the count, or 1 if there is none. The sum is then 0 anyway.",
    ),
    reason="The sum of the losses that count, divided by their number, is their mean. Where "
    "nothing counts the sum is 0, so dividing by 1 gives 0, with a gradient of zeros.",
)

# 6.12

Batches = list[tuple[Tensor, Tensor]]


def _several_batches(draw: Draw) -> tuple[Tensor, Batches]:
    features, *counts = draw.sizes(4)
    batches = [(draw.tensor(count, features), draw.tensor(count)) for count in counts]
    return draw.tensor(features, requires_grad=True), batches


def _all_at_once(w: Tensor, batches: Batches) -> None:
    samples, answers = map(torch.cat, zip(*batches, strict=True))
    F.mse_loss(samples @ w, answers).backward()


def _each(w: Tensor, batches: Iterable[tuple[Tensor, Tensor]], reduction: str, by: int = 1) -> None:
    for samples, answers in batches:
        (F.mse_loss(samples @ w, answers, reduction=reduction) / by).backward()


ACCUMULATE = Exercise(
    number="6.12",
    title="One step from several batches",
    practises="accumulating gradients over batches of unequal size",
    seeds=("S30", "S36", "S37"),
    minutes=10,
    difficulty=3,
    oracle=_all_at_once,
    against="one backward pass over all samples together",
    draw=_several_batches,
    observe=after("w.grad"),
    mistakes=(
        Mistake(
            "the sum of the means",
            lambda w, batches: _each(w, batches, "mean"),
            "The means of the batches were added up, so the step is about as many times too long "
            "as there are batches.",
        ),
        Mistake(
            "the mean of the means",
            lambda w, batches: _each(w, batches, "mean", len(batches)),
            "That is the mean of the batches' means. The batches differ in size, and a sample of a "
            "small one then counts more: divide by the number of all samples.",
        ),
        Mistake(
            "the sum",
            lambda w, batches: _each(w, batches, "sum"),
            "That is the gradient of the sum over all samples. It is not divided by their number.",
        ),
        Mistake(
            "only the last batch",
            lambda w, batches: _each(w, batches[-1:], "mean"),
            "Only the last batch is left: .grad was emptied in between. Here accumulating is what "
            "you want.",
        ),
        Mistake(
            "only the last batch's share",
            lambda w, batches: _each(
                w, batches[-1:], "sum", sum(len(answers) for _, answers in batches)
            ),
            "The share of the last batch is right, and the others are lost: .grad was emptied in "
            "between. Here accumulating is what you want.",
        ),
        Mistake(
            "nothing stored",
            lambda w, batches: None,
            "w.grad is still None. The gradient must come to lie there: backward() puts it there, "
            "torch.autograd.grad only returns it.",
        ),
    ),
    hints=(
        "What is each sample's weight in the mean over all samples, whatever its batch?",
        "backward() adds to .grad by itself. Make each batch send its share of the whole mean.",
        'Use reduction="sum", and divide each batch\'s loss by the number of samples in all.',
    ),
    reason="In the mean over all N samples, each has the weight 1/N. The sums of the batches, each "
    "divided by N, add up to that mean, and their gradients add up in .grad.",
)

# 6.13


def _mean_over_pairs(points: Tensor, same: Tensor, margin: float) -> Tensor:
    paid = []
    for i in range(len(points)):
        for j in range(len(points)):
            if i != j:
                distance = torch.dist(points[i], points[j])
                paid.append(distance**2 if same[i, j] else F.relu(margin - distance) ** 2)
    return torch.stack(paid).mean()


def _pair_matrix(points: Tensor, same: Tensor, margin: float) -> Tensor:
    distance = (points[:, None] - points).norm(dim=-1)
    return torch.where(same, distance**2, F.relu(margin - distance) ** 2)


def _off_the_diagonal(losses: Tensor) -> Tensor:
    count = len(losses)
    return losses[~torch.eye(count, dtype=torch.bool)].sum() / (count * (count - 1))


def _without_margin(points: Tensor, same: Tensor, margin: float) -> Tensor:
    distance = (points[:, None] - points).norm(dim=-1)
    return _off_the_diagonal(torch.where(same, distance**2, (margin - distance) ** 2))


def _squares_against_margin(points: Tensor, same: Tensor, margin: float) -> Tensor:
    squared = ((points[:, None] - points) ** 2).sum(-1)
    return _off_the_diagonal(torch.where(same, squared, F.relu(margin - squared) ** 2))


def _root_of_zero(points: Tensor, same: Tensor, margin: float) -> Tensor:
    distance = ((points[:, None] - points) ** 2).sum(-1).sqrt()
    return _off_the_diagonal(torch.where(same, distance**2, F.relu(margin - distance) ** 2))


def _crowd(draw: Draw) -> tuple[Tensor, Tensor, float]:
    """Points, at least two of which belong together and one is a stranger."""
    count, features = draw.sizes(2)
    group = torch.tensor([0, 0, 1] + [draw.integer(0, 1) for _ in range(count - 2)])
    points = draw.tensor(len(group), features, requires_grad=True)
    return points, group[:, None] == group, draw.positive(3.0, 6.0)


PAIRS = Exercise(
    number="6.13",
    title="A loss for every pair",
    practises="a contrastive loss, its diagonal and its root",
    seeds=("S32", "S40"),
    minutes=15,
    difficulty=3,
    oracle=_mean_over_pairs,
    against="a loop over the pairs, one by one",
    draw=_crowd,
    observe=differentiated("points"),
    mistakes=(
        Mistake(
            "the diagonal counted",
            lambda points, same, margin: _pair_matrix(points, same, margin).mean(),
            "You divided by all entries of the matrix. A point and itself are no pair: leave the "
            "diagonal out, of the count too.",
        ),
        Mistake(
            "the root of zero",
            _root_of_zero,
            "The value is right, and the gradient is nan: on the diagonal the distance is 0, where "
            "the root has an infinite slope, and leaving its loss out afterwards gives 0 times "
            "infinity. norm() takes 0 as the slope there.",
        ),
        Mistake(
            "roles exchanged",
            lambda points, same, margin: _off_the_diagonal(_pair_matrix(points, ~same, margin)),
            "The roles are exchanged: those that belong together are pushed apart.",
        ),
        Mistake(
            "roles exchanged, the diagonal too",
            lambda points, same, margin: (
                _pair_matrix(points, ~same, margin).sum() / (len(points) * (len(points) - 1))
            ),
            "The roles are exchanged: those that belong together are pushed apart, and each point "
            "pays the margin for being near itself.",
        ),
        Mistake(
            "no end to the margin",
            _without_margin,
            "A stranger beyond the margin pays too, and is pulled back to it. Beyond the margin it "
            "is to pay nothing: relu.",
        ),
        Mistake(
            "half of the pairs",
            lambda points, same, margin: _off_the_diagonal(
                _pair_matrix(points, same, margin).triu()
            ),
            "You added each pair once, but divided by twice as many. Count what you add.",
        ),
        Mistake(
            "squared distances against the margin",
            _squares_against_margin,
            "You compared the squared distance with the margin. Here the margin is a distance.",
        ),
        Mistake(
            "the sum",
            lambda points, same, margin: _pair_matrix(points, same, margin).fill_diagonal_(0).sum(),
            "You added the losses of the pairs. Asked for is their mean.",
        ),
    ),
    hints=(
        "Which shape has points[:, None] - points? And what is its diagonal?",
        "Make the matrix of distances with norm(dim=-1); torch.where(same, …, …) chooses the loss.",
        "The diagonal is 0, so sum the whole matrix, and divide by B · (B - 1).",
    ),
    reason="B points have B (B - 1) pairs. The diagonal adds 0 to the sum, and norm() makes its "
    "gradient 0 too, where a root would make it nan.",
)

EXERCISES = (
    MEAN_FROM_NONE,
    LOG_PROBABILITIES,
    PROBABILITIES,
    WEIGHTS_OF_THE_MEAN,
    SAME_STEP,
    TWO_LOSSES,
    SOFTMAX_MINUS_ONE_HOT,
    LOSS_LOSS,
    TASKS,
    PER_SAMPLE,
    MASKED,
    ACCUMULATE,
    PAIRS,
)
