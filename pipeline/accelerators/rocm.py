"""AMD GPUs through ROCm: which instruction sets a build has code for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline.accelerators.cpu import required_features
from pipeline.accelerators.interface import AcceleratorKind, example_host, example_recipe, unseen
from pipeline.model.host import Adapter, AmdGpu, HostFacts

if TYPE_CHECKING:
    from pipeline.model.manifest import Requires

# LLVM, "User Guide for AMDGPU Backend", table of generic processors: code for one runs on all of these.
_GENERIC = {
    "gfx9-generic": r"gfx90[0246c]",
    "gfx9-4-generic": r"gfx94[0-2]|gfx950",
    "gfx10-1-generic": r"gfx101[0-3]",
    "gfx10-3-generic": r"gfx103[0-6]",
    "gfx11-generic": r"gfx11(?:0[0-3]|5[0-3])",
    "gfx12-generic": r"gfx120[01]",
}
# What upstream's builds have code for, which its archives do not say: gpu_targets in llama.cpp's
# .github/workflows/release.yml, in the jobs for Windows and Ubuntu with ROCM_VERSION 10.0.0.
_RDNA = (
    *("gfx1010", "gfx1011", "gfx1012"),
    *("gfx1030", "gfx1031", "gfx1032", "gfx1033", "gfx1034", "gfx1035", "gfx1036"),
    *("gfx1100", "gfx1101", "gfx1102", "gfx1103", "gfx1150", "gfx1151", "gfx1152"),
    *("gfx1200", "gfx1201"),
)
_UPSTREAM = {"linux": ("gfx908", "gfx90a", "gfx942", "gfx950", *_RDNA), "windows": (*_RDNA, "gfx1153")}


def misfits(accel: str, requires: Requires, facts: HostFacts) -> tuple[str, ...]:  # noqa: ARG001 - of every kind
    """Return why no GPU of the host runs a ROCm build; one GPU that does is enough.

    A build that does not say what it has code for is taken to have what upstream builds for.
    """
    found = [adapter.name for adapter in facts.adapters if adapter.vendor == "amd"]
    if not facts.amd_gpus:
        reason = unseen(facts, "amd", what="AMD GPU with a working compute driver")
        return (f"{reason}; the machine has {', '.join(found)}" if found else reason,)
    if faults := facts.faults_of("amd"):
        return tuple(faults)
    names = [gpu.gfx for gpu in facts.amd_gpus]
    built_for = requires.gpu_architectures or _UPSTREAM.get(facts.platform.partition("-")[0], ())
    if any(_covers(architecture, name) for architecture in built_for for name in names):
        return ()
    who = "it has" if requires.gpu_architectures else "upstream's ROCm builds have"
    return (f"{who} code for {', '.join(built_for)}, this machine has {', '.join(dict.fromkeys(names))}",)


def _covers(architecture: str, gfx: str) -> bool:
    plain = architecture.partition(":")[0]  # gfx90a:xnack- is gfx90a with an option
    return plain == gfx or (plain in _GENERIC and re.fullmatch(_GENERIC[plain], gfx) is not None)


KIND = AcceleratorKind(
    families=("rocm",),
    is_gpu=True,
    preference=60,
    misfits=misfits,
    required_features=required_features,
    example=example_recipe(
        "rocm", platform="linux-x86_64", device="^ROCm0", option="GGML_HIP", output="libggml-hip.so"
    ),
    example_accel="rocm-7.14",
    example_host=example_host(
        adapters=(Adapter(vendor="amd", name="1002:744c"),),
        amd_gpus=(AmdGpu(gfx="gfx1100", memory_bytes=25753026560),),
    ),
)
