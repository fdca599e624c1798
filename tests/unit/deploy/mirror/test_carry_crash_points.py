"""Export and import may die before any change of the file system, and disks may fill up: what is there then."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.deploy.mirror.export import export_mirror
from pipeline.deploy.mirror.importing import import_export
from pipeline.deploy.mirror.signed_chain import read_chain
from pipeline.errors import NoSpaceError
from pipeline.model.mirror_export import ExportOutcome, ImportOutcome
from pipeline.model.repository_layout import blob_path
from tests.simulators.dying import dies_before
from tests.simulators.engine_world import FixedHost, LayerFiles, World
from tests.simulators.mounts import MOUNT, mounted

PART = 4000
BACKEND = LayerFiles("cpu", {"lib/cpu.so": b"cpu"})


@pytest.fixture
def small() -> Iterator[World]:
    """A repository with one tiny version; in memory where the system has a place for that, for hundreds of copies."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="carry-", dir=memory if memory.is_dir() else None))
    world = World(folder)
    publish(world, "b1")
    script = world.repository / "installer/install.sh"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    yield world
    shutil.rmtree(folder)


def publish(world: World, version: str) -> None:
    world.build(version, (LayerFiles("core", {"bin/llama-server": f"core {version}".encode()}), BACKEND))
    world.publish()


def export(world: World, to: Path, since: Path | None = None) -> None:
    services = world.services(world.folder / "exporter")
    with closing(services.store):
        export_mirror(world.repository, to, services=services, disk=world.disk, part_size=PART, since=since)


def carry_in(world: World, mirror: Path, *sources: Path) -> ImportOutcome:
    services = world.services(world.folder / "importer")
    return import_export(sources, mirror, trusted_root=world.trusted_root, services=services, disk=world.disk)


def content(folder: Path) -> dict[str, tuple[bytes, bool]]:
    found = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not name.startswith((".mirror/lock", ".mirror/trust", ".publish")):
            found[name] = (path.read_bytes(), bool(path.stat().st_mode & 0o100))
    return found


def state_of(mirror: Path) -> int:
    """Return the version of a mirror's timestamp after checking that all it signs is there; 0 for no mirror yet."""
    if not (mirror / "metadata/timestamp.json").exists():
        return 0
    chain = read_chain(mirror, "metadata")
    assert all((mirror / blob_path(sha256)).stat().st_size == size for sha256, size in chain.targets.items())
    return chain.versions["timestamp"]


def for_every_point(place: Path, start: Path | None, action: Callable[[], object], check: Callable[[int], None]) -> int:
    """Let ``action`` die before each change that it makes to a copy of ``start``; return how many there are."""
    for number in range(1, 1000):
        shutil.rmtree(place, ignore_errors=True)
        if start is not None:
            shutil.copytree(start, place, symlinks=True)
        died = dies_before(number, action)
        check(number)
        if not died:
            return number - 1
    raise AssertionError("the action makes more changes than this test expects")


def test_an_export_that_dies_anywhere_goes_on(small):
    usb, whole = small.folder / "usb", small.folder / "whole"
    export(small, whole)
    expected = content(whole)
    assert len(expected) > 3

    def check(number: int) -> None:
        found = content(usb)
        parts = {name for name in found if name.endswith(".part") and "/" not in name}
        assert all(found[name] == expected[name] for name in parts), number
        assert "index.json" not in found or expected.items() <= found.items(), number
        export(small, usb)
        assert content(usb) == expected, number

    assert for_every_point(usb, None, lambda: export(small, usb), check) > 15


@pytest.fixture
def two_states(small) -> tuple[World, Path, Path]:
    """Return a world, a mirror of its first state, and a difference to the second."""
    export(small, small.folder / "first")
    old = small.folder / "old"
    carry_in(small, old, small.folder / "first")
    publish(small, "b2")
    (small.repository / "installer/install.sh").write_text("#!/bin/sh\n: new\n")
    export(small, small.folder / "second", since=small.folder / "first")
    return small, old, small.folder / "second"


