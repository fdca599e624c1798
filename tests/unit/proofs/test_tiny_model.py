"""The program that makes a model travels alone: it needs nothing but what the environments have.

What it makes is looked at where MLX is: ``tests/integration/test_mlx_serving.py``.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from pipeline.proofs import tiny_model

THERE = {"mlx", "numpy", "tokenizers"}


def test_it_imports_the_standard_library_and_what_the_environment_has():
    imported = set()
    for node in ast.walk(ast.parse(Path(tiny_model.__file__).read_text())):
        if isinstance(node, ast.Import):
            imported |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
    assert imported - set(sys.stdlib_module_names) == THERE


def test_it_says_how_it_is_called(tmp_path):
    alone = tmp_path / "tiny_model.py"
    alone.write_bytes(Path(tiny_model.__file__).read_bytes())
    said = subprocess.run([sys.executable, "-I", alone], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (1, "usage: tiny_model.py FOLDER\n")


def test_its_weights_fit_each_other():
    shapes = tiny_model.shapes(320)
    assert shapes["lm_head.weight"] == shapes["model.embed_tokens.weight"] == (320, tiny_model.HIDDEN)
    assert len(shapes) == 3 + 9 * tiny_model.LAYERS
    assert sum(shape[0] * (shape[1] if len(shape) > 1 else 1) for shape in shapes.values()) == 127_296
