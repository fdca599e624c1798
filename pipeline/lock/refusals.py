"""Why nothing can be locked."""

from __future__ import annotations

from pipeline.errors import IntegrityError, UsageError


class UnsatisfiableError(UsageError):
    """Nothing that a channel or an index has satisfies what an environment asks for."""


class UncheckableError(IntegrityError):
    """A package has no sha256 or no size where it was found, so that its bytes could not be checked."""


class YankedError(UsageError):
    """A requirement names a release that was withdrawn from the index."""


class NoWheelError(UsageError):
    """A release has no wheel for a platform, a Python and the oldest system that is promised."""
