"""What the TUF specification asks of a client, asked of `ci/tuf_client`: refresh, freshness, rollback, keys.

The public tuf-conformance suite asks more of the same; `ci/tuf_conformance` runs it where its folder is at hand.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Root

from tests.conformance.conftest import TufClient
from tests.simulators.tuf_repository import TOP_LEVEL, TufRepository

PROJECT = Path(__file__).parents[2]
DAY = 86_400
FIRST = {"root": 1, "timestamp": 1, "snapshot": 1, "targets": 1}


def edit(repository: TufRepository, path: str, change: Callable[[dict], object]) -> None:
    """Change a served document without signing it again."""
    document = json.loads(repository.files[path])
    change(document)
    repository.files[path] = json.dumps(document).encode()


# --- the program -----------------------------------------------------------------------------------------------------


def test_the_program_itself_ends_with_0_or_1(client: TufClient, repository: TufRepository, tmp_path: Path):
    repository.add("targets", "a/file.txt", b"content")
    repository.put_all()
    root = tmp_path / "initial.json"
    own = ["--metadata-dir", tmp_path / "own"]
    places = ["--metadata-url", f"{client.url}/metadata", "--target-base-url", f"{client.url}/targets"]

    def run(*arguments: object) -> int:
        return subprocess.run([PROJECT / "ci/tuf_client", *map(str, own + list(arguments))], check=False).returncode

    assert run(*places, "refresh") == 1  # it trusts nothing yet
    assert run("init", root) == 0
    assert run(*places, "refresh") == 0
    assert run(*places, "--target-dir", tmp_path / "t", "--target-name", "a/file.txt", "download") == 0
    assert run(*places, "--target-dir", tmp_path / "t", "--target-name", "nothing", "download") == 1
    assert [path.read_bytes() for path in (tmp_path / "t").iterdir()] == [b"content"]


# --- init and refresh ------------------------------------------------------------------------------------------------


def test_init_asks_for_nothing(client: TufClient, repository: TufRepository):
    assert repository.asked == []
    assert client.trusted() == {"root": 1}


@pytest.mark.parametrize(
    "change",
    [
        lambda root: root["signed"].pop("version"),
        lambda root: root["signatures"].clear(),
        lambda root: root["signed"].update(expires="2099-01-01T00:00:00Z"),
        lambda root: root["signed"].update(_type="targets"),
    ],
    ids=["no version", "unsigned", "changed", "other type"],
)
def test_a_root_that_cannot_be_trusted_asks_for_nothing(repository: TufRepository, tmp_path: Path, change):
    document = json.loads(repository.trusted_root)
    change(document)
    with repository.serving() as url:
        client = TufClient(repository, url, tmp_path)
        assert client.init(json.dumps(document).encode()) == 1
        assert client.refresh() == 1
    assert repository.asked == []


def test_a_refresh_asks_in_the_order_of_the_specification_and_keeps_the_bytes(client, repository):
    repository.files["metadata/timestamp.json"] += b" \n"
    assert client.refresh() == 0
    assert repository.metadata_asked() == ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"]
    assert client.trusted() == FIRST
    kept = (client.metadata_dir / "timestamp.json").read_bytes()
    assert kept == repository.files["metadata/timestamp.json"]


def test_what_is_kept_is_not_asked_for_again(client, repository):
    assert client.refresh() == 0
    repository.asked.clear()
    assert client.refresh() == 0
    assert repository.metadata_asked() == ["2.root.json", "timestamp.json"]


def test_a_timestamp_of_the_same_version_changes_nothing(client, repository):
    assert client.refresh() == 0
    repository.timestamp.snapshot_meta.version = 99
    repository.put("timestamp", bump=False)
    assert client.refresh() == 0
    kept = json.loads((client.metadata_dir / "timestamp.json").read_text())
    assert kept["signed"]["meta"]["snapshot.json"]["version"] == 1


def test_fields_that_nobody_knows_are_signed_as_well(client, repository):
    repository.root.unrecognized_fields["x-more"] = {"a": [1, "b", None, True]}
    repository.put("root")
    assert client.refresh() == 0
    edit(repository, repository.path("root"), lambda root: root["signed"]["x-more"].update(a=[]))
    repository.root.version += 1
    assert client.trusted()["root"] == 2


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_missing_metadata_is_a_failure_and_what_was_trusted_stays(client, repository, role):
    assert client.refresh() == 0
    repository.put("targets", "snapshot", "timestamp")
    del repository.files[repository.path(role)]
    assert client.refresh() == 1
    above = {"timestamp": (), "snapshot": ("timestamp",), "targets": ("timestamp", "snapshot")}[role]
    assert client.trusted() == FIRST | dict.fromkeys(above, 2)


@pytest.mark.parametrize("role", TOP_LEVEL)
def test_metadata_that_its_role_did_not_sign_is_refused_and_nothing_below_it_asked_for(client, repository, role):
    stranger = CryptoSigner.generate_ed25519()
    repository.put("targets", sign_with=[stranger] if role == "targets" else None)
    repository.put("snapshot", sign_with=[stranger] if role == "snapshot" else None)
    repository.put("timestamp", sign_with=[stranger] if role == "timestamp" else None)
    if role == "root":
        repository.put("root", sign_with=[stranger])
    assert client.refresh() == 1
    assert role not in client.trusted() or client.trusted()[role] == 1
    assert repository.metadata_asked()[-1] == repository.path(role).removeprefix("metadata/")


@pytest.mark.parametrize("role", ["root", "snapshot", "targets"])
def test_a_version_that_is_not_the_one_of_its_name_is_refused(client, repository, role):
    before = repository.roles[role].version
    repository.roles[role].version += 4
    repository.put(role)
    repository.files[f"metadata/{before + 1}.{role}.json"] = repository.files[repository.path(role)]
    if role != "root":
        listed = MetaFile(before + 1)
        repository.snapshot.meta["targets.json"] = listed if role == "targets" else MetaFile(1)
        if role == "targets":
            repository.put("snapshot")
        else:
            repository.timestamp.snapshot_meta = listed
        repository.put("timestamp")
    assert client.refresh() == 1
    assert client.trusted().get(role) == (1 if role == "root" else None)


def test_one_role_cannot_stand_for_another(client, repository):
    """The timestamp's key signs a snapshot that has all that a timestamp needs."""
    repository.rotate("snapshot", repository.signers["timestamp"])
    repository.put("root")
    repository.snapshot.meta = {"snapshot.json": MetaFile(1)}
    repository.put("snapshot")
    repository.files["metadata/timestamp.json"] = repository.files[repository.path("snapshot")]
    assert client.refresh() == 1
    assert client.trusted() == {"root": 2}


