from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.errors import ProofError
from pipeline.make.linkage import check_linkage, read_cards
from pipeline.model.binary import BinaryCard

if TYPE_CHECKING:
    from pathlib import Path


def card(**changes: object) -> BinaryCard:
    fields = {
        "format": "elf",
        "machine": "x86_64",
        "is_executable": False,
        "soname": None,
        "needed": (),
        "runpath": ("$ORIGIN",),
        "version_needs": {},
        "has_symbols": False,
        "has_debug": False,
        "build_id": None,
    }
    return BinaryCard.model_validate({**fields, **changes})


def test_a_library_inside_the_bundle_resolves(tmp_path: Path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/libb.so").touch()
    linkage = check_linkage(tmp_path, {"bin/a": card(needed=("libb.so",))}, ())
    assert linkage.libraries == ()


def test_a_library_that_nothing_provides_fails_the_proof_and_is_named(tmp_path: Path):
    with pytest.raises(ProofError, match=r"bin/a needs libssl\.so\.3") as caught:
        check_linkage(tmp_path, {"bin/a": card(needed=("libssl.so.3",))}, ("libc.so.6",))
    assert caught.value.exit_code == 10


def test_a_system_library_is_written_into_what_the_host_must_bring(tmp_path: Path):
    linkage = check_linkage(tmp_path, {"bin/a": card(needed=("libc.so.6",))}, ("libc.so.6",))
    assert linkage.libraries == ("libc.so.6",)


def test_a_library_beside_the_program_counts_only_where_the_runpath_looks(tmp_path: Path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/libb.so").touch()
    with pytest.raises(ProofError):
        check_linkage(tmp_path, {"bin/a": card(needed=("libb.so",), runpath=())}, ())


def test_a_search_folder_outside_the_bundle_is_refused(tmp_path: Path):
    with pytest.raises(ProofError, match="/build/lib"):
        check_linkage(tmp_path, {"bin/a": card(runpath=("/build/lib",))}, ())


def test_the_floor_is_the_highest_symbol_version_by_number(tmp_path: Path):
    cards = {
        "a": card(version_needs={"libc.so.6": ("GLIBC_2.4", "GLIBC_2.34", "GLIBC_PRIVATE")}),
        "b": card(version_needs={"libstdc++.so.6": ("GLIBCXX_3.4.9", "GLIBCXX_3.4.30", "CXXABI_1.3")}),
    }
    linkage = check_linkage(tmp_path, cards, ())
    assert (linkage.glibc, linkage.libstdcxx) == ("2.34", "3.4.30")


def test_a_link_that_leads_nowhere_fails_the_proof(tmp_path: Path):
    (tmp_path / "libx.so").symlink_to("libx.so.1")

    class NoBinaries:
        def inspect(self, path: Path) -> None:
            assert path.exists()

    with pytest.raises(ProofError, match=r"libx\.so is a link"):
        read_cards(tmp_path, NoBinaries())


@pytest.mark.parametrize("entry", ["$ORIGIN/../../lib", "$ORIGINAL", "$ORIGIN/../.."])
def test_a_search_folder_that_climbs_out_of_the_bundle_is_refused(tmp_path: Path, entry):
    with pytest.raises(ProofError):
        check_linkage(tmp_path, {"bin/a": card(runpath=(entry,))}, ())


def test_a_search_folder_beside_the_program_is_inside(tmp_path: Path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/libb.so").touch()
    cards = {"bin/a": card(needed=("libb.so",), runpath=("$ORIGIN/../lib",))}
    assert check_linkage(tmp_path, cards, ()).libraries == ()


def test_a_search_path_is_not_inherited_from_the_file_that_loads(tmp_path: Path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/liba.so").touch()
    (tmp_path / "lib/libb.so").touch()
    cards = {
        "bin/program": card(is_executable=True, needed=("liba.so",), runpath=("$ORIGIN/../lib",)),
        "lib/liba.so": card(needed=("libb.so",), runpath=()),
    }
    with pytest.raises(ProofError, match=r"lib/liba\.so needs libb\.so"):
        check_linkage(tmp_path, cards, ())


def test_both_spellings_of_the_own_folder_are_known(tmp_path: Path):
    (tmp_path / "libb.so").touch()
    assert check_linkage(tmp_path, {"a": card(needed=("libb.so",), runpath=("${ORIGIN}",))}, ()).files == 1


def test_a_system_library_may_be_a_glob(tmp_path: Path):
    linkage = check_linkage(tmp_path, {"a": card(needed=("libcuda.so.1",))}, ("libcuda.so.*",))
    assert linkage.libraries == ("libcuda.so.1",)


def test_a_library_that_is_named_by_a_path_is_not_looked_for_in_the_bundle(tmp_path: Path):
    (tmp_path / "libb.so").touch()
    with pytest.raises(ProofError):
        check_linkage(tmp_path, {"a": card(needed=("/build/libb.so",))}, ())


def test_code_for_a_gpu_is_no_binary_of_the_host(tmp_path: Path):
    cards = {"lib/kernels.hsaco": card(machine="amdgpu", needed=("nothing.so",))}
    assert check_linkage(tmp_path, cards, (), platform="windows-x86_64").libraries == ()


def macho(**changes: object) -> BinaryCard:
    return card(**{"format": "macho", "machine": "arm64", "runpath": (), "signature": "adhoc", **changes})


@pytest.mark.parametrize("entry", ["/opt/homebrew/lib", "@loader_path/../..", "$ORIGIN", "lib"])
def test_a_macos_search_folder_outside_the_bundle_is_refused(tmp_path: Path, entry):
    with pytest.raises(ProofError, match="searches"):
        check_linkage(tmp_path, {"bin/a": macho(runpath=(entry,))}, ("/usr/lib/*",))


def test_a_macos_search_folder_of_the_system_is_allowed_by_data(tmp_path: Path):
    cards = {"bin/a": macho(runpath=("/usr/lib/swift",))}
    assert check_linkage(tmp_path, cards, ("/usr/lib/*",)).files == 1
    with pytest.raises(ProofError):
        check_linkage(tmp_path, cards, ())


@pytest.mark.parametrize(
    ("library", "found"),
    [
        ("@loader_path/../lib/libb.dylib", True),
        ("@executable_path/../lib/libb.dylib", True),
        ("@rpath/libb.dylib", True),
        ("@rpath/deeper/libb.dylib", False),
        ("@loader_path/libb.dylib", False),
        ("libb.dylib", False),
        ("/usr/local/lib/libb.dylib", False),
    ],
)
def test_macos_names_lead_where_dyld_follows_them(tmp_path: Path, library, found):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/libb.dylib").touch()
    program = macho(is_executable=True, needed=(library,), runpath=("@executable_path/../lib",))
    if found:
        assert check_linkage(tmp_path, {"bin/a": program}, ()).libraries == ()
    else:
        with pytest.raises(ProofError, match="needs"):
            check_linkage(tmp_path, {"bin/a": program}, ())


@pytest.mark.parametrize(
    ("module", "found"),
    [
        ({"needed": ("@rpath/liba.dylib",), "runpath": ("@loader_path/lib",)}, True),
        ({"needed": ("@loader_path/lib/liba.dylib",), "runpath": ("@loader_path/lib",)}, True),
        ({"needed": ("@loader_path/lib/liba.dylib",), "runpath": ("@loader_path",)}, False),
        ({"needed": (), "runpath": ("@loader_path/lib",)}, False),
    ],
)
def test_what_loads_a_macos_library_lends_it_its_search_folders(tmp_path: Path, module, found):
    """As mlx 0.31.2 does: its core has the run path, libmlx.dylib needs @rpath/libjaccl.dylib and has none."""
    (tmp_path / "mlx/lib").mkdir(parents=True)
    for name in ("liba", "libb", "libc"):
        (tmp_path / f"mlx/lib/{name}.dylib").touch()
    cards = {
        "mlx/core.so": macho(**module),
        "mlx/lib/liba.dylib": macho(needed=("@rpath/libb.dylib",)),
        "mlx/lib/libb.dylib": macho(needed=("@loader_path/libc.dylib",)),
    }
    if found:
        assert check_linkage(tmp_path, cards, ()).files == 3
    else:
        with pytest.raises(ProofError, match=r"liba\.dylib needs @rpath/libb\.dylib"):
            check_linkage(tmp_path, cards, ())


def test_a_run_path_is_lent_along_a_whole_chain_and_a_ring_of_libraries_has_an_end(tmp_path: Path):
    (tmp_path / "lib").mkdir()
    for name in ("liba", "libb", "libc"):
        (tmp_path / f"lib/{name}.dylib").touch()
    cards = {
        "core.so": macho(needed=("@rpath/liba.dylib",), runpath=("@loader_path/lib",)),
        "lib/liba.dylib": macho(needed=("@loader_path/libb.dylib",)),
        "lib/libb.dylib": macho(needed=("@rpath/libc.dylib", "@loader_path/liba.dylib")),
    }
    assert check_linkage(tmp_path, cards, ()).files == 3


def test_a_file_for_another_apple_system_fails_the_proof(tmp_path: Path):
    with pytest.raises(ProofError, match="ios"):
        check_linkage(tmp_path, {"a": macho(system="ios")}, ())


def test_a_missing_weak_library_is_no_fault(tmp_path: Path):
    assert check_linkage(tmp_path, {"a": macho(optional=("/opt/libz.dylib",))}, ()).libraries == ()
