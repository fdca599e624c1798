"""Signatures that end and that nobody here can make anew: said while there is time, and refused once it is over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import TrustError
from pipeline.publish.delegating import roles_of
from pipeline.publish.signing import is_due

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from tuf.api.metadata import Role, Signed

    from pipeline.model.publication import RoleName
    from pipeline.publish.key_folder import KeyFolder
    from pipeline.publish.state import RepositoryState


@dataclass(frozen=True, slots=True)
class Ending:
    """A role whose signatures end soon or have ended, and whose keys are not here.

    Attributes:
        role: its name.
        expires: when clients stop.
        keys: the folder without its keys; None for the root, which no refresh signs.
    """

    role: str
    expires: datetime
    keys: Path | None

    def text(self, repository: Path) -> str:
        """Return it for people."""
        of_role = "the root" if self.keys is None else f"the role {self.role}"
        where = "" if self.keys is None else f", and {self.keys} has too few of its keys"
        return f"{of_role} of {repository} expires {self.expires:%Y-%m-%d}{where}; clients stop then"


def endings(state: RepositoryState, keys: KeyFolder, now: datetime) -> tuple[Ending, ...]:
    """Return what is due and cannot be signed with these keys."""
    return tuple(
        Ending(name, signed.expires, None if name == "root" else keys.folder)
        for name, kind, signed, role in _signed(state)
        if is_due(signed, kind, now) and (name == "root" or not keys.can_sign(role))
    )


def require_alive(found: Iterable[Ending], signed: Iterable[str], *, repository: Path, now: datetime) -> None:
    """Refuse to call a repository refreshed that clients refuse.

    Args:
        found: what could not be signed.
        signed: roles that were signed anew all the same, with keys that replace those.
        repository: for people.
        now: the moment.

    Raises:
        TrustError: a role has expired.
    """
    anew = {*signed} - {"root"}  # a root that is put in place was signed long before
    over = [ending for ending in found if ending.expires <= now and ending.role not in anew]
    if over:
        names = ", ".join(f"{ending.role} ({ending.expires:%Y-%m-%d})" for ending in over)
        raise TrustError(
            f"{repository} is expired for every client, and the keys that must sign are not here: {names}",
            hint="the rest was signed. Where the keys of an engine are, run `refresh`; for targets `sign --role targets"
            " --to REPOSITORY`, then `publish --metadata`; for root `keys rotate root`, then `refresh`",
        )


def _signed(state: RepositoryState) -> Iterator[tuple[str, RoleName, Signed, Role]]:
    yield "root", "root", state.root, state.root.roles["root"]
    if state.targets is None:
        return
    yield "targets", "targets", state.targets, state.root.roles["targets"]
    for name, role in roles_of(state.targets.delegations).items():
        if (metadata := state.delegated.get(name)) is not None:
            yield name, "engines", metadata, role
