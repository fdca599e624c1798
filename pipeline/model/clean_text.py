"""Text from outside on its way to people: nothing in it moves the cursor, hides, reverses, or holds a password.

Names of engines, roles and releases, reasons, and what servers say are other people's. On a terminal an escape sequence
is a command, and an override of the direction of writing makes one name look like another (UTS 39; CVE-2021-42574).
"""

from __future__ import annotations

import re

UNCLEAN = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls but tab and newline
    "\u00ad\u061c\u180e\u200b-\u200f\u2060-\u206f\ufeff"  # not to be seen, or about the direction of writing
    "\u2028-\u202e\ufff9-\ufffb"  # ends of lines that only some programs know, overrides, annotations
    "\ud800-\udfff"  # halves of characters
    "\U000e0000-\U000e0fff"  # tags
    "]"
)
"""Characters that belong in no name and in no line; ``strict_json`` refuses them in documents."""

# What may stand before the host of a url (RFC 3986, 3.2.1). A greedy match: a password may hold an "@". A url that was
# taken for a path has one slash.
_USER_INFO = re.compile(r"(?:(?<=://)|(?<=\w:/))[^/?#\s\"'<>\\]*@")


def visible(text: str) -> str:
    r"""Return ``text`` with every unclean character written as an escape, as JSON would: ``\u001b``.

    In a JSON document that is the same document: such characters stand only in its texts.
    """
    return UNCLEAN.sub(lambda found: _escaped(found[0]), text)


def without_user_info(text: str) -> str:
    """Return ``text`` without the user names and passwords of the urls in it."""
    return _USER_INFO.sub("", text)


def presentable(text: str) -> str:
    """Return what people and logs may get of a text: ``visible`` and ``without_user_info``."""
    return visible(without_user_info(text))


def _escaped(character: str) -> str:
    code = ord(character)
    if code > 0xFFFF:  # as JSON writes it: two halves
        high, low = divmod(code - 0x10000, 0x400)
        return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
    return f"\\u{code:04x}"
