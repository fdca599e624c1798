"""A mirror of a world's repository, changed by the real code over the real disk."""

from __future__ import annotations

from pathlib import Path

from pipeline.deploy.mirror.layout import MirrorLayout
from pipeline.deploy.mirror.request import MirrorRequest
from pipeline.deploy.mirror.sealed import sealing
from pipeline.deploy.mirror.sync import sync
from pipeline.model.mirror import MirrorOutcome, MirrorSelection
from pipeline.model.mirror_content import SealOutcome
from pipeline.ports import Services
from pipeline.publish.keys import KeyFolder, init_keys, open_keys
from pipeline.publish.sealing import seal
from pipeline.system.keys import PrivateKeyFiles
from tests.simulators.engine_world import FixedHost, World, services_for


def mirror_services(world: World, folder: Path, *, host: FixedHost | None = None) -> Services:
    """Return services whose downloads lie in the mirror."""
    return services_for(folder / ".mirror", clock=world.clock, host=host)


def mirrored(world: World, folder: Path, *, services: Services | None = None, **changes: object) -> MirrorOutcome:
    """Sync a mirror; ``changes`` are fields of the request or of its selection.

    Where both have one of a name, the request's is ``model_source`` or ``installer_source``.
    """
    chosen = {name: changes.pop(name) for name in list(changes) if name in MirrorSelection.model_fields}
    fields = {
        "folder": folder,
        "source": str(world.repository),
        "selection": MirrorSelection(**chosen),
        "trusted_root": world.trusted_root,
        "models": changes.pop("model_source", None),
        "installer": changes.pop("installer_source", None),
    } | changes
    return sync(MirrorRequest(**fields), services or mirror_services(world, folder), disk=world.disk)


def held(folder: Path) -> dict[str, bytes]:
    """Return every file of a mirror but its private state, by path."""
    return {
        path: place.read_bytes()
        for place in sorted(folder.rglob("*"))
        if place.is_file() and not (path := place.relative_to(folder).as_posix()).startswith(".mirror/")
    }


def private(folder: Path) -> set[str]:
    """Return what lies in a mirror's private folder, locks and state of trust left out."""
    return {
        path
        for place in (folder / ".mirror").rglob("*")
        if place.is_file()
        and not (path := place.relative_to(folder / ".mirror").as_posix()).startswith(("trust/", "downloads/locks/"))
        and path != "lock"
        and place.suffix != ".owner"  # of a store that a test leaves open
    }


def lane_keys(world: World, name: str = "lane-keys", **choices: object) -> KeyFolder:
    """Return the keys of a world's air-gap lane, made when they are not there."""
    folder = world.folder / name
    if not folder.exists():
        init_keys(
            folder,
            passphrase=None,
            key_files=PrivateKeyFiles(),
            now=world.clock.now_seconds(),
            **({"lane": "airgap"} | choices),
        )
    return open_keys(folder, passphrase=lambda: None, key_files=PrivateKeyFiles())


def sealed(world: World, folder: Path, *, keys: KeyFolder | None = None, **choices: object) -> SealOutcome:
    """Seal a mirror as the command does."""
    layout, services = MirrorLayout(folder), mirror_services(world, folder)
    fields = {"days": 120, "allow_development": True} | choices
    keys = keys or lane_keys(world)
    anew = keys.listing.lane if choices.get("anew") else None
    with sealing(layout, trusted_root=world.trusted_root, services=services, disk=world.disk, anew=anew) as held:
        outcome = seal(
            held.content,
            folder=folder,
            staging_dir=layout.staging_dir,
            keys=keys,
            services=services,
            disk=world.disk,
            now=world.clock.now_seconds(),
            **fields,
        )
        held.changed = outcome.changed and not outcome.dry_run
    return outcome
