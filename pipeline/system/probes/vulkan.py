"""Lists Vulkan's devices through its loader.

Layouts and numbers: Vulkan specification 1.3, ``vulkan_core.h``.
"""

from __future__ import annotations

import ctypes
import sys

from pipeline.system.probes.answering import MAX_DEVICES, Device, answer, check, load, text_of

_NAMES = {"win32": ("vulkan-1.dll",), "darwin": ("libvulkan.1.dylib", "libMoltenVK.dylib")}
_KINDS = ("other", "integrated", "discrete", "virtual", "cpu")  # VkPhysicalDeviceType
_INSTANCE_CREATE_INFO = 1  # VkStructureType
_APPLICATION_INFO = 0
_API_1_2 = 1 << 22 | 2 << 12  # VK_MAKE_API_VERSION(0, 1, 2, 0): what the engine asks for
_INCOMPATIBLE_DRIVER = -9  # VK_ERROR_INCOMPATIBLE_DRIVER: the loader found no driver at all
_INCOMPLETE = 5  # VK_INCOMPLETE: more devices than were asked for
_NAME_OFFSET = 20  # of VkPhysicalDeviceProperties.deviceName, after five 32-bit numbers
_NAME_BYTES = 256
_PROPERTIES_BYTES = 4096  # the structure has 824


class _ApplicationInfo(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("next", ctypes.c_void_p),
        ("application_name", ctypes.c_char_p),
        ("application_version", ctypes.c_uint32),
        ("engine_name", ctypes.c_char_p),
        ("engine_version", ctypes.c_uint32),
        ("api_version", ctypes.c_uint32),
    )


class _InstanceCreateInfo(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("next", ctypes.c_void_p),
        ("flags", ctypes.c_uint32),
        ("application", ctypes.POINTER(_ApplicationInfo)),
        ("layer_count", ctypes.c_uint32),
        ("layers", ctypes.c_void_p),
        ("extension_count", ctypes.c_uint32),
        ("extensions", ctypes.c_void_p),
    )


def list_devices() -> list[Device] | None:
    """Return every physical device, None without a loader."""
    library = load(_NAMES.get(sys.platform, ("libvulkan.so.1", "libvulkan.so")))
    if library is None:
        return None
    application = _ApplicationInfo(type=_APPLICATION_INFO, api_version=_API_1_2)
    create = _InstanceCreateInfo(type=_INSTANCE_CREATE_INFO, application=ctypes.pointer(application))
    instance = ctypes.c_void_p()
    code = library.vkCreateInstance(ctypes.byref(create), None, ctypes.byref(instance))
    if code == _INCOMPATIBLE_DRIVER:
        return []
    check("vkCreateInstance", code)
    count = ctypes.c_uint32(MAX_DEVICES)
    handles = (ctypes.c_void_p * MAX_DEVICES)()
    code = library.vkEnumeratePhysicalDevices(instance, ctypes.byref(count), handles)
    check("vkEnumeratePhysicalDevices", 0 if code == _INCOMPLETE else code)
    library.vkGetPhysicalDeviceProperties.restype = None
    devices = []
    for handle in handles[: count.value]:
        properties = ctypes.create_string_buffer(_PROPERTIES_BYTES)
        library.vkGetPhysicalDeviceProperties(ctypes.c_void_p(handle), properties)
        devices.append(_device(properties.raw))
    return devices


def _device(properties: bytes) -> Device:
    api = int.from_bytes(properties[:4], sys.byteorder)
    kind = int.from_bytes(properties[16:20], sys.byteorder)
    return Device(
        name=text_of(properties[_NAME_OFFSET : _NAME_OFFSET + _NAME_BYTES]),
        kind=_KINDS[kind] if kind < len(_KINDS) else "other",
        api=f"{api >> 22 & 0x7F}.{api >> 12 & 0x3FF}.{api & 0xFFF}",
    )


if __name__ == "__main__":
    answer(list_devices)
