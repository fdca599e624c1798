"""Where things are below the root of an installation; nothing is read here.

``layers/`` holds verified trees under their digest, ``generations/<engine>/<n>/tree`` the same files laid together by
hard links, or a Python environment made of them, ``current/<engine>.json`` the pointer, ``pins/<engine>.json`` the
version that an engine is held at. Nothing of these is ever changed in place; everything half-made is in ``staging/``.
Two folders are there only beside environments and can be lost without loss: ``bytecode/<engine>/<n>`` is what a
generation's Python has compiled, ``unpacked/`` the conda packages of a layer, compared with their list before each use.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline.digest import sha256_bytes
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

ENGINE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")
SEAL_FILE = "generation.sha256"
FILES_FILE = "files.json"


class Places:
    """Paths below the root of an installation.

    Attributes:
        root: absolute.
    """

    FOLDERS = ("layers", "generations", "current", "staging", "locks", "downloads", "trust", "pins")
    ON_DEMAND = ("bytecode", "unpacked")

    def __init__(self, root: Path) -> None:
        """Look at nothing yet."""
        self.root = root.absolute()
        self.layers_dir = self.root / "layers"
        self.generations_dir = self.root / "generations"
        self.current_dir = self.root / "current"
        self.pins_dir = self.root / "pins"
        self.staging_dir = self.root / "staging"
        self.downloads_dir = self.root / "downloads"
        self.trust_dir = self.root / "trust"
        self.bytecode_dir = self.root / "bytecode"
        self.unpacked_dir = self.root / "unpacked"
        self.lock_path = self.root / "locks" / "root.lock"
        self.format_path = self.root / "format.json"
        self.trusted_root_path = self.trust_dir / "root.json"

    def layer_dir(self, tree_sha256: str) -> Path:
        """Return the folder of a layer's files."""
        return self.layers_dir / tree_sha256

    def layer_list_path(self, tree_sha256: str) -> Path:
        """Return the file that lists a layer's files."""
        return self.layers_dir / f"{tree_sha256}.json"

    def generation_dir(self, engine: str, number: int) -> Path:
        """Return the folder of a generation."""
        return self.generations_dir / checked_name(engine) / str(number)

    def tree_dir(self, engine: str, number: int) -> Path:
        """Return the folder with a generation's files."""
        return self.generation_dir(engine, number) / "tree"

    def files_path(self, engine: str, number: int) -> Path:
        """Return the file that lists what is in a generation whose files are not those of its layers."""
        return self.generation_dir(engine, number) / FILES_FILE

    def bytecode_of(self, engine: str, number: int) -> Path:
        """Return the folder of what a generation's Python has compiled."""
        return self.bytecode_dir / checked_name(engine) / str(number)

    def unpacked_of(self, tree_sha256: str) -> Path:
        """Return the folder of a layer's conda packages, unpacked."""
        return self.unpacked_dir / tree_sha256

    def unpacked_list_path(self, tree_sha256: str) -> Path:
        """Return the file that lists a layer's unpacked packages."""
        return self.unpacked_dir / f"{tree_sha256}.json"

    def pointer_path(self, engine: str) -> Path:
        """Return the file that says which generation is current."""
        return self.current_dir / f"{checked_name(engine)}.json"

    def pin_path(self, engine: str) -> Path:
        """Return the file that holds an engine at a version."""
        return self.pins_dir / f"{checked_name(engine)}.json"

    def engines(self) -> tuple[str, ...]:
        """Return the engines that have generations or a pointer, sorted."""
        named = {path.name for path in listing(self.generations_dir)}
        named |= {path.name.removesuffix(".json") for path in listing(self.current_dir) if path.name.endswith(".json")}
        return tuple(sorted(name for name in named if ENGINE_NAME.fullmatch(name)))

    def numbers(self, engine: str) -> tuple[int, ...]:
        """Return the numbers of an engine's generations, ascending."""
        names = (path.name for path in listing(self.generations_dir / checked_name(engine)))
        return tuple(sorted(int(name) for name in names if name.isascii() and name.isdigit()))


def seal_of(record: bytes) -> bytes:
    """Return the text of ``generation.sha256``, in the format of ``sha256sum``."""
    return f"{sha256_bytes(record)}  generation.json\n".encode()


def checked_name(engine: str) -> str:
    """Return an engine's name if it is one.

    Raises:
        UsageError: it is not.
    """
    if not ENGINE_NAME.fullmatch(engine):
        raise UsageError(f"{engine!r} is no name of an engine")
    return engine


def listing(folder: Path) -> tuple[Path, ...]:
    """Return what is in a folder; one that is not there holds nothing."""
    return tuple(folder.iterdir()) if folder.is_dir() else ()
