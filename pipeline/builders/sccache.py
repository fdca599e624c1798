"""What a compiler cache means in sccache's words: pure functions from settings to environment, from output to numbers.

The names are those of sccache 0.16, docs/Configuration.md.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pipeline.model.compiler_cache import DEFAULT_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.model.compiler_cache import CompilerCacheSettings

STATS = ("--show-stats", "--stats-format", "json")
STARTED = "server started"
# Its log without the line about each object that is not there yet.
_LOG = "warn,sccache::server=info,opendal=error"
_ERROR = "sccache: error: "
_READ_FAILED = ("ERROR opendal", "read failed")
_STRAY_SECONDS = "60"
_READ_ONLY = "READ_ONLY"


def client_environment(*, port: int, cache_dir: str, size: str | None, prefix_maps: str) -> dict[str, str]:
    """Return what the program before each compiler call needs: no secret, and nothing of a shared cache.

    A client that meets no server starts one of its own in the background. That one keeps to the local folder and
    ends when it has had nothing to do for a minute.

    Args:
        port: of the server, on loopback.
        cache_dir: of the local cache.
        size: most that it takes.
        prefix_maps: where paths of builds are mapped to. The maps are not in the keys of objects, so this is.
    """
    return {
        "SCCACHE_DIR": cache_dir,
        "SCCACHE_CACHE_SIZE": size or DEFAULT_SIZE,
        "SCCACHE_SERVER_PORT": str(port),
        "SCCACHE_IDLE_TIMEOUT": _STRAY_SECONDS,
        "SCCACHE_IGNORE_SERVER_IO_ERROR": "1",  # a cache that fails makes a build slower, never fail
        "SCCACHE_C_CUSTOM_CACHE_BUSTER": prefix_maps,
    }


def server_environment(client: Mapping[str, str]) -> dict[str, str]:
    """Return what a server of the local cache needs, which runs in the foreground until it is stopped."""
    own = {"SCCACHE_START_SERVER": "1", "SCCACHE_NO_DAEMON": "1", "SCCACHE_LOG": _LOG, "SCCACHE_IDLE_TIMEOUT": "0"}
    return {**client, **own}


def shared_environment(settings: CompilerCacheSettings, secrets: Mapping[str, str]) -> dict[str, str]:
    """Return what the server needs besides, to keep objects in a shared cache and nowhere else."""
    match settings.backend:
        case "redis":
            named = {
                "SCCACHE_REDIS_ENDPOINT": settings.url,
                "SCCACHE_REDIS_USERNAME": settings.username,
                "SCCACHE_REDIS_KEY_PREFIX": settings.prefix,
                "SCCACHE_REDIS_RW_MODE": _READ_ONLY if settings.read_only else None,
            }
        case "s3":
            anonymous = settings.read_only and not secrets
            named = {
                "SCCACHE_BUCKET": settings.bucket,
                "SCCACHE_REGION": settings.region,
                "SCCACHE_ENDPOINT": settings.endpoint,
                "SCCACHE_S3_USE_SSL": "false" if (settings.endpoint or "").startswith("http://") else "true",
                "SCCACHE_S3_KEY_PREFIX": settings.prefix,
                "SCCACHE_S3_RW_MODE": _READ_ONLY if settings.read_only else None,
                "SCCACHE_S3_NO_CREDENTIALS": "true" if anonymous else None,
            }
        case "gha":
            named = {
                "SCCACHE_GHA_ENABLED": "on",
                "SCCACHE_GHA_VERSION": settings.prefix,
                "SCCACHE_GHA_RW_MODE": _READ_ONLY if settings.read_only else None,
            }
        case _:
            named = {}
    return {**{name: value for name, value in named.items() if value is not None}, **secrets}


def lost_its_cache(output: Iterable[str]) -> bool:
    """Tell whether the server said that it could not read from the shared cache; each object waits for that again.

    An object that is not there is no such error.
    """
    return any(all(part in line for part in _READ_FAILED) for line in output)


def first_error(output: Iterable[str]) -> str | None:
    """Return what the server said when it did not start, None when it said nothing."""
    said = [line.strip() for line in output if line.strip()]
    errors = [line.removeprefix(_ERROR) for line in said if line.startswith(_ERROR)]
    return errors[0] if errors else said[-1] if said else None


def parse_stats(text: str) -> tuple[int, int]:
    """Read what ``--show-stats`` says; return (hits, misses) of all languages together, zeros for anything else.

    One CUDA source counts several times: for itself and for each PTX and cubin that nvcc makes of it.
    """
    try:
        stats = json.loads(text)["stats"]
        return sum(stats["cache_hits"]["counts"].values()), sum(stats["cache_misses"]["counts"].values())
    except (ValueError, KeyError, TypeError, AttributeError):
        return 0, 0
