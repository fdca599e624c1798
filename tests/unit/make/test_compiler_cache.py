"""The compiler cache of a build, with the real sccache and compiler."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import BuildError
from pipeline.events import Notice
from pipeline.make.compiler_cache import CompilerCache, compiler_cache, with_a_second_try
from pipeline.model.compiler_cache import CompilerCacheSettings
from pipeline.model.host import Tool
from pipeline.ports import CompilerCacheChoice, Services
from tests.simulators.engine_world import FixedHost, services_for
from tests.simulators.object_storage import ObjectStorage, object_storage

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "canary-id", "AWS_SECRET_ACCESS_KEY": "canary-secret"}


class Equipped(FixedHost):
    """A host with the sccache of this environment."""

    def tool(self, name: str, *, minimum: str | None = None) -> Tool:
        return Tool(name=name, path=str(Path(sys.prefix, "bin", "sccache")), version="0")


@pytest.fixture
def services(tmp_path) -> Services:
    found = services_for(tmp_path / "root", host=Equipped())
    return replace(found, compiler_cache_dir=tmp_path / "local", base_env={"PATH": os.environ["PATH"]})


def of_s3(storage: ObjectStorage, **more: object) -> CompilerCacheChoice:
    settings = {"backend": "s3", "bucket": "b", "region": "auto", "endpoint": storage.url, **more}
    return CompilerCacheChoice(CompilerCacheSettings(**settings), CREDENTIALS)


def compile_one(cache: CompilerCache, work: Path, text: str = "int one(void) { return 1; }\n") -> int:
    source = work / "one.c"
    source.write_text(text)
    argv = [cache.launcher, shutil.which("cc"), "-c", source, "-o", work / "one.o"]
    return subprocess.run(argv, env={**cache.environment, "PATH": os.environ["PATH"]}, cwd=work, check=False).returncode


def warnings(services: Services) -> list[str]:
    return [event.message for event in services.events.events if isinstance(event, Notice) and event.level == "warning"]


def test_objects_are_kept_in_a_bucket_and_nowhere_else(services, tmp_path):
    with object_storage() as storage:
        shared = replace(services, compiler_cache=of_s3(storage, prefix="engines"))
        for expected in ((0, 1), (1, 0)):
            with compiler_cache(shared, tmp_path) as cache:
                assert cache.kind == "s3"
                assert compile_one(cache, tmp_path) == 0
                assert cache.counts() == expected
        assert all(path.startswith("/b/engines/") for path in storage.objects)
        assert all(storage.signed)
    assert not [path for path in (tmp_path / "local").rglob("*") if path.is_file()]


def test_no_secret_is_given_to_compilers(services, tmp_path):
    with object_storage() as storage, compiler_cache(replace(services, compiler_cache=of_s3(storage)), tmp_path) as c:
        assert not [value for value in c.environment.values() if "canary" in value]


def test_a_bucket_that_may_only_be_read_gets_nothing(services, tmp_path):
    with object_storage() as storage:
        reading = replace(services, compiler_cache=of_s3(storage, read_only=True))
        with compiler_cache(reading, tmp_path) as cache:
            assert compile_one(cache, tmp_path) == 0
        assert storage.signed
        assert not storage.objects


def test_a_bucket_that_refuses_is_said_once_and_the_local_cache_is_used(services, tmp_path):
    with object_storage() as storage:
        storage.denies = True
        shared = replace(services, compiler_cache=of_s3(storage))
        for expected in ((0, 1), (1, 0)):
            with compiler_cache(shared, tmp_path) as cache:
                assert cache.kind == "local"
                assert compile_one(cache, tmp_path) == 0
                assert cache.counts() == expected
    (warning,) = warnings(services)
    assert "AccessDenied" in warning


def test_a_bucket_that_begins_to_fail_is_replaced_while_compilers_run(services, tmp_path):
    def compile_many(number: int) -> list[int]:
        work = tmp_path / str(number)
        work.mkdir()
        texts = [f"int f(void) {{ return {number}{n}; }}\n" for n in range(1, 7)]
        return [compile_one(cache, work, text) and compile_one(cache, work, text) for text in texts]

    with object_storage() as storage:
        shared = replace(services, compiler_cache=of_s3(storage))
        with compiler_cache(shared, tmp_path) as cache, ThreadPoolExecutor(4) as pool:
            assert compile_one(cache, tmp_path) == 0
            storage.fails = True
            running = [pool.submit(compile_many, number) for number in range(1, 5)]
            while not all(one.done() for one in running):
                cache.look_after()
                time.sleep(0.01)
            assert [one.result() for one in running] == [[0] * 6] * 4
            assert compile_one(cache, tmp_path) == 0
            assert cache.broke()
            assert cache.counts()[1] > 1  # also of the server that was replaced
        assert gone(cache)
    (warning,) = warnings(services)
    assert "stopped answering" in warning
    assert [path for path in (tmp_path / "local").rglob("*") if path.is_file()]


def test_a_fault_that_is_known_before_costs_no_start(services, tmp_path):
    known = CompilerCacheChoice(CompilerCacheSettings(backend="redis", url="redis://h:1"), fault=lambda: "it is asleep")
    with compiler_cache(replace(services, compiler_cache=known), tmp_path) as cache:
        assert cache.kind == "local"
    assert "it is asleep" in warnings(services)[0]


def test_a_server_that_is_killed_leaves_no_other_behind(services, tmp_path):
    """A client that meets no server starts one of its own."""
    with compiler_cache(services, tmp_path) as cache:
        (own,) = servers(cache)
        assert not cache.broke()
        os.kill(own, signal.SIGKILL)
        assert gone(cache)
        assert cache.broke()
        assert compile_one(cache, tmp_path) == 0
    assert gone(cache)


def servers(cache: CompilerCache) -> list[int]:
    """Return the processes that were started with the port of this cache's server."""
    wanted = f"SCCACHE_SERVER_PORT={cache.environment['SCCACHE_SERVER_PORT']}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if wanted in path.read_bytes().split(b"\0") and (path.parent / "comm").read_text() == "sccache\n":
                found.append(int(path.parent.name))
        except OSError:  # it ended meanwhile
            continue
    return found


def gone(cache: CompilerCache) -> bool:
    """Wait until no server is left; one that was asked to stop takes a moment, one that was left stays a minute."""
    deadline = time.monotonic() + 20
    while servers(cache) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not servers(cache)


def test_without_the_tool_nothing_is_kept_and_the_build_goes_on(services, tmp_path):
    without = replace(services, host=FixedHost())
    with compiler_cache(without, tmp_path) as cache:
        assert (cache.launcher, cache.kind, cache.counts()) == (None, "none", (0, 0))


class _Build:
    """A build that fails as often as it is told, and then makes something."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.tries = 0

    def __call__(self) -> str:
        self.tries += 1
        if self.tries <= self.failures:
            raise BuildError(f"failure {self.tries}")
        return "made"


def test_a_build_that_fails_beside_a_broken_cache_is_tried_once_more():
    broken = CompilerCache(broke=lambda: True)
    assert with_a_second_try(_Build(1), broken) == "made"
    with pytest.raises(BuildError, match="failure 2"):
        with_a_second_try(_Build(2), broken)


def test_a_build_that_fails_beside_a_whole_cache_is_not():
    build = _Build(1)
    with pytest.raises(BuildError, match="failure 1"):
        with_a_second_try(build, CompilerCache())
    assert build.tries == 1
