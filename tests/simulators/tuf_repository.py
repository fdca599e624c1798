"""A TUF repository of plain files in memory, served over loopback, that can be made to do anything wrong.

It knows nothing of this project: any role, any delegation, any bytes, with or without digests and prefixes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

from securesystemslib.signer import CryptoSigner, Signer
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Signed,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

TOP_LEVEL = ("root", "timestamp", "snapshot", "targets")


class TufRepository:
    """Roles, their keys, and what is served of them.

    Attributes:
        roles: payload of each role, changed by tests and served after ``put``.
        signers: keys that each role is signed with.
        files: url path below the repository to bytes.
        asked: paths that were asked for, in order.
        digests: whether timestamp and snapshot list digests and lengths.
        prefixed: whether target files are served under their digest's name.
    """

    def __init__(self, now: datetime | None = None) -> None:
        self.now = now or datetime.now(UTC).replace(microsecond=0)
        later = self.now + timedelta(days=30)
        self.roles: dict[str, Signed] = {
            "root": Root(expires=later, consistent_snapshot=True),
            "timestamp": Timestamp(expires=later),
            "snapshot": Snapshot(expires=later),
            "targets": Targets(expires=later),
        }
        self.signers: dict[str, list[Signer]] = {}
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.digests = False
        self.prefixed = True
        for role in TOP_LEVEL:
            self.roles[role].version = 0  # ``put`` counts
            self.rotate(role)
        self.put("targets", "snapshot", "timestamp", "root")
        self.trusted_root = self.files["metadata/1.root.json"]

    @property
    def root(self) -> Root:
        return self.roles["root"]

    @property
    def timestamp(self) -> Timestamp:
        return self.roles["timestamp"]

    @property
    def snapshot(self) -> Snapshot:
        return self.roles["snapshot"]

    @property
    def targets(self) -> Targets:
        return self.roles["targets"]

    def rotate(self, role: str, signers: Sequence[Signer] | None = None, *, threshold: int = 1) -> None:
        """Give a top-level role other keys, which sign it from now on."""
        chosen = list(signers or [CryptoSigner.generate_ed25519()])
        for keyid in list(self.root.roles[role].keyids):
            self.root.revoke_key(keyid, role)
        for signer in chosen:
            self.root.add_key(signer.public_key, role)
        self.root.roles[role].threshold = threshold
        self.signers[role] = chosen

    def delegate(
        self,
        parent: str,
        name: str,
        *,
        paths: Sequence[str] | None = ("*",),
        prefixes: Sequence[str] | None = None,
        terminating: bool = False,
        expires: datetime | None = None,
    ) -> None:
        """Let a role speak for paths; a role that is there already gets one more delegator."""
        delegator = self.roles[parent]
        if delegator.delegations is None:
            delegator.delegations = Delegations({}, roles={})
        delegator.delegations.roles[name] = DelegatedRole(
            name,
            [],
            1,
            terminating=terminating,
            paths=None if prefixes else list(paths),
            path_hash_prefixes=list(prefixes) if prefixes else None,
        )
        self.signers.setdefault(name, [CryptoSigner.generate_ed25519()])
        for signer in self.signers[name]:
            delegator.add_key(signer.public_key, name)
        if name not in self.roles:
            self.roles[name] = Targets(expires=expires or self.now + timedelta(days=30))
            self.roles[name].version = 0

    def put(self, *roles: str, sign_with: Sequence[Signer] | None = None, bump: bool = True) -> None:
        """Sign and serve roles in that order; what lists them is changed, and served by its own ``put``."""
        for role in roles:
            signed = self.roles[role]
            signed.version += bump
            metadata = Metadata(signed)
            for signer in self.signers[role] if sign_with is None else sign_with:
                metadata.sign(signer, append=True)
            data = metadata.to_bytes()
            self.files[self.path(role, signed.version)] = data
            listed = MetaFile.from_data(signed.version, data, ["sha256"]) if self.digests else MetaFile(signed.version)
            if role == "snapshot":
                self.timestamp.snapshot_meta = listed
            elif role not in TOP_LEVEL or role == "targets":
                self.snapshot.meta[f"{role}.json"] = listed

    def put_all(self, *first: str) -> None:
        """Serve roles and everything above them."""
        self.put(*first, *(() if "targets" in first else ("targets",)), "snapshot", "timestamp")

    def path(self, role: str, version: int | None = None) -> str:
        """Return where a role's metadata is served."""
        plain = role == "timestamp" or (role != "root" and not self.root.consistent_snapshot)
        number = "" if plain else f"{version or self.roles[role].version}."
        return f"metadata/{number}{quote(role, safe='')}.json"

    def add(
        self, role: str, path: str, data: bytes, *, hashes: Sequence[str] = ("sha256",), served: bytes | None = None
    ) -> TargetFile:
        """Let a role list a file and serve it; ``served`` are other bytes than the listed ones."""
        target = TargetFile.from_data(path, data, list(hashes))
        self.roles[role].targets[path] = target
        self.serve(target, data if served is None else served)
        return target

    def serve(self, target: TargetFile, data: bytes) -> None:
        """Serve a file under each name that a client may ask for."""
        folder, slash, name = target.path.rpartition("/")
        for digest in target.hashes.values():
            wanted = f"{folder}{slash}{digest}.{name}" if self.prefixed else target.path
            self.files[f"targets/{quote(wanted)}"] = data

    def metadata_asked(self) -> list[str]:
        """Return the metadata files that were asked for, in order."""
        return [path.removeprefix("metadata/") for path in self.asked if path.startswith("metadata/")]

    def files_asked(self) -> list[str]:
        """Return the target files that were asked for, in order."""
        return [path.removeprefix("targets/") for path in self.asked if path.startswith("targets/")]

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Serve on loopback and give the url."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        server.repository = self
        thread = threading.Thread(target=server.serve_forever, daemon=True, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path = self.path.removeprefix("/")
        repository: TufRepository = self.server.repository
        repository.asked.append(path)
        data = repository.files.get(path)
        if data is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
