"""What several tests start from: a JupyterLab, a browser, and a page that must stay clean."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.tools.browser import launch
from tests.tools.course import CHAPTERS
from tests.tools.lab import Lab, running_lab
from tests.tools.notebook_page import NotebookPage, clean_page


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A JupyterLab on copies of the chapters: what a test runs is never written to the original.

    Those in `untouched` are for tests that look and run nothing.
    """
    root = tmp_path_factory.mktemp("course")
    for copy in ("chapters", "untouched"):
        shutil.copytree(CHAPTERS, root / copy)
    with running_lab(root) as lab:
        yield lab


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A Chromium without a window."""
    with sync_playwright() as playwright, launch(playwright) as browser:
        yield browser


@pytest.fixture(scope="module")
def shared_page(browser: Browser, lab: Lab) -> Iterator[NotebookPage]:
    """The page that the tests of one module use in turn."""
    with clean_page(browser, lab) as page:
        yield page


@pytest.fixture
def page(shared_page: NotebookPage) -> Iterator[NotebookPage]:
    """A page; at the end of the test it must have logged no error and called no other host.

    It may show a notebook that an earlier test opened: `run_all` makes its outputs anew. A test
    that provokes an error on purpose looks at `page.console_errors` and then clears it.
    """
    yield shared_page
    shared_page.must_be_clean()
