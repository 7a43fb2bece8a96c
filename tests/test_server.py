"""The extension of the Jupyter server: installed with seegrad, and small messages are not held."""

import re
import subprocess
import sys
from types import SimpleNamespace

from seegrad_server import _load_jupyter_server_extension


class Connection:
    """Stands for the server's own, which needs a kernel."""

    def __init__(self, websocket_handler):
        self.websocket_handler = websocket_handler

    def connect(self):
        return "connected"


def test_a_connection_to_a_kernel_is_told_not_to_hold_messages_back():
    settings = {"kernel_websocket_connection_class": Connection}
    _load_jupyter_server_extension(SimpleNamespace(web_app=SimpleNamespace(settings=settings)))
    told = []
    handler = SimpleNamespace(set_nodelay=told.append)
    assert settings["kernel_websocket_connection_class"](handler).connect() == "connected"
    assert told == [True]


def test_the_server_loads_it_and_does_not_import_torch():
    listing = [sys.executable, "-m", "jupyter", "server", "extension", "list"]
    told = subprocess.run(listing, capture_output=True, text=True, check=True)
    assert re.search(r"seegrad_server\s+\S*OK", told.stdout + told.stderr)
    code = "import sys, seegrad_server; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
