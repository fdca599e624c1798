"""What uv's own files say of package indexes (docs.astral.sh/uv/reference/settings, concepts/configuration-files).

Files of a project are left out: locking runs uv in a folder of no project.
"""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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
        UsageError: one of them cannot be read, or says of indexes what is none; the file and the key are named.
    """
    first: list[str] = []
    default: list[str] = []
    links: list[Path] = []
    for path in _paths(environment):
        settings = _read(path, must_exist=bool(environment.get("UV_CONFIG_FILE")))
        entries = _entries(path, settings)
        flat = any(entry.is_flat for entry in entries)
        usable = [entry for entry in entries if not entry.is_explicit and not entry.is_flat]
        first += [entry.word for entry in usable if not entry.is_default]
        first += [_url(path, url) for url in _texts(path, settings, "extra-index-url")]
        default += [entry.word for entry in usable if entry.is_default]
        if url := _value(path, settings, "index-url", str):
            default.append(_url(path, url))
        links += [path] if settings.get("find-links") or flat else []
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
    yield from islice(filter(_is_there, system), 1)


def _is_there(path: Path) -> bool:
    try:
        return S_ISREG(path.stat().st_mode)  # is_file takes what may not be looked at for absent from Python 3.14 on
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be looked at: {error}", hint=_HINT) from error


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
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: is no TOML: {error}", hint=_HINT) from error
    return {**document, **(_value(path, document, "pip", dict) or {})}  # uv: [pip] wins, for `uv pip` alone


class _Entry(NamedTuple):
    """A table of ``[[index]]``; an explicit one is for packages that a project names, a flat one is find-links."""

    word: str
    is_default: bool
    is_explicit: bool
    is_flat: bool


def _entries(path: Path, settings: Mapping[str, Any]) -> list[_Entry]:
    return [_entry(path, table) for table in _value(path, settings, "index", list) or ()]


def _entry(path: Path, table: object) -> _Entry:
    if not isinstance(table, dict):
        raise _wrong(path, "index", "a list of tables, [[index]]")
    url = _value(path, table, "url", str, within="index.")
    if not url:
        raise _wrong(path, "index.url", "the url of an index")
    name = _value(path, table, "name", str, within="index.")
    return _Entry(
        word=f"{name}={_url(path, url)}" if name else _url(path, url),
        is_default=bool(_value(path, table, "default", bool, within="index.")),
        is_explicit=bool(_value(path, table, "explicit", bool, within="index.")),
        is_flat=_value(path, table, "format", str, within="index.") == "flat",
    )


def _texts(path: Path, settings: Mapping[str, Any], key: str) -> list[str]:
    texts = _value(path, settings, key, list) or []
    if not all(isinstance(text, str) for text in texts):
        raise _wrong(path, key, "a list of texts")
    return texts


_Kind = TypeVar("_Kind", bool, str, list[Any], dict[str, Any])
_WORDS = {bool: "true or false", str: "text", list: "a list", dict: "a table"}


def _value(path: Path, table: Mapping[str, Any], key: str, kind: type[_Kind], *, within: str = "") -> _Kind | None:
    """Return what a key holds; None where it is not there."""
    value = table.get(key)
    if value is None or isinstance(value, kind):
        return value
    raise _wrong(path, f"{within}{key}", _WORDS[kind])


def _wrong(path: Path, key: str, wanted: str) -> UsageError:
    return UsageError(f"{path}: {key} must be {wanted}", hint=_HINT)  # what stands there may hold a password


def _url(path: Path, text: str) -> str:
    return text if "://" in text else (path.parent / text).absolute().as_uri()
