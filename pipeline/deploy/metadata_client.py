"""The TUF client: python-tuf's Updater behind this project's doors, errors and clock.

Every refusal of python-tuf becomes an error that says what it means for the one who installs: exit 8 for signatures,
keys, freshness and rollback, 7 for malformed files, 6 for servers.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    DownloadHTTPError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
    UnsignedMetadataError,
)
from tuf.api.metadata import Metadata, Root, Targets
from tuf.api.serialization import DeserializationError
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from pipeline.errors import HostError, IntegrityError, NetworkError, PipelineError, TrustError
from pipeline.model.strict_json import parse_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tuf.api.metadata import TargetFile

_NOT_FOUND = 404
_BASE_URL = "repository:metadata/"
# A delegated role lists every file of an engine: 250 bytes each, so this is some 250,000 files.
_TARGETS_LIMIT_BYTES = 64 << 20
_FILENAME = re.compile(r"(?:(?P<version>[1-9][0-9]{0,8})\.)?(?P<role>[a-z]+)\.json")
_TOP_LEVEL_ROLES = ("root", "timestamp", "snapshot", "targets")


class _DoorFetcher(FetcherInterface):
    """Hands python-tuf what ``read`` finds; this project's errors pass through the Updater as they are.

    python-tuf takes what JSON readers disagree about (a key that stands twice, NaN), so every file is read strictly
    before it sees any of it.
    """

    def __init__(self, read: Callable[[str, int], bytes | None], reserved: frozenset[str]) -> None:
        self._read = read
        self._reserved = reserved
        self.seen: dict[str, bytes] = {}

    def _fetch(self, url: str) -> Iterator[bytes]:
        yield self.download_bytes(url, _TARGETS_LIMIT_BYTES)

    def download_bytes(self, url: str, max_length: int) -> bytes:
        """Return a metadata file; one read, so that its limit holds before the first byte."""
        name = url.removeprefix(_BASE_URL)
        role = unquote(name.removesuffix(".json").lstrip("0123456789").removeprefix("."))
        if f"{role}.json" in self._reserved:
            raise TrustError(
                f"a role is called {role!r}, as a file of this program is", hint="the repository was not made by it"
            )
        try:
            data = self._read(name, max_length)
        except IntegrityError as error:
            if name[:1].isdigit() and not name.endswith(".root.json"):  # its length is signed, so this is forgery
                raise TrustError(f"not what the signed metadata says: {error.message}", hint=error.hint) from error
            raise
        if data is None:
            raise DownloadHTTPError(f"{name} is not there", _NOT_FOUND)
        parse_json(data, what=f"metadata/{name}", limit_bytes=_TARGETS_LIMIT_BYTES)
        self.seen[role] = data
        return data


class MetadataClient:
    """One repository's metadata, trusted through a root that the caller has.

    Attributes:
        root: the newest root after ``refresh``, before it the one that was given.
    """

    def __init__(
        self,
        name: str,
        *,
        state_dir: Path,
        trusted_root: bytes,
        now: int,
        read: Callable[[str, int], bytes | None],
        missing_error: type[PipelineError] = NetworkError,
        reserved: frozenset[str] = frozenset(),
    ) -> None:
        """Start from the trusted root, always; what is cached is used only after it was checked from there.

        Args:
            name: of the repository, for messages.
            state_dir: where metadata is kept between runs, so that older metadata is refused; one process at a time.
            trusted_root: root metadata that came with the program or from the user.
            now: seconds since 1970; python-tuf reads the machine's clock by itself, this one is checked as well.
            read: (file name under ``metadata/``, limit in bytes) to its bytes, None when it is not there.
            missing_error: what a missing file is.
            reserved: names of the caller's own files in ``state_dir``; python-tuf names its files there after roles,
                and no role may be called so.

        Raises:
            TrustError: the trusted root is no root metadata, or not signed by its own keys.
            HostError: the state cannot be written.
        """
        self._name = name
        self._state_dir = state_dir
        self._now = datetime.fromtimestamp(now, UTC)
        self._missing_error = missing_error
        self._fetcher = _DoorFetcher(read, reserved)
        self.root = read_root(trusted_root)
        with self._explained():
            self._updater = Updater(
                str(state_dir),
                _BASE_URL,
                fetcher=self._fetcher,
                config=UpdaterConfig(targets_max_length=_TARGETS_LIMIT_BYTES),
                bootstrap=trusted_root,
            )

    def refresh(self) -> None:
        """Bring the metadata up to date.

        Raises:
            TrustError: a signature, a threshold, a version or an expiry date is not right.
            IntegrityError: metadata is malformed or too long.
            NetworkError, OfflineError: the repository cannot be reached, or lacks a file.
            HostError: the state cannot be written.
        """
        with self._explained():
            self._updater.refresh()
        for role in _TOP_LEVEL_ROLES:
            self._require_fresh(role)
        self.root = read_root((self._state_dir / "root.json").read_bytes())

    def target(self, path: str) -> TargetFile | None:
        """Return what is signed about a target, None when nobody who may speak for it knows it.

        Raises:
            TrustError, IntegrityError, NetworkError, OfflineError, HostError: as ``refresh``.
        """
        with self._explained():
            return self._updater.get_targetinfo(path)

    def role(self, name: str, *, probe: str) -> Targets | None:
        """Return a delegated role's metadata, which python-tuf verifies on its way to the target ``probe``.

        Raises:
            TrustError, IntegrityError, NetworkError, OfflineError, HostError: as ``refresh``.
        """
        self.target(probe)
        delegations = self._written("targets").delegations
        if delegations is None or name not in (delegations.roles or {}):
            return None  # a file of that name would be one of an earlier delegation
        self._require_fresh(name)
        return self._written(name)

    def is_signed(self, filename: str, data: bytes) -> bool | None:
        """Tell whether a metadata file, of whatever version, is signed by those who may sign its role now.

        None says that the file's name is not one of metadata. A root speaks for itself here: whether it follows from
        the trusted one was checked by ``refresh``.
        """
        match = _FILENAME.fullmatch(filename)
        if match is None:
            return None
        role = match["role"]
        try:
            parse_json(data, what=filename, limit_bytes=_TARGETS_LIMIT_BYTES)
            metadata = Metadata[Root].from_bytes(data)
            delegator: Root | Targets = self.root
            if role == "root":
                delegator = read_root(data)
            elif role not in _TOP_LEVEL_ROLES:
                delegator = self._written("targets")
            delegator.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
        except (RepositoryError, TrustError, IntegrityError, ValueError):
            return False
        return match["version"] is None or int(match["version"]) == metadata.signed.version

    def _written(self, role: str) -> Targets:
        """Return what the Updater wrote down after verifying it."""
        return Metadata[Targets].from_bytes(self._path(role).read_bytes()).signed

    def _path(self, role: str) -> Path:
        """Return where the Updater writes a role down: its name may hold anything, a file's name may not."""
        return self._state_dir / f"{quote(role, safe='')}.json"

    def _require_fresh(self, role: str) -> None:
        if self._written(role).is_expired(self._now):
            raise self._expired(role, None)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn python-tuf's exceptions into this project's; the order matters, some are kinds of others."""
        try:
            yield
        except ExpiredMetadataError as error:
            raise self._expired(_role_in(str(error)), error) from error
        except RepositoryError as error:
            raise self._refused(error) from error
        except DownloadHTTPError as error:
            raise self._missing_error(
                f"there is no whole repository at {self._name}: metadata/{error}",
                hint="give the folder that `publish --to` wrote, or its url",
            ) from error
        except DownloadError as error:
            raise NetworkError(f"{self._name}: {error}") from error
        except OSError as error:
            raise HostError(
                f"cannot keep the state of trust in {self._state_dir}: {error.strerror or error}",
                hint="choose a root that you may write to",
            ) from error

    def _refused(self, error: RepositoryError) -> PipelineError:
        if isinstance(error, BadVersionNumberError):
            return TrustError(
                f"{self._name} offers metadata that is older than what was seen of it before: {error}",
                hint="it is a stale or a replayed copy; use an up-to-date mirror",
            )
        if isinstance(error, UnsignedMetadataError):
            return TrustError(
                f"{self._name}: {error}",
                hint="it was changed, or is signed by keys that the trusted root does not name: compare the root's"
                " sha256 with the publisher's",
            )
        if isinstance(error, LengthOrHashMismatchError):
            return TrustError(
                f"{self._name}: a metadata file is not what the signed one above it says: {error}",
                hint="it was changed, or the copy is incomplete; use another mirror",
            )
        if isinstance(error, DeserializationError):
            return IntegrityError(f"{self._name}: a metadata file is malformed: {error}", hint="use another mirror")
        return TrustError(f"{self._name}: {error}", hint="the repository contradicts itself; use another mirror")

    def _expired(self, role: str, error: ExpiredMetadataError | None) -> TrustError:
        """Say how old it is. The bytes passed the signature check before the expiry date was looked at."""
        path = self._path(role)
        data = self._fetcher.seen.get(role) or (path.read_bytes() if path.is_file() else None)
        if data is None:
            return TrustError(f"{self._name}: {error}", hint="the publisher must sign it again")
        expires = Metadata[Targets].from_bytes(data).signed.expires
        late = max(self._now, expires) - expires
        return TrustError(
            f"{self._name}: its {role} metadata expired {expires:%Y-%m-%d %H:%M} UTC,"
            f" {late.days} days and {late.seconds // 3600} hours ago",
            hint="the publisher signs it again with `publish` or `refresh`; a mirror must be synced; if this machine's"
            " clock is wrong, set it",
        )


def read_root(data: bytes) -> Root:
    """Read root metadata that the user trusts.

    Raises:
        TrustError: it is no root metadata.
    """
    try:
        parse_json(data, what="the trusted root")
        signed = Metadata[Root].from_bytes(data).signed
    except (DeserializationError, IntegrityError) as error:
        raise TrustError(
            f"the trusted root is no TUF root metadata: {error}", hint="give the root.json that `keys init` wrote"
        ) from error
    if not isinstance(signed, Root):
        raise TrustError(
            "the trusted root is metadata of another role", hint="give the root.json that `keys init` wrote"
        )
    return signed


def _role_in(message: str) -> str:
    """Return the role that python-tuf's message about an expiry names: ``timestamp.json is expired``."""
    return message.removeprefix("Final ").removeprefix("New ").split()[0].removesuffix(".json")
