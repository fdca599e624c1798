"""Layers are read without unpacking them: every file is hashed, binaries are looked into, and no damage passes."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
import tracemalloc
from pathlib import Path

import pytest

from pipeline.digest import sha256_bytes
from pipeline.errors import IntegrityError
from pipeline.model.layer_content import FileFootprint, SectionSizes
from pipeline.system.archives import FileArchiver
from pipeline.system.elf_reading import DamagedElfError, ElfFile
from pipeline.system.layer_reading import LayerFileReader
from pipeline.system.section_sizes import section_sizes
from pipeline.system.trees import FileTreeReader
from tests.simulators.binaries import fixture
from tests.simulators.gpu_code import DEVICE, Code, bundle, fat_binary, with_section

SOURCE = """
#include <stdio.h>
static const char words[] = "constants are read and never written";
int numbers[4096] = {1};
int zeros[100000];
int main(int argc, char **argv) { numbers[argc] = zeros[argc]; return printf("%s", words + argc); }
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    for name in ("bin", "lib"):
        (folder / name).mkdir(parents=True)
    (folder / "bin/program").write_bytes(fixture("linux-x86_64", "program").read_bytes())
    (folder / "bin/program").chmod(0o755)
    (folder / "bin/tool.exe").write_bytes(fixture("windows-x86_64", "program").read_bytes())
    (folder / "lib/liba.dylib").write_bytes(fixture("macos-arm64", "base").read_bytes())
    (folder / "lib/link.so").symlink_to("liba.dylib")
    (folder / "lib/broken.so").write_bytes(b"\x7fELF and nothing else")
    (folder / "MZ.txt").write_text("MZ is no program here")
    return folder


def pack(tree: Path, archive: Path) -> dict[str, object]:
    """Pack a tree; return how it is read."""
    FileArchiver().pack(tree, archive, epoch_seconds=0, zstd_level=1)
    digests = {"sha256": sha256_bytes(archive.read_bytes()), "tree_sha256": FileTreeReader().scan(tree).sha256}
    files_bytes = sum(entry.size_bytes for entry in FileTreeReader().scan(tree).entries)
    return {"archive": archive, "scratch_dir": archive.parent, "files_bytes": files_bytes, **digests}


def by_path(files: tuple[FileFootprint, ...]) -> dict[str, FileFootprint]:
    return {file.path: file for file in files}


def test_every_file_is_there_with_what_it_is(tree, tmp_path):
    told: list[int] = []
    files = LayerFileReader().read(**pack(tree, tmp_path / "layer.tar.zst"), progress=told.append)
    assert [file.path for file in files] == sorted(file.path for file in files)
    found = by_path(files)
    assert {path: (file.mode, file.format) for path, file in found.items()} == {
        "MZ.txt": ("plain", None),
        "bin/program": ("executable", "elf"),
        "bin/tool.exe": ("plain", "pe"),
        "lib/broken.so": ("plain", "elf"),
        "lib/liba.dylib": ("plain", "macho"),
        "lib/link.so": ("link", None),
    }
    for entry in FileTreeReader().scan(tree).entries:
        assert (found[entry.path].size, found[entry.path].sha256) == (entry.size_bytes, entry.sha256)
    assert found["bin/program"].sections.total == found["bin/program"].size
    assert found["lib/broken.so"].sections is None
    assert told == sorted(told)
    assert told[-1] == sum(file.size for file in files)


def test_nothing_stays_in_the_scratch_folder(tree, tmp_path):
    (tree / "bin/large").write_bytes(fixture("linux-x86_64", "program").read_bytes() + bytes(9 << 20))
    request = pack(tree, tmp_path / "layer.tar.zst")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    LayerFileReader().read(**{**request, "scratch_dir": scratch})
    assert list(scratch.iterdir()) == []


def test_a_binary_larger_than_memory_should_be_takes_none_of_it(tmp_path):
    folder = tmp_path / "tree"
    folder.mkdir()
    with (folder / "large.so").open("wb") as stream:
        stream.write(fixture("linux-x86_64", "base").read_bytes())
        stream.truncate(90 << 20)
    request = pack(folder, tmp_path / "layer.tar.zst")
    tracemalloc.start()
    try:
        (file,) = LayerFileReader().read(**request)
        assert tracemalloc.get_traced_memory()[1] < 30 << 20
    finally:
        tracemalloc.stop()
    assert file.sections.total == file.size == 90 << 20


@pytest.mark.parametrize("damage", ["cut", "changed", "other", "gone"])
def test_an_archive_that_is_not_as_promised_is_named(tree, tmp_path, damage):
    request = pack(tree, tmp_path / "layer.tar.zst")
    archive = tmp_path / "layer.tar.zst"
    data = archive.read_bytes()
    match damage:
        case "cut":
            archive.write_bytes(data[:-20])
        case "changed":
            archive.write_bytes(data[:200] + bytes([data[200] ^ 1]) + data[201:])
        case "other":
            (tree / "more").write_text("more")
            pack(tree, archive)
        case "gone":
            archive.unlink()
    with pytest.raises(IntegrityError, match=r"layer\.tar\.zst") as caught:
        LayerFileReader().read(**request)
    assert "anew" in str(caught.value.hint)


