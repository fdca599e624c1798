"""A key folder as a machine has it that is not given every private key."""

from __future__ import annotations

import shutil

from pipeline.model.publication import KeyList
from pipeline.publish.keys import KeyFolder, open_keys
from pipeline.system.keys import PrivateKeyFiles
from tests.simulators.engine_world import World


def without(world: World, *roles: str) -> KeyFolder:
    """Return the keys as a machine has them that lacks the private ones of some roles."""
    folder = world.folder / "ci"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(world.keys_dir, folder)
    listing = KeyList.model_validate_json((folder / "keys.json").read_bytes())
    changed = {
        role: keys.model_copy(update={"keys": tuple(e.model_copy(update={"file": None}) for e in keys.keys)})
        for role, keys in listing.roles.items()
        if role in roles
    }
    for role in changed:
        for path in folder.glob(f"{role}-*.pem"):
            path.unlink()
    listing = listing.model_copy(update={"roles": {**listing.roles, **changed}})
    (folder / "keys.json").write_text(listing.model_dump_json())
    return open_keys(folder, passphrase=lambda: None, key_files=PrivateKeyFiles())
