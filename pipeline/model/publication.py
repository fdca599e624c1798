"""Keys and repositories: the key folder's list, and what the commands over it return."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from pipeline.model.frozen import FileName, Frozen, Name, Sha256
from pipeline.model.repository_layout import LANE_PATTERN

DEFAULT_DELTAS = 1
"""Versions before a new one from which an update is to be small; see ci/decisions/0067."""

RoleName = Literal["root", "targets", "engines", "snapshot", "timestamp"]
"""Who may hold keys; ``engines`` stands for every engine's and environment's role that has no keys of its own."""

KeyRole = Annotated[
    str,
    StringConstraints(
        pattern=r"^(root|targets|engines|snapshot|timestamp|(engine|env):[A-Za-z0-9][A-Za-z0-9._+-]{0,127})$"
    ),
]
"""A ``RoleName``, or ``engine:<name>`` or ``env:<name>`` for the own keys of one."""


class KeyEntry(Frozen):
    """One key: where its private half is, and its public half.

    Attributes:
        keyid: as TUF metadata names it.
        file: of the private key, in the key folder; None when it is not in a file here.
        uri: that securesystemslib opens the private key by (a KMS, a PKCS#11 token ...); None when it has none. It
            holds no secret.
        keytype: as TUF metadata says it: ``ed25519``, ``ecdsa``, ``rsa``.
        scheme: of its signatures, as TUF metadata says it.
        public: 64 hex digits for ed25519, a PEM public key for the others.
    """

    keyid: Sha256
    file: FileName | None = None
    uri: str | None = Field(default=None, max_length=2000, pattern=r"^[a-z][a-z0-9+.-]*:[\x21-\x7e]*$")
    keytype: Name = "ed25519"
    scheme: Name = "ed25519"
    public: str = Field(
        max_length=4000, pattern=r"^([0-9a-f]{64}|-----BEGIN PUBLIC KEY-----[\nA-Za-z0-9+/=-]+[ A-Z-]+\n?)$"
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.file is not None and self.uri is not None:
            raise ValueError("file and uri exclude each other")
        return self

    @property
    def is_here(self) -> bool:
        """Whether whoever has the folder can sign with it."""
        return self.file is not None or self.uri is not None


class PublicKey(Frozen):
    """``<role>-<keyid>.public.json``: a key as its holder hands it over; nothing secret.

    Attributes:
        schema_version: 1.
        role: that it is meant for.
        key: without file and uri.
    """

    schema_version: Literal[1] = 1
    role: KeyRole
    key: KeyEntry


class RoleKeys(Frozen):
    """Who may sign for a role.

    Attributes:
        threshold: how many of the keys must sign.
        keys: all of them.
    """

    threshold: int = Field(ge=1)
    keys: tuple[KeyEntry, ...] = Field(min_length=1)


class KeyList(Frozen):
    """``keys.json``: lists the keys of a folder; it holds nothing secret.

    Attributes:
        schema_version: 1.
        repository: id of the repository these keys sign for, also in its signed root; None before there is a root.
        lane: that they sign for; None for the repository itself.
        development: True for keys of which one machine alone can sign a new root.
        encrypted: whether private keys that are files need a passphrase.
        roles: role to keys. The signed metadata decides which of them count.
        spare: keys that no role has: replaced ones, and new ones whose root or policy is not signed by enough yet.
    """

    schema_version: Literal[1] = 1
    repository: str | None = Field(default=None, pattern=r"^[0-9a-f]{32}$")
    lane: str | None = Field(default=None, pattern=rf"^{LANE_PATTERN}$")
    development: bool = False
    encrypted: bool = False
    roles: dict[KeyRole, RoleKeys] = {}
    spare: tuple[KeyEntry, ...] = ()

    @property
    def entries(self) -> dict[str, KeyEntry]:
        """Every key by its id; one whose private half is here goes before the same without."""
        listed = [*self.spare, *(entry for keys in self.roles.values() for entry in keys.keys)]
        return {entry.keyid: entry for entry in sorted(listed, key=lambda entry: entry.is_here)}


class KeysOutcome(Frozen):
    """What a command made of a key folder that has a root.

    Attributes:
        folder: absolute.
        development: True when these keys are for trying things out.
        encrypted: whether a passphrase protects them.
        root_path: the root metadata that clients must be given.
        root_sha256: of that file, to compare by other means.
        roles: role to (threshold, keyids).
        expires: RFC 3339, of the root.
        missing: how many signatures the root still needs.
    """

    folder: str
    development: bool
    encrypted: bool
    root_path: str
    root_sha256: Sha256
    roles: dict[str, tuple[int, tuple[str, ...]]]
    expires: str
    missing: int = 0


class PublishOutcome(Frozen):
    """What publishing did, or with dry_run would do.

    Attributes:
        changed: False when everything was there and nothing expires soon.
        dry_run: nothing was changed.
        added: ``<target> <version>`` of new artifacts.
        replaced: of those whose bytes were replaced on request.
        unchanged: of those that were there already.
        blobs_added: how many files.
        bytes_added: their size.
        deltas: ``<layer> of <target> <version> from <earlier version>`` of the deltas that were made and are worth it;
            with dry_run of those that would be tried. They count into files and bytes.
        signed: roles that have new metadata, or with dry_run would have, in the order of writing; a root among them was
            signed before.
        versions: metadata role to its version now.
        expires: metadata role to RFC 3339.
        development: signed with development keys.
        rehearsal: there are no engines in what was offered.
        missing: ``<target> <version>`` of what the offered release was to have and has not.
        revoked: ``<target> <version>`` of offered artifacts that nobody may install, to why.
    """

    changed: bool
    dry_run: bool = False
    added: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    blobs_added: int = 0
    bytes_added: int = 0
    deltas: tuple[str, ...] = ()
    signed: tuple[str, ...] = ()
    versions: dict[str, int] = {}
    expires: dict[str, str] = {}
    development: bool = False
    rehearsal: bool = False
    missing: tuple[str, ...] = ()
    revoked: dict[str, str] = {}
