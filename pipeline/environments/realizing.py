"""An environment made of a bundle's layers: the one way, for a build's proof and for installations."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipeline.composing import compose, folders_of
from pipeline.environments.bytecode import link_compiled, send_bytecode
from pipeline.environments.host_python import make_virtual_environment
from pipeline.environments.laying import lay
from pipeline.environments.scripts import SCRIPTS_FOLDER, write_programs
from pipeline.environments.signatures import sign_again
from pipeline.errors import HostError, IntegrityError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.environments.host_python import HostPython
    from pipeline.environments.laying import LayerSource
    from pipeline.model.environment import EnvironmentCard
    from pipeline.model.tree import Tree
    from pipeline.ports import Disk, Services

SETTINGS_FILE = "pyvenv.cfg"
"""At the top of a prefix; without it, packages of the user's home go before those of the prefix (PEP 370)."""
_TELL = "tell the publisher of the bundle"


class Site(NamedTuple):
    """Where an environment is made, and where it will be. All on one file system, for hard links.

    Attributes:
        prefix: where its files are written; made here.
        final_prefix: where it is moved to, the path that its files hold.
        unpacked: folder of unpacked conda packages; what is in it already is used, and must be as it was made.
        staged_bytecode: folder for what packages have compiled; made here where there is any.
        bytecode_dir: where that folder will be, and where Python keeps what it compiles.
    """

    prefix: Path
    final_prefix: Path
    unpacked: Path
    staged_bytecode: Path
    bytecode_dir: Path


def realize(
    card: EnvironmentCard,
    layers: Sequence[LayerSource],
    site: Site,
    *,
    platform: str,
    services: Services,
    disk: Disk,
    python: HostPython | None = None,
) -> None:
    """Make an environment of its layers.

    Args:
        card: how, from the signed manifest.
        layers: in the order in which they are laid; the one with the role ``base`` holds the conda packages, and is
            linked.
        site: where.
        platform: that it is for; changed binaries of a macOS one are signed again.
        services: what links packages and runs programs.
        disk: how files are written.
        python: what it is made over, where its base is the host's.

    Raises:
        IntegrityError: layers contradict each other or what the card says.
        HostError: something is missing that makes environments.
        NoSpaceError: the disk is full.
    """
    if card.base == "conda":
        _link_base(card, layers, site, services=services, disk=disk)
    elif python is None:
        raise TypeError("an environment over a host's Python needs one")
    else:
        make_virtual_environment(card, python, site.prefix, disk=disk)
    _require_folders(site.prefix, [SCRIPTS_FOLDER, card.site_packages])
    interpreter = site.final_prefix / SCRIPTS_FOLDER / "python"
    _lay_wheels(layers, site, disk=disk)
    write_programs(card.scripts, site.prefix, interpreter=interpreter, disk=disk)
    send_bytecode(card, site.prefix, bytecode_dir=site.bytecode_dir, disk=disk)
    link_compiled(site.prefix, final_prefix=site.final_prefix, staged_bytecode=site.staged_bytecode, disk=disk)
    if card.base == "conda" and platform.startswith("macos-"):
        sign_again(site.prefix, commands=services.commands, env=services.base_env)


def _link_base(
    card: EnvironmentCard, layers: Sequence[LayerSource], site: Site, *, services: Services, disk: Disk
) -> None:
    if services.conda is None:
        raise HostError("nothing here links conda packages", hint="pip install 'engine-pipeline[environments]'")
    bases = [layer for layer in layers if layer.role == "base"]
    if len(bases) != 1 or card.channel is None or not card.packages:
        raise IntegrityError("the bundle does not say where its conda packages are", hint=_TELL)
    there = {entry.path for entry in bases[0].tree.entries}
    for package in card.packages:
        if f"{card.channel}/{package}" not in there:
            raise IntegrityError(f"the bundle's layer of conda packages has no {package}", hint=_TELL)
    disk.make_dirs(site.prefix.parent, durable=False)
    disk.make_dirs(site.unpacked, durable=False)
    services.conda.link(
        bases[0].folder / card.channel,
        card.packages,
        site.prefix,
        final_prefix=site.final_prefix,
        scratch=site.unpacked,
    )
    _leave_user_site_out(site, disk=disk)


def _leave_user_site_out(site: Site, *, disk: Disk) -> None:
    """Have the linked Python import nothing from its user's home, whatever starts it, as in a virtual environment."""
    path = site.prefix / SETTINGS_FILE
    if path.exists() or path.is_symlink():
        raise IntegrityError(f"a package brings {SETTINGS_FILE}", hint=_TELL)
    home = os.fsencode(site.final_prefix / SCRIPTS_FOLDER)
    disk.write_file(path, b"home = " + home + b"\ninclude-system-site-packages = false\n")


def _require_folders(prefix: Path, folders: Sequence[str]) -> None:
    """Refuse a prefix in which something that is written below is no folder of its own: a link leads elsewhere."""
    for folder in folders:
        parts = folder.split("/")
        for length in range(1, len(parts) + 1):
            place = prefix.joinpath(*parts[:length])
            if place.is_symlink() or (place.exists() and not place.is_dir()):
                raise IntegrityError(f"{'/'.join(parts[:length])} is no folder in the environment", hint=_TELL)


def _lay_wheels(layers: Sequence[LayerSource], site: Site, *, disk: Disk) -> None:
    """Lay everything but the base, byte for byte."""
    laid = [layer for layer in layers if layer.role != "base"]
    sources = {layer.tree.sha256: layer.folder for layer in laid}
    tree, origin = compose((layer.tree.sha256, layer.tree) for layer in laid)
    _require_free(tree, site.prefix)
    lay(tree, origin=origin, sources=sources, destination=site.prefix, disk=disk)


def _require_free(tree: Tree, prefix: Path) -> None:
    """Refuse files that the linked base has too, by any spelling that some file system takes for the same.

    Names of the base that differ by case among themselves (terminals of ncurses) are conda's business: it has always
    linked them so.
    """
    folders, names = _taken(prefix)
    for folder in folders_of(tree.entries):
        if names.get(folder.casefold()) is not None or folders.get(folder.casefold(), folder) != folder:
            raise IntegrityError(
                f"a package and the base of the environment contradict each other at {folder}", hint=_TELL
            )
    for entry in tree.entries:
        if names.get(entry.path.casefold()) is not None or entry.path.casefold() in folders:
            raise IntegrityError(f"{entry.path} comes with a wheel and with the base of the environment", hint=_TELL)


def _taken(prefix: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return the folders and the other names of a prefix by their folded paths."""
    folders: dict[str, str] = {}
    names: dict[str, str] = {}
    for parent, below, files in os.walk(prefix):
        above = "" if (relative := os.path.relpath(parent, prefix)) == "." else f"{relative}/"
        for name in below:
            target = names if Path(parent, name).is_symlink() else folders
            target[f"{above}{name}".casefold()] = f"{above}{name}"
        names.update((f"{above}{name}".casefold(), f"{above}{name}") for name in files)
    return folders, names
