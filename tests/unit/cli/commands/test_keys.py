from __future__ import annotations

import json
import stat
from pathlib import Path


def test_init_says_plainly_what_kind_of_keys_they_are(user):
    out = user.ok("keys", "init", "--no-passphrase")
    folder = Path.home() / ".config" / "engine-pipeline" / "keys"
    assert "development keys" in out
    assert "NOT encrypted" in out
    assert str(folder / "root.json") in out
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in folder.glob("*.pem"))


def test_a_passphrase_from_a_file_encrypts(user):
    Path("passphrase").write_text("correct horse\n")
    outcome = user.json("keys", "init", "--keys", "k", "--passphrase-file", "passphrase")
    assert outcome["encrypted"] is True
    assert b"ENCRYPTED" in next(Path("k").glob("*.pem")).read_bytes()


def test_keys_are_encrypted_unless_told_otherwise(user):
    assert user.run("keys", "init", "--keys", "k") == 2
    assert "--passphrase-file" in user.err
    assert not Path("k").exists()


def test_common_options_may_stand_before_both_words(user):
    assert json.loads(user.ok("--json", "keys", "init", "--keys", "k", "--no-passphrase"))["development"] is True


def test_the_two_wishes_exclude_each_other(user):
    Path("passphrase").write_text("p\n")
    assert user.run("keys", "init", "--keys", "k", "--no-passphrase", "--passphrase-file", "passphrase") == 2


def test_a_dry_run_makes_nothing(user):
    assert user.json("keys", "init", "--keys", "k", "--no-passphrase", "--dry-run")["dry_run"] is True
    assert not Path("k").exists()


def test_keys_that_are_there_are_never_overwritten(user):
    user.ok("keys", "init", "--keys", "k", "--no-passphrase")
    before = {path.name: path.read_bytes() for path in Path("k").iterdir()}
    assert user.run("keys", "init", "--keys", "k", "--no-passphrase") == 2
    assert {path.name: path.read_bytes() for path in Path("k").iterdir()} == before


def test_a_wrong_passphrase_exits_8_and_signs_nothing(user, world):
    Path("right").write_text("right\n")
    Path("wrong").write_text("wrong\n")
    user.ok("keys", "init", "--keys", "k", "--passphrase-file", "right")
    arguments = (
        "publish",
        "--allow-development",
        "--from",
        world.folder / "dist",
        "--to",
        "r",
        "--keys",
        "k",
        "--passphrase-file",
    )
    assert user.run(*arguments, "wrong") == 8
    assert not Path("r", "metadata", "timestamp.json").exists()
    user.ok(*arguments, "right")
    assert Path("r", "metadata", "timestamp.json").exists()
