"""Talks to a server that this process started on 127.0.0.1."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from pipeline.ports import EventStream, HttpAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_HOST = "127.0.0.1"


class LocalHttp:
    """HTTP to loopback, past every proxy; implements ``ports.LoopbackHttp``."""

    def free_port(self) -> int:
        """Return a TCP port of 127.0.0.1 that nobody listens on at this moment."""
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind((_HOST, 0))
            port: int = probe.getsockname()[1]
            return port

    def get(self, port: int, path: str, *, timeout_seconds: float) -> HttpAnswer | None:
        """Return the answer, None when nobody listens or it did not answer in time."""
        return self._ask("GET", port, path, None, timeout_seconds)

    def post_json(
        self, port: int, path: str, body: Mapping[str, object], *, timeout_seconds: float
    ) -> HttpAnswer | None:
        """Post a JSON document; as ``get``."""
        return self._ask("POST", port, path, body, timeout_seconds)

    def post_for_events(
        self,
        port: int,
        path: str,
        body: Mapping[str, object],
        *,
        timeout_seconds: float,
        on_event: Callable[[str], bool],
    ) -> EventStream | None:
        """Post a JSON document and read a stream of events; ``on_event`` gets each at once, True says it was the last.

        None when nobody listens, or nothing came in time.
        """
        import httpx  # noqa: PLC0415  # as in _ask

        from pipeline.system.event_stream import read_events  # noqa: PLC0415  # it needs httpx

        url = f"http://{_HOST}:{port}{path}"
        try:
            with (
                httpx.Client(trust_env=False, timeout=timeout_seconds) as client,
                client.stream("POST", url, json=body, headers={"Accept": "text/event-stream"}) as answer,
            ):
                content_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
                if content_type != "text/event-stream":
                    return EventStream(answer.status_code, content_type, ())
                events, problem = read_events(answer.iter_raw(), timeout_seconds=timeout_seconds, on_event=on_event)
                return EventStream(answer.status_code, content_type, events, problem)
        except httpx.TransportError:
            return None

    def _ask(
        self, method: str, port: int, path: str, body: Mapping[str, object] | None, timeout_seconds: float
    ) -> HttpAnswer | None:
        import httpx  # noqa: PLC0415  # 100 ms that most commands do not need

        try:
            with httpx.Client(trust_env=False, timeout=timeout_seconds) as client:
                answer = client.request(method, f"http://{_HOST}:{port}{path}", json=body)
                return HttpAnswer(answer.status_code, answer.content)
        except httpx.TransportError:
            return None
