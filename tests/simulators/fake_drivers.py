"""Vendors' libraries made on the spot: shared objects with the real names that list what a test wants, or misbehave.

Only the functions that the probes call are there; signatures and numbers are those of the public headers
(vulkan_core.h, ze_api.h, cl.h, cuda.h).
"""

from __future__ import annotations

import subprocess
from pathlib import Path

VULKAN = r"""
#include <stdint.h>
#include <string.h>
typedef struct { uint32_t api, driver, vendor, device, type; char name[256]; } Properties;
int vkCreateInstance(const void *create, const void *allocator, void **instance) { *instance = (void *)1; return 0; }
int vkEnumeratePhysicalDevices(void *instance, uint32_t *count, void **devices) {
    if (instance != (void *)1 || *count < 2) return -3;
    *count = 2; devices[0] = (void *)10; devices[1] = (void *)11; return 0;
}
void vkGetPhysicalDeviceProperties(void *device, Properties *p) {
    memset(p, 0, sizeof *p);
    p->api = 1u << 22 | 3u << 12 | 274; p->type = device == (void *)10 ? 2 : 4;
    strcpy(p->name, device == (void *)10 ? "AMD Radeon RX 7900 XTX (RADV NAVI31)" : "llvmpipe (LLVM 17.0.6, 256 bits)");
}
"""
LEVEL_ZERO = r"""
#include <stdint.h>
#include <stddef.h>
#include <string.h>
typedef struct {
    uint32_t stype; void *next; uint32_t type, vendor, device, flags, subdevice, clock; uint64_t max_alloc;
    uint32_t contexts, priority, threads, simd, eus, subslices, slices; uint64_t resolution;
    uint32_t valid, kernel_valid;
    uint8_t uuid[16]; char name[256];
} Properties;
int zeInit(uint32_t flags) { return flags; }
int zeDriverGet(uint32_t *count, void **drivers) { *count = 1; drivers[0] = (void *)20; return 0; }
int zeDeviceGet(void *driver, uint32_t *count, void **devices) {
    if (driver != (void *)20) return 1;
    *count = 1; devices[0] = (void *)21; return 0;
}
int zeDeviceGetProperties(void *device, Properties *p) {
    if (p->stype != 3 || device != (void *)21) return 1;
    p->type = 1; strcpy(p->name, "Intel(R) Arc(TM) A770 Graphics"); return 0;
}
"""
OPENCL = r"""
#include <stdint.h>
#include <stddef.h>
#include <string.h>
int clGetPlatformIDs(uint32_t n, void **platforms, uint32_t *count) { *count = 1; platforms[0] = (void *)30; return 0; }
int clGetDeviceIDs(void *platform, uint64_t type, uint32_t n, void **devices, uint32_t *count) {
    if (platform != (void *)30 || type != 0xFFFFFFFF) return -30;
    *count = 1; devices[0] = (void *)31; return 0;
}
int clGetDeviceInfo(void *device, uint32_t what, size_t size, void *value, size_t *used) {
    if (what == 0x1000) *(uint64_t *)value = 4;
    else strcpy(value, what == 0x102B ? "Intel(R) Arc(TM) A770 Graphics" : "OpenCL 3.0 NEO ");
    return 0;
}
"""
CUDA = r"""
#include <stddef.h>
#include <string.h>
int cuInit(unsigned flags) { return flags; }
int cuDeviceGetCount(int *count) { *count = 1; return 0; }
int cuDeviceGet(int *device, int number) { *device = 7; return 0; }
int cuDeviceGetName(char *name, int size, int device) { strcpy(name, "NVIDIA GH200 480GB"); return device != 7; }
int cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = 1000; return 0; }
int cuDeviceGetAttribute(int *value, int what, int device) { *value = what == 75 ? 9 : 0; return 0; }
"""
METAL = "void *MTLCreateSystemDefaultDevice(void) { return (void *)40; }"
NO_DEVICE_METAL = "void *MTLCreateSystemDefaultDevice(void) { return 0; }"
CRASHING_VULKAN = "int vkCreateInstance(void *a, void *b, void **c) { *(volatile int *)0 = 1; return 0; }"
HANGING_VULKAN = "#include <unistd.h>\nint vkCreateInstance(void *a, void *b, void **c) { for (;;) pause(); }"
FAILING_VULKAN = "int vkCreateInstance(void *a, void *b, void **c) { return -4; }"
BABBLING_VULKAN = r"""
#include <unistd.h>
int vkCreateInstance(void *a, void *b, void **c) { for (;;) write(1, "never mind\n", 11); }
"""
NO_DRIVER_VULKAN = "int vkCreateInstance(void *a, void *b, void **c) { return -9; }"


def make_library(folder: Path, name: str, source: str) -> None:
    """Compile a shared library into ``folder``, for LD_LIBRARY_PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    compiler = ["cc", "-x", "c", "-shared", "-fPIC", "-o", str(folder / name), "-"]
    subprocess.run(compiler, input=source, text=True, check=True)
