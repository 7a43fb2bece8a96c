"""The numbers of ``seegrad.reduction`` are torch's own, for every kind of loss."""

import functools

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import seegrad
from seegrad.errors import InputError
from seegrad.functions.reductions import criterion, reduce, weighted, weights
from tests.test_graph import run_alone

PRED = torch.tensor([1.0, 2.0, 3.0])
TRUE = torch.tensor([1.0, 2.0, 1.0])


def pairs(z):
    """Each pair's squared distance."""
    return (z[:, None] - z[None]).pow(2).sum(-1)


def two_tasks(w, target):
    return {"cls": F.softplus(-w[0]), "reg": (w[1] - target[1]) ** 2}


def draw(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(1)) * 0.8 + 0.1


CLASSES = torch.tensor([0, 2, 1, 1])
LOSSES = {
    "mse": (nn.MSELoss(), PRED, TRUE),
    "functional": (F.mse_loss, PRED, TRUE),
    "double": (nn.HuberLoss(delta=0.5), PRED.double(), TRUE.double()),
    "classes": (F.cross_entropy, draw(4, 3), CLASSES),
    "bound": (functools.partial(F.cross_entropy, label_smoothing=0.1), draw(4, 3), CLASSES),
    "image": (nn.BCELoss(), draw(1, 2, 4, 4), draw(1, 2, 4, 4).round()),
    "segmentation": (nn.CrossEntropyLoss(), draw(2, 3, 4, 4), torch.ones(2, 4, 4).long()),
    "pairs": (pairs, draw(4, 2), None),
    "tasks": (two_tasks, draw(2), TRUE),
    "task functions": ([lambda w, t: (w - t).abs().sum(), F.mse_loss], PRED, TRUE),
    "lambda": (lambda pred, target: (pred - target) ** 2, PRED, TRUE),
    "scalar": (nn.MSELoss(), torch.tensor(3.0), torch.tensor(1.0)),
}


@pytest.fixture(params=LOSSES)
def case(request):
    return LOSSES[request.param]


def torchs_own(loss_fn, pred, target, v):
    """v · loss and its gradient, by loss.backward(v) on a leaf of its own."""
    leaf = pred.clone().requires_grad_()
    loss = criterion(loss_fn).losses(leaf, target)
    loss.backward(v)
    return (v * loss.detach()).sum(), leaf.grad


def test_the_stated_example():
    found = reduce(criterion(nn.MSELoss()), PRED, TRUE)
    assert found.losses.tolist() == [0, 0, 4]
    assert (found.total.item(), found.mean.item()) == (4, pytest.approx(4 / 3))
    assert found.total_gradient.tolist() == [0, 0, 4]
    assert found.mean_gradient.tolist() == [0, 0, pytest.approx(4 / 3)]
    assert "mean: 1.333, gradient [0, 0, 1.333]" in repr(
        seegrad.reduction(nn.MSELoss(), PRED, TRUE)
    )


def test_sum_and_mean_are_torchs(case):
    loss_fn, pred, target = case
    found = reduce(criterion(loss_fn), pred, target)
    ones = torch.ones_like(found.losses)
    total, gradient = torchs_own(loss_fn, pred, target, ones)
    assert torch.allclose(found.total, total)
    assert torch.allclose(found.total_gradient, gradient)
    assert torch.allclose(found.mean_gradient, gradient / found.divisor)
    assert found.divisor == found.losses.numel()


def test_the_entries_give_any_weighted_gradient(case):
    """What the page does while v is dragged."""
    loss_fn, pred, target = case
    found = reduce(criterion(loss_fn), pred, target)
    v = torch.rand(found.losses.shape, generator=torch.Generator().manual_seed(2)).to(pred.dtype)
    gradient = [0.0] * pred.numel()
    entries = found.entries
    for row, column, value in zip(entries.rows, entries.columns, entries.values, strict=True):
        gradient[column] += v.flatten()[row].item() * value
    expected = torchs_own(loss_fn, pred, target, v)[1].flatten()
    assert torch.allclose(torch.tensor(gradient, dtype=pred.dtype), expected, atol=1e-6)
    assert torch.allclose(weighted(criterion(loss_fn), pred, target, v)[1].flatten(), expected)


def test_per_sample_gradients_are_the_jacobian(case):
    loss_fn, pred, target = case
    rows = seegrad.per_sample_gradients(loss_fn, pred, target)
    jacobian = torch.func.jacrev(lambda p: criterion(loss_fn).losses(p, target))(pred)
    assert torch.allclose(rows, jacobian)


