"""Talking to a kernel through a server's web socket, in the form that JupyterLab uses.

The protocol is Jupyter Server's `v1.kernel.websocket.jupyter.org`: a message is binary, and starts
with the places of its parts, each a little-endian 64-bit number.
"""

import json
import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import websocket

PROTOCOL = "v1.kernel.websocket.jupyter.org"

Content = dict[str, Any]


@dataclass(frozen=True)
class Message:
    """One message of a kernel's."""

    kind: str
    parent: str
    content: Content


@dataclass
class KernelSocket:
    """A learner's connection to a kernel.

    Attributes
    ----------
    socket: the open web socket.
    models: each widget that was shown, by the name of its comm, with its first state.
    """

    socket: websocket.WebSocket
    session: str = field(default_factory=lambda: uuid.uuid4().hex)
    models: dict[str, Content] = field(default_factory=dict)

    def execute(self, source: str, may_fail: bool) -> None:
        """Run a cell to its end.

        Raises
        ------
        RuntimeError: it failed, and is not one that does so on purpose.
        """
        asked = self.send("execute_request", code=source, silent=False, stop_on_error=False)
        replied = idle = False
        for message in self.messages():
            if message.parent != asked:
                continue
            if message.kind == "execute_reply":
                replied = True
                if message.content["status"] != "ok" and not may_fail:
                    raise RuntimeError(f"a cell failed: {message.content}")
            idle |= message.content.get("execution_state") == "idle"
            if replied and idle:
                return

    def update(self, comm: str, state: Content) -> None:
        """Change traits of a widget, as its page does."""
        data = {"method": "update", "state": state, "buffer_paths": []}
        self.send("comm_msg", comm_id=comm, data=data)

    def wait_for_reply(self, question: str) -> str:
        """Wait until a widget has answered this question; what was the problem, if any?"""
        for message in self.messages():
            state = message.content.get("data", {}).get("state", {})
            if message.kind == "comm_msg" and state.get("reply", {}).get("id") == question:
                return str(state["reply"]["problem"])
        raise AssertionError("the messages have no end")

    def messages(self) -> Iterator[Message]:
        """Each message as it comes; widgets are noted by the way."""
        while True:
            message = unpacked(self.socket.recv())
            if message.kind == "comm_open":
                self.models[message.content["comm_id"]] = message.content["data"]["state"]
            yield message

    def send(self, kind: str, **content: Any) -> str:
        """Send a message on the shell channel; which id does it have?"""
        header = {
            "msg_id": uuid.uuid4().hex,
            "msg_type": kind,
            "session": self.session,
            "username": "",
            "version": "5.3",
        }
        self.socket.send_binary(packed(header, content))
        return header["msg_id"]


def packed(header: Content, content: Content) -> bytes:
    """A message in the protocol's form.

    >>> unpacked(packed({"msg_type": "status", "msg_id": "1"}, {"execution_state": "idle"}))
    Message(kind='status', parent='', content={'execution_state': 'idle'})
    """
    parts = [b"shell", *(json.dumps(part).encode() for part in (header, {}, {}, content))]
    places = [8 * (len(parts) + 2)]
    for part in parts:
        places.append(places[-1] + len(part))
    return struct.pack(f"<{len(places) + 1}Q", len(places), *places) + b"".join(parts)


def unpacked(message: bytes | str) -> Message:
    """What does a message of this form say? Its buffers are left aside."""
    data = message.encode() if isinstance(message, str) else message
    (count,) = struct.unpack_from("<Q", data)
    places = struct.unpack_from(f"<{count}Q", data, 8)
    header, parent, content = (json.loads(data[places[i] : places[i + 1]]) for i in (1, 2, 4))
    return Message(header["msg_type"], parent.get("msg_id", ""), content)
