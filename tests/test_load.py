"""Does the load test's way of talking to a kernel fit the server's own?"""

from jupyter_server.services.kernels.connection.base import (
    deserialize_msg_from_ws_v1,
    serialize_msg_to_ws_v1,
)

from tests.load.kernel_socket import Message, packed, unpacked
from tests.load.run import spread

HEADER = {"msg_type": "comm_msg", "msg_id": "7"}
CONTENT = {"comm_id": "c", "data": {"method": "update", "state": {"λ": 1.5}}}


def test_the_server_reads_what_a_learner_sends() -> None:
    channel, parts = deserialize_msg_from_ws_v1(packed(HEADER, CONTENT))
    assert channel == "shell"
    assert len(parts) == 4
    assert parts[0] == b'{"msg_type": "comm_msg", "msg_id": "7"}'


def test_a_learner_reads_what_the_server_sends() -> None:
    parts = [b'{"msg_type": "status"}', b'{"msg_id": "7"}', b"{}", '{"λ": 1}'.encode(), b"buffer"]
    message = serialize_msg_to_ws_v1(parts, "iopub")
    assert unpacked(message) == Message("status", "7", {"λ": 1})


def test_a_report_says_how_late_the_late_ones_were() -> None:
    assert spread([float(second) for second in range(1, 21)]) == "10.5 | 19.0 | 20.0"
    assert spread([2.0]) == "2.0 | 2.0 | 2.0"
