"""AMD's GPUs as the kernel's compute driver (amdkfd) lists them in sysfs; no program is needed."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from pipeline.model.host import MAX_DEVICES, AmdGpu

_NODES = "sys/class/kfd/kfd/topology/nodes"
_DEVICE = "dev/kfd"
_FILE_BYTES = 1 << 14
_LOCAL_HEAPS = {1, 2}  # HSA_MEM_HEAP_TYPE_FB_PUBLIC and _PRIVATE: a GPU's own memory
_LINE = re.compile(r"([a-z_0-9]{1,40}) (\d{1,20})")


class AmdFound(NamedTuple):
    """What is known of AMD's GPUs.

    Attributes:
        gpus: that the compute driver serves.
        fault: why they cannot be used or were not read; empty when all is well.
    """

    gpus: tuple[AmdGpu, ...] = ()
    fault: str = ""


def parse_properties(text: str) -> dict[str, int]:
    """Read a ``properties`` file of amdkfd's topology: lines of a name and a decimal number."""
    matches = (_LINE.fullmatch(line.strip()) for line in text.splitlines())
    return {match[1]: int(match[2]) for match in matches if match}


def gfx_name(target_version: int) -> str | None:
    """Return LLVM's name for ``gfx_target_version``, None for 0 (a processor) and for what is no such number.

    The number is major * 10000 + minor * 100 + stepping; the last two are one hexadecimal digit each in the name:
    90010 is gfx90a, 110000 is gfx1100 (Linux, drivers/gpu/drm/amd/amdkfd/kfd_device.c).
    """
    major, minor, stepping = target_version // 10000, target_version // 100 % 100, target_version % 100
    if not 0 < major < 100 or minor > 15 or stepping > 15:
        return None
    return f"gfx{major}{minor:x}{stepping:x}"


def probe_amd(root: Path = Path("/")) -> AmdFound:
    """Return what is known of AMD's GPUs; never raises.

    Args:
        root: of the system's files.
    """
    try:
        nodes = sorted((root / _NODES).iterdir(), key=lambda path: (len(path.name), path.name))
    except OSError:
        return AmdFound()
    gpus, faults = [], []
    for node in nodes[: 4 * MAX_DEVICES]:
        text = _read(node / "properties")
        if text is None:
            faults.append(f"{node.name} of {_NODES} cannot be read")
            continue
        if gfx := gfx_name(parse_properties(text).get("gfx_target_version", 0)):
            gpus.append(AmdGpu(gfx=gfx, memory_bytes=_memory_of(node)))
    if gpus and not os.access(root / _DEVICE, os.R_OK | os.W_OK):
        faults.append(f"/{_DEVICE} cannot be opened: this user must be in its group (render), a container be given it")
    return AmdFound(tuple(gpus[:MAX_DEVICES]), "; ".join(faults)[:200])


def _memory_of(node: Path) -> int:
    banks = (parse_properties(_read(bank / "properties") or "") for bank in sorted(node.glob("mem_banks/*"))[:16])
    return sum(bank.get("size_in_bytes", 0) for bank in banks if bank.get("heap_type") in _LOCAL_HEAPS)


def _read(path: Path) -> str | None:
    try:
        with path.open(encoding="ascii", errors="replace") as stream:
            return stream.read(_FILE_BYTES)
    except OSError:
        return None
