"""Regular expressions for ``grep -E``: the part of Python's that POSIX has too, spelled its way."""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"(?P<group>\(\?:)"
    r"|(?P<escape>\\.)"
    r"|(?P<set>\[\^?\]?[^\]\\\[]*\])"
    r"|(?P<repeat>(?:[*+?]|\{\d+(?:,\d*)?\})(?![*+?{]))"
    r"|(?P<plain>\((?!\?)|[)|.^$]|[^\\()\[\]{}*+?|.^$])"
)
_CLASSES = {"d": "[0-9]", "s": "[[:space:]]", "w": "[[:alnum:]_]", "S": "[^[:space:]]", "D": "[^0-9]"}
_NO_WORD = "[^[:alnum:]_]"


def portable_pattern(pattern: str) -> str | None:
    r"""Return a pattern of Python's ``re`` as POSIX's extended regular expression, None where it has no equal there.

    Lazy repeats, look-around, named groups and back references have none; ``\b`` has one between a letter, digit or
    underscore and either end of a pattern. The result decides whether a line has a match, not where it is.
    """
    parts, position = [], 0
    while position < len(pattern):
        token = _TOKEN.match(pattern, position)
        text = None if token is None else _spelled(token)
        if token is None or text is None:
            return None
        parts.append(text)
        position = token.end()
    return "".join(parts)


def _spelled(token: re.Match[str]) -> str | None:
    match token.lastgroup:
        case "group":
            return "("
        case "escape":
            return _boundary(token) if token[0] == "\\b" else _escape(token[0][1])
        case _:
            return token[0]


def _boundary(token: re.Match[str]) -> str | None:
    before, after = token.string[: token.start()], token.string[token.end() :]
    if not before and re.match(r"[A-Za-z0-9_]", after):
        return f"(^|{_NO_WORD})"
    return f"({_NO_WORD}|$)" if not after and re.search(r"(?<!\\)[A-Za-z0-9_]$", before) else None


def _escape(letter: str) -> str | None:
    if letter in _CLASSES:
        return _CLASSES[letter]
    if letter in "\\^]":
        return f"\\{letter}"
    return f"[{letter}]" if letter.isascii() and letter.isprintable() and not letter.isalnum() else None
