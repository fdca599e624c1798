"""``mirror serve``: a mirror over http or https."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.app.mirror_services import folder_server
from pipeline.cli.options import FILE, FOLDER, Command, common_options
from pipeline.errors import UsageError
from pipeline.model.repository_layout import METADATA_FOLDER

if TYPE_CHECKING:
    from pipeline.cli.session import Session


@click.command("serve", cls=Command)
@click.argument("mirror", type=FOLDER, metavar="MIRROR", help="Folder of a mirror or a published repository.")
@click.option("--listen", default="127.0.0.1:8080", show_default=True, metavar="ADDRESS:PORT", help="Port 0: any free.")
@click.option("--tls-cert", type=FILE, metavar="FILE", help="Certificate chain, PEM; https instead of http.")
@click.option("--tls-key", type=FILE, metavar="FILE", help="Private key of the certificate, PEM, not encrypted.")
@common_options
def command(session: Session, mirror: Path, listen: str, tls_cert: Path | None, tls_key: Path | None) -> None:
    """Serve MIRROR until Ctrl-C: byte ranges, strong tags, nothing that is private to the mirror.

    Whoever installs checks every byte against signed metadata, so plain http serves as well inside a network. The first
    line on stdout is the url. Ctrl-C ends it with code 130.
    """
    if (tls_cert is None) != (tls_key is None):
        raise UsageError("--tls-cert and --tls-key belong together", hint="give both, or none for plain http")
    if not (mirror / METADATA_FOLDER).is_dir():
        raise UsageError(f"{mirror} is no mirror", hint="give the folder that `mirror create` or `publish` wrote")
    host, port = _address(listen)
    tls = None if tls_cert is None or tls_key is None else (tls_cert, tls_key)
    folder_server().serve(
        mirror.absolute(),
        host=host,
        port=port,
        tls=tls,
        started=lambda url: session.show({"url": url, "mirror": str(mirror.absolute())}, lambda: url),
    )


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    if not colon or not host or not port.isdecimal() or int(port) > 65535 or (":" in host and "[" not in text):
        raise UsageError(f"{text!r} is no address to listen on", hint="--listen 127.0.0.1:8080, or [::1]:8080")
    return host, int(port)
