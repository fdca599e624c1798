"""Builds that are revoked: the list is signed, grows, and survives whatever happens to a publisher."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.errors import NothingSelectedError, TrustError, UsageError
from pipeline.model.publication import PublishOutcome
from pipeline.model.revocation import RevocationList
from pipeline.publish.keys import init_keys
from pipeline.publish.repository import publish, refresh, revoke
from pipeline.publish.state import read_state
from pipeline.system.keys import PrivateKeyFiles
from tests.simulators.dying import dies_before
from tests.simulators.engine_world import LayerFiles, World

TARGET = "llama.cpp/linux-x86_64-cpu"


def layers(text: str) -> tuple[LayerFiles, ...]:
    return (LayerFiles("core", {"bin/llama-server": text.encode()}),)


@pytest.fixture
def published(world: World) -> World:
    for version in ("b1", "b2"):
        world.build(version, layers(version))
    world.publish()
    return world


def revoked(world: World, version: str = "b1", **choices: object) -> PublishOutcome:
    fields = {"target": TARGET, "version": version, "reason": "it computes wrongly"} | choices
    return revoke(
        **fields,
        to=world.repository,
        keys=world.keys,
        services=world.services(),
        disk=world.disk,
        now=world.clock.now_seconds(),
    )


def listed(world: World) -> RevocationList:
    state = read_state(world.repository, trusted_root=world.keys.root)
    return state.revocations.get("llama.cpp", RevocationList(engine="llama.cpp"))


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_revoked_build_is_on_the_signed_list(published: World):
    outcome = revoked(published)
    assert outcome.versions == {"root": 1, "targets": 1, "engine-llama.cpp": 2, "snapshot": 2, "timestamp": 2}
    (one,) = listed(published).revoked
    state = read_state(published.repository, trusted_root=published.keys.root)
    artifact = next(a for a in state.manifests["llama.cpp"].artifacts if a.version == "b1")
    assert (one.target, one.version, one.sha256, one.reason) == (TARGET, "b1", artifact.sha256, "it computes wrongly")
    assert state.published["engines/llama.cpp/revocations.json"].unrecognized_fields == {
        "custom": {"name": "revocations.json"}
    }


def test_revoking_twice_changes_nothing(published: World):
    revoked(published)
    before = files(published.repository)
    assert revoked(published, reason="another reason").changed is False
    assert files(published.repository) == before


def test_the_list_only_grows(published: World):
    revoked(published)
    revoked(published, "b2")
    published.build("b3", layers("b3"))
    published.publish()
    refresh(
        to=published.repository,
        keys=published.keys,
        services=published.services(),
        disk=published.disk,
        now=published.clock.now_seconds() + 80 * 86_400,
    )
    assert [one.version for one in listed(published).revoked] == ["b1", "b2"]


def test_a_dry_run_revokes_nothing(published: World):
    before = files(published.repository)
    assert revoked(published, dry_run=True).changed is True
    assert files(published.repository) == before


def test_builds_that_are_not_there(published: World):
    with pytest.raises(NothingSelectedError, match="b9 is not published here") as caught:
        revoked(published, "b9")
    assert "--sha256" in caught.value.hint
    assert revoked(published, "b9", sha256="ab" * 32).changed
    assert [one.sha256 for one in listed(published).revoked] == ["ab" * 32]
    with pytest.raises(NothingSelectedError, match="nothing of that engine"):
        revoked(published, target="mlx-lm/macos-arm64-mlx")


@pytest.mark.parametrize("reason", ["", "two\nlines", "x" * 501, "\x1b[31mred"], ids=["none", "two", "long", "control"])
def test_reasons_that_are_no_line_of_text(published: World, reason: str):
    with pytest.raises(UsageError, match="reason of the revocation"):
        revoked(published, reason=reason)
    assert listed(published).revoked == ()


def test_a_digest_that_is_not_the_published_one_revokes_nothing(published: World):
    with pytest.raises(UsageError, match="is published here with the sha256") as caught:
        revoked(published, sha256="ab" * 32)
    assert "leave --sha256 out" in caught.value.hint
    assert listed(published).revoked == ()


def test_a_target_that_is_none(published: World):
    with pytest.raises(UsageError, match="is no target"):
        revoked(published, target="linux-x86_64-cpu")


def test_nothing_is_revoked_where_nothing_is_published(world: World):
    with pytest.raises(NothingSelectedError, match="no published repository"):
        revoked(world)
    assert not world.repository.exists()


def test_a_revoked_build_is_not_published_again(published: World):
    digest = next(
        a.sha256
        for a in read_state(published.repository, trusted_root=published.keys.root).manifests["llama.cpp"].artifacts
        if a.version == "b1"
    )
    other = published.folder / "fresh"
    other.mkdir()
    again = World(other)
    again.build("b2", layers("b2"))
    again.publish()
    revoked(again, "b1", sha256=digest)
    with pytest.raises(UsageError, match="was revoked"):
        publish(
            dist=published.folder / "dist",
            to=again.repository,
            keys=again.keys,
            services=again.services(),
            disk=again.disk,
            now=again.clock.now_seconds(),
            replace=True,
            allow_development=True,
        )


def test_a_list_that_was_changed_is_not_signed_on(published: World):
    revoked(published)
    state = read_state(published.repository, trusted_root=published.keys.root)
    sha256 = state.published["engines/llama.cpp/revocations.json"].hashes["sha256"]
    blob = published.repository / "blobs" / sha256[:2] / sha256
    blob.write_bytes(blob.read_bytes().replace(b"wrongly", b"rightly"))
    with pytest.raises(Exception, match="was changed"):
        revoked(published, "b2")


def test_whoever_dies_while_revoking_leaves_the_old_list_or_the_new(published: World):
    start = published.folder / "start"
    shutil.move(published.repository, start)
    for number in range(1, 500):
        shutil.rmtree(published.repository, ignore_errors=True)
        shutil.copytree(start, published.repository)
        died = dies_before(number, lambda: revoked(published))
        assert len(listed(published).revoked) in {0, 1}, number
        shutil.rmtree(published.root, ignore_errors=True)
        assert published.install(version="b2").version == "b2", number
        revoked(published)
        assert len(listed(published).revoked) == 1, number
        assert not (published.repository / ".staging").exists(), number
        if not died:
            break
    assert number > 10


def test_whoever_dies_while_refreshing_leaves_what_readers_accept(published: World):
    now = published.clock.now_seconds()

    def later() -> PublishOutcome:
        return refresh(
            to=published.repository,
            keys=published.keys,
            services=published.services(),
            disk=published.disk,
            now=now + 25 * 86_400,
        )

    start = published.folder / "start"
    shutil.move(published.repository, start)
    for number in range(1, 500):
        shutil.rmtree(published.repository, ignore_errors=True)
        shutil.copytree(start, published.repository)
        died = dies_before(number, later)
        shutil.rmtree(published.root, ignore_errors=True)
        assert published.install(version="b2").version == "b2", number
        later()
        assert later().changed is False, number
        assert not (published.repository / ".staging").exists(), number
        if not died:
            break
    assert number > 5


def test_development_keys_sign_nothing_unless_told(world: World):
    world.build("b1", layers("b1"))
    with pytest.raises(TrustError, match="are development keys") as caught:
        world.publish(allow_development=False)
    assert "--allow-development" in caught.value.hint
    assert not world.repository.exists()


def test_a_lane_is_a_repository_of_its_own_beside_the_other(published: World):
    keys = published.folder / "lane-keys"
    made = init_keys(
        keys, passphrase=None, key_files=PrivateKeyFiles(), now=published.clock.now_seconds(), lane="airgap"
    )
    before = files(published.repository / "metadata")
    published.keys_dir = keys
    published.publish()
    assert files(published.repository / "metadata") == before
    assert (published.repository / "lanes/airgap/metadata/timestamp.json").is_file()
    published.trusted_root = Path(made.root_path).read_bytes()
    assert published.install(version="b2").version == "b2"
    assert published.publish().changed is False
