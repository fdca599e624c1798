"""Uses an installed engine as the product does: over HTTP on loopback."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def running(server: str, model: Path, *more: str) -> Iterator[str]:
    """Start ``server`` with a model, wait for /health, yield its url, stop it."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    argv = [server, "--model", str(model), "--host", "127.0.0.1", "--port", str(port), *more]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while not _healthy(url):
            assert process.poll() is None, f"the server ended with {process.returncode}"
            assert time.monotonic() < deadline, "the server did not get ready"
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def _healthy(url: str) -> bool:
    try:
        return urllib.request.urlopen(f"{url}/health", timeout=2).status == 200
    except (urllib.error.URLError, OSError):
        return False


def complete(server: str, model: Path, *more: str) -> dict:
    """Return a server's answer to a chat completion of 16 tokens."""
    body = {"messages": [{"role": "user", "content": "Say something."}], "max_tokens": 16, "ignore_eos": True}
    headers = {"Content-Type": "application/json"}
    with running(server, model, *more) as url:
        request = urllib.request.Request(f"{url}/v1/chat/completions", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=300) as answer:
            return json.loads(answer.read())
