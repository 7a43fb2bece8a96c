"""A small extension of the Jupyter server: what a kernel answers is sent at once.

A TCP connection holds a small message back until the browser has confirmed the one before (Nagle's
algorithm), and the browser takes its time to confirm. A widget's answer is several small messages,
so a dragged slider waited some twenty milliseconds for nothing. Tornado can switch that off for a
web socket; this does it for those that lead to kernels.

It stands beside the package ``seegrad`` because the server is not to import torch.
"""

from __future__ import annotations

from typing import Any

from jupyter_server.serverapp import ServerApp
from jupyter_server.services.kernels.connection.base import BaseKernelWebsocketConnection

SETTING = "kernel_websocket_connection_class"


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "seegrad_server"}]


def _load_jupyter_server_extension(app: ServerApp) -> None:
    settings = app.web_app.settings
    settings[SETTING] = prompt(settings[SETTING])


def prompt(connection: type[BaseKernelWebsocketConnection]) -> type[BaseKernelWebsocketConnection]:
    """The same kind of connection to a kernel, one that holds no small message back."""

    class Prompt(connection):  # type: ignore[misc, valid-type]
        def connect(self) -> Any:
            self.websocket_handler.set_nodelay(True)
            return super().connect()

    return Prompt
