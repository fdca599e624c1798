"""Asks a Redis server whether it would serve us, in its own words (RESP 2: redis.io/docs/reference/protocol-spec)."""

from __future__ import annotations

import contextlib
import socket
import ssl
from urllib.parse import urlsplit

_TIMEOUT_SECONDS = 3.0
_PORT = 6379
_LONGEST_ANSWER_BYTES = 4096


def redis_fault(url: str, *, username: str | None, password: str | None) -> str | None:
    """Return why the server at ``url`` (redis:// or rediss://) cannot be used, None when it answers.

    sccache waits 30 seconds for a server that is not there, and says of a wrong password that it has no connection.
    No password and nothing but the kind of what the server says is in the text.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORT
    words = [word for word in (username, password) if word]
    commands = [["AUTH", *words]] if password else []
    try:
        with contextlib.ExitStack() as stack:
            link = stack.enter_context(socket.create_connection((host, port), timeout=_TIMEOUT_SECONDS))
            if parts.scheme == "rediss":
                link = stack.enter_context(ssl.create_default_context().wrap_socket(link, server_hostname=host))
            for command in [*commands, ["PING"]]:
                link.sendall(_encoded(command))
                if fault := _fault(_line(link), command[0]):
                    return fault
    except TimeoutError:
        return f"{host}:{port} did not answer within {_TIMEOUT_SECONDS:.0f} seconds"
    except UnicodeError:
        return f"{host}:{port} cannot be looked up: it is no name of a host"
    except OSError as error:
        return f"{host}:{port}: {error.strerror or type(error).__name__}"
    return None


def _encoded(words: list[str]) -> bytes:
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        data = word.encode(errors="surrogateescape")  # the environment's own bytes
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)


def _line(link: socket.socket) -> str:
    received = b""
    while b"\r\n" not in received and len(received) < _LONGEST_ANSWER_BYTES:
        more = link.recv(_LONGEST_ANSWER_BYTES)
        if not more:
            break
        received += more
    return received.partition(b"\r\n")[0].decode("ascii", "replace")


def _fault(answer: str, command: str) -> str | None:
    if answer.startswith("+"):
        return None
    if not answer.startswith("-"):
        return "what answers there is no Redis"
    kind = answer[1:].split(" ", 1)[0]
    if command == "AUTH" or kind in {"NOAUTH", "WRONGPASS"}:
        return "it refuses the password (ENGINE_PIPELINE_COMPILER_CACHE_PASSWORD)"
    return f"it answers {kind[:40]}"
