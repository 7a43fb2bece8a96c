"""Does the Jacobian follow the hand, with torch's own numbers, in JupyterLab?"""

import random
import re
from collections.abc import Iterator

import pytest
import torch
from playwright.sync_api import Browser, FloatRect, Locator, expect

from seegrad.formatting import number
from tests.browser.notebooks import SET_UP, write_notebook
from tests.tools.accessibility import violations
from tests.tools.lab import Lab
from tests.tools.notebook_page import NotebookPage, Theme, clean_page

EXAMPLE = "f = lambda x: torch.stack([x[0] ** 2, x[1] ** 3])\nx = torch.tensor([1.0, 2.0])"

ROUGH = """
def f(x):
    return torch.stack([torch.sin(x[0] * x[1]), x.prod().exp(), x[2] - x[0] ** 2, 3 * x[1]])
"""

SLOW = """
import time
seen = []

def f(x):
    seen.append(1)
    time.sleep(0.01)
    return x * x
"""

TOO_LONG = """
(widget) => [...widget.querySelectorAll(".counter")]
  .filter((place) => place.scrollWidth > place.clientWidth).map((place) => place.textContent)
"""

HOSTILE = 'lambda x: x * len("<img src=x onerror=alert(1)>")'


CELLS = {
    "example": f"{EXAMPLE}\nseegrad.jacobian(f, x)",
    "mouse": "seegrad.jacobian(f, x)",
    "keys": "seegrad.jacobian(f, x)",
    "trouble": "seegrad.jacobian(f, x)",
    "faces": "seegrad.jacobian(f, x)",
    "reload": "seegrad.jacobian(f, x)",
    "gone": "seegrad.jacobian(f, x)",
    "rough": f"{ROUGH}\nx = torch.tensor([0.5, -1.0, 2.0]).double()\nseegrad.jacobian(f, x)",
    "slow": f"{SLOW}\nseegrad.jacobian(f, torch.tensor(1.0).double())",
    "written": "seegrad.jacobian(torch.tanh, torch.linspace(-1, 1, 9).reshape(3, 3))",
    "coloured": "seegrad.jacobian(lambda x: torch.softmax(x, 0), torch.linspace(-1, 1, 30))",
    "part": "seegrad.jacobian(torch.sin, torch.ones(100))",
    "huge": "seegrad.jacobian(torch.sin, torch.linspace(0, 1, 10_000).double())",
    "markup": f"seegrad.jacobian({HOSTILE}, torch.ones(2))",
    "raises": "seegrad.jacobian(lambda x: x @ torch.ones(9), torch.ones(2))",
    "wrong": "seegrad.jacobian(torch.sin, torch.ones(2), torch.ones(3))",
    "count": "print(len(seen))",
}


@pytest.fixture(scope="module")
def notebook(browser: Browser, lab: Lab) -> Iterator[NotebookPage]:
    """A notebook with a widget for each test, run once."""
    with clean_page(browser, lab) as notebook:
        notebook.open(write_notebook(lab, "jacobians.ipynb", setup=SET_UP, **CELLS))
        notebook.run_all()
        yield notebook


def live(notebook: NotebookPage, cell: str) -> Locator:
    return notebook.output(cell).locator(".seegrad")


def entries(widget: Locator) -> Locator:
    return widget.locator("[data-entry]")


def sums(widget: Locator) -> Locator:
    return widget.locator("[data-sum]")


def agreement(widget: Locator) -> Locator:
    """How well finite differences agree."""
    return widget.locator(".agreement")


def slider(widget: Locator, name: str) -> Locator:
    return widget.get_by_role("slider", name=name, exact=True)


def box(locator: Locator) -> FloatRect:
    """Where on the screen it is, once it is there."""
    locator.scroll_into_view_if_needed()
    found = locator.bounding_box()
    assert found is not None
    return found


def field(widget: Locator, name: str) -> Locator:
    return widget.get_by_role("spinbutton", name=f"{name}, exactly", exact=True)


