"""Which Chromium drives the tests and the screenshots, and how it is started."""

import os
import shutil
import subprocess
from pathlib import Path

from playwright.sync_api import Browser, Playwright

SYSTEM_NAMES = ("chromium", "chromium-browser", "google-chrome")

# Chromium on its own fetches updates and reports; the tests let it talk to nobody but JupyterLab.
QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def system_browser() -> str | None:
    """Which browser on the PATH starts?

    Being there is not enough: `chromium-browser` may be a signpost to another package manager.
    """
    found = filter(None, map(shutil.which, SYSTEM_NAMES))
    return next((browser for browser in found if _starts(browser)), None)


def has_own_browser(playwright: Playwright) -> bool:
    """Has Playwright's own Chromium been downloaded?"""
    return Path(playwright.chromium.executable_path).exists()


def launch(playwright: Playwright, *extra: str) -> Browser:
    """Start the system's Chromium without a window, or Playwright's own where there is none.

    ``extra`` are flags for it, beyond those that all need.
    """
    # Chromium's sandbox refuses to work for root, which is who runs tests in a container.
    flags = [*QUIET, *extra, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    return playwright.chromium.launch(executable_path=system_browser(), args=flags)


def _starts(browser: str) -> bool:
    return subprocess.run([browser, "--version"], capture_output=True, check=False).returncode == 0
