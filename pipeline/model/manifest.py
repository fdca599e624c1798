"""The manifest: the one document that mirrors, installers and reports read. Fields are the contract's."""

from __future__ import annotations

from operator import not_
from typing import Annotated, Literal

from pydantic import Field, field_validator

from pipeline.model.environment import EnvironmentCard
from pipeline.model.filling import require_pattern
from pipeline.model.frozen import (
    FileName,
    FileSize,
    Frozen,
    Line,
    Location,
    Name,
    RelativePath,
    Sha256,
    UtcTime,
    Version,
)
from pipeline.model.program_arguments import ModelArgs, ProgramEnvironment, ServerArgs
from pipeline.model.release_plan import Partial
from pipeline.model.upstream import TrustLevel

SCHEMA_VERSION = 1


LayerRole = Literal["core", "backend", "runtime", "debug", "base", "wheels", "installer", "miniforge"]
_CARRIED: LayerRole = "miniforge"  # for who has no installer of ours
ProofLevel = Literal["none", "load", "run"]
Origin = Literal["built", "fetched", "assembled"]


class Layer(Frozen):
    """One immutable tree of files with its transport.

    Attributes:
        name: ``core``, the accelerator's name, ``core-debug`` ...
        role: what it is for.
        optional: True when an engine runs without it: debug files, and the role ``miniforge``, which only travels in
            the bundle.
        tree_sha256: identity: digest of the tree.
        url: of the ``.tar.zst``, relative to the manifest.
        sha256: of the archive.
        size: of the archive, in bytes.
        installed_size: sum of the files, in bytes.
    """

    name: Name
    role: LayerRole = "core"
    optional: bool = False
    tree_sha256: Sha256
    url: Location
    sha256: Sha256
    size: FileSize = Field(gt=0)
    installed_size: FileSize

    @property
    def is_bundled(self) -> bool:
        """Whether its archive is a part of the self-contained bundle."""
        return not self.optional or self.role == _CARRIED

    def is_installed(self, *, with_debug: bool) -> bool:
        """Tell whether an installation brings and lays it; what is only carried never is."""
        return self.role != _CARRIED and (with_debug or not self.optional)


class Requires(Frozen):
    """What a host must have, measured on the bytes and not taken from names.

    Attributes:
        glibc: highest GLIBC_ symbol version that any file needs, for example ``2.34``; None off Linux.
        libstdcxx: highest GLIBCXX_ symbol version; None when the bundle needs no libstdc++ of the host.
        cpu: instruction set extensions without which it does not run, lower case, sorted.
        libraries: shared libraries that the host must bring, sorted; on Windows its own and the MSVC runtime too, on
            macOS whole paths.
        driver: lowest driver version, None when none is needed.
        macos: lowest macOS version, None elsewhere.
        gpu_architectures: for example ``sm_90``.
        windows: lowest version of Windows, for example ``10.0``; None, and then not written, elsewhere.
    """

    glibc: Version | None
    libstdcxx: Version | None = None
    cpu: tuple[Line, ...]
    libraries: tuple[Line, ...]
    driver: Version | None
    macos: Version | None
    gpu_architectures: tuple[Line, ...]
    windows: Version | None = Field(default=None, exclude_if=not_)


class Proof(Frozen):
    """What was proven before the bundle was called done.

    Attributes:
        level: which proofs were asked for.
        loads: every library resolves and the program starts; None when not tried.
        version: what the program says of itself, one line.
        devices: compute devices it listed.
        generated_tokens: by the real generation; None when not tried.
        model: name and sha256 of the model it used.
        ready_milliseconds: from start until the server was ready; None when not measured.
        resident_bytes: most memory that the server had resident; None when not measured.
        runner: what ran the programs of another platform, with its version; None where they ran by themselves.
    """

    level: ProofLevel
    loads: bool | None = None
    version: Line | None = None
    devices: tuple[Line, ...] = ()
    generated_tokens: int | None = Field(default=None, ge=0)
    model: Line | None = None
    ready_milliseconds: int | None = Field(default=None, ge=0)
    resident_bytes: int | None = Field(default=None, ge=0)
    runner: Line | None = None

    def repeatable(self) -> Proof:
        """Return it without what differs from run to run."""
        return self.model_copy(update={"ready_milliseconds": None, "resident_bytes": None})


