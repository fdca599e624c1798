"""Small wheels made by hand, right unless a test says otherwise."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.digest import sha256_bytes
from pipeline.model.environment import WheelFile

if TYPE_CHECKING:
    from pathlib import Path

_TIME = (2023, 11, 14, 22, 13, 20)


@dataclass(frozen=True)
class SmallWheel:
    """What a wheel holds.

    Attributes:
        name: of the project, as the wheel's name has it.
        version: of it.
        files: path in the wheel to bytes, beside the metadata.
        tag: of name and WHEEL file.
        metadata: more lines of METADATA.
        scripts: name to ``module:function``.
        executable: files with an executable bit.
        record: lines of RECORD that stand instead of the right ones, path to line; empty leaves the line out.
        says: name and version that METADATA has, None for the right ones.
    """

    name: str
    version: str = "1.0"
    files: dict[str, bytes] = field(default_factory=dict)
    tag: str = "py3-none-any"
    metadata: str = "License-Expression: MIT\n"
    scripts: dict[str, str] = field(default_factory=dict)
    executable: tuple[str, ...] = ()
    record: dict[str, str] = field(default_factory=dict)
    says: tuple[str, str] | None = None

    @property
    def filename(self) -> str:
        """Name of the file."""
        return f"{self.name}-{self.version}-{self.tag}.whl"

    def write(self, folder: Path) -> WheelFile:
        """Write the file; return how it would be locked."""
        info = f"{self.name}-{self.version}.dist-info"
        name, version = self.says or (self.name, self.version)
        files = {
            **self.files,
            f"{info}/METADATA": f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{self.metadata}".encode(),
            f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {self.tag}\n".encode(),
        }
        if self.scripts:
            listed = "".join(f"{script} = {target}\n" for script, target in self.scripts.items())
            files[f"{info}/entry_points.txt"] = f"[console_scripts]\n{listed}".encode()
        lines = {path: f"{path},sha256={_digest(data)},{len(data)}\n" for path, data in files.items()}
        lines |= {f"{info}/RECORD": f"{info}/RECORD,,\n", **self.record}
        files[f"{info}/RECORD"] = "".join(lines.values()).encode()
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / self.filename
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
            for member, data in files.items():
                entry = zipfile.ZipInfo(member, _TIME)
                entry.external_attr = (0o100755 if member in self.executable else 0o100644) << 16
                wheel.writestr(entry, data)
        data = path.read_bytes()
        project = self.name.replace("_", "-").lower()
        return WheelFile(
            project=project,
            version=self.version,
            filename=self.filename,
            sha256=sha256_bytes(data),
            size_bytes=len(data),
        )


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
