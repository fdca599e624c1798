from __future__ import annotations

import json
import shutil

import pytest

from pipeline.errors import IntegrityError, NetworkError, TrustError
from tests.simulators.engine_world import World
from tests.simulators.web import serving


def test_a_version_is_installed_from_a_server(published: World):
    with serving(published.repository) as (url, asked):
        outcome = published.install(location=url)
        assert b"core b1" in published.run(outcome)
        assert "/metadata/timestamp.json" in asked
        asked.clear()
        assert published.install(location=f"{url}/").changed is False
        # root, timestamp and the manifest are asked for again, nothing large
        assert [path for path in asked if path.startswith("/blobs/")] == [asked[-1]]


def test_an_update_over_http_brings_only_what_is_new(published: World):
    with serving(published.repository) as (url, asked):
        published.install(location=url)
        published.build("b2")
        published.publish()
        asked.clear()
        outcome = published.install(location=url)
        assert (outcome.version, outcome.previous_version) == ("b2", "b1")
        assert len([path for path in asked if path.startswith("/blobs/")]) == 2  # manifest and core


def test_a_server_that_changed_a_layer_is_refused(published: World):
    manifest = json.loads((published.repository / "manifest.json").read_text())
    blob = published.repository / manifest["artifacts"][0]["layers"][0]["url"]
    blob.write_bytes(blob.read_bytes()[:-1] + b"X")
    with serving(published.repository) as (url, _), pytest.raises(IntegrityError, match="layer core"):
        published.install(location=url)


def test_a_server_that_is_no_repository_or_not_there(published: World):
    with serving(published.folder / "dist") as (url, _), pytest.raises(NetworkError, match="no whole repository"):
        published.install(location=url)
    with pytest.raises(NetworkError):
        published.install(location=url)  # it is stopped by now


def test_an_older_copy_of_a_repository_is_refused_when_it_moves_to_a_folder(published: World):
    old = published.folder / "old"
    shutil.copytree(published.repository, old)
    published.build("b2")
    published.publish()
    with serving(published.repository) as (url, _):
        published.install(location=url)
    with pytest.raises(TrustError, match="older than what was seen"):
        published.install(location=str(old))
