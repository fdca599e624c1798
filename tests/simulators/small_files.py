"""Dist folders with many artifacts in files of a few hundred bytes: repositories that are large in names alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.digest import sha256_bytes
from pipeline.model.manifest import Artifact, Layer, Proof, Upstream
from pipeline.model.manifest_document import write_manifest
from tests.simulators.engine_world import ENGINE, requires_nothing

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PLATFORMS = ("linux-x86_64", "linux-arm64", "windows-x86_64", "windows-arm64", "macos-arm64")
_REPEATED = 20
_RUNTIME_STAYS = 10  # releases: a toolkit's version is built against for months
_BACKEND_STAYS = 2


@dataclass(frozen=True)
class Named:
    """What an artifact is called and made of.

    Attributes:
        platform: of the artifact.
        accel: of the artifact.
        version: of the artifact.
        layers: name to a text that stands for the content; the same text is the same file.
    """

    platform: str
    accel: str
    version: str
    layers: tuple[tuple[str, str], ...]


def released(first: int, last: int, targets: int) -> list[Named]:
    """Return the artifacts of releases, with layers shared as releases of llama.cpp share them.

    The core is one file for a platform and a release; a target's backend stays for two releases, since most commits
    touch few backends; a GPU's runtime is one file for an accelerator and a platform, and stays for ten.
    """
    found = []
    for release in range(first, last + 1):
        for target in range(targets):
            platform = PLATFORMS[target % len(PLATFORMS)]
            number = target // len(PLATFORMS)
            accel = f"cuda-{10 + number}.0" if number else "cpu"
            layers = [
                ("core", f"core {platform} {release}"),
                (accel.partition("-")[0], f"backend {accel} {platform} {release // _BACKEND_STAYS}"),
            ]
            if number:
                layers.append(("runtime", f"runtime {accel} {platform} {release // _RUNTIME_STAYS}"))
            found.append(Named(platform, accel, f"b{1000 + release}", tuple(layers)))
    return found


def write_small_dist(folder: Path, named: Iterable[Named], *, release: str = "2026.11.0") -> None:
    """Write a dist folder, with ``manifest.json``, whose bundles and layers are small files."""
    folder.mkdir()
    artifacts = []
    for one in named:
        layers = tuple(
            Layer(
                name=name,
                tree_sha256=sha256_bytes(text.encode()),
                url=_put(folder, text),
                sha256=sha256_bytes(text.encode() * _REPEATED),
                size=len(text) * _REPEATED,
                installed_size=len(text),
            )
            for name, text in one.layers
        )
        bundle = f"bundle {one.platform} {one.accel} {one.version}"
        artifacts.append(
            Artifact(
                engine=ENGINE,
                platform=one.platform,
                accel=one.accel,
                version=one.version,
                origin="built",
                upstream=Upstream(repository="example/llama.cpp", tag=one.version, commit=None),
                url=_put(folder, bundle),
                sha256=sha256_bytes(bundle.encode() * _REPEATED),
                size=len(bundle) * _REPEATED,
                installed_size=sum(layer.installed_size for layer in layers),
                layers=layers,
                requires=requires_nothing(),
                entry_points={"llama-server": "bin/llama-server"},
                options={"GGML_BACKEND_DL": "ON"},
                toolchain={"cxx": "gcc 12.2.0"},
                proof=Proof(level="none"),
                licenses=("MIT",),
            )
        )
    text = write_manifest(artifacts, release=release, created="2026-11-22T00:00:00Z")
    (folder / "manifest.json").write_bytes(text)


def _put(folder: Path, text: str) -> str:
    """Write a small file and return its name."""
    name = f"{text.replace(' ', '-')}.tar.zst"
    (folder / name).write_bytes(text.encode() * _REPEATED)
    return name
