"""Looking at keys and signatures: who may sign, who has, and how long it lasts. No private key is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuf.api.metadata import Metadata, Root, Targets

from pipeline.model.counts import counted
from pipeline.model.key_status import KeysStatus, KeyStatus, RoleStatus
from pipeline.model.repository_layout import metadata_filename
from pipeline.publish.delegating import roles_of
from pipeline.publish.key_folder import ROOT_FILE
from pipeline.publish.roots import TOP_LEVEL_ROLES, quorum, read_metadata, read_root
from pipeline.publish.signing import is_due, moment
from pipeline.publish.state import read_state

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tuf.api.metadata import Role

    from pipeline.model.key_status import KeyPlace
    from pipeline.model.publication import RoleName
    from pipeline.publish.key_folder import KeyFolder
    from pipeline.publish.state import RepositoryState


def keys_status(keys: KeyFolder, *, repository: Path | None, now: int) -> KeysStatus:
    """Report how a key folder stands, and a repository that it signs.

    Raises:
        TrustError, IntegrityError: the repository is signed by other keys, or damaged.
        NothingSelectedError: there is no repository.
    """
    looking = _Looking(keys, repository, now)
    roles = tuple(looking.roles())
    return KeysStatus(
        folder=str(keys.folder.absolute()),
        repository=None if repository is None else str(repository.absolute()),
        identity=keys.listing.repository,
        lane=keys.listing.lane,
        development=keys.listing.development,
        roles=roles,
        spare=tuple(entry.keyid for entry in keys.listing.spare),
        warnings=tuple(looking.warnings),
    )


class _Looking:
    """One look; collects warnings on the way."""

    def __init__(self, keys: KeyFolder, repository: Path | None, now: int) -> None:
        self._keys = keys
        self._now = moment(now)
        self.warnings: list[str] = []
        self._state: RepositoryState | None = None
        if repository is not None:
            self._state = read_state(repository, trusted_root=keys.root, roots=keys.roots, allow_new=False)
        root = self._root()
        if keys.listing.development:
            self.warnings.append("these are development keys: this machine alone can sign anything")
        if root is not None and self._state is not None and self._state.root_bytes:
            self.warnings.append("a root in the key folder is not in the repository yet: `refresh` puts it there")

    def roles(self) -> Iterator[RoleStatus]:
        """Yield every role."""
        root = self._root()
        if root is None:
            for name, listed in self._keys.listing.roles.items():
                keys = tuple(self._key(entry.keyid, None) for entry in listed.keys)
                yield RoleStatus(
                    role=name, threshold=listed.threshold, keys=keys, can_sign=self._keys.has_private(name)
                )
            return
        for name in TOP_LEVEL_ROLES:
            yield self._role(name, name, root.signed, root if name == "root" else self._metadata(name))
        targets = None if self._state is None else self._state.targets
        for name in roles_of(None if targets is None else targets.delegations):
            yield self._role(name, "engines", targets, self._metadata(name))
        if targets is None and (listed_keys := self._keys.listing.roles.get("engines")) is not None:
            keys = tuple(self._key(entry.keyid, None) for entry in listed_keys.keys)
            can_sign = self._keys.has_private("engines")
            yield RoleStatus(role="engines", threshold=listed_keys.threshold, keys=keys, can_sign=can_sign)

    def _root(self) -> Metadata[Root] | None:
        if not self._keys.roots:
            return None
        root = read_root(self._keys.root, what=ROOT_FILE)
        state = self._state
        if state is not None and state.root.version > root.signed.version:
            path = state.metadata_dir / metadata_filename("root", state.root.version)
            return read_root(path.read_bytes(), what=str(path))
        return root

    def _metadata(self, name: str) -> Metadata[Any] | None:
        state = self._state
        if state is None:
            return None
        top = {"targets": state.targets, "snapshot": state.snapshot, "timestamp": state.timestamp}
        signed = top.get(name) or state.delegated.get(name)
        if signed is None:
            return None
        path = state.metadata_dir / metadata_filename(name, signed.version)
        return read_metadata(path.read_bytes(), what=str(path))

    def _role(
        self, name: str, kind: RoleName, delegator: Root | Targets | None, metadata: Metadata[Any] | None
    ) -> RoleStatus:
        role = _named(name, delegator)
        if metadata is None or delegator is None:
            keys = tuple(self._key(keyid, None) for keyid in role.keyids)
            return RoleStatus(role=name, threshold=role.threshold, keys=keys, can_sign=self._keys.can_sign(role))
        group = quorum(metadata, name, delegator, who=name)
        expires = metadata.signed.expires
        days = (expires - self._now).days
        if group.missing:
            self.warnings.append(f"{name} lacks {counted(group.missing, 'signature')}")
        if days < 0:
            self.warnings.append(f"{name} expired {expires:%Y-%m-%d}")
        elif is_due(metadata.signed, kind, self._now):
            self.warnings.append(f"{name} expires {expires:%Y-%m-%d}, in {counted(days, 'day')}")
        return RoleStatus(
            role=name,
            threshold=role.threshold,
            keys=tuple(self._key(keyid, keyid in group.signed) for keyid in role.keyids),
            can_sign=self._keys.can_sign(role),
            version=metadata.signed.version,
            expires=f"{expires:%Y-%m-%dT%H:%M:%SZ}",
            days_left=days,
            signatures=len(group.signed),
        )

    def _key(self, keyid: str, signed: bool | None) -> KeyStatus:  # noqa: FBT001 - three answers
        entry = self._keys.listing.entries.get(keyid)
        place: KeyPlace = "elsewhere"
        if entry is not None and entry.is_here:
            place = "outside" if entry.file is None else "file"
        kind = "unknown" if entry is None else entry.keytype
        return KeyStatus(keyid=keyid, place=place, kind=kind, signed=signed)


def _named(name: str, delegator: Root | Targets | None) -> Role:
    if isinstance(delegator, Root):
        return delegator.roles[name]
    return roles_of(None if delegator is None else delegator.delegations)[name]
