"""Unpacks wheels to where they belong below a prefix, with nothing in them that depends on where that prefix is."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from shutil import copyfileobj
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, BinaryIO, cast

from installer.destinations import WheelDestination
from installer.records import Hash, RecordEntry
from installer.utils import Scheme, construct_record_file, copyfileobj_with_hashing

from pipeline.digest import CHUNK_BYTES
from pipeline.errors import IntegrityError
from pipeline.make.miniforge_layer import CARRIED
from pipeline.model.frozen import require_relative

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from installer.scripts import ScriptSection

INSTALLER_NAME = "engine-pipeline"
_NOT_BOTH = "the two cannot be in one environment: lock another version of one of them"
_ANOTHER = "lock another version of it"
_PROGRAM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,254}")  # the pattern of model.frozen.FileName
_ENTRY_POINT = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)", re.ASCII)
_PLACEHOLDER = b"#!python"  # binary distribution format, "Installing a wheel": the interpreter's path goes here
RELOCATABLE = (
    b"#!/bin/sh\n"
    b"""'''exec' "$(dirname -- "$(realpath -- "$0")")/python" "$0" "$@"\n"""
    b"' '''\n"
)  # fmt: skip
"""Finds the Python beside itself, wherever both are: a shell runs the second line, Python sees a text there."""


class LayerTree:
    """Files of several wheels below one prefix; two wheels may bring the same file, but not two different ones.

    Attributes:
        scripts: name to ``module:function``, of programs that are made when the layer is installed.
    """

    def __init__(self, folder: Path, *, python: str) -> None:
        """Start an empty tree in ``folder`` for a Python (``3.14``)."""
        self.folder = folder
        self.python = python
        self.scripts: dict[str, str] = {}
        self._written: dict[str, tuple[str, bool, str]] = {}
        self._script_owners: dict[str, str] = {}

    def destination(self, wheel: str, *, project: str) -> Destination:
        """Return what the files of a wheel are written to; its name is for messages."""
        return Destination(self, wheel, project)

    def write(self, path: str, stream: BinaryIO, *, executable: bool, wheel: str) -> tuple[str, int]:
        """Write a file; return its digest as RECORD has it, and its size.

        Raises:
            IntegrityError: it would lie outside the prefix or where Miniforge's installer does, or another wheel has a
                different file there.
        """
        try:
            require_relative(path)
        except ValueError as error:
            raise _refusal(wheel, f"{path!r} is refused: it {error}", hint=_ANOTHER) from error
        if path.casefold().startswith(CARRIED.casefold()):  # file systems of macOS do not tell case apart
            raise _refusal(wheel, f"{path!r} is refused: a bundle has Miniforge there", hint=_ANOTHER)
        before = self._written.get(path)
        place = self.folder / path
        draft = place if before is None else self.folder.with_name("draft")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with draft.open("xb") as out:
                digest, size = copyfileobj_with_hashing(stream, out, "sha256")
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise _refusal(wheel, f"{path} is in the way of another wheel's files") from error
        if before is None:
            draft.chmod(0o755 if executable else 0o644)
            self._written[path] = (digest, executable, wheel)
            return digest, size
        draft.unlink()
        if before[:2] != (digest, executable):
            raise _refusal(wheel, f"{before[2]} has another file at {path}")
        return digest, size

    def add_script(self, name: str, target: str, *, wheel: str) -> None:
        """Note a program to be made.

        Raises:
            IntegrityError: its name is no plain name, or another wheel has another program of that name.
        """
        if not _PROGRAM.fullmatch(name) or not _ENTRY_POINT.fullmatch(target):
            raise _refusal(wheel, f"its program {name!r}, {target!r}, is refused", hint=_ANOTHER)
        if self.scripts.get(name, target) != target or f"bin/{name}" in self._written:
            owner = self._script_owners.get(name, self._written.get(f"bin/{name}", ("", False, wheel))[2])
            raise _refusal(wheel, f"{owner} has another program {name}")
        self.scripts[name] = target
        self._script_owners[name] = wheel


class Destination(WheelDestination):
    """Where the files of one wheel go; what ``installer.install`` writes to."""

    def __init__(self, tree: LayerTree, wheel: str, project: str) -> None:
        self._tree = tree
        self._wheel = wheel
        site_packages = f"lib/python{tree.python}/site-packages"
        self._folders = {
            "purelib": site_packages,
            "platlib": site_packages,
            "headers": f"include/python{tree.python}/{project}",
            "scripts": "bin",
            "data": "",
        }

    def write_script(self, name: str, module: str, attr: str, section: ScriptSection) -> RecordEntry:
        """Note a program; its file is made with the path of the Python that it is installed with."""
        del section  # windows without a console are Windows' own
        self._tree.add_script(name, f"{module}:{attr}", wheel=self._wheel)
        return RecordEntry(name, None, None)

    def write_file(
        self,
        scheme: Scheme,
        path: str | os.PathLike[str],
        stream: BinaryIO,
        is_executable: bool,  # noqa: FBT001 - installer's interface
    ) -> RecordEntry:
        """Write a file of a scheme; programs for Python find it beside themselves."""
        name = os.fspath(path)
        place = "/".join(part for part in (self._folders[scheme], name) if part)
        if scheme != "scripts":
            return self._entry(name, self._tree.write(place, stream, executable=is_executable, wheel=self._wheel))
        if name in self._tree.scripts:
            raise _refusal(self._wheel, f"it has two programs {name}", hint=_ANOTHER)
        with _relocatable(stream) as script:
            return self._entry(name, self._tree.write(place, script, executable=True, wheel=self._wheel))

    def finalize_installation(
        self, scheme: Scheme, record_file_path: str, records: Iterable[tuple[Scheme, RecordEntry]]
    ) -> None:
        """Write RECORD, in the order of its paths."""

        def folder_of(other: str) -> str | None:
            if self._folders[other] == self._folders[scheme]:
                return None
            return os.path.relpath(f"/{self._folders[other]}", f"/{self._folders[scheme]}") + "/"

        ordered = sorted(records, key=lambda record: ((folder_of(record[0]) or "") + record[1].path).encode())
        with construct_record_file(ordered, folder_of) as stream:
            self.write_file(scheme, record_file_path, stream, is_executable=False)

    def _entry(self, path: str, written: tuple[str, int]) -> RecordEntry:
        return RecordEntry(path, Hash("sha256", written[0]), written[1])


@contextmanager
def _relocatable(stream: BinaryIO) -> Iterator[BinaryIO]:
    """Yield a script that finds its Python; what is no script for Python, programs too, is left as it is."""
    with SpooledTemporaryFile(max_size=CHUNK_BYTES) as script:
        head = stream.read(len(_PLACEHOLDER))
        if head == _PLACEHOLDER:
            stream.readline()
            head = RELOCATABLE
        script.write(head)
        copyfileobj(stream, script)
        script.seek(0)
        yield cast("BinaryIO", script)


def _refusal(wheel: str, why: str, *, hint: str = _NOT_BOTH) -> IntegrityError:
    return IntegrityError(f"{wheel}: {why}", hint=hint)
