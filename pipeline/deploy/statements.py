"""What is said about a bundle, checked: its provenance is signed and about it, and so is its bill of materials."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, NamedTuple

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import Error as SecureSystemsError
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import Key

from pipeline.deploy.hashing import open_plain
from pipeline.digest import sha256_bytes
from pipeline.errors import IntegrityError
from pipeline.model.bill_of_materials import BILL_LIMIT_BYTES, bill_fault
from pipeline.model.counts import counted
from pipeline.model.repository_layout import BUILDERS_FIELD, blob_path
from pipeline.model.statements import LIMIT_BYTES, PAYLOAD_TYPE, read_statement, subject_fault
from pipeline.model.strict_json import parse_json

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from pathlib import Path

    from tuf.api.metadata import Targets

    from pipeline.deploy.comparing import FileComparison
    from pipeline.model.manifest import Artifact


class Signers(NamedTuple):
    """Who signs the statements about an engine's bundles.

    Attributes:
        keys: all of them.
        threshold: how many must have signed.
    """

    keys: tuple[Key, ...]
    threshold: int


NOBODY = Signers((), 1)
"""Where nobody may speak for an engine, nothing that is said about it holds."""


def signers_for(targets: Targets, path: str) -> Signers | None:
    """Return who signs statements about targets beside ``path``, None where nobody may speak for it.

    In a lane these are the publisher's keys, which its targets metadata names; elsewhere those of the role itself.

    Raises:
        IntegrityError: a lane names keys that are none.
    """
    if targets.delegations is None:
        return None
    roles = (targets.delegations.roles or {}).values()
    role = next((role for role in roles if role.is_delegated_path(path)), None)
    if role is None:
        return None
    if (builders := targets.unrecognized_fields.get(BUILDERS_FIELD)) is not None:
        return read_signers(builders, role.name)
    keys = targets.delegations.keys
    return Signers(tuple(keys[keyid] for keyid in role.keyids if keyid in keys), role.threshold)


def read_signers(builders: object, role: str) -> Signers | None:
    """Return the publisher's signers for a role, as a lane's metadata names them: role to threshold and keys.

    Raises:
        IntegrityError: they are malformed.
    """
    if not isinstance(builders, dict):
        raise IntegrityError("the lane names its publisher's keys in a form that is not known")
    named = builders.get(role)
    if named is None:
        return None
    threshold, listed = (named.get("threshold"), named.get("keys")) if isinstance(named, dict) else (None, None)
    if type(threshold) is not int or threshold < 1 or not isinstance(listed, dict):
        raise IntegrityError("the lane names its publisher's keys in a form that is not known")
    try:
        return Signers(tuple(Key.from_dict(keyid, dict(key)) for keyid, key in listed.items()), threshold)
    except (SecureSystemsError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise IntegrityError("the lane names a key of its publisher that is none") from error


def check_published(
    folder: Path, artifact: Artifact, comparison: FileComparison, *, signers: Signers, signed: Collection[str]
) -> None:
    """Add a finding for each statement about a published artifact that does not hold.

    That a file has the digest that is listed for it is checked elsewhere; here it is read for what it says.

    Args:
        folder: of the repository.
        artifact: with the places of its statements.
        comparison: takes what is found.
        signers: of its provenance.
        signed: digests of all files that the metadata lists.
    """
    for place, limit, fault in _statements(artifact, signers):
        sha256 = place.rpartition("/")[2]
        if sha256 not in signed or place != blob_path(sha256):
            comparison.add(place, "changed", f"{artifact.target} {artifact.version} names it, and it is not signed")
            continue
        data = _read(folder / place, limit)
        if data is None or (len(data) <= limit and sha256_bytes(data) != sha256):
            continue  # missing or changed, which is found where files are hashed
        if said := fault(data):
            comparison.add(place, "changed", said)


def check_built(folder: Path, artifact: Artifact, comparison: FileComparison) -> None:
    """Add a finding for each statement beside a bundle that is missing or does not hold; it is not signed yet.

    Args:
        folder: of the manifest.
        artifact: with the places of its statements.
        comparison: takes what is found.
    """
    for place, limit, fault in _statements(artifact, None):
        if ":" in place:
            continue  # a file elsewhere is not part of this folder
        data = _read(folder / place, limit)
        if data is None:
            there = os.path.lexists(folder / place)
            comparison.add(place, *(("changed", "it is no plain file") if there else ("missing", "")))
            continue
        comparison.bytes_read += len(data)
        if said := fault(data):
            comparison.add(place, "changed", said)
        else:
            comparison.add_verified(place, len(data))


def note_bare(artifacts: Iterable[Artifact], comparison: FileComparison) -> None:
    """Say which artifacts nothing is said about: there was nothing to check, which is no fault of a file."""
    bare = [f"{a.target} {a.version}" for a in artifacts if a.provenance is None or a.sbom is None]
    if bare:
        comparison.notes.append(
            f"no provenance or no bill of materials to check: {counted(len(bare), 'bundle')}, first {bare[0]}"
        )


def provenance_fault(data: bytes, artifact: Artifact, signers: Signers | None) -> str | None:
    """Return what is wrong with a provenance, None when it holds.

    Args:
        data: a DSSE envelope, or without ``signers`` the statement alone.
        artifact: that it must be about.
        signers: who must have signed it.
    """
    try:
        payload = data if signers is None else _opened(data, signers)
        return subject_fault(read_statement(payload, what="the statement"), artifact)
    except IntegrityError as error:
        return error.message


def _statements(
    artifact: Artifact, signers: Signers | None
) -> Iterable[tuple[str, int, Callable[[bytes], str | None]]]:
    """Yield place, limit and check of each statement that an artifact names."""
    if artifact.provenance is not None:
        yield artifact.provenance, LIMIT_BYTES, lambda data: provenance_fault(data, artifact, signers)
    if artifact.sbom is not None:
        yield artifact.sbom, BILL_LIMIT_BYTES, lambda data: bill_fault(data, artifact)


def _opened(data: bytes, signers: Signers) -> bytes:
    """Return what is in an envelope, after its signatures were checked.

    Raises:
        IntegrityError: it is no envelope, or not signed as it must be.
    """
    parse_json(data, what="the envelope", limit_bytes=LIMIT_BYTES)
    if len(signers.keys) < signers.threshold:
        raise IntegrityError("nobody may speak for the engine: too few keys are named for it")
    try:
        envelope = Envelope.from_dict(json.loads(data))
        if envelope.payload_type != PAYLOAD_TYPE:
            raise IntegrityError(f"the envelope holds {envelope.payload_type!r} and no statement")
        envelope.verify(list(signers.keys), signers.threshold)
    except VerificationError as error:
        raise IntegrityError("the envelope is not signed by those who may speak for the engine") from error
    except (SecureSystemsError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise IntegrityError("the envelope is malformed") from error
    return bytes(envelope.payload)


def _read(path: Path, limit_bytes: int) -> bytes | None:
    """Return at most one byte more than the limit; None for what is not there or is no plain file, a pipe above all."""
    try:
        with os.fdopen(open_plain(str(path)), "rb") as stream:
            return stream.read(limit_bytes + 1)
    except OSError:
        return None
