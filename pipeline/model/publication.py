"""Keys and repositories: the key folder's list, and what the commands over it return."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from pipeline.model.frozen import FileName, Frozen, Sha256

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
    """One key.

    Attributes:
        keyid: as TUF metadata names it.
        file: of the private key, in the key folder; None when it is kept elsewhere.
        public: 64 hex digits, an ed25519 public key.
    """

    keyid: Sha256
    file: FileName | None
    public: Sha256


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
        repository: id of the repository these keys sign for, also in its signed root.
        development: True for keys that one command made on one machine.
        encrypted: whether the private keys need a passphrase.
        roles: role to keys.
    """

    schema_version: Literal[1] = 1
    repository: str = Field(pattern=r"^[0-9a-f]{32}$")
    development: bool
    encrypted: bool
    roles: dict[KeyRole, RoleKeys]


class KeysOutcome(Frozen):
    """What ``keys init`` made.

    Attributes:
        folder: absolute.
        development: True: these keys are for trying things out.
        encrypted: whether a passphrase protects them.
        root_path: the root metadata that clients must be given.
        root_sha256: of that file, to compare by other means.
        roles: role to (threshold, keyids).
        expires: RFC 3339, of the root.
    """

    folder: str
    development: bool
    encrypted: bool
    root_path: str
    root_sha256: Sha256
    roles: dict[str, tuple[int, tuple[str, ...]]]
    expires: str


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
        versions: metadata role to its version now.
        expires: metadata role to RFC 3339.
        development: signed with development keys.
    """

    changed: bool
    dry_run: bool = False
    added: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    blobs_added: int = 0
    bytes_added: int = 0
    versions: dict[str, int] = {}
    expires: dict[str, str] = {}
    development: bool = False
