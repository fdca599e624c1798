"""The one door through which python-tuf sees metadata: bounded, strictly read, by this project's own transports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import FetcherInterface

from pipeline.errors import IntegrityError, TrustError
from pipeline.model.repository_layout import role_of_filename
from pipeline.model.strict_json import parse_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BASE_URL = "repository:metadata/"
# A delegated role lists every file of an engine: 250 bytes each, so this is some 250,000 files.
TARGETS_LIMIT_BYTES = 64 << 20
_NOT_FOUND = 404


class DoorFetcher(FetcherInterface):
    """Hands python-tuf what ``read`` finds; this project's errors pass through the Updater as they are.

    python-tuf takes what JSON readers disagree about (a key that stands twice, NaN), so every file is read strictly
    before it sees any of it.

    Attributes:
        seen: the newest bytes of each role that came.
        missing: name of the last file that was asked for and is not there.
    """

    def __init__(self, read: Callable[[str, int], bytes | None], *, reserved: frozenset[str] = frozenset()) -> None:
        """Read through ``read``; ``reserved`` are file names that no role may have where its metadata is kept."""
        self._read = read
        self._reserved = reserved
        self.seen: dict[str, bytes] = {}
        self.missing = ""

    def _fetch(self, url: str) -> Iterator[bytes]:
        yield self.download_bytes(url, TARGETS_LIMIT_BYTES)

    def download_bytes(self, url: str, max_length: int) -> bytes:
        """Return a metadata file; one read, so that its limit holds before the first byte.

        Raises:
            IntegrityError: it is too long, or no strict JSON.
            TrustError: it is too long or no strict JSON although its length and digest are signed, or its role has the
                name of a reserved file.
        """
        name = url.removeprefix(BASE_URL)
        role = (role_of_filename(name) or (name, None))[0]
        if f"{role}.json" in self._reserved:
            raise TrustError(
                f"a role is called {role!r}, as a file of this program is", hint="the repository was not made by it"
            )
        try:
            data = self._read(name, max_length)
            if data is not None:
                require_strict(data, what=f"metadata/{name}")
        except IntegrityError as error:
            if name[:1].isdigit() and not name.endswith(".root.json"):  # its length and digest are signed
                raise TrustError(f"not what the signed metadata says: {error.message}", hint=error.hint) from error
            raise
        if data is None:
            self.missing = name
            raise DownloadHTTPError(f"{name} is not there", _NOT_FOUND)
        self.seen[role] = data
        return data

    def peek(self, name: str) -> bytes | None:
        """Return a file that the current metadata does not name, None when it is not there."""
        return self._read(name, TARGETS_LIMIT_BYTES)


def require_strict(data: bytes, *, what: str) -> None:
    """Refuse metadata that two JSON readers could read differently; python-tuf's own reader takes it.

    Raises:
        IntegrityError: it is no strict JSON (``strict_json``).
    """
    parse_json(data, what=what, limit_bytes=TARGETS_LIMIT_BYTES)
