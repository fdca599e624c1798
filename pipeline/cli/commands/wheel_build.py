"""``wheel build``: the wheel of an engine from its source distribution."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.app.project import version
from pipeline.app.services import build_services
from pipeline.builders.wheel_backend import deliver_wheel
from pipeline.catalog import budgets_of, load
from pipeline.cli import budgeting
from pipeline.cli.budgeting import BUDGET_OPTIONS, BudgetOptions
from pipeline.cli.options import FOLDER, Command, changing_options, gathered_options
from pipeline.cli.plan_view import plan_document, plan_text
from pipeline.cli.tables import size_text, table
from pipeline.make.run import carry_out_plan, run
from pipeline.model.wheel_actions import BuildWheel, ProveWheel
from pipeline.plan import BuildRequest, states
from pipeline.plan.wheel_building import WheelRequest, digest_of_tree, engine_of, find_tools, other_versions, plan_wheel
from pipeline.plan.wheel_bundling import bundle_engine, bundle_target, plan_bundle, with_wheel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.catalog import Catalog
    from pipeline.cli.session import Session
    from pipeline.make.outputs import Results
    from pipeline.model.environment import LockedEnvironment
    from pipeline.model.manifest import Artifact
    from pipeline.model.plan import Plan, Step
    from pipeline.ports import Services

_HEADINGS = ("engine", "version", "accel", "size", "needs", "proof", "wheel")


_OPTIONS = (
    click.option("--accel", metavar="A", help="What it computes on.  [default: the recipe's base]"),
    click.option("--release", metavar="R", help="Pinned release.  [default: the recipe's]"),
    click.option(
        "--prove/--no-prove",
        default=True,
        help="Install it with pip into a clean environment with no index, and have it generate with a real model.",
    ),
    click.option("--output", "-o", type=FOLDER, metavar="DIR", help="Folder that gets ACCEL/WHEEL.  [default: wheels]"),
    click.option(
        "--bundle",
        type=FOLDER,
        metavar="DIR",
        help="Also make a bundle of it and what it needs, for a Python that is there, and add it to DIR's "
        "manifest.json.",
    ),
)


@dataclass(frozen=True, slots=True)
class _Asked:
    """The options as they were given."""

    accel: str | None
    release: str | None
    prove: bool
    output: Path | None
    bundle: Path | None


@click.command("build", cls=Command)
@click.argument("engine", metavar="ENGINE", help='An engine whose recipe says kind = "wheel".')
@gathered_options(_OPTIONS, _Asked)
@gathered_options(BUDGET_OPTIONS, BudgetOptions, name="limits")
@click.option("--compiler-cache/--no-compiler-cache", default=True, help="Keep compiled objects for the next build.")
@changing_options
def command(session: Session, engine: str, *, asked: _Asked, limits: BudgetOptions, compiler_cache: bool) -> None:
    """Make the wheel of ENGINE with scikit-build-core, with the options of the recipes.

    Its platform tag is what the compiled files need. A proof that fails leaves no wheel; a bundle above its budget is
    kept.
    """
    catalog = load(session.settings.recipes_dir)
    recipe = engine_of(engine, catalog)
    asked_epoch = session.settings.epoch_seconds
    request = WheelRequest(
        engine, asked.accel or recipe.base, asked.release, prove=asked.prove, epoch_seconds=asked_epoch
    )
    output_dir = (asked.output or Path("wheels")).absolute() / request.accel
    with build_services(session.settings, compiler_cache=compiler_cache, location=limits.location) as services:
        platform = services.host.facts().platform or ""
        environment = _needs(catalog, recipe.environment, platform) if asked.prove or asked.bundle else None
        plan = plan_wheel(
            request,
            catalog,
            platform=platform,
            tools=find_tools(recipe, services.host),
            versions=other_versions(services.host),
            environment=environment if asked.prove else None,
            tree_sha256=digest_of_tree(recipe, asked.release, services.trees),
        )
        if session.dry_run:
            found = states(plan, services.store)
            session.show(plan_document(plan, found), lambda: plan_text(plan, found))
            return
        published = budgeting.require_baseline(session, limits, services, targets=plan.targets)
        plan, results = carry_out_plan(plan, services)
        blob = results[_step(plan).name].blobs["wheel"]
        path, _, _ = deliver_wheel(services.store.blob_path(blob.sha256), output_dir, services, filename=blob.filename)
        bundled = None
        if asked.bundle is not None and environment is not None:
            locked = with_wheel(environment, recipe, plan.decisions[0].version, blob)
            bundled = _bundle(request, catalog, locked, services, asked.bundle.absolute())
        folder = (asked.bundle or output_dir).absolute()
        made = [] if bundled is None else [bundled]
        budgets = budgets_of(catalog)
        verdict = budgeting.judge_made(
            session, limits, made, services, published=published, budgets=budgets, output_dir=folder
        )
    error = budgeting.error_of(verdict, limits.budget, kept=f"the bundle is in {folder}; ")
    place = str(folder / bundled.url) if bundled else None
    about_bundle = {"bundle": place, **budgeting.budget_document(verdict, error)}
    over = budgeting.over_text(verdict)
    _show(session, request, plan, results, path=str(path), about_bundle=about_bundle, over=over)
    budgeting.finish(session, verdict, error)


def _step(plan: Plan) -> Step:
    return next(step for step in plan.steps if isinstance(step.action, BuildWheel))


def _show(
    session: Session,
    request: WheelRequest,
    plan: Plan,
    results: Results,
    *,
    path: str,
    about_bundle: Mapping[str, Any],
    over: str,
) -> None:
    result = results[_step(plan).name]
    blob, version = result.blobs["wheel"], plan.decisions[0].version
    document = {
        "engine": request.engine,
        "version": version,
        "accel": request.accel,
        "file": path,
        "sha256": blob.sha256,
        "size": blob.size_bytes,
        **{name: result.facts[name] for name in ("tag", "requires", "options", "toolchain")},
        "proof": _proof(plan, results),
        **about_bundle,
    }
    proof = "run" if request.prove else "none"
    tag, size = str(result.facts["tag"]), size_text(blob.size_bytes)
    row = (request.engine, version, request.accel, size, tag, proof, path)
    session.show(document, lambda: table(_HEADINGS, [row], right=("size",)) + over)


def _needs(catalog: Catalog, environment: str, platform: str) -> LockedEnvironment:
    from pipeline.catalog.environments import read_environment  # noqa: PLC0415 - YAML costs its import

    return read_environment(Path(catalog.envs_dir) / environment, platform)


def _bundle(
    request: WheelRequest, catalog: Catalog, environment: LockedEnvironment, services: Services, folder: Path
) -> Artifact:
    """Make the bundle of a wheel that is in the store; return its entry of the manifest."""
    engine = bundle_engine(catalog.wheels[request.engine], request.accel, catalog)
    asked = BuildRequest(
        targets=(bundle_target(engine, environment.platform),),
        prove=None if request.prove else "none",
        wheels_only=True,
        epoch_seconds=request.epoch_seconds,
        builder_version=version(),
    )
    plan = plan_bundle(engine, environment, asked, catalog, services.host)
    manifest = run(plan, services, folder)
    key = (plan.targets[0], plan.decisions[0].version)
    return next(found for found in manifest.artifacts if (found.target, found.version) == key)


def _proof(plan: Plan, results: Results) -> object:
    step = next((step for step in plan.steps if isinstance(step.action, ProveWheel)), None)
    return None if step is None else results[step.name].facts["proof"]
