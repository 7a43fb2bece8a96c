"""``seegrad.ledger(x)``: what ``x.grad`` is the sum of, one contribution a backward call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import traitlets
from matplotlib.figure import Figure
from torch import Tensor

from seegrad import formatting
from seegrad.accumulation import Account, Entry
from seegrad.backward import require_gradient
from seegrad.errors import InputError
from seegrad.recording import unrecorded
from seegrad.recording.names import Names, names_in_reach
from seegrad.recording.snapshot import COMPLETE
from seegrad.widgets.common import GRADIENT_INK, QUIET_INK, TEXT_INK, Picture, script, style

MOST_BARS = 16
"""So many elements of x get a bar; the text has more."""


class Ledger(Picture):
    """The widget that ``seegrad.ledger`` returns.

    ``page`` is what it shows. The page sets ``press``; what is pressed happens to a copy of x.
    """

    _esm = script("ledger")
    _css = style("ledger")

    page = traitlets.Dict().tag(sync=True)
    press = traitlets.Dict().tag(sync=True)

    def __init__(self, account: Account | None = None, **traits: Any):
        self._account = account
        super().__init__(title=f"ledger({account.name if account else 'x'})", **traits)
        self._show()

    def try_(self, action: str) -> None:
        """Do what a button does: "backward", "zero", "forget" or "reset"."""
        if self._account is None:
            return
        act = {
            "backward": self._account.backward,
            "zero": self._account.zero,
            "forget": self._account.forget,
            "reset": self._account.reset,
        }[action]
        try:
            act()
            self.remark = ""
        except InputError as problem:
            self.remark = str(problem)
        self._show()

    def figure(self) -> Figure:
        """The stacked contributions, as a matplotlib figure."""
        return super().figure() if self._account is None else _figure(self._account)

    @traitlets.observe("press")
    def _pressed(self, change: dict[str, Any]) -> None:
        self.try_(change["new"]["action"])

    def _show(self) -> None:
        if self._account is None:
            return
        with self.hold_trait_notifications():
            self.page = _page(self._account)
            self.text = "\n".join(_lines(self._account))
            self.alt = self.text
            self.listing = "\n".join(_listing(self._account)) + "\n"
            self.still = self._png() if self.face == "still" else ""


@unrecorded
def ledger(x: Tensor) -> Ledger:
    """Show what ``x.grad`` is the sum of: a backward call adds, it does not replace.

    The calls that ran since ``%load_ext seegrad`` are entries. The buttons try more of them on a
    copy of x: your own ``x.grad`` stays as it is.

    Parameters
    ----------
    x: a leaf that requires a gradient.

    A wrong input raises nothing: the widget says what was wrong and what to do.

    >>> import torch, seegrad
    >>> with seegrad.record():
    ...     x = torch.arange(4.0, requires_grad=True)
    ...     y = torch.dot(x, x)
    ...     y.backward()
    >>> picture = seegrad.ledger(x)
    >>> picture.try_("backward")
    >>> picture
    ledger of x.grad, shape (4,)
      0. before any backward: None
      1. y.backward() from torch.dot(x, x) adds [0, 2, 4, 6]: x.grad is [0, 2, 4, 6]
      2. y.backward() from torch.dot(x, x) adds [0, 2, 4, 6]: x.grad is [0, 4, 8, 12] (a copy)
    x.grad is the sum of what entries 1 and 2 brought.
    """
    names = names_in_reach()
    try:
        require_gradient(x)
        _require_leaf(x, names)
    except InputError as problem:
        return Ledger(problem=str(problem), alt=str(problem))
    return Ledger(Account(x, names))


def _require_leaf(x: Tensor, names: Names) -> None:
    if x.is_leaf:
        return
    name = names.get(id(x), "this tensor")
    raise InputError(
        f"{name} was computed, so PyTorch keeps no .grad for it: only leaves accumulate. "
        "Give ledger the tensor you set requires_grad=True on."
    )


def _page(account: Account) -> dict[str, Any]:
    parts = account.parts
    return {
        "name": account.name,
        "rows": [_row(number, entry) for number, entry in enumerate(account.entries, 1)],
        "parts": [number for number, _ in parts],
        "bars": list(_bars(account)),
        "hidden": max(0, account.shape.numel() - MOST_BARS),
        "grad": _text(account.grad),
        "summary": _summary(account),
        "actions": [
            {"action": "backward", "label": account.call, "ready": account.gradient is not None},
            {
                "action": "zero",
                "label": f"{account.name}.grad.zero_()",
                "ready": account.grad is not None,
            },
            {
                "action": "forget",
                "label": f"{account.name}.grad = None",
                "ready": account.grad is not None,
            },
            {
                "action": "reset",
                "label": "start over",
                "ready": any(e.tried for e in account.entries),
            },
        ],
    }


def _row(number: int, entry: Entry) -> dict[str, Any]:
    return {
        "number": number,
        "code": entry.code,
        "root": entry.root,
        "added": "" if entry.added is None else _text(entry.added),
        "after": _text(entry.after),
        "exact": "None" if entry.after is None else formatting.exact(entry.after),
        "tried": entry.tried,
    }


def _bars(account: Account) -> Iterator[dict[str, Any]]:
    """For each element of x: what each contribution brought, and what ``.grad`` holds."""
    grad = account.grad
    if grad is None:
        return
    columns = [(number, part.flatten()[:MOST_BARS].tolist()) for number, part in account.parts]
    for index, total in enumerate(grad.flatten()[:MOST_BARS].tolist()):
        yield {
            "name": _element(account.name, index, grad.shape),
            "total": total,
            "text": formatting.number(total),
            "parts": [
                {"number": n, "value": v[index], "text": formatting.number(v[index])}
                for n, v in columns
            ],
        }


def _element(name: str, index: int, shape: tuple[int, ...]) -> str:
    place = []
    for size in reversed(shape):
        index, within = divmod(index, size)
        place.append(str(within))
    return f"{name}[{', '.join(reversed(place))}]" if place else name


def _text(gradient: Tensor | None) -> str:
    return "None" if gradient is None else formatting.array(gradient)


def _summary(account: Account) -> str:
    """One sentence on what ``.grad`` is now."""
    name, numbers = account.name, [str(number) for number, _ in account.parts]
    if account.grad is None:
        return f"{name}.grad is None: no backward call has reached {name} since."
    if not numbers:
        return f"{name}.grad is all zeros: the memory is there, and nothing is in it."
    if len(numbers) == 1:
        return f"{name}.grad is what entry {numbers[0]} brought, and nothing else."
    listed = f"{', '.join(numbers[:-1])} and {numbers[-1]}"
    return f"{name}.grad is the sum of what entries {listed} brought."


def _lines(account: Account) -> Iterator[str]:
    name = account.name
    yield f"ledger of {name}.grad, shape {formatting.shape(account.shape)}"
    yield "  0. before any backward: None"
    for number, entry in enumerate(account.entries, 1):
        origin = f" from {entry.root}" if entry.root else ""
        brought = f"{origin} adds {_text(entry.added)}" if entry.added is not None else ""
        tried = " (a copy)" if entry.tried else ""
        yield f"  {number}. {entry.code}{brought}: {name}.grad is {_text(entry.after)}{tried}"
    yield _summary(account)


def _listing(account: Account) -> Iterator[str]:
    """Plain PyTorch for the account: a leaf's own ``backward(g)`` adds g to its ``.grad``."""
    name = account.name.replace(".", "_")
    yield "import torch"
    yield "from torch import tensor"
    yield ""
    yield f"{name} = torch.zeros({tuple(account.shape)}, requires_grad=True)"
    for entry in account.entries:
        if entry.kind == "backward" and entry.added is not None:
            brought = formatting.exact(entry.added, limit=COMPLETE)
            yield f"{name}.backward({brought})  # what {entry.code} brings to {name}"
        elif entry.kind == "zeroed":
            yield f"{name}.grad.zero_()"
        elif entry.after is None:
            yield f"{name}.grad = None"
        else:
            yield f"{name}.grad = {formatting.exact(entry.after, limit=COMPLETE)}"
    yield f"print({name}.grad)"


