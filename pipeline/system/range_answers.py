"""Whether an answer is the file, the rest of the file, or something else (RFC 9110, sections 8.8.3, 14 and 15.3.7)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from pipeline.system.transfer_faults import TransferFault, fault_of_status

if TYPE_CHECKING:
    from pipeline.system.http_client import Answer

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)
_UNSATISFIED = re.compile(r"bytes \*/(\d{1,18})", re.ASCII)
_STRONG_TAG = re.compile(r'"[\x21\x23-\x7e\x80-\xff]*"')

Meaning = Literal["whole", "rest", "complete"]


def strong_tag(answer: Answer) -> str | None:
    """Return the entity tag of an answer if it is a strong one: a weak one does not promise equal bytes."""
    tag = answer.response.headers.get("etag", "").strip()
    return tag if _STRONG_TAG.fullmatch(tag) else None


def meaning_of(
    answer: Answer, *, offset: int, tag: str | None, size_bytes: int | None, binary: bool, now_seconds: int
) -> Meaning:
    """Return what to do with an answer: take it as the whole file, append it, or take the file as complete.

    Args:
        answer: of the server.
        offset: bytes that are there already and were asked to be left out; 0 when nothing was.
        tag: the entity tag of those bytes.
        size_bytes: of the whole file, None when it is not known.
        binary: whether a web page cannot be the file.
        now_seconds: since 1970.

    Raises:
        TransferFault: it is none of these. ``kind`` is ``content`` when bytes that were there before must not be used.
    """
    response = answer.response
    if response.status_code == 416 and offset:
        match = _UNSATISFIED.fullmatch(response.headers.get("content-range", ""))
        if match and int(match[1]) == offset and size_bytes in {None, offset}:
            return "complete"
        raise TransferFault("the server has not that much of the file", kind="content")
    if response.status_code not in {200, 206}:
        raise fault_of_status(answer.response, redirected=answer.redirected, now_seconds=now_seconds)
    media_type = response.headers.get("content-type", "").split(";")[0].strip().lower()
    if binary and media_type in {"text/html", "application/xhtml+xml"}:
        raise TransferFault("the server sent a web page in place of the file", kind="content")
    if response.status_code == 206:
        _check_part(answer, offset=offset, tag=tag, size_bytes=size_bytes)
        return "rest"
    length = response.headers.get("content-length")
    if size_bytes is not None and length is not None and length != str(size_bytes):
        raise TransferFault(f"the server announces {length} bytes, expected {size_bytes}", kind="content")
    return "whole"


def _check_part(answer: Answer, *, offset: int, tag: str | None, size_bytes: int | None) -> None:
    """Accept the rest of the file from ``offset`` to its end, of the same entity, and nothing else."""
    if not offset:
        raise TransferFault("the server sent a part of the file unasked", kind="content")
    text = answer.response.headers.get("content-range", "")
    match = _CONTENT_RANGE.fullmatch(text)
    if match is None or match[3] == "*":
        raise TransferFault(f"the server sent a part without saying which ({text!r})", kind="content")
    first, last, total = int(match[1]), int(match[2]), int(match[3])
    if first != offset or last != total - 1 or size_bytes not in {None, total}:
        raise TransferFault(f"the server sent another part than was asked for ({text!r})", kind="content")
    if strong_tag(answer) != tag:
        raise TransferFault("the file changed on the server meanwhile", kind="content")
