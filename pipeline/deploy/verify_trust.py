"""Kept TUF metadata, checked without any connection: signatures, and what it says of the documents kept beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import DelegatedRole, Metadata, Root, Targets
from tuf.api.serialization import DeserializationError

from pipeline.deploy.comparing import FileComparison
from pipeline.deploy.kept_metadata import MANIFESTS, REVOCATIONS, kept_paths
from pipeline.deploy.known_time import TIME_FILE
from pipeline.model.repository_layout import TARGET_FOLDERS, manifest_target, revocations_target

if TYPE_CHECKING:
    from pathlib import Path

_ANEW = "the next `install` brings it anew"
_TOP_LEVEL = ("timestamp", "snapshot", "targets")
_OWN_NAMES = frozenset({"root", *_TOP_LEVEL, TIME_FILE.removesuffix(".json")})


def is_root(path: Path) -> bool:
    """Tell whether a file is root metadata that its own keys have signed."""
    return verify_root(path, FileComparison(), name="") is not None


def verify_root(path: Path, comparison: FileComparison, *, name: str) -> Root | None:
    """Check that root metadata is signed by its own keys; return it when it is."""
    try:
        data = path.read_bytes()
    except OSError:
        comparison.add(name, "missing", "`install --trusted-root FILE --repair` writes it again")
        return None
    try:
        metadata = Metadata[Root].from_bytes(data)
        metadata.signed.verify_delegate("root", metadata.signed_bytes, metadata.signatures)
    except (RepositoryError, DeserializationError, ValueError, AttributeError):
        comparison.add(name, "changed", "it is not signed by its own keys")
        return None
    comparison.add_verified(name, len(data))
    return metadata.signed


def verify_metadata(folder: Path, comparison: FileComparison, *, name: str, engines: frozenset[str]) -> None:
    """Check everything that is kept of a repository's metadata.

    Args:
        folder: of the state.
        comparison: takes the findings.
        name: prefix of the paths in findings.
        engines: that were installed from there; their documents must be kept.
    """
    for path in sorted((folder / "root_history").glob("*.json")):
        verify_root(path, comparison, name=f"{name}/root_history/{path.name}")
    root = verify_root(folder / "root.json", comparison, name=f"{name}/root.json")
    if root is None:
        return
    targets = None
    for top in _TOP_LEVEL:
        found = _verified(folder, top, root, comparison, name=name)
        targets = found if top == "targets" else targets
    signed: set[str] = set()
    for role in () if targets is None else _delegated(targets):
        paths = [manifest_target(engine, within) for engine in engines for within in TARGET_FOLDERS]
        if role.name in _OWN_NAMES:
            continue  # no client reads such a role: its file would be one of the client's own
        needed = any(role.is_delegated_path(path) for path in paths)
        if targets is not None and (needed or _path(folder, role.name).exists()):
            listed = _verified(folder, role.name, targets, comparison, name=name)
            signed |= set() if listed is None else listed.targets.keys()
    for engine in sorted(engines):
        for kept, target in ((MANIFESTS, manifest_target), (REVOCATIONS, revocations_target)):
            if signed & {target(engine, within) for within in TARGET_FOLDERS} and not kept_paths(folder, kept, engine):
                comparison.add(f"{name}/{kept}/{engine}", "missing", _ANEW)


def _path(folder: Path, role: str) -> Path:
    return folder / f"{quote(role, safe='')}.json"  # as python-tuf calls it


def _delegated(targets: Targets) -> list[DelegatedRole]:
    roles = targets.delegations.roles if targets.delegations else None
    return [role for _, role in sorted((roles or {}).items())]


def _verified(
    folder: Path, role: str, delegator: Root | Targets, comparison: FileComparison, *, name: str
) -> Targets | None:
    path = _path(folder, role)
    try:
        data = path.read_bytes()
    except OSError:
        comparison.add(f"{name}/{path.name}", "missing", _ANEW)
        return None
    try:
        metadata = Metadata[Targets].from_bytes(data)
        delegator.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
    except (RepositoryError, DeserializationError, ValueError):
        comparison.add(f"{name}/{path.name}", "changed", f"it is not signed as it must be; {_ANEW}")
        return None
    comparison.add_verified(f"{name}/{path.name}", len(data))
    return metadata.signed