def test_the_stated_example(notebook: NotebookPage) -> None:
    widget = live(notebook, "example")
    expect(entries(widget)).to_have_text(["2", "0", "0", "12"])
    expect(sums(widget)).to_have_text(["2", "12"])
    expect(widget.locator(".summary")).to_have_text(
        "J (2 × 2) = [[2, 0], [0, 12]]; v = [1, 1]; vᵀJ = [2, 12]"
    )
    expect(widget.locator(".scalar")).to_have_text("L = 1·y[0] + 1·y[1] = 9")
    expect(widget.locator(".rule")).to_contain_text("v has y's shape (2,), the result has x's (2,)")


def test_one_hot_v_reads_each_row(notebook: NotebookPage) -> None:
    widget = live(notebook, "example")
    for row, expected in enumerate([["2", "0"], ["0", "12"]]):
        choice = widget.get_by_role("button", name=f"row {row}")
        choice.click()
        expect(sums(widget)).to_have_text(expected)
        expect(choice).to_have_attribute("aria-pressed", "true")
    widget.get_by_role("button", name="ones").press("Enter")
    expect(sums(widget)).to_have_text(["2", "12"])


def test_ten_random_settings_agree_with_torch(notebook: NotebookPage) -> None:
    widget = live(notebook, "rough")
    space: dict[str, torch.nn.Module] = {}
    exec("import torch\n" + ROUGH, space)
    chance = random.Random(4)
    for _ in range(10):
        x = [round(chance.uniform(-2, 2), 2) for _ in range(3)]
        v = [round(chance.uniform(-2, 2), 1) for _ in range(4)]
        for index, value in enumerate(x):
            field(widget, f"x[{index}]").fill(str(value))
            field(widget, f"x[{index}]").press("Enter")
        for index, value in enumerate(v):
            slider(widget, f"weight v of y[{index}]").fill(str(value))
        at = torch.tensor(x, dtype=torch.float64)
        J = torch.autograd.functional.jacobian(space["f"], at)
        expect(entries(widget)).to_have_text([number(e) for e in J.flatten().tolist()])
        product = torch.tensor(v, dtype=torch.float64) @ J
        expect(sums(widget)).to_have_text([number(e) for e in product.tolist()])
        assert widget.evaluate(TOO_LONG) == [], "a number is longer than its place"


def test_dragging_v_by_mouse_changes_the_sum_before_the_button_is_released(
    notebook: NotebookPage,
) -> None:
    widget = live(notebook, "mouse")
    handle = box(slider(widget, "weight v of y[1]"))
    middle = handle["y"] + handle["height"] / 2
    notebook.page.mouse.move(handle["x"] + 0.75 * handle["width"], middle)
    notebook.page.mouse.down()
    notebook.page.mouse.move(handle["x"] + 0.25 * handle["width"], middle, steps=4)
    expect(sums(widget).last).to_have_text(re.compile("^-"))
    notebook.page.mouse.up()
    expect(widget.get_by_role("button", name="custom")).to_have_attribute("aria-pressed", "true")


def test_dragging_x_by_mouse_asks_torch(notebook: NotebookPage) -> None:
    widget = live(notebook, "mouse")
    handle = box(slider(widget, "x[1]"))
    middle = handle["y"] + handle["height"] / 2
    notebook.page.mouse.move(handle["x"] + 0.8 * handle["width"], middle)
    notebook.page.mouse.down()
    notebook.page.mouse.move(handle["x"] + handle["width"] / 2, middle, steps=6)
    notebook.page.mouse.up()
    x = float(slider(widget, "x[1]").input_value())
    assert abs(x) < 0.5
    expect(agreement(widget)).to_have_text(re.compile(r"^agree to "))
    expect(entries(widget).last).to_have_text(number(float(3 * torch.tensor(x) ** 2)))


