"""The words upstream builds its file names from, as tables: an era's new word is one line here.

Sources: upstream's release workflows and recorded asset lists from master-2d7bf11 (2023-06) to b11541 (2026-10).
"""

from __future__ import annotations

import re
from typing import Literal

Format = Literal["tar.gz", "zip"]
FORMATS: tuple[Format, ...] = ("tar.gz", "zip")
UI_FORMAT: Format = "tar.gz"
"""The web interface alone was never published in another one."""

SYSTEMS: dict[str, tuple[str, dict[str, str]]] = {
    "ubuntu": ("linux", {"x64": "x86_64", "arm64": "arm64", "s390x": "s390x"}),
    "linux": ("linux", {"x64": "x86_64", "arm64": "arm64"}),  # from about b11100: linux-arm64-snapdragon
    "openEuler": ("linux", {"x86": "x86_64", "aarch64": "arm64"}),
    "macos": ("macos", {"x64": "x86_64", "arm64": "arm64"}),
    "win": ("windows", {"x64": "x86_64", "arm64": "arm64"}),
    "android": ("android", {"arm64": "arm64"}),
}
"""System token to (this project's system, its architecture tokens). Not every word goes with every system."""

ARCHITECTURES = frozenset(token for _, tokens in SYSTEMS.values() for token in tokens)

ACCELS: dict[str, str] = {
    "cpu": "cpu",
    "noavx": "noavx",
    "avx": "avx",
    "avx2": "avx2",
    "avx512": "avx512",
    "openblas": "openblas",
    "clblast": "clblast",
    "rpc": "rpc",
    "kompute": "kompute",
    "vulkan": "vulkan",
    "sycl": "sycl",
    "opencl": "opencl",
    "musa": "musa",
    "hip": "rocm",  # HIP is ROCm's interface; these names say no version
    "310p": "cann",  # Ascend processors; the word is a qualifier too
    "910b": "cann",
    "snapdragon": "hexagon",  # the Hexagon NPU, and OpenCL for Adreno beside it; a qualifier too
}
"""Accelerator token to this project's name, where no version follows."""

VERSIONED: dict[str, tuple[str, re.Pattern[str]]] = {
    "cuda": ("cuda", re.compile(r"(?:cu)?(\d+\.\d+)(?:\.\d+)?", re.ASCII)),
    "cublas": ("cuda", re.compile(r"cu(\d+\.\d+)(?:\.\d+)?", re.ASCII)),  # to about b2700
    "rocm": ("rocm", re.compile(r"(\d+(?:\.\d+)+)", re.ASCII)),
    "openvino": ("openvino", re.compile(r"(\d{4}(?:\.\d+)+)", re.ASCII)),
}
"""Accelerator token to (this project's name, the token that must follow); the group is the version of the name.

A CUDA version is major and minor: patch releases (cu11.7.1) share a driver and a runtime of the minor."""

JOINED = re.compile(r"(?:cuda|cu)(\d+\.\d+)(?:\.\d+)?", re.ASCII)
"""A CUDA version in one token: ``cuda12.4`` of engines to b5361, ``cu11.7.1`` and ``cu12.4`` of their runtimes."""

QUALIFIERS: dict[str, frozenset[str]] = {
    "fp16": frozenset({"sycl"}),
    "fp32": frozenset({"sycl"}),
    "adreno": frozenset({"opencl"}),
    "radeon": frozenset({"rocm"}),
    "310p": frozenset({"cann"}),
    "910b": frozenset({"cann"}),
    "aclgraph": frozenset({"cann"}),
    "snapdragon": frozenset({"hexagon"}),
    "kleidiai": frozenset({"metal"}),
    "llvm": frozenset({"cpu", "opencl"}),
    "msvc": frozenset({"cpu"}),
}
"""Words that are kept as they are, and the accelerators they go with."""

ONLY_ON: dict[str, frozenset[str]] = {
    "kleidiai": frozenset({"macos-arm64"}),  # a library of Arm's
    "llvm": frozenset({"windows-arm64"}),  # compilers that names on Arm had (to b5298)
    "msvc": frozenset({"windows-arm64"}),
}
"""Qualifiers that upstream used for some platforms alone; elsewhere they would be a guess."""

GFX = re.compile(r"gfx[0-9a-f]{3,4}")
"""An AMD GPU architecture, a qualifier of ``rocm``."""

UNSAID: dict[str, str] = {
    "linux-x86_64": "cpu",
    "linux-arm64": "cpu",
    "linux-s390x": "cpu",
    "macos-x86_64": "cpu",  # built with METAL=OFF
    "macos-arm64": "metal",
    "android-arm64": "cpu",
}
"""What a name means that says no accelerator. Windows names always say one."""

CPU_TOOLCHAINS = frozenset({"llvm", "msvc"})
"""Compilers that Windows names on Arm had instead of an accelerator (to b5298): CPU builds."""
