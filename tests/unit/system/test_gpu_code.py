"""GPU code in libraries: what it was compiled for is read, and no damage to it harms us."""

from __future__ import annotations

import io
import os
import struct
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import IntegrityError
from pipeline.system.binaries import FileInspector
from pipeline.system.byte_reading import DamagedBinaryError
from pipeline.system.gpu_code import FileSection, gpu_architectures, gpu_sizes
from tests.simulators.binaries import fixture
from tests.simulators.gpu_code import (
    DEVICE,
    GPU_CODE,
    LTO,
    PTX,
    Code,
    aligned,
    bundle,
    compressed,
    elf,
    fat_binary,
    with_section,
)

CUDA, HIP = ".nv_fatbin", ".hip_fatbin"
THREE = (f"{DEVICE}gfx1100", f"{DEVICE}gfx90a:xnack-", f"{DEVICE}gfx11-generic")
THREE_NAMES = ("gfx90a:xnack-", "gfx11-generic", "gfx1100")
FAT = fat_binary(Code(75), Code(90, suffix="a"), Code(90, PTX), Code(120, suffix="f"))
FAT_NAMES = ("sm_75", "sm_90a", "compute_90", "sm_120f")


@pytest.fixture(scope="module")
def inspector():
    return FileInspector()


def read(name: str, content: bytes) -> tuple[str, ...]:
    """Read a section that is a whole file."""
    return gpu_architectures(io.BytesIO(content), (FileSection(name, 0, len(content)),))


def sizes(name: str, content: bytes) -> dict[str, int]:
    return gpu_sizes(io.BytesIO(content), (FileSection(name, 0, len(content)),))


def test_every_byte_of_a_section_is_of_an_architecture_or_between_them():
    found = sizes(CUDA, FAT + bytes(100))
    assert found == {"sm_75": 88, "sm_90a": 88, "compute_90": 88, "sm_120f": 88, "": 16 + 100}
    assert sum(found.values()) == len(FAT) + 100


def test_code_of_one_architecture_is_added_up_and_code_for_a_later_link_is_of_none():
    assert sizes(CUDA, fat_binary(Code(75), Code(75, size=40), Code(75, LTO))) == {"sm_75": 88 + 104, "": 16 + 88}


def test_a_compressed_bundle_counts_with_the_bytes_that_it_takes():
    packed = compressed(bundle(*THREE, code=b"code of a GPU" * 1000))
    found = sizes(HIP, packed)
    assert sum(found.values()) == len(packed)
    assert found["gfx1100"] == found["gfx90a:xnack-"] > found[""] > 0


def test_what_nvcc_made_has_the_architectures_that_it_was_asked_for(inspector):
    assert inspector.inspect(GPU_CODE / "cuda-13.0-linked").gpu_architectures == FAT_NAMES


def test_relocatable_code_counts_and_code_for_a_later_link_does_not(inspector):
    assert inspector.inspect(GPU_CODE / "cuda-13.0-relocatable").gpu_architectures == ("sm_75", "compute_100f")


@pytest.mark.parametrize("name", ["hip-plain", "hip-zstd"])
def test_what_the_offload_bundler_made_has_the_architectures_that_it_was_asked_for(name):
    assert read(HIP, (GPU_CODE / name).read_bytes()) == THREE_NAMES


@pytest.mark.parametrize(("section", "content", "names"), [
    (CUDA, FAT, FAT_NAMES),
    ("__nv_relfatbin", FAT, FAT_NAMES),
    (HIP, bundle(*THREE), THREE_NAMES),
    (".text", FAT, ()),
    (CUDA, b"", ()),
    (CUDA, bytes(4096), ()),
])  # fmt: skip
@pytest.mark.parametrize("library", [fixture("linux-x86_64", "cuda"), fixture("linux-arm64", "cuda")])
def test_a_linux_library_says_what_it_has_code_for(inspector, tmp_path, library, section, content, names):
    path = tmp_path / "library.so"
    path.write_bytes(with_section(library.read_bytes(), section, content))
    card = inspector.inspect(path)
    assert card.gpu_architectures == names
    assert card.needed == inspector.inspect(library).needed


