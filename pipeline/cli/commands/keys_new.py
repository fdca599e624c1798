"""``keys new`` and ``keys add``: one key of one holder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.app.services import key_files
from pipeline.app.settings import program_name
from pipeline.cli.key_options import keys_folder, keys_option, new_key_options, new_passphrase, require_role
from pipeline.cli.options import FILE, Command, changing_options
from pipeline.model.counts import counted
from pipeline.publish.key_parts import add_entry, make_role_key, read_key_file
from pipeline.publish.outside_keys import check_uri

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session


@click.command("new", cls=Command)
@click.option("--role", "roles", required=True, multiple=True, metavar="ROLE", help="What the key is for.  [repeats]")
@new_key_options
@changing_options
def new(
    session: Session,
    roles: tuple[str, ...],
    folder: Path | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
    *,
    no_passphrase: bool,
) -> None:
    """Make the private key of one holder, and the public file to hand over.

    The private key stays here. Whoever makes the root is given the .public.json alone.
    """
    place = keys_folder(session, folder)
    wanted = [require_role(role) for role in roles]
    if session.dry_run:
        session.show(
            {"dry_run": True, "folder": str(place)}, lambda: f"would make {counted(len(wanted), 'key')} in {place}"
        )
        return
    passphrase = new_passphrase(file=passphrase_file, descriptor=passphrase_fd, none=no_passphrase)
    made = [(role, *make_role_key(place, role, passphrase=passphrase, key_files=key_files())) for role in wanted]
    _show(session, [(role, entry.keyid, path) for role, entry, path in made])


@click.command("add", cls=Command)
@click.option("--role", required=True, metavar="ROLE", help="What the key is for.")
@click.option(
    "--public", type=FILE, required=True, metavar="FILE", help="Its public key: PEM, or a .public.json of a holder."
)
@click.option("--uri", metavar="URI", help="Where the private key is: hsm:, awskms:, gcpkms:, azurekms:, file2: ...")
@click.option("--scheme", metavar="NAME", help="Of its signatures.  [default: the usual one of its kind]")
@keys_option
@changing_options
def add(session: Session, role: str, public: Path, uri: str | None, scheme: str | None, folder: Path | None) -> None:
    """List a key that is kept elsewhere: in a KMS, on a token, or with another holder.

    With --uri this folder signs with it, through securesystemslib; a PIN is read like a passphrase. Without, only its
    public half is known here, for example for engines whose key is in CI.
    """
    place = keys_folder(session, folder)
    _, entry = read_key_file(public, role=require_role(role), scheme=scheme)
    if uri is not None:
        check_uri(uri)
        entry = type(entry).model_validate({**entry.model_dump(), "uri": uri})
    if session.dry_run:
        session.show({"dry_run": True, "keyid": entry.keyid}, lambda: f"would list {entry.keyid} for {role} in {place}")
        return
    _show(session, [(role, entry.keyid, add_entry(place, role, entry, key_files=key_files()))])


def _show(session: Session, made: list[tuple[str, str, Path]]) -> None:
    document = [{"role": role, "keyid": keyid, "public": str(path)} for role, keyid, path in made]
    session.show(document, lambda: "\n".join(f"{role}  {keyid}  hand over: {path}" for role, keyid, path in made))
    session.hint(f"\nnext, where the root is made: {program_name()} keys init --public FILE ... --keys DIR")
