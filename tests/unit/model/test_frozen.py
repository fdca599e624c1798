"""The constrained types that models share."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from pipeline.model.frozen import UtcTime

TIME: TypeAdapter[str] = TypeAdapter(UtcTime)


@pytest.mark.parametrize("text", ["1970-01-01T00:00:00Z", "2024-02-29T23:59:59Z", "9999-12-31T23:59:59Z"])
def test_a_time_is_kept_as_it_is_written(text):
    assert TIME.validate_python(text) == text


@pytest.mark.parametrize("text", [
    "2026-13-45T99:99:99Z", "2026-02-29T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:60Z",
    "0000-01-01T00:00:00Z",
    "1969-12-31T23:59:59Z", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00.5Z",
    "2026-01-01T00:00:00Z\n", "\u0662\u0660\u0662\u0666-01-01T00:00:00Z", "",
])  # fmt: skip
def test_what_no_clock_shows_is_no_time(text):
    with pytest.raises(ValidationError):
        TIME.validate_python(text)