@pytest.mark.parametrize("role", ["snapshot", "targets"])
@pytest.mark.parametrize(
    "change",
    [lambda data: data + b" ", lambda data: data[:-1], lambda data: data.upper()],
    ids=["longer", "cut", "same length"],
)
def test_listed_digests_and_lengths_hold(client, repository, role, change):
    repository.digests = True
    repository.put("targets", "snapshot", "timestamp")
    assert client.refresh() == 0
    repository.put("targets", "snapshot", "timestamp")
    repository.files[repository.path(role)] = change(repository.files[repository.path(role)])
    assert client.refresh() == 1
    assert client.trusted()[role] == 2


def test_metadata_without_end_is_cut_off(client, repository):
    repository.files["metadata/timestamp.json"] += b" " * 1_000_000
    assert client.refresh() == 1
    assert client.trusted() == {"root": 1}


@pytest.mark.parametrize("role", TOP_LEVEL)
@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('"version":', '"version": 7, "version":', 1),
        lambda text: text.replace('"signatures":', '"signatures": [], "signatures":', 1),
        lambda text: text.replace('"signed":', '"x": NaN, "signed":', 1),
        lambda text: text.replace('"signed":', '"x": 1e999, "signed":', 1),
        lambda text: text.replace('"signed":', f'"x": {"[" * 5000}{"]" * 5000}, "signed":', 1),
        lambda text: "\ufeff" + text,
        lambda text: text.replace('"signed":', '"x": "\\ud800", "signed":', 1),
    ],
    ids=["twice", "signatures twice", "NaN", "1e999", "deep", "BOM", "surrogate"],
)
def test_what_json_readers_disagree_about_is_refused_though_the_signature_holds(client, repository, role, change):
    repository.put("targets", "snapshot", "timestamp", "root")
    path = repository.path(role)
    assert client.refresh() == 0
    repository.put("targets", "snapshot", "timestamp", "root")
    path = repository.path(role)
    text = repository.files[path].decode().replace('":', '": ')
    changed = change(text)
    assert changed != text
    repository.files[path] = changed.encode()
    assert client.refresh() == 1
    assert client.trusted()[role] == 2


