"""Compiles one component with CMake and Ninja, without a network, resumable, with every word of the compilers kept."""

from __future__ import annotations

import json
import shutil
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import builders
from pipeline.builders import cmake
from pipeline.builders.declared import declared_options
from pipeline.errors import BuildError
from pipeline.make.build_commands import BuildCommands
from pipeline.make.compile_places import (
    compilers_at_once,
    options_of,
    options_of_the_source,
    paths_of,
    refuse_changed,
    refuse_unknown,
    vendor_of_compilers,
)
from pipeline.make.compiler_cache import compiler_cache, with_a_second_try
from pipeline.make.outputs import Outputs, Results, made, verified_tree
from pipeline.make.toolchain import lay_toolchain
from pipeline.make.work_folder import goes_on, settle
from pipeline.model.counts import counted
from pipeline.ports.space import require_space

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pydantic import JsonValue

    from pipeline.make.compiler_cache import CompilerCache
    from pipeline.model.actions import Compile
    from pipeline.model.plan import Step
    from pipeline.ports import Services

INCLUDED = ("unity.cmake", "run_paths.cmake")
"""CMake files of ours that every build includes."""


def compile_component(action: Compile, step: Step, services: Services, results: Results, work: Path) -> Outputs:
    """Compile a component; its output tree holds the files under ``bin/``.

    The work folder stays when anything goes wrong or the process is killed, and the next run goes on in it.

    Raises:
        UsageError: an option is not one that this source knows.
        BuildError: a compiler or the linker failed; the first error and the log's path are named.
        NoSpaceError: the disk is full, or has less free than the recipe says that compiling needs.
    """
    log_path = services.store.log_path(step.name)
    hint = f"compiling {action.component_name} needs it: free some, or name another disk with --cache-dir"
    require_space(work, action.space_bytes, host=services.host, hint=hint)
    paths = paths_of(services, work, action, results)
    identity = "\n".join((step.key, *paths))
    if not goes_on(identity, work, log_path):
        settle(identity, work)
    toolchain = lay_toolchain(action, services, results, work)
    paths = paths._replace(toolchain=toolchain.folder)
    options = options_of(action, paths, toolchain)
    paths = paths._replace(source=str(_source_dir(action, services, results, work)))
    _refuse_unknown(action, declared_options(Path(paths.source)).unknown(options_of_the_source(action)))
    Path(paths.unity).write_bytes(b"".join(resources.files(builders).joinpath(name).read_bytes() for name in INCLUDED))
    env = cmake.environment(services.base_env, epoch_seconds=action.epoch_seconds)
    with compiler_cache(services, work) as cache:
        env |= {**cache.environment, **toolchain.environment}
        run = BuildCommands(services, step.name, env, log_path, work)
        run.on_each_line = cache.look_after
        vendor = "" if action.compilers or action.cross else vendor_of_compilers(services)
        run.to_the_end(_configure_argv(action, paths, options, cache, vendor=vendor), "configure")
        _check_options(action, options, Path(paths.build))
        _build(action, paths, run, cache, jobs=compilers_at_once(services))
        hits, misses = cache.counts()
    facts = _facts(action, Path(paths.build), log_path, run.warnings)
    facts["compiler_cache"] = cache.kind
    if action.web_ui is not None:
        facts["web_ui_lock_sha256"] = results[action.web_ui].facts.get("lock_sha256")
    tree_dir = work / "outputs"
    shutil.rmtree(tree_dir, ignore_errors=True)
    count = _collect(action.component.outputs, Path(paths.build, "bin"), tree_dir / "bin")
    objects = f"{counted(run.objects, 'object')}, " if run.objects else ""
    cached = f"{hits} of {hits + misses} from the compiler cache, " if hits else ""
    summary = f"{objects}{cached}{counted(count, 'file')}, {counted(run.warnings, 'warning')}"
    return made(trees={"compiled": services.store.add_tree(tree_dir)}, facts=facts, summary=summary)


def _configure_argv(
    action: Compile, paths: cmake.Paths, options: Mapping[str, str], cache: CompilerCache, *, vendor: str
) -> tuple[str, ...]:
    return cmake.configure_argv(
        paths,
        options=options,
        unity=cmake.unity_list(action.component),
        compile_flags=action.compile_flags,
        link_flags=action.link_flags,
        launcher=cache.launcher,
        languages=action.component.languages,
        vendor=vendor,
    )


def _build(action: Compile, paths: cmake.Paths, run: BuildCommands, cache: CompilerCache, *, jobs: int) -> None:
    argv = cmake.build_argv(paths, targets=action.component.cmake_targets, jobs=jobs)
    with_a_second_try(lambda: run.to_the_end(argv, "build"), cache)


def _source_dir(action: Compile, services: Services, results: Results, work: Path) -> Path:
    """Return the source in the store, or, with a web interface, a copy that has it in its place."""
    source = verified_tree(results[action.source].trees["source"], services)
    if action.web_ui is None or action.web_ui_place is None:
        return source
    copy = work / "source"
    if not copy.is_dir():
        web_ui = verified_tree(results[action.web_ui].trees["web_ui"], services)
        draft = work / "source.draft"
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(source, draft, symlinks=True)
        shutil.copytree(web_ui, draft / action.web_ui_place)
        draft.rename(copy)  # whole or not there, also after a kill
    return copy


def _refuse_unknown(action: Compile, unknown: Mapping[str, Sequence[str]]) -> None:
    hint = "upstream renamed or dropped it: correct the recipe's options or --cmake-option"
    refuse_unknown(action.component_name, unknown, hint=hint)


def _check_options(action: Compile, options: Mapping[str, str], build_dir: Path) -> None:
    """Hold what CMake keeps against what it was told.

    Raises:
        UsageError: an option is not one that this source knows.
        BuildError: CMake took another value, for example because the source forces it.
    """
    cache = cmake.parse_cache((build_dir / "CMakeCache.txt").read_text(encoding="utf-8"))
    _refuse_unknown(action, cmake.unknown_options(options_of_the_source(action), cache))
    refuse_changed("CMake took", options, cache, hint="see the log; correct the recipe's option")


def _facts(action: Compile, build_dir: Path, log_path: Path, warnings: int) -> dict[str, JsonValue]:
    commands = json.loads((build_dir / "compile_commands.json").read_text(encoding="utf-8"))
    features: dict[str, JsonValue] = {
        target: [*sorted(found)] for target, found in cmake.cpu_features(commands).items()
    }
    options: dict[str, JsonValue] = dict(sorted({**options_of_the_source(action), **action.pin_options}.items()))
    return {
        "options": options,
        "cpu_features": features,
        "toolchain": dict(action.toolchain),
        "warnings": warnings,
        "log": log_path.name,
        "web_ui": action.web_ui is not None,
    }


def _collect(globs: Iterable[str], bin_dir: Path, destination: Path) -> int:
    """Copy what the recipe's globs name; each must match.

    Raises:
        BuildError: a glob matches nothing.
    """
    destination.mkdir(parents=True)
    copied: set[str] = set()
    for pattern in globs:
        matches = sorted(bin_dir.glob(pattern))
        if not matches:
            raise BuildError(
                f"the build made nothing that matches {pattern!r} in its bin folder",
                hint="upstream renamed it: correct the component's outputs in the recipe",
            )
        for path in matches:
            if path.name not in copied:
                shutil.copy2(path, destination / path.name, follow_symlinks=False)
                copied.add(path.name)
    return len(copied)
