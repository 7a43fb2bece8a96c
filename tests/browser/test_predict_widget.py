"""Can a learner predict, run, and see both answers, by mouse and keyboard, in JupyterLab?"""

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.notebooks import SET_UP, write_notebook
from tests.tools.accessibility import violations
from tests.tools.lab import Lab
from tests.tools.notebook_page import NotebookPage, Theme

KERNEL_SECONDS = 15


@pytest.fixture
def notebook(page: NotebookPage, lab: Lab) -> NotebookPage:
    """Questions, each before the cell that answers it; everything has run once, unanswered."""
    name = write_notebook(
        lab,
        "predict.ipynb",
        setup=SET_UP + "\nx = torch.arange(4.0, requires_grad=True)",
        value="seegrad.predict('What will `x.grad` hold?', because='4 times `x`.', "
        "mistakes={'[0, 2, 4, 6]': 'Both paths count.'})",
        run="x.grad = None\n(2 * torch.dot(x, x)).backward()\nx.grad",
        raises="seegrad.predict('Does `(2 * x).backward()` raise?', kind='raises')",
        choice="seegrad.predict('And now?', lambda: x.grad, "
        "options={'[1, 1, 1, 1]': 'It adds.', '[1, 5, 9, 13]': ''})",
        error="x.sum().backward()",
        markup="seegrad.predict('<img src=x onerror=alert(1)>', '<b>')",
        shape="seegrad.predict('Which shape?', torch.ones(2, 3), kind='shape')",
        matrix="seegrad.predict('What is J?', torch.tensor([[2.0, 0.0], [0.0, 12.0]]))",
        truth="seegrad.predict('Equal?', True, options={'True': '', 'False': 'Nothing moved.'})",
        words="seegrad.predict('Which line raises?', 'loss.backward()', "
        "options={'`y.detach()`': 'It cuts.', '`loss.backward()`': ''})",
        many="seegrad.predict('Counted?', torch.arange(40.0))",
    )
    page.open(name)
    page.run_all()
    return page


def question(page: NotebookPage, name: str) -> Locator:
    return page.output(name).locator(".seegrad")


def cells(widget: Locator, row: int) -> list[str]:
    return widget.locator(".comparison tr").nth(row).locator("td").all_text_contents()


def test_the_answer_may_be_looked_up_and_a_reload_forgets_nothing(notebook: NotebookPage) -> None:
    """An early test: each run leaves its models in the kernel, and a reload asks for them all."""
    page = notebook
    widget = question(page, "value")
    widget.get_by_role("button", name="show PyTorch's answer").click()
    expect(widget.locator(".outcome")).to_contain_text("[0, 4, 8, 12]")
    question(page, "choice").get_by_role("radio").first.check()
    page.reload()
    expect(question(page, "value")).to_have_attribute("data-stage", "shown", timeout=30_000)
    expect(question(page, "choice").get_by_role("radio").first).to_be_checked()


def test_an_answer_is_read_compared_and_explained(notebook: NotebookPage) -> None:
    widget = question(notebook, "value")
    field = widget.get_by_role("textbox", name="Your prediction")
    field.fill("banana")
    field.press("Enter")
    expect(widget.locator(".waiting")).to_contain_text("Write a number such as 14")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(widget).to_have_attribute("data-stage", "open")
    field.fill("0 2 4 6")
    field.press("Enter")
    expect(widget).to_have_attribute("data-stage", "compared")
    assert cells(widget, 1) == ["0", "2", "4", "6"]
    assert cells(widget, 2) == ["0", "4", "8", "12"]
    for part in ("half of what PyTorch computes", "Both paths count.", "4 times x."):
        expect(widget.locator(".outcome")).to_contain_text(part)
    widget.get_by_role("button", name="try again").click()
    expect(field).to_be_focused()
    expect(field).to_have_value("0 2 4 6")
    field.fill("[0, 4, 8, 12]")
    widget.get_by_role("button", name="commit").click()
    expect(widget.locator(".verdict")).to_have_text("That is what PyTorch computes.")


def test_committed_before_the_cell_runs_it_is_compared_when_it_has(notebook: NotebookPage) -> None:
    page = notebook
    page.cell("value").click()
    page.command("notebook:run-cell")
    widget = question(page, "value")
    expect(widget).to_have_attribute("data-stage", "open")
    widget.get_by_role("textbox").fill("None")
    widget.get_by_role("textbox").press("Enter")
    expect(widget).to_have_attribute("data-stage", "waiting")
    page.cell("run").click()
    page.command("notebook:run-cell")
    expect(widget).to_have_attribute("data-stage", "compared")
    expect(widget.locator(".verdict")).to_contain_text("not None")


# By keyboard alone


def press(page: NotebookPage, *keys: str) -> None:
    for key in keys:
        page.page.keyboard.press(key)


def enter(page: NotebookPage, widget: Locator) -> Locator:
    """Go into the question from the last button of its header, as Tab does."""
    widget.get_by_role("button", name="text", exact=True).focus()
    press(page, "Tab")
    return widget.locator(":focus")


