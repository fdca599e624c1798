"""Locks an environment anew: conda packages, then wheels; all files are replaced when everything is right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.catalog.environments import EnvironmentSpec, environment_platforms, read_environment, read_spec
from pipeline.catalog.locked import CONDA_PROBLEM
from pipeline.errors import UsageError
from pipeline.events import Notice
from pipeline.lock.changes import Change, changes
from pipeline.lock.channels import resolve_channels
from pipeline.lock.conda_locking import CondaRequest, solve_conda
from pipeline.lock.generated import (
    CONDA_INPUTS,
    CONDA_LOCK,
    WHEEL_INPUTS,
    Generated,
    generated_names,
    input_digests,
    parse,
    render,
    together,
)
from pipeline.lock.wheel_resolving import resolve_wheels
from pipeline.model.frozen import Frozen
from pipeline.names import conda_subdir

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipeline.lock.tools import LockTools
    from pipeline.ports import Disk, Services


class LockRequest(Frozen):
    """What to lock.

    Attributes:
        folder: of the environment, below envs/.
        platforms: of the contract's names; all that environment.yml has, or some of them.
        complete: whether these are all.
        channel: url or folder that the channel's records are read from instead; None for the channel itself.
        dry_run: whether nothing is written.
    """

    folder: Path
    platforms: tuple[str, ...]
    complete: bool
    channel: str | None = None
    dry_run: bool = False


class LockOutcome(Frozen):
    """What locking came to.

    Attributes:
        environment: name of it.
        changes: packages that came, went or moved.
        files: that were written, or would be; empty where nothing is new.
        dry_run: whether nothing was written.
    """

    environment: str
    changes: tuple[Change, ...]
    files: tuple[str, ...]
    dry_run: bool


def lock_environment(request: LockRequest, tools: LockTools, services: Services, *, disk: Disk) -> LockOutcome:
    """Solve an environment and replace its lock files, one process at a time.

    Raises:
        LockError: a hand-written file makes no sense, or what was solved does not fit it.
        UsageError: the other platforms of the lock are stale, so that one alone cannot be locked.
        HostError: the folder above the environment, where the lock against others is, cannot be written.
        See ``solve_conda``, ``resolve_wheels`` and ``resolve_channels`` for the rest.
    """
    if request.dry_run:
        return _lock(request, tools, services, disk)
    held = request.folder.parent / f".{request.folder.name}.lock"

    def tell() -> None:
        services.events.emit(Notice(f"{disk.lock_holder(held)} locks {request.folder.name}; waiting for it", "warning"))

    with disk.lock(held, waiting=tell):
        return _lock(request, tools, services, disk)


def _lock(request: LockRequest, tools: LockTools, services: Services, disk: Disk) -> LockOutcome:
    folder = request.folder
    specs = [read_spec(folder, platform) for platform in request.platforms]
    with services.store.work_dir(f"lock-{folder.name}") as work:
        made = [*_conda(request, specs, tools, services, work), *_wheels(request, specs, tools, services, work)]
        stage = work / "stage" / folder.name
        texts = _complete_set(request, made)
        _write_stage(stage, folder, texts)
        for spec in specs:
            read_environment(stage, spec.platform)  # nothing is replaced by what cannot be read
        gone = tuple(name for name in generated_names(folder) if name not in texts)
        files = tuple(name for name, text in texts.items() if _text_of(folder / name) != text)
        outcome = LockOutcome(
            environment=folder.name, changes=changes(folder, stage), files=(*files, *gone), dry_run=request.dry_run
        )
        if not request.dry_run:
            _replace(folder, {name: texts[name] for name in files}, gone, disk)
    return outcome


def _conda(
    request: LockRequest, specs: Sequence[EnvironmentSpec], tools: LockTools, services: Services, work: Path
) -> list[Generated]:
    if (request.folder / CONDA_PROBLEM).is_file():
        services.events.emit(
            Notice(f"{request.folder.name}: only wheels are locked, see envs/{request.folder.name}/{CONDA_PROBLEM}")
        )
        return []
    channels = resolve_channels(
        specs[0].channels, instead=request.channel, configured=services.channels, offline=services.offline
    )
    lock = request.folder / CONDA_LOCK
    keep = not request.complete and lock.is_file()
    if keep:
        _, head = parse(CONDA_LOCK, lock.read_text(encoding="utf-8"))
        now = input_digests(request.folder, CONDA_INPUTS)
        changed = [name for name in CONDA_INPUTS if head.inputs.get(name) != now.get(name)]
        if changed:
            raise UsageError(
                f"{' and '.join(changed)} changed since {lock} was made, for the other platforms as well",
                hint=f"lock all of them: `lock --env {request.folder.name}` without --platform",
            )
    subdirs = [conda_subdir(spec.platform) for spec in specs]
    order = [conda_subdir(platform) for platform in environment_platforms(request.folder)]
    asked = CondaRequest(request.folder, subdirs, order, channels, keep)
    services.events.emit(Notice(f"{request.folder.name}: conda packages for {', '.join(asked.subdirs)}"))
    place = work / "conda"
    place.mkdir()
    return solve_conda(asked, tools, services, place)


def _wheels(
    request: LockRequest, specs: Sequence[EnvironmentSpec], tools: LockTools, services: Services, work: Path
) -> list[Generated]:
    found = []
    if tools.find_links:
        where = " and ".join(tools.find_links)
        services.events.emit(Notice(f"find-links of {where} are not used: make an index of the files", "warning"))
    for spec in specs:
        services.events.emit(Notice(f"{request.folder.name}: wheels for {spec.platform}"))
        place = work / spec.platform
        place.mkdir()
        found.append(resolve_wheels(request.folder, spec, tools, services, work=place))
    return found


def _complete_set(request: LockRequest, made: Iterable[Generated]) -> dict[str, str]:
    """Return the text of every generated file, the kept ones of other platforms with a new head."""
    files = {file.filename: file for file in made}
    if not request.complete:
        for name in generated_names(request.folder):
            if name not in files:
                files[name] = parse(name, (request.folder / name).read_text(encoding="utf-8"))[0]
    digest = together(files.values())
    return {
        name: render(file, environment=request.folder.name, together=digest) for name, file in sorted(files.items())
    }


def _write_stage(stage: Path, folder: Path, texts: dict[str, str]) -> None:
    stage.mkdir(parents=True)
    for name in (*WHEEL_INPUTS, CONDA_PROBLEM):
        if (folder / name).is_file():
            (stage / name).write_bytes((folder / name).read_bytes())
    for name, text in texts.items():
        (stage / name).write_text(text, encoding="utf-8", newline="\n")


def _replace(folder: Path, texts: dict[str, str], gone: Iterable[str], disk: Disk) -> None:
    """Replace files, each by a rename, when all are on the disk; a crash between two leaves a set that is no set.

    Such a set is found by its digest (``generated.together``), and locking again mends it.
    """
    staging = folder / ".locking"
    if staging.exists():
        disk.remove(staging)
    if texts:
        disk.make_dirs(staging)
        for name, text in texts.items():
            disk.write_file(staging / name, text.encode())
        disk.sync(staging)
        for name in texts:
            disk.move_over(staging / name, folder / name, durable=False)
        disk.remove(staging)
    for name in gone:
        disk.remove(folder / name)
    disk.sync_names(folder)


def _text_of(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
