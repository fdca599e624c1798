"""Makes the wheel of a source distribution with scikit-build-core: without a network, resumable, tagged as measured."""

from __future__ import annotations

import json
import shutil
import zipfile
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipeline import builders
from pipeline.builders import cmake, scikit_build
from pipeline.builders.wheel_backend import make_wheel, require_backend
from pipeline.builders.wheel_naming import needed_symbols, platform_tag
from pipeline.errors import BuildError, HostError, ProofError
from pipeline.events import StepProgress
from pipeline.make.compile_places import compilers_at_once, refuse_changed, refuse_unknown, vendor_of_compilers
from pipeline.make.compiler_cache import compiler_cache, with_a_second_try
from pipeline.make.linkage import check_linkage, read_cards
from pipeline.make.outputs import Outputs, Results, made, verified_tree
from pipeline.make.work_folder import goes_on, settle
from pipeline.model.counts import counted, sized
from pipeline.ports import Command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import JsonValue

    from pipeline.make.compiler_cache import CompilerCache
    from pipeline.make.linkage import Linkage
    from pipeline.model.plan import Step
    from pipeline.model.wheel_actions import BuildWheel
    from pipeline.ports import Services

_NO_BUILD = "CMake could not configure the source"
_RENAMED = "its llama.cpp renamed or dropped it: correct the recipe's options"


class _Build(NamedTuple):
    """What all parts of one build look at."""

    action: BuildWheel
    services: Services
    step: str
    work: Path
    paths: cmake.Paths
    env: Mapping[str, str]
    log_path: Path
    cache: CompilerCache


def build_wheel(action: BuildWheel, step: Step, services: Services, results: Results, work: Path) -> Outputs:
    """Make a wheel; the work folder stays when anything goes wrong, and the next run goes on in it.

    It is made twice, the second time under the tag that the files of the first one call for: only what was linked says
    which glibc and libstdc++ it needs. The second time nothing is compiled.

    Raises:
        UsageError: an option is not one that the source knows.
        HostError: a tool or scikit-build-core is missing.
        BuildError: a compiler or scikit-build-core failed.
        ProofError: a library needs what no tag allows, or was compiled for more than the recipe says.
    """
    require_backend()
    paths = _paths(services, work)
    log_path = services.store.log_path(step.name)
    _begin(action, "\n".join((step.key, *paths)), results, services, work, log_path)
    Path(paths.unity).write_bytes(resources.files(builders).joinpath("unity.cmake").read_bytes())
    jobs = str(compilers_at_once(services))
    with compiler_cache(services, work) as cache:
        env = scikit_build.environment(
            services.base_env,
            epoch_seconds=action.epoch_seconds,
            programs=[str(Path(paths.cmake).parent), str(Path(paths.ninja).parent)],
            more={"CMAKE_GENERATOR": "Ninja", "CMAKE_BUILD_PARALLEL_LEVEL": jobs, **cache.environment},
        )
        build = _Build(action, services, step.name, work, paths, env, log_path, cache)
        options = _known_options(build)
        settings = _settings(build, options)
        measured, symbols = _measure(build, _make(build, settings))
        tag = platform_tag(action.platform, symbols=symbols, macos=measured.macos)
        cpu = _cpu(build)
        wheel = _make(build, {**settings, "wheel.tags": f"py3-none-{tag}"})
        hits, misses = cache.counts()
    blob = services.store.add_blob(wheel, filename=wheel.name)
    cached = f", {hits} of {hits + misses} from the compiler cache" if hits else ""
    requires: dict[str, JsonValue] = {
        "glibc": measured.glibc,
        "libstdcxx": measured.libstdcxx,
        "libraries": [*measured.libraries],
        "cpu": [*cpu],
    }
    facts: dict[str, JsonValue] = {
        "filename": blob.filename,
        "tag": tag,
        "requires": requires,
        "options": dict(sorted(options.items())),
        "toolchain": dict(sorted(action.toolchain.items())),
    }
    summary = f"{blob.filename}: {sized(blob.size_bytes)}, {counted(measured.files, 'library', 'libraries')}{cached}"
    return made(blobs={"wheel": blob}, facts=facts, summary=summary)


def _paths(services: Services, work: Path) -> cmake.Paths:
    tools = {name: services.host.tool(name) for name in ("cc", "cxx", "cmake", "ninja")}
    missing = [name for name, tool in tools.items() if tool is None]
    if missing:
        raise HostError(f"{missing[0]} is gone since the plan was made", hint="run again")
    path = {name: tool.path for name, tool in tools.items() if tool}
    return cmake.Paths(source=str(work / "source"), build=str(work / "build"), unity=str(work / "unity.cmake"), **path)


def _begin(action: BuildWheel, identity: str, results: Results, services: Services, work: Path, log_path: Path) -> None:
    """Lay out a copy of the source, which the project installs into; go on in what an interrupted run left."""
    if goes_on(identity, work, log_path):
        return
    shutil.copytree(verified_tree(results[action.source].trees["source"], services), work / "source", symlinks=True)
    for project, variables in action.variables.items():
        lines = [f'set({name} "{value}")\n' for name, value in sorted(variables.items())]
        _variables_path(work, project).write_text("".join(lines), encoding="utf-8")
    settle(identity, work)


