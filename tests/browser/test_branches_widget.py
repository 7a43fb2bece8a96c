"""Does the slider lead along f's own path, and does the page say what torch computes there?"""

from collections.abc import Iterator

import pytest
import torch
from playwright.sync_api import Browser, Locator, expect

from seegrad.formatting import array
from tests.browser.notebooks import SET_UP, write_notebook
from tests.tools.accessibility import violations
from tests.tools.lab import Lab
from tests.tools.notebook_page import NotebookPage, Theme, clean_page

F = """\
def f(a):
    b = a * 2
    while b.norm() < 1000:
        b = b * 2
    if b.sum() > 0:
        c = b
    else:
        c = 100 * b
    return c"""


HERE = "seegrad.branches(f, torch.tensor(-9.0155e-05))"

CELLS = {
    "example": f"{F}\n\n{HERE}",
    "typed": HERE,
    "slider": HERE,
    "clicked": HERE,
    "zero": HERE,
    "place": "a = torch.tensor(-9.0155e-05, requires_grad=True)\nseegrad.branches(f, a)",
    "grad": "print(a.grad)",
    "gone": HERE,
    "ops": "seegrad.branches(lambda a: torch.relu(a - 1) + a.clamp(max=5), torch.tensor(2.0))",
    "refused": "seegrad.branches(f, torch.tensor(0.0))",
    "integer": "seegrad.branches(f, torch.tensor(3))",
    "vector": "seegrad.branches(f, torch.tensor([3e-3, 4e-3]))",
}


@pytest.fixture(scope="module")
def notebook(browser: Browser, lab: Lab) -> Iterator[NotebookPage]:
    """A notebook with a widget for each test, run once."""
    with clean_page(browser, lab) as notebook:
        notebook.open(write_notebook(lab, "branches.ipynb", setup=SET_UP, **CELLS))
        notebook.run_all()
        yield notebook


def live(notebook: NotebookPage, cell: str) -> Locator:
    return notebook.output(cell).locator(".seegrad")


def type_a(widget: Locator, a: float) -> None:
    field = widget.get_by_role("spinbutton")
    field.fill(repr(a))
    field.press("Enter")


def reading(widget: Locator, term: str) -> Locator:
    place = f'dt:text-is("{term}") + dd'
    return widget.locator(place)


def test_the_notes_own_a(notebook: NotebookPage) -> None:
    widget = live(notebook, "example")
    expect(widget.locator(".status")).to_have_text("23 turns · b.sum() > 0 is False")
    expect(reading(widget, "a.grad == d / a")).to_have_text("False")
    expect(reading(widget, "torch.allclose(a.grad, d / a)")).to_have_text("True")
    expect(widget.locator(".why")).to_contain_text("a.grad is exactly 1677721600")
    expect(widget.locator(".why")).to_contain_text("the tensor keeps -151255")
    times = widget.locator(".line").evaluate_all("lines => lines.map(l => l.dataset.times)")
    assert times == ["0", "1", "24", "23", "1", "0", "0", "1", "1"]


def test_ten_typed_values_are_torchs(notebook: NotebookPage) -> None:
    widget = live(notebook, "typed")
    torch.manual_seed(0)
    namespace = {"torch": torch}
    exec(F, namespace)
    for _ in range(10):
        value = float(f"{torch.randn(()).item() * 10.0 ** torch.randint(-3, 3, ()).item():.4g}")
        a = torch.tensor(value, requires_grad=True)
        d = namespace["f"](a)
        d.backward()
        type_a(widget, value)
        expect(reading(widget, "f(a) = d")).to_have_text(array(d.detach()))
        expect(reading(widget, "k = d / a")).to_have_text(array((d / a).detach()))
        expect(reading(widget, "f'(a)")).to_have_text(array(a.grad))
        expect(reading(widget, "a.grad == d / a")).to_have_text(str(bool(a.grad == d / a)))


def test_the_slider_crosses_a_kink_and_k_jumps(notebook: NotebookPage) -> None:
    widget = live(notebook, "slider")
    slider = widget.get_by_role("slider")
    type_a(widget, 1.5)
    expect(reading(widget, "f'(a)")).to_have_text("1024")
    for _ in range(60):
        slider.press("ArrowRight")
    expect(reading(widget, "f'(a)")).to_have_text("512")
    slider.press("End")
    expect(reading(widget, "f'(a)")).to_have_text("16")
    expect(widget.locator(".crossed")).to_contain_text("f'(a) went from")
    slider.press("Home")
    expect(widget.locator(".status")).to_contain_text("b.sum() > 0 is False")


