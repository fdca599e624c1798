"""What a step of a plan can be told to do for an environment: plain data, one class a stage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.model.environment import (
    CondaPackage,
    EnvironmentBase,
    Floors,
    LockedEnvironment,
    MiniforgeInstaller,
    WheelFile,
)
from pipeline.model.frozen import FileName, Frozen, Name, Sha256
from pipeline.model.manifest import HealthCheck, LayerRole, ProofLevel

StepName = str


class PackageFile(Frozen):
    """One file to bring: a conda package, a wheel, or Miniforge's installer.

    Attributes:
        filename: of the file.
        sha256: lower-case hex.
        size_bytes: of the file.
        project: for a wheel, the project to ask the package index for; None for anything else.
        channel: for a conda package, its channel's base as it was locked, to be replaced by a configured one; for an
            installer the base of its releases, likewise; None for a wheel.
        path: ``<subdir>/<filename>`` or ``<version>/<filename>`` below ``channel``; None for a wheel.
    """

    filename: FileName
    sha256: Sha256
    size_bytes: int = Field(gt=0)
    project: Name | None = None
    channel: str | None = None
    path: str | None = None


class FetchPackages(Frozen):
    """Bring packages into the store as they are published; every size and digest is checked.

    The step's blobs are called by file name.

    Attributes:
        environment: folder below envs/, for messages.
        platform: of the contract's names.
        what: ``conda packages``, ``wheels`` or ``Miniforge``, for messages.
        files: which.
    """

    kind: Literal["fetch_packages"] = "fetch_packages"
    environment: Name
    platform: Name
    what: str
    files: tuple[PackageFile, ...] = Field(min_length=1)


class MakeChannelLayer(Frozen):
    """Make the base layer: the conda packages as a local channel below ``conda/``, with their repodata.

    The step's facts have ``prefix_limit`` (bytes, or null) and ``packages`` (name, version, license, sha256 of each).

    Attributes:
        layer_name: of the layer.
        fetched: step that brought the packages.
        packages: their records.
        subdir: of the platform, whose repodata.json is written even where no package is of it.
        zstd_level: of the archive; packages are compressed already.
        epoch_seconds: time stamp of every file.
    """

    kind: Literal["make_channel_layer"] = "make_channel_layer"
    layer_name: Name
    role: LayerRole = "base"
    fetched: StepName
    packages: tuple[CondaPackage, ...] = Field(min_length=1)
    subdir: Name
    zstd_level: int
    epoch_seconds: int


class MakeMiniforgeLayer(Frozen):
    """Make the layer that only travels in the bundle: Miniforge's installer with its ``.sha256``, below ``miniforge/``.

    The step's facts have ``packages``, as above.

    Attributes:
        layer_name: of the layer.
        fetched: step that brought the installer.
        installer: which one.
        zstd_level: of the archive; the installer is compressed already.
        epoch_seconds: time stamp of every file.
    """

    kind: Literal["make_miniforge_layer"] = "make_miniforge_layer"
    layer_name: Name
    role: LayerRole = "miniforge"
    fetched: StepName
    installer: MiniforgeInstaller
    zstd_level: int
    epoch_seconds: int


class MakeWheelLayer(Frozen):
    """Make a layer of wheels, unpacked to where they belong below an environment's prefix.

    The step's facts have ``scripts`` (name to ``module:function``) and ``packages`` (as above).

    Attributes:
        layer_name: of the layer.
        role: ``wheels``, or ``runtime`` for what changes less often.
        fetched: step that brought the wheels.
        wheels: which of them.
        python: ``3.14``.
        platform: of the contract's names, which the wheels must be for.
        floors: the oldest systems that the wheels must be for.
        licenses: project to SPDX expression, where its metadata says none or says it in other words.
        zstd_level: of the archive.
        epoch_seconds: time stamp of every file.
    """

    kind: Literal["make_wheel_layer"] = "make_wheel_layer"
    layer_name: Name
    role: LayerRole
    fetched: StepName
    wheels: tuple[WheelFile, ...] = Field(min_length=1)
    python: str
    platform: Name
    floors: Floors
    licenses: dict[Name, str] = {}
    zstd_level: int
    epoch_seconds: int


class MakeInstallerLayer(Frozen):
    """Make the layer below ``share/engine-pipeline/``: what installs the bundle by other means, and what checks it.

    Attributes:
        layer_name: of the layer.
        environment: what it is made of.
        engine: whose environment it is.
        version: of the engine.
        base: whether a conda channel is in the bundle.
        channel_layer: step that made the base layer; None for ``host``.
        wheel_layers: steps that made the layers of wheels.
        zstd_level: of the archive.
        epoch_seconds: time stamp of every file.
    """

    kind: Literal["make_installer_layer"] = "make_installer_layer"
    layer_name: Name
    role: LayerRole = "installer"
    environment: LockedEnvironment
    engine: Name
    version: Name
    base: EnvironmentBase
    channel_layer: StepName | None
    wheel_layers: tuple[StepName, ...] = Field(min_length=1)
    zstd_level: int
    epoch_seconds: int


class ProveEnvironment(Frozen):
    """Prove an environment: all that can be read from its files anywhere, and running it where it is this machine's.

    Attributes:
        target: ``<engine>/<platform>-<accel>``.
        environment: what it is made of.
        base: whether a conda channel is in the bundle.
        fetched: steps that brought its packages.
        layers: steps that made its layers, in order.
        channel_layer: step that made the base layer; None for ``host``.
        wheel_layers: steps that made the layers of wheels.
        level: which proofs.
        insist: whether nothing less will do; else what this machine cannot run is only measured, and that is said.
        health: how: exactly what installations do with it.
        requires_cpu: instruction set extensions without which it does not run, as its recipe says.
    """

    kind: Literal["prove_environment"] = "prove_environment"
    target: str
    environment: LockedEnvironment
    base: EnvironmentBase
    fetched: tuple[StepName, ...]
    layers: tuple[StepName, ...]
    channel_layer: StepName | None
    wheel_layers: tuple[StepName, ...]
    level: ProofLevel
    insist: bool = False
    health: HealthCheck
    requires_cpu: tuple[str, ...] = ()
