"""What several tests start from: a JupyterLab, a browser, and a page that must stay clean."""

import shutil
from collections import Counter
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from seegrad.course.progress import FOLDER_VARIABLE
from tests.tools.browser import launch
from tests.tools.course import CHAPTERS
from tests.tools.lab import Lab, running_lab
from tests.tools.notebook_page import NotebookPage, clean_page

# JupyterHub reads this file, and gives it the name that it starts from.
collect_ignore = ["load/jupyterhub_config.py"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--install`: the rehearsal of Binder installs everything anew (`make rehearsal`)."""
    parser.addoption("--install", action="store_true", help="rehearse Binder's whole installation")


@pytest.fixture(scope="session", autouse=True)
def _no_progress_of_the_developers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests do counts for nobody."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDER_VARIABLE, str(tmp_path_factory.mktemp("progress")))
        yield


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how the banks of answers fared: what was expected of each, and how often it held."""
    found: Counter[str] = Counter()
    passed: Counter[str] = Counter()
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, what in getattr(report, "user_properties", ()):
                if name == "bank" and report.when == "call":
                    found[what] += 1
                    passed[what] += outcome == "passed"
    for what in sorted(found, reverse=True):
        terminalreporter.write_line(f"exercises: {what}: {passed[what]} of {found[what]}")


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
