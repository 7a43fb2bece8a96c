"""Every op that has a rule, by its one name: the families' tables in one."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from seegrad.rules import (
    activations,
    arithmetic,
    choices,
    class_losses,
    elementwise,
    layers,
    losses,
    matrices,
    norms,
    places,
    powers,
    shapes,
    stops,
    sums,
)
from seegrad.rules.local import Function

RULES: Mapping[str, Function] = MappingProxyType(
    elementwise.RULES
    | activations.RULES
    | arithmetic.RULES
    | powers.RULES
    | sums.RULES
    | norms.RULES
    | choices.RULES
    | shapes.RULES
    | places.RULES
    | stops.RULES
    | matrices.RULES
    | layers.RULES
    | losses.RULES
    | class_losses.RULES
)
