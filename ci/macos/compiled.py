"""Checks what only a Mac can show of an engine that is compiled, on this Mac or on another machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ci.macos.report import Check, CheckFailedError
from ci.macos.verification import Verification
from pipeline.app.services import build_services
from pipeline.app.settings import Flags, load_settings
from pipeline.catalog import load
from pipeline.make.fetch import fetch_model
from pipeline.model.actions import FetchModel
from pipeline.names import parse_target


@dataclass
class CompiledVerification(Verification):
    """One run of the checks of a bundle that is built here, or that another machine built and nobody has run.

    Attributes:
        dist: folder that `build` wrote elsewhere; None builds here.
        model: GGUF file that is asked; None brings the recipe's.
    """

    dist: Path | None = None
    model: Path | None = None

    def checks(self) -> tuple[Check, ...]:
        """Return what is looked at, in order."""
        return (
            Check("repository", self.prepare),
            Check("model", self.bring_model),
            Check("install", lambda: self.install("engines", *self._asking()), ("repository", "model")),
            Check("devices", self.see_devices, ("install",)),
            Check(
                "install below a space",
                lambda: self.install("My Engines/here", *self._asking()),
                ("repository", "model"),
            ),
            Check("signatures", self.check_signatures, ("install", "install below a space")),
            Check("files after use", self.verify_files, ("install",)),
        )

    def prepare(self) -> str:
        """Publish what another machine built, or build and prove it here and publish that."""
        home = self.work_dir / "publisher"
        home.mkdir()
        self._call("keys", "init", "--no-passphrase", "--keys", home / "keys")
        self.trusted_root = home / "keys" / "root.json"
        self.repository = str(home / "repository")
        dist = self.dist
        if dist is None:
            dist = home / "dist"
            self._call("build", "--target", self.target, "--source", "build", "--prove", "run", "--output", dist)
        kept = ("--keys", home / "keys", "--to", home / "repository", "--from", dist)
        self._call("publish", "--allow-development", *kept)
        how = "built and proven here" if self.dist is None else f"taken from {self.dist}"
        return f"{how}, and published"

    def bring_model(self) -> str:
        """Bring the model that the engine's recipe is proven with, unless one was given."""
        if self.model is None:
            settings = load_settings(Flags())
            catalog = load(settings.recipes_dir)
            wanted = catalog.models[catalog.engine(parse_target(self.target).engine).proof.model]
            folder = self.work_dir / "model"
            folder.mkdir()
            with build_services(settings) as services:
                blob = fetch_model(FetchModel(model=wanted), "model", services, folder).blobs["model"]
                services.store.copy_blob(blob, folder / blob.filename)
            self.model = folder / blob.filename
        return self.model.name

    def see_devices(self) -> str:
        """See every device that the accelerator's recipe expects, so that nothing fell back to the processor."""
        expected = load(load_settings(Flags()).recipes_dir).accelerator(parse_target(self.target).accel).expect_devices
        devices = [str(name) for name in self.health["devices"]]
        missing = [pattern for pattern in expected if not any(re.search(pattern, name) for name in devices)]
        if missing:
            raise CheckFailedError(f"no device like {missing[0]!r} among {', '.join(devices) or 'none'}")
        return ", ".join(devices)

    def _asking(self) -> tuple[str, ...]:
        return ("--health-model", str(self.model))
