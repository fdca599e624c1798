"""What the user is told when a file could not be brought."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import IntegrityError, NetworkError, NowhereError, OfflineError
from pipeline.system.rate_limits import RateLimitError
from pipeline.system.transfer_faults import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.errors import PipelineError
    from pipeline.ports import DownloadRequest
    from pipeline.system.download_places import Place

_AGAIN = "run the same command again; what came so far is kept and continued"


class DeadlineError(NetworkError):
    """A download moved, but takes longer than a file of its size may."""

    def __init__(self, what: str, seconds: float) -> None:
        """Say what, and within how many seconds it had to come."""
        super().__init__(
            f"{what} did not come within {seconds:.0f} s",
            hint=f"{_AGAIN}. A nearer place for it can be named in ENGINE_PIPELINE_MIRROR",
        )


class TooSlowError(NetworkError):
    """Every place sends next to nothing: the throughput watchdog ended each try."""


def offline_error(request: DownloadRequest) -> OfflineError:
    """Return the error for a file that is not here while the network is forbidden."""
    url = next((shown(url) for url in request.urls if not url.startswith("file:")), request.filename)
    return OfflineError(
        f"{request.what} is not here, and the network is forbidden: it would come from {url}",
        hint=f"run once without --offline, or download it elsewhere and put it as {request.filename} into a folder "
        "that ENGINE_PIPELINE_MIRROR names",
    )


def failure(request: DownloadRequest, places: Sequence[Place]) -> PipelineError:
    """Return the error for a file that no place had: integrity when that is all that is wrong, else the network."""
    last = [(place, place.faults[-1]) for place in places if place.faults]
    kinds = {fault.kind for _, fault in last}
    reasons = "; ".join(f"{shown(place.url)}: {fault.reason}" for place, fault in last) or "there is no url for it"
    message = f"{request.what} ({request.filename}) could not be brought: {reasons}"
    if "content" in kinds and kinds <= {"content", "missing"}:
        return IntegrityError(
            message, hint="the file was changed, or is not the one that was pinned; nothing of it was used"
        )
    if "rate limit" in kinds:
        return RateLimitError(
            message, hint="wait until the limit is lifted, or name a place that has the file in ENGINE_PIPELINE_MIRROR"
        )
    if kinds == {"slow"}:
        return TooSlowError(message, hint=f"{_AGAIN}, or name a faster place in ENGINE_PIPELINE_MIRROR")
    if "tls" in kinds:
        hint = "check the system's time and certificates; SSL_CERT_FILE names others, for example a proxy's"
    elif kinds == {"missing"}:
        return NowhereError(
            message, hint="the file was moved or withdrawn; ENGINE_PIPELINE_MIRROR can name a place that has it"
        )
    else:
        hint = _AGAIN
    return NetworkError(message, hint=hint)
