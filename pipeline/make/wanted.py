"""How a file is asked for: what it must be, and where it may be had."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import OfflineError
from pipeline.ports import DownloadRequest

if TYPE_CHECKING:
    from pipeline.ports import Services


def wanted_file(
    services: Services, file: tuple[str, str, int | None], *, project: str | None, urls: tuple[str, ...] = ()
) -> DownloadRequest:
    """Return the request for a file.

    Args:
        services: whose index is asked, only when no other place has the file.
        file: name, sha256, size in bytes.
        project: what the index has it under; None for what is in no index.
        urls: where it is known to be.
    """
    filename, sha256, size_bytes = file

    def find_urls() -> tuple[str, ...]:
        try:
            return services.index.urls_of(project or "", filename)
        except OfflineError as error:
            raise OfflineError(
                f"{filename} is neither in the store nor on a mirror, and the network is forbidden",
                hint="run once without --offline, or put the file on a mirror (ENGINE_PIPELINE_MIRROR, file:// too)",
            ) from error

    return DownloadRequest(
        what=filename,
        urls=urls,
        sha256=sha256,
        size_bytes=size_bytes,
        filename=filename,
        find_urls=None if project is None else find_urls,
    )
