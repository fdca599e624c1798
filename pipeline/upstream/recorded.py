"""A recorded listing in place of the API."""

from __future__ import annotations

import json

from pipeline.errors import UsageError
from pipeline.model.strict_json import parse_json
from pipeline.ports import ApiDocument

_LIMIT_BYTES = 32 << 20


class RecordedApi:
    """Answers from one document: a page of the listing, or one release; implements ``ports.ReleaseApi``."""

    def __init__(self, data: bytes, *, name: str, recorded_at: int) -> None:
        """Take the document.

        Args:
            data: as ``GET /repos/{owner}/{name}/releases`` or ``.../releases/tags/{tag}`` answered.
            name: for messages.
            recorded_at: seconds since 1970.

        Raises:
            UsageError: it is neither.
            IntegrityError: it is no clean JSON.
        """
        value = parse_json(data, what=name, limit_bytes=_LIMIT_BYTES, any_text=True)
        if isinstance(value, dict) and "tag_name" in value:
            value = [value]
        if not isinstance(value, list):
            raise UsageError(
                f"{name} is no recorded listing",
                hint="record it with `gh api 'repos/OWNER/NAME/releases?per_page=100'`",
            )
        self._body = json.dumps(value).encode()
        self._recorded_at = recorded_at

    def get(self, path: str) -> ApiDocument | None:
        """Return the listing; nothing else was recorded."""
        if "/releases?" not in path:
            return None
        return ApiDocument(self._body, None, self._recorded_at, cached=False)
