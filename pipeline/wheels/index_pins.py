"""Pins wheels of an index that says no digests: chooses, reads, remembers, and refuses what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from pipeline.errors import IntegrityError, NothingSelectedError, UsageError
from pipeline.events import Notice, StepFinished, StepStarted
from pipeline.model.counts import listed, sized
from pipeline.model.manifest_document import read_document, write_document
from pipeline.model.wheel_pins import PinnedWheel, WheelPins
from pipeline.names import meant_platforms
from pipeline.ports import DownloadRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from packaging.tags import Tag

    from pipeline.model.result import BlobRef
    from pipeline.ports import PackageIndex, RemoteHasher, Services

LIMIT_BYTES = 8 << 30
"""A wheel that is longer is not read to its end; CUDA's largest have less than one."""
_SHOWN = 5
_PINS_BYTES = 16 << 20


class Wish(NamedTuple):
    """Which wheels of a page are wanted.

    Attributes:
        project: normalized name.
        version: of the project; None for the newest that has a wheel as wanted.
        platforms: of the contract's names; empty for all.
        python: ``3.12``; None for any.
    """

    project: str
    version: str | None = None
    platforms: tuple[str, ...] = ()
    python: str | None = None


class Pinned(NamedTuple):
    """What pinning did.

    Attributes:
        pins: the whole file.
        chosen: names of the files that were read.
        added: names that were not pinned before.
        changed: names that were pinned with other bytes.
        gone: names that are pinned and that the page does not list any more.
    """

    pins: WheelPins
    chosen: tuple[str, ...]
    added: tuple[str, ...]
    changed: tuple[str, ...]
    gone: tuple[str, ...]


def choose_files(page: Mapping[str, str], wish: Wish) -> dict[str, str]:
    """Return name and url of the wheels that are wanted, sorted.

    Raises:
        NothingSelectedError: the page has none; what it has is said.
    """
    versions: dict[Version, dict[str, str]] = {}
    for name, url in page.items():
        parsed = _parse(name)
        if parsed is None or parsed[0] != wish.project or not _fits(parsed[2], wish):
            continue
        versions.setdefault(parsed[1], {})[name] = url
    try:
        wanted = Version(wish.version) if wish.version else max(versions, default=None)
    except InvalidVersion as error:
        raise UsageError(f"{wish.version!r} is no version", hint="for example 0.3.36") from error
    if wanted is None or wanted not in versions:
        known = [str(version) for version in sorted(versions, reverse=True)[:_SHOWN]]
        asked = f"{wish.project} {wish.version or ''}".strip()
        hint = f"it has such wheels of {', '.join(known)}" if known else "look at its page with a browser"
        raise NothingSelectedError(f"the index has no wheel of {asked} as it is wanted", hint=hint)
    return dict(sorted(versions[wanted].items()))


def pin_wheels(
    index_url: str,
    wish: Wish,
    *,
    old: WheelPins | None,
    index: PackageIndex,
    hasher: RemoteHasher,
    services: Services,
    accept_changed: bool,
) -> Pinned:
    """Read every wheel that is wanted and return the pins with them.

    Args:
        index_url: of the index.
        wish: which wheels.
        old: the pins that are there; None for none.
        index: what reads its page.
        hasher: what reads files.
        services: that are told what goes on.
        accept_changed: whether a file may have other bytes under its old name.

    Raises:
        IntegrityError: a file changed under its name, or the page is none.
        UsageError: the pins that are there are of another index or project.
        NothingSelectedError: as ``choose_files``.
        NetworkError, OfflineError: the index or a file cannot be had.
    """
    if old is not None and (old.index, old.project) != (index_url, wish.project):
        raise UsageError(
            f"the pins that are there are of {old.project} on {old.index}",
            hint="one file holds one project of one index",
        )
    page = index.files_of(index_url, wish.project)
    chosen = choose_files(page, wish)
    known = {file.filename: file for file in old.files} if old else {}
    found = {name: _read(name, url, hasher, services) for name, url in chosen.items()}
    changed = _changed(known, found)
    if changed and not accept_changed:
        before, now = known[changed[0]].sha256, found[changed[0]].sha256
        raise IntegrityError(
            f"{listed(changed, shown=_SHOWN)} changed on the index: pinned was sha256 {before}, found is {now}",
            hint="find out why before you trust it; --accept-changed pins it anew",
        )
    merged = known | found
    files = tuple(merged[name] for name in sorted(merged))
    pins = WheelPins(schema_version=1, index=index_url, project=wish.project, files=files)
    gone = _gone(known, page, services)
    return Pinned(pins, tuple(chosen), tuple(name for name in found if name not in known), changed, gone)


