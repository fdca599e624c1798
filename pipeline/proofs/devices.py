"""Reads compute devices out of what ggml's programs print."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# ggml/src/ggml-backend-reg.cpp, load_backend: "%s: loaded %s backend from %s"
_LOADED = re.compile(r"load_backend: loaded (\S+) backend from ")
# common/arg.cpp, --list-devices: "  %s: %s (%zu MiB, %zu MiB free)" below "Available devices:"
_LISTED = re.compile(r"^\s+([A-Za-z]+\d*): (.+)$")


def read_devices(lines: Iterable[str]) -> tuple[str, ...]:
    """Return the backends that were loaded and the devices that were listed, each once, in order.

    A CPU backend is no "device" to ggml's list, so it shows by having been loaded.
    """
    found: dict[str, None] = {}
    listing = False
    for line in lines:
        loaded = _LOADED.search(line)
        if loaded:
            found[loaded[1]] = None
        listing = listing or line.startswith("Available devices:")
        listed = _LISTED.match(line) if listing else None
        if listed:
            found[f"{listed[1]}: {listed[2]}"] = None
    return tuple(found)
