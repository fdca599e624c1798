"""A web server for mirrors: starlette's answers under uvicorn, until Ctrl-C."""

from __future__ import annotations

import socket
import ssl
from contextlib import closing
from typing import TYPE_CHECKING

from pipeline.errors import HostError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_MOST_CONNECTIONS = 1000
_IDLE_SECONDS = 30
_GRACE_SECONDS = 3


class MirrorServer:
    """Serves a mirror's folder; implements ``ports.FolderServer``."""

    def serve(
        self, folder: Path, *, host: str, port: int, tls: tuple[Path, Path] | None, started: Callable[[str], None]
    ) -> None:
        """Serve until interrupted; see ``ports.FolderServer``."""
        try:
            import uvicorn  # noqa: PLC0415 - an optional extra, and slow to import

            from pipeline.system.mirror_answers import mirror_answers  # noqa: PLC0415 - as above
        except ModuleNotFoundError as error:
            raise HostError(
                f"the server needs {error.name}, which is not installed",
                hint="pip install 'engine-pipeline[mirror]', or serve the folder with nginx (docs/mirrors.md)",
            ) from error
        if tls is not None:
            _check_tls(*tls)
        with closing(_listen(host, port)) as listener:
            config = uvicorn.Config(
                mirror_answers(folder),
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                limit_concurrency=_MOST_CONNECTIONS,
                timeout_keep_alive=_IDLE_SECONDS,
                timeout_graceful_shutdown=_GRACE_SECONDS,
                ssl_certfile=None if tls is None else tls[0],
                ssl_keyfile=None if tls is None else tls[1],
            )
            started(_url(listener, secure=tls is not None))
            uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    try:
        (family, _, _, _, address), *_ = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except socket.gaierror as error:
        raise UsageError(
            f"cannot listen on {host}: {error.strerror}", hint="--listen 127.0.0.1:8080, or [::1]:8080, or 0.0.0.0:8080"
        ) from error
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise HostError(
            f"cannot listen on {host}, port {port}: {error.strerror}",
            hint="somebody else has the port, or this user may not use it: choose another with --listen ADDRESS:PORT",
        ) from error
    return listener


def _url(listener: socket.socket, *, secure: bool) -> str:
    host, port = listener.getsockname()[:2]
    return f"{'https' if secure else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def _check_tls(certificate: Path, key: Path) -> None:
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{certificate} and {key} are no certificate with its key: {error}",
            hint="give a PEM certificate chain and its unencrypted private key",
        ) from error


def _no_password() -> str:
    """Refuse to ask on the terminal, which a server has not."""
    raise ValueError("the key is encrypted")