# --- freshness -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", TOP_LEVEL)
def test_expired_metadata_is_refused(client, repository, role):
    assert client.refresh() == 0
    repository.roles[role].expires = repository.now - timedelta(days=1)
    repository.put("targets", "snapshot", "timestamp", "root")
    assert client.refresh() == 1
    # a root is trusted before its age is looked at (specification, 5.3.10); nothing else is
    assert client.trusted()[role] == (2 if role == "root" else 1)


@pytest.mark.parametrize("role", TOP_LEVEL)
def test_kept_metadata_expires_too(client, repository, role):
    repository.roles[role].expires = repository.now + timedelta(days=7)
    repository.put("targets", "snapshot", "timestamp", "root")
    assert client.refresh() == 0
    client.clock.sleep(8 * DAY)
    assert client.refresh() == 1


@pytest.mark.parametrize("role", TOP_LEVEL)
def test_expired_kept_metadata_can_be_followed_by_newer(client, repository, role):
    repository.roles[role].expires = repository.now + timedelta(days=7)
    repository.put("targets", "snapshot", "timestamp", "root")
    assert client.refresh() == 0
    repository.roles[role].expires = repository.now + timedelta(days=21)
    repository.put("targets", "snapshot", "timestamp", "root")
    client.clock.sleep(18 * DAY)
    assert client.refresh() == 0
    assert client.trusted() == dict.fromkeys(TOP_LEVEL, 3)


def test_expired_kept_metadata_still_stops_a_rollback(client, repository):
    repository.timestamp.expires = repository.now + timedelta(days=7)
    repository.put("timestamp")
    assert client.refresh() == 0
    repository.timestamp.expires = repository.now + timedelta(days=21)
    repository.timestamp.version = 1
    repository.put("timestamp", bump=False)
    client.clock.sleep(8 * DAY)
    assert client.refresh() == 1
    assert client.trusted()["timestamp"] == 2


# --- rollback --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("digests", [False, True])
@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_a_lower_version_is_refused_whatever_stands_above_it(client, repository, role, digests):
    repository.digests = digests
    repository.put("targets", "snapshot", "timestamp")
    assert client.refresh() == 0
    repository.roles[role].version = 0
    repository.put(*{"timestamp": (), "snapshot": ("snapshot",), "targets": ("targets", "snapshot")}[role], "timestamp")
    assert client.refresh() == 1
    assert client.trusted()[role] == 2


def test_a_role_cannot_vanish_from_the_snapshot_unless_its_keys_are_new(client, repository):
    repository.delegate("targets", "a")
    repository.put_all("a")
    assert client.refresh() == 0
    del repository.snapshot.meta["a.json"]
    repository.put("snapshot", "timestamp")
    assert client.refresh() == 1
    assert client.trusted()["snapshot"] == 2
    repository.rotate("snapshot")
    repository.put("root", "snapshot", "timestamp")
    assert client.refresh() == 0


@pytest.mark.parametrize(
    ("rotated", "role"),
    [(("timestamp",), "timestamp"), (("snapshot", "timestamp"), "snapshot"), (("snapshot",), "targets")],
)
def test_new_keys_let_a_version_that_ran_ahead_come_back(client, repository, rotated, role):
    """Fast-forward recovery: an attacker who had a key may have signed the highest version there is."""
    repository.roles[role].version = 1_000_000
    repository.put("targets", "snapshot", "timestamp")
    assert client.refresh() == 0
    assert client.trusted()[role] > 1_000_000 - 1
    for name in rotated:
        repository.rotate(name)
    repository.roles[role].version = 0
    repository.put("root", "targets", "snapshot", "timestamp")
    assert client.refresh() == 0
    assert client.trusted()[role] == 1


