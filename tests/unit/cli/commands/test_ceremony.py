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
    assert document["summary"][0] == "  engine-llama.cpp: 1 of 1 key, engines/llama.cpp/*, terminating"
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
    assert "role root: 2 of 1 key" in user.err
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


def test_a_refresh_after_a_rotation_says_what_it_signed_and_warns_of_nothing(user, world):
    keys = ("--to", "r", "--keys", world.keys_dir)
    user.ok("publish", "--allow-development", "--from", world.folder / "dist", *keys)
    user.ok("keys", "rotate", "timestamp", "--keys", world.keys_dir, "--no-passphrase")
    foreseen = user.ok("refresh", *keys, "--dry-run")
    assert "would put in place: timestamp, root" in foreseen
    assert "now valid until" in foreseen
    said = user.ok("refresh", *keys)
    assert "signed and put in place: timestamp 2, root 2" in said
    assert "new root is out" not in user.err
    assert "no signature is needed" in user.ok("refresh", *keys)
    assert user.json("refresh", *keys)["signed"] == []


def test_dry_runs_are_worded_as_such_and_change_nothing(user, world):
    publish = ("publish", "--allow-development", "--from", world.folder / "dist", "--to", "r", "--keys", world.keys_dir)
    said = user.ok(*publish, "--dry-run")
    assert f"would add  {TARGET} 1" in said
    assert "would put in place: root, engine-llama.cpp, targets, snapshot, timestamp" in said
    assert "would write 4 files" in said
    assert "would be signed with development keys" in user.err
    assert not Path("r").exists()
    user.ok(*publish)
    revoke = ("revoke", TARGET, "--version", "1", "--reason", "it leaks", "--to", "r", "--keys", world.keys_dir)
    said = user.ok(*revoke, "--dry-run")
    assert f"would revoke {TARGET} 1" in said
    assert "files" not in said
    assert user.json(*revoke, "--dry-run")["signed"] == ["engine-llama.cpp", "snapshot", "timestamp"]
    assert f"revoked {TARGET} 1" in user.ok(*revoke)


def test_old_signatures_are_verified_after_every_key_was_replaced(user, world):
    at_once = ("--keys", world.keys_dir, "--no-passphrase")
    publish = ("publish", "--allow-development", "--from", world.folder / "dist", "--to", "r", "--keys", world.keys_dir)
    user.ok(*publish)
    for role in ("engines", "timestamp", "snapshot", "targets", "root"):
        user.ok("keys", "rotate", role, *at_once)
        user.ok("refresh", "--to", "r", "--keys", world.keys_dir)
    world.build("2")
    user.ok(*publish)
    first = Path("r/metadata/1.root.json")
    assert user.json("verify", "r", "--trusted-root", first)["ok"] is True
    old = Path("r/metadata/1.engine-llama.cpp.json")
    old.write_bytes(old.read_bytes().replace(b'"version": 1', b'"version": 3').replace(b'"version":1', b'"version":3'))
    assert user.run("verify", "r", "--trusted-root", first) == 7


def test_a_build_is_revoked_for_those_who_look(ceremony, root):
    arguments = ("revoke", TARGET, "--version", "1", "--reason", "it computes wrongly", "--to", "repository")
    assert ceremony.json(*arguments, "--keys", "ci")["changed"] is True
    assert "was revoked already" in ceremony.ok(*arguments, "--keys", "ci")
    assert (
        ceremony.run(
            "install", TARGET, "--from", "repository", "--root", root, "--trusted-root", "root.json", "--no-check-host"
        )
        == 8
    )
    assert "it computes wrongly" in ceremony.err
    assert ceremony.run("revoke", TARGET, "--version", "9", "--reason", "x", "--to", "repository", "--keys", "ci") == 3
    assert ceremony.run(*arguments, "--sha256", "AB", "--keys", "ci") == 2


def test_publishing_what_is_revoked_warns_and_hints_at_no_install(user, world):
    publish = ("publish", "--from", world.folder / "dist", "--to", "r", "--keys", "k", "--allow-development")
    user.ok("keys", "init", "--keys", "k", "--no-passphrase")
    user.ok(*publish)
    assert "install --from" in user.err
    assert user.json(*publish)["revoked"] == {}
    user.ok("revoke", TARGET, "--version", "1", "--reason", "it leaks", "--to", "r", "--keys", "k")
    user.ok(*publish)
    assert f"warning: {TARGET} 1 was revoked and nobody may install it: it leaks" in user.err
    assert "install --from" not in user.err
    assert user.json(*publish)["revoked"] == {f"{TARGET} 1": "it leaks"}


def test_a_refresh_that_has_nothing_to_do(ceremony):
    assert ceremony.json("refresh", "--to", "repository", "--keys", "ci")["changed"] is False
    assert ceremony.run("refresh", "--to", "nowhere", "--keys", "ci") == 3
    assert not Path("nowhere").exists()


