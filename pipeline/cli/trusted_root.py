"""Which root metadata an installation starts its trust from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.app.project import manifests_dir
from pipeline.errors import TrustError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session

ROOT_NAME = "root.json"


def named_root(session: Session, flag: Path | None) -> bytes | None:
    """Return the root metadata that a flag, the environment or the project file names; None when none does.

    Raises:
        UsageError: it cannot be read.
    """
    named = flag or session.settings.trusted_root
    if named is None:
        return None
    try:
        return named.read_bytes()
    except OSError as error:
        raise UsageError(
            f"trusted root {named}: {error.strerror}", hint="name the root.json that the publisher gave you"
        ) from error


def find_trusted_root(session: Session, *, flag: Path | None, pinned: Path | None) -> bytes:
    """Return the first root metadata there is.

    In order: what is named (``named_root``), what the installation has pinned, this user's own development keys, the
    root that ships with this project.

    Raises:
        UsageError: a file that was named cannot be read.
        TrustError: there is none.
    """
    named = named_root(session, flag)
    if named is not None:
        return named
    own = session.settings.keys_dir / ROOT_NAME
    for path in (pinned, own, manifests_dir() / "keys" / ROOT_NAME):
        if path is not None and path.is_file():
            if path == own:
                session.warn(f"trust starts from your own development keys ({own})")
            return path.read_bytes()
    raise TrustError(
        "there is no trusted root to start from",
        hint="give the publisher's root.json with --trusted-root FILE, or set ENGINE_PIPELINE_TRUSTED_ROOT",
    )
