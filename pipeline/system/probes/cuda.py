"""Lists CUDA's devices through the driver's own library: for containers that have it, but not nvidia-smi.

Numbers: CUDA driver API, ``cuda.h``.
"""

from __future__ import annotations

import ctypes
import sys

from pipeline.system.probes.answering import MAX_DEVICES, Device, answer, check, load, text_of

_NAMES = {"win32": ("nvcuda.dll",)}
_NO_DEVICE = 100  # CUDA_ERROR_NO_DEVICE
_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, _MINOR


def list_devices() -> list[Device] | None:
    """Return every device, None without the driver's library."""
    library = load(_NAMES.get(sys.platform, ("libcuda.so.1", "/usr/lib/wsl/lib/libcuda.so.1")))
    if library is None:
        return None
    code = library.cuInit(0)
    if code == _NO_DEVICE:
        return []
    check("cuInit", code)
    count = ctypes.c_int()
    check("cuDeviceGetCount", library.cuDeviceGetCount(ctypes.byref(count)))
    return [_device(library, number) for number in range(min(count.value, MAX_DEVICES))]


def _device(library: ctypes.CDLL, number: int) -> Device:
    device, name, memory = ctypes.c_int(), ctypes.create_string_buffer(256), ctypes.c_size_t()
    major, minor = ctypes.c_int(), ctypes.c_int()
    check("cuDeviceGet", library.cuDeviceGet(ctypes.byref(device), number))
    check("cuDeviceGetName", library.cuDeviceGetName(name, len(name), device))
    check("cuDeviceTotalMem", library.cuDeviceTotalMem_v2(ctypes.byref(memory), device))
    check("cuDeviceGetAttribute", library.cuDeviceGetAttribute(ctypes.byref(major), _MAJOR, device))
    check("cuDeviceGetAttribute", library.cuDeviceGetAttribute(ctypes.byref(minor), _MINOR, device))
    return Device(
        name=text_of(name.raw), compute_capability=f"{major.value}.{minor.value}", memory_bytes=int(memory.value)
    )


if __name__ == "__main__":
    answer(list_devices)
