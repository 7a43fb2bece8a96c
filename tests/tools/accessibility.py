"""What shuts people out of a page, by the rules of axe."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page


def violations(page: Page, selector: str) -> list[str]:
    """Which of axe's rules do the parts of the page that match ``selector`` break, and where?"""
    found = Axe().run(page, context=selector)
    return [
        f"{rule['id']}: {node['html'][:120]} ({node['failureSummary']})"
        for rule in found.response["violations"]
        for node in rule["nodes"]
    ]
