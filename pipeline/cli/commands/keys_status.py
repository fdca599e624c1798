"""``keys status``: who may sign, who has, and how long it lasts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.app.services import clock
from pipeline.cli.key_options import keys_option, open_key_folder
from pipeline.cli.options import FOLDER, Command, common_options
from pipeline.cli.tables import table
from pipeline.publish.key_status import keys_status

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session
    from pipeline.model.key_status import KeysStatus


@click.command("status", cls=Command)
@keys_option
@click.option("--repository", type=FOLDER, metavar="DIR", help="Look at what the keys have signed there, too.")
@common_options
def command(session: Session, folder: Path | None, repository: Path | None) -> None:
    """Show keys, thresholds, expiry and signatures; opens no private key."""
    status = keys_status(open_key_folder(session, folder), repository=repository, now=clock().now_seconds())
    session.show(status.model_dump(mode="json"), lambda: _text(status))
    for warning in status.warnings:
        session.warn(warning)


def _text(status: KeysStatus) -> str:
    rows = []
    for role in status.roles:
        expiry = "" if role.expires is None else f"{role.expires[:10]} ({role.days_left} d)"
        signed = "" if role.signatures is None else f"{role.signatures} of {role.threshold}"
        version = "" if role.version is None else str(role.version)
        here = "yes" if role.can_sign else "no"
        rows.append((role.role, f"{role.threshold} of {len(role.keys)}", here, version, signed, expiry))
    lines = [table(("role", "needed", "can sign here", "version", "signed by", "expires"), rows), ""]
    for role in status.roles:
        for key in role.keys:
            mark = "" if key.signed is None else ("  has signed" if key.signed else "  has not signed")
            lines.append(f"{role.role:<12} {key.keyid}  {key.place}{mark}")
    lines += [f"{'spare':<12} {keyid}" for keyid in status.spare]
    return "\n".join(lines)
