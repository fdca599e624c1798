"""Which of upstream's CPU variants the shipped recipe takes."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest

from pipeline.app.project import shipped_recipes_dir
from pipeline.catalog import load

X86 = (
    "x64", "sse42", "sandybridge", "ivybridge", "piledriver", "haswell", "skylakex", "cannonlake", "cascadelake",
    "icelake", "cooperlake", "zen4", "alderlake", "sapphirerapids",
)  # fmt: skip
ARM = ("armv8.0_1", "armv8.2_1", "armv8.2_2", "armv8.2_3", "armv8.6_1", "armv8.6_2", "armv9.2_1", "armv9.2_2")
"""Those of b11434, ggml/src/CMakeLists.txt."""


@pytest.mark.parametrize(
    ("system", "name", "variants"),
    [
        ("linux", "libggml-cpu-{}.so", X86),
        ("linux", "libggml-cpu-{}.so", ARM),
        ("windows", "ggml-cpu-{}.dll", X86),
    ],
)
def test_the_one_with_amx_is_left_out_and_no_other(system, name, variants):
    component = load(shipped_recipes_dir()).accelerator("cpu").engines["llama.cpp"]
    globs = component.outputs_on[system]
    left = {one for one in variants if not any(fnmatchcase(name.format(one), glob) for glob in globs)}
    assert left == {"sapphirerapids"} & set(variants)
