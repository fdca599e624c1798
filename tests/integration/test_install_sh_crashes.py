"""install.sh killed before its n-th command, for every n; on full disks; interrupted; two at once."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from pipeline.deploy.generations import list_generations
from pipeline.deploy.verify import verify
from pipeline.system.durable import FileDisk
from tests.simulators.engine_world import World
from tests.simulators.http_server import FaultyServer, silence
from tests.simulators.mounts import mounted
from tests.simulators.shell_installer import ShellInstaller, health_of

pytestmark = pytest.mark.skipif(
    shutil.which("dash") is None or shutil.which("busybox") is None,
    reason="needs dash and busybox, which .ci/run installs",
)
_MOST = 400


@pytest.fixture
def machine(tmp_path) -> ShellInstaller:
    world = World(tmp_path)
    world.build("b1", health=health_of("b1"))
    world.publish()
    made = ShellInstaller(world, tmp_path / "out", tmp_path / "root")
    made.generate()
    return made


def mortal(machine: ShellInstaller, number: int) -> Path:
    """Return the machine's programs, of which the n-th that is started kills the script and all it started."""
    real = machine.world.folder / "real programs"
    if not real.exists():
        machine.path().rename(real)
    folder = machine.world.folder / "mortal"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    count = machine.world.folder / "count"
    count.write_text("")
    program = folder / "program"
    program.write_text(
        f"#!/bin/sh\necho >>'{count}'\nn=0\nwhile read -r _; do n=$((n + 1)); done <'{count}'\n"
        f'[ "$n" -ne {number} ] || kill -9 0\nexec \'{real}\'/"${{0##*/}}" "$@"\n'
    )
    program.chmod(0o755)
    for tool in real.iterdir():
        (folder / tool.name).symlink_to(program)
    return folder


def commands(machine: ShellInstaller) -> int:
    """Return how many commands the last run has started."""
    return len((machine.world.folder / "count").read_text())


def ok(machine: ShellInstaller) -> bool:
    return verify(machine.root, machine.world.services(), disk=machine.world.disk, trusted_root=None).ok


def test_killed_before_any_command_of_an_update_the_old_version_runs_and_the_next_run_succeeds(machine):
    machine.ok("--from", machine.folder)
    start = machine.world.folder / "start"
    shutil.copytree(machine.root, start, symlinks=True)
    machine.world.build("b2", health=health_of("b2"))
    machine.world.publish()
    machine.generate("b2")
    seen = set()
    for number in range(1, _MOST):
        shutil.rmtree(machine.root)
        shutil.copytree(start, machine.root, symlinks=True)
        code, _, _ = machine.run("--from", machine.folder, path=mortal(machine, number))
        if commands(machine) < number:
            break
        # The n-th may be the clock of the health check, which is ended as soon as it is started.
        assert code in {0, -signal.SIGKILL}, number
        seen.add(machine.runs())  # there is always one, and it runs
        machine.ok("--from", machine.folder, path=machine.world.folder / "real programs")
        assert machine.runs() == "core b2", number
        assert [generation.version for generation in list_generations(machine.root)] == ["b2", "b1"], number
        assert ok(machine), number
        assert list((machine.root / "staging").iterdir()) == []
    else:
        pytest.fail("it never came to its end")
    assert number > 60
    assert seen == {"core b1", "core b2"}


def test_killed_at_any_command_of_going_back_one_of_the_two_runs(machine):
    machine.ok("--from", machine.folder)
    machine.world.build("b2", health=health_of("b2"))
    machine.world.publish()
    machine.generate("b1", "b2")
    machine.ok("--from", machine.folder)
    for number in range(1, _MOST, 3):
        code, _, _ = machine.run("--rollback", path=mortal(machine, number))
        if commands(machine) < number:
            break
        assert code in {0, -signal.SIGKILL}
        assert machine.runs() in {"core b1", "core b2"}
        if machine.runs() == "core b1":
            machine.ok("--from", machine.folder, path=machine.world.folder / "real programs")
    assert machine.runs() == "core b1"
    assert ok(machine)


