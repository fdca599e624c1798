"""GPUs on a bus, from the operating system's own lists: there whether or not any driver serves them."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pipeline.model.host import MAX_DEVICES, Adapter

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEVICES = "sys/bus/pci/devices"
_VENDORS: dict[str, Literal["nvidia", "amd", "intel"]] = {"10de": "nvidia", "1002": "amd", "8086": "intel"}
_DISPLAY_CLASS = "03"  # PCI Code and ID Assignment Specification: display controllers
_PROCESSING_CLASS = "12"  # processing accelerators: AMD's Instinct; Intel's NPUs as well, which are no GPUs
# Windows' class of display adapters, one numbered key each.
_WINDOWS_KEY = r"SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}"
_WINDOWS_ID = re.compile(r"pci\\ven_([0-9a-f]{4})&dev_([0-9a-f]{4})", re.IGNORECASE)


def list_adapters(root: Path = Path("/")) -> tuple[Adapter, ...]:
    """Return the GPUs of NVIDIA, AMD and Intel on the PCI bus; none where the system has no such list.

    Args:
        root: of the system's files.
    """
    found = _windows() if sys.platform == "win32" else _linux(root)
    return tuple(found)[:MAX_DEVICES]


def parse_windows_id(text: str, name: str) -> Adapter | None:
    r"""Read a ``MatchingDeviceId`` (``pci\ven_10de&dev_2684&...``) with the adapter's name."""
    match = _WINDOWS_ID.match(text)
    vendor = _VENDORS.get(match[1].lower()) if match else None
    return Adapter(vendor=vendor, name="".join(c for c in name if c.isprintable())[:200]) if vendor else None


def _linux(root: Path) -> Iterator[Adapter]:
    try:
        folders = sorted((root / _DEVICES).iterdir())
    except OSError:
        return
    for folder in folders:
        kind, vendor, device = (_number(folder / name) for name in ("class", "vendor", "device"))
        named = _VENDORS.get(vendor)
        is_display = kind.startswith(_DISPLAY_CLASS) or (kind.startswith(_PROCESSING_CLASS) and named == "amd")
        if named and is_display:
            yield Adapter(vendor=named, name=f"{vendor}:{device}")


def _number(path: Path) -> str:
    """Return the digits of a file such as ``0x030000``."""
    try:
        with path.open(encoding="ascii") as stream:
            match = re.fullmatch(r"0x([0-9a-f]{4,8})\s*", stream.read(16))
    except (OSError, ValueError):
        return ""
    return match[1] if match else ""


def _windows() -> Iterator[Adapter]:
    if sys.platform != "win32":
        return
    import winreg  # noqa: PLC0415 - only Windows has it

    with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, _WINDOWS_KEY) as folder:
        for number in range(MAX_DEVICES):
            try:
                with winreg.OpenKey(folder, f"{number:04}") as key:
                    texts = [str(winreg.QueryValueEx(key, name)[0]) for name in ("MatchingDeviceId", "DriverDesc")]
            except OSError:
                continue
            if adapter := parse_windows_id(*texts):
                yield adapter
