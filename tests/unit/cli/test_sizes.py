from __future__ import annotations

import pytest

from pipeline.cli.sizes import parse_size
from pipeline.errors import UsageError


@pytest.mark.parametrize(
    ("text", "size"),
    [("4G", 4 * 10**9), ("4GB", 4 * 10**9), ("4GiB", 4 << 30), ("700m", 700 * 10**6), ("1 T", 10**12), ("5", 5),
     ("12kib", 12 << 10), ("7B", 7)],
)  # fmt: skip
def test_sizes_as_people_write_them(text, size):
    assert parse_size(text, least=1, most=1 << 60) == size


@pytest.mark.parametrize("text", ["", "G", "-1G", "1.5G", "4X", "4GiBs", "1_000", "0", "2000000000G", "٤G"])
def test_what_is_no_size_or_out_of_bounds_is_refused(text):
    with pytest.raises(UsageError):
        parse_size(text, least=1, most=1 << 60)