def test_the_keyboard_moves_everything(notebook: NotebookPage) -> None:
    widget = live(notebook, "keys")
    x = slider(widget, "x[0]")
    x.press("End")
    expect(entries(widget).first).to_have_text("6")
    x.press("ArrowLeft")
    expect(entries(widget).first).to_have_text(number(2 * float(x.input_value())))
    x.press("Home")
    expect(entries(widget).first).to_have_text("-6")
    v = slider(widget, "weight v of y[0]")
    v.press("Home")
    expect(sums(widget).first).to_have_text("12")
    table = widget.get_by_role("group", name="Jacobian")
    table.press("ArrowDown")
    table.press("ArrowDown")
    table.press("ArrowRight")
    expect(widget.locator(".readout")).to_have_text("∂y[1]/∂x[1] = 12")


def test_while_one_question_is_under_way_only_the_newest_waits(notebook: NotebookPage) -> None:
    widget = live(notebook, "slow")
    slider(widget, "x").evaluate(
        "node => { for (let i = 1; i <= 60; i++) { node.value = i / 50;"
        " node.dispatchEvent(new Event('input', { bubbles: true })); } }"
    )
    expect(entries(widget)).to_have_text(["2.4"])
    expect(agreement(widget)).to_have_text(re.compile(r"^agree to "))
    place = notebook.cell_ids().index("count")
    notebook.page.evaluate(
        "i => void (jupyterapp.shell.currentWidget.content.activeCellIndex = i)", place
    )
    notebook.command("notebook:run-cell")
    # once each: the first look, the first question and the newest; twice: the differences at rest
    expect(notebook.output("count")).to_have_text(re.compile(r"^\s*7\s*$"))


def test_what_cannot_be_computed_is_said_and_the_picture_stays(notebook: NotebookPage) -> None:
    widget = live(notebook, "trouble")
    trouble = widget.locator(".trouble")
    expect(trouble).to_be_hidden()
    field(widget, "x[0]").fill("1e300")
    field(widget, "x[0]").press("Enter")
    expect(trouble).to_contain_text("x[0] is inf")
    expect(trouble).to_contain_text("The picture is for x = [1, 2]")
    expect(entries(widget)).to_have_text(["2", "0", "0", "12"])
    expect(agreement(widget)).to_have_text(re.compile(r"^agree to "))
    field(widget, "x[0]").fill("3")
    field(widget, "x[0]").press("Enter")
    expect(entries(widget)).to_have_text(["6", "0", "0", "12"])
    expect(trouble).to_be_hidden()


def test_the_other_faces_are_of_what_is_shown(notebook: NotebookPage) -> None:
    widget = live(notebook, "faces")
    widget.get_by_role("button", name="row 1").click()
    widget.get_by_role("button", name="text", exact=True).click()
    expect(widget.locator(".listing pre")).to_contain_text("v^T J = [0, 12]")
    widget.get_by_role("button", name="code", exact=True).click()
    expect(widget.locator(".listing pre")).to_contain_text("y.backward(v)")
    widget.get_by_role("button", name="still picture").click()
    image = widget.locator("img")
    expect(image).to_be_visible()
    assert image.evaluate("img => img.decode().then(() => img.naturalWidth)") > 300


def test_a_huge_jacobian_shows_the_row_that_is_asked_for(notebook: NotebookPage) -> None:
    widget = live(notebook, "huge")
    expect(widget.locator(".paging")).to_contain_text("100,000,000 numbers, 800 MB in float64")
    row = widget.get_by_role("spinbutton", name="row that a one-hot v reads")
    row.fill("20")
    row.press("Enter")
    expect(widget.locator("tbody th")).to_have_text(["y[20]"])
    cosine = number(float(torch.linspace(0, 1, 10_000).double()[20].cos()))
    expect(sums(widget).nth(20)).to_have_attribute("aria-label", cosine)
    expect(sums(widget).nth(19)).to_have_attribute("aria-label", "0")
    widget.get_by_role("button", name="next columns").click()
    expect(sums(widget).first).to_have_attribute("data-sum", "x[30]")


