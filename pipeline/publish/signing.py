"""New metadata: which roles have to be signed again, with which content, until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tuf.api.metadata import Metadata, MetaFile, Signed, Snapshot, Targets, Timestamp

from pipeline.errors import TrustError
from pipeline.model.repository_layout import metadata_filename
from pipeline.publish.delegating import owners_without_role, roles_of, split_targets, wanted_delegations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuf.api.metadata import Delegations, Role, TargetFile

    from pipeline.model.publication import RoleName
    from pipeline.publish.delegating import Owner
    from pipeline.publish.keys import KeyFolder
    from pipeline.publish.state import RepositoryState

# Lifetimes: roots and policy are signed by hand, the rest by machines; clients refuse what is older.
LIFETIME_DAYS: Mapping[RoleName, int] = {"root": 365, "targets": 365, "engines": 90, "snapshot": 30, "timestamp": 7}


@dataclass(frozen=True, slots=True)
class NewMetadata:
    """One role's metadata, signed.

    Attributes:
        role: its name.
        filename: under ``metadata/``.
        data: the bytes.
        version: of the role.
        expires: of the role.
    """

    role: str
    filename: str
    data: bytes
    version: int
    expires: datetime


def is_due(signed: Signed | None, role: RoleName, now: datetime) -> bool:
    """Tell whether a role must be signed again although its content is the same.

    That is when it is not there, or when less than a third of its lifetime is left.
    """
    return signed is None or signed.expires - now < timedelta(days=LIFETIME_DAYS[role]) / 3


def sign_changes(
    state: RepositoryState, targets: Mapping[str, TargetFile], *, keys: KeyFolder, now: datetime
) -> tuple[NewMetadata, ...]:
    """Sign what has to be new, in the order in which it must be written: delegated roles first, timestamp last.

    Args:
        state: of the repository.
        targets: every file of every engine by target path, as it shall be.
        keys: that sign; only those of roles that change are opened.
        now: the moment that lifetimes count from.

    Raises:
        TrustError: a key cannot be opened, or an engine is new and the keys of the targets role are elsewhere.
        UsageError: a key needs a passphrase and there is none.
    """
    return _Signing(state, keys, now).run(targets)


class _Signing:
    """One round of signatures."""

    def __init__(self, state: RepositoryState, keys: KeyFolder, now: datetime) -> None:
        self._state = state
        self._keys = keys
        self._now = now
        self._changed: list[NewMetadata] = []
        self._listed = {} if state.snapshot is None else dict(state.snapshot.meta)

    def run(self, targets: Mapping[str, TargetFile]) -> tuple[NewMetadata, ...]:
        state = self._state
        delegations, policy_changes = self._delegations(targets)
        for name, listed in split_targets(targets, delegations).items():
            self._sign_delegated(name, listed, delegations)
        if policy_changes:
            self._sign_top("targets", Targets(**self._next("targets", "targets"), targets={}, delegations=delegations))
        names = {f"{name}.json" for name in (*roles_of(delegations), "targets")}
        meta = {name: file for name, file in sorted(self._listed.items()) if name in names}
        if self._changed or is_due(state.snapshot, "snapshot", self._now):
            self._sign_top("snapshot", Snapshot(**self._next("snapshot", "snapshot"), meta=meta))
        if self._changed or is_due(state.timestamp, "timestamp", self._now):
            snapshot = self._listed.get("snapshot.json") or _current_snapshot(state)
            self._sign_top("timestamp", Timestamp(**self._next("timestamp", "timestamp"), snapshot_meta=snapshot))
        return tuple(self._changed)

    def _delegations(self, targets: Mapping[str, TargetFile]) -> tuple[Delegations, bool]:
        """Return the delegations that hold from now on, and whether the targets role has to be signed for them.

        Policy keys are kept elsewhere in earnest; nobody is stopped for want of them as long as what is delegated
        covers what is published.
        """
        current = None if self._state.targets is None else self._state.targets.delegations
        new = owners_without_role(targets, current)
        wanted = wanted_delegations(current, new, self._keys)
        possible = self._keys.can_sign(self._state.root.roles["targets"])
        if current is None or new:
            if not possible:
                raise _new_engine(self._state, new, self._keys)
            return wanted, True
        if not possible:
            return current, False
        return wanted, wanted != current or is_due(self._state.targets, "targets", self._now)

    def _sign_delegated(self, name: str, listed: dict[str, TargetFile], delegations: Delegations) -> None:
        role = roles_of(delegations)[name]
        before = self._state.delegated.get(name)
        if before is not None and before.targets == listed and not is_due(before, "engines", self._now):
            current = None if self._state.targets is None else self._state.targets.delegations
            if roles_of(current).get(name) == role:  # else other keys must sign the same
                return
        self._sign(name, Targets(**self._next(name, "engines"), targets=listed), role)

    def _sign_top(self, name: RoleName, signed: Targets | Snapshot | Timestamp) -> None:
        self._sign(name, signed, self._state.root.roles[name])

    def _sign(self, name: str, signed: Targets | Snapshot | Timestamp, signed_by: Role) -> None:
        metadata: Metadata[Any] = Metadata(signed)
        for signer in self._keys.signers_for(name, signed_by):
            metadata.sign(signer, append=True)
        data = metadata.to_bytes()
        self._listed[f"{name}.json"] = MetaFile.from_data(signed.version, data, ["sha256"])
        self._changed.append(
            NewMetadata(
                role=name,
                filename=metadata_filename(name, signed.version),
                data=data,
                version=signed.version,
                expires=signed.expires,
            )
        )

    def _next(self, name: str, kind: RoleName) -> dict[str, Any]:
        return {
            "version": self._state.highest.get(name, 0) + 1,
            "expires": self._now + timedelta(days=LIFETIME_DAYS[kind]),
        }


def moment(now: int) -> datetime:
    """Return seconds since 1970 as the aware time that TUF metadata is written with."""
    return datetime.fromtimestamp(now, UTC)


def _current_snapshot(state: RepositoryState) -> MetaFile:
    if state.timestamp is None:
        raise AssertionError("a repository without timestamp has no snapshot to keep")
    return state.timestamp.snapshot_meta


def _new_engine(state: RepositoryState, new: tuple[Owner, ...], keys: KeyFolder) -> TrustError:
    names = ", ".join(engine for _, engine in new) or "the first engine"
    needed = state.root.roles["targets"].threshold
    return TrustError(
        f"{names}: nobody may sign for it in this repository yet; {needed} keys of the role targets must sign a"
        f" delegation, and {keys.folder} has fewer",
        hint="where those keys are kept: `sign --role targets`; then publish again",
    )
