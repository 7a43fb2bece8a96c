"""Each broken cell is explained at its own line; what is not autograd's is left alone."""

import ast
import gc
import re
import sys
import weakref

import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from torch import nn

import seegrad
from seegrad.clinic.diagnosis import Place
from seegrad.clinic.gradients import about
from seegrad.clinic.incident import Incident, Witness
from seegrad.clinic.table import MESSAGES, diagnose
from seegrad.recording import arguments, recorder
from seegrad.recording.names import names_in
from seegrad.widgets import explain as widget
from tests.clinic_cases import ASKED, OTHERS, RAISED, Case

SET_UP = "import torch\nfrom torch import nn\nimport torch.nn.functional as F\n%load_ext seegrad"

# PyTorch itself warns of some of what these cells do wrong.
pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::RuntimeWarning", "ignore::DeprecationWarning"
)


@pytest.fixture(scope="module")
def notebook():
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()
    shell.history_manager.enabled = False
    yield shell
    shell.run_cell("%unload_ext seegrad")
    InteractiveShell.clear_instance()


@pytest.fixture
def shell(notebook):
    """A kernel as it is after a restart; its first cell has run."""
    for name in set(notebook.user_ns) - set(notebook.user_ns_hidden):
        del notebook.user_ns[name]
    notebook.execution_count = 1
    assert notebook.run_cell(SET_UP, store_history=True).success
    return notebook


def run(shell: InteractiveShell, cells: list[str]):
    """Run the cells; all but the last must succeed."""
    *before, last = cells
    for cell in before:
        assert shell.run_cell(cell, store_history=True).success, cell
    return shell.run_cell(last, store_history=True)


def place(case: Case) -> tuple[str, int] | None:
    """The cell and line at fault, as a learner calls them; the cell that sets up is the first."""
    return None if case.fault is None else (f"cell [{case.fault[0] + 1}]", case.fault[1])


def check(case: Case, found) -> None:
    assert found is not None
    at = None if found.place is None else (found.place.cell, found.place.number)
    assert (found.kind, at) == (case.kind, place(case)), found
    assert case.variable in ("", found.variable), found
    assert not found.happened[0].islower()
    assert "``" not in found.happened + found.because
    assert found.happened.count("`") % 2 == 0 and found.because.count("`") % 2 == 0


@pytest.mark.parametrize("case", RAISED, ids=lambda case: case.name)
def test_a_cell_that_raises_is_explained_at_the_line_at_fault(shell, case, capsys):
    error = run(shell, case.cells).error_in_exec
    assert error is not None
    found = diagnose(Incident(error, recorder()))
    check(case, found)
    places = [at for at in (found.place, found.raised) if at is not None]
    runs = any(not fails(mended(case, at, found.mend)) for at in places)
    assert runs is (case.name not in MENDED_ELSEWHERE)
    # The panel stands below the traceback, which ends in PyTorch's own message.
    printed = capsys.readouterr().out
    message = str(error).splitlines()[0]
    assert printed.index(message) < printed.index(f"seegrad: {case.kind}")


@pytest.mark.parametrize("case", ASKED, ids=lambda case: case.name)
def test_a_surprising_gradient_is_explained_when_asked(shell, case):
    result = run(shell, case.cells)
    assert result.success
    check(case, about(Witness(recorder(), names_in([shell.user_ns])), result.result))


@pytest.mark.parametrize("code", OTHERS)
def test_an_error_that_is_not_autograds_gets_no_panel(shell, code, capsys):
    result = shell.run_cell(code, store_history=True)
    assert result.error_in_exec is not None
    assert diagnose(Incident(result.error_in_exec, recorder())) is None
    assert "seegrad:" not in capsys.readouterr().out


MENDED_ELSEWHERE = {
    "too few gradients",  # which are missing is the learner's to say
    "two losses from one net",  # two lines become one
    "step between two passes",  # lines change places
    "a GAN's order",
    "a decorated function",  # the decorator is to go
    "argmax before the loss",  # what the target is, is the learner's to say
    "argmax made to require a gradient",
    "an input that plays no part",
    "an expression without it",
    "zeroing what is not there",
    "a gradient of another shape",
    "called as an object",
    "no backward written",
}
"""The mend of these is not a new text for the line at fault, or for the one that raised."""


