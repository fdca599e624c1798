"""Every registered source kind keeps its promises."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from pipeline.digest import canonical_json
from pipeline.model.source import Source
from pipeline.sources.registry import KINDS, identity_of, material_of, retrieval_of

ADAPTER = TypeAdapter(Source)
kinds = pytest.mark.parametrize("name", sorted(KINDS))


def test_every_form_of_source_has_a_kind():
    schema = ADAPTER.json_schema()
    assert set(schema["discriminator"]["mapping"]) == set(KINDS)


@kinds
def test_the_example_is_found_by_its_kind(name):
    example = KINDS[name].example
    assert ADAPTER.validate_python(example.model_dump(), strict=False) == example
    assert example.kind == name


@kinds
def test_it_says_how_its_bytes_are_brought(name):
    assert retrieval_of(KINDS[name].example) == KINDS[name].retrieval(KINDS[name].example)


@kinds
def test_its_identity_is_canonical_and_says_nothing_of_places(name):
    identity = identity_of(KINDS[name].example)
    assert identity is None or b"://" not in canonical_json(identity)


@kinds
def test_provenance_names_it_by_digest_and_by_no_place_of_one_machine(name):
    found = material_of(KINDS[name].example, tree_sha256="7" * 64)
    assert all(found.digest.values())
    assert found.name
    assert found.uri is None or found.uri.startswith(("https://", "git+https://", "pkg:"))


@pytest.mark.parametrize("url", ["file:///srv/x.tar.gz", "https://user:secret@example.com/x.tar.gz"])
def test_provenance_tells_no_file_of_the_machine_and_no_login(url):
    archive = KINDS["http_archive"].example.model_copy(update={"urls": (url,)})
    commit = KINDS["git_commit"].example.model_copy(update={"urls": (url,)})
    assert material_of(archive, tree_sha256=None).uri is None
    assert material_of(commit, tree_sha256=None).uri is None
    public = archive.model_copy(update={"urls": (url, "https://example.com/x.tar.gz?token=1", "https://example.com/x")})
    assert material_of(public, tree_sha256=None).uri == "https://example.com/x"


@kinds
def test_an_unknown_key_is_refused(name):
    with pytest.raises(ValidationError):
        ADAPTER.validate_python({**KINDS[name].example.model_dump(), "shasum": "x"}, strict=False)


@kinds
def test_no_kind_is_without_a_digest_but_the_local_one(name):
    required = KINDS[name].model.model_json_schema()["required"]
    assert name == "local_tree" or {"sha256", "commit"} & set(required)
