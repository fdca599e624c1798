"""How a switch between kept generations is wanted; the quick way and the long one read the same."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from pipeline.deploy.health import HealthWish

if TYPE_CHECKING:
    from collections.abc import Mapping

_NO_PINS: Mapping[str, str] = MappingProxyType({})


class Switching(NamedTuple):
    """What goes with a switch.

    Attributes:
        health: how what is switched to is checked before it becomes current.
        pins: engine to the version that the project file holds it at.
        pin: hold the engine at that version from now on.
        unpin: let the engine go first.
        dry_run: check everything and tell; pin, let go and switch nothing.
    """

    health: HealthWish = HealthWish()
    pins: Mapping[str, str] = _NO_PINS
    pin: bool = False
    unpin: bool = False
    dry_run: bool = False
