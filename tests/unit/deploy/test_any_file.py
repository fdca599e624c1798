"""Any one file of an installation may go or change: it is named, mended, and takes nothing else with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pipeline.deploy.generations import use
from pipeline.deploy.health import HealthWish
from pipeline.deploy.switching import Switching
from pipeline.deploy.verify import verify
from pipeline.errors import IntegrityError
from tests.simulators.checked_engine import PATH, engine, health
from tests.simulators.crash_points import in_memory
from tests.simulators.engine_world import CPU, World
from tests.simulators.revoking import revoke


@pytest.fixture
def full():
    """A world with every kind of file in its root: two versions, debug files, a pin, a list of revoked builds."""
    with in_memory() as folder:
        world = World(folder)
        for version in ("b0", "b1", "b2"):
            world.build(version, (engine(version), CPU), health=health(version))
        world.publish()
        revoke(world, "b0")
        world.install(version="b1")
        world.install(version="b2")
        use(world.root, "b2", services=world.services(), disk=world.disk, how=Switching(pin=True))
        yield world


def remove(path: Path) -> None:
    path.unlink()


def flip(path: Path) -> None:
    if path.is_symlink():
        target = path.readlink()
        path.unlink()
        path.symlink_to(f"{target}x")
        return
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    mode = path.stat().st_mode
    other = path.with_name(path.name + ".new")  # other names of the file keep their bytes
    other.write_bytes(data)
    other.chmod(mode)
    other.replace(path)


def files(root: Path) -> list[Path]:
    """Return every file that holds something, relative to the root; locks hold nothing."""
    found = (path.relative_to(root) for path in sorted(root.rglob("*")) if path.is_symlink() or path.is_file())
    return [path for path in found if not path.name.endswith(".lock") and path.parts[0] != "downloads"]


def run(root: Path, number: int) -> bytes:
    """Return the text of a generation's program: stands for running it."""
    return (root / f"generations/llama.cpp/{number}/tree" / PATH).read_bytes()


def names(path: Path, finding: str) -> bool:
    """Tell whether a finding is about a file: by its own name, or by that of what it belongs to."""
    text = path.as_posix()
    if path.name == "generation.sha256":  # it vouches for the record
        return finding == f"{path.parent.as_posix()}/generation.json"
    if path.parent.name in {"manifests", "revocations"}:  # a document that is gone is called by its engine
        return finding in {text, f"{path.parent.as_posix()}/llama.cpp"}
    return finding == text or ("root_history" in text and finding.endswith("root.json"))


@pytest.mark.parametrize("damage", [remove, flip])
def test_any_one_file_is_named_and_mended_and_takes_nothing_else_with_it(full: World, damage):
    root = full.folder / "damaged"
    every = files(full.root)
    assert len(every) > 30
    for path in every:
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(full.root, root, symlinks=True)
        damage(root / path)
        found = verify(root, full.services(full.folder / "verifier"), disk=full.disk)
        if path.parts[0] == "pins" and damage is remove:
            assert found.ok  # nothing says that there should be a pin
        else:
            assert any(names(path, finding.path) for finding in found.findings), (path, found.findings)
            assert not found.ok, path
        for number, version in ((1, "b1"), (2, "b2")):  # the files of the others are what they were
            if f"generations/llama.cpp/{number}/tree/{PATH}" != path.as_posix():
                assert f"version: {version}".encode() in run(root, number), path
        for version in ("b1", "b2"):
            outcome = full.install(root=root, version=version, repair=True, unpin=True)
            assert outcome.version == version, path
        mended = verify(root, full.services(full.folder / "verifier"), disk=full.disk)
        assert mended.ok, (path, mended.findings)
        switched = use(root, "b1", services=full.services(root), disk=full.disk)
        assert switched.health.passed, path


def test_a_damaged_version_is_refused_and_the_other_one_is_switched_to(full: World):
    use(full.root, "b1", services=full.services(), disk=full.disk, how=Switching(HealthWish("none"), unpin=True))
    flip(full.root / "generations/llama.cpp/2/tree" / PATH)
    with pytest.raises(IntegrityError, match="is changed"):
        use(full.root, "b2", services=full.services(), disk=full.disk)
    pointer = json.loads((full.root / "current/llama.cpp.json").read_text())
    assert pointer["version"] == "b1"


def test_a_record_without_its_seal_is_not_switched_to(full: World):
    record = full.root / "generations/llama.cpp/1/generation.json"
    record.write_bytes(record.read_bytes().replace(b"2026", b"2027"))
    with pytest.raises(IntegrityError, match="record"):
        use(full.root, "b1", services=full.services(), disk=full.disk, how=Switching(unpin=True))


def test_a_repair_without_damage_changes_nothing(full: World):
    before = {path: (full.root / path).read_bytes() for path in files(full.root) if "known-time" not in path.name}
    outcome = full.install(version="b2", repair=True)
    assert (outcome.changed, outcome.generation) == (False, 2)
    assert {path: (full.root / path).read_bytes() for path in before} == before
