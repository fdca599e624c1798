"""What is kept of a repository between runs, as a place of its own: trust without any connection while signatures hold.

python-tuf keeps metadata by itself; the manifests and the lists of revoked builds lie beside it, each named after its
engine and its own digest, so that a damaged copy is found out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.digest import sha256_bytes
from pipeline.errors import OfflineError, UsageError
from pipeline.model.repository_layout import blob_path

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.ports import Disk

MANIFESTS = "manifests"
REVOCATIONS = "revocations"
_ENGINE_DIGITS = 32
_TIMESTAMP = "timestamp.json"
_HINT = "give the repository with --from; its folder alone, without what it publishes, is enough"


class KeptLocation:
    """A repository as this machine last saw it; implements ``location.RepositoryLocation``.

    Args:
        state_dir: of the repository's trust.
        metadata_folder: where its metadata lies in the repository.
    """

    def __init__(self, state_dir: Path, metadata_folder: str) -> None:
        self._state_dir = state_dir
        self._timestamp = f"{metadata_folder}/{_TIMESTAMP}"

    @property
    def text(self) -> str:
        """What to call it."""
        return f"what is kept of repository {self._state_dir.name}"

    def read(self, path: str, *, limit_bytes: int) -> bytes | None:
        """Return the timestamp, a manifest or a list of revoked builds as it was last seen, None for anything else.

        The other metadata is not asked for when it is the kept one: python-tuf reads its own copy, and checks that as
        it checks every copy.

        Raises:
            UsageError: nothing is kept.
        """
        if path == self._timestamp:
            kept = self._state_dir / _TIMESTAMP
            if not kept.is_file():
                raise UsageError("this installation has never seen a repository", hint=_HINT)
            return kept.read_bytes()[:limit_bytes]
        for folder in (MANIFESTS, REVOCATIONS):
            for kept in sorted((self._state_dir / folder).glob("*.json")):
                data = kept.read_bytes()
                if blob_path(sha256_bytes(data)) == path:
                    return data
        return None

    def url(self, path: str, *, size_bytes: int) -> str:
        """Refuse: there is no place to download from.

        Raises:
            OfflineError: always.
        """
        raise OfflineError(
            f"{path} ({size_bytes} bytes) is in none of the given files, and no repository is named", hint=_HINT
        )


def keep(state_dir: Path, folder: str, engine: str, data: bytes, disk: Disk) -> None:
    """Keep a document of an engine that was verified; nothing is written when it is kept already.

    Args:
        state_dir: of the repository's trust.
        folder: ``MANIFESTS`` or ``REVOCATIONS``.
        engine: whose document it is.
        data: as it was signed.
        disk: how it is written.
    """
    path = state_dir / folder / f"{_prefix(engine)}{sha256_bytes(data)}.json"
    if not (path.is_file() and path.read_bytes() == data):
        disk.make_dirs(path.parent)
        disk.replace_file(path, data, staging_dir=state_dir)
    for other in kept_paths(state_dir, folder, engine):
        if other != path:
            disk.remove(other)


def kept_paths(state_dir: Path, folder: str, engine: str) -> tuple[Path, ...]:
    """Return the files in which documents of an engine are kept: one, or two after a crash."""
    return tuple(sorted((state_dir / folder).glob(f"{_prefix(engine)}*.json")))


def is_as_named(path: Path, data: bytes) -> bool:
    """Tell whether a kept file has the bytes that its name says."""
    return path.name.endswith(f"-{sha256_bytes(data)}.json")


def _prefix(engine: str) -> str:
    return f"{sha256_bytes(engine.encode())[:_ENGINE_DIGITS]}-"  # whatever characters a name has
