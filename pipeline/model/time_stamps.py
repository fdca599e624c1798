"""The time stamp inside archives that no release may change."""

from __future__ import annotations

LASTING_EPOCH_SECONDS = 315_532_800
"""1980-01-01T00:00:00Z, the first time stamp that a zip file can hold: the same files are the same archive always."""
