"""Whether an answer is the file, a part of the file, or something else (RFC 9110, sections 8.8.3, 14 and 15.3.7)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from pipeline.system.transfer_faults import TransferFault, fault_of_status

if TYPE_CHECKING:
    from pipeline.system.http_answer import Answer
    from pipeline.system.range_plan import Span

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)
_UNSATISFIED = re.compile(r"bytes \*/(\d{1,18})", re.ASCII)
_STRONG_TAG = re.compile(r'"[\x21\x23-\x7e\x80-\xff]*"')

OPEN_END = -1
Meaning = Literal["whole", "part", "complete"]


def strong_tag(answer: Answer) -> str | None:
    """Return the entity tag of an answer if it is a strong one: a weak one does not promise equal bytes."""
    tag = answer.response.headers.get("etag", "").strip()
    return tag if _STRONG_TAG.fullmatch(tag) else None


def meaning_of(
    answer: Answer, *, asked: Span | None, tag: str | None, size_bytes: int | None, binary: bool, now_seconds: int
) -> Meaning:
    """Return what to do with an answer: take it as the whole file, as the part that was asked for, or as the end.

    Args:
        answer: of the server.
        asked: the part that was asked for, with an end of ``OPEN_END`` for all that follows; None for the whole file.
        tag: the entity tag of the bytes that are there.
        size_bytes: of the whole file, None when it is not known.
        binary: whether a web page cannot be the file.
        now_seconds: since 1970.

    Raises:
        TransferFault: it is none of these. ``kind`` is ``content`` when it cannot be the file that was begun.
    """
    response = answer.response
    if response.status_code == 416 and asked is not None:
        match = _UNSATISFIED.fullmatch(response.headers.get("content-range", ""))
        if match and int(match[1]) == asked.start and size_bytes in {None, asked.start}:
            return "complete"
        raise TransferFault("the server has not that much of the file", kind="content")
    if response.status_code not in {200, 206}:
        raise fault_of_status(answer.response, redirected=answer.redirected, now_seconds=now_seconds)
    media_type = response.headers.get("content-type", "").split(";")[0].strip().lower()
    if binary and media_type in {"text/html", "application/xhtml+xml"}:
        raise TransferFault("the server sent a web page in place of the file", kind="content")
    if response.status_code == 206:
        _check_part(answer, asked=asked, tag=tag, size_bytes=size_bytes)
        return "part"
    length = response.headers.get("content-length")
    if size_bytes is not None and length is not None and length != str(size_bytes):
        raise TransferFault(f"the server announces {length} bytes, expected {size_bytes}", kind="content")
    return "whole"


def _check_part(answer: Answer, *, asked: Span | None, tag: str | None, size_bytes: int | None) -> None:
    """Accept exactly the part that was asked for, of the same entity, and nothing else."""
    if asked is None:
        raise TransferFault("the server sent a part of the file unasked", kind="content")
    text = answer.response.headers.get("content-range", "")
    match = _CONTENT_RANGE.fullmatch(text)
    if match is None or match[3] == "*":
        raise TransferFault(f"the server sent a part without saying which ({text!r})", kind="content")
    first, last, total = int(match[1]), int(match[2]), int(match[3])
    end = total if asked.end == OPEN_END else asked.end
    if first != asked.start or last != end - 1 or size_bytes not in {None, total}:
        raise TransferFault(f"the server sent another part than was asked for ({text!r})", kind="content")
    length = answer.response.headers.get("content-length")
    if length is not None and length != str(end - first):
        raise TransferFault(f"the server announces {length} bytes for a part of {end - first}", kind="content")
    if strong_tag(answer) != tag:
        raise TransferFault("the file changed on the server meanwhile", kind="content")


def range_headers(asked: Span, tag: str) -> dict[str, str]:
    """Return the headers that ask for a part, and for the whole file should it have changed."""
    last = "" if asked.end == OPEN_END else asked.end - 1
    return {"Range": f"bytes={asked.start}-{last}", "If-Range": tag}
