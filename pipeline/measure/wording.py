"""Figures as a report writes them."""

from __future__ import annotations

_UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
_MINUTE, _HOUR = 60, 3600
_TENS = 10
_WHOLE_PERCENT, _LEAST_SHARE = 0.1, 0.0005


def bytes_text(size: int) -> str:
    """Return ``1.23 GB``, ``45.6 MB``, ``789 kB``, ``12 B``: three digits, powers of ten, as downloads are sold."""
    amount = abs(size)
    sign = "-" if size < 0 else ""
    for unit, name in _UNITS:
        if amount >= unit * 0.9995:
            value = amount / unit
            digits = 2 if value < 9.995 else 1 if value < 99.95 else 0  # noqa: PLR2004 - what rounds up to 10 and 100
            return f"{sign}{value:.{digits}f} {name}"
    return f"{sign}{amount} B"


def change_text(before: int, after: int) -> str:
    """Return ``+1.20 MB (+3.4 %)``, ``-0.5 %`` with its bytes, or ``same``."""
    if before == after:
        return "same"
    sign = "+" if after > before else ""
    share = f" ({sign}{(after - before) / before * 100:.1f} %)" if before else ""
    return f"{sign}{bytes_text(after - before)}{share}"


def share_text(part: int, whole: int) -> str:
    """Return a part in percent, with a digit behind the point where it is small."""
    if not whole:
        return "-"
    share = part / whole
    if 0 < share < _LEAST_SHARE:
        return "<0.1%"
    return f"{share:.0%}" if share >= _WHOLE_PERCENT or not part else f"{share:.1%}"


def time_text(milliseconds: int) -> str:
    """Return ``0.25 s``, ``12.3 s``, ``4 min 05 s``, ``2 h 07 min``."""
    seconds = milliseconds / 1000
    if seconds < _TENS:
        return f"{seconds:.2f} s"
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02d} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02d} min"
