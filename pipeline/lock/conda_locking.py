"""Locks the conda packages of an environment: conda-lock asks, a conda or our own solver answers."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, NamedTuple

from pipeline.errors import HostError, IntegrityError, NetworkError, PipelineError, UsageError
from pipeline.events import Notice
from pipeline.lock.generated import (
    CONDA_INPUTS,
    CONDA_LOCK,
    CONDA_RECORDS,
    ENVIRONMENT,
    VIRTUAL_PACKAGES,
    Generated,
    canonical,
    input_digests,
    parse,
)
from pipeline.lock.refusals import UncheckableError, UnsatisfiableError
from pipeline.lock.tools import INSTALL_HINT, LockTools, require_module
from pipeline.ports import Command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pipeline.lock.channels import Channels
    from pipeline.ports import Services

_RECORD_KEYS = (
    "name", "version", "build", "build_number", "depends", "constrains", "license", "md5", "sha256", "size", "subdir",
    "noarch", "timestamp", "url",
)  # fmt: skip
_BY_PLATFORM = re.compile(r"^(  (?:content_hash|platforms):\n)((?:  - .+\n|    .+\n)+)", re.MULTILINE)
_ENTRY_URL = re.compile(r"^  url: (\S+)$", re.MULTILINE)


class CondaRequest(NamedTuple):
    """What to lock.

    Attributes:
        folder: of the environment.
        subdirs: to solve for now.
        order: all subdirs of environment.yml, as it lists them.
        channels: where records are read from.
        keep: whether the other platforms of an existing lock stay.
    """

    folder: Path
    subdirs: Sequence[str]
    order: Sequence[str]
    channels: Channels
    keep: bool


def solve_conda(request: CondaRequest, tools: LockTools, services: Services, work: Path) -> list[Generated]:
    """Return conda-lock.yml and conda-records.json, solved anew.

    Raises:
        UnsatisfiableError: no packages of the channel satisfy environment.yml; the solver's words are in the message.
        UncheckableError: packages without sha256 or size; all are named.
        NetworkError: the channel did not answer.
        IntegrityError: the channel's repodata is damaged.
        HostError: there is no conda and py-rattler is not installed, or conda-lock is not.
    """
    answers = work / "answers"
    answers.mkdir()
    for name in CONDA_INPUTS:
        (work / name).write_bytes((request.folder / name).read_bytes())
    old = request.folder / CONDA_LOCK
    if request.keep and old.is_file():
        (work / CONDA_LOCK).write_text(parse(CONDA_LOCK, old.read_text(encoding="utf-8"))[0].body, encoding="utf-8")
    front = work / "conda"
    front.write_text(f'#!/bin/sh\nexec {_front_argv(request.channels, tools, answers)} -- "$@"\n', encoding="utf-8")
    front.chmod(0o755)
    argv = [*tools.python, "-m", "conda_lock", "lock", "--conda", str(front), "--log-level", "WARNING"]
    argv += ["--file", ENVIRONMENT, "--virtual-package-spec", VIRTUAL_PACKAGES, "--lockfile", CONDA_LOCK]
    for subdir in request.subdirs:
        argv += ["--platform", subdir]
    services.events.emit(Notice(shlex.join(argv), "debug"))
    outcome = services.commands.run(Command(tuple(argv), work, tools.environment))
    found = {subdir: _answer(answers / f"{subdir}.json") for subdir in request.subdirs}
    if outcome.exit_code:
        require_module(outcome.tail, "conda_lock")
        raise PipelineError(
            f"conda-lock ended with code {outcome.exit_code}: {_last_words(outcome.tail)}",
            hint="-v shows how it was started",
        )
    body = _in_order(_without_head((work / CONDA_LOCK).read_text(encoding="utf-8")), request.order)
    records = _records(request.folder if request.keep else None, found, body)
    inputs = input_digests(request.folder, CONDA_INPUTS)
    notes = tuple(f"solved from: {line}" for line in request.channels.origin)
    return [Generated(CONDA_LOCK, inputs, body, notes), Generated(CONDA_RECORDS, inputs, canonical(records))]


def _front_argv(channels: Channels, tools: LockTools, answers: Path) -> str:
    argv = [*tools.front, "--answers", str(answers), "--cache", str(tools.repodata_dir)]
    if tools.conda:
        argv += ["--real", tools.conda]
    for name, url in channels.canonical.items():
        argv += ["--canonical", f"{name}={url}"]
    for name, place in channels.places.items():
        argv += ["--place", f"{name}={place}"]
    return shlex.join(argv)


def _answer(path: Path) -> list[Mapping[str, object]]:
    """Return the records of one platform's solution; raises what kept it from being solved."""
    if not path.is_file():
        return []
    answer = json.loads(path.read_bytes())
    if answer.get("success", True):
        return list(answer["actions"]["FETCH"])
    kind, message = str(answer.get("kind")), f"{path.stem}: {str(answer.get('message')).strip()}"
    match kind:
        case "unsatisfiable":
            raise UnsatisfiableError(message, hint=f"change {ENVIRONMENT} or {VIRTUAL_PACKAGES}")
        case "specification":
            raise UsageError(message, hint=f"correct {ENVIRONMENT}")
        case "network":
            raise NetworkError(message, hint="try again later, or name another place of the channel with --channel")
        case "damaged":
            raise IntegrityError(
                message, hint="the channel's repodata cannot be read; name another place with --channel"
            )
        case "absent":
            raise HostError(
                f"no conda, mamba or micromamba is on PATH, and our own solver cannot run: {message}",
                hint=f"install Miniforge, or {INSTALL_HINT}; --conda names one that is not on PATH",
            )
        case _:
            raise PipelineError(message, hint="run the same with another conda: --conda names it")


