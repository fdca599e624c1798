"""``generate installers``: install.sh and install.ps1."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from pipeline.app.project import manifests_dir
from pipeline.app.services import build_services, disk
from pipeline.cli.options import FILE, FOLDER, Command, changing_options
from pipeline.cli.tables import size_text
from pipeline.cli.trusted_root import find_trusted_root
from pipeline.deploy.trust import TrustedRepository
from pipeline.errors import UsageError
from pipeline.model.counts import counted
from pipeline.model.repository_layout import METADATA_FOLDER, blob_path
from pipeline.publish.dist import MANIFEST_FILE, read_manifest_of
from pipeline.publish.installer_request import InstallersRequest, newest
from pipeline.publish.installer_scripts import POWERSHELL_SCRIPT, SHELL_SCRIPT
from pipeline.publish.installers import (
    StaleInstallersError,
    check_installers,
    generate_installers,
    preview_installers,
)

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from pipeline.cli.session import Session
    from pipeline.model.installers import InstallersOutcome
    from pipeline.ports import Services


@click.command("installers", cls=Command)
@click.option(
    "--from", "source", type=FOLDER, required=True, metavar="DIR", help="A repository, a mirror or a dist folder."
)
@click.option("--to", "folder", type=FOLDER, required=True, metavar="DIR", help="For the scripts; made when new.")
@click.option("--target", "targets", multiple=True, metavar="T", help="Which targets; repeats, globs.  [default: all]")
@click.option(
    "--release",
    "versions",
    multiple=True,
    metavar="V",
    help="Which versions; repeats.  [default: the newest of each target]",
)
@click.option("--url", metavar="URL", help="Where that repository, or --to itself, is served.")
@click.option("--trusted-root", type=FILE, metavar="FILE", help="Root metadata that the repository is checked against.")
@click.option("--rehearsal", is_flag=True, help="Make scripts of a rehearsal; they install only with the same word.")
@click.option("--check", is_flag=True, help="Change nothing, and end with 1 when the scripts are stale.")
@changing_options
def command(  # noqa: PLR0913 - one parameter an option
    session: Session,
    source: Path,
    folder: Path,
    targets: tuple[str, ...],
    versions: tuple[str, ...],
    url: str | None,
    trusted_root: Path | None,
    *,
    check: bool,
    rehearsal: bool,
) -> None:
    """Make install.sh and install.ps1: installers that need nothing but what a system has.

    They hold the digest of everything they install; what is revoked is left out. Beside them lie files/ (a .tar.gz of
    each layer, for systems without zstd) and installers.json.
    """
    if not source.is_dir():
        raise UsageError(
            f"there is no folder {source}", hint="--from takes a repository, a mirror, or what `build` wrote"
        )
    with build_services(session.settings) as services, ExitStack() as held:
        work_dir = held.enter_context(services.store.work_dir("generate-installers"))
        found = (
            _of_repository(source.absolute(), session, services, held, trusted_root)
            if (source / METADATA_FOLDER).is_dir()
            else _of_dist(source.absolute())
        )
        found["artifacts"] = newest(found["artifacts"], targets=targets, versions=versions, rehearsal=rehearsal)
        request = InstallersRequest(
            folder=folder.absolute(),
            templates_dir=manifests_dir() / "templates",
            work_dir=work_dir,
            base_url=url,
            **found,
        )
        only_look = check or session.dry_run
        work = check_installers if check else preview_installers if session.dry_run else generate_installers
        outcome = work(request, services=services, disk=disk())
    verbs = ("stale", "stale") if check else ("would write", "would remove") if only_look else ("written", "removed")
    session.show({**outcome.model_dump(mode="json"), "dry_run": only_look}, lambda: _text(outcome, verbs))
    if found.get("repository") is None:
        session.warn("made of a dist folder: nobody has signed what these scripts install")
    if check and outcome.changed:
        session.end_with(
            StaleInstallersError(
                f"{counted(len(outcome.changed), 'stale file')} in {folder}: {', '.join(outcome.changed)}",
                hint="run the same command without --check",
            )
        )


def _of_repository(
    folder: Path, session: Session, services: Services, held: ExitStack, trusted_root: Path | None
) -> dict[str, Any]:
    root = find_trusted_root(session, flag=trusted_root, pinned=None)
    state_dir = held.enter_context(services.store.work_dir("generate-installers-trust"))
    repository = held.enter_context(
        TrustedRepository.open(str(folder), state_dir=state_dir, trusted_root=root, services=services, disk=disk())
    )
    engines = repository.engines()
    return {
        "artifacts": [artifact for engine in engines for artifact in repository.manifest(engine).artifacts],
        "revoked": [build for engine in engines for build in repository.revocations(engine).revoked],
        "archive_of": lambda _artifact, layer: folder / blob_path(layer.sha256),
        "repository": repository.identity,
        "development": repository.development,
        "trusted_root": root,
    }


def _of_dist(folder: Path) -> dict[str, Any]:
    manifest = read_manifest_of(folder)
    if elsewhere := [layer.url for a in manifest.artifacts for layer in a.layers if ":" in layer.url]:
        raise UsageError(
            f"{folder / MANIFEST_FILE} names {elsewhere[0]}, which is not in {folder}",
            hint="scripts are made of files in one folder; `publish` them, or bring them there first",
        )
    return {"artifacts": manifest.artifacts, "archive_of": lambda _artifact, layer: folder / layer.url}


def _text(outcome: InstallersOutcome, verbs: tuple[str, str]) -> str:
    """Return what is said; ``verbs`` are for what is (to be) written, and for a script that is not made any more."""
    lines = [f"{bundle.script}  {bundle.target}  {bundle.version}" for bundle in outcome.bundles]
    lines += [f"left out  {name}: {reason}" for name, reason in outcome.left_out.items()]
    gone = {SHELL_SCRIPT, POWERSHELL_SCRIPT}.difference(outcome.scripts)
    lines += [f"{verbs[name in gone]}  {name}" for name in outcome.changed] or [f"{outcome.folder} is fresh"]
    lines.append(f"{counted(len(outcome.archives), 'gzip archive')}, {size_text(outcome.archive_bytes)}")
    return "\n".join(lines)
