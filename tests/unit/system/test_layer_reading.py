"""Layers are read without unpacking them: every file is hashed, binaries are looked into, and no damage passes."""

from __future__ import annotations

import shutil
import subprocess
import tracemalloc
from pathlib import Path

import pytest

from pipeline.digest import sha256_bytes
from pipeline.errors import IntegrityError
from pipeline.model.layer_content import FileFootprint, SectionSizes
from pipeline.system.archives import FileArchiver
from pipeline.system.layer_reading import LayerFileReader
from pipeline.system.section_sizes import section_sizes
from pipeline.system.trees import FileTreeReader
from tests.simulators.binaries import fixture
from tests.simulators.gpu_code import Code, fat_binary, with_section

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
    return {"archive": archive, "scratch_dir": archive.parent, **digests}


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


def sizes(path: Path) -> SectionSizes:
    with path.open("rb") as stream:
        found = section_sizes(stream)
    assert found is not None
    return found
