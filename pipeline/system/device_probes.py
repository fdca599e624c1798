"""Asks the vendors' libraries about devices, each in a child Python; its answer is distrusted like any other's."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from pydantic import Field

from pipeline.errors import IntegrityError
from pipeline.model.frozen import Frozen
from pipeline.model.host import ApiDevice, NvidiaGpu
from pipeline.model.manifest_document import read_document
from pipeline.system.bounded_child import ask

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.system.process_guard import ProcessGuard

PROBE_SECONDS = 15.0
"""How long a probe may take: drivers that wake a GPU up need some seconds."""

_ANSWER_BYTES = 1 << 16
# Isolated and without site-packages: nothing of the user's runs, and it starts in 20 ms.
_START = "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); runpy.run_module(sys.argv[1], run_name='__main__')"
_ROOT = Path(__file__).resolve().parents[2]

ApiName = Literal["vulkan", "level_zero", "opencl", "metal"]


class _ApiAnswer(Frozen):
    loader: bool
    devices: Annotated[tuple[ApiDevice, ...], Field(max_length=64)]
    fault: str


class _CudaAnswer(Frozen):
    loader: bool
    devices: Annotated[tuple[NvidiaGpu, ...], Field(max_length=64)]
    fault: str


class ApiFound(NamedTuple):
    """What an interface's library said.

    Attributes:
        loader: whether it is there.
        devices: that it lists.
        fault: what could not be found out; empty when all was.
    """

    loader: bool
    devices: tuple[ApiDevice, ...]
    fault: str


class CudaFound(NamedTuple):
    """What CUDA's driver library said; the attributes are those of ``ApiFound``."""

    loader: bool
    devices: tuple[NvidiaGpu, ...]
    fault: str


def probe_api(
    name: ApiName, *, env: Mapping[str, str], guard: ProcessGuard | None = None, seconds: float = PROBE_SECONDS
) -> ApiFound:
    """Return what Vulkan, Level Zero, OpenCL or Metal lists within ``seconds``; never raises."""
    text, fault = _run(name, env, guard, seconds)
    if fault:
        return ApiFound(loader=True, devices=(), fault=fault)  # something was there to crash
    try:
        found = read_document(_ApiAnswer, text.encode(), what="its answer")
    except IntegrityError as error:
        return ApiFound(loader=True, devices=(), fault=error.message[:200])
    return ApiFound(loader=found.loader, devices=found.devices, fault=found.fault[:200])


def probe_cuda(*, env: Mapping[str, str], guard: ProcessGuard | None = None) -> CudaFound:
    """Return the GPUs that CUDA's driver library lists; never raises."""
    text, fault = _run("cuda", env, guard, PROBE_SECONDS)
    if fault:
        return CudaFound(loader=True, devices=(), fault=fault)
    try:
        found = read_document(_CudaAnswer, text.encode(), what="its answer")
    except IntegrityError as error:
        return CudaFound(loader=True, devices=(), fault=error.message[:200])
    return CudaFound(loader=found.loader, devices=found.devices, fault=found.fault[:200])


def _run(name: str, env: Mapping[str, str], guard: ProcessGuard | None, seconds: float) -> tuple[str, str]:
    argv = (sys.executable, "-I", "-S", "-c", _START, str(_ROOT), f"pipeline.system.probes.{name}")
    said = ask(argv, env=env, seconds=seconds, limit_bytes=_ANSWER_BYTES, guard=guard)
    if said.fault:
        return "", said.fault
    if said.exit_code is None or said.exit_code < 0:
        return "", f"its driver crashed (signal {-(said.exit_code or 0)})"
    return (said.text, "") if said.exit_code == 0 else ("", f"it ended with code {said.exit_code}")
