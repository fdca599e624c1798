"""What holds for one run: flags over the environment, the environment over ``pipeline.toml``."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pipeline.app.compiler_cache import compiler_cache_choice
from pipeline.app.project import shipped_recipes_dir
from pipeline.errors import UsageError
from pipeline.ports import CompilerCacheChoice

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "ENGINE_PIPELINE_"
INSTALLED_NAME = "engine-pipeline"
PROJECT_FILE = "pipeline.toml"
GITHUB_API = "https://api.github.com"
DEFAULT_KEEP = 3
Verbosity = Literal["quiet", "normal", "verbose"]
Value = TypeVar("Value")

# What a child process may see of this one's environment; everything else is set by the step that starts it.
_PASSED_ON = (
    "PATH", "HOME", "TMPDIR", "SYSTEMROOT", "CC", "CXX", "DEVELOPER_DIR", "SSL_CERT_FILE", "SSL_CERT_DIR",
)  # fmt: skip
FOR_THE_NETWORK = (
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    "SSH_AUTH_SOCK",
)  # fmt: skip
"""What programs that fetch need besides; a proxy's url may hold a password, so others are started without."""
_LAST_SECOND = 253402300799  # 9999-12-31T23:59:59Z: RFC 3339 has four digits for a year
_CHANNELS_HINT = (
    "each is base=place, for example https://conda.anaconda.org/conda-forge=https://mirror.example/conda-forge, or "
    "with a folder after the =: /srv/conda-forge"
)
_SWITCH = {
    "": None,
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


@dataclass(frozen=True, slots=True)
class Flags:
    """What the command line said; None where it said nothing. The attributes are those of ``Settings``."""

    cache_dir: Path | None = None
    config: Path | None = None
    offline: bool | None = None
    locked: bool | None = None
    jobs: int | None = None
    progress: bool | None = None
    verbosity: Verbosity | None = None
    json_events: Path | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for one run.

    Attributes:
        cache_dir: folder of downloads, trees, results and logs.
        github_api: address of the API that upstream's releases are listed by.
        github_token: for that API alone (GITHUB_TOKEN); None asks anonymously. Never shown.
        keys_dir: folder of this user's signing keys.
        allow_development: whether development keys may sign a repository.
        recipes_dir: folder with ``engines/``, ``accelerators/`` and ``models/``.
        mirrors: asked before a file's own urls, in order.
        channels: base of a conda channel, as a lock has it, to the base that is asked instead; no slash at their ends.
        offline: whether the network is forbidden.
        locked: whether anything that is not pinned by a digest is refused.
        jobs: compilers or downloads at once; None for as many as this process has processors.
        progress: whether a live display is wanted where there is a terminal.
        color: whether colour is wanted (NO_COLOR).
        terminal: what TERM says; ``dumb`` cannot move its cursor.
        verbosity: which notices are shown.
        json_events: file for events as JSON lines.
        release: pinned release that is built when none is named.
        output: folder for bundles.
        root: folder of an installation, None when nothing names one.
        trusted_root: root metadata to start trust from, None when nothing names it.
        sigstore_root: trusted root of another Sigstore instance than the public one; None for that.
        keep: generations of an engine that an installation keeps.
        pins: engine to the version that installations hold it at.
        cmake_options: CMake cache entries that are added to every build.
        compiler_cache: which compiler cache builds use.
        summary_path: file that CI shows as the job's summary (GITHUB_STEP_SUMMARY).
        epoch_seconds: SOURCE_DATE_EPOCH, for everything that a build writes; None when it is not set.
        child_env: environment that programs are started with.
    """

    cache_dir: Path
    keys_dir: Path
    recipes_dir: Path
    allow_development: bool = False
    github_api: str = GITHUB_API
    github_token: str | None = field(default=None, repr=False)
    mirrors: tuple[str, ...] = ()
    channels: Mapping[str, str] = field(default_factory=dict)
    offline: bool = False
    locked: bool = False
    jobs: int | None = None
    progress: bool = True
    color: bool = True
    terminal: str = ""
    verbosity: Verbosity = "normal"
    json_events: Path | None = None
    release: str | None = None
    output: Path = Path("dist")
    root: Path | None = None
    trusted_root: Path | None = None
    sigstore_root: Path | None = None
    keep: int = DEFAULT_KEEP
    pins: Mapping[str, str] = field(default_factory=dict)
    cmake_options: Mapping[str, str] = field(default_factory=dict)
    compiler_cache: CompilerCacheChoice = field(default_factory=CompilerCacheChoice)
    summary_path: Path | None = None
    epoch_seconds: int | None = None
    child_env: Mapping[str, str] = field(default_factory=dict)


def load_settings(flags: Flags, environment: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings of this run.

    Raises:
        UsageError: a variable or a key of the project file makes no sense; it is named.
    """
    folder, project = _read_project(flags.config)

    def path(variable: str, key: str) -> Path | None:
        if environment.get(variable):
            return Path(environment[variable]).expanduser()
        return folder / Path(project[key]).expanduser() if project.get(key) else None

    cache_dir = flags.cache_dir or path(f"{PREFIX}CACHE_DIR", "cache_dir") or default_cache_dir(environment)
    passed_on = {name: environment[name] for name in (*_PASSED_ON, *FOR_THE_NETWORK) if name in environment}
    offline = _first(flags.offline, _switch(environment, f"{PREFIX}OFFLINE"), project.get("offline"), default=False)
    return Settings(
        cache_dir=cache_dir.absolute(),
        keys_dir=(path(f"{PREFIX}KEYS_DIR", "keys_dir") or _user_dir("CONFIG", environment) / "keys").absolute(),
        recipes_dir=(path(f"{PREFIX}RECIPES", "recipes") or shipped_recipes_dir()).absolute(),
        allow_development=_first(
            _switch(environment, f"{PREFIX}ALLOW_DEVELOPMENT"), project.get("allow_development"), default=False
        ),
        github_api=environment.get(f"{PREFIX}GITHUB_API") or GITHUB_API,
        github_token=_token(environment),
        mirrors=tuple(environment.get(f"{PREFIX}MIRROR", "").split()) or project.get("mirrors", ()),
        channels=_channels(environment) or _without_slash(project.get("channels", {})),
        offline=offline,
        locked=flags.locked or False,
        jobs=flags.jobs or project.get("jobs"),
        progress=_first(flags.progress, default=True),
        color=not environment.get("NO_COLOR"),
        terminal=environment.get("TERM", ""),
        verbosity=flags.verbosity or "normal",
        json_events=flags.json_events,
        release=project.get("release"),
        output=path(f"{PREFIX}OUTPUT", "output") or Path("dist"),
        root=path(f"{PREFIX}ROOT", "root"),
        trusted_root=path(f"{PREFIX}TRUSTED_ROOT", "trusted_root"),
        sigstore_root=path(f"{PREFIX}SIGSTORE_ROOT", "sigstore_root"),
        keep=project.get("keep", DEFAULT_KEEP),
        pins=project.get("pins", {}),
        cmake_options={**project.get("cmake_options", {}), **_cmake_options(environment)},
        compiler_cache=_compiler_cache(project, environment, offline=offline),
        summary_path=Path(environment["GITHUB_STEP_SUMMARY"]) if environment.get("GITHUB_STEP_SUMMARY") else None,
        epoch_seconds=_epoch_seconds(environment),
        child_env={"LANG": "C.UTF-8", **passed_on},
    )


def _compiler_cache(
    project: Mapping[str, Any], environment: Mapping[str, str], *, offline: bool
) -> CompilerCacheChoice:
    read_only = _switch(environment, f"{PREFIX}COMPILER_CACHE_READ_ONLY")
    return compiler_cache_choice(project.get("compiler_cache", {}), environment, read_only=read_only, offline=offline)


def default_cache_dir(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the cache folder where neither flag nor file names one: the one that ci/environment uses too."""
    return Path(environment.get(f"{PREFIX}CACHE_DIR") or _user_dir("CACHE", environment))


def program_name(environment: Mapping[str, str] = os.environ) -> str:
    """Return what people type to run this program; ci/pipeline sets it to its own path."""
    started = Path(sys.argv[0]).stem
    return environment.get(f"{PREFIX}PROGRAM") or (
        INSTALLED_NAME if started == INSTALLED_NAME else "python -m pipeline"
    )


def _user_dir(kind: Literal["CACHE", "CONFIG"], environment: Mapping[str, str]) -> Path:
    """Return this project's folder of a kind: XDG Base Directory Specification 0.8; on Windows below LOCALAPPDATA."""
    if os.name == "nt" and environment.get("LOCALAPPDATA"):
        return Path(environment["LOCALAPPDATA"], "engine-pipeline", kind.title())
    base = environment.get(f"XDG_{kind}_HOME", "")
    # The specification: a relative path in these variables is to be ignored.
    place = Path(base) if base.startswith("/") else Path(environment.get("HOME") or Path.home(), f".{kind.lower()}")
    return place / "engine-pipeline"


def _read_project(path: Path | None) -> tuple[Path, Mapping[str, Any]]:
    """Return the folder of the project file and its keys; no keys where there is no file."""
    chosen = path or Path(PROJECT_FILE)
    if path is None and not chosen.is_file():
        return chosen.parent, {}
    from pipeline.catalog.recipes import RecipeError, read_recipe
    from pipeline.model.project import ProjectDefaults

    try:
        defaults = read_recipe(chosen, ProjectDefaults)
    except RecipeError as error:
        raise UsageError(error.message, hint="docs/contract.md lists the keys of a project file") from error
    return chosen.absolute().parent, defaults.model_dump(exclude_none=True)


def _first(*candidates: bool | None, default: bool) -> bool:
    return next((value for value in candidates if value is not None), default)


def _switch(environment: Mapping[str, str], name: str) -> bool | None:
    text = environment.get(name, "").strip().lower()
    if text not in _SWITCH:
        raise UsageError(f"{name}={text!r} is neither yes nor no", hint=f"set {name}=1 or {name}=0, or unset it")
    return _SWITCH[text]


def _epoch_seconds(environment: Mapping[str, str]) -> int | None:
    """Return SOURCE_DATE_EPOCH: reproducible-builds.org, "SOURCE_DATE_EPOCH specification"."""
    text = environment.get("SOURCE_DATE_EPOCH", "")
    if text and not (
        text.isascii() and text.isdigit() and len(text) <= len(str(_LAST_SECOND)) and int(text) <= _LAST_SECOND
    ):
        raise UsageError(
            f"SOURCE_DATE_EPOCH={text!r} is no number of seconds before the year 10000",
            hint="set whole seconds since 1970",
        )
    return int(text) if text else None


def _token(environment: Mapping[str, str]) -> str | None:
    """Return GITHUB_TOKEN; what cannot stand in a header is refused without being shown."""
    text = environment.get("GITHUB_TOKEN", "").strip()
    if text and not (text.isascii() and text.isprintable() and " " not in text):
        raise UsageError("GITHUB_TOKEN holds what is no token", hint="set it anew, or unset it")
    return text or None


def _channels(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the channels that ENGINE_PIPELINE_CHANNELS replaces: ``base=place``, several with spaces between."""
    entries = environment.get(f"{PREFIX}CHANNELS", "").split()
    if not entries:
        return {}
    from pipeline.model.channel_place import channel_base, channel_place

    found = {}
    for number, entry in enumerate(entries, 1):
        locked, equals, place = entry.partition("=")
        what = f"entry {number} of {len(entries)}"
        if not equals:
            raise UsageError(f"{PREFIX}CHANNELS: {what} has no =", hint=_CHANNELS_HINT)
        side = "what stands before its ="
        try:
            base = channel_base(locked)
            side = "what stands after its ="
            found[base] = channel_place(place)
        except ValueError as error:  # the entry itself is not shown: a url may hold a password
            raise UsageError(f"{PREFIX}CHANNELS: {what}: {side} {error}", hint=_CHANNELS_HINT) from error
    return found


def _without_slash(channels: Mapping[str, str]) -> dict[str, str]:
    return {locked.rstrip("/"): place for locked, place in channels.items()}


def _cmake_options(environment: Mapping[str, str]) -> dict[str, str]:
    prefix = f"{PREFIX}CMAKE_OPTION_"
    return {name.removeprefix(prefix): value for name, value in environment.items() if name.startswith(prefix)}
