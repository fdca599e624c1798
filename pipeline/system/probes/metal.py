"""Asks whether Metal has a device: a Mac in a virtual machine need not have one.

``MTLCreateSystemDefaultDevice`` finds one only where Core Graphics is loaded too (Apple's documentation of it).
"""

from __future__ import annotations

import ctypes

from pipeline.system.probes.answering import Device, answer, load

_FRAMEWORKS = "/System/Library/Frameworks"


def list_devices() -> list[Device] | None:
    """Return the default device, None without Metal."""
    load((f"{_FRAMEWORKS}/CoreGraphics.framework/CoreGraphics", "libCoreGraphics.so"))
    metal = load((f"{_FRAMEWORKS}/Metal.framework/Metal", "libMetal.so"))
    if metal is None:
        return None
    create = metal.MTLCreateSystemDefaultDevice
    create.restype = ctypes.c_void_p
    return [Device(name="Apple GPU", kind="integrated")] if create() else []


if __name__ == "__main__":
    answer(list_devices)
