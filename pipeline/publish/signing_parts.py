"""Signatures of several holders on one metadata file, added on machines that never meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuf.api.metadata import Metadata, Root, Targets

from pipeline.errors import TrustError, UsageError
from pipeline.model.counts import counted
from pipeline.publish.delegating import owners_without_role, roles_of, wanted_delegations
from pipeline.publish.key_folder import ROOT_FILE
from pipeline.publish.roots import (
    quorum,
    read_metadata,
    read_root,
    require_same_repository,
    root_quorums,
    sign_with,
    verifies,
)
from pipeline.publish.signing import LIFETIME_DAYS, moment
from pipeline.publish.state import read_state

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from pathlib import Path

    from securesystemslib.signer import Signature
    from tuf.api.metadata import Role

    from pipeline.publish.delegating import Owner
    from pipeline.publish.key_folder import KeyFolder
    from pipeline.publish.roots import Quorum


@dataclass(frozen=True, slots=True)
class Summary:
    """What a metadata file says, for the one who is about to sign it.

    Attributes:
        role: ``root`` or ``targets``.
        version: of it.
        expires: of it.
        lines: each key, threshold and delegation, and how that differs from what was before.
        quorums: who has signed it and who has to.
    """

    role: str
    version: int
    expires: datetime
    lines: tuple[str, ...]
    quorums: tuple[Quorum, ...]


class Paper:
    """A root or a policy on its way from holder to holder.

    Attributes:
        metadata: with the signatures that are on it.
    """

    def __init__(self, metadata: Metadata[Any], keys: KeyFolder, before: Targets | None = None) -> None:
        """Take a file.

        Args:
            metadata: of root or targets.
            keys: of a holder.
            before: the published policy, where it is known.

        Raises:
            TrustError: it is of another role, or a root that does not follow from the holder's.
        """
        self.metadata = metadata
        self._keys = keys
        self._before = before
        if not isinstance(metadata.signed, (Root, Targets)):
            raise TrustError(f"it is metadata of the kind {metadata.signed.type}; holders sign root and targets alone")
        self._own = read_root(keys.root, what=ROOT_FILE).signed if keys.roots else None
        self._previous = self._previous_root()

    @property
    def role(self) -> str:
        """``root`` or ``targets``."""
        return str(self.metadata.signed.type)

    def summary(self) -> Summary:
        """Say what would be signed."""
        signed = self.metadata.signed
        lines = _root_lines(signed, self._previous) if isinstance(signed, Root) else _policy_lines(signed, self._before)
        return Summary(self.role, signed.version, signed.expires, lines, self.quorums())

    def quorums(self) -> tuple[Quorum, ...]:
        """Return who has signed and who has to."""
        if isinstance(self.metadata.signed, Root):
            return root_quorums(self.metadata, self._previous)
        return (quorum(self.metadata, "targets", self._root(), who="the targets role"),)

    def check(self, now: int) -> None:
        """Refuse what no holder should sign.

        Raises:
            TrustError: it has expired or lasts longer than it may, lists files itself, or is a root of another
                repository or lane than the one before.
        """
        signed = self.metadata.signed
        left = signed.expires - moment(now)
        limit = LIFETIME_DAYS["root" if isinstance(signed, Root) else "targets"]
        if left.total_seconds() <= 0 or left.days > limit:
            raise TrustError(
                f"it is valid until {signed.expires:%Y-%m-%d}; a {self.role} file lasts {limit} days at most",
                hint="if this machine's clock is right, have it made anew",
            )
        if isinstance(signed, Root) and self._previous is not None:
            require_same_repository(signed, self._previous, what=f"version {signed.version} of the root")
        if isinstance(signed, Targets) and signed.targets:
            raise TrustError("it lists files itself; the targets role is for delegations alone")

    def sign(self) -> tuple[str, ...]:
        """Add a signature for each of the holder's keys that count; return their ids.

        Raises:
            TrustError: the folder has none of them, or one cannot be opened.
            UsageError: a passphrase is missing.
            HostError: what a key outside needs is not installed.
        """
        signers = {s.public_key.keyid: s for role in self._signing_roles() for s in self._keys.signers_here(role)}
        if not signers:
            raise TrustError(
                f"{self._keys.folder} has none of the private keys that may sign this {self.role} file",
                hint="`keys status` lists the keys of a folder",
            )
        sign_with(self.metadata, signers.values())
        return tuple(sorted(signers))

    def _signing_roles(self) -> tuple[Role, ...]:
        signed = self.metadata.signed
        if not isinstance(signed, Root):
            return (self._root().roles["targets"],)
        roots = [signed] if self._previous is None else [self._previous, signed]
        return tuple(root.roles["root"] for root in roots)

    def _previous_root(self) -> Root | None:
        signed = self.metadata.signed
        if not isinstance(signed, Root) or signed.version == 1:
            return None
        earlier = self._keys.roots.get(signed.version - 1)
        if earlier is None:
            raise TrustError(
                f"{self._keys.folder} has no version {signed.version - 1} of the root, which this one has to follow",
                hint="`keys install` brings roots into the folder, in their order",
            )
        return read_root(earlier, what=f"{signed.version - 1}.root.json").signed

    def _root(self) -> Root:
        if self._own is None:
            raise TrustError(
                f"{self._keys.folder} has no {ROOT_FILE}, which says who signs for targets",
                hint="`keys install root.json` brings it",
            )
        return self._own


def propose_policy(
    keys: KeyFolder, repository: Path, *, owners: Iterable[Owner], now: int
) -> tuple[Metadata[Targets], Targets | None]:
    """Return the next targets metadata of a repository, unsigned, and the one that is published.

    It delegates to new engines, keeps the fields beside TUF's own that are published, and
    names the keys that ``keys.json`` lists for those that are there.

    Raises:
        TrustError, IntegrityError: as ``read_state``; or no key is listed for engines.
    """
    state = read_state(repository, trusted_root=keys.root, roots=keys.roots)
    current = None if state.targets is None else state.targets.delegations
    wanted = [*owners_without_role(state.published, current), *owners]
    new = [owner for owner in dict.fromkeys(wanted) if owners_without_role([f"{owner[0]}/{owner[1]}/_"], current)]
    signed = Targets(
        version=state.highest.get("targets", 0) + 1,
        expires=moment(now + LIFETIME_DAYS["targets"] * 86_400),
        targets={},
        delegations=wanted_delegations(current, new, keys),
        unrecognized_fields=(state.targets.unrecognized_fields or None) if state.targets is not None else None,
    )
    return Metadata(signed), state.targets


def join(parts: Sequence[bytes], *, names: Sequence[str]) -> bytes:
    """Return one file with the signatures of several that are otherwise the same.

    Of two signatures by one key, the one that verifies is kept. A root has its keys in itself; whose keys are not there
    is not guessed.

    Raises:
        UsageError: there are fewer than two.
        TrustError: they are not the same, or have two signatures by a key that is not known here.
        IntegrityError: one is malformed.
    """
    if len(parts) < 2:
        raise UsageError("there is nothing to join", hint="name two files or more")
    joined = read_metadata(parts[0], what=names[0])
    for data, name in zip(parts[1:], names[1:], strict=True):
        other = read_metadata(data, what=name)
        if other.signed_bytes != joined.signed_bytes:
            raise TrustError(
                f"{name} is not the same file as {names[0]}: what was signed differs",
                hint="every holder signs a copy of one file",
            )
        for keyid, signature in other.signatures.items():
            _add_signature(joined, keyid, signature, names=(names[0], name))
    return joined.to_bytes()


def _add_signature(joined: Metadata[Any], keyid: str, new: Signature, *, names: tuple[str, str]) -> None:
    before = joined.signatures.get(keyid)
    if not new.signature or (before is not None and before.signature == new.signature):
        return
    if before is not None and before.signature:
        key = joined.signed.keys.get(keyid) if isinstance(joined.signed, Root) else None
        if key is None:
            raise TrustError(
                f"{names[0]} and {names[1]} have two signatures by the key {keyid[:12]}, and which is right cannot be"
                " told here",
                hint="leave one of the files out; `publish` or `sign` says whether the signature in the other counts",
            )
        if verifies(key, joined):
            return
    joined.signatures[keyid] = new


def _root_lines(root: Root, previous: Root | None) -> tuple[str, ...]:
    lines = []
    for name, role in root.roles.items():
        before = None if previous is None else previous.roles.get(name)
        old = set(role.keyids if before is None else before.keyids)
        lines.append(f"{name}: {role.threshold} of {counted(len(role.keyids), 'key')}")
        if before is not None and before.threshold != role.threshold:
            lines[-1] += f" (was {before.threshold} of {len(before.keyids)})"
        lines += [f"  {'  ' if keyid in old else '+ '}{keyid}" for keyid in role.keyids]
        lines += [f"  - {keyid}" for keyid in sorted(old - set(role.keyids))]
    return tuple(lines)


def _policy_lines(policy: Targets, before: Targets | None) -> tuple[str, ...]:
    lines = []
    roles, old = roles_of(policy.delegations), roles_of(None if before is None else before.delegations)
    for name, role in roles.items():
        known = old.get(name)
        mark = " " if known == role or before is None else ("+" if known is None else "~")
        ending = "terminating" if role.terminating else "NOT terminating"
        keys, paths = counted(len(role.keyids), "key"), ", ".join(role.paths or [])
        lines.append(f"{mark} {name}: {role.threshold} of {keys}, {paths}, {ending}")
        lines += [f"    {keyid}" for keyid in role.keyids]
    lines += [f"- {name}" for name in old if name not in roles]
    return tuple(lines)
