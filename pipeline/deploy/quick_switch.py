"""Switching in the plain case, without the models, whose import takes several times as long as the switch.

Everything that ``generations`` checks is checked: nothing half-made is about, the record of the generation has its
seal, the lists of its layers are those that their digests name, together they are the tree that was installed, and
every byte of every file is what these lists say. Whatever is not as it should be, or not plain, is left to
``generations``, which looks again, recovers, and says what is wrong.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from pipeline.deploy import pins
from pipeline.deploy.hashing import hash_files
from pipeline.deploy.health import ALREADY_CURRENT, NOT_WANTED, Candidate, HealthCheckError, check_health, not_run
from pipeline.deploy.places import SEAL_FILE, Places, seal_of
from pipeline.deploy.reading import read_plain
from pipeline.deploy.revoked import require_standing
from pipeline.deploy.shapes import shape_fault, walk
from pipeline.digest import tree_digest
from pipeline.errors import PipelineError
from pipeline.model.document_text import document_text
from pipeline.model.strict_json import LIMIT_BYTES, parse_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from typing import Any

    from pipeline.deploy.switching import Switching
    from pipeline.ports import Disk, Running

_FORMAT = {"format": "engine-pipeline install root", "version": 1}
_POINTER_KEYS = {"schema_version", "engine", "generation", "version", "tree", "history"}
HISTORY_LENGTH = 16


class _Entry(NamedTuple):
    """One file or link, as ``model.tree.TreeEntry``."""

    path: str
    mode: int
    size_bytes: int
    sha256: str | None
    link: str | None


class _Check(NamedTuple):
    """How a bundle's programs are checked; implements ``proofs.programs.LoadCheck``."""

    program: str
    version_args: tuple[str, ...]
    version_pattern: str
    device_program: str
    device_args: tuple[str, ...]
    expect_devices: tuple[str, ...]
    environment: dict[str, str]


class NotPlainError(Exception):
    """The long way must be taken."""


def quick_switch(
    root: Path,
    version: str | None,
    *,
    how: Switching,
    services: Callable[[], Running],
    disk: Disk,
    jobs: int,
    engine: str | None = None,
) -> dict[str, object] | None:
    """Switch to a kept version, or back when ``version`` is None; return the fields of ``SwitchOutcome``.

    None says that nothing was changed and the long way must be taken.

    Args:
        root: of the installation.
        version: to go to; None goes back to the generation that was current before.
        how: what goes with it; pins that change, and checks with a model, are for the long way.
        services: makes what starts programs; whatever they are told of may raise ``NotPlainError``.
        disk: how the pointer is replaced.
        jobs: how many files are read at a time.
        engine: whose version; None where there is only one.

    Raises:
        HealthCheckError: what was to be switched to does not work here; nothing was switched.
    """
    places = Places(root)
    if how.pin or how.unpin or how.health.level == "run":
        return None
    try:
        if not places.staging_dir.is_dir() or _document(places.format_path) != _FORMAT:
            return None
        with disk.lock(places.lock_path, waiting=_leave):
            return _switch(places, _engine(places, engine), version, how, services=services, disk=disk, jobs=jobs)
    except HealthCheckError:
        raise
    except (PipelineError, OSError, KeyError, TypeError, ValueError, NotPlainError):
        return None


def _switch(
    places: Places,
    engine: str,
    version: str | None,
    how: Switching,
    *,
    services: Callable[[], Running],
    disk: Disk,
    jobs: int,
) -> dict[str, object]:
    _require_nothing_half_made(places)
    pointer = _document(places.pointer_path(engine))
    if pointer.keys() != _POINTER_KEYS or pointer["engine"] != engine:
        raise NotPlainError
    number, history = _chosen(places, pointer, version)
    generation = _generation(places, engine, number)
    pin = pins.pin_of(places, engine, how.pins)
    pins.require_pinned(pin, generation["version"])
    require_standing(places, generation["repository"], engine, generation["artifact"]["sha256"])
    _require_whole(places, generation, jobs=jobs)
    changed = number != pointer["generation"]
    health = not_run(how.health.level, NOT_WANTED if changed else ALREADY_CURRENT)
    if changed:
        if how.health.level != "none":
            health = _check(places, generation, pointer, how, services=services(), disk=disk)
        if not how.dry_run:
            _point(places, generation, history, disk)
    return {
        "changed": changed,
        "engine": engine,
        "version": generation["version"],
        "generation": number,
        "previous_version": pointer["version"],
        "previous_generation": pointer["generation"],
        "path": str(places.tree_dir(engine, number)),
        "health": health,
        "pinned": pin is not None,
        "unpinned": False,
        "dry_run": how.dry_run,
    }


def next_history(history: Iterable[int], number: int) -> list[int]:
    """Return what a pointer to generation ``number`` remembers: each earlier one once, the latest first."""
    return list(dict.fromkeys(earlier for earlier in history if earlier != number))[:HISTORY_LENGTH]


