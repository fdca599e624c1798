"""Looks for what runs other platforms' programs on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.model.filling import fill
from pipeline.model.toolchain import FoundRunner

if TYPE_CHECKING:
    from pipeline.catalog import Catalog
    from pipeline.model.toolchain import Runner
    from pipeline.plan.request import BuildRequest
    from pipeline.ports import HostProbe


def find_runners(
    request: BuildRequest, catalog: Catalog, host: HostProbe
) -> tuple[dict[str, FoundRunner], dict[str, str]]:
    """Return target to what runs its programs here, and target to why that is not here, empty where it is.

    Only targets of other platforms that a toolchain builds and for which a runner is known are in it.
    """
    found: dict[str, FoundRunner] = {}
    lacking: dict[str, str] = {}
    platform = host.facts().platform
    for target in request.targets:
        if target.platform == platform or request.source == "fetch" or request.prove == "none":
            continue
        for toolchain in catalog.toolchains.values():
            cross = toolchain.target(target.platform)
            if cross is None or cross.runner is None or not cross.builds(target.engine, target.accel):
                continue
            if platform in cross.runner.hosts:
                runner = find_runner(cross.runner, host)
                lacking[str(target)] = runner if isinstance(runner, str) else ""
                if isinstance(runner, FoundRunner):
                    found[str(target)] = runner
            break
    return found, lacking


def find_runner(runner: Runner, host: HostProbe) -> FoundRunner | str:
    """Return a runner of this machine, or why there is none."""
    tool = next((tool for name in runner.programs if (tool := host.tool(name)) is not None), None)
    if tool is None:
        return f"it needs {runner.title} to be run here, and there is none ({runner.install})"
    folder = next((place for place in runner.folders if Path(place).is_dir()), "")
    if runner.folders and not folder:
        return f"{runner.title} needs {' or '.join(runner.folders)}, which is not here ({runner.install})"
    args = tuple(fill(argument, folder=folder) for argument in runner.args)
    return FoundRunner(
        title=f"{runner.title} {tool.version}",
        argv=(tool.path, *args),
        environment=runner.environment,
        prepare=runner.prepare,
        finish=tuple(fill(argument, beside=str(Path(tool.path).parent)) for argument in runner.finish),
        slowness=runner.slowness,
    )
