"""Which compiler cache this run uses: the environment over the project file, passwords from the environment alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.errors import UsageError
from pipeline.ports import CompilerCacheChoice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.model.compiler_cache import CompilerCacheSettings

_VARIABLE = "ENGINE_PIPELINE_COMPILER_CACHE"
_KEYS = ("url", "username", "bucket", "region", "endpoint", "prefix", "size")
_PAGE = "docs/contract.md lists the keys of [compiler_cache] and their variables"
# Variables of the services' own programs that sccache reads; what it must not get without being asked is not here.
_OF_S3 = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_STS_REGIONAL_ENDPOINTS", "AWS_EC2_METADATA_DISABLED",
)  # fmt: skip
_OF_GITHUB = ("ACTIONS_RESULTS_URL", "ACTIONS_RUNTIME_TOKEN", "ACTIONS_CACHE_URL", "ACTIONS_CACHE_SERVICE_V2")


def compiler_cache_choice(
    project: Mapping[str, Any], environment: Mapping[str, str], *, read_only: bool | None, offline: bool
) -> CompilerCacheChoice:
    """Return which compiler cache the builds of this run use.

    Args:
        project: the table of the project file.
        environment: of this process.
        read_only: what its variable says, None when it says nothing.
        offline: whether the network is forbidden: a shared cache is not asked then.

    Raises:
        UsageError: a variable makes no sense, or the backend lacks a key; values are not shown.
    """
    said = {key: value for key in _KEYS if (value := environment.get(f"{_VARIABLE}_{key.upper()}"))}
    if backend := environment.get(_VARIABLE):
        said["backend"] = backend
    if not said and not project and read_only is None:
        return CompilerCacheChoice()
    settings = _settings(project, said, read_only=read_only)
    key = settings.lacking()
    if key is not None:
        raise UsageError(
            f"the compiler cache has the backend {settings.backend} and no {key}",
            hint=f"set {_VARIABLE}_{key.upper()}, or {key} in [compiler_cache] of pipeline.toml; {_PAGE}",
        )
    if offline and settings.backend not in {None, "local"}:
        settings = settings.model_copy(update={"backend": "local"})
    return _choice(settings, environment)


def _settings(project: Mapping[str, Any], said: Mapping[str, str], *, read_only: bool | None) -> CompilerCacheSettings:
    from pydantic import ValidationError

    from pipeline.model.compiler_cache import CompilerCacheSettings

    more: dict[str, Any] = {} if read_only is None else {"read_only": read_only}
    try:
        return CompilerCacheSettings.model_validate({**project, **said, **more})
    except ValidationError as error:
        (first, *_) = error.errors()
        key = str(first["loc"][0])
        name = _VARIABLE if key == "backend" else f"{_VARIABLE}_{key.upper()}"
        raise UsageError(f"{name}: {first['msg'].removeprefix('Value error, ')}", hint=_PAGE) from None


def _choice(settings: CompilerCacheSettings, environment: Mapping[str, str]) -> CompilerCacheChoice:
    match settings.backend:
        case "redis":
            password = environment.get(f"{_VARIABLE}_PASSWORD")
            secrets = {"SCCACHE_REDIS_PASSWORD": password} if password else {}

            def fault() -> str | None:
                from pipeline.system.redis_greeting import redis_fault

                return redis_fault(settings.url or "", username=settings.username, password=password)

            return CompilerCacheChoice(settings, secrets, fault)
        case "s3":
            return CompilerCacheChoice(settings, _kept(environment, _OF_S3))
        case "gha":
            return CompilerCacheChoice(settings, _kept(environment, _OF_GITHUB), lambda: _fault_of_github(environment))
        case _:
            return CompilerCacheChoice(settings)


def _fault_of_github(environment: Mapping[str, str]) -> str | None:
    lacking = [name for name in _OF_GITHUB[:2] if not environment.get(name)]
    return f"{' and '.join(lacking)} not set: a step of the workflow must export them" if lacking else None


def _kept(environment: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    return {name: environment[name] for name in names if environment.get(name)}