def _variables_path(work: Path, project: str) -> Path:
    return work / f"variables-{project}.cmake"


def _definitions(build: _Build, options: Mapping[str, str]) -> dict[str, str]:
    """Return every CMake cache entry of the build: those of any compile, and the recipe's."""
    hooks = {
        f"CMAKE_PROJECT_{project}_INCLUDE": str(_variables_path(build.work, project))
        for project in build.action.variables
    }
    argv = cmake.configure_argv(
        build.paths,
        options={**options, **hooks},
        unity="",
        compile_flags=build.action.compile_flags,
        link_flags=build.action.link_flags,
        launcher=build.cache.launcher,
        languages={},
        vendor=vendor_of_compilers(build.services),
    )
    pairs = (argument.removeprefix("-D").partition("=") for argument in argv if argument.startswith("-D"))
    return {name: value for name, _, value in pairs}


def _known_options(build: _Build) -> dict[str, str]:
    """Configure once, apart and in seconds, and return the options that the source knows.

    Raises:
        UsageError: it does not know one that it must.
        BuildError: CMake failed, or took another value.
    """
    wanted = {**build.action.options_if_known, **build.action.options}
    probe = build.work / "probe"
    shutil.rmtree(probe, ignore_errors=True)
    definitions = _definitions(build, wanted)
    entries = (f"-D{name}={value}" for name, value in sorted(definitions.items()))
    argv = (build.paths.cmake, "-S", build.paths.source, "-B", str(probe), "-G", "Ninja", *entries)
    outcome = build.services.commands.run(Command(argv, cwd=build.work, env=build.env), log_path=build.log_path)
    if outcome.exit_code:
        said = cmake.first_error(outcome.tail) or next(iter(outcome.tail[-1:]), "it said nothing")
        raise BuildError(f"{_NO_BUILD}: {said}", hint=f"the whole log is {build.log_path}")
    cache = cmake.parse_cache((probe / "CMakeCache.txt").read_text(encoding="utf-8"))
    shutil.rmtree(probe)
    unknown = cmake.unknown_options(wanted, cache)
    missing = {name: near for name, near in unknown.items() if name in build.action.options}
    refuse_unknown(f"{build.action.project} {build.action.version}", missing, hint=_RENAMED)
    known = {name: value for name, value in wanted.items() if name not in unknown}
    refuse_changed("the source takes", known, cache, hint="correct the recipe's option")
    return known


def _settings(build: _Build, options: Mapping[str, str]) -> dict[str, str | Sequence[str]]:
    return {
        "build-dir": build.paths.build,
        "wheel.reproducible": "true",
        "wheel.exclude": build.action.exclude,
        "wheel.license-files": build.action.license_files,
        **{f"cmake.define.{name}": value for name, value in _definitions(build, options).items()},
    }


def _make(build: _Build, settings: Mapping[str, str | Sequence[str]]) -> Path:
    errors: list[str] = []

    def on_line(line: str) -> None:
        build.cache.look_after()
        if progress := cmake.parse_progress(line):
            done, total, detail = progress
            build.services.events.emit(StepProgress(build.step, done, total, "objects", detail.rpartition(" ")[2]))
        elif error := cmake.first_error([line]):
            errors.append(error)

    def once() -> Path:
        errors.clear()
        source = Path(build.paths.source)
        services, env, log_path = build.services, build.env, build.log_path
        return make_wheel(services, source, build.work, settings, environment=env, log_path=log_path, on_line=on_line)

    try:
        return with_a_second_try(once, build.cache)
    except BuildError as error:
        if errors:
            raise BuildError(errors[0], hint=error.hint) from error
        raise


def _measure(build: _Build, wheel: Path) -> tuple[Linkage, tuple[str, ...]]:
    """Unpack the wheel and read its libraries as the loader would; return also the symbol versions that they need.

    Raises:
        ProofError: one needs a library that is neither in the wheel nor one that its tag allows.
    """
    folder = build.work / "files"
    shutil.rmtree(folder, ignore_errors=True)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)  # made here a moment ago
    cards = read_cards(folder, build.services.binaries)
    if not cards:
        raise ProofError(f"{wheel.name} holds no library", hint="see the log of its build")
    linkage = check_linkage(folder, cards, build.action.system_libraries, platform=build.action.platform)
    return linkage, needed_symbols(cards.values())


def _cpu(build: _Build) -> tuple[str, ...]:
    """Return the instruction set extensions that files were compiled for.

    Raises:
        ProofError: the recipe does not say one of them.
    """
    commands = json.loads((Path(build.paths.build) / "compile_commands.json").read_text(encoding="utf-8"))
    used = {feature for found in cmake.cpu_features(commands).values() for feature in found}
    if beyond := sorted(used - set(build.action.requires_cpu)):
        raise ProofError(
            f"{build.action.project} was compiled for {', '.join(beyond)}, which no recipe says",
            hint="correct requires_cpu in the accelerator's recipe, or its options",
        )
    return tuple(sorted(used))
