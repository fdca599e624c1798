"""Before anything is measured: a repository to serve, and which of its engines run on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import HostError, NothingSelectedError, UsageError
from pipeline.measure.bench_request import Prepared
from pipeline.measure.forecasts import of_manifests
from pipeline.model.manifest_document import read_manifest
from pipeline.model.repository_layout import MANIFEST_COPY, MODELS_FOLDER
from pipeline.names import UnknownNameError, parse_target, version_key
from pipeline.target_names import select_targets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from pipeline.measure.bench_commands import BenchCommands
    from pipeline.measure.bench_request import BenchRequest, ModelFile
    from pipeline.model.manifest import Artifact
    from pipeline.ports.links import BenchGround


def prepare(request: BenchRequest, folder: Path, *, commands: BenchCommands, ground: BenchGround) -> Prepared:
    """Make the repository that is served, and find what can be measured here.

    A ``dist`` folder is signed with keys of the bench's own; of a repository a verified copy is made, so that a damaged
    entry is found before the first run, and nothing is written to it.

    Raises:
        IntegrityError, TrustError: the repository is damaged, or not to be trusted.
        NothingSelectedError: there is no such target, or none that can be measured or forecast.
        UsageError: an engine must be given a model and there is none.
    """
    served, cache = folder / "served", folder / "cache"
    trusted_root = folder / "keys" / "root.json"
    if request.is_dist:
        commands.run("keys", "init", "--no-passphrase", "--keys", folder / "keys", cache_dir=cache)
        publishing = ("--keys", folder / "keys", "--allow-development", "--partial")
        commands.run("publish", "--from", request.location, "--to", served, *publishing, cache_dir=cache)
    else:
        trusted_root.parent.mkdir()
        trusted_root.write_bytes(request.trusted_root or b"")
        wanted = [word for target in request.targets for word in ("--target", target)]
        copying = ("--trusted-root", trusted_root, "--without-bundles", *wanted)
        commands.run("mirror", "create", "--from", request.location, "--to", served, *copying, cache_dir=cache)
    artifacts = read_manifest((served / MANIFEST_COPY).read_bytes()).artifacts
    chosen = _chosen(artifacts, request.targets)
    reasons = {artifact.target: _why_not_here(artifact, served, trusted_root, folder, commands) for artifact in chosen}
    measured = tuple(artifact for artifact in chosen if not reasons[artifact.target])
    if not measured:
        lines = "".join(f"\n{target}: {why}" for target, why in reasons.items())
        raise NothingSelectedError(
            f"nothing of it runs on this machine, so there is nothing to measure{lines}",
            hint="name a repository or a dist folder with an engine for this machine; forecasts need measurements",
        )
    model = _find_model(measured, request)
    if model is not None:
        ground.link_file(model.path, served / MODELS_FOLDER / model.name)
    if {"self-built", "self-built-warm"} & set(request.strategies):
        for artifact in measured:
            for name, path in request.find_sources(artifact).items():
                ground.link_file(path, served / MODELS_FOLDER / name)
    return Prepared(folder, served, trusted_root, measured, tuple(_forecast(chosen, reasons, request)), model)


def _forecast(
    chosen: Iterable[Artifact], reasons: Mapping[str, str], request: BenchRequest
) -> Iterator[tuple[Artifact, str]]:
    """Give what is not measured, and why: of the repository, then of manifests, each target once."""
    for artifact in chosen:
        if reasons[artifact.target]:
            yield artifact, reasons[artifact.target]
    yield from of_manifests(request.forecasts, reasons)


def _chosen(artifacts: Iterable[Artifact], patterns: tuple[str, ...]) -> tuple[Artifact, ...]:
    """Return the newest version of each target that is wanted.

    Raises:
        NothingSelectedError: there is none.
    """
    newest: dict[str, Artifact] = {}
    for artifact in artifacts:
        there = newest.get(artifact.target)
        if there is None or version_key(there.version) < version_key(artifact.version):
            newest[artifact.target] = artifact
    if not newest:
        raise NothingSelectedError("there are no engines to measure", hint="`build` makes some")
    known = tuple(parse_target(target) for target in sorted(newest))
    try:
        otherwise = f"there are {', '.join(map(str, known))}"
        names = select_targets(patterns, known, otherwise=otherwise) if patterns else known
    except UnknownNameError as error:
        raise NothingSelectedError(error.message, hint=error.hint) from error
    return tuple(newest[str(name)] for name in names)


def _why_not_here(artifact: Artifact, served: Path, trusted_root: Path, folder: Path, commands: BenchCommands) -> str:
    """Return why this machine cannot run an artifact, by what `install --dry-run` says; an empty text when it can."""
    if artifact.rehearsal:
        return "it is a rehearsal, with no engine in it"
    if artifact.health is None or not artifact.health.server_args:
        return "its manifest entry does not say how its server is started"
    where = ("--from", served, "--root", folder / "dry", "--trusted-root", trusted_root)
    try:
        commands.run(
            "install", artifact.target, "--version", artifact.version, *where, "--dry-run", cache_dir=folder / "cache"
        )
    except (HostError, NothingSelectedError) as error:
        return error.message.partition(": ")[2].partition("\n")[0]
    return ""


def _find_model(measured: Iterable[Artifact], request: BenchRequest) -> ModelFile | None:
    asked = [artifact.target for artifact in measured if artifact.health and not artifact.health.model_args]
    model = request.find_model() if asked else None
    if asked and model is None:
        raise UsageError(
            f"{asked[0]} needs a model to be asked with, and there is none",
            hint="give a GGUF file with --model FILE, or add one to recipes/models",
        )
    return model
