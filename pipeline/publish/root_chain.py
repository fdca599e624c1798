"""The roots of a repository and of a key folder as one chain, each signed by the one before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import IntegrityError, TrustError
from pipeline.publish.roots import read_root, require_signed, require_successor, root_quorums

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tuf.api.metadata import Root


_LIMIT_BYTES = 512_000  # python-tuf's UpdaterConfig.root_max_length, which clients have


@dataclass(frozen=True, slots=True)
class RootChain:
    """What follows from the root that is trusted.

    Attributes:
        roots: newest first, down to the oldest that was read.
        served: version of the newest that the repository has, None where it has none.
        missing: bytes of those that it does not have, by version.
    """

    roots: tuple[Root, ...]
    served: int | None
    missing: dict[int, bytes]


def read_chain(metadata_dir: Path, own: Mapping[int, bytes], *, leave_damaged: bool = False) -> RootChain:
    """Follow the roots in a repository and those that came with the keys.

    Args:
        metadata_dir: of the repository or the lane.
        own: that came with the keys, by version.
        leave_damaged: take roots of the repository that nobody has signed for such that are not there.

    Raises:
        TrustError: the repository is signed by other keys, or a root does not follow from the one before.
        IntegrityError: a root is malformed, no plain file, or longer than clients read.
    """
    served = _served(metadata_dir)
    if leave_damaged:
        served = {version: data for version, data in served.items() if _is_signed(data)}
    common = sorted(served.keys() & own.keys())
    strange = [version for version in common if served[version] != own[version]]
    if strange or (served and not common):
        version = strange[0] if strange else max(own)
        raise TrustError(
            f"{metadata_dir.parent} is signed by other keys: its {version}.root.json is not the root of these keys",
            hint="open the keys that it was made with, or publish to another folder",
        )
    available = {**own, **served}
    version = min(common or own)
    first = read_root(available[version], what=f"{version}.root.json")
    require_signed(root_quorums(first, None), what=f"{version}.root.json")
    chain = [first.signed]
    while (data := available.get(chain[0].version + 1)) is not None:
        name = f"{chain[0].version + 1}.root.json"
        newer = read_root(data, what=name)
        if newer.signed.version != chain[0].version + 1:
            raise IntegrityError(f"{name} says that it is version {newer.signed.version}")
        require_successor(newer, chain[0], what=name)
        chain.insert(0, newer.signed)
    return RootChain(
        roots=tuple(chain),
        served=max((v for v in served if v <= chain[0].version), default=None),
        missing={v: data for v, data in sorted(own.items()) if v not in served and v <= chain[0].version},
    )


def _served(metadata_dir: Path) -> dict[int, bytes]:
    roots = {}
    for path in metadata_dir.glob("[1-9]*.root.json"):
        number = path.name.removesuffix(".root.json")
        if number.isascii() and number.isdigit():
            roots[int(number)] = _read_root_file(path)
    return roots


def _is_signed(data: bytes) -> bool:
    try:
        require_signed(root_quorums(read_root(data, what="a root"), None), what="a root")
    except (IntegrityError, TrustError):
        return False
    return True


def _read_root_file(path: Path) -> bytes:
    if not path.is_file():  # a pipe would hold the reader up
        raise IntegrityError(f"{path} is no plain file", hint="this program did not write it")
    try:
        with path.open("rb") as stream:
            data = stream.read(_LIMIT_BYTES + 1)
    except OSError as error:
        raise IntegrityError(f"cannot read {path}: {error.strerror}", hint="check its permissions") from error
    if len(data) > _LIMIT_BYTES:
        raise IntegrityError(
            f"{path} is longer than the {_LIMIT_BYTES} bytes that clients read of a root",
            hint="put the file back from a mirror or a backup",
        )
    return data
