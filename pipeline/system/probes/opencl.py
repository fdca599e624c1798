"""Lists OpenCL's devices through its loader.

Numbers: OpenCL specification 3.0, ``CL/cl.h`` and ``CL/cl_ext.h``.
"""

from __future__ import annotations

import ctypes
import re
import sys

from pipeline.system.probes.answering import MAX_DEVICES, Device, answer, check, load, text_of

_NAMES = {
    "win32": ("OpenCL.dll",),
    "darwin": ("/System/Library/Frameworks/OpenCL.framework/OpenCL",),
}
_NO_PLATFORM, _NO_DEVICE = -1001, -1  # CL_PLATFORM_NOT_FOUND_KHR, CL_DEVICE_NOT_FOUND
_ALL_TYPES = 0xFFFFFFFF  # CL_DEVICE_TYPE_ALL
_TYPE, _NAME, _VERSION = 0x1000, 0x102B, 0x102F  # CL_DEVICE_TYPE, _NAME, _VERSION
_CPU, _GPU, _ACCELERATOR = 2, 4, 8  # bits of CL_DEVICE_TYPE
_MAX_PLATFORMS = 16
_MAX_INFO_BYTES = 1024


def list_devices() -> list[Device] | None:
    """Return every device of every platform, None without a loader."""
    library = load(_NAMES.get(sys.platform, ("libOpenCL.so.1",)))
    if library is None:
        return None
    count = ctypes.c_uint32()
    platforms = (ctypes.c_void_p * _MAX_PLATFORMS)()
    code = library.clGetPlatformIDs(_MAX_PLATFORMS, platforms, ctypes.byref(count))
    if code == _NO_PLATFORM:
        return []
    check("clGetPlatformIDs", code)
    found = platforms[: min(count.value, _MAX_PLATFORMS)]
    return [device for platform in found for device in _devices_of(library, platform)]


def _devices_of(library: ctypes.CDLL, platform: int | None) -> list[Device]:
    count = ctypes.c_uint32()
    handles = (ctypes.c_void_p * MAX_DEVICES)()
    code = library.clGetDeviceIDs(
        ctypes.c_void_p(platform), ctypes.c_uint64(_ALL_TYPES), MAX_DEVICES, handles, ctypes.byref(count)
    )
    if code == _NO_DEVICE:
        return []
    check("clGetDeviceIDs", code)
    return [_device(library, ctypes.c_void_p(handle)) for handle in handles[: min(count.value, MAX_DEVICES)]]


def _device(library: ctypes.CDLL, handle: ctypes.c_void_p) -> Device:
    kinds = int.from_bytes(_read(library, handle, _TYPE)[:8], sys.byteorder)
    kind = "gpu" if kinds & _GPU else "accelerator" if kinds & _ACCELERATOR else "cpu" if kinds & _CPU else "other"
    device = Device(name=text_of(_read(library, handle, _NAME)), kind=kind)
    version = re.match(r"OpenCL (\d{1,3}\.\d{1,3})", text_of(_read(library, handle, _VERSION)))
    if version:
        device["api"] = version[1]
    return device


def _read(library: ctypes.CDLL, handle: ctypes.c_void_p, what: int) -> bytes:
    buffer = ctypes.create_string_buffer(_MAX_INFO_BYTES)
    code = library.clGetDeviceInfo(handle, what, ctypes.c_size_t(_MAX_INFO_BYTES), buffer, None)
    check("clGetDeviceInfo", code)
    return buffer.raw


if __name__ == "__main__":
    answer(list_devices)
