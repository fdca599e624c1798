from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.deploy.mirror.export import export_mirror
from pipeline.deploy.mirror.export_index import export_id
from pipeline.deploy.mirror.import_check import RollbackError
from pipeline.deploy.mirror.importing import import_export
from pipeline.deploy.verify import verify
from pipeline.errors import IntegrityError, NoSpaceError, TrustError, UsageError
from pipeline.model.mirror_export import ExportedFile, ExportOutcome, ImportOutcome
from tests.simulators.engine_world import FixedHost, World

PART = 3000


@pytest.fixture
def usb(tmp_path: Path) -> Path:
    return tmp_path / "usb"


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    return tmp_path / "mirror"


def export(world: World, to: Path, **choices: object) -> ExportOutcome:
    services = world.services(world.folder / "exporter")
    return export_mirror(world.repository, to, services=services, disk=world.disk, **({"part_size": PART} | choices))


def carry_in(world: World, mirror: Path, *sources: Path, **choices: object) -> ImportOutcome:
    fields = {"trusted_root": world.trusted_root, "services": world.services(world.folder / "importer")} | choices
    return import_export(sources, mirror, disk=world.disk, **fields)


def content(folder: Path) -> dict[str, bytes]:
    """Return every file of a mirror that is for others, and every other one but state and locks."""
    return {
        path: data.read_bytes()
        for data in folder.rglob("*")
        if data.is_file() and not (path := data.relative_to(folder).as_posix()).startswith((".mirror/", ".publish"))
    }


def leftovers(mirror: Path) -> list[str]:
    return sorted(path.name for path in (mirror / ".mirror/import").iterdir())


def rewrite(usb: Path, change: Callable[[dict], None], *, new_id: bool = True) -> None:
    """Change an index as somebody would who can write to the disk: with an id and part names that fit again."""
    path = usb / "index.json"
    index = json.loads(path.read_text())
    change(index)
    if new_id:
        try:
            files = [[ExportedFile(**file) for file in index[key]] for key in ("files", "base")]
        except ValueError:
            files = None
        if files:
            old, index["id"] = index["id"], export_id(*files, part_size=index["part_size"])
            for part in index["parts"]:
                new = part["name"].replace(old, index["id"])
                if (usb / part["name"]).exists():
                    (usb / part["name"]).rename(usb / new)
                part["name"] = new
    path.write_text(json.dumps(index))


def test_an_imported_mirror_is_the_exported_one_and_installs(published, usb, mirror):
    export(published, usb)
    outcome = carry_in(published, mirror, usb)
    assert (outcome.complete, outcome.changed, outcome.missing, outcome.timestamp) == (True, True, (), 1)
    assert content(mirror) == content(published.repository)
    assert leftovers(mirror) == []
    installed = published.install(location=str(mirror), root=published.folder / "elsewhere")
    assert installed.version == "b1"
    report = verify(mirror, published.services(), disk=published.disk, trusted_root=published.trusted_root)
    assert [finding for finding in report.findings if not finding.path.startswith(".mirror/")] == []


def test_an_import_done_again_changes_nothing(published, usb, mirror):
    export(published, usb)
    carry_in(published, mirror, usb)
    before = content(mirror)
    outcome = carry_in(published, mirror, usb)
    assert (outcome.complete, outcome.changed, outcome.taken, outcome.files_added) == (True, False, (), 0)
    assert content(mirror) == before


def test_parts_come_one_disk_after_another_in_any_order(published, usb, mirror, tmp_path):
    parts = export(published, usb).parts
    disks = []
    for number, part in enumerate(parts):
        disks.append(tmp_path / f"disk{number}")
        disks[-1].mkdir()
        (usb / part).rename(disks[-1] / part)
    (usb / "index.json").rename(disks[1] / "index.json")
    order = [1, 0, *range(2, len(parts))]
    for position, number in enumerate(order):
        outcome = carry_in(published, mirror, disks[number])
        shutil.rmtree(disks[number])
        assert outcome.taken == (parts[number],)
        assert set(outcome.missing) == {parts[later] for later in order[position + 1 :]}
        assert outcome.complete == (position == len(order) - 1)
        assert (mirror / "metadata").exists() == outcome.complete
    assert content(mirror) == content(published.repository)
    assert outcome.files_added == len(content(mirror)), "from all disks"
    assert leftovers(mirror) == []


