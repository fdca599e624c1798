"""A package index on disk whose pages are HTML with links and nothing else: no digests, no sizes (PEP 503)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class BareIndex:
    """An index in a folder that some web server serves: pages below ``whl/``, files below ``files/``."""

    def __init__(self, folder: Path, project: str) -> None:
        self.folder = folder
        self._project = project
        (folder / "whl" / project).mkdir(parents=True)
        (folder / "files").mkdir()
        self._names: list[str] = []

    def put(self, name: str, data: bytes) -> None:
        """Publish a file, or other bytes under its name."""
        (self.folder / "files" / name).write_bytes(data)
        if name not in self._names:
            self._names.append(name)
        self._write()

    def withdraw(self, name: str) -> None:
        """Take a file off the page."""
        self._names.remove(name)
        self._write()

    def _write(self) -> None:
        links = "".join(f'<a href="../../files/{name}">{name}</a><br>\n' for name in self._names)
        page = f"<!DOCTYPE html>\n<html><body>\n{links}</body></html>\n"
        (self.folder / "whl" / self._project / "index.html").write_text(page)
