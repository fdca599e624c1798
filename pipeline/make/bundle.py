"""Joins proven layers into one self-contained file and writes the manifest entry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import HostError
from pipeline.events import StepProgress
from pipeline.make.bundle_packages import bundle_card, bundle_licenses, bundle_packages, package_materials
from pipeline.make.outputs import Outputs, Results, made
from pipeline.make.provenance import materials, write_provenance
from pipeline.model.bundle_card import BundleCard
from pipeline.model.counts import sized
from pipeline.model.manifest import Artifact, Layer, Proof, Requires, UpstreamArchive
from pipeline.model.manifest_document import write_bundle_card
from pipeline.model.statements import PROVENANCE_SUFFIX, SBOM_SUFFIX, Material, file_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pydantic import JsonValue

    from pipeline.model.actions import MakeBundle
    from pipeline.model.result import BlobRef
    from pipeline.model.statements import Part
    from pipeline.model.tree import TreeEntry
    from pipeline.ports import Services

_TRANSPORT = {"url", "sha256", "size", "provenance", "sbom"}


def make_bundle(action: MakeBundle, step: str, services: Services, results: Results, work: Path) -> Outputs:
    """Make the self-contained bundle: the layers' archives as they are, then ``bundle.json`` that describes them.

    Beside it come its provenance and its bill of materials.
    """
    layers: list[Layer] = []
    parts: list[Path] = []
    files: dict[str, Sequence[TreeEntry]] = {}
    done, total = 0, sum(results[name].trees["layer"].size_bytes for name in _brought(action, results))
    for name in _brought(action, results):
        result = results[name]
        services.events.emit(StepProgress(step, done, total, "bytes", f"reading {name}"))
        layers += [_layer(action, name, role, results) for role in ("layer", "debug") if role in result.blobs]
        parts.append(work / result.blobs["layer"].filename)
        services.store.copy_blob(result.blobs["layer"], parts[-1])
        services.store.verify_tree(result.trees["layer"])
        files[str(result.facts["name"])] = services.trees.scan(services.store.tree_path(result.trees["layer"])).entries
        done += result.trees["layer"].size_bytes
    services.events.emit(StepProgress(step, done, total, "bytes", "joining the layers"))
    filename = f"{action.engine}-{action.version}-{action.platform}-{action.accel}.tar.zst"
    packages = bundle_packages(action, results)
    draft = _artifact(action, tuple(layers), results, url=f"{action.engine}/{action.version}/{filename}").model_copy(
        update={"licenses": bundle_licenses(action, packages), "environment": bundle_card(action, results)}
    )
    extra = work / "extra"
    extra.mkdir()
    (extra / "bundle.json").write_bytes(_bundle_card(draft, files))
    bundle = work / filename
    services.archiver.concatenate(parts, bundle, extra=extra, epoch_seconds=action.epoch_seconds)
    blob = services.store.add_blob(bundle, filename=filename)
    entry = _entry(draft, blob)
    statements = {
        "provenance": write_provenance(
            entry,
            action,
            tools_from=(*package_materials(action, packages), *_locks(action, results)),
            component_options=_component_options(action, results),
            compiler_caches=_compiler_caches(action, results),
        ),
        "sbom": _sbom(entry, action, files, part_versions=_part_versions(action, results), packages=packages),
    }
    return made(
        blobs={"bundle": blob, **_keep(entry, statements, services, work)},
        facts={"artifact": entry.model_dump(mode="json")},
        summary=f"{filename}: {sized(blob.size_bytes)}",
    )


def _brought(action: MakeBundle, results: Results) -> tuple[str, ...]:
    """Return the steps of the layers that the bundle brings; of a runtime that the system brings there is none."""
    return tuple(name for name in action.layers if "layer" in results[name].blobs)


def _entry(draft: Artifact, blob: BlobRef) -> Artifact:
    stem = draft.url.removesuffix(".tar.zst")
    return draft.model_copy(
        update={
            "sha256": blob.sha256,
            "size": blob.size_bytes,
            "provenance": f"{stem}{PROVENANCE_SUFFIX}",
            "sbom": f"{stem}{SBOM_SUFFIX}",
        }
    )


def _bundle_card(draft: Artifact, files: Mapping[str, Sequence[TreeEntry]]) -> bytes:
    """Return what the bundle says of itself; what the proof measured is in the manifest alone.

    So bundles are the same bytes whenever they are made.
    """
    repeatable = draft.model_copy(update={"proof": draft.proof.repeatable()})
    described = repeatable.model_dump(mode="json", exclude=_TRANSPORT)
    everything = sorted((entry for entries in files.values() for entry in entries), key=lambda f: f.path.encode())
    return write_bundle_card(BundleCard(schema_version=1, artifact=described, files=tuple(everything)))


def _sbom(
    entry: Artifact,
    action: MakeBundle,
    files: Mapping[str, Sequence[TreeEntry]],
    *,
    part_versions: Mapping[str, str],
    packages: Mapping[str, Sequence[Part]],
) -> bytes:
    try:
        from pipeline.make.bill_of_materials import write_sbom  # noqa: PLC0415 - 0.4 s, and an extra of who makes bundles
    except ImportError as error:
        raise HostError(
            "cyclonedx-python-lib is not installed: no bill of materials can be made",
            hint="install engine-pipeline[build]; ./ci/pipeline in a checkout brings it",
        ) from error
    made_of = materials(entry, action)
    return write_sbom(entry, action, files=files, made_of=made_of, part_versions=part_versions, packages=packages)


def _part_versions(action: MakeBundle, results: Results) -> dict[str, str]:
    """Return the versions of parts that the layers' source said."""
    found: dict[str, str] = {}
    for name in action.layers:
        found |= _strings(results[name].facts.get("part_versions"))
    return found


