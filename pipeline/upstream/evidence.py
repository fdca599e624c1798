"""What vouches for the files of a release: upstream's attestation, the API's digest, or our own reading."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pipeline.errors import TrustError
from pipeline.model.strict_json import parse_json
from pipeline.upstream.pinning import Evidence

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.model.release_listing import ListedRelease
    from pipeline.ports import AttestationVerifier, ReleaseApi, RemoteHasher


@dataclass(frozen=True, slots=True)
class EvidenceSources:
    """Where evidence comes from.

    Attributes:
        hasher: for files without a digest.
        verifier: of attestations.
        api: asked for the attestations of each file; None when it is not to be asked.
        bundles: documents with attestations that are at hand.
        say: takes what is done, in words.
    """

    hasher: RemoteHasher
    verifier: AttestationVerifier
    api: ReleaseApi | None
    bundles: Sequence[bytes]
    say: Callable[[str], None]


def gather(release: ListedRelease, repository: str, sources: EvidenceSources) -> dict[str, Evidence]:
    """Return the evidence of every file of a release, by name.

    What the API itself says to be a file's attestation must verify; a document at hand may be about other files.

    Raises:
        TrustError: the API's attestation of a file does not verify, or no document at hand is about any file.
        NetworkError, OfflineError, IntegrityError: from the API, or while a file without digest is read.
        HostError: attestations are to be verified and cannot be on this machine.
    """
    found: dict[str, Evidence] = {}
    looked = sources.api is not None or bool(sources.bundles)
    for asset in release.assets:
        sha256 = asset.sha256
        if sha256 is None:
            sources.say(f"the listing has no digest of {asset.name}: reading its {asset.size_bytes} bytes")
            sha256 = sources.hasher.sha256_of(asset.url, size_bytes=asset.size_bytes)
        vouched = _vouched(sha256, repository, sources) if looked else None
        if vouched:
            sources.say(f"{asset.name}: attested by {vouched.signer}")
            evidence = Evidence(sha256, "attested", looked_for_attestation=True, statement=vouched.statement)
            found[asset.name] = evidence
        else:
            found[asset.name] = Evidence(sha256, "digest" if asset.sha256 else "pinned", looked_for_attestation=looked)
    if sources.bundles and not any(evidence.level == "attested" for evidence in found.values()):
        raise TrustError(
            f"the attestations at hand vouch for no file of {release.tag}",
            hint=f"get them with `gh attestation download FILE --repo {repository}`",
        )
    return found


class _Vouched(NamedTuple):
    """Who signed, and the document that says so."""

    signer: str
    statement: bytes


def _vouched(sha256: str, repository: str, sources: EvidenceSources) -> _Vouched | None:
    for bundle in sources.bundles:
        try:
            return _Vouched(sources.verifier.verify(bundle, sha256=sha256, repository=repository), bundle)
        except TrustError:
            continue  # it may be about another file
    if sources.api is None:
        return None
    document = sources.api.get(f"/repos/{repository}/attestations/sha256:{sha256}?predicate_type=provenance")
    if document is None or _is_empty(document.body):
        return None
    signer = sources.verifier.verify(document.body, sha256=sha256, repository=repository)
    return _Vouched(signer, document.body)


def _is_empty(body: bytes) -> bool:
    """Tell whether the API says that there is no attestation: it says so with 404, or with an empty list."""
    value = parse_json(body, what="the API's answer about attestations", any_text=True)
    return isinstance(value, dict) and value.get("attestations") == []
