"""A recipe folder for the tiny engine under tests/fixtures: everything real but the size."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

FIXTURE = Path(__file__).resolve().parent.parent / "fixtures" / "tiny-engine"

ENGINE = """
schema_version = 1
name = "tiny-engine"
repository = "example/tiny-engine"
default_release = "t2"
base = "cpu"
platforms = ["linux-x86_64"]
system_libraries = ["libc.so.6", "libm.so.6", "libgcc_s.so.1", "libstdc++.so.6", "libdl.so.2", "ld-linux-x86-64.so.2"]

[minimum_tools]
cmake = "3.20"
ninja = "1.10"

[entry_points]
tiny-server = "bin/tiny-server"

[[releases]]
version = "t2"
build_number = 2
released = "2026-01-02T03:04:05Z"
source = {{ kind = "local_tree", path = "{source}" }}

[[releases]]
version = "t1"
build_number = 1
released = "2026-01-01T03:04:05Z"
source = {{ kind = "local_tree", path = "{source}" }}

[options]
CMAKE_BUILD_TYPE = "Release"
CMAKE_INSTALL_RPATH = "$ORIGIN"
CMAKE_BUILD_WITH_INSTALL_RPATH = "ON"

[options_with_pin]
TINY_BUILD_NUMBER = "{{build_number}}"
TINY_COMMIT = "{{commit}}"

[core]
role = "core"
cmake_targets = ["tiny-server"]
outputs = ["tiny-server", "libtiny.so*"]
outputs_on = {{ macos = ["tiny-server", "libtiny.*dylib"], windows = ["tiny-server.exe", "tiny.dll"] }}
unity = {{ tiny = 0 }}

[core.options]
TINY_BACKEND = "OFF"

[archives]
licenses = ["LICENSE*"]
macos_floor = "13.3"

[archives.system_libraries]
linux = ["libc.so.6", "libm.so.6", "libgcc_s.so.1", "libstdc++.so.6", "libdl.so.2", "ld-linux-*.so.*"]

[proof]
server = "tiny-server"
version_args = ["--version"]
version_pattern = 'build {{build_number}}\\b'
device_program = "tiny-server"
device_args = ["--list-devices"]
server_args = ["--model", "{{model}}", "--host", "{{host}}", "--port", "{{port}}"]
model = "none"
prompt = "Say something."
minimum_tokens = 16
ready_timeout_seconds = 20

[[licenses]]
name = "tiny-engine"
spdx = "MIT"
path = "LICENSE"
"""

ACCELERATOR = """
schema_version = 1
name = "cpu"
kind = "cpu"
platforms = ["linux-x86_64"]
expect_devices = ["^CPU$"]

[engines.tiny-engine]
role = "backend"
cmake_targets = ["tiny-cpu"]
outputs = ["libtiny-cpu.so"]
outputs_on = { windows = ["tiny-cpu.dll"] }

[engines.tiny-engine.options]
TINY_BACKEND = "ON"

[archives.tiny-engine]
backend = ["libtiny-cpu.so"]
"""

# What the shipped toolchains build of llama.cpp they build of the tiny engine too, in the same ways.
_CROSS_ENGINE = re.compile(
    r"""(\[\[targets[.]engines[.])"llama[.]cpp"\]\]\n(?:[a-z_]+ = .*\n)+"""
    r"""\n\[targets[.]engines[.]"llama[.]cpp"[.]options\]\n(?:\w+ = .*\n)+"""
)

MODEL = """
schema_version = 1
name = "none"
filename = "none.gguf"
sha256 = "{zeros}"
size_bytes = 1
license = "none"

[[parts]]
package = "none"
filename = "none-1.0-py3-none-any.whl"
sha256 = "{zeros}"
size_bytes = 1
member = "none/none.gguf"
"""


def copy_source(folder: Path) -> Path:
    """Copy the tiny engine's source to ``folder`` and return it."""
    return shutil.copytree(FIXTURE, folder)


def write_recipes(folder: Path, source: Path) -> Path:
    """Write a recipe folder for the tiny engine, with ``source`` as its local tree, and return it."""
    for name in ("engines", "accelerators", "models"):
        (folder / name).mkdir(parents=True)
    (folder / "engines" / "tiny-engine.toml").write_text(ENGINE.format(source=source))
    (folder / "accelerators" / "cpu.toml").write_text(ACCELERATOR)
    (folder / "models" / "none.toml").write_text(MODEL.format(zeros="0" * 64))
    return folder


def write_toolchains(folder: Path, recipes: Path) -> Path:
    """Add the toolchains of ``recipes`` to a recipe folder, for the tiny engine instead of llama.cpp.

    What is one program there is the accelerator ``avx2`` here too.
    """
    (folder / "accelerators" / "avx2.toml").write_text(ACCELERATOR.replace('name = "cpu"', 'name = "avx2"'))
    (folder / "toolchains").mkdir()
    for path in recipes.glob("toolchains/*.toml"):
        text = _CROSS_ENGINE.sub(_for_the_tiny_engine, path.read_text())
        assert "llama.cpp" not in text.replace("llama.cpp's", "")
        (folder / "toolchains" / path.name).write_text(text)
    return folder


def _for_the_tiny_engine(match: re.Match[str]) -> str:
    part = f"{match[1]}tiny-engine]]\n"
    if "linked = true" not in match[0]:
        return f'{part}accelerators = ["cpu"]\n'
    options = 'options = { BUILD_SHARED_LIBS = "OFF" }'
    return f'{part}accelerators = ["avx2"]\ncore_outputs = ["tiny-server.exe"]\nlinked = true\n{options}\n'


def write_model(path: Path) -> Path:
    """Write what the tiny engine takes for a model."""
    path.write_bytes(b"GGUF and so on")
    return path
