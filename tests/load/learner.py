"""What one learner does: follow the link, open the chapter, run it, drag a widget."""

import re
import time
from dataclasses import dataclass, field
from http.cookiejar import Cookie
from typing import Any
from urllib.parse import urljoin

import nbformat
import requests
import websocket
from nbformat import NotebookNode

from tests.load.hub import Hub
from tests.load.kernel_socket import PROTOCOL, KernelSocket

CHAPTER = "chapters/03_nonscalar_backward.ipynb"
WIDGET = "jacobian(f, x)"
DRAGS = 30
TIMEOUT = 600

# What JupyterLab asks its server for on the way to a notebook, besides its scripts.
LAB_ASKS = ("lab/api/settings", "lab/api/translations/en", "api/kernelspecs", "api/me")


@dataclass
class Times:
    """Seconds: from the click to each of these, and of each answer to a drag."""

    server: float = 0.0
    first_result: float = 0.0
    chapter: float = 0.0
    drags: list[float] = field(default_factory=list)


class Learner:
    """One learner with a browser's cookies."""

    def __init__(self, hub: Hub, name: str) -> None:
        self.hub = hub
        self.name = name
        self.server = f"{hub.url}user/{name}/"
        self.web = requests.Session()
        self.kernel = ""

    def lesson(self) -> Times:
        """Go through the lesson; how long did each part take?"""
        times, click = Times(), time.monotonic()
        self.log_in()
        self.open_lab()
        times.server = time.monotonic() - click
        notebook = self.open_chapter()
        with self.connected() as kernel:
            for cell in notebook.cells:
                if cell.cell_type == "code" and cell.source.strip():
                    kernel.execute(cell.source, "raises-exception" in cell.metadata.get("tags", []))
                    times.first_result = times.first_result or time.monotonic() - click
            times.chapter = time.monotonic() - click
            times.drags = drag(kernel)
        return times

    def import_torch_only(self) -> None:
        """Start the kernel anew with PyTorch and nothing else."""
        self.post(f"api/kernels/{self.kernel}/restart", {})
        with self.connected() as kernel:
            kernel.execute("import torch", may_fail=False)

    def log_in(self) -> None:
        """Sign in at the hub's own form, and wait for the server that it starts."""
        form = self.get(f"{self.hub.url}hub/login?next=/hub/spawn/{self.name}")
        (xsrf,) = set(re.findall(r'name="_xsrf"\s+value="([^"]+)"', form.text))
        entry = {"username": self.name, "password": self.hub.password, "_xsrf": xsrf}
        answer = self.web.post(form.url, data=entry, timeout=TIMEOUT)
        answer.raise_for_status()
        deadline = time.monotonic() + TIMEOUT
        while not answer.url.startswith(self.server):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name}: the server was not ready within {TIMEOUT} s")
            time.sleep(0.5)
            answer = self.get(f"{self.hub.url}hub/user/{self.name}/lab")

    def open_lab(self) -> None:
        """Fetch what a browser fetches to show JupyterLab."""
        page = self.get(f"{self.server}lab/tree/{CHAPTER}")
        for script in re.findall(r'<script[^>]+src="([^"]+)"', page.text):
            self.get(urljoin(page.url, script))
        for path in LAB_ASKS:
            self.get(self.server + path)

    def open_chapter(self) -> NotebookNode:
        """Load the notebook and start its kernel."""
        file = self.get(f"{self.server}api/contents/{CHAPTER}?content=1").json()
        wanted = {"path": CHAPTER, "name": "", "type": "notebook", "kernel": {"name": "python3"}}
        session = self.post("api/sessions", wanted)
        self.kernel = session.json()["kernel"]["id"]
        notebook: NotebookNode = nbformat.from_dict(file["content"])
        return notebook

    def connected(self) -> "Connection":
        """The kernel's web socket."""
        return Connection(self)

    def get(self, url: str) -> requests.Response:
        """Fetch a page, redirections and cookies included."""
        answer = self.web.get(url, timeout=TIMEOUT)
        answer.raise_for_status()
        return answer

    def post(self, path: str, body: dict[str, Any]) -> requests.Response:
        """Ask the learner's server to do something."""
        token = {"X-XSRFToken": self.cookies()["_xsrf"]}
        answer = self.web.post(self.server + path, json=body, headers=token, timeout=TIMEOUT)
        answer.raise_for_status()
        return answer

    def cookies(self) -> dict[str, str]:
        """Which cookies does the learner's own server get?"""
        jar: list[Cookie] = list(iter(self.web.cookies))
        sent = [cookie for cookie in jar if f"/user/{self.name}/".startswith(cookie.path)]
        # A cookie of a longer path comes last, and so replaces its namesake of the hub.
        ordered = sorted(sent, key=lambda cookie: len(cookie.path))
        return {cookie.name: cookie.value or "" for cookie in ordered}


class Connection:
    """A kernel's web socket for the length of a `with`."""

    def __init__(self, learner: Learner) -> None:
        self.learner = learner

    def __enter__(self) -> KernelSocket:
        learner = self.learner
        cookies = "; ".join(f"{name}={value}" for name, value in learner.cookies().items())
        self.socket = websocket.create_connection(
            f"ws{learner.server[4:]}api/kernels/{learner.kernel}/channels?session_id=load",
            timeout=TIMEOUT,
            cookie=cookies,
            origin=learner.hub.url.rstrip("/"),
            subprotocols=[PROTOCOL],
        )
        return KernelSocket(self.socket)

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def drag(kernel: KernelSocket) -> list[float]:
    """Drag x over the Jacobian: how long did each answer take?

    As its page does, this asks anew as soon as the last question is answered.
    """
    comm = next(name for name, state in kernel.models.items() if state.get("title") == WIDGET)
    taken = []
    for step in range(DRAGS):
        asked = time.monotonic()
        name = f"drag-{step}"
        question = {"id": name, "x": [step / DRAGS, 2.0], "at": 0, "top": 0, "left": 0}
        kernel.update(comm, {"asked": question})
        if problem := kernel.wait_for_reply(name):
            raise RuntimeError(f"the widget says: {problem}")
        taken.append(time.monotonic() - asked)
    return taken
