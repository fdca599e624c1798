from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.errors import IntegrityError, NetworkError
from tests.simulators.engine_world import World
from tests.simulators.mirrors import held, mirrored, private
from tests.simulators.nginx import PROGRAM, Nginx, free_port
from tests.simulators.web import serving

DOCS = Path(__file__).parents[4] / "docs/mirrors.md"


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    return tmp_path / "mirror"


@pytest.mark.skipif(PROGRAM is None, reason="nginx is not installed (apt install nginx-light)")
def test_a_mirror_that_nginx_serves_is_installed_and_mirrored_from(published: World, mirror, tmp_path):
    mirrored(published, mirror)
    rules = DOCS.read_text(encoding="utf-8").partition("```nginx\n")[2].partition("```")[0]
    assert "location" in rules
    with Nginx(tmp_path / "nginx", root=mirror, listen=f"127.0.0.1:{free_port()}", extra=rules) as nginx:
        outcome = published.install(location=nginx.url(""))
        assert b"core b1" in published.run(outcome)
        second = tmp_path / "second"
        mirrored(published, second, source=nginx.url(""))
        asked = [line.partition('"')[2].split()[1] for line in nginx.requests()]
    assert {path: data for path, data in held(second).items() if path != "mirror.json"} == {
        path: data for path, data in held(mirror).items() if path != "mirror.json"
    }
    assert not any(path.startswith(("/.mirror", "/mirror.json")) for path in asked)


def test_a_sync_over_http_brings_each_blob_once(published: World, mirror):
    with serving(published.repository) as (url, asked):
        mirrored(published, mirror, source=url)
        blobs = [path for path in asked if path.startswith("/blobs/")]
        manifest = max(set(blobs), key=blobs.count)
        assert [blobs.count(path) for path in set(blobs) - {manifest}] == [1] * (len(set(blobs)) - 1)
        asked.clear()
        assert not mirrored(published, mirror, source=url).changed
        assert [path for path in asked if not path.startswith("/metadata/")] == []


def test_a_server_that_is_gone_or_lacks_a_blob_leaves_the_mirror_as_it_was(published: World, mirror):
    with serving(published.repository) as (url, _):
        mirrored(published, mirror, source=url)
        before = held(mirror)
        layer = os.urandom(2000)
        published.build("b2")
        published.publish()
        new = {path.name for path in (published.repository / "blobs").glob("*/*")} - {
            path.name for path in (mirror / "blobs").glob("*/*")
        }
        place = max(
            (published.repository / "blobs" / name[:2] / name for name in new), key=lambda path: path.stat().st_size
        )
        whole = place.read_bytes()
        place.write_bytes(layer)
        with pytest.raises(IntegrityError):
            mirrored(published, mirror, source=url)
        place.unlink()
        with pytest.raises(NetworkError):
            mirrored(published, mirror, source=url)
        assert held(mirror) == before
        place.write_bytes(whole)
        mirrored(published, mirror, source=url)
        assert private(mirror) == {"completed.json", "root.json"}
    with pytest.raises(NetworkError):
        mirrored(published, mirror, source=url)
