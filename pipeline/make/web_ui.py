"""Builds the web interface with npm, in a copy of its folder, as a step with a key of its own."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from pipeline.builders import npm
from pipeline.digest import sha256_bytes
from pipeline.errors import BuildError, HostError, OfflineError
from pipeline.make.outputs import Outputs, Results, made
from pipeline.ports import Command

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import JsonValue

    from pipeline.model.actions import BuildWebUi
    from pipeline.ports import Services

_TIMEOUT_SECONDS = 1800


def build_web_ui(action: BuildWebUi, key: str, services: Services, results: Results, work: Path) -> Outputs:
    """Build the web interface; packages come from the registry that npm is configured for, checked by their lock.

    Raises:
        HostError: Node.js or npm is missing.
        OfflineError: the network is forbidden; npm would fetch packages.
        BuildError: npm failed.
    """
    if services.offline:
        raise OfflineError("building the web interface fetches npm packages", hint="run once without --offline")
    tool = services.host.tool("npm")
    if tool is None:
        raise HostError("npm was not found", hint="install Node.js with npm, or leave the web interface out")
    source = services.store.tree_path(results[action.source].trees["source"]) / action.web_ui.subtree
    folder = work / "web-ui"
    shutil.copytree(source, folder, symlinks=True)
    log_path = services.store.log_path(f"web-ui-{key[:20]}")
    env = npm.environment(services.base_env, epoch_seconds=action.epoch_seconds, cache=str(work / "npm-cache"))
    for argv in (npm.install_argv(tool.path), npm.build_argv(tool.path)):
        command = Command(argv, cwd=folder, env=env, timeout_seconds=_TIMEOUT_SECONDS)
        outcome = services.commands.run(command, log_path=log_path)
        if outcome.exit_code != 0:
            said = "\n  ".join(outcome.tail[-6:])
            raise BuildError(f"npm {argv[1]} failed:\n  {said}", hint=f"the whole log is {log_path}")
    output = folder / action.web_ui.output
    if not (output / "index.html").is_file():
        raise BuildError(f"npm wrote no {action.web_ui.output}/index.html", hint="correct web_ui.output in the recipe")
    tree = services.store.add_tree(output)
    lock = folder / "package-lock.json"
    facts: dict[str, JsonValue] = {"lock_sha256": sha256_bytes(lock.read_bytes()) if lock.is_file() else None}
    return made(trees={"web_ui": tree}, facts=facts, summary=f"{tree.size_bytes / 1e6:.1f} MB")
