"""``.grad`` is a sum, and the ledger shows of what."""

import pytest
import torch

import seegrad
from seegrad.accumulation import Account
from tests.test_graph import run_alone


@pytest.fixture
def x():
    with seegrad.record():
        x = torch.arange(4.0, requires_grad=True)
        y = 2 * torch.dot(x, x)
        y.backward()
        x.sum().backward()
    return x


def test_entries_are_the_calls_that_ran(x):
    account = Account(x, {})
    assert [entry.code for entry in account.entries] == ["y.backward()", "x.sum().backward()"]
    assert [entry.added.tolist() for entry in account.entries] == [[0, 4, 8, 12], [1, 1, 1, 1]]
    assert torch.equal(account.grad, x.grad)


def test_trying_accumulates_on_a_copy_as_pytorch_does(x):
    account = Account(x, {})
    before = x.grad.clone()
    account.backward()
    (again,) = account.entries[-1:]
    assert again.tried
    assert torch.equal(account.grad, before + again.added)
    assert torch.equal(x.grad, before)


def test_the_sum_names_its_entries_so_that_none_reads_as_a_number_added(x):
    picture = seegrad.ledger(x)
    assert "x.grad is the sum of what entries 1 and 2 brought." in picture.text
    picture.try_("backward")
    assert "x.grad is the sum of what entries 1, 2 and 3 brought." in picture.text


def test_a_nameless_piece_of_a_vector_is_not_taken_for_the_result():
    """The vector's graph keeps its pieces alive, and each has one element."""
    v = torch.tensor([0.0, 1.0])
    with seegrad.record():
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        y = torch.stack([x[0] * x[1], x[1] ** 2])
        y.backward(v, retain_graph=True)
    account = Account(x, {id(x): "x", id(y): "y"})
    assert account.call == "y.backward(v, retain_graph=True)"
    account.backward()
    assert account.grad.tolist() == [0, 8]


def test_a_nameless_result_can_be_tried_before_any_call():
    with seegrad.record():
        x = torch.arange(3.0, requires_grad=True)
        losses = [x.sum()]
    account = Account(x, {id(x): "x", id(losses): "losses"})
    account.backward()
    assert account.grad.tolist() == [1, 1, 1]


def test_zeroing_and_forgetting_empty_the_sum(x):
    account = Account(x, {})
    assert len(account.parts) == 2
    account.zero()
    assert (account.parts, account.grad.tolist()) == ([], [0, 0, 0, 0])
    account.forget()
    assert (account.parts, account.grad) == ([], None)
    account.backward()
    assert len(account.parts) == 1
    account.reset()
    assert torch.equal(account.grad, x.grad)


def test_grad_that_came_about_unseen_is_an_entry():
    x = torch.ones(2, requires_grad=True)
    (3 * x).sum().backward()
    account = Account(x, {})
    assert [(e.kind, e.after.tolist()) for e in account.entries] == [("changed", [3, 3])]
    assert len(account.parts) == 1


def test_zeroing_a_grad_that_is_none_says_so():
    with seegrad.record():
        x = torch.ones(2, requires_grad=True)
    picture = seegrad.ledger(x)
    picture.try_("zero")
    assert "x.grad is None" in picture.remark
    picture.try_("backward")
    assert "nothing to call backward() on" in picture.remark


def test_before_any_backward_the_newest_result_can_be_tried():
    with seegrad.record():
        x = torch.arange(4.0, requires_grad=True)
        y = 2 * torch.dot(x, x)
    picture = seegrad.ledger(x)
    assert "x.grad is None" in repr(picture)
    picture.try_("backward")
    assert (
        "1. y.backward() from 2 * torch.dot(x, x) adds [0, 4, 8, 12]: x.grad is [0, 4, 8, 12]"
        in repr(picture)
    )
    assert x.grad is None
    assert y.item() == 28


def test_the_code_prints_the_grad(x):
    picture = seegrad.ledger(x)
    picture.try_("zero")
    picture.try_("backward")
    assert run_alone(picture.code()) == "tensor([1., 1., 1., 1.])\n"


def test_bars_carry_each_contribution(x):
    bars = seegrad.ledger(x).page["bars"]
    assert [bar["total"] for bar in bars] == x.grad.tolist()
    assert [part["value"] for part in bars[2]["parts"]] == [8.0, 1.0]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda _: 3, "needs a tensor"),
        (lambda x: x.detach(), "does not require a gradient"),
        (lambda x: x * 2, "PyTorch keeps no .grad for it"),
    ],
)
def test_what_has_no_account_gets_a_sentence(x, make, says):
    picture = seegrad.ledger(make(x))
    assert says in picture.problem
    assert says in repr(picture)


def test_a_large_leaf_shows_its_first_elements():
    with seegrad.record():
        x = torch.ones(50, 50, requires_grad=True)
        (x * x).sum().backward()
    picture = seegrad.ledger(x)
    assert len(picture.page["bars"]) == 16
    assert picture.page["hidden"] == 2484
