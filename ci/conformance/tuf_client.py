"""The TUF client of ``install`` behind the command line of the public tuf-conformance suite (its CLIENT-CLI.md).

Metadata goes through ``deploy.metadata_client`` and files through the downloader, as in an installation. What an
installation has on top is not here: the layout of a repository of this project, targets by sha256 alone, the clock that
may not go back.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from tuf.api.exceptions import LengthOrHashMismatchError

from pipeline.app.services import clock as machine_clock
from pipeline.app.services import disk, open_services
from pipeline.app.settings import Flags, load_settings
from pipeline.deploy.location import locate
from pipeline.deploy.metadata_client import MetadataClient
from pipeline.digest import sha256_bytes
from pipeline.errors import IntegrityError, NetworkError, PipelineError, UsageError
from pipeline.ports import DownloadRequest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tuf.api.metadata import TargetFile

    from pipeline.ports import Clock, Services

# No ".json": the suite takes every such file for metadata of a role.
_TRUSTED_ROOT = "trusted-root"
_STORE = "downloads"
_DIGESTS = ("sha256", "sha512")
_LONGEST_NAME = 200  # bytes; file systems take 255


def main(arguments: Sequence[str], *, clock: Clock | None = None) -> int:
    """Run one command and return 0, or 1 for whatever went wrong.

    Args:
        arguments: the command line.
        clock: that expiry dates are held against; None for the machine's.
    """
    given = _parser().parse_args(arguments)
    now = (clock or machine_clock()).now_seconds()
    try:
        if given.command == "init":
            _init(given.metadata_dir, given.trusted_root.read_bytes(), now)
        elif given.command == "refresh":
            with _refreshed(given, now):
                pass
        else:
            _download(given, now)
    except PipelineError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ci/tuf_client", description=__doc__.partition("\n")[0])
    parser.add_argument("--metadata-dir", type=Path, required=True, help="folder of what is trusted")
    parser.add_argument("--metadata-url", help="where the repository's metadata is")
    parser.add_argument("--target-name", action="append", help="target path of a file to download; repeats")
    parser.add_argument("--target-base-url", help="where the repository's files are")
    parser.add_argument("--target-dir", type=Path, help="folder for downloaded files")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("init", help="start to trust").add_argument("trusted_root", type=Path)
    commands.add_parser("refresh", help="bring the metadata up to date")
    commands.add_parser("download", help="bring one file")
    return parser


def _init(metadata_dir: Path, trusted_root: bytes, now: int) -> None:
    """Keep the trusted root, after looking whether it is one; nothing is asked for."""
    metadata_dir.mkdir(parents=True, exist_ok=True)
    MetadataClient(
        "init",
        state_dir=metadata_dir,
        trusted_root=trusted_root,
        now=now,
        read=lambda _name, _limit: None,
    )
    disk().replace_file(metadata_dir / _TRUSTED_ROOT, trusted_root, staging_dir=metadata_dir)


@contextmanager
def _refreshed(given: argparse.Namespace, now: int) -> Iterator[tuple[MetadataClient, Services]]:
    """Give the metadata, up to date, and the services."""
    if not given.metadata_url:
        raise UsageError("--metadata-url is needed")
    settings = load_settings(Flags(progress=False, verbosity="quiet"))
    store_dir = given.metadata_dir / _STORE
    with open_services(settings, store_dir=store_dir, location=given.metadata_url, durable=False) as services:
        place = locate(given.metadata_url, services.downloader)
        client = MetadataClient(
            place.text,
            state_dir=given.metadata_dir,
            trusted_root=(given.metadata_dir / _TRUSTED_ROOT).read_bytes(),
            now=now,
            read=lambda name, limit: place.read(name, limit_bytes=limit),
        )
        client.refresh()
        yield client, services


def _download(given: argparse.Namespace, now: int) -> None:
    """Bring the named files in their order, with one client; the first that fails ends it."""
    if not (given.target_name and given.target_base_url and given.target_dir):
        raise UsageError("--target-name, --target-base-url and --target-dir are needed")
    given.target_dir.mkdir(parents=True, exist_ok=True)
    with _refreshed(given, now) as (client, services):
        for name in given.target_name:
            target = client.target(name)
            if target is None:
                raise NetworkError(f"nobody who may speak for it knows {name!r}")
            path = given.target_dir / _file_name(name)
            if not (path.is_file() and _is(target, path)):
                url = _url(given.target_base_url, target, prefixed=client.root.consistent_snapshot is not False)
                _replace(path, target, url, services)


def _replace(path: Path, target: TargetFile, url: str, services: Services) -> None:
    temporary = path.parent / ".part"
    _bring(target, url, temporary, services)
    if not _is(target, temporary):
        temporary.unlink()
        raise IntegrityError(f"{url} is not what was signed")
    temporary.replace(path)


def _bring(target: TargetFile, url: str, path: Path, services: Services) -> None:
    """Write the target's bytes to ``path``; with a sha256 the way an installation gets its layers.

    Raises:
        IntegrityError: the bytes are not the signed ones, or are signed with no digest that is known here.
        NetworkError: they cannot be had.
    """
    if (sha256 := target.hashes.get("sha256")) is not None:
        request = DownloadRequest(
            what=target.path, urls=(url,), sha256=sha256, size_bytes=target.length, filename=sha256
        )
        blob = services.downloader.fetch(request)
        services.store.copy_blob(blob, path)
        services.store.drop_blob(blob.sha256)
        return
    if not any(name in target.hashes for name in _DIGESTS):
        raise IntegrityError(f"{target.path} is signed with none of {', '.join(_DIGESTS)}")
    data = services.downloader.read_small(url, limit_bytes=target.length)
    if data is None:
        raise NetworkError(f"{url} is not there")
    path.write_bytes(data)


def _is(target: TargetFile, path: Path) -> bool:
    """Tell whether a file has the signed length and every signed digest."""
    with path.open("rb") as stream:
        try:
            target.verify_length_and_hashes(stream)
        except LengthOrHashMismatchError:
            return False
    return True


def _url(base: str, target: TargetFile, *, prefixed: bool) -> str:
    """Return where a target is: with consistent snapshots its digest stands before its name (TUF 1.0.34, 6.2)."""
    folder, slash, name = target.path.rpartition("/")
    digest = target.hashes.get("sha256") or next(iter(target.hashes.values()))
    return f"{base.rstrip('/')}/{quote(f'{folder}{slash}{digest}.{name}' if prefixed else target.path)}"


def _file_name(target_path: str) -> str:
    """Return one file name for any target path, the same each time."""
    quoted = quote(target_path, safe="")
    return quoted if len(quoted) <= _LONGEST_NAME and quoted not in {".", ".."} else sha256_bytes(target_path.encode())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
