"""Whatever makes something count comes after what it leads to is on the disk: an audit of real system calls.

A process cannot see whether its bytes are on the disk, and a crash of a process loses none that are not. What a power
failure would lose shows in the order of the calls alone.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.simulators.checked_engine import engine, health
from tests.simulators.engine_world import CPU, World
from tests.simulators.sync_audit import Ledger, replay, require_strace, traced

PROJECT = Path(__file__).resolve().parents[2]
# A command with some of the disk's promises broken, for the audit to find.
WITHOUT = """
import sys
sys.path.insert(0, {project!r})
import pipeline.system.disk as disk, pipeline.system.durable as durable
for name in {names!r}:
    for module in (disk, durable):
        setattr(module, name, lambda *_: None)
from pipeline.cli.main import run
sys.exit(run(sys.argv[1:]))
"""
SCRATCH = ("/engines/staging", "/engines/downloads", "/engines/locks", "/repository/.staging", "/cache", "/home")


@pytest.fixture
def traced_world(tmp_path: Path) -> World:
    """A world whose b1 is installed, with b2 published after it."""
    require_strace()
    world = World(tmp_path)
    world.root = tmp_path / "engines"
    for version in ("b1", "b2"):
        world.build(version, (engine(version), CPU), health=health(version))
    return world


class Audit:
    """One command under strace.

    Attributes:
        faults: what was wrong at the moment of a rename, or was left unsynced at the end.
        renamed: destinations, in order.
    """

    def __init__(self, world: World, *arguments: object, without: tuple[str, ...] = ()) -> None:
        self._world = world
        self._trace = world.folder / "trace"
        self._known = self._ledger()
        self._known.know(world.folder)
        (world.folder / "home").mkdir(exist_ok=True)
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(world.folder / "home"),
            "ENGINE_PIPELINE_CACHE_DIR": str(world.folder / "cache"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(PROJECT),
        }
        program = ["-m", "pipeline"] if not without else ["-c", WITHOUT.format(project=str(PROJECT), names=without)]
        argv = [sys.executable, *program, *map(str, arguments), "--jobs", "1"]
        done = traced(argv, trace=self._trace, env=env, cwd=world.folder)
        assert done.returncode == 0, done.stderr
        self.faults = self._faults()

    def _ledger(self) -> Ledger:
        return Ledger(str(self._world.folder))

    def _faults(self) -> list[str]:
        end = self._known
        replay(self._trace, end)
        self.renamed = [path for path, _ in end.renamed if not self._is_scratch(path)]
        # python-tuf renames its metadata unsynced; it counts from the sync right after that.
        faults = [f"{path} was renamed before {what}" for path, missing in end.renamed for what in missing
                  if not self._is_scratch(path) and "/trust/" not in path]  # fmt: skip
        faults += [f"never synced: name {folder}/{name}" for folder, name in sorted(end.unsynced_names)
                   if not self._is_scratch(f"{folder}/{name}")]  # fmt: skip
        faults += [f"never synced: bytes of {path}" for path, file in sorted(end.files.items())
                   if file in end.unsynced_data and not self._is_scratch(path)]  # fmt: skip
        return faults

    def _is_scratch(self, path: str) -> bool:
        below = path.removeprefix(str(self._world.folder))
        return below.startswith(SCRATCH) or below == "/trace" or below.endswith((".lock", "/root_history/1.root.json"))

    def missing_when(self, world: World, commit: Path, *needed: Path, before: Ledger) -> list[str]:
        """Return what of ``needed`` was not on the disk right before the rename to ``commit``."""
        replay(self._trace, before, stop_at=str(commit))
        return [what for path in needed for what in before.missing_below(str(path))]


def snapshot(world: World) -> Ledger:
    ledger = Ledger(str(world.folder))
    ledger.know(world.folder)
    return ledger


def installed(world: World, version: str, *, without: tuple[str, ...] = ()) -> tuple[Audit, list[str]]:
    """Install; return the audit, and what the pointer led to that was not on the disk when it came."""
    before = snapshot(world)
    arguments = ("install", "--from", world.repository, "--root", world.root, "--version", version, "--trusted-root",
                 world.keys_dir / "root.json", "--no-check-host")  # fmt: skip
    audit = Audit(world, *arguments, without=without)
    pointer = world.root / "current/llama.cpp.json"
    assert str(pointer) in audit.renamed
    needed = [world.root / name for name in ("generations", "layers", "trust", "format.json")]
    missing = audit.missing_when(world, pointer, *needed, before=before)
    # A lock holds nothing, and python-tuf writes the root that it starts from anew each time.
    return audit, [what for what in missing if not what.endswith((".lock", "/root_history/1.root.json"))]


def test_an_installation_is_on_the_disk_before_it_counts(traced_world: World):
    traced_world.publish()
    for version in ("b1", "b2"):
        audit, missing = installed(traced_world, version)
        assert missing == []
        assert audit.faults == []


@pytest.mark.parametrize(
    ("without", "found"),
    [
        (("sync_tree", "sync_path", "sync_folder"), "bytes of"),
        (("sync_tree",), "bytes of"),
        (("sync_folder",), "name"),
        (("sync_path",), "bytes of"),
    ],
)
def test_the_audit_finds_a_disk_that_does_not_sync(traced_world: World, without: tuple[str, ...], found: str):
    traced_world.publish()
    audit, missing = installed(traced_world, "b1", without=without)
    assert any(found in fault for fault in (*audit.faults, *missing))


@pytest.mark.parametrize("arguments", [("use", "b1", "--pin"), ("use", "b1"), ("rollback",)])
def test_a_switch_is_on_the_disk_when_it_ends(traced_world: World, arguments: tuple[str, ...]):
    traced_world.publish()
    traced_world.install(version="b1")
    traced_world.install(version="b2")
    audit = Audit(traced_world, *arguments, "--root", traced_world.root)
    assert audit.renamed[-1] == str(traced_world.root / "current/llama.cpp.json")
    assert audit.faults == []


def publish(world: World, *, without: tuple[str, ...] = ()) -> tuple[Audit, list[str]]:
    before = snapshot(world)
    audit = Audit(world, "publish", "--allow-development", "--from", world.folder / "dist", "--to", world.repository,
                  "--keys", world.keys_dir, without=without)  # fmt: skip
    timestamp = world.repository / "metadata/timestamp.json"
    needed = [world.repository / name for name in ("blobs", "metadata")]
    return audit, audit.missing_when(world, timestamp, *needed, before=before)


def test_what_is_published_is_on_the_disk_before_its_timestamp(traced_world: World):
    audit, missing = publish(traced_world)
    assert missing == []
    assert audit.faults == []
    order = [Path(path).name for path in audit.renamed if "/metadata/" in path]
    assert order[-1] == "timestamp.json"
    blobs = [position for position, path in enumerate(audit.renamed) if "/blobs/" in path]
    first = next(position for position, path in enumerate(audit.renamed) if "/metadata/" in path)
    assert blobs
    assert max(blobs) < first


def test_the_audit_finds_a_publisher_that_does_not_sync(traced_world: World):
    audit, missing = publish(traced_world, without=("sync_tree", "sync_path", "sync_folder"))
    assert any("bytes of" in fault for fault in audit.faults)
    assert any("bytes of" in fault for fault in missing)
