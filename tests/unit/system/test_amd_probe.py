"""Files as amdkfd writes them below /sys/class/kfd/kfd/topology/nodes.

Their form is that of Linux, drivers/gpu/drm/amd/amdkfd/kfd_topology.c.
"""

from __future__ import annotations

import pytest

from pipeline.model.host import AmdGpu
from pipeline.system.amd_probe import gfx_name, parse_properties, probe_amd

PROCESSOR = "cpu_cores_count 16\nsimd_count 0\nmem_banks_count 1\ngfx_target_version 0\nvendor_id 0\ndevice_id 0\n"
GPU = """\
cpu_cores_count 0
simd_count 192
mem_banks_count 1
gfx_target_version 110000
vendor_id 4098
device_id 29772
unique_id 9223372036854775808
num_xcc 1
"""
BANK = "heap_type 1\nsize_in_bytes 25753026560\nflags 0\nwidth 384\nmem_clk_max 1249\n"


def put(root, name, text):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


NODES = "sys/class/kfd/kfd/topology/nodes"


@pytest.fixture
def machine(tmp_path):
    put(tmp_path, f"{NODES}/0/properties", PROCESSOR)
    put(tmp_path, f"{NODES}/1/properties", GPU)
    put(tmp_path, f"{NODES}/1/mem_banks/0/properties", BANK)
    put(tmp_path, "dev/kfd", "")
    return tmp_path


def test_a_gpu_is_found_beside_the_processor(machine):
    assert probe_amd(machine) == ((AmdGpu(gfx="gfx1100", memory_bytes=25753026560),), "")


def test_a_device_file_that_is_not_there_is_a_fault_and_the_gpu_is_named(machine):
    (machine / "dev/kfd").unlink()
    found = probe_amd(machine)
    assert [gpu.gfx for gpu in found.gpus] == ["gfx1100"]
    assert "/dev/kfd cannot be opened" in found.fault


def test_a_node_that_cannot_be_read_is_a_fault(machine):
    (machine / NODES / "2").mkdir()
    assert "2 of" in probe_amd(machine).fault


def test_a_machine_without_the_driver_has_nothing_and_no_fault(tmp_path):
    assert probe_amd(tmp_path) == ((), "")


@pytest.mark.parametrize(
    ("number", "name"),
    [(90010, "gfx90a"), (90402, "gfx942"), (100300, "gfx1030"), (110000, "gfx1100"), (110501, "gfx1151"),
     (120001, "gfx1201"), (90006, "gfx906"), (0, None), (5, None), (91700, None), (10**9, None)],
)  # fmt: skip
def test_a_target_version_is_llvm_s_name(number, name):
    assert gfx_name(number) == name


def test_lines_that_are_none_are_passed_over():
    assert parse_properties("a 1\n\nb two\nc 3 4\nd " + "9" * 30 + "\ne 5") == {"a": 1, "e": 5}