def test_a_mixture_of_two_moments_is_refused(client, repository):
    repository.digests = True
    repository.put("targets", "snapshot", "timestamp")
    old = repository.files[repository.path("targets")]
    assert client.refresh() == 0
    repository.put("targets", "snapshot", "timestamp")
    repository.files[repository.path("targets")] = old
    assert client.refresh() == 1


# --- keys ------------------------------------------------------------------------------------------------------------


def keys(count: int) -> list[CryptoSigner]:
    return [CryptoSigner.generate_ed25519() for _ in range(count)]


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
@pytest.mark.parametrize(
    ("threshold", "signing", "code"),
    [(3, 3, 0), (3, 2, 1), (3, 5, 0), (5, 4, 1), (1, 0, 1), (6, 5, 1)],
)
def test_a_threshold_is_a_number_of_keys(client, repository, role, threshold, signing, code):
    made = keys(5)
    repository.rotate(role, made, threshold=threshold)
    repository.put("root")
    repository.signers[role] = made[:signing]
    repository.put("targets", "snapshot", "timestamp")
    assert client.refresh() == code
    assert (role in client.trusted()) == (code == 0)


def test_a_key_that_signs_twice_counts_once(client, repository):
    made = keys(2)
    repository.rotate("snapshot", made, threshold=2)
    repository.put("root")
    repository.put("snapshot", sign_with=made[:1])
    repository.put("timestamp")
    edit(repository, repository.path("snapshot"), lambda one: one["signatures"].append(one["signatures"][0]))
    assert client.refresh() == 1
    assert "snapshot" not in client.trusted()


def test_a_signature_twice_is_refused_though_the_threshold_is_met(client, repository):
    edit(repository, "metadata/1.snapshot.json", lambda one: one["signatures"].append(one["signatures"][0]))
    assert client.refresh() == 1
    assert "snapshot" not in client.trusted()


def test_a_key_that_is_listed_twice_counts_once(client, repository):
    (signer,) = keys(1)
    repository.rotate("snapshot", [signer])
    repository.root.roles["snapshot"].threshold = 2
    keyid = signer.public_key.keyid
    repository.root.version += 1
    metadata = Metadata(repository.root)
    document = metadata.to_dict()
    document["signed"]["roles"]["snapshot"]["keyids"] = [keyid, keyid]
    forged = Metadata[Root].from_dict({"signed": metadata.to_dict()["signed"], "signatures": []})
    forged.signed.roles["snapshot"].keyids = [keyid, keyid]
    forged.sign(repository.signers["root"][0])
    repository.files[repository.path("root")] = forged.to_bytes()
    repository.put("snapshot", "timestamp")
    assert client.refresh() == 1
    assert "snapshot" not in client.trusted()


@pytest.mark.parametrize("wrong", ["", "00" * 64, "no hex at all"])
def test_a_wrong_signature_beside_enough_right_ones_does_not_count(client, repository, wrong):
    made = keys(2)
    repository.rotate("timestamp", made, threshold=1)
    repository.put("root", "timestamp")
    edit(repository, "metadata/timestamp.json", lambda one: one["signatures"][0].update(sig=wrong))
    assert client.refresh() == 0
    edit(repository, "metadata/timestamp.json", lambda one: one["signatures"][1].update(sig=wrong))
    assert client.refresh() == 1


@pytest.mark.parametrize(
    "make", [CryptoSigner.generate_ed25519, CryptoSigner.generate_ecdsa, CryptoSigner.generate_rsa]
)
def test_the_usual_kinds_of_keys_sign_and_fail_to(client, repository, make):
    old = repository.signers["root"]
    repository.rotate("root", [*old, make()], threshold=2)
    repository.put("root")
    assert client.refresh() == 0
    repository.put("root")
    last = repository.signers["root"][1].public_key.keyid

    def spoil(document: dict) -> None:
        for signature in document["signatures"]:
            if signature["keyid"] == last:
                digits = signature["sig"]
                signature["sig"] = digits[:-2] + ("00" if digits[-2:] != "00" else "01")

    edit(repository, repository.path("root"), spoil)
    assert client.refresh() == 1
    assert client.trusted()["root"] == 2


