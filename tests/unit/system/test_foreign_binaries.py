"""PE and Mach-O files: what they say of themselves, and that no damage to them harms us."""

from __future__ import annotations

import os
import random
import struct
import sys
from pathlib import Path

import lief
import pytest

from pipeline.errors import HostError, IntegrityError
from pipeline.system.binaries import FileInspector
from pipeline.system.lief_process import WORKER, LiefProcess
from tests.simulators.binaries import FIXTURES, fixture

PE_MACHINE_AT = 4  # after the offset that stands at 0x3c
CERTIFICATE_DIRECTORY = 4
SYSTEM_PATH = "/usr/lib/libSystem.B.dylib"


@pytest.fixture(scope="module")
def inspector():
    return FileInspector()


@pytest.fixture
def changed(tmp_path):
    """Write changed bytes of a fixture under a name."""

    def write(data: bytes, name: str = "changed.bin") -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


def load_command_at(data: bytes, kind: int) -> int:
    position = 32
    for _ in range(struct.unpack_from("<I", data, 16)[0]):
        found, size = struct.unpack_from("<II", data, position)
        if found == kind:
            return position
        position += size
    raise AssertionError(f"no load command {kind:#x}")


def pe_header_at(data: bytes) -> int:
    return struct.unpack_from("<I", data, 0x3C)[0]


@pytest.mark.parametrize("machine", ["x86_64", "arm64"])
def test_a_windows_program_says_machine_and_imports(inspector, machine):
    card = inspector.inspect(fixture(f"windows-{machine}", "program"))
    assert (card.format, card.machine, card.machines, card.is_executable) == ("pe", machine, (machine,), True)
    assert (card.needed, card.optional) == (("llama.dll", "KERNEL32.dll"), ())
    assert (card.runpath, card.soname, card.signature) == ((), None, None)


def test_the_subsystem_version_of_a_windows_program_is_its_lowest_system(inspector):
    assert inspector.inspect(fixture("windows-x86_64", "program")).lowest_system == "6.2"
    assert inspector.inspect(fixture("windows-x86_64", "llama")).lowest_system == "6.0"


@pytest.mark.parametrize("machine", ["x86_64", "arm64"])
def test_a_delayed_import_is_told_from_one_that_must_be_there(inspector, machine):
    card = inspector.inspect(fixture(f"windows-{machine}", "cuda"))
    assert not card.is_executable
    assert (card.needed, card.optional) == (("ggml-base.dll", "cudart64_12.dll"), ("nvcuda.dll",))


@pytest.mark.parametrize("machine", ["x86_64", "arm64"])
def test_the_msvc_runtime_and_api_sets_are_imports(inspector, machine):
    assert inspector.inspect(fixture(f"windows-{machine}", "llama")).needed[-1] == "VCRUNTIME140.dll"
    assert inspector.inspect(fixture(f"windows-{machine}", "base")).needed == ("api-ms-win-crt-runtime-l1-1-0.dll",)


def test_a_library_without_imports_has_none(inspector):
    card = inspector.inspect(fixture("windows-x86_64", "cudart"))
    assert (card.needed, card.optional) == ((), ())


def test_an_authenticode_signature_shows(inspector, changed):
    data = bytearray(fixture("windows-x86_64", "program").read_bytes())
    directories = pe_header_at(data) + 24 + 112
    struct.pack_into("<II", data, directories + 8 * CERTIFICATE_DIRECTORY, len(data), 16)
    assert inspector.inspect(changed(bytes(data) + bytes(16))).signature == "authenticode"
    with pytest.raises(IntegrityError, match="signature"):
        inspector.inspect(changed(bytes(data)))


@pytest.mark.parametrize(("number", "name"), [(0x14C, "x86"), (0x1234, "machine-0x1234")])
def test_other_windows_machines_have_a_name(inspector, changed, number, name):
    data = bytearray(fixture("windows-x86_64", "cudart").read_bytes())
    struct.pack_into("<H", data, pe_header_at(data) + PE_MACHINE_AT, number)
    assert inspector.inspect(changed(data)).machine == name


@pytest.mark.parametrize("machine", ["x86_64", "arm64"])
def test_a_macos_program_says_floor_search_path_and_libraries(inspector, machine):
    card = inspector.inspect(fixture(f"macos-{machine}", "program"))
    assert (card.format, card.machine, card.is_executable, card.soname) == ("macho", machine, True, None)
    assert (card.needed, card.runpath) == ((SYSTEM_PATH, "@rpath/libllama.0.dylib"), ("@loader_path",))
    assert (card.system, card.lowest_system) == ("macos", "13.3")
    assert len(bytes.fromhex(card.build_id)) == 16


