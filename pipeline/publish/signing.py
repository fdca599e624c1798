"""New metadata: which roles have to be signed again, with which content, until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Signed,
    Snapshot,
    T,
    TargetFile,
    Targets,
    Timestamp,
)

from pipeline.model.repository_layout import ENGINES_PATTERN, ENGINES_ROLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.model.publication import RoleName
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
    """Sign what has to be new, in the order in which it must be written: delegated role first, timestamp last.

    Args:
        state: of the repository.
        targets: every file of every engine by target path, as it shall be.
        keys: that sign; only those of roles that change are opened.
        now: the moment that lifetimes count from.

    Raises:
        TrustError: a key cannot be opened.
        UsageError: a key needs a passphrase and there is none.
    """
    changed: list[NewMetadata] = []
    listed = {} if state.snapshot is None else dict(state.snapshot.meta)
    if state.engines is None or state.engines.targets != dict(targets) or is_due(state.engines, "engines", now):
        engines = Targets(version=_next(state, "engines"), expires=_end("engines", now), targets=dict(targets))
        changed.append(_sign(engines, "engines", keys, listed))
    delegations = _delegations(keys)
    if state.targets is None or state.targets.delegations != delegations or _due_and_possible(state, keys, now):
        policy = Targets(
            version=_next(state, "targets"), expires=_end("targets", now), targets={}, delegations=delegations
        )
        changed.append(_sign(policy, "targets", keys, listed))
    if changed or is_due(state.snapshot, "snapshot", now):
        snapshot = Snapshot(
            version=_next(state, "snapshot"), expires=_end("snapshot", now), meta=dict(sorted(listed.items()))
        )
        changed.append(_sign(snapshot, "snapshot", keys, listed))
    if changed or is_due(state.timestamp, "timestamp", now):
        version = listed.get("snapshot.json") or _current_snapshot(state)
        timestamp = Timestamp(version=_next(state, "timestamp"), expires=_end("timestamp", now), snapshot_meta=version)
        changed.append(_sign(timestamp, "timestamp", keys, listed))
    return tuple(changed)


def moment(now: int) -> datetime:
    """Return seconds since 1970 as the aware time that TUF metadata is written with."""
    return datetime.fromtimestamp(now, UTC)


def _next(state: RepositoryState, role: RoleName) -> int:
    return state.highest.get(role, 0) + 1


def _end(role: RoleName, now: datetime) -> datetime:
    return now + timedelta(days=LIFETIME_DAYS[role])


def _sign(signed: T, role: RoleName, keys: KeyFolder, listed: dict[str, MetaFile]) -> NewMetadata:
    metadata = Metadata(signed)
    for signer in keys.signers(role):
        metadata.sign(signer, append=True)
    data = metadata.to_bytes()
    listed[f"{role}.json"] = MetaFile.from_data(signed.version, data, ["sha256"])
    filename = "timestamp.json" if role == "timestamp" else f"{signed.version}.{role}.json"
    return NewMetadata(role=role, filename=filename, data=data, version=signed.version, expires=signed.expires)


def _current_snapshot(state: RepositoryState) -> MetaFile:
    if state.timestamp is None:
        raise AssertionError("a repository without timestamp has no snapshot to keep")
    return state.timestamp.snapshot_meta


def _due_and_possible(state: RepositoryState, keys: KeyFolder, now: datetime) -> bool:
    """Policy keys are kept elsewhere in earnest; a third of a year before the end nobody is stopped for that."""
    return is_due(state.targets, "targets", now) and keys.has_private("targets")


def _delegations(keys: KeyFolder) -> Delegations:
    public = keys.public_keys("engines")
    role = DelegatedRole(
        ENGINES_ROLE,
        [key.keyid for key in public],
        keys.listing.roles["engines"].threshold,
        terminating=True,
        paths=[ENGINES_PATTERN],
    )
    return Delegations(keys={key.keyid: key for key in public}, roles={ENGINES_ROLE: role})
