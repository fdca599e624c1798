"""Sources that the shipped recipes pin, as the pipeline unpacks them: from the cache folder, or fetched into it."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.app.services import build_services
from pipeline.app.settings import Flags, load_settings
from pipeline.catalog import load
from pipeline.errors import PipelineError
from pipeline.make.fetch import fetch_source
from pipeline.model.actions import FetchSource
from pipeline.plan.keys import step_key
from tests.simulators.kept_cache import CACHE_DIR

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def pinned_source(engine: str, release: str) -> Iterator[Path]:
    """Give the folder of a release's source; the test is left out where it is neither here nor to be had."""
    settings = load_settings(Flags(cache_dir=CACHE_DIR))
    action = FetchSource(source=load(settings.recipes_dir).pin(engine, release).source)
    with build_services(settings) as services:
        known = services.store.result(step_key(action, ()))
        if known is not None:
            yield services.store.tree_path(known.trees["source"])
            return
        with services.store.work_dir(f"source-of-a-test-{release}") as work:
            try:
                outputs = fetch_source(action, "source", services, work)
            except PipelineError as error:
                pytest.skip(f"{engine} {release} is not here, and cannot be had: {error.message}")
        yield services.store.tree_path(outputs.trees["source"])
