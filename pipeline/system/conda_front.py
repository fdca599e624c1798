"""The program that conda-lock calls as its ``--conda``: the user's conda, or the solver over py-rattler.

conda-lock asks with ``create --dry-run --json`` and keeps neither sizes nor dependencies of what it is told, so each
answer is written down whole. A channel may be read from another place than its own; urls in answers stay its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from pipeline.system.rattler_solver import Question, SolveFailure, solve_records

_NETWORK = (
    "CondaHTTPError",
    "CondaSSLError",
    "ConnectionError",
    "ProxyError",
    "OfflineError",
    "UnavailableInvalidChannel",
)
_UNSATISFIABLE = ("Unsatisfiable", "NotFound", "Could not solve for environment")
_NETWORK_WORDS = ("HTTP", "Download error", "Connection", "resolve host", "offline")


class Setup(argparse.Namespace):
    """What the program was started with, before ``--``.

    Attributes:
        answers: folder that each answer is written into.
        cache: folder of repodata, from run to run.
        real: conda, mamba or micromamba to ask; None for the solver over py-rattler.
        place: ``NAME=LOCATION`` of a channel that is read from elsewhere.
        canonical: ``NAME=URL``, what a channel's name stands for.
    """

    answers: Path
    cache: Path
    real: str | None
    place: list[str]
    canonical: list[str]


def main() -> NoReturn:
    """Answer one call of conda-lock, and end."""
    _end(answer(sys.argv[1:]))


def answer(argv: list[str]) -> int:
    """Answer one call of conda-lock; return the exit code.

    Args:
        argv: what this program was started with, ``--``, and what conda-lock says.
    """
    split = argv.index("--")
    setup = _arguments(argv[:split])
    rest = argv[split + 1 :]
    if rest[:1] != ["create"]:
        return _other_call(setup.real, rest)
    places = dict(pair.split("=", 1) for pair in setup.place)
    canonical = dict(pair.split("=", 1) for pair in setup.canonical)
    try:
        found = (
            _ask_conda(setup.real, rest, places) if setup.real else _ask_rattler(rest, places, canonical, setup.cache)
        )
    except SolveFailure as failure:
        found = {"success": False, "kind": failure.kind, "message": failure.message}
    subdir = os.environ.get("CONDA_SUBDIR", "")
    for record in found.get("actions", {}).get("FETCH", []):
        _name_by_channel(record, places, canonical)
    (setup.answers / f"{subdir}.json").write_text(json.dumps(found), encoding="utf-8")
    sys.stdout.write(json.dumps(found) + "\n")
    return 0 if found.get("success", True) else 1


def _other_call(real: str | None, rest: list[str]) -> int:
    """Answer what conda-lock asks besides: its first call is for the version, and goes into a comment."""
    if real:
        return subprocess.run([real, *rest], check=False).returncode
    if rest == ["--version"]:
        sys.stdout.write("engine-pipeline's solver over py-rattler\n")
        return 0
    sys.stderr.write(f"no conda is here, and the solver over py-rattler has no {' '.join(rest)!r}\n")
    return 2


def _arguments(argv: list[str]) -> Setup:
    parser = argparse.ArgumentParser(prog="conda_front")
    parser.add_argument("--answers", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--real")
    parser.add_argument("--place", action="append", default=[])
    parser.add_argument("--canonical", action="append", default=[])
    return parser.parse_args(argv, namespace=Setup())


def _ask_rattler(rest: list[str], places: dict[str, str], canonical: dict[str, str], cache_dir: Path) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="conda")
    parser.add_argument("command", choices=["create"])
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--channel", action="append", default=[])
    for flag in ("--dry-run", "--json", "--override-channels"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("specs", nargs="+")
    asked = parser.parse_args(rest)
    subdir = os.environ["CONDA_SUBDIR"]
    channels: list[str] = []
    virtual_packages: dict[str, str] = {}
    for channel in asked.channel:
        found = _virtual_packages_of(channel, subdir)
        if found is None:
            channels.append(places.get(channel, canonical.get(channel, channel)))
        else:
            virtual_packages |= found
    records = solve_records(Question(channels, asked.specs, subdir, virtual_packages), cache_dir)
    return {"success": True, "dry_run": True, "prefix": asked.prefix, "actions": {"FETCH": records, "LINK": records}}


def _virtual_packages_of(channel: str, subdir: str) -> dict[str, str] | None:
    """Return what conda-lock's own channel says of the target's system, None for a channel of packages."""
    if not channel.startswith("file:"):
        return None
    path = Path(url2pathname(unquote(urlsplit(channel).path))) / subdir / "repodata.json"
    packages = json.loads(path.read_bytes()).get("packages", {}).values() if path.is_file() else ()
    if not packages or any(record.get("package_type") != "virtual_system" for record in packages):
        return None
    return {record["name"]: f"{record['version']} {record['build']}" for record in packages}


def _ask_conda(real: str, rest: list[str], places: dict[str, str]) -> dict[str, Any]:
    argv = [places.get(word, word) if rest[at - 1] == "--channel" else word for at, word in enumerate(rest)]
    done = subprocess.run([real, *argv], capture_output=True, check=False, encoding="utf-8", errors="replace")
    text = done.stdout
    try:
        answer = json.loads(text[text.index("{") : text.rindex("}") + 1])
    except ValueError:
        answer = {}
    if not done.returncode and isinstance(answer.get("actions"), dict):
        return dict(answer)
    message = str(answer.get("message") or (done.stderr + text).strip() or f"{real} ended with code {done.returncode}")
    name = str(answer.get("exception_name", ""))
    if name in _NETWORK or (not name and any(word in message for word in _NETWORK_WORDS)):
        raise SolveFailure("network", message)
    raise SolveFailure("unsatisfiable" if any(word in name + message for word in _UNSATISFIABLE) else "other", message)


def _name_by_channel(record: dict[str, Any], places: dict[str, str], canonical: dict[str, str]) -> None:
    """Put a package's url below what its channel's name stands for, where it was read from elsewhere."""
    for name, place in places.items():
        if record["url"].startswith(place.rstrip("/") + "/"):
            record["url"] = f"{canonical[name].rstrip('/')}/{record['subdir']}/{record['fn']}"
            record["channel"] = canonical[name]


def _end(code: int) -> NoReturn:
    """End at once: py-rattler can crash while the interpreter is taken apart, when the answer is complete."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
