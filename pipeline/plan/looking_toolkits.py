"""Looks for what compiles the backends of accelerators on this machine, and at what bundles bring of it."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.builders.libraries import digest_of_files, license_files, runtime_files
from pipeline.errors import HostError, PipelineError, UsageError
from pipeline.names import accel_version
from pipeline.plan.choosing import releases_of
from pipeline.plan.toolkits import TOOLKIT_CHOICES, architectures_of, choose_toolkit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pipeline.catalog import Catalog
    from pipeline.model.plan import Decision
    from pipeline.model.toolkit import FoundToolkit
    from pipeline.names import Target
    from pipeline.plan.request import BuildRequest
    from pipeline.ports import HostProbe


def find_toolkits(
    request: BuildRequest, catalog: Catalog, host: HostProbe
) -> tuple[dict[str, FoundToolkit], dict[str, PipelineError]]:
    """Return what each target that could be built here is compiled with, or why nothing is there to compile it with.

    The digest of a system's runtime is not taken: it reads a gigabyte, and only a build that is decided on needs it.
    """
    found: dict[str, FoundToolkit] = {}
    lacking: dict[str, PipelineError] = {}
    for target in request.targets:
        if request.source == "fetch" or target.platform != host.facts().platform or not catalog.can_build(target):
            continue
        try:
            with naming_archives(target, catalog):
                toolkit = _toolkit(target, request, catalog, host)
        except PipelineError as error:
            lacking[str(target)] = error
            continue
        if toolkit is not None:
            found[str(target)] = toolkit
    return found, lacking


def _toolkit(target: Target, request: BuildRequest, catalog: Catalog, host: HostProbe) -> FoundToolkit | None:
    """Return what a target is compiled with beside a compiler; None where nothing is needed.

    Raises:
        HostError: the system's lacks libraries that a bundle brings, their license text, or the GPU code of one.
    """
    accelerator = catalog.accelerator(target.accel)
    toolkit = accelerator.toolkit
    if toolkit is None:
        return None
    folder = None if request.toolkit in TOOLKIT_CHOICES else Path(request.toolkit)
    wanted = accel_version(target.accel)
    places = () if request.toolkit == "packaged" else host.toolkits(toolkit, wanted, folder=folder)
    found = choose_toolkit(target, toolkit, places, platform=host.facts().platform, asked=request.toolkit)
    _runtime_files(target, found, request, catalog, host.facts().platform)  # what is lacking shows before a build
    return found


def _runtime_files(
    target: Target, found: FoundToolkit, request: BuildRequest, catalog: Catalog, platform: str
) -> dict[str, Path]:
    """Return what a bundle brings of the system's toolkit, its license texts too; nothing where packages have it."""
    accelerator = catalog.accelerator(target.accel)
    runtime = accelerator.toolkit.runtime if accelerator.toolkit else None
    if found.path is None or runtime is None or runtime.packages_for(accel_version(target.accel), platform) is not None:
        return {}
    try:
        architectures = architectures_of(accelerator, request.architectures, accel=target.accel, version=found.version)
    except UsageError:
        return {}  # whatever is made of it, the plan says so
    top = Path(found.path)
    texts = {str(path.relative_to(top)): path for path in license_files(top, runtime)}
    return {**runtime_files(top, runtime, architectures), **texts}


def digested(
    toolkits: Mapping[str, FoundToolkit],
    decisions: Iterable[tuple[Target, Decision]],
    request: BuildRequest,
    catalog: Catalog,
    *,
    platform: str,
) -> dict[str, FoundToolkit]:
    """Return the system's toolkits that something is built with, with the digest of what a bundle brings of each."""
    found: dict[str, FoundToolkit] = {}
    for target, decision in decisions:
        toolkit = toolkits.get(str(target)) if decision.origin == "built" else None
        if toolkit is not None and (files := _runtime_files(target, toolkit, request, catalog, platform)):
            found[str(target)] = toolkit.model_copy(update={"runtime_sha256": digest_of_files(files)})
    return found


@contextmanager
def naming_archives(target: Target, catalog: Catalog) -> Iterator[None]:
    """Name the release that needs no compiler to whoever lacks one."""
    try:
        yield
    except HostError as error:
        if fetched := releases_of(target, catalog).fetched:
            hint = f"{error.hint}; or --release {fetched[0]}, whose archives upstream has compiled"
            raise HostError(error.message, hint=hint) from error
        raise
