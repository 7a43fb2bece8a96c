"""Progress is kept for each user, and neither a crash nor a second kernel loses any of it."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import seegrad
from seegrad.course import progress as store
from seegrad.course.progress import FOLDER_VARIABLE, Record


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "new"))
    return tmp_path / "new"


def one_more_try(record):
    return replace(record, tries=record.tries + 1)


def test_nothing_is_written_by_looking(folder):
    assert store.load().of("1.1") == Record()
    assert not folder.exists()


def test_by_default_it_is_outside_the_course(monkeypatch):
    monkeypatch.delenv(FOLDER_VARIABLE)
    assert store.file().name == "progress.json" and store.file().parent.name == "seegrad"
    assert Path(seegrad.__file__).parents[1] not in store.file().parents


def test_a_check_is_counted_and_done_stays_done():
    for answer in (lambda x: 6 * x, lambda x: 6 * x + 1, lambda x: x):
        seegrad.check("1.1", answer)
    assert store.load().of("1.1") == Record(tries=3, done=True)
    assert "1.1 done, 1.2 left" in repr(seegrad.progress())


def test_the_overview_says_what_is_next():
    seegrad.check("1.1", lambda x: 6 * x + 1)
    seegrad.check("1.2", lambda numbers: numbers)
    text, page = repr(seegrad.progress(1)), seegrad.progress(1)._repr_html_()
    assert text.startswith(
        "progress: 1 of 10 exercises done\n  chapter 1: 1.1 done, 1.2 tried, 1.3"
    )
    assert "Next: 1.2 Numbers that are ready for derivatives, 4 minutes." in text
    assert [page.count(f'class="{state}"') for state in ("done", "tried", "left")] == [1, 1, 8]
    assert "exercises/01_examples.ipynb" in page


MANY = """
from dataclasses import replace
from seegrad.course import progress as store
import sys
for number in range(40):
    store.change("1.1", lambda record: replace(record, tries=record.tries + 1))
    store.change(f"{sys.argv[1]}.{number}", lambda record: replace(record, done=True))
"""


def test_two_kernels_at_once_lose_nothing():
    both = [subprocess.Popen([sys.executable, "-c", MANY, name], env=os.environ) for name in "89"]
    assert [kernel.wait(60) for kernel in both] == [0, 0]
    kept = store.load()
    assert kept.of("1.1").tries == 80
    assert all(kept.of(f"{name}.{number}").done for name in "89" for number in range(40))


def test_a_crash_while_writing_leaves_the_old_file(folder, monkeypatch):
    store.change("1.1", one_more_try)

    def crash(_self, _target):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", crash)
        with pytest.raises(KeyboardInterrupt):
            store.change("1.1", one_more_try)
    assert store.load().of("1.1").tries == 1
    assert sorted(path.name for path in folder.iterdir()) == ["progress.json", "progress.lock"]


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"exercises": {"1.1": 3}}', "\udcff", "null"])
def test_a_damaged_file_is_kept_aside_and_said(folder, damage):
    folder.mkdir()
    (folder / "progress.json").write_bytes(damage.encode("utf-8", "surrogateescape"))
    assert "damaged" in repr(seegrad.progress())
    checked = seegrad.check("1.1", lambda x: 6 * x + 1)
    assert "It is kept as progress.damaged-1.json" in repr(checked).replace("\n  ", " ")
    kept = (folder / "progress.damaged-1.json").read_bytes()
    assert kept == damage.encode("utf-8", "surrogateescape")
    assert store.load() == store.Progress({"1.1": Record(tries=1, done=True)})


def test_a_second_damaged_file_is_not_written_over_the_first(folder):
    folder.mkdir()
    for _ in range(2):
        (folder / "progress.json").write_text("{")
        store.change("1.1", one_more_try)
    assert (folder / "progress.damaged-2.json").exists()


def test_a_file_of_a_newer_release_keeps_what_is_known(folder):
    folder.mkdir()
    newer = {"version": 2, "exercises": {"1.1": {"done": True, "stars": 3}}}
    (folder / "progress.json").write_text(json.dumps(newer))
    assert store.load().of("1.1").done


def test_where_nothing_can_be_written_the_check_still_answers(folder):
    folder.write_text("a file where the folder should be")
    checked = seegrad.check("1.1", lambda x: 6 * x + 1)
    assert checked.passed and "It could not be kept: " in repr(checked)
    assert "Hint 1" in repr(seegrad.hint("1.1"))
