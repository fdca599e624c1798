"""Keys are a promise to every cache there is: this plan has had these keys since the formats in plan/keys.py were set.

A change here throws every cached result of every user away. If that is meant, raise the format of the stage that
changed and write the new keys down: `python tests/golden/test_keys.py > tests/golden/keys.json`.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1])] if __name__ == "__main__" else []

from pipeline.catalog import load  # noqa: E402
from pipeline.catalog import locked_environment as locked  # noqa: E402
from pipeline.model.host import Tool  # noqa: E402
from pipeline.names import parse_target  # noqa: E402
from pipeline.plan import BuildRequest, PlanInputs, make_plan  # noqa: E402
from tests.simulators import locked_environment, tiny_engine  # noqa: E402

NAMES = ("cc", "cxx", "cmake", "ninja", "strip", "objcopy")
SOURCE = "/somewhere/source"
INPUTS = PlanInputs(
    platform="linux-x86_64",
    glibc="2.36",
    tools={name: Tool(name=name, path=f"/usr/bin/{name}", version="1.2.3", vendor="gcc") for name in NAMES},
    local_trees={SOURCE: "5" * 64},
)


MAC_TOOLS = {"cc": "apple-clang", "cxx": "apple-clang"} | dict.fromkeys(
    ("ld", "sdk", "cmake", "ninja", "dsymutil", "strip", "codesign"), ""
)
MAC_INPUTS = replace(
    INPUTS,
    platform="macos-arm64",
    glibc=None,
    tools={name: Tool(name=name, path=f"/{name}", version="1.2.3", vendor=maker) for name, maker in MAC_TOOLS.items()},
)
NATIVE = """
[native.macos-arm64]
tools = ["ld", "sdk"]
separation = "apple"
link_flags = ["-Wl,-reproducible"]
options = { CMAKE_OSX_DEPLOYMENT_TARGET = "{macos_floor}", CMAKE_OSX_SYSROOT = "{sdk}" }
"""


def mac_keys(recipes: Path) -> dict[str, str]:
    """Return step name to key of a plan for the tiny engine on a Mac, of what is not the same on every machine."""
    folder = tiny_engine.write_recipes(recipes / "recipes", Path(SOURCE))
    for path in (folder / "engines/tiny-engine.toml", folder / "accelerators/cpu.toml"):
        text = path.read_text().replace('["linux-x86_64"]', '["linux-x86_64", "macos-arm64"]')
        path.write_text(
            text.replace("[archives.system_libraries]", '[archives.system_libraries]\nmacos = ["/usr/lib/*"]')
        )
    engine = folder / "engines/tiny-engine.toml"
    engine.write_text(engine.read_text() + NATIVE)
    target = parse_target("tiny-engine/macos-arm64-cpu")
    steps = make_plan(BuildRequest((target,), prove="none"), load(folder), MAC_INPUTS).steps
    return {step.name: step.key for step in steps if "macos-arm64" in step.name}


def keys(recipes: Path) -> dict[str, str]:
    """Return step name to key of a plan for the tiny engine and a small environment."""
    folder = locked_environment.write_recipes(tiny_engine.write_recipes(recipes / "recipes", Path(SOURCE)))
    locked_environment.TinyEnvironment().write(recipes / "envs")
    catalog = load(folder)
    environment = parse_target("tiny-mlx/macos-arm64-mlx")
    inputs = replace(INPUTS, environments={str(environment): locked(catalog, environment)})
    targets = (parse_target("tiny-engine/linux-x86_64-cpu"), environment)
    here = {step.name: step.key for step in make_plan(BuildRequest(targets), catalog, inputs).steps}
    return {**here, **mac_keys(recipes / "mac")}


def test_keys_are_what_they_were(tmp_path):
    assert keys(tmp_path) == json.loads((HERE / "keys.json").read_text())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(keys(Path(folder)), indent=2))
