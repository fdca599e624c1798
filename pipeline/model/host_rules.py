"""What a bundle needs of a system, held against what a host has; accelerators are judged by their kinds. Pure.

The one place for these rules: installing judges a host by them, proving judges the machine that it runs on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.names import is_older

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.model.host import HostFacts
    from pipeline.model.manifest import Requires


def lacks(requires: Requires, facts: HostFacts) -> tuple[str, ...]:
    """Return every reason why a host's system and processor do not serve a bundle of its platform, none when they do.

    What cannot be read of a host (an empty list of processor features, libraries that are not known) is not held
    against it.
    """
    return tuple(_lacks(requires, facts))


def foreign(platform: str, facts: HostFacts) -> str | None:
    """Return why what is made for a platform does not run on a host whatever it has, None when that can be."""
    return None if platform == facts.platform else f"it is for {platform}, this is {facts.platform}"


def _lacks(requires: Requires, facts: HostFacts) -> Iterator[str]:
    floors = (
        ("glibc", requires.glibc, facts.glibc),
        ("macOS", requires.macos, facts.macos),
        ("Windows", requires.windows, facts.windows),
        ("a libstdc++ with GLIBCXX", requires.libstdcxx, facts.libstdcxx),
    )
    for what, needed, found in floors:
        if needed and found and is_older(found, needed):
            yield f"it needs {what} {needed}, this has {found}"
    if requires.glibc and _has_no_glibc(facts):
        yield f"it needs glibc {requires.glibc}, this system has none"
    missing = sorted(set(requires.cpu) - set(facts.cpu_features))
    if facts.cpu_features and missing:
        yield f"this processor has no {', '.join(missing)}"
    if facts.libraries is not None and (absent := sorted(set(requires.libraries) - set(facts.libraries))):
        yield f"this system has no {', '.join(absent)}"


def _has_no_glibc(facts: HostFacts) -> bool:
    """Tell whether glibc is known to be absent, as on musl; the version alone does not say, it may not be readable."""
    return (
        facts.platform.startswith("linux-")
        and facts.glibc is None
        and facts.libraries is not None
        and "libc.so.6" not in facts.libraries
    )
