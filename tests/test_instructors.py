"""Does the code that INSTRUCTORS.md shows run, and do its numbers hold?"""

import re

import pytest
import torch

import seegrad
from tests.tools.course import REPOSITORY, chapters

TEXT = (REPOSITORY / "INSTRUCTORS.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, flags=re.S | re.M)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[-1])
def test_a_plans_picture_is_one_without_a_problem(block: str) -> None:
    *lines, last = block.splitlines()
    namespace = {"torch": torch, "seegrad": seegrad}
    with seegrad.record():
        exec("\n".join(lines), namespace)
        picture = eval(last, namespace)
    assert picture.problem == ""


def test_every_chapter_has_a_plan_whose_minutes_add_up() -> None:
    plans = re.split(r"^### Chapter ", TEXT, flags=re.M)[1:]
    assert [plan[0] for plan in plans] == [path.name[1] for path in chapters()[1:]]
    for plan in plans:
        told = re.search(r"\((?:(two) lessons of )?(\d+) minutes\)", plan)
        assert told is not None
        minutes = sum(map(int, re.findall(r"^\| (\d+) \| \d\.\d \|", plan, flags=re.M)))
        assert minutes == int(told[2]) * (2 if told[1] else 1)
        for part in ("Ask the room", "Listen for", "Show", "Short of time", "Set"):
            assert f"- **{part}:**" in plan


def test_the_sizes_are_those_that_were_measured() -> None:
    load = (REPOSITORY / "tests" / "benchmarks" / "LOAD.md").read_text("utf-8")
    (learner, thirty) = re.findall(r"takes (\d+) MB; thirty take ([\d.]+) GB", load)[0]
    (seconds,) = re.findall(r"([\d.]+) s a learner", load)
    assert f"A learner took {learner} MB" in " ".join(TEXT.split())
    assert f"{seconds} s of a core" in TEXT
    assert f"**{thirty} GB**" in TEXT