def test_what_the_script_left_half_made_is_cleared_up_by_the_program(machine):
    machine.ok("--from", machine.folder)
    machine.world.build("b2", health=health_of("b2"))
    machine.world.publish()
    machine.generate("b2")
    for number in range(20, 120, 9):
        machine.run("--from", machine.folder, path=mortal(machine, number))
        machine.world.install(root=machine.root)
        assert machine.runs() == "core b2"
        assert ok(machine)
        assert list((machine.root / "staging").iterdir()) == []


def test_an_interrupted_run_leaves_nothing_half_made_and_ends_with_130(machine):
    archive = max((machine.folder / "files").iterdir(), key=lambda path: path.stat().st_size)
    machine.tools = (*machine.tools, "curl")
    for number in (signal.SIGINT, signal.SIGTERM):
        with FaultyServer() as server:
            for path in (machine.folder / "files").iterdir():
                server.host(f"/files/{path.name}", path.read_bytes(), silence(30))
            process = machine.start("--url", server.url(""), path=machine.path())
            while not server.requests(f"/files/{archive.name}") and process.poll() is None:
                if any(server.requests(f"/files/{path.name}") for path in (machine.folder / "files").iterdir()):
                    break
                time.sleep(0.02)
            os.killpg(process.pid, number)
            _, err = process.communicate(timeout=20)
        assert process.returncode == 130, err
        assert list((machine.root / "staging").iterdir()) == []
    machine.ok("--from", machine.folder)
    assert ok(machine)


def test_two_at_once_do_the_work_once(machine):
    path = machine.path()
    runs = [machine.start("--from", machine.folder, path=path) for _ in range(3)]
    said = [run.communicate(timeout=60) for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], said
    assert [generation.number for generation in list_generations(machine.root)] == [1]
    assert ok(machine)


@pytest.mark.parametrize("locker", ["flock", "perl"])
def test_it_waits_for_the_program(machine, locker):
    machine.tools = (*[tool for tool in machine.tools if tool != "flock"], locker)
    machine.ok("--from", machine.folder)
    with FileDisk().lock(machine.root / "locks" / "root.lock"):
        process = machine.start("--uninstall")
        while "waiting" not in process.stderr.readline():
            assert process.poll() is None
        assert (machine.root / "current" / "llama.cpp.json").exists()
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_without_anything_that_locks_a_folder_is_the_lock_and_a_dead_owner_holds_none(machine):
    machine.tools = tuple(tool for tool in machine.tools if tool != "flock")
    lock = machine.root / "locks" / "installer.lock"
    machine.run("--from", machine.folder, path=mortal(machine, 60))
    assert lock.is_dir()
    machine.ok("--from", machine.folder)
    assert not lock.exists()
    path = machine.path()
    runs = [machine.start("--from", machine.folder, path=path) for _ in range(3)]
    said = [run.communicate(timeout=60) for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], said
    assert not lock.exists()
    assert ok(machine)


@pytest.mark.parametrize("kib", [16, 48, 96, 160])
def test_a_full_disk_is_said_and_costs_nothing(machine, kib, tmp_path):
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs") as place:
        machine.root = place / "root"
        code, err = machine.fails("--from", machine.folder)
        assert code == 4, err
        assert not list(place.glob("root/staging/*"))
        assert not list(place.glob("root/current/*"))


def test_the_disk_that_fills_during_an_update_leaves_the_old_version(machine, tmp_path):
    machine.world.build("b2", health=health_of("b2"))
    machine.world.publish()
    machine.generate("b1")
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=2048k", "tmpfs") as place:
        machine.root = place / "root"
        machine.ok("--from", machine.folder)
        machine.generate("b2")
        free = os.statvfs(place)
        (place / "filler").write_bytes(bytes(free.f_bavail * free.f_frsize - 20_000))
        code, err = machine.fails("--from", machine.folder)
        assert code == 4, err
        assert machine.runs() == "core b1"
        assert list((machine.root / "staging").iterdir()) == []
        (place / "filler").unlink()
        machine.ok("--from", machine.folder)
        assert machine.runs() == "core b2"