@pytest.mark.parametrize(("section", "content", "names"), [
    (".nv_fatb", FAT, FAT_NAMES),
    ("__nv_relfatbin", FAT, FAT_NAMES),
    (".hip_fat", aligned(compressed(bundle(*THREE)), bundle(f"{DEVICE}gfx906")), ("gfx906", *THREE_NAMES)),
    (".rdata2", FAT, ()),
])  # fmt: skip
def test_a_windows_library_says_what_it_has_code_for(inspector, tmp_path, section, content, names):
    path = tmp_path / "library.dll"
    path.write_bytes(with_section(fixture("windows-x86_64", "cuda").read_bytes(), section, content))
    card = inspector.inspect(path)
    assert card.gpu_architectures == names
    assert card.optional == ("nvcuda.dll",)


@pytest.mark.parametrize("platform", ["linux-x86_64", "windows-x86_64", "macos-arm64"])
def test_a_library_without_gpu_code_has_it_for_none(inspector, platform):
    assert inspector.inspect(fixture(platform, "base")).gpu_architectures == ()


def test_a_section_whose_content_was_moved_to_a_debug_file_is_empty(inspector, tmp_path):
    data = bytearray(elf(CUDA, FAT))
    last = struct.unpack_from("<Q", data, 40)[0] + 2 * 64
    struct.pack_into("<I", data, last + 4, 8)  # SHT_NOBITS, as objcopy --only-keep-debug writes it
    path = tmp_path / "library.so.debug"
    path.write_bytes(data)
    assert inspector.inspect(path).gpu_architectures == ()


def test_fat_binaries_follow_one_another_with_or_without_padding():
    two = fat_binary(Code(80)) + fat_binary(Code(86), header_bytes=112) + bytes(40) + fat_binary(Code(80), Code(61))
    assert read(CUDA, bytes(8) + two + bytes(500)) == ("sm_61", "sm_80", "sm_86")


def test_code_of_an_unknown_kind_is_passed_over():
    assert read(CUDA, fat_binary(Code(90, LTO), Code(0, 64), Code(90))) == ("sm_90",)


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("method", [0, 1])
def test_every_form_of_a_compressed_bundle_is_read(version, method):
    first = compressed(bundle(*THREE, code=os.urandom(9000)), version=version, method=method)
    second = compressed(bundle(f"{DEVICE}gfx1201"), version=version, method=method)
    assert read(HIP, aligned(first, second)) == (*THREE_NAMES, "gfx1201")


@pytest.mark.parametrize(("name", "read_as"), [
    ("hip-amdgcn-amd-amdhsa-gfx906", ("gfx906",)),
    ("hip-amdgcn-amd-amdhsa--gfx908:sramecc+:xnack-", ("gfx908:sramecc+:xnack-",)),
    ("hipv4-amdgcn-amd-amdhsa--gfx10-3-generic", ("gfx10-3-generic",)),
    ("hipv4-amdgcn-amd-amdhsa-unknown-gfx942", ("gfx942",)),
    ("openmp-amdgcn-amd-amdhsa--gfx942", ()),
    ("hip-spirv64-amd-amdhsa--amdgcnspirv", ()),
    ("hipv4-amdgcn-amd-amdhsa--gfx942 and more", ()),
])  # fmt: skip
def test_of_an_entry_the_processor_and_its_features_are_taken(name, read_as):
    assert read(HIP, bundle(name)) == read_as


def test_an_entry_without_code_counts_for_nothing():
    assert read(HIP, bundle(*THREE, code=b"")) == ()


BOMB = bundle(*(f"{DEVICE}gfx{number}" for number in range(1000, 1400)), code=bytes(100_000))


