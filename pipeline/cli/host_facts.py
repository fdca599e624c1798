"""Facts about a host: read from a file where one was recorded, and shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import IntegrityError, UsageError
from pipeline.model.host import HostFacts
from pipeline.model.manifest_document import read_document
from pipeline.names import PLATFORMS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.model.host import ApiDevice

_LIMIT_BYTES = 4 << 20


def read_host_facts(path: Path) -> HostFacts:
    """Read facts that ``select --print-host-facts`` wrote, on this machine or another.

    Raises:
        UsageError: the file cannot be read.
        IntegrityError: it is malformed, has an unknown field, or a platform that is none of the contract's.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(_LIMIT_BYTES + 1)
    except OSError as error:
        raise UsageError(
            f"host facts {path} cannot be read: {error.strerror}",
            hint="`select --print-host-facts` writes such a file on the machine that it is about",
        ) from error
    if len(data) > _LIMIT_BYTES:
        raise IntegrityError(f"host facts {path} have more than {_LIMIT_BYTES} bytes")
    facts = read_document(HostFacts, data, what=f"host facts {path}")
    if facts.platform not in PLATFORMS:
        raise IntegrityError(
            f"host facts {path}: platform: {facts.platform!r} is none of {', '.join(PLATFORMS)}",
            hint="correct it; docs/contract.md has the names",
        )
    return facts


def describe(facts: HostFacts) -> Iterator[tuple[str, str]]:
    """Yield what matters for a choice: what was looked at, and what was found."""
    yield "system", f"{facts.system} ({facts.platform})"
    for what, version in (("glibc", facts.glibc), ("macOS", facts.macos), ("Windows", facts.windows)):
        if version:
            yield what, version
    yield from describe_devices(facts)
    for fault in facts.probe_faults:
        yield f"{fault.probe} probe", f"failed: {fault.reason}"


def describe_devices(facts: HostFacts) -> Iterator[tuple[str, str]]:
    """Yield what computes beside the processor; what could not be found out is not said here."""
    yield "GPUs", ", ".join(facts.gpus()) or "none found"
    if facts.nvidia_driver:
        served = (f"{gpu.name} (compute capability {gpu.compute_capability})" for gpu in facts.nvidia_gpus)
        yield "NVIDIA driver", f"{facts.nvidia_driver}: {', '.join(served) or 'no GPU'}"
    if facts.amd_gpus:
        yield "AMD compute", ", ".join(gpu.gfx for gpu in facts.amd_gpus)
    yield "Vulkan", _api(facts.vulkan_devices, there=facts.vulkan_loader)
    yield "Level Zero", _api(facts.level_zero_devices, there=facts.level_zero_loader)
    yield "OpenCL", _api(facts.opencl_devices, there=facts.opencl_loader)


def _api(devices: tuple[ApiDevice, ...], *, there: bool) -> str:
    if not there:
        return "no loader"
    return ", ".join(f"{device.name} ({device.kind})" for device in devices) or "a loader, and no device"
