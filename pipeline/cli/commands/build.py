"""``build``: bundles, proven, with their manifest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.app.services import build_services
from pipeline.app.settings import program_name
from pipeline.catalog import load
from pipeline.cli.build_options import BuildOptions, build_options, make_request, with_mirrors, without_unmakeable
from pipeline.cli.options import FOLDER, Command, changing_options
from pipeline.cli.plan_view import plan_document, plan_text
from pipeline.cli.tables import markdown, size_text, table
from pipeline.cli.unused_channels import warn_where_channels_are_asked
from pipeline.make import run
from pipeline.make.deliver import MANIFEST_NAME
from pipeline.make.lowering import settle
from pipeline.model.actions import MakeBundle
from pipeline.model.counts import counted
from pipeline.names import parse_release
from pipeline.plan import look_around, make_plan, states

if TYPE_CHECKING:
    from pipeline.cli.session import Session
    from pipeline.model.manifest import Artifact, Proof

_HEADINGS = ("target", "version", "download", "installed", "layers", "proof", "path")


@click.command("build", cls=Command)
@build_options
@click.option("--output", "-o", type=FOLDER, help="Folder for bundles and manifest.json.  [default: dist]")
@click.option("--as-release", metavar="NAME", help="Our own name of the release, for the manifest.")
@click.option("--compiler-cache/--no-compiler-cache", default=True, help="Keep compiled objects for the next build.")
@changing_options
def command(
    session: Session,
    output: Path | None,
    as_release: str | None,
    *,
    asked: BuildOptions,
    compiler_cache: bool,
) -> None:
    """Make bundles: fetch upstream's archives, compile its source or assemble an environment; prove, write them.

    What is there already under the same key is not made again. A proof that fails leaves no bundle.
    """
    release = None if as_release is None else parse_release(as_release)
    catalog = load(session.settings.recipes_dir)
    request = make_request(asked, session.settings, catalog)
    output_dir = (output or session.settings.output).absolute()
    with build_services(with_mirrors(session.settings, asked), compiler_cache=compiler_cache) as services:
        request = without_unmakeable(session, request, catalog, host=services.host)
        plan = make_plan(request, catalog, look_around(request, catalog, services))
        warn_where_channels_are_asked(session, plan, Path(catalog.envs_dir))
        if session.dry_run:
            settled = settle(plan, services)
            found = states(settled, services.store)
            session.show(plan_document(settled, found), lambda: plan_text(settled, found))
            return
        manifest = run(plan, services, output_dir, release=release)
    keys = {
        (step.action.engine, step.action.platform, step.action.accel, step.action.version)
        for step in plan.steps
        if isinstance(step.action, MakeBundle)
    }
    _show(session, [artifact for artifact in manifest.artifacts if artifact.key in keys], output_dir)


def _show(session: Session, made: list[Artifact], output_dir: Path) -> None:
    rows = [
        (
            artifact.target,
            artifact.version,
            size_text(artifact.size),
            size_text(artifact.installed_size),
            " + ".join(layer.name for layer in artifact.layers if layer.is_bundled),
            _proof_text(artifact.proof),
            _shown(output_dir / artifact.url),
        )
        for artifact in made
    ]
    document = {
        "output": str(output_dir),
        "manifest": str(output_dir / MANIFEST_NAME),
        "artifacts": [artifact.model_dump(mode="json") for artifact in made],
    }
    session.show(document, lambda: table(_HEADINGS, rows, right=("download", "installed")))
    if session.settings.summary_path:
        with session.settings.summary_path.open("a", encoding="utf-8") as summary:
            summary.write(f"### Bundles\n\n{markdown(_HEADINGS, rows)}\n")
    session.hint(f"\nnext: {program_name()} publish --from {output_dir} --to REPOSITORY")


def _shown(path: Path) -> str:
    """Return a path as short as it can be typed from here."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _proof_text(proof: Proof) -> str:
    if proof.generated_tokens is not None:
        return f"run: {counted(proof.generated_tokens, 'token')}"
    return proof.level
