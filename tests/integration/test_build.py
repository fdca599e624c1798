"""`build` on the tiny engine: what it makes, what it does not do twice, and what it says when something is wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.integration.conftest import make_user
from tests.simulators.command_line import CommandLine
from tests.simulators.mounts import MOUNT, mounted
from tests.simulators.tiny_engine import FIXTURE
from tests.simulators.web import serving

TARGET = "linux-x86_64-cpu"
BUNDLE = "tiny-engine/t2/tiny-engine-t2-linux-x86_64-cpu.tar.zst"


def build(user: CommandLine, *more: str | Path) -> subprocess.CompletedProcess[str]:
    return user.run("build", "--target", TARGET, "--model", user.home / "model.gguf", *more)


def manifest(user: CommandLine) -> dict:
    return json.loads((user.home / "dist" / "manifest.json").read_text())


def change_recipe(user: CommandLine, old: str, new: str) -> None:
    path = user.recipes / "engines" / "tiny-engine.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def wait_for(condition, *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def test_a_build_proves_what_it_made_and_says_so_in_the_manifest(user):
    done = build(user)
    assert done.returncode == 0, done.stderr
    (artifact,) = manifest(user)["artifacts"]
    assert artifact["proof"] == {
        "level": "run",
        "loads": True,
        "version": "version: tiny (build 2, commit t2)",
        "devices": ["CPU"],
        "generated_tokens": 16,
        "model": artifact["proof"]["model"],
        "ready_milliseconds": None,
        "resident_bytes": None,
        "runner": None,
    }
    assert artifact["proof"]["model"].startswith("model.gguf sha256:")
    assert artifact["requires"]["libraries"] == ["libc.so.6", "libgcc_s.so.1", "libstdc++.so.6"]
    assert artifact["requires"]["glibc"].startswith("2.")
    assert [layer["name"] for layer in artifact["layers"]] == ["core", "core-debug", "cpu", "cpu-debug"]
    assert (user.home / "dist" / BUNDLE).stat().st_size == artifact["size"]


def test_a_bundle_is_a_plain_archive_with_links_license_and_card(user, tmp_path):
    build(user)
    into = tmp_path / "unpacked"
    user.ok("unpack", user.home / "dist" / BUNDLE, "--to", into)
    assert str((into / "bin" / "libtiny.so").readlink()) == "libtiny.so.1"
    assert os.access(into / "bin" / "tiny-server", os.X_OK)
    assert "MIT" in (into / "licenses" / "tiny-engine.txt").read_text()
    assert json.loads((into / "bundle.json").read_text())["artifact"]["version"] == "t2"
    said = subprocess.run([into / "bin" / "tiny-server", "--version"], capture_output=True, text=True, check=True)
    assert "build 2" in said.stdout


def test_a_second_build_starts_no_compiler_and_changes_nothing(user):
    build(user)
    path = user.home / "dist" / BUNDLE
    before = path.stat().st_mtime_ns, manifest(user)
    again = build(user, "--json-events", user.home / "events.jsonl")
    assert again.returncode == 0
    events = [json.loads(line) for line in (user.home / "events.jsonl").read_text().splitlines()]
    assert not [event for event in events if event["event"] in {"step_started", "StepStarted"}]
    assert (path.stat().st_mtime_ns, manifest(user)) == before


def test_another_release_is_another_pin_and_stands_beside_the_first(user):
    build(user)
    assert build(user, "--release", "t1").returncode == 0
    versions = {artifact["version"]: artifact for artifact in manifest(user)["artifacts"]}
    assert set(versions) == {"t1", "t2"}
    assert versions["t1"]["proof"]["version"] == "version: tiny (build 1, commit t1)"


def test_two_builds_in_other_places_with_other_settings_give_equal_bytes(tmp_path):
    one = make_user(tmp_path / "one")
    other = make_user(tmp_path / "somewhere" / "much deeper", TZ="Asia/Tokyo", LC_ALL="tr_TR.UTF-8", LANG="tr_TR")
    assert build(one).returncode == 0
    umask = other.run(
        "build",
        "--target",
        TARGET,
        "--model",
        other.home / "model.gguf",
        "--jobs",
        "1",
        prefix=("sh", "-c", 'umask 077; exec "$@"', "sh"),
    )
    assert umask.returncode == 0, umask.stderr
    first, second = manifest(one)["artifacts"][0], manifest(other)["artifacts"][0]
    assert [layer["tree_sha256"] for layer in first["layers"]] == [layer["tree_sha256"] for layer in second["layers"]]
    assert [layer["sha256"] for layer in first["layers"]] == [layer["sha256"] for layer in second["layers"]]
    assert first["sha256"] == second["sha256"]


def test_link_time_optimization_leaves_no_trace_of_the_place_either(tmp_path):
    users = [make_user(tmp_path / place) for place in ("one", "somewhere/much deeper")]
    for user in users:
        change_recipe(user, '"Release"\n', '"Release"\nCMAKE_CXX_FLAGS_RELEASE = "-O2 -g1 -flto"\n')
        done = build(user, "--prove", "none")
        assert done.returncode == 0, done.stderr
    one, other = ([layer["tree_sha256"] for layer in manifest(user)["artifacts"][0]["layers"]] for user in users)
    assert one == other


def test_a_build_resumed_with_another_compiler_keeps_its_options(user):
    """CMake drops the command line's options when the compiler in its cache changes."""
    (user.home / "source" / "src" / "words.cpp").write_text("#error stop here\n")
    assert build(user).returncode == 9
    shutil.copy(FIXTURE / "src" / "words.cpp", user.home / "source" / "src" / "words.cpp")
    other = CommandLine(user.home, user.recipes, {"CXX": shutil.which("g++"), "CC": shutil.which("gcc")})
    done = build(other)
    assert done.returncode == 0, done.stderr
    assert manifest(user)["artifacts"][0]["options"]["CMAKE_BUILD_TYPE"] == "Release"


