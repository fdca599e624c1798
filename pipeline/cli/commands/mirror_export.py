"""``mirror export``: a mirror as numbered parts for disks that are carried."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.app.services import build_services, disk
from pipeline.app.settings import program_name
from pipeline.cli.options import FOLDER, PATH, Command, changing_options
from pipeline.cli.sizes import parse_size
from pipeline.cli.tables import size_text
from pipeline.deploy.mirror.export import export_mirror
from pipeline.model.counts import counted

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session
    from pipeline.model.mirror_export import ExportOutcome

_LEAST_PART_BYTES, _MOST_PART_BYTES = 10**6, 10**13


@click.command("export", cls=Command)
@click.argument("mirror", type=FOLDER, metavar="MIRROR", help="Folder of a mirror or a published repository.")
@click.option("--to", type=FOLDER, required=True, metavar="DIR", help="Folder for the parts and the index.")
@click.option(
    "--split",
    default="4G",
    show_default=True,
    metavar="SIZE",
    help="Size of a part: 4G is 4*10^9 bytes and fits FAT32; MiB, GiB too.",
)
@click.option(
    "--since", type=PATH, metavar="MIRROR_OR_INDEX", help="Leave out what this mirror or earlier export already has."
)
@click.option(
    "--only-part",
    type=click.IntRange(min=1),
    metavar="N",
    help="Write part N alone, and the index; for one disk a part.",
)
@changing_options
def command(session: Session, mirror: Path, to: Path, split: str, since: Path | None, only_part: int | None) -> None:
    """Write MIRROR as numbered parts with an index, for USB disks or DVDs.

    Every byte is compared with its digest as it is read. Run again it goes on: parts that are there and whole stay.
    """
    with build_services(session.settings) as services:
        outcome = export_mirror(
            mirror.absolute(),
            to.absolute(),
            services=services,
            disk=disk(),
            part_size=parse_size(split, least=_LEAST_PART_BYTES, most=_MOST_PART_BYTES),
            since=None if since is None else since.absolute(),
            only_part=only_part,
            dry_run=session.dry_run,
        )
    session.show(outcome.model_dump(mode="json"), lambda: _text(outcome))
    if not session.dry_run:
        session.hint(f"\nnext, where the disks are brought: {program_name()} mirror import --from DISK --to MIRROR")


def _text(outcome: ExportOutcome) -> str:
    size = (
        f"{counted(outcome.files, 'file')}, {size_text(outcome.bytes_total)} in {counted(len(outcome.parts), 'part')}"
    )
    lines = [f"export {outcome.id}: {size}"]
    if outcome.base_files:
        lines.append(f"a difference: it counts on {counted(outcome.base_files, 'file')} that are there already")
    if outcome.dry_run:
        lines.append(f"would write {size_text(outcome.bytes_written)} to {outcome.folder}")
    elif outcome.changed:
        lines.append(f"wrote {size_text(outcome.bytes_written)} to {outcome.folder}")
        if outcome.kept:
            lines.append(
                f"{counted(len(outcome.kept), 'part')} {'was' if len(outcome.kept) == 1 else 'were'} there and whole"
            )
    else:
        lines.append(f"{outcome.folder} has it already, every part whole")
    return "\n".join(lines)
