"""Where channels are read from, and that they keep their own urls."""

from __future__ import annotations

import pytest

from pipeline.errors import OfflineError, UsageError
from pipeline.lock.channels import resolve_channels

FORGE = "https://conda.anaconda.org/conda-forge"


def test_a_channel_that_is_a_name_has_condas_own_url():
    found = resolve_channels(["conda-forge", "https://h/own"], instead=None, configured={}, offline=False)
    assert found.canonical == {"conda-forge": FORGE, "https://h/own": "https://h/own"}
    assert found.places == {}


def test_a_configured_channel_is_read_there_and_keeps_its_url():
    configured = {FORGE: "https://h/forge"}
    found = resolve_channels(["conda-forge"], instead=None, configured=configured, offline=False)
    assert (found.canonical["conda-forge"], found.places["conda-forge"]) == (FORGE, "https://h/forge")


def test_a_channel_of_the_command_line_wins_over_a_configured_one(world):
    found = resolve_channels(
        ["conda-forge"], instead=str(world.channel), configured={FORGE: "https://h/forge"}, offline=True
    )
    assert found.places == {"conda-forge": world.channel.as_uri()}
    assert found.origin[1].startswith("conda-express 26.9.4")


def test_a_folder_is_the_same_by_its_path_and_by_its_url(world):
    by_path, by_url, configured = (
        resolve_channels(["conda-forge"], instead=instead, configured=places, offline=True)
        for instead, places in (
            (str(world.channel), {}),
            (f"{world.channel.as_uri()}/", {}),
            (None, {FORGE: world.channel.as_uri()}),
        )
    )
    assert by_path == by_url == configured
    assert by_path.origin != ()


@pytest.mark.parametrize("url", ["file:///nowhere/at/all", "file://elsewhere/channel"])
def test_a_url_of_a_folder_that_is_no_channel_is_refused_as_its_path_is(url):
    with pytest.raises(UsageError, match="neither a url nor a folder"):
        resolve_channels(["conda-forge"], instead=url, configured={}, offline=True)


def test_without_the_network_only_a_folder_is_read():
    with pytest.raises(OfflineError, match="conda-forge"):
        resolve_channels(["conda-forge"], instead=None, configured={FORGE: "https://h/forge"}, offline=True)
