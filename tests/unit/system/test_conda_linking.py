"""Linking real conda packages: text and binary prefixes, links, noarch, damage, a full disk, an interruption."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from rattler import PrefixRecord

from pipeline.errors import HostError, IntegrityError, NoSpaceError
from pipeline.system.conda_tool import RattlerTool
from pipeline.system.trees import FileTreeReader
from tests.simulators.conda_packages import PLACEHOLDER, CondaPackage, Member, write_channel
from tests.simulators.environment_world import PYTHON, SITE, noarch_package, python_package
from tests.simulators.mounts import mounted

PACKAGES = (python_package(), noarch_package())
PATHS = tuple(f"{package.subdir}/{package.filename}" for package in PACKAGES)


@pytest.fixture
def channel(tmp_path: Path) -> Path:
    write_channel(tmp_path / "a channel", PACKAGES)
    return tmp_path / "a channel"


def link(channel: Path, prefix: Path, *, packages: tuple[str, ...] = PATHS, final: Path | None = None) -> Path:
    scratch = prefix.with_name("scratch")
    RattlerTool().link(channel, packages, prefix, final_prefix=final or prefix, scratch=scratch)
    return prefix


def sorted_records(prefix: Path) -> list[PrefixRecord]:
    """Read the records as other tools do."""
    return sorted(
        (PrefixRecord.from_path(path) for path in (prefix / "conda-meta").glob("*.json")),
        key=lambda record: record.name.normalized,
    )


@pytest.mark.parametrize("final", ["/opt/a place/with spaces", "/" + "x" * 199, "/opt/größe/環境"])
def test_the_final_prefix_is_written_into_files_and_not_the_one_that_is_written_to(
    channel: Path, tmp_path: Path, final: str
):
    prefix = link(channel, tmp_path / "prefix", final=Path(final))
    assert (prefix / f"lib/python{PYTHON}/config.py").read_text() == f"PREFIX = '{final}'\n"
    library = (prefix / "lib/libpython.so").read_bytes()
    assert library.startswith(b"\x7fNOT\0" + final.encode() + b"/lib\0")
    assert len(library) == len(PACKAGES[0].files["lib/libpython.so"].data)
    assert (prefix / "bin/python").readlink() == Path(f"python{PYTHON}")
    assert (prefix / SITE / "pack/__init__.py").is_file()
    assert os.access(prefix / "bin/pack", os.X_OK)


def test_files_that_need_no_change_are_hard_links_of_the_unpacked_packages(channel: Path, tmp_path: Path):
    prefix = link(channel, tmp_path / "prefix")
    stem = PACKAGES[0].filename.removesuffix(".conda")
    plain = f"lib/python{PYTHON}/os.py"
    assert (prefix / plain).samefile(tmp_path / "scratch" / stem / plain)


def test_records_name_the_channel_that_was_locked_and_no_folder_of_the_linking(tmp_path: Path):
    locked_at = "https://conda.example/conda-forge"
    write_channel(tmp_path / "a channel", PACKAGES, locked_at=locked_at)
    prefix = link(tmp_path / "a channel", tmp_path / "prefix", final=Path("/opt/x"))
    records = [json.loads(path.read_bytes()) for path in (prefix / "conda-meta").glob("*.json")]
    assert {record["url"] for record in records} == {f"{locked_at}/{path}" for path in PATHS}
    assert {record["channel"] for record in records} == {locked_at}
    assert all(str(tmp_path) not in path.read_text() for path in (prefix / "conda-meta").iterdir())
    assert [record.name.normalized for record in sorted_records(prefix)] == ["pack", "python"]


def test_unpacked_packages_stay_as_they_are_when_they_are_used_again(channel: Path, tmp_path: Path):
    link(channel, tmp_path / "prefix")
    before = FileTreeReader().scan(tmp_path / "scratch")
    again = link(channel, tmp_path / "again")
    assert FileTreeReader().scan(tmp_path / "scratch") == before
    assert (again / f"lib/python{PYTHON}/config.py").read_text() == f"PREFIX = '{again}'\n"


def test_a_package_of_another_platform_is_linked_too(tmp_path: Path):
    package = python_package("osx-arm64")
    mach_o = bytes.fromhex("cffaedfe") + b"code" * 100 + PLACEHOLDER.encode() + b"/lib\0"
    package.files["lib/libx.dylib"] = Member(mach_o, binary=True)
    write_channel(tmp_path / "channel", (package,))
    prefix = link(
        tmp_path / "channel", tmp_path / "prefix", packages=(f"osx-arm64/{package.filename}",), final=Path("/opt/x")
    )
    assert b"/opt/x/lib\0" in (prefix / "lib/libx.dylib").read_bytes()


def test_a_longer_prefix_than_a_binary_bears_is_refused(channel: Path, tmp_path: Path):
    with pytest.raises((IntegrityError, HostError)):
        link(channel, tmp_path / "prefix", final=Path("/" + "x" * 300))


@pytest.mark.parametrize("damage", ["flip", "cut", "missing", "unlisted", "no digest", "no repodata", "bad repodata"])
def test_a_channel_that_is_not_what_it_says_is_refused(channel: Path, tmp_path: Path, damage: str):
    package, index = channel / PATHS[0], channel / "linux-64/repodata.json"
    data, document = package.read_bytes(), json.loads(index.read_text())
    match damage:
        case "flip":
            package.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        case "cut":
            package.write_bytes(data[:100])
        case "missing":
            package.unlink()
        case "unlisted":
            document["packages.conda"].clear()
        case "no digest":
            del document["packages.conda"][package.name]["sha256"]
    index.write_text(json.dumps(document))
    if damage == "no repodata":
        index.unlink()
    elif damage == "bad repodata":
        index.write_text("{")
    with pytest.raises(IntegrityError):
        link(channel, tmp_path / "prefix")
    assert not (tmp_path / "prefix/bin").exists()


def test_what_is_no_package_is_refused_although_its_digest_is_right(tmp_path: Path):
    class NoPackage(CondaPackage):
        def encode(self) -> bytes:
            return b"PK\x03\x04 no package"

    package = NoPackage("bad", "1", {})
    write_channel(tmp_path / "channel", (package,))
    with pytest.raises(IntegrityError):
        link(tmp_path / "channel", tmp_path / "prefix", packages=(f"linux-64/{package.filename}",))


def test_a_folder_that_may_not_be_written_is_the_hosts_fault(channel: Path, tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with pytest.raises((HostError, IntegrityError)):
        RattlerTool().link(
            channel, PATHS, tmp_path / "file/prefix", final_prefix=tmp_path / "p", scratch=tmp_path / "scratch"
        )


def test_a_full_disk_is_named(tmp_path: Path):
    big = CondaPackage("big", "1", {f"share/{n}": Member(os.urandom(200_000)) for n in range(20)})
    write_channel(tmp_path / "channel", (big,))
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=2m", "tmpfs") as disk, pytest.raises(NoSpaceError):
        link(tmp_path / "channel", disk / "prefix", packages=(f"linux-64/{big.filename}",))


def test_scripts_of_packages_are_not_run(tmp_path: Path):
    mark = tmp_path / "was run"
    script = Member(f"#!/bin/sh\ntouch '{mark}'\n".encode(), executable=True)
    package = CondaPackage("scripted", "1", {"bin/.scripted-post-link.sh": script, "bin/.scripted-pre-link.sh": script})
    write_channel(tmp_path / "channel", (package,))
    link(tmp_path / "channel", tmp_path / "prefix", packages=(f"linux-64/{package.filename}",))
    assert not mark.exists()
