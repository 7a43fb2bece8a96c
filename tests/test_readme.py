"""Does the README's snippet give the results that its comments promise?"""

import re
from collections import Counter
from pathlib import Path

import pytest

from seegrad.course.exercises import all_exercises
from seegrad.recording import record

README = Path(__file__).parent.parent / "README.md"
PROMISE = re.compile(r"^(?P<code>\S.*?)\s+# (?P<result>(?:tensor\(|\[|None).*)$")


def snippet() -> str:
    (block,) = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), flags=re.S)
    return block


def test_each_comment_is_the_exact_result() -> None:
    namespace: dict[str, object] = {}
    promises, pending = 0, ""
    with record():
        for line in snippet().splitlines():
            promise = PROMISE.match(line)
            if promise is None:
                pending += line + "\n"
                continue
            exec(pending, namespace)
            pending = ""
            assert repr(eval(promise["code"], namespace)) == promise["result"]
            promises += 1
    assert promises == 4


@pytest.mark.parametrize(
    "target", re.findall(r"(?:\]\(|src(?:set)?=\")(?!https:)([^)#\":]+)", README.read_text("utf-8"))
)
def test_each_link_leads_somewhere(target: str) -> None:
    assert (README.parent / target).is_file()


def test_the_table_counts_the_exercises() -> None:
    counted = Counter(exercise.chapter for exercise in all_exercises())
    told = re.findall(r"\[(\d+)\]\(exercises/(\d\d)_", README.read_text("utf-8"))
    assert {int(chapter): int(number) for number, chapter in told} == dict(counted)
