from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from pipeline.errors import IntegrityError, TrustError, UsageError
from pipeline.publish.keys import ROLES, KeyCount, KeyFolder, init_keys, open_keys
from pipeline.system.keys import PrivateKeyFiles

NOW = 1_795_000_000
PHRASE = b"a long passphrase"


def make(folder: Path, passphrase: bytes | None = PHRASE, **choices: object):
    return init_keys(folder, passphrase=passphrase, key_files=PrivateKeyFiles(), now=NOW, **choices)


def opened(folder: Path, passphrase: bytes | None = PHRASE) -> KeyFolder:
    return open_keys(folder, passphrase=lambda: passphrase, key_files=PrivateKeyFiles())


def test_every_role_gets_a_key_that_only_its_owner_can_read(tmp_path: Path):
    outcome = make(tmp_path / "keys")
    assert tuple(outcome.roles) == ROLES
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    pems = sorted((tmp_path / "keys").glob("*.pem"))
    assert [p.name for p in pems] == [
        *("engines-1.pem", "root-1.pem", "root-2.pem", "root-3.pem", "snapshot-1.pem", "targets-1.pem"),
        *("targets-2.pem", "timestamp-1.pem"),
    ]
    assert {stat.S_IMODE(p.stat().st_mode) for p in pems} == {0o600}
    assert all(p.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") for p in pems)


def test_the_root_is_marked_as_a_development_root_and_lasts_a_year(tmp_path: Path):
    outcome = make(tmp_path / "keys")
    signed = json.loads(Path(outcome.root_path).read_bytes())["signed"]
    assert signed["x-engine-pipeline-development"] is True
    assert len(signed["x-engine-pipeline-repository"]) == 32
    assert (signed["version"], signed["consistent_snapshot"]) == (1, True)
    assert outcome.expires == signed["expires"] == "2027-11-18T11:06:40Z"
    assert set(signed["roles"]) == {"root", "targets", "snapshot", "timestamp"}
    assert outcome.development is True


def test_keys_can_be_left_unencrypted(tmp_path: Path):
    assert make(tmp_path / "keys", None).encrypted is False
    assert len(opened(tmp_path / "keys", None).signers("timestamp")) == 1


def test_thresholds_and_several_keys(tmp_path: Path):
    make(tmp_path / "keys", thresholds={"root": KeyCount(threshold=2, keys=3)})
    root = json.loads((tmp_path / "keys/root.json").read_bytes())
    assert len(root["signatures"]) == 3
    assert (root["signed"]["roles"]["root"]["threshold"], len(root["signed"]["roles"]["root"]["keyids"])) == (2, 3)
    assert len(opened(tmp_path / "keys").signers("root")) == 3


@pytest.mark.parametrize("count", [KeyCount(threshold=2, keys=1), KeyCount(threshold=0, keys=1)], ids=["2/1", "0/1"])
def test_thresholds_that_nobody_can_reach_or_anybody(tmp_path: Path, count: KeyCount):
    with pytest.raises(UsageError, match="cannot sign"):
        make(tmp_path / "keys", thresholds={"root": count})
    assert not (tmp_path / "keys").exists()


def test_a_folder_with_files_is_never_written_to(tmp_path: Path):
    make(tmp_path / "keys")
    before = {p: p.read_bytes() for p in (tmp_path / "keys").iterdir()}
    with pytest.raises(UsageError, match="not empty"):
        make(tmp_path / "keys")
    assert {p: p.read_bytes() for p in (tmp_path / "keys").iterdir()} == before


def test_an_empty_passphrase_is_none(tmp_path: Path):
    with pytest.raises(UsageError, match="empty"):
        make(tmp_path / "keys", b"")


def test_the_passphrase_is_asked_for_once_and_only_to_sign(tmp_path: Path):
    make(tmp_path / "keys")
    asked = []
    keys = open_keys(tmp_path / "keys", passphrase=lambda: asked.append(1) or PHRASE, key_files=PrivateKeyFiles())
    assert asked == []
    keys.signers("snapshot")
    keys.signers("timestamp")
    assert asked == [1]


def test_a_wrong_passphrase(tmp_path: Path):
    make(tmp_path / "keys")
    with pytest.raises(TrustError, match="passphrase is wrong") as caught:
        opened(tmp_path / "keys", b"another").signers("timestamp")
    assert b"another" not in caught.value.message.encode()
    with pytest.raises(UsageError, match="no passphrase was given"):
        opened(tmp_path / "keys", None).signers("timestamp")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int):
    make(tmp_path / "keys")
    path = tmp_path / "keys/timestamp-1.pem"
    path.chmod(mode)
    with pytest.raises(TrustError, match="others can read") as caught:
        opened(tmp_path / "keys").signers("timestamp")
    assert f"chmod 600 {path}" in caught.value.hint


def test_a_key_behind_a_link_is_refused(tmp_path: Path):
    make(tmp_path / "keys")
    path = tmp_path / "keys/timestamp-1.pem"
    path.rename(tmp_path / "elsewhere.pem")
    path.symlink_to(tmp_path / "elsewhere.pem")
    with pytest.raises(TrustError, match="symbolic link"):
        opened(tmp_path / "keys").signers("timestamp")


def test_a_key_of_another_role_is_refused(tmp_path: Path):
    make(tmp_path / "keys")
    (tmp_path / "keys/timestamp-1.pem").write_bytes((tmp_path / "keys/snapshot-1.pem").read_bytes())
    with pytest.raises(TrustError, match="is not the key that"):
        opened(tmp_path / "keys").signers("timestamp")


def test_a_missing_key_and_a_folder_without_keys(tmp_path: Path):
    make(tmp_path / "keys")
    (tmp_path / "keys/timestamp-1.pem").unlink()
    with pytest.raises(UsageError, match="there is no key"):
        opened(tmp_path / "keys").signers("timestamp")
    with pytest.raises(UsageError, match="no key folder"):
        opened(tmp_path)


def test_a_key_that_is_kept_elsewhere_cannot_sign_here(tmp_path: Path):
    make(tmp_path / "keys")
    listing = json.loads((tmp_path / "keys/keys.json").read_text())
    listing["roles"]["targets"]["keys"][0]["file"] = None
    (tmp_path / "keys/keys.json").write_text(json.dumps(listing))
    keys = opened(tmp_path / "keys")
    assert keys.has_private("targets") is False
    with pytest.raises(TrustError, match="has 1 of the 2 private keys"):
        keys.signers("targets")


def test_a_list_that_was_changed_is_refused(tmp_path: Path):
    make(tmp_path / "keys")
    listing = json.loads((tmp_path / "keys/keys.json").read_text())
    listing["roles"]["targets"]["keys"][0]["keyid"] = "0" * 64
    (tmp_path / "keys/keys.json").write_text(json.dumps(listing))
    with pytest.raises(IntegrityError, match="does not belong"):
        opened(tmp_path / "keys")


def test_no_secret_is_in_the_list(tmp_path: Path):
    make(tmp_path / "keys", None)
    text = (tmp_path / "keys/keys.json").read_text() + (tmp_path / "keys/root.json").read_text()
    assert "PRIVATE" not in text
    assert PHRASE.decode() not in text
