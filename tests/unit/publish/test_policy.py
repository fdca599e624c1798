"""Policies that were signed elsewhere: what may be published of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tuf.api.metadata import Metadata, Targets

from pipeline.errors import TrustError
from pipeline.model.publication import PublishOutcome
from pipeline.publish.policy import own_pattern
from pipeline.publish.repository import publish
from pipeline.publish.roots import sign_with
from pipeline.publish.signing_parts import propose_policy
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
