"""Builds that their publisher has withdrawn: refused where they would begin to run, reported where they do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.deploy.generations import list_generations, rollback, use
from pipeline.deploy.health import HealthWish
from pipeline.deploy.quick_switch import quick_switch
from pipeline.deploy.revoked import RevokedError
from pipeline.deploy.switching import Switching
from pipeline.deploy.verify import verify
from pipeline.errors import IntegrityError, TrustError
from pipeline.model.manifest_document import write_document
from tests.simulators.engine_world import World
from tests.simulators.revoking import publish_list, revoke

UNCHECKED = Switching(HealthWish("none"))
CPU_TARGET = "llama.cpp/linux-x86_64-cpu"


@pytest.fixture
def two(world: World) -> World:
    """A world where b1 and b2 are published and nothing is installed."""
    for version in ("b1", "b2"):
        world.build(version)
    world.publish()
    return world


def current(root: Path) -> str | None:
    path = root / "current/llama.cpp.json"
    return json.loads(path.read_text())["version"] if path.exists() else None


def warnings(services) -> list[str]:
    return [e.message for e in services.events.events if getattr(e, "level", "") == "warning"]


def quick(world: World, version: str | None) -> dict[str, object] | None:
    return quick_switch(world.root, version, how=UNCHECKED, services=world.services, disk=world.disk, jobs=1)


def switch(world: World, version: str):
    return use(world.root, version, services=world.services(), disk=world.disk, how=UNCHECKED)


@pytest.mark.parametrize("target", [None, CPU_TARGET])
def test_a_revoked_version_is_refused_with_the_reason(two: World, target: str | None):
    revoke(two, "b2", reason="CVE-2026-1")
    with pytest.raises(RevokedError, match="b2 was revoked at 2026-11-25T12:00:00Z: CVE-2026-1") as caught:
        two.install(version="b2", target=target)
    assert caught.value.exit_code == 8
    assert current(two.root) is None


@pytest.mark.parametrize("target", [None, CPU_TARGET])
def test_without_a_version_the_newest_that_stands_is_taken_and_that_is_said(two: World, target: str | None):
    revoke(two, "b2")
    services = two.services()
    outcome = two.install(target=target, services=services)
    assert outcome.version == "b1"
    assert [line.split(" was")[0] for line in outcome.passed_over] == [f"{CPU_TARGET} b2"]
    assert any("b2 was revoked" in text and "passed over" in text for text in warnings(services))


@pytest.mark.parametrize("target", [None, CPU_TARGET])
def test_when_all_are_revoked_that_is_the_reason(two: World, target: str | None):
    revoke(two, "b1", "b2")
    with pytest.raises(RevokedError, match="b2 was revoked"):
        two.install(target=target)


def test_a_bundle_at_hand_that_is_revoked_is_refused(two: World):
    revoke(two, "b2")
    with pytest.raises(RevokedError, match="b2 was revoked"):
        two.install(files=(two.folder / "dist/llama.cpp-b2-cpu.tar.zst",))


def test_what_is_pinned_and_revoked_is_refused(two: World):
    revoke(two, "b2")
    with pytest.raises(RevokedError, match="b2 was revoked"):
        two.install(pins={"llama.cpp": "b2"})


def test_an_update_says_that_what_ran_was_revoked(two: World):
    two.install(version="b1")
    revoke(two, "b1")
    services = two.services()
    outcome = two.install(services=services)
    assert outcome.version == "b2"
    assert outcome.previous_revoked == f"{CPU_TARGET} b1 was revoked at 2026-11-25T12:00:00Z: it computes wrongly"
    assert any("it was current until now" in text for text in warnings(services))


def test_a_rebuild_under_the_same_version_stands(two: World):
    listed = revoke(two, "b2")
    other = listed.revoked[0].model_copy(update={"sha256": "0" * 64})
    publish_list(two, None)
    publish_list(two, write_document(listed.model_copy(update={"revoked": (other,)})))
    assert two.install().version == "b2"


@pytest.fixture
def seen(two: World) -> World:
    """A world where b1 and b2 are installed, b2 is current, and the installation knows that b1 is revoked."""
    two.install(version="b1")
    two.install(version="b2")
    revoke(two, "b1")
    two.install()
    return two


def test_a_kept_revoked_version_is_not_switched_to_without_any_connection(seen: World):
    assert quick(seen, "b1") is None
    assert quick(seen, None) is None
    with pytest.raises(RevokedError, match="b1 was revoked"):
        switch(seen, "b1")
    with pytest.raises(RevokedError, match="b1 was revoked"):
        rollback(seen.root, services=seen.services(), disk=seen.disk, how=UNCHECKED)
    assert current(seen.root) == "b2"


def test_the_quick_way_still_serves_what_stands(seen: World):
    seen.build("b3")
    seen.publish()
    revoke(seen, "b1")
    seen.install()
    assert quick(seen, "b2")["version"] == "b2"


def test_what_is_current_and_revoked_is_reported_everywhere(two: World):
    two.install()
    revoke(two, "b2")
    with pytest.raises(RevokedError):
        two.install(version="b2")
    assert current(two.root) == "b2"  # it is for the operator to take it out of use
    assert [(g.version, g.revoked) for g in list_generations(two.root)] == [("b2", "it computes wrongly")]
    report = verify(two.root, two.services(), disk=two.disk)
    assert report.ok
    assert report.revoked == (f"{CPU_TARGET} b2 was revoked at 2026-11-25T12:00:00Z: it computes wrongly",)


def test_without_a_repository_the_kept_list_counts(seen: World):
    with pytest.raises(RevokedError):
        seen.install(location=None, version="b1", files=(seen.folder / "dist/llama.cpp-b1-cpu.tar.zst",))


@pytest.mark.parametrize("left", [(), ("b2",)])
def test_a_list_never_shrinks(seen: World, left: tuple[str, ...]):
    if left:
        revoke(seen, *left)
    else:
        publish_list(seen, None)
    with pytest.raises(TrustError, match=r"lacks what was on it before: .* b1") as caught:
        seen.install()
    assert caught.value.exit_code == 8
    assert [g.revoked for g in list_generations(seen.root)] == [None, "it computes wrongly"]


def test_a_list_grows(seen: World):
    revoke(seen, "b1", "b2")
    with pytest.raises(RevokedError):
        seen.install()
    assert [g.revoked for g in list_generations(seen.root)] == ["it computes wrongly"] * 2
    assert len(list((seen.root / "trust").rglob("revocations/*.json"))) == 1


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"{", IntegrityError),
        (b"[]", IntegrityError),
        (b'{"schema_version": 1, "engine": "other", "revoked": []}', IntegrityError),
        (b'{"schema_version": 1, "engine": "llama.cpp", "revoked": [], "more": 1}', IntegrityError),
        (b'{"schema_version": 1, "engine": "llama.cpp", "revoked": [], "revoked": []}', IntegrityError),
        (b'{"schema_version": 2, "engine": "llama.cpp", "revoked": []}', IntegrityError),
        (b'{"schema_version": 1, "engine": "llama.cpp", "revoked": [{"target": "t"}]}', IntegrityError),
    ],
)
def test_a_signed_list_that_is_none_installs_nothing(two: World, data: bytes, error: type[Exception]):
    publish_list(two, data)
    with pytest.raises(error):
        two.install()
    assert current(two.root) is None


def test_a_list_that_was_changed_after_signing_installs_nothing(two: World):
    revoke(two, "b1")
    for blob in (two.repository / "blobs").rglob("*"):
        if blob.is_file() and b'"revoked"' in (data := blob.read_bytes()):
            blob.write_bytes(data.replace(b"wrongly", b"rightly"))
    with pytest.raises(IntegrityError, match="list of revoked builds"):
        two.install()


def test_a_signed_list_that_is_not_there_installs_nothing(two: World):
    revoke(two, "b1")
    for blob in (two.repository / "blobs").rglob("*"):
        if blob.is_file() and b'"revoked"' in blob.read_bytes():
            blob.unlink()
    with pytest.raises(IntegrityError, match="signed and not there"):
        two.install()


def test_a_damaged_kept_list_switches_nothing_until_it_is_brought_anew(seen: World):
    (kept,) = (seen.root / "trust").rglob("revocations/*.json")
    kept.write_bytes(kept.read_bytes().replace(b"wrongly", b"rightly"))
    assert quick(seen, "b1") is None
    with pytest.raises(IntegrityError, match="damaged"):
        switch(seen, "b1")
    assert [g.version for g in list_generations(seen.root)] == ["b2", "b1"]
    seen.install()
    with pytest.raises(RevokedError):
        switch(seen, "b1")