def test_several_disks_at_once(published, usb, mirror, tmp_path):
    parts = export(published, usb).parts
    (tmp_path / "other").mkdir()
    (usb / parts[0]).rename(tmp_path / "other" / parts[0])
    assert carry_in(published, mirror, usb, tmp_path / "other").complete


def test_a_dry_run_says_what_is_missing_and_writes_nothing(published, usb, mirror):
    parts = export(published, usb).parts
    (usb / parts[2]).unlink()
    outcome = carry_in(published, mirror, usb, dry_run=True)
    assert (outcome.complete, outcome.missing) == (False, (parts[2],))
    assert not mirror.exists()


def test_parts_whose_files_are_there_already_are_not_needed(published, usb, mirror):
    parts = export(published, usb).parts
    shutil.copytree(published.repository / "blobs", mirror / "blobs")
    (mirror / "metadata").mkdir()
    (usb / parts[-1]).unlink()
    assert carry_in(published, mirror, usb).complete


@pytest.mark.parametrize("lanes", [1, 3])
def test_differences_follow_each_other(published, mirror, tmp_path, lanes):
    export(published, tmp_path / "0")
    carry_in(published, mirror, tmp_path / "0")
    for number in range(1, lanes + 1):
        published.build(f"b{number + 1}")
        published.publish()
        export(published, tmp_path / str(number), since=tmp_path / str(number - 1))
        outcome = carry_in(published, mirror, tmp_path / str(number))
        assert outcome.timestamp == number + 1
    kept = content(mirror)
    assert content(published.repository).items() <= kept.items()
    assert published.install(location=str(mirror), root=tmp_path / "new").version == f"b{lanes + 1}"


def test_a_difference_without_its_base_says_what_lacks(published, usb, mirror, tmp_path):
    export(published, tmp_path / "full")
    published.build("b2")
    published.publish()
    export(published, usb, since=tmp_path / "full")
    with pytest.raises(IntegrityError, match=r"metadata/1\.root\.json"):
        carry_in(published, mirror, usb)
    assert content(mirror) == {}


def test_an_older_export_never_replaces_newer_metadata(published, usb, mirror, tmp_path):
    export(published, tmp_path / "old")
    published.build("b2")
    published.publish()
    export(published, usb)
    carry_in(published, mirror, usb)
    before = content(mirror)
    for state in ("kept", "lost"):
        if state == "lost":
            shutil.rmtree(mirror / ".mirror")
        with pytest.raises(TrustError):
            carry_in(published, mirror, tmp_path / "old")
        assert content(mirror) == before
        assert leftovers(mirror) == []


def test_an_older_export_is_refused_although_what_the_mirror_has_expired(world, usb, mirror):
    now = world.clock.now_seconds()
    world.build("b1")
    world.publish()
    export(world, usb)
    world.build("b2")
    world.publish(now=now - 10 * 86400)
    shutil.copytree(world.repository, mirror)
    before = content(mirror)
    with pytest.raises(RollbackError):
        carry_in(world, mirror, usb)
    assert content(mirror) == before


def test_expired_metadata_is_refused_and_what_came_is_kept(world, usb, mirror):
    world.build("b1")
    world.publish(now=world.clock.now_seconds() - 10 * 86400)
    identity = export(world, usb).id
    with pytest.raises(TrustError, match="expired"):
        carry_in(world, mirror, usb)
    assert content(mirror) == {}
    assert leftovers(mirror) == [identity]


def test_metadata_of_other_keys_is_refused(published, usb, mirror, tmp_path):
    (tmp_path / "stranger").mkdir()
    stranger = World(tmp_path / "stranger")
    stranger.build("b1")
    stranger.publish()
    export(stranger, usb)
    with pytest.raises(TrustError):
        carry_in(published, mirror, usb)
    assert content(mirror) == {}
    carry_in(stranger, mirror, usb)
    export(published, tmp_path / "ours")
    with pytest.raises(TrustError):
        carry_in(published, mirror, tmp_path / "ours")
    assert content(mirror) == content(stranger.repository)


