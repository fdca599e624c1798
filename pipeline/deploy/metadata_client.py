"""The TUF client: python-tuf's Updater behind this project's doors, errors and clock.

Every refusal of python-tuf becomes an error that says what it means for the one who installs: exit 8 for signatures,
keys, freshness and rollback, 7 for malformed files, 6 for servers.
"""

from __future__ import annotations

import errno
import re
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from tuf.api.exceptions import (
    DownloadError,
    DownloadHTTPError,
    ExpiredMetadataError,
    RepositoryError,
)
from tuf.api.metadata import Metadata, Root, Snapshot, Targets
from tuf.api.serialization import DeserializationError
from tuf.ngclient import Updater, UpdaterConfig

from pipeline.deploy.metadata_door import BASE_URL, TARGETS_LIMIT_BYTES, DoorFetcher, require_strict
from pipeline.deploy.metadata_refusals import ExpiredRepositoryError, refused
from pipeline.errors import HostError, IntegrityError, NetworkError, NoSpaceError, PipelineError, TrustError
from pipeline.model.repository_layout import metadata_filename, role_of_filename

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tuf.api.metadata import DelegatedRole, TargetFile

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_NOT_WRITABLE = "choose a root that you may write to"
_WILDCARD = re.compile(r"\[[^]]*\]|[*?]")  # of fnmatch, which TUF's path patterns are
_TOP_LEVEL_ROLES = ("root", "timestamp", "snapshot", "targets")


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
            now: seconds since 1970, which every expiry date is held against.
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
        self._fetcher = DoorFetcher(read, reserved=reserved)
        self.root = read_root(trusted_root)
        with self._explained():
            self._updater = Updater(
                str(state_dir),
                BASE_URL,
                fetcher=self._fetcher,
                config=UpdaterConfig(targets_max_length=TARGETS_LIMIT_BYTES),
                bootstrap=trusted_root,
            )
        # It reads the machine's clock by itself, and has no other way to be told the time.
        self._updater._trusted_set.reference_time = self._now  # noqa: SLF001 - tests hold that it still works

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

    def delegated_roles(self) -> tuple[str, ...]:
        """Return the roles that the targets metadata delegates to, in the order in which they are asked."""
        return tuple(self._delegated())

    def policy(self) -> Targets:
        """Return the targets metadata that holds: who may speak for what."""
        return self._written("targets")

    def policies(self) -> Iterator[Targets]:
        """Yield the targets metadata: the one that holds, then earlier ones that are there and were signed once."""
        current = self._written("targets")
        yield current
        for version in range(current.version - 1, 0, -1):
            data = self._fetcher.peek(metadata_filename("targets", version))
            if data is not None and self.is_signed(metadata_filename("targets", version), data):
                yield Metadata[Targets].from_bytes(data).signed

    def role(self, name: str) -> Targets | None:
        """Return a delegated role's metadata, None for a role that is none or cannot be asked by path.

        python-tuf verifies it on its way to a target that nobody has.

        Raises:
            TrustError, IntegrityError, NetworkError, OfflineError, HostError: as ``refresh``.
        """
        role = self._delegated().get(name)
        if role is None or not role.paths:
            return None
        self.target(_WILDCARD.sub("_", role.paths[0]))
        path = self._state_path(name)
        meta = self._snapshot().meta.get(f"{name}.json")
        if meta is None or not path.is_file():
            return None  # an earlier role that ends the search speaks for the same paths
        data = path.read_bytes()
        with self._explained():  # a file of that name may be one of an earlier delegation
            meta.verify_length_and_hashes(data)
            metadata = Metadata[Targets].from_bytes(data)
            self._written("targets").verify_delegate(name, metadata.signed_bytes, metadata.signatures)
        self._require_fresh(name)
        return metadata.signed

    def is_signed(self, filename: str, data: bytes) -> bool | None:
        """Tell whether a metadata file, of whatever version, is signed by those who may sign its role, or might once.

        None says that the file's name is not one of metadata. A root speaks for itself here: whether it follows from
        the trusted one was checked by ``refresh``.
        """
        named = role_of_filename(filename)
        if named is None:
            return None
        role, version = named
        try:
            require_strict(data, what=filename)
            metadata = Metadata[Root].from_bytes(data)
            if role == "root":
                read_root(data).verify_delegate(role, metadata.signed_bytes, metadata.signatures)
        except (RepositoryError, TrustError, IntegrityError, ValueError):
            return False
        if role != "root" and not any(_signs(delegator, role, metadata) for delegator in self._delegators(role)):
            return False
        return version is None or version == metadata.signed.version

    def _delegators(self, role: str) -> Iterator[Root | Targets]:
        """Yield whoever names the keys of a role, the newest first, then earlier ones."""
        if role in _TOP_LEVEL_ROLES:
            yield self.root
            yield from self._earlier_roots()
            return
        yield from self.policies()

    def _earlier_roots(self) -> Iterator[Root]:
        for path in sorted((self._state_dir / "root_history").glob("*.root.json")):
            yield read_root(path.read_bytes())

    def _delegated(self) -> dict[str, DelegatedRole]:
        delegations = self._written("targets").delegations
        return {} if delegations is None else dict(delegations.roles or {})

    def _written(self, role: str) -> Targets:
        """Return what the Updater wrote down after verifying it."""
        return Metadata[Targets].from_bytes(self._state_path(role).read_bytes()).signed

    def _snapshot(self) -> Snapshot:
        return Metadata[Snapshot].from_bytes(self._state_path("snapshot").read_bytes()).signed

    def _state_path(self, role: str) -> Path:
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
            raise refused(self._name, error) from error
        except DownloadHTTPError as error:
            if stale := self._stale_instead():
                raise self._expired(stale, None) from error
            raise self._missing_error(
                f"there is no whole repository at {self._name}: metadata/{error}",
                hint="give the folder that `publish --to` wrote, or its url",
            ) from error
        except DownloadError as error:
            raise NetworkError(f"{self._name}: {error}") from error
        except OSError as error:
            kind, hint = (NoSpaceError, "free space there") if error.errno in _FULL else (HostError, _NOT_WRITABLE)
            text = f"cannot keep the state of trust in {self._state_dir}: {error.strerror or error}"
            raise kind(text, hint=hint) from error

    def _stale_instead(self) -> str | None:
        """Return the role that expired when python-tuf, because of that, asked for a newer file and there is none."""
        role, version = role_of_filename(self._fetcher.missing) or ("timestamp", None)
        if role == "timestamp":
            return None
        kept = [name for name in ("timestamp", role) if self._state_path(name).is_file()]
        stale = [name for name in kept if self._written(name).is_expired(self._now)]
        return next((name for name in stale if name == "timestamp" or self._written(name).version == version), None)

    def _expired(self, role: str, error: ExpiredMetadataError | None) -> ExpiredRepositoryError:
        """Say how old it is. The bytes passed the signature check before the expiry date was looked at."""
        path = self._state_path(role)
        data = self._fetcher.seen.get(role) or (path.read_bytes() if path.is_file() else None)
        if data is None:
            return ExpiredRepositoryError(f"{self._name}: {error}", hint="the publisher must sign it again")
        expires = Metadata[Targets].from_bytes(data).signed.expires
        late = max(self._now, expires) - expires
        return ExpiredRepositoryError(
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
        require_strict(data, what="the trusted root")
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


def _signs(delegator: Root | Targets, role: str, metadata: Metadata[Root]) -> bool:
    try:
        delegator.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
    except (RepositoryError, ValueError):  # ValueError: it names no such role
        return False
    return True


def _role_in(message: str) -> str:
    """Return the role that python-tuf's message about an expiry names: ``timestamp.json is expired``."""
    return message.removeprefix("Final ").removeprefix("New ").split()[0].removesuffix(".json")
