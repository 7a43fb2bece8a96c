"""Do the scissors cut where they stand, and does the page say what torch computes then?"""

import random
from collections.abc import Callable

import pytest
import torch
from playwright.sync_api import Locator, expect

from seegrad.formatting import array
from tests.browser.notebooks import SET_UP, write_notebook
from tests.tools.accessibility import violations
from tests.tools.lab import Lab
from tests.tools.notebook_page import NotebookPage, Theme

F = "f = lambda x: ((x * x) * x).sum()"
X = torch.tensor([0.0, 1.0, 2.0, 3.0])

# One edge each, as a learner would write the cut.
BY_HAND = {
    1: lambda x: ((x.detach() * x) * x).sum(),
    2: lambda x: ((x * x.detach()) * x).sum(),
    3: lambda x: ((x * x).detach() * x).sum(),
    4: lambda x: ((x * x) * x.detach()).sum(),
}


def gradient(f) -> str:
    x = X.clone().requires_grad_()
    f(x).backward()
    return array(x.grad)


@pytest.fixture
def widget(page: NotebookPage, lab: Lab) -> Locator:
    name = write_notebook(
        lab,
        "cut.ipynb",
        setup=SET_UP,
        f=F,
        cut="x = torch.arange(4.0, requires_grad=True)\nseegrad.cut(f, x)",
        grad="print(x.grad)",
    )
    page.open(name)
    page.run_all()
    widget = page.output("cut").locator(".seegrad")
    expect(widget).to_contain_text("cut by")
    return widget


def edge(widget: Locator, number: int) -> Locator:
    return widget.locator(f'[data-edge="{number}"]')


def arriving(widget: Locator) -> Locator:
    """The gradient in x's slot; its tooltip comes before it."""
    return widget.locator('[data-leaf="x"]')


def by_mouse(widget: Locator, number: int) -> None:
    edge(widget, number).locator(".plate").click()


def by_key(widget: Locator, number: int) -> None:
    edge(widget, number).press("Enter")


def test_a_cut_gives_u_beside_3x2_and_mends(widget: Locator) -> None:
    for press in (by_mouse, by_key):
        cut_and_mend(widget, press)


def cut_and_mend(widget: Locator, press: Callable[[Locator, int], None]) -> None:
    expect(arriving(widget)).to_contain_text("[0, 3, 12, 27]")
    press(widget, 3)
    expect(arriving(widget)).to_contain_text(f"{array(X * X)}")
    expect(widget.locator("ins")).to_have_text(".detach()")
    expect(widget.locator(".source")).to_have_text("f = lambda x: ((x * x).detach() * x).sum()")
    expect(widget.locator(".matrix td:not(:empty)")).to_have_text(
        ["0", "3", "12", "27", "0", "1", "4", "9"]
    )
    expect(edge(widget, 3)).to_have_attribute("aria-pressed", "true")
    press(widget, 3)
    expect(widget.locator("ins")).to_have_count(0)
    expect(arriving(widget)).to_contain_text("[0, 3, 12, 27]")


def test_ten_cuts_one_after_the_other_are_torchs(widget: Locator) -> None:
    chance = random.Random(0)
    for _ in range(10):
        number = chance.choice(list(BY_HAND))
        chance.choice([by_mouse, by_key])(widget, number)
        expect(edge(widget, number)).to_have_attribute("aria-pressed", "true")
        expect(arriving(widget)).to_contain_text(gradient(BY_HAND[number]))
        widget.locator('[data-action="mend"]').click()
        expect(arriving(widget)).to_contain_text(gradient(lambda x: (x * x * x).sum()))


