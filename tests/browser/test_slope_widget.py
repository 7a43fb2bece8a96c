"""Do tangent, secant and contours follow the hand, with torch's own numbers?"""

import math
import random
from collections.abc import Iterator

import pytest
import torch
from playwright.sync_api import Browser, Locator, expect

from seegrad.formatting import number
from seegrad.functions.slopes import slope_at
from tests.browser.notebooks import SET_UP, write_notebook
from tests.tools.accessibility import violations
from tests.tools.lab import Lab
from tests.tools.notebook_page import NotebookPage, Theme, clean_page

WAVE = "seegrad.slope(lambda x: torch.sin(x) * x, torch.tensor(1.5, dtype=torch.float64))"
BOWL = "seegrad.slope(lambda x: x[0] ** 2 + 3 * x[1] ** 2, torch.tensor([1.0, 0.5]))"


CELLS = {
    "random": WAVE,
    "keys": WAVE,
    "contours": BOWL,
    "others": "seegrad.slope(lambda x: x.prod(), torch.tensor([1.0, 2.0, 3.0]))",
    "last": WAVE,
    "trouble": "seegrad.slope(torch.log, torch.tensor(1.0))",
    "vector": "seegrad.slope(torch.log, torch.ones(2))",
}


@pytest.fixture(scope="module")
def notebook(browser: Browser, lab: Lab) -> Iterator[NotebookPage]:
    """A notebook with a widget for each test, run once."""
    with clean_page(browser, lab) as notebook:
        notebook.open(write_notebook(lab, "slopes.ipynb", setup=SET_UP, **CELLS))
        notebook.run_all()
        yield notebook


def live(notebook: NotebookPage, cell: str) -> Locator:
    return notebook.output(cell).locator(".seegrad")


def fact(widget: Locator, name: str) -> Locator:
    return widget.locator(f'[data-fact="{name}"]')


def slider(widget: Locator, name: str) -> Locator:
    return widget.get_by_role("slider", name=name, exact=True)


def type_in(widget: Locator, name: str, value: float) -> None:
    field = widget.get_by_role("spinbutton", name=f"{name}, exactly", exact=True)
    field.fill(str(value))
    field.press("Enter")


def test_ten_random_settings_agree_with_torch(notebook: NotebookPage) -> None:
    widget = live(notebook, "random")
    chance = random.Random(1)
    step = slider(widget, "step h of the secant")
    for _ in range(10):
        x, place = round(chance.uniform(-2.5, 2.5), 3), chance.randrange(40)
        here = slope_at(lambda x: torch.sin(x) * x, torch.tensor(x, dtype=torch.float64))
        type_in(widget, "x", x)
        step.fill(str(len(here.hs) - 1 - place))
        expect(fact(widget, "y")).to_have_text(number(here.y))
        expect(fact(widget, "tangent")).to_have_text(number(here.tangent))
        expect(fact(widget, "secant")).to_have_text(number(here.secants[place]))
        expect(fact(widget, "error")).to_have_text(number(here.errors[place]))
        expect(fact(widget, "best")).to_have_text(number(here.hs[here.best]))


def test_keys_and_mouse_move_x_and_h(notebook: NotebookPage) -> None:
    widget = live(notebook, "keys")
    x, h = slider(widget, "x"), slider(widget, "step h of the secant")
    x.press("Home")
    expect(fact(widget, "y")).to_have_text(number(math.sin(-3) * -3))
    x.press("ArrowRight")
    at = float(x.input_value())
    expect(fact(widget, "y")).to_have_text(number(math.sin(at) * at))
    h.press("End")
    expect(h).to_have_attribute("aria-valuetext", "h = 1")
    h.press("ArrowLeft")
    expect(h).to_have_attribute("aria-valuetext", "h = 0.5623")
    plot = widget.get_by_role("img", name="f along x, its tangent and a secant")
    plot.click()
    expect(x).not_to_have_value(str(at))
    at = float(widget.get_by_role("spinbutton", name="x, exactly").get_attribute("title") or "nan")
    expect(fact(widget, "tangent")).to_have_text(number(math.sin(at) + at * math.cos(at)))