@pytest.mark.parametrize("loss_fn", [nn.MSELoss(), nn.CrossEntropyLoss()])
def test_a_large_image_is_weighed_at_the_price_of_three_passes(loss_fn):
    pred = draw(1, 4, 32, 32)
    target = draw(1, 4, 32, 32) if isinstance(loss_fn, nn.MSELoss) else torch.ones(1, 32, 32).long()
    found = reduce(criterion(loss_fn), pred, target)
    assert len(found.entries.values) == pred.numel()
    v = draw(*found.losses.shape)
    by_entries = v.flatten()[found.entries.rows] * torch.tensor(found.entries.values)
    assert torch.allclose(by_entries, torchs_own(loss_fn, pred, target, v)[1].flatten(), atol=1e-6)


def test_too_many_entries_are_left_to_the_kernel():
    picture = seegrad.reduction(lambda z: (z @ z.T).flatten() ** 2, draw(30, 10))
    assert picture.page["entries"] is None
    picture.choose("one-hot", 31)
    assert sum(entry != 0 for entry in picture.weighted["gradient"]) == 10


def test_class_weights_change_what_mean_divides_by():
    loss_fn = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 4.0]))
    found = reduce(criterion(loss_fn), draw(4, 3), CLASSES)
    assert found.divisor == pytest.approx(1 + 4 + 2 + 2)
    assert "mean = sum / 9 here, not sum / 4" in repr(
        seegrad.reduction(loss_fn, draw(4, 3), CLASSES)
    )


@pytest.mark.parametrize(
    ("preset", "v", "gradient"),
    [
        ("ones", [1, 1, 1], [0, 2, 4]),
        ("1/N", [1 / 3] * 3, [0, 2 / 3, 4 / 3]),
        ("one-hot", [0, 1, 0], [0, 2, 0]),
        ("mask", [1, 1, 0], [0, 2, 0]),
        ("loss", [0, 1, 4], [0, 2, 16]),
    ],
)
def test_presets(preset, v, gradient):
    picture = seegrad.reduction(F.mse_loss, torch.tensor([1.0, 3.0, 3.0]), TRUE)
    picture.choose(preset, 1)
    assert picture.weights["v"] == pytest.approx(v)
    numbers = run_alone(picture.code()).splitlines()[-1]
    printed = [float(part) for part in numbers.split("tensor([")[1].strip("])").split(",")]
    assert printed == pytest.approx(gradient, abs=1e-3)


def test_backward_of_the_loss_is_named_as_the_mistake_it_is():
    picture = seegrad.reduction(nn.MSELoss(), PRED, TRUE)
    picture.choose("loss")
    assert "A mistake: each loss weighs itself" in repr(picture)
    picture.move(torch.tensor([1.0, 2.0, 2.0]))
    assert picture.weights["v"] == [0, 0, 1]


def test_the_code_prints_the_numbers_shown(case):
    loss_fn, pred, target = case
    picture = seegrad.reduction(loss_fn, pred, target)
    picture.choose("one-hot", 0)
    v = weights("one-hot", reduce(criterion(loss_fn), pred, target).losses)
    total, gradient = weighted(criterion(loss_fn), pred, target, v)
    printed = run_alone(picture.code()).split("v: ")[1]
    assert float(printed.split()[0]) == pytest.approx(total.item(), rel=1e-5)
    assert " ".join(str(gradient).split()) in " ".join(printed.split())


def test_looking_changes_nothing():
    pred = PRED.clone().requires_grad_()
    (pred * 2).sum().backward()
    before, state, module = pred.grad.clone(), torch.get_rng_state(), nn.MSELoss(reduction="sum")
    with seegrad.record() as recording:
        picture = seegrad.reduction(module, pred, TRUE)
        picture.choose("mask")
        picture.figure()
        repr(picture), picture.code()
    assert recording.ops == []
    assert torch.equal(pred.grad, before)
    assert torch.equal(torch.get_rng_state(), state)
    assert (module.reduction, pred.tolist()) == ("sum", [1, 2, 3])


def test_the_still_picture_is_drawn(case):
    assert seegrad.reduction(*case).figure().axes


def raises_nothing_said(*_):
    raise AssertionError


def always_averages(pred, target, reduction="mean"):  # noqa: ARG001 (as in the bug)
    return (pred - target).pow(2).mean()


