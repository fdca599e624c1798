"""Features of processors: what Linux calls them in ``/proc/cpuinfo``, where that is not what manifests call them."""

from __future__ import annotations

KERNEL_FEATURES: dict[str, str] = {
    "sse4_1": "sse4.1",
    "sse4_2": "sse4.2",
    "pni": "sse3",
    "abm": "lzcnt",
    "pclmulqdq": "pclmul",
    "sha_ni": "sha",
    "rdrand": "rdrnd",
    "avx_vnni": "avxvnni",
    "avx512_vnni": "avx512vnni",
    "avx512_vbmi2": "avx512vbmi2",
    "avx512_bf16": "avx512bf16",
    "avx512_fp16": "avx512fp16",
    "avx512_bitalg": "avx512bitalg",
    "avx512_vpopcntdq": "avx512vpopcntdq",
    "avx512_vp2intersect": "avx512vp2intersect",
    "amx_tile": "amx-tile",
    "amx_int8": "amx-int8",
    "amx_bf16": "amx-bf16",
    "asimd": "simd",
    "asimddp": "dotprod",
    "asimdhp": "fp16",
}
"""Name in the lines ``flags`` (x86) and ``Features`` (arm64) to the compilers' name, which manifests use."""
