from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.catalog import load
from pipeline.errors import UsageError
from pipeline.make.part_versions import read_versions
from pipeline.model.recipe import LicenseFile, VersionText

HEADER = "#define X_VERSION_MAJOR 3   // a comment\n#define X_VERSION_MINOR 12\n"
PATTERN = r"X_VERSION_MAJOR (\d+)[^\n]*\n#define X_VERSION_MINOR (\d+)"


def part(**version: str) -> LicenseFile:
    text = VersionText(path="x.h", pattern=PATTERN).model_copy(update=version)
    return LicenseFile(name="x", spdx="MIT", path="LICENSE", version=text)


def test_a_version_is_what_the_groups_match_joined_by_dots(tmp_path: Path):
    (tmp_path / "x.h").write_text(HEADER)
    bare = LicenseFile(name="y", spdx="MIT", path="LICENSE")
    assert read_versions([part(), bare], tmp_path) == {"x": "3.12"}


@pytest.mark.parametrize("version", [{"path": "gone.h"}, {"pattern": "Y_VERSION (.)"}])
def test_a_version_that_the_source_no_longer_says_stops_the_build(tmp_path: Path, version: dict[str, str]):
    (tmp_path / "x.h").write_text(HEADER)
    with pytest.raises(UsageError, match="version of x"):
        read_versions([part(**version)], tmp_path)


@pytest.mark.parametrize("pattern", ["(", "no group"])
def test_a_pattern_that_can_match_no_version_is_refused(pattern: str):
    with pytest.raises(ValidationError):
        VersionText(path="x.h", pattern=pattern)


def test_the_patterns_of_the_shipped_recipe_read_what_those_headers_say(recipes_dir: Path, tmp_path: Path):
    """The lines are those of the headers in b11434."""
    lines = {
        "vendor/cpp-httplib/httplib.h": '#define CPPHTTPLIB_VERSION "0.59.0"\n',
        "vendor/nlohmann/json.hpp": (
            "#define NLOHMANN_JSON_VERSION_MAJOR 3   // NOLINT(modernize-macro-to-enum)\n"
            "#define NLOHMANN_JSON_VERSION_MINOR 12  // NOLINT(modernize-macro-to-enum)\n"
            "#define NLOHMANN_JSON_VERSION_PATCH 0   // NOLINT(modernize-macro-to-enum)\n"
        ),
        "vendor/hash/xxhash/xxhash.h": (
            "#define XXH_VERSION_MAJOR    0\n#define XXH_VERSION_MINOR    8\n#define XXH_VERSION_RELEASE  3\n"
        ),
        "vendor/stb/stb_image.h": "/* stb_image - v2.30 - public domain image loader\n",
        "vendor/miniaudio/miniaudio.h": (
            "#define MA_VERSION_MAJOR    0\n#define MA_VERSION_MINOR    11\n#define MA_VERSION_REVISION 25\n"
        ),
    }
    for path, text in lines.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert read_versions(load(recipes_dir).engine("llama.cpp").licenses, tmp_path) == {
        "cpp-httplib": "0.59.0",
        "nlohmann-json": "3.12.0",
        "xxhash": "0.8.3",
        "stb_image": "2.30",
        "miniaudio": "0.11.25",
    }
