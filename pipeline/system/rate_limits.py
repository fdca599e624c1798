"""The error of a server that limits how often it is asked."""

from __future__ import annotations

from datetime import UTC, datetime

from pipeline.errors import NetworkError

_FARTHEST_SECONDS = 366 * 86_400  # beyond this a server's word about its limit is no date


class RateLimitError(NetworkError):
    """A server answers no more for now; when it will again is said where it said so.

    Attributes:
        until: seconds since 1970 from which on it answers again; None where it did not say.
    """

    def __init__(self, message: str, *, hint: str, until: int | None = None) -> None:
        """Keep when it ends beside the message."""
        super().__init__(message, hint=hint)
        self.until = until


def api_limit(url: str, *, now_seconds: int, until: int | None) -> RateLimitError:
    """Return the error of an API that was asked too often: which url, and when to try again."""
    if until is not None and now_seconds <= until <= now_seconds + _FARTHEST_SECONDS:
        minutes = -(-(until - now_seconds) // 60)
        when = f"at {datetime.fromtimestamp(until, UTC):%Y-%m-%dT%H:%M:%SZ} (in {minutes} min)"
    else:
        when = "later; the server does not say when"
    return RateLimitError(
        f"{url}: the rate limit is used up",
        hint=f"try again {when}; GITHUB_TOKEN raises GitHub's limit from 60 requests an hour to 5,000",
        until=until,
    )
