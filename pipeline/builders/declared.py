"""The options that a CMake source declares, read from its files: nothing is configured, so it holds on every platform.

What CMake itself kept is the last word, and is looked at after configuring; a Metal or a SYCL backend cannot be
configured where its compiler is not, and its options can be read there all the same.
"""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAME = r"([A-Za-z_$][\w${}]*)"
_COMMENT = re.compile(r'(?m)^((?:[^"#\n]|"[^"\n]*")*)#.*$')
_DECLARED = (
    re.compile(rf"(?i)\b(?:cmake_dependent_)?option\s*\(\s*{_NAME}"),
    re.compile(rf'(?i)\bset\s*\(\s*{_NAME}\s(?:"(?:[^"\\]|\\.)*"|[^()"])*?\bCACHE\s'),
    re.compile(rf"(?i)\bfind_(?:file|library|path|program)\s*\(\s*{_NAME}"),
)
_PACKAGE = re.compile(rf"(?i)\bfind_package\s*\(\s*{_NAME}")
_VARIABLE = re.compile(r"\$\{[^}]*\}")
_LONGEST_FILE = 4 << 20


class Declared(NamedTuple):
    """What a source lets be set.

    Attributes:
        options: names that stand in it as they are.
        patterns: regular expressions of names that it puts together while it runs (``${type}_FLAGS``).
        packages: that it looks for; their own modules take more variables (``Vulkan_GLSLC_EXECUTABLE``).
    """

    options: frozenset[str]
    patterns: tuple[str, ...]
    packages: frozenset[str]

    def unknown(self, options: Iterable[str]) -> dict[str, list[str]]:
        """Return each option that nothing in the source declares, with the declared names nearest to it.

        CMake's own variables, ``CMAKE_*`` and ``<Package>_ROOT``, and those of packages are declared elsewhere.
        """
        return {
            name: difflib.get_close_matches(name, sorted(self.options), n=3, cutoff=0.7)
            for name in options
            if name not in self.options
            and not name.endswith("_ROOT")
            and not name.startswith(("CMAKE_", *(f"{package}_" for package in self.packages)))
            and not any(re.fullmatch(pattern, name) for pattern in self.patterns)
        }


def declared_options(source: Path) -> Declared:
    """Return what the CMake files below a folder declare."""
    found: set[str] = set()
    packages: set[str] = set()
    for folder, below, files in os.walk(source):
        below[:] = sorted(name for name in below if not name.startswith("."))
        for file in sorted(files):
            if file != "CMakeLists.txt" and not file.endswith(".cmake"):
                continue
            with Path(folder, file).open(encoding="utf-8", errors="replace") as stream:
                text = _COMMENT.sub(r"\1", stream.read(_LONGEST_FILE))
            found.update(name for pattern in _DECLARED for name in pattern.findall(text))
            packages.update(_PACKAGE.findall(text))
    return Declared(
        options=frozenset(name for name in found if "$" not in name) | {"BUILD_SHARED_LIBS"},
        patterns=tuple(sorted({_pattern(name) for name in found if "$" in name})),
        packages=frozenset(packages),
    )


def _pattern(name: str) -> str:
    """Return a name with variables in it as a regular expression; one of nothing else says nothing, and is left out."""
    parts = _VARIABLE.split(name)
    return r"\w+".join(re.escape(part) for part in parts) if any(parts) else r"(?!)"
