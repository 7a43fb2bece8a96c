"""Does the panel stand below the traceback of a cell that failed, and can everybody read it?"""

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.notebooks import SET_UP, write_notebook
from tests.tools.accessibility import violations
from tests.tools.lab import Lab
from tests.tools.notebook_page import NotebookPage, Theme

BROKEN = """x = torch.arange(4.0, requires_grad=True)
hits = (2 * x) > 1
loss = hits.float().mean()
try_me = "<img src=x>"
loss.backward()"""


@pytest.fixture
def output(page: NotebookPage, lab: Lab) -> Locator:
    """What a broken cell showed, and after it a cell that fails for a reason of its own."""
    name = write_notebook(
        lab,
        "explain.ipynb",
        raising=("broken", "other"),
        setup=SET_UP,
        broken=BROKEN,
        other="1 / 0",
        again="seegrad.explain()",
    )
    page.open(name)
    page.run_all()
    return page.output("broken")


def test_the_panel_stands_below_the_traceback_and_names_the_line(
    page: NotebookPage, output: Locator
) -> None:
    parts = output.locator(".jp-OutputArea-child")
    expect(parts).to_have_count(2)
    expect(parts.nth(0)).to_contain_text("element 0 of tensors does not require grad")
    panel = parts.nth(1).locator(".seegrad")
    expect(panel).to_contain_text("the gradient was lost in a comparison")
    expect(panel.locator("dd").first).to_have_text("cell [2], line 2hits = (2 * x) > 1")
    expect(panel.locator(".fault")).to_have_count(1)
    expect(panel.locator(".fault")).to_contain_text("> 1")
    expect(page.output("other").locator(".seegrad")).to_have_count(0)
    again = page.output("again").locator(".seegrad")
    expect(again).to_contain_text("the gradient was lost in a comparison")


@pytest.mark.parametrize("theme", Theme)
def test_nothing_in_it_shuts_anybody_out(page: NotebookPage, output: Locator, theme: Theme) -> None:
    page.set_theme(theme)
    expect(output.locator(".seegrad .fault")).to_have_count(1)
    assert violations(page.page, ".jp-OutputArea-output .seegrad") == []