@pytest.mark.parametrize("method", [0, 1])
def test_of_a_compressed_bundle_only_the_table_is_decompressed(method):
    section = compressed(BOMB, method=method)
    assert len(section) < len(BOMB) / 100
    tracemalloc.start()
    assert len(read(HIP, section)) == 400
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 2 << 20


def test_a_section_of_gigabytes_is_not_read_into_memory(inspector, tmp_path):
    size = 3 << 30
    data = bytearray(elf(CUDA, b""))
    last = struct.unpack_from("<Q", data, 40)[0] + 2 * 64
    head = fat_binary(Code(90, size=0))[16:]
    place = len(data)
    struct.pack_into("<QQ", data, last + 24, place, 16 + len(head) + size)
    body = struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(head) + size) + head[:8] + struct.pack("<Q", size) + head[16:]
    path = tmp_path / "library.so"
    path.write_bytes(bytes(data) + body)
    os.truncate(path, place + len(body) + size)
    tracemalloc.start()
    assert inspector.inspect(path).gpu_architectures == ("sm_90",)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 2 << 20


def changed(data: bytes, at: int, form: str, *values: int) -> bytes:
    """Return data with other numbers at a place."""
    result = bytearray(data)
    struct.pack_into(form, result, at, *values)
    return bytes(result)


PLAIN = bundle(*THREE)
PACKED = compressed(PLAIN)
DAMAGED = {
    "not a fat binary": (CUDA, b"not a fat binary"),
    "another version": (CUDA, changed(FAT, 4, "<H", 2)),
    "a header of no bytes": (CUDA, changed(FAT, 6, "<H", 0)),
    "a size of all that can be": (CUDA, changed(FAT, 8, "<Q", (1 << 64) - 1)),
    "one byte too much": (CUDA, changed(FAT, 8, "<Q", len(FAT) - 15)),
    "one byte too little": (CUDA, changed(FAT, 8, "<Q", len(FAT) - 17)),
    "an entry without a header": (CUDA, changed(FAT, 20, "<I", 0)),
    "an entry of endless code": (CUDA, changed(FAT, 24, "<Q", (1 << 64) - 1)),
    "an entry into the next": (CUDA, changed(FAT, 24, "<Q", 23)),
    "an architecture that cannot be": (CUDA, changed(FAT, 16 + 28, "<I", 0)),
    "a cut off fat binary": (CUDA, FAT[:-1]),
    "half a header": (CUDA, FAT + FAT[:8]),
    "not a bundle": (HIP, b"not a bundle at all, and long enough"),
    "entries without end": (HIP, changed(PLAIN, 24, "<Q", (1 << 64) - 1)),
    "a bundle that is all table": (HIP, PLAIN[:100]),
    "code outside": (HIP, changed(PLAIN, 32, "<Q", 1 << 40)),
    "code without end": (HIP, changed(PLAIN, 40, "<Q", (1 << 64) - 1)),
    "a name without end": (HIP, changed(PLAIN, 48, "<Q", (1 << 64) - 1)),
    "a version from the future": (HIP, changed(PACKED, 4, "<H", 9)),
    "a method from the future": (HIP, changed(PACKED, 6, "<H", 9)),
    "a compressed size of none": (HIP, changed(PACKED, 8, "<Q", 0)),
    "a compressed size of all": (HIP, changed(PACKED, 8, "<Q", (1 << 64) - 1)),
    "an unpacked size of none": (HIP, changed(PACKED, 16, "<Q", 0)),
    "no zstd": (HIP, changed(PACKED, 32, "<I", 0)),
    "no zlib": (HIP, changed(compressed(PLAIN, method=0), 32, "<I", 0)),
    "cut off zstd": (HIP, changed(PACKED, 8, "<Q", 50)[:50]),
    "cut off zlib": (HIP, changed(compressed(PLAIN, method=0), 8, "<Q", 50)[:50]),
    "something else compressed": (HIP, compressed(b"something else that is long enough for a magic")),
    "a compressed header cut off": (HIP, PACKED[:6]),
    "sizes cut off": (HIP, PACKED[:20]),
    "megabytes of nothing": (CUDA, FAT + bytes(3 << 20) + FAT),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_length_that_cannot_be_is_damage(name):
    with pytest.raises(DamagedBinaryError):
        read(*DAMAGED[name])


def test_too_many_headers_and_too_many_bundles_are_refused(monkeypatch):
    monkeypatch.setattr("pipeline.system.fat_binaries._MAX_HEADERS", 4)
    monkeypatch.setattr("pipeline.system.offload_bundles._MAX_BUNDLES", 2)
    for content in (FAT, fat_binary() * 5):
        with pytest.raises(DamagedBinaryError, match="headers"):
            read(CUDA, content)
    assert read(CUDA, fat_binary(Code(90)) * 2) == ("sm_90",)
    with pytest.raises(DamagedBinaryError, match="bundles"):
        read(HIP, aligned(PLAIN, PLAIN, PLAIN))


@pytest.mark.parametrize(("library", "name"), [("linux-x86_64", CUDA), ("windows-x86_64", ".nv_fatb")])
def test_damaged_gpu_code_is_an_integrity_error_that_names_the_file(inspector, tmp_path, library, name):
    path = tmp_path / "ggml-cuda.dll"
    path.write_bytes(with_section(fixture(library, "cuda").read_bytes(), name, DAMAGED["one byte too much"][1]))
    with pytest.raises(IntegrityError, match=r"ggml-cuda\.dll.*fat binary"):
        inspector.inspect(path)


@pytest.mark.parametrize(("at", "value"), [(24, 1 << 40), (24, (1 << 64) - 1), (32, 1 << 40), (32, (1 << 64) - 1)])
def test_a_section_of_gpu_code_that_reaches_out_of_the_file_is_an_integrity_error(inspector, tmp_path, at, value):
    data = bytearray(elf(CUDA, FAT))
    last = struct.unpack_from("<Q", data, 40)[0] + 2 * 64
    struct.pack_into("<Q", data, last + at, value)
    path = tmp_path / "library.so"
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match=r"library\.so"):
        inspector.inspect(path)


