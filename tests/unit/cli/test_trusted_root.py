from __future__ import annotations

import pytest

from pipeline.app.settings import Settings
from pipeline.cli import trusted_root
from pipeline.cli.session import Session
from pipeline.cli.trusted_root import find_trusted_root
from pipeline.errors import TrustError, UsageError


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Write one root metadata in each place and return the places in their order."""
    found = {name: tmp_path / name / "root.json" for name in ("flag", "named", "pinned", "own", "shipped/keys")}
    for name, path in found.items():
        path.parent.mkdir(parents=True)
        path.write_text(name)
    monkeypatch.setattr(trusted_root, "manifests_dir", lambda: tmp_path / "shipped")
    return found


def session(tmp_path, **more) -> Session:
    return Session(Settings(cache_dir=tmp_path, keys_dir=tmp_path / "own", recipes_dir=tmp_path, **more))


def test_the_first_place_that_has_one_is_taken(places, tmp_path, capsys):
    named = session(tmp_path, trusted_root=places["named"])
    bare = session(tmp_path)
    assert find_trusted_root(named, flag=places["flag"], pinned=places["pinned"]) == b"flag"
    assert find_trusted_root(named, flag=None, pinned=places["pinned"]) == b"named"
    assert find_trusted_root(bare, flag=None, pinned=places["pinned"]) == b"pinned"
    assert capsys.readouterr().err == ""
    places["pinned"].unlink()
    assert find_trusted_root(bare, flag=None, pinned=places["pinned"]) == b"own"
    assert "development keys" in capsys.readouterr().err
    places["own"].unlink()
    assert find_trusted_root(bare, flag=None, pinned=None) == b"shipped/keys"


def test_a_file_that_was_named_must_be_there(places, tmp_path):
    with pytest.raises(UsageError, match="nowhere"):
        find_trusted_root(session(tmp_path), flag=tmp_path / "nowhere", pinned=places["pinned"])


def test_without_any_there_is_no_trust(places, tmp_path):
    for path in places.values():
        path.unlink()
    with pytest.raises(TrustError, match="no trusted root"):
        find_trusted_root(session(tmp_path), flag=None, pinned=None)
