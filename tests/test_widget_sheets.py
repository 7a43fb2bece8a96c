"""Do the widgets get on with their page: with other style sheets, and where it is not secure?"""

import re
from pathlib import Path

import pytest

from seegrad.widgets import common

FOLDER = Path(common.__file__).parent
SHEETS = sorted(FOLDER.glob("*.css"))
SCRIPTS = sorted(FOLDER.glob("*.js"))

# Bootstrap gives these elements of its own making, and extensions such as nbgrader bring it along.
BOOTSTRAPS = r"\.(row|container|clearfix|pager|panel|well|btn|col-\w+|form-\w+)\b"


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.stem)
def test_no_class_is_one_of_bootstraps(sheet):
    assert not re.findall(BOOTSTRAPS, sheet.read_text("utf-8"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_nothing_needs_a_secure_page(script):
    """A JupyterHub in a school's network is often reached by plain http, and lacks this there."""
    assert "randomUUID" not in script.read_text("utf-8")
