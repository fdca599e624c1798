"""What a trusted root says of the repository that it is of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline.digest import sha256_bytes
from pipeline.errors import TrustError
from pipeline.model.repository_layout import LANE_FIELD, LANE_PATTERN, REPOSITORY_FIELD

if TYPE_CHECKING:
    from tuf.api.metadata import Root

_LANE = re.compile(LANE_PATTERN)


def identity_of(root: Root, data: bytes) -> str:
    """Return the repository's id: what its root says, or the root's digest for one made by another program."""
    named = root.unrecognized_fields.get(REPOSITORY_FIELD)
    if isinstance(named, str) and named.isalnum() and named.isascii() and len(named) <= 64:
        return named
    return sha256_bytes(data)


def lane_of(root: Root) -> str | None:
    """Return the lane that a trusted root is of: whoever is given that root reads the lane's metadata.

    Raises:
        TrustError: it names what is no lane.
    """
    lane = root.unrecognized_fields.get(LANE_FIELD)
    if lane is None:
        return None
    if not isinstance(lane, str) or not _LANE.fullmatch(lane):
        raise TrustError("the trusted root is of a lane whose name is none", hint="give the publisher's root.json")
    return lane
