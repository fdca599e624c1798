"""The accelerator kinds there are. To add one: a module beside this one, and a line here."""

from __future__ import annotations

from pipeline.accelerators import cpu, cuda, metal, mlx, opencl, openvino, rocm, sycl, vulkan
from pipeline.accelerators.interface import AcceleratorKind
from pipeline.names import family_of

KINDS: dict[str, AcceleratorKind] = {
    "cpu": cpu.KIND,
    "cuda": cuda.KIND,
    "metal": metal.KIND,
    "mlx": mlx.KIND,
    "opencl": opencl.KIND,
    "openvino": openvino.KIND,
    "rocm": rocm.KIND,
    "sycl": sycl.KIND,
    "vulkan": vulkan.KIND,
}
_BY_FAMILY = {family: kind for kind in KINDS.values() for family in kind.families}


def kind_of(accel: str) -> AcceleratorKind | None:
    """Return the kind of an accelerator by its family, None for one that no kind knows: never ``cpu``."""
    return _BY_FAMILY.get(family_of(accel))
