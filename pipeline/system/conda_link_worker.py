"""Links conda packages with py-rattler in a process of its own, which may crash when it ends (some builds do).

The request is the first argument, as JSON. The answer is a line with a JSON object of one key: ``linked`` (how many
packages), ``damaged`` (what is wrong with a package), ``full`` and ``refused`` (the disk's words), ``absent`` (what is
not installed) or ``failed``.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rattler import RepoDataRecord

_CHUNK_BYTES = 1 << 20
# rattler passes the system's errors on as text, with errno in it (Rust's Display of std::io::Error).
_FULL = re.compile(r"os error (28|122|27)\b")  # ENOSPC, EDQUOT, EFBIG
_REFUSED = re.compile(r"os error (1|13|30|5|36|40)\b")  # EPERM, EACCES, EROFS, EIO, ENAMETOOLONG, ELOOP


class DamagedPackageError(Exception):
    """A package is not what its channel says."""


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Link what a request names; return what came of it."""
    try:
        records = _records(Path(request["channel"]), request["packages"])
        asyncio.run(_link(records, request))
    except ImportError as error:
        return {"absent": str(error)}
    except DamagedPackageError as error:
        return {"damaged": str(error)}
    except Exception as error:  # noqa: BLE001 - rattler has one class for each of its parts
        return _fault(error)
    missing = [r.file_name for r in records if not _is_linked(r, Path(request["prefix"]))]
    return {"failed": f"{', '.join(missing)} left no record"} if missing else {"linked": len(records)}


def _fault(error: BaseException) -> dict[str, str]:
    text = " ".join(str(error).split()) or type(error).__name__
    if _FULL.search(text):
        return {"full": text}
    return {"refused" if _REFUSED.search(text) or isinstance(error, OSError) else "failed": text}


def _is_linked(record: RepoDataRecord, prefix: Path) -> bool:
    stem = record.file_name.removesuffix(".conda").removesuffix(".tar.bz2")
    return (prefix / "conda-meta" / f"{stem}.json").is_file()


def _records(channel: Path, packages: list[str]) -> list[RepoDataRecord]:
    """Return the records of packages whose bytes are those that the channel's repodata names."""
    from rattler import Channel, PackageFormatSelection, RepoDataRecord, SparseRepoData  # noqa: PLC0415 - may be absent

    found: dict[str, RepoDataRecord] = {}
    for subdir in sorted({path.partition("/")[0] for path in packages}):
        listed = channel / subdir / "repodata.json"
        try:
            with SparseRepoData(Channel(channel.as_uri()), subdir, listed) as data:
                for record in data.load_all_records(PackageFormatSelection.BOTH):
                    found[f"{subdir}/{record.file_name}"] = record
        except Exception as error:
            raise DamagedPackageError(f"{subdir}/repodata.json cannot be read: {error}") from error
    records = []
    for path in packages:
        if path not in found:
            raise DamagedPackageError(f"{path} is not in its channel's repodata.json")
        record = found[path]
        _require_as_listed(channel / path, record)
        url = (channel / path).as_uri()  # whatever the repodata says of where packages are
        records.append(RepoDataRecord(record, record.file_name, url, channel.as_uri()))
    return records


def _require_as_listed(path: Path, record: RepoDataRecord) -> None:
    if record.sha256 is None:
        raise DamagedPackageError(f"repodata.json has no sha256 of {path.name}")
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                digest.update(chunk)
    except FileNotFoundError as error:
        raise DamagedPackageError(f"{path.name} is missing") from error
    if digest.digest() != record.sha256:
        raise DamagedPackageError(
            f"{path.name} has sha256 {digest.hexdigest()}, and repodata.json says {record.sha256.hex()}"
        )


async def _link(records: list[RepoDataRecord], request: dict[str, Any]) -> None:
    from rattler import Subdir, install  # noqa: PLC0415 - as above

    subdirs = {path.partition("/")[0] for path in request["packages"]} - {"noarch"}
    await install(
        records,
        target_prefix=request["prefix"],
        cache_dir=Path(request["scratch"]),
        installed_packages=[],
        platform=Subdir(next(iter(subdirs), "noarch")),
        execute_link_scripts=False,
        show_progress=False,
        alternative_target_prefix=request["final_prefix"],
    )


def main() -> None:
    """Answer the request and end at once: what py-rattler does when an interpreter ends is not waited for."""
    sys.stdout.write(json.dumps(answer(json.loads(sys.argv[2]))) + "\n")
    sys.stdout.flush()
    os._exit(0)
