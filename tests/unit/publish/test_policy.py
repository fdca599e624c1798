"""Policies that were signed elsewhere: what may be published of them."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from tuf.api.metadata import Metadata, Targets

from pipeline.errors import IntegrityError, TrustError
from pipeline.model.publication import PublishOutcome
from pipeline.publish.policy import own_pattern
from pipeline.publish.repository import publish
from pipeline.publish.roots import next_root, read_root, sign_with
from pipeline.publish.signing_parts import Paper, join, propose_policy
from tests.simulators.engine_world import LayerFiles, World

DAY = 86_400
ENGINE = "engine-llama.cpp"


@pytest.fixture
def published(world: World) -> World:
    world.build("b1", (LayerFiles("core", {"bin/llama-server": b"core"}),))
    world.publish()
    return world


def policy(world: World, change: Callable[[Targets], object] = lambda _: None) -> bytes:
    """Return the next policy, changed and then signed by enough."""
    metadata, _ = propose_policy(world.keys, world.repository, owners=(), now=world.clock.now_seconds())
    change(metadata.signed)
    signed = Metadata(metadata.signed)
    sign_with(signed, world.keys.signers("targets"))
    return signed.to_bytes()


def given(world: World, data: bytes, *, days: int = 0, dry_run: bool = False) -> PublishOutcome:
    return publish(
        dist=None,
        to=world.repository,
        keys=world.keys,
        services=world.services(),
        disk=world.disk,
        now=world.clock.now_seconds() + days * DAY,
        policy=data,
        allow_development=True,
        dry_run=dry_run,
    )


def role(targets: Targets):
    return targets.delegations.roles[ENGINE]


def test_a_policy_that_keeps_what_is_delegated_is_published(published: World):
    assert given(published, policy(published)).versions["targets"] == 2


@pytest.mark.parametrize("dry_run", [False, True], ids=["publish", "dry run"])
def test_a_policy_that_has_expired_is_not_published(published: World, *, dry_run: bool):
    before = sorted(path.name for path in (published.repository / "metadata").iterdir())
    with pytest.raises(TrustError, match="the targets metadata expired") as caught:
        given(published, policy(published), days=366, dry_run=dry_run)
    assert "make it anew" in caught.value.hint
    assert sorted(path.name for path in (published.repository / "metadata").iterdir()) == before


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda t: setattr(role(t), "terminating", False), "is not terminating"),
        (lambda t: setattr(role(t), "paths", ["engines/*/*"]), r"speak for engines/\*/\*; its own is engines/llama"),
        (lambda t: setattr(role(t), "paths", ["engines/llama.cpp/*", "envs/x/*"]), "its own is engines/llama"),
        (lambda t: setattr(role(t), "paths", ["engines/mlx-lm/*"]), "its own is engines/llama"),
        (lambda t: t.delegations.roles.update({"boss": renamed(t, "boss")}), "role boss .* named after no engine"),
    ],
    ids=["not terminating", "all engines", "one more", "another", "no engine's name"],
)
def test_a_policy_lets_no_role_speak_for_another(published: World, change, match: str):
    with pytest.raises(TrustError, match=match) as caught:
        given(published, policy(published, change))
    assert "make it anew" in caught.value.hint


def renamed(targets: Targets, name: str):
    made = type(role(targets)).from_dict(role(targets).to_dict() | {"paths": ["boss/*"]})
    made.name = name
    return made


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("engine-llama.cpp", "engines/llama.cpp/*"),
        ("env-mlx", "envs/mlx/*"),
        ("engine-", None),
        ("engine-*", None),
        ("engine-a/b", None),
        ("engines", None),
    ],
)
def test_what_a_role_may_speak_for(name: str, pattern: str | None):
    assert own_pattern(name) == pattern


def test_a_policy_keeps_the_other_fields_of_the_published_one(published: World):
    given(published, policy(published, lambda t: t.unrecognized_fields.update({"x-field": {"a": ["b"]}})))
    metadata, _ = propose_policy(published.keys, published.repository, owners=(), now=published.clock.now_seconds())
    assert metadata.signed.unrecognized_fields == {"x-field": {"a": ["b"]}}


def with_broken_signature(data: bytes) -> bytes:
    metadata = Metadata.from_bytes(data)
    metadata.signatures[next(iter(metadata.signatures))].signature = "ab" * 64
    return metadata.to_bytes()


@pytest.mark.parametrize("broken_first", [False, True])
def test_of_two_signatures_on_a_root_the_right_one_is_kept(published: World, *, broken_first: bool):
    root = published.trusted_root
    parts = [with_broken_signature(root), root] if broken_first else [root, with_broken_signature(root)]
    joined = Metadata.from_bytes(join(parts, names=["a", "b"]))
    joined.verify_delegate("root", joined)
    assert joined.signatures == Metadata.from_bytes(root).signatures


def test_of_two_signatures_by_an_unknown_key_none_is_lost(published: World):
    data = policy(published)
    with pytest.raises(TrustError, match="a and b have two signatures by the key"):
        join([data, with_broken_signature(data)], names=["a", "b"])
    assert join([data, data], names=["a", "b"]) == Metadata.from_bytes(data).to_bytes()


@pytest.mark.parametrize("field", ["x-engine-pipeline-repository", "x-engine-pipeline-lane"])
def test_no_holder_signs_a_root_of_another_repository(published: World, field: str):
    keys = published.keys
    now = published.clock.now_seconds()
    metadata = next_root(read_root(keys.root, what="root").signed, role="root", remove=(), add=(), now=now)
    Paper(metadata, keys).check(now)
    metadata.signed.unrecognized_fields[field] = "other"
    with pytest.raises(TrustError, match="of another repository or lane"):
        Paper(metadata, keys).check(now)


def test_a_root_that_is_a_pipe_or_too_long_holds_nobody_up(published: World):
    path = published.repository / "metadata/2.root.json"
    os.mkfifo(path)
    with pytest.raises(IntegrityError, match="is no plain file"):
        published.publish()
    path.unlink()
    path.write_bytes(b" " * 512_001)
    with pytest.raises(IntegrityError, match="longer than the 512000 bytes"):
        published.publish()
