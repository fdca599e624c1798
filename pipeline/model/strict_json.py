"""JSON from outside, read so that two readers can never see two different documents in the same bytes.

The order is the one of RFC 8259's trap list: size cap, strict UTF-8 without a byte order mark, no duplicate keys, no
constants, no floats, no long integers, a depth cap, clean text. Types and ranges are the closed models' business.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NoReturn, TypeVar

from pipeline.errors import IntegrityError
from pipeline.model.clean_text import UNCLEAN

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

Item = TypeVar("Item", bound="Hashable")
LIMIT_BYTES = 16 << 20
MAX_DEPTH = 32
_MAX_INTEGER_DIGITS = 18  # below 2**63, so that no reader rounds or overflows
_BOM = b"\xef\xbb\xbf"


class _RefusedError(ValueError):
    """Something that JSON readers disagree about."""


def parse_json(data: bytes, *, what: str, limit_bytes: int = LIMIT_BYTES, any_text: bool = False) -> object:
    """Return the value of a JSON document of dicts, lists, strings, integers, booleans and None.

    Args:
        data: the document.
        what: for messages, for example ``manifest of llama.cpp``.
        limit_bytes: longer documents are refused unread.
        any_text: whether texts may hold what belongs in no name and no line, because people wrote some of them; the
            model then checks each text that is used.

    Raises:
        IntegrityError: it is too long or too deep, no clean UTF-8, or has anything that readers disagree about.
    """
    if len(data) > limit_bytes:
        _refuse(what, f"it has {len(data)} bytes, more than {limit_bytes}")
    if data.startswith(_BOM):
        _refuse(what, "it starts with a byte order mark")
    try:
        value: object = json.loads(
            data.decode("utf-8", errors="strict"),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_no_float,
            parse_int=_short_int,
        )
        _check_depth_and_text(value, any_text=any_text)
    except UnicodeDecodeError as error:
        _refuse(what, f"byte {error.start} is no UTF-8", error)
    except RecursionError as error:
        _refuse(what, f"it is nested deeper than {MAX_DEPTH}", error)
    except ValueError as error:  # json.JSONDecodeError and _RefusedError
        _refuse(what, str(error), error)
    return value


def first_repeated(names: Iterable[Item]) -> Item | None:
    """Return the first of ``names`` that stood there before, None when each stands once; in one pass."""
    seen: set[Item] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = first_repeated(name for name, _ in pairs)
        raise _RefusedError(f"the key {str(twice)[:80]!r} stands twice in one object")
    return found


def _no_constant(text: str) -> NoReturn:
    raise _RefusedError(f"{text} is no JSON number")


def _no_float(text: str) -> NoReturn:
    raise _RefusedError(f"{text[:40]} is not a whole number in plain digits")


def _short_int(text: str) -> int:
    if text == "-0" or len(text.removeprefix("-")) > _MAX_INTEGER_DIGITS:
        raise _RefusedError(f"{text[:40]} is no plain integer of at most {_MAX_INTEGER_DIGITS} digits")
    return int(text)


def _check_depth_and_text(document: object, *, any_text: bool) -> None:
    """Refuse what is too deep or holds an unclean text; a text that stands many times is looked at once.

    In a manifest of 2,000 artifacts one text in twenty is another one, and this was the most of reading it.
    """
    seen: set[str] = set()
    waiting: list[tuple[object, int]] = [([document], 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise _RefusedError(f"it is nested deeper than {MAX_DEPTH}")
        children: Iterable[object] = ()
        if isinstance(value, list):
            children = value
        elif isinstance(value, dict):
            children = value.values()
            if not any_text and not seen.issuperset(value):
                _check_new(value, seen)
        for child in children:
            if isinstance(child, (dict, list)):
                waiting.append((child, depth + 1))
            elif isinstance(child, str) and not any_text and child not in seen:
                _check_new((child,), seen)


def _check_new(texts: Iterable[str], seen: set[str]) -> None:
    for text in texts:
        if unclean := UNCLEAN.search(text):
            raise _RefusedError(f"a text holds the character U+{ord(unclean[0]):04X}")
        seen.add(text)


def _refuse(what: str, why: str, cause: BaseException | None = None) -> NoReturn:
    raise IntegrityError(
        f"{what} is malformed: {why}", hint="it was changed or was not written by this program; nothing of it was used"
    ) from cause
