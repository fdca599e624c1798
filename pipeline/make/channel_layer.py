"""Makes the base layer of an environment: its conda packages as a local channel, byte for byte as published."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packageurl import PackageURL

from pipeline.errors import IntegrityError
from pipeline.events import StepProgress
from pipeline.make.conda_archive import read_conda_info
from pipeline.make.licenses import spdx
from pipeline.make.outputs import Outputs, Results, made
from pipeline.make.packing import pack_layer
from pipeline.model.counts import counted
from pipeline.model.document_text import document_text
from pipeline.model.statements import Part

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pipeline.model.environment import CondaPackage
    from pipeline.model.environment_actions import MakeChannelLayer
    from pipeline.ports import Services

CHANNEL_DIR = "conda"
"""Folder within a bundle."""
_NOARCH = "noarch"


def make_channel_layer(
    action: MakeChannelLayer, step: str, services: Services, results: Results, work: Path
) -> Outputs:
    """Lay the packages into ``conda/<subdir>/`` and write a repodata.json for each subdir.

    Raises:
        IntegrityError: a package is not what was locked, or not what its record says.
    """
    layer_dir = work / "layer"
    channel = layer_dir / CHANNEL_DIR
    fetched = results[action.fetched].blobs
    limits: list[int] = []
    for done, package in enumerate(action.packages):
        services.events.emit(StepProgress(step, done, len(action.packages), "files", package.filename))
        blob = fetched.get(package.filename)
        if blob is None or blob.sha256 != package.sha256:
            raise IntegrityError(f"{package.filename} was not brought as it is locked", hint="this is a bug")
        path = channel / package.subdir / package.filename
        path.parent.mkdir(parents=True, exist_ok=True)
        services.store.copy_blob(blob, path)
        limit = _examine(path, package)
        limits += [] if limit is None else [limit]
    for subdir in sorted({action.subdir, _NOARCH, *(package.subdir for package in action.packages)}):
        folder = channel / subdir
        folder.mkdir(exist_ok=True)
        (folder / "repodata.json").write_bytes(repodata(subdir, action.packages))
    packed = pack_layer(layer_dir, action, step, services=services, work=work)
    parts = [_part(package, spdx(package.license or "")) for package in action.packages]
    return made(
        trees={"layer": packed.tree},
        blobs={"layer": packed.archive},
        facts={
            "name": action.layer_name,
            "role": action.role,
            "prefix_limit": min(limits, default=None),
            "packages": [part.model_dump(mode="json") for part in parts],
        },
        summary=f"{counted(len(action.packages), 'package')}, {packed.summary}",
    )


def repodata(subdir: str, packages: Iterable[CondaPackage]) -> bytes:
    """Return the index of one subdir of a channel, whole and not in shards: conda reads it offline.

    Only what is locked of a record is written, so that a solver chooses among the very same packages. A record's
    ``url`` is where the package was locked; installers put the address of their own channel there.
    """
    listed: dict[str, dict[str, object]] = {"packages": {}, "packages.conda": {}}
    for package in packages:
        if package.subdir != subdir:
            continue
        record = package.model_dump(mode="json", exclude={"filename", "size_bytes"}, exclude_none=True)
        kind = "packages.conda" if package.filename.endswith(".conda") else "packages"
        listed[kind][package.filename] = {**record, "size": package.size_bytes}
    return document_text({"info": {"subdir": subdir}, **listed, "removed": [], "repodata_version": 1})


def _examine(path: Path, package: CondaPackage) -> int | None:
    """Hold a package's own index against its record; return the longest prefix that it can be linked into.

    Raises:
        IntegrityError: they contradict each other, or it is no conda package.
    """
    found = read_conda_info(path)
    said = (found.named.name, found.named.version, found.named.build, found.named.build_number)
    if said != (package.name, package.version, package.build, package.build_number):
        raise IntegrityError(
            f"{package.filename} calls itself {' '.join(said[:3])}, build number {said[3]}, not as its record does",
            hint="the lock was made from another channel's records; lock it anew",
        )
    return found.prefix_limit


def _part(package: CondaPackage, license_text: str) -> Part:
    """Return a package as the bill of materials lists it; purl specification, type conda."""
    channel = package.url.removesuffix(f"/{package.subdir}/{package.filename}").rpartition("/")[2]
    kind = "conda" if package.filename.endswith(".conda") else "tar.bz2"
    qualifiers = {"build": package.build, "channel": channel, "subdir": package.subdir, "type": kind}
    purl = PackageURL(type="conda", name=package.name, version=package.version, qualifiers=qualifiers)
    return Part(
        name=package.name,
        license=license_text,
        version=package.version,
        purl=purl.to_string(),
        sha256=package.sha256,
    )
