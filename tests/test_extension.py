"""``%load_ext seegrad`` records the cells that run from then on."""

import pytest
from IPython.core.interactiveshell import InteractiveShell

from seegrad.extension import history


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


@pytest.mark.parametrize("code", ["1 +", "if True:\nx = 1", "exec('1 +')", "1 / 0", "return"])
def test_an_error_that_is_none_of_ours_is_shown_as_without_us(shell, capsys, code):
    shell.run_cell(code)
    plain = capsys.readouterr().out
    shell.run_cell("%load_ext seegrad")
    shell.run_cell(code)
    assert capsys.readouterr().out == plain != ""


def test_loading_twice_records_once_and_unloading_stops(shell):
    run(shell, "import torch\n%load_ext seegrad\n%reload_ext seegrad")
    run(shell, "x = torch.ones(2)")
    run(shell, "%unload_ext seegrad")
    run(shell, "y = x * 2")
    assert last_op(shell, "x").name == "ones"
    assert last_op(shell, "y") is None


def test_what_ran_is_known_with_the_line_that_raised(shell):
    run(shell, "import torch\n%load_ext seegrad")
    shell.run_cell("x = 1\n\n1 / 0\ny = 2")
    shell.run_cell("def (")
    *_, failed, unread = history(shell)
    assert (failed.code, failed.failed) == ("x = 1\n\n1 / 0\ny = 2\n", 3)
    assert unread.code == ""
    assert history(InteractiveShell()) == []


def test_between_cells_nothing_is_recorded(shell):
    import torch

    run(shell, "import torch\n%load_ext seegrad")
    shell.user_ns["z"] = torch.ones(2) * 2
    assert last_op(shell, "z") is None
