"""What benchmarks ran on: the machine, and the versions of everything that they compare with."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

_VERSION_ARGUMENTS = {"openssl": "version", "unzip": "-v", "nginx": "-v"}
_ASK_SECONDS = 20


def machine() -> dict[str, Any]:
    """Return what the machine is, without its name."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": _processor(),
        "cores": cores,
        "memory_gib": round(memory / (1 << 30), 1),
        "system": _system(),
        "kernel": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
    }


def load() -> float:
    """Return how many processes have wanted the processor in the last minute."""
    return round(os.getloadavg()[0], 1)


def find(name: str) -> str | None:
    """Return where a program is: in the environment that this runs in, or on the path."""
    beside = shutil.which(name, path=str(Path(sys.executable).parent))
    return beside or shutil.which(name)


def versions(names: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """Return the versions that programs say they are, and the names of those that are not there."""
    found, missing = {}, []
    for name in sorted(set(names)):
        place = find(name)
        if place is None:
            missing.append(name)
        else:
            found[name] = _said_version(name, place)
    return found, missing


def commit(project: Path) -> str:
    """Return the checkout's commit, with a word about changes; nothing where git does not know it."""
    head = _output(["git", "-C", str(project), "rev-parse", "--short=12", "HEAD"])
    changed = _output(["git", "-C", str(project), "status", "--porcelain", "--untracked-files=no", "--", ":!docs"])
    return f"{head} with changes" if head and changed else head


def _said_version(name: str, place: str) -> str:
    said = _output([place, _VERSION_ARGUMENTS.get(name, "--version")])
    number = re.search(r"\d+(?:\.\d+)+[a-z]?", said)
    return number[0] if number else "of an unknown version"


def _output(argv: list[str]) -> str:
    try:
        done = subprocess.run(
            argv,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_ASK_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return f"{platform.system()} {platform.mac_ver()[0] or platform.version()}"
