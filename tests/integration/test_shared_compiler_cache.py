"""A compiler cache that machines share: a real Redis, sccache and compiler; two build roots in different folders."""

from __future__ import annotations

import json
import os
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import make_user
from tests.simulators.command_line import CommandLine
from tests.simulators.redis import PASSWORD, PROGRAM, Redis
from tests.simulators.tiny_engine import FIXTURE

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no redis-server (.ci/run installs Debian's)")
TARGET = "linux-x86_64-cpu"
VARIABLE = "ENGINE_PIPELINE_COMPILER_CACHE"


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    with Redis(tmp_path / "redis") as server:
        yield server


def user_of(folder: Path, url: str, **variables: str) -> CommandLine:
    shared = {VARIABLE: "redis", f"{VARIABLE}_URL": url, f"{VARIABLE}_PASSWORD": PASSWORD}
    return make_user(folder, **{**shared, **variables})


def build(user: CommandLine, *more: str) -> str:
    done = user.run("build", "--target", TARGET, "--prove", "none", "--jobs", "2", *more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stderr


def cached(said: str) -> list[tuple[int, int]]:
    """Return (hits, objects looked up) of each component with a hit."""
    return [(int(hits), int(of)) for hits, of in re.findall(r"(\d+) of (\d+) from the compiler cache", said)]


def artifact(user: CommandLine) -> dict:
    return json.loads((user.home / "dist" / "manifest.json").read_text())["artifacts"][0]


def trees(user: CommandLine) -> list[str]:
    return [layer["tree_sha256"] for layer in artifact(user)["layers"]]


def caches_in_provenance(user: CommandLine) -> list[str]:
    document = json.loads((user.home / "dist" / artifact(user)["provenance"]).read_text())
    return document["predicate"]["runDetails"]["metadata"]["enginePipeline_compilerCaches"]


def warnings(said: str) -> list[str]:
    return [line for line in said.splitlines() if "compiler cache" in line and "from the compiler cache" not in line]


def test_a_second_build_root_compiles_nothing(tmp_path, redis):
    first = user_of(tmp_path / "one", redis.url)
    second = user_of(tmp_path / "somewhere, else" / "much deeper", redis.url)
    assert not cached(build(first))
    kept = redis.keys()
    assert kept
    found = cached(build(second))
    assert found
    assert all(hits == of for hits, of in found)
    assert redis.keys() == kept
    assert trees(first) == trees(second)


def test_the_provenance_says_which_kind_of_cache_there_was_and_not_where(tmp_path, redis):
    shared = user_of(tmp_path / "one", redis.url)
    local = make_user(tmp_path / "two")
    without = make_user(tmp_path / "three")
    build(shared), build(local), build(without, "--no-compiler-cache")
    assert [caches_in_provenance(user) for user in (shared, local, without)] == [["redis"], ["local"], ["none"]]
    assert trees(shared) == trees(local) == trees(without)
    port = redis.url.rpartition(":")[2]
    for path in (shared.home / "dist").rglob("*.json*"):
        assert port not in re.findall(r"\d+", path.read_text()), path


def test_the_password_is_nowhere_but_in_the_caches_own_server(tmp_path, redis):
    user = user_of(tmp_path / "one", redis.url)
    lists = user.home / "source" / "CMakeLists.txt"
    seen = user.home / "seen.txt"  # the build's own folder is gone when it ends
    lists.write_text(lists.read_text() + f'\nexecute_process(COMMAND env OUTPUT_FILE "{seen}")\n')
    said = build(user, "--verbose", "--json-events", str(user.home / "events.jsonl"))
    names = {line.partition("=")[0] for line in seen.read_text().splitlines()}
    assert "SOURCE_DATE_EPOCH" in names
    assert not any("PASSWORD" in name for name in names)
    assert PASSWORD not in seen.read_text()
    assert redis.keys()
    assert PASSWORD not in said
    for path in user.home.rglob("*"):
        if path.is_file():
            assert PASSWORD.encode() not in path.read_bytes(), path


def test_a_read_only_user_takes_and_adds_nothing(tmp_path, redis):
    build(user_of(tmp_path / "one", redis.url))
    kept = redis.keys()
    reader = user_of(tmp_path / "two", redis.url, **{f"{VARIABLE}_READ_ONLY": "1"})
    (reader.home / "source" / "src" / "words.cpp").write_text(
        (FIXTURE / "src" / "words.cpp").read_text() + "\nint one_more() { return 1; }\n"
    )
    assert cached(build(reader))
    assert redis.keys() == kept


def test_a_server_that_is_down_is_said_once_and_the_build_goes_on(tmp_path, redis):
    redis.stop()
    user = user_of(tmp_path / "one", redis.url)
    said = build(user)
    (line,) = warnings(said)
    assert "redis" in line
    assert "on this machine alone" in line
    assert caches_in_provenance(user) == ["local"]
    assert any((user.cache_dir / "compiler-cache").rglob("*"))


def test_a_wrong_password_is_said_and_not_shown(tmp_path, redis):
    said = build(user_of(tmp_path / "one", redis.url, **{f"{VARIABLE}_PASSWORD": "canary-wrong-word"}))
    (line,) = warnings(said)
    assert "password" in line
    assert "canary-wrong-word" not in said


def test_a_server_that_accepts_and_says_nothing_costs_seconds(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        said = build(user_of(tmp_path / "one", f"redis://127.0.0.1:{mute.getsockname()[1]}"))
    (line,) = warnings(said)
    assert "did not answer" in line


@pytest.mark.slow
def test_a_server_that_dies_meanwhile_is_given_up_and_the_build_goes_on(tmp_path, redis):
    user = user_of(tmp_path / "one", redis.url)
    lists = user.home / "source" / "CMakeLists.txt"
    pipe, gone = user.home / "configured", user.home / "gone"
    os.mkfifo(pipe)  # configuring waits here until the server is gone
    waiting = f'\nif(NOT EXISTS "{gone}")\n  execute_process(COMMAND cat "{pipe}")\nendif()\n'
    lists.write_text(lists.read_text() + waiting)

    def end_it() -> None:
        with pipe.open("w"):
            redis.stop()
            gone.touch()

    threading.Thread(target=end_it, daemon=True).start()
    said = build(user)
    (line,) = warnings(said)
    assert "stopped answering" in line
    clean = make_user(tmp_path / "clean")
    build(clean, "--no-compiler-cache")
    assert trees(user) == trees(clean)


def test_a_poisoned_entry_shows_in_the_layers_digest_beside_a_clean_build(tmp_path, redis):
    """Whoever may write to a shared cache decides what others' builds are made of: docs/security.md."""
    honest_user = user_of(tmp_path / "honest", redis.url)
    build(honest_user)
    honest = redis.keys()
    forger = user_of(tmp_path / "forger", redis.url)
    words = forger.home / "source" / "src" / "words.cpp"
    assert "tiny" in words.read_text()
    words.write_text(words.read_text().replace("tiny", "evil"))
    build(forger)
    forged = redis.keys() - honest
    assert forged
    size = {key: len(redis.get(key)) for key in honest | forged}
    for key in forged:  # each takes the place of the honest object that it is most like
        redis.set(min(honest, key=lambda one: abs(size[one] - size[key])), redis.get(key))

    victim = user_of(tmp_path / "victim", redis.url)
    build(victim)
    clean = user_of(tmp_path / "clean", redis.url)
    build(clean, "--no-compiler-cache")
    assert trees(victim) != trees(clean)
    assert trees(honest_user) == trees(clean)