@pytest.mark.parametrize(
    ("name", "answer", "cell", "verdict"),
    [
        ("value", "[0, 2, 4, 6]", ["0", "2", "4", "6"], "Yours is half of what PyTorch computes"),
        ("value", "None", ["None"], "It is not None"),
        ("shape", "3 2", ["3", "2"], "their order is not"),
        ("shape", "torch.Size([2, 3])", ["2", "3"], "That is what PyTorch computes."),
    ],
)
def test_what_is_typed_is_committed_by_enter(
    notebook: NotebookPage, name: str, answer: str, cell: list[str], verdict: str
) -> None:
    widget = question(notebook, name)
    field = enter(notebook, widget)
    expect(field).to_have_accessible_name("Your prediction")
    asked = widget.locator(".question").inner_text()
    expect(field).to_have_accessible_description(re.compile(re.escape(asked)))
    notebook.page.keyboard.type(answer)
    press(notebook, "Enter")
    expect(widget).to_have_attribute("data-stage", "compared")
    row = widget.get_by_role("row", name="you").get_by_role("cell")
    assert row.all_text_contents() == cell
    expect(widget.locator("[aria-live]")).to_contain_text(verdict)
    expect(widget.get_by_role("group", name="outcome")).to_be_focused()


@pytest.mark.parametrize(
    ("name", "downs", "chosen", "verdict", "right"),
    [
        ("raises", 1, "it runs", "That is what PyTorch computes.", "true"),
        ("choice", 0, "[1, 1, 1, 1]", "It adds.", "false"),
        ("truth", 1, "False", "PyTorch's answer is True.", "false"),
        ("words", 1, "loss.backward()", "That is what PyTorch computes.", "true"),
    ],
)
def test_what_is_chosen_by_arrows_is_committed_by_enter(
    notebook: NotebookPage, name: str, downs: int, chosen: str, verdict: str, right: str
) -> None:
    widget = question(notebook, name)
    asked = widget.locator(".question").inner_text()
    expect(widget.get_by_role("radiogroup", name=asked)).to_be_visible()
    press(notebook, "Escape")
    expect(enter(notebook, widget)).to_have_attribute("type", "radio")
    press(notebook, "Space", *["ArrowDown"] * downs, "Enter")
    expect(widget).to_have_attribute("data-right", right)
    expect(widget.locator("[aria-live]")).to_contain_text(f"You said {chosen}.")
    expect(widget.locator("[aria-live]")).to_contain_text(verdict)
    expect(widget.get_by_role("group", name="outcome")).to_be_focused()


def test_enter_twice_undoes_nothing_and_tab_leads_to_another_try(notebook: NotebookPage) -> None:
    widget = question(notebook, "value")
    enter(notebook, widget)
    press(notebook, "Enter")
    expect(widget.locator("[aria-live]")).to_have_text("Write an answer first.")
    press(notebook, "7", "Enter")
    expect(widget).to_have_attribute("data-stage", "compared")
    press(notebook, "Enter", "Enter")
    press(notebook, "Tab", "Tab")
    expect(widget.get_by_role("button", name="try again")).to_be_focused()
    expect(widget).to_have_attribute("data-stage", "compared")
    press(notebook, "Enter")
    expect(widget.get_by_role("textbox")).to_be_focused()
    press(notebook, "Tab", "Tab", "Space")
    expect(widget).to_have_attribute("data-stage", "shown")
    expect(widget.get_by_role("group", name="outcome")).to_be_focused()


def test_jupyterlab_takes_no_key(notebook: NotebookPage) -> None:
    """Its shortcuts would add, delete and move cells, and run them."""
    page = notebook
    before = page.cell_ids()
    widget = question(page, "value")
    field = enter(page, widget)
    keys = "abcdmxyz00"
    page.page.keyboard.type(keys)
    press(page, "ArrowUp", "ArrowDown", "Home", "End")
    expect(field).to_have_value(keys)
    expect(field).to_be_focused()
    enter(page, question(page, "raises"))
    press(page, "Space", *keys, "ArrowDown", "ArrowDown", "ArrowRight")
    expect(question(page, "raises").locator(":focus")).to_have_value("it runs")
    press(page, "Enter")
    expect(question(page, "raises").get_by_role("group", name="outcome")).to_be_focused()
    press(page, *keys, "ArrowUp")
    assert page.cell_ids() == before


def test_a_run_elsewhere_leaves_the_focus_alone(notebook: NotebookPage) -> None:
    page = notebook
    page.cell("value").click()
    page.command("notebook:run-cell")
    widget = question(page, "value")
    expect(widget).to_have_attribute("data-stage", "open")
    enter(page, widget)
    press(page, "1", "Enter")
    expect(widget).to_have_attribute("data-stage", "waiting")
    expect(widget.locator("[aria-live]")).to_have_text("You said 1. Now run the next cell.")
    page.cell("run").locator(".cm-content").click()
    page.command("notebook:run-cell")
    expect(widget).to_have_attribute("data-stage", "compared")
    expect(page.page.locator(".seegrad:focus, .seegrad :focus")).to_have_count(0)


