"""``mirror export``, ``import`` and ``drill`` as a user types them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.system import no_network
from tests.simulators import model_server
from tests.simulators.checked_engine import engine, health
from tests.simulators.command_line import CommandLine
from tests.simulators.engine_world import CPU, LayerFiles, World
from tests.simulators.revoking import revoke
from tests.simulators.stand_in_wheel import write_wheel


@pytest.fixture
def repository(world: World) -> Path:
    world.publish()
    return world.repository


@pytest.fixture
def root_file(world: World) -> Path:
    return world.keys_dir / "root.json"


def cut_off_is_possible() -> bool:
    argv = [sys.executable, "-I", no_network.__file__, os.devnull]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


needs_namespaces = pytest.mark.skipif(not cut_off_is_possible(), reason="no network namespace can be made here")


def test_an_export_is_carried_in_and_installed_from(user, repository, root_file, root, tmp_path):
    written = user.json("mirror", "export", repository, "--to", tmp_path / "usb", "--split", "1M")
    assert written["changed"]
    assert len(written["parts"]) == 1
    brought = user.json(
        "mirror", "import", "--from", tmp_path / "usb", "--to", tmp_path / "mirror", "--trusted-root", root_file
    )
    assert brought["complete"]
    # What was trusted once is remembered.
    again = user.json("mirror", "import", "--from", tmp_path / "usb", "--to", tmp_path / "mirror")
    assert not again["changed"]
    user.ok("install", "linux-x86_64-cpu", "--from", tmp_path / "mirror", "--root", root, "--trusted-root", root_file)


def test_what_an_export_says_comes_next_works_for_a_first_import(user, repository, root_file, tmp_path):
    user.ok("mirror", "export", repository, "--to", tmp_path / "usb")
    said = user.err.partition("mirror import ")[2].partition(" (")[0]
    places = {"DISK": tmp_path / "usb", "MIRROR": tmp_path / "mirror", "FILE": root_file}
    user.ok("mirror", "import", *(places.get(word, word) for word in said.split()))


def test_missing_parts_end_with_13_and_are_named(user, repository, root_file, tmp_path):
    parts = user.json("mirror", "export", repository, "--to", tmp_path / "usb")["parts"]
    (tmp_path / "usb" / parts[0]).rename(tmp_path / parts[0])
    arguments = ("mirror", "import", "--from", tmp_path / "usb", "--to", tmp_path / "m", "--trusted-root", root_file)
    assert user.run(*arguments) == 13
    assert parts[0] in user.err
    assert user.run(*arguments, "--json") == 13
    assert json.loads(user.out)["missing"] == parts
    (tmp_path / parts[0]).rename(tmp_path / "usb" / parts[0])
    assert "is export" in user.ok(*arguments)
    files = len(json.loads((tmp_path / "usb/index.json").read_text())["files"])
    assert f"{files} files (" in user.out


def test_a_dry_run_of_either_writes_nothing(user, repository, root_file, tmp_path):
    assert "would write" in user.ok("mirror", "export", repository, "--to", tmp_path / "usb", "--dry-run")
    assert not (tmp_path / "usb").exists()
    user.ok("mirror", "export", repository, "--to", tmp_path / "usb")
    said = user.ok(
        "mirror", "import", "--from", tmp_path / "usb", "--to", tmp_path / "m", "--trusted-root", root_file, "-n"
    )
    assert "would be taken" in said
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("size", ["4X", "-1", "0", "1", "999K", "1.5G", "99999T", "", "4 G B", "G", "0x10M"])
def test_a_size_that_makes_no_sense_is_refused(user, repository, tmp_path, size):
    assert user.run("mirror", "export", repository, "--to", tmp_path / "usb", f"--split={size}") == 2
    assert not (tmp_path / "usb").exists()


def test_a_mirror_of_nothing_is_refused(user, tmp_path, root_file):
    assert user.run("mirror", "export", tmp_path, "--to", tmp_path / "usb") == 2
    assert user.run("mirror", "import", "--from", tmp_path, "--to", tmp_path / "m", "--trusted-root", root_file) == 2
    assert user.run("mirror", "serve", tmp_path) == 2


def test_a_served_mirror_prints_one_document_and_ctrl_c_ends_it_with_130(repository, tmp_path):
    arguments = ("mirror", "serve", repository, "--listen", "127.0.0.1:0", "--json")
    process = CommandLine(tmp_path).start(*arguments)
    lines = [process.stdout.readline()]
    while lines[-1].rstrip() != "}":
        assert lines[-1]
        lines.append(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert json.loads("".join(lines))["url"].startswith("http://127.0.0.1:")
    assert "interrupted" in err


@pytest.fixture
def drilled(tmp_path) -> World:
    """Return a world with targets whose programs say what they should."""
    (tmp_path / "drilled").mkdir()
    world = World(tmp_path / "drilled")
    for version in ("b1", "b2"):
        world.build(version, (engine(version, serves=True), CPU), health=health(version))
    world.build("b1", (engine("b1"), LayerFiles("avx2", {"lib/a.so": b"a"})), accel="avx2", health=health("b1"))
    world.publish()
    return world


def drill(world: World, *options: object) -> tuple[object, ...]:
    return ("mirror", "drill", world.repository, "--trusted-root", world.keys_dir / "root.json", *options)


def leftovers(user) -> list[str]:
    return [path.name for path in (Path.home() / ".cache/engine-pipeline").glob("drill-*")]


@needs_namespaces
def test_every_target_is_installed_and_run_with_no_network(user, drilled):
    report = user.json(*drill(drilled))
    assert "unreachable" in report["isolation"]
    assert [(row["target"], row["version"], row["outcome"]) for row in report["rows"]] == [
        ("llama.cpp/linux-x86_64-avx2", "b1", "ran"),
        ("llama.cpp/linux-x86_64-cpu", "b2", "ran"),
    ]
    assert all(row["devices"] == ["CPU"] and row["bytes"] > 0 for row in report["rows"])
    assert leftovers(user) == []
    said = user.ok(*drill(drilled))
    assert "llama.cpp/linux-x86_64-cpu" in said


@needs_namespaces
def test_a_model_answers_on_loopback_where_that_is_asked_for(user, drilled, tmp_path):
    drilled.build("b1", (engine("b1", serves=True), LayerFiles("avx2", {"lib/a.so": b"a"})), accel="avx2",
                  health=health("b1"), dist="again")  # fmt: skip
    drilled.publish("again", replace=True)
    (tmp_path / "model.gguf").write_bytes(b"GGUF and so on")
    report = user.json(*drill(drilled, "--health", "run", "--health-model", tmp_path / "model.gguf"))
    assert [row["outcome"] for row in report["rows"]] == ["ran", "ran"]
    assert report["health"] == "run"


def add_one_that_makes_a_model(world: World) -> None:
    core = LayerFiles("core", {model_server.PROGRAM: model_server.program_text()})
    points = {"tiny": model_server.PROGRAM}
    world.build("1.0", (core,), accel="mlx", health=model_server.health("1.0"), entry_points=points, dist="making")


@needs_namespaces
def test_an_engine_that_makes_itself_a_model_is_drilled_without_one(user, tmp_path):
    (tmp_path / "making").mkdir()
    world = World(tmp_path / "making")
    add_one_that_makes_a_model(world)
    world.publish("making")
    report = user.json(*drill(world, "--health", "run"))
    assert [(row["target"], row["outcome"]) for row in report["rows"]] == [("llama.cpp/linux-x86_64-mlx", "ran")]


@needs_namespaces
def test_a_model_is_given_to_those_only_that_make_none(user, drilled, tmp_path):
    drilled.build("b1", (engine("b1", serves=True), LayerFiles("avx2", {"lib/a.so": b"a"})), accel="avx2",
                  health=health("b1"), dist="again")  # fmt: skip
    drilled.publish("again", replace=True)
    add_one_that_makes_a_model(drilled)
    drilled.publish("making")
    (tmp_path / "model.gguf").write_bytes(b"GGUF and so on")
    report = user.json(*drill(drilled, "--health", "run", "--health-model", tmp_path / "model.gguf"))
    assert {row["target"].rpartition("-")[2]: row["outcome"] for row in report["rows"]} == {
        "avx2": "ran", "cpu": "ran", "mlx": "ran"}  # fmt: skip


@needs_namespaces
@pytest.mark.parametrize("fault", ["does not start", "damaged blob", "missing blob"])
def test_what_fails_ends_with_10_and_is_named(user, drilled, fault):
    if fault == "does not start":
        drilled.build("b3", (engine("b3", exit_code=1), CPU), health=health("b3"))
        drilled.publish()
    else:
        manifest = json.loads((drilled.repository / "manifest.json").read_text())
        newest = next(a for a in manifest["artifacts"] if a["version"] == "b2")
        sha256 = newest["layers"][0]["sha256"]
        blob = drilled.repository / "blobs" / sha256[:2] / sha256
        data = blob.read_bytes()
        blob.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    if fault == "missing blob":
        blob.unlink()  # what is not whole is not held: the version before is drilled
        assert [row["version"] for row in user.json(*drill(drilled))["rows"]] == ["b1", "b1"]
        return
    assert user.run(*drill(drilled)) == 10
    assert "linux-x86_64-cpu" in user.err
    assert user.run(*drill(drilled), "--json") == 10
    report = json.loads(user.out)
    assert report["ok"] is False
    assert {row["target"]: row["outcome"] for row in report["rows"]} == {
        "llama.cpp/linux-x86_64-avx2": "ran",
        "llama.cpp/linux-x86_64-cpu": "failed",
    }
    assert leftovers(user) == []


@needs_namespaces
def test_a_mirror_with_wheels_is_drilled_by_a_program_that_was_installed_from_them_alone(user, drilled):
    write_wheel(drilled.repository / "installer/wheels", version="9.8.7")
    report = user.json(*drill(drilled))
    assert report["installer"] == "9.8.7"
    assert [row["outcome"] for row in report["rows"]] == ["ran", "ran"]
    assert "mirror's own wheels" in user.ok(*drill(drilled))


@needs_namespaces
def test_wheels_that_are_not_enough_end_with_10_and_what_is_missing_is_named(user, drilled):
    write_wheel(drilled.repository / "installer/wheels", needs="a-project-that-is-nowhere")
    assert user.run(*drill(drilled)) == 10
    assert "a-project-that-is-nowhere" in user.err
    assert leftovers(user) == []


@needs_namespaces
def test_without_a_check_in_the_manifest_the_program_is_started(user, world, repository):
    world.build("2", (engine("2"), CPU))
    world.publish()
    assert [row["outcome"] for row in user.json(*drill(world))["rows"]] == ["ran"]


@needs_namespaces
def test_what_this_machine_cannot_run_is_installed_and_proves_nothing_alone(user, world, repository):
    world.build("3", (engine("3"), CPU), accel="cuda-12.8", dist="cuda")
    world.publish("cuda")
    report = user.json(*drill(world))
    found = {row["target"].rpartition("-x86_64-")[2]: row for row in report["rows"]}
    assert found["cuda-12.8"]["outcome"] == "installed"
    assert "cannot run it" in found["cuda-12.8"]["detail"]
    assert report["ok"] is True


@needs_namespaces
def test_a_revoked_build_is_told_and_the_version_before_it_is_drilled(user, drilled):
    revoke(drilled, "b2")
    report = user.json(*drill(drilled))
    assert [(row["target"].rpartition("-")[2], row["version"]) for row in report["rows"]] == [
        ("avx2", "b1"),
        ("cpu", "b1"),
    ]
    said = "llama.cpp/linux-x86_64-cpu b2 was revoked at 2026-11-25T12:00:00Z: it computes wrongly"
    assert (report["ok"], report["revoked"]) == (True, [said])
    user.ok(*drill(drilled))
    assert f"{said}; the mirror holds it, it was not drilled" in user.err


def test_a_mirror_with_revoked_builds_alone_ends_with_3_and_says_why(user, drilled):
    revoke(drilled, "b1", "b2")
    assert user.run(*drill(drilled)) == 3
    assert "it computes wrongly" in user.err


def test_a_mirror_that_holds_nothing_whole_for_this_platform_ends_with_3(user, drilled):
    for artifact in json.loads((drilled.repository / "manifest.json").read_text())["artifacts"]:
        sha256 = artifact["layers"][0]["sha256"]
        (drilled.repository / "blobs" / sha256[:2] / sha256).unlink(missing_ok=True)
    assert user.run(*drill(drilled)) == 3


def running_below(folder: Path) -> list[str]:
    """Return the command lines of processes that were told of a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if str(folder) in line:
                found.append(line)
    return found


