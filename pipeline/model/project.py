"""A project's own defaults: the file ``pipeline.toml``."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from pipeline.model.channel_place import channel_place
from pipeline.model.compiler_cache import CompilerCacheSettings
from pipeline.model.frozen import Frozen, Name
from pipeline.model.source import HttpUrl


class ProjectDefaults(Frozen):
    """What ``pipeline.toml`` may say. Flags win over the environment, the environment over this file.

    Relative paths are relative to the file's own folder.

    Attributes:
        cache_dir: folder of downloads, trees and results.
        recipes: folder with ``engines/``, ``accelerators/`` and ``models/``.
        mirrors: places that are asked before a file's own urls, in order; https, http or file.
        channels: base of a conda channel, as it stands in a lock, to the url or absolute path that is asked instead.
        offline: whether the network is forbidden.
        jobs: compilers or downloads at once.
        release: pinned release that is built when none is named.
        output: folder for bundles.
        root: folder of an installation.
        keys_dir: folder of signing keys.
        allow_development: whether development keys may sign a repository.
        trusted_root: root metadata that an installation starts its trust from.
        sigstore_root: trusted root of a Sigstore instance that attests upstream's files; the public one otherwise.
        keep: generations of an engine that an installation keeps, at least 2.
        pins: engine to the version that installations hold it at.
        cmake_options: CMake cache entries that are added to every build.
        compiler_cache: which compiler cache builds use.
    """

    cache_dir: str | None = None
    recipes: str | None = None
    mirrors: tuple[str, ...] = ()
    channels: dict[HttpUrl, Annotated[str, AfterValidator(channel_place)]] = {}
    offline: bool | None = None
    jobs: int | None = Field(default=None, ge=1)
    release: Name | None = None
    output: str | None = None
    root: str | None = None
    keys_dir: str | None = None
    allow_development: bool | None = None
    trusted_root: str | None = None
    sigstore_root: str | None = None
    keep: int | None = Field(default=None, ge=2)
    pins: dict[Name, Name] = {}
    cmake_options: dict[str, str] = {}
    compiler_cache: CompilerCacheSettings = CompilerCacheSettings()
