"""Locked Python environments: conda packages below, wheels above; and what an installer must know to link one."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.model.frozen import FileName, Frozen, Line, Name, RelativePath, Sha256, Version
from pipeline.model.source import HttpUrl

EnvironmentBase = Literal["conda", "host"]


class CondaPackage(Frozen):
    """One locked conda package: the entry of conda-lock.yml joined with its channel's record (repodata).

    Attributes:
        name: of the package.
        version: of the package.
        build: build string.
        build_number: of the record.
        subdir: ``osx-arm64``, ``linux-64``, ``noarch`` ...
        filename: ``<name>-<version>-<build>.conda`` or ``.tar.bz2``.
        url: where its channel has it; another base may be configured, the digest stays.
        sha256: lower-case hex; a lock entry without one is refused.
        md5: lower-case hex, for ``@EXPLICIT`` lists; None where the record has none.
        size_bytes: of the file, from the channel's record; a record without one is refused.
        license: as the record says it; None where it does not.
        depends: match specifications, as in the record.
        constrains: as ``depends``, of packages that need not be there.
        noarch: ``python`` or ``generic``; None for a package of one platform.
        timestamp: of the build, in milliseconds since 1970; None where the record has none.
    """

    name: Line
    version: Line
    build: Line
    build_number: int = Field(ge=0)
    subdir: Name
    filename: FileName
    url: HttpUrl
    sha256: Sha256
    md5: Line | None = None
    size_bytes: int = Field(gt=0)
    license: Line | None = None
    depends: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()
    noarch: Literal["python", "generic"] | None = None
    timestamp: int | None = Field(default=None, ge=0)


class WheelFile(Frozen):
    """One locked wheel; the index that has it is configuration.

    Attributes:
        project: normalized project name (PEP 503).
        version: of the project.
        filename: of the wheel.
        sha256: of the wheel, lower-case hex.
        size_bytes: of the wheel.
    """

    project: Name
    version: Line
    filename: FileName
    sha256: Sha256
    size_bytes: int = Field(gt=0)


class MiniforgeInstaller(Frozen):
    """One pinned installer of Miniforge: a shell script that brings a conda of its own.

    Attributes:
        version: of the release, for example ``26.3.0-0``.
        releases: url that the release's files are below, as ``<version>/<filename>``; another may be configured.
        filename: ``Miniforge3-<version>-<OS>-<arch>.sh``.
        sha256: as the release's own ``<filename>.sha256`` says it, and as the file has it.
        size_bytes: of the file.
        license: SPDX identifier of Miniforge itself; the packages in it have their own.
    """

    version: Name
    releases: HttpUrl
    filename: FileName
    sha256: Sha256
    size_bytes: int = Field(gt=0)
    license: Line


class Floors(Frozen):
    """The oldest systems that an environment runs on, from its virtual-packages.yml.

    Attributes:
        macos: lowest macOS, for example ``14.0``; None off macOS.
        glibc: lowest glibc, for example ``2.35``; None off Linux.
    """

    macos: Version | None = None
    glibc: Version | None = None


class LockedEnvironment(Frozen):
    """What an environment is made of on one platform; nothing is solved after this.

    Attributes:
        name: of the environment, the folder below envs/.
        platform: of the contract's names.
        python: version of Python as wheel tags know it: ``3.14``.
        floors: the oldest systems that it runs on.
        specs: match specifications that were asked of the channel, from environment.yml.
        virtual_packages: name to version, as the channel was solved for.
        conda: locked packages, sorted by name; empty where only wheels are locked.
        conda_problem: why ``conda`` is empty; empty when it is not.
        wheels: locked wheels, sorted by project.
    """

    name: Name
    platform: Name
    python: Version
    floors: Floors
    specs: tuple[str, ...]
    virtual_packages: dict[str, str]
    conda: tuple[CondaPackage, ...] = ()
    conda_problem: str = ""
    wheels: tuple[WheelFile, ...]

    def wheel(self, project: str) -> WheelFile | None:
        """Return a project's wheel, None when it is not locked."""
        return next((wheel for wheel in self.wheels if wheel.project == project), None)


class EnvironmentCard(Frozen):
    """What an installer must know to make an environment of a bundle's layers; part of the manifest.

    Attributes:
        python: ``3.14``; its ``site-packages`` is ``lib/python3.14/site-packages``.
        base: ``conda`` links the packages of ``channel``; ``host`` takes a Python that the host has.
        channel: folder within the bundle of the conda packages, a ``<subdir>`` each; None for ``host``.
        packages: file names of the conda packages to link, as ``<subdir>/<filename>``; empty for ``host``.
        prefix_limit: longest path, in bytes, that the packages can be linked into; None where nothing bounds it.
        scripts: name to ``module:function``, of programs that are made in ``bin/`` when it is installed.
    """

    python: Version
    base: EnvironmentBase
    channel: RelativePath | None = None
    packages: tuple[Line, ...] = ()
    prefix_limit: int | None = Field(default=None, gt=0)
    scripts: dict[FileName, Line] = {}

    @property
    def site_packages(self) -> str:
        """Path of the folder that wheels are put into, relative to the prefix."""
        return f"lib/python{self.python}/site-packages"
