"""Does the machinery of the browser tests work, and is JupyterLab as quiet as `make lab` says?"""

import pytest
from playwright.sync_api import expect

from tests.browser.notebooks import write_notebook
from tests.tools.lab import Lab
from tests.tools.notebook_page import NotebookPage, Theme


@pytest.fixture
def sum_notebook(lab: Lab) -> str:
    """A notebook of one cell, which adds two numbers."""
    return write_notebook(lab, "sum.ipynb", sum="1 + 1")


@pytest.mark.parametrize("theme", Theme)
def test_a_cell_runs_and_shows_its_result(
    page: NotebookPage, sum_notebook: str, theme: Theme
) -> None:
    page.open(sum_notebook)
    page.set_theme(theme)
    page.run_all()
    expect(page.output("sum").locator(".jp-OutputArea-output")).to_have_text("2")


def test_nothing_pops_up(page: NotebookPage, sum_notebook: str) -> None:
    page.open(sum_notebook)
    page.run_all()
    expect(page.page.locator(".jp-Dialog, .Toastify__toast")).to_have_count(0)


def test_a_page_notes_errors_and_foreign_hosts(page: NotebookPage, sum_notebook: str) -> None:
    page.open(sum_notebook)
    page.page.route("https://example.org/**", lambda route: route.fulfill(body=""))
    with page.page.expect_request("https://example.org/"):
        page.page.evaluate("() => { console.error('a test'); }")
        page.page.evaluate("() => { new Image().src = 'https://example.org/' }")
    assert "a test" in page.console_errors
    assert "example.org" in page.hosts
    page.console_errors.clear()
    page.hosts.clear()


def test_a_failing_cell_ends_the_run(page: NotebookPage, lab: Lab) -> None:
    page.open(write_notebook(lab, "broken.ipynb", broken="1 / 0", never="1 + 1"))
    with pytest.raises(AssertionError, match="broken"):
        page.run_all()
