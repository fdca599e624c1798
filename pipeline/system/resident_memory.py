"""How much memory a running program has had resident."""

from __future__ import annotations

import platform
import re
import subprocess
from pathlib import Path

_PROC = Path("/proc")
_PS = "/bin/ps"
_PS_SECONDS = 5.0
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


def peak_resident_bytes(pid: int) -> int | None:
    """Return the most bytes that a process has had resident, and those of its children that still run.

    Linux counts for each process since it started (``VmHWM``, proc(5)), and pages that processes share are in each of
    their numbers. macOS tells only what is resident now (``ps -o rss``, kilobytes). None where neither can be asked.
    """
    if platform.system() == "Darwin":
        return _resident_now(pid)
    peaks = [peak for member in _family(pid) if (peak := _peak(member)) is not None]
    return sum(peaks) if peaks else None


def _family(pid: int) -> list[int]:
    """Return a process and all below it, as far as the kernel lists them."""
    found = [pid]
    for parent in found:
        for listed in _PROC.glob(f"{parent}/task/*/children"):
            try:
                found += [int(child) for child in listed.read_text().split()]
            except OSError:  # it has just ended
                continue
    return found


def _peak(pid: int) -> int | None:
    try:
        found = _PEAK.search((_PROC / str(pid) / "status").read_text())
    except OSError:  # it has just ended, or there is no /proc
        return None
    return int(found[1]) << 10 if found else None


def _resident_now(pid: int) -> int | None:
    command = (_PS, "-o", "rss=", "-p", str(pid))
    try:
        said = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_PS_SECONDS, check=False
        )
        return int(said.stdout) << 10
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
