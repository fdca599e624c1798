"""Which environments are meant by ``lock``, and how its results read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.app.settings import program_name
from pipeline.catalog.environments import environment_names, environment_platforms
from pipeline.errors import UsageError
from pipeline.lock import StaleLockError, stale
from pipeline.lock.miniforge import StalePinError, pin_problems
from pipeline.names import PLATFORMS, platform_hint

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.cli.session import Session
    from pipeline.lock import LockOutcome
    from pipeline.lock.miniforge import MiniforgePinned


def chosen_environments(envs_dir: Path, names: Sequence[str], *, all_of_them: bool = False) -> list[Path]:
    """Return the folders of the environments that were named.

    Args:
        envs_dir: folder of environments.
        names: as they were named.
        all_of_them: whether none named means all.

    Raises:
        UsageError: one is not there, none was named, or there is none at all.
        LockError: two environments have one name.
    """
    known = environment_names(envs_dir)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(f"no environment is called {unknown[0]!r}", hint=f"there are: {', '.join(known) or 'none'}")
    if not known:
        raise UsageError(f"{envs_dir} has no environment", hint="name their folder with --envs")
    if not names and not all_of_them:
        raise UsageError("no environment is named", hint=f"name one with --env: {', '.join(known)}")
    return [envs_dir / name for name in dict.fromkeys(names or known)]


def platforms_of(folder: Path, platform: str | None = None) -> tuple[str, ...]:
    """Return an environment's platforms, or the one that was named.

    Raises:
        UsageError: it is not for that platform.
        LockError: environment.yml makes no sense.
    """
    platforms = environment_platforms(folder)
    if platform is None:
        return platforms
    if platform not in platforms:
        known = "" if platform in PLATFORMS else f" ({platform!r} is no platform of the contract)"
        raise UsageError(f"{folder.name} is not for {platform}{known}", hint=_instead(platform, platforms))
    return (platform,)


def _instead(platform: str, platforms: tuple[str, ...]) -> str:
    return f"it is for {', '.join(platforms)}" if platform in PLATFORMS else platform_hint(platform, platforms)


def show_stale(session: Session, folders: Sequence[Path]) -> None:
    """Say of each environment whether its lock files, and its pin of Miniforge, are those of what is written by hand.

    Raises:
        StaleLockError: of at least one its lock files are not; every reason is listed.
        StalePinError: the same of pins alone.
    """
    reasons = {folder: stale(folder, platforms_of(folder)) for folder in folders}
    pins = {folder: pin_problems(folder, platforms_of(folder)) for folder in folders}
    session.show(
        {
            folder.name: {"fresh": not found, "reasons": list(found), "miniforge": list(pins[folder])}
            for folder, found in reasons.items()
        },
        lambda: "\n".join(f"{folder.name} is fresh" for folder, found in reasons.items() if not found),
    )
    listed = [problem for found in (*reasons.values(), *pins.values()) for problem in found]
    if not listed:
        return
    again = " ".join(f"--env {folder.name}" for folder, found in reasons.items() if found)
    mends = [f"{program_name()} lock {again}"] if again else []
    mends += [
        f"{program_name()} lock --env {folder.name} --miniforge VERSION" for folder, found in pins.items() if found
    ]
    kind = StaleLockError if again else StalePinError
    session.end_with(kind("\n".join(listed), hint="; ".join(mends)))


def warn_of_stale(session: Session, folder: Path) -> tuple[str, ...]:
    """Warn of a lock that is not that of what is written by hand; return why not, empty where it is.

    Raises:
        LockError: a hand-written file makes no sense.
    """
    reasons = stale(folder, platforms_of(folder))
    if reasons:
        listed = "\n".join(f"  {reason}" for reason in reasons)
        mend = f"{program_name()} lock --env {folder.name}"
        session.warn(f"this is of a lock that is stale; `{mend}` makes it anew:\n{listed}")
    return reasons


def outcome_text(outcome: LockOutcome) -> str:
    """Return what locking changed, in lines."""
    lines = []
    for change in outcome.changes:
        sign = "+" if change.before is None else "-" if change.after is None else "~"
        versions = " -> ".join(version for version in (change.before, change.after) if version)
        lines.append(f"{sign} {change.platform:14} {change.kind:5} {change.name} {versions}")
    if not outcome.files:
        return "\n".join([*lines, f"{outcome.environment}: nothing is new"])
    verb = "would write" if outcome.dry_run else "wrote"
    return "\n".join([*lines, f"{outcome.environment}: {verb} {', '.join(outcome.files)}"])


def pin_text(outcome: MiniforgePinned) -> str:
    """Return what pinning an installer came to, in lines."""
    lines = [f"{one.filename}  {one.size_bytes} bytes  sha256 {one.sha256}" for one in outcome.installers.values()]
    said = "nothing is new" if not outcome.files else "would write" if outcome.dry_run else "wrote"
    return "\n".join([*lines, " ".join([f"{outcome.environment}: {said}", *outcome.files])])
