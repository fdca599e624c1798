"""The runtime libraries of a toolkit: which files they are, the GPU code beside them, and one digest of all."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline.digest import key_of, sha256_stream
from pipeline.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from pipeline.model.toolkit import DeviceCode, RuntimeLibraries


def runtime_files(top: Path, libraries: RuntimeLibraries, architectures: Iterable[str]) -> dict[str, Path]:
    """Return what a bundle brings of a toolkit, sorted: place below ``bin/`` to file.

    Libraries lie by the names that programs ask for, GPU code as deep as in the toolkit: rocBLAS asks where its own
    file is, and looks in ``rocblas/library`` beside it (rocBLAS, library/src/tensile_host.cpp).

    Args:
        top: of the toolkit.
        libraries: which.
        architectures: GPUs whose code is taken; that for all is always.

    Raises:
        HostError: a glob matches nothing, or there is no code for one of the GPUs.
    """
    folder = _folder(top, libraries)
    found: dict[str, Path] = {}
    for glob in libraries.files:
        matches = {path.name: path for path in sorted(folder.glob(glob)) if path.is_file()}
        if not matches:
            raise HostError(
                f"the toolkit in {top} has no {glob}",
                hint="the vendor renamed it: correct toolkit.runtime.files in the accelerator's recipe",
            )
        found |= matches
    for glob in libraries.optional:
        found |= {path.name: path for path in sorted(folder.glob(glob)) if path.is_file()}
    wanted = tuple(architectures)
    for code in libraries.device_code:
        if missing := without_code(folder, code, wanted):
            has = ", ".join(_architectures(folder, code)) or "none"
            raise HostError(
                f"the toolkit in {top} has no {code.folder} for {', '.join(missing)}; it has it for {has}",
                hint=f"name GPUs that it has with --architectures, or take another toolkit: without {code.folder} the"
                " engine ends at the first multiplication there",
            )
        for path, of in _code_files(folder, code):
            if not of or of in wanted:
                found[path.relative_to(folder).as_posix()] = path
    return dict(sorted(found.items()))


def license_files(top: Path, libraries: RuntimeLibraries) -> tuple[Path, ...]:
    """Return the license texts of what a bundle brings, sorted by the recipe's globs.

    Raises:
        HostError: the recipe has globs and none of them matches: nobody may pass these libraries on without their text.
    """
    found = tuple(path for glob in libraries.license_texts for path in sorted(top.glob(glob)) if path.is_file())
    if libraries.license_texts and not found:
        raise HostError(
            f"the toolkit in {top} has no license text ({', '.join(libraries.license_texts)})",
            hint="install it with its documentation, or correct toolkit.runtime.license_texts in the recipe",
        )
    return found


def without_code(folder: Path, code: DeviceCode, architectures: Iterable[str]) -> tuple[str, ...]:
    """Return the GPUs for which a library has no code although it needs it for each, in the order that was given.

    Args:
        folder: of the libraries.
        code: where it is.
        architectures: of the GPUs.
    """
    if not code.every:
        return ()
    found = _architectures(folder, code)
    return tuple(name for name in dict.fromkeys(architectures) if name not in found)


def digest_of_files(files: Mapping[str, Path]) -> str:
    """Return one digest of files' places and bytes; links are followed."""
    digests = {}
    for place, path in files.items():
        with path.open("rb") as stream:
            digests[place] = sha256_stream(stream)[0]
    return key_of("libraries", digests)


def _folder(top: Path, libraries: RuntimeLibraries) -> Path:
    """Return where the libraries are: the first folder that has any of them."""
    for name in libraries.folders:
        folder = top / name
        if any(next(folder.glob(glob), None) for glob in libraries.files):
            return folder
    return top / libraries.folders[0] if libraries.folders else top


def _code_files(folder: Path, code: DeviceCode) -> Iterator[tuple[Path, str]]:
    """Yield each file of GPU code with the GPU that it is for, empty for all."""
    pattern = re.compile(code.pattern)
    for below in sorted(folder.glob(code.folder)):
        for path in sorted(below.rglob("*")):
            if path.is_file():
                match = pattern.search(path.relative_to(below).as_posix())
                yield path, match[1] if match else ""


def _architectures(folder: Path, code: DeviceCode) -> tuple[str, ...]:
    return tuple(sorted({name for _, name in _code_files(folder, code) if name}))
