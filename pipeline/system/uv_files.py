"""What uv's own files say of package indexes (docs.astral.sh/uv/reference/settings, concepts/configuration-files).

Files of a project are left out: locking runs uv in a folder of no project.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_FALSE = ("", "0", "false", "f", "no", "n", "off")  # of uv's switches
_HINT = "correct it, or set UV_NO_CONFIG=1"


class UvFiles(NamedTuple):
    """What the files say together; the user's comes before the system's.

    Attributes:
        first: indexes that are asked before the default one, as ``url`` or ``name=url``.
        default: in its place, likewise; empty where no file names one.
        links: files that name find-links, which are no indexes.
    """

    first: tuple[str, ...] = ()
    default: tuple[str, ...] = ()
    links: tuple[Path, ...] = ()


def read_uv_files(environment: Mapping[str, str]) -> UvFiles:
    """Return what uv's files of this user and machine say of indexes.

    Raises:
        UsageError: one of them cannot be read.
    """
    first: list[str] = []
    default: list[str] = []
    links: list[Path] = []
    for path in _paths(environment):
        settings = _read(path, must_exist=bool(environment.get("UV_CONFIG_FILE")))
        own = [_word(path, entry) for entry in _entries(settings, is_default=False)]
        first += [*own, *(_url(path, url) for url in _texts(settings.get("extra-index-url")))]
        default += [_word(path, entry) for entry in _entries(settings, is_default=True)]
        default += [_url(path, url) for url in _texts(settings.get("index-url"))]
        links += [path] if settings.get("find-links") or any(_flat(settings)) else []
    return UvFiles(tuple(first), tuple(default[:1]), tuple(links))


def _paths(environment: Mapping[str, str]) -> Iterator[Path]:
    if environment.get("UV_NO_CONFIG", "").lower() not in _FALSE:
        return
    if named := environment.get("UV_CONFIG_FILE"):
        yield Path(named)
        return
    if os.name == "nt":
        of_user, of_system = environment.get("APPDATA", ""), [environment.get("PROGRAMDATA", "")]
    else:
        home = environment.get("HOME", "")
        of_user = environment.get("XDG_CONFIG_HOME") or (f"{home}/.config" if home else "")
        of_system = [*(environment.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":"), "/etc"]
    if of_user:
        yield Path(of_user, "uv", "uv.toml")
    system = (Path(folder, "uv", "uv.toml") for folder in of_system if folder)
    yield from [path for path in system if path.is_file()][:1]


def _read(path: Path, *, must_exist: bool) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        if must_exist:
            raise UsageError(f"UV_CONFIG_FILE: {path} is not there", hint="correct it, or unset it") from error
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read: {error}", hint=_HINT) from error
    import tomllib  # noqa: PLC0415 - every command looks for the files, and most machines have none

    try:
        document = tomllib.loads(text)
    except ValueError as error:
        raise UsageError(f"{path}: is no TOML: {error}", hint=_HINT) from error
    pip = document.get("pip")
    return {**document, **(pip if isinstance(pip, dict) else {})}  # uv: [pip] wins, for `uv pip` alone


def _entries(settings: Mapping[str, Any], *, is_default: bool) -> list[Mapping[str, Any]]:
    """Return the tables of ``[[index]]``; an explicit one is for packages that a project names."""
    entries = [entry for entry in settings.get("index") or () if isinstance(entry, dict) and entry.get("url")]
    usable = [entry for entry in entries if not entry.get("explicit") and entry.get("format") != "flat"]
    return [entry for entry in usable if bool(entry.get("default")) is is_default]


def _flat(settings: Mapping[str, Any]) -> Iterator[bool]:
    yield from (entry.get("format") == "flat" for entry in settings.get("index") or () if isinstance(entry, dict))


def _texts(value: object) -> Sequence[str]:
    if isinstance(value, str):
        return [value]
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def _word(path: Path, entry: Mapping[str, Any]) -> str:
    url = _url(path, str(entry["url"]))
    return f"{entry['name']}={url}" if entry.get("name") else url


def _url(path: Path, text: str) -> str:
    return text if "://" in text else (path.parent / text).absolute().as_uri()
