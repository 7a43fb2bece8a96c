"""What went wrong with a learner's input, said so that it can be mended."""

from __future__ import annotations


class InputError(ValueError):
    """An argument that cannot be used. Its text says what was wrong and what to do.

    A widget shows the text in place of its picture; a plain function raises it.
    """


class FreedError(InputError):
    """The graph is there, but an earlier ``backward()`` freed what it needs to run again."""

    def __init__(self) -> None:
        super().__init__(
            "An earlier backward() freed what this graph had saved, so its pass cannot run again. "
            "Run the forward cell once more, or call backward(retain_graph=True)."
        )
