"""Do the widgets stay out of the way of other people's style sheets?"""

import re
from pathlib import Path

import pytest

from seegrad.widgets import common

SHEETS = sorted(Path(common.__file__).parent.glob("*.css"))

# Bootstrap gives these elements of its own making, and extensions such as nbgrader bring it along.
BOOTSTRAPS = r"\.(row|container|clearfix|pager|panel|well|btn|col-\w+|form-\w+)\b"


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.stem)
def test_no_class_is_one_of_bootstraps(sheet):
    assert not re.findall(BOOTSTRAPS, sheet.read_text("utf-8"))
