"""Does the ledger add up as PyTorch does, and leave the learner's gradient alone?"""

from itertools import pairwise

import pytest
import torch
from playwright.sync_api import Locator, expect

from tests.browser.notebooks import SET_UP, write_notebook
from tests.tools.accessibility import violations
from tests.tools.lab import Lab
from tests.tools.notebook_page import NotebookPage, Theme


@pytest.fixture
def widget(page: NotebookPage, lab: Lab) -> Locator:
    """The account of x after two backward calls."""
    name = write_notebook(
        lab,
        "ledger.ipynb",
        setup=SET_UP,
        code="x = torch.arange(4.0, requires_grad=True)\n(x * x).sum().backward()",
        more="y = x.sum()\ny.backward()",
        ledger="seegrad.ledger(x)",
    )
    page.open(name)
    page.run_all()
    return page.output("ledger").locator(".seegrad")


def totals(widget: Locator) -> list[str]:
    return widget.locator("[data-total]").all_text_contents()


def press(widget: Locator, action: str, entries: int) -> None:
    widget.locator(f'[data-action="{action}"]').click()
    expect(widget.locator("[data-entry]")).to_have_count(entries)


def test_it_adds_up_as_pytorch_does(widget: Locator) -> None:
    x = torch.arange(4.0, requires_grad=True)
    (x * x).sum().backward()
    for entries in (2, 3, 4):
        x.sum().backward()
        if entries > 2:
            press(widget, "backward", entries)
        assert totals(widget) == [str(int(v)) for v in x.grad.tolist()]
    press(widget, "zero", 5)
    assert totals(widget) == ["0", "0", "0", "0"]
    press(widget, "forget", 6)
    assert totals(widget) == []
    expect(widget).to_contain_text("x.grad is None")
    press(widget, "reset", 2)
    assert totals(widget) == ["1", "3", "5", "7"]


def test_a_block_names_its_entry_and_holds_the_name(widget: Locator) -> None:
    """A bare number in it read as the block's height."""
    name = widget.locator(".stacks .entry").first
    expect(name).to_have_text("entry 2")  # x[0] got nothing from the first
    words, block = name.bounding_box(), widget.locator(".stacks .block").first.bounding_box()
    assert words and block and words["width"] < block["width"]


def test_what_is_tried_is_said_to_be_on_a_copy(widget: Locator) -> None:
    press(widget, "backward", 3)
    expect(widget.locator('[data-entry="3"]')).to_contain_text("tried on a copy")
    expect(widget.locator('[data-entry="3"]')).to_contain_text("x.sum()")


def test_buttons_work_by_keyboard(widget: Locator) -> None:
    widget.locator('[data-action="backward"]').press("Enter")
    expect(widget.locator("[data-entry]")).to_have_count(3)


@pytest.mark.parametrize("theme", Theme)
def test_nothing_in_it_shuts_anybody_out(page: NotebookPage, widget: Locator, theme: Theme) -> None:
    page.set_theme(theme)
    press(widget, "backward", 3)
    assert violations(page.page, ".jp-OutputArea-output .seegrad") == []


def test_long_names_stand_apart_and_the_last_column_is_in_view(
    page: NotebookPage, lab: Lab
) -> None:
    name = write_notebook(
        lab,
        "ledger-long.ipynb",
        setup=SET_UP,
        make="prediction = torch.ones(3, requires_grad=True)\ntarget = torch.zeros(3)",
        code="torch.nn.MSELoss()(prediction, target).backward()",
        ledger="seegrad.ledger(prediction)",
    )
    page.page.set_viewport_size({"width": 1100, "height": 900})
    page.open(name)
    page.run_all()
    widget = page.output("ledger").locator(".seegrad")
    names = [label.bounding_box() for label in widget.locator(".stacks .element").all()]
    for left, right in pairwise(names):
        assert left is not None
        assert right is not None
        assert left["x"] + left["width"] < right["x"]
    assert widget.locator(".account").evaluate("node => node.scrollWidth - node.clientWidth") <= 0