def test_a_macos_library_has_its_install_name_and_does_not_need_itself(inspector):
    card = inspector.inspect(fixture("macos-arm64", "metal"))
    assert (card.soname, card.is_executable) == ("@rpath/libggml-metal.0.dylib", False)
    assert card.needed == (
        "@rpath/libggml-base.0.dylib",
        SYSTEM_PATH,
        "/System/Library/Frameworks/Metal.framework/Versions/A/Metal",
    )


def test_a_file_stamped_for_a_newer_macos_shows_it(inspector):
    assert inspector.inspect(fixture("macos-arm64", "backend-macos-26.0")).lowest_system == "26.0"


def test_signed_and_unsigned_programs_are_told_apart(inspector):
    assert inspector.inspect(fixture("macos-arm64", "program")).signature == "adhoc"
    assert inspector.inspect(fixture("macos-arm64", "program-unsigned")).signature is None


def test_a_signature_with_a_certificate_is_no_ad_hoc_one(inspector, changed):
    data = bytearray(fixture("macos-arm64", "program").read_bytes())
    place = struct.unpack_from("<I", data, load_command_at(data, 0x1D) + 8)[0]
    struct.pack_into(">I", data, place + 12, 0x10000)  # the first blob of the signature becomes the CMS one
    assert inspector.inspect(changed(data)).signature == "cms"


def test_a_universal_file_has_both_machines_and_the_signature_of_its_arm64_part(inspector):
    card = inspector.inspect(FIXTURES / "macos-universal" / "program")
    assert card.machines == card.architectures == ("x86_64", "arm64")
    assert (card.signature, card.lowest_system) == ("adhoc", "13.3")
    assert card.needed == (SYSTEM_PATH, "@rpath/libllama.0.dylib")


def test_a_weak_library_is_optional(inspector, changed):
    data = bytearray(fixture("macos-x86_64", "program").read_bytes())
    struct.pack_into("<I", data, load_command_at(data, 0xC), 0x80000018)
    card = inspector.inspect(changed(data))
    assert (card.optional, card.needed) == ((SYSTEM_PATH,), ("@rpath/libllama.0.dylib",))


def test_the_older_stamp_of_a_macos_version_is_read(inspector, changed):
    data = bytearray(fixture("macos-x86_64", "program").read_bytes())
    at = load_command_at(data, 0x32)
    struct.pack_into("<I", data, at, 0x24)
    struct.pack_into("<I", data, at + 8, 0x000A0E01)
    card = inspector.inspect(changed(data))
    assert (card.system, card.lowest_system) == ("macos", "10.14.1")


def test_a_file_for_another_apple_system_says_so(inspector, changed):
    data = bytearray(fixture("macos-arm64", "program").read_bytes())
    struct.pack_into("<I", data, load_command_at(data, 0x32) + 8, 2)
    assert inspector.inspect(changed(data)).system == "ios"


