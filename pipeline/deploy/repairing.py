"""Generations that are not what was installed are taken away once another one runs; they are never patched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.deploy.changing import set_aside
from pipeline.deploy.environment_caches import remove_bytecode
from pipeline.deploy.generations import is_whole
from pipeline.deploy.host_base import host_python_fault
from pipeline.deploy.steps import warn
from pipeline.errors import IntegrityError

if TYPE_CHECKING:
    from pipeline.deploy.comparing import FileComparison
    from pipeline.deploy.layout import Layout
    from pipeline.model.installation import Generation
    from pipeline.ports import Disk, Reporting


def remove_damaged(
    layout: Layout, current: Generation, *, comparison: FileComparison, services: Reporting, disk: Disk
) -> None:
    """Remove what is beyond use of an engine's generations: damaged records, and damaged files of one version.

    Args:
        layout: of the installation, held by the caller.
        current: stays in any case; other generations of its version are read in full.
        comparison: takes the findings, and the digests of what was read.
        services: is told what goes.
        disk: how it goes.
    """
    for number in layout.numbers(current.engine):
        if number == current.number:
            continue
        if fault := _fault(layout, current, number, comparison):
            warn(services, f"generation {number} of {current.engine} is removed: {fault}")
            set_aside(layout.generation_dir(current.engine, number), layout.staging_dir, disk)
            remove_bytecode(layout, current.engine, number, disk=disk)


def _fault(layout: Layout, current: Generation, number: int, comparison: FileComparison) -> str:
    try:
        generation = layout.generation(current.engine, number)
    except IntegrityError as error:
        return error.message
    if generation is None or not layout.is_sealed(current.engine, number):
        return "its record is not what was written"
    if generation.version == current.version and (fault := host_python_fault(layout, generation)):
        return fault
    if generation.version == current.version and not is_whole(layout, generation, comparison=comparison):
        return f"files of {generation.version} are damaged there"
    return ""
