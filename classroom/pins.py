"""Which releases a learner's environment is made of, and the file that Binder installs them from.

`make constraints` writes `binder/requirements.txt`; a test compares it with this.
"""

from collections.abc import Iterator
from importlib.metadata import distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.tools.course import REPOSITORY

CONSTRAINTS = REPOSITORY / "constraints.txt"
BINDER_REQUIREMENTS = REPOSITORY / "binder" / "requirements.txt"

# Binder's machines run Linux, on whatever machine this is asked.
LINUX = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}

# An environment has setuptools anyway. The others serve graphics cards: PyTorch's default build
# for Linux asks for them, its build for the CPU does not.
NOT_INSTALLED = ("setuptools", "cuda-", "nvidia-", "triton")

CPU_INDEX = "https://download.pytorch.org/whl/cpu"

HEADING = f"""\
# What Binder installs before it looks at the course: `make constraints` writes this file.
# PyTorch's build for the CPU has a release of its own name, +cpu, which only PyTorch's own index
# has: with it, nothing that needs gigabytes of CUDA can be taken instead.
--extra-index-url {CPU_INDEX}
"""


def main() -> None:
    """Write the file that Binder installs from."""
    BINDER_REQUIREMENTS.write_text(binder_requirements(), encoding="utf-8")


def binder_requirements() -> str:
    """What should stand in `binder/requirements.txt`?

    >>> "torch==2.13.0+cpu" in binder_requirements().splitlines()
    True
    """
    lines = (f"{pin}+cpu" if pin.startswith("torch==") else pin for pin in pins_to_run())
    return HEADING + "\n".join(lines) + "\n"


def pins_to_run() -> list[str]:
    """Which lines of `constraints.txt` does running the course need, tests and tools left out?

    Raises
    ------
    KeyError: something is needed that `constraints.txt` does not pin.
    """
    pins = pinned()
    return [pins[name] for name in sorted(needed_by("seegrad"))]


def pinned() -> dict[str, str]:
    """Which line of `constraints.txt` pins each package?"""
    lines = CONSTRAINTS.read_text("utf-8").splitlines()
    pins = [line for line in lines if "==" in line and not line.startswith("#")]
    return {canonicalize_name(pin.partition("==")[0]): pin for pin in pins}


def needed_by(package: str) -> set[str]:
    """What do this installed package and its needs need in turn, on Linux?

    >>> sorted(needed_by("jinja2"))
    ['markupsafe']
    """
    seen: set[tuple[str, str]] = set()
    pending = [(package, "")]
    while pending:
        wanted = pending.pop()
        if wanted not in seen:
            seen.add(wanted)
            pending += needs(*wanted)
    return {name for name, _ in seen} - {package}


def needs(package: str, extra: str) -> Iterator[tuple[str, str]]:
    """What does a package need directly for one of its extras ("" for none), each with extras?"""
    for text in distribution(package).requires or []:
        need = Requirement(text)
        applies = need.marker is None or need.marker.evaluate(LINUX | {"extra": extra})
        if applies and not need.name.startswith(NOT_INSTALLED):
            for wanted in ("", *need.extras):
                yield canonicalize_name(need.name), wanted


if __name__ == "__main__":
    main()
