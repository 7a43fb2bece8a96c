"""Does every chapter keep the rules that nbval does not look at?"""

from pathlib import Path

import pytest

from tests.tools.course import chapters
from tests.tools.notebook_style import RULES, Chapter, Rule


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_a_chapter_keeps_the_rule(path: Path, rule: Rule) -> None:
    assert list(rule(Chapter.read(path))) == []
