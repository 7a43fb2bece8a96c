"""How long things take: contenders take turns, so that what slows the machine slows them all."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from time import perf_counter
from types import FrameType

from seegrad.layout import layout
from tests.benchmarks.contenders import CONTENDERS, Contender, Timed
from tests.benchmarks.workloads import Workload, unfolded_lstm

LONGEST = 60.0  # seconds that a contender may take for a workload once
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
    """The time of a second run: the first warms up, and shows whether it can run at all."""
    try:
        with _at_most(LONGEST), contender(work) as timed:
            timed()
            return _sample(timed, 1)
    except TimeoutError:
        return f"over {LONGEST:g} s"
    except Exception as failure:  # a peer may raise anything: the table says what
        return type(failure).__name__


def _sample(timed: Timed, repeat: int) -> float:
    gc.collect()  # what others left behind is not to be paid for here
    started = perf_counter()
    for _ in range(repeat):
        timed()
    return (perf_counter() - started) / repeat


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


def layout_times(steps: int) -> tuple[int, float, float]:
    """Boxes of an unfolded LSTM; the median and the best time of laying it out."""
    boxes, links = unfolded_lstm(steps)
    times = [_sample(lambda: layout(boxes, links), 1) for _ in range(25)]
    return len(boxes), median(times), min(times)


def import_times() -> dict[str, float]:
    """The median time of importing torch, and of importing seegrad, each in fresh processes."""
    samples: dict[str, list[float]] = {"torch": [], "seegrad": []}
    for _ in range(11):
        for module, times in samples.items():
            times.append(_import_time(module))
    return {module: median(times) for module, times in samples.items()}


def _import_time(module: str) -> float:
    code = (
        "from time import perf_counter; started = perf_counter(); "
        f"import {module}; print(perf_counter() - started)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(run.stdout)