@pytest.mark.parametrize(
    "path", sorted(FIXTURES.glob("windows-*/*")), ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_of_a_whole_file_lief_reads_what_it_reads_of_the_part_it_is_given(inspector, path):
    lief.logging.disable()
    whole, card = lief.PE.parse(str(path)), inspector.inspect(path)
    assert card.needed == tuple(library.name for library in whole.imports)
    assert card.optional == tuple(library.name for library in whole.delay_imports)


@pytest.mark.parametrize(
    "data",
    [
        b"MZ is how this text begins, and it is long enough to have a place where the header's offset would stand.",
        b"MZ",
        b"\xca\xfe\xba\xbe\x00\x00\x00\x34 a Java class file",
        b"\xcf\xfa",
    ],
)
def test_what_only_starts_alike_is_no_binary(inspector, changed, data):
    assert inspector.inspect(changed(data)) is None


@pytest.mark.parametrize("name", ["ggml-cuda.dll", "LLAMA-SERVER.EXE"])
@pytest.mark.parametrize("data", [b"", b"<!DOCTYPE html>", b"MZ" + bytes(100)])
def test_a_file_with_the_name_of_a_windows_binary_must_be_one(inspector, changed, name, data):
    with pytest.raises(IntegrityError, match=name):
        inspector.inspect(changed(data, name))


CUT = [
    ("windows-x86_64/cuda", 1000),
    ("windows-x86_64/cuda", 2500),
    ("macos-arm64/program", 20),
    ("macos-arm64/program", 500),
    ("macos-arm64/program", 40000),
    ("macos-universal/program", 50),
    ("macos-universal/program", 60000),
]


@pytest.mark.parametrize(("name", "size"), CUT)
def test_a_file_that_is_cut_off_is_an_integrity_error_that_names_it(inspector, changed, name, size):
    path = changed((FIXTURES / name).read_bytes()[:size], "cut-off")
    with pytest.raises(IntegrityError, match="cut-off"):
        inspector.inspect(path)


def test_an_import_whose_name_is_nowhere_is_damage_and_not_an_import_less(inspector, changed):
    data = bytearray(fixture("windows-x86_64", "cuda").read_bytes())
    pe = lief.PE.parse(bytes(data))
    table = pe.rva_to_offset(pe.data_directory(lief.PE.DataDirectory.TYPES.IMPORT_TABLE).rva)
    struct.pack_into("<I", data, table + 12, 0x50000000)
    with pytest.raises(IntegrityError, match="imports"):
        inspector.inspect(changed(data))


@pytest.mark.parametrize("name", ["windows-x86_64/cuda", "macos-arm64/llama", "macos-universal/program"])
def test_any_damage_is_read_or_is_an_integrity_error(inspector, changed, name):
    chance = random.Random(20261)
    data = (FIXTURES / name).read_bytes()
    refused = 0
    for _ in range(300):
        broken = bytearray(data)
        for _ in range(chance.choice((1, 2, 8))):
            broken[chance.randrange(4, chance.choice((512, 1500, len(data))))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
        if chance.random() < 0.2:
            broken = broken[: chance.randrange(len(data))]
        try:
            inspector.inspect(changed(broken))
        except IntegrityError:
            refused += 1
    assert 30 < refused < 300


def test_a_library_larger_than_the_memory_that_may_be_used_is_read(inspector, tmp_path):
    data = bytearray(fixture("windows-x86_64", "cuda").read_bytes())
    header = pe_header_at(data)
    table = header + 24 + struct.unpack_from("<H", data, header + 20)[0]
    last = table + 40 * (struct.unpack_from("<H", data, header + 6)[0] - 1)
    struct.pack_into("<I", data, last + 16, 3 << 30)  # SizeOfRawData
    path = tmp_path / "ggml-cuda.dll"
    path.write_bytes(data)
    os.truncate(path, struct.unpack_from("<I", data, last + 20)[0] + (3 << 30))
    assert inspector.inspect(path).optional == ("nvcuda.dll",)


def test_where_lief_is_missing_the_error_says_what_to_install():
    python, *arguments = WORKER
    with pytest.raises(HostError, match="lief") as caught:
        LiefProcess((python, "-S", *arguments)).read(fixture("windows-x86_64", "program"))
    assert "engine-pipeline[build]" in caught.value.hint


def test_without_lief_linux_binaries_are_read():
    python, *arguments = WORKER
    card = FileInspector(LiefProcess((python, "-S", *arguments))).inspect(fixture("linux-arm64", "program"))
    assert (card.machine, card.needed) == ("arm64", ("libllama.so.0", "libm.so.6"))


HANGS = "import time; time.sleep(600)"
CRASHES = "import os; input(); os.abort()"


@pytest.mark.parametrize(("program", "said"), [(HANGS, "more than"), (CRASHES, "ended")])
def test_a_file_that_hangs_or_kills_its_reader_is_an_integrity_error(program, said):
    reader = LiefProcess((sys.executable, "-c", program), timeout_seconds=0.3 if program == HANGS else 60)
    for _ in range(2):  # another reader is started for the next file
        with pytest.raises(IntegrityError, match=rf"windows-x86_64/program.*{said}"):
            reader.read(fixture("windows-x86_64", "program"))


def test_a_reader_that_ended_between_two_files_is_started_again():
    reader = LiefProcess()
    first = reader.read(fixture("windows-x86_64", "program"))
    reader._process.kill()
    reader._process.wait()
    assert reader.read(fixture("windows-x86_64", "program")) == first
    reader.close()


def test_a_reader_ends_with_the_last_that_holds_it():
    reader = LiefProcess()
    reader.read(fixture("macos-arm64", "program"))
    process = reader._process
    del reader
    assert process.poll() is not None
