"""NVIDIA GPUs through CUDA: what the driver must be, and which GPUs a build has code for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from pipeline.accelerators.cpu import required_features
from pipeline.accelerators.interface import AcceleratorKind, example_host, example_recipe, unseen
from pipeline.model.host import Adapter, HostFacts, NvidiaGpu
from pipeline.names import accel_version, version_key

if TYPE_CHECKING:
    from pipeline.model.manifest import Requires


class _Floor(NamedTuple):
    """What a CUDA major version needs: the lowest driver, and the lowest compute capability that builds cover."""

    linux_driver: str
    windows_driver: str
    capability: str

    def driver(self, platform: str) -> str:
        """Return the lowest driver on a platform."""
        return self.windows_driver if platform.startswith("windows-") else self.linux_driver


# Drivers: NVIDIA, "CUDA Compatibility", table of minor version compatibility; for Windows the CUDA release notes (11.1,
# 12.0), and for 13 the first driver of branch R580, since the notes name none for Windows any more. Capabilities:
# upstream builds with CUDA before 13 cover sm_50 and later, CUDA 13 dropped everything before Turing (sm_75).
_FLOORS = {
    11: _Floor("450.80.02", "452.39", "5.0"),
    12: _Floor("525", "527.41", "5.0"),
    13: _Floor("580", "580.88", "7.5"),
}
_BLACKWELL = "10.0"  # compute capability; no driver before branch R570, that of CUDA 12.8, knows these GPUs
_BLACKWELL_DRIVER = "570"
_ARCHITECTURE = re.compile(r"(sm|compute)_(\d{1,2})(\d)([af]?)")


def misfits(accel: str, requires: Requires, facts: HostFacts) -> tuple[str, ...]:
    """Return why no GPU of the host runs a CUDA build; one GPU that does is enough."""
    if not facts.nvidia_gpus:
        return (_no_gpu(facts),)
    version = accel_version(accel)
    floor = _FLOORS.get(int(version.partition(".")[0] or 0))
    if floor is None and requires.driver is None:
        return (f"which driver CUDA {version or 'without a version'} needs is not known to this program",)
    problems = [_gpu_problems(gpu, version, floor, requires, facts) for gpu in facts.nvidia_gpus]
    if not all(problems):
        return ()
    return tuple(dict.fromkeys(reason for reasons in problems for reason in reasons))


def driver_floor(accel: str, platform: str) -> str | None:
    """Return the lowest driver that loads the runtime of a CUDA version, None for one that is not known here."""
    floor = _FLOORS.get(int(accel_version(accel).partition(".")[0] or 0))
    return None if floor is None else floor.driver(platform)


def spell_architectures(names: tuple[str, ...]) -> str:
    """Return architectures as CMAKE_CUDA_ARCHITECTURES wants them: ``sm_89`` is ``89-real``."""
    spelt = []
    for name in names:
        kind, _, number = name.partition("_")
        spelt.append(f"{number}-{'virtual' if kind == 'compute' else 'real'}")
    return ";".join(spelt)


def _no_gpu(facts: HostFacts) -> str:
    found = [adapter.name for adapter in facts.adapters if adapter.vendor == "nvidia"]
    reason = unseen(facts, "nvidia", what="NVIDIA GPU with a working driver")
    return f"{reason}; the machine has {', '.join(found)}" if found else reason


def _gpu_problems(
    gpu: NvidiaGpu, version: str, floor: _Floor | None, requires: Requires, facts: HostFacts
) -> tuple[str, ...]:
    capability = gpu.compute_capability
    floors = [(requires.driver, "this build")] if requires.driver else []
    if floor is not None:
        floors.append((floor.driver(facts.platform), f"CUDA {version}"))
    if capability and _below(_BLACKWELL, capability, equal=True):
        floors.append((_BLACKWELL_DRIVER, f"{gpu.name} (compute capability {capability})"))
    lowest, who = max(floors, key=lambda item: version_key(item[0]))
    reasons = []
    if facts.nvidia_driver is None:
        reasons.append(f"{who} needs NVIDIA driver {lowest} or newer, and the version of this one is not known")
    elif _below(facts.nvidia_driver, lowest):
        reasons.append(f"{who} needs NVIDIA driver {lowest} or newer, this is {facts.nvidia_driver}")
    if capability and floor is not None and _below(capability, floor.capability):
        reasons.append(
            f"CUDA {version} builds cover compute capability {floor.capability} and later, {gpu.name} has {capability}"
        )
    elif capability and requires.gpu_architectures and not _covered(capability, requires.gpu_architectures):
        reasons.append(
            f"it has code for {', '.join(requires.gpu_architectures)}, {gpu.name} has compute capability {capability}"
        )
    return tuple(reasons)


def _below(version: str, floor: str, *, equal: bool = False) -> bool:
    found, needed = version_key(version), version_key(floor)
    return found < needed or (equal and found == needed)


def _covered(capability: str, architectures: tuple[str, ...]) -> bool:
    """Tell whether one of the architectures runs there.

    CUDA C++ Programming Guide, "Compute Capabilities": machine code (``sm_``) runs on its own major version from its
    minor one on; intermediate code (``compute_``) is compiled by the driver for everything later. With the suffix ``a``
    either runs on its very own alone, with ``f`` on its own major version from its minor one on.
    """
    major, minor = (int(part) for part in capability.split("."))
    for name in architectures:
        if match := _ARCHITECTURE.fullmatch(name):
            own = (int(match[2]), int(match[3]))
            exact = match[4] == "a"
            anything_later = match[1] == "compute" and match[4] != "f"
            later = (major, minor) >= own if anything_later else major == own[0] and minor >= own[1]
            if (major, minor) == own or (later and not exact):
                return True
    return False


KIND = AcceleratorKind(
    families=("cuda",),
    is_gpu=True,
    preference=70,
    misfits=misfits,
    required_features=required_features,
    example=example_recipe(
        "cuda", platform="linux-x86_64", device="^CUDA0", option="GGML_CUDA", output="libggml-cuda.so"
    ),
    example_accel="cuda-12.8",
    example_host=example_host(
        adapters=(Adapter(vendor="nvidia", name="10de:2684"),),
        nvidia_driver="570.86.15",
        nvidia_gpus=(NvidiaGpu(name="NVIDIA GeForce RTX 4090", compute_capability="8.9", memory_bytes=25757220864),),
    ),
    driver_floor=driver_floor,
    spell_architectures=spell_architectures,
)
