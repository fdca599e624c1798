"""The cache folder of whoever runs the tests: what takes minutes to make is made once, and found there again."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.app.settings import default_cache_dir
from tests.simulators.command_line import CommandLine

CACHE_DIR = Path(os.environ.get("ENGINE_PIPELINE_CACHE_DIR") or default_cache_dir())
MODEL_SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
"""Of the model that the shipped recipes prove llama.cpp with."""


def user_with_kept_cache(home: Path) -> CommandLine:
    """Return who builds what the shipped recipes say, with that cache."""
    return CommandLine(home, None, {"ENGINE_PIPELINE_CACHE_DIR": str(CACHE_DIR)})
