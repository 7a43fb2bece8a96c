"""Is an offline archive whole, and does its script ask nobody for what it lacks?"""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from classroom.bundle import lay_out, pack, platform_name, wheel_of_seegrad, without_help
from classroom.offline.check_python import here
from tests.tools.course import chapters


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an archive that has no wheel but seegrad's own."""
    course = tmp_path_factory.mktemp("bundle") / "seegrad-course"
    lay_out(course)
    wheel_of_seegrad(course / "wheels")
    return course


def install(course: Path, python: str) -> subprocess.CompletedProcess[str]:
    environment = without_help(course.parent) | {"PYTHON": python}
    command = ["sh", "install.sh"]
    return subprocess.run(command, cwd=course, env=environment, capture_output=True, text=True)


def test_an_archive_has_the_course_and_the_scripts(course: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archive.zip"
    pack(course, archive)
    names = zipfile.ZipFile(archive).namelist()
    assert {name.partition("/")[0] for name in names} == {"seegrad-course"}
    for path in chapters():
        assert f"seegrad-course/chapters/{path.name}" in names
    scripts = [f"{verb}.{kind}" for verb in ("install", "start") for kind in ("sh", "bat")]
    assert {f"seegrad-course/{script}" for script in scripts} <= set(names)
    assert platform_name().endswith(f"py{sys.version_info[0]}{sys.version_info[1]}")


def test_seegrads_wheel_has_its_widgets(course: Path) -> None:
    (wheel,) = (course / "wheels").glob("seegrad-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "seegrad/widgets/graph.js" in names
    assert "seegrad/widgets/graph.css" in names
    assert not [name for name in names if name.startswith(("classroom", "tests"))]


def test_a_wheel_that_lacks_is_named_and_not_fetched(course: Path) -> None:
    done = install(course, sys.executable)
    assert done.returncode != 0
    assert "No matching distribution found for anywidget" in done.stderr
    assert "Connection" not in done.stderr


def test_another_python_is_told_which_one_it_must_be(course: Path) -> None:
    platform = course / "platform.txt"
    kept = platform.read_text("utf-8")
    platform.write_text("CPython 3.99 on moon\n", encoding="utf-8")
    done = install(course, sys.executable)
    platform.write_text(kept, encoding="utf-8")
    assert done.returncode != 0
    assert f"This archive is for CPython 3.99 on moon, and this is {here()}." in done.stderr
