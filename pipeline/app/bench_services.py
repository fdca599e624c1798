"""Makes what benches need beyond the services of every command."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING

from pipeline.app.project import version
from pipeline.app.services import host
from pipeline.errors import HostError
from pipeline.measure.bench_request import ModelFile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.app.settings import Settings
    from pipeline.catalog import Catalog
    from pipeline.model.manifest import Artifact
    from pipeline.ports import Services
    from pipeline.ports.links import BenchGround

_PREFIX = "ENGINE_PIPELINE_"
_KEPT = ("CHANNELS", "CMAKE_OPTION_")


def bench_ground(settings: Settings, services: Services) -> BenchGround:
    """Return where a bench takes place.

    Raises:
        HostError: this is Windows, which lacks what links, the folder that is gone with the bench, and the events of
            commands are made of.
    """
    if services.host.facts().platform.startswith("windows"):
        raise HostError(
            "strategies cannot be measured on Windows: the bench needs a POSIX shell, its processes and /dev/stderr",
            hint="measure on Linux or macOS; `bench strategies --read FILE` decides here by what was measured there",
        )
    from pipeline.system.bench_ground import LocalBenchGround

    return LocalBenchGround(services.commands, host(settings, services.commands))


def bench_environment(settings: Settings) -> dict[str, str]:
    """Return the environment of a bench's commands: the user's, without what would have them find things ready."""
    mine = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_PREFIX) or name.removeprefix(_PREFIX).startswith(_KEPT)
    }
    return {**mine, f"{_PREFIX}RECIPES": str(settings.recipes_dir)}


def bench_versions(services: Services) -> dict[str, str]:
    """Return the versions of this program and of the tools that a build here would take."""
    found = {"engine-pipeline": version(), "python": platform.python_version()}
    for name in ("cc", "cmake", "ninja", "sccache"):
        tool = services.host.tool(name)
        if tool is not None:
            found[f"{tool.vendor or name}"] = tool.version
    return found


def model_file(settings: Settings, services: Services, catalog: Catalog, path: Path | None) -> ModelFile | None:
    """Return the model that engines are asked with: the file that was named, else that of the recipes.

    It lies in the bench's way under its own name: a model of the store is linked to beside it.

    Raises:
        UsageError: there is no such file.
        NetworkError, OfflineError, IntegrityError: the recipes' model cannot be brought.
    """
    from pipeline.app.mirror_services import model_source
    from pipeline.digest import sha256_stream
    from pipeline.errors import UsageError

    if path is not None:
        try:
            with path.open("rb") as stream:
                sha256, size = sha256_stream(stream)
        except OSError as error:
            raise UsageError(f"the model {path} cannot be read: {error.strerror}", hint="give a GGUF file") from error
        return ModelFile(path.absolute(), sha256, size, path.name)
    if not catalog.models:
        return None
    recipe = catalog.models[min(catalog.models)]
    blob = model_source(settings, services).fetch(recipe)
    return ModelFile(services.store.blob_path(blob.sha256), blob.sha256, blob.size_bytes, recipe.filename)


def source_files(services: Services, catalog: Catalog, artifact: Artifact) -> Mapping[str, Path]:
    """Return the archive that a build of an artifact takes, by its name; none where it takes none that is pinned.

    Raises:
        NetworkError, OfflineError, IntegrityError: it cannot be brought.
    """
    from pipeline.make.wanted import wanted_file
    from pipeline.model.retrieval import DownloadArchive
    from pipeline.sources.registry import retrieval_of

    engine = catalog.engines.get(artifact.engine)
    pins = [] if engine is None else [pin for pin in engine.releases if pin.version == artifact.version]
    for pin in pins:
        wanted = retrieval_of(pin.source)
        if isinstance(wanted, DownloadArchive):
            named = (wanted.filename, wanted.sha256, wanted.size_bytes)
            blob = services.downloader.fetch(wanted_file(services, named, project=wanted.package, urls=wanted.urls))
            return {wanted.filename: services.store.blob_path(blob.sha256)}
    return {}
