"""``plan``: the steps of a build, and nothing done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.app.services import build_services
from pipeline.catalog import load
from pipeline.cli.build_options import BuildOptions, build_options, make_request, with_mirrors, without_unmakeable
from pipeline.cli.options import Command, common_options
from pipeline.cli.plan_view import plan_document, plan_text, steps_to_download
from pipeline.cli.tables import size_text
from pipeline.cli.unused_channels import warn_where_channels_are_asked
from pipeline.make.lowering import settle
from pipeline.plan import github_matrix, look_around, make_plan, refuse, states

if TYPE_CHECKING:
    from pipeline.cli.session import Session


@click.command("plan", cls=Command)
@build_options
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["table", "json", "github-matrix"]),
    default="table",
    show_default=True,
    help="github-matrix is the strategy.matrix of a GitHub Actions job.",
)
@common_options
def command(session: Session, output_format: str, asked: BuildOptions) -> None:
    """Show every step that a build needs: what is there already, what is downloaded, what is built, and why."""
    catalog = load(session.settings.recipes_dir)
    request = make_request(asked, session.settings, catalog)
    if output_format == "github-matrix":
        request = without_unmakeable(session, request, catalog, host=None)
        refuse(request, catalog)
        matrix = github_matrix(
            request.targets,
            release=None if request.release_is_default else request.release,  # the job reads the same defaults
            source=request.source,
            wheels_only=request.wheels_only,
            with_miniforge=request.with_miniforge,
        )
        session.show(matrix, lambda: json.dumps(matrix))
        return
    with build_services(with_mirrors(session.settings, asked)) as services:
        request = without_unmakeable(session, request, catalog, host=services.host)
        plan = settle(make_plan(request, catalog, look_around(request, catalog, services)), services)
        warn_where_channels_are_asked(session, plan, Path(catalog.envs_dir))
        found = states(plan, services.store)
    document = plan_document(plan, found)
    if session.settings.offline and (absent := steps_to_download(plan, found)):
        names = ", ".join(f"{step.name!r} ({size_text(step.download_bytes)})" for step in absent)
        session.warn(
            f"the network is forbidden, and up to {size_text(document['download_bytes'])} would be downloaded by"
            f" {names}; `build --offline` ends with exit code 12 where one of these files is neither in the cache"
            " folder nor in a folder that --from-mirror or ENGINE_PIPELINE_MIRROR names"
        )
    session.show(document, lambda: json.dumps(document) if output_format == "json" else plan_text(plan, found))
