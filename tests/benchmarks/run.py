"""``python -m tests.benchmarks.run [--write]``: run all, print the table, keep the numbers."""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch

from tests.benchmarks.report import write
from tests.benchmarks.table import Results, markdown
from tests.benchmarks.timing import import_times, layout_times, race
from tests.benchmarks.workloads import workloads

HERE = Path(__file__).parent
PACKAGES = ("torch", "seegrad", "torchviz", "torchview", "torchlens")


def main() -> None:
    """Run the benchmark; with ``--write`` its table becomes a section of RESULTS.md."""
    torch.set_num_threads(1)
    times = {}
    for work in workloads():
        print(f"seegrad: timing {work.name}", file=sys.stderr)
        times[work.name] = race(work)
    print("seegrad: timing layout and import", file=sys.stderr)
    results = Results(
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        machine=f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        versions={"Python": platform.python_version()} | {name: version(name) for name in PACKAGES},
        times=times,
        layouts=[layout_times(100), layout_times(715)],
        imports=import_times(),
    )
    (HERE / "results.json").write_text(json.dumps(asdict(results), indent=1) + "\n")
    report = markdown(results)
    if "--write" in sys.argv[1:]:
        write("time", report)
    print(report, end="")


if __name__ == "__main__":
    main()
