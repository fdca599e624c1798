"""``wheel pin`` and ``wheel fetch``: wheels of an index that says no digests."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.app.services import disk, open_services, remote_hasher
from pipeline.builders.wheel_backend import deliver_wheel
from pipeline.cli.options import FILE, FOLDER, Command, changing_options
from pipeline.cli.tables import size_text, table
from pipeline.errors import UsageError
from pipeline.model.counts import counted
from pipeline.names import PLATFORMS
from pipeline.wheels.index_pins import Pinned, Wish, fetch_wheels, normalized, pin_wheels, read_pins, write_pins

if TYPE_CHECKING:
    from pipeline.cli.session import Session

_PINS = "wheel-pins.json"


@click.command("pin", cls=Command)
@click.argument("index", metavar="INDEX", help="Url of the index; the project's page is INDEX/PROJECT/.")
@click.option("--project", required=True, metavar="P", help="For example llama-cpp-python.")
@click.option("--version", "release", metavar="V", help="[default: the newest that has a wheel as wanted]")
@click.option("--platform", "platforms", multiple=True, type=click.Choice(PLATFORMS), help="[default: all]")
@click.option("--python", metavar="X.Y", help="Wheels for this Python alone.  [default: all]")
@click.option("--to", "path", type=FILE, default=_PINS, show_default=True, help="File of pins; what it has stays.")
@click.option("--accept-changed", is_flag=True, help="Pin files anew that changed under their names.")
@changing_options
def pin(
    session: Session,
    index: str,
    project: str,
    release: str | None,
    platforms: tuple[str, ...],
    python: str | None,
    path: Path,
    *,
    accept_changed: bool,
) -> None:
    """Read wheels of an INDEX that says no digests, and write down what they were.

    A file that has other bytes than were pinned under its name is refused, and nothing is written.
    """
    if not index.startswith(("https://", "http://")):
        raise UsageError(f"{index!r} is no url of an index", hint="it begins with https://")
    if python is not None and not re.fullmatch(r"\d+\.\d+", python):
        raise UsageError(f"--python {python!r} is no version", hint="for example --python 3.12")
    index = index.rstrip("/")
    wish = Wish(normalized(project), release, platforms, python)
    old = read_pins(path) if path.exists() else None
    settings = session.settings
    with open_services(settings, store_dir=settings.cache_dir, location=index) as services:
        made = pin_wheels(
            index,
            wish,
            old=old,
            index=services.index,
            hasher=remote_hasher(settings),
            services=services,
            accept_changed=accept_changed,
        )
    if not session.dry_run and made.pins != old:
        folder = path.absolute().parent
        disk().make_dirs(folder)
        disk().replace_file(path.absolute(), write_pins(made.pins), staging_dir=folder)
    document = {
        "path": str(path),
        "dry_run": session.dry_run,
        "written": not session.dry_run and made.pins != old,
        "chosen": list(made.chosen),
        "added": list(made.added),
        "changed": list(made.changed),
        "gone": list(made.gone),
    }
    session.show(document, lambda: _text(made))


@click.command("fetch", cls=Command)
@click.argument("pins", type=FILE, metavar="[PINS]", default=_PINS)
@click.option("--file", "names", multiple=True, metavar="NAME", help="These alone; may be repeated.")
@click.option("--output", "-o", type=FOLDER, metavar="DIR", help="Folder for the wheels.  [default: wheels]")
@changing_options
def fetch(session: Session, pins: Path, names: tuple[str, ...], output: Path | None) -> None:
    """Bring wheels that `wheel pin` pinned; one that changed meanwhile is refused (7)."""
    wanted = read_pins(pins)
    if unknown := sorted(set(names) - {file.filename for file in wanted.files}):
        raise UsageError(f"{pins} pins no {unknown[0]}", hint="`wheel pin` adds wheels to it")
    chosen = [file for file in wanted.files if not names or file.filename in names]
    output_dir = (output or Path("wheels")).absolute()
    if not session.dry_run:
        settings = session.settings
        with open_services(settings, store_dir=settings.cache_dir, location=wanted.index) as services:
            for blob in fetch_wheels(wanted, names, services):
                place = services.store.blob_path(blob.sha256)
                deliver_wheel(place, output_dir, services, filename=blob.filename)
    files = [{"file": file.filename, "sha256": file.sha256, "size": file.size_bytes} for file in chosen]
    document = {"output": str(output_dir), "dry_run": session.dry_run, "wheels": files}
    rows = [(size_text(file.size_bytes), file.filename) for file in chosen]
    session.show(document, lambda: table(("size", "wheel"), rows, right=("size",)))


def _text(made: Pinned) -> str:
    lines = [f"added    {name}" for name in made.added]
    lines += [f"changed  {name}" for name in made.changed]
    lines.append(f"{counted(len(made.chosen), 'wheel')} read, {len(made.pins.files)} pinned")
    return "\n".join(lines)
