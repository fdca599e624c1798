"""Runs scikit-build-core in a process of its own, and brings the wheel that it made to where it is wanted."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import shutil
import sys
from typing import TYPE_CHECKING

from pipeline.builders import scikit_build
from pipeline.digest import sha256_stream
from pipeline.errors import BuildError, HostError, IntegrityError, NoSpaceError
from pipeline.ports import Command, require_space
from pipeline.ports.space import FULL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pipeline.ports import Services

_NEEDED = ("build", "scikit_build_core")


def require_backend() -> None:
    """See that the programs which make wheels are there.

    Raises:
        HostError: one is not.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise HostError(
            f"{' and '.join(missing).replace('_', '-')} is not installed: no wheel can be made",
            hint="install engine-pipeline[build]; ./ci/pipeline in a checkout brings it",
        )


def backend_version() -> str:
    """Return the version of scikit-build-core.

    Raises:
        HostError: it is not installed.
    """
    require_backend()
    return importlib.metadata.version("scikit-build-core")


def make_wheel(
    services: Services,
    project: Path,
    work: Path,
    settings: Mapping[str, str | Sequence[str]],
    *,
    environment: Mapping[str, str],
    log_path: Path,
    on_line: Callable[[str], None] | None = None,
    check_dependencies: bool = True,
) -> Path:
    """Make the wheel of a project; return it, in ``work/wheel``, which is emptied first.

    Raises:
        HostError: scikit-build-core is not installed.
        BuildError: it failed; its last words and the log are named.
    """
    require_backend()
    output = work / "wheel"
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir()
    argv = scikit_build.wheel_argv(
        sys.executable,
        project=str(project),
        output=str(output),
        settings=settings,
        check_dependencies=check_dependencies,
    )
    outcome = services.commands.run(Command(argv, cwd=work, env=environment), log_path=log_path, on_line=on_line)
    found = sorted(output.glob("*.whl"))
    if outcome.exit_code != 0 or len(found) != 1:
        said = next((line.strip() for line in reversed(outcome.tail) if line.strip()), "it said nothing")
        raise BuildError(
            f"scikit-build-core failed with exit code {outcome.exit_code}: {said}",
            hint=f"the whole log is {log_path}",
        )
    return found[0]


def deliver_wheel(
    wheel: Path, output_dir: Path, services: Services, *, filename: str | None = None
) -> tuple[Path, str, int]:
    """Copy a wheel into a folder, whole or not at all; return its path there, sha256 and size.

    The very same file there stays untouched. ``filename`` is what it is called, where the file has another name.

    Raises:
        IntegrityError: another wheel of that name is there.
        HostError: the folder cannot be written.
        NoSpaceError: there is no room.
    """
    with wheel.open("rb") as stream:
        sha256, size_bytes = sha256_stream(stream)
    path = output_dir / (filename or wheel.name)
    if path.is_file():
        with path.open("rb") as stream:
            if sha256_stream(stream)[0] == sha256:
                return path, sha256, size_bytes
        raise IntegrityError(
            f"{path} is there already and is another file", hint="name an empty folder with --output, or remove it"
        )
    hint = "free some space, or choose another folder with --output"
    draft = path.with_name(f".{path.name}.new")
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        require_space(output_dir, size_bytes, host=services.host, hint=hint)
        with wheel.open("rb") as stream, draft.open("wb") as out:
            shutil.copyfileobj(stream, out)
            out.flush()
            os.fsync(out.fileno())
        draft.replace(path)
    except OSError as error:
        if error.errno in FULL:
            raise NoSpaceError(f"no space left while writing to {output_dir}", hint=hint, folder=output_dir) from error
        raise HostError(
            f"{output_dir} cannot be written: {error.strerror}", hint="choose another folder with --output"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()  # still there after a failure or an interrupt
    return path, sha256, size_bytes
