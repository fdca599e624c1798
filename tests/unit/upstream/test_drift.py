"""What changed upstream against a pin."""

from __future__ import annotations

import pytest

from pipeline.catalog.upstream import read_pinned_release
from pipeline.upstream.drift import newest_drift, pin_drift

UBUNTU = "llama-b10892-bin-ubuntu-x64.tar.gz"


@pytest.fixture
def pinned(pin):
    return read_pinned_release(pin)


def kinds(findings):
    return [(finding.kind, finding.name) for finding in findings]


def test_an_untouched_release_has_not_drifted(asker, pinned):
    assert pin_drift(pinned, asker.releases().find("b10892")) == ()


def test_a_release_that_is_gone_is_one_finding(pinned):
    assert kinds(pin_drift(pinned, None)) == [("vanished", "b10892")]


def test_a_file_that_vanished_and_a_new_one(asker, github, pinned):
    del github.releases["b10892"].assets[UBUNTU]
    github.host("b10892", "llama-b10892-bin-ubuntu-riscv64.tar.gz", b"new")
    found = kinds(pin_drift(pinned, asker.releases().find("b10892")))
    assert found == [("vanished", UBUNTU), ("new", "llama-b10892-bin-ubuntu-riscv64.tar.gz")]


def test_a_file_with_the_same_digest_under_another_name_was_renamed(asker, github, pinned):
    asset = github.releases["b10892"].assets.pop(UBUNTU)
    asset.name = "llama-b10892-bin-ubuntu-22-x64.tar.gz"
    github.releases["b10892"].assets[asset.name] = asset
    (finding,) = pin_drift(pinned, asker.releases().find("b10892"))
    assert (finding.kind, finding.name) == ("renamed", UBUNTU)
    assert asset.name in finding.detail


@pytest.mark.parametrize(("field", "value"), [("sha256", "0" * 64), ("size", 5), ("sha256", None)])
def test_other_bytes_under_one_name_are_a_change(asker, github, pinned, field, value):
    setattr(github.releases["b10892"].assets[UBUNTU], field, value)
    assert kinds(pin_drift(pinned, asker.releases().find("b10892"))) == [("changed", UBUNTU)]


def test_the_newest_release_may_rename_add_and_lose_targets(asker, github, pin, pinned, preferences, parts):
    release = github.add_recorded(pin, tag="b10900", published_at="2026-09-10T01:00:00Z")
    for name in [name for name in release.assets if "13.3" in name]:
        release.assets[name.replace("13.3", "13.4")] = release.assets.pop(name)
    for name in list(release.assets):
        release.assets[name].name = name
    del release.assets["llama-b10900-bin-macos-x64.tar.gz"]
    del release.assets["cudart-llama-bin-win-cuda-12.4-x64.zip"]
    github.host("b10900", "llama-b10900-bin-ubuntu-opencl-x64.tar.gz", b"x")
    github.host("b10900", "llama-b10900-bin-ubuntu-tpu-x64.tar.gz", b"x")
    found = newest_drift(pinned, asker.releases().find("b10900"), preferences, parts)
    assert kinds(found) == [
        ("target gone", "macos-x86_64-cpu"),
        ("target gone", "windows-x86_64-cuda-12.4"),
        ("target renamed", "windows-x86_64-cuda-13.3"),
        ("target new", "linux-x86_64-opencl"),
        ("unknown name", "llama-b10900-bin-ubuntu-tpu-x64.tar.gz"),
    ]


def test_a_newest_release_of_the_same_shape_has_not_drifted(asker, github, pin, pinned, preferences, parts):
    github.add_recorded(pin, tag="b10900", published_at="2026-09-10T01:00:00Z")
    assert newest_drift(pinned, asker.releases().find("b10900"), preferences, parts) == ()
