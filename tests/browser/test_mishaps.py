"""What a learner runs into while dragging and typing: each widget says it, and goes on."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.browser.notebooks import SET_UP, write_notebook
from tests.tools.lab import Lab
from tests.tools.notebook_page import NotebookPage, clean_page

BELOW_THE_TOP = """
node => node.getBoundingClientRect().top - node.closest('.seegrad').getBoundingClientRect().top
"""
STOPPED = 10_000  # ms: f is stopped after 3 s

TOUCHY = """\
def touchy(x):
    if (x > 2).any():
        raise ValueError("x must not be above 2")
    while (x < -2).any():
        while True:  # without PyTorch
            pass
    return torch.log(x + 1)"""

SEVERE = """\
def severe(x):
    y = x * x
    if not y.requires_grad:
        raise ValueError("y was cut off")
    return (y * x).sum()"""

CELLS = {
    "touchy": TOUCHY,
    "severe": SEVERE,
    "slope": "seegrad.slope(touchy, torch.tensor(1.0))",
    "branches": "seegrad.branches(touchy, torch.tensor(1.0))",
    "reduction": "seegrad.reduction(touchy, torch.tensor([1.0, 0.5]))",
    "cut": "seegrad.cut(severe, torch.tensor([1.0, 2.0]))",
    "fields": "seegrad.slope(torch.sin, torch.tensor(1.0))",
    "narrow": "seegrad.branches(touchy, torch.tensor(1.0))",
    "long": "def long(x):\n    raise ValueError('x' * 400)\nseegrad.slope(long, torch.tensor(1.0))",
}

# Which field is typed in, and where the number stands that PyTorch answered with.
MOVED = {
    "slope": ("x", '[data-fact="tangent"]', "0.5", "0.4"),
    "branches": ("x", "dd.gradient", "0.5", "0.4"),
    "reduction": ("pred[0]", '[data-card="sum"] .cell >> nth=0', "0.5", "0.4"),
}


@pytest.fixture(scope="module")
def notebook(browser: Browser, lab: Lab) -> Iterator[NotebookPage]:
    """A notebook with a widget for each test, run once."""
    with clean_page(browser, lab) as notebook:
        notebook.open(write_notebook(lab, "mishaps.ipynb", setup=SET_UP, **CELLS))
        notebook.run_all()
        yield notebook


def live(notebook: NotebookPage, cell: str) -> Locator:
    return notebook.output(cell).locator(".seegrad")


def type_in(widget: Locator, name: str, text: str) -> None:
    field = widget.get_by_role("spinbutton", name=f"{name}, exactly", exact=True)
    field.fill(text)
    field.press("Enter")


@pytest.mark.parametrize("cell", MOVED)
def test_where_f_raises_or_is_not_finite_the_picture_stays_and_recovers(
    notebook: NotebookPage, cell: str
) -> None:
    widget = live(notebook, cell)
    name, place, at_1, at_1_5 = MOVED[cell]
    trouble, field = widget.locator(".problem"), widget.get_by_role("spinbutton").first
    height = field.evaluate(BELOW_THE_TOP)
    for refused, says in (("2.5", "x must not be above 2"), ("-1", "-inf")):
        type_in(widget, name, refused)
        expect(trouble).to_contain_text(says)
        expect(trouble).to_contain_text("that worked" if cell != "slope" else "for x = 1.")
        expect(widget.locator(place)).to_have_text(at_1)
        expect(field).to_have_value(refused)
    moved = field.evaluate(BELOW_THE_TOP) - height
    assert abs(moved) < 1, "the sentence pushed away what is dragged"
    type_in(widget, name, "1.5")
    expect(trouble).to_be_hidden()
    expect(widget.locator(place)).to_have_text(at_1_5)


@pytest.mark.parametrize("cell", MOVED)
def test_where_f_never_ends_it_is_stopped_and_recovers(notebook: NotebookPage, cell: str) -> None:
    """The kernel answers the page in a thread of its own, where no signal arrives."""
    widget = live(notebook, cell)
    name, place, at_1, _ = MOVED[cell]
    type_in(widget, name, "-3")
    expect(widget.locator(".problem")).to_contain_text("took more than 3 seconds", timeout=STOPPED)
    type_in(widget, name, "1")
    expect(widget.locator(".problem")).to_be_hidden()
    expect(widget.locator(place)).to_have_text(at_1)


def test_a_cut_that_f_refuses_is_not_made(notebook: NotebookPage) -> None:
    widget = live(notebook, "cut")
    first, second = (widget.locator(f'[data-edge="{number}"]') for number in (1, 2))
    first.press("Enter")
    expect(first).to_have_attribute("aria-pressed", "true")
    second.press("Enter")
    expect(widget.locator(".problem")).to_contain_text("y was cut off")
    expect(first).to_have_attribute("aria-pressed", "true")
    expect(second).to_have_attribute("aria-pressed", "false")
    first.press("Enter")
    expect(widget.locator(".problem")).to_be_hidden()
    expect(first).to_have_attribute("aria-pressed", "false")


@pytest.mark.parametrize("text", ["", "1e400", "1e", "--3"])
def test_what_is_no_number_is_taken_back_when_it_is_left(notebook: NotebookPage, text: str) -> None:
    widget = live(notebook, "fields")
    field = widget.get_by_role("spinbutton", name="x, exactly")
    replace(notebook, field, text)
    field.press("Tab")
    expect(field).to_have_value("1")
    expect(widget.locator('[data-fact="y"]')).to_have_text("0.8415")


def test_escape_takes_back_what_is_half_typed(notebook: NotebookPage) -> None:
    field = live(notebook, "fields").get_by_role("spinbutton", name="x, exactly")
    replace(notebook, field, "2.5")
    field.press("Escape")
    expect(field).to_have_value("1")
    expect(field).to_be_focused()


def replace(notebook: NotebookPage, field: Locator, text: str) -> None:
    """Type over what a field holds, key by key."""
    field.click()
    field.press("Control+a")
    field.press("Delete")
    notebook.page.keyboard.type(text)


def test_a_number_is_never_cut_short_by_its_field(notebook: NotebookPage) -> None:
    widget = live(notebook, "fields")
    field = widget.get_by_role("spinbutton", name="x, exactly")
    for typed, shown in (("-123456789012345", "-1.235e14"), ("-0.0000001234", "-1.234e-7")):
        type_in(widget, "x", typed)
        expect(field).to_have_value(shown)
        assert field.evaluate("node => node.scrollWidth <= node.clientWidth")
    type_in(widget, "x", "1")
    expect(field).to_have_value("1")


def test_in_a_narrow_column_words_stay_readable_and_inside(notebook: NotebookPage) -> None:
    page = notebook.page
    before = page.viewport_size
    page.set_viewport_size({"width": 620, "height": 900})
    try:
        tick = live(notebook, "narrow").locator("svg .tick").first
        page.wait_for_function(
            "node => node.closest('svg').clientWidth < 560", arg=tick.element_handle()
        )
        size = "node => node.getScreenCTM().a * parseFloat(getComputedStyle(node).fontSize)"
        assert tick.evaluate(size) >= 11
        problem = live(notebook, "long").get_by_role("note")
        assert problem.evaluate("node => node.scrollWidth <= node.clientWidth")
    finally:
        page.set_viewport_size(before or {"width": 1280, "height": 720})
