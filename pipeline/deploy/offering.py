"""What is offered to choose from: the manifests of a signed repository, or a manifest file as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.deploy.revoked import in_words
from pipeline.errors import UsageError
from pipeline.model.manifest_document import read_manifest
from pipeline.model.strict_json import LIMIT_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pipeline.deploy.trust import TrustedRepository
    from pipeline.model.manifest import Artifact
    from pipeline.model.revocation import Revocation


def offered_by(repository: TrustedRepository, *, engine: str | None = None) -> list[Artifact]:
    """Return what a repository offers, of one engine alone when that is named and there.

    Raises:
        TrustError, IntegrityError, NetworkError, OfflineError: as ``TrustedRepository.manifest``.
    """
    known = repository.engines()
    engines = [engine] if engine in known else known
    return [artifact for name in engines for artifact in repository.manifest(name).artifacts]


def revoked_by(repository: TrustedRepository, engines: Iterable[str]) -> dict[str, Revocation]:
    """Return what the publisher of some engines has withdrawn, by the bundle's sha256.

    Raises:
        TrustError, IntegrityError, NetworkError, OfflineError: as ``TrustedRepository.revocations``.
    """
    lists = [repository.revocations(engine) for engine in dict.fromkeys(engines)]
    return {revocation.sha256: revocation for listed in lists for revocation in listed.revoked}


def revoked_among(repository: TrustedRepository, artifacts: Iterable[Artifact]) -> tuple[str, ...]:
    """Return which of some artifacts their publishers have withdrawn, in words, in their order.

    Raises:
        TrustError, IntegrityError, NetworkError, OfflineError: as ``TrustedRepository.revocations``.
    """
    known = tuple(artifacts)
    revoked = revoked_by(repository, (artifact.engine for artifact in known))
    return tuple(in_words(revoked[artifact.sha256]) for artifact in known if artifact.sha256 in revoked)


def offered_in(path: Path) -> tuple[Artifact, ...]:
    """Return what a manifest file lists, or the ``manifest.json`` of a folder; no signature is looked at.

    Raises:
        UsageError: it cannot be read.
        IntegrityError: it is no manifest.
    """
    chosen = path / "manifest.json" if path.is_dir() else path
    try:
        with chosen.open("rb") as stream:
            data = stream.read(LIMIT_BYTES + 1)
    except OSError as error:
        raise UsageError(
            f"manifest {chosen} cannot be read: {error.strerror}", hint="give a manifest.json, or a folder that has one"
        ) from error
    return read_manifest(data, what=str(chosen)).artifacts
