"""``wheel build``: the wheel of an engine from its source distribution."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.app.project import version
from pipeline.app.services import build_services
from pipeline.builders.wheel_backend import deliver_wheel
from pipeline.catalog import load
from pipeline.cli.options import FOLDER, Command, changing_options
from pipeline.cli.plan_view import plan_document, plan_text
from pipeline.cli.tables import size_text, table
from pipeline.make.run import carry_out_plan, run
from pipeline.model.wheel_actions import BuildWheel, ProveWheel
from pipeline.plan import BuildRequest, states
from pipeline.plan.wheel_building import WheelRequest, digest_of_tree, engine_of, find_tools, other_versions, plan_wheel
from pipeline.plan.wheel_bundling import bundle_engine, bundle_target, plan_bundle, with_wheel

if TYPE_CHECKING:
    from pipeline.catalog import Catalog
    from pipeline.cli.session import Session
    from pipeline.make.outputs import Results
    from pipeline.model.environment import LockedEnvironment
    from pipeline.model.plan import Plan, Step
    from pipeline.ports import Services

_HEADINGS = ("engine", "version", "accel", "size", "needs", "proof", "wheel")


@click.command("build", cls=Command)
@click.argument("engine", metavar="ENGINE", help='An engine whose recipe says kind = "wheel".')
@click.option("--accel", metavar="A", help="What it computes on.  [default: the recipe's base]")
@click.option("--release", metavar="R", help="Pinned release.  [default: the recipe's]")
@click.option(
    "--prove/--no-prove",
    default=True,
    help="Install it with pip into a clean environment with no index, and have it generate with a real model.",
)
@click.option("--output", "-o", type=FOLDER, metavar="DIR", help="Folder that gets ACCEL/WHEEL.  [default: wheels]")
@click.option(
    "--bundle",
    type=FOLDER,
    metavar="DIR",
    help="Also make a bundle of it and what it needs, for a Python that is there, and add it to DIR's manifest.json.",
)
@click.option("--compiler-cache/--no-compiler-cache", default=True, help="Keep compiled objects for the next build.")
@changing_options
def command(
    session: Session,
    engine: str,
    accel: str | None,
    release: str | None,
    output: Path | None,
    bundle: Path | None,
    *,
    prove: bool,
    compiler_cache: bool,
) -> None:
    """Make the wheel of ENGINE with scikit-build-core, with the options of the recipes.

    Its platform tag is what the compiled files need. A proof that fails leaves no wheel.
    """
    catalog = load(session.settings.recipes_dir)
    recipe = engine_of(engine, catalog)
    asked_epoch = session.settings.epoch_seconds
    request = WheelRequest(engine, accel or recipe.base, release, prove=prove, epoch_seconds=asked_epoch)
    output_dir = (output or Path("wheels")).absolute() / request.accel
    with build_services(session.settings, compiler_cache=compiler_cache) as services:
        platform = services.host.facts().platform or ""
        tools = find_tools(recipe, services.host)
        environment = _needs(catalog, recipe.environment, platform) if prove or bundle else None
        plan = plan_wheel(
            request,
            catalog,
            platform=platform,
            tools=tools,
            versions=other_versions(services.host),
            environment=environment if prove else None,
            tree_sha256=digest_of_tree(recipe, release, services.trees),
        )
        if session.dry_run:
            found = states(plan, services.store)
            session.show(plan_document(plan, found), lambda: plan_text(plan, found))
            return
        plan, results = carry_out_plan(plan, services)
        blob = results[_step(plan).name].blobs["wheel"]
        kept = services.store.blob_path(blob.sha256)
        path, _, _ = deliver_wheel(kept, output_dir, services, filename=blob.filename)
        bundled = None
        if bundle is not None and environment is not None:
            locked = with_wheel(environment, recipe, plan.decisions[0].version, blob)
            bundled = _bundle(request, catalog, locked, services, bundle.absolute())
    _show(session, request, plan, results, paths=(str(path), bundled))


def _step(plan: Plan) -> Step:
    return next(step for step in plan.steps if isinstance(step.action, BuildWheel))


def _show(
    session: Session, request: WheelRequest, plan: Plan, results: Results, *, paths: tuple[str, str | None]
) -> None:
    result = results[_step(plan).name]
    blob, version = result.blobs["wheel"], plan.decisions[0].version
    document = {
        "engine": request.engine,
        "version": version,
        "accel": request.accel,
        "file": paths[0],
        "sha256": blob.sha256,
        "size": blob.size_bytes,
        **{name: result.facts[name] for name in ("tag", "requires", "options", "toolchain")},
        "proof": _proof(plan, results),
        "bundle": paths[1],
    }
    proof = "run" if request.prove else "none"
    tag, size = str(result.facts["tag"]), size_text(blob.size_bytes)
    row = (request.engine, version, request.accel, size, tag, proof, paths[0])
    session.show(document, lambda: table(_HEADINGS, [row], right=("size",)))


def _needs(catalog: Catalog, environment: str, platform: str) -> LockedEnvironment:
    from pipeline.catalog.environments import read_environment  # noqa: PLC0415 - YAML costs its import

    return read_environment(Path(catalog.envs_dir) / environment, platform)


def _bundle(
    request: WheelRequest, catalog: Catalog, environment: LockedEnvironment, services: Services, folder: Path
) -> str:
    """Make the bundle of a wheel that is in the store; return where it is."""
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
    return str(folder / next(found.url for found in manifest.artifacts if found.target == plan.targets[0]))


def _proof(plan: Plan, results: Results) -> object:
    step = next((step for step in plan.steps if isinstance(step.action, ProveWheel)), None)
    return None if step is None else results[step.name].facts["proof"]
