"""``upstream pin``: writes the pin of a release; ci/update_pins calls it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.app.services import attestation_verifier, disk, remote_hasher
from pipeline.cli.options import Command, changing_options
from pipeline.cli.tables import table
from pipeline.cli.upstream_options import api_option, engine_option, listing_option, opened_upstream, upstream_dir
from pipeline.errors import UsageError
from pipeline.model.counts import counted
from pipeline.model.upstream import TRUST_LEVELS
from pipeline.upstream.evidence import EvidenceSources
from pipeline.upstream.pinning import Permissions
from pipeline.upstream.release_pin import MadePin, keep_pin, pin_release, whole_release
from pipeline.upstream.resolve import POINTER_BYTES, Wish
from pipeline.upstream.selectors import parse_selector

if TYPE_CHECKING:
    from pipeline.cli.session import Session
    from pipeline.cli.upstream_options import Upstream
    from pipeline.upstream.pinning import Pinning

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
    with opened_upstream(session, options["engine"], options["api"], listing=options["listing"]) as upstream:
        read_small = upstream.services.downloader.read_small
        wish = Wish((), 0.0, upstream.services.clock.now_seconds(), upstream.preferences, upstream.parts)
        found = whole_release(
            meant,
            upstream.releases,
            wish,
            lambda url: read_small(url, limit_bytes=POINTER_BYTES),
            allow_partial=options["allow_partial"],
        )
        if found.state.complete is None:
            session.warn(f"whether {found.release.tag} is whole is not known: the listing has no near build")
        permissions = Permissions(lower=options["allow_lower"].strip(), changed=options["accept_changed"])
        sources = _sources(session, upstream, options)
        made = pin_release(upstream_dir(session) / options["engine"], found, wish, sources, permissions)
    if not session.dry_run:
        keep_pin(made, disk())
    for name in made.pinning.unknown:
        session.warn(f"{name} means nothing we know; it is pinned, and no target is made of it")
    session.show(
        _document(made, dry_run=session.dry_run),
        lambda: _text(made, dry_run=session.dry_run),
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


def _levels(pinning: Pinning) -> dict[str, int]:
    levels = [asset.level for asset in pinning.release.assets]
    return {level: levels.count(level) for level in TRUST_LEVELS if level in levels}


def _document(made: MadePin, *, dry_run: bool) -> dict[str, object]:
    pinning = made.pinning
    return {
        "path": str(made.path),
        "tag": pinning.release.tag,
        "written": made.is_new and not dry_run,
        "dry_run": dry_run,
        "assets": len(pinning.release.assets),
        "levels": _levels(pinning),
        "targets": {target: list(archives) for target, archives in pinning.release.targets.items()},
        "left_out": dict(pinning.left_out),
        "unknown": list(pinning.unknown),
        "differences": list(pinning.differences),
    }


def _text(made: MadePin, *, dry_run: bool) -> str:
    pinning = made.pinning
    done = ("would be written" if dry_run else "written") if made.is_new else "unchanged"
    levels = ", ".join(f"{count} {level}" for level, count in _levels(pinning).items())
    rows = [(target, ", ".join(archives)) for target, archives in pinning.release.targets.items()]
    rows += [(target, f"not made: {why}") for target, why in pinning.left_out.items()]
    lines = [f"{made.path}: {done}; {counted(len(pinning.release.assets), 'file')} ({levels})"]
    return "\n".join((*lines, *pinning.differences, "", table(("target", "made of"), rows)))
