"""``bench strategies``: from nothing to the first token, and which strategy each deployment profile gets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from pipeline.app.bench_services import bench_environment, bench_ground, bench_versions, model_file, source_files
from pipeline.app.project import package_dir, shipped_recipes_dir
from pipeline.app.services import build_services
from pipeline.catalog import has_profiles, load, load_profiles
from pipeline.catalog.profiles import select_named
from pipeline.cli.locations import location_of
from pipeline.cli.named_files import read_named, require_writable, write_named
from pipeline.cli.options import FILE, Command, common_options, gathered_options
from pipeline.cli.strategy_view import as_markdown, as_text
from pipeline.cli.trusted_root import find_trusted_root
from pipeline.errors import NothingSelectedError, PartialError, UsageError
from pipeline.measure.bench_request import BenchRequest
from pipeline.measure.measuring import measure
from pipeline.measure.strategy_result import decided, forecast_too, joined
from pipeline.model.counts import counted
from pipeline.model.manifest_document import read_manifest, write_document
from pipeline.model.repository_layout import METADATA_FOLDER
from pipeline.model.strategies import StrategiesResult, read_strategies
from pipeline.model.strategy_runs import Strategy
from pipeline.ports.links import MakerChoice

if TYPE_CHECKING:
    from pipeline.cli.session import Session
    from pipeline.model.manifest import Manifest
    from pipeline.model.profiles import DeploymentProfile, Profiles

_STRATEGIES = get_args(Strategy)
_OF_MEASURING = frozenset(
    ("targets", "links", "strategies", "runs", "build_runs", "location", "trusted_root", "model", "maker")
)
_OPTIONS = (
    click.option(
        "--target",
        "targets",
        multiple=True,
        metavar="T",
        help="Targets to measure; repeats, commas, globs; those that do not run here are forecast.  [default: all]",
    ),
    click.option(
        "--link",
        "links",
        multiple=True,
        metavar="NAME",
        help="Links of recipes/profiles.toml; repeats.  [default: all]",
    ),
    click.option(
        "--strategy",
        "strategies",
        type=click.Choice(_STRATEGIES),
        multiple=True,
        help="Repeats.  [default: all but self-built ones]",
    ),
    click.option(
        "--profile",
        "profiles",
        multiple=True,
        metavar="NAME",
        help="Deployment profiles to decide for; repeats.  [default: all]",
    ),
    click.option(
        "--runs", type=click.IntRange(min=1), default=5, show_default=True, metavar="N", help="Of everything else."
    ),
    click.option(
        "--build-runs",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        metavar="N",
        help="Of builds; at most --runs.",
    ),
    click.option(
        "--from", "location", metavar="URL_OR_DIR", help="A repository, or what `build` wrote. [default: dist]"
    ),
    click.option(
        "--forecast",
        "forecasts",
        type=FILE,
        multiple=True,
        metavar="MANIFEST",
        help="A manifest.json whose engines are forecast, from their sizes; repeats.",
    ),
    click.option("--trusted-root", type=FILE, metavar="FILE", help="Root metadata of the repository."),
    click.option("--model", type=FILE, metavar="FILE", help="GGUF file to ask with.  [default: the recipe's model]"),
    click.option(
        "--link-maker",
        "maker",
        type=click.Choice(get_args(MakerChoice)),
        default="auto",
        show_default=True,
        help="What makes the links; auto takes the nearest to the truth that there is.",
    ),
    click.option("--output", type=FILE, metavar="FILE", help="Write the result there, as `schema strategies` says."),
    click.option(
        "--read",
        type=FILE,
        multiple=True,
        metavar="FILE",
        help="Measure nothing: decide again by earlier results of this machine; repeats.",
    ),
    click.option("--markdown", is_flag=True, help="Print tables for a page or a job's summary."),
)


@dataclass(frozen=True, slots=True)
class _Asked:
    targets: tuple[str, ...]
    links: tuple[str, ...]
    strategies: tuple[Strategy, ...]
    profiles: tuple[str, ...]
    runs: int
    build_runs: int
    location: str | None
    forecasts: tuple[Path, ...]
    trusted_root: Path | None
    model: Path | None
    maker: MakerChoice
    output: Path | None
    read: tuple[Path, ...]
    markdown: bool


@click.command("strategies", cls=Command, short_help="Measure strategies from nothing to the first token.")
@gathered_options(_OPTIONS, _Asked)
@common_options
def command(session: Session, asked: _Asked) -> None:
    """Measure each strategy from nothing to the first generated token, and decide by deployment profile.

    Every run is the real commands in processes of their own, over a link that is made for it, until the engine's own
    server streams its first words. What does not run here is forecast from sizes, and marked so. Ends with 13 when
    something could not be measured and the rest was.
    """
    _require_one_of_both(asked)
    folder = session.settings.recipes_dir
    profiles = load_profiles(folder if has_profiles(folder) else shipped_recipes_dir())
    names = select_named("profile", asked.profiles, [profile.name for profile in profiles.profiles])
    chosen = [profile for profile in profiles.profiles if profile.name in names]
    if asked.output is not None:
        require_writable(asked.output)  # before hours of measurements
    if asked.read:
        result = joined([read_strategies(read_named(path), what=str(path)) for path in asked.read])
        result = forecast_too(result, _manifests(asked), profiles)
    else:
        result = _measured(session, asked, profiles)
    _show(session, asked, decided(result, chosen), chosen)


def _require_one_of_both(asked: _Asked) -> None:
    """Refuse options of measuring beside ``--read``.

    Raises:
        UsageError: there are some; they would mean nothing.
    """
    context = click.get_current_context()
    named = [
        option.opts[0]
        for option in context.command.params
        if option.name in _OF_MEASURING
        and context.get_parameter_source(option.name) is click.core.ParameterSource.COMMANDLINE
    ]
    if asked.read and named:
        raise UsageError(
            f"--read measures nothing, so {', '.join(named)} would mean nothing beside it",
            hint="leave out one or the other; --profile and --forecast go with --read",
        )


def _show(session: Session, asked: _Asked, result: StrategiesResult, chosen: list[DeploymentProfile]) -> None:
    render = as_markdown if asked.markdown else as_text
    session.show(result.model_dump(mode="json"), lambda: render(result, chosen))
    if asked.output is not None:
        write_named(asked.output, write_document(result))
    if result.failures and not asked.read:
        failed = counted(len(result.failures), "strategy", "strategies")
        session.end_with(
            PartialError(
                f"{failed} could not be measured:\n" + "\n".join(result.failures),
                hint="what was measured stands above, and in --output",
            )
        )


def _measured(session: Session, asked: _Asked, profiles: Profiles) -> StrategiesResult:
    links = select_named("link", asked.links, [link.name for link in profiles.links])
    location = location_of(asked.location or str(session.settings.output))
    is_dist = _is_dist(location)
    catalog = load(session.settings.recipes_dir)
    wanted = asked.strategies or tuple(name for name in _STRATEGIES if not name.startswith("self-built"))
    with build_services(session.settings) as services:
        request = BenchRequest(
            location=location,
            is_dist=is_dist,
            trusted_root=None if is_dist else find_trusted_root(session, flag=asked.trusted_root, pinned=None),
            targets=asked.targets,
            profiles=profiles,
            links=tuple(link for link in profiles.links if link.name in links),
            strategies=tuple(name for name in _STRATEGIES if name in wanted),
            forecasts=_manifests(asked),
            runs=asked.runs,
            build_runs=min(asked.build_runs, asked.runs),
            maker=asked.maker,
            find_model=lambda: model_file(session.settings, services, catalog, asked.model),
            find_sources=lambda artifact: source_files(services, catalog, artifact),
            environment=bench_environment(session.settings),
            scratch=session.settings.cache_dir,
            package_dir=package_dir(),
            versions=bench_versions(services),
        )
        return measure(request, services=services, ground=bench_ground(session.settings, services))


def _manifests(asked: _Asked) -> tuple[Manifest, ...]:
    return tuple(read_manifest(read_named(path)) for path in asked.forecasts)


def _is_dist(location: str) -> bool:
    """Tell whether a place is what ``build`` wrote.

    Raises:
        NothingSelectedError: it is a folder with neither that nor a repository.
    """
    folder = Path(location)
    if "://" in location or (folder / METADATA_FOLDER).is_dir():
        return False
    if not (folder / "manifest.json").is_file():
        raise NothingSelectedError(
            f"{folder} has nothing to measure: neither a repository nor what `build` wrote",
            hint="give a repository or a dist folder with --from",
        )
    return True
