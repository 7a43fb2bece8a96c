"""A learner's work goes into one file and comes back, and no answer is lost on the way."""

import io
import json
import os
import shutil
import zipfile
from pathlib import Path

import nbformat
import pytest

import seegrad
from seegrad.course import progress as store
from seegrad.course.archive import MOST_UNPACKED, unpack
from seegrad.course.progress import FOLDER_VARIABLE, Record
from seegrad.errors import InputError
from tests.tools.course import EXERCISES, SOLUTIONS

NAME = "01_examples.ipynb"
MINE, OTHER = "def gradient(x):\n    return 6 * x + 1", "def gradient(x):\n    return 6 * x"


class Machine:
    """A copy of the course, with its own progress; the kernel's directory is one of its folders."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch):
        shutil.copytree(SOLUTIONS, root / "solutions")
        shutil.copytree(EXERCISES, root / "exercises")
        (root / "chapters").mkdir()
        self.root, self.path, self._patch = root, root / "exercises" / NAME, patch
        self.turn_to()

    def turn_to(self, folder="chapters"):
        self._patch.chdir(self.root / folder)
        self._patch.setenv(FOLDER_VARIABLE, str(self.root / "progress"))

    def write(self, at=None, **answers):
        """Write answers: e1_3="…" for exercise 1.3; ``at`` is when, in seconds since 1970."""
        made = nbformat.read(self.path, as_version=4)
        for cell in made.cells:
            if (number := cell.id.replace("answer-", "e").replace("-", "_")) in answers:
                cell.source = answers[number]
                cell.outputs = [nbformat.v4.new_output("stream", text="something long")]
        nbformat.write(made, self.path)
        if at is not None:
            os.utime(self.path, (at, at))

    def add(self, after, source, name):
        made = nbformat.read(self.path, as_version=4)
        place = [cell.id for cell in made.cells].index(after) + 1
        made.cells.insert(place, nbformat.v4.new_code_cell(source, id=name))
        nbformat.write(made, self.path)

    def saved(self):
        return sorted(self.root.glob("saved/*"))

    def beside(self):
        return sorted(path.name for path in self.root.glob("exercises/*.*-*.ipynb"))


@pytest.fixture
def machine(tmp_path, monkeypatch):
    return lambda name: Machine(tmp_path / name, monkeypatch)


def sources(path):
    return {cell.id: cell.source for cell in nbformat.read(path, as_version=4).cells}


def saved_file(machine):
    machine.turn_to()
    seegrad.save()
    return machine.saved()[-1]


@pytest.fixture
def binder(machine):
    """A machine on which 1.1 is done, and 1.3 has an answer."""
    made = machine("binder")
    made.write(at=2000, e1_1=MINE, e1_3="def both(x): return x")
    seegrad.check("1.1", lambda x: 6 * x + 1)
    return made


@pytest.fixture
def file(binder):
    return saved_file(binder)


# Saving


def test_an_untouched_course_has_nothing_to_save(machine):
    untouched = machine("untouched")
    assert repr(seegrad.save()) == repr(seegrad.save())
    assert "there was nothing to save" in repr(seegrad.save())
    assert not untouched.saved()


def test_to_have_run_the_cells_is_no_work(machine):
    one = machine("one")
    one.write(e1_1=sources(EXERCISES / NAME)["answer-1-1"])
    assert "something long" in one.path.read_text("utf-8")
    assert "there was nothing to save" in repr(seegrad.save())


@pytest.mark.parametrize("folder", ["chapters", "exercises", "."])
def test_it_says_what_is_in_the_file_and_where_that_is(binder, folder):
    binder.turn_to(folder)
    text = repr(seegrad.save())
    (file,) = binder.saved()
    assert f"{file.name} is in the course's folder saved/." in text
    assert f"{NAME}: answers to 1.1, 1.3." in text and "Progress: 1 done, 0 tried." in text
    assert "Ctrl+S" in text


def test_the_file_is_small_and_can_be_looked_into(file):
    with zipfile.ZipFile(file) as packed:
        assert sorted(packed.namelist()) == [
            f"exercises/{NAME}",
            "progress.json",
            "seegrad.json",
        ]
        notebook = packed.read(f"exercises/{NAME}").decode()
    assert "6 * x + 1" in notebook and "something long" not in notebook
    assert file.stat().st_size < 20_000


def test_what_was_saved_already_is_not_saved_again(binder, file):
    seegrad.save()
    assert binder.saved() == [file]
    binder.write(e1_1=OTHER)
    seegrad.save()
    first, second = binder.saved()
    assert first == file and second.name > first.name


def test_a_notebook_that_cannot_be_read_is_said(binder):
    binder.path.write_text("<<<<<<< HEAD")
    assert f"{NAME} cannot be read as a notebook: it is not in the file." in seegrad.save().said


def test_where_nothing_can_be_written_the_browser_still_gets_it(binder):
    (binder.root / "saved").write_text("a file where the folder should be")
    widget, sent = seegrad.save(), []
    assert "could not be kept on this machine" in widget.said[0]
    widget.send = lambda content, buffers: sent.append((content, *buffers))
    widget.asked = {"id": "1", "action": "save"}
    assert widget.reply == {"id": "1", "problem": ""}
    ((content, data),) = sent
    assert content["name"].endswith(".seegrad") and unpack(data).notebooks


def test_without_the_solutions_only_what_was_written_is_saved(binder):
    shutil.rmtree(binder.root / "solutions")
    assert f"{NAME}: answers to 1.1, 1.3." in seegrad.save().said
    shutil.copy(EXERCISES / NAME, binder.path)
    assert f"{NAME}: answers to 1.1, 1.3." not in seegrad.save().said


def test_outside_the_course_it_says_where_to_go(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("seegrad.course.worksheets.__file__", str(tmp_path / "a" / "b" / "c.py"))
    for widget in (seegrad.save(), seegrad.restore("x.seegrad")):
        assert "Call this from a notebook in the course's folders" in repr(widget)


# Restoring


def test_from_binder_to_a_fresh_machine(file, machine):
    laptop = machine("laptop")
    told = repr(seegrad.restore(file))
    assert sources(laptop.path)["answer-1-1"] == MINE
    assert "1.1 done" in repr(seegrad.progress())
    assert f"{NAME}: answers to 1.1, 1.3 brought back." in told
    assert "Reload Notebook from Disk" in told and "Progress: 1 done" in told
    assert laptop.beside() == []


def test_answers_to_other_exercises_are_joined(file, machine):
    laptop = machine("laptop")
    laptop.write(e1_2="def mine(): pass", at=3000)
    seegrad.check("1.1", lambda x: x), seegrad.check("1.2", lambda x: x)
    seegrad.restore(file)
    original = sources(EXERCISES / NAME)
    expected = {"answer-1-1": MINE, "answer-1-2": "def mine(): pass"}
    assert sources(laptop.path) == {**original, **expected, "answer-1-3": "def both(x): return x"}
    assert laptop.beside() == []
    assert store.load().of("1.1") == Record(tries=1, done=True)
    assert store.load().of("1.2") == Record(tries=1)


@pytest.mark.parametrize(
    ("at", "stands", "kept", "word"), [(3000, OTHER, MINE, "saved"), (1000, MINE, OTHER, "yours")]
)
def test_of_two_answers_the_newer_stands_and_both_are_kept(file, machine, at, stands, kept, word):
    laptop = machine("laptop")
    laptop.write(e1_1=OTHER, at=at)
    told = repr(seegrad.restore(file))
    assert sources(laptop.path)["answer-1-1"] == stands
    assert sources(laptop.path)["answer-1-3"] == "def both(x): return x"
    assert laptop.beside() == [f"01_examples.{word}-1.ipynb"]
    assert sources(laptop.path.with_name(laptop.beside()[0]))["answer-1-1"] == kept
    assert f"kept in 01_examples.{word}-1.ipynb" in told and "answer to 1.1" in told


@pytest.mark.parametrize("at", [1000, 3000])
def test_to_restore_twice_changes_nothing_more(file, machine, at):
    laptop = machine("laptop")
    laptop.write(e1_1=OTHER, at=at)
    seegrad.restore(file)
    before, beside, kept = laptop.path.read_bytes(), laptop.beside(), store.load()
    seegrad.restore(file), seegrad.restore(file)
    assert (laptop.path.read_bytes(), laptop.beside(), store.load()) == (before, beside, kept)


def test_where_all_is_there_already_nothing_is_written(binder, file):
    before = binder.path.read_bytes()
    assert f"{NAME}: all that is in the file was here already." in seegrad.restore(file).said
    assert binder.path.read_bytes() == before


def test_cells_of_ones_own_come_back_where_they_stood(binder, machine):
    binder.add("text-1-1", "first = 1", "3f2a9c4e")
    binder.add("3f2a9c4e", "second = 2", "8d1b0f77")
    file = saved_file(binder)
    laptop = machine("laptop")
    laptop.add("title", "mine = 0", "77aa77aa")
    seegrad.restore(file), seegrad.restore(file)
    ids = list(sources(laptop.path))
    assert ids[:2] == ["title", "77aa77aa"]
    place = ids.index("text-1-1")
    assert ids[place : place + 4] == ["text-1-1", "3f2a9c4e", "8d1b0f77", "answer-1-1"]


def test_a_course_that_was_changed_meanwhile_keeps_its_new_text(file, machine):
    laptop = machine("laptop")
    for path in (laptop.path, laptop.root / "solutions" / NAME):
        made = nbformat.read(path, as_version=4)
        made.cells[2].source = "## A better text"
        nbformat.write(made, path)
    seegrad.restore(file)
    assert sources(laptop.path)["text-1-1"] == "## A better text"
    assert sources(laptop.path)["answer-1-1"] == MINE


def test_a_notebook_that_is_not_there_or_damaged_is_made_anew(file, machine):
    laptop = machine("laptop")
    laptop.path.unlink()
    seegrad.restore(file)
    assert sources(laptop.path)["answer-1-1"] == MINE
    laptop.path.write_text("<<<<<<< HEAD")
    told = repr(seegrad.restore(file))
    assert sources(laptop.path)["answer-1-1"] == MINE
    assert "could not be read; it is kept in 01_examples.yours-1.ipynb" in told
    assert laptop.path.with_name("01_examples.yours-1.ipynb").read_text() == "<<<<<<< HEAD"


def test_versions_kept_beside_travel_along_and_write_over_nothing(binder, machine):
    seegrad.reset("1.1")
    file = saved_file(binder)
    laptop = machine("laptop")
    laptop.write(e1_2="here")
    seegrad.reset("1")
    seegrad.restore(file), seegrad.restore(file)
    assert laptop.beside() == ["01_examples.saved-1.ipynb", "01_examples.yours-1.ipynb"]
    versions = [sources(laptop.path.with_name(name)) for name in laptop.beside()]
    assert versions[0]["answer-1-1"] == MINE and versions[1]["answer-1-2"] == "here"
    other = machine("other")
    seegrad.restore(file)
    assert other.beside() == ["01_examples.yours-1.ipynb"]


def test_a_name_alone_is_found(binder, file):
    binder.turn_to("exercises")
    assert not seegrad.restore(file.name).problem
    assert "There is no file x.seegrad here" in repr(seegrad.restore("x.seegrad"))


# What is refused


def changed(file, **members):
    """The file with members replaced (dots and slashes as __ and ___), or added."""
    names = {name.replace("___", "/").replace("__", "."): part for name, part in members.items()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in {**dict.fromkeys(old.namelist()), **names}:
            new.writestr(name, names.get(name) or old.read(name))
    return buffer.getvalue()


FOREIGN = {
    "a path out of the folder": {"exercises___..___01_x__ipynb": "{}"},
    "an absolute path": {"___etc___passwd": "root"},
    "another file": {"evil__py": "import os"},
    "another notebook": {"exercises___notes__ipynb": "{}"},
    "no manifest worth the name": {"seegrad__json": "[]"},
    "ids that are none": {
        "seegrad__json": '{"format": 1, "notebooks": {"01_examples.ipynb": '
        '{"changed": 3, "modified": 1}}}'
    },
    "a notebook that is missing": {
        "seegrad__json": '{"format": 1, "notebooks": {"02_x.ipynb": {"changed": [], '
        '"modified": 1}}}'
    },
    "a notebook that is none": {"exercises___01_examples__ipynb": '{"cells": 3}'},
    "progress that is none": {"progress__json": '{"exercises": {"1.1": {"tries": "many"}}}'},
}


@pytest.mark.parametrize("members", FOREIGN.values(), ids=FOREIGN)
def test_a_file_with_anything_foreign_in_it_is_refused_whole(file, machine, members):
    must_be_refused(changed(file, **members), machine("laptop"), "not a file that seegrad saved")


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text"])
def test_a_damaged_file_is_refused(file, machine, damage):
    data = bytearray(file.read_bytes())
    data[300] ^= 0xFF
    damaged = {"cut": data[:-200], "flipped": data, "empty": b"", "text": b"no zip at all"}[damage]
    must_be_refused(bytes(damaged), machine("laptop"), "damaged, or of another kind")


def test_a_file_that_would_fill_the_disk_is_refused(file, machine):
    buffer = io.BytesIO(file.read_bytes())
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("exercises/02_x.ipynb", bytes(MOST_UNPACKED))
    must_be_refused(buffer.getvalue(), machine("laptop"), "larger than 64 MB")


def test_a_newer_format_is_said(file, machine):
    manifest = json.dumps({"format": 2, "answers": "elsewhere"})
    newer = changed(file, seegrad__json=manifest)
    must_be_refused(newer, machine("laptop"), "saved by a newer seegrad: its format is 2")


def must_be_refused(data, laptop, says):
    with pytest.raises(InputError, match=says):
        unpack(data)
    path = laptop.root / "foreign.seegrad"
    path.write_bytes(data)
    assert says in repr(seegrad.restore(path))
    assert laptop.path.read_bytes() == (EXERCISES / NAME).read_bytes()
    assert store.load().records == {} and not (laptop.root / "01_x.ipynb").exists()


# The widget


def test_the_page_uploads_and_the_answers_come_back(file, machine):
    laptop = machine("laptop")
    widget = seegrad.restore()
    assert "Choose a file" in repr(widget)
    widget._handle_custom_msg({"name": file.name}, [memoryview(file.read_bytes())])
    widget.asked = {"id": "1", "action": "restore"}
    assert widget.reply["problem"] == ""
    assert sources(laptop.path)["answer-1-1"] == MINE
    widget.asked = {"id": "2", "action": "restore"}
    assert "did not arrive" in widget.reply["problem"]


def test_the_page_hears_why_a_file_is_refused(machine):
    machine("laptop")
    widget = seegrad.restore()
    widget._handle_custom_msg({"name": "holiday.jpg"}, [memoryview(b"JFIF")])
    widget.asked = {"id": "1", "action": "restore"}
    assert "not a file that seegrad saved" in widget.reply["problem"]
    widget.asked = {"id": "2", "action": "save"}
    assert "nothing to save yet" in widget.reply["problem"]


def test_what_cannot_be_written_is_said(file, machine, monkeypatch):
    machine("laptop")

    def full(*_):
        raise OSError(28, "No space left on device", NAME)

    monkeypatch.setattr("seegrad.course.restoring.replace_text", full)
    assert "could not be written here: No space left" in repr(seegrad.restore(file))


def test_the_file_is_no_part_of_what_a_notebook_keeps(binder):
    widget = seegrad.save()
    widget.send = lambda content, buffers: None
    widget.asked = {"id": "1", "action": "save"}
    state = widget.get_state()
    own = {name: part for name, part in state.items() if not name.startswith("_")}
    assert len(repr(own)) < 3000
    assert widget.figure().texts and "seegrad.restore" in widget.code()
