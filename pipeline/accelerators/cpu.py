"""The CPU as an accelerator: one backend library, or several of which the program takes the best that loads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.accelerators.interface import AcceleratorKind
from pipeline.model.host import HostFacts
from pipeline.model.recipe import AcceleratorRecipe, Component

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.model.manifest import Requires


def required_features(libraries: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    """Return what all libraries need: with several variants, a host needs only what the humblest one does.

    ggml scores every variant at run time and loads the best that the processor can run
    (ggml/src/ggml-backend-reg.cpp, ``ggml_backend_load_best``).
    """
    features = list(libraries.values())
    return tuple(sorted(features[0].intersection(*features[1:]))) if features else ()


def misfits(accel: str, requires: Requires, facts: HostFacts) -> tuple[str, ...]:  # noqa: ARG001 - of every kind
    """Return nothing: what a processor must have is asked of every artifact."""
    return ()


KIND = AcceleratorKind(
    # The one with all variants takes the best that the processor can run, the single variant can only equal it.
    families=("cpu", "avx2"),
    is_gpu=False,
    preference=0,
    misfits=misfits,
    required_features=required_features,
    example=AcceleratorRecipe(
        schema_version=1,
        name="avx2",
        kind="cpu",
        platforms=("linux-x86_64",),
        requires_cpu=("avx", "avx2"),
        expect_devices=("^CPU$",),
        engines={
            "llama.cpp": Component(
                role="backend",
                options={"GGML_AVX2": "ON"},
                cmake_targets=("ggml-cpu",),
                outputs=("libggml-cpu.so",),
            )
        },
    ),
    example_accel="avx2",
    example_host=HostFacts(
        platform="linux-x86_64",
        system="example",
        cpu_count=1,
        cpu_features=("avx", "avx2"),
        glibc="2.36",
        memory_bytes=0,
    ),
)