@needs_namespaces
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_killed_drill_leaves_nothing(drilled, tmp_path, number):
    slow = LayerFiles("core", {"bin/llama-server": b"#!/bin/sh\nexec sleep 50\n"})
    drilled.build("b9", (slow, CPU), health=health("b9"))
    drilled.publish()
    home = tmp_path / "slow"
    home.mkdir()
    someone = CommandLine(home)
    process = someone.start(*drill(drilled))
    wait_until(lambda: list(someone.cache_dir.glob("drill-*/roots/*/generations/*/*")))
    os.kill(process.pid, number)
    process.communicate(timeout=60)
    assert process.returncode in {130, -number}
    wait_until(lambda: not list(someone.cache_dir.glob("drill-*")) and not running_below(someone.cache_dir))


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_model_for_the_wrong_level_is_refused(user, drilled, tmp_path):
    assert user.run(*drill(drilled, "--health-model", tmp_path)) == 2
    assert user.run(*drill(drilled, "--health", "run")) == 2


def test_a_machine_that_cannot_cut_a_process_off_is_told_so(user, drilled, monkeypatch):
    # The namespaces of users and networks are used up: a limit of this process's own user namespace.
    script = (
        "import ctypes, os, sys; u, g = os.getuid(), os.getgid();"
        "ctypes.CDLL(None).unshare(0x10000000);"
        "open('/proc/self/setgroups', 'w').write('deny');"
        "open('/proc/self/uid_map', 'w').write(f'{u} {u} 1'); open('/proc/self/gid_map', 'w').write(f'{g} {g} 1');"
        "open('/proc/sys/user/max_net_namespaces', 'w').write('0');"
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    argv = [sys.executable, "-c", script, "-m", "pipeline", *map(str, drill(drilled))]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    if "max_net_namespaces" in done.stderr:
        pytest.skip("no user namespace can be made here")
    assert done.returncode == 5, done.stderr
    assert "without any network" in done.stderr
    assert leftovers(user) == []


@needs_namespaces
def test_a_part_of_a_repository_is_made_carried_and_drilled(user, drilled, tmp_path):
    trusted = ("--trusted-root", drilled.keys_dir / "root.json")
    made = tmp_path / "made"
    user.ok("mirror", "create", "--from", drilled.repository, "--to", made, "--target", "linux-x86_64-cpu", *trusted)
    user.ok("mirror", "export", made, "--to", tmp_path / "usb")
    user.ok("mirror", "import", "--from", tmp_path / "usb", "--to", tmp_path / "brought", *trusted)
    report = user.json("mirror", "drill", tmp_path / "brought", *trusted)
    assert [(row["target"], row["version"], row["outcome"]) for row in report["rows"]] == [
        ("llama.cpp/linux-x86_64-cpu", "b2", "ran")
    ]
    assert not user.json("mirror", "import", "--from", tmp_path / "usb", "--to", tmp_path / "brought")["changed"]
