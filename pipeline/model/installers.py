"""Installers that need no Python: what they were made of, and what making them did."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.model.frozen import Frozen, Name, Sha256

ScriptName = Literal["install.sh", "install.ps1"]


class GzipArchive(Frozen):
    """The ``.tar.gz`` of one layer, for systems without zstd; its file is called after its digest.

    Attributes:
        layer: sha256 of the ``.tar.zst`` that it was made of.
        sha256: of it.
        size: of it, in bytes.
    """

    layer: Sha256
    sha256: Sha256
    size: int = Field(gt=0)


class InstallableBundle(Frozen):
    """One bundle that the scripts install.

    Attributes:
        target: ``<engine>/<platform>-<accel>``.
        version: as upstream calls it.
        sha256: of the bundle.
        script: which of the scripts installs it.
    """

    target: str
    version: Name
    sha256: Sha256
    script: ScriptName


class InstallersRecord(Frozen):
    """``installers.json`` beside the scripts: what they were made of. Nothing is trusted because it stands there.

    Attributes:
        schema_version: 1.
        base_url: where the scripts download from; empty where they must be told.
        repository: id of the repository whose manifests they were made of; empty for a dist folder.
        bundles: sorted by script, then in the order in which the script prefers them.
        archives: in ``files/``, sorted by layer.
    """

    schema_version: Literal[1] = 1
    base_url: str
    repository: str
    bundles: tuple[InstallableBundle, ...]
    archives: tuple[GzipArchive, ...]


class InstallersOutcome(Frozen):
    """What ``generate installers`` made, or with check found.

    Attributes:
        folder: absolute.
        scripts: names of the scripts.
        bundles: that they install.
        archives: in ``files/``.
        archive_bytes: of all of these together.
        changed: files that were written, or with check would be; relative to the folder.
        left_out: ``<target> <version>`` to why no script installs it.
    """

    folder: str
    scripts: tuple[ScriptName, ...]
    bundles: tuple[InstallableBundle, ...]
    archives: tuple[GzipArchive, ...]
    archive_bytes: int
    changed: tuple[str, ...]
    left_out: dict[str, str]
