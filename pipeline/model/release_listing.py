"""A release as a forge lists it: the fields that are used, checked; the others are not looked at."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from pipeline.model.frozen import Frozen, Name, Sha256, UtcTime

# Any text that is one path segment and one line: a name that means nothing is reported, not an error of the listing.
AssetName = Annotated[str, StringConstraints(pattern=r"^[^/\\\x00-\x1f\x7f]{1,255}$")]
RemoteUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s#]{1,2000}$")]


class ListedAsset(Frozen):
    """One file of a listed release that was uploaded whole.

    Attributes:
        name: as it is published.
        url: from which it is downloaded.
        size_bytes: as the API lists it.
        sha256: lower-case hex; None only where the API gives no digest (uploads before 2025-06-03).
    """

    name: AssetName
    url: RemoteUrl
    size_bytes: int = Field(ge=0)
    sha256: Sha256 | None


class ListedRelease(Frozen):
    """One release of a listing.

    Attributes:
        tag: upstream's.
        published_at: RFC 3339, UTC.
        assets: files that are there, in the listing's order.
        coming: how many files are still being uploaded.
    """

    tag: Name
    published_at: UtcTime
    assets: tuple[ListedAsset, ...]
    coming: int = 0

    def asset(self, name: str) -> ListedAsset | None:
        """Return the file of that name, None when it is not there."""
        return next((asset for asset in self.assets if asset.name == name), None)