def test_the_point_on_the_contours_is_dragged(notebook: NotebookPage) -> None:
    widget = live(notebook, "contours")
    expect(fact(widget, "gradient-0")).to_have_text("2")
    expect(fact(widget, "gradient-1")).to_have_text("3")
    drawing = widget.get_by_role("img", name="contours of f")
    drawing.scroll_into_view_if_needed()
    box = drawing.bounding_box()
    assert box is not None
    notebook.page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    notebook.page.mouse.down()
    notebook.page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.4 * box["height"], steps=5)
    notebook.page.mouse.up()
    a, b = (
        float(widget.get_by_role("spinbutton", name=f"x[{i}], exactly").get_attribute("title") or 0)
        for i in (0, 1)
    )
    assert a < 0 < b
    x = torch.tensor([a, b], requires_grad=True)
    (x[0] ** 2 + 3 * x[1] ** 2).backward()
    for index in (0, 1):
        expect(fact(widget, f"gradient-{index}")).to_have_text(number(float(x.grad[index])))
    widget.get_by_role("button", name="along x[1]").click()
    expect(fact(widget, "tangent")).to_have_text(number(float(x.grad[1])))
    widget.get_by_role("button", name="contours").press("Enter")
    expect(fact(widget, "gradient-0")).to_be_visible()


def test_other_elements_move_under_the_hand_too(notebook: NotebookPage) -> None:
    widget = live(notebook, "others")
    expect(fact(widget, "tangent")).to_have_text("6")
    other = slider(widget, "x[1]")
    other.evaluate("node => void (node.dataset.mark = 'same')")
    for _ in range(2):
        before = float(other.input_value())
        other.press("ArrowRight")
        expect(fact(widget, "tangent")).to_have_text(number(3 * float(other.input_value())))
        assert float(other.input_value()) > before
    expect(other).to_have_attribute("data-mark", "same")
    widget.get_by_role("button", name="along x[2]").click()
    expect(fact(widget, "tangent")).to_have_text(other.input_value())


def test_what_cannot_be_computed_is_said_and_the_picture_stays(notebook: NotebookPage) -> None:
    widget = live(notebook, "trouble")
    slider(widget, "x").press("Home")
    expect(widget.locator(".trouble")).to_contain_text("f(x) is nan")
    expect(widget.locator(".trouble")).to_contain_text("The picture is for x = 1")
    expect(fact(widget, "tangent")).to_have_text("1")
    expect(notebook.output("vector")).to_contain_text("a slope is that of one number")


@pytest.mark.parametrize("theme", Theme)
def test_nothing_in_it_shuts_anybody_out(notebook: NotebookPage, theme: Theme) -> None:
    notebook.set_theme(theme)
    assert violations(notebook.page, ".jp-OutputArea-output .seegrad") == []


def test_faces_reload_and_no_kernel(notebook: NotebookPage) -> None:
    """The last test: the notebook that all share has no kernel after it."""
    widget = live(notebook, "last")
    type_in(widget, "x", -1.25)
    slider(widget, "step h of the secant").press("End")
    expect(fact(widget, "y")).to_have_text(number(math.sin(-1.25) * -1.25))
    widget.get_by_role("button", name="text", exact=True).click()
    expect(widget.locator(".listing pre")).to_contain_text("slope of f at x = -1.25")
    widget.get_by_role("button", name="code", exact=True).click()
    expect(widget.locator(".listing pre")).to_contain_text("secant = ((f(moved) - y) / h).item()")
    widget.get_by_role("button", name="still picture").click()
    expect(widget.locator("img")).to_be_visible()
    widget.get_by_role("button", name="live", exact=True).click()
    notebook.reload()
    again = live(notebook, "last")
    expect(fact(again, "y")).to_have_text(number(math.sin(-1.25) * -1.25), timeout=30_000)
    expect(slider(again, "step h of the secant")).to_have_attribute("aria-valuetext", "h = 1")
    with notebook.without_kernel():
        slider(again, "step h of the secant").press("ArrowLeft")
        expect(slider(again, "step h of the secant")).to_have_attribute(
            "aria-valuetext", "h = 0.5623"
        )
        slider(again, "x").press("Home")
        expect(again.locator(".trouble")).to_contain_text("No kernel has answered", timeout=10_000)
        expect(fact(again, "y")).to_have_text(number(math.sin(-1.25) * -1.25))
