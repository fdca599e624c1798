"""Measures strategies: every run over a link made for it, the strategies in turn, so that what drifts meets all."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from pipeline.errors import PipelineError
from pipeline.events import Notice, StepFailed, StepFinished, StepStarted
from pipeline.measure.strategy_running import Way
from pipeline.model.repository_layout import MODELS_FOLDER

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.measure.bench_request import BenchRequest, Prepared
    from pipeline.measure.strategy_running import Runner
    from pipeline.model.manifest import Artifact
    from pipeline.model.strategy_runs import LinkProfile, MadeLink, Strategy, StrategyRun
    from pipeline.ports.links import OpenLink

_BUILDS: tuple[Strategy, ...] = ("self-built", "self-built-warm")


class Key(NamedTuple):
    """What is measured: one strategy for one target over one link, None from the disk."""

    strategy: Strategy
    target: str
    link: str | None

    def __str__(self) -> str:
        """Return it as a step of the bench."""
        return f"{self.strategy} of {self.target}{f' over {self.link}' if self.link else ''}"


@dataclass(slots=True)
class Found:
    """What came of all runs.

    Attributes:
        runs: of each that had any.
        links: as they were made.
        prepared_seconds: what was done once beforehand.
        failures: what failed, with the error.
    """

    runs: dict[Key, list[StrategyRun]] = field(default_factory=dict)
    links: list[MadeLink] = field(default_factory=list)
    prepared_seconds: dict[Key, float] = field(default_factory=dict)
    failures: dict[Key, PipelineError] = field(default_factory=dict)


class _Warm(NamedTuple):
    """A compiler cache that a first build left, and how long that build took."""

    place: Path
    seconds: float


class StrategyBench:
    """All runs that were asked for."""

    def __init__(
        self,
        request: BenchRequest,
        prepared: Prepared,
        runner: Runner,
    ) -> None:
        """Take what is measured, and by what."""
        self._request = request
        self._prepared = prepared
        self._runner = runner
        self._commands = runner.commands
        self._ground = runner.ground
        self._services = runner.services
        self._warm: dict[str, _Warm] = {}
        self.found = Found()

    def run(self) -> Found:
        """Run everything; what fails is kept among the failures, and the rest goes on."""
        prepared, wanted = self._prepared, self._request.strategies
        disk = Way(str(prepared.served), prepared.trusted_root, None)
        if "bundled" in wanted:
            self._rounds([(Key("bundled", a.target, None), a, disk) for a in prepared.measured])
        for profile in self._request.links:
            try:
                with self._ground.link(profile, maker=self._request.maker) as link:
                    self.found.links.append(link.made)
                    self._over(profile, link)
            except PipelineError as error:  # of the link or its server: what was measured so far took hours
                self._services.events.emit(Notice(f"nothing more over {profile.name}: {error.message}", "warning"))
                missing = (key for key in self._keys_over(profile) if key not in self.found.runs)
                self.found.failures |= {key: error for key in missing if key not in self.found.failures}
        # An environment is assembled of packages from where the configuration says, which no link here leads to.
        assembled = [a for a in prepared.measured if a.environment]
        for strategy in _BUILDS:
            if strategy in wanted:
                self._rounds([(Key(strategy, a.target, None), a, disk) for a in assembled])
        return self.found

    def _keys_over(self, profile: LinkProfile) -> list[Key]:
        """Return everything that is wanted over a link."""
        request, found = self._request, []
        for strategy in request.strategies:
            for artifact in self._prepared.measured:
                is_build = strategy in _BUILDS
                if (
                    strategy == "on-demand"
                    or (strategy == "mirror" and profile.name in request.near_links)
                    or (is_build and profile.name in request.build_links and not artifact.environment)
                ):
                    found.append(Key(strategy, artifact.target, profile.name))
        return found

    def _over(self, profile: LinkProfile, link: OpenLink) -> None:
        request, prepared = self._request, self._prepared
        with ExitStack() as serving:
            url = serving.enter_context(self._commands.serving(prepared.served, link))
            way = Way(url, prepared.trusted_root, link)
            runs: list[tuple[Key, Artifact, Way]] = []
            if "on-demand" in request.strategies:
                runs += [(Key("on-demand", a.target, profile.name), a, way) for a in prepared.measured]
            if "mirror" in request.strategies and profile.name in request.near_links:
                runs += self._mirrored(profile, way, link, serving)
            self._rounds(runs)
            if profile.name in request.build_links:
                compiled = [a for a in prepared.measured if not a.environment]
                for strategy in (name for name in _BUILDS if name in request.strategies):
                    self._rounds([(Key(strategy, a.target, profile.name), a, way) for a in compiled])

    def _mirrored(
        self, profile: LinkProfile, way: Way, link: OpenLink, serving: ExitStack
    ) -> list[tuple[Key, Artifact, Way]]:
        """Fill a mirror over the link, serve it from a second host, and return the runs that install from it."""
        prepared = self._prepared
        folder = prepared.folder / f"second-{profile.name}"
        keys = [(Key("mirror", artifact.target, profile.name), artifact) for artifact in prepared.measured]
        targets = [word for _, artifact in keys for word in ("--target", artifact.target)]
        source = ("--from", way.location, "--to", folder, "--trusted-root", prepared.trusted_root, "--without-bundles")
        try:
            done = self._commands.run(
                "mirror",
                "create",
                *source,
                *targets,
                cache_dir=prepared.folder / f"mirror-cache-{profile.name}",
                link=link,
            )
            if prepared.model is not None:
                self._ground.link_file(prepared.model.path, folder / MODELS_FOLDER / prepared.model.name)
            url = serving.enter_context(self._commands.serving(folder, link))
        except PipelineError as error:
            self.found.failures.update({key: error for key, _ in keys})
            return []
        self.found.prepared_seconds.update({key: round(done.seconds, 3) for key, _ in keys})
        return [(key, artifact, Way(url, prepared.trusted_root, link)) for key, artifact in keys]

    def _rounds(self, runs: list[tuple[Key, Artifact, Way]]) -> None:
        request = self._request
        for number in range(request.runs):
            for key, artifact, way in runs:
                most = request.build_runs if key.strategy in _BUILDS else request.runs
                if number < most and key not in self.found.failures:
                    self._once(key, artifact, way, number=number)

    def _once(self, key: Key, artifact: Artifact, way: Way, *, number: int) -> None:
        events, clock = self._services.events, self._services.clock
        step = f"{key}, run {number + 1}"
        folder = self._prepared.folder / "run"
        folder.mkdir()
        events.emit(StepStarted(step))
        began = clock.monotonic()
        try:
            if key.strategy in _BUILDS:
                run = self._build(key, artifact, way, folder)
            else:
                run = self._runner.install(artifact, way, folder)
        except PipelineError as error:
            self.found.failures[key] = error
            events.emit(StepFailed(step, error.message))
        else:
            self.found.runs.setdefault(key, []).append(run)
            said = f"{run.total_seconds:.2f} s to the first token"
            events.emit(StepFinished(step, clock.monotonic() - began, said))
        finally:
            self._ground.remove(folder)

    def _build(self, key: Key, artifact: Artifact, way: Way, folder: Path) -> StrategyRun:
        """Build, and keep the compiler cache of the first build of a target for those with a warm one."""
        if key.strategy == "self-built":
            if key.target not in self._warm:
                return self._first_build(key.target, artifact, way, folder)
            return self._runner.build(artifact, way, folder, compiler_cache=None)
        if key.target not in self._warm:
            self._first_build(key.target, artifact, way, folder)
            self._ground.remove(folder)
            folder.mkdir()
        warm = self._warm[key.target]
        self.found.prepared_seconds[key] = warm.seconds
        return self._runner.build(artifact, way, folder, compiler_cache=warm.place)

    def _first_build(self, target: str, artifact: Artifact, way: Way, folder: Path) -> StrategyRun:
        clock = self._services.clock
        began = clock.monotonic()
        run = self._runner.build(artifact, way, folder, compiler_cache=None)
        seconds = round(clock.monotonic() - began, 3)
        place = self._prepared.folder / f"warm-{len(self._warm)}"
        self._ground.copy_folder(folder / "cache" / "compiler-cache", place)
        self._warm[target] = _Warm(place, seconds)
        return run
