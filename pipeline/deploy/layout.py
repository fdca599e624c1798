"""What the files below the root of an installation say, as models; ``places`` says where they are."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from pipeline.deploy.places import SEAL_FILE, Places, listing, seal_of
from pipeline.deploy.reading import read_plain
from pipeline.digest import is_sha256, tree_digest
from pipeline.errors import HostError, IntegrityError, NothingSelectedError, UsageError
from pipeline.model.frozen import Frozen
from pipeline.model.installation import Generation, Pointer, RootFormat
from pipeline.model.manifest_document import read_document
from pipeline.model.strict_json import LIMIT_BYTES
from pipeline.model.tree import Tree

if TYPE_CHECKING:
    from pathlib import Path

Document = TypeVar("Document", bound=Frozen)


class Layout(Places):
    """What the files of an installation say.

    Attributes:
        root: absolute.
    """

    def check(self, *, may_be_new: bool = False, mend: bool = False) -> None:
        """Refuse a folder that is no installation of this layout.

        With ``mend`` a damaged format file counts as one that is lost, which the next change writes again.

        Raises:
            UsageError: it is no installation; with ``may_be_new`` only when it holds something else.
            HostError: it was made by a newer version of this program.
            IntegrityError: its format file is malformed.
        """
        if self.format_path.is_file() and not (mend and not self.has_format() and self.looks_installed()):
            data = read_plain(self.format_path, limit_bytes=LIMIT_BYTES)
            found = read_document(RootFormat, data, what=str(self.format_path))
            if found.version > RootFormat().version:
                raise HostError(
                    f"{self.root} has layout {found.version}, made by a newer version of this program",
                    hint="use that version, or another root",
                )
            return
        if self.looks_installed():
            return  # the format file alone is lost
        if not may_be_new:
            raise UsageError(f"{self.root} is no installation", hint="give the --root that `install` was given")
        own = {
            *self.FOLDERS,
            *self.ON_DEMAND,
            self.format_path.name,
        }  # another process may have written the file a moment ago
        if self.root.is_dir() and any(path.name not in own for path in self.root.iterdir()):
            raise UsageError(
                f"{self.root} holds other files and is no installation", hint="give an empty folder or a new one"
            )

    def has_format(self) -> bool:
        """Tell whether the format file can be read."""
        try:
            return _read(RootFormat, self.format_path) is not None
        except IntegrityError:
            return False

    def looks_installed(self) -> bool:
        """Tell whether the folders of an installation are there, whatever is in them."""
        return self.generations_dir.is_dir() and self.current_dir.is_dir() and self.layers_dir.is_dir()

    def engine(self, named: str | None) -> str:
        """Return the engine that is meant; None means the only one.

        Raises:
            NothingSelectedError: it is not installed, or none is.
            UsageError: there are several and none was named.
        """
        installed = self.engines()
        if named is not None:
            if named not in installed:
                raise NothingSelectedError(
                    f"{named} is not installed in {self.root}", hint=f"installed: {', '.join(installed) or 'nothing'}"
                )
            return named
        if not installed:
            raise NothingSelectedError(f"nothing is installed in {self.root}", hint="`install` does it")
        if len(installed) > 1:
            raise UsageError(f"{self.root} has several engines", hint=f"name one of {', '.join(installed)}")
        return installed[0]

    def generation(self, engine: str, number: int) -> Generation | None:
        """Return what a generation says of itself, None when it is not there or is unfinished.

        Raises:
            IntegrityError: its file is malformed or lies in a place of another.
        """
        path = self.generation_dir(engine, number) / "generation.json"
        found = _read(Generation, path)
        if found is not None and (found.engine, found.number) != (engine, number):
            raise IntegrityError(f"{path} speaks of generation {found.number} of {found.engine}")
        return found

    def is_sealed(self, engine: str, number: int) -> bool:
        """Tell whether ``generation.json`` has the digest that was written beside it; for ``verify``."""
        folder = self.generation_dir(engine, number)
        try:
            seal = read_plain(folder / SEAL_FILE, limit_bytes=LIMIT_BYTES)
            return seal == seal_of(read_plain(folder / "generation.json", limit_bytes=LIMIT_BYTES))
        except (OSError, IntegrityError):
            return False

    def generations(self, engine: str) -> tuple[Generation, ...]:
        """Return an engine's finished generations, oldest first; one whose file is damaged counts as none."""
        found = []
        for number in self.numbers(engine):
            with suppress(IntegrityError):
                found.append(self.generation(engine, number))
        return tuple(generation for generation in found if generation is not None)

    def pointer(self, engine: str) -> Pointer | None:
        """Return which generation is current; None when no pointer is there or it is damaged, so that all can go on."""
        with suppress(IntegrityError):
            return self.read_pointer(engine)
        return None

    def read_pointer(self, engine: str) -> Pointer | None:
        """Return which generation is current, None when no pointer is there.

        Raises:
            IntegrityError: it is malformed or speaks of another engine.
        """
        found = _read(Pointer, self.pointer_path(engine))
        if found is not None and found.engine != engine:
            raise IntegrityError(f"{self.pointer_path(engine)} speaks of {found.engine}")
        return found

    def layer_digests(self) -> tuple[str, ...]:
        """Return the digests of the layers that are there, sorted."""
        return tuple(sorted(path.name for path in listing(self.layers_dir) if is_sha256(path.name) and path.is_dir()))

    def layer_tree(self, tree_sha256: str) -> Tree | None:
        """Return the list of a layer's files, None when the layer is not there; its files are not looked at.

        Raises:
            IntegrityError: the list is malformed or not the one its name says.
        """
        if not self.layer_dir(tree_sha256).is_dir():
            return None
        path = self.layer_list_path(tree_sha256)
        tree = _read(Tree, path)
        if tree is not None and not (tree.sha256 == tree_sha256 == tree_digest(tree.entries)):
            raise IntegrityError(f"{path} is not the list of the layer it is named after")
        return tree

    def environment_tree(self, generation: Generation) -> Tree:
        """Return the list of an environment's files, which is beside its record; the files are not looked at.

        Raises:
            IntegrityError: the list is missing, malformed or not the one whose digest is in the record.
        """
        path = self.files_path(generation.engine, generation.number)
        tree = _read(Tree, path)
        if tree is None or not (tree.sha256 == generation.tree_sha256 == tree_digest(tree.entries)):
            raise IntegrityError(f"{path} is not the list of the files that were installed")
        return tree

    def orphans(self) -> tuple[Path, ...]:
        """Return what is kept of bytecode and unpacked packages for generations and layers that are gone, sorted."""
        found = [
            folder
            for engine in listing(self.bytecode_dir)
            for folder in listing(engine)
            if not (self.generations_dir / engine.name / folder.name / "generation.json").is_file()
        ]
        for path in listing(self.unpacked_dir):
            digest = path.name.removesuffix(".json")
            if not (is_sha256(digest) and self.layer_dir(digest).is_dir() and self.unpacked_of(digest).is_dir()):
                found.append(path)
        return tuple(sorted(found))

    def unpacked_tree(self, tree_sha256: str) -> Tree | None:
        """Return the list of a layer's unpacked packages, None when there is none; the files are not looked at."""
        with suppress(IntegrityError):
            tree = _read(Tree, self.unpacked_list_path(tree_sha256))
            return tree if tree is not None and tree.sha256 == tree_digest(tree.entries) else None
        return None


def _read(model: type[Document], path: Path) -> Document | None:
    try:
        data = read_plain(path, limit_bytes=LIMIT_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return read_document(model, data, what=str(path))
