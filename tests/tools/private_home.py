"""A home of its own for Jupyter, so that runs touch neither the user's files nor each other's."""

import os
import sys
from pathlib import Path


def private_environment(home: Path) -> dict[str, str]:
    """In which environment does Jupyter keep every file it makes under `home`?

    Matplotlib's folder is the one exception: its font cache takes seconds to build, so all runs
    share one inside the virtual environment (the Makefile names the same folder).
    """
    own = {
        "HOME": home,
        "XDG_CACHE_HOME": home / "cache",
        "XDG_CONFIG_HOME": home / "config",
        "XDG_DATA_HOME": home / "data",
        "JUPYTER_CONFIG_DIR": home / "jupyter" / "config",
        "JUPYTER_DATA_DIR": home / "jupyter" / "data",
        "JUPYTER_RUNTIME_DIR": home / "jupyter" / "runtime",
        "IPYTHONDIR": home / "ipython",
        "SEEGRAD_PROGRESS": home / "progress",
        "MPLCONFIGDIR": Path(sys.prefix) / "matplotlib",
    }
    users = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("JUPYTER", "IPYTHON"))
    }
    return users | {name: str(folder) for name, folder in own.items()}
