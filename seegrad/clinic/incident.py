"""What an error leaves behind to look at: its traceback, the variables there, the recording."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator, Mapping
from functools import cached_property
from sysconfig import get_paths
from types import FrameType, TracebackType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seegrad.clinic.diagnosis import Place
from seegrad.clinic.spelling import as_code, assigned, cell_of, code_at, parsed, source_of
from seegrad.recording import Exit, Op, Recorder, Value
from seegrad.recording.names import Names, name_of, names_in
from seegrad.recording.source import Site, is_library, site

_BACKWARD = torch.autograd.backward.__code__
_GRAD = torch.autograd.grad.__code__
_METHOD = Tensor.backward.__code__
_DEEPCOPY = Tensor.__deepcopy__.__code__


class Witness:
    """What can be asked of a recording about the learner's own words."""

    def __init__(self, watcher: Recorder, names: Names):
        self.watcher = watcher
        self.names = names

    def where(self, at: Site) -> Place:
        """A line of the learner's, in the cell it stands in."""
        text = code_at(at) or at.text
        return Place(cell_of(at.filename), at.line, text)

    def line(self, at: Site, seen_from: Place | None) -> str:
        """``line 3``, with its cell if that is another than one sees it from."""
        place = self.where(at)
        same = seen_from is not None and seen_from.cell == place.cell
        return f"line {place.number}" if same else f"line {place.number} of {place.cell}"

    def of_op(self, op: Op | None) -> Place | None:
        """The line an op stands on."""
        return None if op is None or op.site is None else self.where(op.site)

    def name(self, tensor: object, otherwise: str = "") -> str:
        """What the learner calls a tensor; how it is written, if it has no name."""
        if not isinstance(tensor, Tensor):
            return otherwise
        return self.value_name(self.watcher.value(tensor), otherwise)

    def value_name(self, value: Value, otherwise: str = "", used_by: Op | None = None) -> str:
        """The same for a value."""
        op = value.op
        name = name_of(value, self.names, used_by) or (assigned(op) if op is not None else "")
        return as_code(name) or (op.text if op is not None and op.direct else "") or otherwise


