"""What ``--target`` names: targets, with their engine or without, and globs; and what was meant by anything else."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, NamedTuple

from pipeline.names import (
    AmbiguousNameError,
    Target,
    UnknownNameError,
    family_of,
    meant_platforms,
    with_known_platform,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

LISTED = "`python -m pipeline targets` lists them all"
"""The hint where nothing is near what was named of all that can be made."""
_SHOWN = 12


class Taken(NamedTuple):
    """What one pattern names.

    Attributes:
        pattern: as it was given, one of those that commas separate.
        targets: in the order of the known ones; at least one.
        is_glob: whether it has a wildcard; one without names a single target.
    """

    pattern: str
    targets: tuple[Target, ...]
    is_glob: bool


def match_targets(patterns: Sequence[str], known: Iterable[Target], *, otherwise: str = LISTED) -> tuple[Taken, ...]:
    """Return for each pattern which of the known targets it names.

    A pattern is a target, a target without its engine, or a glob over either; a comma separates several.

    Args:
        patterns: as on the command line.
        known: targets.
        otherwise: the hint where nothing is near what was named.

    Raises:
        UnknownNameError: a pattern matches nothing, with near matches.
        AmbiguousNameError: a name without engine is one of several engines.
    """
    everything = tuple(known)
    found = []
    for pattern in (part.strip() for text in patterns for part in text.split(",")):
        matches = tuple(target for target in everything if pattern and target.is_named(pattern))
        is_glob = any(c in pattern for c in "*?[")
        if not matches:
            raise UnknownNameError(f"no target matches {pattern!r}", hint=_near(pattern, everything) or otherwise)
        if not is_glob and len(matches) > 1:
            raise AmbiguousNameError(
                f"{pattern!r} is ambiguous", hint=f"name the engine too: {', '.join(map(str, matches))}"
            )
        found.append(Taken(pattern, matches, is_glob))
    return tuple(found)


def select_targets(patterns: Sequence[str], known: Iterable[Target], *, otherwise: str = LISTED) -> tuple[Target, ...]:
    """Return the known targets that any of ``patterns`` names, in the order of ``known``; see ``match_targets``.

    Raises:
        UnknownNameError: a pattern matches nothing, with near matches.
        AmbiguousNameError: a name without engine is one of several engines.
    """
    everything = tuple(known)
    chosen = {target for taken in match_targets(patterns, everything, otherwise=otherwise) for target in taken.targets}
    return tuple(target for target in everything if target in chosen)


def _near(pattern: str, known: Sequence[Target]) -> str:
    """Return what a pattern that names nothing may mean: an engine, an accelerator, a platform, or a target near it."""
    text = pattern.strip("/").lower()
    for what, glob, meant in _parts(text):
        if found := [target for target in known if meant(target)]:
            names = ", ".join(map(str, found[:_SHOWN]))
            more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
            return f"{what} alone is no target; name one of {names}{more}, or all with '{glob}'"
    engine, slash, short = text.rpartition("/")
    spelt = f"{engine}{slash}{with_known_platform(short) or short}"
    names_of = {name: target for target in known for name in (str(target), target.short)}
    if exact := [str(target) for target in known if target.is_named(spelt)]:
        return f"did you mean {' or '.join(exact)}?"
    near = difflib.get_close_matches(spelt, names_of, n=4, cutoff=0.6)
    return f"did you mean {' or '.join(near)}?" if near else ""


def _parts(text: str) -> Iterator[tuple[str, str, Callable[[Target], bool]]]:
    """Yield what a text may be instead of a target: (in words, a glob that takes all of it, what it is true of)."""
    yield f"the engine {text}", f"{text}/*", lambda target: target.engine.lower() == text
    yield f"the accelerator {text}", f"*-{text}", lambda target: target.accel == text
    yield f"the accelerator {text}", f"*-{text}-*", lambda target: family_of(target.accel) == text
    yield f"the accelerator {text}", f"*-{text}.*", lambda target: target.accel.startswith(f"{text}.")
    if len(platforms := meant_platforms(text)) == 1:
        (platform,) = platforms
        yield f"the platform {platform}", f"{platform}-*", lambda target: target.platform == platform
    elif platforms:
        system = platforms[0].partition("-")[0]
        yield f"the system {system}", f"{system}-*", lambda target: target.platform in platforms
