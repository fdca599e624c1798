from __future__ import annotations

import re

from pipeline.app.project import manifests_dir, shipped_recipes_dir, version


def test_the_recipes_of_a_checkout_are_found():
    assert (shipped_recipes_dir() / "engines" / "llama.cpp.toml").is_file()
    assert manifests_dir().parent == shipped_recipes_dir().parent


def test_the_version_is_the_project_files():
    assert re.fullmatch(r"\d+\.\d+\.\d+\w*", version())
