"""A real JupyterHub on loopback, which ends with everything it started."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import requests

from tests.tools.course import CHAPTERS

CONFIG = Path(__file__).with_name("jupyterhub_config.py")
PROXY = Path(sys.prefix) / "share/proxy/node_modules/.bin/configurable-http-proxy"
START_SECONDS = 120
STOP_SECONDS = 60


@dataclass(frozen=True)
class Hub:
    """A hub that answers at `url`.

    Attributes
    ----------
    url: the address that a learner types, with a slash at its end.
    password: what lets anybody in, under any name.
    process: the hub itself; the proxy and all learners' servers descend from it.
    """

    url: str
    password: str
    process: psutil.Process


@contextmanager
def running_hub(learners: list[str]) -> Iterator[Hub]:
    """Run a hub, with the chapters in a folder of each learner's own."""
    with TemporaryDirectory(prefix="seegrad-hub-") as name:
        folder = Path(name)
        for learner in learners:
            shutil.copytree(CHAPTERS, folder / "homes" / learner / "chapters")
        password = secrets.token_hex(8)
        ports = free_ports(3)
        hub = start(folder, password, ports)
        try:
            url = f"http://127.0.0.1:{ports[0]}/"
            wait_until_it_answers(url, hub, folder)
            yield Hub(url, password, psutil.Process(hub.pid))
        finally:
            stop(hub)


def start(folder: Path, password: str, ports: list[int]) -> subprocess.Popen[bytes]:
    """Start the hub; its log goes to `folder/log`."""
    told = {
        "SEEGRAD_LOAD_FOLDER": str(folder),
        "SEEGRAD_LOAD_PASSWORD": password,
        "SEEGRAD_LOAD_PORTS": " ".join(map(str, ports)),
        "SEEGRAD_LOAD_PROXY": str(PROXY),
    }
    command = [sys.executable, "-m", "jupyterhub", "--config", str(CONFIG)]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            command, cwd=folder, env=os.environ | told, stdout=log, stderr=subprocess.STDOUT
        )


def free_ports(count: int) -> list[int]:
    """Which ports of loopback has nobody taken?"""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def wait_until_it_answers(url: str, hub: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait until the hub answers through its proxy.

    Raises
    ------
    RuntimeError: it ended or did not answer in time; its log is in the message.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and hub.poll() is None:
        try:
            if requests.get(f"{url}hub/api", timeout=5).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.2)
    raise RuntimeError(
        f"JupyterHub did not answer. It said:\n{(folder / 'log').read_text()[-3000:]}"
    )


def stop(hub: subprocess.Popen[bytes]) -> None:
    """End the hub, which ends its servers and its proxy; then end what is left of them."""
    try:
        family = [psutil.Process(hub.pid), *psutil.Process(hub.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    hub.terminate()
    _, alive = psutil.wait_procs(family, STOP_SECONDS)
    for process in alive:
        process.kill()
    hub.wait()
