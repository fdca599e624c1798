"""``targets``: what can be made, here and elsewhere."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Self

import click

from pipeline.app.services import build_services
from pipeline.catalog import load
from pipeline.cli.options import Command, common_options
from pipeline.cli.tables import table
from pipeline.errors import PipelineError
from pipeline.names import version_key
from pipeline.plan import BuildRequest, default_release, locked_version, look_around, make_plan, releases_of

if TYPE_CHECKING:
    from pipeline.catalog import Catalog
    from pipeline.cli.session import Session
    from pipeline.names import Target
    from pipeline.ports import DownloadRequest, HostProbe, Services, TreeReader

_SHOWN_CHARACTERS = 130  # of a reason in the table, beside some 80 of the other columns


@dataclass(frozen=True, slots=True)
class _Row:
    target: str
    releases: tuple[str, ...]
    default_release: str
    sources: tuple[str, ...]
    makeable_here: bool
    why_not: str


@dataclass(frozen=True, slots=True)
class _Quiet:
    """What a plan looks at, without the network: archives that are pinned count as there."""

    host: HostProbe
    trees: TreeReader

    @property
    def downloader(self) -> Self:
        return self

    def unreachable(self, _request: DownloadRequest) -> str:
        return ""


@click.command("targets", cls=Command)
@common_options
def command(session: Session) -> None:
    """List every target: its releases, where it can come from, whether this machine can make it, and why not."""
    catalog = load(session.settings.recipes_dir)
    with build_services(session.settings) as services:
        rows = [_row(target, catalog, services) for target in catalog.targets()]
    rows += [_unsupported_row(target, catalog) for target in catalog.unsupported_targets()]
    rows.sort(key=lambda row: row.target)
    session.show({"targets": [asdict(row) for row in rows]}, lambda: _text(rows))


def _text(rows: list[_Row]) -> str:
    cells = [
        (
            row.target,
            row.default_release,
            str(len(row.releases)),
            ", ".join(row.sources),
            "yes" if row.makeable_here else "no",
            _in_short(row),
        )
        for row in rows
    ]
    return table(("target", "release", "pinned", "from", "here", "why not"), cells, right=("pinned",))


def _in_short(row: _Row) -> str:
    """Return why a target cannot be made in one sentence; ``--json`` and ``plan`` have all of it."""
    said = row.why_not.removeprefix(f"{row.target}: ")
    end = max(said.rfind(mark, 0, _SHOWN_CHARACTERS) for mark in ("; ", ": ", ". "))
    return said if len(said) <= _SHOWN_CHARACTERS or end < 0 else f"{said[:end]}; `plan` says more"


def _row(target: Target, catalog: Catalog, services: Services) -> _Row:
    builds = target.platform == services.host.facts().platform
    sources, releases, default = _origins(target, catalog, builds=builds)
    why_not = ""
    try:
        request = BuildRequest(targets=(target,), prove="none")
        inputs = look_around(request, catalog, _Quiet(services.host, services.trees))
        default = make_plan(request, catalog, inputs).decisions[0].version
    except PipelineError as error:  # of one recipe or this machine; the other targets are listed all the same
        why_not = "; ".join(filter(None, (error.message, error.hint)))
    return _Row(
        target=str(target),
        releases=releases,
        default_release=default,
        sources=sources,
        makeable_here=not why_not,
        why_not=why_not,
    )


def _origins(target: Target, catalog: Catalog, *, builds: bool) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """Return where a target can come from, its releases, and the one that is meant when none is named."""
    if target.engine in catalog.environments:
        try:
            locked = locked_version(target, catalog)
        except PipelineError:  # the plan says the same
            return ("env",), (), ""
        return ("env",), (locked,), locked
    fetched, built = releases_of(target, catalog)
    releases = tuple(sorted({*fetched, *built}, key=version_key, reverse=True))
    sources = tuple(name for name, found in (("fetch", fetched), ("build", built)) if found)
    return sources, releases, default_release(target, catalog, builds=builds)


def _unsupported_row(target: Target, catalog: Catalog) -> _Row:
    recipe = catalog.unsupported[target.engine]
    why_not = f"it cannot be made: {recipe.reason}" + (f"; take {recipe.instead}" if recipe.instead else "")
    return _Row(target=str(target), releases=(), default_release="", sources=(), makeable_here=False, why_not=why_not)
