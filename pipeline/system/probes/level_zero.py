"""Lists Level Zero's devices through its loader.

Layouts and numbers: oneAPI Level Zero specification 1.9, ``ze_api.h``.
"""

from __future__ import annotations

import ctypes
import sys

from pipeline.system.probes.answering import MAX_DEVICES, Device, answer, check, load, text_of

_NAMES = {"win32": ("ze_loader.dll",)}
_KINDS = {1: "gpu", 2: "cpu", 3: "accelerator", 4: "accelerator", 5: "accelerator"}  # ze_device_type_t
_NO_DRIVER = (0x78000001, 0x78010001)  # ZE_RESULT_ERROR_UNINITIALIZED, _DEPENDENCY_UNAVAILABLE
_DEVICE_PROPERTIES = 3  # ZE_STRUCTURE_TYPE_DEVICE_PROPERTIES
_MAX_DRIVERS = 16


class _DeviceProperties(ctypes.Structure):
    _fields_ = (
        ("stype", ctypes.c_uint32),
        ("next", ctypes.c_void_p),
        ("type", ctypes.c_uint32),
        ("vendor_id", ctypes.c_uint32),
        ("device_id", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("subdevice_id", ctypes.c_uint32),
        ("core_clock_rate", ctypes.c_uint32),
        ("max_mem_alloc_size", ctypes.c_uint64),
        ("max_hardware_contexts", ctypes.c_uint32),
        ("max_command_queue_priority", ctypes.c_uint32),
        ("num_threads_per_eu", ctypes.c_uint32),
        ("physical_eu_simd_width", ctypes.c_uint32),
        ("num_eus_per_subslice", ctypes.c_uint32),
        ("num_subslices_per_slice", ctypes.c_uint32),
        ("num_slices", ctypes.c_uint32),
        ("timer_resolution", ctypes.c_uint64),
        ("timestamp_valid_bits", ctypes.c_uint32),
        ("kernel_timestamp_valid_bits", ctypes.c_uint32),
        ("uuid", ctypes.c_uint8 * 16),
        ("name", ctypes.c_char * 256),
        ("reserve", ctypes.c_uint8 * 1024),  # later versions of the structure are no longer than this
    )


def list_devices() -> list[Device] | None:
    """Return every root device of every driver, None without a loader."""
    library = load(_NAMES.get(sys.platform, ("libze_loader.so.1",)))
    if library is None:
        return None
    code = library.zeInit(0) & 0xFFFFFFFF
    if code in _NO_DRIVER:
        return []
    check("zeInit", code)
    count = ctypes.c_uint32(_MAX_DRIVERS)
    drivers = (ctypes.c_void_p * _MAX_DRIVERS)()
    check("zeDriverGet", library.zeDriverGet(ctypes.byref(count), drivers))
    return [device for driver in drivers[: count.value] for device in _devices_of(library, driver)]


def _devices_of(library: ctypes.CDLL, driver: int | None) -> list[Device]:
    count = ctypes.c_uint32(MAX_DEVICES)
    handles = (ctypes.c_void_p * MAX_DEVICES)()
    check("zeDeviceGet", library.zeDeviceGet(ctypes.c_void_p(driver), ctypes.byref(count), handles))
    devices = []
    for handle in handles[: count.value]:
        found = _DeviceProperties(stype=_DEVICE_PROPERTIES)
        code = library.zeDeviceGetProperties(ctypes.c_void_p(handle), ctypes.byref(found))
        check("zeDeviceGetProperties", code)
        devices.append(Device(name=text_of(found.name), kind=_KINDS.get(found.type, "other")))
    return devices


if __name__ == "__main__":
    answer(list_devices)
