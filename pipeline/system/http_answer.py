"""The answer of a server whose body is still to be read, and the fast ways of reading it."""

from __future__ import annotations

import socket
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from pipeline.system.transfer_faults import TransferFault, fault_of_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

_LARGE_BODY_BYTES = 1 << 20  # from here on, speed is worth more than the connection afterwards
_BLOCK_BYTES = 1 << 19
_GATHERED_BYTES = 1 << 18
_WAKE_BYTES = 1 << 14


class Answer(NamedTuple):
    """A server's answer, its body not read yet.

    Attributes:
        response: with status and headers.
        redirected: whether it came from another place than was asked.
    """

    response: httpx.Response
    redirected: bool

    @property
    def url(self) -> str:
        """From where it came, after redirects."""
        return str(self.response.url)

    def pieces(self) -> Iterator[bytes]:
        """Yield the body as it comes, exactly as it was sent.

        Raises:
            TransferFault: the connection failed, or the body is cut short.
        """
        import httpx  # noqa: PLC0415  # loaded already

        try:
            yield from self.response.iter_raw()
        except httpx.HTTPError as error:
            raise fault_of_error(error) from error

    def blocks(self, *, keep_connection: bool = False) -> Iterator[bytes]:
        """Yield the body as ``pieces`` does, but a large one in larger pieces and with less work.

        What follows the head of an HTTP/1.1 answer with a length is nothing but that many bytes, so they are read from
        the connection as they are (1 GB over loopback: 0.8 s of processor time against 2.4 s through httpx's parser,
        which copies each piece three times). The connection is closed afterwards, unless it is to be kept: then the
        parser does it.
        """
        pieces = self.pieces()
        first = next(pieces, b"")
        yield first
        left = self._plain_bytes() - len(first)
        if left < _LARGE_BODY_BYTES:
            yield from pieces
            return
        with self._in_large_pieces() as any_size:
            yield from _gathered(_counted(pieces if keep_connection else self._plain_blocks(left), left, any_size))

    def _plain_blocks(self, left: int) -> Iterator[bytes]:
        """Yield the rest of a plain body."""
        import httpcore  # noqa: PLC0415  # loaded already, by httpx

        stream = self.response.extensions["network_stream"]
        patience = self.response.request.extensions["timeout"]["read"]
        while left:
            try:
                block = stream.read(min(left, _BLOCK_BYTES), timeout=patience)
            except (httpcore.TimeoutException, httpcore.NetworkError, OSError) as error:
                raise fault_of_error(error) from error
            if not block:
                raise TransferFault(f"the connection ended {left} bytes too early")
            left -= len(block)
            yield block

    @contextmanager
    def _in_large_pieces(self) -> Iterator[Callable[[], None]]:
        """Let the system wake us not for each packet, but when a good many have come; yield what ends that.

        A server that sends less than that within the read timeout is far below what counts as too slow.
        """
        connection, option = self._socket(), getattr(socket, "SO_RCVLOWAT", None)

        def wake_after(count: int) -> None:
            if connection is not None and option is not None:
                with suppress(OSError):  # some systems know the option and refuse it
                    connection.setsockopt(socket.SOL_SOCKET, option, count)

        wake_after(_WAKE_BYTES)
        try:
            yield lambda: wake_after(1)
        finally:
            wake_after(1)

    def _socket(self) -> socket.socket | None:
        stream = self.response.extensions.get("network_stream")
        connection = stream.get_extra_info("socket") if stream is not None else None
        return connection if isinstance(connection, socket.socket) else None

    def abort(self) -> None:
        """Break the connection, from another thread: whoever waits for it wakes up with a fault."""
        connection = self._socket()
        if connection is not None:
            with suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)  # a TLS socket's own would touch its state

    def _plain_bytes(self) -> int:
        """Return the length of a body that is nothing but its bytes, -1 for any other."""
        response = self.response
        length = response.headers.get("content-length", "")
        plain = response.http_version.startswith("HTTP/1") and "transfer-encoding" not in response.headers
        return int(length) if plain and length.isdecimal() else -1


def _counted(pieces: Iterator[bytes], left: int, any_size: Callable[[], None]) -> Iterator[bytes]:
    """Call ``any_size`` before the last piece is waited for: it may be small."""
    for piece in pieces:
        left -= len(piece)
        if left < 2 * _WAKE_BYTES:
            any_size()
        yield piece


def _gathered(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Join small pieces to ones that are worth a write; nothing that came is lost when the connection fails."""
    gathered: list[bytes] = []
    count = 0
    try:
        for piece in pieces:
            gathered.append(piece)
            count += len(piece)
            if count >= _GATHERED_BYTES:
                yield b"".join(gathered) if len(gathered) > 1 else piece
                gathered, count = [], 0
    except TransferFault:
        if gathered:
            yield b"".join(gathered)
        raise
    if gathered:
        yield b"".join(gathered)
