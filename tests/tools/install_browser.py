"""Make sure that there is a Chromium for the browser tests."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

from playwright.sync_api import sync_playwright

from tests.tools.browser import has_own_browser, system_browser

PLAYWRIGHT = (sys.executable, "-m", "playwright", "install", "chromium")
APT = (
    ("apt-get", "update", "-qq"),
    ("apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"),
)
HELP = """\
No Chromium could be installed. The browser tests need one: install Chromium or Google Chrome with
your system's package manager, so that `chromium` or `google-chrome` starts it, and try again."""


def main() -> None:
    """Find a Chromium or install one: by apt-get for root, by Playwright failing that."""
    if describe_browser() is None:
        if os.geteuid() == 0 and shutil.which("apt-get"):
            print("installing Debian's chromium", flush=True)
            succeed(*APT)
        if system_browser() is None:
            print("downloading Playwright's chromium", flush=True)
            succeed(PLAYWRIGHT)
    sys.exit(HELP) if (found := describe_browser()) is None else print(f"browser: {found}")


def describe_browser() -> str | None:
    """Which browser would `launch` start?"""
    if system := system_browser():
        return system
    with sync_playwright() as playwright:
        return "Playwright's own chromium" if has_own_browser(playwright) else None


def succeed(*commands: Sequence[str]) -> bool:
    """Do all these commands succeed, run in turn up to the first that fails?"""
    return all(subprocess.run(command, check=False).returncode == 0 for command in commands)


if __name__ == "__main__":
    main()
