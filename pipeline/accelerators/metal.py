"""Apple's GPUs through Metal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.accelerators.cpu import required_features
from pipeline.accelerators.interface import AcceleratorKind
from pipeline.model.host import HostFacts
from pipeline.model.recipe import AcceleratorRecipe, Component

if TYPE_CHECKING:
    from pipeline.model.manifest import Requires


def misfits(accel: str, requires: Requires, facts: HostFacts) -> tuple[str, ...]:  # noqa: ARG001 - of every kind
    """Return why a Metal build does not run: only Apple silicon counts, upstream builds for Intel without Metal."""
    return () if facts.metal else ("it needs Metal on Apple silicon",)


KIND = AcceleratorKind(
    families=("metal",),
    is_gpu=True,
    preference=50,
    misfits=misfits,
    required_features=required_features,
    example=AcceleratorRecipe(
        schema_version=1,
        name="metal",
        kind="metal",
        platforms=("macos-arm64",),
        expect_devices=("^(Metal|MTL0)",),
        engines={
            "llama.cpp": Component(
                role="backend",
                options={"GGML_METAL": "ON"},
                cmake_targets=("ggml-metal",),
                outputs=("libggml-metal.so",),
            )
        },
    ),
    example_accel="metal",
    example_host=HostFacts(
        platform="macos-arm64",
        system="example",
        cpu_count=1,
        cpu_features=(),
        glibc=None,
        memory_bytes=0,
        macos="14.5",
        metal=True,
    ),
)
