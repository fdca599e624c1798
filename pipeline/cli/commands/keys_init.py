"""``keys init``: the keys and the first root of a repository."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from pipeline.app.services import clock, key_files
from pipeline.app.settings import program_name
from pipeline.cli.key_options import (
    key_counts,
    keys_folder,
    new_key_options,
    new_passphrase,
    open_key_folder,
    read_counts,
)
from pipeline.cli.options import FILE, Command, changing_options
from pipeline.cli.tables import table
from pipeline.errors import UsageError
from pipeline.model.counts import counted
from pipeline.model.repository_layout import LANE_PATTERN
from pipeline.publish.key_folder import LIST_FILE
from pipeline.publish.key_parts import assemble_root, read_key_file
from pipeline.publish.keys import init_keys

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session
    from pipeline.model.publication import KeysOutcome


@click.command("init", cls=Command)
@new_key_options
@click.option(
    "--threshold", "thresholds", multiple=True, metavar="ROLE=M/N", help="M of N keys must sign for ROLE.  [repeats]"
)
@click.option("--lane", metavar="NAME", help="For a lane of the repository, for example airgap.")
@click.option(
    "--public", "public", type=FILE, multiple=True, metavar="FILE", help="Public key of another holder.  [repeats]"
)
@changing_options
def command(
    session: Session,
    folder: Path | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
    thresholds: tuple[str, ...],
    lane: str | None,
    public: tuple[Path, ...],
    *,
    no_passphrase: bool,
) -> None:
    """Make the keys and the first root of a repository.

    Alone it makes DEVELOPMENT keys: all roles on this machine (root 2 of 3, targets 2 of 2). They are for trying things
    out and for machines of your own: whoever has the folder and its passphrase can sign anything.

    With --public it makes the root from the keys of many holders (`keys new`), signed as far as the keys in the folder
    go; the holders sign it with `sign`.
    """
    place = keys_folder(session, folder)
    _check_lane(lane)
    if session.dry_run:
        kind = "a root of public keys" if public else "development keys"
        session.show({"dry_run": True, "folder": str(place)}, lambda: f"would make {kind} in {place}")
        return
    if public:
        outcome = _assemble(
            session, place, public, thresholds=thresholds, lane=lane, file=passphrase_file, descriptor=passphrase_fd
        )
    else:
        outcome = init_keys(
            place,
            passphrase=new_passphrase(file=passphrase_file, descriptor=passphrase_fd, none=no_passphrase),
            key_files=key_files(),
            now=clock().now_seconds(),
            thresholds=key_counts(thresholds),
            lane=lane,
        )
    session.show(outcome.model_dump(mode="json"), lambda: keys_text(outcome))
    if outcome.missing:
        session.hint(f"\nnext, each holder: {program_name()} sign --role root --in root.json --keys DIR --out FILE")
    else:
        allowed = " --allow-development" if outcome.development else ""
        what = "publish --to REPOSITORY" if lane is None else "mirror seal MIRROR"
        session.hint(f"\nnext: {program_name()} {what} --keys {place}{allowed}")


def _assemble(
    session: Session,
    place: Path,
    public: tuple[Path, ...],
    *,
    thresholds: tuple[str, ...],
    lane: str | None,
    file: Path | None,
    descriptor: int | None,
) -> KeysOutcome:
    handed = [read_key_file(path) for path in public]
    counts = read_counts(thresholds)
    if wrong := [role for role, (_, total) in counts.items() if total is not None]:
        raise UsageError(
            f"with --public the number of keys of {wrong[0]} is the number of files", hint=f"write {wrong[0]}=M"
        )
    keys = None
    if (place / LIST_FILE).exists():
        keys = open_key_folder(session, place, passphrase_file=file, passphrase_fd=descriptor)
    return assemble_root(
        place,
        handed,
        thresholds={role: threshold for role, (threshold, _) in counts.items()},
        keys=keys,
        key_files=key_files(),
        now=clock().now_seconds(),
        lane=lane,
    )


def _check_lane(lane: str | None) -> None:
    if lane is not None and not re.fullmatch(LANE_PATTERN, lane):
        raise UsageError(
            f"{lane!r} is no name of a lane", hint="small letters, digits and hyphens, a letter first: airgap"
        )


def keys_text(outcome: KeysOutcome) -> str:
    """Return what is in a key folder, for people."""
    rows = [
        (role, str(threshold), str(len(keyids)), keyids[0][:12]) for role, (threshold, keyids) in outcome.roles.items()
    ]
    lines = [table(("role", "needed", "keys", "first key"), rows, right=("needed", "keys")), ""]
    if outcome.development:
        lines[:0] = ["These are development keys: every role is on this machine. Do not ship what they sign.", ""]
    protection = "encrypted with the passphrase" if outcome.encrypted else "NOT encrypted"
    lines.append(f"private keys:  {outcome.folder} ({protection})")
    if outcome.missing:
        lines.append(
            f"root:          {outcome.root_path} (NOT trusted yet: it lacks {counted(outcome.missing, 'signature')})"
        )
    else:
        lines.append(f"trusted root:  {outcome.root_path} (give it to installations; valid until {outcome.expires})")
    lines.append(f"its sha256:    {outcome.root_sha256}")
    return "\n".join(lines)
