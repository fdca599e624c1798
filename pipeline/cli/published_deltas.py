"""The deltas of a repository, for a report: what is signed about them, and whether a folder has what is signed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pipeline.deploy.location import LackingError
from pipeline.digest import sha256_stream
from pipeline.errors import IntegrityError
from pipeline.model.updates import PublishedDelta

if TYPE_CHECKING:
    from pipeline.deploy.trust import TrustedRepository
    from pipeline.measure.updating import DeltaOf
    from pipeline.model.repository_layout import DeltaTrees
    from pipeline.ports import DownloadRequest


def published_deltas(repository: TrustedRepository) -> DeltaOf:
    """Return what gives a delta that is signed and what is wrong with it, or None where none is signed.

    Sizes are in the signed metadata, and nothing else is downloaded. Of a folder, files are looked at too: one that
    several targets share once.
    """
    judged: dict[str, PublishedDelta] = {}

    def delta_of(engine: str, trees: DeltaTrees) -> PublishedDelta | None:
        try:
            request = repository.delta_request(engine, trees, what=f"delta of layer {trees.new[:12]}")
        except LackingError:
            return PublishedDelta(None, "missing")
        except IntegrityError:
            return PublishedDelta(None, "damaged")
        if request is None:
            return None
        if request.sha256 not in judged:
            judged[request.sha256] = PublishedDelta(request.size_bytes or 0, None if _is_whole(request) else "damaged")
        return judged[request.sha256]

    return delta_of


def _is_whole(request: DownloadRequest) -> bool:
    """Tell whether a file of this machine has the signed bytes; of one elsewhere that is taken for granted."""
    parts = urlsplit(request.urls[0])
    if parts.scheme != "file":
        return True
    try:
        with Path(url2pathname(parts.path)).open("rb") as stream:
            return sha256_stream(stream)[0] == request.sha256
    except OSError:
        return False
