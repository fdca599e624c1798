"""Root metadata: made from public keys, changed by a newer version, and signed until enough have."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from securesystemslib.signer import SSlibKey
from tuf.api.metadata import Metadata, Role, Root, Targets
from tuf.api.serialization import DeserializationError

from pipeline.errors import IntegrityError, TrustError, UsageError
from pipeline.model.counts import counted
from pipeline.model.publication import KeyList, RoleKeys, RoleName
from pipeline.model.repository_layout import DEVELOPMENT_FIELD, LANE_FIELD, LANE_PATTERN, REPOSITORY_FIELD
from pipeline.model.strict_json import parse_json
from pipeline.publish.key_kinds import entry_of, tuf_key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from securesystemslib.signer import Signer

    from pipeline.model.publication import KeyEntry

TOP_LEVEL_ROLES: tuple[RoleName, ...] = ("root", "targets", "snapshot", "timestamp")
ROOT_DAYS = 365


@dataclass(frozen=True, slots=True)
class Quorum:
    """How far a group of keys has signed a file.

    Attributes:
        who: the group, for people.
        needed: how many must sign.
        signed: key ids whose signature is right.
        unsigned: the others' key ids.
    """

    who: str
    needed: int
    signed: tuple[str, ...]
    unsigned: tuple[str, ...]

    @property
    def missing(self) -> int:
        """How many signatures are still needed."""
        return max(0, self.needed - len(self.signed))


def make_root(listing: KeyList, *, now: int) -> Metadata[Root]:
    """Return version 1 of the root, unsigned, that names the listed keys; it expires 365 days later."""
    fields: dict[str, Any] = {DEVELOPMENT_FIELD: listing.development, REPOSITORY_FIELD: listing.repository}
    if listing.lane is not None:
        fields[LANE_FIELD] = listing.lane
    root = Root(
        version=1,
        expires=_end(now),
        keys={},
        roles={role: Role([], listing.roles[role].threshold) for role in TOP_LEVEL_ROLES},
        consistent_snapshot=True,
        unrecognized_fields=fields,
    )
    for role in TOP_LEVEL_ROLES:
        for entry in listing.roles[role].keys:
            root.add_key(tuf_key(entry), role)
    return Metadata(root)


def next_root(
    current: Root, *, role: RoleName, remove: Iterable[str], add: Iterable[KeyEntry], now: int
) -> Metadata[Root]:
    """Return the next version of a root, unsigned, with other keys for one role.

    Raises:
        UsageError: fewer keys would be left than must sign.
    """
    root = copy.deepcopy(current)
    root.version, root.expires = current.version + 1, _end(now)
    for keyid in remove:
        root.revoke_key(keyid, role)
    for entry in add:
        root.add_key(tuf_key(entry), role)
    left, needed = len(root.roles[role].keyids), root.roles[role].threshold
    if left < needed:
        raise UsageError(
            f"the role {role} would have {counted(left, 'key')}, and {needed} must sign",
            hint=f"`keys rotate {role}` puts a new key in",
        )
    return Metadata(root)


def read_metadata(data: bytes, *, what: str) -> Metadata[Any]:
    """Read a metadata file of any role, without asking who signed it.

    Raises:
        IntegrityError: it is malformed.
    """
    parse_json(data, what=what)  # python-tuf takes what JSON readers disagree about
    try:
        return Metadata[Any].from_bytes(data)
    except DeserializationError as error:
        raise IntegrityError(f"{what} is no TUF metadata, or malformed", hint="take it from its maker again") from error


def read_root(data: bytes, *, what: str) -> Metadata[Root]:
    """Read a root, without asking who signed it.

    Raises:
        IntegrityError: it is malformed.
        TrustError: it is metadata of another role.
    """
    metadata = read_metadata(data, what=what)
    if not isinstance(metadata.signed, Root):
        raise TrustError(f"{what} is metadata of the kind {metadata.signed.type}, not root")
    return metadata


def quorum(metadata: Metadata[Any], role: str, delegator: Root | Targets, *, who: str) -> Quorum:
    """Return how far the keys that ``delegator`` names for a role have signed a file."""
    result = delegator.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
    return Quorum(who, result.threshold, tuple(sorted(result.signed)), tuple(sorted(result.unsigned)))


def root_quorums(metadata: Metadata[Root], previous: Root | None) -> tuple[Quorum, ...]:
    """Return who has to sign a root: its own keys and those of the root before it (TUF 1.0.33, 5.3)."""
    own = quorum(metadata, "root", metadata.signed, who="its own root keys")
    if previous is None:
        return (own,)
    return (quorum(metadata, "root", previous, who=f"the root keys of version {previous.version}"), own)


def require_successor(metadata: Metadata[Root], previous: Root, *, what: str) -> None:
    """Refuse a root that does not come right after another.

    Raises:
        TrustError: it has another version, repository or lane, or was not signed by enough.
    """
    if metadata.signed.version != previous.version + 1:
        raise TrustError(f"{what} has version {metadata.signed.version}, after {previous.version} comes the next one")
    require_same_repository(metadata.signed, previous, what=what)
    require_signed(root_quorums(metadata, previous), what=what)


def require_same_repository(root: Root, previous: Root, *, what: str) -> None:
    """Refuse a root of another repository or lane than the one before it.

    Raises:
        TrustError: it is.
    """
    for field in (REPOSITORY_FIELD, LANE_FIELD):
        if root.unrecognized_fields.get(field) != previous.unrecognized_fields.get(field):
            raise TrustError(f"{what} is of another repository or lane")


def require_signed(quorums: Iterable[Quorum], *, what: str) -> None:
    """Refuse what too few have signed.

    Raises:
        TrustError: signatures are missing.
    """
    for group in quorums:
        if group.missing:
            raise TrustError(
                f"{what} is signed by {len(group.signed)} of the {group.needed} keys that are needed of {group.who}",
                hint="the other holders add theirs with `sign`, and `sign --join` joins the files",
            )


def sign_with(metadata: Metadata[Any], signers: Iterable[Signer]) -> None:
    """Add signatures; a key that has signed already is left alone, so that doing it again changes nothing."""
    for signer in signers:
        key = signer.public_key
        before = metadata.signatures.get(key.keyid)
        if before is not None and verifies(key, metadata):
            continue
        metadata.sign(signer, append=True)


def aligned(listing: KeyList, root: Root) -> KeyList:
    """Return a list of keys as the root says it: who counts for which role, for which repository."""
    known = listing.entries
    roles: dict[str, RoleKeys] = {
        role: RoleKeys(
            threshold=root.roles[role].threshold,
            keys=tuple(known.get(keyid) or entry_of(_key(root, keyid)) for keyid in root.roles[role].keyids),
        )
        for role in TOP_LEVEL_ROLES
    }
    roles |= {role: keys for role, keys in listing.roles.items() if role not in TOP_LEVEL_ROLES}
    used = {entry.keyid for keys in roles.values() for entry in keys.keys}
    fields = root.unrecognized_fields
    return listing.model_copy(
        update={
            "repository": fields.get(REPOSITORY_FIELD),
            "lane": fields.get(LANE_FIELD),
            "development": fields.get(DEVELOPMENT_FIELD) is True,
            "roles": roles,
            "spare": tuple(entry for keyid, entry in sorted(known.items()) if keyid not in used),
        }
    )


def lane_of(root: Root) -> str | None:
    """Return the lane that a root is of, None for the repository itself.

    Raises:
        TrustError: it names what is no lane.
    """
    lane = root.unrecognized_fields.get(LANE_FIELD)
    if lane is None:
        return None
    if not isinstance(lane, str) or not re.fullmatch(LANE_PATTERN, lane):
        raise TrustError("the root is of a lane whose name is none", hint="make another with `keys init --lane`")
    return lane


def verifies(key: Any, metadata: Metadata[Any]) -> bool:  # noqa: ANN401 - of securesystemslib, which types it loosely
    """Tell whether the signature of a key that is on a file is right."""
    try:
        key.verify_signature(metadata.signatures[key.keyid], metadata.signed_bytes)
    except Exception:  # noqa: BLE001 - a signature that is none is made anew
        return False
    return True


def _key(root: Root, keyid: str) -> SSlibKey:
    key = root.keys[keyid]
    if not isinstance(key, SSlibKey):
        raise IntegrityError(f"the root names the key {keyid} of a kind that is not known here")
    return key


def _end(now: int) -> datetime:
    return datetime.fromtimestamp(now, UTC) + timedelta(days=ROOT_DAYS)
