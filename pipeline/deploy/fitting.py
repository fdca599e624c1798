"""Why an artifact does not fit a host: the one place that holds what it needs against what there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.accelerators.registry import kind_of
from pipeline.names import family_of, version_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.model.host import HostFacts
    from pipeline.model.manifest import Artifact, Requires


def misfits(artifact: Artifact, facts: HostFacts) -> tuple[str, ...]:
    """Return every reason why an artifact does not run on a host, none when it fits.

    What cannot be read of a host (an empty list of processor features, libraries that are not known) is not held
    against it; a GPU must have been seen.
    """
    if artifact.platform != facts.platform:
        return (f"it is for {artifact.platform}, this is {facts.platform}",)
    kind = kind_of(artifact.accel)
    system = tuple(_system(artifact.requires, facts))
    if kind is None:
        return (*system, f"this program knows no accelerator {family_of(artifact.accel)!r}")
    return (*system, *kind.misfits(artifact.accel, artifact.requires, facts))


def is_gpu(artifact: Artifact) -> bool:
    """Tell whether an artifact computes on something else than the processor."""
    kind = kind_of(artifact.accel)
    return kind is not None and kind.is_gpu


def _system(requires: Requires, facts: HostFacts) -> Iterator[str]:
    floors = (
        ("glibc", requires.glibc, facts.glibc),
        ("macOS", requires.macos, facts.macos),
        ("a libstdc++ with GLIBCXX", requires.libstdcxx, facts.libstdcxx),
    )
    for what, needed, found in floors:
        if needed and found and version_key(found) < version_key(needed):
            yield f"it needs {what} {needed}, this has {found}"
    missing = sorted(set(requires.cpu) - set(facts.cpu_features))
    if facts.cpu_features and missing:
        yield f"this processor has no {', '.join(missing)}"
    if facts.libraries is not None and (absent := sorted(set(requires.libraries) - set(facts.libraries))):
        yield f"this system has no {', '.join(absent)}"
