"""Do the slides run in a browser that has no network?"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from classroom.slides import REVEAL, slides
from tests.tools.course import chapters

PARTS = ("dist", "plugin/notes")


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with browser.new_context(offline=True) as context:
        yield context.new_page()


def test_slides_go_on_by_key_without_a_network(page: Page, tmp_path: Path) -> None:
    (chapter,) = (path for path in chapters() if path.name.startswith("03"))
    for part in PARTS:
        shutil.copytree(REVEAL / part, tmp_path / "reveal.js" / part)
    file = tmp_path / "slides.html"
    file.write_text(slides(chapter), encoding="utf-8")
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("requestfailed", lambda request: errors.append(request.url))
    page.goto(file.as_uri())
    page.wait_for_function("() => window.Reveal?.isReady()")
    expect(page.locator("section.present h1")).to_contain_text("3 ·")
    page.keyboard.press("ArrowRight")
    expect(page.locator("section.present h2")).to_contain_text("3.1")
    shown = page.locator("section.present .fragment.visible")
    expect(shown).to_have_count(0)
    page.keyboard.press("Space")
    expect(shown).to_have_count(1)
    assert page.locator("math mfrac").count() > 0
    assert page.locator("aside.notes").count() > 0
    assert errors == []
