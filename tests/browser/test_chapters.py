"""Do the chapters run from top to bottom in JupyterLab, in both themes, for everybody?"""

import pytest
from playwright.sync_api import expect

from tests.tools.accessibility import violations
from tests.tools.course import chapters
from tests.tools.notebook_page import NotebookPage, Theme

NAMES = [path.name for path in chapters()]


@pytest.mark.parametrize("name", NAMES)
def test_a_chapter_runs_and_shows_its_widgets(page: NotebookPage, name: str) -> None:
    page.open(f"chapters/{name}")
    page.run_all()
    live = page.page.locator(".seegrad .live:visible")
    assert live.count() > 0
    for theme in Theme:
        page.set_theme(theme)
        assert violations(page.page, ".jp-OutputArea-output .seegrad") == []


@pytest.mark.parametrize("name", NAMES)
def test_a_chapter_shows_its_widgets_before_it_is_run(page: NotebookPage, name: str) -> None:
    page.open(f"untouched/{name}")
    live = page.page.locator(".seegrad").first
    expect(live).to_be_visible()
    if live.locator(".edge").count():
        live.press("End")
        expect(live.locator(".edge.travelled").first).to_be_visible()
