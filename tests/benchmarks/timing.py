"""How long things take, in the processor's time: what others use of it does not count.

Contenders take turns, so that what slows the machine slows them all.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from time import process_time
from types import FrameType

from seegrad.drawing.layout import layout
from tests.benchmarks.contenders import CONTENDERS, PEERS, Contender, Timed
from tests.benchmarks.workloads import Workload, unfolded_lstm

LONGEST = 60.0  # seconds, by the clock, that a contender may take for a workload
SAMPLE = 0.02  # a sample lasts at least so long: short work is repeated within it
BUDGET = 2.0  # seconds of sampling for a contender and a workload …
FEWEST, MOST = 3, 15  # … but no fewer samples, and no more

Outcome = float | str
"""Seconds (the median), or why there are none."""


def race(work: Workload) -> dict[str, Outcome]:
    """The time that each contender takes for a workload; who is very slow has one run."""
    outcomes: dict[str, Outcome] = {name: _first(c, work) for name, c in CONTENDERS.items()}
    repeats = {
        name: max(1, round(SAMPLE / time))
        for name, time in outcomes.items()
        if isinstance(time, float) and time < BUDGET
    }
    samples: dict[str, list[float]] = {name: [] for name in repeats}
    for _ in range(MOST):
        for name, repeat in repeats.items():
            spent = sum(samples[name]) * repeat
            if spent < BUDGET or len(samples[name]) < FEWEST:
                with CONTENDERS[name](work) as timed:
                    samples[name].append(_sample(timed, repeat))
    return outcomes | {name: median(times) for name, times in samples.items()}


def _first(contender: Contender, work: Workload) -> Outcome:
    """The time of a second run, for the first warms up; of the first, if that was slow enough."""
    try:
        with _at_most(LONGEST), contender(work) as timed:
            cold = _sample(timed, 1)
            return cold if cold > BUDGET else _sample(timed, 1)
    except TimeoutError:
        return f"over {LONGEST:g} s"
    except Exception as failure:
        if contender not in PEERS:
            raise
        return type(failure).__name__


def _sample(timed: Timed, repeat: int) -> float:
    gc.collect()  # what others left behind is not to be paid for here
    started = process_time()
    for _ in range(repeat):
        timed()
    return (process_time() - started) / repeat


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the block when it has run for so long."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def layout_median(steps: int) -> float:
    """The time of laying out an LSTM of so many steps, unfolded."""
    boxes, links = unfolded_lstm(steps)
    return median(_sample(lambda: layout(boxes, links), 1) for _ in range(25))


def layout_times(steps: int) -> tuple[int, float]:
    """How many boxes that LSTM has, and the time in the quickest of five fresh processes."""
    code = f"from tests.benchmarks.timing import layout_median; print(layout_median({steps}))"
    return len(unfolded_lstm(steps)[0]), min(_answers(code)[0] for _ in range(5))


_IMPORT = """
from time import process_time
started = process_time()
import torch
then = process_time()
import seegrad
print(then - started, process_time() - started)
"""


def import_times() -> dict[str, float]:
    """The median time of importing torch, and of importing seegrad and with it torch.

    Each of several fresh processes times both, for torch alone varies more than seegrad adds.
    """
    _answers(
        _IMPORT
    )  # compiles seegrad, which pip does when it installs a package, as it did torch
    torch, seegrad = zip(*(_answers(_IMPORT) for _ in range(11)), strict=True)
    return {"torch": median(torch), "seegrad": median(seegrad)}


def _answers(code: str) -> list[float]:
    """The numbers that a fresh Python prints; it keeps the bytecode of what it imports."""
    env = {name: v for name, v in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env
    )
    return [float(word) for word in run.stdout.split()]
