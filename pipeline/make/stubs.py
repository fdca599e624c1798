"""Libraries that stand in for those that only a driver has: the names of functions, and nothing in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import BuildError, HostError
from pipeline.ports import Command

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.model.toolkit import StubLibrary
    from pipeline.ports import Services

_COMPILE_SECONDS = 60.0


def make_stub(path: Path, stub: StubLibrary, services: Services, work: Path) -> None:
    """Compile a library that has the names of a driver's functions and nothing in them.

    Raises:
        HostError: there is no C compiler.
        BuildError: it cannot be compiled.
    """
    compiler = services.host.tool("cc")
    if compiler is None:
        raise HostError("a C compiler is needed for a toolkit's stub libraries", hint="Debian, Ubuntu: apt install gcc")
    source = work / "stub.c"
    source.write_text("".join(f"int {name}(void) {{ return -1; }}\n" for name in stub.symbols), encoding="utf-8")
    path.parent.mkdir(parents=True, exist_ok=True)
    flags = ("-shared", "-fPIC", "-nostdlib", "-s", f"-Wl,-soname,{stub.soname}", "-Wl,--build-id=none")
    env = {"PATH": services.base_env.get("PATH", ""), "LC_ALL": "C"}
    command = Command(
        (compiler.path, *flags, "-o", str(path), source.name), cwd=work, env=env, timeout_seconds=_COMPILE_SECONDS
    )
    outcome = services.commands.run(command)
    if outcome.exit_code != 0:
        said = outcome.tail[-1] if outcome.tail else "it said nothing"
        raise BuildError(f"the stub library {path.name} could not be made: {said}", hint="see docs/errors/build.md")
