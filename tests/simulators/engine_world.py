"""A small world of engines: tiny bundles in a dist folder, keys, a signed repository and roots to install into.

Archives, stores, trees and the disk are the real ones; only the host is made up, and the clock where a test moves it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from pipeline.deploy.install import InstallRequest, install
from pipeline.digest import sha256_bytes
from pipeline.model.bundle_card import BundleCard
from pipeline.model.host import HostFacts
from pipeline.model.installation import InstallOutcome
from pipeline.model.manifest import Artifact, HealthCheck, Layer, Proof, Requires, Upstream
from pipeline.model.manifest_document import read_manifest, write_bundle_card, write_manifest
from pipeline.model.publication import PublishOutcome
from pipeline.model.result import BlobRef
from pipeline.ports import Clock, Disk, DownloadRequest, PackageIndex, Services
from pipeline.publish.keys import KeyFolder, init_keys, open_keys
from pipeline.publish.repository import publish
from pipeline.system.archives import FileArchiver
from pipeline.system.clock import SystemClock
from pipeline.system.disk import nearest_folder
from pipeline.system.downloads import HttpDownloader
from pipeline.system.durable import FileDisk
from pipeline.system.keys import PrivateKeyFiles
from pipeline.system.loopback import LocalHttp
from pipeline.system.processes import ProcessRunner
from pipeline.system.store import FileStore
from pipeline.system.transfer_policy import TransferPolicy
from pipeline.system.trees import FileTreeReader

EPOCH = 1_700_000_000
ENGINE = "llama.cpp"
HOST = HostFacts(
    platform="linux-x86_64",
    system="test",
    cpu_count=2,
    cpu_features=("avx2", "fma"),
    glibc="2.36",
    memory_bytes=1 << 30,
)


class Recorder:
    """Keeps events; implements ``events.EventSink``."""

    def __init__(self) -> None:
        self.events: list[object] = []

    def emit(self, event: object) -> None:
        self.events.append(event)


class FixedHost:
    """A host with given facts and the real disk's space, unless told otherwise; implements ``ports.HostProbe``."""

    def __init__(self, facts: HostFacts = HOST, free: int | None = None) -> None:
        self._facts = facts
        self._free = free

    def facts(self) -> HostFacts:
        return self._facts

    def survey(self) -> HostFacts:
        return self._facts

    def tool(self, name: str, *, minimum: str | None = None) -> None:
        return None

    def free_bytes(self, path: Path) -> int:
        return shutil.disk_usage(nearest_folder(path)).free if self._free is None else self._free


class CountingDownloader(HttpDownloader):
    """The real downloader; remembers the digests of what it was asked for."""

    brought: list[str]

    def fetch(self, request: DownloadRequest, *, progress: Callable[[int, int | None], None] | None = None) -> BlobRef:
        self.brought.append(request.sha256)
        return super().fetch(request, progress=progress)


_OPEN_STORES: list[FileStore] = []


def close_stores() -> None:
    """Close what tests have opened: thousands of them share one process and its descriptors."""
    while _OPEN_STORES:
        _OPEN_STORES.pop().close()


def services_for(
    root: Path,
    *,
    clock: Clock | None = None,
    host: FixedHost | None = None,
) -> Services:
    """Return services whose store lies in the root, as an installation needs them."""
    store = FileStore(root / "downloads")
    _OPEN_STORES.append(store)
    events = Recorder()
    impatient = TransferPolicy(tries=1)
    downloader = CountingDownloader(store, offline=False, events=events, clock=SystemClock(), policy=impatient)
    downloader.brought = []
    return Services(
        downloader=downloader,
        index=cast("PackageIndex", None),
        commands=ProcessRunner(),
        store=store,
        archiver=FileArchiver(),
        trees=FileTreeReader(),
        binaries=cast("object", None),
        host=host or FixedHost(),
        clock=clock or SystemClock(),
        loopback=LocalHttp(),
        events=events,
        jobs=1,
        base_env={"PATH": os.defpath},
    )


@dataclass
class LayerFiles:
    """What a test layer holds: path to bytes; a name that starts with ``bin/`` is executable, a str is a link."""

    name: str
    files: Mapping[str, bytes | str]
    optional: bool = False


def core(version: str = "1") -> LayerFiles:
    return LayerFiles(
        "core",
        {
            "bin/llama-server": b"#!/bin/sh\necho core " + version.encode() + b"\n",
            "lib/libllama.so.0.1": b"llama " + version.encode() * 2000,
            "lib/libllama.so": "libllama.so.0.1",
            "licenses/llama.cpp": b"MIT\n",
        },
    )


CPU = LayerFiles("cpu", {"lib/libggml-cpu.so": b"the backend, the same in every version " * 500})
DEBUG = LayerFiles("core-debug", {"debug/libllama.so.debug": b"symbols" * 100}, optional=True)


