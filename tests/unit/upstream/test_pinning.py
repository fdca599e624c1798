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


@pytest.fixture
def pin_it(preferences, parts):
    def run(listed, found, *, old=None, **allowed):
        return make_pin(listed, preferences, found, parts=parts, old=old, permissions=Permissions(**allowed))

    return run


def with_asset(release, name, **changes):
    assets = tuple(asset.model_copy(update=changes) if asset.name == name else asset for asset in release.assets)
    return release.model_copy(update={"assets": assets})


def test_the_shipped_pin_is_what_the_real_listing_makes(listed, pin_it, pin, github):
    """But for the address, which is the loopback server's here."""
    made = pin_it(listed, evidence(listed)).release
    data = write_document(made).replace(f"{github.web}/".encode(), b"https://github.com/")
    assert data == pin.read_bytes()


def test_the_same_listing_again_changes_nothing(listed, pin_it, old):
    assert pin_it(listed, evidence(listed), old=old).differences == ()


def test_other_bytes_under_a_name_are_refused_unless_accepted(listed, pin_it, old):
    found = evidence(listed, **{UBUNTU: Evidence("0" * 64, "digest")})
    with pytest.raises(IntegrityError, match=UBUNTU):
        pin_it(listed, found, old=old)
    made = pin_it(listed, found, old=old, changed=True)
    assert made.release.asset(UBUNTU).sha256 == "0" * 64
    assert any(UBUNTU in difference for difference in made.differences)


def test_a_file_that_is_gone_is_refused_unless_accepted(listed, pin_it, old):
    fewer = listed.model_copy(update={"assets": listed.assets[1:]})
    with pytest.raises(IntegrityError, match="is gone"):
        pin_it(fewer, evidence(fewer), old=old)
    assert len(pin_it(fewer, evidence(fewer), old=old, changed=True).release.assets) == 26


def test_a_level_rises_freely(listed, pin_it, old):
    made = pin_it(listed, evidence(listed, "attested", looked=True), old=old)
    assert {asset.level for asset in made.release.assets} == {"attested"}


def test_a_level_never_sinks_silently(listed, pin_it, old):
    found = evidence(listed, **{UBUNTU: Evidence(old.asset(UBUNTU).sha256, "pinned")})
    with pytest.raises(TrustError) as caught:
        pin_it(listed, found, old=old)
    assert caught.value.exit_code == 8
    made = pin_it(listed, found, old=old, lower="the API lost its digests").release
    assert made.asset(UBUNTU).level == "pinned"
    assert "the API lost its digests" in made.notes[0]


def test_an_attested_level_stays_where_nobody_looked_and_is_defended_where_somebody_did(listed, pin_it, old):
    attested = with_asset(old, UBUNTU, level="attested")
    kept = pin_it(listed, evidence(listed), old=attested).release
    assert kept.asset(UBUNTU).level == "attested"
    with pytest.raises(TrustError):
        pin_it(listed, evidence(listed, looked=True), old=attested)


def test_accepting_other_bytes_does_not_let_the_level_sink(listed, pin_it, old):
    attested = with_asset(old, UBUNTU, level="attested")
    found = evidence(listed, **{UBUNTU: Evidence("0" * 64, "digest")})
    with pytest.raises(TrustError):
        pin_it(listed, found, old=attested, changed=True)


def test_a_pin_of_another_repository_is_not_overwritten(listed, pin_it, old):
    fork = old.model_copy(update={"repository": "somebody/llama.cpp"})
    with pytest.raises(UsageError, match="somebody"):
        pin_it(listed, evidence(listed), old=fork)


def test_what_is_no_build_or_has_no_files_is_not_pinned(listed, pin_it):
    for wrong in (listed.model_copy(update={"tag": "v0.4.1"}), listed.model_copy(update={"assets": ()})):
        with pytest.raises(NothingSelectedError):
            pin_it(wrong, evidence(wrong))


def test_an_empty_file_is_not_pinned(listed, pin_it):
    empty = with_asset(listed, UBUNTU, size_bytes=0)
    with pytest.raises(IntegrityError):
        pin_it(empty, evidence(empty))


def test_an_archive_of_which_no_recipe_says_what_is_in_it_makes_no_target(listed, pin_it):
    """Old releases had several CPU variants for Windows; a pin with a target of those would fail every command."""
    template = listed.asset(UBUNTU)
    words = ("noavx", "avx2", "openblas", "kompute")
    old_ones = [template.model_copy(update={"name": f"llama-b10892-bin-win-{word}-x64.zip"}) for word in words]
    more = listed.model_copy(update={"assets": (*listed.assets, *old_ones)})
    made = pin_it(more, evidence(more))
    assert made.release.targets == pin_it(listed, evidence(listed)).release.targets
    assert {target: why.split("'")[1] for target, why in made.left_out.items()} == {
        f"windows-x86_64-{word}": word for word in words
    }
    assert len(made.release.assets) == 31
