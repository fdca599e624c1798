"""Whoever holds a repository's folder, and some of its keys: signs anything and puts it where it is read.

It shares no code with the publisher, so that a mistake there is not repeated here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

from securesystemslib.formats import encode_canonical
from securesystemslib.signer import CryptoSigner, Signer
from tuf.api.metadata import DelegatedRole, Metadata, MetaFile, TargetFile, Targets

from pipeline.publish.keys import KeyFolder
from tests.simulators.engine_world import ENGINE

MANIFEST = f"engines/{ENGINE}/manifest.json"
ROLE = f"engine-{ENGINE}"


class Forger:
    """Changes a published repository.

    Attributes:
        repository: the folder.
        keys: of the publisher; what is signed with them is signed rightly.
    """

    def __init__(self, repository: Path, keys: KeyFolder) -> None:
        self.repository = repository
        self.keys = keys

    @property
    def metadata_dir(self) -> Path:
        return self.repository / "metadata"

    def path(self, role: str) -> Path:
        """Return the file of a role's newest version."""
        if role == "timestamp":
            return self.metadata_dir / "timestamp.json"
        found = self.metadata_dir.glob(f"*.{quote(role, safe='')}.json")
        return max(found, key=lambda path: int(path.name.partition(".")[0]))

    def load(self, role: str) -> Metadata:
        """Return a role's newest metadata."""
        return Metadata.from_bytes(self.path(role).read_bytes())

    def edit(self, role: str, change: Callable[[dict], object]) -> None:
        """Change the newest metadata of a role without signing it."""
        document = json.loads(self.path(role).read_text())
        change(document)
        self.path(role).write_text(json.dumps(document))

    def signers(self, role: str) -> tuple[Signer, ...]:
        """Return the publisher's signers of a role."""
        return self.keys.signers("engines" if role.startswith("engine-") else role)

    def sign(
        self,
        role: str,
        change: Callable[[Metadata], object] = lambda _: None,
        *,
        signers: Sequence[Signer] | None = None,
        data: Callable[[bytes], bytes] = bytes,
        bump: int = 1,
    ) -> None:
        """Sign the next version of a role, and whatever lists it up to the timestamp, with the publisher's keys.

        Args:
            role: whose metadata it is.
            change: what is different in it.
            signers: other signers than the publisher's.
            data: what becomes of the signed bytes before their digest is listed.
            bump: how much the version grows.
        """
        metadata = self.load(role)
        metadata.signed.version += bump
        change(metadata)
        metadata.signatures.clear()
        for signer in self.signers(role) if signers is None else signers:
            metadata.sign(signer, append=True)
        self.put(role, metadata.signed.version, data(metadata.to_bytes()))

    def sign_document(self, role: str, signed: dict) -> None:
        """Sign anything as a role's metadata, also what the role's own model would not hold, and list it rightly."""
        canonical = encode_canonical(signed).encode()
        signatures = [signer.sign(canonical).to_dict() for signer in self.signers(role)]
        self.put(
            role, self.load(role).signed.version + 1, json.dumps({"signatures": signatures, "signed": signed}).encode()
        )

    def put(self, role: str, version: int, data: bytes) -> None:
        """Write a role's metadata, and sign what lists it up to the timestamp."""
        name = "timestamp.json" if role == "timestamp" else f"{version}.{quote(role, safe='')}.json"
        (self.metadata_dir / name).write_bytes(data)
        listed = MetaFile.from_data(version, data, ["sha256"])
        if role == "snapshot":
            self.sign("timestamp", lambda above: setattr(above.signed, "snapshot_meta", listed))
        elif role not in {"root", "timestamp"}:
            self.sign("snapshot", lambda above: above.signed.meta.update({f"{role}.json": listed}))

    def blob(self, data: bytes) -> TargetFile:
        """Write a file under its digest."""
        target = TargetFile.from_data("unnamed", data, ["sha256"])
        sha256 = target.hashes["sha256"]
        path = self.repository / "blobs" / sha256[:2] / sha256
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return target

    def list_target(self, path: str, target: TargetFile, *, role: str = ROLE) -> None:
        """Let a role list a file, rightly signed."""
        listed = TargetFile(target.length, target.hashes, path)
        self.sign(role, lambda metadata: metadata.signed.targets.update({path: listed}))

    def publish_manifest(self, data: bytes) -> None:
        """Publish any bytes as the engine's manifest, rightly signed."""
        self.list_target(MANIFEST, self.blob(data))

    def manifest(self) -> dict:
        """Return the engine's published manifest."""
        return json.loads(self.blob_of(MANIFEST).read_text())

    def blob_of(self, path: str, *, role: str = ROLE) -> Path:
        """Return the file of a target."""
        sha256 = self.load(role).signed.targets[path].hashes["sha256"]
        return self.repository / "blobs" / sha256[:2] / sha256

    def layer(self, name: str = "core", version: str | None = None) -> Path:
        """Return the archive of a layer of the newest bundle, or of that version."""
        artifacts = self.manifest()["artifacts"]
        artifact = artifacts[-1] if version is None else next(a for a in artifacts if a["version"] == version)
        sha256 = next(layer["sha256"] for layer in artifact["layers"] if layer["name"] == name)
        return self.repository / "blobs" / sha256[:2] / sha256

    def add_role(self, name: str, *, paths: Sequence[str], first: bool = False, terminating: bool = True) -> Signer:
        """Let the publisher delegate to one more role, which lists nothing yet; return its key."""
        signer = CryptoSigner.generate_ed25519()

        def change(metadata: Metadata) -> None:
            delegations = metadata.signed.delegations
            role = DelegatedRole(name, [], 1, terminating=terminating, paths=list(paths))
            others = dict(delegations.roles)
            delegations.roles = {name: role, **others} if first else {**others, name: role}
            metadata.signed.add_key(signer.public_key, name)

        self.sign("targets", change)
        made = Metadata(Targets(expires=self.load("targets").signed.expires))
        made.sign(signer)
        self.put(name, 1, made.to_bytes())
        return signer
