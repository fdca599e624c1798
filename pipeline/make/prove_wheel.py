"""Proves a wheel as a user meets it: installed by pip into a clean environment with no index, and made to generate."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.environments.host_python import find_host_python
from pipeline.errors import HostError, ProofError
from pipeline.make.outputs import Outputs, Results, made
from pipeline.model.counts import counted
from pipeline.model.environment import EnvironmentCard
from pipeline.model.filling import fill
from pipeline.ports import Command
from pipeline.proofs.exits import in_words, next_step
from pipeline.proofs.programs import clean_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

    from pipeline.model.result import BlobRef
    from pipeline.model.wheel_actions import ProveWheel
    from pipeline.ports import Services

_PIP_SECONDS = 600.0
_SHOWN_LINES = 8


def prove_wheel(action: ProveWheel, services: Services, results: Results, work: Path) -> Outputs:
    """Install a wheel and what it needs, and run the recipe's proof with a real model.

    Raises:
        ProofError: pip refuses it, something it needs is missing, or it does not generate.
        HostError: the Python that its needs are locked for is not here.
    """
    wheel = results[action.wheel].blobs["wheel"]
    fetched = results[action.fetched].blobs
    files = _lay_out([wheel, *(fetched[one.filename] for one in action.needs)], services, work / "wheels")
    env = {**clean_environment(work, services.base_env), "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    python = _make_environment(action, services, env, work)
    pip = (str(python), "-I", "-m", "pip", "--disable-pip-version-check")
    installing = (*pip, "install", "--quiet", "--no-index", "--no-deps", *map(str, files))
    _run(installing, "pip did not install it", services, env, work, timeout_seconds=_PIP_SECONDS)
    _run((*pip, "check"), "what it needs is not all there", services, env, work, timeout_seconds=_PIP_SECONDS)
    model = results[action.model].blobs["model"]
    services.store.copy_blob(model, work / model.filename)
    values = {"model": repr(str(work / model.filename)), "prompt": repr(action.proof.prompt)}
    code = fill(action.proof.code, tokens=str(action.proof.minimum_tokens), **values)
    script = work / "proof.py"
    script.write_text(code, encoding="utf-8")
    argv = (str(python), "-I", str(script))
    lines = _run(argv, "it did not generate", services, env, work, timeout_seconds=action.proof.timeout_seconds)
    said, tokens = _read(action, lines)
    named = f"{model.filename} sha256:{model.sha256}"
    proof: dict[str, JsonValue] = {"generated_tokens": tokens, "model": named, "said": said}
    return made(facts={"proof": proof}, summary=f"installed by pip, {counted(tokens, 'token')}")


def _lay_out(blobs: list[BlobRef], services: Services, folder: Path) -> list[Path]:
    folder.mkdir()
    for blob in blobs:
        services.store.copy_blob(blob, folder / blob.filename)
    return [folder / blob.filename for blob in blobs]


def _make_environment(action: ProveWheel, services: Services, env: Mapping[str, str], work: Path) -> Path:
    """Make a virtual environment with the Python that is locked; return its interpreter."""
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    platform = services.host.facts().platform
    card = EnvironmentCard(python=action.python, base="host")
    named = Path(sys.executable) if own == action.python else None
    host = find_host_python(card, platform, named=named, services=services, cwd=work)
    folder = work / "venv"
    try:
        argv = (str(host.executable), "-I", "-m", "venv", str(folder))
        _run(argv, "venv failed", services, env, work, timeout_seconds=_PIP_SECONDS)
    except ProofError as error:
        raise HostError(error.message, hint="Debian, Ubuntu: apt install python3-venv") from error
    return folder / ("Scripts/python.exe" if platform.startswith("windows-") else "bin/python")


def _run(
    argv: tuple[str, ...],
    fault: str,
    services: Services,
    env: Mapping[str, str],
    work: Path,
    *,
    timeout_seconds: float,
) -> tuple[str, ...]:
    command = Command(argv, cwd=work, env=env, timeout_seconds=timeout_seconds)
    outcome = services.commands.run(command)
    if outcome.exit_code:
        said = "\n  ".join(outcome.tail[-_SHOWN_LINES:])
        raise ProofError(
            f"{fault}: it ended with {in_words(outcome.exit_code)} and said:\n  {said}",
            hint=next_step(outcome.exit_code, "why it ended shows in its last lines"),
        )
    return outcome.tail


def _read(action: ProveWheel, lines: tuple[str, ...]) -> tuple[str, int]:
    for line in lines:
        if match := re.search(action.proof.pattern, line):
            tokens = int(match["tokens"])
            if tokens < action.proof.minimum_tokens:
                raise ProofError(
                    f"it generated only {counted(tokens, 'token')}, and {action.proof.minimum_tokens} were asked for"
                )
            return line, tokens
    shown = "\n  ".join(lines[-_SHOWN_LINES:]) or "nothing"
    raise ProofError(f"it ran and did not say what it generated; it said:\n  {shown}")
