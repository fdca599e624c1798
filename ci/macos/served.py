"""An installed environment, used as a product uses it: a model is made with it, and its server streams an answer."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ci.macos.report import CheckFailedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_READY_SECONDS = 120.0
_ANSWER_SECONDS = 300.0
_STOP_SECONDS = 30.0
_SIGTERM_EXIT_CODES = (0, -15, 143)  # a clean end, the signal itself, and a shell's word for it
_LEAST_PIECES = 2  # one piece is an answer that was collected first
_LOOPBACK = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def read_health(tree: Path) -> dict[str, Any]:
    """Return how an installed generation is checked, from its own copy of the signed manifest's entry."""
    generation = json.loads((tree.parent / "generation.json").read_text(encoding="utf-8"))
    health = generation["artifact"]["health"]
    if not isinstance(health, dict):
        raise CheckFailedError("the bundle does not say how it is checked")
    return health


def make_model(tree: Path, folder: Path) -> Path:
    """Have the environment write its tiny model into a new folder; return the folder."""
    health = read_health(tree)
    argv = _filled(tree, health, "model_args", model=str(folder))
    done = subprocess.run(argv, env=_environment(tree, health), capture_output=True, text=True, check=False)
    if done.returncode != 0 or not any(folder.iterdir()):
        raise CheckFailedError(f"no model was made, exit code {done.returncode}: {done.stderr[-500:]}")
    return folder


def stream_answer(tree: Path, model: Path) -> str:
    """Start the server, stream one answer, stop it; return what came, in a line.

    Raises:
        CheckFailedError: it does not get ready, does not stream, or does not stop cleanly when it is told to.
    """
    health = read_health(tree)
    minimum = int(health["minimum_tokens"])
    with _serving(tree, model) as url:
        body = {
            "messages": [{"role": "user", "content": health["prompt"]}],
            "max_tokens": minimum,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        request = urllib.request.Request(  # noqa: S310 - a server of ours on loopback
            f"{url}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        began = time.monotonic()
        with _LOOPBACK.open(request, timeout=_ANSWER_SECONDS) as answer:
            return judge_stream(answer, minimum_tokens=minimum, began=began)


def judge_stream(lines: Iterable[bytes], *, minimum_tokens: int, began: float) -> str:
    """Return in how many pieces text came, how many tokens these are, and when the first came.

    Events without text, as those of the role and of the end, are no pieces. Tokens are the server's own number, else
    the pieces.

    Args:
        lines: of the answer.
        minimum_tokens: that there must be.
        began: when it was asked for, of the monotonic clock.

    Raises:
        CheckFailedError: text came in fewer than two pieces, or too little of it, or it does not end as OpenAI's do.
    """
    pieces, tokens, first, ended = 0, None, 0.0, False
    for line in lines:
        data = line.decode("utf-8", errors="replace").strip().removeprefix("data:").strip()
        if not line.startswith(b"data:"):
            continue
        if data == "[DONE]":
            ended = True
            break
        has_text, told = _read_event(data)
        tokens = tokens if told is None else told
        if has_text:
            pieces += 1
            first = first or time.monotonic() - began
    if pieces < _LEAST_PIECES or not ended:
        raise CheckFailedError(f"{pieces} pieces of text came, and the end {'came' if ended else 'did not come'}")
    tokens = pieces if tokens is None else tokens
    if tokens < minimum_tokens:
        raise CheckFailedError(f"{tokens} tokens came, at least {minimum_tokens} were asked for")
    return f"{pieces} pieces, {tokens} tokens, the first after {first:.2f} s"


def _read_event(data: str) -> tuple[bool, int | None]:
    """Tell whether an event brings text, and how many tokens the server says there are by now."""
    try:
        event = json.loads(data)
        texts = [choice["delta"].get("content") for choice in event.get("choices", [])]
        usage = event.get("usage")
        return any(texts), int(usage["completion_tokens"]) if usage else None
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise CheckFailedError(f"an event has another form than OpenAI's: {data[:100]!r}") from error


@contextmanager
def _serving(tree: Path, model: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    health = read_health(tree)
    argv = _filled(tree, health, "server_args", model=str(model), port=str(port), host="127.0.0.1")
    server = subprocess.Popen(
        argv, env=_environment(tree, health), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + _READY_SECONDS
        while not _is_healthy(url):
            if server.poll() is not None:
                raise CheckFailedError(f"the server ended with exit code {server.returncode}")
            if time.monotonic() > deadline:
                raise CheckFailedError(f"the server was not ready after {_READY_SECONDS:.0f} s")
            time.sleep(0.1)
        yield url
        server.terminate()
        exit_code = server.wait(timeout=_STOP_SECONDS)
        if exit_code not in _SIGTERM_EXIT_CODES:
            raise CheckFailedError(f"the server ended with exit code {exit_code} when told to stop")
    except subprocess.TimeoutExpired as error:
        raise CheckFailedError(f"the server did not stop within {_STOP_SECONDS:.0f} s of being told to") from error
    finally:
        server.kill()
        server.wait()


def _is_healthy(url: str) -> bool:
    try:
        with _LOOPBACK.open(f"{url}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _filled(tree: Path, health: dict[str, Any], arguments: str, **values: str) -> list[str]:
    filled = [str(tree / health["program"])]
    for argument in health[arguments]:
        text = str(argument)
        for name, value in {**values, "tree": str(tree)}.items():
            text = text.replace(f"{{{name}}}", value)
        filled.append(text)
    return filled


def _environment(tree: Path, health: dict[str, Any]) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return kept | {name: str(value).replace("{tree}", str(tree)) for name, value in health["environment"].items()}
