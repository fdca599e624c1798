from __future__ import annotations

from pipeline.proofs.devices import read_devices

# What llama-bench --list-devices of b11434 printed, and the same with a CUDA backend (recorded from upstream's docs).
CPU_ONLY = ("load_backend: loaded CPU backend from /x/libggml-cpu-haswell.so", "Available devices:", "  (none)")
WITH_CUDA = (
    "load_backend: loaded CUDA backend from /x/libggml-cuda.so",
    "load_backend: loaded CPU backend from /x/libggml-cpu-haswell.so",
    "Available devices:",
    "  CUDA0: NVIDIA H200 (143156 MiB, 142000 MiB free)",
)


def test_the_cpu_shows_by_its_backend_having_been_loaded():
    assert read_devices(CPU_ONLY) == ("CPU",)


def test_listed_devices_follow_the_backends():
    assert read_devices(WITH_CUDA) == ("CUDA", "CPU", "CUDA0: NVIDIA H200 (143156 MiB, 142000 MiB free)")


def test_no_backend_is_no_device():
    assert read_devices(("Available devices:", "  (none)")) == ()