def mended(case: Case, at: Place, mend: str) -> list[str]:
    """The cells with the mend in place of one line."""
    cells = [cell.split("\n") for cell in case.cells]
    lines, number = cells[int(at.cell.strip("cel []")) - 2], at.number - 1
    margin = lines[number][: -len(lines[number].lstrip())]
    lines[number : number + 1] = [margin + line for line in mend.split("\n")]
    return ["\n".join(lines) for lines in cells]


def fails(cells: list[str]) -> bool:
    """Do these cells raise in plain Python?"""
    namespace: dict[str, object] = {"torch": torch, "nn": nn, "F": nn.functional}
    try:
        for cell in cells:
            exec(cell, namespace)
    except Exception:
        return True
    return False


def raised(case: Case) -> Exception:
    """What the cells raise in plain Python."""
    namespace: dict[str, object] = {"torch": torch, "nn": nn, "F": nn.functional}
    with pytest.raises(Exception) as caught:  # noqa: PT011, PT012
        for cell in case.cells:
            exec(cell, namespace)
    return caught.value


def test_every_message_of_the_table_is_pytorchs_own():
    errors = [raised(case) for case in RAISED]
    unmet = [
        message
        for kind, message, _ in MESSAGES
        if not any(isinstance(e, kind) and re.search(message, str(e)) for e in errors)
    ]
    assert unmet == []


@pytest.mark.parametrize("case", RAISED, ids=lambda case: case.name)
def test_the_tempting_line_is_one_that_could_be_typed(shell, case):
    found = diagnose(Incident(run(shell, case.cells).error_in_exec, recorder()))
    ast.parse(found.tempting)
    assert bool(found.tempting) is bool(found.consequence)


def test_a_module_refuses_a_result_in_place_of_its_parameter(shell):
    cells = ["net = nn.Linear(2, 1)", "net.weight.fill_(0.5)"]
    found = diagnose(Incident(run(shell, cells).error_in_exec, recorder()))
    with pytest.raises(TypeError):
        exec(found.tempting, {"torch": torch, "net": nn.Linear(2, 1)})
    assert "TypeError" in found.consequence


def test_the_panel_changes_nothing(shell):
    run(shell, ["x = torch.arange(3.0, requires_grad=True)\ny = x * x\ny.backward()"])
    x, y = shell.user_ns["x"], shell.user_ns["y"]
    assert x.grad is None and y._version == 0
    y.sum().backward()
    assert x.grad.tolist() == [0, 2, 4]


def test_the_panel_keeps_no_tensor_alive(shell):
    run(shell, ["y = torch.ones(3, requires_grad=True) * 2\ny.backward()"])
    gone = weakref.ref(shell.user_ns["y"])
    for name in ("last_traceback", "last_value", "last_exc"):
        setattr(sys, name, None)
    shell.InteractiveTB.tb = None
    shell.run_cell("y = None", store_history=True)
    gc.collect()
    assert gone() is None


def test_a_failure_of_the_panel_is_one_line(shell, capsys, monkeypatch):
    def fail(_: Exception) -> None:
        raise KeyError("lost")

    monkeypatch.setattr(widget, "explained", fail)
    run(shell, ["torch.ones(2, requires_grad=True).backward()"])
    out = capsys.readouterr().out
    assert "grad can be implicitly created only" in out
    assert out.splitlines()[-1] == "seegrad has no explanation of this error (KeyError: 'lost')."


def test_explain_shows_the_last_one_again(shell, capsys):
    run(shell, ["torch.ones(2, requires_grad=True).backward()"])
    shown = shell.run_cell("import seegrad\nseegrad.explain()", store_history=True).result
    assert shown.diagnosis.kind == "backward() from more than one number"
    assert repr(shown) in capsys.readouterr().out


def test_the_op_at_fault_is_marked_in_the_picture():
    with seegrad.record():
        x = torch.randn(4, requires_grad=True)
        loss = (x * 2).argmax().float() + 1
    shown = seegrad.explain(loss)
    marked = next(node for node in shown.picture["nodes"] if node["id"] == shown.fault)
    assert "argmax" in marked["label"]
    assert shown._png()


@pytest.mark.parametrize(
    ("code", "raised"),
    [
        ("w = torch.ones(2, requires_grad=True)\nw += 1", True),
        ("w = torch.ones(2, requires_grad=True)\nloss = w.argmax().float() + 1", False),
    ],
)
def test_only_what_raised_is_said_to_have_raised(shell, code, raised):
    assert bool(run(shell, [code]).success) is not raised
    shown = seegrad.explain() if raised else seegrad.explain(shell.user_ns["w"])
    assert ("raised the error" in str(shown.picture)) is raised


