"""Which archives of a release make which target: meanings of names, and the engine's preferences. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pipeline.asset_names.classify import classify_all
from pipeline.names import PLATFORMS, family_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.asset_names.classify import UnknownAssetError
    from pipeline.model.archives import ArchiveParts
    from pipeline.model.release_preferences import ReleasePreferences
    from pipeline.model.upstream import AssetMeaning


class ArchiveChoice(NamedTuple):
    """What a release can be fetched for.

    Attributes:
        targets: ``<platform>-<accel>`` to the archives that make it, the engine's first, then those it cannot do
            without; sorted.
        left_out: target to why it cannot be made although the release has an archive for it.
        unknown: file names that mean nothing we know; nothing is made of them.
    """

    targets: Mapping[str, tuple[str, ...]]
    left_out: Mapping[str, str]
    unknown: tuple[UnknownAssetError, ...]


def choose_archives(
    names: Iterable[str], preferences: ReleasePreferences, parts: Mapping[str, ArchiveParts]
) -> ArchiveChoice:
    """Return which of a release's files make which target, for the platforms of this project.

    Args:
        names: of the files.
        preferences: of the engine.
        parts: accelerator family to what it is in the engine's archives; nothing is made of another family's archive,
            nor of one whose companion is missing: such an engine runs on the processor and says nothing.
    """
    meanings, unknown = classify_all(sorted(names))
    engines: dict[str, list[AssetMeaning]] = {}
    runtimes: dict[str, list[AssetMeaning]] = {}
    for meaning in meanings:
        if meaning.platform in PLATFORMS and meaning.kind in {"engine", "runtime"}:
            group = engines if meaning.kind == "engine" else runtimes
            group.setdefault(f"{meaning.platform}-{meaning.accel}", []).append(meaning)
    targets: dict[str, tuple[str, ...]] = {}
    left_out: dict[str, str] = {}
    for target, found in sorted(engines.items()):
        engine = _preferred(found, preferences.prefer.get(target, ()))
        family = family_of(found[0].accel or "")
        if family not in parts:
            left_out[target] = f"no recipe says what {family!r} is in archives of {preferences.engine}"
        elif engine is None:
            left_out[target] = f"several archives would make it: {', '.join(each.name for each in found)}"
        elif not parts[family].companion:
            targets[target] = (engine.name,)
        elif len(runtimes.get(target, ())) == 1:
            targets[target] = (engine.name, runtimes[target][0].name)
        else:
            left_out[target] = f"{engine.name} lacks the archive with its runtime"
    return ArchiveChoice(targets, left_out, unknown)


def _preferred(found: list[AssetMeaning], prefer: tuple[tuple[str, ...], ...]) -> AssetMeaning | None:
    if len(found) == 1:
        return found[0]
    for qualifiers in prefer:
        fitting = [each for each in found if each.qualifiers == qualifiers]
        if len(fitting) == 1:
            return fitting[0]
    return None
