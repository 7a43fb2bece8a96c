"""A real JupyterLab server for tests and screenshots, which leaves nothing behind."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import URLError
from urllib.request import Request, urlopen

from tests.tools.private_home import private_environment

START_SECONDS = 60
STOP_SECONDS = 15

# Every cell is in the page, also what lies outside the window: a test looks at what a learner
# could scroll to, and a screenshot shows the whole notebook.
SETTINGS = {"@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"}}


@dataclass(frozen=True)
class Lab:
    """A JupyterLab that answers at `url` and shows the notebooks under `root`."""

    url: str
    token: str
    root: Path

    def address(self, notebook: str) -> str:
        """Which URL opens `notebook` (a path relative to `root`), alone in the window?"""
        return f"{self.url}lab/tree/{notebook}?reset&token={self.token}"

    def answers(self) -> bool:
        """Does the server answer a request that needs the token?"""
        status = Request(f"{self.url}api/status", headers={"Authorization": f"token {self.token}"})
        try:
            with urlopen(status, timeout=5) as reply:
                return bool(reply.status == 200)
        except URLError:
            return False


@contextmanager
def running_lab(root: Path) -> Iterator[Lab]:
    """Run JupyterLab on the folder `root`, on a free port, with a home of its own.

    As for a learner, the notebooks there are trusted, and the pop-up that asks about news is off:
    `make lab` switched it off in the virtual environment.
    """
    with TemporaryDirectory(prefix="seegrad-lab-") as folder:
        home = Path(folder)
        write_settings(home / "settings")
        trust_notebooks(root, home)
        server = start_server(root, home)
        try:
            yield wait_until_it_answers(server, root, home)
        finally:
            stop(server)


def write_settings(folder: Path) -> None:
    """Write the settings in the form in which JupyterLab keeps a user's own."""
    for plugin, values in SETTINGS.items():
        file = folder / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(values))


def trust_notebooks(root: Path, home: Path) -> None:
    """Let JupyterLab show what the notebooks' outputs hold before anybody runs them."""
    if notebooks := [str(path) for path in root.rglob("*.ipynb")]:
        trust = [sys.executable, "-m", "jupyter", "trust", *notebooks]
        subprocess.run(trust, env=private_environment(home), check=True, capture_output=True)


def start_server(root: Path, home: Path) -> subprocess.Popen[bytes]:
    """Start the server as the head of a process group of its own; its log goes to `home/log`."""
    options = [
        "--no-browser",
        "--allow-root",
        "--ServerApp.ip=127.0.0.1",
        "--ServerApp.port=0",
        f"--IdentityProvider.token={secrets.token_hex(16)}",
        f"--ServerApp.root_dir={root}",
        f"--LabApp.user_settings_dir={home / 'settings'}",
        f"--LabApp.workspaces_dir={home / 'workspaces'}",
        "--LabApp.expose_app_in_browser=True",
    ]
    with (home / "log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            env=private_environment(home),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def wait_until_it_answers(server: subprocess.Popen[bytes], root: Path, home: Path) -> Lab:
    """Wait for the server to write down its port, and then to answer there."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and not ended_within(server, 0.1):
        for file in (home / "jupyter" / "runtime").glob("jpserver-*.json"):
            told = json.loads(file.read_text() or "{}")
            if told and (lab := Lab(told["url"], told["token"], root)).answers():
                return lab
    log = (home / "log").read_text()[-2000:]
    raise RuntimeError(f"JupyterLab did not answer within {START_SECONDS} s. It said:\n{log}")


def stop(server: subprocess.Popen[bytes]) -> None:
    """End the server, which ends its kernels; if it will not, end its whole process group."""
    server.terminate()
    if not ended_within(server, STOP_SECONDS):
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def ended_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Does the process end within this time?"""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True
