"""Engines that are held at a version: by ``use --pin`` in the installation, or by ``[pins]`` of the project file.

A pin is a wish: it is written before the pointer, so that whatever comes after a crash goes to the pinned version. The
models are not needed here, as in ``quick_switch``.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from pipeline.deploy.reading import read_plain
from pipeline.errors import IntegrityError, UsageError
from pipeline.model.document_text import document_text
from pipeline.model.strict_json import parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.deploy.places import Places
    from pipeline.ports import Disk

_LIMIT_BYTES = 4096


class Pin(NamedTuple):
    """What an engine is held at.

    Attributes:
        engine: that is held.
        version: at which it is held.
        is_own: the installation itself says so, not the project file.
    """

    engine: str
    version: str
    is_own: bool

    @property
    def remedy(self) -> str:
        """How to get rid of it."""
        return (
            "`use --unpin` lets it go" if self.is_own else "the pin is in [pins] of the project file: change it there"
        )


def read_pin(places: Places, engine: str) -> str | None:
    """Return the version that the installation holds an engine at, None when it does not.

    Raises:
        IntegrityError: the file is damaged; nothing is guessed then.
    """
    path = places.pin_path(engine)
    try:
        data = read_plain(path, limit_bytes=_LIMIT_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    found = parse_json(data, what=str(path), limit_bytes=_LIMIT_BYTES)
    if not isinstance(found, dict) or found.keys() != {"schema_version", "engine", "version"}:
        raise _damaged(path)
    version = found["version"]
    if (found["schema_version"], found["engine"]) != (1, engine) or not (isinstance(version, str) and version):
        raise _damaged(path)
    return version


def pin_of(places: Places, engine: str, configured: Mapping[str, str], *, own_counts: bool = True) -> Pin | None:
    """Return what holds an engine.

    Args:
        places: of the installation.
        engine: of which.
        configured: engine to version, of the project file.
        own_counts: whether the installation's own pin is looked at: not where it is about to be replaced or removed.

    Raises:
        IntegrityError: as ``read_pin``.
        UsageError: the installation and the project file say different versions.
    """
    own, named = read_pin(places, engine) if own_counts else None, configured.get(engine)
    if own and named and own != named:
        raise UsageError(
            f"{engine} is pinned to {own} in {places.root}, and to {named} in the project file",
            hint="`use --unpin` lets the first go; or correct [pins] in the project file",
        )
    version = own or named
    return Pin(engine, version, is_own=own is not None) if version else None


def shown_pins(places: Places, engine: str, configured: Mapping[str, str]) -> frozenset[str]:
    """Return every version that an engine is held at, for showing: nothing is refused, and a damaged pin is none."""
    own = None
    with suppress(IntegrityError):
        own = read_pin(places, engine)
    return frozenset(filter(None, (own, configured.get(engine))))


def require_pinned(pin: Pin | None, version: str) -> None:
    """Refuse another version than the one that is pinned.

    Raises:
        UsageError: it is another one.
    """
    if pin and pin.version != version:
        raise UsageError(f"{pin.engine} is pinned to {pin.version}, and {version} is another version", hint=pin.remedy)


def write_pin(places: Places, engine: str, version: str, *, disk: Disk) -> None:
    """Hold an engine at a version."""
    fields = {"schema_version": 1, "engine": engine, "version": version}
    disk.make_dirs(places.pins_dir)
    disk.replace_file(places.pin_path(engine), document_text(fields), staging_dir=places.staging_dir)


def remove_pin(places: Places, engine: str, *, disk: Disk, dry_run: bool = False) -> bool:
    """Let an engine go, with ``dry_run`` not; tell whether it was held, a damaged pin included."""
    path = places.pin_path(engine)
    if not path.exists():
        return False
    if not dry_run:
        disk.remove(path)
        disk.sync_names(places.pins_dir)
    return True


def _damaged(path: Path) -> IntegrityError:
    return IntegrityError(
        f"{path} is no pin that this program wrote", hint="`use VERSION --pin` writes it anew, `use --unpin` removes it"
    )
