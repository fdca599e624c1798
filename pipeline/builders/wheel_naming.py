"""What a wheel is called: project, version and platform tag, from what was measured. Pure.

Rules: "Names and normalization", "Version specifiers" and "Platform compatibility tags" (packaging.python.org); PEP 600
for manylinux.
"""

from __future__ import annotations

import fnmatch
import re
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from pipeline.errors import UsageError
from pipeline.names import version_key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.model.binary import BinaryCard

_MACHINES = {
    "linux-x86_64": "x86_64",
    "linux-arm64": "aarch64",
    "macos-arm64": "arm64",
    "macos-x86_64": "x86_64",
    "windows-x86_64": "amd64",
    "windows-arm64": "arm64",
}
# PEP 600 has no tag below these: the oldest systems that pip knows for a machine.
_LOWEST_GLIBC = {"x86_64": 5, "aarch64": 17}
# What a manylinux tag promises of a host: auditwheel, manylinux-policy.json, the same from manylinux_2_28 on.
MANYLINUX_LIBRARIES = (
    "ld-linux-*.so.*", "libICE.so.6", "libGL.so.1", "libSM.so.6", "libX11.so.6", "libXext.so.6", "libXrender.so.1",
    "libatomic.so.1", "libanl.so.1", "libc.so.6", "libdl.so.2", "libexpat.so.1", "libgcc_s.so.1",
    "libglib-2.0.so.0", "libgobject-2.0.so.0", "libgthread-2.0.so.0", "libm.so.6", "libmvec.so.1", "libnsl.so.1",
    "libpthread.so.0", "libresolv.so.2", "librt.so.1", "libstdc++.so.6", "libutil.so.1", "libz.so.1",
)  # fmt: skip
# auditwheel's manylinux policies: the highest version of each kind of symbol that distributions with glibc 2.<number>
# have, on both machines.
_GLIBC_OF: dict[str, dict[str, int]] = {
    "GLIBCXX": {
        "3.4.8": 5, "3.4.13": 12, "3.4.19": 17, "3.4.22": 24, "3.4.24": 27, "3.4.28": 31, "3.4.29": 34, "3.4.30": 35,
        "3.4.33": 39,
    },
    "CXXABI": {
        "1.3.1": 5, "1.3.3": 12, "1.3.7": 17, "1.3.10": 24, "1.3.11": 27, "1.3.12": 31, "1.3.13": 34, "1.3.15": 39,
    },
    "GCC": {"4.2.0": 5, "4.3.0": 12, "4.8.0": 17, "7.0.0": 27, "11.0": 34, "12.0.0": 35, "14.0.0": 39},
}  # fmt: skip
_SYMBOL = re.compile(r"(GLIBC|GLIBCXX|CXXABI|GCC)_(\d+(?:\.\d+)*)")
_LEADING = re.compile(r"[A-Za-z]+(?=\d)")


def project_name(engine: str, accel: str) -> str:
    """Return the project of a bundle: ``engine-llama-cpp-cpu``, ``engine-llama-cpp-cuda-13-0``."""
    return canonicalize_name(f"engine-{engine}-{accel}")


def package_name(project: str) -> str:
    """Return the folder and module of a project: ``engine_llama_cpp_cpu``."""
    return project.replace("-", "_")


def project_version(version: str) -> str:
    """Return what upstream calls a version as the index writes it: ``b11434`` is ``11434``.

    Raises:
        UsageError: there is no number in it that could be one.
    """
    try:
        return str(Version(_LEADING.sub("", version, count=1) if _LEADING.match(version) else version))
    except InvalidVersion as error:
        raise UsageError(
            f"{version} is no version that a wheel can have", hint="a wheel needs one as 11434 or 0.32.2 (PEP 440)"
        ) from error


def platform_tag(platform: str, *, symbols: Iterable[str], macos: str | None) -> str:
    """Return the tag of the oldest systems that files run on.

    Args:
        platform: of the contract's names.
        symbols: versions of symbols that the files need, ``GLIBC_2.34``, ``GLIBCXX_3.4.30``, ``CXXABI_1.3.9``; on
            Linux. Those of the compiler's libraries are of distributions that have a glibc of their own: with 2.34
            there is no GLIBCXX newer than 3.4.29.
        macos: lowest version that was measured, ``13.3``; on macOS. From macOS 11 on tags know whole versions alone
            (packaging.tags.mac_platforms), so 13.3 becomes 14.0: a tag of 13.0 would be a promise that nobody checked.

    Raises:
        UsageError: nothing was measured, or the platform has no tag.
    """
    system, machine = platform.partition("-")[0], _MACHINES.get(platform, "")
    if system == "windows":
        return f"win_{machine}"
    if system == "macos" and macos:
        return f"macosx_{_whole_macos(macos)}_{machine}"
    found = [(match[1], match[2]) for symbol in symbols if (match := _SYMBOL.fullmatch(symbol))]
    if system == "linux" and any(kind == "GLIBC" for kind, _ in found):
        minor = max(_LOWEST_GLIBC[machine], *(_glibc_of(kind, version) for kind, version in found))
        return f"manylinux_2_{minor}_{machine}"
    what = {"macos": "lowest macOS", "linux": "lowest glibc"}.get(system, "platform")
    raise UsageError(
        f"the {what} of a bundle for {platform} is not known, so no tag would be true",
        hint="build the bundle anew; its manifest entry then has what was measured",
    )


def needed_symbols(cards: Iterable[BinaryCard]) -> tuple[str, ...]:
    """Return every version of a symbol that binaries need, sorted."""
    return tuple(sorted({need for card in cards for needs in card.version_needs.values() for need in needs}))


def beyond_tag(platform: str, libraries: Iterable[str]) -> tuple[str, ...]:
    """Return the libraries that a host must bring and that no manylinux tag promises, sorted; none off Linux."""
    if not platform.startswith("linux-"):
        return ()
    promised = MANYLINUX_LIBRARIES
    return tuple(sorted(name for name in libraries if not any(fnmatch.fnmatchcase(name, glob) for glob in promised)))


def _glibc_of(kind: str, version: str) -> int:
    """Return the second number of the oldest glibc that comes with a symbol's version."""
    if kind == "GLIBC":
        return version_key(version)[1][0]
    for known, minor in _GLIBC_OF[kind].items():
        if version_key(version) <= version_key(known):
            return minor
    raise UsageError(
        f"{kind}_{version} is newer than what any tag promises", hint="build with an older compiler, or wait for one"
    )


def _whole_macos(floor: str) -> str:
    major, *rest = (number for number, _ in version_key(floor))
    if major < 11:  # before that minor versions are whole ones
        return f"{major}_{rest[0] if rest else 0}"
    return f"{major + 1 if any(rest) else major}_0"