def _leave() -> NoReturn:
    """Leave waiting for another process to those who tell the user about it."""
    raise NotPlainError


def _document(path: Path) -> dict[str, Any]:
    found = parse_json(read_plain(path, limit_bytes=LIMIT_BYTES), what=str(path))
    if not isinstance(found, dict):
        raise NotPlainError
    return found


def _engine(places: Places, named: str | None) -> str:
    engines = places.engines()
    if (named is None and len(engines) == 1) or named in engines:
        return named or engines[0]
    raise NotPlainError


def _require_nothing_half_made(places: Places) -> None:
    unfinished = (
        number
        for engine in places.engines()
        for number in places.numbers(engine)
        if not (places.generation_dir(engine, number) / "generation.json").is_file()
    )
    if any(places.staging_dir.iterdir()) or any(unfinished):
        raise NotPlainError


def _chosen(places: Places, pointer: dict[str, Any], version: str | None) -> tuple[int, list[int]]:
    """Return the generation to go to and what the pointer shall remember."""
    engine, current, history = pointer["engine"], pointer["generation"], pointer["history"]
    if version is None:
        kept = places.numbers(engine)
        for position, number in enumerate(history):
            if number in kept:
                return number, next_history(history[position + 1 :], number)
        raise NotPlainError
    same = [n for n in reversed(places.numbers(engine)) if _generation(places, engine, n)["version"] == version]
    if not same:
        raise NotPlainError
    number = current if current in same else same[0]
    return number, next_history([current, *history], number)


def _generation(places: Places, engine: str, number: int) -> dict[str, Any]:
    """Return the record of a generation that has its seal."""
    folder = places.generation_dir(engine, number)
    path = folder / "generation.json"
    if read_plain(folder / SEAL_FILE, limit_bytes=LIMIT_BYTES) != seal_of(read_plain(path, limit_bytes=LIMIT_BYTES)):
        raise NotPlainError
    found = _document(path)
    if (found["schema_version"], found["engine"], found["number"]) != (1, engine, number):
        raise NotPlainError
    return found


def _require_whole(places: Places, generation: dict[str, Any], *, jobs: int) -> None:
    """Compare every file of a generation with the signed lists of its layers, or with an environment's own list."""
    entries = {entry.path: entry for entry in _entries(places, generation)}
    if tree_digest(entries.values()) != generation["tree_sha256"]:
        raise NotPlainError
    found = dict(walk(places.tree_dir(generation["engine"], generation["number"])))
    if found.keys() != entries.keys() or any(shape_fault(found[path], entry) for path, entry in entries.items()):
        raise NotPlainError
    files = [entry for entry in entries.values() if entry.sha256 is not None]
    if hash_files([found[entry.path] for entry in files], jobs=jobs) != [entry.sha256 for entry in files]:
        raise NotPlainError


def _entries(places: Places, generation: dict[str, Any]) -> Iterator[_Entry]:
    if generation["artifact"].get("environment") is not None:
        listed = _document(places.files_path(generation["engine"], generation["number"]))
        yield from (_Entry(**entry) for entry in listed["entries"])
        return
    digests = {layer["name"]: layer["tree_sha256"] for layer in generation["artifact"]["layers"]}
    for name in generation["layers"]:
        listed = _document(places.layer_list_path(digests[name]))
        entries = [_Entry(**entry) for entry in listed["entries"]]
        if not places.layer_dir(digests[name]).is_dir() or tree_digest(entries) != digests[name]:
            raise NotPlainError
        yield from entries


def _check(
    places: Places,
    generation: dict[str, Any],
    pointer: dict[str, Any],
    how: Switching,
    *,
    services: Running,
    disk: Disk,
) -> dict[str, object]:
    artifact, said = generation["artifact"], generation["artifact"]["health"]
    candidate = Candidate(
        target=generation["target"],
        platform=artifact["platform"],
        version=generation["version"],
        number=generation["number"],
        tree=places.tree_dir(generation["engine"], generation["number"]),
        current=(pointer["version"], pointer["generation"]),
    )
    check = said and _Check(**{name: _plain(said[name]) for name in _Check._fields})
    scratch = places.staging_dir / f"health-{secrets.token_hex(8)}"
    return check_health(check, candidate, how.health, services=services, scratch=scratch, disk=disk)


def _plain(value: object) -> Any:  # noqa: ANN401 - a text or a tuple of texts
    return tuple(value) if isinstance(value, list) else value


def _point(places: Places, generation: dict[str, Any], history: list[int], disk: Disk) -> None:
    engine = generation["engine"]
    pointer = {
        "schema_version": 1,
        "engine": engine,
        "generation": generation["number"],
        "version": generation["version"],
        "tree": places.tree_dir(engine, generation["number"]).relative_to(places.root).as_posix(),
        "history": history,
    }
    disk.replace_file(places.pointer_path(engine), document_text(pointer), staging_dir=places.staging_dir)
