"""One archive for a room without a network: the course, all wheels, and a script that installs.

`make bundle` writes it into `dist/` for machines like this one, and then installs it once from
nothing else, without a network where the system lets us cut it.
"""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from classroom.offline.check_python import here
from classroom.pins import CONSTRAINTS, CPU_INDEX, pinned
from tests.tools.course import CHAPTERS, REPOSITORY

OFFLINE = Path(__file__).parent / "offline"
TO_COPY = ("README.md", "LICENSE", "constraints.txt")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-q")

# What a learner needs to have happened: the code is recorded, and PyTorch's numbers come back.
WORKS = """\
import torch, seegrad
with seegrad.record():
    x = torch.arange(4.0, requires_grad=True)
    y = 2 * torch.dot(x, x)
assert seegrad.replay(y).added(x).tolist() == [0, 4, 8, 12]
"""


def main() -> None:
    """Build the archive, install it once, and say what it is."""
    with tempfile.TemporaryDirectory(prefix="seegrad-bundle-") as name:
        course = Path(name) / "seegrad-course"
        lay_out(course)
        wheel_of_seegrad(course / "wheels")
        wheels_it_needs(course / "wheels")
        archive = REPOSITORY / "dist" / f"seegrad-course-{platform_name()}.zip"
        archive.parent.mkdir(exist_ok=True)
        pack(course, archive)
    print(f"{archive.relative_to(REPOSITORY)}: {archive.stat().st_size / 1e6:.0f} MB, for {here()}")
    with tempfile.TemporaryDirectory(prefix="seegrad-offline-") as name:
        print(f"installed once from it and used, {try_out(archive, Path(name))}")


def lay_out(course: Path) -> None:
    """Put everything but the wheels into the folder."""
    shutil.copytree(OFFLINE, course, ignore=shutil.ignore_patterns("__pycache__"))
    (course / "platform.txt").write_text(here() + "\n", encoding="utf-8")
    own = shutil.ignore_patterns(".*", "*.yours-*", "*.saved-*")  # of whoever makes the bundle
    for folder in (CHAPTERS, REPOSITORY / "exercises"):
        if folder.is_dir():
            shutil.copytree(folder, course / folder.name, ignore=own)
    for name in TO_COPY:
        shutil.copy2(REPOSITORY / name, course)


def wheel_of_seegrad(wheels: Path) -> None:
    """Build seegrad's own wheel."""
    build = (*PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", wheels, REPOSITORY)
    subprocess.run(build, check=True)


def wheels_it_needs(wheels: Path) -> None:
    """Fetch the wheels of all that it needs on this machine, PyTorch for the CPU first."""
    torch = pinned()["torch"]
    download = (*PIP, "download", "-d", wheels, "--only-binary", ":all:")
    if sys.platform == "linux":
        print(f"asking PyTorch's CPU index for {torch}", flush=True)
        quick = ("--retries", "0", "--timeout", "15", "--index-url", CPU_INDEX)
        if subprocess.run([*download, "--no-deps", *quick, torch], capture_output=True).returncode:
            print("not to be had there; taking what the default index has", flush=True)
    (seegrad,) = wheels.glob("seegrad-*.whl")
    rest = ("--find-links", wheels, "-c", CONSTRAINTS, seegrad)
    subprocess.run([*download, *rest], check=True)


def pack(course: Path, archive: Path) -> None:
    """Make one file of the folder; wheels are compressed already, so nothing is again."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as together:
        for path in sorted(course.rglob("*")):
            if path.is_file():
                together.write(path, path.relative_to(course.parent))


def platform_name() -> str:
    """For which machines is the archive, in a word that a file name can have?"""
    release = "".join(platform.python_version_tuple()[:2])
    return f"{sys.platform}-{platform.machine().lower()}-py{release}"


def try_out(archive: Path, folder: Path) -> str:
    """Unpack and install as a learner does, and use it; was the network cut off?

    Raises
    ------
    subprocess.CalledProcessError: it does not install, or does not work.
    """
    with zipfile.ZipFile(archive) as together:
        together.extractall(folder)
    course = folder / "seegrad-course"
    cut = ("unshare", "--user", "--map-root-user", "--net")
    can_cut = shutil.which("unshare") and not subprocess.run([*cut, "true"], check=False).returncode
    before = cut if can_cut else ()
    windows = os.name == "nt"
    install = ("cmd", "/c", "install.bat") if windows else ("sh", "install.sh")
    python = course / ".venv" / ("Scripts/python.exe" if windows else "bin/python")
    environment = without_help(folder) | {"PYTHON": sys.executable}
    for command in (install, (str(python), "-c", WORKS)):
        subprocess.run([*before, *command], cwd=course, env=environment, check=True)
    return "with no network at all" if can_cut else "with no index to ask"


def without_help(folder: Path) -> dict[str, str]:
    """The environment without what could find seegrad or its wheels elsewhere."""
    strange = ("PYTHON", "PIP_", "VIRTUAL_ENV", "JUPYTER", "IPYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(strange)}
    nowhere = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://localhost:1/nothing"}
    return kept | nowhere | {"HOME": str(folder)}


if __name__ == "__main__":
    main()
