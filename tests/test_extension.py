"""``%load_ext seegrad`` records the cells that run from then on."""

import re

import pytest
from IPython.core.interactiveshell import InteractiveShell


@pytest.fixture
def shell():
    shell = InteractiveShell()
    yield shell
    shell.run_cell("%unload_ext seegrad")


def last_op(shell: InteractiveShell, name: str):
    from seegrad.recording import recorder

    return recorder().value(shell.user_ns[name]).op


def run(shell: InteractiveShell, code: str) -> None:
    result = shell.run_cell(code, store_history=True)
    assert result.success, result


def test_cells_are_recorded_with_their_number(shell):
    run(shell, "import torch\n%load_ext seegrad")
    run(shell, "x = torch.ones(2)\ny = x * 2")
    op = last_op(shell, "y")
    assert (op.text, op.recording.cell) == ("x * 2", "[2]")


def test_the_cell_that_loads_is_recorded_from_there_on(shell):
    run(shell, "import torch\na = torch.ones(2) * 2\n%load_ext seegrad\nb = a * 3")
    assert last_op(shell, "a") is None
    assert last_op(shell, "b").text == "a * 3"


def test_a_cell_that_raises_is_recorded_and_the_next_one_too(shell):
    run(shell, "import torch\n%load_ext seegrad")
    assert not shell.run_cell("x = torch.ones(2) * 2\n1 / 0").success
    run(shell, "y = x + 1")
    assert last_op(shell, "x").text == "torch.ones(2) * 2"
    assert last_op(shell, "y").text == "x + 1"


def test_loading_twice_records_once_and_unloading_stops(shell):
    run(shell, "import torch\n%load_ext seegrad\n%reload_ext seegrad")
    run(shell, "x = torch.ones(2)")
    run(shell, "%unload_ext seegrad")
    run(shell, "y = x * 2")
    assert last_op(shell, "x").name == "ones"
    assert last_op(shell, "y") is None


def test_between_cells_nothing_is_recorded(shell):
    import torch

    run(shell, "import torch\n%load_ext seegrad")
    shell.user_ns["z"] = torch.ones(2) * 2
    assert last_op(shell, "z") is None


OWN = "def start(y):\n    y.backward()"


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("start(torch.ones(2, requires_grad=True))", ["start(torch", "y.backward()", "scalar out"]),
        ("torch.ones(2) + torch.ones(3)", ["torch.ones(2) + torch.ones(3)", "The size of tensor"]),
        ("1 / 0", ["1 / 0", "division by zero"]),
        ("1 +", ["1 +", "SyntaxError"]),
        ("import json\njson.loads('')", ["json.loads('')", "decoder.py", "Expecting value"]),
    ],
)
def test_a_traceback_shows_the_learners_lines_and_the_message(shell, capsys, code, shown):
    run(shell, f"import torch\n%load_ext seegrad\n{OWN}")
    assert not shell.run_cell(code).success
    told = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert [part for part in shown if part not in told] == []
    assert "watcher.py" not in told and "_tensor.py" not in told


def test_an_error_of_seegrads_own_keeps_its_traceback(shell, capsys):
    run(shell, "import seegrad, torch\n%load_ext seegrad")
    assert not shell.run_cell("seegrad.replay(torch.ones(2))").success
    assert "require_gradient" in capsys.readouterr().out


def test_unloading_shows_tracebacks_whole_again(shell, capsys):
    run(shell, "import torch\n%load_ext seegrad\n%unload_ext seegrad")
    assert not shell.run_cell("torch.ones(2, requires_grad=True).backward()").success
    assert "_tensor.py" in capsys.readouterr().out
