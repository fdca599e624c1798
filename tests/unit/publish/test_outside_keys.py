"""Keys that are kept elsewhere: a PKCS#11 token, files of other kinds, and what is said when they do not sign."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from pydantic import ValidationError

from pipeline.errors import HostError, TrustError, UsageError
from pipeline.model.publication import KeyEntry, KeyList
from pipeline.publish.key_folder import KeyFolder, open_keys
from pipeline.publish.key_kinds import read_public_key
from pipeline.publish.key_parts import add_entry, assemble_root, read_key_file
from pipeline.publish.keys import ROLES
from pipeline.system.keys import PrivateKeyFiles
from tests.simulators.engine_world import LayerFiles, World
from tests.simulators.soft_token import PIN, SoftToken, soft_token

FILES = PrivateKeyFiles()


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoftToken:
    return soft_token(tmp_path, monkeypatch)


def opened(folder: Path, secret: str | None = None) -> KeyFolder:
    return open_keys(folder, passphrase=lambda: secret.encode() if secret else None, key_files=FILES)


def outside(public: Path, uri: str | None, scheme: str | None = None) -> KeyEntry:
    _, entry = read_key_file(public, role="engines", scheme=scheme)
    return entry.model_copy(update={"uri": uri})


def written(folder: Path, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> tuple[Path, str]:
    """Return the public key's file and the uri of the private one."""
    folder.mkdir(exist_ok=True)
    (folder / "public.pem").write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (folder / "private.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return folder / "public.pem", f"file2:{folder / 'private.pem'}"


def world_of(tmp_path: Path, entry: KeyEntry, secret: str | None = None) -> World:
    """Return a world whose every role is signed by one key."""
    folder = tmp_path / "keys"
    for role in ROLES:
        add_entry(folder, role, entry, key_files=FILES)
    listing = KeyList.model_validate_json((folder / "keys.json").read_bytes())
    roles = dict.fromkeys(ROLES, listing.roles["root"])  # one key for all of them
    (folder / "keys.json").write_text(listing.model_copy(update={"roles": roles}).model_dump_json())
    assemble_root(
        folder,
        [],
        thresholds=dict.fromkeys(ROLES, 1),
        keys=opened(folder, secret),
        key_files=FILES,
        now=World(_fresh(tmp_path / "clock")).clock.now_seconds(),
    )
    world = World(tmp_path)
    world.secret = secret
    return world


def _fresh(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("make", "scheme", "keytype"),
    [
        (lambda: ec.generate_private_key(ec.SECP256R1()), None, ("ecdsa", "ecdsa-sha2-nistp256")),
        (lambda: ec.generate_private_key(ec.SECP384R1()), None, ("ecdsa", "ecdsa-sha2-nistp384")),
        (lambda: rsa.generate_private_key(65537, 2048), None, ("rsa", "rsassa-pss-sha256")),
        (lambda: rsa.generate_private_key(65537, 2048), "rsa-pkcs1v15-sha256", ("rsa", "rsa-pkcs1v15-sha256")),
    ],
    ids=["p256", "p384", "rsa-pss", "rsa-pkcs1"],
)
def test_keys_of_every_kind_sign_what_installs(tmp_path: Path, make, scheme: str | None, keytype: tuple[str, str]):
    public, uri = written(tmp_path / "elsewhere", make())
    entry = outside(public, uri, scheme)
    assert (entry.keytype, entry.scheme) == keytype
    world = world_of(tmp_path, entry)
    world.build("b1", (LayerFiles("core", {"bin/llama-server": b"core"}),))
    assert world.publish().changed
    assert world.install().version == "b1"
    assert world.publish().changed is False


def test_a_token_signs_a_repository_that_installs(tmp_path: Path, token: SoftToken):
    world = world_of(tmp_path, outside(token.public, token.uri), PIN)
    world.build("b1", (LayerFiles("core", {"bin/llama-server": b"core"}),))
    assert world.publish().changed
    assert world.install().version == "b1"
    for path in (*world.keys_dir.iterdir(), *world.repository.rglob("*.json")):
        assert PIN.encode() not in path.read_bytes(), path


def test_a_wrong_pin_signs_nothing_and_is_not_repeated(tmp_path: Path, token: SoftToken):
    folder = tmp_path / "k"
    add_entry(folder, "engines", outside(token.public, token.uri), key_files=FILES)
    (signer,) = opened(folder, "1111").signers("engines")
    with pytest.raises(TrustError, match="PinIncorrect") as caught:
        signer.sign(b"payload")
    assert "1111" not in caught.value.message + caught.value.hint
    (signer,) = opened(folder).signers("engines")
    with pytest.raises(UsageError, match="needs a PIN"):
        signer.sign(b"payload")


def test_a_token_that_is_not_there(tmp_path: Path, token: SoftToken):
    folder = tmp_path / "k"
    add_entry(folder, "engines", outside(token.public, "hsm:2?label=other"), key_files=FILES)
    (signer,) = opened(folder, PIN).signers("engines")
    with pytest.raises(TrustError, match="No PKCS#11 token found for label other"):
        signer.sign(b"payload")


def test_a_uri_of_another_key_signs_nothing(tmp_path: Path):
    public, _ = written(tmp_path / "a", ec.generate_private_key(ec.SECP256R1()))
    _, uri = written(tmp_path / "b", ec.generate_private_key(ec.SECP256R1()))
    folder = tmp_path / "k"
    add_entry(folder, "engines", outside(public, uri), key_files=FILES)
    with pytest.raises(TrustError, match="did not sign: KeyMismatchError"):
        opened(folder).signers("engines")


def test_what_is_not_installed_is_named(tmp_path: Path):
    public, _ = written(tmp_path / "a", ec.generate_private_key(ec.SECP256R1()))
    folder = tmp_path / "k"
    add_entry(folder, "engines", outside(public, "awskms:alias/engines"), key_files=FILES)
    with pytest.raises(HostError, match="not installed") as caught:
        opened(folder).signers("engines")[0].sign(b"payload")
    assert "securesystemslib[awskms]" in caught.value.hint


def test_a_scheme_that_nobody_knows(tmp_path: Path):
    public, _ = written(tmp_path / "a", ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(UsageError, match="no signer opens keys by ftp:"):
        add_entry(tmp_path / "k", "engines", outside(public, "ftp:there"), key_files=FILES)
    assert not (tmp_path / "k").exists()


@pytest.mark.parametrize(
    "data",
    [b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", b"-----BEGIN CERTIFICATE-----\n", b"-----BEGIN"],
)
def test_public_keys_that_are_none(tmp_path: Path, data: bytes):
    (tmp_path / "p.pem").write_bytes(data)
    with pytest.raises(UsageError, match="holds no public key"):
        read_key_file(tmp_path / "p.pem", role="root")


def test_a_key_that_cannot_sign_with_that_scheme(tmp_path: Path):
    public, _ = written(tmp_path / "a", ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(UsageError, match="cannot sign with"):
        read_public_key(public.read_bytes(), what="p", scheme="rsa-pkcs1v15-sha256")


def test_lists_from_before_other_kinds_still_read(tmp_path: Path):
    """A key list as the first version of this program wrote it: ed25519 by hex digits, no kind, scheme or uri."""
    folder = World(tmp_path).keys_dir
    listing = json.loads((folder / "keys.json").read_text())
    old = {
        "schema_version": 1,
        "repository": listing["repository"],
        "development": True,
        "encrypted": False,
        "roles": {
            role: {
                "threshold": keys["threshold"],
                "keys": [{name: key[name] for name in ("keyid", "file", "public")} for key in keys["keys"]],
            }
            for role, keys in listing["roles"].items()
        },
    }
    (folder / "keys.json").write_text(json.dumps(old))
    assert len(opened(folder).signers("targets")) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"uri": "no scheme"},
        {"uri": "hsm:2\n"},
        {"file": "a.pem", "uri": "hsm:2"},
        {"public": "ff"},
        {"file": "../a.pem"},
    ],
)
def test_lines_of_a_list_that_are_wrong(changes: dict[str, str]):
    fields = {"keyid": "a" * 64, "public": "b" * 64} | changes
    with pytest.raises(ValidationError):
        KeyEntry.model_validate(fields)
