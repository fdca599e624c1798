"""A ceremony as its holders type it: each on a machine of his own, with nothing but files between them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pipeline.deploy.metadata_client import read_root

TARGET = "llama.cpp/linux-x86_64-cpu"
HOLDERS = {"ann": "root", "ben": "root", "cleo": "root", "dora": "targets", "eve": "targets"}


def made_root(user) -> Path:
    """Play the whole ceremony; return the finished root, which every folder has."""
    public = []
    for holder, role in HOLDERS.items():
        (made,) = user.json("keys", "new", "--role", role, "--keys", holder, "--no-passphrase")
        public.append(made["public"])
    online = ("--role", "snapshot", "--role", "timestamp", "--role", "engines")
    user.ok("keys", "new", *online, "--keys", "ci", "--no-passphrase")
    for path in public:
        assert b"PRIVATE" not in Path(path).read_bytes()
    made = user.json("keys", "init", "--keys", "ci", *(part for path in public for part in ("--public", path)))
    assert (made["development"], made["missing"]) == (False, 2)
    for holder in ("ann", "cleo"):
        user.ok("sign", "--role", "root", "--in", "ci/root.json", "--keys", holder, "--out", f"{holder}.json")
    user.ok("sign", "--join", "ann.json", "cleo.json", "--out", "root.json")
    for folder in ("ci", *HOLDERS):
        user.ok("keys", "install", "root.json", "--keys", folder)
    engines = next(Path("ci").glob("engines-*.public.json"))
    for holder in ("dora", "eve"):
        user.ok("keys", "add", "--role", "engines", "--public", engines, "--keys", holder)
    return Path("root.json")


def policy(user, *arguments: object, repository: str = "repository") -> None:
    """Let both holders of targets sign a new policy, into ``policy.json``."""
    user.ok("sign", "--role", "targets", "--to", repository, *arguments, "--keys", "dora", "--out", "dora.json")
    user.ok("sign", "--role", "targets", "--in", "dora.json", "--keys", "eve", "--out", "policy.json")


@pytest.fixture
def ceremony(user, world):
    """Return a user whose repository was made by a ceremony, with one engine."""
    made_root(user)
    policy(user, "--engine", "llama.cpp")
    user.ok(
        "publish", "--from", world.folder / "dist", "--metadata", "policy.json", "--to", "repository", "--keys", "ci"
    )
    return user


def versions(repository: str = "repository") -> set[str]:
    return {path.name for path in Path(repository, "metadata").iterdir()}


def test_what_a_ceremony_made_is_no_development_repository(ceremony, root):
    outcome = ceremony.json(
        "install", TARGET, "--from", "repository", "--root", root, "--trusted-root", "root.json", "--no-check-host"
    )
    assert outcome["changed"] is True
    assert "development" not in ceremony.err
    signed = read_root(Path("root.json").read_bytes())
    assert (signed.roles["root"].threshold, len(signed.roles["root"].keyids)) == (2, 3)
    assert (signed.roles["targets"].threshold, len(signed.roles["targets"].keyids)) == (2, 2)


def test_publishing_it_again_changes_nothing(ceremony, world):
    before = {path: path.read_bytes() for path in Path("repository").rglob("*") if path.is_file()}
    outcome = ceremony.json("publish", "--from", world.folder / "dist", "--to", "repository", "--keys", "ci")
    again = ceremony.json("publish", "--metadata", "policy.json", "--to", "repository", "--keys", "ci")
    assert (outcome["changed"], again["changed"]) == (False, False)
    assert {path: path.read_bytes() for path in Path("repository").rglob("*") if path.is_file()} == before


def test_a_root_that_too_few_have_signed_signs_nothing(user, world):
    made_root(user)
    Path("ci/root.json").write_bytes(Path("ann.json").read_bytes())
    assert user.run("publish", "--from", world.folder / "dist", "--to", "repository", "--keys", "ci") == 8
    assert "1 of the 2 keys" in user.err
    assert not Path("repository/metadata").exists()
    assert user.run("keys", "install", "ann.json", "--keys", "ben") == 8


def test_a_new_engine_says_what_the_holders_have_to_do(user, world):
    made_root(user)
    assert user.run("publish", "--from", world.folder / "dist", "--to", "repository", "--keys", "ci") == 8
    assert "sign --role targets --to REPOSITORY --engine llama.cpp" in user.err
    assert not Path("repository/metadata").exists()


def test_a_policy_of_one_holder_is_not_published(user, world):
    made_root(user)
    user.ok("sign", "--role", "targets", "--to", "repository", "--engine", "llama.cpp", "--keys", "dora", "--out", "p")
    arguments = ("publish", "--from", world.folder / "dist", "--to", "repository", "--keys", "ci", "--metadata")
    assert user.run(*arguments, "p") == 8
    assert "1 of the 2 keys" in user.err


def test_an_older_policy_is_not_published(ceremony):
    shutil.copy("policy.json", "old.json")
    policy(ceremony, "--engine", "mlx-lm", "--env", "mlx")
    ceremony.ok("publish", "--metadata", "policy.json", "--to", "repository", "--keys", "ci")
    assert {"2.targets.json", "1.engine-mlx-lm.json", "1.env-mlx.json"} <= versions()
    assert ceremony.run("publish", "--metadata", "old.json", "--to", "repository", "--keys", "ci") == 8
    assert "never lowered" in ceremony.err


def test_what_is_signed_is_said_before(user):
    made_root(user)
    document = user.json(
        *("sign", "--role", "targets", "--to", "repository", "--engine", "llama.cpp"),
        *("--keys", "dora", "--out", "p", "--dry-run"),
    )
    assert document["summary"][0] == "  engine-llama.cpp: 1 of 1 keys, engines/llama.cpp/*, terminating"
    assert (document["signed"], document["version"], Path("p").exists()) == ([], 1, False)
    user.ok("sign", "--role", "targets", "--to", "repository", "--engine", "llama.cpp", "--keys", "dora", "--out", "p")
    assert "targets version 1, valid until" in user.err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--role", "targets", "--in", "root.json", "--keys", "dora", "--out", "o"), 8),
        (("--role", "root", "--in", "root.json", "--keys", "dora", "--out", "o"), 8),
        (("--role", "root", "--in", "nothing.json", "--keys", "ann", "--out", "o"), 2),
        (("--role", "root", "--keys", "ann", "--out", "o"), 2),
        (("--in", "root.json", "--keys", "ann", "--out", "o"), 2),
        (("--role", "root", "--in", "ann/keys.json", "--keys", "ann", "--out", "o"), 7),
        (("--join", "root.json", "--out", "o"), 2),
        (("--join", "root.json", "policy.json", "--out", "o"), 8),
        (("--join", "root.json", "root.json", "--role", "root", "--out", "o"), 2),
        (("root.json", "--role", "root", "--out", "o"), 2),
    ],
    ids=["role", "foreign keys", "no file", "no --in", "no role", "no metadata", "one", "two kinds", "mixed", "parts"],
)
def test_what_is_not_signed(user, arguments: tuple[str, ...], code: int):
    made_root(user)
    policy(user, "--engine", "llama.cpp")
    assert user.run("sign", *arguments) == code
    assert not Path("o").exists()


def test_a_private_key_is_not_taken_for_a_public_one(user):
    user.ok("keys", "new", "--role", "root", "--keys", "ann", "--no-passphrase")
    pem = next(Path("ann").glob("root-*.pem"))
    assert user.run("keys", "init", "--keys", "k", "--public", pem) == 2
    assert "never this file" in user.err


def test_too_few_keys_or_roles_for_a_root(user):
    (made,) = user.json("keys", "new", "--role", "root", "--keys", "ann", "--no-passphrase")
    assert user.run("keys", "init", "--keys", "k", "--public", made["public"]) == 2
    assert "role root: 2 of 1 keys" in user.err
    assert user.run("keys", "init", "--keys", "k", "--public", made["public"], "--threshold", "root=1") == 2
    assert "no key for targets, engines, snapshot, timestamp" in user.err
    assert not Path("k").exists()


def test_a_holder_who_loses_a_key_is_replaced_by_the_others(ceremony, root):
    install = ("install", TARGET, "--from", "repository", "--root", root, "--trusted-root", "root.json")
    ceremony.ok(*install, "--no-check-host")
    lost = json.loads(next(Path("ben").glob("root-*.public.json")).read_text())["key"]["keyid"]
    (made,) = ceremony.json("keys", "new", "--role", "root", "--keys", "fred", "--no-passphrase")
    change = ceremony.json(
        *("keys", "rotate", "root", "--key", lost[:12], "--public", made["public"]),
        *("--keys", "ann", "--out", "2.json"),
    )
    assert (change["removed"], change["installed"], change["missing"]) == ([lost], False, 1)
    ceremony.ok("sign", "--role", "root", "--in", "2.json", "--keys", "cleo", "--out", "2.root.json")
    for folder in ("ann", "cleo", "ci"):
        ceremony.ok("keys", "install", "2.root.json", "--keys", folder)
    assert ceremony.json("refresh", "--to", "repository", "--keys", "ci")["versions"]["root"] == 2
    ceremony.ok(*install, "--no-check-host", "--repair")
    assert lost not in read_root(Path("ann/root.json").read_bytes()).keys
    assert Path("ann/1.root.json").read_bytes() == Path("root.json").read_bytes()


def test_ci_gets_a_new_key_for_engines_when_the_policy_says_so(ceremony, world, root):
    (made,) = ceremony.json("keys", "rotate", "engines", "--keys", "ci", "--no-passphrase")["added"]
    public = next(Path("ci").glob(f"engines-{made[:12]}.public.json"))
    old = json.loads(next(p for p in Path("ci").glob("engines-*.public.json") if p != public).read_text())["key"][
        "keyid"
    ]
    outcome = ceremony.json("publish", "--from", world.folder / "dist", "--to", "repository", "--keys", "ci")
    assert outcome["changed"] is False  # the policy still names the old key, and it is still there to sign
    for holder in ("dora", "eve"):
        ceremony.ok("keys", "rotate", "engines", "--key", old, "--public", public, "--keys", holder)
    policy(ceremony)
    outcome = ceremony.json("publish", "--metadata", "policy.json", "--to", "repository", "--keys", "ci")
    assert outcome["versions"] == {"root": 1, "targets": 2, "engine-llama.cpp": 2, "snapshot": 2, "timestamp": 2}
    signed = json.loads(Path("repository/metadata/2.engine-llama.cpp.json").read_text())
    assert [signature["keyid"] for signature in signed["signatures"]] == [made]
    ceremony.ok(
        "install", TARGET, "--from", "repository", "--root", root, "--trusted-root", "root.json", "--no-check-host"
    )
