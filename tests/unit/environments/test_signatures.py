"""A stand-in for codesign keeps its signatures in files beside the binaries: digests of what was signed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pipeline.environments.signatures import rewritten_binaries, sign_again
from pipeline.errors import HostError, IntegrityError
from pipeline.system.processes import ProcessRunner

MACH_O = bytes.fromhex("cffaedfe") + b" arm64 "
CODESIGN = r"""#!/bin/sh
for file; do :; done
echo "$*" >> "$(dirname "$0")/calls"
if [ "$1" = --verify ]; then
  [ "$(sha256sum < "$file")" = "$(cat "$file.signature" 2>/dev/null)" ] && exit 0
  echo "$file: invalid signature (code or signature have been modified)"; exit 1
fi
case $file in *unsignable*) echo "$file: unsupported format"; exit 1 ;; esac
[ "$1 $2 $3" = "--force --sign -" ] && sha256sum < "$file" > "$file.signature"
"""


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    folder = tmp_path / "tools"
    folder.mkdir()
    (folder / "codesign").write_text(CODESIGN)
    (folder / "codesign").chmod(0o755)
    return folder


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    folder = tmp_path / "a prefix"
    (folder / "conda-meta").mkdir(parents=True)
    (folder / "lib").mkdir()
    return folder


def add(prefix: Path, package: str, files: dict[str, tuple[bytes, str | None]]) -> None:
    paths = []
    for name, (data, mode) in files.items():
        (prefix / name).write_bytes(data)
        paths.append({"_path": name, **({"file_mode": mode} if mode else {})})
    record = prefix / "conda-meta" / f"{package}.json"
    record.write_text(json.dumps({"paths_data": {"paths": paths}}))


def environment(tools: Path) -> dict[str, str]:
    return {"PATH": f"{tools}:{os.defpath}"}


def calls(tools: Path) -> list[str]:
    path = tools / "calls"
    return (
        [line.rpartition("/")[0].rpartition(" ")[0] for line in path.read_text().splitlines()] if path.exists() else []
    )


def test_binaries_whose_prefix_was_replaced_are_signed_again(prefix: Path, tools: Path):
    add(prefix, "python", {"lib/a.dylib": (MACH_O, "binary"), "lib/plain.dylib": (MACH_O, None)})
    add(prefix, "text", {"lib/x.py": (b"print()", "text"), "lib/data.bin": (b"\0\1\2\3", "binary")})
    assert rewritten_binaries(prefix) == ("lib/a.dylib",)
    assert sign_again(prefix, commands=ProcessRunner(), env=environment(tools)) == ("lib/a.dylib",)
    assert (prefix / "lib/a.dylib.signature").is_file()
    assert sign_again(prefix, commands=ProcessRunner(), env=environment(tools)) == ()  # it is valid now


def test_a_binary_that_cannot_be_signed_is_no_environment(prefix: Path, tools: Path):
    add(prefix, "python", {"lib/unsignable.dylib": (MACH_O, "binary")})
    with pytest.raises(HostError, match=r"unsignable\.dylib cannot be signed again.*unsupported format"):
        sign_again(prefix, commands=ProcessRunner(), env=environment(tools))


def test_without_codesign_changed_binaries_are_refused(prefix: Path):
    add(prefix, "python", {"lib/a.dylib": (MACH_O, "binary")})
    with pytest.raises(HostError) as refused:
        sign_again(prefix, commands=ProcessRunner(), env={"PATH": "/nowhere"})
    assert "codesign" in refused.value.message
    assert "macOS" in refused.value.hint


def test_without_changed_binaries_nothing_is_asked_of_codesign(prefix: Path, tools: Path):
    add(prefix, "python", {"lib/plain.dylib": (MACH_O, None)})
    (prefix / "lib/link.dylib").symlink_to("plain.dylib")
    assert sign_again(prefix, commands=ProcessRunner(), env=environment(tools)) == ()
    assert calls(tools) == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"paths_data": {"paths": [{"file_mode": "binary"}]}}'])
def test_a_record_that_does_not_say_what_was_linked_is_refused(prefix: Path, text: str):
    (prefix / "conda-meta/x.json").write_text(text)
    with pytest.raises(IntegrityError):
        rewritten_binaries(prefix)
