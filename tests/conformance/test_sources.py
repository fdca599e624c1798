"""Every registered source kind keeps its promises."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from pipeline.digest import canonical_json
from pipeline.model.source import Source
from pipeline.sources.registry import KINDS, identity_of, retrieval_of

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
def test_an_unknown_key_is_refused(name):
    with pytest.raises(ValidationError):
        ADAPTER.validate_python({**KINDS[name].example.model_dump(), "shasum": "x"}, strict=False)


@kinds
def test_no_kind_is_without_a_digest_but_the_local_one(name):
    required = KINDS[name].model.model_json_schema()["required"]
    assert name == "local_tree" or {"sha256", "commit"} & set(required)