def test_two_builds_into_one_folder_at_once_lose_nothing(user):
    more = ("--prove", "none")
    processes = [user.start("build", "--target", TARGET, *more, "--release", release) for release in ("t1", "t2")]
    assert [process.wait(timeout=300) for process in processes] == [0, 0]
    found = manifest(user)
    assert {artifact["version"] for artifact in found["artifacts"]} == {"t1", "t2"}
    assert found["created"] == "2026-01-02T03:04:05Z"


def test_a_source_that_would_download_while_it_configures_gets_nothing(user):
    with serving(user.home / "source") as (url, asked):
        lists = user.home / "source" / "CMakeLists.txt"
        lists.write_text(
            lists.read_text()
            + f'\nfile(DOWNLOAD "{url}/LICENSE" "${{CMAKE_BINARY_DIR}}/x" STATUS status)\nlist(GET status 0 code)\n'
            + 'if(code EQUAL 0)\n  message(FATAL_ERROR "downloaded")\nendif()\n'
        )
        done = build(user, "--prove", "none")
        assert done.returncode == 0, done.stderr
        assert asked == []


def test_a_compile_error_exits_9_with_file_line_and_log(user):
    (user.home / "source" / "src" / "words.cpp").write_text("int f() { return nothing; }\n")
    done = build(user)
    assert done.returncode == 9
    assert "words.cpp:1: " in done.stderr
    assert "nothing" in done.stderr
    log = next(Path(word.rstrip(";.,")) for word in done.stderr.split() if word.rstrip(";.,").endswith(".log"))
    assert "error:" in log.read_text()
    assert list(log.parent.glob("*compile_commands.json"))
    assert not (user.home / "dist").exists()


def test_an_option_the_source_does_not_know_exits_2_with_its_likely_successor(user):
    change_recipe(user, 'TINY_BACKEND = "OFF"', 'TINY_BACKEND = "OFF"\nTINY_FAST_MATH = "ON"')
    done = build(user)
    assert done.returncode == 2
    assert "TINY_FAST_MATH" in done.stderr
    assert "TINY_FAST_MATHS" in done.stderr


def test_an_output_that_upstream_renamed_exits_9_and_is_named(user):
    change_recipe(user, '"libtiny.so*"', '"libteeny.so*"')
    done = build(user)
    assert done.returncode == 9
    assert "libteeny.so*" in done.stderr


def test_without_a_compiler_it_exits_5_and_says_what_to_install(user):
    bare = CommandLine(user.home, user.recipes, {"PATH": "/nonexistent", "CC": "", "CXX": ""})
    done = build(bare)
    assert done.returncode == 5
    assert "compiler" in done.stderr
    assert "apt install g++" in done.stderr


def test_a_backend_that_is_missing_fails_the_proof_with_10_and_makes_no_bundle(user):
    accelerator = user.recipes / "accelerators" / "cpu.toml"
    accelerator.write_text(accelerator.read_text().replace('["^CPU$"]', '["^CUDA"]'))
    done = build(user)
    assert done.returncode == 10
    assert "CUDA" in done.stderr
    assert not (user.home / "dist").exists()


