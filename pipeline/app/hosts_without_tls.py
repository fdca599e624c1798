"""Which hosts a user has configured without TLS."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pipeline.errors import UsageError
from pipeline.system.index_variables import INDEX_VARIABLES, index_urls, without_name
from pipeline.system.uv_files import read_uv_files

if TYPE_CHECKING:
    from collections.abc import Mapping


def hosts_without_tls(environment: Mapping[str, str], *urls: str) -> frozenset[str]:
    """Return the hosts that this user has configured without TLS; every digest is checked all the same.

    They are those of ``http:`` urls among mirrors, channels, repository and package indexes, and pip's trusted hosts.

    Raises:
        UsageError: one of them is no url; the variable it stands in is named.
    """
    named = [(url, "the repository, ENGINE_PIPELINE_MIRROR or _CHANNELS") for url in urls]
    named += [(url, name) for name in INDEX_VARIABLES for url in index_urls(environment, name)]
    with suppress(UsageError):  # told by whoever asks the index
        files = read_uv_files(environment)
        named += [(without_name(word), "uv.toml") for word in (*files.first, *files.default)]
    plain = [_host_of(url, where) for url, where in named if url.lower().startswith("http://")]
    trusted = [_host_of(f"//{host}", "PIP_TRUSTED_HOST") for host in environment.get("PIP_TRUSTED_HOST", "").split()]
    return frozenset(host for host in (*plain, *trusted) if host)


def _host_of(url: str, where: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:  # not shown, nor is the url: it may hold a password
        raise UsageError(f"{where} holds what is no url", hint="correct it, or unset the variable") from None