def _gone(known: Mapping[str, PinnedWheel], page: Mapping[str, str], services: Services) -> tuple[str, ...]:
    gone = tuple(sorted(name for name in known if name not in page))
    for name in gone:
        services.events.emit(Notice(f"{name} is pinned, and the index does not list it any more", "warning"))
    return gone


def _changed(known: Mapping[str, PinnedWheel], found: Mapping[str, PinnedWheel]) -> tuple[str, ...]:
    """Return the names under which other bytes were found than are known."""
    return tuple(name for name, now in found.items() if name in known and known[name].sha256 != now.sha256)


def fetch_wheels(pins: WheelPins, names: Sequence[str], services: Services) -> tuple[BlobRef, ...]:
    """Bring pinned wheels into the store; each must have the bytes that were pinned.

    Raises:
        IntegrityError: one has not; nothing of it is kept.
        NetworkError, OfflineError, NoSpaceError: as their names say.
    """
    chosen = [file for file in pins.files if not names or file.filename in names]
    requests = [
        DownloadRequest(
            what=f"wheel of {pins.project}",
            urls=(file.url,),
            sha256=file.sha256,
            size_bytes=file.size_bytes,
            filename=file.filename,
        )
        for file in chosen
    ]
    return services.downloader.fetch_all(requests, jobs=services.jobs)


def read_pins(path: Path) -> WheelPins:
    """Read a file of pins.

    Raises:
        UsageError: it cannot be read.
        IntegrityError: it is none, or malformed.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(_PINS_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", hint="`wheel pin` writes one") from error
    return read_document(WheelPins, data, what=str(path))


def write_pins(pins: WheelPins) -> bytes:
    """Return the bytes of a file of pins, the same for the same pins."""
    return write_document(pins)


def _parse(name: str) -> tuple[str, Version, frozenset[Tag]] | None:
    try:
        project, version, _, tags = parse_wheel_filename(name)
    except InvalidWheelFilename:
        return None
    return str(project), version, tags


def _fits(tags: Iterable[Tag], wish: Wish) -> bool:
    return any(_of_platform(tag, wish.platforms) and _of_python(tag, wish.python) for tag in tags)


def _of_platform(tag: Tag, platforms: Sequence[str]) -> bool:
    return not platforms or tag.platform == "any" or bool(set(meant_platforms(tag.platform)) & set(platforms))


def _of_python(tag: Tag, python: str | None) -> bool:
    if python is None:
        return True
    major, minor = (int(part) for part in python.split(".")[:2])
    if tag.abi == "abi3":
        return tag.interpreter[:2] == "cp" and int(tag.interpreter[3:] or 0) <= minor
    return tag.interpreter in {f"cp{major}{minor}", f"py{major}{minor}", f"py{major}"}


def _read(name: str, url: str, hasher: RemoteHasher, services: Services) -> PinnedWheel:
    step = f"read {name}"
    services.events.emit(StepStarted(step, "to pin its digest"))
    started = services.clock.monotonic()
    sha256, size_bytes = hasher.measure(url, limit_bytes=LIMIT_BYTES)
    services.events.emit(StepFinished(step, services.clock.monotonic() - started, sized(size_bytes)))
    return PinnedWheel(filename=name, url=url, sha256=sha256, size_bytes=size_bytes)


def normalized(project: str) -> str:
    """Return a project's name as indexes have it."""
    return str(canonicalize_name(project))
