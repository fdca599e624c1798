"""``sign``: a holder's signature on a root or a policy, on a machine of his own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.app.services import clock
from pipeline.app.settings import program_name
from pipeline.cli.key_options import open_key_folder, signing_options
from pipeline.cli.named_files import read_named, write_named
from pipeline.cli.options import FILE, FOLDER, Command, changing_options
from pipeline.errors import TrustError, UsageError
from pipeline.model.counts import counted
from pipeline.publish.key_changes import missing_signatures
from pipeline.publish.roots import read_metadata
from pipeline.publish.signing_parts import Paper, join, propose_policy

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session
    from pipeline.publish.delegating import Owner
    from pipeline.publish.key_folder import KeyFolder
    from pipeline.publish.signing_parts import Summary


@click.command("sign", cls=Command)
@click.argument("parts", nargs=-1, type=FILE)
@click.option("--role", type=click.Choice(["root", "targets"]), help="What the file has to be.")
@click.option("--in", "given", type=FILE, metavar="FILE", help="The file to sign.")
@click.option("--to", "repository", type=FOLDER, metavar="DIR", help="Repository that a new policy is made for.")
@click.option("--engine", "engines", multiple=True, metavar="NAME", help="New engine for the policy.  [repeats]")
@click.option("--env", "envs", multiple=True, metavar="NAME", help="New environment for the policy.  [repeats]")
@click.option("--out", type=FILE, metavar="FILE", required=True, help="Where the signed file goes.")
@click.option("--join", "joins", is_flag=True, help="Join the signatures on PARTS instead.")
@signing_options
@changing_options
def command(  # noqa: PLR0913 - one parameter an option
    session: Session,
    *,
    parts: tuple[Path, ...],
    role: str | None,
    given: Path | None,
    repository: Path | None,
    engines: tuple[str, ...],
    envs: tuple[str, ...],
    out: Path,
    folder: Path | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
    joins: bool,
) -> None:
    """Add this holder's signature to a root or a policy (the targets role), after saying what it is.

    Without --in a new policy is made for the repository of --to: it keeps what is delegated and adds --engine and
    --env. --join joins the files that several holders have signed: sign --join A B --out C.
    """
    if joins:
        _join(session, parts, out, clashing=bool(role or given or repository))
        return
    if parts or role is None or (given is None and (repository is None or role == "root")):
        _refuse(role, parts)
    keys = open_key_folder(session, folder, passphrase_file=passphrase_file, passphrase_fd=passphrase_fd)
    owners: list[Owner] = [*(("engines", name) for name in engines), *(("envs", name) for name in envs)]
    paper = _paper(keys, role, given, repository, owners)
    paper.check(clock().now_seconds())
    summary = paper.summary()
    session.hint(_text(summary))  # before a key is opened
    signed = () if session.dry_run else paper.sign()
    if not session.dry_run:
        write_named(out, paper.metadata.to_bytes())
    missing = missing_signatures(paper.quorums())
    document = {
        "role": summary.role,
        "version": summary.version,
        "expires": f"{summary.expires:%Y-%m-%dT%H:%M:%SZ}",
        "summary": list(summary.lines),
        "signed": list(signed),
        "missing": missing,
        "out": None if session.dry_run else str(out),
    }
    session.show(
        document,
        lambda: f"{'would sign' if session.dry_run else f'signed, in {out}'}: {counted(missing, 'signature')} missing",
    )
    _tell_next(session, summary.role, missing, out)


def _refuse(role: str | None, parts: tuple[Path, ...]) -> None:
    if parts:
        raise UsageError("files are named with --in, several with --join", hint="sign --role root --in FILE --out FILE")
    if role is None:
        raise UsageError("--role is missing", hint="say what you expect the file to be: root or targets")
    raise UsageError("there is nothing to sign", hint="--in FILE, or for a new policy --to REPOSITORY")


def _paper(
    keys: KeyFolder, role: str | None, given: Path | None, repository: Path | None, owners: list[Owner]
) -> Paper:
    if given is None:
        if role != "targets" or repository is None:
            raise UsageError("a root is made by `keys init` and `keys rotate`", hint="name its file with --in")
        metadata, before = propose_policy(keys, repository.absolute(), owners=owners, now=clock().now_seconds())
        return Paper(metadata, keys, before)
    if owners:
        raise UsageError("--engine and --env are for a new policy", hint="leave --in out, and name --to REPOSITORY")
    before = None
    if repository is not None and role == "targets":
        _, before = propose_policy(keys, repository.absolute(), owners=(), now=clock().now_seconds())
    paper = Paper(read_metadata(read_named(given), what=str(given)), keys, before)
    if paper.role != role:
        raise TrustError(f"{given} is a {paper.role} file, not {role}", hint="nothing was signed")
    return paper


def _join(session: Session, parts: tuple[Path, ...], out: Path, *, clashing: bool) -> None:
    if clashing:
        raise UsageError("--join takes files alone", hint="sign --join A B --out C")
    data = join([read_named(part) for part in parts], names=[str(part) for part in parts])
    if not session.dry_run:
        write_named(out, data)
    count = len(read_metadata(data, what=str(out)).signatures)
    session.show({"out": str(out), "signatures": count}, lambda: f"{out}: {counted(count, 'signature')}")


def _text(summary: Summary) -> str:
    lines = [f"{summary.role} version {summary.version}, valid until {summary.expires:%Y-%m-%d}", *summary.lines]
    lines += [f"signed by {len(group.signed)} of {group.needed} of {group.who}" for group in summary.quorums]
    return "\n".join(lines)


def _tell_next(session: Session, role: str, missing: int, out: Path) -> None:
    if missing:
        session.hint(
            f"\nnext: {counted(missing, 'more holder')} must sign a copy; {program_name()} sign --join A B --out {out}"
        )
    elif role == "root":
        session.hint(f"\nnext, in every key folder: {program_name()} keys install {out} --keys DIR")
    else:
        session.hint(f"\nnext: {program_name()} publish --metadata {out} --to REPOSITORY")
