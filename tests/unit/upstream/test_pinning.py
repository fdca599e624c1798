"""A pin is made of a listing and its evidence, and is never weakened unasked."""

from __future__ import annotations

import pytest

from pipeline.catalog.upstream import read_pinned_release
from pipeline.errors import IntegrityError, NothingSelectedError, TrustError, UsageError
from pipeline.model.manifest_document import write_document
from pipeline.upstream.pinning import Evidence, Permissions, make_pin

UBUNTU = "llama-b10892-bin-ubuntu-x64.tar.gz"


@pytest.fixture
def listed(asker):
    return asker.releases().find("b10892")


@pytest.fixture
def old(pin):
    return read_pinned_release(pin)


def evidence(listed, level="digest", *, looked=False, **more):
    found = {asset.name: Evidence(asset.sha256, level, looked_for_attestation=looked) for asset in listed.assets}
    return found | more


def pin_it(listed, preferences, found, *, old=None, **allowed):
    return make_pin(listed, preferences, found, old=old, permissions=Permissions(**allowed))


def with_asset(release, name, **changes):
    assets = tuple(asset.model_copy(update=changes) if asset.name == name else asset for asset in release.assets)
    return release.model_copy(update={"assets": assets})


def test_the_shipped_pin_is_what_the_real_listing_makes(listed, preferences, pin, github):
    """But for the address, which is the loopback server's here."""
    made = pin_it(listed, preferences, evidence(listed)).release
    data = write_document(made).replace(f"{github.web}/".encode(), b"https://github.com/")
    assert data == pin.read_bytes()


def test_the_same_listing_again_changes_nothing(listed, preferences, old):
    assert pin_it(listed, preferences, evidence(listed), old=old).differences == ()


def test_other_bytes_under_a_name_are_refused_unless_accepted(listed, preferences, old):
    found = evidence(listed, **{UBUNTU: Evidence("0" * 64, "digest")})
    with pytest.raises(IntegrityError, match=UBUNTU):
        pin_it(listed, preferences, found, old=old)
    made = pin_it(listed, preferences, found, old=old, changed=True)
    assert made.release.asset(UBUNTU).sha256 == "0" * 64
    assert any(UBUNTU in difference for difference in made.differences)


def test_a_file_that_is_gone_is_refused_unless_accepted(listed, preferences, old):
    fewer = listed.model_copy(update={"assets": listed.assets[1:]})
    with pytest.raises(IntegrityError, match="is gone"):
        pin_it(fewer, preferences, evidence(fewer), old=old)
    assert len(pin_it(fewer, preferences, evidence(fewer), old=old, changed=True).release.assets) == 26


def test_a_level_rises_freely(listed, preferences, old):
    made = pin_it(listed, preferences, evidence(listed, "attested", looked=True), old=old)
    assert {asset.level for asset in made.release.assets} == {"attested"}


def test_a_level_never_sinks_silently(listed, preferences, old):
    found = evidence(listed, **{UBUNTU: Evidence(old.asset(UBUNTU).sha256, "pinned")})
    with pytest.raises(TrustError) as caught:
        pin_it(listed, preferences, found, old=old)
    assert caught.value.exit_code == 8
    made = pin_it(listed, preferences, found, old=old, lower="the API lost its digests").release
    assert made.asset(UBUNTU).level == "pinned"
    assert "the API lost its digests" in made.notes[0]


def test_an_attested_level_stays_where_nobody_looked_and_is_defended_where_somebody_did(listed, preferences, old):
    attested = with_asset(old, UBUNTU, level="attested")
    kept = pin_it(listed, preferences, evidence(listed), old=attested).release
    assert kept.asset(UBUNTU).level == "attested"
    with pytest.raises(TrustError):
        pin_it(listed, preferences, evidence(listed, looked=True), old=attested)


def test_accepting_other_bytes_does_not_let_the_level_sink(listed, preferences, old):
    attested = with_asset(old, UBUNTU, level="attested")
    found = evidence(listed, **{UBUNTU: Evidence("0" * 64, "digest")})
    with pytest.raises(TrustError):
        pin_it(listed, preferences, found, old=attested, changed=True)


def test_a_pin_of_another_repository_is_not_overwritten(listed, preferences, old):
    fork = old.model_copy(update={"repository": "somebody/llama.cpp"})
    with pytest.raises(UsageError, match="somebody"):
        pin_it(listed, preferences, evidence(listed), old=fork)


def test_what_is_no_build_or_has_no_files_is_not_pinned(listed, preferences):
    for wrong in (listed.model_copy(update={"tag": "v0.4.1"}), listed.model_copy(update={"assets": ()})):
        with pytest.raises(NothingSelectedError):
            pin_it(wrong, preferences, evidence(wrong))


def test_an_empty_file_is_not_pinned(listed, preferences):
    empty = with_asset(listed, UBUNTU, size_bytes=0)
    with pytest.raises(IntegrityError):
        pin_it(empty, preferences, evidence(empty))