def test_a_version_other_than_the_pinned_one_fails_the_proof(user):
    change_recipe(user, 'TINY_BUILD_NUMBER = "{build_number}"', 'TINY_BUILD_NUMBER = "7"')
    done = build(user)
    assert done.returncode == 10
    assert "tiny (build 7, commit t2)" in done.stderr


@pytest.mark.parametrize("content", [b"no model at all", b""])
def test_a_damaged_model_fails_the_proof_with_the_servers_own_words(user, content):
    (user.home / "model.gguf").write_bytes(content)
    done = build(user)
    assert done.returncode == 10
    assert "not a GGUF file" in done.stderr


def test_a_model_that_is_not_there_exits_2(user):
    done = user.run("build", "--target", TARGET, "--model", user.home / "no.gguf")
    assert done.returncode == 2
    assert "no.gguf" in done.stderr


def test_a_port_that_is_taken_during_the_proof_is_not_the_end(user):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        change_recipe(user, '"--port", "{port}"', f'"--port", "{port}"')
        done = build(user)
    assert done.returncode == 10
    assert "port was taken" in done.stderr


@pytest.mark.parametrize(("level", "loads", "tokens"), [("none", None, None), ("load", True, None), ("run", True, 16)])
def test_the_manifest_says_which_proof_was_done(user, level, loads, tokens):
    assert build(user, "--prove", level).returncode == 0
    proof = manifest(user)["artifacts"][0]["proof"]
    assert (proof["level"], proof["loads"], proof["generated_tokens"]) == (level, loads, tokens)


def test_an_unknown_target_exits_2_and_lists_near_ones(user):
    done = user.run("build", "--target", "linux-x86_64-cpus")
    assert done.returncode == 2
    assert "linux-x86_64-cpu" in done.stderr


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_build_that_is_interrupted_goes_on_and_uses_nothing_half_made(user, how):
    slow = user.home / "source" / "src" / "words.cpp"
    slow.write_text(
        slow.read_text()
        + "#include <regex>\n" * 1
        + "template <int N> struct S { static long v() { return S<N-1>::v() + N; } };\n"
        "template <> struct S<0> { static long v() { return 0; } };\nlong slow() { return S<700>::v(); }\n"
    )
    process = user.start("build", "--target", TARGET, "--model", user.home / "model.gguf")
    wait_for(lambda: list((user.cache_dir / "work").glob("compile-*/build/CMakeCache.txt")))
    os.killpg(process.pid, how) if how == signal.SIGKILL else process.send_signal(how)
    process.wait(timeout=60)
    assert process.returncode in {130, -signal.SIGKILL}
    assert not (user.home / "dist").exists()
    done = build(user)
    assert done.returncode == 0, done.stderr
    assert manifest(user)["artifacts"][0]["proof"]["generated_tokens"] == 16


def test_a_layer_changed_in_the_store_is_refused_and_then_made_anew(user):
    build(user)
    layer = manifest(user)["artifacts"][0]["layers"][0]
    blob = next((user.cache_dir / "blobs").rglob(layer["sha256"]))
    blob.chmod(0o644)
    blob.write_bytes(b"x" + blob.read_bytes()[1:])
    for path in sorted((user.home / "dist").rglob("*.zst")):
        path.unlink()
    done = build(user)
    assert done.returncode == 7
    assert layer["sha256"][:12] in done.stderr
    assert build(user).returncode == 0


def test_a_source_changed_in_the_store_is_refused(user):
    assert build(user).returncode == 0
    for path in (user.cache_dir / "trees").glob("*/src/words.cpp"):
        path.write_text("int sneaked_in;\n")
    change_recipe(user, 'TINY_BACKEND = "OFF"', 'TINY_BACKEND = "OFF"\nTINY_FAST_MATHS = "ON"')
    done = build(user)
    assert done.returncode == 7
    assert "words.cpp" in done.stderr


def test_a_disk_that_fills_up_exits_4_and_the_next_run_goes_on(user, tmp_path):
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=300k", "tmpfs") as disk:
        full = CommandLine(user.home, user.recipes, {"ENGINE_PIPELINE_CACHE_DIR": str(disk / "cache")})
        done = build(full)
        assert done.returncode == 4, done.stderr
        assert not (user.home / "dist").exists()
        subprocess.run([MOUNT, "-o", "remount,size=200m", disk], check=True)
        assert build(full).returncode == 0


def test_an_output_folder_that_cannot_be_written_exits_5(user):
    (user.home / "file").write_text("in the way")
    done = build(user, "--output", user.home / "file" / "dist")
    assert done.returncode == 5
    assert "--output" in done.stderr
