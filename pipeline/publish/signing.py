"""New metadata: which roles have to be signed again, with which content, until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tuf.api.metadata import Delegations, Metadata, MetaFile, Signed, Snapshot, Targets, Timestamp

from pipeline.errors import TrustError
from pipeline.model.repository_layout import metadata_filename
from pipeline.publish.delegating import owners_without_role, roles_of, split_targets, wanted_delegations
from pipeline.publish.policy import require_policy
from pipeline.publish.roots import read_root, sign_with

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tuf.api.metadata import Role, TargetFile

    from pipeline.model.publication import RoleName
    from pipeline.publish.delegating import Owner
    from pipeline.publish.key_folder import KeyFolder
    from pipeline.publish.state import RepositoryState

# Lifetimes: roots and policy are signed by hand, the rest by machines; clients refuse what is older.
LIFETIME_DAYS: Mapping[RoleName, int] = {"root": 365, "targets": 365, "engines": 90, "snapshot": 30, "timestamp": 7}


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long signatures hold, and when they are made anew.

    Attributes:
        days: role to its lifetime; ``engines`` stands for every delegated role.
        renewed_below: share of the lifetime; with less left, a role is signed again although nothing changed.
    """

    days: Mapping[RoleName, int]
    renewed_below: float


PUBLISHED = Lifetimes(LIFETIME_DAYS, renewed_below=1 / 3)


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


def is_due(signed: Signed | None, role: RoleName, now: datetime, lifetimes: Lifetimes = PUBLISHED) -> bool:
    """Tell whether a role must be signed again although its content is the same.

    That is when it is not there, or when less than a share of its lifetime is left: a third, in a repository.
    """
    return signed is None or signed.expires - now < timedelta(days=lifetimes.days[role]) * lifetimes.renewed_below


def sign_changes(
    state: RepositoryState,
    targets: Mapping[str, TargetFile],
    *,
    keys: KeyFolder,
    now: datetime,
    policy: bytes | None = None,
    lifetimes: Lifetimes = PUBLISHED,
    fields: Mapping[str, Any] | None = None,
    dry_run: bool = False,
) -> tuple[NewMetadata, ...]:
    """Sign what has to be new, in the order in which it must be written: delegated roles first, timestamp last.

    A new root comes after everything else where its predecessor's keys are here to sign for it as well: then readers
    accept each moment in between. Where they are gone it comes first, and until the rest is written readers refuse.

    Args:
        state: of the repository.
        targets: every file of every engine by target path, as it shall be.
        keys: that sign; only those of roles that change are opened.
        now: the moment that lifetimes count from.
        policy: targets metadata that was signed elsewhere and shall be published.
        lifetimes: how long the signatures hold.
        fields: what the targets metadata says beside TUF's own fields; None leaves them as they are.
        dry_run: leave the signatures out, and open no key.

    Raises:
        TrustError: a key cannot be opened, or an engine is new and the keys of the targets role are elsewhere, or the
            policy may not be published (``require_policy``).
        UsageError: a key needs a passphrase and there is none.
        HostError: what a key outside needs is not installed.
    """
    signing = _Signing(state, keys, now, lifetimes=lifetimes, fields=fields, dry_run=dry_run)
    return signing.run(targets, policy)


