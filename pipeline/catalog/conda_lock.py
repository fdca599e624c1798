"""Reads conda-lock.yml (version 1) and joins each entry with its channel's record, which knows sizes and licenses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pipeline.catalog.lock_files import Foreign, LockError, read_json, read_part, read_yaml, relock
from pipeline.model.environment import CondaPackage
from pipeline.model.frozen import FileName, Name, Sha256
from pipeline.model.source import HttpUrl
from pipeline.names import conda_subdir

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

LOCK = "conda-lock.yml"
RECORDS = "conda-records.json"
SUFFIXES = (".conda", ".tar.bz2")


class _Hashes(Foreign):
    """The digests of an entry; conda-lock's ``HashModel``."""

    md5: str | None = None
    sha256: Sha256


class _Entry(Foreign):
    """One package on one platform; conda-lock's ``LockedDependency``."""

    name: str
    version: str
    manager: str
    platform: str
    url: HttpUrl
    hash: _Hashes


class _Record(Foreign):
    """What a channel's repodata says of a package, with the url that it was found at."""

    name: str
    version: str
    build: str
    build_number: int
    depends: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()
    license: str | None = None
    md5: str | None = None
    sha256: Sha256
    size: int = Field(gt=0)
    subdir: Name
    noarch: Literal["python", "generic"] | None = None
    timestamp: int | None = Field(default=None, ge=0)
    url: HttpUrl


class _Place(Foreign):
    subdir: Name
    filename: FileName


def read_conda_packages(folder: Path, platform: str) -> tuple[CondaPackage, ...]:
    """Return the locked conda packages of a platform, sorted by name.

    Args:
        folder: of the environment, below envs/.
        platform: of the contract's names.

    Raises:
        LockError: a file is missing or malformed; an entry has no sha256, its record no size, or the two disagree; the
            platform has no package. File and entry are named, all complaints are listed.
    """
    path = folder / LOCK
    document = read_yaml(path)
    if document.get("version") != 1:
        raise LockError(f"{path}: version: is {document.get('version')!r}, and 1 is what is read here")
    records = _records(folder / RECORDS)
    packages: dict[str, CondaPackage] = {}
    complaints: list[str] = []
    for value in _entries(path, document, conda_subdir(platform)):
        where = f"{path}: package {value.get('name')} for {value.get('platform')}"
        try:
            package = _join(read_part(_Entry, value, where), records, where, folder / RECORDS)
        except LockError as error:
            complaints.append(error.message)
            continue
        if package.name in packages:
            complaints.append(f"{where}: is listed twice")
        packages[package.name] = package
    if not (packages or complaints):
        complaints.append(f"{path}: has no package for {conda_subdir(platform)}")
    if complaints:
        raise LockError("\n".join(complaints), hint=relock(folder.name))
    return tuple(packages[name] for name in sorted(packages))


def _entries(path: Path, document: Mapping[str, object], subdir: str) -> Iterable[Mapping[str, object]]:
    listed = document.get("package")
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise LockError(f"{path}: package: is no list of entries", hint=relock(path.parent.name))
    return [entry for entry in listed if entry.get("platform") == subdir]


def _records(path: Path) -> Mapping[str, object]:
    packages = read_json(path).get("packages")
    if not isinstance(packages, dict):
        raise LockError(f"{path}: packages: is no object", hint=relock(path.parent.name))
    return packages


def _join(entry: _Entry, records: Mapping[str, object], where: str, records_path: Path) -> CondaPackage:
    """Return an entry with its record; raises LockError where they disagree."""
    if entry.manager != "conda":
        raise LockError(f"{where}: manager: is {entry.manager!r}; wheels are locked in pylock.<platform>.toml")
    *_, subdir, filename = entry.url.split("/")
    read_part(_Place, {"subdir": subdir, "filename": filename}, f"{where}: url")
    if not filename.endswith(SUFFIXES):
        raise LockError(f"{where}: url: {filename} is no conda package")
    key = f"{subdir}/{filename}"
    if key not in records:
        raise LockError(f"{where}: {records_path.name} has no record {key!r}")
    record = read_part(_Record, records[key], f"{records_path}: packages.{key}")
    said = {"name": entry.name, "version": entry.version, "url": entry.url, "sha256": entry.hash.sha256}
    said |= {"md5": entry.hash.md5} if entry.hash.md5 and record.md5 else {}
    for field, value in {**said, "subdir": subdir}.items():
        if (known := getattr(record, field)) != value:
            raise LockError(f"{where}: {field}: is {value!r}, and {known!r} in {records_path.name}")
    return CondaPackage(
        name=record.name,
        version=record.version,
        build=record.build,
        build_number=record.build_number,
        subdir=record.subdir,
        filename=filename,
        url=record.url,
        sha256=record.sha256,
        md5=record.md5 or entry.hash.md5,
        size_bytes=record.size,
        license=record.license or None,
        depends=record.depends,
        constrains=record.constrains,
        noarch=record.noarch,
        timestamp=record.timestamp,
    )
