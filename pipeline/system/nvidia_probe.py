"""NVIDIA's driver and GPUs: by nvidia-smi, by CUDA's own library where that is missing, the version also from /proc."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipeline.model.host import MAX_DEVICES, NvidiaGpu
from pipeline.system.bounded_child import ask
from pipeline.system.device_probes import PROBE_SECONDS, CudaFound, probe_cuda

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.system.process_guard import ProcessGuard

_OUTPUT_BYTES = 1 << 16
_PROC_VERSION = "proc/driver/nvidia/version"
# WSL puts the tool where no PATH of a service looks; Windows where its driver is.
_PLACES = ("/usr/bin", "/usr/lib/wsl/lib", r"C:\Windows\System32")
_FIELDS = ("driver_version", "memory.total", "compute_cap", "name")  # the name last: nothing says it has no comma
_VERSION = re.compile(r"\d{2,4}(?:\.\d{1,4}){1,2}")
_CAPABILITY = re.compile(r"\d{1,3}\.\d")
_UNKNOWN_FIELD = "is not a valid field to query"  # drivers before 495 do not know compute_cap
_MEBIBYTE = 1 << 20


class NvidiaFound(NamedTuple):
    """What is known of NVIDIA's GPUs.

    Attributes:
        driver: its version, None where there is none.
        gpus: that it serves.
        fault: what could not be found out; empty when all was.
    """

    driver: str | None = None
    gpus: tuple[NvidiaGpu, ...] = ()
    fault: str = ""


def parse_smi(text: str) -> NvidiaFound:
    """Read ``nvidia-smi --query-gpu=driver_version,memory.total,compute_cap,name --format=csv,noheader,nounits``.

    Lines that are none of a GPU (warnings about its memory stand among them) are passed over. A value that the driver
    does not have is in square brackets: ``[N/A]``.
    """
    driver, gpus = None, []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",", len(_FIELDS) - 1)]
        if len(cells) != len(_FIELDS) or not _VERSION.fullmatch(cells[0]) or not cells[3]:
            continue
        driver = driver or cells[0]
        memory = int(cells[1]) * _MEBIBYTE if re.fullmatch(r"\d{1,9}", cells[1]) else 0
        capability = cells[2] if _CAPABILITY.fullmatch(cells[2]) else None
        name = "".join(c for c in cells[3] if c.isprintable())[:200]
        gpus.append(NvidiaGpu(name=name, compute_capability=capability, memory_bytes=memory))
    return NvidiaFound(driver, tuple(gpus[:MAX_DEVICES]))


def parse_proc_version(text: str) -> str | None:
    """Read ``/proc/driver/nvidia/version``: the line ``NVRM version: NVIDIA UNIX ... Kernel Module ... <version>``."""
    line = next((line for line in text.splitlines() if line.startswith("NVRM version:")), "")
    found = re.search(rf"\s({_VERSION.pattern})(?=\s)", f"{line} ")
    return found[1] if found else None


def probe_nvidia(
    *, env: Mapping[str, str], guard: ProcessGuard | None = None, root: Path = Path("/"), has_library: bool = True
) -> NvidiaFound:
    """Return what is known of NVIDIA's driver and GPUs; never raises.

    Args:
        env: for the children; PATH says where nvidia-smi is.
        guard: ends children when this process is killed.
        root: of the system's files.
        has_library: False where it is known that CUDA's library is not there.
    """
    kernel = _kernel_version(root)
    program = shutil.which("nvidia-smi", path=os.pathsep.join((env.get("PATH", ""), *_PLACES)))
    found = _ask_smi(program, env, guard) if program else NvidiaFound()
    if found.gpus:
        return found
    by_library = probe_cuda(env=env, guard=guard) if has_library else CudaFound(loader=False, devices=(), fault="")
    if by_library.devices:
        return NvidiaFound(found.driver or kernel, by_library.devices)
    fault = found.fault or by_library.fault
    if kernel and not fault:
        fault = f"driver {kernel} is loaded, but neither nvidia-smi nor CUDA's library lists a GPU"
    return NvidiaFound(found.driver or kernel, (), fault)


def _ask_smi(program: str, env: Mapping[str, str], guard: ProcessGuard | None) -> NvidiaFound:
    for fields in (_FIELDS, tuple("index" if field == "compute_cap" else field for field in _FIELDS)):
        argv = (program, f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits")
        said = ask(argv, env=env, seconds=PROBE_SECONDS, limit_bytes=_OUTPUT_BYTES, guard=guard)
        if said.fault:
            return NvidiaFound(fault=f"nvidia-smi: {said.fault}")
        if _UNKNOWN_FIELD in said.text:
            continue
        found = parse_smi(said.text)
        if found.gpus:
            return found
        words = "".join(c if c.isprintable() else " " for c in said.text).strip()[:120] or "nothing"
        return NvidiaFound(fault=f"nvidia-smi ended with code {said.exit_code} and said: {words}")
    return NvidiaFound(fault="nvidia-smi knows none of the fields that it was asked for")


def _kernel_version(root: Path) -> str | None:
    try:
        with (root / _PROC_VERSION).open(encoding="utf-8", errors="replace") as stream:
            return parse_proc_version(stream.read(_OUTPUT_BYTES))
    except OSError:
        return None
