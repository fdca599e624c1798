"""Why an artifact does not fit a host: the one place that holds what it needs against what there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.accelerators.registry import kind_of
from pipeline.model.host_rules import foreign, lacks
from pipeline.names import family_of

if TYPE_CHECKING:
    from pipeline.model.host import HostFacts
    from pipeline.model.manifest import Artifact


def misfits(artifact: Artifact, facts: HostFacts) -> tuple[str, ...]:
    """Return every reason why an artifact does not run on a host, none when it fits.

    What cannot be read of a host (an empty list of processor features, libraries that are not known) is not held
    against it; a GPU must have been seen.
    """
    if reason := foreign(artifact.platform, facts):
        return (reason,)
    kind = kind_of(artifact.accel)
    system = lacks(artifact.requires, facts)
    if kind is None:
        return (*system, f"this program knows no accelerator {family_of(artifact.accel)!r}")
    return (*system, *kind.misfits(artifact.accel, artifact.requires, facts))


def is_gpu(artifact: Artifact) -> bool:
    """Tell whether an artifact computes on something else than the processor."""
    kind = kind_of(artifact.accel)
    return kind is not None and kind.uses_gpu(artifact.platform)
