"""``keys rotate`` and ``keys revoke``: other keys for a role."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.app.services import clock
from pipeline.app.settings import program_name
from pipeline.cli.key_options import new_key_options, open_key_folder, require_role, signing_options
from pipeline.cli.named_files import write_named
from pipeline.cli.options import FILE, Command, changing_options
from pipeline.cli.passphrase import read_passphrase
from pipeline.errors import UsageError
from pipeline.model.counts import counted
from pipeline.publish.key_changes import missing_signatures, revoke_key, rotate
from pipeline.publish.key_parts import read_key_file

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session
    from pipeline.publish.key_changes import KeyChange
    from pipeline.publish.key_folder import KeyFolder

_OUT = click.option("--out", type=FILE, metavar="FILE", help="Write the new root there, for the other holders to sign.")


@click.command("rotate", cls=Command)
@click.argument("role")
@click.option("--key", "replaced", multiple=True, metavar="KEYID", help="The key to replace.  [default: all here]")
@click.option(
    "--public", type=FILE, multiple=True, metavar="FILE", help="New key of a holder, instead of one made here."
)
@_OUT
@new_key_options
@changing_options
def rotate_command(  # noqa: PLR0913 - one parameter an option
    session: Session,
    role: str,
    replaced: tuple[str, ...],
    public: tuple[Path, ...],
    out: Path | None,
    folder: Path | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
    *,
    no_passphrase: bool,
) -> None:
    """Put new keys in for a role.

    For root, targets, snapshot and timestamp that is a new root, signed by the keys of the old one and of the new one;
    for engines a change that the targets role signs when something is published.
    """
    keys = open_key_folder(session, folder, passphrase_file=passphrase_file, passphrase_fd=passphrase_fd)
    new = [read_key_file(path, role=require_role(role))[1] for path in public]
    if session.dry_run:
        _tell_dry(session, keys, f"rotate keys of {role}")
        return
    _check_out(keys, role, out)
    passphrase = None
    if not new and not no_passphrase:
        passphrase = keys.secret() if keys.listing.encrypted else None
        passphrase = passphrase or read_passphrase(file=passphrase_file, descriptor=passphrase_fd, is_new=True)
    change = rotate(
        keys, require_role(role), replaced=replaced, new=new, passphrase=passphrase, now=clock().now_seconds()
    )
    _finish(session, keys, change, out)


@click.command("revoke", cls=Command)
@click.argument("keyid")
@click.option("--role", metavar="ROLE", help="Out of which, where it is a key of several.")
@_OUT
@signing_options
@changing_options
def revoke_command(
    session: Session,
    keyid: str,
    role: str | None,
    out: Path | None,
    folder: Path | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
) -> None:
    """Take a key out of its role: what it signs counts no more once the change is published."""
    keys = open_key_folder(session, folder, passphrase_file=passphrase_file, passphrase_fd=passphrase_fd)
    if session.dry_run:
        _tell_dry(session, keys, f"revoke {keyid}")
        return
    _check_out(keys, keyid, out)
    _finish(session, keys, revoke_key(keys, keyid, now=clock().now_seconds(), role=role), out)


def _tell_dry(session: Session, keys: KeyFolder, what: str) -> None:
    session.show({"dry_run": True, "folder": str(keys.folder)}, lambda: f"would {what} in {keys.folder}")


def _check_out(keys: KeyFolder, what: str, out: Path | None) -> None:
    """Refuse to make a root that nobody can finish: before a key is made for it."""
    if out is None and what != "engines" and ":" not in what and not keys.has_private("root") and keys.roots:
        raise UsageError(
            f"{keys.folder} has too few keys to sign a new root alone",
            hint="--out FILE writes it for the other holders",
        )


def _finish(session: Session, keys: KeyFolder, change: KeyChange, out: Path | None) -> None:
    if change.root is not None and out is not None:
        write_named(out, change.root)
    missing = missing_signatures(change.quorums)
    document = {
        "role": change.role,
        "removed": list(change.removed),
        "added": list(change.added),
        "root_version": change.version,
        "missing": missing,
        "installed": change.installed or change.root is None,
        "out": None if out is None or change.root is None else str(out),
    }
    session.show(document, lambda: _text(change))
    if change.root is None:
        session.hint(f"\nnext: {program_name()} publish or refresh signs the change, where the keys of targets are")
    elif change.installed:
        session.hint(f"\nnext: {program_name()} refresh --to REPOSITORY --keys {keys.folder}")
    elif out is None:
        raise UsageError(
            f"{counted(missing, 'more holder')} must sign the new root, and it was not kept",
            hint="run it again with --out FILE; a key that was made now stays in the folder as a spare one,"
            " --public takes it",
        )
    else:
        session.hint(f"\nnext, the other holders: {program_name()} sign --role root --in {out} --keys DIR --out FILE")


def _text(change: KeyChange) -> str:
    lines = [f"- {keyid}  {change.role}" for keyid in change.removed]
    lines += [f"+ {keyid}  {change.role}" for keyid in change.added]
    if change.version is not None:
        lines.append(f"root version {change.version}")
    lines += [f"signed by {len(group.signed)} of {group.needed} of {group.who}" for group in change.quorums]
    return "\n".join(lines)
