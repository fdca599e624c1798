"""``plan``: the steps of a build, and nothing done."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from pipeline.app.services import build_services
from pipeline.catalog import load
from pipeline.cli.build_options import BuildOptions, build_options, make_request, with_mirrors, without_unmakeable
from pipeline.cli.options import Command, common_options
from pipeline.cli.plan_view import plan_document, plan_text, steps_to_download
from pipeline.cli.planning import plan_for
from pipeline.cli.tables import size_text
from pipeline.cli.workflow_recipes import workflow_recipes
from pipeline.make.lowering import settle
from pipeline.plan import github_matrix, refuse, release_plan, states

if TYPE_CHECKING:
    from pipeline.cli.session import Session


@click.command("plan", cls=Command)
@build_options
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["table", "json", "github-matrix", "release-plan"]),
    default="table",
    show_default=True,
    help="github-matrix is the strategy.matrix of a GitHub Actions job; release-plan lists every bundle of the whole, "
    "for merge --expect.",
)
@common_options
def command(session: Session, output_format: str, asked: BuildOptions) -> None:
    """Show every step that a build needs: what is there already, what is downloaded, what is built, and why."""
    catalog = load(session.settings.recipes_dir)
    request = make_request(asked, session.settings, catalog)
    if output_format in {"github-matrix", "release-plan"}:
        request = without_unmakeable(session, request, catalog, host=None)
        refuse(request, catalog)
        if output_format == "release-plan":
            document = release_plan(request, catalog).model_dump(mode="json")
            session.show(document, lambda: json.dumps(document, indent=2))
            return
        matrix = github_matrix(
            request.targets,
            # What is fetched runs on its own platform, whatever would compile it.
            machine_of=(lambda target: target.platform) if request.source == "fetch" else catalog.machine_of,
            runners=workflow_recipes(session.settings.recipes_dir, catalog).github.runners,
            release=None if request.release_is_default else request.release,  # the job reads the same defaults
            source=request.source,
            wheels_only=request.wheels_only,
            with_miniforge=request.with_miniforge,
            rehearsal=request.rehearsal,
        )
        session.show(matrix, lambda: json.dumps(matrix))
        return
    with build_services(with_mirrors(session.settings, asked)) as services:
        plan = settle(plan_for(session, request, catalog, services), services)
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
