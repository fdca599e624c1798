"""What ``mirror create`` and ``mirror sync`` share: their options, and how their result is shown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from pipeline.app.mirror_services import installer_source, model_source, open_mirror
from pipeline.app.services import disk, host
from pipeline.cli.options import FILE
from pipeline.cli.tables import size_text
from pipeline.cli.trusted_root import find_trusted_root
from pipeline.deploy.mirror.layout import MirrorLayout
from pipeline.deploy.mirror.request import MirrorRequest
from pipeline.deploy.mirror.sync import sync
from pipeline.errors import UsageError
from pipeline.model.counts import counted
from pipeline.model.mirror import InstallerSelection
from pipeline.names import PLATFORMS, parse_release, platform_hint

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pipeline.cli.session import Session
    from pipeline.model.mirror import MirrorOutcome, MirrorSelection

    Callback = Callable[..., None]

DEFAULT_PYTHONS = ("3.11", "3.12", "3.13")
_SHOWN_FILES = 20
_OPTIONS = (
    click.option(
        "--target",
        "targets",
        multiple=True,
        metavar="T",
        help="Targets to hold; repeats, commas, globs.  [default: all]",
    ),
    click.option(
        "--release", "releases", multiple=True, metavar="R", help="Versions to hold whatever their age; repeats."
    ),
    click.option(
        "--keep", type=click.IntRange(min=1), metavar="N", help="Newest versions of each target.  [default: 1]"
    ),
    click.option("--model", "models", multiple=True, metavar="NAME", help="Models to hold; names of recipes; repeats."),
    click.option(
        "--with-debug/--without-debug", "with_debug", default=None, help="Debug files too.  [default: without]"
    ),
    click.option(
        "--with-bundles/--without-bundles",
        "with_bundles",
        default=None,
        help="Self-contained bundles; `install` needs their layers alone.  [default: with]",
    ),
    click.option(
        "--with-deltas/--without-deltas",
        "with_deltas",
        default=None,
        help="What makes held layers out of earlier ones, for small updates.  [default: with]",
    ),
    click.option(
        "--with-installer/--without-installer",
        "with_installer",
        default=None,
        help="The wheels that this program needs.  [default: without]",
    ),
    click.option(
        "--installer-platform",
        "platforms",
        multiple=True,
        metavar="P",
        help="For these machines; repeats.",
    ),
    click.option("--installer-python", "pythons", multiple=True, metavar="X.Y", help="For these Pythons; repeats."),
    click.option(
        "--installer-wheel", "wheel", type=FILE, metavar="FILE", help="This project's own wheel.  [default: made]"
    ),
    click.option("--trusted-root", type=FILE, metavar="FILE", help="Root metadata that the publisher gave you."),
    click.option("--repair", is_flag=True, help="Read every file again, and bring anew what is damaged."),
)


def mirror_options(function: Callback) -> Callback:
    """Add the options that say what a mirror holds to a click callback."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def selection_changes(session: Session, before: MirrorSelection, options: dict[str, object]) -> dict[str, object]:
    """Return the fields of a selection that options change; what they do not name stays as it was.

    Raises:
        UsageError: a version or a Python is written as none can be.
    """
    changes: dict[str, object] = {}
    for name in ("targets", "models"):
        if found := _split(options[name]):
            changes[name] = found
    if releases := _split(options["releases"]):
        changes["releases"] = tuple(map(parse_release, releases))
    for name in ("keep", "with_debug", "with_bundles", "with_deltas"):
        if options[name] is not None:
            changes[name] = options[name]
    platforms, pythons = _split(options["platforms"]), _split(options["pythons"])
    wanted = options["with_installer"]
    if wanted is False:
        if platforms or pythons:
            raise UsageError("--without-installer excludes --installer-platform and --installer-python")
        changes["installer"] = None
    elif wanted or platforms or pythons:
        known = before.installer
        changes["installer"] = InstallerSelection(
            platforms=tuple(map(_platform, platforms))
            or (known.platforms if known else (host(session.settings).facts().platform,)),
            pythons=tuple(map(_python, pythons)) or (known.pythons if known else DEFAULT_PYTHONS),
        )
    return changes


def run_sync(
    session: Session,
    *,
    folder: Path,
    source: str,
    selection: MirrorSelection,
    trusted_root: Path | None,
    repair: bool,
    wheel: Path | None,
) -> None:
    """Bring a mirror up to date and show what was done.

    Raises:
        PipelineError: as ``deploy.mirror.sync.sync``.
    """
    settings, layout = session.settings, MirrorLayout(folder)
    layout.check(may_be_new=True)
    root = find_trusted_root(session, flag=trusted_root, pinned=layout.trusted_root_path)
    with open_mirror(settings, folder, location=source, dry_run=session.dry_run) as services:
        request = MirrorRequest(
            folder=folder,
            source=source,
            selection=selection,
            trusted_root=root,
            models=model_source(settings, services) if selection.models else None,
            installer=installer_source(settings, selection.installer, wheel=wheel) if selection.installer else None,
            repair=repair,
            dry_run=session.dry_run,
        )
        outcome = sync(request, services, disk=disk())
    session.show(outcome.model_dump(mode="json"), lambda: _text(outcome))
    for line in outcome.revoked:
        session.warn(f"{line}; the mirror holds it, and nobody may install it")
    if outcome.development:
        session.warn("this repository is signed with development keys")


def _split(values: object) -> tuple[str, ...]:
    texts: Sequence[str] = values if isinstance(values, tuple) else ()
    return tuple(dict.fromkeys(part.strip() for text in texts for part in text.split(",")))


def _platform(text: str) -> str:
    if text not in PLATFORMS:
        raise UsageError(f"{text!r} is no platform", hint=platform_hint(text))
    return text


def _python(text: str) -> str:
    if not re.fullmatch(r"3\.\d{1,2}", text):
        raise UsageError(f"{text!r} is no version of Python", hint="write it as 3.12")
    return text


def _text(outcome: MirrorOutcome) -> str:
    if not outcome.changed:
        return f"{outcome.path} is up to date: {counted(outcome.artifacts, 'artifact')} of {outcome.source}"
    would = "would " if outcome.dry_run else ""
    lines = [f"{would or ''}{'add' if would else 'added'}    {name}" for name in outcome.added]
    lines += [f"{would or ''}{'remove' if would else 'removed'}  {name}" for name in outcome.removed]
    if outcome.dry_run:
        shown = outcome.changes[:_SHOWN_FILES]
        lines += [f"{change.action:6}  {size_text(change.size):>10}  {change.path}" for change in shown]
        if len(outcome.changes) > len(shown):
            lines.append(f"and {counted(len(outcome.changes) - len(shown), 'more file')} (--json lists all)")
    brought, gone = ("to bring", "to remove") if outcome.dry_run else ("brought", "removed")
    lines.append(f"{counted(outcome.files_added, 'file')}, {size_text(outcome.bytes_added)} {brought}")
    if outcome.files_removed:
        lines.append(f"{counted(outcome.files_removed, 'file')}, {size_text(outcome.bytes_removed)} {gone}")
    lines.append(f"{outcome.path} holds {counted(outcome.artifacts, 'artifact')}")
    return "\n".join(lines)
