"""What a new lock changes: packages that came, went or moved."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Literal

from pipeline.lock.generated import CONDA_LOCK, parse
from pipeline.model.frozen import Frozen

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_ENTRY = re.compile(r"^- name: .*?(?=^- name: |\Z)", re.MULTILINE | re.DOTALL)
_FIELD = r"^[- ] {0}: '?([^'\n]+)'?$"


class Change(Frozen):
    """A package that another lock has otherwise.

    Attributes:
        kind: conda package or wheel.
        platform: conda's subdir of a conda package, the contract's name of a wheel's platform.
        name: of the package.
        before: version (and build of a conda package); None where it was not locked.
        after: likewise; None where it is not locked any more.
    """

    kind: Literal["conda", "wheel"]
    platform: str
    name: str
    before: str | None
    after: str | None


def changes(before: Path, after: Path) -> tuple[Change, ...]:
    """Return what differs between the locks of two folders; what cannot be read holds nothing."""
    old, new = dict(_locked(before)), dict(_locked(after))
    return tuple(
        Change(kind=key[0], platform=key[1], name=key[2], before=old.get(key), after=new.get(key))
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    )


def _locked(folder: Path) -> Iterable[tuple[tuple[Literal["conda", "wheel"], str, str], str]]:
    lock = folder / CONDA_LOCK
    body = parse(CONDA_LOCK, lock.read_text(encoding="utf-8"))[0].body if lock.is_file() else ""
    for entry in _ENTRY.findall(body):
        values = {key: re.search(_FIELD.format(key), entry, re.MULTILINE) for key in ("name", "platform", "url")}
        if all(values.values()):
            name, platform, url = (str(match[1]) for match in values.values() if match)
            file = url.rpartition("/")[2].removesuffix(".conda").removesuffix(".tar.bz2")
            yield ("conda", platform, name), " ".join(file.rsplit("-", 2)[1:])
    for path in sorted(folder.glob("pylock.*.toml")):
        try:
            packages = tomllib.loads(path.read_text(encoding="utf-8")).get("packages", [])
            found = {package["name"]: package["wheels"][0]["path"] for package in packages}
        except (tomllib.TOMLDecodeError, LookupError, TypeError):
            continue
        platform = path.name.removeprefix("pylock.").removesuffix(".toml")
        for name, wheel in found.items():
            yield ("wheel", platform, name), wheel.split("-")[1] if wheel.count("-") > 1 else wheel
