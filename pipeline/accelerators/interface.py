"""What an accelerator kind is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.model.host import HostFacts
from pipeline.model.manifest import Requires
from pipeline.model.recipe import AcceleratorRecipe, Component

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipeline.model.host import ProbeName

NO_REQUIREMENTS = Requires(glibc=None, cpu=(), libraries=(), driver=None, macos=None, gpu_architectures=())
"""Of an artifact about which nothing is known yet."""


def no_driver(accel: str, platform: str) -> str | None:  # noqa: ARG001 - the face of a kind whose driver has no version
    """Return None: no driver's version is asked for."""
    return None


class AcceleratorKind(NamedTuple):
    """One kind of accelerator.

    Attributes:
        families: accelerators of this kind, by their names without a version, the preferred one first.
        is_gpu: whether it computes on something else than the processor.
        preference: among the kinds that fit a host the one with the highest number is taken.
        misfits: why an artifact of the kind does not fit a host: (accelerator's name, what the artifact requires, host)
            to reasons, none when it fits. What holds for every artifact (platform, libraries, processor) is not asked.
        required_features: which CPU instruction set extensions a host must have, from the extensions that each backend
            library was compiled with (library name to extensions).
        example: a valid recipe, for the conformance tests.
        example_accel: an accelerator of the kind.
        example_host: a host that it fits.
        driver_floor: lowest version of the driver for (accelerator's name, platform), None when none is asked for.
        spell_architectures: names of GPUs' architectures as CMake's list of them wants it.
        gpu_platforms: platforms on which ``is_gpu`` holds; empty for all of them.
    """

    families: tuple[str, ...]
    is_gpu: bool
    preference: int
    misfits: Callable[[str, Requires, HostFacts], tuple[str, ...]]
    required_features: Callable[[Mapping[str, frozenset[str]]], tuple[str, ...]]
    example: AcceleratorRecipe
    example_accel: str
    example_host: HostFacts
    driver_floor: Callable[[str, str], str | None] = no_driver
    gpu_platforms: tuple[str, ...] = ()
    spell_architectures: Callable[[tuple[str, ...]], str] = ";".join

    def uses_gpu(self, platform: str) -> bool:
        """Tell whether artifacts for a platform compute on something else than the processor."""
        return self.is_gpu and (not self.gpu_platforms or platform in self.gpu_platforms)


def unseen(facts: HostFacts, probe: ProbeName, *, what: str) -> str:
    """Return the reason for a device that was not seen: it is not there, or it could not be looked for."""
    faults = facts.faults_of(probe)
    return f"{what} could not be looked for: {'; '.join(faults)}" if faults else f"no {what} was found"


def example_recipe(kind: str, *, platform: str, device: str, option: str, output: str) -> AcceleratorRecipe:
    """Return a recipe for the conformance tests, of a backend that is one library.

    Args:
        kind: and its name.
        platform: that it is for.
        device: pattern of the device that it must list.
        option: CMake's, that switches the backend on.
        output: the library's file; the CMake target is called like it.
    """
    return AcceleratorRecipe(
        schema_version=1,
        name=kind,
        kind=kind,
        platforms=(platform,),
        expect_devices=(device,),
        engines={
            "llama.cpp": Component(
                role="backend",
                options={option: "ON"},
                cmake_targets=(output.removeprefix("lib").partition(".")[0],),
                outputs=(output,),
            )
        },
    )


def example_host(**devices: Any) -> HostFacts:  # noqa: ANN401 - fields of HostFacts, which checks them
    """Return a Linux host for the conformance tests, with devices as ``HostFacts`` names them."""
    return HostFacts(
        platform="linux-x86_64",
        system="example",
        cpu_count=1,
        cpu_features=("avx2",),
        glibc="2.39",
        memory_bytes=0,
        **devices,
    )


def example_mac() -> HostFacts:
    """Return a Mac with Apple silicon for the conformance tests."""
    return HostFacts(
        platform="macos-arm64",
        system="example",
        cpu_count=1,
        cpu_features=(),
        glibc=None,
        memory_bytes=0,
        macos="14.5",
        metal=True,
    )
