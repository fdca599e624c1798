from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from pipeline.errors import HostError
from pipeline.events import Notice
from pipeline.measure.bench_request import Prepared, near_links
from pipeline.measure.strategy_bench import Key, StrategyBench
from pipeline.model.strategy_runs import MadeLink
from pipeline.system.bench_ground import LocalBenchGround
from tests.simulators.hand_clock import HandClock
from tests.unit.measure.made_measurements import FAST, LAN, SLOW, TARGET, run

COLD_SECONDS, WARM_SECONDS = 300.0, 20.0


class Artifact(NamedTuple):
    """What the bench reads of one."""

    target: str = TARGET
    environment: None = None


class Ground(LocalBenchGround):
    """Real folders; links of which some cannot be made."""

    def __init__(self, refused):
        super().__init__(None, None)
        self._refused = refused

    @contextmanager
    def link(self, profile, *, maker="auto"):
        if profile.name in self._refused:
            raise HostError("no link of packets can be made here")
        yield SimpleNamespace(made=MadeLink(profile=profile, maker="relay"))


@dataclass
class Commands:
    """Serves and fills mirrors, or does not."""

    not_serving_over: tuple[str, ...] = ()
    caches: list[object] = field(default_factory=list)

    @contextmanager
    def serving(self, folder, link):
        if link.made.profile.name in self.not_serving_over:
            raise HostError("the server of the bench did not start")
        yield "http://x"

    def run(self, *arguments, cache_dir, link=None):
        self.caches.append(cache_dir)
        return SimpleNamespace(seconds=1.0)


class Runner:
    """Installs at once; builds take the time that they take with and without a compiler cache."""

    model = None

    def __init__(self, commands, ground):
        self.commands, self.ground = commands, ground
        self.clock, self.said = HandClock(), []
        self.services = SimpleNamespace(clock=self.clock, events=SimpleNamespace(emit=self.said.append))

    def install(self, artifact, way, folder):
        return run(download=1.0)

    def build(self, artifact, way, folder, *, compiler_cache):
        if compiler_cache is None:
            (folder / "cache" / "compiler-cache").mkdir(parents=True)
            (folder / "cache" / "compiler-cache" / "object").write_bytes(b"x")
        else:
            assert (compiler_cache / "object").is_file()
        seconds = COLD_SECONDS if compiler_cache is None else WARM_SECONDS
        self.clock.sleep(seconds)
        return run(compile=seconds)


def benched(folder, *strategies, commands=None, refused=(), near=("lan",)):
    request = SimpleNamespace(
        strategies=strategies,
        links=(LAN, FAST, SLOW),
        near_links=near,
        build_links=("100mbit",),
        maker="auto",
        runs=2,
        build_runs=1,
    )
    prepared = Prepared(folder, folder / "served", folder / "root.json", (Artifact(),), (), None)
    runner = Runner(commands or Commands(), Ground(refused))
    found = StrategyBench(request, prepared, runner).run()
    return found, runner


@pytest.mark.parametrize("fault", [{"refused": ("20mbit",)}, {"commands": Commands(("20mbit",))}])
def test_a_link_or_server_that_does_not_start_fails_what_goes_over_it_and_the_rest_is_kept(tmp_path, fault):
    found, runner = benched(tmp_path, "on-demand", "bundled", "mirror", **fault)
    lost = Key("on-demand", TARGET, "20mbit")
    assert set(found.failures) == {lost}
    assert isinstance(found.failures[lost], HostError)
    assert set(found.runs) == {
        Key("bundled", TARGET, None),
        Key("on-demand", TARGET, "lan"),
        Key("mirror", TARGET, "lan"),
        Key("on-demand", TARGET, "100mbit"),
    }
    assert any(isinstance(event, Notice) and "20mbit" in event.message for event in runner.said)


def test_everything_that_was_wanted_over_a_link_that_cannot_be_made_is_a_failure(tmp_path):
    strategies = ("on-demand", "mirror", "self-built", "self-built-warm")
    found, _ = benched(tmp_path, *strategies, refused=("lan", "100mbit"))
    assert set(found.failures) == {
        Key("on-demand", TARGET, "lan"),
        Key("mirror", TARGET, "lan"),
        Key("on-demand", TARGET, "100mbit"),
        Key("self-built", TARGET, "100mbit"),
        Key("self-built-warm", TARGET, "100mbit"),
    }


@pytest.mark.parametrize("strategies", [("self-built", "self-built-warm"), ("self-built-warm",)])
def test_a_warm_build_says_how_long_the_first_one_took_whoever_ran_it(tmp_path, strategies):
    found, _ = benched(tmp_path, *strategies)
    warm = Key("self-built-warm", TARGET, "100mbit")
    assert found.prepared_seconds == {warm: COLD_SECONDS}
    assert [r.total_seconds for r in found.runs[warm]] == [WARM_SECONDS]


def test_every_mirror_is_filled_with_an_empty_cache(tmp_path):
    commands = Commands()
    benched(tmp_path, "mirror", commands=commands, near=("lan", "100mbit"))
    assert len(set(commands.caches)) == 2


def test_a_result_without_a_link_has_no_link_to_a_mirror():
    assert near_links(SimpleNamespace(profiles=()), []) == ()
