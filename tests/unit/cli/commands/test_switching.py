"""`use`, `rollback`, `install` and `list` with checks, pins and revoked builds: what they say, and their exit codes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.simulators import model_server
from tests.simulators.checked_engine import engine, health
from tests.simulators.engine_world import CPU, LayerFiles, World
from tests.simulators.revoking import revoke

TARGET = "llama.cpp/linux-x86_64-cpu"


@pytest.fixture
def world(tmp_path) -> World:
    """A world with keys alone."""
    folder = tmp_path / "world"
    folder.mkdir()
    return World(folder)


def add(world, version: str, **choices: object) -> None:
    world.build(version, (engine(version, **choices), CPU), health=health(version))
    world.publish()


@pytest.fixture
def installed(user, world, root) -> Path:
    """A root with b1 and then b2."""
    for version in ("b1", "b2"):
        add(world, version)
    for version in ("b1", "b2"):
        user.ok("install", TARGET, "--from", world.repository, "--root", root, "--version", version,
                "--trusted-root", world.keys_dir / "root.json")  # fmt: skip
    return root


def test_an_install_says_that_it_works_here(user, installed):
    assert "works here (load): version: b2; CPU; 0." in user.out


def test_a_version_that_does_not_work_ends_with_10(user, world, installed):
    add(world, "b3", exit_code=3)
    assert user.run("install", TARGET, "--from", world.repository, "--root", installed) == 10
    assert "b2 (generation 2) stays current" in user.err
    assert "docs/errors/proof.md" in user.err
    rows = user.ok("list", "--root", installed).splitlines()
    assert [row.split()[0] for row in rows if "b2" in row] == ["*"]
    assert user.run("use", "b3", "--root", installed) == 10
    assert user.ok("use", "b3", "--root", installed, "--health", "none").startswith("llama.cpp b3 (generation 3)")


def test_a_switch_says_that_it_works_here_and_in_json_too(user, installed):
    assert "works here (load): version: b1; CPU" in user.ok("use", "b1", "--root", installed)
    found = user.json("rollback", "--root", installed)
    assert (found["version"], found["health"]["passed"], found["health"]["devices"]) == ("b2", True, ["CPU"])


@pytest.mark.parametrize(
    "options",
    [("--health", "run"), ("--health-model", "m.gguf"), ("--health", "run", "--health-model", "nowhere.gguf")],
)
@pytest.mark.parametrize("command", [("use", "b1"), ("rollback",)])
def test_a_run_needs_a_model_and_nothing_else_does(user, installed, command, options):
    assert user.run(*command, "--root", installed, *options) == 2
    assert "model" in user.err


def test_a_run_of_an_engine_that_makes_itself_a_model_says_what_was_measured(user, world, tmp_path):
    core = LayerFiles("core", {model_server.PROGRAM: model_server.program_text()})
    points = {"tiny": model_server.PROGRAM}
    world.build("b1", (core, CPU), health=model_server.health("b1"), entry_points=points)
    world.publish()
    arguments = ("--from", world.repository, "--trusted-root", world.keys_dir / "root.json", "--root", tmp_path / "own")
    said = user.ok("install", TARGET, *arguments, "--health", "run")
    assert re.search(
        r"works here \(run\): tiny-lm b1; CPU: tiny, 4 tokens, ready in [\d.]+ s, [\d.]+ MB resident", said
    )


def test_a_model_that_is_none_is_found_out(user, installed, tmp_path):
    model = tmp_path / "m.gguf"
    model.write_bytes(b"nothing")
    assert user.run("use", "b1", "--root", installed, "--health", "run", "--health-model", model) == 10


def test_a_pin_is_shown_and_holds(user, world, installed):
    assert "llama.cpp is pinned to b1" in user.ok("use", "b1", "--pin", "--root", installed)
    assert [row.split()[2:4] for row in user.ok("list", "--root", installed).splitlines() if "pinned" in row]
    assert user.json("list", "--root", installed)["generations"][1]["pinned"] is True
    assert user.run("install", TARGET, "--from", world.repository, "--root", installed, "--version", "b2") == 2
    assert "use --unpin" in user.err
    assert user.run("use", "b2", "--root", installed) == 2
    assert user.run("rollback", "--root", installed) == 2
    out = user.ok("install", TARGET, "--from", world.repository, "--root", installed)
    assert out == f"{TARGET} b1 is installed already (pinned to b1)\n"
    user.ok("use", "--unpin", "--root", installed)
    assert "b2" in user.ok("use", "b2", "--root", installed)


def test_an_install_can_let_go(user, world, installed):
    user.ok("use", "b1", "--pin", "--root", installed)
    user.ok("install", TARGET, "--from", world.repository, "--root", installed, "--version", "b2", "--unpin")
    assert user.json("rollback", "--root", installed)["pinned"] is False


def test_use_without_a_version_is_asked_back(user, installed):
    assert user.run("use", "--root", installed) == 2
    assert user.run("use", "--pin", "--root", installed) == 2
    assert user.run("use", "b1", "--pin", "--unpin", "--root", installed) == 2


def test_pins_and_keep_of_the_project_file_hold(user, world, installed):
    Path("pipeline.toml").write_text('keep = 2\n[pins]\n"llama.cpp" = "b1"\n')
    assert user.json("install", TARGET, "--from", world.repository, "--root", installed)["pinned"] is True
    assert user.run("use", "b2", "--root", installed) == 2
    assert "project file" in user.err
    assert [g["pinned"] for g in user.json("list", "--root", installed)["generations"]] == [False, True]
    Path("pipeline.toml").write_text("keep = 2\n")
    for version in ("b3", "b4"):
        add(world, version)
        user.ok("install", TARGET, "--from", world.repository, "--root", installed)
    assert [g["version"] for g in user.json("list", "--root", installed)["generations"]] == ["b4", "b3"]


@pytest.mark.parametrize("text", ["keep = 1", "[pins]\n'llama.cpp' = 3", "[pins]\n'a/b' = 'b1'", "[pins]\nx = '../b'"])
def test_a_project_file_that_makes_no_sense_is_refused(user, installed, text):
    Path("pipeline.toml").write_text(text)
    assert user.run("list", "--root", installed) == 2


def test_what_is_revoked_is_refused_and_reported(user, world, installed):
    revoke(world, "b2", reason="it leaks")
    assert user.run("install", TARGET, "--from", world.repository, "--root", installed, "--version", "b2") == 8
    assert "b2 was revoked at 2026-11-25T12:00:00Z: it leaks" in user.err
    assert "docs/errors/trust.md" in user.err
    assert "revoked" in user.ok("list", "--root", installed)
    assert f"warning: {TARGET} b2 is current and was revoked: it leaks" in user.err
    assert user.json("list", "--root", installed)["generations"][0]["revoked"] == "it leaks"
    user.ok("verify", installed)
    assert "it leaks; it is current" in user.err
    assert user.json("verify", installed)["revoked"] != []
    found = user.json("select", "--from", world.repository, "--root", installed)
    assert found["chosen"]["version"] == "b1"
    assert "it leaks" in found["revoked_current"][0]
    assert [r["version"] for r in found["rejected"] if "it leaks" in r["reasons"][0]] == ["b2"]
    assert "it leaks; it is current" in user.err
    user.ok("explain", "--from", world.repository, "--root", installed)
    assert "it leaks" in user.out
    found = user.json("install", TARGET, "--from", world.repository, "--root", installed)
    assert (found["version"], "it leaks" in found["previous_revoked"], len(found["passed_over"])) == ("b1", True, 1)
    assert user.run("rollback", "--root", installed) == 8
    assert user.run("use", "b2", "--root", installed) == 8


def current(user, installed) -> str:
    return next(one["version"] for one in user.json("list", "--root", installed)["generations"] if one["current"])


def test_letting_an_engine_go_is_said(user, installed):
    user.ok("use", "b1", "--pin", "--root", installed)
    said = user.ok("use", "--unpin", "--root", installed)
    assert "llama.cpp is no longer pinned" in said
    assert "pinned" not in user.ok("use", "--unpin", "--root", installed)
    assert user.json("use", "b2", "--unpin", "--root", installed)["unpinned"] is False


@pytest.mark.parametrize("command", [("use", "b1"), ("rollback",)])
@pytest.mark.parametrize("way", [(), ("--json-events", "events.jsonl")])
def test_a_dry_run_checks_and_switches_nothing(user, installed, command, way):
    said = user.ok(*command, "--root", installed, "--dry-run", *way)
    assert said.startswith("would switch to llama.cpp b1 (generation 1); current: b2 (generation 2)")
    assert "works here (load)" in said
    found = user.json(*command, "--root", installed, "-n", *way)
    assert (found["dry_run"], found["changed"], found["version"]) == (True, True, "b1")
    assert current(user, installed) == "b2"


@pytest.mark.parametrize("command", [("use", "b1"), ("rollback",)])
def test_a_dry_run_reads_every_byte(user, installed, command):
    program = next((installed / "generations/llama.cpp/1/tree").glob("bin/*"))
    program.chmod(0o755)
    data = program.read_bytes()
    program.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert user.run(*command, "--root", installed, "--dry-run") == 7
    assert current(user, installed) == "b2"


def test_a_dry_run_neither_pins_nor_lets_go(user, installed):
    assert "llama.cpp would be pinned to b1" in user.ok("use", "b1", "--pin", "--root", installed, "--dry-run")
    assert not user.json("use", "b2", "--root", installed)["pinned"]
    user.ok("use", "b2", "--pin", "--root", installed)
    assert "llama.cpp would no longer be pinned" in user.ok("use", "--unpin", "--root", installed, "--dry-run")
    assert user.json("use", "b1", "--unpin", "--root", installed, "--dry-run")["unpinned"] is True
    assert user.json("use", "b2", "--root", installed)["pinned"] is True
