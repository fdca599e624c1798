"""What is said about a bundle, checked: its provenance is signed and about it, and so is its bill of materials."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import Key

from pipeline.deploy.reading import read_plain
from pipeline.errors import IntegrityError
from pipeline.model.repository_layout import BUILDERS_FIELD
from pipeline.model.statements import LIMIT_BYTES, PAYLOAD_TYPE, read_statement
from pipeline.model.strict_json import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tuf.api.metadata import Targets

    from pipeline.deploy.comparing import FileComparison
    from pipeline.model.manifest import Artifact

_SBOM_FORMAT = ("CycloneDX", "1.6")


class Signers(NamedTuple):
    """Who signs the statements about an engine's bundles.

    Attributes:
        keys: all of them.
        threshold: how many must have signed.
        earlier: who signed before the engine got other keys; what is published keeps its signatures.
    """

    keys: tuple[Key, ...]
    threshold: int
    earlier: tuple[Signers, ...] = ()


def signers_for(path: str, policies: Iterable[Targets]) -> Signers | None:
    """Return who signs statements about targets beside ``path``, None where nobody may speak for it.

    In a lane these are the publisher's keys, which its targets metadata names; elsewhere those of the role itself.

    Args:
        path: of a target of the engine.
        policies: targets metadata, the one that holds first.

    Raises:
        IntegrityError: a lane names keys that are none.
    """
    first, *earlier = (_named_in(policy, path) for policy in policies)
    return None if first is None else first._replace(earlier=tuple(known for known in earlier if known is not None))


def _named_in(policy: Targets, path: str) -> Signers | None:
    delegations = policy.delegations
    roles = (delegations.roles or {}) if delegations is not None else {}
    role = next((role for role in roles.values() if role.is_delegated_path(path)), None)
    if role is None or delegations is None:
        return None
    if (builders := policy.unrecognized_fields.get(BUILDERS_FIELD)) is not None:
        return read_signers(builders, role.name)
    keys = delegations.keys
    return Signers(tuple(keys[keyid] for keyid in role.keyids if keyid in keys), role.threshold)


def read_signers(builders: object, role: str) -> Signers | None:
    """Return the publisher's signers for a role, as a lane's metadata names them: role to threshold and keys.

    Raises:
        IntegrityError: they are malformed.
    """
    named = _at(builders, role)
    if named is None:
        return None
    threshold, listed = _at(named, "threshold"), _at(named, "keys")
    if not isinstance(threshold, int) or not isinstance(listed, dict):
        raise IntegrityError("the lane names its publisher's keys in a form that is not known")
    try:
        return Signers(tuple(Key.from_dict(keyid, dict(key)) for keyid, key in listed.items()), threshold)
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError("the lane names a key of its publisher that is none") from error


def check_statements(folder: Path, artifact: Artifact, signers: Signers | None, comparison: FileComparison) -> None:
    """Add a finding for each statement about an artifact that does not hold.

    That a file has the digest that is listed for it is checked elsewhere; here it is read for what it says.

    Args:
        folder: of the repository or the dist folder.
        artifact: with the places of its statements.
        signers: of its provenance; None where statements are not signed yet.
        comparison: takes what is found.
    """
    # What is missing is found where files are looked for.
    data = _read(folder, artifact.provenance)
    if data is not None and (said := provenance_fault(data, artifact, signers)) is not None:
        comparison.add(str(artifact.provenance), "changed", said)
    data = _read(folder, artifact.sbom)
    if data is not None and (said := sbom_fault(data, artifact)) is not None:
        comparison.add(str(artifact.sbom), "changed", said)


def note_bare(artifacts: Iterable[Artifact], comparison: FileComparison) -> None:
    """Say which artifacts nothing is said about: there was nothing to check, which is no fault of a file."""
    bare = [f"{a.target} {a.version}" for a in artifacts if a.provenance is None or a.sbom is None]
    if bare:
        comparison.notes.append(f"no provenance or no bill of materials to check: {len(bare)} bundles, first {bare[0]}")


def provenance_fault(data: bytes, artifact: Artifact, signers: Signers | None) -> str | None:
    """Return what is wrong with a provenance, None when it holds.

    Args:
        data: a DSSE envelope, or without ``signers`` the statement alone.
        artifact: that it must be about.
        signers: who must have signed it.
    """
    try:
        payload = data if signers is None else _opened(data, signers)
        statement = read_statement(payload, what="the statement")
    except IntegrityError as error:
        return error.message
    wanted = {artifact.sha256, *(layer.sha256 for layer in artifact.layers)}
    if statement.digests() != wanted:
        return f"it is about other files than the bundle {artifact.target} {artifact.version} and its layers"
    return None


def sbom_fault(data: bytes, artifact: Artifact) -> str | None:
    """Return what is wrong with a bill of materials, None when it is one of the bundle.

    Its form was held against CycloneDX's schema when it was made; what is checked is whose it is, and that nothing in
    it is without a name.
    """
    try:
        document = parse_json(data, what="the bill of materials")
    except IntegrityError as error:
        return error.message
    if not isinstance(document, dict) or (document.get("bomFormat"), document.get("specVersion")) != _SBOM_FORMAT:
        return "it is no CycloneDX 1.6"
    root = _at(document, "metadata", "component")
    if artifact.sha256 not in _hashes(root):
        return f"it is not of the bundle {artifact.target} {artifact.version}"
    components = document.get("components")
    parts = components if isinstance(components, list) else []
    if not parts or not all(isinstance(part, dict) and isinstance(part.get("name"), str) for part in parts):
        return "it lists no components, or one without a name"
    listed = {digest for part in parts for digest in _hashes(part)}
    if not {layer.sha256 for layer in artifact.layers} <= listed:
        return "it lacks a layer of the bundle"
    return None


def _opened(data: bytes, signers: Signers) -> bytes:
    """Return what is in an envelope, after its signatures were checked.

    Raises:
        IntegrityError: it is no envelope, or not signed as it must be.
    """
    parse_json(data, what="the envelope")
    try:
        envelope = Envelope.from_dict(json.loads(data))
        if envelope.payload_type != PAYLOAD_TYPE:
            raise IntegrityError(f"the envelope holds {envelope.payload_type!r} and no statement")
        _verify(envelope, signers)
    except VerificationError as error:
        raise IntegrityError("the envelope is not signed by those who may speak for the engine") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise IntegrityError("the envelope is malformed") from error
    return envelope.payload


def _verify(envelope: Envelope, signers: Signers) -> None:
    refusals = []
    for group in (signers, *signers.earlier):
        try:
            envelope.verify(list(group.keys), group.threshold)
        except VerificationError as error:
            refusals.append(error)
            continue
        return
    raise refusals[0]


def _read(folder: Path, place: str | None) -> bytes | None:
    if place is None or ":" in place:
        return None
    try:
        return read_plain(folder / place, limit_bytes=LIMIT_BYTES)
    except OSError:
        return None
    except IntegrityError:
        return b""  # which is nothing that could hold


def _at(document: object, *keys: str) -> object:
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def _hashes(component: object) -> Iterator[str]:
    listed = _at(component, "hashes")
    for entry in listed if isinstance(listed, list) else ():
        if _at(entry, "alg") == "SHA-256" and isinstance(content := _at(entry, "content"), str):
            yield content
