"""``doctor``: what this machine has, and what it lacks."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from pipeline.app.services import build_services
from pipeline.catalog import load
from pipeline.cli.examination import examine
from pipeline.cli.options import Command, common_options
from pipeline.cli.tables import table
from pipeline.errors import HostError

if TYPE_CHECKING:
    from pipeline.cli.examination import Finding
    from pipeline.cli.session import Session


@click.command("doctor", cls=Command)
@click.option("--strict", is_flag=True, help="End with code 5 when a build lacks something.")
@common_options
def command(session: Session, *, strict: bool) -> None:
    """Look at this machine: Python, processor, tools and where they are, caches, space, loopback.

    Says of each what is missing and what to do. Ends with 0 whatever it finds, unless --strict asks for more.
    """
    catalog = load(session.settings.recipes_dir)
    with build_services(session.settings) as services:
        findings = examine(services, catalog, session.settings.cache_dir, session.settings.root)
    missing = [finding.what for finding in findings if finding.state == "missing"]
    document = {"ok": not missing, "findings": [asdict(finding) for finding in findings]}
    session.show(document, lambda: _text(findings))
    if missing and strict:
        session.end_with(HostError(f"a build needs {', '.join(missing)}", hint="the list above says what to do"))


def _text(findings: list[Finding]) -> str:
    rows = [(finding.state, finding.what, finding.found, finding.advice) for finding in findings]
    return table(("state", "what", "found", "what to do"), rows)
