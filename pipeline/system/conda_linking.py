"""Linking conda packages into a prefix with py-rattler; runs in ``conda_worker`` alone."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from rattler import Channel, PackageFormatSelection, RepoDataRecord, SparseRepoData, Subdir, install

from pipeline.digest import CHUNK_BYTES
from pipeline.errors import HostError, IntegrityError, NoSpaceError, PipelineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_CODESIGN = Path("/usr/bin/codesign")  # where py-rattler looks for it
_WHERE_UNPACKED = ("extracted_package_dir", "link", "package_tarball_full_path")  # PrefixRecord's fields for it
_MADE_WRONG = "the bundle is damaged, or its publisher made it wrong"
# rattler passes the system's errors on as text, with errno in it (Rust's Display of std::io::Error).
_FULL = re.compile(r"os error (?:28|122|27|69)\b")  # ENOSPC, EDQUOT (Linux, macOS), EFBIG
_REFUSED = re.compile(r"os error (?:1|5|13|30|36|63)\b")  # EPERM, EIO, EACCES, EROFS, ENAMETOOLONG (Linux, macOS)


def link(channel: str, packages: Sequence[str], prefix: str, final_prefix: str, scratch: str) -> int:
    """Link packages of a local channel into a new folder; see ``ports.CondaTool.link``. Return how many.

    The sha256 of every package is compared with the channel's repodata first. Unpacked packages that ``scratch`` has
    are used as they are. Scripts of packages are not run. The records in ``conda-meta`` name the urls that the
    channel's repodata has for its packages, if any: the channel itself is in a folder that is gone a moment later.

    Raises:
        IntegrityError: a package is damaged, or not what the channel's repodata says.
        HostError: the prefix cannot be written.
        NoSpaceError: the disk is full.
    """
    records = list(_records(Path(channel), packages))
    try:
        asyncio.run(_install(records, _platform(packages), prefix, final_prefix, Path(scratch)))
    except Exception as error:  # rattler has a class for each of its parts, and OSError comes among them
        raise _fault(error, final_prefix) from error
    urls = _locked_urls(Path(channel), packages)
    for record in records:
        path = Path(prefix) / "conda-meta" / f"{_stem(record.file_name)}.json"
        if not path.is_file():
            raise IntegrityError(f"{record.file_name} was linked and left no record", hint=_MADE_WRONG)
        _settle_record(path, urls.get(record.file_name), f"/{record.subdir}/{record.file_name}")
    return len(records)


def _locked_urls(channel: Path, packages: Sequence[str]) -> dict[str, str]:
    """Return file name to the url that a package was locked at, of those that the channel says it of."""
    found: dict[str, str] = {}
    for subdir in {path.partition("/")[0] for path in packages}:
        document = json.loads((channel / subdir / "repodata.json").read_bytes())
        for kind in ("packages", "packages.conda"):
            listed = document.get(kind, {}).items()
            found |= {name: record["url"] for name, record in listed if isinstance(record.get("url"), str)}
    return found


def _settle_record(path: Path, url: str | None, below: str) -> None:
    """Write into a linked package's record where its channel is, for ``conda list --explicit`` and its like.

    Where it lay unpacked is left out: that folder is moved, and may go, and no reader of records needs it.
    """
    record = json.loads(path.read_bytes())
    kept = {key: value for key, value in record.items() if key not in _WHERE_UNPACKED}
    if url is not None:
        kept |= {"url": url, "channel": url.removesuffix(below)}
    path.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


async def _install(records: list[RepoDataRecord], platform: Subdir, prefix: str, final: str, scratch: Path) -> None:
    await install(
        records,
        target_prefix=prefix,
        cache_dir=scratch,
        installed_packages=[],
        platform=platform,
        execute_link_scripts=False,
        show_progress=False,
        alternative_target_prefix=final,
    )


def _platform(packages: Sequence[str]) -> Subdir:
    """Return the platform that packages are linked for.

    For arm64 Macs py-rattler signs changed binaries with Apple's program and fails where that is not: there it is told
    of Linux, whose prefixes have the same folders, and binaries are left to ``environments.signatures``.
    """
    subdir = next((path.partition("/")[0] for path in packages if not path.startswith("noarch/")), "noarch")
    return Subdir("linux-64" if subdir.startswith("osx-") and not _CODESIGN.exists() else subdir)


def _records(channel: Path, packages: Sequence[str]) -> Iterator[RepoDataRecord]:
    """Yield the records of packages whose bytes are those that the channel's repodata names."""
    found: dict[str, RepoDataRecord] = {}
    for subdir in sorted({path.partition("/")[0] for path in packages}):
        try:
            with SparseRepoData(Channel(channel.as_uri()), subdir, channel / subdir / "repodata.json") as data:
                records = data.load_all_records(PackageFormatSelection.BOTH)
        except Exception as error:
            raise IntegrityError(f"{subdir}/repodata.json cannot be read: {error}", hint=_MADE_WRONG) from error
        found |= {f"{subdir}/{record.file_name}": record for record in records}
    for path in packages:
        if path not in found:
            raise IntegrityError(f"{path} is not in its channel's repodata.json", hint=_MADE_WRONG)
        record, place = found[path], channel / path
        _require_as_listed(place, record.sha256)
        yield RepoDataRecord(record, record.file_name, place.as_uri(), channel.as_uri())


def _require_as_listed(path: Path, listed: bytes | None) -> None:
    if listed is None:
        raise IntegrityError(f"repodata.json has no sha256 of {path.name}", hint=_MADE_WRONG)
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
    except FileNotFoundError as error:
        raise IntegrityError(f"{path.name} is in repodata.json and not in its channel", hint=_MADE_WRONG) from error
    if digest.digest() != listed:
        raise IntegrityError(
            f"{path.name} has sha256 {digest.hexdigest()}, and repodata.json says {listed.hex()}", hint=_MADE_WRONG
        )


def _stem(filename: str) -> str:
    return filename.removesuffix(".conda").removesuffix(".tar.bz2")


def _fault(error: Exception, final_prefix: str) -> PipelineError:
    text = " ".join(str(error).split()) or type(error).__name__
    if _FULL.search(text):
        return NoSpaceError(
            f"no space left while linking conda packages for {final_prefix}: {text}",
            hint="free some space, or choose another root",
        )
    if _REFUSED.search(text) or isinstance(error, OSError):
        return HostError(f"conda packages cannot be linked for {final_prefix}: {text}", hint="choose another root")
    return IntegrityError(f"conda packages cannot be linked for {final_prefix}: {text}", hint=_MADE_WRONG)
