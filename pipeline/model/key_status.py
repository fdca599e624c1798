"""How the keys and the signatures of a repository stand."""

from __future__ import annotations

from typing import Literal

from pipeline.model.frozen import Frozen, Sha256, UtcTime

KeyPlace = Literal["file", "outside", "elsewhere"]


class KeyStatus(Frozen):
    """One key.

    Attributes:
        keyid: as TUF metadata names it.
        place: of the private half: a file of the folder, outside by a uri (KMS, token), or with somebody else.
        kind: of the key: ``ed25519``, ``ecdsa``, ``rsa``.
        signed: whether its signature is on the role's newest metadata; None where there is none here.
    """

    keyid: Sha256
    place: KeyPlace
    kind: str
    signed: bool | None = None


class RoleStatus(Frozen):
    """One role.

    Attributes:
        role: its name.
        threshold: how many keys must sign.
        keys: all of them.
        can_sign: whether the folder has enough private keys.
        version: of the role's newest metadata here; None where there is none.
        expires: of it.
        days_left: until then, rounded down; negative when it is over.
        signatures: how many of the keys have signed it; None where there is none.
    """

    role: str
    threshold: int
    keys: tuple[KeyStatus, ...]
    can_sign: bool
    version: int | None = None
    expires: UtcTime | None = None
    days_left: int | None = None
    signatures: int | None = None


class KeysStatus(Frozen):
    """What ``keys status`` reports.

    Attributes:
        folder: with the keys; None where only a repository was looked at.
        repository: folder that was looked at; None where it was only keys.
        identity: of the repository that the keys sign for.
        lane: that they sign for; None for the repository itself.
        development: whether its root is marked as one of development keys.
        roles: those of the root first, then those that it delegates to.
        spare: ids of keys in the folder that no role has.
        warnings: what needs doing soon.
    """

    folder: str | None
    repository: str | None
    identity: str | None
    lane: str | None
    development: bool
    roles: tuple[RoleStatus, ...]
    spare: tuple[Sha256, ...] = ()
    warnings: tuple[str, ...] = ()