def test_a_first_import_that_dies_anywhere(small):
    usb, mirror = small.folder / "usb", small.folder / "mirror"
    export(small, usb)
    reference = small.folder / "reference"
    carry_in(small, reference, usb)

    def check(number: int) -> None:
        assert state_of(mirror) in {0, 1}, number
        assert carry_in(small, mirror, usb).complete, number
        assert content(mirror) == content(reference), number

    assert for_every_point(mirror, None, lambda: carry_in(small, mirror, usb), check) > 40


def test_an_import_over_a_mirror_that_dies_anywhere_leaves_the_old_or_the_new_one(two_states):
    world, old, difference = two_states
    mirror, reference = world.folder / "mirror", world.folder / "reference"
    shutil.copytree(old, reference)
    carry_in(world, reference, difference)
    seen = set()

    def check(number: int) -> None:
        seen.add(state_of(mirror))
        version = world.install(location=str(mirror), root=world.folder / f"root{number}").version
        assert version == f"b{state_of(mirror)}", number
        assert carry_in(world, mirror, difference).complete, number
        assert content(mirror) == content(reference), number
        shutil.rmtree(world.folder / f"root{number}")

    assert for_every_point(mirror, old, lambda: carry_in(world, mirror, difference), check) > 40
    assert seen == {1, 2}


def test_an_import_of_one_disk_of_several_that_dies_anywhere_loses_no_part(two_states):
    world, old, difference = two_states
    parts = sorted(difference.glob("*.part"))
    assert len(parts) > 1
    other = world.folder / "other"
    other.mkdir()
    parts[-1].rename(other / parts[-1].name)
    mirror = world.folder / "mirror"

    def check(number: int) -> None:
        assert state_of(mirror) == 1, number
        outcome = carry_in(world, mirror, difference)
        assert outcome.missing == (parts[-1].name,), number
        assert carry_in(world, mirror, other).complete, number
        assert state_of(mirror) == 2, number
        assert [path for path in content(mirror) if path.startswith(".mirror/import")] == [], number

    assert for_every_point(mirror, old, lambda: carry_in(world, mirror, difference), check) > 10


def more_room(folder: Path) -> None:
    subprocess.run([MOUNT, "-o", "remount,size=4m", folder], check=True)


@pytest.mark.parametrize("size", ["16k", "32k", "48k"])
def test_a_medium_that_fills_up_keeps_what_is_whole_and_goes_on_with_more_room(small, size):
    (small.repository / "models").mkdir()
    (small.repository / "models/m.gguf").write_bytes(b"x" * 60_000)
    usb = small.folder / "usb"
    services = small.services(small.folder / "exporter", host=FixedHost(free=1 << 30))

    def run() -> ExportOutcome:
        return export_mirror(small.repository, usb, services=services, disk=small.disk, part_size=PART)

    with closing(services.store), mounted(usb, "-t", "tmpfs", "-o", f"size={size}", "tmpfs"):
        with pytest.raises(NoSpaceError):
            run()
        assert not (usb / "index.json").exists()
        assert all(part.stat().st_size == PART for part in usb.glob("*.part"))
        kept = {part.name for part in usb.glob("*.part")}
        more_room(usb)
        outcome = run()
        assert len(kept - set(outcome.kept)) <= 1  # the one whose completion could not be written down any more
        assert sorted(path.name for path in usb.iterdir()) == ["index.json", *outcome.parts]


def test_a_mirrors_disk_that_fills_up_is_as_it_was_and_goes_on_with_more_room(two_states):
    world, old, difference = two_states
    services = world.services(world.folder / "importer", host=FixedHost(free=1 << 30))
    mirror, failures = world.folder / "full", 0

    def run() -> ImportOutcome:
        return import_export([difference], mirror, trusted_root=world.trusted_root, services=services, disk=world.disk)

    for kibibytes in range(80, 400, 8):
        with mounted(mirror, "-t", "tmpfs", "-o", f"size={kibibytes}k", "tmpfs"):
            try:
                shutil.copytree(old, mirror, dirs_exist_ok=True)
            except shutil.Error:
                continue
            try:
                run()
            except NoSpaceError:
                failures += 1
                assert state_of(mirror) in {1, 2}
                more_room(mirror)
                assert run().complete
            assert state_of(mirror) == 2
    assert failures > 3