def test_a_click_on_the_plot_looks_there(notebook: NotebookPage) -> None:
    widget = live(notebook, "clicked")
    plot = widget.locator(".plot svg")
    box = plot.bounding_box()
    assert box is not None
    plot.click(position={"x": box["width"] * 0.75, "y": box["height"] / 2})
    expect(widget.locator(".status")).to_contain_text("b.sum() > 0 is True")
    slider = widget.get_by_role("slider")
    dot = widget.locator(".here").bounding_box()
    assert dot is not None
    assert abs(dot["x"] + dot["width"] / 2 - box["x"] - box["width"] * 0.75) < 3
    assert 300 < int(slider.input_value()) < 700


def test_zero_is_refused_with_the_reason_and_the_picture_stays(notebook: NotebookPage) -> None:
    widget = live(notebook, "zero")
    widget.get_by_role("slider").fill("0")
    trouble = widget.locator(".problem")
    expect(trouble).to_contain_text("f(0) was stopped after 2,000 turns")
    expect(trouble).to_contain_text("b is 0, and a turn leaves it so")
    expect(widget.locator(".status")).to_have_text("23 turns · b.sum() > 0 is False")
    type_a(widget, 1.5)
    expect(trouble).to_be_hidden()


def test_the_place_survives_a_reload_and_the_other_faces_know_it(notebook: NotebookPage) -> None:
    widget = live(notebook, "place")
    type_a(widget, 1.5)
    expect(reading(widget, "f'(a)")).to_have_text("1024")
    notebook.reload()
    again = live(notebook, "place")
    expect(reading(again, "f'(a)")).to_have_text("1024", timeout=30_000)
    again.get_by_role("button", name="text", exact=True).click()
    expect(again.locator("pre")).to_contain_text("branches(f, a) at a = 1.5, exactly 1.5")
    again.get_by_role("button", name="code", exact=True).click()
    expect(again.locator("pre")).to_contain_text("a = tensor(1.5).requires_grad_()")
    again.get_by_role("button", name="still picture").click()
    expect(again.locator("img")).to_be_visible()
    expect(notebook.output("grad")).to_contain_text("None")


def test_nothing_in_it_shuts_anybody_out(notebook: NotebookPage) -> None:
    slider = live(notebook, "zero").get_by_role("slider")
    for theme in Theme:
        notebook.set_theme(theme)
        assert violations(notebook.page, ".jp-OutputArea-output .seegrad") == []
        slider.fill("0")
        expect(live(notebook, "zero").locator(".problem")).to_contain_text("2,000 turns")


def test_a_kink_inside_one_op_is_drawn_and_crossed(notebook: NotebookPage) -> None:
    widget = live(notebook, "ops")
    expect(widget.locator(".status")).to_have_text("relu: input > 0 · clamp: input <= 5")
    expect(widget.locator(".kink title")).to_contain_text(["torch.relu(a - 1)", "a.clamp(max=5)"])
    type_a(widget, 7.0)
    expect(widget.locator(".crossed")).to_have_text("1 kink was crossed: f'(a) went from 2 to 1.")
    expect(reading(widget, "f'(a)")).to_have_text("1")


def test_bad_input_gets_a_sentence(notebook: NotebookPage) -> None:
    expect(notebook.output("refused")).to_contain_text("2,000 turns")
    expect(notebook.output("integer")).to_contain_text("a holds integers")
    expect(notebook.output("vector").locator(".place")).to_contain_text("a = s · [0.6, 0.8]")


def test_it_says_so_when_the_kernel_is_gone(notebook: NotebookPage) -> None:
    """The last test: the notebook that all share has no kernel after it."""
    widget = live(notebook, "gone")
    with notebook.without_kernel():
        type_a(widget, 1.5)
        expect(widget.locator(".problem")).to_contain_text("kernel", timeout=10_000)
        expect(widget.locator(".status")).to_have_text("23 turns · b.sum() > 0 is False")
