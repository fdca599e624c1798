"""`bench strategies` as users run it: real commands, real links, small engines; what it leaves behind is nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from pipeline.model.strategies import read_strategies
from tests.integration.conftest import make_user
from tests.simulators.command_line import CommandLine
from tests.simulators.engine_world import LayerFiles, World, requires_nothing
from tests.simulators.link_rights import may_relay
from tests.simulators.model_server import PROGRAM, health, program_text

TARGET = "tiny-engine/linux-x86_64-cpu"


needs_relay = pytest.mark.skipif(not may_relay(), reason="no link of packets can be made here")


def scripted(folder: Path, fault: str = "", **requires: object) -> CommandLine:
    """Return a user with a repository of an engine that is a script and makes its model itself."""
    folder.mkdir(parents=True)
    world = World(folder)
    for accel, needs in (("cpu", {}), ("cuda-13.0", requires)):
        if needs or accel == "cpu":
            core = LayerFiles("core", {PROGRAM: program_text(fault)})
            world.build(
                "1.0",
                (core,),
                accel=accel,
                health=health(),
                entry_points={"python": PROGRAM},
                requires=requires_nothing().model_copy(update=needs),
            )
    world.publish()
    return CommandLine(folder, None, {})


def bench(user: CommandLine, *arguments: str | Path):
    trust = ("--trusted-root", "keys/root.json")
    return user.run("bench", "strategies", "--from", "repository", *trust, "--link-maker", "throttle", *arguments)


@pytest.fixture(scope="module")
def builder(tmp_path_factory):
    user = make_user(tmp_path_factory.mktemp("builder") / "user")
    user.ok("build", "--target", TARGET, "--prove", "load")
    return user


@pytest.fixture(scope="module")
def result(builder):
    """What a bench of all strategies found, over a throttle."""
    strategies = ("on-demand", "bundled", "mirror", "self-built", "self-built-warm")
    wanted = [word for name in strategies for word in ("--strategy", name)]
    links = ("--link", "lan,100mbit", "--link-maker", "throttle")
    model = ("--model", "model.gguf", "--runs", "1", "--output", "result.json")
    builder.ok("bench", "strategies", *wanted, *links, *model)
    return read_strategies((builder.home / "result.json").read_bytes(), what="result.json")


def test_every_strategy_goes_from_nothing_to_the_first_token(result):
    measured = {(m.strategy, m.link): m for m in result.measurements}
    assert set(measured) == {
        ("on-demand", "lan"),
        ("on-demand", "100mbit"),
        ("bundled", None),
        ("mirror", "lan"),
        ("self-built", "100mbit"),
        ("self-built-warm", "100mbit"),
    }
    for m in measured.values():
        assert {"load", "first-token"} <= {stage.stage for stage in m.stages}
        assert m.runs[0].first_text
        assert m.total.median == pytest.approx(sum(stage.seconds.median for stage in m.stages), abs=0.01)
    assert result.failures == ()


def test_each_strategy_has_the_stages_that_it_has(result):
    stages = {(m.strategy, m.link): {s.stage for s in m.stages} for m in result.measurements}
    installed = {"start", "trust", "download", "unpack", "assemble", "check", "switch"}
    assert stages["bundled", None] == installed | {"load", "first-token"}
    assert stages["on-demand", "lan"] == installed | {"model", "load", "first-token"}
    built = {"start", "source", "compile", "pack", "check", "unpack", "model", "load", "first-token"}
    assert stages["self-built", "100mbit"] == stages["self-built-warm", "100mbit"] == built


def test_what_made_the_links_and_why_stands_in_the_result(result):
    assert [(link.profile.name, link.maker, link.why) for link in result.links] == [
        ("lan", "throttle", "asked for"),
        ("100mbit", "throttle", "asked for"),
    ]
    assert result.versions["engine-pipeline"]
    assert result.machine.processors >= 1


def test_a_link_costs_what_its_round_trips_cost(result):
    """Downloads of a few kilobytes: more than the LAN by at least the round trips that one connection takes."""
    trust = {m.link: next(s.seconds.lowest for s in m.stages if s.stage == "trust") for m in result.measurements
             if m.strategy == "on-demand"}  # fmt: skip
    assert trust["100mbit"] > 3 * 0.020


def test_bytes_are_those_of_the_manifest_and_of_the_model(result, builder):
    artifact = json.loads((builder.home / "dist/manifest.json").read_text())["artifacts"][0]
    layers = sum(layer["size"] for layer in artifact["layers"] if not layer.get("optional"))
    for m in result.measurements:
        assert m.model_bytes == (builder.home / "model.gguf").stat().st_size
        if not m.strategy.startswith("self-built"):
            assert (m.download_bytes, m.installed_bytes) == (layers, artifact["installed_size"])
            assert m.product_bytes == (layers if m.strategy == "bundled" else 0)
            assert m.disk_bytes >= artifact["installed_size"]


def test_decisions_are_made_again_from_a_result_by_rules_that_may_have_changed(result, builder):
    text = builder.ok("bench", "strategies", "--read", "result.json", "--profile", "server-image", "--markdown")
    assert "| Server image | tiny-engine/linux-x86_64-cpu | bundled |" in text
    assert "Desktop" not in text
    document = builder.json("bench", "strategies", "--read", "result.json")
    assert [d["profile"] for d in document["decisions"]] == [d.profile for d in result.decisions]


def test_nothing_is_left_of_a_bench(result, builder):
    assert not list(builder.cache_dir.glob("drill-*"))
    assert not of_ours(builder.home)


@needs_relay
def test_runs_over_a_relay_spread_and_are_said_to_be_of_one(tmp_path):
    user = scripted(tmp_path / "user")
    found = user.json(
        "bench", "strategies", "--from", "repository", "--trusted-root", "keys/root.json", "--link-maker", "relay",
        "--link", "100mbit", "--strategy", "on-demand", "--strategy", "bundled", "--runs", "2",
    )  # fmt: skip
    assert [link["maker"] for link in found["links"]] == ["relay"]
    assert [len(m["runs"]) for m in found["measurements"]] == [2, 2]
    for m in found["measurements"]:
        assert m["total"]["lowest"] <= m["total"]["median"] <= m["total"]["highest"]
        assert "makes on the spot" in m["notes"][0]
        assert m["model_bytes"] == 0


def test_what_cannot_run_here_is_forecast_and_marked(tmp_path):
    user = scripted(tmp_path / "user", driver="9999.0")
    done = bench(user, "--link", "100mbit", "--runs", "1", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert {m["target"] for m in found["measurements"]} == {"llama.cpp/linux-x86_64-cpu"}
    assert {(f["target"], f["strategy"], f["forecast"]) for f in found["forecasts"]} == {
        ("llama.cpp/linux-x86_64-cuda-13.0", strategy, True) for strategy in ("on-demand", "bundled", "mirror")
    }
    assert all(f["why"] for f in found["forecasts"])


def test_an_engine_that_does_not_start_is_said_with_its_last_words(tmp_path):
    done = bench(scripted(tmp_path / "user", "dies"), "--link", "lan", "--runs", "1", "--strategy", "bundled")
    assert done.returncode == 10
    assert "ValueError: model type tiny not supported" in done.stderr


def test_a_damaged_entry_of_a_repository_is_found_before_the_first_run(tmp_path):
    user = scripted(tmp_path / "user")
    layer = json.loads((user.home / "dist/manifest.json").read_text())["artifacts"][0]["layers"][0]
    blob = user.home / "repository" / "blobs" / layer["sha256"][:2] / layer["sha256"]
    blob.write_bytes(b"x" + blob.read_bytes()[1:])
    done = bench(user, "--link", "lan", "--runs", "1", "--output", "result.json")
    assert done.returncode == 7
    assert layer["sha256"][:12] in done.stderr
    assert not (user.home / "result.json").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--profile", "dekstop-app"), 2, "desktop-app"),
        (("--link", "10mbit"), 2, "100mbit"),
        (("--runs", "0"), 2, "--runs"),
        (("--target", "linux-x86_64-cudda"), 3, "no target matches"),
        (("--from", "empty"), 3, "nothing to measure"),
        (("--read", "result.json"), 2, "--read measures nothing, so --link-maker"),
        (("--output", "empty"), 2, "is a directory"),
        (("--output", "dist/manifest.json/result.json"), 5, "is no folder"),
        (("--model", "no.gguf", "--from", "dist"), 2, "cannot be read"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_would(builder, tmp_path, arguments, code, says):
    user = CommandLine(tmp_path, builder.recipes, {})
    (tmp_path / "empty").mkdir()
    shutil.copytree(builder.home / "dist", tmp_path / "dist")
    (tmp_path / "result.json").write_text('{"schema_version": 1}')
    done = user.run("bench", "strategies", "--link-maker", "throttle", *arguments)
    assert done.returncode == code, done.stderr
    assert says in done.stderr


def test_what_is_no_result_is_not_read(tmp_path):
    user = CommandLine(tmp_path, None, {})
    (tmp_path / "result.json").write_text('{"schema_version": 1}')
    done = user.run("bench", "strategies", "--read", "result.json")
    assert done.returncode == 7
    assert "no result of `bench strategies`" in done.stderr


@pytest.mark.parametrize(
    "option",
    [
        ("--target", "x"), ("--link", "lan"), ("--strategy", "mirror"), ("--from", "x"), ("--runs", "5"),
        ("--build-runs", "1"), ("--model", "x"), ("--trusted-root", "x"),
    ],
)  # fmt: skip
def test_options_of_measuring_are_not_ignored_beside_read(tmp_path, option):
    done = CommandLine(tmp_path, None, {}).run("bench", "strategies", "--read", "result.json", *option)
    assert done.returncode == 2
    assert f"--read measures nothing, so {option[0]} " in done.stderr


@pytest.mark.parametrize("maker", ["throttle", pytest.param("relay", marks=needs_relay)])
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_a_bench_that_is_ended_leaves_no_process_and_no_folder(tmp_path, maker, ending):
    user = scripted(tmp_path / "user")
    trust = ("--from", "repository", "--trusted-root", "keys/root.json")
    process = user.start(
        "bench", "strategies", *trust, "--link-maker", maker, "--link", "20mbit", "--json-events", "events",
        "--strategy", "on-demand",
    )  # fmt: skip
    wait_until(lambda: "on-demand" in read(user.home / "events"))
    wait_until(lambda: any("pipeline install" in line for line in of_ours(user.home).values()))
    process.send_signal(ending)
    process.communicate(timeout=60)
    assert process.returncode in {130, -ending}
    wait_until(lambda: not of_ours(user.home) and not list(user.cache_dir.glob("drill-*")))


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def wait_until(holds) -> None:
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def of_ours(home: Path) -> dict[int, str]:
    """Return the command lines of processes that work below a folder, or that are links started from there."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                environment = (entry / "environ").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if str(home) in line or (str(home) in environment and line):
                found[int(entry.name)] = line
    return found
