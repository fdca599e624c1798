"""``report footprint``: sizes, sharing, growth and times of bundles, as a page, for a CI job and as JSON."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.app.measuring import layer_reader, picture_maker
from pipeline.app.project import manifests_dir
from pipeline.app.services import disk, open_services
from pipeline.cli.bundle_places import bundle_place
from pipeline.cli.locations import location_of
from pipeline.cli.named_files import read_named
from pipeline.cli.options import FILE, FOLDER, Command, common_options, gathered_options
from pipeline.cli.tables import table
from pipeline.measure.choosing import choose
from pipeline.measure.footprint import Origin, footprint
from pipeline.measure.reading import read_contents
from pipeline.measure.strategy_times import left_out_text, strategy_times
from pipeline.measure.tables import bundle_table, sharing_table, update_table
from pipeline.measure.update_views import flawed_deltas, flawed_text, lacking_text
from pipeline.measure.writing import DOCUMENT, PAGE, SUMMARY, write_report
from pipeline.model.counts import counted, listed
from pipeline.model.strategies import read_strategies

if TYPE_CHECKING:
    from pipeline.cli.session import Session
    from pipeline.model.footprint import FootprintReport, StrategyTime
    from pipeline.model.layer_content import LayerContent

_ORDER = (PAGE, SUMMARY, DOCUMENT)
_PLACE = "A dist folder, or a signed repository: a folder or a url."


_OPTIONS = (
    click.option("--from", "place", metavar="PLACE", help=f"{_PLACE}  [default: the output folder]"),
    click.option(
        "--target", "targets", multiple=True, metavar="T", help="Targets; repeats, commas, globs.  [default: all]"
    ),
    click.option("--release", metavar="R", help="Version of the bundles.  [default: the newest of each target]"),
    click.option("--baseline", metavar="R", help="Version to compare with.  [default: the one before]"),
    click.option("--baseline-from", metavar="PLACE", help="Where the baseline is.  [default: as --from]"),
    click.option(
        "--strategies", type=FILE, metavar="FILE", help="What `bench strategies --output` wrote; it is drawn too."
    ),
    click.option(
        "--trusted-root", type=FILE, metavar="FILE", help="Root metadata that a repository is checked against."
    ),
    click.option("--output", "-o", type=FOLDER, metavar="DIR", help="Folder for the three files.  [default: report]"),
)


@dataclass(frozen=True, slots=True)
class _Asked:
    place: str | None
    targets: tuple[str, ...]
    release: str | None
    baseline: str | None
    baseline_from: str | None
    strategies: Path | None
    trusted_root: Path | None
    output: Path | None


@click.command("footprint", cls=Command, short_help="Write what bundles cost: a page, Markdown and JSON.")
@gathered_options(_OPTIONS, _Asked)
@common_options
def command(session: Session, asked: _Asked) -> None:
    """Write report.html, report.md and report.json: what bundles weigh, what they share, and how they grew.

    Layers are read without unpacking them, and once: a second report about the same layers reads nothing.
    """
    pictures = picture_maker()  # before anything long is done
    timed: tuple[StrategyTime, ...] = ()
    if asked.strategies:
        timed = strategy_times(read_strategies(read_named(asked.strategies), what=str(asked.strategies)))
    report = _report(session, asked, timed)
    folder = (asked.output or Path("report")).absolute()
    files = write_report(
        report, folder, pictures=pictures, templates_dir=manifests_dir() / "templates" / "report", disk=disk()
    )
    document = {"files": {name: str(path) for name, path in files.items()}, "report": report.model_dump(mode="json")}
    session.show(document, lambda: _text(report, files))
    if session.settings.summary_path:
        with session.settings.summary_path.open("a", encoding="utf-8") as summary:
            summary.write(files[SUMMARY].read_text(encoding="utf-8"))
    if any(bundle.rehearsal for bundle in report.bundles):
        session.warn("a rehearsal: there is no engine in these bundles, and their sizes say nothing about real ones")
    if flawed := flawed_deltas(report):
        session.warn(flawed_text(flawed))
    if lacking := lacking_text(report):
        session.hint(f"{lacking}; `mirror sync --with-deltas` brings them to a mirror")
    if left_out := left_out_text(timed, report.strategies):
        session.warn(left_out)
    if asked.baseline and report.without_baseline:
        names = listed(report.without_baseline)
        session.warn(f"there is no {asked.baseline} of {counted(len(report.without_baseline), 'target')}: {names}")


def _report(session: Session, asked: _Asked, timed: tuple[StrategyTime, ...]) -> FootprintReport:
    text, root = asked.place or str(session.settings.output), asked.trusted_root
    with ExitStack() as held:
        services = held.enter_context(
            open_services(
                session.settings,
                store_dir=session.settings.cache_dir,
                location=location_of(text),
                baseline=location_of(asked.baseline_from) if asked.baseline_from else "",
            )
        )
        here = held.enter_context(bundle_place(session, text, trusted_root=root, services=services))
        there = here
        if asked.baseline_from:
            earlier = bundle_place(session, asked.baseline_from, trusted_root=root, services=services, is_earlier=True)
            there = held.enter_context(earlier)
        chosen = choose(
            here.artifacts,
            patterns=asked.targets,
            release=asked.release,
            baseline=asked.baseline,
            elsewhere=None if there is here else there.artifacts,
        )
        contents: dict[str, LayerContent] = {}
        for place, bundles in ((here, chosen.bundles), (there, chosen.baselines.values())):
            contents = read_contents(
                bundles, archive_of=place.archive_of, reader=layer_reader(), services=services, known=contents
            )
        origin = Origin(here.kind, here.release, here.created)
        return footprint(origin, chosen, contents, times=here.times, strategies=timed, delta_of=here.delta_of)


def _text(report: FootprintReport, files: dict[str, Path]) -> str:
    tables = [bundle_table(report), sharing_table(report), update_table(report)]
    shown = [table(one.headings, one.rows, right=tuple(one.right)) for one in tables if one.rows]
    here = Path.cwd()
    places = [path.relative_to(here) if path.is_relative_to(here) else path for path in map(files.get, _ORDER) if path]
    return "\n\n".join((*shown, "\n".join(map(str, places))))
