"""Everything that reads JSON from outside, given everything that JSON readers disagree about."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from tuf.api.metadata import Metadata, Root

from pipeline.deploy.metadata_client import read_root
from pipeline.deploy.metadata_door import require_strict
from pipeline.errors import IntegrityError, PipelineError, TrustError
from pipeline.model.bundle_card import BundleCard
from pipeline.model.host import HostFacts
from pipeline.model.manifest_document import (
    read_bundle_card,
    read_document,
    read_manifest,
    write_bundle_card,
    write_document,
    write_manifest,
)
from pipeline.model.publication import KeyList
from pipeline.model.release_plan import PlannedBundle, ReleasePlan
from pipeline.model.revocation import Revocation, RevocationList
from pipeline.model.strict_json import LIMIT_BYTES, MAX_DEPTH, first_repeated
from pipeline.upstream.listing import read_page
from tests.simulators.engine_world import HOST
from tests.unit.model.test_manifest_document import artifact

MANIFEST = write_manifest([artifact()], release="1", created="2026-11-22T00:00:00Z")
CARD = write_bundle_card(BundleCard(schema_version=1, artifact={"version": "b1"}, files=()))
REVOKED = write_document(
    RevocationList(
        engine="llama.cpp",
        revoked=(
            Revocation(
                target="llama.cpp/linux-x86_64-cpu",
                version="b1",
                sha256="0" * 64,
                reason="it leaks",
                revoked_at="2026-11-22T00:00:00Z",
            ),
        ),
    )
)
LISTING = json.dumps(
    [{"tag_name": "b1", "published_at": "2026-11-22T00:00:00Z", "created_at": "2026-11-22T00:00:00Z", "assets": []}]
).encode()
PLAN = write_document(ReleasePlan(bundles=(PlannedBundle(target="llama.cpp/linux-x86_64-cpu", version="b1"),)))
KEYS = write_document(KeyList(repository="0123456789abcdef" * 2, development=True, encrypted=False, roles={}))

READERS: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "manifest": (read_manifest, MANIFEST),
    "bundle card": (read_bundle_card, CARD),
    "revocations": (lambda data: read_document(RevocationList, data, what="revocations"), REVOKED),
    "host facts": (lambda data: read_document(HostFacts, data, what="facts"), write_document(HOST)),
    "key list": (lambda data: read_document(KeyList, data, what="keys"), KEYS),
    "release plan": (lambda data: read_document(ReleasePlan, data, what="release plan"), PLAN),
    "release listing": (lambda data: read_page(data, what="listing"), LISTING),
    "metadata": (lambda data: require_strict(data, what="metadata"), b'{"signatures": [], "signed": {}}'),
}
HOSTILE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut": lambda data: data.rstrip()[:-1],
    "two documents": lambda data: data + data,
    "a key twice": lambda data: data.replace(b"{", b'{"k": 1, "k": 2, ', 1),
    "a key twice, one escaped": lambda data: data.replace(b"{", b'{"k": 1, "\\u006b": 2, ', 1),
    "NaN": lambda data: data.replace(b"{", b'{"k": NaN, ', 1),
    "Infinity": lambda data: data.replace(b"{", b'{"k": -Infinity, ', 1),
    "1e999": lambda data: data.replace(b"{", b'{"k": 1e999, ', 1),
    "a float": lambda data: data.replace(b"{", b'{"k": 1.0, ', 1),
    "minus zero": lambda data: data.replace(b"{", b'{"k": -0, ', 1),
    "a long number": lambda data: data.replace(b"{", b'{"k": ' + b"9" * 5000 + b", ", 1),
    "deep": lambda data: data.replace(b"{", b'{"k": ' + b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1) + b", ", 1),
    "very deep": lambda data: data.replace(b"{", b'{"k": ' + b"[" * 200_000 + b"]" * 200_000 + b", ", 1),
    "never closed": lambda data: b'{"k":' * 100_000 + data,
    "a byte order mark": lambda data: b"\xef\xbb\xbf" + data,
    "UTF-16": lambda data: data.decode().encode("utf-16"),
    "UTF-32": lambda data: data.decode().encode("utf-32-le"),
    "Latin-1": lambda data: data.replace(b"{", b'{"\xe9": 1, ', 1),
    "overlong UTF-8": lambda data: data.replace(b"{", b'{"\xc0\xaf": 1, ', 1),
    "comments": lambda data: b"/* hello */" + data,
    "a comma too many": lambda data: data.rstrip()[:-1] + b"," + data.rstrip()[-1:],
    "single quotes": lambda data: data.replace(b'"', b"'"),
    "a raw control character": lambda data: data.replace(b"{", b'{"a\x00b": 1, ', 1),
}
# Where people write texts, these are left to whoever shows them.
UNCLEAN: dict[str, bytes] = {
    "a lone surrogate": b'"\\ud800"',
    "an escape sequence": b'"\\u001b[2J"',
    "NUL": b'"a\\u0000b"',
    "right to left": b'"\\u202ecod.exe"',
    "not to be seen": b'"lla\\u200bma"',
    "a tag": b'"\\udb40\\udc41"',
    "a line separator": b'"a\\u2028b"',
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("reader", READERS)
def test_what_readers_disagree_about_is_refused_by_every_reader(reader: str, kind: str):
    read, valid = READERS[reader]
    read(valid)  # the control: without the change it is taken
    changed = HOSTILE[kind](valid)
    assert changed != valid
    with pytest.raises(IntegrityError) as caught:
        read(changed)
    assert len(caught.value.message) < 1000


@pytest.mark.parametrize("text", UNCLEAN)
@pytest.mark.parametrize("reader", [name for name in READERS if name != "release listing"])
def test_unclean_text_is_refused_wherever_it_stands(reader: str, text: str):
    read, valid = READERS[reader]
    for place in (b'{"k": ' + UNCLEAN[text] + b", ", b"{" + UNCLEAN[text] + b": 1, "):
        with pytest.raises(IntegrityError, match=r"character U\+|surrogate|UTF-8"):
            read(valid.replace(b"{", place, 1))


def test_a_document_is_refused_unread_when_it_is_too_long():
    for read, valid in READERS.values():
        if read is not READERS["metadata"][0] and read is not READERS["release listing"][0]:
            with pytest.raises(IntegrityError, match="more than"):
                read(valid + b" " * LIMIT_BYTES)


def test_a_million_keys_and_one_twice_are_looked_at_once_each():
    """Counting each key among all would take hours."""
    keys = ",".join(f'"{number}":0' for number in range(300_000))
    with pytest.raises(IntegrityError, match="'299999' stands twice"):
        read_manifest(f'{{{keys},"299999":0}}'.encode())
    assert first_repeated([1, 2, 3]) is None


def test_a_trusted_root_is_read_as_strictly():
    root = Metadata(Root()).to_bytes()
    assert read_root(root).version == 1
    for change in ("a key twice", "NaN", "deep", "UTF-16", "a byte order mark"):
        with pytest.raises(TrustError, match="no TUF root metadata"):
            read_root(HOSTILE[change](root))


PLACES = [
    "http://example.com/x",
    "HTTPS://example.com/x",
    "ftp://example.com/x",
    "javascript:alert(1)",
    "data:text/plain,x",
    "https:///x",
    "https://user@example.com/x",
    "https://user:word@example.com/x",
    "https://example.com\\@evil.example/x",
    "https://example.com/x?query",
    "https://example.com/x#part",
    "https://example.com/../x",
    "https://example.com/a/./x",
    "https://example.com/%2e%2e/x",
    "https://example.com/a%2Fb",
    "https://example.com/a%5cb",
    "https://example.com/a%00b",
    "https://example.com/%zz",
    "https://example.com/%",
    "https://exa mple.com/x",
    "https://\u0435xample.com/x",
    "https://example.com:port/x",
    "//example.com/x",
    "file://server/share/x",
    "file:///a/../b",
    "/absolute",
    "../above",
    "a/../../b",
    "a//b",
    "a/",
    "",
    ".",
    "C:/x",
    "C:x",
    "a\\b",
    "%2e%2e/x",
    "a%2f..%2fb",
    "a b",
    "f\u0456le",
    "a" * 5000,
]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ascii(place)[:60])
def test_places_that_programs_could_read_differently_are_refused(place: str):
    for changes in ({"url": place}, {"provenance": place}):
        document = json.loads(MANIFEST)
        document["artifacts"][0] |= changes
        with pytest.raises(PipelineError):
            read_manifest(json.dumps(document).encode())


@pytest.mark.parametrize(
    "place",
    [
        "https://example.com/a/b-1.2+3_4~5.tar.zst",
        "https://example.com/a%20b",
        "https://[::1]:8080/x",
        "file:///opt/x",
        "file:///C:/x",
        "a/b.zst",
    ],
)
def test_places_that_are_plain_are_taken(place: str):
    document = json.loads(MANIFEST)
    document["artifacts"][0]["url"] = place
    assert read_manifest(json.dumps(document).encode()).artifacts[0].url == place
