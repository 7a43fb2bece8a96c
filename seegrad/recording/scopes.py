"""Which module's ``forward`` is running: the path that an op is filed under."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import Any

from torch.nn import Module
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)

Scope = tuple[str, ...]
"""Names of modules, outermost first: ``("TransformerEncoder", "layers.0", "self_attn")``."""


class Scopes:
    """Follows the modules of one thread in and out of their ``forward``.

    The outermost module goes by its class, each other by its path from the one it runs in; one
    that is no part of that goes by its class too.

    >>> import torch
    >>> scopes = Scopes()
    >>> net = torch.nn.Sequential(torch.nn.ReLU())
    >>> _ = net[0].register_forward_pre_hook(lambda *_: print(scopes.current))
    >>> with scopes.followed():
    ...     y = net(torch.ones(2))
    ('Sequential', '0')
    """

    def __init__(self) -> None:
        self.current: Scope = ()
        self._running: list[_Running] = []
        self._met: dict[Scope, Scope] = {}
        self._thread = 0

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Follow every module of this thread while the block runs."""
        self._thread = get_ident()
        enter = register_module_forward_pre_hook(self._enter)
        leave = register_module_forward_hook(self._leave, always_call=True)
        try:
            yield
        finally:
            enter.remove()
            leave.remove()
            self._running.clear()
            self._met.clear()
            self.current = ()

    def _enter(self, module: Module, _: Any) -> None:
        if get_ident() == self._thread:
            name = self._running[-1].name(module) if self._running else type(module).__name__
            self._running.append(_Running(module, self.current))
            scope = (*self.current, name)
            self.current = self._met.setdefault(scope, scope)

    def _leave(self, module: Module, *_: Any) -> None:
        # A hook of the learner's may have raised before ``_enter`` was called.
        if get_ident() == self._thread and self._running and self._running[-1].module is module:
            self.current = self._running.pop().outside


class _Running:
    """One module while it runs, and what its parts are called."""

    __slots__ = ("_names", "module", "outside")

    def __init__(self, module: Module, outside: Scope):
        self.module = module
        self.outside = outside
        self._names: dict[int, str] | None = None

    def name(self, part: Module) -> str:
        if self._names is None:
            self._names = {id(module): path for path, module in self.module.named_modules()}
        return self._names.get(id(part)) or type(part).__name__
