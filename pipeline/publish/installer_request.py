"""What scripts are to be made of: which bundles, from where, and where they download from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.errors import NothingSelectedError, RehearsalError, UsageError
from pipeline.model.counts import listed
from pipeline.names import parse_target
from pipeline.publish.installer_offers import preferred_first
from pipeline.target_names import select_targets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from pipeline.model.manifest import Artifact, Layer
    from pipeline.model.revocation import Revocation

_URL_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~:/%+,=-[]")


@dataclass(frozen=True, slots=True)
class InstallersRequest:
    """What scripts are made of.

    Attributes:
        artifacts: of trusted manifests, urls as published; see ``newest``.
        archive_of: an artifact's layer to its ``.tar.zst`` on this machine.
        folder: for the scripts, ``installers.json`` and ``files/``.
        templates_dir: with the scripts' templates.
        work_dir: an empty folder; removed by whoever made it.
        base_url: where the repository, or this very folder, is served; None makes scripts that must be told.
        repository: its id; None for a dist folder.
        development: whether it is signed with development keys, or not at all.
        trusted_root: root metadata that an installation shall keep for later; None for none.
        revoked: builds that are left out, and that no script goes back to.
    """

    artifacts: Sequence[Artifact]
    archive_of: Callable[[Artifact, Layer], Path]
    folder: Path
    templates_dir: Path
    work_dir: Path
    base_url: str | None = None
    repository: str | None = None
    development: bool = False
    trusted_root: bytes | None = None
    revoked: Sequence[Revocation] = field(default=())


def newest(
    artifacts: Iterable[Artifact],
    *,
    targets: Sequence[str] = (),
    versions: Sequence[str] = (),
    rehearsal: bool = False,
) -> list[Artifact]:
    """Return the artifacts that scripts are made for.

    Args:
        artifacts: of manifests.
        targets: as on the command line; none means all.
        versions: that are wanted; none means the newest of each target.
        rehearsal: whether they are to be of a rehearsal.

    Raises:
        RehearsalError: they are, and that was not asked for, or the other way round.
        UsageError: a target is none of them.
        NothingSelectedError: nothing is left.
    """
    ordered = preferred_first(artifacts)
    if targets:
        known = dict.fromkeys(parse_target(artifact.target) for artifact in ordered)
        has = f"there are {listed(list(map(str, known)))}"
        wanted = {str(target) for target in select_targets(targets, known, otherwise=has)}
        ordered = [artifact for artifact in ordered if artifact.target in wanted]
    if versions:
        chosen = [artifact for artifact in ordered if artifact.version in versions]
        if missing := set(versions) - {artifact.version for artifact in chosen}:
            raise NothingSelectedError(
                f"there is no version {', '.join(sorted(missing))} of it",
                hint=f"there is {', '.join(dict.fromkeys(a.version for a in ordered)) or 'none'}",
            )
    else:
        first: dict[str, Artifact] = {}
        for artifact in ordered:
            first.setdefault(artifact.target, artifact)
        chosen = list(first.values())
    if not chosen:
        raise NothingSelectedError(
            "there is no bundle to make an installer for", hint="`build` and `publish` make some"
        )
    _require_kind(chosen, rehearsal=rehearsal)
    return chosen


def _require_kind(artifacts: Iterable[Artifact], *, rehearsal: bool) -> None:
    """Refuse to make scripts of a rehearsal unless that was asked for, and of anything else if it was."""
    for artifact in artifacts:
        name = f"{artifact.target} {artifact.version}"
        if artifact.rehearsal and not rehearsal:
            hint = "take --from a repository of real bundles; --rehearsal makes scripts that say what they are"
            raise RehearsalError(f"{name} is a rehearsal: there is no engine in it", hint=hint)
        if rehearsal and not artifact.rehearsal:
            raise RehearsalError(f"{name} is no rehearsal", hint="leave --rehearsal out")


def checked_url(url: str | None) -> str:
    """Return where scripts download from, without a slash at its end.

    Raises:
        UsageError: scripts would not take it.
    """
    if url is None:
        return ""
    scheme, _, rest = url.partition("://")
    if scheme not in {"https", "http"} or not rest.strip("/") or not set(url) <= _URL_CHARACTERS:
        raise UsageError(
            f"{url!r} is no address that scripts can download from",
            hint="https:// or http:// with no user name, query or fragment, for example https://mirror.example.com/engines",
        )
    return url.rstrip("/")
