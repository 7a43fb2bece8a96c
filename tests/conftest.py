"""What several tests start from: a JupyterLab, a browser, and a page that must stay clean."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.tools.browser import launch
from tests.tools.course import CHAPTERS
from tests.tools.lab import Lab, running_lab
from tests.tools.notebook_page import NotebookPage, clean_page

# JupyterHub reads this file, and gives it the name that it starts from.
collect_ignore = ["load/jupyterhub_config.py"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--install`: the rehearsal of Binder installs everything anew (`make rehearsal`)."""
    parser.addoption("--install", action="store_true", help="rehearse Binder's whole installation")


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


@pytest.fixture
def page(browser: Browser, lab: Lab) -> Iterator[NotebookPage]:
    """A fresh page; at the end of the test it must have logged no error and called no other host.

    A test that provokes an error on purpose looks at `page.console_errors` and then clears it.
    """
    with clean_page(browser, lab) as page:
        yield page
