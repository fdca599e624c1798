"""What an artifact needs of a host beside its accelerator's device, held against what the host has. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.names import version_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.model.host import HostFacts
    from pipeline.model.manifest import Requires


def lacks(requires: Requires, facts: HostFacts) -> tuple[str, ...]:
    """Return what a host of the right platform lacks, in words; none when it has it all.

    What cannot be read of a host (an empty list of processor features, libraries that are not known) is not held
    against it.
    """
    return tuple(_lacking(requires, facts))


def _lacking(requires: Requires, facts: HostFacts) -> Iterator[str]:
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
