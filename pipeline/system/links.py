"""Links for measurements: by netem or a relay between two namespaces, else by a proxy on loopback."""

from __future__ import annotations

import json
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.errors import HostError
from pipeline.model.strategy_runs import MadeLink
from pipeline.ports import Command
from pipeline.system import enter_network, link_relay, link_throttle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.model.strategy_runs import LinkProfile
    from pipeline.ports import CommandRunner, RunningCommand
    from pipeline.ports.links import MakerChoice, OpenLink

_READY_SECONDS = 20.0
_GRACE_SECONDS = 2.0
_LOOPBACK = "127.0.0.1"


class _Refused(NamedTuple):
    why: str


class NamespaceLink(NamedTuple):
    """Two namespaces; implements ``ports.OpenLink``."""

    made: MadeLink
    server_pid: int
    client_pid: int
    address: str = link_relay.SERVER_ADDRESS

    def at_server(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        """Return the command in the server's namespace."""
        return _entering(self.server_pid, argv)

    def at_client(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        """Return the command in the client's namespace."""
        return _entering(self.client_pid, argv)

    @contextmanager
    def way_to(self, port: int) -> Iterator[str]:
        """Give the address as it is."""
        yield f"{self.address}:{port}"


class ThrottledLink(NamedTuple):
    """A proxy on loopback; implements ``ports.OpenLink``."""

    made: MadeLink
    commands: CommandRunner
    address: str = _LOOPBACK

    def at_server(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        """Return the command as it is."""
        return argv

    def at_client(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        """Return the command as it is: nothing is cut off."""
        return argv

    @contextmanager
    def way_to(self, port: int) -> Iterator[str]:
        """Start a proxy and give its address."""
        profile = self.made.profile
        argv = _program(link_throttle, profile.bits_per_second, profile.round_trip_ms, port)
        proxy = self.commands.start(Command(argv, cwd=Path("/"), env={}))
        try:
            found = _first_line(proxy)
            if isinstance(found, _Refused):
                raise HostError(f"the throttle did not start: {found.why}")
            yield f"{_LOOPBACK}:{found['port']}"
        finally:
            proxy.stop(grace_seconds=_GRACE_SECONDS)


class LocalLinks:
    """Makes links on this machine; implements ``ports.LinkGround``."""

    def __init__(self, commands: CommandRunner) -> None:
        """Take what runs the programs that are the links; it ends them when this process is killed."""
        self._commands = commands

    @contextmanager
    def link(self, profile: LinkProfile, *, maker: MakerChoice = "auto") -> Iterator[OpenLink]:
        """Make a link; see ``ports.LinkGround``."""
        why = "asked for" if maker == "throttle" else ""
        if maker != "throttle":
            argv = _program(link_relay, profile.bits_per_second, profile.round_trip_ms, profile.loss, maker)
            relay = self._commands.start(Command(argv, cwd=Path("/"), env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}))
            try:
                found = _first_line(relay)
                if not isinstance(found, _Refused):
                    made = MadeLink(profile=profile, maker=found["maker"], why=found["why"])
                    yield NamespaceLink(made, found["server"], found["client"])
                    return
            finally:
                relay.stop(grace_seconds=_GRACE_SECONDS)
            if maker == "relay":
                raise HostError(
                    f"no link of packets can be made here: {found.why}",
                    hint="root or user namespaces and /dev/net/tun are needed; --link-maker throttle needs no rights",
                )
            why = found.why
        yield ThrottledLink(MadeLink(profile=profile, maker="throttle", why=why), self._commands)


def _program(module: Any, *arguments: object) -> tuple[str, ...]:  # noqa: ANN401 - a module
    # -I: nothing of the caller's environment or folder is imported.
    return (sys.executable, "-I", str(Path(module.__file__).resolve()), *map(str, arguments))


def _entering(pid: int, argv: tuple[str, ...]) -> tuple[str, ...]:
    return _program(enter_network, pid, *argv)


def _first_line(program: RunningCommand) -> dict[str, Any] | _Refused:
    """Wait for the line of JSON that says that a link is up."""
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        ended = program.exit_code() is not None
        if ended:
            program.stop(grace_seconds=0)  # its last words are read to the end
        for line in program.output():
            if line.startswith("{"):
                found: dict[str, Any] = json.loads(line)
                return _Refused(str(found["refused"])) if "refused" in found else found
        if ended:
            return _Refused(" ".join(program.output()[-1:]) or "its program ended without a word")
        time.sleep(0.01)
    return _Refused(f"it was not up after {_READY_SECONDS:.0f} s")
