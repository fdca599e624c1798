"""Where the packages of an environment's channels are read from, and what they are called in a lock."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pipeline.catalog.environment_channels import channel_url
from pipeline.errors import OfflineError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ORIGIN = "origin.txt"
"""In a channel that is a folder: where its records are from, in lines for people."""


class Channels(NamedTuple):
    """The channels of one solve.

    Attributes:
        canonical: channel, as environment.yml has it, to the url that packages are locked under.
        places: channel to the url that it is read from instead.
        origin: where the records are from, in lines for people.
    """

    canonical: dict[str, str]
    places: dict[str, str]
    origin: tuple[str, ...] = ()


def resolve_channels(
    channels: Sequence[str], *, instead: str | None, configured: Mapping[str, str], offline: bool
) -> Channels:
    """Return where channels are read from.

    Args:
        channels: of environment.yml.
        instead: url or folder that the one channel is read from; None for the channel itself.
        configured: url of a channel to the url that is configured instead; ``instead`` wins.
        offline: whether the network is forbidden.

    Raises:
        UsageError: ``instead`` is neither a url nor a channel's folder, or there are several channels to replace.
        OfflineError: a channel is in the network, and that is forbidden.
    """
    canonical = {name: channel_url(name) for name in channels}
    places = {name: configured[url] for name, url in canonical.items() if url in configured}
    if instead is not None:
        if len(channels) != 1:
            raise UsageError(f"--channel replaces one channel, and environment.yml has {len(channels)}")
        places = {channels[0]: _place(instead)}
    for name, url in canonical.items():
        if offline and not places.get(name, url).startswith("file:"):
            raise OfflineError(
                f"the packages of {name} are listed in the network, which is forbidden",
                hint="give --channel a folder with the channel's repodata, or leave out --offline",
            )
    return Channels(canonical, places, tuple(line for url in places.values() for line in _origin(url)))


def _place(text: str) -> str:
    if text.startswith(("https://", "http://")):
        return text.rstrip("/")
    folder = _folder(text) or Path(text).absolute()
    if ("://" in text and _folder(text) is None) or not (folder / "noarch" / "repodata.json").is_file():
        raise UsageError(
            f"--channel {text}: is neither a url nor a folder with a channel",
            hint="a channel's folder has noarch/repodata.json, and such a file for each platform",
        )
    return folder.as_uri()


def _folder(url: str) -> Path | None:
    """Return the folder that a file: url of this machine names, None for any other text."""
    parts = urlsplit(url)
    local = parts.scheme == "file" and parts.netloc in {"", "localhost"}
    return Path(url2pathname(parts.path)) if local else None


def _origin(url: str) -> list[str]:
    """Return the lines that a channel's folder says of itself, none where it says nothing or is no folder."""
    folder = _folder(url)
    if folder is None or not (folder / ORIGIN).is_file():
        return []
    return [line for line in (folder / ORIGIN).read_text(encoding="utf-8").splitlines() if line.strip()]
