"""Where a repository is: a folder of this machine or a web server, both read through one narrow door.

A folder is a jail: no name and no link in it leads outside.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pipeline.deploy.reading import read_plain
from pipeline.errors import IntegrityError, UsageError
from pipeline.model.clean_text import without_user_info
from pipeline.model.frozen import require_relative

if TYPE_CHECKING:
    from pipeline.ports import Downloader


class RepositoryLocation(Protocol):
    """A place to read a repository's files from."""

    @property
    def text(self) -> str:
        """What to call it."""
        ...

    def read(self, path: str, *, limit_bytes: int) -> bytes | None:
        """Return a small file, None when there is none.

        Raises:
            IntegrityError: it is longer, or leads outside the repository.
            NetworkError, OfflineError: it cannot be reached.
        """
        ...

    def url(self, path: str, *, size_bytes: int) -> str:
        """Return where a large file can be downloaded.

        Raises:
            IntegrityError: it is a file of this machine and has another size, or is not there.
        """
        ...


class LackingError(IntegrityError):
    """A folder lacks a file that is signed."""


class FolderLocation:
    """A repository in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    @property
    def text(self) -> str:
        """The folder's path."""
        return str(self._folder)

    def read(self, path: str, *, limit_bytes: int) -> bytes | None:
        """Return a file's bytes; see ``RepositoryLocation``."""
        try:
            return read_plain(self._inside(path), limit_bytes=limit_bytes)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def url(self, path: str, *, size_bytes: int) -> str:
        """Return the file: url of a file in the folder; see ``RepositoryLocation``."""
        inside = self._inside(path)
        if not inside.is_file():
            raise LackingError(f"{inside} is signed and not there", hint="the copy is incomplete; use another mirror")
        if (found := inside.stat().st_size) != size_bytes:
            raise IntegrityError(
                f"{inside} has {found} bytes and {size_bytes} are signed", hint="it was changed; use another mirror"
            )
        return inside.as_uri()

    def _inside(self, path: str) -> Path:
        try:
            found = (self._folder / require_relative(path)).resolve()
        except (ValueError, OSError, RuntimeError) as error:  # RuntimeError: a loop of links, before Python 3.13
            raise IntegrityError(f"{path!r} is no file of {self._folder}: {error}") from error
        if not found.is_relative_to(self._folder):
            raise IntegrityError(f"{self._folder / path} leads outside the repository", hint="remove that link")
        return found


class WebLocation:
    """A repository on a web server; plain http serves as well, since every byte is checked against signed metadata."""

    def __init__(self, url: str, downloader: Downloader) -> None:
        self._url = url.rstrip("/")
        self._downloader = downloader

    @property
    def text(self) -> str:
        """The url."""
        return self._url

    def read(self, path: str, *, limit_bytes: int) -> bytes | None:
        """Return a file's bytes; see ``RepositoryLocation``."""
        return self._downloader.read_small(f"{self._url}/{path}", limit_bytes=limit_bytes)

    def url(self, path: str, *, size_bytes: int) -> str:  # noqa: ARG002 - only the server knows, and may lie
        """Return the url of a file."""
        return f"{self._url}/{path}"


def shown(text: str) -> str:
    """Return what a place is called before it was looked at: without user name, query and fragment of a url."""
    return without_user_info(re.split("[?#]", text, maxsplit=1)[0] if "://" in text else text)


def locate(text: str, downloader: Downloader) -> RepositoryLocation:
    """Return the repository that a folder's path or a file:, http: or https: url names.

    Raises:
        UsageError: it is none of these, or a url with a user name, a query or a fragment.
    """
    if "://" not in text:
        return _folder(Path(text), text)
    parts = urlsplit(text)
    if parts.username is not None or parts.password is not None:
        raise UsageError("a url with a user name ends up in logs and files", hint="give the url without it")
    if parts.query or parts.fragment:
        raise UsageError(f"{shown(text)} has a query or a fragment", hint="give the folder's url alone")
    if parts.scheme == "file" and parts.netloc in {"", "localhost"}:
        return _folder(Path(url2pathname(parts.path)), text)
    if parts.scheme in {"http", "https"} and parts.hostname:
        return WebLocation(text, downloader)
    raise UsageError(f"{text} is no place of a repository", hint="give a folder, or an https, http or file url")


def _folder(folder: Path, text: str) -> FolderLocation:
    if not folder.is_dir():
        raise UsageError(f"there is no folder {text}", hint="give the folder that `publish --to` wrote, or its url")
    return FolderLocation(folder)
