"""What came out: the results as data, as a table in Markdown, and beside the targets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.benchmarks.timing import Outcome


@dataclass(frozen=True)
class Results:
    """One run. Times are in seconds; ``layouts`` are (boxes, time)."""

    date: str
    machine: str
    versions: dict[str, str]
    times: dict[str, dict[str, Outcome]]
    layouts: list[tuple[int, float]]
    imports: dict[str, float]


@dataclass(frozen=True)
class Target:
    """What was to be reached, and what was."""

    text: str
    measured: str
    met: bool


def markdown(results: Results) -> str:
    """The whole report."""
    return "\n".join(_lines(results)) + "\n"


def _lines(results: Results) -> Iterator[str]:
    yield "# How fast seegrad is"
    yield ""
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    yield f"Written by `make bench` on {results.date}: {results.machine}; {versions}."
    yield ""
    yield (
        "Processor time, one thread, garbage collection on. The contenders take turns and the "
        "median counts; in brackets, the ratio to the plain forward pass. torchview and torchlens "
        "run the forward pass themselves; structure, graph and make_dot start from its result. "
        "`structure` has the values, `graph` is the finished picture: replayed, folded, laid out "
        "and worded. What the peers make is not laid out."
    )
    yield ""
    yield f"| | {' | '.join(results.times)} |"
    yield f"|---|{'---:|' * len(results.times)}"
    for contender in next(iter(results.times.values())):
        cells = [_cell(column[contender], column["forward"]) for column in results.times.values()]
        yield f"| {contender} | {' | '.join(cells)} |"
    yield ""
    yield "| target | measured | |"
    yield "|---|---|---|"
    for target in _targets(results):
        yield f"| {target.text} | {target.measured} | {'met' if target.met else '**not met**'} |"


def _cell(outcome: Outcome, forward: Outcome) -> str:
    if isinstance(outcome, str) or isinstance(forward, str):
        return str(outcome)
    return f"{_time(outcome)} ({_ratio(outcome / forward)})"


def _time(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} µs"


def _ratio(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:,.0f}"


def _targets(results: Results) -> Iterator[Target]:
    lstm, chain = "LSTM, 100 steps", "chain of 10,000"
    yield _at_most(results, [chain], "seegrad: record", "empty TorchFunctionMode", 2.0)
    yield _at_most(results, [lstm], "seegrad: record and replay", "forward and backward", 3.0)
    # make_dot runs no backward pass and lays nothing out: it is compared with what does the same.
    everywhere = list(results.times)
    yield _at_most(results, everywhere, "seegrad: structure", "torchviz: make_dot", 1.0)
    for (boxes, time), limit in zip(results.layouts, (0.015, 0.150), strict=True):
        text = f"layout of {boxes:,} boxes of an unfolded LSTM in {_time(limit)}"
        yield Target(f"{text} (best of 5 processes)", _time(time), time <= limit)
    ratio = results.imports["seegrad"] / results.imports["torch"]
    yield Target(
        "`import seegrad` at most 1.05 of `import torch`",
        f"{ratio:.3f} ({_time(results.imports['seegrad'])})",
        ratio <= 1.05,
    )


def _at_most(results: Results, works: list[str], ours: str, theirs: str, limit: float) -> Target:
    """A target that is a ratio of two contenders; whoever gives up has lost."""
    measured, met = [], []
    for work in works:
        mine, other = results.times[work][ours], results.times[work][theirs]
        if isinstance(mine, str) or isinstance(other, str):
            measured.append(mine if isinstance(mine, str) else f"theirs: {other}")
            met.append(not isinstance(mine, str))
        else:
            measured.append(_ratio(mine / other))
            met.append(mine / other <= limit)
    where = works[0] if len(works) == 1 else "everywhere"
    text = f"{ours}, at most {limit:g} of {theirs} ({where})"
    return Target(text, "; ".join(measured), all(met))
