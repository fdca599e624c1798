"""A program that stands in for ``gh``: releases are folders below GH_RELEASES; the unknown is refused.

Run as a script. With GH_DAMAGE set, one byte of each asset whose name matches it changes on the way up. Where the file
that GH_INTERRUPT names is there, the next upload removes it and what it would replace, as gh does, and fails.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import shutil
import sys
from pathlib import Path

_STATE = "state.json"


def install(folder: Path) -> Path:
    """Write a program ``gh`` into a new folder and return the folder."""
    folder.mkdir()
    program = folder / "gh"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {__file__} "$@"\n')
    program.chmod(0o755)
    return folder


def main() -> int:
    """Do what the arguments say; as gh does, end with 1 where there is no such release."""
    assert os.environ["GH_TOKEN"]
    assert os.environ["GH_REPO"]
    if sys.argv[1] != "release":
        return _beside_releases(sys.argv[1:])
    root = Path(os.environ["GH_RELEASES"])
    arguments = _arguments()
    if arguments.verb == "list":
        states = {path.parent.name: json.loads(path.read_text()) for path in root.glob(f"*/{_STATE}")}
        open_ones = [tag for tag, state in states.items() if not state["draft"]]
        newest = sorted(open_ones, key=lambda tag: -states[tag]["number"])[: arguments.limit]
        _show(arguments, ".[].tagName", "\n".join(newest))
        return 0
    folder = root / arguments.tag
    if arguments.verb == "create":
        if folder.exists():
            sys.stderr.write("a release with the same tag name already exists\n")
            return 1
        folder.mkdir(parents=True)
        assert Path(arguments.notes_file).is_file()
        _save(folder, draft=arguments.draft, number=len(list(root.iterdir())))
        _bring(folder, arguments.files)
        return 0
    if not folder.is_dir():
        sys.stderr.write("release not found\n")
        return 1
    return _on_a_release(arguments, folder)


def _beside_releases(arguments: list[str]) -> int:
    if arguments == ["auth", "setup-git"]:
        return 0
    assert arguments[:2] == ["pr", "create"]
    parser = argparse.ArgumentParser(prog="gh pr create", allow_abbrev=False)
    for option in ("--base", "--head", "--title", "--body"):
        parser.add_argument(option, required=True)
    with Path(os.environ["GH_PULL_REQUESTS"]).open("a") as listing:
        listing.write(json.dumps(vars(parser.parse_args(arguments[2:]))) + "\n")
    return 0


def _on_a_release(arguments: argparse.Namespace, folder: Path) -> int:
    state = json.loads((folder / _STATE).read_text())
    if arguments.verb == "download":
        Path(arguments.dir).mkdir(parents=True, exist_ok=True)
        wanted = [path for path in folder.iterdir() if path.name != _STATE]
        if arguments.pattern:
            wanted = [path for path in wanted if fnmatch.fnmatch(path.name, arguments.pattern)]
        assert wanted, "no assets match the file pattern"
        for path in wanted:
            assert not (Path(arguments.dir) / path.name).exists(), "gh overwrites nothing unasked"
            shutil.copy(path, arguments.dir)
    elif arguments.verb == "upload":
        assert arguments.clobber
        return _upload(folder, arguments.files)
    elif arguments.verb == "delete-asset":
        assert arguments.yes
        (folder / arguments.asset).unlink()
    elif arguments.verb == "edit":
        assert arguments.draft == "false"
        _save(folder, draft=False, number=state["number"])
    elif arguments.verb == "view":
        _show(arguments, ".isDraft", json.dumps(state["draft"]))
    elif arguments.verb == "delete":
        assert arguments.yes
        shutil.rmtree(folder)
    return 0


def _upload(folder: Path, files: list[str]) -> int:
    interrupt = Path(os.environ.get("GH_INTERRUPT", "/nowhere"))
    if interrupt.is_file():
        interrupt.unlink()
        for name in files:
            (folder / Path(name).name).unlink(missing_ok=True)
        return 1
    _bring(folder, files)
    return 0


def _save(folder: Path, *, draft: bool, number: int) -> None:
    (folder / _STATE).write_text(json.dumps({"draft": draft, "number": number}))


def _bring(folder: Path, files: list[str]) -> None:
    for name in files:
        data = bytearray(Path(name).read_bytes())
        if fnmatch.fnmatch(Path(name).name, os.environ.get("GH_DAMAGE", "")):
            data[len(data) // 2] ^= 1
        (folder / Path(name).name).write_bytes(data)


def _show(arguments: argparse.Namespace, jq: str, text: str) -> None:
    assert arguments.jq == jq, f"{arguments.jq} is not known here"
    if text:
        sys.stdout.write(f"{text}\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="gh release", allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", required=True)
    one = verbs.add_parser("list")
    one.add_argument("--exclude-drafts", action="store_true", required=True)
    one.add_argument("--exclude-pre-releases", action="store_true", required=True)
    one.add_argument("--limit", type=int)
    names = ("create", "download", "edit", "upload", "view", "delete", "delete-asset")
    tagged = {name: verbs.add_parser(name) for name in names}
    for each in tagged.values():
        each.add_argument("tag")
    for each in (one, tagged["view"]):
        each.add_argument("--json", required=True)
        each.add_argument("--jq", required=True)
    for option in ("--target", "--title", "--notes-file"):
        tagged["create"].add_argument(option, required=True)
    tagged["create"].add_argument("--draft", action="store_true", required=True)
    tagged["download"].add_argument("--dir", required=True)
    tagged["download"].add_argument("--pattern")
    tagged["edit"].add_argument("--draft", required=True)
    tagged["edit"].add_argument("--latest", action="store_true")
    tagged["upload"].add_argument("--clobber", action="store_true")
    for name in ("delete", "delete-asset"):
        tagged[name].add_argument("--yes", action="store_true")
    tagged["delete-asset"].add_argument("asset")
    for each in (tagged["create"], tagged["upload"]):
        each.add_argument("files", nargs="+")
    return parser.parse_args(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