SAMPLES = [
    (CUDA, FAT + bytes(8) + FAT),
    (HIP, aligned(PLAIN, PLAIN)),
    *((HIP, aligned(*[compressed(PLAIN, version=v, method=m)] * 2)) for v in (1, 2, 3) for m in (0, 1)),
]
NUMBERS = st.sampled_from([0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 1 << 31, (1 << 32) - 1, 1 << 63, (1 << 64) - 1])
CHANGES = st.lists(st.tuples(st.integers(0, 400), st.sampled_from("BHIQ"), NUMBERS), min_size=1, max_size=4)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(SAMPLES), CHANGES, st.one_of(st.none(), st.integers(0, 600)))
def test_any_change_of_the_headers_is_read_or_refused(sample, changes, cut):
    name, content = sample
    data = bytearray(content)
    for at, form, value in changes:
        if at + struct.calcsize(form) <= len(data):
            struct.pack_into(f"<{form}", data, at, value & ((1 << 8 * struct.calcsize(form)) - 1))
    try:
        found = read(name, bytes(data[:cut]))
    except DamagedBinaryError:
        return
    assert all(part.startswith(("sm_", "compute_", "gfx")) for part in found)


@given(st.binary(max_size=600), st.sampled_from([b"CCOB", b"__CLANG_OFFLOAD_BUNDLE__", b"\x50\xed\x55\xba", b""]))
@pytest.mark.parametrize("name", [CUDA, HIP])
def test_anything_at_all_is_read_or_refused(name, content, magic):
    try:
        read(name, magic + content)
    except DamagedBinaryError:
        return
