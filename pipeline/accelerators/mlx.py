"""Apple's MLX: on Apple silicon it computes on the GPU through Metal, on Linux on the processor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.accelerators.cpu import required_features
from pipeline.accelerators.interface import AcceleratorKind, example_mac, example_recipe

if TYPE_CHECKING:
    from pipeline.model.host import HostFacts
    from pipeline.model.manifest import Requires


def misfits(accel: str, requires: Requires, facts: HostFacts) -> tuple[str, ...]:  # noqa: ARG001 - of every kind
    """Return why MLX does not run: on macOS it needs Metal on Apple silicon, on Linux only what its files need."""
    if not facts.platform.startswith("macos-") or facts.metal:
        return ()
    return ("it needs Metal on Apple silicon",)


KIND = AcceleratorKind(
    families=("mlx", "mlx-openai"),
    is_gpu=True,
    preference=55,
    misfits=misfits,
    required_features=required_features,
    example=example_recipe("mlx", platform="macos-arm64", device="^MTL", option="MLX_BUILD_METAL", output="libmlx.so"),
    example_accel="mlx",
    example_host=example_mac(),
    gpu_platforms=("macos-arm64",),
)