class Incident(Witness):
    """An error that a learner's code raised while it was recorded.

    ``site`` is the learner's own expression that raised, the innermost one.
    """

    def __init__(self, error: BaseException, watcher: Recorder):
        self.error = error
        self.message = str(error)
        self._frames = list(_frames(error.__traceback__))
        self._own = [(frame, at) for frame, at in self._frames if _is_learners(frame)]
        super().__init__(watcher, names_in(self.namespaces()))

    def namespaces(self) -> Iterator[Mapping[str, object]]:
        """The learner's variables where it was raised, the innermost first."""
        for frame, _ in reversed(self._own):
            yield frame.f_locals
            yield frame.f_globals

    @cached_property
    def site(self) -> Site | None:
        """The learner's innermost expression under way."""
        return site(self._own[-1][0].f_code, self._own[-1][1]) if self._own else None

    @property
    def place(self) -> Place | None:
        """The line it stands on."""
        return None if self.site is None else self.where(self.site)

    @property
    def from_torch(self) -> bool:
        """Did PyTorch raise it, or Python on the learner's line? Not so their own ``raise``."""
        if not self._own:
            return False
        innermost = self._frames[-1][0]
        if not _is_learners(innermost):
            return is_library(innermost.f_code.co_filename)
        return self.site is not None and not code_at(self.site).startswith(("raise", "assert"))

    def variable(self, name: str) -> Any:
        """What a name or a dotted path (``self.w``) meant where it was raised; None if nothing."""
        first, *attributes = name.split(".")
        for namespace in self.namespaces():
            if first in namespace:
                found = namespace[first]
                for attribute in attributes:
                    found = getattr(found, attribute, None)
                return found
        return None

    @cached_property
    def _call(self) -> dict[str, Any]:
        """The arguments of the call of ``torch.autograd`` that raised."""
        for frame, _ in reversed(self._frames):
            if frame.f_code in (_BACKWARD, _GRAD):
                return frame.f_locals
        return {}

    @property
    def in_grad(self) -> bool:
        """Was it ``torch.autograd.grad``, not ``backward``?"""
        return "outputs" in self._call

    @property
    def roots(self) -> tuple[Any, ...]:
        """What the backward pass was to start from."""
        roots = self._call.get("outputs" if self.in_grad else "tensors", ())
        if isinstance(roots, Tensor):
            return (roots,)
        return tuple(roots)

    @property
    def inputs(self) -> tuple[Any, ...]:
        """What ``torch.autograd.grad`` was asked for."""
        return tuple(self._call.get("inputs_tuple", ()))

    @property
    def seeds(self) -> tuple[Any, ...]:
        """The upstream gradients that were given."""
        given = self._call.get("grad_outputs" if self.in_grad else "grad_tensors")
        return tuple(given) if isinstance(given, list | tuple) else (given,)

    @property
    def failed(self) -> Op | None:
        """The op that raised, if one did on this line."""
        recording, site = self.watcher.latest, self.site
        op = recording.failed if recording is not None else None
        if op is None or op.site is None or site is None:
            return None
        same = (op.site.filename, op.site.line) == (site.filename, site.line)
        return op if same else None

    @property
    def arguments_of_backward(self) -> tuple[Tensor, Any] | None:
        """The tensor whose ``backward`` raised, and the upstream gradient it was given."""
        for frame, _ in reversed(self._frames):
            if frame.f_code is _METHOD:
                return frame.f_locals["self"], frame.f_locals.get("gradient")
        return None

    @property
    def deepcopied(self) -> Tensor | None:
        """The tensor that could not be copied."""
        for frame, _ in reversed(self._frames):
            if frame.f_code is _DEEPCOPY:
                tensor: Tensor = frame.f_locals["self"]
                return tensor
        return None

    def exit_of(self, number: object, name: str) -> Exit | None:
        """The one recorded read of a tensor that gave this number, or is assigned to ``name``."""
        plain = number.item() if isinstance(number, np.generic) else number
        reads = [read for read in self.watcher.exits if read.site is not None]
        named = [r for r in reads if r.site and code_at(r.site).startswith(f"{name} = ")]
        equal = [r for r in named or reads if r.number is not None and r.number == plain]
        sites = {read.site for read in equal}
        return equal[-1] if len(sites) == 1 or (equal and named) else None

    def assignment(self, name: str) -> Place | None:
        """The line that gives ``name`` its value, if there is only one such line."""
        if self.site is None or not name:
            return None
        try:
            tree = ast.parse(source_of(self.site.filename))
        except SyntaxError:
            return None
        found = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign)
            and name
            in map(ast.unparse, node.targets if isinstance(node, ast.Assign) else [node.target])
        ]
        if len(found) != 1:
            return None
        text = linecache.getline(self.site.filename, found[0].lineno).strip()
        return Place(cell_of(self.site.filename), found[0].lineno, text)

    @property
    def receiver(self) -> str:
        """What stands before the method's dot: ``loss`` in ``loss.backward()``."""
        call = parsed(self.site.text) if self.site is not None else None
        match call:
            case ast.Call(func=ast.Attribute(value=owner)) | ast.Attribute(value=owner):
                return ast.unparse(owner)
        return ""


def _frames(traceback: TracebackType | None) -> Iterator[tuple[FrameType, int]]:
    while traceback is not None:
        yield traceback.tb_frame, traceback.tb_lasti
        traceback = traceback.tb_next


_INSTALLED = tuple(get_paths()[kind] for kind in ("stdlib", "purelib", "platlib"))


def _is_learners(frame: FrameType) -> bool:
    """Is it code of the learner's: no library's, nor what runs the cells?"""
    filename = frame.f_code.co_filename
    installed = is_library(filename) or filename.startswith(_INSTALLED)
    return not installed and bool(linecache.getline(filename, frame.f_lineno))
