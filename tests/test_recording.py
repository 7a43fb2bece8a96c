"""What ran is recorded truly, and recording changes nothing."""

import gc
import warnings

import pytest
import torch
from torch import nn

import seegrad
from seegrad.recording import Recorder, recorder
from seegrad.recording.snapshot import CORNER, keep


def names(recording):
    return [op.name for op in recording.ops]


def test_ops_appear_once_as_the_learner_called_them():
    x = torch.randn(3, 4)
    with seegrad.record() as recording:
        loss = nn.functional.cross_entropy(nn.functional.relu(x), torch.tensor([0, 1, 2]))
    assert names(recording) == ["relu", "tensor", "cross_entropy"]
    assert loss.shape == ()


def test_values_are_those_at_the_time_not_those_of_now():
    with seegrad.record():
        x = torch.arange(3.0)
        y = x * 2
        before = recorder().value(y)
        y += 1
    assert before.data.tolist() == [0, 2, 4]
    assert recorder().value(y).data.tolist() == [1, 3, 5]


def test_an_in_place_op_makes_a_new_value_from_the_old_one():
    with seegrad.record():
        x = torch.zeros(3)
        x[1] = 5.0
    value = recorder().value(x)
    assert value.op.name == "__setitem__"
    assert value.op.changed[0].data.tolist() == [0, 0, 0]


def test_several_outputs_share_one_op():
    with seegrad.record():
        first, second = torch.arange(4.0).chunk(2)
    a, b = recorder().value(first), recorder().value(second)
    assert a.op == b.op
    assert (a.index, b.index) == (0, 1)


def test_a_failed_op_is_kept():
    with pytest.raises(RuntimeError), seegrad.record() as recording:
        torch.ones(2) @ torch.ones(3)
    assert recording.failed.name == "matmul"
    assert recording.failed.text == "torch.ones(2) @ torch.ones(3)"


def test_nothing_is_recorded_after_the_block_even_if_it_raised():
    with pytest.raises(ZeroDivisionError), seegrad.record():
        1 / 0  # noqa: B018
    x = torch.ones(2)
    assert recorder().value(x).op is None


def test_blocks_nest_and_each_call_is_recorded_once():
    with seegrad.record() as outer:
        x = torch.ones(2)
        with seegrad.record() as inner:
            y = x * 2
        z = y * 2
    assert (names(outer), names(inner)) == (["ones", "mul"], ["mul"])
    assert recorder().value(z).op.recording is outer


def test_large_tensors_leave_a_corner():
    large = torch.arange(10_000.0).reshape(100, 100)
    assert keep(large).tolist() == large[:CORNER, :CORNER].tolist()
    with seegrad.record():
        value = recorder().value(large * 2)
    assert not value.complete
    assert value.shape == (100, 100)


def test_a_kept_copy_shares_no_memory_with_the_tensor():
    x = torch.ones(3)
    copy = keep(x)
    x.zero_()
    assert copy.tolist() == [1, 1, 1]


