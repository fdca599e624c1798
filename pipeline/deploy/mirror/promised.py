"""What a mirror says that it holds, compared with a list of its files: an incomplete one is not carried."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.deploy.mirror.export_index import open_plain
from pipeline.deploy.mirror.wanted import needed_files
from pipeline.digest import sha256_bytes
from pipeline.errors import IntegrityError
from pipeline.model.manifest_document import read_document, read_manifest
from pipeline.model.mirror import InstallerFiles, MirrorDocument
from pipeline.model.mirror_export import LARGEST_SMALL_FILE_BYTES
from pipeline.model.repository_layout import (
    INSTALLER_FOLDER,
    MIRROR_FILE,
    MODELS_FOLDER,
    blob_path,
    engine_of_manifest_target,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pipeline.deploy.mirror.signed_chain import SignedChain
    from pipeline.model.manifest import Artifact
    from pipeline.model.mirror_export import ExportedFile

INSTALLER_LIST = f"{INSTALLER_FOLDER}/files.json"


def lacking(folder: Path, chains: Iterable[SignedChain], files: Iterable[ExportedFile]) -> tuple[str, ...]:
    """Return the files that a mirror should have and a list of its files lacks, sorted.

    A repository without ``mirror.json`` has everything that it signs. A mirror has what that says: lists of every
    engine, the files of each artifact that it holds, its models, and what ``installer/files.json`` names.

    Args:
        folder: where ``mirror.json``, manifests and the installer's list can be read.
        chains: of its lanes, the repository's own first.
        files: that there are.

    Raises:
        IntegrityError: one of the lists is damaged, or names files that nothing signs.
    """
    listed = {file.path: file.sha256 for file in files}
    main, *_ = chains
    if MIRROR_FILE in listed:
        document = read_document(MirrorDocument, _read(folder, MIRROR_FILE, listed), what=MIRROR_FILE)
        wanted = dict(_of_document(folder, main, document, listed))
    else:
        wanted = {blob_path(sha256): sha256 for sha256 in main.targets}
    if INSTALLER_LIST in listed:
        installer = read_document(InstallerFiles, _read(folder, INSTALLER_LIST, listed), what=INSTALLER_LIST)
        wanted |= {f"{INSTALLER_FOLDER}/{file.path}": file.sha256 for file in installer.files}
    return tuple(sorted(path for path, sha256 in wanted.items() if listed.get(path) != sha256))


def _of_document(
    folder: Path, chain: SignedChain, document: MirrorDocument, listed: dict[str, str]
) -> Iterator[tuple[str, str]]:
    manifests = {engine: target for path, target in chain.listed.items() if (engine := engine_of_manifest_target(path))}
    held = {artifact.sha256 for artifact in document.artifacts}
    artifacts: list[Artifact] = []
    for engine, target in manifests.items():
        data = _read(folder, blob_path(target.hashes["sha256"]), listed)
        artifacts += [
            each for each in read_manifest(data, what=f"manifest of {engine}").artifacts if each.sha256 in held
        ]
    for sha256 in needed_files(artifacts, targets=chain.listed, selection=document.selection):
        yield blob_path(sha256), sha256
    for model in document.models:
        yield f"{MODELS_FOLDER}/{model.filename}", model.sha256


def _read(folder: Path, path: str, listed: dict[str, str]) -> bytes:
    try:
        with open_plain(folder / path) as stream:
            data = stream.read(LARGEST_SMALL_FILE_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise IntegrityError(f"{path} is missing", hint="the mirror is incomplete: `mirror sync` brings it") from error
    if sha256_bytes(data) != listed.get(path):
        raise IntegrityError(
            f"{path} is not what it is listed as",
            hint="it was changed a moment ago, or is damaged: `mirror sync --repair`",
        )
    return data
