"""What an installation remembers beside its files: pins, and what it knows of repositories."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.deploy import pins
from pipeline.deploy.comparing import size_of
from pipeline.deploy.kept_metadata import MANIFESTS, REVOCATIONS, is_as_named
from pipeline.deploy.known_time import TIME_FILE, is_readable_time
from pipeline.deploy.places import listing
from pipeline.deploy.reading import read_plain
from pipeline.errors import IntegrityError
from pipeline.model.strict_json import LIMIT_BYTES

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.deploy.comparing import FileComparison
    from pipeline.deploy.layout import Layout

_ANEW = "the next `install` brings it anew"


def verify_state(layout: Layout, comparison: FileComparison) -> None:
    """Check pins against what is kept, and the state of trust against its own signatures and digests."""
    for engine in layout.engines():
        if layout.pin_path(engine).exists():
            _verify_pin(layout, engine, comparison)
    known = [folder for folder in sorted(listing(layout.trust_dir)) if folder.is_dir()]
    if not known:
        return
    from pipeline.deploy.verify_trust import verify_metadata, verify_root  # noqa: PLC0415 - 0.3 s for TUF alone

    if layout.engines() or layout.trusted_root_path.exists():  # it comes with what is installed first
        verify_root(layout.trusted_root_path, comparison, name="trust/root.json")
    for folder in known:
        name = f"trust/{folder.name}"
        verify_metadata(folder, comparison, name=name, engines=_engines_from(layout, folder.name))
        for kept in (MANIFESTS, REVOCATIONS):
            for path in sorted(listing(folder / kept)):
                _verify_kept(path, comparison, name=f"{name}/{kept}/{path.name}")
        _verify_time(folder / TIME_FILE, comparison, name=f"{name}/{TIME_FILE}")


def _verify_pin(layout: Layout, engine: str, comparison: FileComparison) -> None:
    name = f"pins/{engine}.json"
    try:
        version = pins.read_pin(layout, engine)
    except IntegrityError as error:
        comparison.add(name, "changed", error.message)
        return
    if version in {generation.version for generation in layout.generations(engine)}:
        comparison.add_verified(name, size_of(layout.pin_path(engine)))
    else:
        comparison.add(name, "changed", f"it names {version}, which is not kept")


def _engines_from(layout: Layout, repository: str) -> frozenset[str]:
    return frozenset(
        engine
        for engine in layout.engines()
        if any(generation.repository == repository for generation in layout.generations(engine))
    )


def _verify_kept(path: Path, comparison: FileComparison, *, name: str) -> None:
    try:
        data = read_plain(path, limit_bytes=LIMIT_BYTES)
    except IntegrityError as error:
        comparison.add(name, "changed", error.message)
        return
    if is_as_named(path, data):
        comparison.add_verified(name, len(data))
    else:
        comparison.add(name, "changed", _ANEW)


def _verify_time(path: Path, comparison: FileComparison, *, name: str) -> None:
    if not path.exists():
        comparison.add(name, "missing", _ANEW)
    elif is_readable_time(path):
        comparison.add_verified(name, size_of(path))
    else:
        comparison.add(name, "changed", _ANEW)