def _records(
    old_folder: Path | None, found: Mapping[str, Sequence[Mapping[str, object]]], body: str
) -> dict[str, Mapping[str, object]]:
    """Return the record of each package in the lock's body."""
    known: dict[str, Mapping[str, object]] = {}
    if old_folder and (old_folder / CONDA_RECORDS).is_file():
        known = dict(json.loads((old_folder / CONDA_RECORDS).read_bytes()).get("packages", {}))
    for records in found.values():
        for record in records:
            kept = {key: record[key] for key in _RECORD_KEYS if record.get(key) not in (None, "")}
            known[_key(str(record["url"]))] = dict(sorted({"depends": [], "constrains": [], **kept}.items()))
    locked = sorted({_key(url) for url in _ENTRY_URL.findall(body)})
    poor = [key for key in locked if not {"sha256", "size"} <= set(known.get(key, {}))]
    if poor:
        raise UncheckableError(
            "the channel gives no sha256 or no size for " + ", ".join(poor),
            hint="such packages cannot be checked when they are downloaded; take another channel or version",
        )
    return {key: known[key] for key in locked}


def _key(url: str) -> str:
    return "/".join(url.rsplit("/", 2)[1:])


def _without_head(text: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(lines[next((at for at, line in enumerate(lines) if not line.startswith("#")), 0) :])


def _in_order(body: str, subdirs: Sequence[str]) -> str:
    """Return a lock whose platforms stand as environment.yml lists them; conda-lock puts those last that it solved."""
    ranks = {subdir: rank for rank, subdir in enumerate(subdirs)}

    def rank(line: str) -> int:
        return ranks.get(line.strip(" -\n").partition(":")[0], len(ranks))

    return _BY_PLATFORM.sub(
        lambda found: found[1] + "".join(sorted(found[2].splitlines(keepends=True), key=rank)), body, count=2
    )


def _last_words(tail: Sequence[str]) -> str:
    return "\n".join([line for line in tail if line.strip()][-5:])
