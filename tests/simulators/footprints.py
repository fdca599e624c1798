"""Bundles as values, for what is computed of them: no archive is written."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.digest import sha256_bytes
from pipeline.measure.choosing import choose
from pipeline.measure.footprint import Origin, footprint
from pipeline.model.footprint import FootprintReport
from pipeline.model.layer_content import ANALYSIS_VERSION, FileFootprint, LayerContent
from pipeline.model.manifest import Artifact, Layer, LayerRole, Proof, Requires, Upstream

NOTHING = Requires(glibc=None, cpu=(), libraries=(), driver=None, macos=None, gpu_architectures=())


class Shelf:
    """Layers and bundles that know each other.

    Attributes:
        contents: tree digest to what is in the layer.
        artifacts: bundles, in the order in which they were made.
    """

    def __init__(self) -> None:
        self.contents: dict[str, LayerContent] = {}
        self.artifacts: list[Artifact] = []

    def layer(
        self,
        name: str,
        files: Mapping[str, str | FileFootprint],
        *,
        role: LayerRole = "core",
        optional: bool = False,
        packed: int | None = None,
    ) -> Layer:
        """Return a layer of files; a text stands for a file with these bytes. It packs to half its size."""
        listed = tuple(
            sorted(
                (a_file(path, made) if isinstance(made, str) else made for path, made in files.items()),
                key=lambda file: file.path,
            )
        )
        tree = sha256_bytes(repr([(f.path, f.sha256, f.mode) for f in listed]).encode())
        self.contents[tree] = LayerContent(tree_sha256=tree, analysis=ANALYSIS_VERSION, files=listed)
        installed = sum(file.size for file in listed)
        return Layer(
            name=name,
            role=role,
            optional=optional,
            tree_sha256=tree,
            url=f"{name}.tar.zst",
            sha256=sha256_bytes(b"packed" + tree.encode()),
            size=installed // 2 + 1 if packed is None else packed,
            installed_size=installed,
        )

    def bundle(self, version: str, *layers: Layer, accel: str = "cpu", **changes: object) -> Artifact:
        """Make a bundle of layers for Linux."""
        own = [layer for layer in layers if not layer.optional]
        fields = {
            "engine": "llama.cpp",
            "platform": "linux-x86_64",
            "accel": accel,
            "version": version,
            "origin": "built",
            "upstream": Upstream(repository="example/llama.cpp", tag=version, commit=None),
            "url": f"{accel}-{version}.tar.zst",
            "sha256": sha256_bytes(f"{accel} {version}".encode() + b"".join(x.sha256.encode() for x in own)),
            "size": sum(layer.size for layer in own) + 10,
            "installed_size": sum(layer.installed_size for layer in own),
            "layers": layers,
            "requires": NOTHING,
            "entry_points": {"llama-server": "bin/llama-server"},
            "options": {},
            "toolchain": {},
            "proof": Proof(level="none"),
            "licenses": ("MIT",),
        }
        artifact = Artifact(**(fields | changes))
        self.artifacts.append(artifact)
        return artifact

    def report(self, **choices: object) -> FootprintReport:
        """Return the report about everything that is on the shelf."""
        more = {name: choices.pop(name) for name in ("times", "strategies", "delta_of") if name in choices}
        origin = Origin("repository" if "delta_of" in more else "dist", "2026.11.0", "2026-11-22T00:00:00Z")
        return footprint(origin, choose(self.artifacts, **choices), self.contents, **more)


def a_file(path: str, content: str, **changes: object) -> FileFootprint:
    """Return a file with these bytes."""
    data = content.encode()
    return FileFootprint(path=path, size=len(data), sha256=sha256_bytes(data)).model_copy(update=changes)


def filled(shelf: Shelf) -> Shelf:
    """Put two targets of two releases on a shelf: the core changes, backends stay, one license is in both of them."""
    licence = {"LICENSE": "MIT " * 5}
    cpu = shelf.layer("cpu", {"lib/cpu.so": "c" * 40, **licence}, role="backend")
    avx2 = shelf.layer("avx2", {"lib/avx2.so": "a" * 60, **licence}, role="backend")
    for version, size in (("b9", 100), ("b10", 130)):
        core = shelf.layer("core", {"bin/llama-server": version * 5, "lib/core.so": "x" * size, "lib/same": "same"})
        shelf.bundle(version, core, cpu)
        shelf.bundle(version, core, avx2, accel="avx2")
    return shelf
