"""Is this the Python that the wheels beside this file are for? `make bundle` wrote platform.txt."""

import platform
import sys
import sysconfig
from pathlib import Path


def here() -> str:
    """Which Python is this, and which machine is it for?"""
    release = ".".join(platform.python_version_tuple()[:2])
    return f"{platform.python_implementation()} {release} on {sysconfig.get_platform()}"


if __name__ == "__main__":
    wanted = (Path(__file__).parent / "platform.txt").read_text().strip()
    if here() != wanted:
        sys.exit(f"This archive is for {wanted}, and this is {here()}.")
