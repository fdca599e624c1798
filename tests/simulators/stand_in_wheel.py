"""A wheel of this project's name, made by hand: it runs the project under test with the libraries of the tests."""

from __future__ import annotations

import base64
import hashlib
import sysconfig
import zipfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
_MAIN = """
import sys
if sys.argv[1:] == ["--version"]:
    print({version!r})
    sys.exit()
del sys.modules["pipeline"]
sys.path[:0] = {paths!r}
from pipeline.__main__ import main
sys.exit(main())
"""


def write_wheel(folder: Path, *, version: str = "9.8.7", needs: str = "") -> Path:
    """Write the wheel; ``needs`` is a project that it asks pip for."""
    paths = [str(PROJECT), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    info = f"engine_pipeline-{version}.dist-info"
    requires = f"Requires-Dist: {needs}\n" if needs else ""
    files = {
        "pipeline/__init__.py": "",
        "pipeline/__main__.py": _MAIN.format(version=version, paths=paths),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: engine-pipeline\nVersion: {version}\n{requires}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},sha256={_digest(text)},{len(text)}\n" for name, text in files.items())
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"engine_pipeline-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
        wheel.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
    return path


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
