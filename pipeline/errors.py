"""Error classes: each decides the exit code, and says what failed, why, and what to do next.

The codes are the contract's (docs/contract.md); every class here has a page under docs/errors/.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from pathlib import Path

DOCS_FOLDER = "docs/errors"


class PipelineError(Exception):
    """A failure with a known cause.

    Attributes:
        exit_code: what the process exits with.
        page: name of the page under docs/errors/, without suffix.
        retryable: whether the same command may succeed later with nothing changed.
        message: what failed and why.
        hint: what to do next; empty when the message says it all.
    """

    exit_code: ClassVar[int] = 1
    page: ClassVar[str] = "failure"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        """Keep the message and the hint apart, so that both can be rendered."""
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def docs(self) -> str:
        """Path of the page about this class of error, within the project."""
        return f"{DOCS_FOLDER}/{self.page}.md"


class UsageError(PipelineError):
    """A command line or a configuration file asks for something that makes no sense."""

    exit_code = 2
    page = "usage"


class RehearsalError(UsageError):
    """A rehearsal is where only real bundles belong, or the other way round."""


class PartialReleaseError(UsageError):
    """A release lacks what it was to have, and nobody said that it may."""


class NothingSelectedError(PipelineError):
    """No variant fits, or there is nothing to act on."""

    exit_code = 3
    page = "nothing-selected"


class NoSpaceError(PipelineError):
    """The disk is full, or will be.

    Attributes:
        folder: that was written to, where that is known.
    """

    exit_code = 4
    page = "no-space"

    def __init__(self, message: str, *, hint: str = "", folder: Path | None = None) -> None:
        """Keep the folder: whoever knows what it is for knows what may go."""
        super().__init__(message, hint=hint)
        self.folder = folder


class HostError(PipelineError):
    """This host lacks what is needed: a compiler, a driver, a system version, write access."""

    exit_code = 5
    page = "host"


class NetworkError(PipelineError):
    """A server did not answer, or answered with a failure."""

    exit_code = 6
    page = "network"
    retryable = True


class NowhereError(NetworkError):
    """Every place that could have a file says that it has none."""


class IntegrityError(PipelineError):
    """Bytes are not what they should be: size, digest, malformed archive or manifest."""

    exit_code = 7
    page = "integrity"


class TrustError(PipelineError):
    """A signature, a key or the freshness of signed metadata is not right."""

    exit_code = 8
    page = "trust"


class BuildError(PipelineError):
    """A compiler, a linker or another build program failed."""

    exit_code = 9
    page = "build"


class ProofError(PipelineError):
    """What was made does not do what it should: it does not load, run, or use its accelerator."""

    exit_code = 10
    page = "proof"


class BudgetError(PipelineError):
    """Something grew past its budget."""

    exit_code = 11
    page = "budget"


class OfflineError(PipelineError):
    """Something is needed that is not here, and the network is forbidden."""

    exit_code = 12
    page = "offline"


class PartialError(PipelineError):
    """Some of the work is done and kept; the rest failed."""

    exit_code = 13
    page = "partial"


EXIT_BUG = 70
EXIT_INTERRUPTED = 130
