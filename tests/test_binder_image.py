"""Will mybinder.org build the image that we mean, and keep PyTorch's layer when prose changes?"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from classroom.pins import BINDER_REQUIREMENTS, binder_requirements
from tests.tools.course import REPOSITORY
from tests.tools.rehearsal import image_packages

BINDER = REPOSITORY / "binder"
COPIES_REQUIREMENTS = "src/binder/requirements.txt ${REPO_DIR}/binder/requirements.txt"
INSTALLS = 'pip install --no-cache-dir -r "binder/requirements.txt"'
COPIES_COURSE = "src/ ${REPO_DIR}/"


@pytest.fixture(scope="module")
def dockerfile(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What repo2docker makes of `binder/`; it needs no Docker for that."""
    course = tmp_path_factory.mktemp("course")
    shutil.copytree(BINDER, course / "binder")
    render = [sys.executable, "-m", "repo2docker", "--no-build", "--debug"]
    as_learner = ["--user-id=1000", "--user-name=jovyan"]
    done = subprocess.run(
        [*render, *as_learner, course], check=True, capture_output=True, text=True, cwd=course
    )
    return done.stdout + done.stderr


def place(text: str, dockerfile: str) -> int:
    """Where is the only place of this text?"""
    assert dockerfile.count(text) == 1, f"{text!r} is there {dockerfile.count(text)} times"
    return dockerfile.index(text)


def test_pytorch_is_installed_before_the_course_is_copied(dockerfile: str) -> None:
    steps = (COPIES_REQUIREMENTS, INSTALLS, COPIES_COURSE, "RUN ./binder/postBuild")
    places = [place(step, dockerfile) for step in steps]
    assert places == sorted(places)


def test_no_layer_before_pytorch_depends_on_the_course(dockerfile: str) -> None:
    before = dockerfile[: place(INSTALLS, dockerfile)]
    from_course = re.findall(r"^COPY .*\bsrc/(\S+)", before, flags=re.M)
    assert from_course == ["binder/requirements.txt"]


def test_the_image_has_the_python_that_runtime_txt_names(dockerfile: str) -> None:
    python = (BINDER / "runtime.txt").read_text("utf-8").strip().removeprefix("python-")
    assert re.fullmatch(r"3\.\d+", python)
    assert f"Building conda environment for python={python}" in dockerfile
    assert f"environment_2epy_2d{python}".replace(".", "_2e") in dockerfile.replace("-2", "_2")


def test_the_image_starts_as_a_learner(dockerfile: str) -> None:
    after = dockerfile[place("RUN ./binder/postBuild", dockerfile) :]
    assert "USER root" not in after
    assert dockerfile.rindex("USER ${NB_USER}") < dockerfile.index("RUN ./binder/postBuild")


def test_the_requirements_are_the_constraints_pins() -> None:
    assert BINDER_REQUIREMENTS.read_text("utf-8") == binder_requirements(), "say `make constraints`"


def test_pytorch_can_only_be_the_build_for_the_cpu() -> None:
    lines = BINDER_REQUIREMENTS.read_text("utf-8").splitlines()
    (torch,) = (line for line in lines if line.startswith("torch"))
    assert re.fullmatch(r"torch==[\d.]+\+cpu", torch)
    assert not [line for line in lines if line.startswith(("nvidia", "triton", "cuda"))]


def test_the_images_own_programs_are_known() -> None:
    assert len(image_packages()) == 4


def test_post_build_can_be_run() -> None:
    assert (BINDER / "postBuild").stat().st_mode & 0o111


@pytest.mark.parametrize(
    ("cuda", "package", "complaint"),
    [
        (None, "ordinary", ""),
        ("13.0", "ordinary", "PyTorch 2.0 is built for CUDA"),
        (None, "nvidia-cublas", "installed for graphics cards: ['nvidia-cublas']"),
    ],
)
def test_post_build_stops_at_anything_for_graphics_cards(
    tmp_path: Path, cuda: str | None, package: str, complaint: str
) -> None:
    """Its check is run as it stands, against a PyTorch and a package that are made up."""
    script = (BINDER / "postBuild").read_text("utf-8")
    (check,) = re.findall(r"<<'PYTHON'\n(.*?)^PYTHON$", script, flags=re.S | re.M)
    torch = f"__version__ = '2.0'\nclass version:\n    cuda = {cuda!r}\n"
    (tmp_path / "torch.py").write_text(torch, encoding="utf-8")
    metadata = tmp_path / f"{package.replace('-', '_')}-1.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1\n", encoding="utf-8")
    command = [sys.executable, "-S", "-c", check]
    environment = {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == (complaint == "")
    assert complaint in done.stderr