class HealthCheck(Frozen):
    """How a host finds out that an installed bundle works: the bundle's own proof, as an installer runs it.

    Attributes:
        program: path within the bundle of the program that says its version, and serves.
        version_args: arguments that make it print its version.
        version_pattern: regular expression that a line of it must match.
        device_program: path within the bundle of the program that lists compute devices.
        device_args: its arguments.
        expect_devices: regular expressions; each must match a device that is listed.
        server_args: of ``program``; ``{model}``, ``{port}``, ``{host}`` and ``{tree}``, the folder of its files, are
            filled in. Empty when it serves nothing.
        model_args: of ``program``; they make it write a small model into the new folder ``{model}``; ``{tree}`` as
            above. Empty where only a model that somebody has will do.
        environment: variables that are set for all of them; ``{tree}`` as above.
        prompt: what to ask the server.
        minimum_tokens: a shorter answer has failed.
        ready_timeout_seconds: until ``/health`` answers.
    """

    program: RelativePath
    version_args: tuple[str, ...]
    version_pattern: str = Field(max_length=500)
    device_program: RelativePath
    device_args: tuple[str, ...]
    expect_devices: tuple[str, ...] = ()
    server_args: ServerArgs = ()
    model_args: ModelArgs = ()
    environment: Annotated[dict[Line, Line], ProgramEnvironment] = {}
    prompt: str = ""
    minimum_tokens: int = Field(default=1, ge=1, le=4096)
    ready_timeout_seconds: int = Field(default=120, gt=0, le=3600)

    @field_validator("version_pattern")
    @classmethod
    def _version_pattern_is_one(cls, pattern: str) -> str:
        return require_pattern(pattern)

    @field_validator("expect_devices")
    @classmethod
    def _device_patterns_are_some(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(require_pattern(pattern) for pattern in patterns)


class UpstreamArchive(Frozen):
    """One archive of upstream's that an artifact was made from.

    Attributes:
        name: as it is published.
        sha256: of it.
        size: of it, in bytes.
        level: how its digest was vouched for when it was used (``model.upstream.TrustLevel``).
    """

    name: FileName
    sha256: Sha256
    size: FileSize = Field(gt=0)
    level: TrustLevel


class Upstream(Frozen):
    """Which upstream release an artifact is.

    Attributes:
        repository: ``owner/name``.
        tag: upstream's tag.
        commit: of the tag; None where the pinned source does not say it.
        source_sha256: digest of the pinned source archive (or tree, for a local one); None for what was fetched.
        archives: that a fetched artifact was made from; empty for one that was built.
    """

    repository: Line
    tag: Line
    commit: Line | None
    source_sha256: Sha256 | None = None
    archives: tuple[UpstreamArchive, ...] = ()


class Artifact(Frozen):
    """One bundle. (engine, platform, accel, version) is its key, unique in a manifest.

    Attributes:
        engine: for example ``llama.cpp``.
        platform: of the contract's names.
        accel: of the contract's names.
        version: as upstream calls it.
        origin: how it came to be.
        upstream: which release of upstream's it is.
        url: of the self-contained bundle, relative to the manifest.
        sha256: of the bundle.
        size: of the bundle, in bytes.
        installed_size: sum of the files of its mandatory layers, in bytes.
        layers: in the order in which they are laid over each other.
        requires: what the host must have.
        entry_points: program name to path within the bundle.
        options: build options that were set; where the core and the backend differ, the backend's.
        toolchain: tool to version.
        web_ui: whether the server has its web interface inside; None where upstream compiled it and nobody looked.
        proof: what was proven.
        health: how an installation checks itself, None for a bundle that has nothing to run.
        environment: how an installation makes a Python environment of the layers; None for any other engine.
        provenance: location of the provenance statement, None until there is one.
        sbom: location of the bill of materials, None until there is one.
        licenses: SPDX identifiers.
        rehearsal: there is no engine in it: it was made to try a release out, and stands beside no real bundle. Written
            only where it is true, so that a reader from before there were any refuses it.
    """

    engine: Name
    platform: Name
    accel: Name
    version: Name
    origin: Origin
    upstream: Upstream
    url: Location
    sha256: Sha256
    size: FileSize = Field(gt=0)
    installed_size: FileSize
    layers: tuple[Layer, ...] = Field(min_length=1)
    requires: Requires
    entry_points: dict[FileName, RelativePath]
    options: dict[Line, Line]
    toolchain: dict[Line, Line]
    web_ui: bool | None = False
    proof: Proof
    health: HealthCheck | None = None
    environment: EnvironmentCard | None = None
    provenance: Location | None = None
    sbom: Location | None = None
    licenses: tuple[Line, ...]
    rehearsal: bool = Field(default=False, exclude_if=not_)

    @property
    def key(self) -> tuple[str, str, str, str]:
        """(engine, platform, accel, version)."""
        return (self.engine, self.platform, self.accel, self.version)

    @property
    def target(self) -> str:
        """``<engine>/<platform>-<accel>``."""
        return f"{self.engine}/{self.platform}-{self.accel}"

    def is_same_build(self, other: Artifact) -> bool:
        """Tell whether another entry is about the very same bytes.

        Who signed the statements about them, and how long a proof took, is not asked.
        """
        return self._of_the_bytes() == other._of_the_bytes()

    def _of_the_bytes(self) -> Artifact:
        return self.model_copy(update={"provenance": None, "sbom": None, "proof": self.proof.repeatable()})


class Manifest(Frozen):
    """All bundles of a release.

    Attributes:
        schema_url: of the JSON schema, written as ``$schema``.
        schema_version: 1.
        release: our own name of the release, for example ``2026.11.0``.
        created: RFC 3339, UTC, whole seconds, ``Z``.
        artifacts: sorted by key.
        partial: what is missing of a release; None, and then not written, where nobody misses anything.
    """

    schema_url: str = Field(alias="$schema")
    schema_version: Literal[1]
    release: Name
    created: UtcTime
    artifacts: tuple[Artifact, ...]
    partial: Partial | None = Field(default=None, exclude_if=not_)