# What it shows


def test_a_matrix_stands_beside_the_other_and_long_answers_show_what_differs(
    notebook: NotebookPage,
) -> None:
    widget = question(notebook, "matrix")
    widget.get_by_role("textbox").fill("[[2, 2], [12, 12]]")
    widget.get_by_role("textbox").press("Enter")
    expect(widget).to_have_attribute("data-right", "false")
    yours = widget.get_by_role("table", name="you")
    assert yours.locator("tr").all_text_contents() == ["22 differs", "12 differs12"]
    theirs = widget.get_by_role("table", name="PyTorch")
    assert theirs.locator("tr").all_text_contents() == ["20", "012"]
    many = question(notebook, "many")
    many.get_by_role("textbox").fill(str([*range(39), 7]))
    many.get_by_role("textbox").press("Enter")
    expect(many).to_have_attribute("data-right", "false")
    assert cells(many, 1) == ["7"]
    expect(many.locator(".more")).to_have_text("Shown: 1 of 40 elements, where the two differ.")


@pytest.mark.parametrize("width", [900, 500])
def test_it_fits_the_notebook(notebook: NotebookPage, width: int) -> None:
    page = notebook.page
    widget = question(notebook, "words")
    widget.get_by_label("y.detach()").check()
    widget.get_by_role("button", name="commit").click()
    expect(widget).to_have_attribute("data-right", "false")
    widgets = page.locator(".jp-OutputArea-output .seegrad")
    before = page.viewport_size
    room = before["width"] - widget.bounding_box()["width"]
    page.set_viewport_size({"width": int(width + room), "height": before["height"]})
    notebook.settle()
    wide = "nodes => nodes.filter(node => node.scrollWidth > node.clientWidth).length"
    assert widgets.evaluate_all(wide) == 0
    page.set_viewport_size(before)


def test_options_are_chosen_by_keyboard(notebook: NotebookPage) -> None:
    widget = question(notebook, "choice")
    widget.get_by_role("radio").first.press("Space")
    widget.get_by_role("button", name="commit").press("Enter")
    expect(widget.locator(".why")).to_have_text("It adds.")
    widget.get_by_role("button", name="try again").press("Enter")
    widget.get_by_role("radio", checked=True).press("ArrowDown")
    widget.get_by_role("button", name="commit").press("Enter")
    expect(widget.locator(".verdict")).to_contain_text("That is what PyTorch computes")
    raises = question(notebook, "raises")
    raises.get_by_label("it raises an error").check()
    raises.get_by_role("button", name="commit").click()
    expect(raises.locator(".outcome")).to_contain_text("This runs: no error is raised.")
    expect(raises).to_have_attribute("data-right", "false")


def test_a_run_of_all_cells_waits_for_nobody_and_the_other_faces_tell_nothing(
    notebook: NotebookPage,
) -> None:
    for name in ("value", "raises", "choice"):
        expect(question(notebook, name)).to_have_attribute("data-stage", "open")
    widget = question(notebook, "value")
    widget.get_by_role("button", name="code", exact=True).click()
    expect(widget.locator("pre")).to_contain_text("(2 * torch.dot(x, x)).backward()")
    widget.get_by_role("button", name="text", exact=True).click()
    expect(widget.locator("pre")).to_contain_text("not answered yet")
    widget.get_by_role("button", name="still picture").click()
    expect(widget.locator("img")).to_be_visible()
    markup = question(notebook, "markup")
    expect(markup.locator(".question")).to_have_text("<img src=x onerror=alert(1)>")
    markup.get_by_role("button", name="show PyTorch's answer").click()
    expect(markup.locator(".outcome strong")).to_have_text("<b>")
    expect(markup.locator("img, b")).to_have_count(0)


@pytest.mark.parametrize("theme", Theme)
def test_nothing_in_it_shuts_anybody_out(notebook: NotebookPage, theme: Theme) -> None:
    page = notebook
    page.set_theme(theme)
    assert violations(page.page, ".jp-OutputArea-output .seegrad") == []
    widget = question(page, "value")
    widget.get_by_role("textbox").fill("[0, 2, 4, 6]")
    widget.get_by_role("textbox").press("Enter")
    expect(widget).to_have_attribute("data-stage", "compared")
    question(page, "choice").get_by_role("button", name="show PyTorch's answer").click()
    expect(question(page, "choice")).to_have_attribute("data-stage", "shown")
    assert violations(page.page, ".jp-OutputArea-output .seegrad") == []


def test_it_says_when_the_kernel_is_gone(notebook: NotebookPage) -> None:
    """The last test: opened once more, the notebook would look for models that are gone."""
    page = notebook
    with page.without_kernel():
        widget = question(page, "value")
        widget.get_by_role("textbox").fill("1")
        widget.get_by_role("textbox").press("Enter")
        expect(widget).to_contain_text("No kernel has answered", timeout=KERNEL_SECONDS * 1000)
        expect(widget.get_by_role("textbox")).to_have_attribute("aria-invalid", "false")
