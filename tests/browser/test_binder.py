"""Will a class on Binder find what the README's links promise?

The steps of `binder/` are done here without Docker. `make rehearsal` installs everything anew; by
default the environment is linked from this one, and pip confirms that it meets the requirements.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, expect

from classroom.links import Published, in_course
from tests.tools.course import chapters
from tests.tools.lab import Lab
from tests.tools.notebook_page import NotebookPage, clean_page
from tests.tools.rehearsal import (
    binder_server,
    copy_course,
    install_environment,
    link_environment,
    post_build,
)


@dataclass(frozen=True)
class Image:
    """What Binder would have built: an environment, and the course in the home folder."""

    environment: Path
    home: Path


@pytest.fixture(scope="module")
def image(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Image:
    folder = tmp_path_factory.mktemp("binder")
    image = Image(folder / "environment", folder / "course")
    anew = request.config.getoption("--install")
    make = install_environment if anew else link_environment
    say(request, f"Binder's rehearsal: {make(image.environment)}")
    copy_course(image.home)
    post_build(image.environment, image.home, offline=not anew)
    return image


def say(request: pytest.FixtureRequest, sentence: str) -> None:
    """Put a sentence into pytest's own output, also when the test passes."""
    reporter = request.config.pluginmanager.getplugin("terminalreporter")
    assert reporter is not None
    reporter.write_line(f"\n{sentence}")


@pytest.fixture(scope="module")
def server(image: Image) -> Iterator[Lab]:
    with binder_server(image.environment, image.home) as lab:
        yield lab


@pytest.fixture
def page(browser: Browser, server: Lab) -> Iterator[NotebookPage]:
    with clean_page(browser, server) as page:
        yield page


def test_the_bare_address_opens_the_start_page(server: Lab) -> None:
    with urlopen(f"{server.url}?token={server.token}") as reply:
        assert urlsplit(reply.url).path.endswith("/lab/tree/chapters/00_start.ipynb")


def test_seegrad_is_the_image_own(image: Image) -> None:
    (package,) = image.environment.glob("lib/python*/site-packages/seegrad")
    assert package.is_dir()
    assert not package.is_symlink()


def test_a_link_opens_a_chapter_that_runs_to_its_end(page: NotebookPage) -> None:
    (chapter,) = (path for path in chapters() if path.name.startswith("03"))
    link = Published.read().on_binder(in_course(chapter))
    (path,) = parse_qs(urlsplit(link).query)["urlpath"]
    page.open(path.removeprefix("lab/tree/"))
    expect(page.page.locator(".jp-Dialog, .Toastify__toast")).to_have_count(0)
    expect(page.page.locator(".seegrad .live").first).to_be_visible()
    page.run_all()
    assert page.page.locator(".seegrad .live:visible").count() > 0
