"""Keys replaced and taken away, and a repository that follows without a moment that readers refuse."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable

import pytest

from pipeline.deploy.trust import TrustedRepository
from pipeline.errors import IntegrityError, NothingSelectedError, TrustError, UsageError
from pipeline.model.publication import PublishOutcome
from pipeline.publish.key_changes import KeyChange, revoke_key, rotate
from pipeline.publish.key_parts import install_root
from pipeline.publish.keys import KeyFolder
from pipeline.publish.repository import refresh
from pipeline.publish.state import read_state
from tests.simulators.dying import dies_before
from tests.simulators.engine_world import LayerFiles, World
from tests.simulators.partial_keys import without

SMALL = (LayerFiles("core", {"bin/llama-server": b"core"}),)


@pytest.fixture
def published(world: World) -> World:
    world.build("b1", SMALL)
    world.publish()
    return world


def turn(world: World, role: str, **choices: object) -> KeyChange:
    fields = {"replaced": (), "new": (), "passphrase": None, "now": world.clock.now_seconds()} | choices
    return rotate(world.keys, role, **fields)


def refreshed(world: World, keys: KeyFolder | None = None) -> PublishOutcome:
    return refresh(
        to=world.repository,
        keys=keys or world.keys,
        services=world.services(),
        disk=world.disk,
        now=world.clock.now_seconds(),
    )


def read_as_a_client(world: World, name: str = "reader") -> dict[str, int]:
    """Read everything from the first root on, with nothing remembered."""
    shutil.rmtree(world.folder / name, ignore_errors=True)
    with TrustedRepository.open(
        str(world.repository),
        state_dir=world.folder / name,
        trusted_root=world.trusted_root,
        services=world.services(),
        disk=world.disk,
    ) as repository:
        repository.manifest("llama.cpp")
        return repository.signed_files()


@pytest.mark.parametrize("role", ["root", "targets", "snapshot", "timestamp", "engines"])
def test_every_role_gets_new_keys_and_readers_follow(published: World, role: str):
    before = {entry.keyid for entry in published.keys.listing.roles[role].keys}
    change = turn(published, role)
    assert set(change.removed) == before
    assert len(change.added) == len(before)
    assert {entry.keyid for entry in published.keys.listing.roles[role].keys} == set(change.added)
    assert set(change.removed) <= {entry.keyid for entry in published.keys.listing.spare}
    outcome = refreshed(published)
    assert outcome.changed
    assert outcome.versions["root"] == (1 if role == "engines" else 2)
    read_as_a_client(published)
    assert refreshed(published).changed is False


def test_one_key_of_three_is_replaced_and_the_others_stay(published: World):
    first, *others = (entry.keyid for entry in published.keys.listing.roles["root"].keys)
    change = turn(published, "root", replaced=(first[:10],))
    assert change.removed == (first,)
    assert {e.keyid for e in published.keys.listing.roles["root"].keys} == {*others, *change.added}


def test_a_root_is_signed_by_the_old_keys_and_the_new_ones(published: World):
    before = {entry.keyid for entry in published.keys.listing.roles["root"].keys}
    change = turn(published, "root")
    assert change.installed
    assert change.root is not None
    signed = {s["keyid"] for s in json.loads(change.root)["signatures"]}
    assert signed == before | set(change.added)
    assert (published.keys_dir / "1.root.json").read_bytes() == published.trusted_root
    assert (published.keys_dir / "root.json").read_bytes() == change.root


def test_a_key_is_taken_away_as_long_as_enough_are_left(published: World):
    first, second, _ = (entry.keyid for entry in published.keys.listing.roles["root"].keys)
    now = published.clock.now_seconds()
    assert revoke_key(published.keys, first[:12], now=now).removed == (first,)
    assert len(published.keys.listing.roles["root"].keys) == 2
    refreshed(published)
    read_as_a_client(published)
    with pytest.raises(UsageError, match="would have 1 key, and 2 must sign"):
        revoke_key(published.keys, second, now=now)
    (engines,) = published.keys.listing.roles["engines"].keys
    with pytest.raises(UsageError, match="would have 0 keys"):
        revoke_key(published.keys, engines.keyid, now=now)


@pytest.mark.parametrize("role", ["snapshot", "engines"])
def test_keys_that_are_none(published: World, role: str):
    with pytest.raises(NothingSelectedError, match="has no key 0000"):
        turn(published, role, replaced=("0000",))
    with pytest.raises(NothingSelectedError, match="any role has no key 0000"):
        revoke_key(published.keys, "0000", now=published.clock.now_seconds())
    with pytest.raises(UsageError, match="several"):
        revoke_key(published.keys, "", now=published.clock.now_seconds())
    with pytest.raises(TrustError, match="lists no key for the role"):
        turn(published, "engine:mlx-lm")


def test_a_key_of_two_roles_is_taken_out_of_the_one_that_is_named(published: World):
    path = published.keys_dir / "keys.json"
    document = json.loads(path.read_text())
    engines = document["roles"]["engines"]
    one = engines["keys"][0]
    other = document["roles"]["snapshot"]["keys"][0]
    document["roles"]["engine:mlx-lm"] = engines | {"keys": [one, other]}
    path.write_text(json.dumps(document))
    now = published.clock.now_seconds()
    with pytest.raises(UsageError, match="is one of the roles engine:mlx-lm, engines") as caught:
        revoke_key(published.keys, one["keyid"], now=now)
    assert "--role engine:mlx-lm" in caught.value.hint
    assert revoke_key(published.keys, one["keyid"], now=now, role="engine:mlx-lm").removed == (one["keyid"],)
    roles = published.keys.listing.roles
    assert [e.keyid for e in roles["engine:mlx-lm"].keys] == [other["keyid"]]
    assert [e.keyid for e in roles["engines"].keys] == [one["keyid"]]


def test_keys_that_are_elsewhere_are_not_replaced_by_guessing(published: World):
    with pytest.raises(UsageError, match="none of the keys of the role snapshot is in"):
        rotate(without(published, "snapshot"), "snapshot", replaced=(), new=(), passphrase=None, now=1)


def test_a_refresh_needs_the_online_keys_alone(published: World):
    online = without(published, "root", "targets", "engines")
    later = published.clock.now_seconds() + 85 * 86_400
    outcome = refresh(
        to=published.repository, keys=online, services=published.services(), disk=published.disk, now=later
    )
    assert outcome.versions == {"root": 1, "targets": 1, "engine-llama.cpp": 1, "snapshot": 2, "timestamp": 2}


def test_a_lost_key_is_replaced_all_the_same(published: World):
    """The old timestamp key is gone, so the new root comes first and what it signed is signed anew."""
    turn(published, "timestamp")
    old = published.keys.listing.spare[0]
    (published.keys_dir / str(old.file)).unlink()
    listing = json.loads((published.keys_dir / "keys.json").read_text())
    listing["spare"] = []
    (published.keys_dir / "keys.json").write_text(json.dumps(listing))
    assert refreshed(published).versions["timestamp"] == 2
    read_as_a_client(published)


def test_a_root_that_is_out_before_its_keys_have_signed_is_caught_up_with(published: World):
    turn(published, "timestamp")
    shutil.copy(published.keys_dir / "root.json", published.repository / "metadata/2.root.json")
    with pytest.raises(TrustError, match="signed by"):
        read_as_a_client(published)
    state = read_state(published.repository, trusted_root=published.keys.root, roots=published.keys.roots)
    assert state.stale == {"timestamp"}
    assert refreshed(published).versions == {
        "root": 2,
        "targets": 1,
        "engine-llama.cpp": 1,
        "snapshot": 1,
        "timestamp": 2,
    }
    read_as_a_client(published)


def test_a_root_of_another_repository_is_not_installed(published: World):
    other = World(published.folder / "other")
    with pytest.raises(TrustError, match="another root"):
        install_root(published.keys, other.trusted_root, what="root.json")
    turn(other, "root")
    with pytest.raises(TrustError, match="of another repository"):
        install_root(published.keys, other.keys.root, what="root.json")
    for data in (b"", b"{}", b"[" * 100_000, b'{"signed": {}}'):
        with pytest.raises(IntegrityError):
            install_root(published.keys, data, what="root.json")
    with pytest.raises(TrustError, match="of the kind timestamp"):
        install_root(published.keys, (published.repository / "metadata/timestamp.json").read_bytes(), what="root.json")
    assert published.keys.root == published.trusted_root


def test_a_root_that_skips_a_version_is_not_installed(published: World):
    behind = without(published)
    turn(published, "snapshot")
    turn(published, "snapshot")
    with pytest.raises(TrustError, match="after 1 comes the next one"):
        install_root(behind, published.keys.root, what="root.json")


def at_each_change(world: World, action: Callable[[], object], check: Callable[[int], object]) -> int:
    """Let ``action`` die before each of its changes of the world's folders; return how many there were."""
    start = world.folder / "start"
    for folder in (world.repository, world.keys_dir):
        shutil.copytree(folder, start / folder.name)
    for number in range(1, 500):
        for folder in (world.repository, world.keys_dir):
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(start / folder.name, folder)
        died = dies_before(number, action)
        check(number)
        if not died:
            return number
    raise AssertionError("it never came to its end")


@pytest.mark.parametrize("role", ["root", "engines"])
def test_a_rotation_that_dies_leaves_keys_that_sign(published: World, role: str):
    def check(number: int) -> None:
        assert len(published.keys.signers("root")) >= 2, number
        turn(published, role)
        assert refreshed(published).changed, number
        read_as_a_client(published)
        assert not [*published.keys_dir.glob(".*.new")], number

    assert at_each_change(published, lambda: turn(published, role), check) > 3


@pytest.mark.parametrize("role", ["targets", "timestamp", "engines"])
def test_readers_accept_every_moment_of_a_change_of_keys(published: World, role: str):
    turn(published, role)

    def check(number: int) -> None:
        read_as_a_client(published)
        refreshed(published)
        read_as_a_client(published)
        assert refreshed(published).changed is False, number
        assert not (published.repository / ".staging").exists()

    assert at_each_change(published, lambda: refreshed(published), check) > 5
