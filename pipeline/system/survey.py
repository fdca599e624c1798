"""Looks for everything that computes, several probes at once; one that fails says so and hides nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.model.host import HostFacts, ProbeFault, ProbeName
from pipeline.system.adapters import list_adapters
from pipeline.system.amd_probe import probe_amd
from pipeline.system.device_probes import ApiFound, ApiName, probe_api
from pipeline.system.nvidia_probe import probe_nvidia

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.system.process_guard import ProcessGuard

# Without its loader a child need not be started to find that out, where all libraries are known.
_LOADERS: Mapping[ApiName, str] = {
    "vulkan": "libvulkan.so.1",
    "level_zero": "libze_loader.so.1",
    "opencl": "libOpenCL.so.1",
}
_CUDA = "libcuda.so.1"
_NO_METAL = ApiFound(loader=False, devices=(), fault="")


def survey(
    facts: HostFacts, *, env: Mapping[str, str], guard: ProcessGuard | None = None, root: Path = Path("/")
) -> HostFacts:
    """Return the facts with every device in them; never raises for what a probe does.

    Args:
        facts: without devices.
        env: environment of the children, the one that an engine would run in.
        guard: ends children when this process is killed.
        root: of the system's files.
    """

    def api(name: ApiName) -> ApiFound:
        if facts.libraries is not None and _LOADERS[name] not in facts.libraries:
            return ApiFound(loader=False, devices=(), fault="")
        return probe_api(name, env=env, guard=guard)

    with ThreadPoolExecutor(max_workers=len(_LOADERS) + 2) as pool:
        metal_later = pool.submit(probe_api, "metal", env=env, guard=guard) if facts.metal else None
        has_cuda = facts.libraries is None or _CUDA in facts.libraries
        nvidia_later = pool.submit(probe_nvidia, env=env, guard=guard, root=root, has_library=has_cuda)
        vulkan, level_zero, opencl = pool.map(api, _LOADERS)
        amd = probe_amd(root)
        nvidia = nvidia_later.result()
        metal = metal_later.result() if metal_later else _NO_METAL
    said: tuple[tuple[ProbeName, str], ...] = (
        ("nvidia", nvidia.fault),
        ("amd", amd.fault),
        ("vulkan", vulkan.fault),
        ("level-zero", level_zero.fault),
        ("opencl", opencl.fault),
        ("metal", metal.fault),
    )
    return HostFacts.model_validate(
        {
            **facts.model_dump(),
            "adapters": list_adapters(root),
            "nvidia_driver": nvidia.driver,
            "nvidia_gpus": nvidia.gpus,
            "amd_gpus": amd.gpus,
            "vulkan_loader": vulkan.loader,
            "vulkan_devices": vulkan.devices,
            "level_zero_loader": level_zero.loader,
            "level_zero_devices": level_zero.devices,
            "opencl_loader": opencl.loader,
            "opencl_devices": opencl.devices,
            "metal": bool(metal.devices or metal.fault),  # what could not be asked is not known to be absent
            "probe_faults": tuple(ProbeFault(probe=probe, reason=text[:250]) for probe, text in said if text),
        }
    )
