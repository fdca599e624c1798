"""``upstream drift``: what changed upstream against our pins."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from pipeline.asset_names.classify import build_number
from pipeline.catalog.upstream import read_pinned_releases
from pipeline.cli.options import Command, common_options
from pipeline.cli.tables import table
from pipeline.cli.upstream_options import api_option, engine_option, listing_option, opened_upstream, upstream_dir
from pipeline.errors import NothingSelectedError, PipelineError
from pipeline.model.counts import counted
from pipeline.upstream.drift import Finding, newest_drift, pin_drift
from pipeline.upstream.resolve import Wish, resolve
from pipeline.upstream.selectors import parse_selector

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session
    from pipeline.cli.upstream_options import Upstream
    from pipeline.model.release_listing import ListedRelease


class DriftError(PipelineError):
    """Upstream is no longer what is pinned."""


@click.command("drift", cls=Command, short_help="Compare the listing with our pins.")
@listing_option
@engine_option
@api_option
@common_options
def command(session: Session, *, engine: str, api: str | None, listing: Path | None) -> None:
    """Compare upstream's listing with our pins: renamed, vanished, new, changed under one name.

    A newer whole release is compared with the newest pin too: targets that are gone, renamed or new, and names that
    mean nothing we know. A pin that a recorded listing does not reach is said and is no drift. Ends
    with 0 when nothing drifted, with 1 when something did.
    """
    pins = sorted(
        read_pinned_releases(upstream_dir(session)).get(engine, {}).values(), key=lambda pin: pin.build_number
    )
    with opened_upstream(session, engine, api, listing=listing) as upstream:
        if not pins:
            raise NothingSelectedError(f"no release of {engine} is pinned", hint="ci/update_pins pins one")
        listed = {pin.tag: upstream.releases.find(pin.tag) for pin in pins}
        not_listed = [tag for tag, found in listed.items() if found is None and not upstream.releases.reaches(tag)]
        compared = [pin for pin in pins if pin.tag not in not_listed]
        findings = [finding for pin in compared for finding in pin_drift(pin, listed[pin.tag])]
        newest = _newest(upstream)
        if newest is not None and (build_number(newest.tag) or 0) > pins[-1].build_number:
            findings += newest_drift(pins[-1], newest, upstream.preferences, upstream.parts)
    if newest is None and not compared:
        raise NothingSelectedError(
            "the listing holds no whole release and none that is pinned", hint="record a page that has one"
        )
    tags = [pin.tag for pin in pins]
    document = {
        "engine": engine,
        "repository": upstream.preferences.repository,
        "drift": bool(findings),
        "pins": tags,
        "not_listed": not_listed,
        "newest": newest.tag if newest else None,
        "findings": [asdict(finding) for finding in findings],
        "checked_at": upstream.releases.checked_at,
        "cached": upstream.releases.cached,
    }
    session.show(document, lambda: _text(findings, document))
    if findings:
        session.end_with(
            DriftError(
                f"{counted(len(findings), 'thing')} drifted",
                hint="`ci/update_pins` pins a release; look at the diff first",
            )
        )


def _newest(upstream: Upstream) -> ListedRelease | None:
    wish = Wish((), 0.0, upstream.services.clock.now_seconds(), upstream.preferences, upstream.parts)
    try:
        return resolve(parse_selector("latest"), upstream.releases, wish, lambda _: None).release
    except NothingSelectedError:  # only partial releases: the pins alone are compared
        return None


def _text(findings: list[Finding], document: dict[str, Any]) -> str:
    compared = f"pinned: {', '.join(document['pins'])}; newest whole release: {document['newest'] or 'none'}"
    if document["not_listed"]:
        compared += f"; not in this listing: {', '.join(document['not_listed'])}"
    if not findings:
        return f"nothing drifted ({compared})"
    rows = [(finding.tag, finding.kind, finding.name, finding.detail) for finding in findings]
    return f"{table(('tag', 'drift', 'name', 'detail'), rows)}\n\n{compared}"