def test_the_ways_to_cut(widget: Locator) -> None:
    by_key(widget, 3)
    rows = widget.locator(".ways tr")
    expect(rows.filter(has_text="version counter").locator("td")).to_have_text(
        ["yes", "one tensor only", "no"]
    )
    for way, added in ((".data", ".data"), ("no_grad", "with torch.no_grad():")):
        widget.get_by_role("radio", name=way).check()
        expect(widget.locator("ins").filter(has_text=added)).to_have_count(1)
        expect(widget.locator(".ways th.chosen")).to_have_text(way)
    widget.get_by_role("radio", name="no_grad").press("ArrowLeft")
    expect(widget.locator(".ways th.chosen")).to_have_text(".detach()")
    widget.locator('[data-action="mend"]').click()
    by_key(widget, 5)  # no way leads back from f(x)
    expect(widget.locator(".sentence")).to_contain_text(
        "element 0 of tensors does not require grad"
    )
    expect(arriving(widget)).to_contain_text("None")


def test_it_can_be_reached_by_tab_and_leaves_x_grad_alone(
    page: NotebookPage, widget: Locator
) -> None:
    edge(widget, 1).focus()
    page.page.keyboard.press("Tab")
    expect(edge(widget, 2)).to_be_focused()
    page.page.keyboard.press("Space")
    expect(edge(widget, 2)).to_have_attribute("aria-pressed", "true")
    expect(edge(widget, 2)).to_be_focused()
    expect(page.output("grad")).to_contain_text("None")


def test_the_cuts_survive_a_reload_and_the_other_faces_know_them(
    page: NotebookPage, widget: Locator
) -> None:
    by_key(widget, 3)
    expect(widget.locator("ins")).to_have_text(".detach()")
    page.reload()
    again = page.output("cut").locator(".seegrad")
    expect(again.locator("ins")).to_have_text(".detach()", timeout=30_000)
    expect(edge(again, 3)).to_have_attribute("aria-pressed", "true")
    again.get_by_role("button", name="text", exact=True).click()
    expect(again.locator("pre")).to_contain_text(
        "gradient at x: [0, 3, 12, 27] uncut, [0, 1, 4, 9]"
    )
    again.get_by_role("button", name="code", exact=True).click()
    expect(again.locator("pre")).to_contain_text("f = lambda x: ((x * x).detach() * x).sum()")
    again.get_by_role("button", name="still picture").click()
    expect(again.locator("img")).to_be_visible()


def test_nothing_in_it_shuts_anybody_out(page: NotebookPage, widget: Locator) -> None:
    for theme in Theme:
        page.set_theme(theme)
        assert violations(page.page, ".jp-OutputArea-output .seegrad") == []
        by_key(widget, 3)
        expect(widget.locator("ins")).to_have_text(".detach()")
        assert violations(page.page, ".jp-OutputArea-output .seegrad") == []
        by_key(widget, 3)


def test_bad_input_gets_a_sentence_and_markup_stays_text(page: NotebookPage, lab: Lab) -> None:
    name = write_notebook(
        lab,
        "cut_bad.ipynb",
        setup=SET_UP,
        integers="seegrad.cut(lambda x: x, torch.arange(3))",
        raises="seegrad.cut(lambda x: x * (1 / len([])), torch.ones(2))",
        markup='d = {"<img src=x onerror=alert(1)>": 2.0}\n'
        'seegrad.cut(lambda x: (x * d["<img src=x onerror=alert(1)>"]).sum(), torch.ones(2), [1])',
    )
    page.open(name)
    page.run_all()
    expect(page.output("integers")).to_contain_text("x holds integers")
    expect(page.output("raises")).to_contain_text("f raised ZeroDivisionError")
    expect(page.output("markup").locator(".source")).to_contain_text("<img src=x")
    expect(page.output("markup").locator(".seegrad img")).to_have_count(0)


def test_it_says_so_when_the_kernel_is_gone(page: NotebookPage, widget: Locator) -> None:
    with page.without_kernel():
        by_key(widget, 3)
        expect(widget.locator(".problem")).to_contain_text("kernel", timeout=10_000)
        expect(arriving(widget)).to_contain_text("[0, 3, 12, 27]")
