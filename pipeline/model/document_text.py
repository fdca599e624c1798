"""The one spelling of the documents that this program writes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def document_text(fields: Mapping[str, object]) -> bytes:
    """Return canonical JSON: sorted keys, two spaces, UTF-8, a newline at the end."""
    return (json.dumps(fields, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