def test_what_is_no_tensor_gets_a_sentence():
    assert "takes a tensor, and got 3 (int)" in repr(seegrad.explain(3))


def test_outside_a_recording_a_gradient_is_explained_as_far_as_it_goes():
    x = torch.ones(3)
    found = seegrad.explain(x).diagnosis
    assert found.kind == "nothing asked for a gradient"
    assert found.place is None and "no recorded PyTorch call made it" in found.rivals[0]


@pytest.mark.parametrize(("used", "blamed"), [("w * 2", False), ("w.exp()", False), ("w**3", True)])
def test_an_edit_through_data_is_blamed_only_where_the_old_numbers_were_saved(shell, used, blamed):
    code = f"w = torch.ones(2, requires_grad=True)\ny = {used}\nw.data.mul_(10)\ny.sum().backward()"
    assert run(shell, [code]).success
    found = seegrad.explain(shell.user_ns["w"]).diagnosis
    assert (found.kind == "a value was changed through .data before backward()") is blamed


# A learner's traceback is what it would be without seegrad

BROKEN = {
    "an operator": "torch.ones(2) @ torch.ones(3)",
    "backward": "(torch.ones(2, requires_grad=True) * 2).backward()",
    "autograd.grad": "x = torch.ones(2, requires_grad=True)\ntorch.autograd.grad(x * 2, x)",
    "a module": "nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(2, 2))(torch.ones(2))",
    "a loss": "F.cross_entropy(torch.ones(2, 2), torch.ones(3).long())",
    "a loss module": "nn.L1Loss()(torch.ones(2, 2), [2])",
    "a reflected operator": "torch.ones(2) ** torch.ones(3)",
    "an if": "if torch.ones(2):\n    pass",
    "an assigned grad": "torch.ones(3, requires_grad=True).grad = torch.ones(2)",
    "an own Function": "class Fails(torch.autograd.Function):\n    @staticmethod\n"
    "    def forward(ctx, a):\n        return a @ torch.ones(9)\n\nFails.apply(torch.ones(2))",
    "torch.func": "torch.func.grad(lambda t: t * 2)(torch.ones(2))",
    "an optimizer": "opt = torch.optim.SGD([torch.ones(2, requires_grad=True)])\n"
    "opt.step(lambda: torch.ones(2) @ torch.ones(3))",
    "a chained error": "try:\n    torch.ones(2) @ torch.ones(3)\nexcept RuntimeError as error:\n"
    "    raise ValueError('bad shapes') from error",
    "an error in a hook": "x = torch.ones(2, requires_grad=True)\n"
    "x.register_hook(lambda g: 1 / 0)\nx.sum().backward()",
    "item": "torch.ones(2).item()",
}


@pytest.mark.parametrize("code", BROKEN.values(), ids=BROKEN)
def test_a_traceback_is_what_it_is_unrecorded(shell, code, capsys):
    shown = []
    for extension in ("%unload_ext seegrad", "%load_ext seegrad"):
        shell.run_cell(extension)
        shell.execution_count = 7
        capsys.readouterr()
        assert shell.run_cell(code).error_in_exec is not None
        shown.append(capsys.readouterr().out.split("\nseegrad: ")[0].rstrip())
    assert shown[0] == shown[1]


def test_in_a_block_too_the_frames_are_the_learners():
    def frames(recorded: bool) -> list[str]:
        model = nn.Linear(2, 2)
        try:
            if recorded:
                with seegrad.record():
                    model(torch.ones(3))
            else:
                model(torch.ones(3))
        except RuntimeError as error:
            found, tb = [], error.__traceback__
            while tb is not None:
                found.append(tb.tb_frame.f_code.co_qualname)
                tb = tb.tb_next
        return found

    assert frames(recorded=True) == frames(recorded=False)


def test_a_fault_of_the_recorders_own_shows_its_frames(monkeypatch):
    monkeypatch.setattr(arguments, "LONGEST_LIST", "no number")
    with pytest.raises(TypeError) as caught, seegrad.record():
        torch.tensor([1.0, 2.0])
    assert any("arguments.py" in str(entry.path) for entry in caught.traceback)
