"""What this machine is, and what its environment says of its devices."""

from __future__ import annotations

import os
from contextlib import suppress

from pipeline.errors import UsageError

# What drivers' loaders look at when they list devices; Windows' children start with nothing less.
_DEVICE_VARIABLES = (
    "VK_DRIVER_FILES", "VK_ICD_FILENAMES", "VK_ADD_DRIVER_FILES", "OCL_ICD_VENDORS",
    "OCL_ICD_FILENAMES", "XDG_DATA_DIRS", "XDG_CONFIG_DIRS", "XDG_RUNTIME_DIR",
    "SYSTEMROOT", "WINDIR", "PROGRAMDATA", "PROGRAMFILES",
)  # fmt: skip


def device_environment() -> dict[str, str]:
    """Return where drivers' loaders are told to look, for an engine that is checked.

    No folder of libraries is among it: an engine must find its own without.
    """
    return {name: os.environ[name] for name in _DEVICE_VARIABLES if name in os.environ}


def host_platform() -> str:
    """Return this machine's platform, empty where it is none that this project knows."""
    import platform

    from pipeline.names import platform_of

    with suppress(UsageError):
        return platform_of(platform.system(), platform.machine())
    return ""
