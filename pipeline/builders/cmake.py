"""What a component means in CMake's words: pure functions from data to argument lists and back from output to data."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pipeline.model.recipe import Component

_NINJA_STATUS = re.compile(r"^\[(\d+)/(\d+)\] (.*)$")
_CACHE_LINE = re.compile(r"^([A-Za-z0-9_.+-]+):([A-Z]+)=(.*)$")
_COMPILER_ERROR = re.compile(r"^(?P<file>[^:\s][^:]*):(?P<line>\d+):(?:\d+:)? (?:fatal )?error: (?P<text>.*)$")
_OTHER_ERROR = re.compile(
    r"(?:undefined reference to|cannot find -l|fatal error:|virtual memory exhausted"
    r"|ld: error|collect2: error|CMake Error|ninja: error)"
)
# Extensions have names like avx2, sse4.2, amx-int8; other -m flags (-m64, -mcmodel=large) say nothing of them.
_FEATURE_FLAG = re.compile(
    r"(?:^|\s)-m((?:avx|sse|ssse|amx|fma|f16c|bmi|popcnt|lzcnt|aes|sha|gfni|vaes|vpcl|pclmul)[a-z0-9.-]*)(?=\s|$)"
)
_ARCHITECTURE_FLAG = re.compile(r"(?:^|\s)-m(?:arch|cpu)=(\S+)")
_BASELINE_ARCHITECTURES = frozenset({"x86-64", "armv8-a", "generic"})
NINJA_STATUS = "[%f/%t] "
MAPPED_TO = ("/src", "/build", "/toolkit")
"""What the folders of the source, the build and the toolkit are called in everything that a compiler writes."""
# Entries that configure_argv sets itself.
RESERVED = frozenset(
    {
        "CMAKE_C_COMPILER", "CMAKE_CXX_COMPILER", "CMAKE_MAKE_PROGRAM", "CMAKE_C_FLAGS", "CMAKE_CXX_FLAGS",
        "CMAKE_EXE_LINKER_FLAGS", "CMAKE_SHARED_LINKER_FLAGS", "CMAKE_MODULE_LINKER_FLAGS", "CMAKE_PROJECT_INCLUDE",
        "CMAKE_EXPORT_COMPILE_COMMANDS", "FETCHCONTENT_FULLY_DISCONNECTED", "ENGINE_PIPELINE_UNITY",
        "CMAKE_C_COMPILER_LAUNCHER", "CMAKE_CXX_COMPILER_LAUNCHER", "CMAKE_CUDA_COMPILER_LAUNCHER",
        "CMAKE_HIP_COMPILER_LAUNCHER", "CMAKE_CUDA_FLAGS", "CMAKE_HIP_FLAGS",
    }
)  # fmt: skip


class Paths(NamedTuple):
    """Absolute folders and programs of one build.

    Attributes:
        toolkit: of the accelerator; empty where there is none.
        toolchain: that compiles; empty for the machine's own compiler.
        sdk: the system's headers and libraries; empty where the compiler has them.
    """

    source: str
    build: str
    unity: str
    cmake: str
    ninja: str
    cc: str
    cxx: str
    toolkit: str = ""
    toolchain: str = ""
    sdk: str = ""


def configure_argv(
    paths: Paths,
    *,
    options: Mapping[str, str],
    unity: str,
    compile_flags: Sequence[str],
    link_flags: Sequence[str],
    launcher: str | None,
    languages: Mapping[Literal["CUDA", "HIP"], Sequence[str]],
    vendor: str = "",
) -> tuple[str, ...]:
    """Return the command that configures a build.

    Absolute paths are mapped away in everything a compiler writes, so that the place of a build leaves no trace.
    """
    maps, link_maps = prefix_maps(paths, vendor=vendor)
    flags = " ".join(_quoted(flag) for flag in [*compile_flags, *maps])
    linking = " ".join([*link_flags, *map(_quoted, link_maps)])
    entries = {
        **options,
        "CMAKE_C_COMPILER": paths.cc,
        "CMAKE_CXX_COMPILER": paths.cxx,
        "CMAKE_MAKE_PROGRAM": paths.ninja,
        "CMAKE_C_FLAGS": flags,
        "CMAKE_CXX_FLAGS": flags,
        "CMAKE_EXE_LINKER_FLAGS": linking,
        "CMAKE_SHARED_LINKER_FLAGS": linking,
        "CMAKE_MODULE_LINKER_FLAGS": linking,
        "CMAKE_EXPORT_COMPILE_COMMANDS": "ON",
        "CMAKE_PROJECT_INCLUDE": paths.unity,
        "ENGINE_PIPELINE_UNITY": unity,
        "FETCHCONTENT_FULLY_DISCONNECTED": "ON",
    }
    for language, added in languages.items():
        plain = _plain_maps(paths)
        host_flags = [f"-Xcompiler={flag}" for flag in plain] if language == "CUDA" else plain
        entries[f"CMAKE_{language}_FLAGS"] = " ".join(_quoted(flag) for flag in [*added, *host_flags])
    if launcher:
        entries |= {f"CMAKE_{language}_COMPILER_LAUNCHER": launcher for language in ("C", "CXX", *languages)}
    definitions = [f"-D{name}={value}" for name, value in sorted(entries.items())]
    return (paths.cmake, "-S", paths.source, "-B", paths.build, "-G", "Ninja", *definitions)


def prefix_maps(paths: Paths, *, vendor: str) -> tuple[list[str], list[str]]:
    """Return the flags that map a build's folders away, of compilers and of linkers.

    They name the very folders that must leave no trace, so they may not be in a compiler cache's keys. gcc hands what
    follows ``-Xpreprocessor`` to the compiler proper (gcc 12, specs: ``%Z`` in cpp_unique_options), and sccache leaves
    it out of its keys as something that shows in the preprocessed text. Link-time optimization, which nobody caches,
    does not see it there. clang's compiler proper knows no such flag.

    Args:
        paths: of the build.
        vendor: of the compilers, as ``model.host.Tool`` has it.
    """
    plain = _plain_maps(paths)
    if vendor != "gcc":
        return plain, []  # CMake gives the compilers' flags to the linker too
    return [word for flag in plain for word in ("-Xpreprocessor", flag)], plain


def _plain_maps(paths: Paths) -> list[str]:
    folders = zip((paths.source, paths.build, paths.toolkit), MAPPED_TO, strict=True)
    more = ((paths.toolchain, "/toolchain"), (paths.sdk, "/sdk"))
    return [f"-ffile-prefix-map={folder}={name}" for folder, name in (*folders, *more) if folder]


def _quoted(flag: str) -> str:
    """Return a flag as CMake's flag variables want it: they go to a shell as they are.

    With double quotes only: CMake takes single quotes off the ends of a cache value (cmCacheManager::ParseEntry).
    """
    return flag if re.fullmatch(r"[\w./:=,+@%-]+", flag) else '"' + re.sub(r'(["\\$`])', r"\\\1", flag) + '"'


def build_argv(paths: Paths, *, targets: Iterable[str], jobs: int) -> tuple[str, ...]:
    """Return the command that builds ``targets`` with at most ``jobs`` compilers at once."""
    return (paths.ninja, "-C", paths.build, "-j", str(jobs), *targets)


def environment(base: Mapping[str, str], *, epoch_seconds: int) -> dict[str, str]:
    """Return the whole environment of a hermetic build.

    Every download is sent to a port on which nothing listens, and git finds no repository: a source tree inside
    somebody's checkout would otherwise be stamped with that checkout's commit.
    """
    nowhere = "http://127.0.0.1:9"
    return {
        **{name: base[name] for name in ("PATH", "HOME", "TMPDIR", "DEVELOPER_DIR") if name in base},
        "LC_ALL": "C",
        "TZ": "UTC",
        "SOURCE_DATE_EPOCH": str(epoch_seconds),
        "NINJA_STATUS": NINJA_STATUS,
        "GIT_DIR": "/nonexistent",
        "ZERO_AR_DATE": "1",  # Apple's ar and ranlib would write the time
        **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), nowhere),
    }


def unity_list(component: Component) -> str:
    """Return the CMake list that unity.cmake reads: ``target=batch,left_out,...`` for each target in it."""
    entries = (
        ",".join([f"{target}={batch}", *component.unity_excluded.get(target, ())])
        for target, batch in sorted(component.unity.items())
    )
    return ";".join(entries)


def parse_progress(line: str) -> tuple[int, int, str] | None:
    """Read a ninja status line; return (finished, total, what), None for any other line."""
    match = _NINJA_STATUS.match(line)
    return (int(match[1]), int(match[2]), match[3]) if match else None


def parse_cache(text: str) -> dict[str, tuple[str, str]]:
    """Read a CMakeCache.txt; return name to (type, value)."""
    matches = (_CACHE_LINE.match(line) for line in text.splitlines())
    return {match[1]: (match[2], match[3]) for match in matches if match}


def unknown_options(options: Iterable[str], cache: Mapping[str, tuple[str, str]]) -> dict[str, list[str]]:
    """Return each option that the source never declared, with the declared names nearest to it.

    CMake keeps a ``-D`` entry that no file declares with the type UNINITIALIZED. Its own variables, ``CMAKE_*`` and
    ``<Package>_ROOT`` (policy CMP0074), are mostly undeclared and not checked, nor are those of a package that it found
    (``MKL_DIR``, ``MKL_THREADING``).
    """
    places = [name for name, (kind, value) in cache.items() if kind == "PATH" and not value.endswith("-NOTFOUND")]
    elsewhere = ("CMAKE_", *(name.removesuffix("DIR") for name in places if name.endswith("_DIR")))
    declared = [name for name, (kind, _) in cache.items() if kind in {"BOOL", "STRING", "PATH", "FILEPATH"}]
    return {
        name: difflib.get_close_matches(name, declared, n=3, cutoff=0.7)
        for name in options
        if not name.startswith(elsewhere)
        and not name.endswith("_ROOT")
        and cache.get(name, ("UNINITIALIZED", ""))[0] == "UNINITIALIZED"
    }


def first_error(lines: Iterable[str]) -> str | None:
    """Return the first error of a compiler (``file:line: text``), a linker or CMake, None when there is none."""
    for line in lines:
        match = _COMPILER_ERROR.match(line)
        if match:
            return f"{match['file']}:{match['line']}: {match['text']}"
        if _OTHER_ERROR.search(line):
            return line.strip()
    return None


def cpu_features(commands: Iterable[Mapping[str, str]]) -> dict[str, frozenset[str]]:
    """Return CMake target to the instruction set extensions its files were compiled with.

    Args:
        commands: entries of compile_commands.json.
    """
    found: dict[str, frozenset[str]] = {}
    for entry in commands:
        match = re.search(r"CMakeFiles/([^/]+)\.dir/", entry["command"])
        if match:
            named = set(_ARCHITECTURE_FLAG.findall(entry["command"])) - _BASELINE_ARCHITECTURES
            # What a whole architecture stands for is not known here: it stands for itself, and no recipe admits it.
            features = frozenset({*_FEATURE_FLAG.findall(entry["command"]), *(f"march={name}" for name in named)})
            found[match[1]] = found.get(match[1], frozenset()) | features
    return found
