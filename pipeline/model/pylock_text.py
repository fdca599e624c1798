"""Writes pylock files (PEP 751): wheels by file name, size and sha256."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.model.environment import WheelFile

_MARKERS = {
    "macos": "sys_platform == 'darwin'",
    "linux": "sys_platform == 'linux'",
    "windows": "sys_platform == 'win32'",
}
_MACHINES = {"linux-arm64": "aarch64", "windows-x86_64": "AMD64", "windows-arm64": "ARM64"}


def pylock_body(
    wheels: Iterable[WheelFile], *, python: str, platform: str, urls: Mapping[str, str] | None = None
) -> str:
    """Return a pylock file for one platform.

    Args:
        wheels: sorted by project.
        python: ``3.14``.
        platform: of the contract's names.
        urls: file name to url; None for wheels that lie beside the file.
    """
    system, _, machine = platform.partition("-")
    marker = f"{_MARKERS[system]} and platform_machine == '{_MACHINES.get(platform, machine)}'"
    lines = [
        'lock-version = "1.0"',
        f"environments = [{_text(marker)}]",
        f"requires-python = {_text(f'=={python}.*')}",
        'created-by = "engine-pipeline"',
    ]
    for wheel in wheels:
        place = f"path = {_text(wheel.filename)}"
        if urls is not None:
            place = f"name = {_text(wheel.filename)}, url = {_text(urls[wheel.filename])}"
        lines += [
            "",
            "[[packages]]",
            f"name = {_text(wheel.project)}",
            f"version = {_text(wheel.version)}",
            f"wheels = [{{ {place}, size = {wheel.size_bytes}, hashes = {{ sha256 = {_text(wheel.sha256)} }} }}]",
        ]
    return "\n".join(lines) + "\n"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)  # a basic string of TOML
