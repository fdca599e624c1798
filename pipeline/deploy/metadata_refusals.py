"""What python-tuf's refusals mean for the one who installs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuf.api.exceptions import BadVersionNumberError, LengthOrHashMismatchError, UnsignedMetadataError
from tuf.api.serialization import DeserializationError

from pipeline.errors import IntegrityError, TrustError

if TYPE_CHECKING:
    from tuf.api.exceptions import RepositoryError

    from pipeline.errors import PipelineError


class ExpiredRepositoryError(TrustError):
    """Signed metadata is right but for its age."""


def refused(name: str, error: RepositoryError) -> PipelineError:
    """Return the error for a refusal by python-tuf; ``name`` is the repository's."""
    if isinstance(error, BadVersionNumberError):
        return TrustError(
            f"{name} offers metadata that is older than what was seen of it before: {error}",
            hint="it is a stale or a replayed copy; use an up-to-date mirror",
        )
    if isinstance(error, UnsignedMetadataError):
        return TrustError(
            f"{name}: {error}",
            hint="it was changed, or is signed by keys that the trusted root does not name: compare the root's"
            " sha256 with the publisher's",
        )
    if isinstance(error, LengthOrHashMismatchError):
        return TrustError(
            f"{name}: a metadata file is not what the signed one above it says: {error}",
            hint="it was changed, or the copy is incomplete; use another mirror",
        )
    if isinstance(error, DeserializationError):
        return IntegrityError(f"{name}: a metadata file is malformed: {error}", hint="use another mirror")
    return TrustError(f"{name}: {error}", hint="the repository contradicts itself; use another mirror")
