"""Artifacts and hosts for tests of choosing: made up, but of the contract's shape."""

from __future__ import annotations

from pipeline.model.host import Adapter, ApiDevice, HostFacts, NvidiaGpu
from pipeline.model.manifest import Artifact, Layer, Proof, Requires, Upstream

CPU_HOST = HostFacts(
    platform="linux-x86_64",
    system="Debian",
    cpu_count=8,
    cpu_features=("avx", "avx2", "sse4.2"),
    glibc="2.39",
    memory_bytes=1 << 34,
)
RTX_4090 = CPU_HOST.model_copy(
    update={
        "adapters": (Adapter(vendor="nvidia", name="10de:2684"),),
        "nvidia_driver": "570.86.15",
        "nvidia_gpus": (NvidiaGpu(name="NVIDIA GeForce RTX 4090", compute_capability="8.9"),),
    }
)
VULKAN = {
    "vulkan_loader": True,
    "vulkan_devices": (ApiDevice(name="NVIDIA GeForce RTX 4090", kind="discrete", api="1.3.277"),),
}


def requires(**changes: object) -> Requires:
    """Return what an artifact requires: nothing, but for ``changes``."""
    nothing = {"glibc": None, "cpu": (), "libraries": (), "driver": None, "macos": None, "gpu_architectures": ()}
    return Requires(**{**nothing, **changes})


def artifact(
    accel: str,
    version: str = "b1",
    *,
    platform: str = "linux-x86_64",
    engine: str = "llama.cpp",
    needs: Requires | None = None,
) -> Artifact:
    """Return an artifact of a manifest."""
    layer = Layer(name="core", tree_sha256="1" * 64, url="core.tar.zst", sha256="2" * 64, size=1, installed_size=1)
    return Artifact(
        engine=engine,
        platform=platform,
        accel=accel,
        version=version,
        origin="fetched",
        upstream=Upstream(repository="example/engine", tag=version, commit=None),
        url=f"{engine}-{version}-{platform}-{accel}.tar.zst",
        sha256="3" * 64,
        size=1,
        installed_size=1,
        layers=(layer,),
        requires=needs or requires(),
        entry_points={},
        options={},
        toolchain={},
        proof=Proof(level="none"),
        licenses=(),
    )
