"""``generate ci``: workflows that make a release."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.app.project import checkout_dir, manifests_dir
from pipeline.app.services import disk
from pipeline.catalog import load
from pipeline.cli.build_options import without_unmakeable
from pipeline.cli.options import FOLDER, Command, changing_options
from pipeline.cli.workflow_recipes import workflow_recipes
from pipeline.model.counts import counted
from pipeline.plan import BuildRequest
from pipeline.target_names import select_targets
from pipeline.workflows import (
    PROVIDERS,
    choose_runners,
    crossed_for_macs,
    kept_elsewhere,
    plan_jobs,
    plan_proofs,
    read_runners,
    render_workflows,
    require_fresh,
    stale_files,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from pipeline.catalog import Catalog
    from pipeline.cli.session import Session
    from pipeline.names import Target
    from pipeline.workflows import GeneratedFile, Job, Provider

_EVERYTHING = ("*",)
_STAGING = ".generate-ci"


@click.command("ci", cls=Command)
@click.option(
    "--provider",
    "providers",
    type=click.Choice(PROVIDERS),
    multiple=True,
    help="Whose workflows; repeats.  [default: all]",
)
@click.option(
    "-t",
    "--target",
    "patterns",
    multiple=True,
    metavar="T",
    help="What a release holds; repeats, commas, globs.  [default: all that can be made]",
)
@click.option(
    "--runner",
    "runners",
    multiple=True,
    metavar="PLATFORM=LABEL",
    help="Another runner for a platform, with GitLab by its tag; repeats.",
)
@click.option("--output", "-o", type=FOLDER, metavar="DIR", help="The checkout.  [default: this program's own, or .]")
@click.option("--check", is_flag=True, help="Change nothing, and end with 1 when the workflows are stale.")
@changing_options
def command(
    session: Session,
    providers: tuple[Provider, ...],
    patterns: tuple[str, ...],
    runners: tuple[str, ...],
    output: Path | None,
    *,
    check: bool,
) -> None:
    """Make the workflows of GitHub Actions and GitLab CI: a release of many machines, pins, nightly chores.

    Each job makes targets of one platform and one toolkit on the runner that recipes/ci names for them; one job then
    gathers, signs and publishes what all have made.
    """
    asked = read_runners(runners)
    catalog = load(session.settings.recipes_dir)
    recipes = workflow_recipes(session.settings.recipes_dir, catalog)
    targets = _targets(session, catalog, patterns or _EVERYTHING)
    folder = (output or checkout_dir() or Path()).absolute()
    jobs: dict[str, list[str]] = {}
    files: list[GeneratedFile] = []
    elsewhere: dict[str, Job] = {}
    for provider in providers or PROVIDERS:
        chosen = choose_runners(provider, recipes, asked)
        planned = plan_jobs(targets, catalog, packages=recipes.packages, runners=chosen)
        jobs[provider] = [job.name for job in planned]
        elsewhere.update({job.name: job for job in kept_elsewhere(planned, asked)})
        files += render_workflows(
            provider,
            planned,
            recipes=recipes,
            runners=chosen,
            templates_dir=_templates_dir(),
            fetched=plan_proofs(targets, catalog, runners=chosen),
            crossed=crossed_for_macs(targets, catalog, host=chosen.gathering_platform),
        )
    _warn_of(session, elsewhere.values(), asked)
    found = {file.path: _content(folder / file.path) for file in files}
    if check:
        require_fresh(files, found)
    stale = stale_files(files, found)
    if not session.dry_run:
        _write(folder, stale)
    document = {"folder": str(folder), **_changes(files, stale), "jobs": jobs, "dry_run": session.dry_run}
    session.show(document, lambda: _text(document))


def _changes(files: Iterable[GeneratedFile], stale: Iterable[GeneratedFile]) -> dict[str, list[str]]:
    return {
        "files": [file.path for file in files if file.content is not None],
        "changed": [file.path for file in stale if file.content is not None],
        "removed": [file.path for file in stale if file.content is None],
    }


def _warn_of(session: Session, elsewhere: Iterable[Job], asked: Mapping[str, str]) -> None:
    """Say which targets a runner that was asked for does not make."""
    for job in elsewhere:
        names, runner = ", ".join(job.targets), f"{job.platform}={asked[job.platform]}"
        session.warn(f"--runner {runner} does not make {names}: cross built on {job.runner}")


def _targets(session: Session, catalog: Catalog, patterns: tuple[str, ...]) -> tuple[Target, ...]:
    catalog.refuse_unsupported(patterns)
    request = BuildRequest(targets=select_targets(patterns, catalog.targets()), patterns=patterns)
    return without_unmakeable(session, request, catalog, host=None).targets


def _templates_dir() -> Path:
    return manifests_dir() / "templates" / "ci"


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _write(folder: Path, files: tuple[GeneratedFile, ...]) -> None:
    """Replace the files, each at once; a run that dies leaves old ones and new ones, and none that is half written."""
    if not files:
        return
    staging = folder / _STAGING
    disk().make_dirs(staging, durable=False)
    try:
        for file in files:
            path = folder / file.path
            if file.content is None:
                disk().remove(path)
                continue
            disk().make_dirs(path.parent)
            disk().replace_file(path, file.content, staging_dir=staging)
    finally:
        disk().remove(staging)


def _text(document: dict[str, Any]) -> str:
    write, remove = ("would write", "would remove") if document["dry_run"] else ("written", "removed")
    lines = [f"{write}  {name}" for name in document["changed"]] + [f"{remove}  {name}" for name in document["removed"]]
    lines = lines or [f"{document['folder']} is fresh"]
    lines += [f"{provider}: {counted(len(names), 'job')} of a release" for provider, names in document["jobs"].items()]
    return "\n".join(lines)
