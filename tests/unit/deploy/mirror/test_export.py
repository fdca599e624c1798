from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pipeline.deploy.mirror.export import export_mirror
from pipeline.errors import IntegrityError, NoSpaceError, NothingSelectedError, UsageError
from pipeline.model.mirror_export import ExportOutcome
from tests.simulators.engine_world import FixedHost, World

PART = 3000


def export(world: World, to: Path, **choices: object) -> ExportOutcome:
    services = world.services(world.folder / "exporter")
    return export_mirror(world.repository, to, services=services, disk=world.disk, **({"part_size": PART} | choices))


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def index_of(folder: Path) -> dict:
    return json.loads((folder / "index.json").read_text())


@pytest.fixture
def usb(tmp_path: Path) -> Path:
    return tmp_path / "usb"


def test_parts_have_the_size_that_was_asked_for_and_join_to_the_files_of_the_index(published, usb):
    outcome = export(published, usb)
    index = index_of(usb)
    parts = [(usb / part["name"]).read_bytes() for part in index["parts"]]
    assert [len(part) for part in parts[:-1]] == [PART] * (len(parts) - 1)
    assert 0 < len(parts[-1]) <= PART
    joined = b"".join(parts)
    for file in index["files"]:
        assert joined[: file["size"]] == (published.repository / file["path"]).read_bytes()
        joined = joined[file["size"] :]
    assert joined == b""
    assert outcome.changed
    assert sorted(path.name for path in usb.iterdir()) == sorted([*outcome.parts, "index.json"])


def test_what_is_private_to_the_publisher_stays_behind(published, usb):
    (published.repository / ".mirror").mkdir()
    (published.repository / ".mirror/secret").write_text("secret")
    (published.repository / "notes.txt").write_text("mine")
    export(published, usb)
    tops = {file["path"].partition("/")[0] for file in index_of(usb)["files"]}
    assert tops == {"metadata", "blobs", "manifest.json", "README.txt"}


def test_the_same_mirror_gives_the_same_bytes(published, usb, tmp_path):
    export(published, usb)
    export(published, tmp_path / "other")
    assert content(usb) == content(tmp_path / "other")


def test_a_second_export_changes_nothing(published, usb):
    export(published, usb)
    before = content(usb)
    outcome = export(published, usb)
    assert not outcome.changed
    assert outcome.bytes_written == 0
    assert content(usb) == before


def test_parts_that_are_whole_are_kept_and_others_are_written_again(published, usb):
    first = export(published, usb)
    before = content(usb)
    (usb / first.parts[1]).unlink()
    damaged = usb / first.parts[2]
    damaged.write_bytes(b"x" + damaged.read_bytes()[1:])
    again = export(published, usb)
    assert set(again.kept) == set(first.parts) - {first.parts[1], first.parts[2]}
    assert again.bytes_written == len(before[first.parts[1]]) + len(before[first.parts[2]])
    assert content(usb) == before


def test_one_part_alone_comes_with_the_whole_index(published, usb, tmp_path):
    export(published, usb)
    whole = content(usb)
    dvd = tmp_path / "dvd"
    outcome = export(published, dvd, only_part=2)
    assert content(dvd) == {name: whole[name] for name in ("index.json", outcome.parts[1])}
    assert not export(published, dvd, only_part=2).changed


def test_a_part_that_there_is_not_is_refused(published, usb):
    with pytest.raises(UsageError):
        export(published, usb, only_part=1000)


def test_a_dry_run_says_the_parts_and_writes_nothing(published, usb):
    planned = export(published, usb, dry_run=True)
    assert not usb.exists()
    real = export(published, usb)
    assert (planned.parts, planned.bytes_written) == (real.parts, real.bytes_written)


def test_every_flipped_byte_of_a_mirror_stops_the_export(published, usb):
    for path in sorted(published.repository.rglob("*")):
        if not path.is_file() or path.name in {"manifest.json", "README.txt", ".publish.lock"}:
            continue
        data = path.read_bytes()
        path.write_bytes(data[:-2] + bytes([data[-2] ^ 1]) + data[-1:])
        with pytest.raises(IntegrityError) as caught:
            export(published, usb)
        assert path.name in caught.value.message
        path.write_bytes(data)
        assert not (usb / "index.json").exists()


def test_every_missing_file_of_a_mirror_stops_the_export(published, usb):
    for path in sorted(published.repository.rglob("*")):
        if not path.is_file() or path.name in {"manifest.json", "README.txt", ".publish.lock"}:
            continue
        data = path.read_bytes()
        path.unlink()
        with pytest.raises((IntegrityError, UsageError)):
            export(published, usb)
        path.write_bytes(data)


def test_a_link_in_a_mirror_is_not_followed(published, usb, tmp_path):
    (tmp_path / "secret").write_text("secret")
    (published.repository / "models").mkdir()
    (published.repository / "models/model.gguf").symlink_to(tmp_path / "secret")
    with pytest.raises(IntegrityError):
        export(published, usb)


def test_a_folder_that_is_no_mirror_is_refused(world, usb, tmp_path):
    world.repository.mkdir()
    with pytest.raises(UsageError):
        export(world, usb)


def test_two_exports_do_not_mix(published, usb):
    export(published, usb)
    published.build("b2")
    published.publish()
    before = content(usb)
    with pytest.raises(UsageError):
        export(published, usb)
    assert content(usb) == before


def test_a_full_medium_is_noticed_before_anything_is_written(published, usb):
    services = published.services(published.folder / "exporter", host=FixedHost(free=1000))
    with pytest.raises(NoSpaceError):
        export_mirror(published.repository, usb, services=services, disk=published.disk, part_size=PART)
    assert not usb.exists()


def test_too_many_parts_are_refused(published, usb):
    with pytest.raises(UsageError):
        export(published, usb, part_size=1)


@pytest.mark.parametrize("base", ["mirror", "export", "index"])
def test_a_difference_has_only_what_is_new(published, usb, tmp_path, base):
    full = tmp_path / "full"
    export(published, full)
    old = tmp_path / "old"
    if base == "mirror":
        shutil.copytree(published.repository, old)
    since = {"mirror": old, "export": full, "index": full / "index.json"}[base]
    published.build("b2")
    published.publish()
    outcome = export(published, usb, since=since)
    index = index_of(usb)
    before, after = index_of(full)["files"], index["files"]
    assert not [file for file in after if file in before]
    assert {f["path"] for f in index["base"]} & {f["path"] for f in before}
    assert outcome.bytes_total == sum(file["size"] for file in after)


def test_a_difference_of_a_difference_counts_both(published, usb, tmp_path):
    export(published, tmp_path / "1")
    published.build("b2")
    published.publish()
    export(published, tmp_path / "2", since=tmp_path / "1")
    published.build("b3")
    published.publish()
    export(published, usb, since=tmp_path / "2")
    first, last = index_of(tmp_path / "1"), index_of(usb)
    blobs = {file["path"] for file in first["files"] if file["path"].startswith("blobs/")}
    assert blobs - {file["path"] for file in last["files"]} == blobs
    assert {file["path"] for file in last["base"]} & blobs


def test_nothing_new_is_said(published, usb, tmp_path):
    export(published, tmp_path / "full")
    with pytest.raises(NothingSelectedError):
        export(published, usb, since=tmp_path / "full")


def test_what_is_no_base_is_refused(published, usb, tmp_path):
    with pytest.raises(UsageError):
        export(published, usb, since=tmp_path)
    (tmp_path / "junk.json").write_text('{"schema_version": 1, "schema_version": 1}')
    with pytest.raises(IntegrityError):
        export(published, usb, since=tmp_path / "junk.json")
