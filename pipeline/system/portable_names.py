"""Names of files that mean one and the same on every system that this project serves.

Sources: Windows, "Naming Files, Paths, and Namespaces" (reserved names and characters, colons of data streams, dots and
spaces that are dropped at the end); APFS and NTFS, which see no case; HFS+, which does not see some characters at all
(the hole of CVE-2014-9390); Unicode 15, 3.13 "Default Case Algorithms", D145 (canonical caseless matching).
"""

from __future__ import annotations

import re
import unicodedata

MAX_SEGMENT_BYTES = 255  # NAME_MAX of ext4, APFS, NTFS
MAX_PATH_BYTES = 1024  # PATH_MAX of macOS
MAX_DEPTH = 128  # folders within folders; real trees have some 20
_RESERVED = {
    "con", "prn", "aux", "nul", "conin$", "conout$",
    *(f"{device}{n}" for device in ("com", "lpt") for n in "0123456789¹²³"),
}  # fmt: skip
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # Unicode's category Cc
_FORBIDDEN = re.compile(r'[<>:"|?*\\]')
_SHORT = re.compile(r"~\d")


def segment_fault(segment: str) -> str | None:
    """Return why one name of a path is refused, None when it is fit for every system."""
    try:
        size = len(segment) if segment.isascii() else len(segment.encode())
    except UnicodeEncodeError:
        return "is no clean UTF-8"
    if size > MAX_SEGMENT_BYTES:
        return f"has a name of more than {MAX_SEGMENT_BYTES} bytes"
    if _CONTROL.search(segment):
        return "has a control character"
    if _FORBIDDEN.search(segment):
        return "has a character that Windows does not allow, such as the colon of a drive or a data stream"
    if segment.endswith((".", " ")) or segment.split(".", 1)[0].rstrip().lower() in _RESERVED:
        return "has a name that Windows reserves"
    return None


def folded(path: str) -> str:
    """Return what the least discerning file system sees of a path: two paths with one value may be one file.

    It goes by more than any one system does: ``ß`` and ``ss``, or Turkish dotless and dotted i, count as one.
    """
    if path.isascii():
        return path.lower()
    seen = "".join(character for character in path if unicodedata.category(character) != "Cf")
    upper = unicodedata.normalize("NFD", seen).upper()
    plain = unicodedata.normalize("NFD", upper.casefold())
    return unicodedata.normalize("NFC", plain.replace("i\u0307", "i"))


def may_be_short(segment: str) -> bool:
    """Tell whether a name may be the 8.3 alias of another one on NTFS, such as ``LONGNA~1``."""
    return _SHORT.search(segment) is not None