def train(record: bool) -> list[torch.Tensor]:
    """Three steps of a small net with dropout and batch norm; everything it leaves behind."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7), nn.Dropout(0.5), nn.Linear(7, 3))
    optimizer = torch.optim.Adam(net.parameters())
    x, target = torch.randn(6, 5), torch.tensor([0, 1, 2, 0, 1, 2])
    watcher = Recorder()
    if record:
        watcher.start()
    try:
        for _ in range(3):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(x), target)
            loss.backward()
            optimizer.step()
    finally:
        if record:
            watcher.stop()
    left = [*net.parameters(), *net.buffers(), *(p.grad for p in net.parameters())]
    return [*left, loss, torch.get_rng_state()]


def test_recorded_code_gives_bit_identical_results():
    for plain, recorded in zip(train(record=False), train(record=True), strict=True):
        assert torch.equal(plain, recorded)


def test_recording_leaves_version_counters_alone():
    x = torch.ones(3, requires_grad=True)
    with seegrad.record():
        y = x * 2
    assert (x._version, y._version) == (0, 0)


def test_a_recording_lives_as_long_as_the_result():
    watcher = Recorder()
    with watcher.record():
        x = torch.ones(3, requires_grad=True)
        y = (x * 2).sum()
    assert [op.name for op in watcher.ops()] == ["ones", "mul", "sum"]
    del y
    gc.collect()
    assert [op.name for op in watcher.ops()] == ["ones"]


def test_many_cells_leave_nothing_behind():
    watcher = Recorder()
    for _ in range(1000):
        with watcher.record():
            x = torch.ones(2, requires_grad=True)
            (x * x).sum().backward()
    del x
    gc.collect()
    assert watcher.ops() == []
    assert watcher.tensors() == []
    assert len(watcher._recordings) < 200


def test_a_chain_of_100_000_ops_is_recorded_and_freed():
    watcher = Recorder()
    with watcher.record():
        y = torch.ones((), requires_grad=True)
        for _ in range(100_000):
            y = y * 1.0
    assert len(watcher.ops()) == 100_001
    del y
    assert watcher.ops() == []


def test_what_happens_to_grad_is_noted():
    with seegrad.record():
        x = torch.arange(3.0, requires_grad=True)
        (x * x).sum().backward()
        x.grad.zero_()
        (3 * x).sum().backward()
        x.grad += 1
        x.grad = None
    events = recorder().grad_events(x)
    assert [event.kind for event in events] == ["backward", "zeroed", "backward", "changed", "None"]
    assert events[0].added.tolist() == [0, 2, 4]
    assert events[2].after.tolist() == [3, 3, 3]
    assert events[3].after.tolist() == [4, 4, 4]
    assert events[4].after is None
    assert events[1].site.statement == "x.grad.zero_()"


def test_an_optimizer_that_zeroes_is_noted_at_the_learners_line():
    x = torch.ones(2, requires_grad=True)
    optimizer = torch.optim.SGD([x], lr=0.1)
    with seegrad.record():
        x.sum().backward()
        optimizer.zero_grad()
    assert [event.kind for event in recorder().grad_events(x)] == ["backward", "None"]
    assert recorder().grad_events(x)[1].site.statement == "optimizer.zero_grad()"


def test_a_results_grad_is_assigned_and_read_without_a_warning():
    with seegrad.record():
        y = 2 * torch.ones(3, requires_grad=True)
        y.grad = torch.ones(3)
        assert y.grad.tolist() == [1, 1, 1]


def read_twice_on_each_of_two_lines():
    y = 2 * torch.ones(3, requires_grad=True)
    for _ in range(2):
        y.grad  # noqa: B018
    return [y.grad for _ in range(2)]


def compare_other_sizes():
    one, column = torch.zeros(3), torch.zeros(3, 1)
    for loss in (nn.functional.mse_loss, nn.functional.l1_loss):
        loss(one, column)
    return nn.functional.huber_loss(one, target=column, delta=2.0)


def warned(lines):
    """What these lines warn of, and where, as Python shows it by default: once for each line."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        lines()
    return [(str(each.message)[:20], each.filename, each.lineno) for each in caught]


@pytest.mark.parametrize("lines", [read_twice_on_each_of_two_lines, compare_other_sizes])
def test_a_warning_of_pytorchs_names_the_learners_line_as_often_as_unrecorded(lines):
    plain = warned(lines)
    with seegrad.record():
        recorded = warned(lines)
    first = lines.__code__.co_firstlineno
    assert plain == recorded
    assert {(file, line - first) for _, file, line in plain} == {(__file__, 3), (__file__, 4)}


def test_an_error_below_a_stand_in_for_the_learners_line_shows_that_line_once():
    with pytest.raises(ValueError, match="median") as plain:
        nn.functional.mse_loss(torch.zeros(3), torch.zeros(3), reduction="median")
    with pytest.raises(ValueError, match="median") as recorded, seegrad.record():
        nn.functional.mse_loss(torch.zeros(3), torch.zeros(3), reduction="median")
    assert [entry.name for entry in recorded.traceback] == [entry.name for entry in plain.traceback]


def test_a_view_that_nobody_may_look_at_any_more_does_no_harm():
    with seegrad.record():
        x = torch.ones(3, requires_grad=True) * 1
        with torch.no_grad():
            part = x[:2]
            y = x * 1
        with torch.no_grad():
            part.mul_(3)
        assert y.tolist() == [1, 1, 1]
    with pytest.raises(RuntimeError, match="no_grad mode"):
        part.is_leaf  # noqa: B018
