"""Sizes as people write them."""

from __future__ import annotations

import re

from pipeline.errors import UsageError

_SIZE = re.compile(r"([0-9]{1,18})\s*(|[KMGT]|[KMGT]B|[KMGT]iB|B)", re.IGNORECASE)
_PREFIXES = "KMGT"


def parse_size(text: str, *, least: int, most: int) -> int:
    """Return a number of bytes: ``4G`` and ``4GB`` are 4*10^9, ``4GiB`` is 4*2^30, a number alone is bytes.

    Raises:
        UsageError: it is no size, or not between ``least`` and ``most``.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{text!r} is no size", hint="write a whole number with K, M, G, T or KiB, MiB, GiB, TiB")
    number, unit = int(match[1]), match[2].upper()
    power = _PREFIXES.index(unit[0]) + 1 if unit[:1] and unit[0] in _PREFIXES else 0
    size = int(number * (1024 if unit.endswith("IB") else 1000) ** power)
    if not least <= size <= most:
        raise UsageError(
            f"{text} is not between {least} and {most} bytes", hint="4G fits FAT32, 4.7 GB DVDs and all sticks"
        )
    return size