def _component_options(action: MakeBundle, results: Results) -> dict[str, dict[str, str]]:
    """Return layer to the options it was compiled with; what was fetched has none that are known.

    What was compiled comes first among the layers, in the same order; a vendor's runtime comes after it.
    """
    pairs = zip(action.layers, action.compiled, strict=False)
    return {str(results[layer].facts["name"]): _strings(results[step].facts["options"]) for layer, step in pairs}


def _compiler_caches(action: MakeBundle, results: Results) -> list[str]:
    """Return the kinds of compiler caches of the components; results older than this fact do not tell."""
    return sorted({str(results[name].facts.get("compiler_cache", "unknown")) for name in action.compiled})


def _locks(action: MakeBundle, results: Results) -> tuple[Material, ...]:
    """Return the locks of what was built in beside the sources: the packages of the web interface."""
    found = {str(sha256) for name in action.compiled if (sha256 := results[name].facts.get("web_ui_lock_sha256"))}
    name, used = "package-lock.json", {"usedBy": "web-ui"}
    return tuple(Material(name=name, digest={"sha256": sha256}, annotations=used) for sha256 in sorted(found))


def _keep(entry: Artifact, statements: Mapping[str, bytes], services: Services, work: Path) -> dict[str, BlobRef]:
    """Bring the statements about a bundle into the store."""
    kept = {}
    for role, data in statements.items():
        path = work / file_name(str(getattr(entry, role)))
        path.write_bytes(data)
        kept[role] = services.store.add_blob(path, filename=path.name)
    return kept


def _layer(action: MakeBundle, name: str, role: str, results: Results) -> Layer:
    result = results[name]
    blob, tree = result.blobs[role], result.trees[role]
    label = str(result.facts["name"])
    its_role = result.facts["role"] if role == "layer" else "debug"
    described = {
        "name": label if role == "layer" else f"{label}-debug",
        "role": its_role,
        "optional": its_role in {"debug", "miniforge"},
        "tree_sha256": tree.sha256,
        "url": f"{action.engine}/layers/{blob.filename}",
        "sha256": blob.sha256,
        "size": blob.size_bytes,
        "installed_size": tree.size_bytes,
    }
    return Layer.model_validate(described, strict=False)


def _artifact(action: MakeBundle, layers: tuple[Layer, ...], results: Results, *, url: str) -> Artifact:
    proof, requires = _proven(action, results)
    options: dict[str, str] = {}
    toolchain: dict[str, str] = {}
    for name in action.compiled:
        options |= _strings(results[name].facts["options"])
        toolchain |= _strings(results[name].facts["toolchain"])
    return Artifact(
        engine=action.engine,
        platform=action.platform,
        accel=action.accel,
        version=action.version,
        origin=action.origin,
        upstream=action.upstream.model_copy(
            update={"archives": tuple(_archive(name, results) for name in action.archives)}
        ),
        url=url,
        sha256="0" * 64,
        size=1,
        installed_size=sum(layer.installed_size for layer in layers if not layer.optional),
        layers=layers,
        requires=requires,
        entry_points=action.entry_points,
        options=dict(sorted(options.items())),
        toolchain=dict(sorted(toolchain.items())),
        web_ui=_web_ui(action, results),
        proof=proof,
        health=action.health,
        licenses=action.licenses,
        rehearsal=action.rehearsal,
    )


def _proven(action: MakeBundle, results: Results) -> tuple[Proof, Requires]:
    """Return what the proof measured; of a rehearsal there is nothing to measure, and it needs nothing."""
    if action.proof is None:
        nothing = Requires(glibc=None, cpu=(), libraries=(), driver=None, macos=None, gpu_architectures=())
        return Proof(level="none"), nothing
    facts = results[action.proof].facts
    return Proof.model_validate(facts["proof"], strict=False), Requires.model_validate(facts["requires"], strict=False)


def _web_ui(action: MakeBundle, results: Results) -> bool | None:
    """Tell whether the server has its web interface inside; of what upstream compiled nobody knows."""
    if action.origin == "fetched":
        return None
    return any(results[name].facts["web_ui"] is True for name in action.compiled)


def _archive(name: str, results: Results) -> UpstreamArchive:
    return UpstreamArchive.model_validate(results[name].facts, strict=False)


def _strings(value: JsonValue | None) -> dict[str, str]:
    """Return a fact that the compile stage wrote as a table of strings."""
    return {key: str(item) for key, item in value.items()} if isinstance(value, dict) else {}
