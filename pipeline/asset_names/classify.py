"""What the name of a release's file means. Pure; an unknown word is an error that names it, never a guess."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NoReturn

from pipeline.asset_names import tokens
from pipeline.errors import UsageError
from pipeline.model.upstream import AssetKind, AssetMeaning

if TYPE_CHECKING:
    from collections.abc import Iterable

_TAG = r"(?P<tag>b[1-9][0-9]*|master-[0-9a-f]{7})"
# The runtime's name contains an engine's, so it is looked for first. Windows' runtimes carry no tag, Linux' do.
_RUNTIME = re.compile(rf"cudart-llama-(?:{_TAG}-)?bin-(?P<words>.+)")
_ENGINE = re.compile(rf"llama-{_TAG}-bin-(?P<words>.+)")
_WHOLE = re.compile(rf"llama-{_TAG}-(?P<kind>ui|xcframework)")
_WHOLE_KINDS: dict[str, AssetKind] = {"ui": "ui", "xcframework": "framework"}
_BUILD = re.compile(r"b([1-9][0-9]*)")
_LONGEST_NAME = 255


class UnknownAssetError(UsageError):
    """A file name has a word that upstream is not known to use, or lacks one that it must have.

    Attributes:
        name: of the file.
        why: the word, and what is wrong with it.
    """

    def __init__(self, name: str, why: str) -> None:
        """Say what is wrong with which name."""
        super().__init__(
            f"{name[:_LONGEST_NAME]!r}: {why}",
            hint="a new word is one line in pipeline/asset_names/tokens.py, once it is known what it means",
        )
        self.name = name
        self.why = why


@dataclass
class _Reading:
    """What the words of a name have said so far."""

    name: str
    system: str = ""
    arch: str = ""
    accel: str = ""
    qualifiers: list[str] = field(default_factory=list)

    def refuse(self, why: str) -> NoReturn:
        raise UnknownAssetError(self.name, why)

    def set_once(self, what: Literal["system", "arch", "accel"], value: str, word: str) -> None:
        if getattr(self, what):
            self.refuse(f"{word!r} is a second {'architecture' if what == 'arch' else what}")
        setattr(self, what, value)


def classify(name: str) -> AssetMeaning:
    """Return what a file name of any release since 2023 means.

    Raises:
        UnknownAssetError: it has an unknown platform, accelerator, qualifier or format, or says one of them twice or
            not at all where it must.
    """
    stem, form = _format_of(name)
    if match := _WHOLE.fullmatch(stem):
        if match["kind"] == "ui" and form != tokens.UI_FORMAT:
            raise UnknownAssetError(name, f"unknown format {f'.{form}'!r} of the web interface")
        return AssetMeaning(
            name=name, kind=_WHOLE_KINDS[match["kind"]], tag=match["tag"], platform=None, accel=None, format=form
        )
    kind: AssetKind = "runtime"
    match = _RUNTIME.fullmatch(stem)
    if match is None:
        kind = "engine"
        match = _ENGINE.fullmatch(stem)
    if match is None:
        raise UnknownAssetError(name, "it is not built as upstream's names are: llama-<tag>-bin-<platform>...")
    reading = _Reading(name)
    _read_words(reading, match["words"].split("-"))
    platform = _platform_of(reading)
    accel = reading.accel or _unsaid_accel(reading, platform)
    _check_qualifiers(reading, platform, accel)
    if kind == "runtime" and not accel.startswith("cuda-"):
        reading.refuse(f"a CUDA runtime for the accelerator {accel!r}")
    return AssetMeaning(
        name=name,
        kind=kind,
        tag=match["tag"],
        platform=platform,
        accel=accel,
        qualifiers=tuple(reading.qualifiers),
        format=form,
    )


def classify_all(names: Iterable[str]) -> tuple[tuple[AssetMeaning, ...], tuple[UnknownAssetError, ...]]:
    """Return the meanings of the names that have one, and what is wrong with the others; both in their order."""
    meanings, unknown = [], []
    for name in names:
        try:
            meanings.append(classify(name))
        except UnknownAssetError as error:
            unknown.append(error)
    return tuple(meanings), tuple(unknown)


def build_number(tag: str) -> int | None:
    """Return N of a build's tag ``b<N>``, None for a tag of another shape."""
    match = _BUILD.fullmatch(tag)
    return int(match[1]) if match else None


def _format_of(name: str) -> tuple[str, tokens.Format]:
    for form in tokens.FORMATS:
        if name.endswith(f".{form}") and len(name) <= _LONGEST_NAME:
            return name.removesuffix(f".{form}"), form
    suffix = re.search(r"\.[A-Za-z][A-Za-z0-9.]*$", name)
    raise UnknownAssetError(name, f"unknown format {suffix[0] if suffix else name[-12:]!r}")


def _read_words(reading: _Reading, words: list[str]) -> None:
    left = iter(words)
    for word in left:
        if word in tokens.SYSTEMS:
            reading.set_once("system", word, word)
        elif word in tokens.ARCHITECTURES:
            reading.set_once("arch", word, word)
        elif word in tokens.VERSIONED:
            accel, pattern = tokens.VERSIONED[word]
            following = next(left, "")
            version = pattern.fullmatch(following)
            if version is None:
                reading.refuse(f"{following!r} is no version of {word}")
            reading.set_once("accel", f"{accel}-{version[1]}", f"{word}-{following}")
        elif joined := tokens.JOINED.fullmatch(word):
            reading.set_once("accel", f"cuda-{joined[1]}", word)
        elif word in tokens.ACCELS:
            reading.set_once("accel", tokens.ACCELS[word], word)
            if word in tokens.QUALIFIERS:
                reading.qualifiers.append(word)
        elif word in tokens.QUALIFIERS or tokens.GFX.fullmatch(word):
            reading.qualifiers.append(word)
        else:
            reading.refuse(
                f"unknown word {word!r}: no platform, accelerator or qualifier that upstream is known to use"
            )


def _platform_of(reading: _Reading) -> str:
    if not reading.system:
        reading.refuse(f"it names no system, one of {', '.join(tokens.SYSTEMS)}")
    system, architectures = tokens.SYSTEMS[reading.system]
    if not reading.arch:
        reading.refuse(f"it names no architecture of {reading.system}, one of {', '.join(architectures)}")
    if reading.arch not in architectures:
        reading.refuse(f"unknown platform {reading.system}-{reading.arch}")
    return f"{system}-{architectures[reading.arch]}"


def _unsaid_accel(reading: _Reading, platform: str) -> str:
    if not tokens.CPU_TOOLCHAINS.isdisjoint(reading.qualifiers):
        return "cpu"
    if platform not in tokens.UNSAID:
        reading.refuse(f"it names no accelerator, and what that means on {platform} is not known")
    return tokens.UNSAID[platform]


def _check_qualifiers(reading: _Reading, platform: str, accel: str) -> None:
    family = accel.partition("-")[0]
    for word in reading.qualifiers:
        fitting = tokens.QUALIFIERS.get(word, frozenset({"rocm"}))
        if family not in fitting:
            reading.refuse(f"{word!r} beside the accelerator {accel!r} has no known meaning")
        if platform not in tokens.ONLY_ON.get(word, {platform}):
            reading.refuse(f"{word!r} on {platform} has no known meaning")
        if reading.qualifiers.count(word) > 1:
            reading.refuse(f"{word!r} stands twice")
