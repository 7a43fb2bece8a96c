"""A class of learners at once (`make load`, LOAD_FLAGS="--learners 30 --write").

Bounded: each learner goes through one chapter once, every wait has an end, and the hub with all
that it started is ended. Nothing but loopback is spoken to.
"""

import math
import statistics
import sys
import time
from argparse import ArgumentParser
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import psutil

from tests.load.hub import Hub, running_hub
from tests.load.learner import CHAPTER, DRAGS, Learner, Times
from tests.load.memory import MB, Memory, of_learners

MOST = 60
MB_A_LEARNER = 500
"""More than a learner takes: what is measured here is less."""

Result = TypeVar("Result")
REPORT = Path(__file__).parent.parent / "benchmarks" / "LOAD.md"


def main() -> None:
    """Run the class, print the report, and keep it if asked."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--learners", type=int, default=30, help=f"how many, up to {MOST}")
    parser.add_argument("--write", action="store_true", help=f"write {REPORT.name}")
    arguments = parser.parse_args()
    text, failures = measured(as_many_as_fit(min(arguments.learners, MOST)))
    print(text)
    if arguments.write:
        REPORT.write_text(text, encoding="utf-8")
    sys.exit(bool(failures))


def as_many_as_fit(count: int) -> int:
    """How many of these learners does the free memory hold?"""
    room = int(psutil.virtual_memory().available / MB) // MB_A_LEARNER
    if room < count:
        print(f"memory is free for {room} learners, not {count}")
    return min(count, room)


def measured(count: int) -> tuple[str, list[str]]:
    """The report of a class of so many, and what went wrong."""
    names = [f"learner{number:02}" for number in range(1, count + 1)]
    with running_hub(names) as hub, ThreadPoolExecutor(count) as pool:
        learners = [Learner(hub, name) for name in names]
        began, before = time.monotonic(), busy_seconds(hub)
        times, failures = gathered([pool.submit(learner.lesson) for learner in learners])
        took, busy = time.monotonic() - began, busy_seconds(hub) - before
        if not times:
            return "nobody came through\n" + "\n".join(failures), failures
        chapter = of_learners(hub.process)
        gathered([pool.submit(learner.import_torch_only) for learner in learners])
        bare = of_learners(hub.process)
    return report(count, times, failures, chapter, bare, took, busy), failures


def gathered(futures: list[Future[Result]]) -> tuple[list[Result], list[str]]:
    """What came of each, and what went wrong?"""
    failures = [repr(future.exception()) for future in futures if future.exception()]
    return [future.result() for future in futures if not future.exception()], failures


def busy_seconds(hub: Hub) -> float:
    """How long has a core worked for the hub and all that descends from it?"""
    family = [hub.process, *hub.process.children(recursive=True)]
    return sum(sum(one.cpu_times()[:2]) for one in family)


def report(
    count: int,
    times: list[Times],
    failures: list[str],
    chapter: Memory,
    bare: Memory,
    took: float,
    busy: float,
) -> str:
    """What stands in LOAD.md."""
    added = chapter.kernel - bare.kernel
    learner = chapter.server + chapter.kernel
    thirty = 30 * learner / 1000
    cores = len(psutil.Process().cpu_affinity())
    drags = [seconds for one in times for seconds in one.drags]
    return f"""\
# A class at once

Written by `make load`: {count} learners click in the same second on the link to
`{CHAPTER}`, on a real JupyterHub with its proxy, on one machine of {cores}
cores. Each signs in, gets a server, loads JupyterLab, runs every cell through the kernel's web
socket, and drags the Jacobian {DRAGS} times. The browsers' own work is not in it: it is done on the
learners' machines.

| seconds | median | 95th percentile | slowest |
|---|---|---|---|
| click to JupyterLab loaded | {spread([one.server for one in times])} |
| click to the first result (`import torch`, `import seegrad`) | \
{spread([one.first_result for one in times])} |
| click to the whole chapter run | {spread([one.chapter for one in times])} |
| one answer to a drag | {spread(drags, 3)} |

| MB a learner (median) | after the chapter | kernel with `import torch` alone | added |
|---|---|---|---|
| kernel, its share (PSS) | {chapter.kernel:.0f} | {bare.kernel:.0f} | {added:+.0f} |
| kernel, its own (USS) | {chapter.own:.0f} | {bare.own:.0f} | {chapter.own - bare.own:+.0f} |
| kernel, in memory (RSS) | {chapter.resident:.0f} | {bare.resident:.0f} | \
{chapter.resident - bare.resident:+.0f} |
| server, its share (PSS) | {chapter.server:.0f} | {bare.server:.0f} | |

- Learners who came through: {len(times)} of {count}; failures: {len(failures)}.
- All had run the chapter after {took:.0f} s. The hub, the proxy, the servers and the kernels worked
  for {busy:.0f} s of a core: {busy / count:.1f} s a learner.
- A learner with one chapter open takes {learner:.0f} MB; thirty take {thirty:.1f} GB.
- Thirty in the same second keep {cores} cores busy for {30 * busy / count / cores:.0f} s; with
  {30 * busy / count / 60:.1f} cores all would have run the chapter within a minute.
{"".join(f"- failed: {failure}" + chr(10) for failure in failures)}"""


def spread(seconds: list[float], digits: int = 1) -> str:
    """The median, the 95th percentile and the most, as cells of a table."""
    ordered = sorted(seconds)
    late = ordered[math.ceil(0.95 * len(ordered)) - 1]
    return " | ".join(f"{s:.{digits}f}" for s in (statistics.median(ordered), late, ordered[-1]))


if __name__ == "__main__":
    main()