def test_status_says_who_can_sign_and_who_has(ceremony):
    status = ceremony.json("keys", "status", "--keys", "ci", "--repository", "repository")
    roles = {role["role"]: role for role in status["roles"]}
    assert list(roles) == ["root", "targets", "snapshot", "timestamp", "engine-llama.cpp"]
    assert {name: role["can_sign"] for name, role in roles.items()} == {
        "root": False,
        "targets": False,
        "snapshot": True,
        "timestamp": True,
        "engine-llama.cpp": True,
    }
    assert (roles["root"]["threshold"], len(roles["root"]["keys"]), roles["root"]["signatures"]) == (2, 3, 2)
    assert {key["place"] for key in roles["root"]["keys"]} == {"elsewhere"}
    assert roles["timestamp"]["days_left"] in {6, 7}
    assert roles["targets"]["days_left"] in {364, 365}
    assert (status["development"], status["warnings"]) == (False, [])
    assert "can sign here" in ceremony.ok("keys", "status", "--keys", "ci")


def test_status_of_keys_without_a_root(user):
    user.ok("keys", "new", "--role", "root", "--role", "engine:mlx-lm", "--keys", "ann", "--no-passphrase")
    status = user.json("keys", "status", "--keys", "ann")
    assert {role["role"]: role["can_sign"] for role in status["roles"]} == {"root": True, "engine:mlx-lm": True}
    assert status["identity"] is None
    assert user.run("publish", "--metadata", "x", "--to", "r", "--keys", "ann") == 2


def test_development_keys_are_said_wherever_one_looks(user, world):
    user.ok("keys", "init", "--keys", "k", "--no-passphrase")
    status = user.json("keys", "status", "--keys", "k")
    assert status["development"] is True
    assert "development keys" in status["warnings"][0]
    arguments = ("publish", "--from", world.folder / "dist", "--to", "r", "--keys", "k")
    assert user.run(*arguments) == 8
    assert not Path("r").exists()
    Path("pipeline.toml").write_text("allow_development = true\n")
    user.ok(*arguments)


@pytest.mark.parametrize("text", ["root", "root=3/2", "root=0/1", "root=2/3/4", "boss=1/1", "root=-1/2"])
def test_thresholds_that_are_none(user, text: str):
    assert user.run("keys", "init", "--keys", "k", "--no-passphrase", "--threshold", text) == 2
    assert not Path("k").exists()


def test_thresholds_as_they_are_wished(user):
    chosen = ("--threshold", "root=3/5", "--threshold", "timestamp=2/2", "--lane", "airgap")
    outcome = user.json("keys", "init", "--keys", "k", "--no-passphrase", *chosen)
    counts = {role: (threshold, len(keyids)) for role, (threshold, keyids) in outcome["roles"].items()}
    assert counts == {"root": (3, 5), "targets": (2, 2), "engines": (1, 1), "snapshot": (1, 1), "timestamp": (2, 2)}
    assert json.loads(Path("k/root.json").read_text())["signed"]["x-engine-pipeline-lane"] == "airgap"
    assert user.run("keys", "init", "--keys", "k2", "--no-passphrase", "--lane", "../x") == 2


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("rotate", "boss"), 2),
        (("rotate", "snapshot", "--key", "0000"), 3),
        (("revoke", "0000"), 3),
        (("add", "--role", "boss", "--public", "k/keys.json"), 2),
        (("add", "--role", "root", "--public", "k/keys.json"), 7),
        (("new", "--role", "boss"), 2),
        (("install", "k/keys.json"), 7),
        (("status", "--repository", "nowhere"), 3),
    ],
    ids=["role", "key", "revoke", "add role", "add file", "new", "install", "status"],
)
def test_what_keys_refuses(user, arguments: tuple[str, ...], code: int):
    user.ok("keys", "init", "--keys", "k", "--no-passphrase")
    before = {path: path.read_bytes() for path in Path("k").iterdir()}
    plain = ("--no-passphrase",) if arguments[0] in {"rotate", "new"} else ()
    assert user.run("keys", *arguments, *plain, "--keys", "k") == code
    assert {path: path.read_bytes() for path in Path("k").iterdir()} == before


def test_no_secret_is_shown(user, world, tmp_path):
    canary = "canary-passphrase-7f3a"
    Path("p").write_text(f"{canary}\n")
    events = tmp_path / "events"
    shown = ""
    for arguments in (
        ("keys", "init", "--keys", "k", "--passphrase-file", "p"),
        ("keys", "rotate", "timestamp", "--keys", "k", "--passphrase-file", "p"),
        ("publish", "--allow-development", "--from", world.folder / "dist", "--to", "r", "--keys", "k",
         "--passphrase-file", "p", "--json-events", events, "--verbose"),
        ("keys", "status", "--keys", "k", "--repository", "r", "--json"),
        ("sign", "--role", "targets", "--to", "r", "--engine", "x", "--keys", "k",
         "--passphrase-file", "p", "--out", "o"),
    ):  # fmt: skip
        shown += user.ok(*arguments) + user.err
    files = [path for path in (*Path("k").iterdir(), *Path("r").rglob("*"), Path("o"), events) if path.is_file()]
    assert len(files) > 20
    assert canary not in shown + "".join(path.read_text(errors="replace") for path in files)
    assert "PRIVATE KEY" not in shown