def test_a_painted_jacobian_tells_the_number_that_is_pointed_at(notebook: NotebookPage) -> None:
    widget = live(notebook, "coloured")
    J = torch.autograd.functional.jacobian(lambda x: x.softmax(0), torch.linspace(-1, 1, 30))
    table, readout = widget.get_by_role("group", name="Jacobian"), widget.locator(".readout")
    for key, told in [("ArrowUp", "∂y[0]/∂x[0]"), ("ArrowDown", "∂y[1]/∂x[0]")]:
        table.press(key)
        expect(readout).to_contain_text(told)
    expect(readout).to_contain_text(f"= {number(J[1, 0].item())} (")
    widget.locator("canvas").hover(position={"x": 19 * 29 + 9, "y": 18 * 28 + 9})
    expect(readout).to_contain_text(f"∂y[28]/∂x[29] = {number(J[28, 29].item())}")
    red, _, blue = pixel(widget, 29, 29)
    assert red > blue, "positive is orange"
    red, _, blue = pixel(widget, 28, 29)
    assert red < blue, "negative is purple"


def pixel(widget: Locator, row: int, column: int) -> tuple[int, int, int]:
    """What colour is the middle of a painted entry?"""
    red, green, blue, _ = widget.locator("canvas").evaluate(
        "(node, [i, j]) =>"
        " [...node.getContext('2d').getImageData(j * 19 + 9, i * 18 + 9, 1, 1).data]",
        [row, column],
    )
    return red, green, blue


@pytest.mark.parametrize("width", [500, 670, 774, 860])
def test_a_small_table_is_whole_in_a_notebook_of_any_width(
    notebook: NotebookPage, width: int
) -> None:
    widget = live(notebook, "written")
    page, before = notebook.page, notebook.page.viewport_size
    assert before is not None
    room = before["width"] - box(widget)["width"]
    page.set_viewport_size({"width": int(width + room), "height": before["height"]})
    notebook.settle()
    cut_off = "node => node.scrollWidth - node.clientWidth"
    assert live(notebook, "rough").locator(".matrix").evaluate(cut_off) <= 0
    page.set_viewport_size(before)


def test_bad_input_and_markup_stay_text(notebook: NotebookPage) -> None:
    markup = live(notebook, "markup")
    expect(markup.locator(".source")).to_contain_text("<img src=x")
    expect(markup.locator("img")).to_have_count(0)
    expect(notebook.output("raises")).to_contain_text("f raised RuntimeError")
    expect(notebook.output("wrong")).to_contain_text("v has shape (3,), but y = f(x) has shape")


@pytest.mark.parametrize("theme", Theme)
def test_nothing_in_it_shuts_anybody_out(notebook: NotebookPage, theme: Theme) -> None:
    notebook.set_theme(theme)
    assert violations(notebook.page, ".jp-OutputArea-output .seegrad") == []
    nearly_zero = pixel(live(notebook, "coloured"), 0, 1)
    assert (min(nearly_zero) > 200) is (theme is Theme.LIGHT), "painted anew in the theme's colours"


def test_it_is_as_it_was_after_a_reload(notebook: NotebookPage) -> None:
    widget = live(notebook, "reload")
    field(widget, "x[0]").fill("-3")
    field(widget, "x[0]").press("Enter")
    widget.get_by_role("button", name="row 0").click()
    expect(sums(widget)).to_have_text(["-6", "0"])
    notebook.reload()
    again = live(notebook, "reload")
    expect(sums(again)).to_have_text(["-6", "0"], timeout=30_000)
    expect(field(again, "x[0]")).to_have_value("-3")
    slider(again, "x[0]").press("End")
    expect(entries(again).first).to_have_text(
        number(2 * float(slider(again, "x[0]").input_value()))
    )


def test_without_a_kernel_v_works_and_x_says_why_not(notebook: NotebookPage) -> None:
    """The last test: the notebook that all share has no kernel after it."""
    widget = live(notebook, "gone")
    with notebook.without_kernel():
        slider(widget, "weight v of y[0]").fill("-1")
        expect(sums(widget)).to_have_text(["-2", "12"])
        slider(widget, "x[0]").press("End")
        trouble = widget.locator(".trouble")
        expect(trouble).to_contain_text("No kernel has answered", timeout=10_000)
        expect(trouble).to_contain_text("The picture is for x = [1, 2]")
        expect(entries(widget)).to_have_text(["2", "0", "0", "12"])
