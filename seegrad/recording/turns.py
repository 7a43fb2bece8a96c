"""Which expression of the learner's code is running, and for which time."""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from torch.autograd import Function

from seegrad.recording.calls import Place
from seegrad.recording.source import Site, Span, site, user_frame


class Turns:
    """Counts, for each call of a learner's function that is under way, how often each place ran.

    The frames under way are held, outermost first: a frame that is held cannot be mistaken for a
    later one at the same address.

    ``places`` are all that were found, by number.
    """

    def __init__(self) -> None:
        self.places: list[Place] = []
        self._codes: dict[int, _Code] = {}
        self._under_way: dict[FrameType, _Call] = {}
        self._frame: FrameType | None = None
        self._call = _Call(_Code(None, self.places))

    def next(self, frame: FrameType, function: Callable[..., Any]) -> tuple[int, int]:
        """Where did the learner call ``function``, and for which time? The place by its number.

        ``frame`` is the one that called it, be it the learner's or a library's.
        """
        if frame is self._frame:  # the learner called a function written in C
            called = None
            key = (frame.f_lasti, function, "")
        else:
            called = self._find(frame)
            instruction = -1 if self._frame is None else self._frame.f_lasti
            key = (instruction, function, called.f_code.co_name if called else "")
        call = self._call
        place = call.code.places.get(key) or call.code.new_place(*key)
        turns = call.turns
        if place.direct or called is not call.called:
            turns[place.tally] = turns.get(place.tally, 0) + 1
            if not place.direct:
                call.called = called
        return place.number, turns[place.tally]

    def _find(self, frame: FrameType) -> FrameType | None:
        """Go to the learner's frame, and return the library's that it called, if there is one."""
        users, called = user_frame(frame)
        if users is not self._frame:
            self._enter(users)
        return called

    def _enter(self, frame: FrameType | None) -> None:
        """Count turns for ``frame`` from here on, and no longer for calls that have returned."""
        outer = frame
        while outer is not None and outer not in self._under_way:
            outer = outer.f_back
        while self._under_way and next(reversed(self._under_way)) is not outer:
            self._under_way.popitem()
        self._frame = frame
        if frame is None:
            self._call = _Call(_Code(None, self.places))
        elif frame in self._under_way:
            self._call = self._under_way[frame]
        else:
            # By id, for equal code may stand in different cells; it is held, so ids stay unique.
            code = self._codes.setdefault(id(frame.f_code), _Code(frame.f_code, self.places))
            self._call = self._under_way[frame] = _Call(code)


class _Call:
    """One call of a learner's function: how often each place in it ran.

    ``called`` is the library's frame it called last: however many ops ``net(x)`` runs, they are
    of one turn.
    """

    __slots__ = ("called", "code", "turns")

    def __init__(self, code: _Code):
        self.code = code
        self.turns: dict[int, int] = {}
        self.called: FrameType | None = None


class _Code:
    """A function's code, and the places in it at which something ran; they join ``all_places``.

    A place is found by its instruction, what ran there, and the name of the library's function
    that led to it ("" if none did).
    """

    def __init__(self, code: CodeType | None, all_places: list[Place]):
        self.places: dict[tuple[int, Callable[..., Any], str], Place] = {}
        self._code = code
        self._all_places = all_places
        self._sites: dict[Span | None, Site] = {}
        self._tallies: dict[tuple[Site | None, str], int] = {}

    def new_place(self, instruction: int, function: Callable[..., Any], called: str) -> Place:
        name = name_of(function)
        site = self._site(instruction)
        direct = not called or _is_spelled(function, called)
        # A comparison and the yes-or-no it is asked for stand at one place: the name parts them.
        tally = self._tallies.setdefault((site, name if direct else ""), len(self._tallies))
        place = Place(len(self._all_places), tally, site, function, name, direct)
        self._all_places.append(place)
        self.places[instruction, function, called] = place
        return place

    def _site(self, instruction: int) -> Site | None:
        """One for each stretch of code: an expression may be compiled to several places."""
        if self._code is None:
            return None
        found = site(self._code, instruction)
        return self._sites.setdefault(found.span, found)


def _is_spelled(function: Callable[..., Any], called: str) -> bool:
    """Did the learner call ``function`` itself, by way of the library's function ``called``?

    ``**`` and the reflected operators go through a frame of torch's own, so do the functions
    that torch wrote in Python; what else leads to an op is a module, an optimizer and the like.
    """
    if called == "wrapper":
        return getattr(function, "__module__", "") == "torch.func"
    own = getattr(function, "__name__", "")
    return called in (own, "wrapped") or called.startswith("__torch_function__")


def name_of(function: Callable[..., Any]) -> str:
    """``dot`` for ``torch.dot``; a property's own name (``T``) for its getter.

    A learner's own autograd function is called through its ``apply``, and goes by its class.
    """
    name: str = getattr(function, "__name__", type(function).__name__)
    owner = getattr(function, "__self__", None)
    if name in ("__get__", "__set__"):
        return getattr(owner, "__name__", name)
    if name == "apply" and isinstance(owner, type) and issubclass(owner, Function):
        return owner.__name__
    return name