def never_adds_up(pred, target, reduction="mean"):  # noqa: ARG001 (as in the bug)
    return (pred - target).pow(2)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((nn.MSELoss(), [1.0], TRUE), "pred must be a tensor"),
        ((nn.MSELoss(), torch.tensor([1, 2]), TRUE), "only floats have derivatives"),
        ((nn.MSELoss(), torch.empty(0), torch.empty(0)), "pred is empty"),
        ((nn.MSELoss(), torch.tensor([1.0, torch.nan]), TRUE), "pred[1] is nan"),
        ((nn.MSELoss(), torch.rand(100, 100), TRUE), "has 10,000 elements"),
        ((F.cross_entropy, draw(4, 3), torch.tensor([0, 1])), "F.cross_entropy raised ValueError"),
        ((F.cross_entropy, draw(4, 3), torch.tensor([0, 1, 2, 9])), "raised IndexError"),
        ((lambda p, _: p.mean(), PRED, TRUE), "it has added the losses up already"),
        ((lambda p, _: p.detach(), PRED, TRUE), "does not require a gradient"),
        ((lambda p, _: p.tolist(), PRED, TRUE), "Loss 0 of the list is 1.0 (float)"),
        ((lambda *_: 3.0, PRED, TRUE), "loss_fn returned 3.0 (float), not a tensor"),
        ((lambda p, _: p.log(), PRED - 2, TRUE), "The loss is nan at loss[0]"),
        ((lambda p, _: (p - 1).sqrt(), PRED, TRUE), "The gradient is inf at pred[0]"),
        ((3, PRED, TRUE), "reduction needs a loss function"),
        (({"a": PRED}, PRED, TRUE), "The loss of task 'a' is tensor([1., 2., 3.]) (Tensor)"),
        (("mse", PRED, TRUE), "and got 'mse' (str)"),
        (([], PRED, TRUE), "and got [] (list)"),
        ((nn.MSELoss, PRED, TRUE), "needs a loss that is made of it: MSELoss()"),
        ((lambda p, _: {"a": p}, PRED, TRUE), "Loss 'a' of the dict has shape (3,)"),
        ((raises_nothing_said, PRED, TRUE), "raises_nothing_said raised AssertionError. Call"),
        ((raises_nothing_said, PRED), "Call raises_nothing_said(pred) in a cell of its own"),
        ((lambda p, _: p.add_(1), PRED, TRUE), "changes its own input pred in place"),
        ((always_averages, PRED, TRUE), "with reduction='none' it returned one number"),
        ((never_adds_up, PRED, TRUE), "with reduction='sum' it returned 3 losses"),
        ((nn.CrossEntropyLoss(), draw(2, 3), torch.tensor([-100] * 2)), "leaves out every target"),
        ((lambda p: p**2, torch.tensor([200.0, 200.0]).half()), "torch.float16 ends at 65504"),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_gets_a_sentence(arguments, says):
    picture = seegrad.reduction(*arguments)
    assert says in picture.problem
    assert says in repr(picture)
    assert picture.figure().texts


def test_shapes_that_were_broadcast_are_remarked_on():
    picture = seegrad.reduction(nn.MSELoss(), PRED[:, None], TRUE)
    assert "target size (torch.Size([3])) that is different" in picture.remark
    assert picture.page["loss"]["shape"] == [3, 3]


def test_losses_of_pairs_that_no_warning_tells_of_are_remarked_on():
    def squares(pred, target):
        return (pred - target) ** 2

    picture = seegrad.reduction(squares, PRED[:, None], TRUE)
    assert "pred (3, 1) and TRUE (3,) were broadcast to (3, 3)" in picture.remark
    assert not seegrad.reduction(squares, PRED, TRUE).remark
    assert not seegrad.reduction(pairs, PRED[:, None]).remark


def test_a_warning_is_said_in_the_picture_alone(recwarn):
    picture = seegrad.reduction(nn.MSELoss(), PRED[:, None], TRUE)
    picture.move(PRED[:, None] + 1)
    assert repr(picture) and picture.figure() and not recwarn.list


def test_the_last_picture_that_worked_stays():
    picture = seegrad.reduction(lambda p: p.log(), PRED)
    page = picture.page
    picture.asked = {"id": "1", "pred": [-1.0, 1.0, 1.0], "weights": picture.weights}
    assert picture.reply["problem"].startswith("The loss is nan at loss[0]")
    assert picture.page == page
    with pytest.raises(InputError):
        picture.move(torch.tensor([-1.0, 1.0, 1.0]))


def test_a_task_whose_function_has_no_name_is_called_by_its_key():
    tasks = {"classify": lambda w: (w[0] - 3) ** 2, "box": F.mse_loss}
    assert criterion(tasks).name == "classify, F.mse_loss"
    assert criterion(list(tasks.values())).name == "loss, F.mse_loss"