@dataclass
class World:
    """Everything below one temporary folder.

    Attributes:
        folder: of the world.
        clock: of publisher and installers.
        zstd_level: of layers; real ones have 19.
        secret: passphrase or PIN of the keys.
    """

    folder: Path
    clock: Clock = field(default_factory=SystemClock)
    disk: Disk = field(default_factory=FileDisk)
    zstd_level: int = 3
    secret: str | None = None

    def __post_init__(self) -> None:
        self.repository = self.folder / "repository"
        self.root = self.folder / "root"
        self.keys_dir = self.folder / "keys"
        if not self.keys_dir.exists():
            init_keys(self.keys_dir, passphrase=None, key_files=PrivateKeyFiles(), now=self.clock.now_seconds())
        self.trusted_root = (self.keys_dir / "root.json").read_bytes()

    @property
    def keys(self) -> KeyFolder:
        secret = self.secret.encode() if self.secret else None
        return open_keys(self.keys_dir, passphrase=lambda: secret, key_files=PrivateKeyFiles())

    def build(
        self,
        version: str,
        layers: tuple[LayerFiles, ...] | None = None,
        *,
        accel: str = "cpu",
        requires: Requires | None = None,
        dist: str = "dist",
        release: str = "2026.11.0",
        entry_points: Mapping[str, str] | None = None,
        health: HealthCheck | None = None,
        engine: str = ENGINE,
    ) -> Path:
        """Write a dist folder with one bundle, or add the bundle to what is there."""
        folder = self.folder / dist
        folder.mkdir(exist_ok=True)
        made = [self._layer(part, folder) for part in (layers or (core(version), CPU, DEBUG))]
        artifact = self._bundle(version, accel, made, folder, requires=requires, entry_points=entry_points)
        artifact = artifact.model_copy(update={"health": health, "engine": engine})
        before = _artifacts(folder)
        others = [a for a in before if a.key != artifact.key]
        (folder / "manifest.json").write_bytes(
            write_manifest([*others, artifact], release=release, created="2026-11-22T00:00:00Z")
        )
        return folder

    def publish(self, dist: str = "dist", *, now: int | None = None, **choices: bool) -> PublishOutcome:
        return publish(
            dist=self.folder / dist,
            to=self.repository,
            keys=self.keys,
            services=services_for(self.folder / "publisher", clock=self.clock),
            disk=self.disk,
            now=self.clock.now_seconds() if now is None else now,
            **({"allow_development": True} | choices),
        )

    def services(self, root: Path | None = None, *, host: FixedHost | None = None) -> Services:
        return services_for(root or self.root, clock=self.clock, host=host)

    def request(self, **changes: object) -> InstallRequest:
        fields = {"location": str(self.repository), "root": self.root, "trusted_root": self.trusted_root} | changes
        return InstallRequest(**fields)

    def install(self, *, services: Services | None = None, **changes: object) -> InstallOutcome:
        request = self.request(**changes)
        return install(request, services or self.services(request.root), disk=self.disk)

    def run(self, outcome: InstallOutcome) -> bytes:
        """Return the text of the installed server program: stands for running it."""
        return Path(outcome.programs["llama-server"]).read_bytes()

    def _layer(self, part: LayerFiles, dist: Path) -> tuple[Layer, Path]:
        tree = self.folder / "trees" / f"{dist.name}-{part.name}"
        shutil.rmtree(tree, ignore_errors=True)
        for name, content in part.files.items():
            path = tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                path.symlink_to(content)
            else:
                path.write_bytes(content)
                path.chmod(0o755 if name.startswith("bin/") else 0o644)
        listed = FileTreeReader().scan(tree)
        archive = dist / "layers" / f"{part.name}-{listed.sha256[:12]}.tar.zst"
        archive.parent.mkdir(exist_ok=True)
        if not archive.exists():
            FileArchiver().pack(tree, archive, epoch_seconds=EPOCH, zstd_level=self.zstd_level)
        layer = Layer(
            name=part.name,
            role="debug" if part.optional else "core",
            optional=part.optional,
            tree_sha256=listed.sha256,
            url=f"layers/{archive.name}",
            sha256=sha256_bytes(archive.read_bytes()),
            size=archive.stat().st_size,
            installed_size=listed.size_bytes,
        )
        return layer, tree

    def _bundle(
        self,
        version: str,
        accel: str,
        made: list[tuple[Layer, Path]],
        dist: Path,
        *,
        requires: Requires | None,
        entry_points: Mapping[str, str] | None,
    ) -> Artifact:
        own = [(layer, tree) for layer, tree in made if not layer.optional]
        path = dist / f"llama.cpp-{version}-{accel}.tar.zst"
        fields = {
            "engine": ENGINE,
            "platform": "linux-x86_64",
            "accel": accel,
            "version": version,
            "origin": "built",
            "upstream": Upstream(repository="example/llama.cpp", tag=version, commit=None),
            "installed_size": sum(layer.installed_size for layer, _ in own),
            "layers": tuple(layer for layer, _ in made),
            "requires": requires or requires_nothing(),
            "entry_points": dict(entry_points or {"llama-server": "bin/llama-server"}),
            "options": {},
            "toolchain": {},
            "proof": Proof(level="none"),
            "licenses": ("MIT",),
        }
        extra = self.folder / "trees" / "card"
        extra.mkdir(parents=True, exist_ok=True)
        files = tuple(entry for _, tree in own for entry in FileTreeReader().scan(tree).entries)
        (extra / "bundle.json").write_bytes(
            write_bundle_card(BundleCard(schema_version=1, artifact={"version": version}, files=files))
        )
        parts = [dist / layer.url for layer, _ in own]
        FileArchiver().concatenate(parts, path, extra=extra, epoch_seconds=EPOCH)
        return Artifact(url=path.name, sha256=sha256_bytes(path.read_bytes()), size=path.stat().st_size, **fields)


def _artifacts(dist: Path) -> tuple[Artifact, ...]:
    path = dist / "manifest.json"
    return read_manifest(path.read_bytes()).artifacts if path.exists() else ()


def requires_nothing() -> Requires:
    """Return what every Linux host has."""
    return Requires(glibc="2.34", cpu=(), libraries=(), driver=None, macos=None, gpu_architectures=())