@pytest.mark.parametrize("threshold", [1, 2])
def test_a_root_with_a_kind_of_key_that_is_not_known_is_refused(client, repository, threshold):
    odd = CryptoSigner.generate_ed25519()
    odd.public_key.keytype = "lattice"
    odd.public_key.scheme = "lattice-9"
    repository.rotate("timestamp", [*keys(1), odd], threshold=threshold)
    repository.put("root", "timestamp")
    assert client.refresh() == 1
    assert client.trusted() == {"root": 1}


# --- the chain of roots ----------------------------------------------------------------------------------------------

CHAINS = {
    "rotated with both": ([("a", 1, "a"), ("b", 1, "ab"), ("b", 1, "b")], True),
    "rotated in one step": ([("a", 1, "a"), ("b", 1, "ab")], True),
    "strangers sign as well": ([("a", 1, "xay"), ("b", 1, "ybxa")], True),
    "old keys are missing": ([("a", 1, "a"), ("b", 1, "b")], False),
    "new keys are missing": ([("a", 1, "a"), ("b", 1, "a")], False),
    "a threshold goes up": ([("abc", 1, "a"), ("abc", 2, "bc")], True),
    "the new threshold is missed": ([("abc", 1, "a"), ("abc", 2, "b")], False),
    "a threshold goes down": ([("abc", 2, "ab"), ("abc", 1, "bc"), ("abc", 1, "c")], True),
    "the old threshold is missed": ([("abc", 2, "ab"), ("abc", 1, "a")], False),
    "one of three goes": ([("abc", 2, "ab"), ("abd", 2, "ab"), ("abd", 2, "bd")], True),
    "all of three go": ([("abc", 2, "ab"), ("def", 2, "abde"), ("def", 2, "ef")], True),
    "two of three old ones, one new": ([("abc", 2, "ab"), ("cde", 2, "abd")], False),
}


@pytest.mark.parametrize(("chain", "holds"), CHAINS.values(), ids=CHAINS)
def test_a_root_is_signed_by_the_last_one_and_by_itself(tmp_path: Path, monkeypatch, chain, holds):
    monkeypatch.chdir(tmp_path)
    repository = TufRepository()
    named = {name: CryptoSigner.generate_ed25519() for name in "abcdefxy"}
    repository.root.version = 0
    for keyring, threshold, signing in chain:
        repository.rotate("root", [named[name] for name in keyring], threshold=threshold)
        repository.put("root", sign_with=[named[name] for name in signing])
    repository.trusted_root = repository.files["metadata/1.root.json"]
    with repository.serving() as url:
        client = TufClient(repository, url, tmp_path)
        client.clock.seconds = repository.now.timestamp()
        assert client.init() == 0
        assert client.refresh() == (0 if holds else 1)
        assert client.trusted()["root"] == len(chain) - (not holds)
        kept = (client.metadata_dir / "root.json").read_bytes()
        assert kept == repository.files[f"metadata/{client.trusted()['root']}.root.json"]


def test_a_long_chain_of_roots_is_followed_and_begun_from_the_first_each_time(client, repository):
    for _ in range(12):
        old = repository.signers["root"]
        new = keys(1)
        repository.rotate("root", [*old, *new])
        repository.put("root")
        repository.rotate("root", new)
        repository.put("root", sign_with=[*old, *new])
    assert client.refresh() == 0
    assert client.trusted()["root"] == 25
    repository.asked.clear()
    assert client.refresh() == 0
    assert repository.metadata_asked()[0] == "26.root.json"


def test_a_gap_in_the_chain_of_roots_ends_it(client, repository):
    repository.put("root", "root")
    del repository.files["metadata/2.root.json"]
    assert client.refresh() == 0
    assert client.trusted()["root"] == 1
