"""ELF files: what we read is what another reader reads, and damage is an error."""

import subprocess
import sys
from pathlib import Path

import lief
import pytest

from pipeline.errors import IntegrityError
from pipeline.system.binaries import FileInspector
from tests.simulators.binaries import FIXTURES

SOURCE = '#include <math.h>\n#include <stdio.h>\nint twice(int x) { printf("%f", sqrt(x)); return 2 * x; }\n'


@pytest.fixture
def library(tmp_path):
    (tmp_path / "a.c").write_text(SOURCE)
    subprocess.run(
        ["gcc", "-g", "-shared", "-fPIC", "-Wl,-soname,libtwice.so.1", "-Wl,-rpath,$ORIGIN:/opt/x", "-Wl,--build-id",
         "-Wl,--enable-new-dtags", "-Wl,--no-as-needed", "-o", tmp_path / "libtwice.so", tmp_path / "a.c", "-lm"],
        check=True,
    )  # fmt: skip
    return tmp_path / "libtwice.so"


def inspect(path):
    return FileInspector().inspect(path)


def test_a_library_says_its_name_needs_and_search_path(library):
    card = inspect(library)
    assert card is not None
    assert (card.soname, card.is_executable, card.runpath) == ("libtwice.so.1", False, ("$ORIGIN", "/opt/x"))
    assert card.needed == ("libm.so.6", "libc.so.6")
    assert set(card.version_needs) <= set(card.needed)
    assert all(version.startswith("GLIBC_") for version in card.version_needs["libc.so.6"])
    assert (card.has_symbols, card.has_debug) == (True, True)
    assert len(bytes.fromhex(card.build_id or "")) == 20


def test_stripping_shows_and_changes_nothing_else(library):
    before = inspect(library)
    subprocess.run(["strip", "--strip-unneeded", library], check=True)
    after = inspect(library)
    assert (after.has_symbols, after.has_debug) == (False, False)
    assert after == before.model_copy(update={"has_symbols": False, "has_debug": False})


def test_a_file_of_debug_information_alone_is_read(library):
    subprocess.run(["objcopy", "--only-keep-debug", library, library.with_suffix(".debug")], check=True)
    card = inspect(library.with_suffix(".debug"))
    assert (card.has_debug, card.needed) == (True, ())
    assert card.build_id == inspect(library).build_id


@pytest.mark.parametrize("flags", [["-pie"], ["-no-pie"], ["-static"], ["-static-pie"]], ids=lambda flags: flags[0])
def test_a_program_is_told_from_a_library(tmp_path, flags):
    (tmp_path / "m.c").write_text("int main(void) { return 0; }\n")
    made = subprocess.run(["gcc", *flags, "-o", tmp_path / "m", tmp_path / "m.c"], capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"no {flags[0]} here")
    assert inspect(tmp_path / "m").is_executable


def test_other_files_are_no_binaries(tmp_path):
    for data in (b"", b"#!/bin/sh\n", b"\x7fEL", b"MZ"):
        (tmp_path / "f").write_bytes(data)
        assert inspect(tmp_path / "f") is None


def test_every_kind_of_damage_is_an_integrity_error_or_harmless(library):
    subprocess.run(["strip", library], check=True)
    data = library.read_bytes()
    broken = library.with_name("broken")
    wrong = 0
    for position in range(4, 400):
        for value in (0x00, 0xFF):
            broken.write_bytes(data[:position] + bytes([value]) + data[position + 1 :])
            try:
                inspect(broken)
            except IntegrityError:
                wrong += 1
    for size in (5, 40, 64, 300, len(data) // 2):
        broken.write_bytes(data[:size])
        with pytest.raises(IntegrityError, match="damaged"):
            inspect(broken)
    assert wrong > 50


def elf_binaries():
    folders = [
        Path("/usr/bin"),
        Path(sys.prefix) / "bin",
        Path("/usr/lib/x86_64-linux-gnu"),
        Path("/usr/lib/aarch64-linux-gnu"),
    ]
    paths = [path for folder in folders if folder.is_dir() for path in sorted(folder.iterdir())[::23]]
    paths += sorted(FIXTURES.glob("linux-*/*"))
    return [path for path in paths if path.is_file() and path.stat().st_size < 4 << 20 and inspect(path)]


def test_what_lief_reads_of_elf_files_of_this_system_and_of_two_machines_is_what_we_read():
    lief.logging.disable()
    tags = lief.ELF.DynamicEntry.TAG
    paths = elf_binaries()
    assert len(paths) > 15
    for path in paths:
        card, other = inspect(path), lief.ELF.parse(str(path))
        needs = {}
        for requirement in other.symbols_version_requirement:
            needs.setdefault(requirement.name, set()).update(a.name for a in requirement.get_auxiliary_symbols())
        soname = other.get(tags.SONAME)
        assert card.needed == tuple(e.name for e in other.dynamic_entries if e.tag == tags.NEEDED), path
        assert card.version_needs == {library: tuple(sorted(found)) for library, found in needs.items()}, path
        assert card.soname == (soname.name if soname else None), path
        assert card.has_symbols == any(section.name == ".symtab" for section in other.sections), path
        ids = [bytes(note.description).hex() for note in other.notes if note.type.name == "GNU_BUILD_ID"]
        assert card.build_id == (ids[0] if ids else None), path
