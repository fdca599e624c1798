"""``build``: bundles, proven, with their manifest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.app.services import build_services
from pipeline.app.settings import program_name
from pipeline.catalog import budgets_of, load
from pipeline.cli import budgeting
from pipeline.cli.budgeting import BUDGET_OPTIONS, BudgetOptions
from pipeline.cli.build_options import BuildOptions, build_options, make_request, with_mirrors
from pipeline.cli.options import FOLDER, Command, changing_options, gathered_options
from pipeline.cli.plan_view import plan_document, plan_text
from pipeline.cli.planning import expect_option, plan_for, read_release_plans, require_planned
from pipeline.cli.tables import markdown, size_text, table
from pipeline.make import run
from pipeline.make.deliver import MANIFEST_NAME
from pipeline.make.lowering import settle
from pipeline.model.actions import MakeBundle
from pipeline.model.counts import counted
from pipeline.names import parse_release
from pipeline.plan import states

if TYPE_CHECKING:
    from pipeline.cli.session import Session
    from pipeline.errors import BudgetError
    from pipeline.model.budget_verdict import BudgetVerdict
    from pipeline.model.manifest import Artifact, Manifest, Proof
    from pipeline.model.plan import Plan

_HEADINGS = ("target", "version", "download", "installed", "layers", "proof", "path")


@click.command("build", cls=Command)
@build_options
@click.option("--output", "-o", type=FOLDER, help="Folder for bundles and manifest.json.  [default: dist]")
@click.option("--as-release", metavar="NAME", help="Our own name of the release, for the manifest.")
@expect_option
@click.option("--compiler-cache/--no-compiler-cache", default=True, help="Keep compiled objects for the next build.")
@gathered_options(BUDGET_OPTIONS, BudgetOptions, name="limits")
@changing_options
def command(
    session: Session,
    output: Path | None,
    as_release: str | None,
    expect: tuple[Path, ...],
    *,
    asked: BuildOptions,
    limits: BudgetOptions,
    compiler_cache: bool,
) -> None:
    """Make bundles: fetch upstream's archives, compile its source or assemble an environment; prove, write them.

    What is there already under the same key is not made again. A proof that fails leaves no bundle. With --rehearsal
    all of it is made in a minute, and there is no engine in it. What others make of the release that --expect names
    stands in the manifest as missing. A bundle that is larger than its recipe allows is kept, and ends it with 11.
    """
    release = None if as_release is None else parse_release(as_release)
    expected = read_release_plans(expect)
    catalog = load(session.settings.recipes_dir)
    request = make_request(asked, session.settings, catalog)
    output_dir = (output or session.settings.output).absolute()
    with build_services(
        with_mirrors(session.settings, asked), compiler_cache=compiler_cache, location=limits.location
    ) as services:
        plan = plan_for(session, request, catalog, services)
        if expected is not None:
            require_planned(plan, expected)
        if session.dry_run:
            settled = settle(plan, services)
            found = states(settled, services.store)
            session.show(plan_document(settled, found), lambda: plan_text(settled, found))
            return
        published = budgeting.require_baseline(session, limits, services, targets=plan.targets)
        manifest = run(plan, services, output_dir, release=release, expected=expected)
        made = _made(plan, manifest)
        budgets = budgets_of(catalog)
        verdict = budgeting.judge_made(
            session, limits, made, services, published=published, budgets=budgets, output_dir=output_dir
        )
    error = budgeting.error_of(verdict, limits.budget, kept=f"the bundles are in {output_dir}; ")
    _show(session, manifest, made, output_dir, judged=(verdict, error))
    if error is None:
        _say_what_next(session, manifest, made, output_dir)
    budgeting.finish(session, verdict, error)


def _made(plan: Plan, manifest: Manifest) -> list[Artifact]:
    """Return the entries of this build; the folder may have others."""
    keys = {
        (step.action.engine, step.action.platform, step.action.accel, step.action.version)
        for step in plan.steps
        if isinstance(step.action, MakeBundle)
    }
    return [artifact for artifact in manifest.artifacts if artifact.key in keys]


def _show(
    session: Session,
    manifest: Manifest,
    made: list[Artifact],
    output_dir: Path,
    *,
    judged: tuple[BudgetVerdict | None, BudgetError | None],
) -> None:
    verdict, error = judged
    rehearsal = any(artifact.rehearsal for artifact in made)
    missing = manifest.partial.missing if manifest.partial else ()
    rows = [
        (
            artifact.target,
            artifact.version,
            size_text(artifact.size),
            size_text(artifact.installed_size),
            " + ".join(layer.name for layer in artifact.layers if layer.is_bundled),
            "none: a rehearsal" if artifact.rehearsal else _proof_text(artifact.proof),
            _shown(output_dir / artifact.url),
        )
        for artifact in made
    ]
    document = {
        "output": str(output_dir),
        "manifest": str(output_dir / MANIFEST_NAME),
        "artifacts": [artifact.model_dump(mode="json") for artifact in made],
        "rehearsal": rehearsal,
        "missing": [str(bundle) for bundle in missing],
        **budgeting.budget_document(verdict, error),
    }
    session.show(
        document, lambda: table(_HEADINGS, rows, right=("download", "installed")) + budgeting.over_text(verdict)
    )
    if session.settings.summary_path:
        with session.settings.summary_path.open("a", encoding="utf-8") as summary:
            heading = "Rehearsal: there is no engine in these bundles" if rehearsal else "Bundles"
            summary.write(f"### {heading}\n\n{markdown(_HEADINGS, rows)}\n{budgeting.over_markdown(verdict)}")


def _say_what_next(session: Session, manifest: Manifest, made: list[Artifact], output_dir: Path) -> None:
    rehearsal = any(artifact.rehearsal for artifact in made)
    missing = manifest.partial.missing if manifest.partial else ()
    if rehearsal:
        session.warn("a rehearsal: there is no engine in these bundles")
    if missing:
        session.hint(f"{counted(len(missing), 'bundle')} of the release plan not here; `merge` joins what others make")
    asked = " --rehearsal" if rehearsal else ""
    session.hint(f"\nnext: {program_name()} publish --from {output_dir} --to REPOSITORY{asked}")


def _shown(path: Path) -> str:
    """Return a path as short as it can be typed from here."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _proof_text(proof: Proof) -> str:
    if proof.generated_tokens is not None:
        return f"run: {counted(proof.generated_tokens, 'token')}"
    return proof.level
