"""Binder's steps without Docker: the same environment, the same script, the same server.

The image's own layers are not made here; tests/test_binder_image.py reads the Dockerfile that
repo2docker renders for them.
"""

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import Distribution, distribution, version
from pathlib import Path
from platform import python_version

from classroom.pins import BINDER_REQUIREMENTS, CPU_INDEX, needed_by
from tests.tools.course import REPOSITORY
from tests.tools.lab import Lab, stop, wait_until_it_answers

# The programs of the image that our requirements do not replace: conda's name and pip's.
BESIDE = {
    "jupyter-offlinenotebook": "jupyter-offlinenotebook",
    "jupyter-resource-usage": "jupyter-resource-usage",
    "jupyterhub-base": "jupyterhub",
    "notebook": "notebook",
}

# On Binder, pip fetches these to build seegrad, into an environment of their own.
TO_BUILD = ("hatchling", *sorted(needed_by("hatchling")))


def copy_course(folder: Path) -> None:
    """Copy what a clone of the repository would hold, once everything here is committed."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    for name in filter(None, names.stdout.split("\0")):
        if (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, folder / name)


def link_environment(folder: Path) -> str:
    """Make an environment of exactly what `binder/requirements.txt` lists, and say from where.

    The files are those of the environment that the tests run in, so this takes seconds. pip then
    confirms that each line of the requirements is met, and that nothing that is needed lacks.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    listed = [line.partition("==")[0] for line in BINDER_REQUIREMENTS.read_text().splitlines()]
    names = {name for name in listed if name and not name.startswith(("#", "--"))}
    for name in sorted(names.union(("pip", "setuptools"), TO_BUILD)):
        link_distribution(distribution(name), folder)
    requirements = folder / "requirements.txt"
    told = write_for_this_machine(requirements)
    pip(folder, "install", "--no-index", "--no-deps", "-r", str(requirements))
    pip(folder, "check")
    return f"Python {python_version()}; linked from this environment; {told}"


def install_environment(folder: Path) -> str:
    """Install as Binder does, on top of what Binder's image holds already, and say from where."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip(folder, "install", "-q", *image_packages())
    requirements = folder / "requirements.txt"
    if cpu_index_serves(folder):
        shutil.copy(BINDER_REQUIREMENTS, requirements)
        told = "PyTorch is from its own index for the CPU"
    else:
        told = f"PyTorch's CPU index did not serve: {write_for_this_machine(requirements)}"
    pip(folder, "install", "-q", "-r", str(requirements))
    return f"Python {python_version()}; installed anew; {told}"


def cpu_index_serves(folder: Path) -> bool:
    """Would pip take Binder's PyTorch from PyTorch's index, and not from this machine's stock?"""
    report = folder / "report.json"
    index = ("--no-deps", "--retries=0", "--timeout=15", f"--index-url={CPU_INDEX}")
    try:
        pip(folder, "install", "-q", "--dry-run", f"--report={report}", *index, binders_torch())
    except subprocess.CalledProcessError:
        return False
    (torch,) = json.loads(report.read_text("utf-8"))["install"]
    return str(torch["download_info"]["url"]).startswith("https://")


def write_for_this_machine(requirements: Path) -> str:
    """Write Binder's requirements with the PyTorch that can be had here, and say which it is."""
    release = version("torch")
    text = BINDER_REQUIREMENTS.read_text("utf-8").replace("--extra-index-url", "# no index:")
    wanted = binders_torch()
    if release.partition("+")[0] != wanted.removeprefix("torch==").partition("+")[0]:
        raise RuntimeError(
            f"Binder gets {wanted}, the tests run with {release}: `make constraints`"
        )
    requirements.write_text(text.replace(wanted, f"torch=={release}"), encoding="utf-8")
    return f"torch {release} is what this machine has"


def binders_torch() -> str:
    """Which PyTorch does Binder install, as its requirements say it?

    >>> binders_torch()
    'torch==2.13.0+cpu'
    """
    lines = BINDER_REQUIREMENTS.read_text("utf-8").splitlines()
    (torch,) = (line for line in lines if line.startswith("torch=="))
    return torch


def image_packages() -> list[str]:
    """What is in Binder's image and stays beside the course's releases, by repo2docker's lock?"""
    python = (BINDER_REQUIREMENTS.parent / "runtime.txt").read_text("utf-8").strip()
    lock = f"repo2docker/buildpacks/conda/environment.py-{python[7:]}-linux-64.lock"
    text = Path(str(distribution("jupyter-repo2docker").locate_file(lock))).read_text("utf-8")
    found = re.findall(rf"/({'|'.join(BESIDE)})-([\d.]+)-\w+\.conda", text)
    return [f"{BESIDE[name]}=={release}" for name, release in found]


def link_distribution(package: Distribution, folder: Path) -> None:
    """Make an installed package part of another environment, without a copy of its files."""
    for file in package.files or []:
        source = Path(os.path.normpath(str(package.locate_file(file))))
        if source.is_file():
            target = folder / source.relative_to(sys.prefix)
            target.parent.mkdir(parents=True, exist_ok=True)
            link_file(source, target, folder)


def link_file(source: Path, target: Path, folder: Path) -> None:
    """Link a file; a script is copied instead, to start the other environment's Python."""
    text = source.read_bytes() if source.parent.name == "bin" else b""
    if text.startswith(b"#!"):
        _, _, rest = text.partition(b"\n")
        target.write_bytes(f"#!{folder / 'bin' / 'python'}\n".encode() + rest)
        target.chmod(0o755)
        return
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, target)


def pip(folder: Path, *arguments: str) -> None:
    """Run the environment's own pip.

    Raises
    ------
    subprocess.CalledProcessError: it failed; what it said is shown.
    """
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", *arguments], check=True, env=bare_environment(folder))


def bare_environment(folder: Path) -> dict[str, str]:
    """The variables that Binder's image has too, with this environment's programs found first."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("IPYTHON", "JUPYTER", "PYTHON", "VIRTUAL_ENV", "XDG_"))
    }
    return kept | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}


def image_environment(folder: Path, home: Path) -> dict[str, str]:
    """The same with the course as the home folder, as in Binder's image."""
    return bare_environment(folder) | {
        "HOME": str(home),
        "JUPYTER_RUNTIME_DIR": str(home / "jupyter" / "runtime"),
    }


def post_build(folder: Path, home: Path, *, offline: bool) -> None:
    """Run `binder/postBuild` as Binder does; offline, seegrad is built with what is linked."""
    here = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0"} if offline else {}
    environment = image_environment(folder, home) | here
    subprocess.run(["binder/postBuild"], cwd=home, env=environment, check=True)


@contextmanager
def binder_server(folder: Path, home: Path) -> Iterator[Lab]:
    """Start the server with the arguments that Binder's spawner gives it."""
    user, token = f"/user/seegrad-{secrets.token_hex(4)}/", secrets.token_hex(16)
    shared = [f"base_url={user}", f"token={token}", "trust_xheaders=True", "allow_origin=*"]
    options = [f"--{app}.{option}" for option in shared for app in ("NotebookApp", "ServerApp")]
    command = ["jupyter-lab", "--ip=127.0.0.1", "--port=0", *options]
    here = ["--no-browser", "--allow-root", "--LabApp.expose_app_in_browser=True"]
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(
            command + here,
            cwd=home,
            env=image_environment(folder, home),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield wait_until_it_answers(server, home, home)
    finally:
        stop(server)