def _figure(account: Account) -> Figure:
    """A bar for each element of x, a block in it for each contribution."""
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.add_subplot()
    bars = list(_bars(account))
    names = [bar["name"] for bar in bars]
    above, below = [0.0] * len(bars), [0.0] * len(bars)
    for place, number in enumerate(n for n, _ in account.parts):
        values = [bar["parts"][place]["value"] for bar in bars]
        starts = [a if v >= 0 else b for v, a, b in zip(values, above, below, strict=True)]
        axes.bar(
            names, values, bottom=starts, width=0.6, color=GRADIENT_INK, edgecolor="white",
            linewidth=1.5, alpha=1.0 if place % 2 == 0 else 0.62, label=f"entry {number}",
        )  # fmt: skip
        above = [a + max(v, 0.0) for a, v in zip(above, values, strict=True)]
        below = [b + min(v, 0.0) for b, v in zip(below, values, strict=True)]
    axes.axhline(0, color=QUIET_INK, linewidth=0.8)
    for index, bar in enumerate(bars):
        top = above[index] if bar["total"] >= 0 else below[index]
        axes.annotate(
            bar["text"], (index, top), xytext=(0, 4 if bar["total"] >= 0 else -12),
            textcoords="offset points", ha="center", color=TEXT_INK,
        )  # fmt: skip
    axes.margins(y=0.15)
    axes.set_title(_summary(account), fontsize=10, color=TEXT_INK)
    axes.spines[["top", "right"]].set_visible(False)
    if account.parts:
        axes.legend(frameon=False)
    return figure
