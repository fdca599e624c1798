from __future__ import annotations

import pytest

from tests.simulators.footprints import Shelf, filled


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def two_releases(shelf: Shelf) -> Shelf:
    """Two targets over two releases."""
    return filled(shelf)
