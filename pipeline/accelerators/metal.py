"""Apple's GPUs through Metal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.accelerators.cpu import required_features
from pipeline.accelerators.interface import AcceleratorKind, example_mac, example_recipe

if TYPE_CHECKING:
    from pipeline.model.host import HostFacts
    from pipeline.model.manifest import Requires


def misfits(accel: str, requires: Requires, facts: HostFacts) -> tuple[str, ...]:  # noqa: ARG001 - of every kind
    """Return why a Metal build does not run: only Apple silicon counts, upstream builds for Intel without Metal."""
    if facts.metal:
        return ()
    if facts.platform == "macos-arm64":
        return ("Metal lists no device on this Mac, as in some virtual machines",)
    return ("it needs Metal on Apple silicon",)


KIND = AcceleratorKind(
    families=("metal",),
    is_gpu=True,
    preference=50,
    misfits=misfits,
    required_features=required_features,
    example=example_recipe(
        "metal", platform="macos-arm64", device="^(Metal|MTL0)", option="GGML_METAL", output="libggml-metal.so"
    ),
    example_accel="metal",
    example_host=example_mac(),
)