def test_each_flipped_byte_of_each_part_is_noticed_and_named(published, usb, mirror):
    for part in export(published, usb).parts:
        path = usb / part
        data = path.read_bytes()
        for position in (0, len(data) // 2, len(data) - 1):
            path.write_bytes(data[:position] + bytes([data[position] ^ 0x40]) + data[position + 1 :])
            with pytest.raises(IntegrityError, match=part):
                carry_in(published, mirror, usb)
            assert content(mirror) == {}
            shutil.rmtree(mirror)
        path.write_bytes(data)
    assert carry_in(published, mirror, usb).complete


@pytest.mark.parametrize("change", ["shorter", "longer", "empty"])
def test_a_part_of_another_size_is_refused_and_the_others_are_kept(published, usb, mirror, change):
    parts = export(published, usb).parts
    path = usb / parts[1]
    data = path.read_bytes()
    path.write_bytes({"shorter": data[:-1], "longer": data + b"x", "empty": b""}[change])
    with pytest.raises(IntegrityError, match=parts[1]):
        carry_in(published, mirror, usb)
    path.write_bytes(data)
    outcome = carry_in(published, mirror, usb)
    assert outcome.complete
    assert outcome.taken == (parts[1],)


def test_the_whole_copy_of_a_damaged_part_on_another_disk_serves(published, usb, mirror, tmp_path):
    parts = export(published, usb).parts
    shutil.copytree(usb, tmp_path / "copy")
    (usb / parts[1]).write_bytes(b"x" * (usb / parts[1]).stat().st_size)
    assert carry_in(published, mirror, usb, tmp_path / "copy").complete


def test_a_part_that_is_a_link_or_a_pipe_is_refused(published, usb, mirror, tmp_path):
    parts = export(published, usb).parts
    (usb / parts[0]).rename(tmp_path / "moved")
    (usb / parts[0]).symlink_to(tmp_path / "moved")
    with pytest.raises(IntegrityError):
        carry_in(published, mirror, usb)
    (usb / parts[0]).unlink()
    os.mkfifo(usb / parts[0])
    with pytest.raises(IntegrityError):
        carry_in(published, mirror, usb)


def set_path(path: str) -> Callable[[dict], None]:
    return lambda index: index["files"][0].update(path=path)


HOSTILE: dict[str, Callable[[dict], object]] = {
    "up": set_path("../outside"),
    "up inside": set_path("models/../../outside"),
    "absolute": set_path("/etc/passwd"),
    "state": set_path(".mirror/trust/root.json"),
    "hidden": set_path("models/.hidden"),
    "drive": set_path("C:\\outside"),
    "stream": set_path("models/a:b"),
    "control": set_path("models/a\nb"),
    "dot at the end": set_path("models/a."),
    "unknown top": set_path("elsewhere/file"),
    "blob under another digest": set_path("blobs/00/" + "0" * 64),
    "twice": lambda index: index["files"].append(index["files"][0]),
    "case twins": lambda index: index["files"].extend(
        {"path": path, "size": 0, "sha256": "e" * 64, "mode": 420} for path in ("models/a", "models/A")
    ),
    "below a file": lambda index: index["files"].extend(
        {"path": path, "size": 0, "sha256": "e" * 64, "mode": 420} for path in ("models/a", "models/a/b")
    ),
    "setuid": lambda index: index["files"][0].update(mode=0o4755),
    "huge file": lambda index: index["files"][0].update(size=10**17),
    "negative file": lambda index: index["files"][0].update(size=-1),
    "huge part": lambda index: index["parts"][0].update(size=10**15),
    "part elsewhere": lambda index: index["parts"][0].update(name="../part"),
    "no parts": lambda index: index.update(parts=[]),
    "parts of size 0": lambda index: index.update(part_size=0),
    "unknown key": lambda index: index.update(extra=1),
    "later version": lambda index: index.update(schema_version=2),
    "float": lambda index: index["files"][0].update(size=1.0),
    "text size": lambda index: index["files"][0].update(size="1"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_index_is_refused_and_nothing_is_written(published, usb, mirror, name):
    export(published, usb)
    rewrite(usb, HOSTILE[name])
    with pytest.raises(IntegrityError):
        carry_in(published, mirror, usb)
    assert content(mirror) == {}
    assert leftovers(mirror) == []


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"id": 1, "id": 2}', '{"a": NaN}', '{"a": 1e999}', "[" * 10000, "\ufeff{}", '{"a": "\u202e"}'],
)
def test_an_index_that_readers_could_read_differently_is_refused(published, usb, mirror, text):
    export(published, usb)
    (usb / "index.json").write_text(text, encoding="utf-8")
    with pytest.raises(IntegrityError):
        carry_in(published, mirror, usb)


def add_file(index: dict, usb: Path, path: str, data: bytes) -> None:
    """Add a file at the end of the stream as somebody would who can write to the disk."""
    last = index["parts"][-1]
    old = (usb / last["name"]).read_bytes()
    assert len(old) + len(data) <= index["part_size"]
    (usb / last["name"]).write_bytes(old + data)
    last.update(size=len(old + data), sha256=hashlib.sha256(old + data).hexdigest())
    index["files"].append({"path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "mode": 420})


def test_files_that_nothing_signs_are_refused(published, usb, mirror):
    export(published, usb, part_size=100_000)
    digest = hashlib.sha256(b"bad").hexdigest()
    rewrite(usb, lambda index: add_file(index, usb, f"blobs/{digest[:2]}/{digest}", b"bad"))
    with pytest.raises(IntegrityError, match="signed by nothing"):
        carry_in(published, mirror, usb)
    assert content(mirror) == {}
    assert leftovers(mirror) == []


def test_metadata_beside_the_signed_chain_is_refused(published, usb, mirror):
    export(published, usb, part_size=100_000)
    rewrite(usb, lambda index: add_file(index, usb, "metadata/99.snapshot.json", b"{}"))
    with pytest.raises(IntegrityError):
        carry_in(published, mirror, usb)


def test_a_file_with_another_content_than_listed_is_refused(published, usb, mirror):
    export(published, usb, part_size=100_000)

    def swap(index: dict) -> None:
        path = usb / index["parts"][0]["name"]
        data = path.read_bytes()
        data = data[:100] + bytes([data[100] ^ 1]) + data[101:]
        path.write_bytes(data)
        index["parts"][0]["sha256"] = hashlib.sha256(data).hexdigest()

    rewrite(usb, swap)
    with pytest.raises(IntegrityError, match="the index says"):
        carry_in(published, mirror, usb)


def test_two_indexes_of_one_export_that_differ_are_refused(published, usb, mirror, tmp_path):
    parts = export(published, usb).parts
    shutil.copytree(usb, tmp_path / "copy")
    rewrite(tmp_path / "copy", lambda index: index["parts"][0].update(sha256="0" * 64), new_id=False)
    with pytest.raises(IntegrityError):
        carry_in(published, mirror, usb, tmp_path / "copy")
    (usb / parts[0]).unlink()
    carry_in(published, mirror, usb)
    with pytest.raises(IntegrityError):
        carry_in(published, mirror, tmp_path / "copy")


@pytest.mark.parametrize("what", ["no folder", "empty", "parts alone", "two exports"])
def test_where_there_is_no_one_export_it_is_said(published, usb, mirror, tmp_path, what):
    parts = export(published, usb).parts
    sources = [usb]
    if what == "no folder":
        sources = [tmp_path / "nothing"]
    elif what == "empty":
        sources = [mirror]
        mirror.mkdir()
    elif what == "parts alone":
        (usb / "index.json").unlink()
    else:
        sources.append(tmp_path / "second")
        export(published, tmp_path / "second", part_size=PART + 1)
    assert parts
    with pytest.raises(UsageError):
        carry_in(published, mirror, *sources)


def test_a_folder_with_something_else_in_it_is_left_alone(published, usb, mirror):
    export(published, usb)
    mirror.mkdir()
    (mirror / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError):
        carry_in(published, mirror, usb)
    assert [path.name for path in mirror.iterdir()] == ["thesis.txt"]


def test_a_full_disk_is_noticed_before_anything_is_read(published, usb, mirror):
    export(published, usb)
    services = published.services(published.folder / "importer", host=FixedHost(free=1000))
    with pytest.raises(NoSpaceError):
        carry_in(published, mirror, usb, services=services)


def test_executables_stay_executable(published, usb, mirror):
    script = published.repository / "installer/install.sh"
    script.parent.mkdir()
    script.write_bytes(b"#!/bin/sh\n" + b"# more\n" * PART)  # in several parts
    script.chmod(0o755)
    (script.parent / "empty").write_text("")
    export(published, usb)
    carry_in(published, mirror, usb)
    assert os.access(mirror / "installer/install.sh", os.X_OK)
    assert not os.access(mirror / "metadata/timestamp.json", os.X_OK)
    assert (mirror / "installer/empty").read_text() == ""
