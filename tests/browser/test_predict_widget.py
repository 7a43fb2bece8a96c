"""Can a learner predict, run, and see both answers, by mouse and keyboard, in JupyterLab?"""

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
    )
    page.open(name)
    page.run_all()
    return page


def question(page: NotebookPage, name: str) -> Locator:
    return page.output(name).locator(".seegrad")


def cells(widget: Locator, row: int) -> list[str]:
    return widget.locator(".comparison tr").nth(row).locator("td").all_text_contents()


def test_an_answer_is_read_compared_and_explained(notebook: NotebookPage) -> None:
    widget = question(notebook, "value")
    field = widget.get_by_role("textbox", name="Your prediction")
    field.fill("banana")
    field.press("Enter")
    expect(widget.get_by_role("status")).to_contain_text("Write a number such as 14")
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


def test_the_answer_may_be_looked_up_and_a_reload_forgets_nothing(notebook: NotebookPage) -> None:
    page = notebook
    widget = question(page, "value")
    widget.get_by_role("button", name="show PyTorch's answer").click()
    expect(widget.locator(".outcome")).to_contain_text("[0, 4, 8, 12]")
    question(page, "choice").get_by_role("radio").first.check()
    page.reload()
    expect(question(page, "value")).to_have_attribute("data-stage", "shown", timeout=30_000)
    expect(question(page, "choice").get_by_role("radio").first).to_be_checked()


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
