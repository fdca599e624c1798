"""``upstream pin``: writes the pin of a release; ci/update_pins calls it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.app.services import attestation_verifier, disk, remote_hasher
from pipeline.catalog.pins import attestation_path
from pipeline.catalog.upstream import read_pinned_release
from pipeline.cli.options import Command, changing_options
from pipeline.cli.tables import table
from pipeline.cli.upstream_options import api_option, engine_option, listing_option, opened_upstream, upstream_dir
from pipeline.errors import NothingSelectedError, UsageError
from pipeline.model.manifest_document import write_document
from pipeline.model.upstream import TRUST_LEVELS
from pipeline.upstream.evidence import EvidenceSources, gather
from pipeline.upstream.pinning import Permissions, Pinning, make_pin
from pipeline.upstream.resolve import POINTER_BYTES, Wish, resolve
from pipeline.upstream.selectors import parse_selector

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.cli.session import Session
    from pipeline.cli.upstream_options import Upstream
    from pipeline.upstream.pinning import Evidence

_AT_HAND = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("pin", cls=Command, short_help="Write or refresh the pin of a release.")
@click.argument("selector", metavar="[SELECTOR]", required=False)
@click.option("--tag", metavar="TAG", help="The same as SELECTOR.  [default: latest]")
@click.option("--attest", is_flag=True, help="Ask the API for each file's attestation and verify it.")
@click.option(
    "--attestations",
    type=_AT_HAND,
    multiple=True,
    metavar="FILE",
    help="Attestations at hand (gh attestation download).",
)
@click.option("--sigstore-root", type=_AT_HAND, metavar="FILE", help="Trusted root of another Sigstore instance.")
@click.option("--allow-lower", metavar="REASON", default="", help="Let a level sink; the reason is kept in the pin.")
@click.option("--accept-changed", is_flag=True, help="Pin files anew that changed under their names, or are gone.")
@click.option("--allow-partial", is_flag=True, help="Pin a release although it is partial.")
@listing_option
@engine_option
@api_option
@changing_options
def command(session: Session, selector: str | None, tag: str | None, **options: Any) -> None:  # noqa: ANN401 - of the options' types
    """Pin an upstream release: write or refresh recipes/upstream/ENGINE/TAG.json, for a person to review as a diff.

    The level of each file says how its digest is vouched for: attested (upstream's signed statement), digest (the API),
    pinned (read and hashed here). A level never sinks unasked, and a file that changed under its name is refused.
    Attestations that verify are kept beside the pin, and every build verifies them again.
    """
    if selector and tag:
        raise UsageError("SELECTOR and --tag are the same thing", hint="give one of them")
    meant = parse_selector(selector or tag or "latest")
    engine = options["engine"]
    with opened_upstream(session, engine, options["api"], listing=options["listing"]) as upstream:
        read_small = upstream.services.downloader.read_small
        wish = Wish((), 0.0, upstream.services.clock.now_seconds(), upstream.preferences, upstream.parts)
        found = resolve(meant, upstream.releases, wish, lambda url: read_small(url, limit_bytes=POINTER_BYTES))
        if found.state.complete is False and not options["allow_partial"]:
            raise NothingSelectedError(
                f"{found.release.tag} is partial: it lacks {', '.join(found.state.lacks) or 'files that are coming'}",
                hint="wait, name another release, or give --allow-partial",
            )
        if found.state.complete is None:
            session.warn(f"whether {found.release.tag} is whole is not known: the listing has no near build")
        path = upstream_dir(session) / engine / f"{found.release.tag}.json"
        old = read_pinned_release(path) if path.is_file() else None
        permissions = Permissions(lower=options["allow_lower"].strip(), changed=options["accept_changed"])
        evidence = gather(found.release, upstream.preferences.repository, _sources(session, upstream, options))
        pinning = make_pin(
            found.release, upstream.preferences, evidence, parts=upstream.parts, old=old, permissions=permissions
        )
    data = write_document(pinning.release)
    is_new = not path.is_file() or path.read_bytes() != data
    if not session.dry_run:
        _keep_statements(path.parent, evidence.values())  # first: a pin that is attested needs them
        if is_new:
            disk().make_dirs(path.parent)
            disk().replace_file(path, data, staging_dir=path.parent)
    for name in pinning.unknown:
        session.warn(f"{name} means nothing we know; it is pinned, and no target is made of it")
    session.show(
        _document(path, pinning, is_new=is_new, dry_run=session.dry_run),
        lambda: _text(path, pinning, is_new=is_new, dry_run=session.dry_run),
    )


def _sources(session: Session, upstream: Upstream, options: dict[str, Any]) -> EvidenceSources:
    bundles = [path.read_bytes() for path in options["attestations"]]
    return EvidenceSources(
        hasher=remote_hasher(session.settings),
        verifier=attestation_verifier(options["sigstore_root"] or session.settings.sigstore_root),
        api=upstream.api if options["attest"] else None,
        bundles=bundles,
        say=session.hint,
    )


def _keep_statements(folder: Path, evidence: Iterable[Evidence]) -> None:
    """Write the attestations that were verified beside the pins, where a build looks for them."""
    for found in evidence:
        if found.statement is None:
            continue
        path = attestation_path(folder, found.sha256)
        disk().make_dirs(path.parent)
        if not path.is_file() or path.read_bytes() != found.statement:
            disk().replace_file(path, found.statement, staging_dir=path.parent)


def _levels(pinning: Pinning) -> dict[str, int]:
    levels = [asset.level for asset in pinning.release.assets]
    return {level: levels.count(level) for level in TRUST_LEVELS if level in levels}


def _document(path: Path, pinning: Pinning, *, is_new: bool, dry_run: bool) -> dict[str, object]:
    return {
        "path": str(path),
        "tag": pinning.release.tag,
        "written": is_new and not dry_run,
        "dry_run": dry_run,
        "assets": len(pinning.release.assets),
        "levels": _levels(pinning),
        "targets": {target: list(archives) for target, archives in pinning.release.targets.items()},
        "left_out": dict(pinning.left_out),
        "unknown": list(pinning.unknown),
        "differences": list(pinning.differences),
    }


def _text(path: Path, pinning: Pinning, *, is_new: bool, dry_run: bool) -> str:
    done = ("would be written" if dry_run else "written") if is_new else "unchanged"
    levels = ", ".join(f"{count} {level}" for level, count in _levels(pinning).items())
    rows = [(target, ", ".join(archives)) for target, archives in pinning.release.targets.items()]
    rows += [(target, f"not made: {why}") for target, why in pinning.left_out.items()]
    lines = [f"{path}: {done}; {len(pinning.release.assets)} files ({levels})"]
    return "\n".join((*lines, *pinning.differences, "", table(("target", "made of"), rows)))
