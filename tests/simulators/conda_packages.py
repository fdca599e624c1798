"""Writes .conda packages (format version 2) of any content, the same bytes every time, and knows their records.

A package is a zip of two zstd archives, the files and the metadata below ``info/``. The metadata says which text files
have the prefix of the build in them: whoever links the package writes the prefix of the environment there instead.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zstandard

EPOCH_SECONDS = 1_700_000_000
PLACEHOLDER = ("/" + "_placehold" * 26)[:255]  # as long as conda-build makes them
ZIP_TIME = (2023, 11, 14, 22, 13, 20)


@dataclass(frozen=True)
class Member:
    """One file of a package.

    Attributes:
        data: its bytes, with PLACEHOLDER where the prefix goes.
        link: target of a symbolic link; then there is no data.
        executable: whether it is a program.
        binary: whether the prefix in it is replaced as in a binary file, padded with zero bytes.
    """

    data: bytes = b""
    link: str | None = None
    executable: bool = False
    binary: bool = False

    def entry(self, path: str) -> dict[str, Any]:
        """Return what ``info/paths.json`` says of it."""
        digest = hashlib.sha256(self.data).hexdigest()
        found = {
            "_path": path,
            "path_type": "softlink" if self.link is not None else "hardlink",
            "sha256": digest,
            "size_in_bytes": len(self.data),
        }
        if PLACEHOLDER.encode() not in self.data:
            return found
        return {**found, "prefix_placeholder": PLACEHOLDER, "file_mode": "binary" if self.binary else "text"}


@dataclass(frozen=True)
class CondaPackage:
    """What a package is, and after ``write`` where it is.

    Attributes:
        name, version, build, build_number, subdir, depends, constrains, license, noarch: as in ``info/index.json``.
        files: path below the prefix to content; of a ``noarch: python`` package below ``site-packages/`` or elsewhere.
        entry_points: ``name = module:function``, of a ``noarch: python`` package.
        timestamp: milliseconds since 1970.
    """

    name: str
    version: str
    files: dict[str, Member]
    build: str = "0"
    build_number: int = 0
    subdir: str = "linux-64"
    depends: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()
    license: str = "MIT"
    noarch: str | None = None
    entry_points: tuple[str, ...] = ()
    timestamp: int = EPOCH_SECONDS * 1000

    @property
    def filename(self) -> str:
        """Name of the package's file."""
        return f"{self.name}-{self.version}-{self.build}.conda"

    @property
    def index(self) -> dict[str, Any]:
        """What ``info/index.json`` says."""
        platform = {"platform": "linux", "arch": "x86_64"} if self.subdir == "linux-64" else {}
        return {
            "name": self.name,
            "version": self.version,
            "build": self.build,
            "build_number": self.build_number,
            "depends": list(self.depends),
            "constrains": list(self.constrains),
            "license": self.license,
            "subdir": self.subdir,
            "timestamp": self.timestamp,
            **({"noarch": self.noarch} if self.noarch else platform),
        }

    def write(self, channel: Path) -> dict[str, Any]:
        """Write the file to ``<channel>/<subdir>/``; return its record, as repodata.json has it."""
        folder = channel / self.subdir
        folder.mkdir(parents=True, exist_ok=True)
        data = self.encode()
        (folder / self.filename).write_bytes(data)
        digests = {name: hashlib.new(name, data, usedforsecurity=False).hexdigest() for name in ("md5", "sha256")}
        return {**self.index, **digests, "size": len(data)}

    def encode(self) -> bytes:
        """Return the bytes of the package's file."""
        paths = [member.entry(path) for path, member in sorted(self.files.items())]
        metadata = {
            "info/index.json": self.index,
            "info/paths.json": {"paths": paths, "paths_version": 1},
            "info/about.json": {"license": self.license, "summary": f"{self.name}, made for tests"},
        }
        if self.noarch == "python":
            points = list(self.entry_points)
            metadata["info/link.json"] = {
                "noarch": {"type": "python", "entry_points": points},
                "package_metadata_version": 1,
            }
        texts = {path: Member(json.dumps(text, indent=2).encode()) for path, text in metadata.items()}
        texts["info/files"] = Member("".join(f"{path}\n" for path in sorted(self.files)).encode())
        stem = self.filename.removesuffix(".conda")
        whole = io.BytesIO()
        with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED) as container:
            version = json.dumps({"conda_pkg_format_version": 2}).encode()
            for name, data in (
                ("metadata.json", version),
                (f"pkg-{stem}.tar.zst", _archive(self.files)),
                (f"info-{stem}.tar.zst", _archive(texts)),
            ):
                container.writestr(zipfile.ZipInfo(name, ZIP_TIME), data)
        return whole.getvalue()


def write_channel(
    channel: Path, packages: tuple[CondaPackage, ...], *, locked_at: str = ""
) -> dict[str, dict[str, Any]]:
    """Write packages and the repodata.json of each subdir; return file name to record.

    ``locked_at`` is the channel whose urls records name, as in a bundle.
    """
    records = {package.filename: package.write(channel) for package in packages}
    if locked_at:
        for name, record in records.items():
            record["url"] = f"{locked_at}/{record['subdir']}/{name}"
    for subdir in sorted({"noarch", *(package.subdir for package in packages)}):
        own = {name: record for name, record in records.items() if record["subdir"] == subdir}
        document = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": own, "repodata_version": 1}
        folder = channel / subdir
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "repodata.json").write_text(json.dumps(document, indent=1, sort_keys=True))
    return records


def _archive(members: dict[str, Member]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, member in sorted(members.items()):
            entry = tarfile.TarInfo(path)
            entry.mtime = EPOCH_SECONDS
            entry.mode = 0o755 if member.executable else 0o644
            if member.link is not None:
                entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, member.link, 0o777
            entry.size = len(member.data)
            archive.addfile(entry, io.BytesIO(member.data))
    return zstandard.ZstdCompressor(level=9).compress(packed.getvalue())
