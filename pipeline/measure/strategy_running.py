"""One run of a strategy: from nothing to the first generated token, by the commands that users run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipeline.errors import ProofError
from pipeline.measure.forecasts import download_bytes
from pipeline.measure.spread import STAGES
from pipeline.measure.stage_times import stage_times
from pipeline.model.manifest_document import read_manifest
from pipeline.model.repository_layout import MODELS_FOLDER
from pipeline.model.strategy_runs import StageTime, StrategyRun
from pipeline.proofs.programs import clean_environment, make_model, own_environment
from pipeline.proofs.serving import first_token

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.measure.bench_commands import BenchCommands, Done
    from pipeline.measure.bench_request import ModelFile
    from pipeline.model.manifest import Artifact
    from pipeline.ports import Services
    from pipeline.ports.links import BenchGround, OpenLink

_SHOWN_CHARACTERS = 60


class Way(NamedTuple):
    """How a run reaches what it needs.

    Attributes:
        location: of the repository: a folder, or a url at the near end of the link.
        trusted_root: file with its root metadata.
        link: None from the disk.
    """

    location: str
    trusted_root: Path
    link: OpenLink | None


class Runner(NamedTuple):
    """Runs strategies.

    Attributes:
        commands: of this program.
        ground: where it takes place.
        services: to start engines and to ask them.
        model: that engines are asked with; None where they make one themselves.
    """

    commands: BenchCommands
    ground: BenchGround
    services: Services
    model: ModelFile | None

    def install(self, artifact: Artifact, way: Way, folder: Path) -> StrategyRun:
        """Install from a repository, and go on to the first token.

        Raises:
            PipelineError: it cannot be installed, or the engine does not answer.
        """
        load = self.ground.load()
        stages, tree = self._install(artifact, way, folder)
        disk_bytes = self.ground.disk_bytes([folder / "root"])
        if way.link is None:
            disk_bytes += download_bytes(artifact)  # what the product carries stays where it is
        return self._ask(artifact, way, folder, stages=stages, tree=tree, begun=(load, disk_bytes))

    def build(self, artifact: Artifact, way: Way, folder: Path, *, compiler_cache: Path | None) -> StrategyRun:
        """Build on this machine, and go on to the first token; ``folder/cache`` stays for who wants its caches.

        Args:
            artifact: whose target and version are built.
            way: to sources and model; without a link, from where the configuration says.
            folder: empty.
            compiler_cache: that has seen this build; None for an empty one.

        Raises:
            PipelineError: as ``install``; it cannot be built here.
        """
        load = self.ground.load()
        cache, dist = folder / "cache", folder / "dist"
        if compiler_cache is not None:
            self.ground.copy_folder(compiler_cache, cache / "compiler-cache")
        mirror = () if way.link is None else ("--from-mirror", f"{way.location}/{MODELS_FOLDER}")
        source = () if artifact.environment else ("--source", "build")
        asked = ("--target", artifact.target, "--release", artifact.version, *source, *mirror)
        done = self.commands.run("build", *asked, "--prove", "load", "--output", dist, cache_dir=cache, link=way.link)
        stages = [stage_times(done.events, end_seconds=done.seconds, first="start", rest="pack", last="pack")]
        (built,) = read_manifest((dist / "manifest.json").read_bytes()).artifacts
        if built.environment is None:
            tree = folder / "installed"
            done = self.commands.run("unpack", dist / built.url, "--to", tree, cache_dir=cache)
            stages.append((done.as_one("unpack", built.installed_size),))
        else:
            more, tree = self._publish_and_install(built, dist, folder)
            stages.append(more)
        disk_bytes = self.ground.disk_bytes([cache, dist, folder / "installed", folder / "root", folder / "published"])
        added = _added(stage for part in stages for stage in part)
        return self._ask(built, way, folder, stages=added, tree=tree, begun=(load, disk_bytes))

    def _install(self, artifact: Artifact, way: Way, folder: Path) -> tuple[tuple[StageTime, ...], Path]:
        where = ("--from", way.location, "--root", folder / "root", "--trusted-root", way.trusted_root)
        wanted = (artifact.target, "--version", artifact.version, *where)
        done = self.commands.run("install", *wanted, cache_dir=folder / "install-cache", link=way.link)
        found = stage_times(done.events, end_seconds=done.seconds, first="start", rest="assemble", last="switch")
        stages = tuple(
            stage.model_copy(update={"bytes": artifact.installed_size}) if stage.stage == "unpack" else stage
            for stage in found
        )
        return stages, Path(str(done.document["path"]))

    def _publish_and_install(self, built: Artifact, dist: Path, folder: Path) -> tuple[tuple[StageTime, ...], Path]:
        """Install an environment, which has to be made from its layers, where it was built."""
        keys, published, cache = folder / "keys", folder / "published", folder / "cache"
        signing = ("--from", dist, "--to", published, "--keys", keys, "--allow-development")
        made = (
            self.commands.run("keys", "init", "--no-passphrase", "--keys", keys, cache_dir=cache),
            self.commands.run("publish", *signing, cache_dir=cache),
        )
        stages, tree = self._install(built, Way(str(published), keys / "root.json", None), folder)
        return (*(done.as_one("pack") for done in made), *stages), tree

    def _ask(
        self,
        artifact: Artifact,
        way: Way,
        folder: Path,
        *,
        stages: tuple[StageTime, ...],
        tree: Path,
        begun: tuple[float | None, int],
    ) -> StrategyRun:
        """Bring a model, start the server, and wait for its first words."""
        check = artifact.health
        if check is None:
            raise ProofError(f"{artifact.target} does not say how its server is started")
        scratch = folder / "scratch"
        scratch.mkdir(parents=True)
        env = {**self.services.device_env, **clean_environment(scratch, self.services.base_env)}
        clock = self.services.clock
        brought: tuple[StageTime, ...] = ()
        if check.model_args:
            began = clock.monotonic()
            own = own_environment(check, tree, env)
            model = make_model(check, tree, scratch / "model", commands=self.services.commands, env=own, cwd=scratch)
            brought = (StageTime(stage="model", seconds=round(clock.monotonic() - began, 3)),)
        else:
            model, brought = self._bring_model(way, folder)
        found = first_token(check, root=tree, model=model, services=self.services, env=env, cwd=scratch)
        asked = (
            StageTime(stage="load", seconds=round(found.ready_seconds, 3)),
            StageTime(stage="first-token", seconds=round(found.first_seconds, 3)),
        )
        load, disk_bytes = begun
        return StrategyRun(
            stages=(*stages, *brought, *asked),
            load=load,
            disk_bytes=disk_bytes,
            first_text=found.text[:_SHOWN_CHARACTERS],
        )

    def _bring_model(self, way: Way, folder: Path) -> tuple[Path, tuple[StageTime, ...]]:
        """Return the model, downloaded over the link where there is one."""
        if self.model is None:
            raise ProofError("there is no model to ask the engine with")
        if way.link is None:
            return self.model.path, ()
        to = folder / "model" / self.model.name
        url = f"{way.location}/{MODELS_FOLDER}/{self.model.name}"
        what = ("--sha256", self.model.sha256, "--size-bytes", self.model.size_bytes, "--to", to)
        done: Done = self.commands.run("bench", "fetch", url, *what, cache_dir=folder / "model-cache", link=way.link)
        return to, (done.as_one("model", self.model.size_bytes),)


def _added(stages: Iterable[StageTime]) -> tuple[StageTime, ...]:
    """Return the stages in their order, those of the same name added up."""
    found: dict[str, StageTime] = {}
    for stage in stages:
        there = found.get(stage.stage)
        if there is not None:
            more = {"seconds": round(there.seconds + stage.seconds, 3), "bytes": there.bytes + stage.bytes}
            found[stage.stage] = there.model_copy(update=more)
        else:
            found[stage.stage] = stage
    return tuple(found[name] for name in STAGES if name in found)
