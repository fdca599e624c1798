"""Builds that their publisher has withdrawn, as this installation last heard of them; no connection is needed.

The models are not needed here, as in ``quick_switch``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.deploy.kept_metadata import REVOCATIONS, is_as_named, kept_paths
from pipeline.deploy.reading import read_plain
from pipeline.errors import IntegrityError, TrustError
from pipeline.model.strict_json import LIMIT_BYTES, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pipeline.deploy.places import Places
    from pipeline.model.revocation import Revocation

_IDENTITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class RevokedError(TrustError):
    """A build that its publisher has withdrawn was to be installed or switched to."""


class Withdrawn(NamedTuple):
    """What is said against a build.

    Attributes:
        target: ``<engine>/<platform>-<accel>``.
        version: as upstream calls it.
        sha256: of the bundle.
        reason: for people.
        revoked_at: RFC 3339, UTC.
    """

    target: str
    version: str
    sha256: str
    reason: str
    revoked_at: str


def in_words(build: Withdrawn | Revocation) -> str:
    """Return what is said against a build, on one line."""
    return f"{build.target} {build.version} was revoked at {build.revoked_at}: {build.reason}"


def kept_withdrawn(state_dir: Path, engine: str, *, damaged_counts: bool = True) -> dict[str, Withdrawn]:
    """Return what was last heard, by the bundle's sha256; nothing where nothing was.

    Args:
        state_dir: of the repository's trust.
        engine: whose builds.
        damaged_counts: whether a damaged copy is an error: not where the signed list is at hand, which replaces it.

    Raises:
        IntegrityError: the kept copy is damaged; nothing is guessed then.
    """
    found: dict[str, Withdrawn] = {}
    for path in kept_paths(state_dir, REVOCATIONS, engine):
        try:
            found |= {build.sha256: build for build in _read(path)}
        except IntegrityError:
            if damaged_counts:
                raise
    return found


def withdrawn(places: Places, repository: str, engine: str, sha256: str) -> Withdrawn | None:
    """Return what was last heard against a build that is installed, None when nothing was.

    Args:
        places: of the installation.
        repository: id of that which the build came from.
        engine: of the build.
        sha256: of its bundle.

    Raises:
        IntegrityError: as ``kept_withdrawn``.
    """
    if not _IDENTITY.fullmatch(repository):  # of no repository with lists
        return None
    return kept_withdrawn(places.trust_dir / repository, engine).get(sha256)


def require_standing(places: Places, repository: str, engine: str, sha256: str) -> None:
    """Refuse a build that its publisher has withdrawn.

    Raises:
        RevokedError: it is.
        IntegrityError: as ``kept_withdrawn``.
    """
    if (said := withdrawn(places, repository, engine, sha256)) is not None:
        raise refusal(said)


def refusal(build: Withdrawn | Revocation, others: Iterable[str] = ()) -> RevokedError:
    """Return the error for a build that must not run.

    Args:
        build: and what is said against it.
        others: versions that may be taken instead.
    """
    instead = ", ".join(others)
    return RevokedError(
        in_words(build), hint=f"take another version: {instead}" if instead else "wait for a version that replaces it"
    )


def _read(path: Path) -> list[Withdrawn]:
    data = read_plain(path, limit_bytes=LIMIT_BYTES)
    if not is_as_named(path, data):
        raise IntegrityError(f"{path} is damaged", hint="`install --from` brings the publisher's list anew")
    found: Any = parse_json(data, what=str(path))
    return [Withdrawn(**build) for build in found["revoked"]]  # it was read through its model before it was kept
