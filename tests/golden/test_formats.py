"""What changes the bytes a stage makes without being in any key must raise the stage's format; this notices."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from pipeline.plan.keys import FORMATS

ROOT = Path(__file__).resolve().parents[2]


def test_unity_builds_are_applied_as_they_were_in_this_format():
    digest = hashlib.sha256((ROOT / "pipeline" / "builders" / "unity.cmake").read_bytes()).hexdigest()
    assert (FORMATS["compile"], digest) == (1, "3a143ad9947b9220466658c91c5ff12db0a353d4590404718cb8e59a7ee5f360")


def test_archives_are_written_by_the_compressor_of_this_format():
    """ci/decisions/0003: another version of zstandard writes other bytes."""
    locked = re.search(r"^zstandard==(\S+)", (ROOT / "ci" / "requirements" / "runtime.txt").read_text(), re.MULTILINE)
    assert locked is not None
    assert (FORMATS["make_layer"], locked[1]) == (1, "0.25.0")
