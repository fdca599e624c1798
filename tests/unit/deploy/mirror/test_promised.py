"""A mirror holds a part of a repository: what it says that it holds is carried whole, and nothing else is asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.deploy.mirror.export import export_mirror
from pipeline.deploy.mirror.importing import import_export
from pipeline.digest import sha256_bytes
from pipeline.errors import IntegrityError
from pipeline.model.manifest import Artifact
from pipeline.model.manifest_document import read_manifest, write_document
from pipeline.model.mirror import (
    HeldArtifact,
    HeldFile,
    HeldModel,
    InstallerFiles,
    InstallerSelection,
    MirrorDocument,
    MirrorSelection,
)
from pipeline.model.repository_layout import blob_path
from tests.simulators.engine_world import World

MODEL = b"GGUF and so on"
WHEEL = b"PK and so on"


@pytest.fixture
def held(world: World) -> tuple[World, Artifact]:
    """Return a mirror of the newest of two versions, without bundles and debug files, with a model and an installer."""
    for version in ("b1", "b2"):
        world.build(version)
    world.publish()
    mirror = world.repository
    artifacts = read_manifest((mirror / "manifest.json").read_bytes()).artifacts
    newest = next(artifact for artifact in artifacts if artifact.version == "b2")
    kept = {layer.sha256 for layer in newest.layers if not layer.optional}
    for artifact in artifacts:
        for sha256 in {artifact.sha256, *(layer.sha256 for layer in artifact.layers)} - kept:
            (mirror / blob_path(sha256)).unlink(missing_ok=True)
    for name, data in {"models/m.gguf": MODEL, "installer/wheels/w.whl": WHEEL}.items():
        (mirror / name).parent.mkdir(parents=True)
        (mirror / name).write_bytes(data)
    selection = InstallerSelection(platforms=("linux-x86_64",), pythons=("3.11",))
    file = HeldFile(path="wheels/w.whl", sha256=sha256_bytes(WHEEL), size=len(WHEEL))
    (mirror / "installer/files.json").write_bytes(
        write_document(InstallerFiles(version="1", selection=selection, requirements_sha256="0" * 64, files=(file,)))
    )
    document = MirrorDocument(
        repository="r",
        source="/somewhere",
        selection=MirrorSelection(with_bundles=False),
        artifacts=(HeldArtifact(target=newest.target, version="b2", sha256=newest.sha256),),
        models=(HeldModel(name="m", filename="m.gguf", sha256=sha256_bytes(MODEL), size=len(MODEL), license="MIT"),),
        changed_at="2026-11-25T12:00:00Z",
    )
    (mirror / "mirror.json").write_bytes(write_document(document))
    return world, newest


def export(world: World, to: Path) -> None:
    services = world.services(world.folder / "exporter")
    export_mirror(world.repository, to, services=services, disk=world.disk, part_size=10_000)


def carry_in(world: World, usb: Path, mirror: Path) -> None:
    services = world.services(world.folder / "importer")
    import_export([usb], mirror, trusted_root=world.trusted_root, services=services, disk=world.disk)


def test_a_part_of_a_repository_is_carried_and_installs(held, tmp_path):
    world, _ = held
    export(world, tmp_path / "usb")
    carry_in(world, tmp_path / "usb", tmp_path / "mirror")
    assert world.install(location=str(tmp_path / "mirror")).version == "b2"
    assert (tmp_path / "mirror/models/m.gguf").read_bytes() == MODEL
    assert (tmp_path / "mirror/mirror.json").read_bytes() == (world.repository / "mirror.json").read_bytes()


def promised(world: World, artifact: Artifact) -> list[str]:
    manifest = next(
        path.relative_to(world.repository).as_posix()
        for path in (world.repository / "blobs").rglob("*")
        if path.is_file() and path.read_bytes().startswith(b"{")
    )
    layers = [blob_path(layer.sha256) for layer in artifact.layers if not layer.optional]
    return [*layers, manifest, "models/m.gguf", "installer/wheels/w.whl"]


def test_whatever_is_missing_of_what_a_mirror_says_it_holds_stops_the_export(held, tmp_path):
    world, artifact = held
    names = promised(world, artifact)
    assert len(names) == 5
    for name in names:
        path = world.repository / name
        data = path.read_bytes()
        path.unlink()
        with pytest.raises(IntegrityError) as caught:
            export(world, tmp_path / "usb")
        assert path.name in caught.value.message
        path.write_bytes(data)


@pytest.mark.parametrize("name", ["models/m.gguf", "installer/wheels/w.whl"])
def test_a_file_with_another_digest_than_the_mirror_says_stops_the_export(held, tmp_path, name):
    world, _ = held
    (world.repository / name).write_bytes(b"other bytes")
    with pytest.raises(IntegrityError, match=name):
        export(world, tmp_path / "usb")


@pytest.mark.parametrize("name", ["mirror.json", "installer/files.json"])
def test_a_list_that_is_malformed_stops_the_export(held, tmp_path, name):
    world, _ = held
    document = json.loads((world.repository / name).read_text())
    (world.repository / name).write_text(json.dumps({**document, "unknown": 1}))
    with pytest.raises(IntegrityError, match=name):
        export(world, tmp_path / "usb")
