"""The machine's own redis-server as an ordinary process on a loopback port, with its files in a temporary folder."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = shutil.which("redis-server")
PASSWORD = "canary-redis-word-6c2e"  # noqa: S105 - of a server that lives for one test


class Redis:
    """A Redis that wants a password; use it as a context.

    Attributes:
        url: as a project file has it.
    """

    def __init__(self, folder: Path) -> None:
        """Prepare, with ``folder`` for its files."""
        self._folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self._folder.mkdir(exist_ok=True)
        configuration = self._folder / "redis.conf"
        configuration.write_text(
            f'port {self._port}\nbind 127.0.0.1\ndir {self._folder}\nsave ""\nappendonly no\nrequirepass {PASSWORD}\n'
        )
        self._process = subprocess.Popen([str(PROGRAM), configuration], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while True:
            try:
                self.ask("PING")
            except OSError:
                assert time.monotonic() < deadline, "redis-server did not start"
                time.sleep(0.02)
            else:
                return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()

    def keys(self) -> set[bytes]:
        """Return the keys of all that was kept, without the one that sccache tries itself with."""
        found = self.ask("KEYS", "*")
        assert isinstance(found, list)
        return {key for key in found if b"sccache_check" not in key}

    def get(self, key: bytes) -> bytes:
        """Return an entry."""
        found = self.ask("GET", key)
        assert isinstance(found, bytes)
        return found

    def set(self, key: bytes, value: bytes) -> None:
        """Put an entry in the place of another."""
        self.ask("SET", key, value)

    def ask(self, *words: str | bytes) -> object:
        """Return the answer to one command (RESP 2)."""
        with socket.create_connection(("127.0.0.1", self._port), timeout=5) as link, link.makefile("rb") as answers:
            for command in (("AUTH", PASSWORD), words):
                parts = [word.encode() if isinstance(word, str) else word for word in command]
                link.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
                answer = _answer(answers)
        return answer


def _answer(answers: object) -> object:
    line = answers.readline()
    kind, rest = line[:1], line[1:-2]
    if kind == b"*":
        return [_answer(answers) for _ in range(int(rest))]
    if kind == b"$":
        return answers.read(int(rest) + 2)[:-2] if int(rest) >= 0 else None
    if kind == b"-" or not line:
        raise OSError(rest.decode())
    return rest