def test_files_under_another_tree_digest_are_refused(tree, tmp_path):
    request = pack(tree, tmp_path / "layer.tar.zst") | {"tree_sha256": "0" * 64}
    with pytest.raises(IntegrityError, match="does not hold the files"):
        LayerFileReader().read(**request)


@pytest.mark.parametrize("fewer", [1, 90 << 20])
def test_more_than_the_manifest_names_is_refused_before_it_is_unpacked(tmp_path, fewer):
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "first").write_text("first")
    with (folder / "large").open("wb") as stream:
        stream.truncate(90 << 20)
    request = pack(folder, tmp_path / "layer.tar.zst")
    told: list[int] = []
    with pytest.raises(IntegrityError, match="unpacks to more than"):
        LayerFileReader().read(**request | {"files_bytes": request["files_bytes"] - fewer}, progress=told.append)
    assert told == [5]


def test_nothing_of_another_archive_is_looked_at(tree, tmp_path):
    told: list[int] = []
    with pytest.raises(IntegrityError, match="is not the archive"):
        LayerFileReader().read(**pack(tree, tmp_path / "layer.tar.zst") | {"sha256": "0" * 64}, progress=told.append)
    assert told == []


@pytest.mark.parametrize("header_bytes", [0, 63, 128])
def test_section_headers_of_another_size_are_damage_and_end_at_once(header_bytes):
    data = bytearray(fixture("linux-x86_64", "program").read_bytes())
    struct.pack_into("<HH", data, 58, header_bytes, 0)  # e_shentsize; a count of 0 stands in the first header
    struct.pack_into("<Q", data, struct.unpack_from("<Q", data, 40)[0] + 32, 1 << 60)
    assert section_sizes(io.BytesIO(data)) is None


def test_long_names_of_many_sections_do_not_fill_the_memory():
    count, name = 3000, 60_000
    table_at = 64 + name
    header = struct.pack(
        "<4sBBBB8xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 0, 3, 62, 1, 0, 0, table_at, 0, 64, 0, 56, 64, count, 0
    )
    section = struct.pack("<IIQQQQIIQQ", 0, 3, 0, 0, 64, 0, 0, 0, 1, 0)
    data = header + b"n" * (name - 1) + b"\0" + section * count
    tracemalloc.start()
    try:
        assert section_sizes(io.BytesIO(data)) is None
        assert tracemalloc.get_traced_memory()[1] < 80 << 20
    finally:
        tracemalloc.stop()


def test_a_dynamic_section_of_the_whole_file_does_not_fill_the_memory():
    size = 4 << 20
    header = struct.pack("<4sBBBB8xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 0, 3, 62, 1, 0, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 2, 4, 120, 120, 120, size, size, 8)
    with pytest.raises(DamagedElfError, match="dynamic section"):
        ElfFile(io.BytesIO(header + segment + b"\1" * size))


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")
def test_sections_are_what_the_linker_made_of_a_program(tmp_path):
    source, program = tmp_path / "p.c", tmp_path / "p"
    source.write_text(SOURCE)
    subprocess.run(["gcc", "-g", "-O1", "-o", program, source], check=True)
    whole = sizes(program)
    assert whole.total == program.stat().st_size
    assert whole.data >= 4096 * 4
    assert whole.text > 0
    assert whole.rodata >= 37
    assert whole.debug > 0
    assert whole.symbols > 0
    subprocess.run(["strip", program], check=True)
    stripped = sizes(program)
    assert (stripped.debug, stripped.symbols) == (0, 0)
    assert (stripped.text, stripped.rodata, stripped.data) == (whole.text, whole.rodata, whole.data)
    assert stripped.total == program.stat().st_size


def test_gpu_code_is_told_apart_by_architecture(tmp_path):
    library = tmp_path / "libgpu.so"
    plain = fixture("linux-x86_64", "cuda").read_bytes()
    library.write_bytes(with_section(plain, ".nv_fatbin", fat_binary(Code(75), Code(90, size=100))))
    found = sizes(library)
    assert found.gpu == {"sm_75": 88, "sm_90": 164, "": 16}
    assert found.total == library.stat().st_size


def test_gpu_code_that_cannot_be_read_is_of_no_architecture(tmp_path):
    library = tmp_path / "libgpu.so"
    library.write_bytes(with_section(fixture("linux-x86_64", "cuda").read_bytes(), ".nv_fatbin", b"no fat binary"))
    assert sizes(library).gpu == {"": 13}


def test_pieces_of_gpu_code_that_overlap_are_of_no_architecture(tmp_path):
    content = bundle(f"{DEVICE}gfx1100", f"{DEVICE}gfx906", code=b"code" * 9000, align=1)
    entry = struct.Struct("<QQ")
    place = content.index(DEVICE.encode()) - 24
    offset = entry.unpack_from(content, place)
    second = place + 24 + len(f"{DEVICE}gfx1100")
    changed = bytearray(content[: sum(offset)])
    entry.pack_into(changed, second, *offset)
    library = tmp_path / "libgpu.so"
    library.write_bytes(with_section(fixture("linux-x86_64", "cuda").read_bytes(), ".hip_fatbin", bytes(changed)))
    assert sizes(library).gpu == {"": len(changed)}


def sizes(path: Path) -> SectionSizes:
    with path.open("rb") as stream:
        found = section_sizes(stream)
    assert found is not None
    return found
