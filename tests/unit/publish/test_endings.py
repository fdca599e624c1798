"""Signatures that end where their keys are not: warned of while there is time, refused when it is over."""

from __future__ import annotations

import pytest

from pipeline.errors import IntegrityError, TrustError
from pipeline.events import Notice
from pipeline.publish.repository import refresh
from pipeline.publish.state import read_state
from tests.simulators.engine_world import LayerFiles, World
from tests.simulators.partial_keys import without

DAY = 86_400


@pytest.fixture
def published(world: World) -> World:
    world.build("b1", (LayerFiles("core", {"bin/llama-server": b"core"}),))
    world.publish()
    return world


def warned(world: World, days: int, *elsewhere: str, dry_run: bool = False) -> tuple[str, ...]:
    """Refresh without some roles' keys; return what was warned of."""
    services = world.services()
    refresh(
        to=world.repository,
        keys=without(world, *elsewhere),
        services=services,
        disk=world.disk,
        now=world.clock.now_seconds() + days * DAY,
        dry_run=dry_run,
    )
    return tuple(event.message for event in services.events.events if isinstance(event, Notice))


def test_an_engine_whose_keys_are_elsewhere_is_warned_of_while_it_lives(published: World):
    assert warned(published, 20, "engines") == ()
    (text,) = warned(published, 85, "engines")
    assert "the role engine-llama.cpp of" in text
    assert "has too few of its keys; clients stop then" in text
    assert warned(published, 85) == ()


def test_a_policy_whose_keys_are_elsewhere_is_warned_of_while_it_lives(published: World):
    texts = warned(published, 300, "targets")
    assert [("the role targets" in text, "the root of" in text) for text in texts] == [(False, True), (True, False)]


@pytest.mark.parametrize("dry_run", [False, True], ids=["refresh", "dry run"])
def test_a_refresh_fails_once_a_role_has_expired_that_it_cannot_sign(published: World, *, dry_run: bool):
    with pytest.raises(TrustError, match=r"keys that must sign are not here: engine-llama\.cpp \(") as caught:
        warned(published, 91, "engines", dry_run=dry_run)
    assert "Where the keys of an engine are" in caught.value.hint
    state = read_state(published.repository, trusted_root=published.keys.root)
    assert state.timestamp is not None
    assert state.timestamp.version == (1 if dry_run else 2)  # what can be signed was
    assert warned(published, 91) == ()


def test_a_refresh_fails_once_the_root_has_expired(published: World):
    with pytest.raises(TrustError, match=r"are not here: root \("):
        warned(published, 366)


@pytest.mark.parametrize("damage", [b"", b"other", None], ids=["empty", "other", "same length"])
def test_a_document_whose_blob_has_other_bytes_is_not_published(published: World, damage: bytes | None):
    target = read_state(published.repository, trusted_root=published.keys.root).published[
        "engines/llama.cpp/manifest.json"
    ]
    sha256 = target.hashes["sha256"]
    data = (published.repository / "blobs" / sha256[:2] / sha256).read_bytes()
    other = World(published.folder / "other")
    other.build("b1", (LayerFiles("core", {"bin/llama-server": b"core"}),))
    blob = other.repository / "blobs" / sha256[:2] / sha256
    blob.parent.mkdir(parents=True)
    blob.write_bytes(data[::-1] if damage is None else damage)
    with pytest.raises(IntegrityError, match="is not the document of that digest") as caught:
        other.publish()
    assert "publish again" in caught.value.hint
    assert not (other.repository / "metadata").exists()
    blob.unlink()
    assert other.publish().changed