class _Signing:
    """One round of signatures."""

    def __init__(
        self,
        state: RepositoryState,
        keys: KeyFolder,
        now: datetime,
        *,
        lifetimes: Lifetimes,
        fields: Mapping[str, Any] | None,
        dry_run: bool,
    ) -> None:
        self._state = state
        self._keys = keys
        self._now = now
        self._lifetimes = lifetimes
        self._dry_run = dry_run
        before = {} if state.targets is None else state.targets.unrecognized_fields
        self._fields: dict[str, Any] = before if fields is None else dict(fields)
        self._changed: list[NewMetadata] = []
        self._bridged = True
        self._listed = {} if state.snapshot is None else dict(state.snapshot.meta)

    def run(self, targets: Mapping[str, TargetFile], policy: bytes | None) -> tuple[NewMetadata, ...]:
        state = self._state
        given = None if policy is None else require_policy(policy, state, now=self._now)
        if given is None:
            delegations, policy_changes = self._delegations(targets)
        else:
            delegations, policy_changes = given.delegations or Delegations({}, {}), False
            if lost := owners_without_role(targets, delegations):
                raise TrustError(
                    f"the given policy lets nobody sign for {lost[0][1]}",
                    hint="make it anew with `sign --role targets --to REPOSITORY`, which keeps what is published",
                )
        for name, listed in split_targets(targets, delegations).items():
            self._sign_delegated(name, listed, delegations)
        if given is not None and policy is not None and given != state.targets:
            self._add("targets", given, policy)
        elif policy_changes:
            new = Targets(
                **self._next("targets", "targets"),
                targets={},
                delegations=delegations,
                unrecognized_fields=self._fields or None,
            )
            self._sign_top("targets", new)
        names = {f"{name}.json" for name in (*roles_of(delegations), "targets")}
        meta = {name: file for name, file in sorted(self._listed.items()) if name in names}
        if self._changed or self._is_due("snapshot", state.snapshot):
            self._sign_top("snapshot", Snapshot(**self._next("snapshot", "snapshot"), meta=meta))
        if self._changed or self._is_due("timestamp", state.timestamp):
            snapshot = self._listed.get("snapshot.json") or _current_snapshot(state)
            self._sign_top("timestamp", Timestamp(**self._next("timestamp", "timestamp"), snapshot_meta=snapshot))
        return self._with_roots()

    def _delegations(self, targets: Mapping[str, TargetFile]) -> tuple[Delegations, bool]:
        """Return the delegations that hold from now on, and whether the targets role has to be signed for them.

        Policy keys are kept elsewhere in earnest; nobody is stopped for want of them as long as what is delegated
        covers what is published.
        """
        current = None if self._state.targets is None else self._state.targets.delegations
        new = owners_without_role(targets, current)
        possible = self._keys.can_sign(self._state.root.roles["targets"])
        if current is None or new or "targets" in self._state.stale:
            if not possible:
                raise _policy_needed(self._state, new, self._keys)
            return wanted_delegations(current, new, self._keys), True
        if not possible:
            return current, False
        wanted = wanted_delegations(current, new, self._keys)
        other = self._state.targets is None or self._state.targets.unrecognized_fields != self._fields
        return wanted, wanted != current or other or self._is_due("targets", self._state.targets)

    def _is_due(self, name: RoleName, signed: Signed | None) -> bool:
        return name in self._state.stale or is_due(signed, name, self._now, self._lifetimes)

    def _sign_delegated(self, name: str, listed: dict[str, TargetFile], delegations: Delegations) -> None:
        role = roles_of(delegations)[name]
        before = self._state.delegated.get(name)
        if before is not None and before.targets == listed:
            current = None if self._state.targets is None else self._state.targets.delegations
            same_keys = roles_of(current).get(name) == role  # else other keys must sign the same
            due = is_due(before, "engines", self._now, self._lifetimes) and self._keys.can_sign(
                role
            )  # they may be elsewhere
            if same_keys and not due:
                return
        self._sign(name, Targets(**self._next(name, "engines"), targets=listed), (role,))

    def _sign_top(self, name: RoleName, signed: Targets | Snapshot | Timestamp) -> None:
        roles = [self._state.root.roles[name]]
        served = self._state.served_root
        if served is not None and served.version != self._state.root.version:
            if self._keys.can_sign(served.roles[name]):
                roles.append(served.roles[name])
            else:
                self._bridged = False
        self._sign(name, signed, roles)

    def _sign(self, name: str, signed: Targets | Snapshot | Timestamp, roles: Sequence[Role]) -> None:
        metadata: Metadata[Any] = Metadata(signed)
        for role in () if self._dry_run else roles:
            sign_with(metadata, self._keys.signers_for(name, role))
        self._add(name, signed, metadata.to_bytes())

    def _add(self, name: str, signed: Targets | Snapshot | Timestamp, data: bytes) -> None:
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

    def _with_roots(self) -> tuple[NewMetadata, ...]:
        new = [self._root(version, data) for version, data in sorted(self._state.root_bytes.items())]
        served = self._state.served_root
        if served is not None and self._bridged and len(new) == 1 and new[0].version == served.version + 1:
            return (*self._changed, *new)
        return (*new, *self._changed)

    def _root(self, version: int, data: bytes) -> NewMetadata:
        expires = read_root(data, what=f"{version}.root.json").signed.expires
        return NewMetadata("root", metadata_filename("root", version), data, version, expires)

    def _next(self, name: str, kind: RoleName) -> dict[str, Any]:
        return {
            "version": max(self._state.highest.get(name, 0), self._state.floor) + 1,
            "expires": self._now + timedelta(days=self._lifetimes.days[kind]),
        }


def moment(now: int) -> datetime:
    """Return seconds since 1970 as the aware time that TUF metadata is written with."""
    return datetime.fromtimestamp(now, UTC)


def _current_snapshot(state: RepositoryState) -> MetaFile:
    if state.timestamp is None:
        raise AssertionError("a repository without timestamp has no snapshot to keep")
    return state.timestamp.snapshot_meta


def _policy_needed(state: RepositoryState, new: tuple[Owner, ...], keys: KeyFolder) -> TrustError:
    names = ", ".join(engine for _, engine in new)
    needed = state.root.roles["targets"].threshold
    options = "".join(f" --{'env' if folder == 'envs' else 'engine'} {engine}" for folder, engine in new)
    return TrustError(
        f"{f'nobody may sign for {names} in this repository yet' if names else 'its policy has to be signed again'}:"
        f" {needed} keys of the role targets must sign that, and {keys.folder} has fewer",
        hint=f"where those keys are: `sign --role targets --to REPOSITORY{options} --keys DIR --out targets.json`,"
        " `sign --join` for several holders; then `publish --metadata targets.json`",
    )
