"""PCI devices as Linux lists them in /sys/bus/pci/devices, and display adapters as Windows names them."""

from __future__ import annotations

import pytest

from pipeline.model.host import Adapter
from pipeline.system.adapters import list_adapters, parse_windows_id


def put(root, address, kind, vendor, device):
    folder = root / "sys/bus/pci/devices" / address
    folder.mkdir(parents=True)
    for name, text in (("class", kind), ("vendor", vendor), ("device", device)):
        (folder / name).write_text(f"{text}\n")


def test_gpus_are_told_from_everything_else_on_the_bus(tmp_path):
    put(tmp_path, "0000:00:02.0", "0x030000", "0x8086", "0xa780")
    put(tmp_path, "0000:01:00.0", "0x030000", "0x10de", "0x2684")
    put(tmp_path, "0000:01:00.1", "0x040300", "0x10de", "0x22ba")  # its sound
    put(tmp_path, "0000:02:00.0", "0x030200", "0x10de", "0x2330")
    put(tmp_path, "0000:03:00.0", "0x120000", "0x1002", "0x74a1")  # Instinct MI300X
    put(tmp_path, "0000:04:00.0", "0x120000", "0x8086", "0x7d1d")  # an NPU
    put(tmp_path, "0000:05:00.0", "0x030000", "0x1a03", "0x2000")  # a server's console
    put(tmp_path, "0000:06:00.0", "0x030000", "0x1af4", "0x1050")  # virtio
    assert list_adapters(tmp_path) == (
        Adapter(vendor="intel", name="8086:a780"),
        Adapter(vendor="nvidia", name="10de:2684"),
        Adapter(vendor="nvidia", name="10de:2330"),
        Adapter(vendor="amd", name="1002:74a1"),
    )


def test_a_system_without_the_list_has_none(tmp_path):
    assert list_adapters(tmp_path) == ()


def test_files_that_say_nothing_sensible_are_passed_over(tmp_path):
    put(tmp_path, "0000:00:02.0", "display", "0x8086", "0xa780")
    put(tmp_path, "0000:00:03.0", "0x030000", "0x8086\0", "0xa780")
    assert list_adapters(tmp_path) == ()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (r"pci\ven_10de&dev_2684&subsys_16f11462", Adapter(vendor="nvidia", name="A card")),
        (r"PCI\VEN_1002&DEV_744C", Adapter(vendor="amd", name="A card")),
        (r"pci\ven_1414&dev_008e", None),
        ("usb\\vid_17e9", None),
    ],
)
def test_a_windows_identifier_names_the_vendor(text, found):
    assert parse_windows_id(text, "A card") == found
